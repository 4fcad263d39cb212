/**
 * Locks on targets (a unit, a container, a path) across all processes that share the state. They are rows, so that a
 * refusal can say who holds it; a row whose process is dead is taken over. Changes need them: no memory stands in.
 */
import { randomUUID } from 'node:crypto';
import type { Db } from './db.ts';
import { isAlive, type Owner } from './owner.ts';

export interface Locks {
  /** Null when another call holds it. `label` (a call id) is shown to whom it keeps waiting. */
  acquire(key: string, label?: string): Disposable | null;
  holder(key: string): { label: string; sinceMs: number } | null;
}

export function openLocks(db: Db, self: Owner, now: () => number = Date.now): Locks {
  /** Tokens of this process that are held. A row of ours that is not among them could not be deleted (a full disk). */
  const held = new Set<string>();

  return {
    acquire(key, label = '') {
      const token = randomUUID();
      const taken = db.tx((sql) => {
        const row = sql.get('SELECT token, owner, at FROM locks WHERE key = ?', key);
        if (row) {
          const owner = row.owner as string;
          const busy = owner === self ? held.has(row.token as string) : isAlive(owner, now() - Number(row.at));
          if (busy) return false;
        }
        sql.run(
          'INSERT OR REPLACE INTO locks (key, token, owner, label, at) VALUES (?, ?, ?, ?, ?)',
          key,
          token,
          self,
          label,
          now(),
        );
        return true;
      });
      if (!taken) return null;
      held.add(token);
      return {
        [Symbol.dispose]() {
          if (held.delete(token))
            db.attempt('tx', (sql) => sql.run('DELETE FROM locks WHERE key = ? AND token = ?', key, token));
        },
      };
    },

    holder(key) {
      const row = db.attempt('read', (sql) =>
        sql.get('SELECT token, owner, label, at FROM locks WHERE key = ?', key),
      )?.value;
      if (!row) return null;
      const owner = row.owner as string;
      const busy = owner === self ? held.has(row.token as string) : isAlive(owner, now() - Number(row.at));
      return busy ? { label: row.label as string, sinceMs: row.at as number } : null;
    },
  };
}
