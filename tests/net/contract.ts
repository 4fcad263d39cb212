/** What every NetHost does, the fake and the readers alike: tools tested with the fake meet no other host in the field. */
import { expect, test } from 'vitest';
import { parseIp } from '../../src/core/ip.ts';
import type { NetHost } from '../../src/core/net.ts';
import { expectSound } from '../host/contract.ts';

export function netContract(name: string, net: () => NetHost): void {
  test(`${name}: interfaces are named once, with addresses that are some, and loopback is there`, async () => {
    const { value, why } = await net().links();
    expect(why).toBeUndefined();
    expectSound(value);
    const names = value?.links.map((l) => l.name) ?? [];
    expect(new Set(names).size).toBe(names.length);
    expect(value?.links.find((l) => l.kind === 'loopback')?.name).toBe('lo');
    for (const l of value?.links ?? []) {
      for (const a of l.addresses) expect(parseIp(a.address)?.family, a.address).toBe(a.family);
      if (l.up === false) expect(l.carrier).toBeNull();
    }
  });

  test(`${name}: routes lead somewhere, and none of them is to ourselves`, async () => {
    const { value } = await net().routes();
    expect(value?.routes.every((r) => r.hops.length > 0 && r.table !== 'local')).toBe(true);
    for (const r of value?.routes ?? []) if (r.type === 'unicast') expect(r.hops[0]?.device).toBeTruthy();
  });

  test(`${name}: sockets are of the kinds asked for, and their holders are known by inode`, async () => {
    const tcp = await net().sockets(['tcp']);
    expectSound(tcp);
    expect(tcp.sockets.every((s) => s.kind === 'tcp' && s.port >= 0 && s.port <= 65_535)).toBe(true);
    for (const s of tcp.sockets) {
      expect(parseIp(s.address)?.family, s.address).toBe(s.family);
      if (s.state === 'LISTEN') expect(s.peerPort).toBe(0);
      if (s.state === 'TIME-WAIT') expect(s.inode).toBe(0);
    }
    const unix = await net().sockets(['unix']);
    expect(unix.sockets.every((s) => s.kind === 'unix' && s.family === null)).toBe(true);
    const wanted = new Set(tcp.sockets.map((s) => s.inode).filter((n) => n > 0));
    const { byInode } = await net().owners(wanted);
    for (const [inode, owner] of byInode) {
      expect(wanted.has(inode)).toBe(true);
      expect(owner.pid).toBeGreaterThan(0);
      expect(owner.name).not.toBe('');
    }
    expect((await net().owners(new Set())).byInode.size).toBe(0);
  });

  test(`${name}: names, neighbours, rules and counters are there or say why not`, async () => {
    const dns = await net().dns();
    const all = [
      dns.file,
      dns.hosts,
      dns.resolved,
      await net().neighbours(),
      await net().firewall(),
      await net().tcpDetails(),
    ];
    for (const r of all) if (r.value === null) expect(r.why).toBeTruthy();
    for (const s of dns.file.value?.servers ?? []) expect(parseIp(s), s).not.toBeNull();
    const counters = await net().counters();
    expectSound(counters);
    expect(counters.tcp.value?.segmentsOut).toBeGreaterThanOrEqual(0);
  });
}
