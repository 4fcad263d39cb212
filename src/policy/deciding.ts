/**
 * What a person does with the questions that wait: look at them and say yes or no. Reached by `deckhand approve`, `deny`, `approvals`
 * and the question of `deckhand call`, and by links that were sent out (links.ts, which says who may use one): no tool leads here. Each
 * step of an approval's life is on record: asked, granted, refused, used, expired; and an answer that did not count.
 */
import type { ApprovalState, Log, Principal } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { reveal } from '../core/foreign.ts';
import type { Approval, Approvals as Store } from '../store/approvals.ts';
import type { Audit } from './ports.ts';
import { oneLine } from './shown.ts';

export type { Approval } from '../store/approvals.ts';

export interface Deciding {
  waiting(): Approval[];
  /** Newest first, also what has been decided. */
  recent(): Approval[];
  get(id: string): Approval | null;
  decide(id: string, answer: Answer): Approval;
  /** Puts on record what has run out since. */
  expire(): void;
}

export interface Answer {
  /** `cli:<uid>`, `tty:<uid>` or, by a link, a principal: as the face knows it and never as a caller says. */
  approver: string;
  granted: boolean;
  because?: string;
  /** By which it was given, whom that was sent to, and what the approver showed. */
  link?: { handle: string; channel: string; credential?: Principal['credential'] };
}

const RECENT = 50;
const BECAUSE = 200;

export type Stage = 'asked' | Exclude<ApprovalState, 'waiting'> | 'ignored';
export type Life = (stage: Stage, a: Approval, more?: Record<string, unknown>) => void;

/** A yes is on the disk before it counts; a no counts in any case. */
export function lifeOf({ audit, log }: { audit: Pick<Audit, 'append'>; log: Log }): Life {
  return (stage, a, more = {}) => {
    const { id, approver, principal, tool, risk, summary, inputHash } = a;
    const because = a.because ?? undefined;
    const who = stage === 'asked' || stage === 'ignored' ? undefined : (approver ?? undefined);
    const fields = { id, state: stage, approver: who, principal, tool, risk, summary, inputHash, because, ...more };
    audit.append('approval', fields, { durable: stage === 'granted' });
    log.info({ approval: id, state: stage, approver: who, principal, tool, risk }, `approval ${stage}`);
  };
}

export function createDeciding(o: { store: Store; audit: Pick<Audit, 'append'>; log: Log }): Deciding {
  const { store } = o;
  const life = lifeOf(o);
  const expire = () => {
    for (const a of store.expire()) life('expired', a);
  };
  return {
    waiting() {
      expire();
      return store.waiting();
    },
    recent() {
      expire();
      return store.recent(RECENT);
    },
    get: (id) => store.get(id),
    decide(id, { approver, granted, because, link }) {
      expire();
      const found = store.get(id);
      // Who sits at the terminal answers for the call that was made there, and for no other.
      if (found && approver.startsWith('tty:') && found.principal !== approver.replace('tty:', 'cli:'))
        throw new OpsError('permission', `${approver} answers only calls of its own terminal.`, {
          hint: `Decide with: deckhand approve ${id}`,
        });
      const said = because === undefined ? {} : { because: oneLine(reveal(because)).slice(0, BECAUSE) };
      const by = link && { via: 'link', channel: link.channel, credential: link.credential };
      return store.decide(id, { approver, granted, ...said, ...(link ? { link: link.handle } : {}) }, (a) =>
        life(granted ? 'granted' : 'refused', a, by),
      );
    },
    expire,
  };
}
