/**
 * Questions to a person: what a principal wants to change, and the answer. An approval binds principal, tool, canonical input
 * and the digest of the state that the approver saw; it expires, and is used once. Who is asked for what, and who may
 * answer, is decided in policy; that nobody answers their own question is decided here, where no face can forget it.
 */
import type { ApprovalState } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import type { Risk, Scope } from '../core/scopes.ts';
import type { Target } from '../core/tool.ts';
import { spendLinks } from './approval_links.ts';
import type { Db, Row, Sql } from './db.ts';
import { newHandle } from './handles.ts';

export interface Binding {
  principal: string;
  tool: string;
  /** Digest of the canonical input (core/canonical.ts). */
  inputHash: string;
  /** Digest of the state before, from the preview. */
  digest: string;
}
/** Who asks, besides the principal. `client` is what the client calls itself. */
export interface Origin {
  face?: string;
  client?: string;
  address?: string;
}
export interface ApprovalInput extends Binding {
  scopes: Scope[];
  risk: Risk;
  origin: Origin;
  /** The exact input as it may be shown. */
  shown: unknown;
  targets: Target[];
  summary: string;
  diff?: string;
}
export interface Approval extends Required<Omit<ApprovalInput, 'diff'>> {
  id: string;
  diff: string | null;
  state: ApprovalState;
  createdAtMs: number;
  expiresAtMs: number;
  approver: string | null;
  decidedAtMs: number | null;
  because: string | null;
}

export interface Answer {
  approver: string;
  granted: boolean;
  because?: string;
  /** The link that it was given by, which is used up with it. */
  link?: string;
}

/** Called inside the transaction, with the row as it becomes: when the record of it cannot be written, it does not happen. */
type Before = (approval: Approval) => void;

export interface Approvals {
  /** The same question twice is one: the row that waits, or is granted and unused, is given back. */
  create(input: ApprovalInput): { approval: Approval; fresh: boolean };
  get(id: string): Approval | null;
  /** The newest of this binding within its time that is not used: waiting, granted or refused. */
  current(binding: Binding): Approval | null;
  waiting(): Approval[];
  /** Newest first, also what has been decided, used or has expired, as long as it is remembered. */
  recent(most: number): Approval[];
  decide(id: string, answer: Answer, before?: Before): Approval;
  /** Uses a granted one up, durably: of two calls only one gets it. Null when there is none. */
  use(binding: Binding, before?: Before): Approval | null;
  /** Marks what has run out, each row once for all processes, and gives those. */
  expire(): Approval[];
}

export interface ApprovalBounds {
  lifeMs: number;
  perPrincipal: number;
  all: number;
  now: () => number;
}
const BOUNDS: ApprovalBounds = { lifeMs: 10 * 60_000, perPrincipal: 20, all: 200, now: Date.now };
/** Decided ones are kept this long for whoever asks what became of a question. */
const REMEMBERED_MS = 24 * 60 * 60_000;

export function openApprovals(db: Db, over: Partial<ApprovalBounds> = {}): Approvals {
  const b = { ...BOUNDS, ...over };
  const one = (sql: Sql, id: string) => {
    const row = sql.get('SELECT * FROM approvals WHERE id = ?', id);
    return row ? fromRow(row, b.now()) : null;
  };
  const bound = (sql: Sql, x: Binding, states: string) =>
    sql.get(
      `SELECT * FROM approvals WHERE principal = ? AND tool = ? AND input_hash = ? AND digest = ? AND expires > ?
       AND state IN (${states}) ORDER BY created DESC, rowid DESC LIMIT 1`,
      x.principal,
      x.tool,
      x.inputHash,
      x.digest,
      b.now(),
    );

  return {
    create(input) {
      return db.tx((sql) => {
        const now = b.now();
        sql.run('DELETE FROM approvals WHERE expires <= ?', now - REMEMBERED_MS);
        const same = bound(sql, input, "'waiting', 'granted'");
        if (same) return { approval: fromRow(same, now), fresh: false };
        const count = (where: string, ...values: string[]) =>
          Number(
            sql.get(
              `SELECT count(*) AS n FROM approvals WHERE state = 'waiting' AND expires > ? ${where}`,
              now,
              ...values,
            )?.n,
          );
        if (count('') >= b.all || count('AND principal = ?', input.principal) >= b.perPrincipal)
          throw new OpsError('limit', 'Too many changes are waiting for an answer.', {
            hint: 'Have those answered first (`deckhand approvals`), or wait until they expire.',
            retryAfterMs: b.lifeMs,
          });
        const id = newHandle('a');
        sql.run(
          `INSERT INTO approvals
           (id, principal, scopes, tool, risk, origin, input_hash, digest, shown, targets, summary, diff, state, created, expires)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?)`,
          id,
          input.principal,
          JSON.stringify(input.scopes),
          input.tool,
          input.risk,
          JSON.stringify(input.origin),
          input.inputHash,
          input.digest,
          JSON.stringify(input.shown ?? null),
          JSON.stringify(input.targets),
          input.summary,
          input.diff ?? null,
          now,
          now + b.lifeMs,
        );
        return { approval: one(sql, id) as Approval, fresh: true };
      });
    },

    get: (id) => db.read((sql) => one(sql, id)),

    current: (binding) =>
      db.read((sql) => {
        const row = bound(sql, binding, "'waiting', 'granted', 'refused'");
        return row ? fromRow(row, b.now()) : null;
      }),

    waiting: () =>
      db.read((sql) =>
        sql
          .all(
            "SELECT * FROM approvals WHERE state = 'waiting' AND expires > ? ORDER BY created, rowid LIMIT ?",
            b.now(),
            b.all,
          )
          .map((row) => fromRow(row, b.now())),
      ),

    recent: (most) =>
      db.read((sql) =>
        sql
          .all('SELECT * FROM approvals ORDER BY created DESC, rowid DESC LIMIT ?', most)
          .map((row) => fromRow(row, b.now())),
      ),

    decide(id, { approver, granted, because, link }, before) {
      return db.tx(
        (sql) => {
          const found = one(sql, id);
          if (!found)
            throw new OpsError('not_found', `There is no approval ${id}.`, {
              hint: 'It may have expired: the call has to be made again.',
            });
          if (found.principal === approver)
            throw new OpsError('permission', 'Nobody approves their own change.', {
              hint: 'Answer as another principal; `deckhand call` asks by itself when a person runs it on a terminal.',
            });
          if (found.state !== 'waiting')
            throw new OpsError('conflict', `This approval is ${found.state} already.`, {
              hint: 'The call has to be made again.',
            });
          sql.run(
            'UPDATE approvals SET state = ?, approver = ?, decided = ?, because = ? WHERE id = ?',
            granted ? 'granted' : 'refused',
            approver,
            b.now(),
            because ?? null,
            id,
          );
          spendLinks(sql, id, link, b.now());
          const decided = one(sql, id) as Approval;
          before?.(decided);
          return decided;
        },
        { durable: true },
      );
    },

    use: (binding, before) =>
      db.tx(
        (sql) => {
          const row = bound(sql, binding, "'granted'");
          if (!row) return null;
          sql.run("UPDATE approvals SET state = 'used', used = ? WHERE id = ?", b.now(), row.id as string);
          const used = one(sql, row.id as string) as Approval;
          before?.(used);
          return used;
        },
        { durable: true },
      ),

    expire() {
      const due = "state IN ('waiting', 'granted') AND expires <= ?";
      const now = b.now();
      // Asked without the write lock first: nearly always there is none.
      if (!db.read((sql) => sql.get(`SELECT 1 FROM approvals WHERE ${due} LIMIT 1`, now))) return [];
      return db.tx((sql) => {
        const rows = sql.all(`SELECT * FROM approvals WHERE ${due} ORDER BY created, rowid`, now);
        sql.run(`UPDATE approvals SET state = 'expired' WHERE ${due}`, now);
        return rows.map((row) => fromRow(row, now));
      });
    },
  };
}

function fromRow(row: Row, now: number): Approval {
  const open = row.state === 'waiting' || row.state === 'granted';
  return {
    id: row.id as string,
    principal: row.principal as string,
    scopes: JSON.parse(row.scopes as string),
    tool: row.tool as string,
    risk: row.risk as Risk,
    origin: JSON.parse(row.origin as string),
    inputHash: row.input_hash as string,
    digest: row.digest as string,
    shown: JSON.parse(row.shown as string),
    targets: JSON.parse(row.targets as string),
    summary: row.summary as string,
    diff: row.diff as string | null,
    state: open && Number(row.expires) <= now ? 'expired' : (row.state as ApprovalState),
    createdAtMs: row.created as number,
    expiresAtMs: row.expires as number,
    approver: row.approver as string | null,
    decidedAtMs: row.decided as number | null,
    because: row.because as string | null,
  };
}
