/**
 * A real FUSE mount whose daemon is stopped (needs root, bindfs and /dev/fuse). Control: the naive way hangs on it.
 * Each way out of the process is tried in a child, because a failure would take the test runner with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createHost, type OpenHost } from '../../src/host/index.ts';
import { quietLog } from './contract.ts';

const real = process.env.DECKHAND_REAL === '1' && process.getuid?.() === 0 && existsSync('/usr/bin/bindfs');
if (!real) process.stderr.write('SKIPPED hung-mount.test.ts: needs DECKHAND_REAL=1, root and bindfs.\n');

const INDEX = fileURLToPath(new URL('../../src/host/index.ts', import.meta.url));

async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const stop = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > stop) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** How a child ended: its code or signal, or 'hangs' after `ms`. */
function ending(child: ChildProcess, ms: number): Promise<number | string> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      resolve('hangs');
    }, ms);
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      resolve(code ?? signal ?? 'unknown');
    });
  });
}

const node = (source: string) =>
  spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'ignore', 'inherit'] });

describe.skipIf(!real)('a FUSE mount stopped in its tracks', () => {
  let folder = '';
  const mounts: { path: string; daemon: ChildProcess }[] = [];
  let host: OpenHost;

  const stopped = (yes: boolean) => {
    for (const { daemon } of mounts) daemon.kill(yes ? 'SIGSTOP' : 'SIGCONT');
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'deckhand-hung-'));
    for (const name of ['one', 'two', 'three']) {
      const path = join(folder, name);
      mkdirSync(path);
      mkdirSync(join(folder, `${name}-data`));
      const daemon = spawn('/usr/bin/bindfs', ['-f', join(folder, `${name}-data`), path], { stdio: 'ignore' });
      mounts.push({ path, daemon });
    }
    await until('the mounts are there', () => {
      const table = readFileSync('/proc/self/mountinfo', 'utf8');
      return mounts.every((m) => table.includes(` ${m.path} `));
    });
    host = createHost({ log: quietLog, exec: async () => ({ code: 1, stdout: '', stderr: '' }) });
  });

  afterAll(async () => {
    stopped(false);
    host?.close();
    for (const { path, daemon } of mounts) {
      const gone = ending(daemon, 5_000);
      await ending(spawn('/usr/bin/fusermount', ['-uz', path], { stdio: 'ignore' }), 5_000);
      daemon.kill('SIGTERM');
      await gone;
    }
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  afterEach(() => stopped(false));

  const sizes = async () => {
    const from = performance.now();
    const list = await host.system.filesystems();
    const ms = performance.now() - from;
    const ours = mounts.map((m) => list.find((f) => f.mount === m.path)?.size);
    return { ms, list, ours };
  };

  test('control: a plain statfs hangs, and so does a process that has such a thread', async () => {
    stopped(true);
    const path = JSON.stringify(mounts[0]?.path);
    expect(
      await ending(node(`import { statfsSync } from 'node:fs'; statfsSync(${path}); process.exit(3);`), 2_000),
    ).toBe('hangs');
    const stuck = `require('node:worker_threads').parentPort.postMessage(1); require('node:fs').statfsSync(${path})`;
    const thread = `import { Worker } from 'node:worker_threads';
      const worker = new Worker(${JSON.stringify(stuck)}, { eval: true, execArgv: [] });
      worker.on('message', () => setTimeout(() => process.exit(3), 200));`;
    expect(await ending(node(thread), 3_000)).toBe('hangs');
  });

  test('three hung mounts cost one deadline, the others are right, later calls are fast, and all recover', async () => {
    const well = await sizes();
    expect(well.ours.every((s) => s?.value)).toBe(true);

    stopped(true);
    const first = await sizes();
    expect(first.ours).toEqual(mounts.map(() => ({ value: null, why: 'does not answer' })));
    expect(first.ms).toBeLessThan(1_000);
    const now = statfsSync('/');
    expect(first.list.find((f) => f.mount === '/')?.size.value?.totalBytes).toBe(now.blocks * now.bsize);
    expect(host.abandoned()).toBe(3);

    let slowest = 0;
    for (let i = 0; i < 20; i++) slowest = Math.max(slowest, (await sizes()).ms);
    expect(slowest).toBeLessThan(first.ms / 2);
    expect(host.abandoned()).toBe(3);

    // Snapshots and processes never touch a mount.
    const from = performance.now();
    host.system.snapshot();
    await host.system.processes({ commands: true });
    expect(performance.now() - from).toBeLessThan(500);

    stopped(false);
    await until('the mounts answer again', async () => (await sizes()).ours.every((s) => s?.value));
    expect(host.abandoned()).toBe(0);
    process.stderr.write(`hung mounts: first ${Math.round(first.ms)} ms, later at most ${slowest.toFixed(1)} ms\n`);
  });

  test.each([
    ['exitNow', 'exitNow(7);', 7],
    ['exitNow(0)', 'exitNow(0);', 0],
    ['process.exit', 'process.exit(7);', 7],
    ['an empty loop', 'process.exitCode = 7;', 7],
    ['an uncaught error', "console.error = () => {}; process.on('exit', () => {}); throw undefined;", 1],
    ['close, then exitNow', 'host.close(); exitNow(7);', 7],
  ])('%s ends the process with its code', async (_, way, code) => {
    stopped(true);
    const child = node(`
      import { createHost, exitNow } from ${JSON.stringify(INDEX)};
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      const host = createHost({ log });
      await host.system.filesystems();
      if (host.abandoned() < 3) throw new Error('nothing hangs');
      ${way}`);
    expect(await ending(child, 6_000)).toBe(code);
  });
});
