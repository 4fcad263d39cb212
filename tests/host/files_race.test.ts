/**
 * An attacker in a process of its own swaps a file and a folder for links to the outside, as fast as it can, while the walk reads.
 * Control, in the same rounds: realpath, compare, open leaks.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { denyNames } from '../../src/host/files/deny.ts';
import { listEntries, readBytes } from '../../src/host/files/read.ts';

const ROUNDS = process.env.DECKHAND_REAL === '1' ? 100_000 : 4_000;
let top = '';
beforeAll(() => {
  top = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-race-')));
  for (const at of ['root/dir', 'outside']) fs.mkdirSync(join(top, at), { recursive: true });
  for (const at of ['root/dir/f', 'root/file']) fs.writeFileSync(join(top, at), 'inside');
  for (const at of ['f', 'only-outside']) fs.writeFileSync(join(top, 'outside', at), 'OUTSIDE');
  fs.symlinkSync('../outside', join(top, 'root/dir.link'));
});
afterAll(() => fs.rmSync(top, { recursive: true, force: true }));

const ATTACK = `
const fs = require('node:fs'); process.chdir(process.argv[1]);
process.stdout.write('on\\n');
for (;;) {
  fs.symlinkSync('../outside/f', 'tmp'); fs.renameSync('tmp', 'file');
  fs.renameSync('dir', 'dir.real'); fs.renameSync('dir.link', 'dir');
  fs.writeFileSync('tmp', 'inside'); fs.renameSync('tmp', 'file');
  fs.renameSync('dir', 'dir.link'); fs.renameSync('dir.real', 'dir');
}`;

test(`${ROUNDS} rounds: never a byte or a name from outside; the naive way leaks`, async () => {
  const root = join(top, 'root');
  const attacker = spawn(process.execPath, ['-e', ATTACK, root], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((ready) => attacker.stdout.once('data', ready));
  const before = fs.readdirSync('/proc/self/fd').length;
  const rule = { path: root, access: 'read' as const, depth: 5, oneFilesystem: true };
  const grounds = (['refuse', 'inside'] as const).map((symlinks) => ({
    root: { ...rule, symlinks },
    denied: denyNames(),
    ours: new Set<string>(),
  }));
  const seen = { inside: 0, refused: 0, leaked: 0, naive: 0 };
  const paths = ['file', 'dir/f'].map((p) => join(root, p));

  const careful = (f: () => boolean) => {
    try {
      if (f()) seen.inside++;
      else seen.leaked++;
    } catch (error) {
      if (!(error instanceof OpsError) || error.code === 'internal') throw error;
      seen.refused++;
    }
  };
  /** As servers do it: without blocking, and so with time between the check and the use. */
  const naive = async (path: string) => {
    try {
      const real = await fs.promises.realpath(path);
      if (real.startsWith(`${root}/`) && (await fs.promises.readFile(real, 'utf8')) === 'OUTSIDE') seen.naive++;
    } catch {
      // Between two names: nothing there.
    }
  };
  try {
    const stop = Date.now() + 60_000;
    for (let i = 0; i < ROUNDS || (seen.naive < 10 && Date.now() < stop); i++) {
      const ground = grounds[i & 1] as (typeof grounds)[0];
      for (const path of paths) {
        careful(() => {
          const got = Buffer.from(readBytes(ground, Buffer.from(path), { length: 100 }).bytes).toString();
          return got === 'inside';
        });
        await naive(path);
      }
      careful(() => {
        const { entries } = listEntries(ground, Buffer.from(join(root, 'dir')), { limit: 10, stat: true });
        return !entries?.some((e) => e.name === 'only-outside');
      });
    }
  } finally {
    attacker.kill('SIGKILL');
  }
  process.stderr.write(`race: ${JSON.stringify(seen)}\n`);
  expect(seen.leaked).toBe(0);
  expect(seen.inside).toBeGreaterThan(ROUNDS / 10);
  expect(seen.refused).toBeGreaterThan(0);
  expect(seen.naive).toBeGreaterThanOrEqual(10);
  expect(fs.readdirSync('/proc/self/fd').length).toBe(before);
}, 180_000);
