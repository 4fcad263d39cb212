/**
 * The log: pino, to stderr, and the only file that knows pino. Decides what a line looks like and that writing one never throws,
 * never waits for a reader and never touches stdout, which belongs to the protocol. What is worth a line is decided by the callers.
 */
import { fstatSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { Logger } from 'pino';
import type { Log } from './core/call.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';

export interface AppLog extends Log {
  /** The same log with these fields on each line, e.g. the call's correlation id. */
  child(fields: object): AppLog;
  /** Tells of lines that could not be written. Every other line has been handed to the system when its call returns. */
  flush(): void;
}

export interface LogOptions {
  level: Level;
  format: 'auto' | 'json' | 'pretty';
  /** Applied to the message and to every text in the fields, at any depth. */
  redact?: (text: string) => string;
  /** For tests. */
  sink?: Sink;
  now?: () => number;
}

export interface Sink {
  terminal: boolean;
  write(line: string): void;
  flush(): void;
}

const LEVELS: Record<Level, number> = { debug: 20, info: 30, warn: 40, error: 50 };

/**
 * So many lines are written without pino. Importing it costs 5 ms and 2 MB, a fifth of a bare Node start, and most processes that a
 * client launches over stdio write fewer. A test holds both ways of writing to the same bytes.
 */
const LINES_BEFORE_PINO = 20;

export function createLog(options: LogOptions): AppLog {
  const sink = options.sink ?? stderrSink();
  const pretty = options.format === 'pretty' || (options.format === 'auto' && sink.terminal);
  const write = pretty ? (line: string) => sink.write(prettyLine(line)) : (line: string) => sink.write(line);
  const redact = options.redact ?? ((text: string) => text);
  const now = options.now ?? Date.now;
  const least = LEVELS[options.level];
  const time = () => new Date(now()).toISOString();
  let lines = 0;
  let pino: Logger | null = null;

  async function load() {
    // By its default: the bundle's chunk for a CommonJS module exports nothing else.
    const { default: create } = await import('pino');
    pino = create(
      {
        level: options.level,
        base: { pid: process.pid },
        timestamp: () => `,"time":"${time()}"`,
        formatters: { level: (level) => ({ level }) },
        // Fields arrive cleaned: errors are plain records by then.
        serializers: {},
      },
      { write },
    );
  }

  function emit(level: Level, bound: Record<string, unknown>, fields: object, message: string) {
    if (LEVELS[level] < least) return;
    // A log that throws would turn a good answer into a failure.
    try {
      const record = { ...bound, ...clean(fields, redact) };
      const msg = clip(redact(message));
      if (pino) pino[level](record, msg);
      else {
        write(plainLine(level, time(), record, msg));
        if (++lines === LINES_BEFORE_PINO) load().catch(() => {});
      }
    } catch (thrown) {
      write(plainLine('error', time(), {}, `a log line could not be made: ${(thrown as Error)?.name}`));
    }
  }

  const make = (bound: Record<string, unknown>): AppLog => ({
    debug: (fields, message) => emit('debug', bound, fields, message),
    info: (fields, message) => emit('info', bound, fields, message),
    warn: (fields, message) => emit('warn', bound, fields, message),
    error: (fields, message) => emit('error', bound, fields, message),
    child: (fields) => make({ ...bound, ...clean(fields, redact) }),
    flush: () => sink.flush(),
  });
  return make({});
}

/** As pino writes it. In parts: in one object, fields named by a number would come before the level. */
function plainLine(level: Level, time: string, record: Record<string, unknown>, msg: string): string {
  const fields = JSON.stringify(record).slice(1, -1);
  return `{"level":"${level}","time":"${time}","pid":${process.pid}${fields && ','}${fields},"msg":${JSON.stringify(msg)}}\n`;
}

const DEEPEST = 6;
const MOST_ENTRIES = 100;
const LONGEST_TEXT = 8192;
/** Of all fields together, in characters; without it a wide tree of the allowed depth would be as long as it likes. */
const LONGEST_FIELDS = 64 * 1024;
const ENTRY_COST = 8;
/** These are the line's own; a field of the same name would make two keys in one JSON object. */
const TAKEN = new Set(['level', 'time', 'pid', 'msg']);

/** Bounded, redacted, plain JSON: no cycles, no errors, no BigInt, nothing that can throw while it is written. */
function clean(fields: object, redact: (text: string) => string): Record<string, unknown> {
  let left = LONGEST_FIELDS;
  // Redacted whole, then cut: a cut never splits a secret so that its rest goes unseen.
  const text = (raw: string) => {
    const short = clip(redact(raw));
    left -= short.length;
    return short;
  };

  function part(value: unknown, depth: number): unknown {
    left -= ENTRY_COST;
    if (left < 0) return '[left out]';
    if (typeof value === 'string') return text(value);
    if (typeof value === 'bigint') return String(value);
    if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
    if (value === null || typeof value === 'boolean') return value;
    if (typeof value !== 'object') return undefined;
    if (depth >= DEEPEST) return '[deeper]';
    if (value instanceof Error) return error(value, depth);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (Array.isArray(value)) {
      const list = value.slice(0, MOST_ENTRIES).map((v) => part(v, depth + 1) ?? null);
      return value.length > MOST_ENTRIES ? [...list, `[${value.length - MOST_ENTRIES} more]`] : list;
    }
    return record(value, depth);
  }

  function record(value: object, depth: number): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (const [key, inner] of Object.entries(value).slice(0, MOST_ENTRIES)) {
      const cleaned = part(inner, depth + 1);
      if (cleaned === undefined || key === '__proto__') continue;
      out[depth === 0 && TAKEN.has(key) ? `${key}_` : text(key)] = cleaned;
      if (left < 0) break;
    }
    return out;
  }

  function error(value: Error, depth: number): Record<string, unknown> {
    const { code } = value as { code?: unknown };
    return {
      type: value.name,
      message: text(String(value.message)),
      ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
      ...(typeof value.stack === 'string' ? { stack: text(value.stack) } : {}),
      ...(value.cause === undefined ? {} : { cause: part(value.cause, depth + 1) }),
    };
  }

  return fields instanceof Error ? { error: error(fields, 0) } : record(fields, 0);
}

const clip = (text: string) =>
  text.length > LONGEST_TEXT
    ? `${text.slice(0, LONGEST_TEXT).toWellFormed()}⟦${text.length - LONGEST_TEXT} characters left out⟧`
    : text;

/** `12:34:56.789 WARN  the message  key=value other="two words"` */
export function prettyLine(line: string): string {
  const { level, time, pid: _, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(([key, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return `  ${visible(key)}=${typeof value === 'string' && !/^[^\s"=]+$/.test(text) ? visible(JSON.stringify(text)) : visible(text)}`;
  });
  return `${String(time).slice(11, 23)} ${String(level).toUpperCase().padEnd(5)} ${visible(String(msg))}${rest.join('')}\n`;
}

/** Foreign text must not move the cursor, recolour or reorder a terminal's line, nor begin a second one. */
const visible = (text: string) =>
  text.replace(
    /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

const RETRIES = 5;
const RETRY_MS = 2;
const idle = new Int32Array(new SharedArrayBuffer(4));

/**
 * Stderr, written at once. A client that never reads its server's stderr fills the pipe, and a blocking write would then freeze the
 * whole server: so the descriptor is made non-blocking, and lines that find no room are dropped and counted.
 */
export function stderrSink(fd = nonBlockingStderr()): Sink {
  let dropped = 0;
  let gone = false;
  /** A line's tail was lost: the next one must not be glued to it. */
  let broken = false;

  /** True when all of it was written. */
  function put(line: string): boolean {
    const text = broken ? `\n${line}` : line;
    let bytes = Buffer.from(text);
    for (let tries = 0; bytes.length > 0; ) {
      try {
        const n = writeSync(fd, bytes);
        bytes = bytes.subarray(n);
        broken = bytes.length > 0;
      } catch (thrown) {
        const { code } = thrown as NodeJS.ErrnoException;
        if (code === 'EINTR') continue;
        if (code !== 'EAGAIN') {
          // Nobody is there any more: there is no other place to say so. A full disk may have room again later.
          gone = code === 'EPIPE' || code === 'EBADF';
          return false;
        }
        if (++tries > RETRIES || dropped > 0) return false;
        Atomics.wait(idle, 0, 0, RETRY_MS);
      }
    }
    return true;
  }

  function tellDropped() {
    if (dropped === 0) return;
    const note = plainLine('warn', new Date().toISOString(), { dropped }, 'log lines were dropped: nobody read stderr');
    if (put(note)) dropped = 0;
  }

  return {
    terminal: isatty(fd),
    write(line) {
      if (gone) return;
      tellDropped();
      if (dropped > 0 || !put(line)) dropped++;
    },
    flush() {
      if (!gone) tellDropped();
    },
  };
}

function nonBlockingStderr(): number {
  try {
    const stat = fstatSync(2);
    // Node makes a pipe or socket non-blocking when its stream is first asked for, and has no other way to do it.
    if (stat.isFIFO() || stat.isSocket()) void process.stderr.writable;
  } catch {
    // Closed: each write will say so.
  }
  return 2;
}
