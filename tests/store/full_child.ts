/**
 * Runs on a real tmpfs of 1 MiB (full_disk.test.ts mounts it in a namespace of its own) and prints what it saw as one JSON
 * line. Arguments: the folder, and whether our look at the free space is on: without it SQLite itself meets the full disk.
 */
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import { openAudit } from '../../src/store/audit.ts';
import { readKey } from '../../src/store/audit_key.ts';
import { verifyAudit } from '../../src/store/audit_verify.ts';
import { openDb } from '../../src/store/db.ts';
import { openKept } from '../../src/store/kept.ts';
import { openLeases } from '../../src/store/leases.ts';
import { openLocks } from '../../src/store/locks.ts';
import { newOwner } from '../../src/store/owner.ts';
import { openState, type StateDir } from '../../src/store/state.ts';

const [, , root = '', look = 'look'] = process.argv;
const filler = join(root, 'filler');
const seen: Record<string, unknown> = {};
const quiet = () => {};
let said: string[] = [];
const log = {
  debug: quiet,
  info: quiet,
  warn: (_: object, m: string) => void said.push(m),
  error: (_: object, m: string) => void said.push(m),
};

function fill(): void {
  for (const size of [64 * 1024, 4096, 512, 64, 1])
    try {
      for (;;) appendFileSync(filler, Buffer.alloc(size, 120));
    } catch {
      // Full for this size: smaller ones may still fit.
    }
}
const until = async (done: () => boolean): Promise<boolean> => {
  const end = performance.now() + 8_000;
  while (!done()) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return true;
};
const row = (n: number) => ({
  principal: 'p',
  scopes: [],
  tool: 't',
  data: { text: `${n}`.repeat(1_500) },
  foreignPaths: [],
  lists: [],
});
const refusal = (work: () => void): string => {
  try {
    work();
    return 'none';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
};

function tornIn(folder: string): string[] {
  // On a disk that has no room for a folder either there is none.
  if (!existsSync(folder)) return [];
  const whole = (name: string) => /(^|\n)$/.test(readFileSync(join(folder, name), 'utf8'));
  return readdirSync(folder).filter((n) => n.endsWith('.jsonl') && !whole(n));
}

async function run(name: string, fullAtStart: boolean): Promise<void> {
  said = [];
  const dir = join(root, name);
  if (fullAtStart) fill();
  const opened = openState(dir);
  const state: StateDir = look === 'look' ? opened : { ...opened, full: () => null };
  const db = openDb(state, log);
  const audit = openAudit(state, log);
  const kept = openKept(db);
  const locks = openLocks(db, newOwner());
  if (!fullAtStart) {
    for (let i = 0; i < 20; i++) kept.put(row(i));
    audit.append('call', { i: -1 });
    fill();
  }
  const handles: (string | null)[] = [];
  for (let i = 0; i < 400; i++) {
    audit.append('call', { i, text: 'x'.repeat(i) });
    handles.push(kept.put(row(i)));
  }
  const lease = openLeases(state, log).tryLease('sampler');
  seen[`${name}:during`] = {
    free: statfsSync(root).bavail,
    keptLast: kept.get(handles.at(-1) ?? '', 'p') !== null,
    lock: refusal(() => locks.acquire('k')),
    change: refusal(() => audit.append('change', {}, { durable: true })),
    degraded: db.degraded() !== null,
    waits: audit.trouble() !== null,
    lease: lease !== null,
    warned: said.length > 0,
    torn: tornIn(opened.audit),
  };
  rmSync(filler, { force: true });
  seen[`${name}:after`] = {
    written: await until(() => audit.trouble() === null),
    recovered: await until(() => db.degraded() === null),
    change: refusal(() => audit.append('change', {}, { durable: true })),
    kept: kept.get(kept.put(row(1)) ?? '', 'p') !== null,
    lock: refusal(() => locks.acquire('k')),
  };
  audit.close();
  db.close();
  const { ok, problems, records } = verifyAudit(opened.audit, readKey(opened.auditKey));
  seen[`${name}:audit`] = { ok, problems, enough: records >= 402 };
  rmSync(dir, { recursive: true });
}

await run('full-at-start', true);
await run('filled-while-running', false);

// The control: what a plain append leaves on a full disk.
const naive = join(root, 'naive.jsonl');
fill();
truncateSync(filler, statSync(filler).size - 12_000);
try {
  for (;;) appendFileSync(naive, `${JSON.stringify({ text: 'x'.repeat(700) })}\n`);
} catch {
  seen.control = { torn: !readFileSync(naive, 'utf8').endsWith('\n') };
}
process.stdout.write(`${JSON.stringify(seen)}\n`);
