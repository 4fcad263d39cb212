/** Signals where only root can prepare the ground: a pid used twice, a /proc that is not ours, a container's first process. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test, vi } from 'vitest';
import type { ChangeContext } from '../../src/core/tool.ts';
import { createHost } from '../../src/host/index.ts';
import { processSignal } from '../../src/tools/process_signal.ts';
import { context } from '../tools/context.ts';
import { quietLog } from './contract.ts';
import { orphans, stat } from './orphans.ts';

const able = process.env.DECKHAND_REAL === '1' && process.geteuid?.() === 0;
if (!able) process.stderr.write('SKIPPED tests/host/signal_real: needs DECKHAND_REAL=1 and root (pid namespaces).\n');

const child = fileURLToPath(new URL('signal_child.ts', import.meta.url));
/** The first process of the namespace is a shell: what loses its parent there becomes the shell's, not ours. */
function inside(command: string[], role: string, ...args: string[]): Record<string, unknown> {
  const script = `"$@"; code=$?; exit $code`;
  const run = spawnSync(
    command[0] ?? '',
    [...command.slice(1), 'sh', '-c', script, 'sh', process.execPath, child, role, ...args],
    {
      encoding: 'utf8',
      timeout: 30_000,
    },
  );
  if (run.status !== 0) throw new Error(`${role}: ${run.stderr}`);
  return JSON.parse(run.stdout);
}

describe.skipIf(!able)('with namespaces', () => {
  const host = createHost({ log: quietLog });
  afterAll(() => host.close());

  test('a pid that was given to another process is refused; who has only the number hits the wrong one', () => {
    expect(inside(['unshare', '-p', '-f', '--mount-proc'], 'reuse')).toEqual({
      reused: true,
      refused: { code: 'conflict', message: expect.stringContaining('is not the sleep any more that it was') },
      lives: true,
      naive: 'hit',
    });
  });

  test('where /proc is of another pid namespace nothing is sent; the number alone would hit what /proc does not show', () => {
    const saw = inside(['unshare', '-p', '-f'], 'astray');
    expect(saw).toMatchObject({ refused: { code: 'unavailable' }, sent: { code: 'unavailable' }, naive: null });
    expect(saw.refused).toMatchObject({ message: expect.stringContaining('another pid namespace') });
    expect(saw.seen).not.toBe('sleep');
  });

  test('without the right: the kernel says no, and the answer says whose it is', (t) => {
    using wild = orphans();
    const pid = wild.start('exec sleep 60');
    const as = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    // Asked by way of a shell: setpriv itself may still go where root may.
    if (spawnSync(as[0] ?? '', [...as.slice(1), 'sh', '-c', '"$0" --check "$1"', process.execPath, child]).status !== 0)
      return t.skip(`another user cannot run ${process.execPath} on ${child}: open the folders above it (chmod o+x)`);
    expect(inside(as, 'stranger', String(pid))).toEqual({
      name: 'sleep',
      refused: { code: 'permission', message: `sleep (${pid}) belongs to root, and Deckhand runs as uid 65534.` },
    });
    expect(stat(pid)?.state).toBe('S');
  });

  test('the first process of a container takes no TERM without a handler: said before, and after; KILL ends it', async () => {
    using wild = orphans();
    const outer = wild.start('exec unshare -p -f sleep 60');
    const pid = await vi.waitFor(async () => {
      const found = (await host.system.processes()).processes.find((p) => p.ppid === outer && p.name === 'sleep');
      expect(found).toBeDefined();
      return found?.pid ?? 0;
    });
    const ctx = context({}, { host, now: Date.now });
    const apply = (signal: string) => {
      const input = processSignal.input.parse({ pid, start: stat(pid)?.start, name: 'sleep', signal, grace_s: 1 });
      return Promise.all([
        processSignal.change?.preview(input, ctx),
        processSignal.change?.apply(input, { ...ctx, commit() {} } as ChangeContext),
      ]);
    };
    const [before, after] = await apply('TERM');
    expect(before?.summary).toContain(
      'It is the first process of its container and has no handler for TERM: nothing will happen.',
    );
    expect(after?.summary).toContain(
      'it is the first process of a container, which signals without a handler do not reach',
    );
    const [, killed] = await apply('KILL');
    expect(killed?.summary).toMatch(/ended \d+ ms after KILL/);
  });
});
