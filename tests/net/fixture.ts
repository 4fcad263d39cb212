/** The network of a machine made of a fixture, written into its copy as the kernel's files have it (a little-endian machine's). */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface Laid {
  links: Record<
    string,
    { mtu?: number; up?: boolean; carrier?: boolean; kind?: 'bridge' | 'loopback' | 'device'; master?: string }
  >;
  /** Interface, network with length, gateway. */
  routes: readonly (readonly [string, string, string | null])[];
  addresses: readonly string[];
  /** `address:port`, its holder. */
  listens: readonly (readonly [string, number])[];
  resolvConf: string;
  nsswitch?: string;
}

const hex = (address: string) =>
  address
    .split('.')
    .toReversed()
    .map((n) => Number(n).toString(16).toUpperCase().padStart(2, '0'))
    .join('');
const mask = (length: number) =>
  hex([0, 8, 16, 24].map((at) => 256 - 2 ** Math.max(0, Math.min(8, 8 - (length - at)))).join('.'));

export function layNetwork(folder: string, laid: Laid): void {
  const write = (path: string, text: string) => {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  };
  for (const [i, [name, l]] of Object.entries(laid.links).entries()) {
    const at = `sys/class/net/${name}`;
    write(`${at}/mtu`, `${l.mtu ?? 1_500}\n`);
    write(`${at}/ifindex`, `${i + 1}\n`);
    write(`${at}/iflink`, `${i + 1}\n`);
    write(`${at}/flags`, l.up === false ? '0x1002\n' : '0x1003\n');
    write(`${at}/type`, l.kind === 'loopback' ? '772\n' : '1\n');
    if (l.up !== false) write(`${at}/carrier`, l.carrier === false ? '0\n' : '1\n');
    if (l.kind === 'bridge') write(`${at}/bridge/stp_state`, '0\n');
    if (l.kind === 'device') write(`${at}/device/vendor`, '0x8086\n');
    if (l.master) write(`${at}/master/uevent`, `INTERFACE=${l.master}\n`);
  }
  const route = ([device, to, gateway]: Laid['routes'][number]) => {
    const [address = '', length = '0'] = to.split('/');
    return [
      device,
      hex(address),
      hex(gateway ?? '0.0.0.0'),
      gateway ? '0003' : '0001',
      0,
      0,
      0,
      mask(Number(length)),
      0,
      0,
      0,
    ].join('\t');
  };
  write('proc/net/route', `Iface\tDestination\tGateway\n${laid.routes.map(route).join('\n')}\n`);
  const leaf = (address: string) => `     |-- ${address}\n        /32 host LOCAL`;
  write('proc/net/fib_trie', `Main:\nLocal:\n${['127.0.0.1', ...laid.addresses].map(leaf).join('\n')}\n`);
  const line = ([place]: Laid['listens'][number], i: number, state: string) => {
    const [address = '', port = '0'] = place.replace('/udp', '').split(':');
    const at = `${hex(address)}:${Number(port).toString(16).toUpperCase().padStart(4, '0')}`;
    return `${String(i).padStart(4)}: ${at} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${9_000 + i} 1 0 0`;
  };
  const of = (udp: boolean) => laid.listens.map((l, i) => ({ l, i })).filter(({ l }) => l[0].endsWith('/udp') === udp);
  write(
    'proc/net/tcp',
    `heading\n${of(false)
      .map(({ l, i }) => line(l, i, '0A'))
      .join('\n')}\n`,
  );
  write(
    'proc/net/udp',
    `heading\n${of(true)
      .map(({ l, i }) => line(l, i, '07'))
      .join('\n')}\n`,
  );
  for (const [i, [, pid]] of laid.listens.entries()) {
    mkdirSync(join(folder, `proc/${pid}/fd`), { recursive: true });
    symlinkSync(`socket:[${9_000 + i}]`, join(folder, `proc/${pid}/fd/${100 + i}`));
  }
  write(
    'proc/net/snmp',
    'Tcp: OutSegs RetransSegs OutRsts\nTcp: 900000 1200 80\nUdp: NoPorts RcvbufErrors\nUdp: 4 0\n',
  );
  write('proc/net/sockstat', 'sockets: used 300\nTCP: inuse 27 orphan 1 tw 23 alloc 31 mem 3\n');
  write('proc/sys/net/ipv4/ip_local_port_range', '32768\t60999\n');
  rmSync(join(folder, 'etc/resolv.conf'), { force: true });
  write('etc/resolv.conf', laid.resolvConf);
  write('etc/nsswitch.conf', `hosts: ${laid.nsswitch ?? 'files dns'}\n`);
}
