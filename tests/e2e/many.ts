/**
 * Several client windows (stdio) and a server on one state, all calling at once: for the test (small) and the soak (big).
 * What they wrote must verify, nothing may have been busy, and one of them samples.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readKey } from '../../src/store/audit_key.ts';
import { verifyAudit } from '../../src/store/audit_verify.ts';
import { openLeases } from '../../src/store/leases.ts';
import { openState } from '../../src/store/state.ts';
import { type AnyClient, overHttp, overStdio, place, serve } from './product.ts';

export interface Many {
  calls: number;
  failed: string[];
  callRecords: number;
  records: number;
  problems: unknown[];
  busy: number;
  /** Processes that opened the sampler's lock file and hold it: exactly one. */
  samplers: number;
  ms: number;
  p50Ms: number;
  p99Ms: number;
}

const ASKED = [
  { name: 'system_overview', arguments: {} },
  { name: 'process_list', arguments: { limit: 3 } },
  { name: 'system_metrics', arguments: { groups: ['memory'] } },
];

export async function many(o: { stdio: number; ms: number }): Promise<Many> {
  const at = place();
  const served = await serve(at);
  const clients: AnyClient[] = [];
  const failed: string[] = [];
  const took: number[] = [];
  let calls = 0;
  try {
    clients.push(await overHttp('2026-07-28', served.url, served.token));
    for (let i = 0; i < o.stdio; i++) clients.push(await overStdio(i % 2 ? '2025-11-25' : '2026-07-28', at));
    const end = performance.now() + o.ms;
    await Promise.all(
      clients.map(async (client, n) => {
        for (let i = n; performance.now() < end; i++) {
          const t = performance.now();
          calls++;
          try {
            const answer = await client.callTool(ASKED[i % ASKED.length] as (typeof ASKED)[number]);
            if (answer.isError) failed.push(JSON.stringify(answer.content));
          } catch (thrown) {
            failed.push(String(thrown));
          }
          took.push(performance.now() - t);
        }
      }),
    );
    const state = openState(at.env.DECKHAND_STATE_DIR ?? '');
    const samplers = holders(join(state.dir, 'leases'));
    const running = verifyAudit(state.audit, readKey(state.auditKey));
    // Somebody who comes later must not get the lease while its holder lives.
    const stolen = openLeases(state, { debug() {}, info() {}, warn() {}, error() {} }).tryLease('sampler');
    if (stolen) failed.push('the sampler’s lease was free');
    stolen?.[Symbol.dispose]();
    await Promise.all(clients.map((c) => c.close()));
    await served.stop();
    const check = verifyAudit(state.audit, readKey(state.auditKey));
    const lines = readdirSync(state.audit)
      .filter((f) => f.endsWith('.jsonl') && f !== 'index.jsonl')
      .flatMap((f) => readFileSync(join(state.audit, f), 'utf8').trim().split('\n'));
    took.sort((a, b) => a - b);
    return {
      calls,
      failed,
      callRecords: lines.filter((l) => l.includes('"event":"call"')).length,
      records: check.records,
      problems: [...running.problems, ...check.problems],
      busy: `${served.errors()}${lines.join('')}`.split('SQLITE_BUSY').length - 1,
      samplers,
      ms: o.ms,
      p50Ms: took[Math.floor(took.length / 2)] ?? 0,
      p99Ms: took[Math.floor(took.length * 0.99)] ?? 0,
    };
  } finally {
    await Promise.allSettled(clients.map((c) => c.close()));
    await served.stop();
    at[Symbol.dispose]();
  }
}

/** Write locks on the sampler's file, as the kernel lists them. */
function holders(leases: string): number {
  const name = readdirSync(leases).find((f) => f.startsWith('sampler') && !f.endsWith('-journal'));
  if (!name) return 0;
  const locks = readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .filter((l) => l.includes('WRITE') && !l.includes('->'));
  const ino = String(statSync(join(leases, name)).ino);
  return new Set(locks.filter((l) => l.split(/[\s:]+/).includes(ino)).map((l) => /WRITE\s+(\d+)/.exec(l)?.[1])).size;
}
