/**
 * Questions to a person: what a principal wants to change, and the answer. An approval binds principal, tool, canonical input
 * and the digest of the state that the approver saw; it expires, and is used once. Who is asked for what, and who may
 * answer, is decided in policy; that nobody answers their own question is decided here, where no face can forget it.
 */
import { OpsError } from '../core/errors.ts';
import type { Scope } from '../core/scopes.ts';
import type { Target } from '../core/tool.ts';
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
export interface ApprovalInput extends Binding {
  scopes: Scope[];
  /** The exact input as it may be shown. */
  shown: unknown;
  targets: Target[];
  summary: string;
  diff?: string;
}
export type ApprovalState = 'waiting' | 'granted' | 'refused' | 'used' | 'expired';
export interface Approval extends Required<Omit<ApprovalInput, 'diff'>> {
  id: string;
  diff: string | null;
  state: ApprovalState;
  createdAtMs: number;
  expiresAtMs: number;
  approver: string | null;
  decidedAtMs: number | null;
}

export interface Approvals {
  /** The same question twice is one: the row that waits, or is granted and unused, is given back. */
  create(input: ApprovalInput): Approval;
  get(id: string): Approval | null;
  waiting(): Approval[];
  decide(id: string, answer: { approver: string; granted: boolean }): Approval;
  /** Uses a granted one up, durably: of two calls only one gets it. Null when there is none. */
  use(binding: Binding): Approval | null;
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
       AND state IN (${states}) ORDER BY created LIMIT 1`,
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
        if (same) return fromRow(same, now);
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
            hint: 'Have those answered first, or wait until they expire.',
            retryAfterMs: b.lifeMs,
          });
        const id = newHandle('a');
        sql.run(
          `INSERT INTO approvals (id, principal, scopes, tool, input_hash, digest, shown, targets, summary, diff, state, created, expires)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?)`,
          id,
          input.principal,
          JSON.stringify(input.scopes),
          input.tool,
          input.inputHash,
          input.digest,
          JSON.stringify(input.shown ?? null),
          JSON.stringify(input.targets),
          input.summary,
          input.diff ?? null,
          now,
          now + b.lifeMs,
        );
        return one(sql, id) as Approval;
      });
    },

    get: (id) => db.read((sql) => one(sql, id)),

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

    decide(id, { approver, granted }) {
      return db.tx(
        (sql) => {
          const found = one(sql, id);
          if (!found)
            throw new OpsError('not_found', `There is no approval ${id}.`, {
              hint: 'It may have expired: the call has to be made again.',
            });
          if (found.principal === approver)
            throw new OpsError('permission', 'Nobody approves their own change.', {
              hint: 'Answer as another principal.',
            });
          if (found.state !== 'waiting')
            throw new OpsError('conflict', `This approval is ${found.state} already.`, {
              hint: 'The call has to be made again.',
            });
          sql.run(
            'UPDATE approvals SET state = ?, approver = ?, decided = ? WHERE id = ?',
            granted ? 'granted' : 'refused',
            approver,
            b.now(),
            id,
          );
          return one(sql, id) as Approval;
        },
        { durable: true },
      );
    },

    use: (binding) =>
      db.tx(
        (sql) => {
          const row = bound(sql, binding, "'granted'");
          if (!row) return null;
          sql.run("UPDATE approvals SET state = 'used', used = ? WHERE id = ?", b.now(), row.id as string);
          return one(sql, row.id as string);
        },
        { durable: true },
      ),
  };
}

function fromRow(row: Row, now: number): Approval {
  const open = row.state === 'waiting' || row.state === 'granted';
  return {
    id: row.id as string,
    principal: row.principal as string,
    scopes: JSON.parse(row.scopes as string),
    tool: row.tool as string,
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
  };
}
