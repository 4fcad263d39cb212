/**
 * A host that is really slow, in four ways (needs DECKHAND_REAL=1, root and control groups): the cause is named with who is behind it, and is
 * gone when its burden is. Other things may burden the machine meanwhile, so that a twin is held to what it itself does.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createHost, type OpenHost } from '../../src/host/index.ts';
import { diagnose } from '../../src/tools/diagnose.ts';
import type { DiagnoseAnswer } from '../../src/tools/diagnose_parts.ts';
import { context } from '../tools/context.ts';
import { quietLog } from './contract.ts';

const V1 = '/sys/fs/cgroup/cpu/cpu.cfs_quota_us'.replace('/cpu.cfs_quota_us', '');
const v1 = existsSync(`${V1}/cgroup.procs`);
const v2 = existsSync('/sys/fs/cgroup/cgroup.controllers');
const real = process.env.DECKHAND_REAL === '1' && process.getuid?.() === 0 && (v1 || v2);
if (!real) process.stderr.write('SKIPPED slow_real.test.ts: needs DECKHAND_REAL=1, root and control groups.\n');

const NAME = `deckhand-slow-${process.pid}`;
const base = (controller: string) => (v1 ? `/sys/fs/cgroup/${controller}/${NAME}` : `/sys/fs/cgroup/${NAME}`);
const MiB = 1024 ** 2;

async function until(what: string, holds: () => boolean, ms = 20_000): Promise<void> {
  const stop = Date.now() + ms;
  while (!holds()) {
    if (Date.now() > stop) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe.skipIf(!real)('a host that is slow', () => {
  let host: OpenHost;
  let dir: string;
  const children: ChildProcess[] = [];
  const groups: string[] = [];

  beforeAll(() => {
    host = createHost({ log: quietLog });
    dir = mkdtempSync(join(tmpdir(), 'deckhand-slow-'));
  });
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    await until('the burden ends', () => children.every((c) => c.exitCode !== null || c.signalCode !== null));
    children.length = 0;
    for (const group of groups.splice(0)) {
      await until('the group is empty', () => readFileSync(`${group}/cgroup.procs`, 'utf8') === '');
      rmdirSync(group);
    }
  });
  afterAll(() => {
    host.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const asked = async (): Promise<DiagnoseAnswer> =>
    (await diagnose.handler?.(
      diagnose.input.parse({ problem: 'slow' }),
      context({}, { host, recent: () => [], recentProcesses: () => null }),
    )) as unknown as DiagnoseAnswer;
  const group = (controller: string, settings: Record<string, string>) => {
    const at = base(controller);
    if (v2) writeFileSync('/sys/fs/cgroup/cgroup.subtree_control', `+${controller === 'blkio' ? 'io' : controller}`);
    mkdirSync(at);
    groups.push(at);
    for (const [file, value] of Object.entries(settings)) writeFileSync(`${at}/${file}`, value);
    return at;
  };
  /** In the group from its first instruction on. */
  const start = (script: string, at?: string): ChildProcess => {
    const enter = at === undefined ? '' : `echo $$ > ${at}/cgroup.procs; `;
    const child = spawn('/bin/sh', ['-c', `${enter}${script}`], { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(child);
    return child;
  };
  const ready = (child: ChildProcess) => new Promise((resolve) => child.stdout?.once('data', resolve));
  const evidence = (a: DiagnoseAnswer) => a.causes.flatMap((c) => c.evidence).join('\n');

  it('processors used up: who does it, and not when they are gone', async () => {
    const burn = 'echo go; exec /usr/bin/python3 -c "while True: pass"';
    const burners = Array.from({ length: 3 * availableParallelism() }, () => start(burn));
    await Promise.all(burners.map(ready));
    await until('they burn', () => readFileSync(`/proc/${burners[0]?.pid}/comm`, 'utf8').startsWith('python3'));
    const is = await asked();
    const cause = is.causes.find((c) => c.id === 'cpu_busy');
    expect(cause, JSON.stringify(is.causes)).toMatchObject({ certainty: 'certain' });
    expect(evidence(is)).toMatch(/python3 ×\d+ \(\d+\)/);
    const pids = burners.map((b) => b.pid);
    for (const b of burners) b.kill('SIGKILL');
    await until('they end', () => burners.every((b) => b.signalCode !== null));
    const twin = await asked();
    expect(twin.slow?.processes.filter((p) => pids.includes(p.pid))).toEqual([]);
  }, 60_000);

  it('a group that is held back by its limit, and not one that has none', async () => {
    const period = '100000';
    const at = group(
      'cpu',
      v1 ? { 'cpu.cfs_period_us': period, 'cpu.cfs_quota_us': '20000' } : { 'cpu.max': `20000 ${period}` },
    );
    await ready(start('echo go; exec /usr/bin/python3 -c "while True: pass"', at));
    const is = await asked();
    const cause = is.causes.find((c) => c.id === 'group_throttled');
    expect(cause, JSON.stringify(is.causes)).toMatchObject({ certainty: 'certain' });
    expect(cause?.evidence.join()).toMatch(
      new RegExp(`${NAME}: held back in \\d+% of the periods, limit 0\\.20 processors`),
    );
    writeFileSync(v1 ? `${at}/cpu.cfs_quota_us` : `${at}/cpu.max`, v1 ? '-1' : 'max');
    expect(evidence(await asked())).not.toContain(`${NAME}: held back`);
  }, 60_000);

  it('a group at its limit of memory, and not one that only reads much through its cache', async () => {
    const at = group('memory', v1 ? { 'memory.limit_in_bytes': String(96 * MiB) } : { 'memory.max': String(96 * MiB) });
    // Written by who is in the group: pages belong to whoever touched them first.
    await ready(start(`dd if=/dev/zero of=${dir}/file bs=1M count=200 conv=fsync 2>/dev/null; echo go`, at));
    const read = `f=open('${dir}/file','rb')\nprint('go',flush=True)\nwhile True:\n  f.seek(0)\n  while f.read(1<<20): pass\n`;
    const twin = start(`exec /usr/bin/python3 -c "${read}"`, at);
    await ready(twin);
    expect((await asked()).causes.map((c) => c.id)).not.toContain('group_memory_limit');
    twin.kill('SIGKILL');
    await until('it ends', () => twin.signalCode !== null);
    const hog = start(`exec /usr/bin/python3 -c "x=bytearray(b'1')*(84<<20)\n${read}"`, at);
    await ready(hog);
    const is = await asked();
    const cause = is.causes.find((c) => c.id === 'group_memory_limit');
    expect(cause, JSON.stringify([is.causes, is.slow?.groups])).toMatchObject({ certainty: 'certain' });
    expect(cause?.evidence.join()).toContain(NAME);
  }, 60_000);

  it('writers that wait for their disk, and not when they are gone', async (t) => {
    const device = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .find((l) => l.split(' ')[4] === '/')
      ?.split(' ')[2];
    if (device === undefined || device.startsWith('0:')) return t.skip('the root file system has no device of its own');
    const at = group(
      'blkio',
      v1 ? { 'blkio.throttle.write_iops_device': `${device} 8` } : { 'io.max': `${device} wiops=8` },
    );
    const write = `dd if=/dev/zero of=${dir}/w$$ bs=4k count=1 oflag=direct conv=notrunc 2>/dev/null`;
    const writers = Array.from({ length: 4 }, () => start(`echo go; while true; do ${write}; done`, at));
    await Promise.all(writers.map(ready));
    // Pressure of ten seconds rises as they wait.
    await until('they wait', () => (host.system.snapshot().pressure.io.value?.some?.avg10 ?? 0) > 20, 30_000);
    const is = await asked();
    const ids = is.causes.map((c) => c.id);
    expect(
      ids.filter((id) => ['waiting_for_io', 'disk_busy', 'stuck_in_kernel'].includes(id)),
      JSON.stringify(is.causes),
    ).not.toEqual([]);
    expect(is.slow?.pressure.io?.some10).toBeGreaterThan(20);
  }, 90_000);
});
