/**
 * One line of the audit: how a record becomes text, how it is bound to the one before it, and how that is checked. Pure. The
 * key is audit_key.ts's. hash = HMAC-SHA256(key, prev + canonical JSON of the record without hash); the line is that JSON with the
 * hash behind it, so one text serves both, and a checker can demand it byte for byte (a key given twice would otherwise pass).
 */
import { createHmac, hash } from 'node:crypto';
import { canonical } from '../core/canonical.ts';

export interface AuditRecord {
  v: number;
  seq: number;
  /** RFC 3339 UTC, and milliseconds of the writing process's monotonic clock: the wall clock can be set. */
  ts: string;
  mono: number;
  event: string;
  prev: string;
  hash: string;
  [field: string]: unknown;
}

/** Hex. Measured: two one-shot hashes are 1.5 µs, createHmac 12 µs. */
export type Mac = (text: string) => string;

const BLOCK = 64;
/** A record longer than this is cut down to its short fields: the file is read line by line, and one call must not fill it. */
export const LONGEST_LINE = 64 * 1024;

export function macOf(key: Uint8Array): Mac {
  const inner = Buffer.alloc(BLOCK + LONGEST_LINE * 3 + 256, 0x36);
  const outer = Buffer.alloc(BLOCK + 32, 0x5c);
  for (let i = 0; i < BLOCK; i++) {
    inner[i] = 0x36 ^ (key[i] ?? 0);
    outer[i] = 0x5c ^ (key[i] ?? 0);
  }
  return (text) => {
    if (text.length > LONGEST_LINE) return createHmac('sha256', key).update(text).digest('hex');
    const end = BLOCK + inner.write(text, BLOCK);
    outer.set(hash('sha256', inner.subarray(0, end), 'buffer'), BLOCK);
    return hash('sha256', outer, 'hex');
  };
}

/** Those that are remembered, by their text. */
const MOST_KNOWN = 64;
const LONGEST_KNOWN = 256;

/** Keyed digests of texts by themselves, as of arguments; clients ask the same again and again. */
export function createDigests(): (text: string, mac: Mac) => string {
  const known = new Map<string, string>();
  return (text, mac) => {
    // Not the chain's own message form: that begins with 64 hex digits.
    const made = known.get(text) ?? mac(`digest\0${text}`);
    if (text.length > LONGEST_KNOWN || known.has(text)) return made;
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(text, made);
    return made;
  };
}

/** JSON escapes C0; these would still move a terminal's cursor or turn its text around when somebody prints the file. */
const TERMINAL = /[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\udb40[\udc00-\udfff]/g;
export const escaped = (text: string): string => {
  TERMINAL.lastIndex = 0;
  if (!TERMINAL.test(text)) return text;
  return text.replace(TERMINAL, (c) =>
    [...Array(c.length).keys()].map((i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
};

/** The last line of defence: no token of ours ever stands in the audit, whoever forgot to redact. */
const TOKEN = /dh_[A-Za-z0-9_-]{43}/g;

const lineOf = (text: string, sum: string): string => `${escaped(text.slice(0, -1))},"hash":"${sum}"}\n`;

/** Never throws: what JSON cannot hold is said in its place. */
export function seal(record: Omit<AuditRecord, 'hash'>, mac: Mac): { line: string; hash: string } {
  let text: string;
  try {
    // A field of that name would be in the text and not in what is checked.
    text = canonical('hash' in record ? { ...record, hash: undefined } : record);
    if (text.includes('dh_')) text = canonical(JSON.parse(text.replace(TOKEN, '⟦redacted:token⟧')));
    if (text.length > LONGEST_LINE) text = canonical(shortened(record, text.length));
  } catch (error) {
    const { v, seq, ts, mono, event, prev } = record;
    text = canonical({ v, seq, ts, mono, event, prev, unwritable: (error as Error).message.slice(0, 200) });
  }
  const sum = mac(record.prev + text);
  return { line: lineOf(text, sum), hash: sum };
}

function shortened(record: Record<string, unknown>, bytes: number): Record<string, unknown> {
  const kept = Object.entries(record).filter(([, x]) =>
    typeof x === 'string' ? x.length <= 256 : typeof x !== 'object',
  );
  return { ...Object.fromEntries(kept.slice(0, 64)), cut: bytes };
}

export interface Checked {
  /** Null when the line is no record. */
  record: AuditRecord | null;
  /** Whether it says what was written. Says nothing of its place: see walk. */
  genuine: boolean;
  /** What its hash should be. */
  sum: string;
}

const NONE: Checked = { record: null, genuine: false, sum: '' };

export function checkLine(line: string, mac: Mac): Checked {
  try {
    const { hash: sum, ...rest } = JSON.parse(line) as AuditRecord;
    if (typeof rest.seq !== 'number' || typeof rest.prev !== 'string' || typeof sum !== 'string') return NONE;
    const text = canonical(rest);
    const should = mac(rest.prev + text);
    return {
      record: { ...rest, hash: sum } as AuditRecord,
      genuine: should === sum && lineOf(text, sum) === `${line}\n`,
      sum: should,
    };
  } catch {
    return NONE;
  }
}

export interface Fault {
  /** Counted from 1, as an editor does. */
  line: number;
  seq: number | null;
  what: string;
}
export interface Walked {
  records: number;
  /** Whole ones, records or not. */
  lines: number;
  last: { seq: number; hash: string };
  /** Bytes after the last line's end: being written, or torn when its process died. */
  tail: number;
  faults: Fault[];
}

export const WRONG_BEGIN = 'does not begin where the index says';

/** Follows a chain from `first`. After a fault it goes on from what the line itself says, so that each fault is told once. */
export function walk(
  text: string,
  first: { seq: number; hash: string },
  mac: Mac,
  each?: (record: AuditRecord, line: number) => void,
): Walked {
  const end = text.lastIndexOf('\n') + 1;
  const out: Walked = { records: 0, lines: 0, last: first, tail: Buffer.byteLength(text.slice(end)), faults: [] };
  let at = 0;
  // What the line before should have had as its hash, where somebody changed only that.
  let should = first.hash;
  for (let line = 1; at < end; line++) {
    const stop = text.indexOf('\n', at);
    const { record, genuine, sum } = checkLine(text.slice(at, stop), mac);
    at = stop + 1;
    out.lines = line;
    const fault = (what: string) => out.faults.push({ line, seq: record?.seq ?? null, what });
    if (!record) {
      fault('is no record');
      continue;
    }
    const { seq, hash: from } = out.last;
    if (!genuine) fault('was changed: its hash does not fit');
    if (record.seq > seq + 1) fault(`${record.seq - seq - 1} missing before it (after number ${seq})`);
    else if (record.seq <= seq) fault(`is out of order: number ${record.seq} after ${seq}`);
    else if (genuine && record.prev !== from && record.prev !== should)
      fault(seq === first.seq ? WRONG_BEGIN : 'does not follow the line before it');
    out.records++;
    out.last = { seq: record.seq, hash: record.hash };
    should = sum;
    each?.(record, line);
  }
  return out;
}
