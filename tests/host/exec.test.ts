/** The one place that starts processes: bounded in time and bytes, with nothing inherited and nothing left behind. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exec, execPath, findBinary } from '../../src/host/exec.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'deckhand-exec-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bounds = { timeoutMs: 5_000, maxBytes: 10_000 };
const sh = (script: string, o: Partial<typeof bounds & { signal: AbortSignal }> = {}) =>
  execPath('/bin/sh', { args: ['-c', script], ...bounds, ...o });

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const alive = (pid: number): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
};

test('code and output', async () => {
  expect(await sh('echo out; echo err >&2; exit 3')).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n' });
});

test('nothing of our environment is inherited', async () => {
  process.env.DECKHAND_SECRET_OF_TEST = 'x';
  const { stdout } = await execPath('/usr/bin/env', { args: [], ...bounds });
  delete process.env.DECKHAND_SECRET_OF_TEST;
  expect(stdout).not.toContain('DECKHAND');
  expect(
    stdout
      .split('\n')
      .filter(Boolean)
      .map((l) => l.split('=')[0])
      // Node itself hands it on, where `npm run coverage` has set it.
      .filter((name) => name !== 'NODE_V8_COVERAGE')
      .sort(),
  ).toEqual(['HOME', 'LC_ALL', 'PATH', 'SYSTEMD_PAGER', 'TERM']);
});

test('arguments are no shell text', async () => {
  const { stdout } = await execPath('/bin/echo', { args: ['$(id)', '; touch x', '`id`'], ...bounds });
  expect(stdout).toBe('$(id) ; touch x `id`\n');
});

test('at the time-out the whole group dies, grandchildren with open pipes too', async () => {
  const pidFile = join(folder, 'pid');
  const from = performance.now();
  await expect(sh(`sleep 60 & echo $! > ${pidFile}; wait`, { timeoutMs: 300 })).rejects.toMatchObject({
    code: 'timeout',
  });
  expect(performance.now() - from).toBeLessThan(3_000);
  const pid = Number(readFileSync(pidFile, 'utf8'));
  await until(() => !alive(pid));
});

test('too much output ends it', async () => {
  await expect(sh('while :; do echo 0123456789012345678901234567890123456789; done')).rejects.toMatchObject({
    code: 'limit',
  });
});

test('a caller that leaves ends it; one that has left starts nothing', async () => {
  const leave = new AbortController();
  const running = sh('sleep 60', { signal: leave.signal });
  leave.abort();
  await expect(running).rejects.toMatchObject({ code: 'timeout' });
  const file = join(folder, 'never');
  await expect(sh(`touch ${file}`, { signal: leave.signal })).rejects.toMatchObject({ code: 'timeout' });
  expect(() => readFileSync(file)).toThrow();
});

test('what is not there, and what is no program', async () => {
  await expect(execPath('/does/not/exist', { args: [], ...bounds })).rejects.toMatchObject({ code: 'unavailable' });
  const text = join(folder, 'text');
  writeFileSync(text, 'no program');
  await expect(execPath(text, { args: [], ...bounds })).rejects.toMatchObject({ code: 'unavailable' });
});

test('only programs of the table', async () => {
  expect(findBinary('systemctl')).toSatisfy((p: string | null) => p === null || p.startsWith('/'));
  const missing = (['dnf', 'apk', 'chronyc'] as const).find((b) => findBinary(b) === null);
  if (missing)
    await expect((async () => exec({ binary: missing, args: [], ...bounds }))()).rejects.toMatchObject({
      code: 'unavailable',
    });
});
