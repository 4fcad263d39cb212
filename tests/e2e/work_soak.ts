/**
 * Clients that leave at random moments of random work, over all eras and transports, several at once. What must hold after it: each call
 * has exactly one closing record, no intent is without its outcome, each handler has ended, and the server holds nothing any more.
 */
import { readdirSync } from 'node:fs';
import { readKey } from '../../src/store/audit_key.ts';
import { verifyAudit } from '../../src/store/audit_verify.ts';
import { openState } from '../../src/store/state.ts';
import { type Client, COMBINATIONS, overHttp, overStdio, serve, stageAt, until } from './work_client.ts';

export interface WorkSoak {
  rounds: number;
  /** Calls by how they ended, as on record. */
  ended: Record<string, number>;
  /** Rounds whose call is on record otherwise than once. */
  records: string[];
  intentsAlone: number;
  /** Handlers that began and were not seen to end. */
  handlers: string[];
  /** A change that was stopped after its effect, or had its effect after it was stopped. */
  torn: string[];
  descriptors: { before: number; after: number };
  /** Targets that could not be changed afterwards: a lock was left. */
  locked: string[];
  problems: unknown[];
  exits: unknown[];
  errors: string;
}

const TOOLS = ['work_read', 'work_read_long', 'work_change', 'work_change_long'] as const;
const MOMENTS = ['at once', 'begun', 'effect', 'later', 'never'] as const;
const WAYS = ['leave', 'cancel', 'close'] as const;

export async function workSoak(o: { rounds: number; atOnce: number }): Promise<WorkSoak> {
  const at = stageAt({ DECKHAND_LIMITS_CONCURRENT_PER_PRINCIPAL: '100' });
  const server = await serve(at);
  const descriptors = () => readdirSync(`/proc/${server.child.pid}/fd`).length;
  const exits: unknown[] = [];
  let next = 0;
  const pick = <T>(of: readonly T[]): T => of[Math.floor(Math.random() * of.length)] as T;
  const seen = (what: string, name: string) => at.log().includes(`${what} ${name}`);

  /** What each round did, for the report of those that went wrong. */
  const told = new Map<string, string>();

  async function round(n: number): Promise<void> {
    const name = `s${n}`;
    const [era, over] = COMBINATIONS[n % COMBINATIONS.length] as (typeof COMBINATIONS)[number];
    const [tool, moment, way] = [pick(TOOLS), pick(MOMENTS), pick(WAYS)];
    const client: Client =
      over === 'stdio'
        ? await overStdio(at, era)
        : await overHttp(server, server.token, era, { stateless: pick([true, false]) });
    const changes = tool.startsWith('work_change');
    told.set(name, [name, era, over, tool, moment, way].join(' '));
    const wait = tool.endsWith('_long') ? { wait_s: pick([0, 1, 40]) } : {};
    const call = client.call(tool, { name, ...wait }, { progress: pick([true, false]) });
    if (moment === 'effect') at.let('effect', name);
    const answered = call.answer.then(
      () => true,
      () => true,
    );
    const step = moment === 'at once' ? null : moment === 'effect' && changes ? 'effect' : 'begun';
    if (step) await until(() => seen(step, name), `${step} ${name}`);
    if (moment === 'later') await Promise.race([answered, new Promise((r) => setTimeout(r, Math.random() * 300))]);
    if (moment !== 'never') {
      if (way === 'leave') call.leave();
      else if (way === 'cancel') await call.cancel();
      else void client.close();
      if (client.process && way !== 'cancel' && pick([true, false])) client.process.child.kill('SIGTERM');
    }
    for (const s of ['end', 'effect', 'verdict'] as const) at.let(s, name);
    if (moment === 'never') await answered;
    await client.close();
    if (client.process) exits.push(await client.process.exit);
    if (client.process?.err()) exits.push(client.process.err());
  }

  // Some are opened at the first use, and stay.
  for (const tool of ['work_read_long', 'work_change_long']) {
    const client = await overHttp(server, server.token, '2025-11-25');
    for (const step of ['end', 'effect', 'verdict'] as const) at.let(step, 'first');
    await client.call(tool, { name: 'first', wait_s: 0 }).result;
    await until(
      () => at.log().filter((l) => l === 'ended first').length > (tool === 'work_read_long' ? 0 : 1),
      'the first',
    );
    await client.close();
  }
  const before = descriptors();
  await Promise.all(
    Array.from({ length: o.atOnce }, async () => {
      for (let n = next++; n < o.rounds; n = next++) await round(n);
    }),
  );
  const names = Array.from({ length: o.rounds }, (_, n) => `s${n}`);
  const callsOf = () => {
    const found = new Map<string, number>();
    for (const r of at.records())
      if (r.event === 'call') {
        const { name } = r.args as { name: string };
        found.set(name, (found.get(name) ?? 0) + 1);
      }
    return found;
  };
  const over = (name: string) => seen('ended', name) || seen('stopped', name);
  const log = () => new Set(at.log());
  await until(() => {
    const lines = log();
    return names.every((n) => !lines.has(`begun ${n}`) || over(n));
  }, 'all handlers to end').catch(() => {});
  await until(() => descriptors() <= before + 2, 'the server to close its sockets').catch(() => {});
  const after = descriptors();

  const locked: string[] = [];
  const last = await overHttp(server, server.token, '2026-07-28');
  for (const name of names.filter((n) => seen('begun', n)).slice(0, 50)) {
    const { result } = await last.call('work_change', { name: `${name}` }).answer;
    if (result?.isError) locked.push(`${name}: ${result.content[0]?.text}`);
  }
  const again = new Set(names.filter((n) => seen('begun', n)).slice(0, 50));
  await last.close();
  server.child.kill('SIGTERM');
  exits.push(await server.exit);

  const records = at.records();
  const calls = callsOf();
  const ended: Record<string, number> = {};
  for (const r of records) if (r.event === 'call') ended[String(r.outcome)] = (ended[String(r.outcome)] ?? 0) + 1;
  // `running` is the end of a call, and `work` that of what it began.
  const closed = new Set(
    records
      .filter((r) => r.event === 'late' || r.event === 'work' || (r.event === 'call' && r.outcome !== 'running'))
      .map((r) => r.call),
  );
  const lines = log();
  const state = openState(at.env.DECKHAND_STATE_DIR as string);
  const check = verifyAudit(state.audit, readKey(state.auditKey));
  const report: WorkSoak = {
    rounds: o.rounds,
    ended,
    // A client that left at once may have left before it was understood: no call then, and no handler either.
    records: names.filter((n) => {
      const got = calls.get(n) ?? 0;
      return got !== (lines.has(`begun ${n}`) ? (again.has(n) ? 2 : 1) : got === 0 ? 0 : 1);
    }),
    intentsAlone: records.filter((r) => r.event === 'intent' && !closed.has(r.call)).length,
    handlers: names.filter((n) => lines.has(`begun ${n}`) && !over(n)).map((n) => told.get(n) ?? n),
    torn: names
      .filter((n) => lines.has(`effect ${n}`) && lines.has(`stopped ${n}`) && !again.has(n))
      .map((n) => told.get(n) ?? n),
    descriptors: { before, after },
    locked,
    problems: check.problems,
    // One that was told to stop before it had begun ends as any process does.
    exits: exits.filter((e) => e !== 0 && e !== 'SIGTERM'),
    errors: server.err(),
  };
  at[Symbol.dispose]();
  return report;
}
