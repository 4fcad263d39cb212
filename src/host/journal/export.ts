/**
 * The journal's export format (systemd's JOURNAL_EXPORT_FORMATS) as it streams in: fields of one line `NAME=value`, or of any bytes with
 * their length in front; an empty line ends an entry. Pure. Holds one entry, and of each value no more than is asked for, whatever
 * length it claims: a message may be hundreds of megabytes.
 */

export interface RawEntry {
  /** By name; the first one where a field is there more than once. */
  fields: Map<string, Buffer>;
  /** Names of fields that were longer than what is kept of one. */
  cut: Set<string>;
}

export interface ExportParser {
  push(chunk: Buffer): RawEntry[];
  /** It ended in the middle of an entry. */
  unfinished(): boolean;
}

/** Fields that an entry may have beside those asked for are small; a name is never long. */
const LONGEST_NAME = 128;
const MOST_FIELDS = 64;
const LINE_END = 10;
const EQUALS = 61;

export function exportParser(o: { wanted: ReadonlySet<string>; maxValueBytes: number }): ExportParser {
  let entry: RawEntry = { fields: new Map(), cut: new Set() };
  /** What of the current line or value has come, as far as it is kept. */
  let held: Buffer[] = [];
  let size = 0;
  /** 'line': up to a line end; 'length': eight bytes; 'value': `left` bytes; 'after': the line end behind a value. */
  let state: 'line' | 'length' | 'value' | 'after' = 'line';
  let name = '';
  let left = 0;
  let overlong = false;

  const keep = (part: Buffer, most: number) => {
    const room = most - size;
    if (part.length > room) overlong = true;
    if (room <= 0 || part.length === 0) return;
    // Copied: a slice would hold the whole chunk.
    const some = part.length > room ? part.subarray(0, room) : part;
    held.push(Buffer.from(some));
    size += some.length;
  };
  const taken = (): Buffer => {
    const all = held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held);
    held = [];
    size = 0;
    return all;
  };
  const put = (key: string, value: Buffer, cut: boolean) => {
    if (!o.wanted.has(key) || entry.fields.has(key) || entry.fields.size >= MOST_FIELDS) return;
    entry.fields.set(key, value.length > o.maxValueBytes ? value.subarray(0, o.maxValueBytes) : value);
    if (cut || value.length > o.maxValueBytes) entry.cut.add(key);
  };

  function endOfLine(line: Buffer, cut: boolean, out: RawEntry[]): void {
    if (line.length === 0) {
      if (entry.fields.size > 0) out.push(entry);
      entry = { fields: new Map(), cut: new Set() };
      return;
    }
    const equals = line.indexOf(EQUALS);
    if (equals > 0) {
      if (equals <= LONGEST_NAME) put(line.toString('latin1', 0, equals), line.subarray(equals + 1), cut);
      return;
    }
    name = line.toString('latin1', 0, LONGEST_NAME);
    state = 'length';
  }

  return {
    push(chunk) {
      const out: RawEntry[] = [];
      for (let at = 0; at < chunk.length; ) {
        if (state === 'line') {
          const end = chunk.indexOf(LINE_END, at);
          const stop = end < 0 ? chunk.length : end;
          const most = LONGEST_NAME + 1 + o.maxValueBytes;
          if (end >= 0 && size === 0 && !overlong && stop - at <= most) {
            // The common case: a whole line in one piece. Values outlive the chunk only as their copies.
            const line = chunk.subarray(at, stop);
            const equals = line.indexOf(EQUALS);
            if (equals > 0 && !o.wanted.has(line.toString('latin1', 0, Math.min(equals, LONGEST_NAME)))) {
              at = stop + 1;
              continue;
            }
            at = stop + 1;
            endOfLine(line.length === 0 ? line : Buffer.from(line), false, out);
            continue;
          }
          keep(chunk.subarray(at, stop), most);
          at = stop;
          if (end < 0) break;
          at++;
          const cut = overlong;
          overlong = false;
          endOfLine(taken(), cut, out);
        } else if (state === 'length') {
          const some = chunk.subarray(at, Math.min(chunk.length, at + 8 - size));
          keep(some, 8);
          at += some.length;
          if (size < 8) break;
          left = Number(taken().readBigUInt64LE(0));
          state = left === 0 ? 'after' : 'value';
          if (left === 0) put(name, Buffer.alloc(0), false);
        } else if (state === 'value') {
          const some = chunk.subarray(at, Math.min(chunk.length, at + left));
          keep(some, o.wanted.has(name) ? o.maxValueBytes : 0);
          at += some.length;
          left -= some.length;
          if (left > 0) break;
          const cut = overlong;
          overlong = false;
          put(name, taken(), cut);
          state = 'after';
        } else {
          // One line end behind a value; anything else there would be an entry of another format.
          at++;
          state = 'line';
        }
      }
      return out;
    },
    unfinished: () => state !== 'line' || size > 0 || entry.fields.size > 0,
  };
}
