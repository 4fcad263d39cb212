/** `credential:NAME`: where it may stand, what it becomes, and what is said where it cannot be had. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { ourFiles } from '../../src/config/ours.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-credentials-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const load = (text: string, env: Record<string, string> = {}) => {
  writeFileSync(join(dir, 'config.yaml'), text, { mode: 0o600 });
  return loadConfig({ env: { HOME: dir, ...env }, configFile: join(dir, 'config.yaml') });
};
const TLS = 'http: {tls: {certFile: /etc/c.pem, keyFile: "credential:tls.key"}}\n';
const NTFY =
  'notify: {channels: [{name: phone, kind: ntfy, url: "https://ntfy.example.org/x", secretFile: "credential:ntfy.token"}]}\n';

test('in the service it is the file that systemd passed, in plain settings and within maps', async () => {
  for (const name of ['tls.key', 'ntfy.token']) writeFileSync(join(dir, name), 'x', { mode: 0o400 });
  const loaded = await load(TLS + NTFY, { CREDENTIALS_DIRECTORY: dir, NOTIFY_SOCKET: '/run/systemd/notify' });
  expect(loaded.config.http.tls.keyFile).toBe(join(dir, 'tls.key'));
  expect(loaded.config.notify.channels[0]?.secretFile).toBe(join(dir, 'ntfy.token'));
  expect(ourFiles(loaded)).toContain(join(dir, 'ntfy.token'));
});

test('a secret of its own comes by a credential, too', async () => {
  writeFileSync(join(dir, 'words'), 'hunter2\n', { mode: 0o400 });
  const { config } = await load('redact: {values_file: "credential:words"}\n', { CREDENTIALS_DIRECTORY: dir });
  expect(config.redact.values).toEqual(['hunter2']);
});

test('on the command line it is the service’s, and what is not used is not missed', async () => {
  const { config } = await load(TLS);
  expect(config.http.tls.keyFile).toBe('/run/credentials/deckhand.service/tls.key');
});

test('what was not passed is told at the start, with the way out of an LXC', async () => {
  const service = { NOTIFY_SOCKET: '/run/systemd/notify' };
  await expect(load(TLS, service)).rejects.toThrowError(
    /config.yaml:1: http.tls.keyFile: no credential tls.key was passed to this service \(it got none\).*zzz-lxc-service.conf.*mode 0600/,
  );
  writeFileSync(join(dir, 'other'), 'x');
  await expect(load(NTFY, { ...service, CREDENTIALS_DIRECTORY: dir })).rejects.toThrowError(
    /channels\[0\].secretFile: no credential ntfy.token was passed.*it got config.yaml, other/,
  );
});

test('a name is a name, and no way elsewhere; a setting that names no file keeps its text', async () => {
  for (const name of ['../x', 'a/b', '', '..'])
    await expect(load(`http: {tls: {certFile: /c, keyFile: "credential:${name}"}}\n`)).rejects.toThrowError(
      /names no credential/,
    );
  await expect(load('http: {host: "credential:x"}\n')).resolves.toMatchObject({
    config: { http: { host: 'credential:x' } },
  });
});
