/**
 * The lines of one segment, in either direction, in chunks: the file is opened for each chunk only, so that ten thousand
 * segments cost no descriptors, and one that is removed meanwhile simply ends. What a line must hold to be wanted is
 * audit_read.ts's; whether it is genuine, audit_verify.ts's.
 */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditEntry } from '../core/audit.ts';
import { SEGMENT } from './audit_index.ts';
import { errnoOf } from './state.ts';

export type Direction = 'newest' | 'oldest';

export interface SegmentFile {
  name: string;
  /** The random part of its name: short, and enough to tell segments apart in a cursor. */
  id: string;
  /** As it was when the search began: what is written behind that belongs to the next one. */
  size: number;
  /** No record's time is outside these, but where the clock was set back while it was written. */
  from: string;
  to: string;
}

export interface Line {
  /** Null: no record. */
  record: AuditEntry['record'] | null;
  /** Its time, made to run one way within the segment, so that segments can be merged. */
  key: string;
}

const HEAD = 4 * 1024;
const TAIL = 16 * 1024;
const AT_ONCE = 16;
const LONGEST = 1024 * 1024;
const FIRST_CHUNK = 16 * 1024;
const CHUNK = 256 * 1024;
/** Records that waited for a full disk are written behind newer ones; so much of them can wait. */
const SLACK = 1_100 * 1024;

const idOf = (name: string): string => /-([a-z0-9]+)\.jsonl$/.exec(name)?.[1] ?? name;
/** `20261121T120000000Z-…` as RFC 3339. */
const begun = (name: string): string =>
  name.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z.*$/, '$1-$2-$3T$4:$5:$6.$7Z');

/** All segments with their bounds in time. Those that are gone when their turn comes are left out. */
export async function segmentFiles(dir: string): Promise<SegmentFile[]> {
  let names: string[];
  try {
    names = (await readdir(dir)).filter((n) => SEGMENT.test(n));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
  const files: SegmentFile[] = [];
  for (let at = 0; at < names.length; at += AT_ONCE) {
    const some = await Promise.all(names.slice(at, at + AT_ONCE).map((name) => bounds(dir, name)));
    files.push(...some.filter((f) => f !== null));
  }
  return files;
}

async function bounds(dir: string, name: string): Promise<SegmentFile | null> {
  return withFile(join(dir, name), async (file) => {
    const { size, mtimeMs } = await file.stat();
    const head = (await part(file, 0, Math.min(size, HEAD))).toString('latin1').split('\n', 1)[0] ?? '';
    const tail = (await part(file, Math.max(0, size - TAIL), Math.min(size, TAIL))).toString('latin1');
    // In the tail, because the last record can be one that waited; the file's own time only where no record says one.
    const told = [...tail.matchAll(/"ts":"([^"]{24})"/g)].map((m) => m[1] as string).filter(isTime);
    const times = [begun(name), ...(told.length ? told : [timeOf(mtimeMs)])];
    // What waited before the segment could be begun is older than its name.
    const waited = head.includes('"event":"gap"') ? /"from":"([^"]+)"/.exec(head)?.[1] : undefined;
    const from = [begun(name), ...(waited ? [waited] : [])].filter(isTime).sort()[0] ?? '';
    return { name, id: idOf(name), size, from, to: times.filter(isTime).sort().at(-1) ?? '9' };
  });
}

/** As we write it; whatever else stands there (somebody's own line) does not move a reader. */
const isTime = (text: string): boolean => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text);
const LATEST_MS = Date.UTC(9999, 11, 31);
const timeOf = (ms: number): string => new Date(Math.min(Math.max(ms + 1, 0), LATEST_MS)).toISOString();

/** Null when it is not there any more. */
async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T | null> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

/** Shorter than asked when the file was cut meanwhile. */
async function part(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(buffer, 0, length, at);
  return buffer.subarray(0, bytesRead);
}

/** A segment being read. `edge`: no line that is still to come has a newer (or older) key. */
export class Reader {
  readonly file: SegmentFile;
  readonly #path: string;
  readonly #newest: boolean;
  #at: number;
  #end: number;
  #carry: Buffer = Buffer.alloc(0);
  #lines: Buffer[] = [];
  #chunk = FIRST_CHUNK;
  /** Bytes of lines handed out, now and when they came to lie beyond what is asked for. */
  #taken = 0;
  #beyondAt: number | undefined;
  edge: string;
  /** Bytes taken from the disk. */
  read = 0;
  ended = false;

  constructor(dir: string, file: SegmentFile, direction: Direction) {
    this.file = file;
    this.#path = join(dir, file.name);
    this.#newest = direction === 'newest';
    this.#at = this.#newest ? file.size : 0;
    this.#end = this.#newest ? 0 : file.size;
    this.edge = this.#newest ? file.to : file.from;
  }

  /** Bytes that lie between here and the end. */
  get left(): number {
    return Math.abs(this.#end - this.#at);
  }

  /**
   * Jumps to where records of that time begin, by halving; bytes passed over are returned. Not to the byte: with room for
   * records that are out of order.
   */
  async seek(time: string): Promise<number> {
    let [low, high] = [0, this.file.size];
    while (high - low > CHUNK) {
      const middle = Math.floor((low + high) / 2);
      const found = await withFile(this.#path, (file) => part(file, middle, TAIL * 5));
      const text = found?.toString('latin1') ?? '';
      const ts = /"ts":"([^"]{24})"/.exec(text.slice(text.indexOf('\n') + 1))?.[1];
      if (ts === undefined || !isTime(ts)) return 0;
      if (ts > time) high = middle;
      else low = middle;
    }
    const before = this.#at;
    if (this.#newest) this.#at = Math.min(this.file.size, high + SLACK);
    else this.#at = Math.max(0, low - SLACK);
    // In the middle of a line: what comes up to its end is not ours to read.
    if (this.#at > 0 && this.#at < this.file.size) {
      const found = await withFile(this.#path, (file) => part(file, this.#at, 4 * CHUNK));
      const newline = found?.indexOf(10) ?? -1;
      if (newline < 0) this.#at = before;
      else this.#at += newline + 1;
    }
    return Math.abs(before - this.#at);
  }

  /** Nothing of it is in memory: `fill` comes next. */
  get empty(): boolean {
    return this.#lines.length === 0;
  }

  /** Whether so much lies behind that time that no record of before it can still come. */
  beyond(): boolean {
    this.#beyondAt ??= this.#taken;
    return this.#taken - this.#beyondAt > SLACK;
  }

  /** The next line of what is in memory, or null: then `fill` first. */
  next(): Line | null {
    const raw = this.#lines.pop();
    if (raw === undefined) return null;
    this.#taken += raw.length + 1;
    const record = parsed(raw);
    if (record && isTime(record.ts)) {
      if (this.#newest ? record.ts < this.edge : record.ts > this.edge) this.edge = record.ts;
    }
    return { record, key: this.edge };
  }

  /** Reads on. False when there is nothing more. */
  async fill(): Promise<boolean> {
    while (this.#lines.length === 0 && !this.ended) {
      const length = Math.min(this.#chunk, this.left);
      this.#chunk = CHUNK;
      if (this.#newest) this.#at -= length;
      const from = this.#at;
      const chunk = length === 0 ? null : await withFile(this.#path, (file) => part(file, from, length));
      if (!this.#newest) this.#at += length;
      this.read += length;
      if (!chunk || chunk.length < length) this.ended = true;
      else this.#take(chunk);
      if (this.left === 0) this.#last();
    }
    return this.#lines.length > 0;
  }

  #take(chunk: Buffer): void {
    const whole = this.#newest ? Buffer.concat([chunk, this.#carry]) : Buffer.concat([this.#carry, chunk]);
    const lines: Buffer[] = [];
    const first = whole.indexOf(10);
    if (first < 0) {
      // No record is so long: one bad line, and not the whole file in memory.
      const endless = whole.length > LONGEST;
      this.#carry = endless ? Buffer.alloc(0) : whole;
      if (endless) this.#lines = [Buffer.alloc(0)];
      return;
    }
    let at = this.#newest ? first + 1 : 0;
    for (let stop = whole.indexOf(10, at); stop >= 0; stop = whole.indexOf(10, at)) {
      lines.push(whole.subarray(at, stop));
      at = stop + 1;
    }
    // Behind the last line's end: being written, or torn. Read backwards that is seen once, in the first chunk.
    this.#carry = this.#newest ? whole.subarray(0, first + 1) : whole.subarray(at);
    if (!this.#newest) lines.reverse();
    this.#lines = lines;
  }

  /** Backwards, the first line of the file has no newline before it. */
  #last(): void {
    this.ended = true;
    if (!this.#newest || this.#carry.at(-1) !== 10) return;
    this.#lines.unshift(this.#carry.subarray(0, -1));
  }
}

function parsed(raw: Buffer): AuditEntry['record'] | null {
  try {
    const record = JSON.parse(raw.toString()) as AuditEntry['record'];
    const { seq, ts, event } = record;
    return typeof seq === 'number' && typeof ts === 'string' && typeof event === 'string' ? record : null;
  } catch {
    return null;
  }
}
