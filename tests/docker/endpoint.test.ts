/** Which engine is asked, and why; what an address may be; an engine over TLS and through a program's pipes. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { describe, expect, test } from 'vitest';
import { dockerSettings } from '../../src/config/engines.ts';
import { imageParts, isContainerRef } from '../../src/core/docker_refs.ts';
import { findEngines, parseEndpoint, shownEndpoint, wayTo, whyNone } from '../../src/host/docker/endpoint.ts';
import { dockerAt } from '../../src/host/docker/index.ts';
import { connectionOf, sshArguments } from '../../src/host/docker/ssh.ts';
import { transportTo } from '../../src/host/docker/transport.ts';
import { labSettings, realClock } from './engine.ts';
import { engineThat, json, scripted, VERSION } from './scripted.ts';

const nobody = { engines: [], endpoint: null, certPath: null, env: { host: null, certPath: null, tlsVerify: false } };
const machine = (uid: number, ...there: string[]) => ({ uid, exists: (path: string) => there.includes(path) });
const EVERY = [
  '/run/user/1000/docker.sock',
  '/run/user/1000/podman/podman.sock',
  '/run/podman/podman.sock',
  '/var/run/docker.sock',
];

describe('the choice', () => {
  test('config, then DOCKER_HOST, then rootless, then Podman, then the usual socket', () => {
    const env = { host: 'tcp://192.0.2.1:2376', certPath: '/certs', tlsVerify: true };
    const all = { ...nobody, endpoint: 'unix:///a.sock', env };
    const [first] = findEngines(all, machine(1000, ...EVERY));
    expect(first).toMatchObject({ endpoint: 'unix:///a.sock', foundBy: 'config', name: 'default' });
    expect(findEngines({ ...all, endpoint: null }, machine(1000, ...EVERY))).toEqual([
      { name: 'default', endpoint: env.host, foundBy: 'DOCKER_HOST', certPath: '/certs', tls: true },
    ]);
    const found = (uid: number, ...there: string[]) =>
      findEngines(nobody, machine(uid, ...there)).map((e) => [e.foundBy, e.endpoint]);
    expect(found(1000, ...EVERY)).toEqual([['rootless', 'unix:///run/user/1000/docker.sock']]);
    expect(found(1000, ...EVERY.slice(1))).toEqual([['podman', 'unix:///run/user/1000/podman/podman.sock']]);
    expect(found(0, ...EVERY)).toEqual([['podman', 'unix:///run/podman/podman.sock']]);
    expect(found(0, '/var/run/docker.sock')).toEqual([['default', 'unix:///var/run/docker.sock']]);
    expect(found(0)).toEqual([]);
    expect(whyNone(machine(1000))).toContain('/run/user/1000/docker.sock');
  });

  test('several by name, the first being the one that is meant', () => {
    const engines = [
      { name: 'a', endpoint: 'unix:///a.sock' },
      { name: 'b', endpoint: 'tcp://192.0.2.1:2376', certPath: '/b' },
    ];
    expect(
      findEngines({ ...nobody, engines, certPath: '/c' }, machine(0, ...EVERY)).map((e) => [e.name, e.certPath]),
    ).toEqual([
      ['a', '/c'],
      ['b', '/b'],
    ]);
    expect(findEngines({ ...nobody, engines, endpoint: 'unix:///x.sock' }, machine(0)).map((e) => e.name)).toEqual([
      'default',
      'a',
      'b',
    ]);
  });

  test('none: status says where was looked, and a question what to do', async () => {
    const docker = dockerAt({ settings: nobody, clock: realClock, machine: machine(0) });
    expect(await docker.engines.status()).toEqual({ engines: [], why: expect.stringContaining('docker.endpoint') });
    await expect(docker.containers.list()).rejects.toMatchObject({
      code: 'unavailable',
      details: { hint: expect.stringContaining('/var/run/docker.sock') },
    });
  });

  test('the environment as Docker’s own client reads it', () => {
    const config = { docker: { endpoint: null, certPath: null, engines: [{ name: 'a', endpoint: 'unix:///a' }] } };
    const env = { DOCKER_HOST: '', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/c' };
    expect(dockerSettings(config as never, env)).toEqual({
      engines: [{ name: 'a', endpoint: 'unix:///a', certPath: null }],
      endpoint: null,
      certPath: null,
      env: { host: null, certPath: '/c', tlsVerify: true },
    });
  });
});

describe('an address', () => {
  test.each([
    ['unix:///var/run/docker.sock', { kind: 'unix', path: '/var/run/docker.sock' }],
    ['/var/run/docker.sock', { kind: 'unix', path: '/var/run/docker.sock' }],
    ['tcp://192.0.2.1', { kind: 'tcp', host: '192.0.2.1', port: 2375, tls: false }],
    ['tcp://host:2376', { kind: 'tcp', host: 'host', port: 2376, tls: true }],
    ['http://host:8080/', { kind: 'tcp', host: 'host', port: 8080, tls: false }],
    ['https://[2001:db8::1]:443', { kind: 'tcp', host: '2001:db8::1', port: 443, tls: true }],
    ['ssh://me@host', { kind: 'ssh', user: 'me', host: 'host', port: null }],
    ['ssh://me:secret@host:2222', { kind: 'ssh', user: 'me', host: 'host', port: 2222 }],
  ])('%s', (text, address) => {
    expect(parseEndpoint(text)).toEqual(address);
  });

  test.each([
    ...[
      '',
      'docker',
      'unix://relative',
      `unix:///${'x'.repeat(120)}`,
      'npipe:////./pipe/docker',
      'tcp://',
      'tcp://a b',
      'tcp://h:0',
    ],
    ...[
      'tcp://h:99999',
      'tcp://user@h:1',
      'ssh://-oProxyCommand=id@host',
      'ssh://me@-oProxyCommand=id',
      'ssh://host/path',
      'file:///x',
    ],
  ])('refused: %s', (text) => {
    expect(() => parseEndpoint(text)).toThrow(/engine's address/);
  });

  test('is shown without a password', () => {
    expect(shownEndpoint('ssh://me:secret@host')).toBe('ssh://me@host');
    expect(() => parseEndpoint('ssh://me:secret@-x')).toThrow(/^(?!.*secret)/);
    expect(() => wayTo({ kind: 'tcp', host: 'h', port: 2376, tls: true }, null, () => null as never)).toThrow(
      /no certificates/,
    );
    expect(() => wayTo({ kind: 'tcp', host: 'h', port: 2376, tls: true }, '/nowhere', () => null as never)).toThrow(
      /ca\.pem/,
    );
  });

  test('of ssh becomes arguments that cannot be options', () => {
    const args = sshArguments({ kind: 'ssh', user: 'me', host: 'h', port: 22 });
    expect(args).toContain('BatchMode=yes');
    expect(args.slice(-9)).toEqual(['-l', 'me', '-p', '22', '--', 'h', 'docker', 'system', 'dial-stdio']);
  });
});

test('an engine through the pipes of a program, many questions over one connection; it dies with the connection', async () => {
  await using engine = await scripted(engineThat((_, res) => json(res, [{ Id: 'x'.repeat(300_000) }])));
  const bridge = `const s=require('net').connect(${JSON.stringify(engine.socket)});process.stdin.pipe(s);s.pipe(process.stdout)`;
  const children: ReturnType<typeof spawn>[] = [];
  const transport = transportTo({
    kind: 'dial',
    open() {
      const child = spawn(process.execPath, ['-e', bridge], { stdio: 'pipe' });
      children.push(child);
      return connectionOf(child);
    },
  });
  const call = { signal: new AbortController().signal, version: '1.45', after: realClock.after, watch: () => () => {} };
  const docker = new Docker({ modem: transport.modem(call) });
  for (let i = 0; i < 5; i++)
    expect(await docker.listContainers({})).toMatchObject([{ Id: expect.stringMatching(/^x{300000}$/) }]);
  expect(children).toHaveLength(1);
  const gone = new Promise((done) => children[0]?.once('exit', done));
  transport.close();
  await gone;
});

const openssl = spawnSync('openssl', ['version']).status === 0;
if (!openssl) process.stderr.write('SKIPPED an engine over TLS: needs openssl.\n');
test.skipIf(!openssl)('an engine over TLS, which asks for a certificate; and one that is not who it says', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-tls-'));
  const run = (...args: string[]) => {
    const ran = spawnSync('openssl', args, { cwd: dir, encoding: 'utf8' });
    if (ran.status !== 0) throw new Error(ran.stderr);
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  run('req', '-x509', ...newKey, '-keyout', 'ca-key.pem', '-out', 'ca.pem', '-subj', '/CN=ca');
  for (const [name, alt] of [
    ['server', 'IP:127.0.0.1'],
    ['wrong', 'DNS:elsewhere.example'],
    ['client', 'DNS:client'],
  ] as const) {
    run('req', ...newKey.slice(0, -2), '-keyout', `${name}-key.pem`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    writeFileSync(join(dir, 'ext'), `subjectAltName=${alt}`);
    run(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca-key.pem',
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      'ext',
      '-out',
      `${name}.pem`,
    );
  }
  const file = (name: string) => readFileSync(join(dir, name));
  writeFileSync(join(dir, 'cert.pem'), file('client.pem'));
  writeFileSync(join(dir, 'key.pem'), file('client-key.pem'));
  const serve = async (name: string) => {
    const keys = { ca: file('ca.pem'), cert: file(`${name}.pem`), key: file(`${name}-key.pem`), requestCert: true };
    const server = createServer(keys, (req, res) => json(res, req.url?.endsWith('/version') ? VERSION : []));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return { server, port: (server.address() as { port: number }).port };
  };
  const [right, wrong] = [await serve('server'), await serve('wrong')];
  const to = (port: number) =>
    dockerAt({ settings: { ...labSettings(`tcp://127.0.0.1:${port}`), certPath: dir }, clock: realClock });
  const [good, bad] = [to(right.port), to(wrong.port)];
  expect(await good.containers.list()).toEqual([]);
  const [status] = (await bad.engines.status()).engines;
  expect(status).toMatchObject({
    answers: false,
    trouble: { why: expect.stringContaining('TLS'), hint: expect.stringContaining('docker.certPath') },
  });
  for (const docker of [good, bad]) docker.close();
  for (const { server } of [right, wrong]) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
  rmSync(dir, { recursive: true });
});

describe('references', () => {
  test.each([
    ['nginx', { repository: 'nginx', tag: null, digest: null }],
    ['nginx:1.27', { repository: 'nginx', tag: '1.27', digest: null }],
    ['localhost:5000/a/b_c:t', { repository: 'localhost:5000/a/b_c', tag: 't', digest: null }],
    [
      `Reg.example/app@sha256:${'a'.repeat(64)}`,
      { repository: 'Reg.example/app', tag: null, digest: `sha256:${'a'.repeat(64)}` },
    ],
    [`sha256:${'a'.repeat(64)}`, { repository: `sha256:${'a'.repeat(64)}`, tag: null, digest: null }],
  ])('%s', (text, parts) => {
    expect(imageParts(text)).toEqual(parts);
  });
  test.each([
    '',
    'A',
    'a//b',
    'a/../b',
    '/a',
    'a/',
    'a:',
    'a:-x',
    'a@b',
    'a@sha256:xy',
    'a b',
    'a?b',
    'a%2fb',
    '-a',
    'a..b',
    `${'a'.repeat(256)}`,
    'x_.y',
  ])('no image: %s', (text) => {
    expect(imageParts(text)).toBeNull();
  });
  test('a container’s', () => {
    expect(['web', 'a.b-c_d', '0'.repeat(64)].every(isContainerRef)).toBe(true);
    expect(['', '.a', '-a', '_a', 'a/b', 'a b', 'a\n', 'ä', 'a'.repeat(129)].some(isContainerRef)).toBe(false);
  });
});
