import { expect, test } from 'vitest';
import { dockerMissing } from '../../src/host/docker/missing.ts';

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
