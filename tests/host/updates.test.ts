/** Pending updates, as each package manager tells them; what it cannot tell is unknown with the reason, never none. */
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ExecRequest } from '../../src/host/exec.ts';
import { type Root, rootAt } from '../../src/host/system/files.ts';
import { pendingUpdates } from '../../src/host/system/updates.ts';

const NOW = Date.UTC(2026, 10, 20);
const HOUR = 3_600_000;
let host: string;
beforeEach(() => {
  host = mkdtempSync(join(tmpdir(), 'deckhand-updates-'));
});
afterEach(() => rmSync(host, { recursive: true, force: true }));

/** A file of two hours ago. */
function put(path: string, text = ''): void {
  mkdirSync(dirname(join(host, path)), { recursive: true });
  writeFileSync(join(host, path), text);
  for (const at of [path, dirname(path)]) utimesSync(join(host, at), (NOW - 2 * HOUR) / 1000, (NOW - 2 * HOUR) / 1000);
}
const asked: ExecRequest[] = [];
function updates(manager: string | null, answer: { code: number; stdout?: string } | Error, root: Partial<Root> = {}) {
  asked.length = 0;
  const exec = async (request: ExecRequest) => {
    asked.push(request);
    if (answer instanceof Error) throw answer;
    return { stdout: '', stderr: '', ...answer } as never;
  };
  return pendingUpdates({ ...rootAt(host), foreign: false, ...root }, exec, (b) => b === manager, NOW);
}

test('dnf: counted from what is cached, nothing fetched; no cache is unknown', async () => {
  put('/var/cache/dnf/fedora.solv');
  const list =
    '\nkernel.x86_64   6.12.1-1   updates\nvim.x86_64   9.1   updates\nObsoleting Packages\nold.noarch 1 repo\n';
  expect(await updates('dnf', { code: 100, stdout: list })).toEqual({
    value: { pending: 2, security: null, listAgeMs: 2 * HOUR },
  });
  expect(asked).toMatchObject([{ binary: 'dnf', args: expect.arrayContaining(['-C']) }]);
  expect(await updates('dnf', { code: 0 })).toMatchObject({ value: { pending: 0 } });
  expect(await updates('dnf', { code: 1 })).toMatchObject({ value: null, why: expect.stringMatching(/makecache/) });
});

test('apk: without an index it is not even asked; with one, nothing is fetched', async () => {
  expect(await updates('apk', { code: 0 })).toMatchObject({ value: null, why: expect.stringMatching(/apk update/) });
  expect(asked).toEqual([]);
  put('/var/cache/apk/APKINDEX.066df28d.tar.gz');
  const stdout = 'musl-1.2.5-r1 x86_64 {musl} (MIT) [upgradable from: musl-1.2.5-r0]\nWARNING: nothing\n';
  expect(await updates('apk', { code: 0, stdout })).toEqual({
    value: { pending: 1, security: null, listAgeMs: 2 * HOUR },
  });
  expect(asked[0]?.args).toContain('--no-network');
  expect(await updates('apk', { code: 99 })).toMatchObject({ value: null, why: expect.stringContaining('99') });
});

test('apt: without lists it is not asked; a broken dpkg is unknown with the mend', async () => {
  expect(await updates('apt-get', { code: 0 })).toMatchObject({
    value: null,
    why: expect.stringMatching(/no package lists/),
  });
  put('/var/lib/apt/lists/deb.debian.org_dists_trixie_main_binary-amd64_Packages');
  const stdout =
    'Inst libc6 [2.41-12] (2.41-12+deb13u1 Debian-Security:13/stable-security [amd64])\nInst vim [1] (2 Debian:13.1/stable [amd64])\nConf vim\n';
  expect(await updates('apt-get', { code: 0, stdout })).toEqual({
    value: { pending: 2, security: 1, listAgeMs: 2 * HOUR },
  });
  // A read writes nothing: without a cache of its own time, apt is told to keep its cache in memory.
  expect(asked[0]?.args).toEqual(expect.arrayContaining(['-s', 'Dir::Cache::pkgcache=']));
  put('/var/cache/apt/pkgcache.bin');
  utimesSync(join(host, '/var/cache/apt/pkgcache.bin'), NOW / 1000, NOW / 1000);
  await updates('apt-get', { code: 0, stdout });
  expect(asked[0]?.args).not.toContain('Dir::Cache::pkgcache=');
  expect(await updates('apt-get', { code: 100 })).toMatchObject({ value: null, why: expect.stringMatching(/mend/) });
});

test('a mounted host: its own note is read, and none of our commands asked of it', async () => {
  expect(await updates('apt-get', { code: 0 }, { foreign: true })).toMatchObject({ value: null });
  put(
    '/var/lib/update-notifier/updates-available',
    '\n12 updates can be applied immediately.\n3 of these updates are standard security updates.\n',
  );
  put('/var/lib/apt/lists/x_Packages');
  expect(await updates('apt-get', { code: 0 }, { foreign: true })).toEqual({
    value: { pending: 12, security: 3, listAgeMs: 2 * HOUR },
  });
  expect(asked).toEqual([]);
});

test('a manager that cannot be asked, and a host without one, say so', async () => {
  put('/var/lib/apt/lists/x_Packages');
  const refused = Object.assign(new Error('spawn apt-get EACCES'), { code: 'EACCES' });
  expect(await updates('apt-get', refused)).toMatchObject({
    value: null,
    why: expect.stringContaining('could not be asked'),
  });
  expect(await updates(null, { code: 0 })).toMatchObject({ value: null, why: expect.stringMatching(/apt, dnf, apk/) });
});
