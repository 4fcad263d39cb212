/** What tailscaled is asked, how long it is waited for, and what its answers become: over a fake of it on a Unix socket. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createTailnet, networkAt } from '../../src/host/tailnet/index.ts';
import { pairOf, serveConfigOf, statusOf, whoIs } from '../../src/host/tailnet/parse.ts';
import { networkOf } from '../../src/host/tailnet/parse_network.ts';
import { leadsToPort, leadsToSocket } from '../../src/host/tailnet/targets.ts';
import { fixture, type Tailscaled, tailscaled } from '../fakes/tailscaled.ts';

let dir: string;
let fake: Tailscaled;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-ts-'));
  fake = await tailscaled(join(dir, 'd.sock'));
});
afterEach(async () => {
  await fake.close();
  rmSync(dir, { recursive: true, force: true });
});

const asked = (o: { patienceMs?: number; mostBytes?: number } = {}) => createTailnet({ socket: fake.socket, ...o });
const parsed = (name: string) => whoIs(fixture(name));
const CAP = 'example.com/cap/opsmcp';

describe('answers', () => {
  test('a person: name, node by its stable id, grants', () => {
    expect(parsed('whois-user.json')).toEqual({
      node: 'nLAPTOP2CNTRL',
      nodeName: 'alice-laptop.tail-fake.ts.net',
      tags: [],
      login: 'alice@example.com',
      expired: false,
      keyExpiresAtMs: Date.UTC(2027, 2, 1, 10),
      shared: false,
      grants: new Map([[CAP, [{ role: 'viewer' }, { role: 'operator', tools: ['service_restart'] }]]]),
    });
  });
  test('a thing has tags, and a key that never expires', () => {
    expect(parsed('whois-tagged.json')).toMatchObject({ tags: ['tag:ci'], node: 'nCI3CNTRL', keyExpiresAtMs: null });
  });
  test('who expired, and who is of another tailnet', () => {
    expect(parsed('whois-user-expired.json')).toMatchObject({ expired: true, shared: false });
    expect(parsed('whois-sharee.json')).toMatchObject({ shared: true, expired: false });
    const only = (node: object) =>
      whoIs(JSON.stringify({ Node: { StableID: 'n', ...node }, UserProfile: { LoginName: 'a' } })).shared;
    expect([
      only({ Sharer: 9007199254740993n.toString() }),
      only({ Hostinfo: { ShareeNode: true } }),
      only({}),
    ]).toEqual([true, true, false]);
  });
  test.each(['whois-user-nocaps.json', 'whois-user-capmapnull.json', 'whois-user-capvaluenull.json'])(
    'no grants: %s',
    (name) => expect(parsed(name).grants.size).toBe(0),
  );
  test('grants of wrong shapes stay what they are: judged elsewhere', () => {
    expect(parsed('whois-user-badcap.json').grants.get(CAP)).toHaveLength(6);
  });
  test('a numeric id beyond 2^53 is not read', () => {
    const text = fixture('whois-bigid.raw.json');
    expect(text).toContain('9007199254740993');
    expect(JSON.parse(text).Node.ID, 'the control: read as a number it is another node’s').not.toBe(9007199254740993n);
    expect(parsed('whois-bigid.raw.json').node).toBe('nLAPTOP2CNTRL');
  });
  test.each([
    ['no JSON', '{'],
    ['null', 'null'],
    ['a list', '[]'],
    ['no node', '{"UserProfile":{"LoginName":"a"}}'],
    ['no stable id', '{"Node":{"ID":7},"UserProfile":{"LoginName":"a"}}'],
    ['no login', '{"Node":{"StableID":"n"},"UserProfile":{}}'],
    ['a login that is no text', '{"Node":{"StableID":"n"},"UserProfile":{"LoginName":["a"]}}'],
    ['tags that are no list', '{"Node":{"StableID":"n","Tags":"tag:ci"},"UserProfile":{"LoginName":"a"}}'],
    ['tags that are no texts', '{"Node":{"StableID":"n","Tags":[7]},"UserProfile":{"LoginName":"a"}}'],
    [
      'an end of its key that is no time',
      '{"Node":{"StableID":"n","KeyExpiry":"soon"},"UserProfile":{"LoginName":"a"}}',
    ],
    ['an end of its key that is no text', '{"Node":{"StableID":"n","KeyExpiry":7},"UserProfile":{"LoginName":"a"}}'],
  ])('that say not who it is are no answers: %s', (_, text) => expect(() => whoIs(text)).toThrow());

  test('a status: what it is, and never where to sign in', () => {
    expect(statusOf(fixture('status-running.json'))).toEqual({
      state: 'Running',
      node: 'nSERVER1CNTRL',
      tun: true,
      name: 'ops.tail-fake.ts.net',
      addresses: ['100.64.0.10', 'fd7a:115c:a1e0::a'],
      tags: ['tag:opsmcp'],
      keyExpiresAtMs: null,
      certDomains: ['ops.tail-fake.ts.net'],
      health: [],
      magicDns: true,
      suffix: 'tail-fake.ts.net',
      services: [],
    });
    const out = statusOf(fixture('status-needslogin.json'));
    expect(out).toMatchObject({
      state: 'NeedsLogin',
      node: null,
      name: null,
      addresses: [],
      health: ['You are logged out.'],
    });
    expect(JSON.stringify(out)).not.toContain('SECRETISH');
    expect(statusOf(fixture('status-userspace.json')).tun).toBe(false);
    expect(statusOf('{"BackendState":"Running"}').tun).toBeNull();
    expect(() => statusOf('{}')).toThrow('BackendState');
  });

  test('what is served, in whichever of its places', () => {
    const [ok] = serveConfigOf(fixture('serve-config-ok.json')).served;
    expect(ok).toEqual({
      at: 'ops.tail-fake.ts.net:443',
      kind: 'proxy',
      path: '/',
      target: 'unix:/run/opsmcp/mcp.sock',
      service: null,
      funnel: false,
      tls: true,
      capabilities: [CAP],
    });
    expect(serveConfigOf(fixture('serve-config-service.json')).served).toMatchObject([
      { service: 'svc:opsmcp', target: 'unix:/run/opsmcp/mcp.sock', funnel: false },
    ]);
    for (const name of ['serve-config-funnel.json', 'serve-config-foreground-funnel.json'])
      expect(serveConfigOf(fixture(name))).toMatchObject({
        served: [{ target: 'http://127.0.0.1:8080', funnel: true }],
        funnels: ['ops.tail-fake.ts.net:443'],
      });
    // Funnel is switched on for a host and port: whichever session serves there is open.
    const mixed = {
      AllowFunnel: { 'a:443': true, 'a:8443': false },
      Foreground: { s: { Web: { 'a:443': { Handlers: { '/x': { Proxy: 'unix:/a' }, '/y': { Text: 'hi' } } } } } },
      TCP: { 443: { TCPForward: 'unix:/b' }, 8443: { TCPForward: '127.0.0.1:22' }, 80: { HTTP: true } },
    };
    expect(serveConfigOf(JSON.stringify(mixed)).served.map((s) => [s.kind, s.at, s.target, s.funnel])).toEqual([
      ['tcp', '*:443', 'unix:/b', true],
      ['tcp', '*:8443', '127.0.0.1:22', false],
      ['proxy', 'a:443', 'unix:/a', true],
    ]);
    expect(serveConfigOf('null\n')).toEqual({ served: [], answered: [], funnels: [] });
    expect(serveConfigOf('{"Web":null,"Foreground":{"x":null},"Services":{"svc:a":7}}').served).toEqual([]);
  });

  test('a pair: the key, then the certificate and what it hangs on', () => {
    const block = (kind: string, text: string) => `-----BEGIN ${kind}-----\n${text}\n-----END ${kind}-----\n`;
    const [key, leaf, above] = [
      block('EC PRIVATE KEY', 'a2V5'),
      block('CERTIFICATE', 'bGVhZg'),
      block('CERTIFICATE', 'Y2E'),
    ];
    expect(pairOf(key + leaf + above)).toEqual({ key, cert: leaf + above });
    for (const wrong of ['', key, leaf, key + key + leaf]) expect(() => pairOf(wrong)).toThrow('one key');
  });
});

describe('the whole of it', () => {
  const running = () => JSON.parse(fixture('status-running.json'));
  const peersOf = (peers: object) => networkOf(JSON.stringify({ ...running(), Peer: peers }), { peers: true }).peers;

  test('machines by name, owner or tags, and how they are reached', () => {
    const { peers, ...self } = networkOf(fixture('status-running.json'), { peers: true });
    expect(self).toMatchObject({ version: '1.102.4-tFAKE', owner: null, tailnet: 'example.com', update: null });
    expect(peers).toMatchObject([
      { name: 'alice-laptop', owner: 'alice@example.com', tags: [], online: true, lastSeenMs: null, path: 'direct' },
      { name: 'ci', owner: null, tags: ['tag:ci'], online: false, path: 'idle', relay: 'fra' },
    ]);
    expect(peers?.[1]?.lastSeenMs).toBe(Date.UTC(2026, 10, 20, 8));
    expect(networkOf(fixture('status-running.json'), { peers: false })).toMatchObject({
      peers: null,
      whyNoPeers: 'they were not asked for',
    });
  });
  test('neither keys, endpoints, nor where to sign in', () => {
    const text = fixture('status-needslogin.json').replace(
      'You are logged out.',
      'You are logged out. Sign in at https://login.tailscale.com/a/0123SECRETISH now',
    );
    const said = JSON.stringify([
      networkOf(text, { peers: true }),
      networkOf(fixture('status-running.json'), { peers: true }),
    ]);
    expect(text, 'the control').toContain('SECRETISH');
    for (const part of ['SECRETISH', 'nodekey', '203.0.113.7', 'ProfilePic']) expect(said).not.toContain(part);
    expect(networkOf(text, { peers: true }).health).toEqual([
      'You are logged out. Sign in at (address to sign in left out) now',
    ]);
  });
  test('ways to a peer, exit nodes, who is shared, and what is for rent', () => {
    const peers = peersOf({
      a: { HostName: 'a', Active: true, CurAddr: '', Relay: 'fra' },
      b: { HostName: 'b', Active: true, PeerRelay: '1.2.3.4:5:vni:1', Relay: 'fra' },
      c: { HostName: 'c', ExitNodeOption: true, Location: { Country: 'SE' }, Active: false, ShareeNode: true },
      d: { HostName: 'd', ExitNode: true, ExitNodeOption: true, Location: {} },
      e: 'no machine',
    });
    expect(peers?.map((p) => [p.name, p.path, p.exitNode, p.shared, p.rented, p.online])).toEqual([
      ['a', 'relay', null, false, false, null],
      ['b', 'peer relay', null, false, false, null],
      ['c', 'idle', 'offered', true, true, null],
      ['d', null, 'in use', false, false, null],
    ]);
    expect(networkOf(JSON.stringify({ ...running(), Peer: { e: 7 } }), { peers: true }).notRead).toBe(1);
  });
  test('a login by an id that no number holds is nobody’s, and not another’s', () => {
    const text = fixture('status-running.json').replaceAll('"UserID": 12', '"UserID": 9007199254740993');
    expect(networkOf(text, { peers: true }).peers?.[0]?.owner).toBeNull();
  });
  test('services that this machine is approved for', () => {
    const at = (CapMap: unknown) => statusOf(JSON.stringify({ BackendState: 'Running', Self: { CapMap } })).services;
    expect(at({ 'service-host': [{ 'svc:deckhand': ['100.64.1.1'], other: [] }] })).toEqual(['svc:deckhand']);
    expect([at({}), at(undefined), at({ 'service-host': 'x' })]).toEqual([[], null, []]);
  });
  test('what tailscaled answers by itself, and where it speaks no TLS', () => {
    const text = JSON.stringify({
      TCP: { 80: { HTTP: true }, 22: { TCPForward: '127.0.0.1:22', TerminateTLS: 'a' } },
      Web: {
        'a:80': { Handlers: { '/': { Proxy: 'http://127.0.0.1:1' }, '/f': { Path: '/srv' }, '/t': { Text: 'x' } } },
      },
      Services: { 'svc:x': { Tun: true } },
    });
    const { served, answered } = serveConfigOf(text);
    expect(served.map((s) => [s.at, s.tls])).toEqual(
      [
        ['*:22', true],
        ['a:80', false],
      ].toReversed(),
    );
    expect(answered.map((s) => [s.kind, s.at, s.path, s.service])).toEqual([
      ['files', 'a:80', '/f', null],
      ['text', 'a:80', '/t', null],
      ['tun', '*', '', 'svc:x'],
    ]);
  });
  test('is had without its machines where they are too many, with the reason', async () => {
    fake.instead = (request, answer) => {
      if (!request.url?.includes('peers=false')) fake.status = `{"BackendState":"${'x'.repeat(9 * 1024 * 1024)}"}`;
      else fake.status = fixture('status-running.json');
      answer();
    };
    expect(await networkAt(fake.socket, { peers: true })).toMatchObject({
      name: 'ops.tail-fake.ts.net',
      peers: null,
      whyNoPeers: expect.stringContaining('too long'),
    });
    await expect(networkAt(join(dir, 'none'), { peers: true })).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('the socket', () => {
  test('is asked as tailscaled wants it; what node:http says by itself is refused', async () => {
    fake.whois.set('100.64.0.20', 'whois-user.json').set('fd7a:115c:a1e0::14', 'whois-user.json');
    const tailnet = asked();
    expect(tailnet.version()).toBeNull();
    expect(await tailnet.whois('100.64.0.20')).toMatchObject({ login: 'alice@example.com' });
    expect(await tailnet.whois('fd7a:115c:a1e0::14')).toMatchObject({ login: 'alice@example.com' });
    expect(await tailnet.whois('100.64.0.21')).toBeNull();
    expect(tailnet.version()).toBe('1.102.4-tFAKE');
    expect((await tailnet.status()).state).toBe('Running');
    expect((await tailnet.serveConfig()).served).toHaveLength(1);
    expect(fake.asked).toContain('status?peers=false');
    const naive = await new Promise<number | undefined>((ok) =>
      request({ socketPath: fake.socket, path: '/localapi/v0/status' }, (r) => {
        r.resume();
        ok(r.statusCode);
      }).end(),
    );
    expect(naive, 'the control').toBe(403);
  });

  test('a peer by the port that it came from', async () => {
    fake.whois.set('127.0.0.1', 'whois-user.json').set('[::1]', 'whois-user.json');
    await asked().whois('127.0.0.1', { tcpPort: 4711 });
    await asked().whois('::1', { tcpPort: 4711 });
    expect(fake.asked).toEqual(['whois?addr=127.0.0.1%3A4711&proto=tcp', 'whois?addr=%5B%3A%3A1%5D%3A4711&proto=tcp']);
  });

  test('grants for a service are asked for as such, and an older tailscaled gives none', async () => {
    fake.whois.set('100.64.0.20', 'whois-user.json');
    const tailnet = asked();
    expect((await tailnet.whois('100.64.0.20', { service: 'svc:deckhand' }))?.grants.size).toBe(1);
    expect(fake.asked).toEqual(['whois?addr=100.64.0.20&svc_name=svc%3Adeckhand']);
    fake.version = '1.98.1';
    expect((await tailnet.whois('100.64.0.20', { service: 'svc:deckhand' }))?.grants.size).toBe(0);
    expect((await tailnet.whois('100.64.0.20'))?.grants.size, 'of the host').toBe(1);
  });

  test('equal questions under way are one; a later one is asked anew', async () => {
    fake.whois.set('100.64.0.20', 'whois-user.json');
    const waiting: (() => void)[] = [];
    fake.instead = (_, answer) => void waiting.push(answer);
    const tailnet = asked({ patienceMs: 20_000 });
    const all = [1, 2, 3].map(() => tailnet.whois('100.64.0.20'));
    const other = tailnet.whois('100.64.0.30');
    await vi.waitFor(() => expect(waiting).toHaveLength(2));
    for (const answer of waiting) answer();
    expect((await Promise.all(all)).map((w) => w?.login)).toEqual(Array(3).fill('alice@example.com'));
    expect(await other).toBeNull();
    fake.instead = null;
    // Taken out of the tailnet meanwhile: nothing is kept.
    fake.whois.clear();
    expect(await tailnet.whois('100.64.0.20')).toBeNull();
    expect(fake.asked).toHaveLength(3);
  });

  test('who leaves leaves alone', async () => {
    fake.whois.set('100.64.0.20', 'whois-user.json');
    const waiting: (() => void)[] = [];
    fake.instead = (_, answer) => void waiting.push(answer);
    const tailnet = asked({ patienceMs: 20_000 });
    const stop = new AbortController();
    const gone = tailnet.whois('100.64.0.20', { signal: stop.signal });
    const stays = tailnet.whois('100.64.0.20');
    await vi.waitFor(() => expect(waiting).toHaveLength(1));
    stop.abort(new Error('left'));
    await expect(gone).rejects.toThrow('left');
    for (const answer of waiting) answer();
    expect(await stays).toMatchObject({ login: 'alice@example.com' });
    await expect(tailnet.whois('100.64.0.20', { signal: stop.signal })).rejects.toThrow('left');
  });

  test('more than 64 different questions at once are not put', async () => {
    fake.instead = () => {};
    const tailnet = asked({ patienceMs: 300 });
    const many = Array.from({ length: 64 }, (_, i) => tailnet.whois(`100.64.1.${i}`).catch(() => 'late'));
    await expect(tailnet.whois('100.64.2.1')).rejects.toMatchObject({ code: 'unavailable' });
    expect(new Set(await Promise.all(many))).toEqual(new Set(['late']));
  });

  test.each<[string, (f: Tailscaled) => void, RegExp]>([
    [
      'says nothing',
      (f) => {
        f.instead = () => {};
      },
      /no answer within 50 ms/,
    ],
    [
      'stops in its middle',
      (f) => {
        f.instead = (_, answer) => {
          f.status = f.status.slice(0, 50);
          answer();
        };
      },
      /not understood/,
    ],
    [
      'hangs up',
      (f) => {
        f.instead = (request) => void request.socket.destroy();
      },
      /ECONNRESET/,
    ],
    [
      'says too much',
      (f) => {
        f.status = `{"BackendState":"${'x'.repeat(5_000)}"}`;
      },
      /too long/,
    ],
    [
      'says no',
      (f) => {
        f.instead = (request, answer) => {
          request.headers.origin = 'x';
          answer();
        };
      },
      /says no \(403\)/,
    ],
  ])('one that %s is away, and nobody is let in meanwhile', async (_, how, message) => {
    how(fake);
    await expect(
      asked({ patienceMs: how.toString().includes('() => {}') ? 50 : 5_000, mostBytes: 4_500 }).status(),
    ).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(message),
      details: { retryAfterMs: 2_000, hint: expect.any(String) },
    });
  });

  test('one that is not there, or is no tailscaled', async () => {
    const absent = createTailnet({ socket: join(dir, 'none.sock') });
    await expect(absent.status()).rejects.toMatchObject({ message: expect.stringContaining('is not running here') });
    const path = join(dir, 'odd.sock');
    const odd = createServer((s) => {
      s.on('error', () => {}).resume();
      s.write('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n');
    });
    await new Promise<void>((ok) => odd.listen(path, ok));
    await expect(createTailnet({ socket: path }).status()).rejects.toMatchObject({
      message: expect.stringContaining('does not answer as it should'),
    });
    await new Promise((ok) => odd.close(ok));
  });

  test('a certificate is for who may have it, and for names of hosts', async () => {
    await expect(asked().certificate('ops.tail-fake.ts.net')).rejects.toMatchObject({
      code: 'permission',
      details: { hint: expect.stringContaining('TS_PERMIT_CERT_UID') },
    });
    for (const name of ['../status', 'a', 'a b.ts.net', `${'a'.repeat(64)}.net`])
      await expect(asked().certificate(name)).rejects.toMatchObject({ code: 'validation' });
    expect(fake.asked).toEqual(['cert/ops.tail-fake.ts.net?type=pair']);
  });
});

test('targets that lead to us', () => {
  const own = join(dir, 'mcp.sock');
  writeFileSync(own, '');
  writeFileSync(join(dir, 'other.sock'), '');
  symlinkSync(dir, join(dir, 'run'));
  const ours = leadsToSocket(own);
  expect(
    [
      `unix:${own}`,
      `unix://${own}`,
      `https://unix:${own}`,
      `unix:${dir}/./x/../mcp.sock`,
      `unix:${dir}/run/mcp.sock`,
    ].map(ours),
  ).toEqual([true, true, true, true, true]);
  // In a container tailscaled may know it by another path.
  expect(ours('unix:/elsewhere/mcp.sock')).toBe(true);
  expect(
    [`unix:${dir}/other.sock`, 'unix:/elsewhere/x.sock', 'http://127.0.0.1:7070', '127.0.0.1:22'].map(ours),
  ).toEqual(Array(4).fill(false));
  expect(leadsToSocket(join(dir, 'not-yet.sock'))(`unix:${dir}/not-yet.sock`)).toBe(true);
  const port = leadsToPort(7070);
  expect(
    ['http://127.0.0.1:7070', 'http://localhost:7070/x', 'https+insecure://[::1]:7070', '127.0.0.1:7070', '7070'].map(
      port,
    ),
  ).toEqual(Array(5).fill(true));
  expect(['http://127.0.0.1:8080', 'http://10.0.0.1:7070', 'unix:/run/7070', '707'].map(port)).toEqual(
    Array(4).fill(false),
  );
});
