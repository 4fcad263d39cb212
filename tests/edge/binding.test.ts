/** Where a server may listen: every host by TLS by the owner's word, and what a name means when it is asked. */
import { expect, test } from 'vitest';
import type { OpsError } from '../../src/core/errors.ts';
import {
  addressToListen,
  type Binding,
  bindingRemarks,
  nameToTell,
  pairFiles,
  type Resolve,
} from '../../src/edge/binding.ts';

const NONE = { certFile: null, keyFile: null };
const PAIR = { certFile: '/c', keyFile: '/k' };
const bind = (over: Partial<Binding>): Binding => ({
  host: '127.0.0.1',
  port: 7070,
  behindProxy: false,
  trustedProxies: [],
  tls: NONE,
  ...over,
});
const NAMES: Record<string, string[]> = {
  localhost: ['127.0.0.1', '::1'],
  'hijacked.localhost': ['192.168.1.10'],
  box: ['127.0.1.1'],
  nas: ['192.168.1.10', '127.0.0.1'],
  '0': ['0.0.0.0'],
  '127.1': ['127.0.0.1'],
  '2130706433': ['127.0.0.1'],
};
const resolve: Resolve = async (name) => {
  const found = NAMES[name];
  if (found) return found;
  throw Object.assign(new Error('no'), { code: 'ENOTFOUND' });
};
const judged = (over: Partial<Binding>) =>
  addressToListen(bind(over), resolve).then(
    (address) => address,
    (e: OpsError) => e.code,
  );

test.each([
  // host, what is listened on in plain
  ['127.0.0.1', '127.0.0.1'],
  ['127.9.9.9', '127.9.9.9'],
  ['::1', '::1'],
  ['0:0:0:0:0:0:0:1', '0:0:0:0:0:0:0:1'],
  ['::ffff:127.0.0.1', '::ffff:127.0.0.1'],
  ['localhost', '127.0.0.1'],
  ['box', '127.0.1.1'],
  ['127.1', '127.0.0.1'],
  ['2130706433', '127.0.0.1'],
  ['0.0.0.0', 'permission'],
  ['0', 'permission'],
  ['::', 'permission'],
  ['::ffff:0.0.0.0', 'permission'],
  ['::ffff:10.0.0.1', 'permission'],
  ['10.0.0.1', 'permission'],
  ['192.168.1.10', 'permission'],
  ['100.64.0.1', 'permission'],
  ['169.254.1.1', 'permission'],
  ['8.8.8.8', 'permission'],
  ['fe80::1%eth0', 'permission'],
  ['fd00::1', 'permission'],
  ['2001:db8::1', 'permission'],
  ['nas', 'permission'],
  // A name is worth what it resolves to, whatever it is called.
  ['hijacked.localhost', 'permission'],
  ['nobody.example', 'validation'],
])('%s in plain HTTP: %s', async (host, expected) => {
  expect(await judged({ host })).toBe(expected);
  // TLS, or the owner's word, opens any address that there is.
  const beyond = expected === 'permission' ? (NAMES[host]?.[0] ?? host) : expected;
  expect(await judged({ host, tls: PAIR })).toBe(beyond);
  expect(await judged({ host, behindProxy: true })).toBe(beyond);
  // Trusting a proxy is no word on who ends TLS.
  expect(await judged({ host, trustedProxies: ['127.0.0.1'] })).toBe(expected);
});

test('the refusal names every way out', async () => {
  const error = (await addressToListen(bind({ host: '0.0.0.0', port: 0 }), resolve).catch((e) => e)) as OpsError;
  expect(error.message).toBe('Will not listen on 0.0.0.0 in plain HTTP: whoever is on the way could read tokens.');
  for (const way of [
    'deckhand tls self-signed',
    'http.tls.certFile',
    'http.behindProxy: true',
    '-p 127.0.0.1:7070:7070 -e DECKHAND_HTTP_BEHIND_PROXY=true',
    'http.host: 127.0.0.1',
    'ssh -L 7070:127.0.0.1:7070 HOST',
    'tailscale serve',
  ])
    expect(error.details.hint).toContain(way);
});

test('half a pair is a slip, not plain HTTP', async () => {
  expect(pairFiles(NONE)).toBeNull();
  expect(pairFiles(PAIR)).toEqual(PAIR);
  expect(() => pairFiles({ certFile: '/c', keyFile: null })).toThrow(/`http\.tls\.keyFile` is not set/);
  expect(() => pairFiles({ certFile: null, keyFile: '/k' })).toThrow(/`http\.tls\.certFile` is not set/);
  expect(await judged({ host: '0.0.0.0', tls: { certFile: '/c', keyFile: null } })).toBe('validation');
});

test('whoever trusts everybody as a proxy is told', async () => {
  expect(await judged({ trustedProxies: ['10.0.0.1', '0.0.0.0/0'] })).toBe('validation');
  expect(await judged({ trustedProxies: ['::/0'] })).toBe('validation');
  expect(await judged({ trustedProxies: ['10.0.0.0/8', 'fd00::/8'] })).toBe('127.0.0.1');
});

test('a resolver that is away opens nothing', async () => {
  const away: Resolve = async () => {
    throw Object.assign(new Error('EAI_AGAIN'), { code: 'EAI_AGAIN' });
  };
  await expect(addressToListen(bind({ host: 'nas' }), away)).rejects.toMatchObject({ code: 'unavailable' });
  await expect(addressToListen(bind({ host: 'nas', behindProxy: true }), async () => [])).rejects.toMatchObject({
    code: 'validation',
  });
});

test('`localhost` that leads elsewhere is no loopback: the name is not what counts', async () => {
  const led: Resolve = async () => ['192.168.1.10'];
  await expect(addressToListen(bind({ host: 'localhost' }), led)).rejects.toMatchObject({ code: 'permission' });
});

test('the real resolver knows loopback', async () => {
  expect(await addressToListen(bind({ host: 'localhost' }))).toMatch(/^(127\.|::1$)/);
});

test.each([
  ['127.0.0.1', null, '127.0.0.1'],
  ['0.0.0.0', null, '127.0.0.1'],
  ['::', null, '127.0.0.1'],
  ['::1', null, '[::1]'],
  ['nas.lan', null, 'nas.lan'],
  ['0.0.0.0', ['nas.lan', '127.0.0.1'], '127.0.0.1'],
  ['0.0.0.0', ['*.home.arpa', 'host.tail.ts.net'], 'host.tail.ts.net'],
  ['192.168.1.10', ['*.home.arpa'], '192.168.1.10'],
  ['0.0.0.0', ['2001:db8::1'], '[2001:db8::1]'],
] as const)('who listens on %s with a certificate for %j tells clients to come to %s', (host, names, told) => {
  expect(nameToTell(host, names)).toBe(told);
});

test('one address for all clients of a proxy is worth a word', () => {
  expect(bindingRemarks(bind({}))).toEqual([]);
  expect(bindingRemarks(bind({ behindProxy: true, trustedProxies: ['127.0.0.1'] }))).toEqual([]);
  expect(bindingRemarks(bind({ behindProxy: true }))).toEqual([expect.stringContaining('http.trustedProxies')]);
});
