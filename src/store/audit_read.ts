/**
 * The audit for people and tools: records of all segments in order of time, filtered, bounded in bytes, time and number, in
 * turns of a few milliseconds. A search that stops says how far it looked and where to go on. Works while others write. It
 * believes what it reads: whether that is genuine is audit_verify.ts's, and who may read it policy's.
 */
import type { AuditEntry, AuditPage, AuditQuery } from '../core/audit.ts';
import { OpsError } from '../core/errors.ts';
import { type Direction, Reader, type SegmentFile, segmentFiles } from './audit_lines.ts';

export interface ReadBounds {
  bytes: number;
  ms: number;
  /** How long the loop is held at once. */
  turnMs: number;
  clock: () => number;
}
const BOUNDS: ReadBounds = { bytes: 32 * 1024 * 1024, ms: 3_000, turnMs: 4, clock: () => performance.now() };

export type Filter = Omit<AuditQuery, 'limit' | 'order' | 'cursor'>;

/** Where a record stands in the order: its time, then its segment, then its number. */
interface Place {
  key: string;
  id: string;
  seq: number;
}
export interface Found extends Place {
  entry: AuditEntry;
}

export interface Scan {
  corrupt: number;
  total: number;
  looked: number;
  stopped: 'bytes' | 'time' | null;
  /** All that is newer (or older, in the other order) was looked at; null: everything was. */
  frontier: string | null;
}

const EXACT = ['who', 'tool', 'event', 'outcome', 'risk', 'call'] as const;

export async function searchAudit(
  dir: string,
  query: AuditQuery,
  signal: AbortSignal,
  bounds: Partial<ReadBounds> = {},
): Promise<AuditPage> {
  const scan: Scan = { corrupt: 0, total: 0, looked: 0, stopped: null, frontier: null };
  const found: Found[] = [];
  const after = query.cursor === undefined ? null : placeOf(query.cursor);
  for await (const record of records(dir, query.order, query, scan, signal, { after, bounds })) {
    found.push(record);
    if (found.length > query.limit) break;
  }
  const more = found.length > query.limit;
  const shown = found.slice(0, query.limit);
  const last = shown.at(-1);
  return {
    entries: shown.map((f) => f.entry),
    corrupt: scan.corrupt,
    bytes: { looked: scan.looked, total: scan.total },
    stopped: more ? 'limit' : scan.stopped,
    next: more && last ? cursorOf(last) : scan.stopped ? `${scan.frontier}~` : null,
  };
}

/**
 * Matching records in order. Of all segments the one whose unread part is newest (oldest) is read next, line by line: so at
 * each moment all records on this side of a point in time have been seen, and a match on this side is final.
 */
export async function* records(
  dir: string,
  order: Direction,
  filter: Filter,
  scan: Scan,
  signal: AbortSignal,
  o: { after?: Place | null; bounds?: Partial<ReadBounds> } = {},
): AsyncGenerator<Found> {
  const b = { ...BOUNDS, ...o.bounds };
  const before = (a: string, z: string) => (order === 'newest' ? a > z : a < z);
  const sort = (x: Place, y: Place) => {
    const a = x.key < y.key ? -1 : x.key > y.key ? 1 : x.id < y.id ? -1 : x.id > y.id ? 1 : x.seq - y.seq;
    return order === 'newest' ? -a : a;
  };
  const wanted = matcher(filter);
  const from = filter.sinceMs === undefined ? null : new Date(filter.sinceMs).toISOString();
  const to = filter.untilMs === undefined ? null : new Date(filter.untilMs).toISOString();
  const start = o.after?.key ?? (order === 'newest' ? to : from);
  const stop = order === 'newest' ? from : to;

  const files = (await segmentFiles(dir)).filter(
    (f) =>
      (from === null || f.to >= from) &&
      (to === null || f.from <= to) &&
      (!o.after || (order === 'newest' ? f.from <= o.after.key : f.to >= o.after.key)),
  );
  scan.total = files.reduce((sum, f) => sum + f.size, 0);
  const edgeOf = (f: SegmentFile) => (order === 'newest' ? f.to : f.from);
  const later = files.sort((x, y) => (edgeOf(x) < edgeOf(y) ? -1 : 1));
  if (order === 'oldest') later.reverse();
  let active: Reader[] = [];
  const waiting: Found[] = [];
  const begun = b.clock();
  let turn = begun;
  let read = 0;

  for (;;) {
    // The next segment joins when the others have come to its time.
    let next = active.reduce<Reader | null>((a, r) => (a === null || before(r.edge, a.edge) ? r : a), null);
    const joins = later.at(-1);
    if (joins && (next === null || !before(next.edge, edgeOf(joins)))) {
      later.pop();
      next = new Reader(dir, joins, order);
      if (start !== null && before(next.edge, start)) scan.total -= await next.seek(start);
      active.push(next);
    }
    if (next === null) break;
    const others = active.filter((r) => r !== next).map((r) => r.edge);
    const limit = [...others, ...(later.length ? [edgeOf(later.at(-1) as SegmentFile)] : [])].reduce<string | null>(
      (a, e) => (a === null || before(e, a) ? e : a),
      null,
    );
    if (next.empty) {
      // Never before it has come further than the caller was: who goes on there would stand still for ever.
      const moved = start === null || (scan.frontier !== null && before(start, scan.frontier));
      const ms = b.clock() - begun;
      if (next.ended) scan.stopped = null;
      else if (read >= b.bytes && moved) scan.stopped = 'bytes';
      else if (ms >= b.ms && (moved || ms >= 3 * b.ms)) scan.stopped = 'time';
      const was = next.read;
      const filled = scan.stopped === null && (await next.fill());
      read += next.read - was;
      scan.looked = read;
      turn = b.clock();
      signal.throwIfAborted();
      if (!filled && scan.stopped === null) active = active.filter((r) => r !== next);
    }
    // As far as it is the foremost, then the others are looked at again; what is final is handed out before more is read.
    for (let line = next.next(); line !== null; line = next.next()) {
      const { record, key } = line;
      if (record === null) scan.corrupt++;
      else {
        const place = { key, id: next.file.id, seq: record.seq };
        const passed = o.after && (o.after.id === '' ? before(key, o.after.key) : sort(place, o.after) <= 0);
        if (!passed && within(record.ts, from, to) && wanted(record))
          waiting.push({ ...place, entry: { segment: next.file.name, record } });
      }
      if (stop !== null && before(stop, key) && next.beyond()) {
        active = active.filter((r) => r !== next);
        break;
      }
      if (limit !== null && before(limit, key)) break;
      if (b.clock() - turn > b.turnMs) {
        await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        turn = b.clock();
      }
    }
    scan.frontier = [...active.map((r) => r.edge), ...(later.length ? [edgeOf(later.at(-1) as SegmentFile)] : [])]
      .sort()
      .at(order === 'newest' ? -1 : 0) as string;
    if (scan.stopped === null && active.length === 0 && later.length === 0) break;
    const frontier = scan.frontier;
    waiting.sort(sort);
    while (waiting[0] && before(waiting[0].key, frontier)) yield waiting.shift() as Found;
    // What stands at or behind the frontier is found again by who goes on there.
    if (scan.stopped !== null) return;
  }
  scan.frontier = null;
  yield* waiting.sort(sort);
}

const within = (ts: string, from: string | null, to: string | null): boolean =>
  (from === null || ts >= from) && (to === null || ts <= to);

function matcher(f: Filter): (record: AuditEntry['record']) => boolean {
  const exact = EXACT.filter((k) => f[k] !== undefined);
  const target = f.target?.toLowerCase();
  const text = f.text?.toLowerCase();
  return (r) =>
    exact.every((k) => r[k] === f[k]) &&
    (target === undefined || targetsOf(r).some((t) => t.toLowerCase().includes(target))) &&
    (text === undefined || holds(r, text));
}

/** `kind:name` of each. Records are read as they come: nothing is sure of their shape. */
export function targetsOf(record: Record<string, unknown>): string[] {
  if (!Array.isArray(record.targets)) return [];
  return record.targets.flatMap((t: unknown) => {
    const { kind, name } = (t ?? {}) as { kind?: unknown; name?: unknown };
    return typeof name === 'string' ? [`${typeof kind === 'string' ? kind : '?'}:${name}`] : [];
  });
}

/** Values only, and not the chain's: a search for "ab" must not find every hash. */
function holds(value: unknown, part: string, depth = 0): boolean {
  if (value === null || value === undefined || depth > 16) return false;
  if (typeof value !== 'object') return String(value).toLowerCase().includes(part);
  return Object.entries(value).some(([key, v]) => !(depth === 0 && CHAIN.has(key)) && holds(v, part, depth + 1));
}
const CHAIN = new Set(['hash', 'prev', 'argsDigest']);

const cursorOf = ({ key, id, seq }: Place): string => `${key}~${id}.${seq}`;

function placeOf(cursor: string): Place {
  const m = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)~(?:([a-z0-9]{1,40})\.(\d{1,15}))?$/.exec(cursor);
  if (!m)
    throw new OpsError('validation', `${JSON.stringify(cursor.slice(0, 80))} is no place in the audit.`, {
      hint: 'Give `next` of the answer before, unchanged, with the same order and filters.',
    });
  return { key: m[1] as string, id: m[2] ?? '', seq: Number(m[3] ?? 0) };
}
