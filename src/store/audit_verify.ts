/** Reads a whole audit and names what was changed in it. Decides nothing about it; works while processes write. */
import { isUtf8 } from 'node:buffer';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AuditRecord, macOf, walk } from './audit_chain.ts';
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

export function verifyAudit(dir: string, key: Uint8Array): Verdict {
  const mac = macOf(key);
  const problems: AuditProblem[] = [];
  const say = (segment: string, line: number | null, seq: number | null, what: string) => {
    if (problems.filter((p) => p.segment === segment).length < MOST_PER_FILE)
      problems.push({ segment, line, seq, what });
  };
  const textOf = (name: string): string | null => {
    try {
      const bytes = readFileSync(join(dir, name));
      if (!isUtf8(bytes)) say(name, null, null, 'holds bytes that are not UTF-8');
      return bytes.toString();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  };

  // The folder first, then the index: what is in the folder by then is in an index that was read later.
  const present = readdirSync(dir).filter((n) => n.endsWith('.jsonl') && n !== INDEX);
  const readIndex = (): { known: Map<string, Known>; faults: ReturnType<typeof walk>['faults'] } => {
    const known = new Map<string, Known>();
    const { faults } = walk(textOf(INDEX) ?? '', BEGIN, mac, (r) => note(known, r));
    return { known, faults };
  };
  const { known, faults } = readIndex();
  for (const f of faults) say(INDEX, f.line, f.seq, f.what);

  let records = 0;
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
    const walked = walk(text, { seq: 0, hash: k.genesis }, mac, ({ seq, hash }) => {
      if (marks.get(seq) === hash) marks.delete(seq);
    });
    records += walked.records;
    for (const f of walked.faults) say(name, f.line, f.seq, f.what);
    const end = walked.last.seq;
    for (const seq of marks.keys())
      if (seq > end) say(name, null, end, `was shortened: ends at number ${end}, and the index saw ${seq}`);
      else if (walked.faults.length === 0)
        say(name, null, seq, `has another record at number ${seq} than the index saw`);
    if (k.closedAt !== null && (end > k.closedAt || walked.tail > 0))
      say(name, null, end, `goes on after it was closed at number ${k.closedAt}`);
    if (k.closedAt === null && k.foundAt === null) open.push(name);
    else if (k.foundAt && end === k.foundAt.seq && walked.tail !== k.foundAt.torn)
      say(name, null, end, 'has another end than when it was found');
  }

  const gone = [...known].filter(([name, k]) => !k.pruned && !present.includes(name));
  if (gone.length + strangers.length > 0) {
    // A process may have begun one, or removed an old one, since the folder was read.
    const now = { present: new Set(readdirSync(dir)), known: readIndex().known };
    for (const name of strangers) if (!now.known.has(name)) say(name, null, null, 'is not in the index');
    for (const [name, k] of gone)
      if (!now.present.has(name) && !now.known.get(name)?.pruned)
        say(name, null, null, k.foundAt?.missing ? 'was missing when its process was found dead' : 'was removed');
  }
  return { ok: problems.length === 0, segments: present.length, records, problems, open };
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
