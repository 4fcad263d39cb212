/** Real file systems, each filled in one way (needs DECKHAND_REAL=1, root, loop devices and mkfs.ext4): fault × cause, and the healthy twin. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const tried = () => spawnSync('unshare', ['-m', 'true']).status === 0 && existsSync('/dev/loop-control');
const real =
  process.env.DECKHAND_REAL === '1' && process.getuid?.() === 0 && existsSync('/usr/sbin/mkfs.ext4') && tried();
if (!real)
  process.stderr.write('SKIPPED disk_full_real.test.ts: needs DECKHAND_REAL=1, root, loop devices and mkfs.ext4.\n');

interface Seen {
  name: string;
  causes: string[];
  verdict: string;
  evidence: string[];
  next: string;
  unseen: number | null;
  ms: number;
}

describe.skipIf(!real)('a real disk, filled in each way', () => {
  let dir = '';
  let seen: Seen[] = [];
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'deckhand-full-'));
    const child = fileURLToPath(new URL('./disk_full_child.ts', import.meta.url));
    const { stdout } = await promisify(execFile)('unshare', [
      '-m',
      '--propagation',
      'private',
      process.execPath,
      child,
      dir,
    ]);
    seen = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Seen);
  }, 180_000);
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it.each([
    ['not_full', 'certain'],
    ['big_log', 'likely'],
    ['inodes_full', 'certain'],
    ['deleted_open', 'certain'],
    ['reserved_blocks', 'certain'],
    ['docker', 'likely'],
    ['container_logs', 'likely'],
    ['journal', 'likely'],
    ['rotated_logs', 'likely'],
    ['package_cache', 'likely'],
    ['core_dumps', 'likely'],
    ['temporary_files', 'likely'],
    ['old_kernels', 'likely'],
    ['hidden_space', 'likely'],
    ['read_only', 'certain'],
    ['big_folder', 'likely'],
    ['simply_full', 'likely'],
  ])('%s', (id, certainty) => {
    const is = seen.find((s) => s.name === id);
    expect(is?.causes[0], JSON.stringify(is)).toBe(`${id} ${certainty}`);
  });

  it('accounts for every block but where a mount hides some', () => {
    for (const s of seen.filter((x) => x.name !== 'hidden_space')) expect(s.unseen, s.name).toBeLessThan(256 * 1024);
    expect(seen.find((s) => s.name === 'hidden_space')?.unseen).toBeGreaterThan(40 * 1024 ** 2);
  });

  it('tells who holds a deleted file', () => {
    expect(seen.find((s) => s.name === 'deleted_open')?.evidence.join()).toMatch(/gone\.log, held by .+\(\d+\)/);
  });
});
