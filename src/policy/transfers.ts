/**
 * Files on their way: who may fetch or send which, for how long, how much at once, and what is on record of it. A handle names a transfer
 * and proves nothing: it serves the principal it was made for, while that one still holds what the call needed. Kept in memory, because
 * what is under way ends with its process. How requests look is the face's, what becomes of bytes the host's (down.ts and up.ts beside
 * this one run them).
 */
import type { Principal } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import type { FilesHost } from '../core/files.ts';
import { holds, type Scope } from '../core/scopes.ts';
import { rfc3339 } from '../core/text.ts';
import type { Target } from '../core/tool.ts';
import type { OfferedFile, Transfers } from '../core/transfer.ts';
import { newHandle } from '../store/handles.ts';
import { hostOf, type Job } from './job.ts';
import type { Policy } from './ports.ts';
import { createSlots } from './slots.ts';
import { type DownRun, runDown } from './transfer_down.ts';
import { receiving, type Up, type UpRun } from './transfer_up.ts';

export interface TransferRules {
  /** The URL alone serves, once, for ten minutes. */
  links: boolean;
  /** How long a handle serves, and an upload waits for its next byte. */
  minutes: number;
  /** Of one file; of all uploads of one principal, and of all of them, while they come. */
  maxBytes: number;
  principalBytes: number;
  allBytes: number;
  /** Requests that move bytes at the same time. */
  atOnce: number;
  perPrincipal: number;
}

/** One request to a handle, for its records and limits. */
export interface Knock {
  id: string;
  address?: string | undefined;
  /** By the URL alone. */
  link: boolean;
}

interface Common {
  handle: string;
  /** Id of the call that made it. */
  call: string;
  who: Principal;
  scopes: Scope[];
  targets: Target[];
  tool: string;
  /** The host's files as that call may use them. */
  files: Pick<FilesHost, 'transfers'>;
  path: string;
  sizeBytes: number;
  expiresAtMs: number;
  linkUntilMs: number | null;
}
export interface Down extends Common, OfferedFile {
  kind: 'down';
}
export type Upload = Up & Common;
export type Transfer = Down | Upload;

export interface TransferDesk {
  forCall(job: Job): Transfers;
  /** Under which URL the face serves handles; before that no caller can be sent there. */
  servedAt(url: string): void;
  /** Null: there is none for this one. That it expired, is another's, or never was looks the same. `who` null: the URL alone. */
  find(handle: string, who: Principal | null): Transfer | null;
  /** These throw when it may not be now: `limit`, or `conflict` where it is not the same file any more. */
  down(t: Down, knock: Knock): Promise<DownRun>;
  up(t: Upload, knock: Knock, offset: number): Promise<UpRun>;
}

export type Parts = Pick<Policy, 'access' | 'clock' | 'rate' | 'audit' | 'redactor' | 'log'> & {
  context: Pick<Policy['context'], 'host'>;
};

const LINK_MS = 10 * 60_000;
/** Of one principal: offers that are not fetched cost memory only, and one that makes many must not take those of others. */
const MOST_OFFERS = 200;

export function createTransfers(rules: TransferRules, p: Parts): TransferDesk {
  /** In order of age. */
  const known = new Map<string, Transfer>();
  const slots = createSlots({ inAll: rules.atOnce, perPrincipal: rules.perPrincipal });
  const lifeMs = rules.minutes * 60_000;
  let base: string | null = null;

  function add<T extends Transfer>(t: T): T {
    const now = p.clock.now();
    for (const old of known.values())
      if (old.expiresAtMs <= now && (old.kind === 'down' || old.end)) known.delete(old.handle);
    const mine = [...known.values()].filter((old) => old.kind === 'down' && old.who.id === t.who.id);
    if (mine.length >= MOST_OFFERS) known.delete((mine[0] as Transfer).handle);
    known.set(t.handle, t);
    return t;
  }

  function common(job: Job, path: string, sizeBytes: number): Common {
    const now = p.clock.now();
    return {
      handle: newHandle('d'),
      call: job.call.id,
      who: job.who,
      scopes: job.scopes,
      targets: job.targets,
      tool: job.tool.name,
      files: hostOf(job, p).files,
      path,
      sizeBytes,
      expiresAtMs: now + lifeMs,
      linkUntilMs: rules.links ? now + LINK_MS : null,
    };
  }

  /** Asked anew at each request: rights come and go. */
  const may = (who: Principal, t: Common): boolean =>
    (who.expiresAtMs === null || who.expiresAtMs > p.clock.now()) &&
    who.valid() &&
    t.scopes.every((s) => holds(who.scopes, s)) &&
    p.access.handle(who, t.tool, t);

  const urlOf = (handle: string, { call: { reachedAt } }: Job) =>
    `${reachedAt === undefined ? base : `${reachedAt}/transfers`}/${handle}`;
  const uploads = () => [...known.values()].filter((t) => t.kind === 'up' && !t.end);
  const bytesOf = (list: Transfer[]) => list.reduce((sum, t) => sum + t.sizeBytes, 0);

  /** What this request costs, and that it began. */
  function enter(t: Transfer, knock: Knock, fields: Record<string, unknown>) {
    const waitMs = p.rate.take(t.who.id, 1, p.access.limits(t.who).callsPerMinute);
    if (waitMs !== null)
      throw new OpsError('limit', 'Too many calls.', {
        hint: 'Wait, then try again.',
        retryAfterMs: Math.ceil(waitMs),
      });
    const slot = slots.enter(t.who.id);
    if (!slot)
      throw new OpsError('limit', 'Too many files are on their way.', {
        hint: 'Wait for one to end, or raise `files.transfers.perPrincipal` and `files.transfers.atOnce`.',
        retryAfterMs: 5_000,
      });
    if (knock.link) t.linkUntilMs = null;
    const facts = {
      call: knock.id,
      ofCall: t.call,
      face: 'mcp-http',
      who: t.who.id,
      address: knock.address,
      by: knock.link ? 'link' : 'token',
      direction: t.kind,
      // It may be used until it expires: who reads the audit must not be able to.
      transfer: p.audit.digest(t.handle),
      path: p.redactor.text(t.path),
    };
    const started = p.clock.elapsed();
    p.audit.append('transfer', { ...facts, ...fields, state: 'begin' });
    return (outcome: string, bytes: number, more: Record<string, unknown> = {}) => {
      slot[Symbol.dispose]();
      const ms = Math.round(p.clock.elapsed() - started);
      p.audit.append('transfer', { ...facts, ...more, state: 'end', outcome, bytes, ms });
    };
  }

  return {
    servedAt(url) {
      base = url;
    },

    find(handle, who) {
      const t = known.get(handle);
      if (!t || t.expiresAtMs <= p.clock.now() || !may(t.who, t)) return null;
      if (who === null) return t.linkUntilMs !== null && t.linkUntilMs > p.clock.now() ? t : null;
      return who.id === t.who.id && may(who, t) ? t : null;
    },

    async down(t, knock) {
      const end = enter(t, knock, { sizeBytes: t.sizeBytes });
      return runDown(t, p, end, () => may(t.who, t));
    },

    async up(t, knock, offset) {
      await t.cut();
      const end = enter(t, knock, { sizeBytes: t.sizeBytes, offset });
      t.expiresAtMs = p.clock.now() + lifeMs;
      return t.begin(offset, end);
    },

    forCall(job) {
      return {
        way: job.call.face === 'mcp-http' && base !== null ? 'url' : 'here',
        maxBytes: rules.maxBytes,
        offer(file) {
          const t = add({ ...common(job, file.path, file.stat.sizeBytes), ...file, kind: 'down' });
          return { url: urlOf(t.handle, job), expiresAtMs: t.expiresAtMs, linkUntilMs: t.linkUntilMs };
        },
        async receive({ path, sizeBytes }, stage, signal) {
          const open = uploads();
          if (bytesOf(open.filter((t) => t.who.id === job.who.id)) + sizeBytes > rules.principalBytes)
            throw tooMuch('this principal', 'files.transfers.principalBytes');
          if (bytesOf(open) + sizeBytes > rules.allBytes) throw tooMuch('all together', 'files.transfers.allBytes');
          const up = receiving({ sizeBytes, stage, signal, patienceMs: lifeMs, job }, p);
          const t = add(Object.assign(up, common(job, path, sizeBytes)));
          // Its answer can be asked for as long as it could have been sent.
          const url = urlOf(t.handle, job);
          const { fields, summary, next } = wanted(t, url);
          job.turn?.resolve({ fields, summary, next });
          return up.whole;
        },
      };
    },
  };
}

const tooMuch = (whose: string, setting: string) =>
  new OpsError('limit', `The uploads of ${whose} would be more than may come at once.`, {
    hint: `Wait for one to end, or raise \`${setting}\`.`,
    retryAfterMs: 30_000,
  });

function wanted(t: Common, url: string) {
  const fields = { url, expiresAt: rfc3339(t.expiresAtMs) };
  const summary = `${t.path} waits for its ${t.sizeBytes} bytes.`;
  const key = t.linkUntilMs === null ? '-H "Authorization: Bearer $TOKEN" ' : '';
  const next = `Send them: curl ${key}-T FILE ${url}. After an interruption HEAD tells Upload-Offset; go on with PUT and Content-Range, or PATCH and Upload-Offset. The answer to the last byte says whether it was done; so does result_query with this handle.`;
  return { fields, summary, next };
}
