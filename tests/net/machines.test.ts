/** Kinds of machine whose files are mounted: no command can be run there, and what that hides is said. */

import { endianness } from 'node:os';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, test } from 'vitest';
import type { Principal } from '../../src/core/call.ts';
import type { NetConnectionsAnswer } from '../../src/tools/net_connections.ts';
import type { NetOverviewAnswer } from '../../src/tools/net_overview.ts';
import { machine } from '../fakes/machine.ts';
import { callOf, reader } from '../fakes/policy.ts';
import { type Laid, layNetwork } from './fixture.ts';

const looker: Principal = { ...reader, id: 'token:looker', scopes: new Set(['net:read']) };

async function asked<A>(kind: string, laid: Laid, tool = 'net_overview'): Promise<{ data: A; text: string }> {
  using m = await machine(kind, { prepare: (folder) => layNetwork(folder, laid) });
  m.later();
  const outcome = await m.rig.door.run(callOf(tool, {}, { face: 'mcp-stdio', principal: looker }));
  if (outcome.status !== 'done') throw new Error(JSON.stringify(outcome));
  return { data: outcome.data as A, text: outcome.text };
}

const VM: Laid = {
  links: { lo: { kind: 'loopback', mtu: 65_536 }, ens18: { kind: 'device' } },
  routes: [
    ['ens18', '0.0.0.0/0', '10.20.0.1'],
    ['ens18', '10.20.0.0/22', null],
  ],
  addresses: ['10.20.1.7'],
  listens: [
    ['0.0.0.0:22', 612],
    ['127.0.0.1:5432', 613],
    ['127.0.0.53:53/udp', 612],
  ],
  resolvConf: '# managed by man:systemd-resolved(8)\nnameserver 127.0.0.53\nsearch lan\n',
};

const PROXMOX: Laid = {
  links: {
    lo: { kind: 'loopback', mtu: 65_536 },
    eno1: { kind: 'device', master: 'vmbr0' },
    eno2: { kind: 'device', up: false },
    enxb03af2b6059f: { kind: 'device', up: false },
    vmbr0: { kind: 'bridge' },
    veth101i0: { master: 'vmbr0' },
    fwbr100i0: { kind: 'bridge' },
  },
  routes: [
    ['vmbr0', '0.0.0.0/0', '192.168.7.1'],
    ['vmbr0', '192.168.7.0/24', null],
  ],
  addresses: ['192.168.7.2'],
  listens: [
    ['0.0.0.0:8006', 1_510],
    ['127.0.0.1:85', 1_510],
    ['0.0.0.0:111', 1],
  ],
  resolvConf: '# --- BEGIN PVE ---\nsearch home.arpa\nnameserver 192.168.7.1\n# --- END PVE ---\n',
};

const LXC: Laid = {
  links: { lo: { kind: 'loopback', mtu: 65_536 }, eth0: {} },
  routes: [['eth0', '192.168.7.0/24', null]],
  addresses: ['192.168.7.40'],
  listens: [['0.0.0.0:8096', 1]],
  resolvConf: 'nameserver 127.0.0.53\n',
};

describe.skipIf(endianness() !== 'LE')('a mounted', () => {
  test('virtual machine: without ip, with holders, and what is hidden named', async () => {
    const { data, text } = await asked<NetOverviewAnswer>('vm', VM);
    expect(data.findings).toEqual([]);
    expect(data.interfaces).toMatchObject([
      { name: 'ens18', kind: 'ethernet', role: 'lan', state: 'up', addresses: ['10.20.1.7/22'] },
    ]);
    expect(data.routes.defaults).toMatchObject([{ via: '10.20.0.1', device: 'ens18' }]);
    expect(data.listeners.map((l) => [l.port, l.protocol, l.scope, l.pid])).toEqual([
      [22, 'tcp', 'all', 612],
      [5432, 'tcp', 'loopback', 613],
      [53, 'udp', 'loopback', 612],
    ]);
    expect(data.dns).toMatchObject({ servers: ['127.0.0.53'], writtenBy: 'systemd-resolved', search: ['lan'] });
    expect(data.unknown.map((u) => u.what)).toEqual(['other tables of routes', 'firewall']);
    expect(data.firewall).toBeNull();
    expect(encode(text).length, text).toBeLessThanOrEqual(700);
  });

  test('Proxmox node: the bridge is the way out, guests’ ends are left out', async () => {
    const { data, text } = await asked<NetOverviewAnswer>('proxmox-node', PROXMOX);
    expect(data.findings).toEqual([]);
    expect(data.interfaces.map((n) => [n.name, n.role, n.state, n.master])).toEqual([
      ['eno1', 'lan', 'up', 'vmbr0'],
      ['vmbr0', 'lan', 'up', null],
    ]);
    expect(data.leftOut.interfaces).toBeGreaterThan(5);
    expect(data.dns.writtenBy).toBe('Proxmox');
    expect(data.listeners.find((l) => l.port === 8_006)).toMatchObject({
      process: 'pvedaemon',
      scope: 'all',
      outside: null,
    });
    expect(encode(text).length, text).toBeLessThanOrEqual(1_000);
  });

  test('LXC without a way out and with a resolver that does not run', async () => {
    const { data } = await asked<NetOverviewAnswer>('lxc-lxcfs', LXC);
    expect(data.findings.map((f) => f.id)).toEqual(['no_default_route', 'dns_stub_dead']);
  });

  test('host’s sockets, grouped', async () => {
    const { data } = await asked<NetConnectionsAnswer>('vm', VM, 'net_connections');
    expect(data.groups.map((g) => [g.direction, g.port, g.pid])).toEqual([
      ['listen', 22, 612],
      ['bound', 53, 612],
      ['listen', 5432, 613],
    ]);
    expect(data).toMatchObject({ total: 3, segmentsOut: 900_000, segmentsRetransmitted: 1_200 });
  });
});
