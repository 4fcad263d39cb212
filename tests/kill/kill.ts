/**
 * Kills an approved change at every call by which it could write, and judges what the next start finds. A first run under
 * strace counts those calls; then one run for each, ended by SIGKILL at the entry of just that call. The control is the same
 * for a naive change.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { App } from '../../src/app.ts';
import type { Outcome } from '../../src/core/call.ts';
import { type Approval, openApprovals } from '../../src/store/approvals.ts';
import { readKey } from '../../src/store/audit_key.ts';
import { auditTail, verifyAudit } from '../../src/store/audit_verify.ts';
import { openDb } from '../../src/store/db.ts';
import { openReceipts, type Receipt } from '../../src/store/receipts.ts';
import { openState } from '../../src/store/state.ts';
import { quiet } from '../fakes/policy.ts';
import { argsOf, CALL, type Kind, NEW, OLD, oldOf, openAt, sourceIn, targetOf, toolOf, undoes } from './place.ts';

export type Scene = Kind | 'naive';

/** One point of the trace: the `nth` call of this kind by the main thread since its start. */
export interface Point {
  call: string;
  nth: number;
  /** What it was about to do, e.g. `deckhand.db-wal`. */
  on: string;
}
export interface Row extends Point {
  n: number;
  killed: boolean;
  file: 'old' | 'new' | 'torn';
  /** On record of the killed call: what it announced, how it ended, and what the next start said of it. */
  record: string;
  receipt: string;
  approval: string;
  /** What undoing it afterwards came to. */
  after: string;
  wrong: string[];
}

const CALLS =
  'write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,ftruncate,truncate,fallocate';
const child = fileURLToPath(new URL('child.ts', import.meta.url));
/** Approvals last ten minutes. */
const FRESH_MS = 5 * 60_000;

/** `most`: spread over all of them. `databaseEvery`: all that are not on the database, and every so many of those that are. */
export async function sweep(
  scene: Scene,
  most = Number.POSITIVE_INFINITY,
  databaseEvery = 1,
): Promise<{ points: number; rows: Row[] }> {
  const top = realpathSync(mkdtempSync(join(tmpdir(), 'deckhand-kill-')));
  try {
    const base = join(top, 'base');
    // Always the same path: it is an argument, and an approval binds those.
    const dir = join(top, 'place');
    let madeMs = Number.NEGATIVE_INFINITY;
    const anew = async () => {
      if (performance.now() - madeMs > FRESH_MS) {
        for (const old of [base, dir]) rmSync(old, { recursive: true, force: true });
        await prepared(scene, dir);
        renameSync(dir, base);
        madeMs = performance.now();
      }
      rmSync(dir, { recursive: true, force: true });
      must('cp', ['-a', base, dir]);
    };
    await anew();
    const clean = traced(scene, dir, []);
    if (clean.status !== 0) throw new Error(`the traced run without a kill failed: ${clean.stderr}`);
    let onDatabase = 0;
    const points = pointsOf(clean.lines).filter(
      (p) => !p.on.startsWith('deckhand.db') || onDatabase++ % databaseEvery === 0,
    );
    const rows: Row[] = [];
    for (const n of chosen(points.length, most)) {
      const point = points[n] as Point;
      await anew();
      const run = traced(scene, dir, ['-e', `inject=${point.call}:signal=SIGKILL:when=${point.nth}`]);
      const killed = run.signal === 'SIGKILL' || run.status === 137;
      // As it was this time: another run may write a page more or less.
      const on = pointsOf(run.lines).at(-1)?.on ?? '';
      const judged = scene === 'naive' ? judgeNaive(dir) : await judge(scene, dir);
      rows.push({ ...point, n: n + 1, on, ...judged, killed });
    }
    return { points: points.length, rows };
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
}

/** Both ends, and evenly in between. */
function chosen(all: number, most: number): number[] {
  const count = Math.min(all, most);
  return Array.from({ length: count }, (_, i) => (count === 1 ? 0 : Math.round((i * (all - 1)) / (count - 1))));
}

function must(command: string, args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

function traced(scene: Scene, dir: string, inject: string[]) {
  const log = `${dir}.trace`;
  // Without -f: the main thread alone, which is what writes. Others only sync behind it, and their counts would mix with these.
  const strace = ['-qq', '-y', '-s', '0', '-o', log, '-e', `trace=${CALLS},statx`, ...inject];
  const { status, signal, stderr } = spawnSync('strace', [...strace, process.execPath, child, scene, dir], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  const lines = readFileSync(log, 'utf8').split('\n');
  rmSync(log);
  return { status, signal, stderr, lines };
}

/** Between the two marks. */
export function pointsOf(lines: readonly string[]): Point[] {
  const counts = new Map<string, number>();
  const points: Point[] = [];
  let inside = false;
  for (const line of lines) {
    const [, call = '', args = ''] = /^(\w+)\((.*)$/.exec(line) ?? [];
    if (call === '') continue;
    if (call === 'statx') {
      if (args.includes('/mark-')) inside = args.includes('/mark-begin');
      continue;
    }
    const nth = (counts.get(call) ?? 0) + 1;
    counts.set(call, nth);
    const path = /<(\/[^>]*)>/.exec(args)?.[1] ?? [...args.matchAll(/"([^"]*)"/g)].at(-1)?.[1] ?? '';
    const on = path.split('/').at(-1) ?? '';
    if (inside) points.push({ call, nth, on });
  }
  return points;
}

async function prepared(scene: Scene, dir: string): Promise<void> {
  must('mkdir', ['-p', join(dir, 'root')]);
  const before = scene === 'naive' ? OLD : oldOf(scene);
  if (before) writeFileSync(targetOf(scene, dir), before);
  writeFileSync(sourceIn(dir), NEW);
  const back = scene === 'naive' ? undefined : undoes(scene);
  if (back) {
    const full = await openAt(dir, 'full');
    const out = await run(full, toolOf(back), argsOf(back, dir));
    if (out.status !== 'done') throw new Error(`not done: ${JSON.stringify(out)}`);
    writeFileSync(join(dir, 'receipt'), String(out.data.receipt));
    await full.close();
  }
  const app = await openAt(dir, 'ask');
  if (scene !== 'naive') {
    const asked = await run(app, toolOf(scene), argsOf(scene, dir));
    if (asked.status !== 'pending') throw new Error(`not asked for: ${JSON.stringify(asked)}`);
    app.deciding.decide(String(asked.data.handle), { approver: 'cli:0', granted: true });
  }
  await app.close();
}

function run(app: App, tool: string, args: object): Promise<Outcome> {
  const principal = app.principals.stdio();
  const signal = new AbortController().signal;
  return app.door.run({ id: crypto.randomUUID(), face: 'mcp-stdio', tool, args, principal, signal });
}
/** An undo that died behind its effect finds nothing left to do. */
const idle = (out: Outcome) => out.status === 'done' && /nothing was changed/.test(String(out.data.summary));
const said = (out: Outcome) => (out.status === 'failed' ? out.error.code : out.status);

function fileIn(scene: Scene, dir: string): Row['file'] {
  const path = targetOf(scene, dir);
  const is = existsSync(path) ? readFileSync(path) : null;
  const old = scene === 'naive' ? OLD : oldOf(scene);
  if (is === null) return old === null ? 'old' : 'torn';
  return old !== null && is.equals(old) ? 'old' : is.equals(NEW) ? 'new' : 'torn';
}

interface Found {
  receipt: Receipt | null;
  /** Of the one yes that was given. */
  approval: Approval | null;
  records: { event: string; call?: string; outcome?: string; state?: string; approval?: string }[];
  problems: unknown[];
}

function look(dir: string, id: string | null): Found {
  const state = openState(join(dir, 'state'));
  const db = openDb(state, quiet);
  const receipts = openReceipts(state, db);
  const mine = id ?? receipts.list({ limit: 99 }).find((r) => r.call === CALL)?.id;
  const receipt = mine === undefined ? null : receipts.get(mine);
  const approval =
    openApprovals(db)
      .recent(99)
      .find((a) => a.approver === 'cli:0') ?? null;
  // Blobs are read as long as the folder is there; rows are read already.
  db.close();
  const { problems } = verifyAudit(state.audit, readKey(state.auditKey));
  return { receipt, approval, records: auditTail(state.audit, 10_000) as never, problems };
}

async function judge(kind: Kind, dir: string): Promise<Omit<Row, keyof Point | 'n' | 'killed'>> {
  const wrong: string[] = [];
  const want = (ok: boolean, what: string) => ok || wrong.push(what);
  const file = fileIn(kind, dir);
  const changes = undoes(kind) === undefined;
  const before = changes ? 'old' : 'new';
  want(file !== 'torn', 'the file is torn');
  const happened = file !== before;
  const atOnce = look(dir, !changes ? readFileSync(join(dir, 'receipt'), 'utf8') : null);
  want(atOnce.problems.length === 0, `audit at once: ${JSON.stringify(atOnce.problems[0])}`);

  // The next start, by a client.
  const next = await openAt(dir, 'full', 'stdio');
  await run(next, 'undo', { receipt: 't_aaaaaaaaaaaaaaaaaaaaaaaaaa' });
  const found = look(dir, atOnce.receipt?.id ?? null);
  const { receipt } = found;
  want(found.problems.length === 0, `audit at the next start: ${JSON.stringify(found.problems[0])}`);
  const of = (event: string) => found.records.filter((r) => r.event === event && r.call === CALL);
  const [intent, outcome, unfinished] = [of('intent'), of('call'), of('unfinished')];
  want(intent.length <= 1 && outcome.length <= 1 && unfinished.length <= 1, 'a record is there twice');
  want(!happened || intent.length === 1, 'the file was changed without an intent');
  want(intent.length === 0 || outcome.length + unfinished.length === 1, 'an intent without outcome is not reported');
  want(outcome[0]?.outcome !== 'done' || happened, 'said to be done, and is not');
  const used = found.approval?.state === 'used';
  want(!happened || used, 'done, and its approval is not used up');
  want(!happened || found.records.some((r) => r.event === 'approval' && r.state === 'used'), 'no record of that use');

  const row = { file, record: [...intent, ...outcome, ...unfinished].map((r) => r.event).join(' ') || 'none' };
  const receiptWas = receipt ? `${receipt.state}${receipt.undone ? `, undo ${receipt.undone.state}` : ''}` : 'none';
  let after = '';
  if (changes) {
    want(!happened || receipt !== null, 'the file is new, and there is no receipt');
    want(outcome.length === 0 || receipt?.state === 'done', 'it ended, and its receipt does not know');
  } else {
    want(receipt?.state === 'done', 'the receipt is lost');
    want(!happened || receipt?.undone != null, 'it was undone, and its receipt does not know');
    want(outcome.length === 0 || receipt?.undone?.state === 'done', 'the undo ended, and its receipt does not know');
  }
  // Also proves that the locks of the killed process hold nobody up.
  if (receipt) {
    const undone = await run(next, 'undo', { receipt: receipt.id });
    after = `undo: ${said(undone)}`;
    const [ok, why] =
      changes || !happened
        ? [undone.status === 'done', 'could not be undone']
        : [said(undone) === 'conflict' || idle(undone), 'was undone twice'];
    want(ok, `${why}: ${undone.status === 'failed' ? undone.error.message : undone.status}`);
    want(fileIn(kind, dir) === 'old', 'after the undo the file is not as it was');
    want(said(await run(next, 'undo', { receipt: receipt.id })) === 'conflict', 'could be undone twice');
  }
  await next.close();

  // One yes is one change: whoever was killed after using it does not get it again.
  const asking = await openAt(dir, 'ask');
  if (changes) {
    const again = await run(asking, toolOf(kind), argsOf(kind, dir));
    after = `${after ? `${after}; ` : ''}again: ${said(again)}`;
    want(again.status === (used ? 'pending' : 'done'), `the same call again: ${said(again)}`);
    const third = await run(asking, toolOf(kind), argsOf(kind, dir));
    want(third.status !== 'done', 'the approval served twice');
  }
  await asking.close();
  const end = look(dir, null);
  want(end.problems.length === 0, `audit at the end: ${JSON.stringify(end.problems[0])}`);
  const made = end.records.filter((r) => r.event === 'intent' && r.approval?.includes(String(end.approval?.id)));
  want(made.length <= 1, 'one approval, two changes');
  return { ...row, receipt: receiptWas, approval: found.approval?.state ?? 'lost', after, wrong };
}

/** The same questions to the naive change; what it answers wrong is what the others must not. */
function judgeNaive(dir: string): Omit<Row, keyof Point | 'n' | 'killed'> {
  const file = fileIn('naive', dir);
  const found = look(dir, null);
  const outcome = found.records.some((r) => r.event === 'call' && r.call === CALL);
  const wrong = [
    ...(file === 'torn' ? ['the file is torn'] : []),
    ...(file !== 'old' && !found.receipt ? ['the file is not as it was, and there is no receipt'] : []),
    ...(file !== 'old' && !outcome ? ['the file was changed, and nothing says so'] : []),
  ];
  const receipt = found.receipt ? found.receipt.state : 'none';
  return { file, record: outcome ? 'call' : 'none', receipt, approval: '-', after: '', wrong };
}
