/** Threads that hang when told, in place of mounts that do: what the pool promises, without root or FUSE. */
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { StatfsPool } from '../../src/host/worker.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'deckhand-pool-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A path that begins with "hang " blocks its thread until the file behind it is there. */
const HANGING = `
const { parentPort } = require('node:worker_threads');
const { existsSync } = require('node:fs');
const cell = new Int32Array(new SharedArrayBuffer(4));
parentPort.on('message', ({ id, path }) => {
  parentPort.postMessage({ id, started: true });
  if (path.startsWith('hang ')) while (!existsSync(path.slice(5))) Atomics.wait(cell, 0, 0, 5);
  if (path.startsWith('crash')) process.exit(1);
  if (path.startsWith('error')) parentPort.postMessage({ id, errno: 'EACCES' });
  else parentPort.postMessage({ id, stat: { type: 1, blockSize: 1, blocks: 9, free: 5, available: 4, files: 3, filesFree: 2 } });
});`;

const pools: { pool: StatfsPool; release: string[] }[] = [];
afterEach(() => {
  for (const { pool, release } of pools.splice(0)) {
    for (const path of release) writeFileSync(path, '');
    pool.close();
  }
});

let count = 0;
function hanging(o: { deadlineMs?: number; maxLost?: number } = {}) {
  let time = 1_000;
  const pool = new StatfsPool({ deadlineMs: 300, now: () => time++, source: HANGING, ...o });
  const entry = { pool, release: [] as string[] };
  pools.push(entry);
  return {
    pool,
    hang: () => {
      const file = join(folder, `release-${count++}`);
      entry.release.push(file);
      return { path: `hang ${file}`, release: () => writeFileSync(file, '') };
    },
  };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

test('the real program answers what statfs answers, and errors by name', async () => {
  const pool = new StatfsPool({ now: Date.now });
  const direct = statfsSync('/');
  const answer = await pool.ask('a', '/');
  expect(answer).toMatchObject({ stat: { type: direct.type, blocks: direct.blocks, files: direct.files } });
  expect(await pool.ask('b', '/does/not/exist')).toEqual({ errno: 'ENOENT' });
  expect(pool.abandoned()).toBe(0);
  pool.close();
});

test('one that hangs is given up, remembered, and the others go on', async () => {
  const { pool, hang } = hanging();
  const bad = hang();
  const [hung, good] = await Promise.all([pool.ask('bad', bad.path), pool.ask('good', 'x')]);
  expect(hung).toMatchObject({ hung: true });
  expect(good).toMatchObject({ stat: { blocks: 9 } });
  expect(pool.abandoned()).toBe(1);
  const from = performance.now();
  expect(await pool.ask('bad', bad.path)).toMatchObject({ hung: true });
  expect(performance.now() - from).toBeLessThan(150);
  expect(pool.abandoned()).toBe(1);
});

test('one that comes back is asked again and its thread is no longer lost', async () => {
  const { pool, hang } = hanging();
  const bad = hang();
  expect(await pool.ask('bad', bad.path)).toMatchObject({ hung: true });
  bad.release();
  await until(() => pool.abandoned() === 0);
  expect(await pool.ask('bad', bad.path)).toMatchObject({ stat: { blocks: 9 } });
});

test('the same question at the same time is asked once', async () => {
  const { pool } = hanging();
  const first = pool.ask('same', 'x');
  expect(pool.ask('same', 'x')).toBe(first);
  await first;
});

test('stuck threads are bounded; then unknown mounts are not asked, and known ones still answered', async () => {
  const { pool, hang } = hanging({ maxLost: 2 });
  const bad = [hang(), hang(), hang(), hang()];
  const answers = await Promise.all(bad.map((b, i) => pool.ask(`bad${i}`, b.path)));
  expect(answers.filter((a) => 'hung' in a).length).toBeGreaterThanOrEqual(2);
  expect(answers.every((a) => 'hung' in a || 'notAsked' in a)).toBe(true);
  // One more thread than the bound may be lost: the one that was on its way when the bound was reached.
  expect(pool.abandoned()).toBeLessThanOrEqual(3);
  const before = pool.abandoned();
  expect(await pool.ask('new', 'x')).toEqual({ notAsked: true });
  expect(pool.abandoned()).toBe(before);
  for (const b of bad) b.release();
  await until(() => pool.abandoned() === 0);
  expect(await pool.ask('new', 'x')).toMatchObject({ stat: { blocks: 9 } });
});

test('a thread that dies gives an error to its mount only', async () => {
  const { pool } = hanging();
  const [crashed, well] = await Promise.all([pool.ask('c', 'crash'), pool.ask('w', 'x')]);
  expect(crashed).toEqual({ errno: 'EIO' });
  expect(well).toMatchObject({ stat: { blocks: 9 } });
  expect(await pool.ask('e', 'error')).toEqual({ errno: 'EACCES' });
});

test('close answers who still waits', async () => {
  const { pool, hang } = hanging({ deadlineMs: 5_000 });
  const waiting = [pool.ask('a', hang().path), pool.ask('b', hang().path)];
  pool.close();
  expect(await Promise.all(waiting)).toEqual([{ notAsked: true }, { notAsked: true }]);
  expect(await pool.ask('c', 'x')).toEqual({ notAsked: true });
});
