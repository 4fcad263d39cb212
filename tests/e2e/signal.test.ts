/** process_signal as a person uses it: found with process_list, previewed, sent, and told what became of it. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { orphans, stat } from '../host/orphans.ts';
import { launcher, place, run } from './product.ts';

if (!existsSync(join(launcher, '../../dist')))
  throw new Error('dist/ is missing: run `npm run build` (npm test does).');

function house(mode: string, more = '') {
  const at = place();
  const wild = orphans();
  onTestFinished(() => {
    wild[Symbol.dispose]();
    at[Symbol.dispose]();
  });
  const config = join(at.dir, 'config.yaml');
  writeFileSync(config, `mode: ${mode}\ntoolsets: [all]\n${more}`);
  const call = (tool: string, ...args: string[]) => run(at, ['--config', config, 'call', tool, ...args]);
  return { wild, call };
}

interface Row {
  pid: number;
  start: number;
  name: string;
}
const words = (r: Row) => ['--pid', `${r.pid}`, '--start', `${r.start}`, '--name', r.name];

test('mode full: found, previewed, ended; then it is gone', async () => {
  const { wild, call } = house('full');
  const pid = wild.start('exec sleep 4711');
  await vi.waitFor(() => expect(stat(pid)?.name).toBe('sleep'));
  const rows = JSON.parse((await call('process_list', '--name', 'sleep', '--limit', '200', '--json')).out) as {
    processes: Row[];
  };
  const row = rows.processes.find((r) => r.pid === pid) as Row;
  expect(row).toMatchObject({ start: stat(pid)?.start, name: 'sleep' });

  const first = await call('process_signal', ...words(row), '--dry_run');
  expect(first).toMatchObject({ code: 0, err: '' });
  expect(first.out).toMatch(
    /^dry_run: Send TERM to sleep \(\d+\) of \S+, .+ old\. It has no handler for TERM, so the kernel ends it\./,
  );
  expect(first.out).toMatch(/^now: process sleep .*; command sleep 4711;/m);
  expect(stat(pid)?.state).toBe('S');

  const other = await call('process_signal', ...words({ ...row, start: row.start + 1 }));
  expect(other).toMatchObject({ code: 5, out: '' });
  expect(other.err).toMatch(/conflict: The pid \d+ is another process now: sleep .*\n.*process_list/);

  const done = await call('process_signal', ...words(row));
  expect(done).toMatchObject({ code: 0, err: '' });
  expect(done.out).toMatch(/^done: sleep \(\d+\) ended \d+ ms after TERM[.;].*\n.*cannot be undone here/);
  await vi.waitFor(() => expect(stat(pid)).toBeNull(), { timeout: 5_000 });
  expect((await call('process_signal', ...words(row))).code).toBe(4);
});

test('what the owner protects, a signal short of an argument, and a read-only host', async () => {
  const { wild, call } = house('full', 'processes:\n  protect: [sl*]\n');
  const pid = wild.start('exec sleep 4712');
  await vi.waitFor(() => expect(stat(pid)?.name).toBe('sleep'));
  const row = { pid, start: stat(pid)?.start ?? 0, name: 'sleep' };
  const kept = await call('process_signal', ...words(row), '--signal', 'CONT');
  expect(kept.code).toBe(3);
  expect(kept.err).toContain('`processes.protect` has sl*');
  const short = await call('process_signal', '--pid', `${pid}`);
  expect(short.code).toBe(2);
  expect(short.err).toContain('start: As process_list shows it');
  const readOnly = await house('read-only').call('process_signal', ...words(row));
  expect(readOnly.code).toBe(3);
  expect(stat(pid)?.state).toBe('S');
});
