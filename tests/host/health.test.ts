/** Slow facts: one that takes long holds nobody up, is there at the next call, and is forgotten when it is old. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ExecResult } from '../../src/host/exec.ts';
import { createHost } from '../../src/host/index.ts';

const apt = existsSync('/usr/bin/apt-get');
if (!apt) process.stderr.write('SKIPPED tests/host/health: this machine has no apt-get to be slow.\n');
const log = { debug() {}, info() {}, warn() {}, error() {} };
const inst = 'Inst a [1] (2 Debian:13 [amd64])\nInst b [1] (2 Debian-Security:13/stable-security [amd64])\n';

/** Commands that answer when told to. */
function slow() {
  const asked: { binary: string; answer: (r: ExecResult) => void }[] = [];
  const exec = ({ binary }: { binary: string }) => new Promise<ExecResult>((answer) => asked.push({ binary, answer }));
  return { exec, asked, aptGet: () => asked.filter((a) => a.binary === 'apt-get') };
}

test.skipIf(!apt)('a slow count of updates does not hold up the rest, and the next call finds it', async () => {
  const s = slow();
  let now = 1_000_000;
  const host = createHost({ log, exec: s.exec, monotonic: () => now });
  const first = await host.system.health({ waitMs: 20 });
  expect(first.updates).toMatchObject({ value: null, why: expect.stringMatching(/ask again/) });
  expect(first.raid.value ?? first.raid.why).toBeDefined();
  expect(first.rebootRequired.why ?? '').not.toMatch(/ask again/);
  expect(first.oomKills.value).not.toBeNull();

  const second = host.system.health({ waitMs: 10_000 });
  expect(s.aptGet()).toHaveLength(1); // asked once, whoever waits
  for (const a of s.asked)
    a.answer({ code: a.binary === 'apt-get' ? 0 : 1, stdout: a.binary === 'apt-get' ? inst : '', stderr: '' });
  expect((await second).updates.value).toMatchObject({ pending: 2, security: 1 });
  expect((await host.system.health({ waitMs: 0 })).updates.value).toMatchObject({ pending: 2 });
  expect(s.aptGet()).toHaveLength(1);

  // An hour later it is asked anew, and what is known serves meanwhile; a day later nothing is known until it answers.
  now += 3_600_000 + 60_000;
  expect((await host.system.health({ waitMs: 0 })).updates.value).toMatchObject({ pending: 2 });
  expect(s.aptGet()).toHaveLength(2);
  now += 86_400_000;
  expect((await host.system.health({ waitMs: 0 })).updates.value).toBeNull();
  host.close();
});

test.skipIf(!apt)('a command that fails, or a caller who leaves, leaves the rest as it is', async () => {
  const host = createHost({
    log,
    exec: async () => Promise.reject(Object.assign(new Error('spawn EACCES'), { code: 'EACCES' })),
  });
  const health = await host.system.health();
  expect(health.updates.value).toBeNull();
  expect(health.updates.why).toBeTruthy();
  expect(health.oomKills.value).not.toBeNull();
  const gone = new AbortController();
  gone.abort(new Error('left'));
  await expect(host.system.health({ signal: gone.signal })).rejects.toThrow('left');
  host.close();
});
