/**
 * Lines for the system's own log (journald or a syslog daemon), through `logger`: what stands there is out of reach of who can
 * only write our files. Decides that telling never holds anybody up: one program at a time, the newest of each subject, a
 * bound on what waits. What is told is the caller's.
 */
import { statSync } from 'node:fs';
import type { Log } from '../core/call.ts';
import { type Exec, findBinary, exec as realExec } from './exec.ts';

export interface Syslog {
  /** A newer line of the same subject replaces one that waits. Never throws. */
  tell(subject: string, line: string): void;
  /** When nothing waits any more; after `ms` at the latest. */
  settled(ms: number): Promise<void>;
}

const TIMEOUT_MS = 2_000;
const MOST_WAITING = 64;

/** Where a line can go, or why not. */
export function syslogTrouble(socket = '/dev/log'): string | null {
  if (!statSync(socket, { throwIfNoEntry: false })?.isSocket()) return `${socket} is no socket: no system log listens`;
  return findBinary('logger') === null ? '`logger` is not installed' : null;
}

export function openSyslog(log: Log, exec: Exec = realExec): Syslog {
  const waiting = new Map<string, string>();
  let running: Promise<void> | null = null;
  let failed = false;

  async function run(): Promise<void> {
    for (let next = waiting.entries().next().value; next; next = waiting.entries().next().value) {
      waiting.delete(next[0]);
      try {
        const args = ['-t', 'deckhand', '-p', 'daemon.notice', '--', next[1]];
        const { code, stderr } = await exec({ binary: 'logger', args, timeoutMs: TIMEOUT_MS, maxBytes: 4_096 });
        if (code !== 0) throw new Error(`logger ended with ${code}: ${stderr.slice(0, 200)}`);
        failed = false;
      } catch (error) {
        // Once for each time that it begins to fail: the line itself stands in our own log in any case.
        if (!failed) log.warn({ error: String(error) }, 'the system log could not be told');
        failed = true;
      }
    }
    running = null;
  }

  return {
    tell(subject, line) {
      waiting.delete(subject);
      if (waiting.size >= MOST_WAITING) waiting.delete(waiting.keys().next().value as string);
      waiting.set(subject, line);
      running ??= run();
    },
    async settled(ms) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, ms);
      const until = async () => {
        while (running) await running;
      };
      await Promise.race([until(), promise]);
      clearTimeout(timer);
    },
  };
}
