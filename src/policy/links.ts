/**
 * Links by which a question can be looked at and answered from elsewhere. A link is random (130 bits) and stored as a hash, rather than
 * signed: it has to be stored anyway to be used once, and a key that signs would be one more thing to keep. It shows; it never decides:
 * that takes a principal with `admin` who is not the one that asked. Decides who that is, and that a link which does not serve is one
 * answer, whatever the reason.
 */
import type { Log, Principal } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { holds } from '../core/scopes.ts';
import type { ApprovalLinks } from '../store/approval_links.ts';
import type { Approval } from '../store/approvals.ts';
import { newHandle } from '../store/handles.ts';
import { current } from './authorize.ts';
import type { Deciding } from './deciding.ts';

export type { Approval } from '../store/approvals.ts';

export const LINK = /^l_[a-z2-7]{26}$/;

export interface Links {
  /** The URL of a new link, or null: where people reach the HTTP face is not known, or the link cannot be kept. */
  make(approval: Approval, channel: string): string | null;
  /** What it asks, while that waits. */
  find(handle: string): Approval | null;
  /** Why this one may not decide it, or null. */
  refused(approval: Approval, who: Principal): OpsError | null;
  decide(handle: string, who: Principal, answer: { granted: boolean; because?: string }): Approval;
}

export interface LinkOptions {
  store: ApprovalLinks;
  deciding: Pick<Deciding, 'get' | 'decide'>;
  /** Where people reach the HTTP face, without a final slash. */
  base: string | null;
  now(): number;
  log: Log;
}

export function createLinks(o: LinkOptions): Links {
  const { store, deciding } = o;

  function known(handle: string): { approval: Approval; channel: string } | null {
    if (!LINK.test(handle)) return null;
    const link = store.get(handle);
    const approval = link && deciding.get(link.approval);
    return approval?.state === 'waiting' ? { approval, channel: link?.channel as string } : null;
  }

  function refused(approval: Approval, who: Principal): OpsError | null {
    if (!current(who, o.now()))
      return new OpsError('permission', 'This credential has expired or was revoked.', {
        hint: 'Use one that is good.',
      });
    if (!holds(who.scopes, 'admin'))
      return new OpsError('permission', `${who.id} may not decide: that takes the role admin.`, {
        hint: 'On the host, `deckhand token add NAME --role admin` makes a token that may.',
      });
    if (isSelf(who, approval.principal))
      return new OpsError('permission', 'Nobody approves their own change.', { hint: 'Decide as another principal.' });
    return null;
  }

  return {
    make(approval, channel) {
      if (o.base === null) return null;
      const handle = newHandle('l');
      try {
        store.add(handle, { approval: approval.id, channel, expiresAtMs: approval.expiresAtMs });
      } catch (thrown) {
        o.log.warn({ err: thrown, channel }, 'no link could be made: the notice says how to decide on the host');
        return null;
      }
      return `${o.base}/approvals/${handle}`;
    },
    find: (handle) => known(handle)?.approval ?? null,
    refused,
    decide(handle, who, { granted, because }) {
      const found = known(handle);
      if (!found) throw gone();
      const no = refused(found.approval, who);
      if (no) throw no;
      return deciding.decide(found.approval.id, {
        approver: who.id,
        granted,
        ...(because === undefined ? {} : { because }),
        link: { handle, channel: found.channel, credential: who.credential },
      });
    },
  };
}

/** One answer for unknown, used, expired and decided otherwise: a stranger learns nothing of what there was. */
export const gone = (): OpsError =>
  new OpsError('not_found', 'Nothing waits under this link.', {
    hint: 'It serves once and for ten minutes at most; on the host, `deckhand approvals` lists what waits.',
  });

const LOGIN = /^(?:jwt:[^:]+|tailnet):(.+@.+)$/i;

/**
 * Whether who asked and who decides are the same, as far as their names tell: the same id, one of its tags, or the same login (a name
 * with an @) by token and by tailnet. One person with two names that have nothing in common is two principals, and no check sees it.
 */
export function isSelf(who: Pick<Principal, 'id' | 'aliases'>, asked: string): boolean {
  const one = (id: string) => id.toLowerCase();
  const names = new Set([who.id, ...(who.aliases ?? [])].map(one));
  if (names.has(one(asked))) return true;
  const tags = (id: string) => (/^tailnet:tag:/i.test(id) ? one(id).slice('tailnet:'.length).split(',') : []);
  const own = new Set([...names].flatMap(tags));
  if (tags(asked).some((tag) => own.has(tag))) return true;
  const login = LOGIN.exec(one(asked))?.[1];
  return login !== undefined && [...names].some((name) => LOGIN.exec(name)?.[1] === login);
}
