/**
 * Lines become entries: a stack trace is one thing that happened, not thirty. Works on a stream and holds a bounded number of lines;
 * whatever goes in comes out, in the order in which entries began. What several write at once is grouped apart: stdout and stderr of one
 * program, the programs of a journal. What belongs together is decided in log_traces.ts.
 */
import { type Level, levelOf } from './log_level.ts';
import { isStamped, stampLength } from './log_stamp.ts';
import { announces, follows, isSecretive, type Mode } from './log_traces.ts';

/** As whoever kept it gives it: one line, without its end, or the lines of an entry that was kept as one. */
export interface RawLine {
  stream: 'stdout' | 'stderr';
  atMs: number;
  nanos: number;
  text: string;
  /** It was longer. */
  cut: boolean;
  /** Who wrote it, where several do beside the two streams. */
  writer?: string;
  /** Name of the writer, where it is worth saying. */
  by?: string;
  /** For a text that says none. */
  level?: Level;
}

export interface Entry {
  stream: 'stdout' | 'stderr';
  atMs: number;
  nanos: number;
  text: string;
  by: string | null;
  /** Characters of the time that it begins with. */
  stamp: number;
  level: Level | null;
  /** Lines it was made of. */
  lines: number;
  cut: boolean;
  /** Times that the same stood there, one after the other; the last line of them. */
  repeats: number;
  lastMs: number;
  /** When the last repeat began; how many of them began in the first ms, and in that last one. */
  lastAtMs: number;
  firstN: number;
  lastN: number;
}

/** An entry ends here, and what follows is an entry of its own. */
export const MOST_LINES = 1_000;
export const MOST_CHARS = 64 * 1024;
/** A trace is written at once: what comes later begins anew. */
export const PAUSE_MS = 2_000;
/** Entries that may wait for one of the other stream that began before them. */
const MOST_WAITING = 64;

interface Open {
  entry: Entry;
  key: string;
  /** Undefined while it is one line: most are. */
  parts: string[] | undefined;
  chars: number;
  mode: Mode;
  lastMs: number;
  /** Its level is not from its text: a trace below may say a better one. */
  hinted: boolean;
  done: boolean;
}

export interface Grouper {
  push(line: RawLine): void;
  /** What is still open is an entry, too. */
  end(): void;
}

export function createGrouper(o: { group: boolean }, emit: (entry: Entry) => void): Grouper {
  let queue: Open[] = [];
  const open = new Map<string, Open>();

  function close(one: Open): void {
    if (one.done) return;
    one.done = true;
    if (open.get(one.key) === one) open.delete(one.key);
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
      const key = line.writer ?? stream;
      const last = open.get(key);
      for (const one of queue) if (one !== last && atMs - one.lastMs > PAUSE_MS) close(one);
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
          if (mode !== 'plain' && (last.entry.level === null || last.hinted))
            last.entry.level = levelOf(text, stamp) ?? last.entry.level;
          return;
        }
        close(last);
      }
      const said = levelOf(text, stamp);
      const level = said ?? line.level ?? null;
      const bad = level === 'error' || level === 'fatal' || level === 'warn';
      const entry: Entry = {
        stream,
        atMs,
        nanos: line.nanos,
        text,
        by: line.by ?? null,
        stamp,
        level,
        lines: text.includes('\n') ? text.split('\n').length : 1,
        cut: line.cut,
        repeats: 1,
        lastMs: atMs,
        lastAtMs: atMs,
        firstN: 1,
        lastN: 1,
      };
      const now: Open = {
        entry,
        key,
        hinted: said === null,
        parts: undefined,
        chars: text.length,
        mode: announces(text, bad, stamped),
        lastMs: atMs,
        done: false,
      };
      open.set(key, now);
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
