/**
 * An attacker in a process of its own swaps a file and a folder for links to the outside, as fast as it can, while read, list, find and
 * search run. Control, in the same rounds: realpath, compare, open.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OpsError } from '../../src/core/errors.ts';
import type { Finding, FindWhat } from '../../src/core/files.ts';
import { looker } from '../../src/host/files/content.ts';
import { denyNames } from '../../src/host/files/deny.ts';
import { find } from '../../src/host/files/find.ts';
import { listEntries, readBytes } from '../../src/host/files/read.ts';
import { taskOf } from '../../src/host/files/task.ts';

export interface Race {
  rounds: number;
  /** Answers with what lies inside, and refusals. */
  inside: number;
  refused: number;
  /** Bytes or names from outside: ours, and by the naive way. */
  leaked: number;
  naive: number;
  descriptors: { before: number; after: number };
}

const ATTACK = `
const fs = require('node:fs'); process.chdir(process.argv[1]);
process.stdout.write('on\\n');
for (;;) {
  fs.symlinkSync('../outside/f', 'tmp'); fs.renameSync('tmp', 'file');
  fs.renameSync('dir', 'dir.real'); fs.renameSync('dir.link', 'dir');
  fs.writeFileSync('tmp', 'inside'); fs.renameSync('tmp', 'file');
  fs.renameSync('dir', 'dir.link'); fs.renameSync('dir.real', 'dir');
}`;
/** What lies outside, in every name and byte of it. */
const OUT = /OUTSIDE|only-outside|\/outside/;

export async function race(rounds: number): Promise<Race> {
  const top = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-race-')));
  const root = join(top, 'root');
  for (const at of ['root/dir', 'outside']) fs.mkdirSync(join(top, at), { recursive: true });
  for (const at of ['root/dir/f', 'root/file']) fs.writeFileSync(join(top, at), 'inside');
  for (const at of ['f', 'only-outside']) fs.writeFileSync(join(top, 'outside', at), 'OUTSIDE');
  fs.symlinkSync('../outside', join(top, 'root/dir.link'));

  const attacker = spawn(process.execPath, ['-e', ATTACK, root], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((ready) => attacker.stdout.once('data', ready));
  const rule = { path: root, access: 'read' as const, depth: 5, oneFilesystem: true };
  const grounds = (['refuse', 'inside'] as const).map((symlinks) => ({
    root: { ...rule, symlinks },
    denied: denyNames(),
    ours: new Set<string>(),
  }));
  const both = await looker({ text: 'side', regex: false, ignoreCase: true });
  const task = taskOf({ now: 0, alive: () => {} });
  const bounds = { depth: 9, limit: 99, maxEntries: 999, maxBytes: 1e6, maxMs: 10_000 };
  const open = () => fs.readdirSync('/proc/self/fd').length;
  const seen: Race = {
    rounds: 0,
    inside: 0,
    refused: 0,
    leaked: 0,
    naive: 0,
    descriptors: { before: open(), after: 0 },
  };

  const careful = (what: () => string) => {
    try {
      if (OUT.test(what())) seen.leaked++;
      else seen.inside++;
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
  const said = ({ found }: Finding) =>
    found.map((f) => `${f.path.slice(root.length)} ${(f.lines ?? []).map((l) => Buffer.from(l.bytes))}`).join('\n');
  const content: FindWhat = { content: { text: 'side', regex: false, ignoreCase: true } };
  try {
    const stop = Date.now() + 60_000;
    for (; seen.rounds < rounds || (seen.naive < 10 && Date.now() < stop); seen.rounds++) {
      const ground = grounds[seen.rounds & 1] as (typeof grounds)[0];
      for (const path of ['file', 'dir/f'].map((p) => join(root, p))) {
        careful(() => Buffer.from(readBytes(ground, Buffer.from(path), { length: 100 }).bytes).toString());
        await naive(path);
      }
      careful(() =>
        (listEntries(ground, Buffer.from(join(root, 'dir')), { limit: 10, stat: true }).entries ?? [])
          .map((e) => e.name)
          .join(),
      );
      careful(() => said(find(ground, Buffer.from(root), {}, bounds, null, task)));
      careful(() => said(find(ground, Buffer.from(join(root, 'dir')), content, bounds, both, task)));
      careful(() => said(find(ground, Buffer.from(root), content, bounds, both, task)));
    }
  } finally {
    attacker.kill('SIGKILL');
  }
  seen.descriptors.after = open();
  fs.rmSync(top, { recursive: true, force: true });
  return seen;
}
