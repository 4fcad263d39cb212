/**
 * Points of a window, shared by all processes: each reserves a block and spends it in memory, so that a call costs no write.
 * Decides only the arithmetic; who has how many is policy's.
 */
import type { Db } from './db.ts';

export interface Quotas {
  /** How many of `points` were granted, 0 to all. Windows begin at multiples of `windowMs`. */
  reserve(key: string, points: number, windowMs: number, max: number, now: number): number;
}

/** While the database is out of order each process counts alone, for this many keys. */
const KEYS_IN_MEMORY = 10_000;

interface Window {
  started: number;
  ends: number;
  used: number;
}

export function openQuotas(db: Db): Quotas {
  const memory = new Map<string, Window>();

  function grant(found: Window | undefined, points: number, windowMs: number, max: number, now: number) {
    const started = now - (now % windowMs);
    // A window of another length or in the future (the clock was set back) is begun anew.
    const window =
      found?.started === started && found.ends === started + windowMs
        ? found
        : { started, ends: started + windowMs, used: 0 };
    const granted = Math.max(0, Math.min(Math.floor(points), max - window.used));
    return { granted, window: { ...window, used: window.used + granted }, fresh: window !== found };
  }

  return {
    reserve(key, points, windowMs, max, now) {
      const shared = db.attempt('tx', (sql) => {
        const row = sql.get('SELECT started, ends, used FROM quotas WHERE key = ?', key) as Window | undefined;
        const { granted, window, fresh } = grant(row, points, windowMs, max, now);
        if (granted > 0)
          sql.run(
            'INSERT OR REPLACE INTO quotas (key, started, ends, used) VALUES (?, ?, ?, ?)',
            key,
            window.started,
            window.ends,
            window.used,
          );
        if (fresh) sql.run('DELETE FROM quotas WHERE ends <= ?', now);
        return granted;
      });
      if (shared) {
        memory.delete(key);
        return shared.value;
      }
      const { granted, window } = grant(memory.get(key), points, windowMs, max, now);
      memory.delete(key);
      memory.set(key, window);
      if (memory.size > KEYS_IN_MEMORY) memory.delete(memory.keys().next().value as string);
      return granted;
    },
  };
}
