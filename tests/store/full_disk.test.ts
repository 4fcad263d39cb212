/** A real full disk: a tmpfs of 1 MiB in a mount namespace of its own, so that nothing of the machine is touched. */
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { folder } from './bench.ts';

const real = process.env.DECKHAND_REAL === '1';
if (!real)
  process.stderr.write(
    'SKIPPED tests/store/full_disk.test.ts: needs DECKHAND_REAL=1 (it mounts a tmpfs in a namespace)\n',
  );

describe.skipIf(!real)('a tmpfs of 1 MiB that is full', () => {
  it.each(['look', 'blind'])(
    'stops changes and no reads, and is over by itself (%s)',
    async (look) => {
      const dir = join(folder(), 'small');
      mkdirSync(dir, { mode: 0o700 });
      const child = join(import.meta.dirname, 'full_child.ts');
      const script = 'mount -t tmpfs -o size=1m,mode=0700 tmpfs "$1" && exec "$2" "$3" "$1" "$4"';
      const unshare = process.geteuid?.() === 0 ? '-m' : '-rm';
      // A SIGBUS would end the child here: execFile rejects with its signal.
      const { stdout, stderr } = await promisify(execFile)('unshare', [
        unshare,
        'sh',
        '-ec',
        script,
        'sh',
        dir,
        process.execPath,
        child,
        look,
      ]);
      expect(stderr).toBe('');
      const seen = JSON.parse(stdout);
      for (const run of ['full-at-start', 'filled-while-running']) {
        expect(seen[`${run}:during`], run).toEqual({
          free: expect.any(Number),
          keptLast: true,
          lock: 'unavailable',
          change: 'limit',
          degraded: true,
          waits: true,
          lease: true,
          warned: true,
          torn: [],
        });
        expect(seen[`${run}:after`], run).toEqual({
          written: true,
          recovered: true,
          change: 'none',
          kept: true,
          lock: 'none',
        });
        expect(seen[`${run}:audit`], run).toEqual({ ok: true, problems: [], enough: true });
      }
      expect(seen.control).toEqual({ torn: true });
    },
    60_000,
  );
});
