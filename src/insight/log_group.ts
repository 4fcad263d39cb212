/**
 * Lines become entries: a stack trace is one thing that happened, not thirty. Works on a stream and holds a bounded number of lines;
 * whatever goes in comes out, in the order in which entries began. stdout and stderr are grouped apart, because a program writes to
 * both at once. What belongs together is decided in log_traces.ts.
 */
import { type Level, levelOf } from './log_level.ts';
import { isStamped, stampLength } from './log_stamp.ts';
import { announces, follows, isSecretive, type Mode } from './log_traces.ts';

/** As whoever kept it gives it: one line, without its end. */
export interface RawLine {
  stream: 'stdout' | 'stderr';
  atMs: number;
  nanos: number;
  text: string;
  /** It was longer. */
  cut: boolean;
}

export interface Entry {
  stream: 'stdout' | 'stderr';
  atMs: number;
  nanos: number;
  text: string;
  /** Characters of the time that it begins with. */
  stamp: number;
  level: Level | null;
  /** Lines it was made of. */
  lines: number;
  cut: boolean;
  /** Times that the same stood there, one after the other; the last of them. */
  repeats: number;
  lastMs: number;
}

/** An entry ends here, and what follows is an entry of its own. */
export const MOST_LINES = 1_000;
export const MOST_CHARS = 64 * 1024;
/** A trace is written at once: what comes later begins anew. */
const PAUSE_MS = 2_000;
/** Entries that may wait for one of the other stream that began before them. */
const MOST_WAITING = 64;

interface Open {
  entry: Entry;
  /** Undefined while it is one line: most are. */
  parts: string[] | undefined;
  chars: number;
  mode: Mode;
  lastMs: number;
  done: boolean;
}

export interface Grouper {
  push(line: RawLine): void;
  /** What is still open is an entry, too. */
  end(): void;
}

export function createGrouper(o: { group: boolean }, emit: (entry: Entry) => void): Grouper {
  let queue: Open[] = [];
  const open: { stdout: Open | null; stderr: Open | null } = { stdout: null, stderr: null };

  function close(one: Open): void {
    if (one.done) return;
    one.done = true;
    if (open[one.entry.stream] === one) open[one.entry.stream] = null;
    if (one.parts) {
      while (one.parts.length > 1 && one.parts.at(-1) === '') one.parts.pop();
      one.entry.text = one.parts.join('\n');
    }
  }

  function drain(): void {
    let n = 0;
    while (n < queue.length && queue[n]?.done) n++;
    if (n === 0) return;
    const ready = queue.slice(0, n);
    queue = queue.slice(n);
    for (const one of ready) emit(one.entry);
  }

  return {
    push(line) {
      const { stream, text, atMs } = line;
      const stamp = stampLength(text);
      const stamped = stamp > 0 || isStamped(text);
      const last = open[stream];
      const other = open[stream === 'stdout' ? 'stderr' : 'stdout'];
      if (other && atMs - other.lastMs > PAUSE_MS) close(other);
      if (last) {
        const room = last.entry.lines < MOST_LINES && last.chars + text.length < MOST_CHARS;
        const mode = room && atMs - last.lastMs <= PAUSE_MS ? next(last, text, o.group, stamped) : null;
        if (mode !== null) {
          last.mode = mode;
          last.parts ??= [last.entry.text];
          last.parts.push(text);
          last.chars += text.length + 1;
          last.entry.lines++;
          last.entry.lastMs = atMs;
          last.lastMs = atMs;
          if (line.cut) last.entry.cut = true;
          if (last.entry.level === null && mode !== 'plain') last.entry.level = levelOf(text, stamp);
          return;
        }
        close(last);
      }
      const level = levelOf(text, stamp);
      const bad = level === 'error' || level === 'fatal' || level === 'warn';
      const entry: Entry = {
        stream,
        atMs,
        nanos: line.nanos,
        text,
        stamp,
        level,
        lines: 1,
        cut: line.cut,
        repeats: 1,
        lastMs: atMs,
      };
      const now: Open = {
        entry,
        parts: undefined,
        chars: text.length,
        mode: announces(text, bad, stamped),
        lastMs: atMs,
        done: false,
      };
      open[stream] = now;
      queue.push(now);
      if (queue.length > MOST_WAITING) for (const one of queue) if (one !== now) close(one);
      drain();
    },
    end() {
      for (const one of queue) close(one);
      drain();
    },
  };
}

function next(last: Open, text: string, group: boolean, stamped: boolean): Mode | null {
  return group || isSecretive(last.mode) ? follows(last.mode, text, stamped) : null;
}
