/** The main job, black box: both transports, clients of both eras, true answers, one record each. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readKey } from '../../src/store/audit_key.ts';
import { verifyAudit } from '../../src/store/audit_verify.ts';
import { openState } from '../../src/store/state.ts';
import {
  type AnyClient,
  ERAS,
  launcher,
  overHttp,
  overStdio,
  type Place,
  place,
  run,
  type Served,
  serve,
} from './product.ts';

if (!existsSync(join(launcher, '../../dist')))
  throw new Error('dist/ is missing: run `npm run build` (npm test does).');

const records = (at: Place) => {
  const audit = join(at.env.DECKHAND_STATE_DIR ?? '', 'audit');
  return readdirSync(audit)
    .filter((f) => f.endsWith('.jsonl') && f !== 'index.jsonl')
    .flatMap((f) => readFileSync(join(audit, f), 'utf8').trim().split('\n'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
};

async function asks(client: AnyClient) {
  const { tools } = await client.listTools();
  const answer = await client.callTool({ name: 'system_overview', arguments: {} });
  return {
    tools,
    answer,
    data: answer.structuredContent as Record<string, never>,
    text: (answer.content as { text: string }[])[0]?.text ?? '',
  };
}

/** What a host without a container engine offers by default: tools of what it lacks are left out. */
const CORE = [
  'system_overview',
  'system_metrics',
  'process_list',
  'log_query',
  'log_digest',
  'file_list',
  'file_read',
  'file_search',
  'net_overview',
  'net_probe',
  'diagnose',
  'result_query',
  'undo',
];

describe('deckhand serve', () => {
  let at: Place;
  let served: Served;
  beforeAll(async () => {
    at = place();
    served = await serve(at);
  });
  afterAll(async () => {
    await served?.stop();
    at[Symbol.dispose]();
  });

  test.each(ERAS)('a client of %s lists the tools and asks how this host is, with what was printed', async (era) => {
    const client = await overHttp(era, served.url, served.token);
    const { tools, data, text } = await asks(client);
    expect(tools.map((t) => t.name)).toEqual(CORE);
    expect(data.host).toMatchObject({ hostname: expect.any(String), kernel: expect.any(String) });
    expect(text.split('\n').length).toBeGreaterThan(5);
    // The budget of a typical host (700) is held on fixtures; this machine may be in any state.
    expect(encode(text).length, text).toBeLessThanOrEqual(1_000);
    await client.close();
  });

  test.each(ERAS)('resources and prompts are calls of the tool behind them (%s)', async (era) => {
    const before = records(at).filter((r) => r.event === 'call').length;
    const client = await overHttp(era, served.url, served.token);
    expect((await client.listResources()).resources.map((r) => r.uri)).toEqual(['deckhand://system/overview']);
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates.map((r) => r.name)).toContain('result');
    const read = (await client.readResource({ uri: 'deckhand://system/overview' })).contents[0] as { text: string };
    expect(read.text).toContain('memory');
    expect((await client.listPrompts()).prompts.map((p) => p.name)).toEqual(['check_host']);
    const prompt = await client.getPrompt({ name: 'check_host' });
    expect(JSON.stringify(prompt.messages)).toContain('memory');
    await expect(
      client.readResource({ uri: 'deckhand://triage/result/r_aaaaaaaaaaaaaaaaaaaaaaaaaa' }),
    ).rejects.toThrow();
    await client.close();
    expect(records(at).filter((r) => r.event === 'call').length - before).toBe(3);
  });

  test('every call left one record, and the audit verifies while it is being written', async () => {
    const before = records(at).filter((r) => r.event === 'call').length;
    const client = await overHttp('2026-07-28', served.url, served.token);
    const wrong = [
      client.callTool({ name: 'nope', arguments: {} }),
      client.callTool({ name: 'process_list', arguments: { limit: 'many' } }),
      client.callTool({ name: 'process_list', arguments: { limit: 9_999 } }),
      client.callTool({ name: 'process_list', arguments: { lmit: 5 } }),
      client.callTool({ name: 'process_list', arguments: { limit: 3 } }),
    ];
    await Promise.allSettled(wrong);
    await client.close();
    const calls = records(at).filter((r) => r.event === 'call');
    expect(calls.length - before).toBe(5);
    const state = openState(at.env.DECKHAND_STATE_DIR ?? '');
    const check = verifyAudit(state.audit, readKey(state.auditKey));
    expect(check.problems).toEqual([]);
    expect(check.ok).toBe(true);
  });

  test('what was printed for other clients is JSON that works, and the token is nowhere in the state', () => {
    const printed = served.printed();
    const json = printed.slice(printed.indexOf('{'), printed.indexOf('\n  }\n') + 4);
    expect(JSON.parse(json)).toMatchObject({
      mcpServers: { deckhand: { url: served.url, headers: { Authorization: `Bearer ${served.token}` } } },
    });
    expect(printed).toContain('ssh HOST deckhand stdio');
    expect(printed).toContain(`${process.execPath.slice(0, 5)}`);
    const dir = at.env.DECKHAND_STATE_DIR ?? '';
    for (const f of readdirSync(dir, { recursive: true, withFileTypes: true }))
      if (f.isFile()) expect(readFileSync(join(f.parentPath, f.name)).includes(served.token), f.name).toBe(false);
  });

  test('a revoked token stops at once, an added one works at once', async () => {
    const added = await run(at, ['token', 'add', 'second', '--role', 'viewer']);
    const secret = added.out.trim().split('\n').at(-1) ?? '';
    const client = await overHttp('2026-07-28', served.url, secret);
    await asks(client);
    await run(at, ['token', 'revoke', 'second']);
    await expect(client.callTool({ name: 'system_overview', arguments: {} })).rejects.toThrow();
  });

  test('liveness and readiness', async () => {
    const origin = new URL(served.url).origin;
    expect((await fetch(`${origin}/healthz`)).status).toBe(200);
    expect((await fetch(`${origin}/readyz`)).status).toBe(200);
    expect((await fetch(`${origin}/sse`)).status).toBe(410);
  });
});

test('SIGTERM answers what is in flight, then ends with 0', async () => {
  using at = place();
  const served = await serve(at);
  const client = await overHttp('2026-07-28', served.url, served.token);
  const slow = client.callTool({ name: 'system_metrics', arguments: { sample_ms: 1_500 } });
  // Under way once its record could only be missing because it has not ended.
  await expect.poll(async () => (await fetch(`${new URL(served.url).origin}/healthz`)).status).toBe(200);
  const [answer, how] = await Promise.all([slow, served.stop()]);
  expect(answer.isError ?? false).toBe(false);
  expect(how).toBe(0);
});

describe('deckhand stdio', () => {
  test.each(ERAS)('a client of %s launches it and asks', async (era) => {
    using at = place();
    const client = await overStdio(era, at);
    const { tools, data } = await asks(client);
    expect(tools.map((t) => t.name)).toEqual(CORE);
    expect(data.host).toBeDefined();
    await client.close();
    expect(records(at).filter((r) => r.event === 'call')).toHaveLength(1);
    expect(records(at).find((r) => r.event === 'call')).toMatchObject({
      who: `stdio:${process.getuid?.()}`,
      outcome: 'done',
    });
  });

  test('what was cut is paged and grepped by its handle', async () => {
    using at = place();
    const client = await overStdio('2026-07-28', at);
    const first = (await client.callTool({ name: 'process_list', arguments: { limit: 1 } }))
      .structuredContent as never as {
      more: { handle: string; total: number };
    };
    const rest = await client.callTool({ name: 'result_query', arguments: { handle: first.more.handle, limit: 200 } });
    expect((rest.structuredContent as never as { total: number }).total).toBe(first.more.total);
    const lost = await client.callTool({ name: 'result_query', arguments: { handle: 'r_aaaaaaaaaaaaaaaaaaaaaaaaaa' } });
    expect(lost.isError).toBe(true);
    await client.close();
  });
});

test('a child that burns one core shows 90 to 110 % of it in overview and list', async () => {
  using at = place();
  const client = await overStdio('2026-07-28', at);
  const child = spawn(process.execPath, ['-e', 'for(;;);'], { stdio: 'ignore' });
  // The kernel's own count, so that it can be asked for the very window of an answer: on a busy machine nobody gets a whole core.
  const counted: { at: number; ms: number }[] = [];
  const count = () => {
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    const f = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    counted.push({ at: performance.now(), ms: (Number(f[11]) + Number(f[12])) * 10 });
  };
  const timer = setInterval(count, 20);
  interface Answer {
    windowMs: number;
    processes: { pid: number; cpuPercent: number }[];
    topCpu: { pid: number; cpuPercent: number }[];
  }
  /** What the child had had by then lies between these, however late this process itself was let in to count. */
  const atLeast = (at: number) => counted.findLast((c) => c.at <= at)?.ms ?? Number.NaN;
  const atMost = (at: number) => counted.find((c) => c.at >= at)?.ms ?? Number.NaN;
  /**
   * Asked until the window is long enough for the kernel's ticks of 10 ms, and began after the child. Where in the time between question
   * and answer the window ended only the server knows: what the kernel counted in each one that it may have been is a bound.
   */
  async function seen(name: string, args: object, rows: 'processes' | 'topCpu') {
    for (;;) {
      count();
      const sent = performance.now();
      const answer = (await client.callTool({ name, arguments: { ...args } })).structuredContent as never as Answer;
      const came = performance.now();
      count();
      const { windowMs } = answer;
      if (windowMs < 1_000 || sent - windowMs < (counted[0]?.at ?? Number.POSITIVE_INFINITY)) {
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      const ends = [sent, ...counted.map((c) => c.at).filter((at) => at > sent && at < came), came];
      const least = ends.slice(1).map((to, n) => atLeast(ends[n] as number) - atMost(to - windowMs));
      const most = ends.slice(1).map((to, n) => atMost(to) - atLeast((ends[n] as number) - windowMs));
      const shown = answer[rows].find((p) => p.pid === child.pid)?.cpuPercent ?? 0;
      const share = (ms: number) => (ms / windowMs) * 100;
      return { least: share(Math.min(...least)), most: share(Math.max(...most)), shown };
    }
  }
  try {
    for (const { least, most, shown } of [
      await seen('process_list', { by: 'cpu', limit: 50 }, 'processes'),
      await seen('system_overview', {}, 'topCpu'),
    ]) {
      const words = `shown ${shown} %, the kernel gave it ${least.toFixed(0)} to ${most.toFixed(0)} %`;
      expect(shown, words).toBeGreaterThanOrEqual(least - 10);
      expect(shown, words).toBeLessThanOrEqual(most + 10);
      if (least >= 98) expect(shown).toBeGreaterThanOrEqual(90);
      expect(shown).toBeLessThanOrEqual(110);
    }
  } finally {
    clearInterval(timer);
    child.kill('SIGKILL');
    await client.close();
  }
});

test('memory, mounts, uptime and process count agree with free, df and ps of the same moment', async () => {
  using at = place();
  const tool = (cmd: string, args: string[]) =>
    spawnSync(cmd, args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } }).stdout;
  const free = tool('free', ['-b']).split('\n')[1]?.split(/\s+/).map(Number) ?? [];
  const { out } = await run(at, ['call', '--json', 'system_overview']);
  const said = JSON.parse(out) as {
    memory: { totalBytes: number; availableBytes: number };
    filesystems: { mount: string; totalBytes: number; availableBytes: number; inodesUsedPercent: number | null }[];
    host: { uptimeSeconds: number };
    processes: { total: number };
  };
  const ps = tool('ps', ['-e', '--no-headers']).trim().split('\n').length;
  expect(said.memory.totalBytes).toBe(free[1]);
  expect(Math.abs(said.memory.availableBytes - (free[6] ?? 0))).toBeLessThan((free[1] ?? 0) * 0.02);
  for (const fs of said.filesystems) {
    const [bytes] = tool('df', ['-B1', '--output=size', fs.mount]).trim().split('\n').slice(1).map(Number);
    expect(fs.totalBytes, fs.mount).toBe(bytes);
    const [used] = tool('df', ['--output=iused', fs.mount]).trim().split('\n').slice(1).map(Number);
    const [inodes] = tool('df', ['--output=itotal', fs.mount]).trim().split('\n').slice(1).map(Number);
    if (fs.inodesUsedPercent !== null && inodes)
      expect(fs.inodesUsedPercent, fs.mount).toBeCloseTo((100 * (used ?? 0)) / inodes, 0);
    const [free] = tool('df', ['-B1', '--output=avail', fs.mount]).trim().split('\n').slice(1).map(Number);
    expect(Math.abs(fs.availableBytes - (free ?? 0)), fs.mount).toBeLessThan((bytes ?? 0) * 0.02);
  }
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  expect(Math.abs(said.host.uptimeSeconds - uptime)).toBeLessThan(10);
  // Other processes come and go between the two counts.
  expect(Math.abs(said.processes.total - ps)).toBeLessThanOrEqual(Math.max(8, ps * 0.1));
});
