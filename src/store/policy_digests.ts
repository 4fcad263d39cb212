/**
 * What the rules were when this kind of process was last started: a digest for each setting, so that the next start can tell which of
 * them changed, and nobody can read a value from it. Which settings count is policy's (policy/policy_changes.ts).
 */
import type { Db, Row } from './db.ts';

export interface PolicyDigests {
  /** Names of what differs from last time, which is forgotten for it. Null: there was no last time, or it cannot be told. */
  changed(role: string, digests: ReadonlyMap<string, string>, nowMs: number): string[] | null;
  /** A change that has its own record: no start shall call it another one. Only where `before` is what was known. */
  follow(name: string, before: string, after: string): void;
}

export function openPolicyDigests(db: Db): PolicyDigests {
  return {
    changed(role, digests, nowMs) {
      const read = (rows: Row[]) => new Map(rows.map((r) => [String(r.name), String(r.digest)]));
      const seen = db.attempt('read', (sql) =>
        read(sql.all('SELECT name, digest FROM policy_seen WHERE role = ?', role)),
      );
      if (!seen) return null;
      const last = seen.value;
      // What an older version did not know is no change of the owner's.
      const names = [...digests].filter(([name, d]) => last.has(name) && last.get(name) !== d).map(([name]) => name);
      const same = names.length === 0 && [...digests.keys()].every((name) => last.has(name));
      if (same) return [];
      const kept = db.attempt('tx', (sql) => {
        sql.run('DELETE FROM policy_seen WHERE role = ?', role);
        for (const [name, digest] of digests)
          sql.run('INSERT INTO policy_seen (role, name, digest, at) VALUES (?, ?, ?, ?)', role, name, digest, nowMs);
        return true;
      });
      return kept && last.size > 0 ? names : null;
    },
    follow(name, before, after) {
      db.attempt('tx', (sql) =>
        sql.run('UPDATE policy_seen SET digest = ? WHERE name = ? AND digest = ?', after, name, before),
      );
    },
  };
}
