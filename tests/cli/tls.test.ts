/** `deckhand tls …` and what the doctor says of pairs: files, modes, words. tailscaled is a server of three lines on a Unix socket. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Run } from '../../src/cli/commands.ts';
import { addressChecks, served, servedChecks, tlsChecks } from '../../src/cli/doctor_tls.ts';
import { selfSigned } from '../../src/cli/self_signed.ts';
import { make, ownNames, show, tailscale } from '../../src/cli/tls.ts';
import { loadConfig } from '../../src/config/load.ts';
import { OpsError } from '../../src/core/errors.ts';
import { openTls } from '../../src/edge/tls.ts';
import { web } from '../edge/fixture-http.ts';
import { DAY_MS, folder, freshPair } from '../edge/fixture-tls.ts';
import { runOf, screen } from './screen.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-tls-cli-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const load = (flags: Record<string, string> = {}) =>
  loadConfig({ flags: { 'state-dir': join(dir, 'state'), ...flags }, env: {}, defaultFile: '/nonexistent' });

async function ran(what: (run: Run) => Promise<number>, own: Run['own'], flags: Record<string, string> = {}) {
  const io = screen();
  const code = await what(runOf(io, {}, { own, load: () => load(flags) }));
  return { code, out: io.stdout, err: io.stderr };
}
const refused = (what: Promise<unknown>) =>
  what.then(
    () => null,
    (e: unknown) => (e instanceof OpsError ? { code: e.code, hint: e.details.hint, message: e.message } : e),
  );
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe('tls self-signed', () => {
  test('writes a pair that is served as it is, and prints what comes next', async () => {
    const { code, out } = await ran(make, { name: ['NAS.lan', '192.168.7.7,*.home.arpa'] });
    expect(code).toBe(0);
    const at = { certFile: join(dir, 'state/tls/cert.pem'), keyFile: join(dir, 'state/tls/key.pem') };
    expect([mode(at.keyFile), mode(at.certFile), mode(join(dir, 'state/tls'))]).toEqual(['600', '644', '700']);
    expect(readdirSync(join(dir, 'state/tls')).sort()).toEqual(['cert.pem', 'key.pem']);
    const cert = new X509Certificate(readFileSync(at.certFile));
    for (const name of ['nas.lan', 'x.home.arpa', 'localhost']) expect(cert.checkHost(name), name).toBeTruthy();
    for (const ip of ['192.168.7.7', '127.0.0.1', '::1']) expect(cert.checkIP(ip), ip).toBeTruthy();
    expect(cert.ca).toBe(false);
    expect(cert.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(cert.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
    const days = (cert.validToDate.getTime() - Date.now()) / DAY_MS;
    expect(days).toBeGreaterThan(396.9);
    expect(days).toBeLessThan(397.1);
    for (const part of [
      cert.fingerprint256,
      `certFile: "${at.certFile}"`,
      `keyFile: "${at.keyFile}"`,
      'host: 0.0.0.0',
      `NODE_EXTRA_CA_CERTS=${at.certFile} claude`,
    ])
      expect(out).toContain(part);
    expect(out).not.toContain('PRIVATE');

    // The lines that it prints are settings as they stand.
    const lines = /In the config file:\n([\s\S]*?)\n\n/.exec(out)?.[1] ?? '';
    const file = join(dir, 'config.yaml');
    writeFileSync(file, lines.replace(/^ {2}/gm, ''));
    const { config } = await loadConfig({ flags: { config: file }, env: {} });
    expect(config.http).toMatchObject({ host: '0.0.0.0', tls: at });
    expect(await tlsChecks({ ...config.http, port: 0 })).toMatchObject([{ severity: 'ok', code: 'tls' }]);
    expect(await addressChecks(config.http)).toEqual([]);
  });

  test('what is there is not replaced without a word', async () => {
    await ran(make, {});
    const before = readFileSync(join(dir, 'state/tls/key.pem'));
    expect(await refused(ran(make, {}))).toMatchObject({ code: 'conflict', hint: expect.stringContaining('--force') });
    expect(readFileSync(join(dir, 'state/tls/key.pem'))).toEqual(before);
    await ran(make, { force: true });
    expect(readFileSync(join(dir, 'state/tls/key.pem'))).not.toEqual(before);
    // Half a pair is not ours to complete, either.
    rmSync(join(dir, 'state/tls/cert.pem'));
    expect(await refused(ran(make, {}))).toMatchObject({ code: 'conflict' });
  });

  test('elsewhere, for fewer days, as JSON', async () => {
    const { out } = await ran(make, { out: join(dir, 'a/b'), days: '30', json: true });
    const said = JSON.parse(out) as Record<string, string>;
    expect(said).toMatchObject({
      certFile: join(dir, 'a/b/cert.pem'),
      keyFile: join(dir, 'a/b/key.pem'),
      selfSigned: true,
    });
    expect(Math.round((Date.parse(said.notAfter as string) - Date.now()) / DAY_MS)).toBe(30);
    expect(existsSync(join(dir, 'state'))).toBe(false);
  });

  test.skipIf(process.geteuid?.() !== 0)(
    'in a folder that root names, the pair is the user’s that the state folder belongs to',
    async () => {
      const state = join(dir, 'state');
      mkdirSync(state, { mode: 0o700 });
      execFileSync('chown', ['12345:12346', state]);
      const out = join(dir, 'new/tls');
      await ran(make, { out });
      for (const path of [join(dir, 'new'), out, join(out, 'key.pem'), join(out, 'cert.pem')])
        expect(statSync(path), path).toMatchObject({ uid: 12345, gid: 12346 });
      expect(mode(join(out, 'key.pem'))).toBe('600');
    },
  );

  test.each([
    [{ days: '0' }, /no number of days/],
    [{ days: '-1' }, /no number of days/],
    [{ days: '3651' }, /no number of days/],
    [{ days: '1e2' }, /no number of days/],
    [{ name: ['a b'] }, /no name of a host/],
    [{ name: ['nas.lan, evil'] }, null],
    [{ name: ['-x'] }, /no name of a host/],
    [{ name: ['a..b'] }, /no name of a host/],
    [{ name: ['*'] }, /no name of a host/],
    [{ name: ['x.*.y'] }, /no name of a host/],
    [{ name: ['1.2.3.4/8'] }, /no name of a host/],
    [{ name: ['x\nCN=y'] }, /no name of a host/],
    [{ name: Array.from({ length: 65 }, (_, i) => `h${i}`) }, /Too many names/],
  ] as [Run['own'], RegExp | null][])('%j', async (own, why) => {
    const error = await refused(ran(make, own));
    if (why === null) expect(error).toBeNull();
    else {
      expect(error).toMatchObject({ code: 'validation', message: expect.stringMatching(why) });
      expect(existsSync(join(dir, 'state'))).toBe(false);
    }
  });

  test('a folder that cannot be written is said', async () => {
    writeFileSync(join(dir, 'file'), '');
    expect(await refused(ran(make, { out: join(dir, 'file') }))).toMatchObject({
      code: 'permission',
      hint: expect.stringContaining('--out'),
    });
  });

  test('its names are those by which this host is asked for', () => {
    const at = (host: string, url: string | null = null) => ownNames({ host, port: 7070, url });
    expect(at('192.168.1.10')).toEqual([hostname().toLowerCase(), '192.168.1.10', 'localhost', '127.0.0.1', '::1']);
    expect(at('192.168.1.10', 'https://ops.example.org:8443/x')).toContain('ops.example.org');
    expect(at('192.168.1.10', 'https://[2001:db8::1]')).toContain('2001:db8::1');
    expect(at('nas.lan')).toContain('nas.lan');
    for (const host of ['0.0.0.0', '::', '127.0.0.1', 'localhost']) {
      expect(at(host)).not.toContain('0.0.0.0');
      expect(new Set(at(host)).size).toBe(at(host).length);
    }
  });

  test('two pairs are never alike', async () => {
    const [a, b] = await Promise.all([freshPair(), freshPair()]);
    expect(a.key).not.toBe(b.key);
    const serial = (pem: string) => new X509Certificate(pem).serialNumber;
    expect(serial(a.cert)).not.toBe(serial(b.cert));
    expect(serial(a.cert)).toMatch(/^4[0-9A-F]{31}$/);
  });
});

describe('tls show', () => {
  test('tells the pair, and fails where it cannot be served', async () => {
    using at = folder();
    const flags = { 'http-tls-cert-file': at.certFile, 'http-tls-key-file': at.keyFile };
    expect(await refused(ran(show, {}))).toMatchObject({
      code: 'not_found',
      hint: expect.stringContaining('self-signed'),
    });
    expect(await refused(ran(show, {}, flags))).toMatchObject({ code: 'not_found' });
    at.put(await freshPair(['nas.lan'], 10));
    const { code, out, err } = await ran(show, {}, flags);
    expect([code, out, err]).toEqual([
      0,
      expect.stringContaining('nas.lan'),
      expect.stringMatching(/expires on .* days\./),
    ]);
    expect(JSON.parse((await ran(show, { json: true }, flags)).out)).toMatchObject({
      names: ['nas.lan'],
      selfSigned: true,
    });
    at.put({ key: (await freshPair()).key });
    expect(await refused(ran(show, {}, flags))).toMatchObject({
      message: expect.stringContaining('do not belong together'),
    });
  });
});

describe('tls tailscale', () => {
  let daemon: Server;
  let pem: string;
  let asked: string[];
  const NAME = 'ops.tail-fake.ts.net';
  /** As one would come: not of itself. */
  async function issued(): Promise<string> {
    const made = await selfSigned({ names: [NAME], now: Date.now(), notAfterMs: Date.now() + 90 * DAY_MS });
    return made.key + made.cert;
  }
  beforeEach(async () => {
    pem = await issued();
    asked = [];
    const status = readFileSync(new URL('../fixtures/tailscale/status-running.json', import.meta.url));
    daemon = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.end(request.url?.startsWith('/localapi/v0/status') ? status : pem);
    });
    await new Promise<void>((resolve) => daemon.listen(join(dir, 'ts.sock'), resolve));
  });
  afterEach(async () => {
    daemon.closeAllConnections();
    await new Promise((resolve) => daemon.close(resolve));
  });
  const flags = () => ({ 'tailnet-local-api': join(dir, 'ts.sock') });

  test('fetches the pair of this host, and renews it', async () => {
    const { out } = await ran(tailscale, {}, flags());
    expect(asked).toEqual(['/localapi/v0/status?peers=false', `/localapi/v0/cert/${NAME}?type=pair`]);
    const key = join(dir, 'state/tls/key.pem');
    expect(mode(key)).toBe('600');
    expect(readFileSync(key, 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    expect(readFileSync(join(dir, 'state/tls/cert.pem'), 'utf8')).not.toContain('PRIVATE');
    for (const part of [NAME, `url: https://${NAME}:7070`, `deckhand tls tailscale --name ${NAME}`])
      expect(out).toContain(part);
    expect(out).not.toContain('PRIVATE');
    expect((await ran(tailscale, { force: true }, flags())).out).toMatch(/still the same/);
    pem = await issued();
    const before = readFileSync(key);
    expect((await ran(tailscale, { name: `${NAME}.`, force: true }, flags())).out).toContain(NAME);
    expect(readFileSync(key)).not.toEqual(before);
  });

  test('what a CA has issued for this name is renewed without a word; for another name it is not', async () => {
    const ca = join(dir, 'ca');
    const openssl = (...args: string[]) =>
      execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' });
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    openssl('req', '-x509', ...ec, '-keyout', `${ca}.key`, '-out', `${ca}.pem`, '-days', '90', '-subj', '/CN=A CA');
    const signed = (name: string) => {
      const at = join(dir, 'leaf');
      writeFileSync(`${at}.ext`, `subjectAltName=DNS:${name}`);
      openssl('req', '-new', ...ec, '-keyout', `${at}.key`, '-out', `${at}.csr`, '-subj', `/CN=${name}`);
      const by = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-extfile', `${at}.ext`];
      const cert = openssl('x509', '-req', '-in', `${at}.csr`, '-days', '90', ...by);
      return readFileSync(`${at}.key`, 'utf8') + cert + readFileSync(`${ca}.pem`, 'utf8');
    };
    pem = signed(NAME);
    const first = await ran(tailscale, {}, flags());
    expect(first.out).toContain('issuer       CN=A CA');
    expect(first.out).toContain('(and 1 of its chain)');
    pem = signed(NAME);
    expect((await ran(tailscale, {}, flags())).code).toBe(0);
    pem = signed('other.tail-fake.ts.net');
    expect(await refused(ran(tailscale, { name: 'other.tail-fake.ts.net' }, flags()))).toMatchObject({
      code: 'conflict',
    });
  });

  test('a pair of another name or of our own making is not its to replace', async () => {
    await ran(make, {});
    expect(await refused(ran(tailscale, {}, flags()))).toMatchObject({ code: 'conflict' });
    expect(asked).toEqual(['/localapi/v0/status?peers=false']);
  });

  test('without tailscaled it says so', async () => {
    expect(await refused(ran(tailscale, {}, { 'tailnet-local-api': join(dir, 'none.sock') }))).toMatchObject({
      code: 'unavailable',
    });
  });
});

describe('the doctor', () => {
  const http = (over: object = {}) => ({
    host: '127.0.0.1',
    port: 0,
    url: null,
    behindProxy: false,
    trustedProxies: [],
    tls: { certFile: null, keyFile: null },
    ...over,
  });
  const brief = (checks: { severity: string; code: string }[]) => checks.map((c) => [c.severity, c.code]);

  test('of the address: what serve would refuse is broken, with the ways out; what it would not is at most worth a look', async () => {
    expect(await addressChecks(http())).toEqual([]);
    const [refusal] = await addressChecks(http({ host: '0.0.0.0' }));
    expect(refusal).toMatchObject({ severity: 'broken', code: 'http.host' });
    // In a container loopback would be no way out, and its own one is there.
    expect(refusal?.fix).toContain('-e DECKHAND_HTTP_BEHIND_PROXY=true');
    expect(brief(await addressChecks(http({ host: '0.0.0.0', behindProxy: true })))).toEqual([
      ['warning', 'http.proxy'],
      ['info', 'http.host'],
    ]);
    const named = { host: '0.0.0.0', behindProxy: true, trustedProxies: ['172.18.0.0/16'] };
    expect(brief(await addressChecks(http(named)))).toEqual([['info', 'http.host']]);
    expect(brief(await addressChecks(http({ host: '0.0.0.0', tls: { certFile: '/c', keyFile: '/k' } })))).toEqual([]);
    expect(brief(await addressChecks(http({ tls: { certFile: '/c', keyFile: null } })))).toEqual([
      ['broken', 'http.host'],
    ]);
  });

  test('of the pair: what keeps it from being served, how long it holds, and for whom', async () => {
    using at = folder();
    expect(await tlsChecks(http())).toEqual([]);
    const tls = { certFile: at.certFile, keyFile: at.keyFile };
    expect(brief(await tlsChecks(http({ tls: { ...tls, keyFile: null } })))).toEqual([]);
    expect(await tlsChecks(http({ tls }))).toMatchObject([
      { severity: 'broken', text: expect.stringContaining('does not exist') },
    ]);
    const pair = await freshPair(['nas.lan', '*.home.arpa'], 30);
    at.put(pair, 0o644);
    expect(await tlsChecks(http({ tls }))).toMatchObject([
      { severity: 'broken', fix: expect.stringContaining('chmod 600') },
    ]);
    at.put(pair);
    expect(brief(await tlsChecks(http({ tls })))).toEqual([['ok', 'tls']]);
    expect(brief(await tlsChecks(http({ tls, url: 'https://a.home.arpa:7070' })))).toEqual([['ok', 'tls']]);
    expect(await tlsChecks(http({ tls, url: 'https://ops.example.org' }))).toMatchObject([
      { code: 'tls' },
      { severity: 'warning', code: 'tls.name', fix: expect.stringContaining('--name ops.example.org') },
    ]);
    expect(brief(await tlsChecks(http({ tls }), Date.now() + 20 * DAY_MS))).toEqual([['warning', 'tls.soon']]);
    expect(await tlsChecks(http({ tls }), Date.now() + 31 * DAY_MS)).toMatchObject([
      { severity: 'broken', text: expect.stringContaining('expired on') },
    ]);
  });

  test('of what is served: whether it is what lies in the file', async () => {
    using at = folder();
    at.put(await freshPair());
    const log = { debug() {}, info() {}, warn() {}, error() {} } as never;
    const tls = await openTls({ files: at, log, every: () => () => {} });
    const { face } = web({ tls });
    try {
      const port = Number(new URL((await face.listen()).url).port);
      const settings = http({ port, tls: { certFile: at.certFile, keyFile: at.keyFile } });
      expect(brief(await tlsChecks(settings))).toEqual([
        ['ok', 'tls'],
        ['ok', 'tls.served'],
      ]);
      at.put(await freshPair());
      expect(brief(await tlsChecks(settings))).toEqual([
        ['ok', 'tls'],
        ['warning', 'tls.served'],
      ]);
    } finally {
      await face.close();
    }
    expect(servedChecks(undefined, null)).toEqual([]);
    expect(servedChecks(null, null)).toMatchObject([{ severity: 'warning' }]);
    const plain = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => plain.once('listening', resolve));
    const { port } = plain.address() as { port: number };
    expect(await served({ host: '127.0.0.1', port })).toBeNull();
    await new Promise((resolve) => plain.close(resolve));
    expect(await served({ host: '127.0.0.1', port })).toBeUndefined();
  });
});
