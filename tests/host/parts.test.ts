import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { dockerMissing } from '../../src/host/docker/missing.ts';
import { findBinary } from '../../src/host/exec.ts';
import { hostParts } from '../../src/host/parts.ts';

const settings = { engines: [], endpoint: null, certPath: null, env: { host: null, certPath: null, tlsVerify: false } };
const machine = (...paths: string[]) => ({ uid: 1000, exists: (path: string) => paths.includes(path) });

test('an engine is missing when nothing names one and no socket lies where engines put theirs', () => {
  const gone = dockerMissing(settings, machine());
  expect(gone?.why).toContain('/var/run/docker.sock');
  expect(gone?.fix).toMatch(/^Install Docker or Podman/);
  expect(dockerMissing(settings, machine('/var/run/docker.sock'))).toBeNull();
});

test('one that is named and does not answer is not missing: its tools say why', () => {
  expect(dockerMissing({ ...settings, endpoint: 'unix:///nowhere.sock' }, machine())).toBeNull();
  expect(dockerMissing({ ...settings, env: { ...settings.env, host: 'tcp://10.0.0.5:2376' } }, machine())).toBeNull();
});

test('logs are offered where any source is: an engine, a journal, or a folder that is open', () => {
  const root = mkdtempSync(join(tmpdir(), 'deckhand-parts-'));
  const nowhere = { ...settings, engines: [], env: { ...settings.env, host: null } };
  const logs = (o: { docker?: typeof settings; roots?: unknown[] } = {}) =>
    hostParts({ docker: nowhere, root, roots: [], localApi: join(root, 'none.sock'), ...o })
      .find((p) => p.toolset === 'logs')
      ?.missing();
  try {
    const without = logs();
    // A machine that runs an engine of its own lacks nothing.
    if (without !== null) {
      expect(without?.why).toContain('No systemd journal is kept here.');
      expect(without?.fix).toContain('files.roots');
    }
    expect(logs({ roots: [{}] })).toBeNull();
    expect(logs({ docker: { ...settings, endpoint: 'unix:///nowhere.sock' as never } })).toBeNull();
    const folder = join(root, 'var/log/journal/0123456789abcdef0123456789abcdef');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'system.journal'), '');
    if (findBinary('journalctl') !== null) expect(logs()).toBeNull();
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
