/**
 * One of many processes on one state, for processes.test.ts and the soak: appends, keeps, locks, asks for the lease, and
 * tells what it saw as JSON lines on stdout. Arguments: state folder, milliseconds (0: until killed).
 */
import { openAudit } from '../../src/store/audit.ts';
import { openDb } from '../../src/store/db.ts';
import { openKept } from '../../src/store/kept.ts';
import { type Lease, openLeases } from '../../src/store/leases.ts';
import { openLocks } from '../../src/store/locks.ts';
import { newOwner } from '../../src/store/owner.ts';
import { openQuotas } from '../../src/store/quotas.ts';
import { openState } from '../../src/store/state.ts';
import { openTokens } from '../../src/store/tokens.ts';
import { openWork } from '../../src/store/work.ts';

const [, , dir = '', forMs = '0'] = process.argv;
const tell = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`);
const counts = { appended: 0, kept: 0, unread: 0, locked: 0, overlaps: 0, granted: 0, errors: [] as string[] };

const state = openState(dir);
const quiet = () => {};
const log = {
  debug: quiet,
  info: quiet,
  warn: (f: object, m: string) => complain(m, f),
  error: (f: object, m: string) => complain(m, f),
};
function complain(message: string, fields: object): void {
  // A process that was killed on purpose is no error.
  if (!message.includes('that died') && counts.errors.length < 20)
    counts.errors.push(`${message} ${JSON.stringify(fields)}`);
}

const db = openDb(state, log);
const self = newOwner();
const audit = openAudit(state, log, { self, segmentBytes: 100_000, checkpoint: 100 });
const kept = openKept(db);
const locks = openLocks(db, self);
const quotas = openQuotas(db);
const work = openWork(db, self, { all: 1_000 });
const tokens = openTokens(state, log);
const leases = openLeases(state, log);
let lease: Lease | null = null;
let asked = 0;

function round(i: number): void {
  for (let n = 0; n < 20; n++) {
    audit.append(
      'call',
      { tool: 'system_overview', i, n, principal: 'stdio:0', args: { limit: 15 } },
      { durable: n === 0 && i % 50 === 0 },
    );
    counts.appended++;
  }
  const data = { rows: Array.from({ length: i % 400 }, (_, k) => ({ k, name: `process-${k}` })) };
  const handle = kept.put({ principal: 'p', scopes: [], tool: 't', data, foreignPaths: [], lists: ['rows'] });
  counts.kept++;
  if (!handle || !kept.get(handle, 'p')) counts.unread++;
  const held = locks.acquire('unit:shared', `${process.pid}`);
  if (held) {
    counts.locked++;
    // Whoever holds it is the only one who writes here; an overlap would show as a foreign number.
    const mine = locks.holder('unit:shared')?.label;
    if (mine !== `${process.pid}`) counts.overlaps++;
    held[Symbol.dispose]();
  }
  counts.granted += quotas.reserve('shared', 7, 86_400_000 * 365, 1_000, Date.now());
  const job = work.begin({ principal: `p${process.pid}`, scopes: [], tool: 't' });
  if (job) work.finish(job, { state: 'done' });
  tokens.list();
  if (!lease && performance.now() - asked > 50) {
    asked = performance.now();
    lease = leases.tryLease('sampler');
    if (lease) tell({ lease: process.pid });
  }
}

const until = forMs === '0' ? Number.POSITIVE_INFINITY : performance.now() + Number(forMs);
tell({ ready: process.pid });
if (forMs === '0') locks.acquire('unit:mine', 'kept until killed');
let i = 0;
function loop(): void {
  try {
    round(i++);
  } catch (error) {
    if (counts.errors.length < 20) counts.errors.push((error as Error).stack ?? String(error));
  }
  if (performance.now() < until) setImmediate(loop);
  else {
    audit.close();
    db.close();
    tell({ done: process.pid, ...counts });
  }
}
loop();
