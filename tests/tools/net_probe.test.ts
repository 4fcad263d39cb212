/** net_probe: what each kind says, what it refuses before anything is sent, and that every packet is spent from the caller's share. */
import { expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import type { LinkTable, NetHost } from '../../src/core/net.ts';
import { createProbing, type ProbeLimits } from '../../src/policy/probing.ts';
import { netProbe, type ProbeAnswer } from '../../src/tools/net_probe.ts';
import { fakeClock } from '../fakes/clock.ts';
import { FAKE_WALL_MS, fakeHost } from '../fakes/host.ts';
import { fakeNet } from '../fakes/net.ts';
import { type FakeNet, fakeCertificate, fakeProbes, fakeTls } from '../fakes/probes.ts';
import { ask, context } from './context.ts';

const link = (address: string, prefix: number, scope: 'global' | 'link' | 'host' = 'global') => ({
  family: address.includes(':') ? (6 as const) : (4 as const),
  address,
  prefix,
  scope,
  peer: null,
  flags: [],
});
const links: LinkTable = {
  links: [
    { name: 'lo', addresses: [link('127.0.0.1', 8, 'host'), link('::1', 128, 'host')] },
    { name: 'eth0', addresses: [link('192.168.7.2', 24), link('fe80::1', 64, 'link')] },
  ] as never,
  source: 'ip',
  notRead: 0,
};
const net: Partial<NetHost> = {
  links: async () => ({ value: links }),
  dns: async () => ({
    file: { value: { target: null, servers: ['127.0.0.53', '192.168.7.1'], search: [], options: [], writtenBy: null } },
    hosts: { value: ['files', 'dns'] },
    resolved: { value: { servers: ['9.9.9.9'], links: null, source: 'resolvectl' } },
  }),
};

function here(over: Partial<FakeNet>, limits: Partial<ProbeLimits> = {}, also: Partial<NetHost> = {}) {
  const probes = fakeProbes(over);
  const clock = fakeClock();
  const used = new Map<string, number>();
  const probing = createProbing({
    perMinute: 1_000,
    addressesPerHour: 1_000,
    ...limits,
    clock,
    reserve: (key, points, windowMs, max, now) => {
      const k = `${key} ${Math.floor(now / windowMs)}`;
      const granted = Math.min(points, max - (used.get(k) ?? 0));
      used.set(k, (used.get(k) ?? 0) + granted);
      return granted;
    },
  });
  const ctx = context(
    {},
    { host: { ...fakeHost(), net: fakeNet({ ...net, ...also }), probes }, probing: probing('token:a') },
  );
  return { probes, clock, probing, ctx, say: (args: object) => ask<ProbeAnswer>(netProbe, args, ctx) };
}
const refusal = async (run: Promise<unknown>) => {
  const e = (await run.then(
    () => null,
    (x: unknown) => x,
  )) as OpsError;
  return { code: e?.code, message: e?.message, hint: e?.details.hint };
};

test('tcp: open, refused and filtered are told apart, and a name open by one family only is named so', async () => {
  const { say } = here({
    names: { web: ['192.168.7.9'], both: ['2606:4700::1', '1.1.1.1'] },
    tcp: { '192.168.7.9:22': 'open', '192.168.7.9:23': 'refused', '1.1.1.1:443': 'open' },
  });
  const { data, text } = await say({ kind: 'tcp', targets: ['web:22', 'web:23', 'web:24', 'both:443'] });
  expect(data.results.map((r) => [r.target, r.outcome, r.ok])).toEqual([
    ['web:22', 'open', true],
    ['web:23', 'refused', false],
    ['web:24', 'filtered', false],
    ['both:443', 'open', true],
  ]);
  expect(data.results[3]?.said).toBe('open by 1.1.1.1 only; 2606:4700::1 filtered');
  expect(text).toMatch(/^tcp: 2 of 4 well\n/);
});

test.each([
  ['verifies', {}, true, /verifies; 40 days left/],
  ['soon', { chain: [fakeCertificate({ toMs: FAKE_WALL_MS + 5 * 86_400_000 })] }, false, /expires in 4 days/],
  [
    'expired',
    { wrong: 'CERT_HAS_EXPIRED', chain: [fakeCertificate({ toMs: FAKE_WALL_MS - 3 * 86_400_000 })] },
    false,
    /expired 4 days ago/,
  ],
  ['another name', { wrong: 'ERR_TLS_CERT_ALTNAME_INVALID Host: x' }, false, /not for www.example.org/],
  ['signed by itself', { wrong: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, false, /signed by itself/],
  ['chain', { wrong: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }, false, /certificate of its chain is missing/],
  ['unknown authority', { wrong: 'SELF_SIGNED_CERT_IN_CHAIN' }, false, /authority that this host does not know/],
  ['early', { wrong: 'CERT_NOT_YET_VALID' }, false, /not valid yet/],
])('tls: a certificate that %s', async (_what, over, ok, said) => {
  const { say } = here({
    names: { 'www.example.org': ['1.2.3.4'] },
    tls: { '1.2.3.4:443': fakeTls({ chain: [fakeCertificate({ toMs: FAKE_WALL_MS + 40.5 * 86_400_000 })], ...over }) },
  });
  const { data } = await say({ kind: 'tls', targets: ['www.example.org'] });
  expect(data.results[0]).toMatchObject({ ok, said: expect.stringMatching(said), address: '1.2.3.4', port: 443 });
});

test('http: phases and status; a redirect is told, and followed only when asked, each hop judged anew', async () => {
  const over: Partial<FakeNet> = {
    names: { a: ['1.2.3.4'], b: ['5.6.7.8'], inner: ['10.9.9.9'] },
    http: {
      '1.2.3.4:80 a /': { status: 301, location: 'https://b/x', headers: { location: 'https://b/x' } },
      '5.6.7.8:443 b /x': { status: 302, location: 'http://inner/secret', tls: fakeTls() },
    },
  };
  const told = here(over);
  expect((await told.say({ kind: 'http', targets: ['http://a/'] })).data.results[0]).toMatchObject({
    ok: true,
    said: '301 OK; leads to https://b/x',
  });
  expect(told.probes.asked).toEqual(['http 1.2.3.4:80 a GET /']);
  const followed = here(over);
  const { data } = await followed.say({ kind: 'http', targets: ['http://a/'], follow: true });
  expect(data.results[0]).toMatchObject({
    ok: false,
    said: expect.stringContaining('it leads where no probe goes (10.9.9.9'),
    http: {
      redirects: [
        { status: 301, to: 'https://b/x' },
        { status: 302, to: 'http://inner/secret' },
      ],
    },
  });
  // Control: nothing of the inner host was touched, and both hops before were.
  expect(followed.probes.asked).toEqual(['http 1.2.3.4:80 a GET /', 'http 5.6.7.8:443 b GET /x']);
});

test('dns: each server of this host is asked, and those that differ are named', async () => {
  const a = (data: string) => ({ answers: [{ name: 'x.org', type: 'A', ttl: 60, data }] });
  const { say, probes } = here({
    dns: {
      '127.0.0.53 x.org A': a('1.1.1.1'),
      '192.168.7.1 x.org A': a('6.6.6.6'),
      '9.9.9.9 x.org A': new OpsError('timeout', '9.9.9.9 did not answer.'),
    },
  });
  const { data, text } = await say({ kind: 'dns', targets: ['x.org'] });
  expect(data.results.map((r) => [r.address, r.ok, r.said])).toEqual([
    ['127.0.0.53', true, '1.1.1.1'],
    ['192.168.7.1', true, '6.6.6.6'],
    ['9.9.9.9', false, '9.9.9.9 did not answer.'],
  ]);
  expect(data.differ).toEqual(['x.org A: 127.0.0.53 says 1.1.1.1; 192.168.7.1 says 6.6.6.6']);
  expect(text).toContain('differ: x.org A');
  // A loopback server is asked because this host is configured with it; another one is not.
  expect((await say({ kind: 'dns', targets: ['x.org'], server: ['127.0.0.54'] })).data.refused).toMatchObject([
    { why: expect.stringContaining('loopback') },
  ]);
  expect(probes.asked.filter((x) => x.includes('127.0.0.54'))).toEqual([]);
});

test('dns: an address is asked for in the reverse tree', async () => {
  const { say, probes } = here({});
  await say({ kind: 'dns', targets: ['192.0.2.7', '2001:db8::1'], type: 'PTR', server: ['9.9.9.9'] });
  expect(probes.asked).toEqual([
    'dns 9.9.9.9:53 7.2.0.192.in-addr.arpa PTR',
    'dns 9.9.9.9:53 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR',
  ]);
});

test('ping: loss and jitter; where ICMP may not be used, TCP, and it says so', async () => {
  const { say } = here({
    names: { a: ['1.2.3.4'], b: ['1.2.3.5'], c: ['1.2.3.6'] },
    ping: {
      '1.2.3.4': { sent: 4, received: 3, ms: [10, 12, 11], errors: [] },
      '1.2.3.5': 'ping is not installed on this host.',
      '1.2.3.6': 'no',
    },
    tcp: { '1.2.3.5:443': 'refused' },
  });
  const { data } = await say({ kind: 'ping', targets: ['a', 'b', 'c'] });
  expect(data.results[0]).toMatchObject({
    ok: false,
    said: '25 % lost',
    ms: 11,
    ping: { lossPercent: 25, jitterMs: 1.5, by: 'icmp' },
  });
  expect(data.results[1]).toMatchObject({
    ok: true,
    said: '4 of 4 answered, by TCP',
    ping: { by: 'tcp' },
    notIcmp: 'ping is not installed on this host.',
  });
  expect(data.results[2]).toMatchObject({ ok: false, said: 'nobody answered, by TCP' });
});

test('trace: the way, and where it ends', async () => {
  const { say } = here({
    names: { a: ['1.2.3.4'] },
    trace: {
      '1.2.3.4': { hops: ['192.168.7.1', null, '1.2.3.4'], mtu: 1480 },
      '1.2.3.5': { hops: ['192.168.7.1', null], mtu: null },
    },
  });
  const { data } = await say({ kind: 'trace', targets: ['a', '1.2.3.5', '1.2.3.6'] });
  expect(data.results.map((r) => [r.ok, r.said])).toEqual([
    [true, '3 hops, path MTU 1480'],
    [false, 'it was not reached; the last that answered is hop 1, 192.168.7.1'],
    [false, 'Neither tracepath, traceroute nor ping is installed on this host.'],
  ]);
});

test.each([
  [
    { kind: 'tcp', targets: ['https://a/'] },
    /takes a host, not a URL/,
    /net_probe \{"kind":"http","targets":\["https:\/\/a\/"\]\} or net_probe \{"kind":"tcp","targets":\["a"\]\}/,
  ],
  [{ kind: 'tcp', targets: ['a'] }, /needs a port/, /"targets":\["a:443"\]/],
  [{ kind: 'tcp', targets: ['a:1-1024'] }, /range/, /up to 20/],
  [{ kind: 'tcp', targets: ['192.168.7.0/24'], port: 22 }, /range/, /up to 20/],
  [{ kind: 'ping', targets: ['192.168.7.1-254'] }, /range/, /up to 20/],
  [{ kind: 'ping', targets: ['192.168.7.*'] }, /range/, /up to 20/],
  [{ kind: 'ping', targets: ['a b'] }, /range or a list/, /up to 20/],
  [{ kind: 'tcp', targets: ['a:80'], port: 81 }, /two ports/, /Leave `port` out/],
  [{ kind: 'http', targets: ['http://u:p@a/'] }, /without a password/, /https:/],
  [{ kind: 'http', targets: ['ftp://a/'] }, /http or https/, /https:/],
  [{ kind: 'http', targets: ['http://a/'], port: 80 }, /port of a URL/, /out/],
  [{ kind: 'dns', targets: ['a:53'] }, /name alone/, /"kind":"dns"/],
  [{ kind: 'trace', targets: ['a:53'] }, /host alone/, /"kind":"trace"/],
  [{ kind: 'ping', targets: ['-f'] }, /no host/, /name, an address/],
  [{ kind: 'ping', targets: ['$(id)'] }, /no host/, /name, an address/],
  [{ kind: 'tcp', targets: ['a:99999'] }, /no port/, /65535/],
  [{ kind: 'tcp', targets: ['a:1'], server: ['1.1.1.1'] }, /`server` does not go with kind tcp/, /dns/],
  [{ kind: 'tcp', targets: ['a:1'], type: 'MX' }, /`type` does not go/, /dns/],
  [{ kind: 'dns', targets: ['a'], follow: true }, /`follow` does not go/, /http/],
  [{ kind: 'dns', targets: ['a'], server: ['one.one'] }, /no address/, /1\.1\.1\.1/],
])('%j is answered with the right call, and nothing is sent', async (args, message, hint) => {
  const { say, probes } = here({ names: { a: ['1.2.3.4'] } });
  const got = await refusal(say(args));
  expect(got).toMatchObject({
    code: 'validation',
    message: expect.stringMatching(message),
    hint: expect.stringMatching(hint),
  });
  expect(probes.asked).toEqual([]);
});

test('what may not be reached is refused before a packet, under any name; the owner can open some of it', async () => {
  const names = {
    self: ['127.0.0.1'],
    six: ['::1'],
    meta: ['169.254.169.254'],
    mixed: ['1.1.1.1', '10.0.0.1'],
    near: ['192.168.7.77'],
    far: ['192.168.8.77'],
    rebind: ['1.1.1.1', '127.0.0.1'],
    // As the system's resolver reads it.
    '2130706433': ['127.0.0.1'],
  };
  const { say, probes } = here({ names, tcp: { '192.168.7.77:80': 'open' } });
  const { data } = await say({
    kind: 'tcp',
    port: 80,
    targets: ['self', 'six', 'meta', 'mixed', 'near', 'far', 'rebind', '2130706433', 'metadata.google.internal'],
  });
  expect(data.refused.map((r) => r.target)).toEqual([
    'self',
    'six',
    'meta',
    'mixed',
    'far',
    'rebind',
    '2130706433',
    'metadata.google.internal',
  ]);
  expect(data.results.map((r) => r.target)).toEqual(['near']);
  expect(probes.asked.filter((x) => !x.includes('192.168.7.77'))).toEqual([]);
  const opened = here({
    names,
    tcp: { '127.0.0.1:80': 'open' },
    settings: { allow: ['127.0.0.0/8', '::/0'], deny: ['192.168.7.77'] },
  });
  const again = await opened.say({ kind: 'tcp', port: 80, targets: ['self', 'six', 'meta', 'near'] });
  expect(again.data.refused.map((r) => r.target)).toEqual(['meta', 'near']);
});

test('the share: a model that sweeps is stopped at the figure, and told how long to wait', async () => {
  const many = Object.fromEntries(Array.from({ length: 254 }, (_, i) => [`h${i}`, [`192.168.7.${i + 1}`]]));
  const { say, probes, clock } = here({ names: many }, { perMinute: 30, addressesPerHour: 40 });
  let stopped: OpsError | null = null;
  for (let i = 0; i < 254; i += 20) {
    try {
      await say({ kind: 'tcp', port: 22, targets: Object.keys(many).slice(i, i + 20) });
    } catch (thrown) {
      stopped = thrown as OpsError;
    }
  }
  expect(probes.asked).toHaveLength(30);
  expect(stopped).toMatchObject({
    code: 'limit',
    details: { retryAfterMs: expect.any(Number), hint: expect.stringContaining('net.probesPerMinute') },
  });
  await clock.advance(60_000);
  for (let i = 40; i < 200; i += 20)
    await say({ kind: 'tcp', port: 22, targets: Object.keys(many).slice(i, i + 20) }).catch(() => {});
  // Of the hour: forty different addresses, however many minutes pass.
  expect(new Set(probes.asked).size).toBe(40);
  // Those that were probed before may be asked again.
  await clock.advance(60_000);
  expect((await say({ kind: 'tcp', targets: ['h0:22'] })).data.results).toHaveLength(1);
  await expect(say({ kind: 'tcp', targets: ['h253:22'] })).rejects.toMatchObject({ code: 'limit' });
});

test('the share: ports of one address, under whatever names, are few', async () => {
  const names = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`n${i}`, ['192.168.7.9']]));
  const { say, probes } = here({ names });
  const targets = (from: number) => Array.from({ length: 20 }, (_, i) => `n${i}:${from + i}`);
  await say({ kind: 'tcp', targets: targets(1) });
  await say({ kind: 'tcp', targets: targets(100) }).catch(() => {});
  expect(new Set(probes.asked).size).toBe(16);
});

test('each of many pings, tries and redirects is spent', async () => {
  let spent = 0;
  const { say, ctx } = here({
    names: { a: ['1.2.3.4', '2606:4700::1'] },
    ping: { '1.2.3.4': { sent: 7, received: 7, ms: [1, 1, 1, 1, 1, 1, 1], errors: [] } },
  });
  ctx.probing = { spend: () => spent++ };
  await say({ kind: 'ping', targets: ['a'], count: 7 });
  expect(spent).toBe(7);
  await say({ kind: 'tcp', targets: ['a:1'] });
  expect(spent).toBe(9);
});

test('without the networks of this host no private address is near, and that is said', async () => {
  const { say } = here(
    { names: { a: ['192.168.7.9'] } },
    {},
    { links: async () => ({ value: null, why: 'no ip here' }) },
  );
  const { data } = await say({ kind: 'tcp', targets: ['a:1'] });
  expect([data.refused.length, data.unknown]).toEqual([
    1,
    [{ what: 'the networks of this host, so none of them is probed', why: 'no ip here' }],
  ]);
});

test('a probe that fails inside fails the call; one that is cancelled ends', async () => {
  const broken = here({ names: { a: ['1.2.3.4'] } });
  broken.ctx.host.probes.tcp = () => Promise.reject(new TypeError('bug'));
  await expect(broken.say({ kind: 'tcp', targets: ['a:1'] })).rejects.toThrow('bug');
  const left = here({ names: { a: ['1.2.3.4'] } });
  left.ctx.signal = AbortSignal.abort(new Error('left'));
  left.ctx.host.probes.resolve = () => Promise.reject(new Error('aborted'));
  await expect(left.say({ kind: 'tcp', targets: ['a:1'] })).rejects.toThrow('left');
});
