/** Each cause of what cannot be reached, by the one fact that makes it; a way that is well has none. */
import { expect, test } from 'vitest';
import type { Link, Route } from '../../src/core/net.ts';
import { diagnoseReach, REACH_ROWS } from '../../src/insight/diagnose_reach.ts';
import type { Listener } from '../../src/insight/net_listeners.ts';
import type { ReachFacts } from '../../src/insight/reach_seen.ts';

const link = (over: Partial<Link> = {}): Link => ({
  ...{ name: 'eth0', index: 2, kind: 'ethernet', mac: null, mtu: 1_500, up: true, carrier: true, state: 'up' },
  ...{
    speedMbit: 1_000,
    duplex: 'full',
    master: null,
    parent: null,
    elsewhere: false,
    vlanId: null,
    bond: null,
    memberState: null,
  },
  addresses: [{ family: 4, address: '192.168.7.2', prefix: 24, scope: 'global', peer: null, flags: [] }],
  ...over,
});
const route = (over: Partial<Route> = {}): Route => ({
  ...{ family: 4, to: 'default', type: 'unicast', hops: [{ gateway: '192.168.7.1', device: 'eth0' }], table: 'main' },
  ...{ metric: null, protocol: null, source: null, flags: [] },
  ...over,
});
const well: ReachFacts = {
  host: 'web.test',
  port: 443,
  literal: false,
  names: { value: { addresses: ['1.2.3.4'], ms: 5 } },
  servers: [{ server: '192.168.7.1', code: 'NOERROR', addresses: ['1.2.3.4'], why: null }],
  links: { value: [link()] },
  routes: { value: [route()] },
  route: route(),
  neighbours: { value: [{ address: '192.168.7.1', family: 4, device: 'eth0', mac: 'aa', state: 'REACHABLE' }] },
  own: false,
  listeners: null,
  firewall: null,
  tried: [{ address: '1.2.3.4', is: { outcome: 'open', ms: 3, local: '192.168.7.2:4000' } }],
  ping: { value: { sent: 10, received: 10, ms: Array(10).fill(3), errors: [] } },
  large: { sizeBytes: 1_500, passes: true },
  tls: { seen: { wrong: null, days: 60, subject: 'CN=web.test', issuer: 'CN=ca' } },
  http: { status: 200, reason: 'OK' },
};
const no = (outcome: 'refused' | 'filtered' | 'unreachable', why: string) => [
  { address: '1.2.3.4', is: { outcome, ms: 1, why } },
];
const silent = { value: { sent: 10, received: 0, ms: [], errors: [] } };
const listener = (over: Partial<Listener>): Listener => ({
  ...{
    protocol: 'tcp',
    port: 443,
    scope: 'all',
    addresses: ['0.0.0.0'],
    families: [4],
    owner: null,
    uid: 0,
    container: null,
  },
  ...{ reaches: 'open', waiting: 0, byRulesOnly: false },
  ...over,
});
const nameless = {
  names: { value: null, why: 'no' },
  tried: null,
  tls: null,
  http: null,
  ping: null,
  large: null,
  route: null,
} as const;
const shut = { tried: no('filtered', 'nobody answered'), tls: null, http: null, large: null, ping: silent };
const at = (server: string, code: string | null, ...addresses: string[]) => ({
  server,
  code,
  addresses,
  why: code === null ? 'did not answer' : null,
});
const own = { own: true, names: { value: { addresses: ['192.168.7.2'], ms: 1 } }, servers: [], route: null };
const wrong = (word: string, days = 60) => ({ tls: { seen: { wrong: word, days, subject: 's', issuer: 'i' } } });

const TABLE: [string, string, Partial<ReachFacts>][] = [
  ['not_unreachable', 'certain', {}],
  ['dns_dead', 'certain', { ...nameless, servers: [at('a', null), at('b', null)] }],
  ['name_missing', 'certain', { ...nameless, servers: [at('a', 'NXDOMAIN')] }],
  ['name_missing', 'certain', { ...nameless, servers: [] }],
  ['name_missing', 'possible', { ...nameless, servers: [at('a', 'NOERROR', '1.2.3.4')] }],
  [
    'dns_server_silent',
    'likely',
    {
      servers: [at('a', null), at('b', 'NOERROR', '1.2.3.4')],
      names: { value: { addresses: ['1.2.3.4'], ms: 5_005 } },
    },
  ],
  ['dns_server_silent', 'possible', { servers: [at('a', null), at('b', 'NOERROR', '1.2.3.4')] }],
  ['dns_differ', 'likely', { ...shut, servers: [at('a', 'NOERROR', '1.2.3.4'), at('b', 'NXDOMAIN')] }],
  ['dns_differ', 'possible', { servers: [at('a', 'NOERROR', '1.2.3.4'), at('b', 'NOERROR', '5.6.7.8')] }],
  ['hosts_override', 'likely', { ...shut, servers: [at('a', 'NOERROR', '5.6.7.8')] }],
  ['hosts_override', 'possible', { servers: [at('a', 'NOERROR', '5.6.7.8')] }],
  [
    'ipv6_only',
    'certain',
    {
      ...shut,
      names: { value: { addresses: ['2001:db8::1'], ms: 1 } },
      servers: [at('a', 'NOERROR', '2001:db8::1')],
      route: null,
    },
  ],
  ['no_route', 'certain', { ...shut, route: null }],
  ['no_route', 'certain', { ...shut, route: route({ type: 'blackhole' }) }],
  [
    'no_route',
    'likely',
    { ...shut, routes: { value: null, why: 'x' }, route: null, tried: no('unreachable', 'ENETUNREACH') },
  ],
  ['link_down', 'certain', { ...shut, links: { value: [link({ carrier: false })] } }],
  ['link_down', 'certain', { ...shut, links: { value: [link({ up: false, carrier: null })] } }],
  ['address_duplicate', 'likely', { ...shut, links: { value: [link(), link({ name: 'eth1' })] } }],
  [
    'address_duplicate',
    'possible',
    {
      links: {
        value: [
          link({
            addresses: [
              { family: 6, address: 'fd00::1', prefix: 64, scope: 'global', peer: null, flags: ['dadfailed'] },
            ],
          }),
        ],
      },
    },
  ],
  [
    'neighbour_silent',
    'certain',
    {
      ...shut,
      neighbours: { value: [{ address: '192.168.7.1', family: 4, device: 'eth0', mac: null, state: 'FAILED' }] },
    },
  ],
  ['lossy', 'likely', { ping: { value: { sent: 10, received: 6, ms: [1, 1, 1, 1, 1, 1], errors: [] } } }],
  ['lossy', 'possible', { ping: { value: { sent: 10, received: 10, ms: Array(10).fill(900), errors: [] } } }],
  ['nobody_listens', 'certain', { ...own, ...shut, tried: no('refused', 'ECONNREFUSED'), listeners: [] }],
  [
    'listener_wrong_address',
    'certain',
    {
      ...own,
      ...shut,
      tried: no('refused', 'ECONNREFUSED'),
      listeners: [listener({ addresses: ['127.0.0.1'], scope: 'loopback' })],
    },
  ],
  ['firewall_closed', 'likely', { ...own, listeners: [listener({ reaches: 'closed' })] }],
  ['port_closed', 'certain', { ...shut, tried: no('refused', 'ECONNREFUSED') }],
  ['port_filtered', 'likely', { ...shut, ping: well.ping }],
  ['host_silent', 'likely', { ...shut }],
  ['host_silent', 'possible', { ...shut, ping: { value: null, why: 'no ping' } }],
  ['mtu_black_hole', 'certain', { large: { sizeBytes: 1_500, passes: false }, http: { failed: 'late', silent: true } }],
  ['mtu_black_hole', 'likely', { large: { sizeBytes: 1_500, passes: false } }],
  ['certificate_expired', 'certain', wrong('CERT_HAS_EXPIRED', -3)],
  ['certificate_early', 'certain', wrong('CERT_NOT_YET_VALID')],
  ['certificate_name', 'certain', wrong('ERR_TLS_CERT_ALTNAME_INVALID x')],
  ['certificate_self_signed', 'certain', wrong('DEPTH_ZERO_SELF_SIGNED_CERT')],
  ['certificate_untrusted', 'certain', wrong('SELF_SIGNED_CERT_IN_CHAIN')],
  ['certificate_untrusted', 'certain', wrong('UNABLE_TO_VERIFY_LEAF_SIGNATURE')],
  ['server_silent', 'certain', { http: { failed: 'nothing came', silent: true } }],
  ['server_silent', 'certain', { tls: { failed: 'nothing came', silent: true }, http: null }],
  ['tls_failed', 'certain', { tls: { failed: 'wrong version number', silent: false }, http: null }],
  ['http_failed', 'certain', { http: { failed: 'Parse Error', silent: false } }],
  ['http_error', 'certain', { http: { status: 502, reason: 'Bad Gateway' } }],
  ['http_refused', 'likely', { http: { status: 403, reason: 'Forbidden' } }],
  ['not_unreachable', 'likely', { ...own, tried: null, listeners: [listener({})] }],
];

test.each(TABLE)('%s (%s)', (id, certainty, over) => {
  const causes = diagnoseReach({ ...well, ...over }, 'https://web.test/');
  const found = causes.find((c) => c.id === id);
  expect([causes.map((c) => `${c.id} ${c.certainty}`), found?.certainty]).toEqual([
    causes.map((c) => `${c.id} ${c.certainty}`),
    certainty,
  ]);
  // Nothing is as sure as it but what says more of the same.
  if (certainty === 'certain') expect(causes[0]?.certainty).toBe('certain');
  if (id !== 'not_unreachable' && certainty !== 'possible')
    expect(causes.map((c) => c.id)).not.toContain('not_unreachable');
  for (const c of causes) expect(c.next).not.toMatch(/\{[A-Z]+\}/);
});

test('the table has each cause, and a well way only the last word', () => {
  expect([...new Set(TABLE.map(([id]) => id))].toSorted()).toEqual(REACH_ROWS.map((r) => r.id).toSorted());
  expect(diagnoseReach(well, null).map((c) => c.id)).toEqual(['not_unreachable']);
});
