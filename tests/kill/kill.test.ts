/** Killed at any moment, a change is whole or not at all, on record, and can be taken back. All moments: `npm run soak kill`. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { pointsOf, sweep } from './kill.ts';

const real = process.env.DECKHAND_REAL === '1';
const strace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;
if (!real) process.stderr.write('SKIPPED tests/kill: needs DECKHAND_REAL=1 and strace.\n');
else if (!strace) process.stderr.write('SKIPPED tests/kill: strace is not here, or may not trace.\n');
if (process.env.CI === 'true' && real && !strace) throw new Error('CI must run the kills: install strace.');

describe.skipIf(!real || !strace)('SIGKILL at a spread of the calls by which it writes', () => {
  test('of an approved change', async () => {
    const { points, rows } = await sweep('change', 12);
    expect(points).toBeGreaterThan(60);
    expect(rows.filter((r) => r.wrong.length > 0)).toEqual([]);
    expect(rows.filter((r) => r.killed).length).toBeGreaterThanOrEqual(11);
    // The spread met both sides of the effect, and of the approval's use.
    for (const file of ['old', 'new']) expect(rows.map((r) => r.file)).toContain(file);
    for (const state of ['granted', 'used']) expect(rows.map((r) => r.approval)).toContain(state);
    expect(rows.map((r) => r.receipt)).toContain('prepared');
    expect(rows.map((r) => r.record)).toContain('intent unfinished');
  }, 240_000);

  test('of its undo', async () => {
    const { rows } = await sweep('undo', 6);
    expect(rows.filter((r) => r.wrong.length > 0)).toEqual([]);
    for (const file of ['old', 'new']) expect(rows.map((r) => r.file)).toContain(file);
  }, 240_000);

  test.each(['edit', 'create', 'upload', 'unedit', 'uncreate'] as const)(
    'of a real file: %s',
    { timeout: 240_000 },
    async (scene) => {
      const { rows } = await sweep(scene, 5, 12);
      expect(rows.filter((r) => r.wrong.length > 0)).toEqual([]);
      for (const file of ['old', 'new']) expect(rows.map((r) => r.file)).toContain(file);
    },
  );

  test('of a naive change leaves it torn, and new without a word and without a way back (control)', async () => {
    const { rows } = await sweep('naive', 6);
    const wrong = rows.flatMap((r) => r.wrong).join('\n');
    expect(wrong).toContain('the file is torn');
    expect(wrong).toContain('there is no receipt');
    expect(wrong).toContain('nothing says so');
  }, 240_000);
});

test('a trace is read: the calls between the marks, numbered from its start', () => {
  const trace = `write(3</a/b>, ""..., 4) = 4
statx(AT_FDCWD, "/t/mark-begin", 0, 0, 0) = -1 ENOENT
statx(AT_FDCWD, "/t/other", 0, 0, 0) = 0
write(3</a/c>, ""..., 4) = 4
rename("/a/d.new", "/a/d") = 0
statx(AT_FDCWD, "/t/mark-end", 0, 0, 0) = -1 ENOENT
unlink("/a/e") = 0
+++ exited with 0 +++`;
  expect(pointsOf(trace.split('\n'))).toEqual([
    { call: 'write', nth: 2, on: 'c' },
    { call: 'rename', nth: 1, on: 'd' },
  ]);
});
