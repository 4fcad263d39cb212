/** Reads a whole audit and names what was changed in it. Decides nothing about it; works while processes write. */
import { isUtf8 } from 'node:buffer';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Head } from './audit.ts';
import { type AuditRecord, macOf, type Walked, WRONG_BEGIN, walk } from './audit_chain.ts';
import { BEGIN, INDEX, SEGMENT } from './audit_index.ts';

export interface AuditProblem {
  /** File name; `index.jsonl` is the index. */
  segment: string;
  /** From 1; null when it is about the file. */
  line: number | null;
  seq: number | null;
  what: string;
}
export interface Verdict {
  ok: boolean;
  segments: number;
  records: number;
  problems: AuditProblem[];
  /** Not closed: being written, or of a process that died and was not found yet. */
  open: string[];
  /** Times of the first and the last record. */
  first: string | null;
  last: string | null;
  /** What became of the heads that were told elsewhere. Null: none were given. */
  heads: HeadsSeen | null;
}
export interface HeadsSeen {
  /** Records that are what was told. */
  matched: number;
  /** Of segments that the index says were pruned. */
  pruned: number;
  /** Of segments so old that the index keeps no single note of their pruning any more. */
  unsure: number;
}

/** Of one file; a replaced file would otherwise bring thousands. */
const MOST_PER_FILE = 20;

interface Known {
  genesis: string;
  /** Numbers and hashes that the segment must have. */
  marks: Map<number, string>;
  closedAt: number | null;
  foundAt: { seq: number; torn: number; missing: boolean } | null;
  pruned: boolean;
}
interface ReadIndex {
  known: Map<string, Known>;
  /** Segments up to this name were pruned, and no single note of each is kept. */
  prunedBefore: string;
  walked: Walked;
}

/** `heads`: told elsewhere before this began (see audit_heads.ts). */
export function verifyAudit(dir: string, key: Uint8Array, heads?: readonly Head[]): Verdict {
  const mac = macOf(key);
  const problems: AuditProblem[] = [];
  const counts = new Map<string, number>();
  const say = (segment: string, line: number | null, seq: number | null, what: string) => {
    const count = counts.get(segment) ?? 0;
    counts.set(segment, count + 1);
    if (count < MOST_PER_FILE) problems.push({ segment, line, seq, what });
  };
  const foreign = new Set<string>();
  const textOf = (name: string): string | null => {
    try {
      const bytes = readFileSync(join(dir, name));
      if (!isUtf8(bytes) && !foreign.has(name)) {
        foreign.add(name);
        say(name, null, null, 'holds bytes that are not UTF-8');
      }
      return bytes.toString();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  };

  // The folder first, then the index: what is in the folder by then is in an index that was read later.
  const present = readdirSync(dir).filter((n) => n.endsWith('.jsonl') && n !== INDEX);
  const readIndex = (): ReadIndex => {
    const known = new Map<string, Known>();
    let prunedBefore = '';
    const walked = walk(textOf(INDEX) ?? '', BEGIN, mac, (r) => {
      note(known, r);
      if (r.event === 'carried' && typeof r.prunedBefore === 'string') prunedBefore = r.prunedBefore;
    });
    return { known, prunedBefore, walked };
  };
  const { known, walked: index } = readIndex();
  for (const f of index.faults) say(INDEX, f.line, f.seq, f.what);

  const told = new Map<string, Head[]>();
  for (const h of heads ?? []) told.set(h.segment, [...(told.get(h.segment) ?? []), h]);
  const seen: HeadsSeen = { matched: 0, pruned: 0, unsure: 0 };
  let records = 0;
  let first: string | null = null;
  let last: string | null = null;
  /** Written, and not in the index when that was read. */
  const strangers: string[] = [];
  const open: string[] = [];
  for (const name of present.sort()) {
    let k = known.get(name);
    // Begun between the two readings: it is in the index by now, or soon (see strangers).
    if (!k && SEGMENT.test(name)) k = readIndex().known.get(name);
    const text = textOf(name);
    if (text === null) continue;
    if (!k) {
      // Empty: its process died, or is, between making the file and saying so.
      if (text !== '') strangers.push(name);
      continue;
    }
    const marks = new Map(k.marks);
    const ofHead = new Map(Map.groupBy(told.get(name) ?? [], (h) => h.seq));
    const walked = walk(text, { seq: 0, hash: k.genesis }, mac, ({ seq, hash, ts }, line) => {
      if (marks.get(seq) === hash) marks.delete(seq);
      for (const h of ofHead.get(seq) ?? [])
        if (h.hash === hash) seen.matched++;
        else say(name, line, seq, 'is another record than the head that was told elsewhere');
      ofHead.delete(seq);
      if (typeof ts !== 'string') return;
      if (first === null || ts < first) first = ts;
      if (last === null || ts > last) last = ts;
    });
    told.delete(name);
    records += walked.records;
    const unopened = k.genesis === '';
    if (unopened) say(name, null, null, 'has no opening in the index: what its first line must follow is not known');
    for (const f of walked.faults) if (!unopened || f.what !== WRONG_BEGIN) say(name, f.line, f.seq, f.what);
    const end = walked.last.seq;
    for (const seq of marks.keys())
      if (seq > end) say(name, null, end, `was shortened: ends at number ${end}, and the index saw ${seq}`);
      else if (walked.faults.length === 0)
        say(name, null, seq, `has another record at number ${seq} than the index saw`);
    const farthest = Math.max(0, ...ofHead.keys());
    if (farthest > end)
      say(name, null, end, `was shortened: ends at number ${end}, and the head that was told elsewhere is ${farthest}`);
    if (k.closedAt !== null && end > k.closedAt)
      say(name, null, end, `goes on after it was closed at number ${k.closedAt}`);
    if (k.closedAt !== null && walked.tail > 0) say(name, walked.lines + 1, end, 'ends in the middle of a line');
    if (k.closedAt === null && k.foundAt === null) open.push(name);
    else if (k.foundAt && end === k.foundAt.seq && walked.tail !== k.foundAt.torn)
      say(name, walked.lines + 1, end, 'has another end than when it was found');
  }

  const gone = [...known].filter(([name, k]) => !k.pruned && !present.includes(name));
  const unwritten = open.filter((name) => !markers(dir).has(name));
  if (gone.length + strangers.length + unwritten.length + told.size > 0 || index.tail > 0) {
    // A process may have begun one, ended one, or removed an old one, since the folder was read.
    const present = new Set(readdirSync(dir));
    const now = readIndex();
    for (const name of strangers) if (!now.known.has(name)) say(name, null, null, 'is not in the index');
    for (const [name, k] of gone)
      if (!present.has(name) && !now.known.get(name)?.pruned)
        say(name, null, null, k.foundAt?.missing ? 'was missing when its process was found dead' : 'was removed');
    for (const name of unwritten) {
      const k = now.known.get(name);
      if (k && k.closedAt === null && k.foundAt === null && !k.pruned)
        say(name, null, null, 'is not closed in the index, and no process writes it: the index lost its end');
    }
    if (now.walked.tail > 0)
      say(
        INDEX,
        now.walked.lines + 1,
        now.walked.last.seq,
        'ends in the middle of a line (a power cut, or somebody cut it)',
      );
    for (const [name, list] of told) {
      const most = Math.max(...list.map((h) => h.seq));
      if (present.has(name) && now.known.has(name)) continue; // begun since: nothing of it was read
      if (now.known.get(name)?.pruned) seen.pruned += list.length;
      else if (name <= now.prunedBefore) seen.unsure += list.length;
      else
        say(name, null, most, `vanished: its number ${most} was told elsewhere, and no note says that it was pruned`);
    }
  }
  const ok = problems.length === 0;
  return { ok, segments: present.length, records, problems, open, first, last, heads: heads ? seen : null };
}

/** Segments that a process says it writes. */
function markers(dir: string): Set<string> {
  try {
    return new Set(readdirSync(join(dir, 'running')).map((m) => m.split('~')[0] as string));
  } catch {
    return new Set();
  }
}

function note(known: Map<string, Known>, r: AuditRecord): void {
  if (typeof r.segment !== 'string') return;
  if (r.event === 'open') {
    known.set(r.segment, {
      genesis: String(r.genesis),
      marks: new Map(),
      closedAt: null,
      foundAt: null,
      pruned: false,
    });
    return;
  }
  // Its opening was lost or changed: the chain of the index says so, and the segment begins where nothing is known.
  const k = known.get(r.segment) ?? { genesis: '', marks: new Map(), closedAt: null, foundAt: null, pruned: false };
  known.set(r.segment, k);
  if (r.event === 'pruned') k.pruned = true;
  const last = r.last as { seq?: unknown; hash?: unknown } | undefined;
  if (typeof last?.seq !== 'number' || typeof last.hash !== 'string') return;
  if (last.seq > 0) k.marks.set(last.seq, last.hash);
  if (r.event === 'close') k.closedAt = last.seq;
  if (r.event === 'found') k.foundAt = { seq: last.seq, torn: Number(r.torn ?? 0), missing: r.missing === true };
}

/** The last records of all segments by their time, for tests and the doctor. Reads everything: not for a server's way. */
export function auditTail(dir: string, count: number): AuditRecord[] {
  const all: AuditRecord[] = [];
  for (const name of readdirSync(dir)
    .filter((n) => SEGMENT.test(n))
    .sort())
    for (const line of readFileSync(join(dir, name), 'utf8').split('\n')) {
      if (line === '') continue;
      try {
        all.push(JSON.parse(line) as AuditRecord);
      } catch {
        // Being written in this moment.
      }
    }
  return all.sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0)).slice(-count);
}
