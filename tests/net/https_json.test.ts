/** Questions to issuers, against a real server over https: what is followed, believed, waited for and kept, and above all what is not. */
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { OpsError } from '../../src/core/errors.ts';
import type { JsonAsk } from '../../src/core/oauth.ts';
import { createAskJson } from '../../src/host/net/https_json.ts';

let dir: string;
let server: Server;
let base: string;
let answer: (req: IncomingMessage, res: ServerResponse) => void;
let seen: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-https-'));
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'];
  const own = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync('openssl', ['req', '-x509', ...ec, '-keyout', 'key.pem', '-out', 'cert.pem', ...own], {
    cwd: dir,
    stdio: 'ignore',
  });
  execFileSync('openssl', ['req', '-x509', ...ec, '-keyout', 'o.key', '-out', 'other.pem', ...own], {
    cwd: dir,
    stdio: 'ignore',
  });
  const pair = { cert: readFileSync(join(dir, 'cert.pem')), key: readFileSync(join(dir, 'key.pem')) };
  server = createServer(pair, (req, res) => {
    let body = '';
    req.on('data', (part) => {
      body += part;
    });
    req.on('end', () => {
      seen.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers, body });
      answer(req, res);
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  base = `https://localhost:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(dir, { recursive: true, force: true });
});
afterEach(() => {
  seen = [];
  server.closeAllConnections();
});

const json =
  (status: number, body: unknown, headers = {}) =>
  (_: IncomingMessage, res: ServerResponse) =>
    void res
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(typeof body === 'string' ? body : JSON.stringify(body));
const asking = (more: Partial<JsonAsk> = {}): JsonAsk => ({
  url: `${base}/x`,
  named: true,
  caFile: join(dir, 'cert.pem'),
  ...more,
});
const why = (work: Promise<unknown>) =>
  work.then(
    (is) => is,
    (e: OpsError) => `${e.code} ${e.message}`,
  );
const local = ((_name: string, _o: object, back: (e: null, all: { address: string; family: number }[]) => void) =>
  back(null, [{ address: '127.0.0.1', family: 4 }])) as never;

test('a GET without anything that could follow somebody', async () => {
  answer = json(200, { a: 1 });
  expect(await createAskJson()(asking())).toEqual({ status: 200, body: { a: 1 } });
  expect(seen).toMatchObject([{ method: 'GET', url: '/x', body: '' }]);
  expect(Object.keys(seen[0]?.headers ?? {}).sort()).toEqual(['accept', 'connection', 'host', 'user-agent']);
});

test('a form, and the client’s name and secret as RFC 6749 encodes them', async () => {
  answer = json(200, { active: false });
  const secretFile = join(dir, 'secret');
  writeFileSync(secretFile, ' a:b+c%d&e \n', { mode: 0o600 });
  await createAskJson()(asking({ form: { token: 'a b&c=d' }, client: { id: 'deck:hand', secretFile } }));
  expect(seen[0]).toMatchObject({ method: 'POST', body: 'token=a+b%26c%3Dd' });
  const [, basic = ''] = seen[0]?.headers.authorization?.split(' ') ?? [];
  expect(Buffer.from(basic, 'base64').toString()).toBe('deck%3Ahand:a%3Ab%2Bc%25d%26e');
  await createAskJson()(asking({ form: {}, client: { id: 'x' } }));
  expect(seen[1]?.headers.authorization).toBe(`Basic ${Buffer.from('x:').toString('base64')}`);
});

test('a secret that others may read is not sent', async () => {
  answer = json(200, {});
  const secretFile = join(dir, 'open');
  writeFileSync(secretFile, 'x');
  chmodSync(secretFile, 0o644);
  expect(await why(createAskJson()(asking({ form: {}, client: { id: 'x', secretFile } })))).toMatch(
    /^unavailable The secret file .*read by others/,
  );
  writeFileSync(secretFile, 'two\nlines');
  chmodSync(secretFile, 0o600);
  expect(await why(createAskJson()(asking({ form: {}, client: { id: 'x', secretFile } })))).toMatch(/holds no secret/);
  expect(await why(createAskJson()(asking({ client: { id: 'x', secretFile: '/nowhere' } })))).toMatch(/is not there/);
  expect(seen).toEqual([]);
});

test('no proxy is used, also where the environment names one for all of Node', async () => {
  answer = json(200, { direct: true });
  const env = { ...process.env, NODE_USE_ENV_PROXY: '1', HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '' };
  const program = `
    import https from 'node:https';
    import { createAskJson } from ${JSON.stringify(new URL('../../src/host/net/https_json.ts', import.meta.url).href)};
    const [, url, caFile] = process.argv;
    const by = await new Promise((ok) => https.get(url, ok).on('error', (e) => ok(e.port)));
    console.log(JSON.stringify([by, await createAskJson()({ url, named: true, caFile })]));
    process.exit();`;
  const args = ['--input-type=module', '-e', program, `${base}/x`, join(dir, 'cert.pem')];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  // The control, Node's own way, has tried the proxy.
  expect(JSON.parse(stdout)).toEqual([1, { status: 200, body: { direct: true } }]);
});

test('no redirect is followed', async () => {
  answer = json(302, {}, { location: `${base}/elsewhere` });
  expect(await createAskJson()(asking())).toEqual({ status: 302, body: {} });
  expect(seen.length).toBe(1);
});

test.each([
  ['no JSON', '<html>'],
  ['half of it', '{"a":'],
  ['nothing', ''],
])('%s is no body', async (_, text) => {
  answer = json(200, text);
  expect(await createAskJson()(asking())).toEqual({ status: 200, body: null });
});

test('more bytes than may be are not read, also when nobody said how many there are', async () => {
  answer = (_, res) => {
    const part = Buffer.alloc(64 * 1024, 0x20);
    const go = () => {
      while (!res.destroyed && res.write(part));
    };
    res.on('drain', go);
    go();
  };
  expect(await why(createAskJson()(asking()))).toBe('limit The answer is longer than 262144 bytes.');
});

test('an answer that does not come, or does not end, is not waited for', async () => {
  answer = () => {};
  expect(await why(createAskJson({ timeoutMs: 50 })(asking()))).toBe('timeout No answer within 0.05 s.');
  answer = (_, res) => void res.writeHead(200).write('{');
  expect(await why(createAskJson({ timeoutMs: 200 })(asking()))).toBe('timeout No answer within 0.2 s.');
});

test('who asked may leave', async () => {
  const stop = new AbortController();
  answer = () => stop.abort(new Error('left'));
  await expect(createAskJson()(asking({ signal: stop.signal }))).rejects.toThrow('left');
});

test('an answer that is cut off, or a connection that is, is no answer', async () => {
  answer = (_, res) => {
    res.writeHead(200, { 'content-length': 100 }).write('{"a":1}');
    setImmediate(() => res.destroy());
  };
  expect(await why(createAskJson()(asking()))).toMatch(/^unavailable/);
  answer = (req) => void req.socket.destroy();
  expect(await why(createAskJson()(asking()))).toMatch(/^unavailable/);
});

describe('whom it believes', () => {
  test('the authority of the file alone, and only for its name', async () => {
    answer = json(200, {});
    expect(await why(createAskJson()(asking({ caFile: join(dir, 'other.pem') })))).toMatch(
      /^unavailable Its certificate is not accepted \(\w+\)/,
    );
    const { caFile: _, ...system } = asking();
    expect(await why(createAskJson()(system))).toMatch(/certificate is not accepted/);
    const wrongName = asking({ url: base.replace('localhost', 'other.example.test'), named: false });
    const there = ((_n: string, _o: object, back: (e: null, all: object[]) => void) =>
      back(null, [{ address: '127.0.0.1', family: 4 }])) as never;
    // Names that metadata give may not lead here at all.
    expect(await why(createAskJson({ lookup: there })(wrongName))).toMatch(
      /^permission The issuer’s metadata lead to this machine/,
    );
    expect(await why(createAskJson()(asking({ caFile: join(dir, 'nothing.pem') })))).toMatch(
      /cannot be read \(ENOENT\)/,
    );
    expect(seen).toEqual([]);
  });

  test.each([
    'http://localhost/',
    'ftp://localhost/',
    'https://a:b@localhost/',
    'https://a@localhost/',
    'localhost',
    '',
  ])('%j is not asked', async (url) => {
    expect(await why(createAskJson()(asking({ url })))).toMatch(/^validation Only a plain https URL/);
  });

  test('a port where nobody listens, a name that nobody has', async () => {
    expect(await why(createAskJson()(asking({ url: 'https://127.0.0.1:1/' })))).toMatch(/^unavailable/);
    const nobody = ((_n: string, _o: object, back: (e: Error) => void) =>
      back(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }))) as never;
    expect(
      await why(createAskJson({ lookup: nobody })(asking({ named: false, url: 'https://nobody.example.test/' }))),
    ).toMatch(/^unavailable/);
  });
});

describe('where metadata may lead', () => {
  test.each([
    '127.0.0.1',
    '127.1.2.3',
    '0.0.0.0',
    '169.254.169.254',
    '168.63.129.16',
    '100.100.100.200',
    '192.0.0.192',
    '224.0.0.1',
    '255.255.255.255',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:a9fe:a9fe]',
    '[::7f00:1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '[fe80::1]',
    '[fd00:ec2::254]',
    '[ff02::1]',
    '2130706433',
    '0x7f.1',
    '127.1',
    '①②⑦.⓪.⓪.①',
  ])('not to %s', async (host) => {
    expect(await why(createAskJson()(asking({ named: false, url: `https://${host}/` })))).toMatch(
      /^permission The issuer’s metadata/,
    );
  });

  test('not to a name that has one such address among others', async () => {
    const mixed = ((_n: string, _o: object, back: (e: null, all: object[]) => void) =>
      back(null, [
        { address: '192.0.2.1', family: 4 },
        { address: '169.254.169.254', family: 4 },
      ])) as never;
    expect(
      await why(createAskJson({ lookup: mixed })(asking({ named: false, url: 'https://keys.example.test/' }))),
    ).toMatch(/^permission/);
  });

  test('the control: the same address, named by the owner, is asked', async () => {
    answer = json(200, { here: true });
    expect(await createAskJson({ lookup: local })(asking())).toEqual({ status: 200, body: { here: true } });
    expect(await createAskJson()(asking({ url: base.replace('localhost', '127.0.0.1') }))).toEqual({
      status: 200,
      body: { here: true },
    });
  });

  test('elsewhere it is: to the very addresses that were looked at', async () => {
    const looked: string[] = [];
    const far = ((name: string, o: { all?: boolean }, back: (e: null, all: object[]) => void) => {
      looked.push(`${name} ${o.all}`);
      back(null, [{ address: '192.0.2.1', family: 4 }]);
    }) as never;
    const ask = createAskJson({ lookup: far, timeoutMs: 100 });
    // Nobody has that address: what matters is that it is no refusal of ours, and that the name was asked for once.
    expect(await why(ask(asking({ named: false, url: 'https://keys.example.test/' })))).toMatch(
      /^(timeout|unavailable)/,
    );
    expect(looked).toEqual(['keys.example.test true']);
  });
});
