/** Killed at any moment, a change of a file leaves the old or the new one, whole. All moments: `npm run soak files-kill`. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { fileSweep } from './files.ts';
import { SCENES } from './files_scenes.ts';

const real = process.env.DECKHAND_REAL === '1';
const strace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;
if (!real) process.stderr.write('SKIPPED tests/kill/files: needs DECKHAND_REAL=1 and strace.\n');
else if (!strace) process.stderr.write('SKIPPED tests/kill/files: strace is not here, or may not trace.\n');

describe.skipIf(!real || !strace)('SIGKILL at a spread of the calls by which it changes the file system', () => {
  test.each(SCENES)('%s', { timeout: 120_000 }, async (scene) => {
    const rows = await fileSweep(scene, 8);
    expect(rows.flatMap((r) => r.wrong.map((w) => `${r.call} ${r.on}: ${w}`))).toEqual([]);
    expect(rows.filter((r) => r.killed).length).toBeGreaterThan(2);
  });

  test('written in place it is torn (control)', { timeout: 120_000 }, async () => {
    const rows = await fileSweep('naive');
    expect(rows.flatMap((r) => r.wrong)).toContain('the file is torn');
  });
});
