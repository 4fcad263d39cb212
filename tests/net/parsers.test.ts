/** Text of the kernel and its tools into records: what real hosts print, and what is cut short or nonsense. */
import { describe, expect, test } from 'vitest';
import { pairedLines } from '../../src/host/net/counters.ts';
import { hostsLine, parseResolvConf, parseResolvectl } from '../../src/host/net/dns.ts';
import { hexAddress, hexInOrder } from '../../src/host/net/hex.ts';
import { isUsualRule, jsonList, linksOf, neighboursOf, routesOf, rulesOf } from '../../src/host/net/ip_json.ts';
import { addresses6, arp, localAddresses4, placed4, routes4, routes6 } from '../../src/host/net/proc_routes.ts';
import { inetParser, unixSocket } from '../../src/host/net/socket_tables.ts';
import { parseDetails } from '../../src/host/net/ss.ts';

describe('addresses of /proc/net', () => {
  test('in the order of both kinds of machine', () => {
    expect(hexAddress('0100007F', true)).toBe('127.0.0.1');
    expect(hexAddress('7F000001', false)).toBe('127.0.0.1');
    expect(hexAddress('FFFFFFFF', true)).toBe('255.255.255.255');
    expect(hexAddress('00000000000000000000000001000000', true)).toBe('::1');
    expect(hexAddress('0000000000000000FFFF00000A01A8C0', true)).toBe('::ffff:192.168.1.10');
    expect(hexAddress('00000000000000000000000000000001', false)).toBe('::1');
    expect(hexInOrder('fe800000000000000000000000000001')).toBe('fe80::1');
  });
  test.each(['', '0100007', '0100007G', '0100007F0', `${'0'.repeat(31)}x`])('%j is none', (hex) => {
    expect(hexAddress(hex)).toBeNull();
  });
});

describe('lines of sockets', () => {
  const four = inetParser('tcp', 4);
  const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
  const line =
    '   1: 0100007F:1388 0800007F:985D 01 00000010:000000FF 01:00000014 00000003   104        0 3439218 2 00000000f65e67d5 20 0 0 10 -1';
  const little = hexAddress('0100007F') === '127.0.0.1';

  test.skipIf(!little)('tcp, whole', () => {
    expect(four(line)).toEqual({
      kind: 'tcp',
      family: 4,
      state: 'ESTAB',
      address: '127.0.0.1',
      port: 5000,
      peer: '127.0.0.8',
      peerPort: 39_005,
      sendQueue: 16,
      receiveQueue: 255,
      retransmits: 3,
      uid: 104,
      inode: 3_439_218,
    });
  });

  test.skipIf(!little)('tcp6, udp, TIME-WAIT and numbers of many digits before the colon', () => {
    const six = inetParser('tcp', 6);
    expect(
      six(
        '  12: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000005 00:00000000 00000000     0        0 19012 1 0000000000000000 100 0 0 10 0',
      ),
    ).toMatchObject({ family: 6, state: 'LISTEN', address: '::', port: 22, receiveQueue: 5, inode: 19_012 });
    expect(
      inetParser(
        'udp',
        4,
      )(
        '12345: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 20011 2 0000000000000000 0',
      ),
    ).toMatchObject({ kind: 'udp', state: 'UNCONN', address: '127.0.0.53', port: 53, uid: 101, inode: 20_011 });
    expect(
      four(
        '   9: 0A00000A:01BB 0B00000A:C001 06 00000000:00000000 03:00000ABC 00000000     0        0 0 3 0000000000000000',
      ),
    ).toMatchObject({ state: 'TIME-WAIT', inode: 0 });
  });

  test('what is cut anywhere, and the heading, is none and does not fail', () => {
    expect(four(head)).toBeNull();
    for (let n = 0; n < 80; n++) expect(four(line.slice(0, n))).toBeNull();
    expect(
      four('   1: ZZ00007F:1388 0800007F:985D 01 00000010:000000FF 01:00000014 00000003   104        0 1'),
    ).toBeNull();
    expect(
      four('   1: 0100007F:1388 0800007F:985D FF 00000010:000000FF 01:00000014 00000003   104        0 1'),
    ).toBeNull();
  });

  test('unix', () => {
    const of = (rest: string) => unixSocket(`0000000000000000: ${rest}`);
    expect(of('00000002 00000000 00010000 0001 01 19442 /run/dbus/system bus')).toMatchObject({
      state: 'LISTEN',
      address: '/run/dbus/system bus',
      inode: 19_442,
    });
    expect(of('00000003 00000000 00000000 0001 03 19443')).toMatchObject({ state: 'ESTAB', address: '' });
    expect(of('00000003 00000000 00000000 0002 01 19444 @abstract')).toMatchObject({
      state: 'UNCONN',
      address: '@abstract',
    });
    expect(unixSocket('Num       RefCount Protocol Flags    Type St Inode Path')).toBeNull();
    expect(of('00000003')).toBeNull();
  });
});

describe('ip -j', () => {
  test('lists, nothing at all, and what is no JSON', () => {
    expect(jsonList('')).toEqual([]);
    expect(jsonList('[{},{"a":1},3]')).toEqual([{ a: 1 }]);
    expect(jsonList('BusyBox v1.36')).toBeNull();
    expect(jsonList('{"a":1}')).toBeNull();
  });

  test('interfaces of every kind', () => {
    const link = (over: object) =>
      linksOf([
        {
          ifindex: 2,
          ifname: 'x0',
          flags: ['UP', 'LOWER_UP'],
          mtu: 1500,
          operstate: 'UP',
          link_type: 'ether',
          ...over,
        },
      ])[0];
    expect(link({})).toMatchObject({
      name: 'x0',
      index: 2,
      kind: 'ethernet',
      up: true,
      carrier: true,
      state: 'up',
      master: null,
    });
    expect(link({ flags: ['NO-CARRIER', 'UP'] })).toMatchObject({ up: true, carrier: false });
    expect(link({ flags: [] })).toMatchObject({ up: false, carrier: null });
    expect(link({ flags: ['LOOPBACK', 'UP', 'LOWER_UP'], link_type: 'loopback' })?.kind).toBe('loopback');
    expect(link({ link_type: 'none', linkinfo: { info_kind: 'wireguard' } })?.kind).toBe('wireguard');
    expect(link({ linkinfo: { info_kind: 'tun', info_data: { type: 'tap' } } })?.kind).toBe('tap');
    expect(link({ linkinfo: { info_kind: 'vlan', info_data: { id: 7 } }, link: 'eth0' })).toMatchObject({
      kind: 'vlan',
      vlanId: 7,
      parent: 'eth0',
    });
    expect(link({ linkinfo: { info_kind: 'vxlan', info_data: { link: 'eth1' } } })?.parent).toBe('eth1');
    expect(link({ link_index: 3, link_netnsid: 0, linkinfo: { info_kind: 'veth' } })).toMatchObject({
      elsewhere: true,
      parent: null,
    });
    expect(
      link({ linkinfo: { info_kind: 'bond', info_data: { mode: 'active-backup', active_slave: 'eth0' } } })?.bond,
    ).toEqual({ mode: 'active-backup', active: 'eth0' });
    expect(
      link({ master: 'bond0', linkinfo: { info_slave_kind: 'bond', info_slave_data: { mii_status: 'DOWN' } } }),
    ).toMatchObject({ memberState: 'down', master: 'bond0' });
    expect(link({ link_type: 'none' })?.kind).toBeNull();
    expect(linksOf([{ nothing: true }])).toEqual([]);
  });

  test('addresses with their flags', () => {
    const [link] = linksOf([
      {
        ifname: 'eth0',
        addr_info: [
          { family: 'inet', local: '10.0.0.1', prefixlen: 24, scope: 'global', dynamic: true },
          { family: 'inet', local: '10.8.0.1', address: '10.8.0.2', prefixlen: 32, scope: 'global' },
          { family: 'inet6', local: 'fe80::1', prefixlen: 64, scope: 'link', dadfailed: true, tentative: true },
          {},
        ],
      },
    ]);
    expect(link?.addresses).toEqual([
      { family: 4, address: '10.0.0.1', prefix: 24, scope: 'global', peer: null, flags: ['dynamic'] },
      { family: 4, address: '10.8.0.1', prefix: 32, scope: 'global', peer: '10.8.0.2', flags: [] },
      { family: 6, address: 'fe80::1', prefix: 64, scope: 'link', peer: null, flags: ['dadfailed', 'tentative'] },
    ]);
  });

  test('routes: default, of a table, shared, over the other family, to nowhere', () => {
    const routes = routesOf(
      [
        { dst: 'default', gateway: '10.9.0.254', dev: 'v0', metric: 100, flags: ['linkdown'] },
        { dst: 'default', dev: 'wg0', table: '52', flags: [] },
        {
          dst: '10.77.0.0/16',
          flags: [],
          nexthops: [
            { gateway: '10.9.0.2', dev: 'v0', flags: ['dead'] },
            { gateway: '10.9.0.3', dev: 'v1', flags: [] },
          ],
        },
        { dst: '10.88.0.0/16', via: { family: 'inet6', host: 'fe80::1' }, dev: 'v0' },
        { type: 'blackhole', dst: '10.99.0.0/16' },
        { type: 'local', dst: '10.9.0.1', dev: 'v0', table: 'local' },
        { type: 'multicast', dst: 'ff00::/8', table: 'local' },
      ],
      4,
    );
    expect(routes.map((r) => [r.to, r.type, r.table, r.hops, r.flags])).toEqual([
      ['default', 'unicast', 'main', [{ gateway: '10.9.0.254', device: 'v0' }], ['linkdown']],
      ['default', 'unicast', '52', [{ gateway: null, device: 'wg0' }], []],
      [
        '10.77.0.0/16',
        'unicast',
        'main',
        [
          { gateway: '10.9.0.2', device: 'v0' },
          { gateway: '10.9.0.3', device: 'v1' },
        ],
        ['dead'],
      ],
      ['10.88.0.0/16', 'unicast', 'main', [{ gateway: 'fe80::1', device: 'v0' }], []],
      ['10.99.0.0/16', 'blackhole', 'main', [{ gateway: null, device: null }], []],
    ]);
  });

  test('policy rules, and neighbours', () => {
    const rules = rulesOf(
      [
        { priority: 0, src: 'all', table: 'local' },
        { priority: 5270, src: '10.1.0.0', srclen: 16, fwmark: '0x10', table: '52' },
        { priority: 100, not: null, src: 'all', iif: 'eth0', suppress_prefixlen: 0, table: 'main' },
        { priority: 9, src: 'all', action: 'blackhole' },
        {},
      ],
      4,
    );
    expect(rules.map((r) => `${r.priority} ${r.selector} ${r.action}`)).toEqual([
      '0 all local',
      '5270 from 10.1.0.0/16 fwmark 0x10 52',
      '100 not iif eth0 suppress_prefixlength 0 main',
      '9 all blackhole',
    ]);
    expect(rules.map(isUsualRule)).toEqual([true, false, false, false]);
    expect(
      neighboursOf([
        { dst: 'fe80::1', dev: 'eth0', lladdr: '02:fc:00:00:00:05', router: null, state: ['STALE'] },
        { dst: '10.0.0.9', dev: 'eth0', state: ['FAILED'] },
        {},
      ]),
    ).toEqual([
      { address: 'fe80::1', family: 6, device: 'eth0', mac: '02:fc:00:00:00:05', state: 'STALE' },
      { address: '10.0.0.9', family: 4, device: 'eth0', mac: null, state: 'FAILED' },
    ]);
  });
});

const little = hexAddress('0100007F') === '127.0.0.1';
describe.skipIf(!little)('without ip', () => {
  const ROUTE = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
v0	00000000	FE00090A	0003	0	0	100	00000000	0	0	0
v0	0000090A	00000000	0001	0	0	0	00FFFFFF	0	0	0
*	0000630A	00000000	0001	0	0	0	0000FFFF	0	0	0
eth9	0000630A	00000000	0000	0	0	0	0000FFFF	0	0	0
cut	00`;
  const TRIE = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.9.0.0
        /24 link UNICAST
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.9.0.1
        /32 host LOCAL
     |-- 10.9.0.255
        /32 link BROADCAST
     |-- 127.0.0.0
        /8 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 172.30.0.1
        /32 host LOCAL`;

  test('routes of IPv4, and addresses in the network they lie in', () => {
    const routes = routes4(ROUTE);
    expect(routes.map((r) => [r.to, r.type, r.hops[0], r.metric])).toEqual([
      ['default', 'unicast', { gateway: '10.9.0.254', device: 'v0' }, 100],
      ['10.9.0.0/24', 'unicast', { gateway: null, device: 'v0' }, 0],
      ['10.99.0.0/16', 'unreachable', { gateway: null, device: null }, 0],
    ]);
    const addresses = localAddresses4(TRIE);
    expect(addresses).toEqual(['10.9.0.1', '127.0.0.1', '172.30.0.1']);
    expect([...placed4(addresses, routes)]).toMatchObject([
      ['v0', [{ address: '10.9.0.1', prefix: 24, scope: 'global' }]],
      ['lo', [{ address: '127.0.0.1', prefix: 8, scope: 'host' }]],
    ]);
  });

  test('routes and addresses of IPv6', () => {
    const zero = '0'.repeat(32);
    const six = `fd000000000000000000000000000000 40 ${zero} 00 ${zero} 00000100 00000001 00000000 00000001       v0
${zero} 00 ${zero} 00 fd000000000000000000000000000002 00000400 00000001 00000000 00000003       v0
00000000000000000000000000000001 80 ${zero} 00 ${zero} 00000000 00000002 00000000 80200001       lo
ff000000000000000000000000000000 08 ${zero} 00 ${zero} 00000100 00000003 00000000 00000001       v0
${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200       lo`;
    expect(routes6(six).map((r) => [r.to, r.hops[0], r.metric])).toEqual([
      ['fd00::/64', { gateway: null, device: 'v0' }, 256],
      ['default', { gateway: 'fd00::2', device: 'v0' }, 1024],
    ]);
    expect([
      ...addresses6(
        '00000000000000000000000000000001 01 80 10 80       lo\nfe80000000000000986dbcfffef68715 02 40 20 48       v1\ncut',
      ),
    ]).toMatchObject([
      ['lo', [{ address: '::1', prefix: 128, scope: 'host', flags: [] }]],
      ['v1', [{ address: 'fe80::986d:bcff:fef6:8715', prefix: 64, scope: 'link', flags: ['dadfailed', 'tentative'] }]],
    ]);
  });

  test('neighbours', () => {
    expect(
      arp(`IP address       HW type     Flags       HW address            Mask     Device
10.9.0.254       0x1         0x2         02:fc:00:00:00:05     *        v0
10.9.0.9         0x1         0x0         00:00:00:00:00:00     *        v0`).map((n) => [n.address, n.mac, n.state]),
    ).toEqual([
      ['10.9.0.254', '02:fc:00:00:00:05', 'STALE'],
      ['10.9.0.9', null, 'FAILED'],
    ]);
  });
});

describe('names', () => {
  test('resolv.conf: the last search holds, what is no address is left out, who wrote it', () => {
    expect(
      parseResolvConf(`# This is /run/systemd/resolve/stub-resolv.conf managed by man:systemd-resolved(8).
nameserver 127.0.0.53
nameserver fe80::1%eth0
nameserver nonsense
domain old.example
search lan example.org
options edns0 trust-ad
; nameserver 9.9.9.9`),
    ).toEqual({
      servers: ['127.0.0.53', 'fe80::1%eth0'],
      search: ['lan', 'example.org'],
      options: ['edns0', 'trust-ad'],
      writtenBy: 'systemd-resolved',
    });
    expect(parseResolvConf('').servers).toEqual([]);
  });

  test('the hosts line of nsswitch.conf', () => {
    expect(hostsLine('passwd: files\nhosts:          files resolve [!UNAVAIL=return] dns # last\n')?.value).toEqual([
      'files',
      'resolve',
      '[!UNAVAIL=return]',
      'dns',
    ]);
    expect(hostsLine('passwd: files')).toBeNull();
    expect(hostsLine('hosts:')?.value).toEqual([]);
  });

  test('resolvectl status, of 252 and 257', () => {
    const said = `Global
       Protocols: -LLMNR -mDNS -DNSOverTLS DNSSEC=no/unsupported
resolv.conf mode: stub
Fallback DNS Servers: 9.9.9.9#dns.quad9.net

Link 2 (enp0s3)
    Current Scopes: DNS
         Protocols: +DefaultRoute +LLMNR -mDNS -DNSOverTLS DNSSEC=no/unsupported
Current DNS Server: 192.168.1.1
       DNS Servers: 192.168.1.1
                    fe80::1%2
        DNS Domain: lan ~corp.example

Link 5 (tailscale0)
    Current Scopes: DNS
         Protocols: -DefaultRoute
       DNS Servers: 100.100.100.100
        DNS Domain: tail1.ts.net

Link 6 (docker0)
    Current Scopes: none
     Default Route: no
`;
    expect(parseResolvectl(said)).toEqual({
      servers: ['9.9.9.9', '192.168.1.1', 'fe80::1%2', '100.100.100.100'],
      links: [
        {
          name: 'enp0s3',
          servers: ['192.168.1.1', 'fe80::1%2'],
          domains: ['lan', '~corp.example'],
          defaultRoute: true,
        },
        { name: 'tailscale0', servers: ['100.100.100.100'], domains: ['tail1.ts.net'], defaultRoute: false },
      ],
    });
  });
});

test('counters stand in pairs of lines', () => {
  const text = 'Tcp: RtoAlgorithm OutSegs RetransSegs\nTcp: 1 15000 83\nUdp: InDatagrams\nUdp: 9\n';
  expect(pairedLines(text, 'Tcp')?.get('RetransSegs')).toBe(83);
  expect(pairedLines(text, 'Icmp')).toBeNull();
  expect(pairedLines('Tcp: a b', 'Tcp')).toBeNull();
});

test('ss -ti: what is left out while it is 0 is 0, and an interface behind an address is no part of it', () => {
  const found = parseDetails(
    `ESTAB 0 0 10.0.0.1:22 10.0.0.2:50000 cubic rto:204 rtt:0.5/0.2 retrans:0/3 bytes_sent:12 bytes_received:9
ESTAB 0 0 [fe80::1%eth0]:443 [fe80::2]:50001 cubic rtt:12.25/3
garbage`,
  );
  expect(found.get('10.0.0.1|22|10.0.0.2|50000')).toEqual({
    rttMs: 0.5,
    retransmits: 3,
    bytesSent: 12,
    bytesReceived: 9,
  });
  expect(found.get('fe80::1|443|fe80::2|50001')).toMatchObject({ rttMs: 12.25, retransmits: 0, bytesSent: null });
  expect(found.size).toBe(2);
});
