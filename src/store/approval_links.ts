/**
 * Links by which somebody who was told of a question may look at it and decide. Only a hash of each is kept: who reads the database
 * cannot follow one. A link lives as long as its question waits; whichever answer ends that takes all links of the question with it
 * (approvals.ts, in the same transaction). Who may decide by one is policy's.
 */
import { hash } from 'node:crypto';
import { OpsError } from '../core/errors.ts';
import type { Db, Sql } from './db.ts';

export interface ApprovalLink {
  approval: string;
  /** Whom it was sent to: a name of `notify.channels`. */
  channel: string;
}

export interface ApprovalLinks {
  add(handle: string, link: ApprovalLink & { expiresAtMs: number }): void;
  /** Null: there never was one, it is used up, or it ran out. */
  get(handle: string): ApprovalLink | null;
}

/** 130 random bits: nothing to guess, so no slow hash is needed. */
export const linkHash = (handle: string): string => hash('sha256', handle);

export function openApprovalLinks(db: Db, now: () => number = Date.now): ApprovalLinks {
  return {
    add: (handle, { approval, channel, expiresAtMs }) =>
      void db.tx((sql) =>
        sql.run(
          'INSERT INTO approval_links (hash, approval, channel, expires) VALUES (?, ?, ?, ?)',
          linkHash(handle),
          approval,
          channel,
          expiresAtMs,
        ),
      ),
    get: (handle) =>
      db.read((sql) => {
        const row = sql.get(
          'SELECT approval, channel FROM approval_links WHERE hash = ? AND expires > ?',
          linkHash(handle),
          now(),
        );
        return row ? { approval: row.approval as string, channel: row.channel as string } : null;
      }),
  };
}

/** Inside the transaction of a decision. `handle`: the link that it was made by, which must serve still. */
export function spendLinks(sql: Sql, approval: string, handle: string | undefined, now: number): void {
  const served =
    handle === undefined ||
    sql.get(
      'SELECT 1 FROM approval_links WHERE hash = ? AND approval = ? AND expires > ?',
      linkHash(handle),
      approval,
      now,
    );
  if (!served)
    throw new OpsError('conflict', 'This link has been used, or is too old.', {
      hint: 'The call has to be made again.',
    });
  sql.run('DELETE FROM approval_links WHERE approval = ?', approval);
}
