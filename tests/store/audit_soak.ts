/**
 * The audit's big numbers, for `npm run soak audit`: random single changes to the files of an audit, each of which verifying
 * must notice, and verifying beside writers, which must never be a false alarm. Seeded: a miss can be done again.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readKey } from '../../src/store/audit_key.ts';
import { searchAudit } from '../../src/store/audit_read.ts';
import { verifyAudit } from '../../src/store/audit_verify.ts';
import { openState } from '../../src/store/state.ts';
import { segmentsOf, verified, written } from './audit_tamper.ts';

export interface AuditSoak {
  flips: number;
  lineChanges: number;
  missed: string[];
  /** Of single flips: verifying named another file. */
  elsewhere: string[];
  verifications: number;
  falseAlarms: string[];
  appended: number;
  searches: number;
  /** Lines that a search beside writers took for broken. */
  corrupt: number;
}

/** mulberry32. */
function random(seed: number): (below: number) => number {
  let a = seed;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

type Change = (lines: string[], at: number, other: number) => string[];
const LINE_CHANGES: Record<string, Change> = {
  deleted: (l, at) => l.toSpliced(at, 1),
  doubled: (l, at) => l.toSpliced(at, 0, l[at] as string),
  exchanged: (l, at, other) => l.with(at, l[other] as string).with(other, l[at] as string),
  replaced: (l, at, other) => l.with(at, l[other] as string),
  'cut behind': (l, at) => l.slice(0, at),
  moved: (l, at, other) => l.toSpliced(at, 1).toSpliced(other, 0, l[at] as string),
};

export async function auditSoak(o: {
  flips: number;
  lineChanges: number;
  writers: number;
  ms: number;
  seed: number;
}): Promise<AuditSoak> {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-soak-'));
  const out: AuditSoak = {
    flips: 0,
    lineChanges: 0,
    missed: [],
    elsewhere: [],
    verifications: 0,
    falseAlarms: [],
    appended: 0,
    searches: 0,
    corrupt: 0,
  };
  try {
    tampered(join(dir, 'still'), o, out);
    await beside(join(dir, 'written'), o, out);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return out;
}

function tampered(dir: string, o: { flips: number; lineChanges: number; seed: number }, out: AuditSoak): void {
  const state = written(dir, 4, 12);
  const pick = random(o.seed);
  const files = [...segmentsOf(state), 'index.jsonl'];
  const check = (what: string, file: string) => {
    const { ok, problems } = verified(state);
    if (ok) out.missed.push(what);
    else if (!problems.some((p) => p.segment === file)) out.elsewhere.push(what);
  };
  if (!verified(state).ok) out.falseAlarms.push('the untouched audit');
  for (; out.flips < o.flips; out.flips++) {
    const file = files[pick(files.length)] as string;
    const path = join(state.audit, file);
    const was = readFileSync(path);
    const now = Buffer.from(was);
    const at = pick(was.length);
    const bit = 1 << pick(8);
    now[at] = (now[at] as number) ^ bit;
    writeFileSync(path, now);
    check(`seed ${o.seed}: bit ${bit} of byte ${at} of ${file}`, file);
    writeFileSync(path, was);
  }
  const names = Object.keys(LINE_CHANGES);
  while (out.lineChanges < o.lineChanges) {
    const file = files[pick(files.length)] as string;
    const path = join(state.audit, file);
    const was = readFileSync(path, 'utf8');
    const lines = was.split('\n').slice(0, -1);
    const name = names[pick(names.length)] as string;
    const [at, other] = [pick(lines.length), pick(lines.length)];
    const now = (LINE_CHANGES[name] as Change)(lines, at, other)
      .map((l) => `${l}\n`)
      .join('');
    if (now === was) continue;
    out.lineChanges++;
    writeFileSync(path, now);
    // An index that lost its end shows in the files that it no longer names.
    const { ok } = verified(state);
    if (ok) out.missed.push(`seed ${o.seed}: line ${at + 1} of ${file} ${name} (${other + 1})`);
    writeFileSync(path, was);
  }
  if (!verified(state).ok) out.falseAlarms.push('the audit put back');
}

/** Writers that rotate all the time, one of which is killed and begun anew, while we verify and search. */
async function beside(dir: string, o: { writers: number; ms: number }, out: AuditSoak): Promise<void> {
  const state = openState(dir);
  const program = fileURLToPath(new URL('child.ts', import.meta.url));
  const children = new Set<ChildProcess>();
  const ended: Promise<unknown>[] = [];
  const start = (ms: number) => {
    const child = spawn(process.execPath, [program, dir, String(ms)], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.add(child);
    let text = '';
    child.stdout.on('data', (d) => {
      text += d;
    });
    ended.push(
      new Promise((resolve) =>
        child.once('close', () => {
          children.delete(child);
          out.appended += Number(/"appended":(\d+)/.exec(text)?.[1] ?? 0);
          resolve(null);
        }),
      ),
    );
    return child;
  };
  const until = performance.now() + o.ms;
  for (let i = 1; i < o.writers; i++) start(o.ms);
  let victim = start(0);
  const { signal } = new AbortController();
  try {
    while (performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 150));
      if (segmentsOf(state).length === 0) continue;
      const { ok, problems } = verifyAudit(state.audit, readKey(state.auditKey));
      out.verifications++;
      if (!ok) out.falseAlarms.push(JSON.stringify(problems[0]));
      out.corrupt += (await searchAudit(state.audit, { text: 'nothing', limit: 1, order: 'newest' }, signal)).corrupt;
      out.searches++;
      if (out.verifications % 5 === 0) {
        victim.kill('SIGKILL');
        victim = start(0);
      }
    }
  } finally {
    victim.kill('SIGKILL');
    await Promise.all(ended);
  }
  const { ok, problems } = verifyAudit(state.audit, readKey(state.auditKey));
  if (!ok) out.falseAlarms.push(`at the end: ${JSON.stringify(problems[0])}`);
}
