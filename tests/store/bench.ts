/** What the store's tests share: a temporary state, a log that remembers, and a clock that stands until it is moved. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { Log } from '../../src/core/call.ts';
import { openState, type StateDir } from '../../src/store/state.ts';

const made: string[] = [];
afterEach(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true, force: true });
});

export function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-store-'));
  made.push(dir);
  return dir;
}

export const newState = (): StateDir => openState(join(folder(), 'state'));

export interface Line {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}
export function memoryLog(): Log & { lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: fields as Record<string, unknown> });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export function clock(start = Date.UTC(2026, 10, 21)) {
  let ms = start;
  return {
    now: () => ms,
    move(by: number) {
      ms += by;
    },
  };
}

/** The error's code, its message and hint, for one `toMatchObject`. */
export function thrownBy(work: () => unknown): { code?: string; message: string; hint?: string } {
  try {
    work();
  } catch (error) {
    const e = error as { code?: string; message: string; details?: { hint?: string } };
    return {
      message: e.message,
      ...(e.code ? { code: e.code } : {}),
      ...(e.details?.hint ? { hint: e.details.hint } : {}),
    };
  }
  throw new Error('nothing was thrown');
}
