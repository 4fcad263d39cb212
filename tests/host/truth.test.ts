/** The readers against what the system's own tools say of the same moment: exact where static, within 2 % where moving. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { createHost } from '../../src/host/index.ts';
import { quietLog } from './contract.ts';

const host = createHost({ log: quietLog, exec: async () => ({ code: 1, stdout: '', stderr: '' }) });
afterAll(() => host.close());

const run = (file: string, args: string[]) =>
  execFileSync(file, args, {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });

/** Something moves between two looks at a living machine: a few tries, one of which must agree. */
async function agrees(check: () => void | Promise<void>, tries = 8): Promise<void> {
  for (let left = tries; ; left--) {
    try {
      await check();
      return;
    } catch (error) {
      if (left <= 1) throw error;
    }
  }
}

const contained = host.system.identity().virtualisation.container;

test.skipIf(contained)('memory and swap, as /proc/meminfo and free have them', async () => {
  await agrees(() => {
    const memory = host.system.snapshot().memory.value;
    const [, mem = '', swap = ''] = run('free', ['-b']).split('\n');
    const of = (line: string, n: number) => Number(line.trim().split(/\s+/)[n]);
    expect(memory?.totalBytes).toBe(of(mem, 1));
    const available = of(mem, 6);
    expect(Math.abs((memory?.availableBytes ?? 0) - available)).toBeLessThan(available * 0.02);
    expect(memory?.swap?.totalBytes).toBe(of(swap, 1));
  });
});

test('every mount, as df has it', async () => {
  const df = (mount: string, columns: string) =>
    run('df', ['-B1', `--output=${columns}`, mount])
      .trim()
      .split('\n')
      .at(-1)
      ?.trim()
      .split(/\s+/)
      .map((x) => (x === '-' ? null : Number(x))) ?? [];
  const known = (await host.system.filesystems()).filter((f) => f.size.value);
  expect(known.length).toBeGreaterThan(0);
  for (const { mount } of known) {
    await agrees(async () => {
      const before = df(mount, 'size,used,avail,itotal,iused');
      const size = (await host.system.filesystems()).find((f) => f.mount === mount)?.size.value;
      const after = df(mount, 'size,used,avail,itotal,iused');
      expect(size?.totalBytes).toBe(before[0]);
      expect(size?.inodes ?? 0).toBe(before[3]);
      // Others write to this disk: ours must lie between what df said before and after.
      const between = (value: number | undefined | null, n: number) => {
        const ends = [before[n] ?? 0, after[n] ?? 0];
        expect(value ?? 0, `${mount} column ${n}`).toBeGreaterThanOrEqual(Math.min(...ends));
        expect(value ?? 0, `${mount} column ${n}`).toBeLessThanOrEqual(Math.max(...ends));
      };
      between(size?.usedBytes, 1);
      between(size?.availableBytes, 2);
      between(size?.inodesUsed, 4);
    });
  }
});

test('uptime, load, kernel and host name', () => {
  const uptime = () => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
  const before = uptime();
  const identity = host.system.identity();
  expect(identity.uptimeMs.value).toBeGreaterThanOrEqual(Math.floor(before));
  expect(identity.uptimeMs.value).toBeLessThanOrEqual(uptime() + 1);
  expect(identity.kernel.value).toBe(run('uname', ['-r']).trim());
  expect(identity.hostname).toBe(run('uname', ['-n']).trim());
  if (!contained) expect(identity.cpus).toBe(Number(run('nproc', ['--all']).trim()));
});

test('every process that ps sees, and none besides, with the same parents and owners', async () => {
  // Others start and end all the time: what stood still between two looks of ps must be right in between.
  const ps = () =>
    new Map(
      run('ps', ['-e', '-o', 'pid=,ppid=,uid=,lstart='])
        .trim()
        .split('\n')
        .map((row) => row.trim().split(/\s+/))
        .map(([pid, ppid, uid, ...started]) => [
          Number(pid),
          { ppid: Number(ppid), uid: Number(uid), started: started.join(' ') },
        ]),
    );
  const before = ps();
  const { processes } = await host.system.processes();
  const after = ps();
  const ours = new Map(processes.map((p) => [p.pid, p]));
  let stood = 0;
  for (const [pid, was] of before) {
    const is = after.get(pid);
    if (is?.started !== was.started) continue;
    stood += 1;
    const p = ours.get(pid);
    expect(p, `process ${pid}`).toBeDefined();
    expect([was.ppid, is.ppid], `parent of ${pid}`).toContain(p?.ppid);
    expect([was.uid, is.uid], `owner of ${pid}`).toContain(p?.uid);
  }
  expect(stood).toBeGreaterThan(1);
  // What neither look has began and ended in between: it is gone.
  for (const pid of ours.keys())
    if (!before.has(pid) && !after.has(pid)) expect(existsSync(`/proc/${pid}`), `process ${pid}`).toBe(false);
});

test('a process started just now has started just now', async () => {
  const before = Date.now();
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { stdio: 'ignore' });
  const after = Date.now();
  try {
    const p = (await host.system.processes()).processes.find((x) => x.pid === child.pid);
    // The kernel counts in hundredths from a boot that it knows to the second.
    expect(p?.startedAtMs).toBeGreaterThan(before - 1_500);
    expect(p?.startedAtMs).toBeLessThan(after + 1_500);
    expect(p?.ppid).toBe(process.pid);
  } finally {
    child.kill('SIGKILL');
  }
});

test('a child that burns one core: its CPU time is what the kernel counts, and the whole is at least as much', async () => {
  const child = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  const pid = child.pid ?? 0;
  /** The scheduler's own account, in nanoseconds: finer than ticks, and made by other code than stat's. */
  const spentMs = () => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  try {
    const look = async () => ({
      spent: spentMs(),
      snapshot: host.system.snapshot(),
      list: await host.system.processes(),
    });
    const before = await look();
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const after = await look();
    const wall = after.list.atMs - before.list.atMs;
    expect(wall).toBeGreaterThanOrEqual(1_000);
    const of = (l: typeof before.list) => l.processes.find((p) => p.pid === pid)?.cpuMs ?? Number.NaN;
    const share = (of(after.list) - of(before.list)) / wall;
    const truth = (after.spent - before.spent) / wall;
    // Two ticks of 10 ms at each end, and the time that the looks themselves take.
    expect(Math.abs(share - truth)).toBeLessThan(0.06);
    const busy = (s: typeof before.snapshot) => {
      const t = s.cpu.value?.total;
      return t ? t.user + t.nice + t.system + t.irq + t.softirq : Number.NaN;
    };
    const whole = (busy(after.snapshot) - busy(before.snapshot)) / (after.snapshot.atMs - before.snapshot.atMs);
    expect(whole).toBeGreaterThan(truth - 0.1);
    expect(whole).toBeLessThanOrEqual(host.system.identity().cpus * 1.05);
    // With a core to itself the plain figure must come out.
    if (truth > 0.95) {
      expect(share).toBeGreaterThanOrEqual(0.9);
      expect(share).toBeLessThanOrEqual(1.1);
    } else process.stderr.write(`busy machine: the child got ${Math.round(truth * 100)} % of a core\n`);
  } finally {
    child.kill('SIGKILL');
  }
});
