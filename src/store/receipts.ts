/**
 * What a change did, the state before, and what undoing it needs. Rows and blobs are private (0600) because they hold the
 * real input; what of it is shown, and who may undo, is decided in policy. A receipt is on the disk before the change
 * (`prepared`) or after it (`done`); the right to undo it is given once. Bounded in bytes and age, oldest out first.
 */

import { OpsError } from '../core/errors.ts';
import type { Risk, Scope } from '../core/scopes.ts';
import type { Revert, Target, Undoable } from '../core/tool.ts';
import { type Blobs, openBlobs } from './blobs.ts';
import type { Db, Row, Sql } from './db.ts';
import { newHandle } from './handles.ts';
import { isAlive, newOwner, type Owner } from './owner.ts';
import type { StateDir } from './state.ts';

type Facts = Record<string, unknown> | null;

export interface PreparedInput {
  principal: string;
  scopes: Scope[];
  tool: string;
  risk: Risk;
  /** Id of the call that changes: its audit records have it. */
  call: string;
  /** As it ran: undoing needs the secrets in it too. */
  input: unknown;
  targets: Target[];
  summary: string;
  before: Facts;
  revert: Revert;
}
export interface ReceiptInput extends PreparedInput {
  after: Facts;
}
/** How it ended. Without `revert` what was prepared stands. */
export interface Ended {
  summary: string;
  before: Facts;
  after: Facts;
  revert?: Revert | undefined;
}

/** `begun`: its process may have died since, or be at it. */
export interface Undone {
  state: 'begun' | 'done' | 'failed';
  atMs: number;
  by: string;
  call: string;
}

export interface ReceiptLine extends Omit<PreparedInput, 'input' | 'before' | 'revert' | 'targets'> {
  id: string;
  state: Undoable<unknown>['state'];
  createdAtMs: number;
  expiresAtMs: number;
  undone: Undone | null;
}
export interface Receipt extends ReceiptLine, Pick<ReceiptInput, 'input' | 'before' | 'after' | 'targets'> {
  data: Record<string, unknown>;
  blob(name: string): Uint8Array | null;
}

export interface Receipts {
  /** Of a change that has been made. Durable. Throws when it cannot be stored, `limit` when it is too big. */
  put(receipt: ReceiptInput): string;
  /** Of one that is about to be made; the same promises. */
  prepare(receipt: PreparedInput): string;
  /** Throws when it cannot be stored or is gone; then what was prepared stands. */
  finish(id: string, end: Ended): void;
  /** Whoever made it: policy asks for principal and scopes. */
  get(id: string): Receipt | null;
  /** Newest first. */
  list(o: { limit: number; principal?: string | undefined }): ReceiptLine[];
  /**
   * Takes the right to undo it, durably and once; false when it was taken before. One that was taken by a process which died
   * at it can be taken again: how far that came, the preview has seen.
   */
  claimUndo(id: string, by: { principal: string; call: string }): boolean;
  /** What became of the undo that took that right. */
  endUndo(id: string, state: 'done' | 'failed'): void;
  prune(): void;
}

export interface ReceiptBounds {
  totalBytes: number;
  oneBytes: number;
  lifeMs: number;
  now: () => number;
  self: Owner;
  blobs: Blobs;
}
const MIB = 1024 * 1024;
const BOUNDS = { totalBytes: 256 * MIB, oneBytes: 64 * MIB, lifeMs: 30 * 86_400_000, now: Date.now };
/** Looked at no more often than this when receipts are put. */
const PRUNE_MS = 60_000;

export function openReceipts(
  state: Pick<StateDir, 'blobs' | 'ensure'>,
  db: Db,
  over: Partial<ReceiptBounds> = {},
): Receipts {
  const { blobs, ...b }: ReceiptBounds = { self: newOwner(), blobs: openBlobs(state.blobs), ...BOUNDS, ...over };
  let prunedMs = Number.NEGATIVE_INFINITY;

  const totals = (sql: Sql) =>
    Number(
      sql.get(
        'SELECT (SELECT coalesce(sum(bytes), 0) FROM receipts) + (SELECT coalesce(sum(bytes), 0) FROM blobs) AS n',
      )?.n,
    );

  function makeRoom(sql: Sql, bytes: number): void {
    const orphans = () =>
      sql.run('DELETE FROM blobs WHERE NOT EXISTS (SELECT 1 FROM receipt_blobs r WHERE r.sha = blobs.sha)');
    if (sql.run('DELETE FROM receipts WHERE created <= ?', b.now() - b.lifeMs) > 0) orphans();
    while (totals(sql) + bytes > b.totalBytes) {
      if (sql.run('DELETE FROM receipts WHERE id = (SELECT id FROM receipts ORDER BY created LIMIT 1)') === 0) return;
      orphans();
    }
  }

  function prune(): void {
    prunedMs = b.now();
    const needed = db.tx((sql) => {
      makeRoom(sql, 0);
      return new Set(sql.all('SELECT sha FROM blobs').map((r) => r.sha as string));
    });
    state.ensure();
    blobs.sweep(needed, b.now());
  }

  function measured(r: { input?: unknown; summary: string; before: Facts; after: Facts; revert?: Revert | undefined }) {
    const texts = {
      input: JSON.stringify(r.input ?? null),
      before: JSON.stringify(r.before),
      after: JSON.stringify(r.after),
      revert: JSON.stringify(r.revert?.data ?? null),
    };
    const contents = Object.entries(r.revert?.blobs ?? {});
    const rowBytes = Object.values(texts).reduce((sum, t) => sum + t.length, r.summary.length);
    const all = contents.reduce((sum, [, content]) => sum + content.length, rowBytes);
    if (all > b.oneBytes)
      throw new OpsError(
        'limit',
        `What is needed to take this back is ${all} bytes, more than the ${b.oneBytes} of one receipt.`,
        { hint: 'Change less at once.' },
      );
    return { texts, contents, rowBytes };
  }

  /** Contents first: a row never names a blob that is not on the disk. */
  function stored(contents: [string, Uint8Array][]) {
    state.ensure();
    return contents.map(([name, content]) => ({ name, ...blobs.put(content) }));
  }

  function link(sql: Sql, id: string, kept: ReturnType<typeof stored>): void {
    for (const { name, sha, bytes } of kept) {
      sql.run('INSERT OR IGNORE INTO blobs (sha, bytes) VALUES (?, ?)', sha, bytes);
      sql.run('INSERT INTO receipt_blobs (receipt, name, sha) VALUES (?, ?, ?)', id, name, sha);
    }
  }

  const sizeOf = (kept: ReturnType<typeof stored>) => kept.reduce((sum, k) => sum + k.bytes, 0);

  function insert(r: PreparedInput, after: Facts, how: Undoable<unknown>['state']): string {
    const { texts, contents, rowBytes } = measured({ ...r, after });
    const kept = stored(contents);
    const id = newHandle('t');
    db.tx(
      (sql) => {
        makeRoom(sql, sizeOf(kept) + rowBytes);
        sql.run(
          `INSERT INTO receipts
           (id, principal, scopes, tool, risk, call, state, created, input, shown, targets, summary, before, after, revert, bytes)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'null', ?, ?, ?, ?, ?, ?)`,
          id,
          r.principal,
          JSON.stringify(r.scopes),
          r.tool,
          r.risk,
          r.call,
          how,
          b.now(),
          texts.input,
          JSON.stringify(r.targets),
          r.summary,
          texts.before,
          texts.after,
          texts.revert,
          rowBytes,
        );
        link(sql, id, kept);
      },
      { durable: true },
    );
    if (b.now() - prunedMs > PRUNE_MS)
      try {
        prune();
      } catch {
        // The receipt stands; the next one tidies up.
      }
    return id;
  }

  return {
    put: (receipt) => insert(receipt, receipt.after, 'done'),
    prepare: (receipt) => insert(receipt, null, 'prepared'),

    finish(id, end) {
      const { texts, contents } = measured(end);
      const kept = stored(contents);
      const found = db.tx(
        (sql) => {
          if (end.revert) {
            makeRoom(sql, sizeOf(kept));
            sql.run('UPDATE receipts SET revert = ? WHERE id = ?', texts.revert, id);
            sql.run('DELETE FROM receipt_blobs WHERE receipt = ?', id);
          }
          const rows = sql.run(
            `UPDATE receipts SET state = 'done', summary = ?, before = ?, after = ?,
             bytes = length(input) + length(revert) + ? WHERE id = ?`,
            end.summary,
            texts.before,
            texts.after,
            end.summary.length + texts.before.length + texts.after.length,
            id,
          );
          if (rows > 0) link(sql, id, kept);
          return rows > 0;
        },
        { durable: true },
      );
      if (!found) throw new OpsError('not_found', `The receipt ${id} is gone.`);
    },

    get(id) {
      const found = db.read((sql) => ({
        row: sql.get('SELECT * FROM receipts WHERE id = ? AND created > ?', id, b.now() - b.lifeMs),
        names: sql.all('SELECT name, sha FROM receipt_blobs WHERE receipt = ?', id),
      }));
      if (!found.row) return null;
      const shas = new Map(found.names.map((n) => [n.name as string, n.sha as string]));
      return fromRow(found.row, b.lifeMs, (name) => blobs.get(shas.get(name) ?? ''));
    },

    list({ limit, principal }) {
      const rows = db.read((sql) =>
        sql.all(
          `SELECT id, principal, scopes, tool, risk, call, state, summary, created, reverted, undo FROM receipts
           WHERE created > ? AND (? IS NULL OR principal = ?) ORDER BY created DESC, rowid DESC LIMIT ?`,
          b.now() - b.lifeMs,
          principal ?? null,
          principal ?? null,
          limit,
        ),
      );
      return rows.map((row) => lineOf(row, b.lifeMs));
    },

    claimUndo(id, { principal, call }) {
      return db.tx(
        (sql) => {
          const row = sql.get('SELECT reverted, undo FROM receipts WHERE id = ?', id);
          if (!row || (row.reverted !== null && !abandoned(row))) return false;
          sql.run(
            'UPDATE receipts SET reverted = ?, undo = ? WHERE id = ?',
            b.now(),
            JSON.stringify({ state: 'begun', by: principal, call, owner: b.self }),
            id,
          );
          return true;
        },
        { durable: true },
      );
    },

    endUndo(id, how) {
      db.tx((sql) => sql.run("UPDATE receipts SET undo = json_set(undo, '$.state', ?) WHERE id = ?", how, id), {
        durable: true,
      });
    },
    prune,
  };

  function abandoned(row: Row): boolean {
    const { state, owner } = parsed(row.undo) ?? {};
    return state === 'begun' && !isAlive(owner, b.now() - Number(row.reverted));
  }
}

const parsed = (text: unknown) => (typeof text === 'string' ? JSON.parse(text) : null);

function lineOf(row: Row, lifeMs: number): ReceiptLine {
  // Taken back by an older version, which did not say by whom.
  const { state = 'done', by = 'unknown', call = '' } = parsed(row.undo) ?? {};
  return {
    id: row.id as string,
    principal: row.principal as string,
    scopes: parsed(row.scopes),
    tool: row.tool as string,
    risk: row.risk as Risk,
    call: row.call as string,
    state: row.state as ReceiptLine['state'],
    summary: row.summary as string,
    createdAtMs: row.created as number,
    expiresAtMs: Number(row.created) + lifeMs,
    undone: row.reverted === null ? null : { state, by, call, atMs: row.reverted as number },
  };
}

function fromRow(row: Row, lifeMs: number, blob: (name: string) => Uint8Array | null): Receipt {
  return {
    ...lineOf(row, lifeMs),
    input: parsed(row.input),
    targets: parsed(row.targets),
    before: parsed(row.before),
    after: parsed(row.after),
    data: parsed(row.revert) ?? {},
    blob,
  };
}
