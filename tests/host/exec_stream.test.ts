/** A program's words piece by piece: no faster than they are taken, and it ends with whoever reads. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { execPathStream, execStream, findBinary, type StreamEnd } from '../../src/host/exec.ts';

const sh = (script: string, o: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
  execPathStream('/bin/sh', { args: ['-c', script], timeoutMs: 10_000, ...o });

async function all(stream: AsyncGenerator<Buffer, StreamEnd, undefined>): Promise<{ out: string; end: StreamEnd }> {
  let out = '';
  for (;;) {
    const step = await stream.next();
    if (step.done) return { out, end: step.value };
    out += step.value.toString();
  }
}

const gone = (pid: number) => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return true;
  }
};
const until = async (is: () => boolean) => {
  for (const end = Date.now() + 5_000; !is(); await new Promise(setImmediate))
    if (Date.now() > end) throw new Error('it never came');
};

test('what it says, how it ends, and the first of its complaints', async () => {
  const { out, end } = await all(sh('echo one; echo two; echo bad >&2; exit 3'));
  expect(out).toBe('one\ntwo\n');
  expect(end).toEqual({ code: 3, stderr: 'bad\n' });
  const loud = await all(sh('head -c 1000000 /dev/zero >&2'));
  expect(loud.end.stderr.length).toBeLessThanOrEqual(16 * 1024 * 2);
});

test('who stops taking ends it, with all of its children', async () => {
  const stream = sh('sleep 1000 & echo $! $$; wait');
  const first = (await stream.next()).value as Buffer;
  const [child = 0, parent = 0] = first.toString().trim().split(' ').map(Number);
  await stream.return({ code: null, stderr: '' });
  await until(() => gone(child) && gone(parent));
});

test('a caller who leaves, and time that is up, are heard', async () => {
  const left = new AbortController();
  const stream = sh('echo a; sleep 1000', { signal: left.signal });
  await stream.next();
  left.abort();
  await expect(stream.next()).rejects.toMatchObject({ code: 'timeout', message: 'The caller cancelled.' });
  await expect(all(sh('sleep 1000', { timeoutMs: 50 }))).rejects.toMatchObject({ code: 'timeout' });
  const before = new AbortController();
  before.abort();
  await expect(all(sh('echo a', { signal: before.signal }))).rejects.toMatchObject({ code: 'timeout' });
});

test('a program that is not there says so', async () => {
  const nowhere = execPathStream('/nowhere/at/all', { args: [], timeoutMs: 1_000 });
  await expect(all(nowhere)).rejects.toMatchObject({ code: 'unavailable' });
  if (findBinary('zpool') === null)
    expect(() => execStream({ binary: 'zpool', args: [], timeoutMs: 1_000 })).toThrow(/not installed/);
});

test('a hundred megabytes that nobody takes yet are not held', async () => {
  const stream = sh('head -c 100000000 /dev/zero');
  await stream.next();
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 500; i++) await new Promise(setImmediate);
  expect(process.memoryUsage().rss - before).toBeLessThan(20 * 1024 * 1024);
  await stream.return({ code: null, stderr: '' });
});
