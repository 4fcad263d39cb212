/**
 * What a change did, the state before, and what taking it back needs. Rows and blobs are private (0600) because they hold
 * the real input; what of it is shown, and who may undo, is decided in policy. Bounded in bytes and age, oldest out first.
 */

import { OpsError } from '../core/errors.ts';
import type { Scope } from '../core/scopes.ts';
import type { Target } from '../core/tool.ts';
import { openBlobs } from './blobs.ts';
import type { Db, Row, Sql } from './db.ts';
import { newHandle } from './handles.ts';
import type { StateDir } from './state.ts';

export interface ReceiptInput {
  principal: string;
  scopes: Scope[];
  tool: string;
  /** As it ran: revert needs the secrets in it too. */
  input: unknown;
  /** As it may be shown; the same when absent. */
  shown?: unknown;
  targets: Target[];
  summary: string;
  before: unknown;
  after: unknown;
  /** Null where there is nothing to take back. */
  revert: { data: Record<string, unknown>; blobs?: Record<string, Uint8Array> } | null;
}

export interface Receipt extends Omit<ReceiptInput, 'revert' | 'shown'> {
  id: string;
  createdAtMs: number;
  shown: unknown;
  revert: { data: Record<string, unknown>; blob(name: string): Uint8Array | null } | null;
  revertedAtMs: number | null;
}

export interface Receipts {
  /** Durable. Throws when it cannot be stored, `limit` when it is too big. */
  put(receipt: ReceiptInput): string;
  /** Whoever made it: policy asks for the scopes. */
  get(id: string): Receipt | null;
  list(o: {
    limit: number;
    principal?: string;
  }): Pick<Receipt, 'id' | 'principal' | 'tool' | 'summary' | 'createdAtMs' | 'revertedAtMs'>[];
  /** Takes the right to revert it; false when it was taken before. */
  claimRevert(id: string): boolean;
  /** Gives that right back after a revert that did nothing. */
  releaseRevert(id: string): void;
  prune(): void;
}

export interface ReceiptBounds {
  totalBytes: number;
  oneBytes: number;
  lifeMs: number;
  now: () => number;
}
const MIB = 1024 * 1024;
const BOUNDS: ReceiptBounds = { totalBytes: 256 * MIB, oneBytes: 64 * MIB, lifeMs: 30 * 86_400_000, now: Date.now };
/** Looked at no more often than this when receipts are put. */
const PRUNE_MS = 60_000;

export function openReceipts(state: StateDir, db: Db, over: Partial<ReceiptBounds> = {}): Receipts {
  const b = { ...BOUNDS, ...over };
  const blobs = openBlobs(state.blobs);
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

  return {
    put(receipt) {
      const contents = Object.entries(receipt.revert?.blobs ?? {});
      const texts = {
        input: JSON.stringify(receipt.input ?? null),
        shown: JSON.stringify(receipt.shown ?? receipt.input ?? null),
        before: JSON.stringify(receipt.before ?? null),
        after: JSON.stringify(receipt.after ?? null),
        revert: receipt.revert && JSON.stringify(receipt.revert.data),
      };
      const rowBytes = Object.values(texts).reduce((sum, t) => sum + (t?.length ?? 0), receipt.summary.length);
      const all = contents.reduce((sum, [, content]) => sum + content.length, rowBytes);
      if (all > b.oneBytes)
        throw new OpsError(
          'limit',
          `What is needed to take this back is ${all} bytes, more than the ${b.oneBytes} of one receipt.`,
          {
            hint: 'Change less at once.',
          },
        );
      state.ensure();
      const stored = contents.map(([name, content]) => ({ name, ...blobs.put(content) }));
      const id = newHandle('t');
      db.tx(
        (sql) => {
          makeRoom(
            sql,
            stored.reduce((sum, s) => sum + s.bytes, rowBytes),
          );
          sql.run(
            `INSERT INTO receipts (id, principal, scopes, tool, created, input, shown, targets, summary, before, after, revert, bytes)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
            id,
            receipt.principal,
            JSON.stringify(receipt.scopes),
            receipt.tool,
            b.now(),
            texts.input,
            texts.shown,
            JSON.stringify(receipt.targets),
            receipt.summary,
            texts.before,
            texts.after,
            texts.revert,
            rowBytes,
          );
          for (const { name, sha, bytes } of stored) {
            sql.run('INSERT OR IGNORE INTO blobs (sha, bytes) VALUES (?, ?)', sha, bytes);
            sql.run('INSERT INTO receipt_blobs (receipt, name, sha) VALUES (?, ?, ?)', id, name, sha);
          }
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
    },

    get(id) {
      const found = db.read((sql) => ({
        row: sql.get('SELECT * FROM receipts WHERE id = ? AND created > ?', id, b.now() - b.lifeMs),
        names: sql.all('SELECT name, sha FROM receipt_blobs WHERE receipt = ?', id),
      }));
      if (!found.row) return null;
      const shas = new Map(found.names.map((n) => [n.name as string, n.sha as string]));
      return fromRow(found.row, (name) => blobs.get(shas.get(name) ?? ''));
    },

    list({ limit, principal }) {
      const rows = db.read((sql) =>
        sql.all(
          `SELECT id, principal, tool, summary, created, reverted FROM receipts
           WHERE created > ? AND (? IS NULL OR principal = ?) ORDER BY created DESC LIMIT ?`,
          b.now() - b.lifeMs,
          principal ?? null,
          principal ?? null,
          limit,
        ),
      );
      return rows.map((r) => ({
        id: r.id as string,
        principal: r.principal as string,
        tool: r.tool as string,
        summary: r.summary as string,
        createdAtMs: r.created as number,
        revertedAtMs: r.reverted as number | null,
      }));
    },

    claimRevert: (id) =>
      db.tx(
        (sql) =>
          sql.run(
            'UPDATE receipts SET reverted = ? WHERE id = ? AND revert IS NOT NULL AND reverted IS NULL',
            b.now(),
            id,
          ) > 0,
        { durable: true },
      ),
    releaseRevert: (id) => void db.tx((sql) => sql.run('UPDATE receipts SET reverted = NULL WHERE id = ?', id)),
    prune,
  };
}

function fromRow(row: Row, blob: (name: string) => Uint8Array | null): Receipt {
  const parsed = (text: unknown) => (typeof text === 'string' ? JSON.parse(text) : null);
  return {
    id: row.id as string,
    principal: row.principal as string,
    scopes: parsed(row.scopes),
    tool: row.tool as string,
    createdAtMs: row.created as number,
    input: parsed(row.input),
    shown: parsed(row.shown),
    targets: parsed(row.targets),
    summary: row.summary as string,
    before: parsed(row.before),
    after: parsed(row.after),
    revert: row.revert === null ? null : { data: parsed(row.revert), blob },
    revertedAtMs: row.reverted as number | null,
  };
}
