/** What the network stack counts: retransmits, overflows, tracked connections. A few small files, read when asked. */

import type { Reading } from '../../core/host.ts';
import type { Carried, StackCounters } from '../../core/net.ts';
import { garbled, known, type Root, readText, unknown, whyUnread } from '../system/files.ts';
import { field, firstNumber, parseNetDev, uint } from '../system/procfs.ts';

/** /proc/net/snmp and netstat: a line of names, then a line of numbers, both after the same word. */
export function pairedLines(text: string, word: string): Map<string, number> | null {
  const lines = text.split('\n', 200);
  const at = lines.findIndex((line) => line.startsWith(`${word}: `));
  const names = lines[at]?.slice(word.length + 2).split(' ');
  const numbers = lines[at + 1]?.slice(word.length + 2).split(' ');
  if (at < 0 || !names || !numbers || !lines[at + 1]?.startsWith(`${word}: `)) return null;
  return new Map(names.map((name, i) => [name, Number(numbers[i])]));
}

export function counterReader(root: Root, netFile: (name: string) => string, monotonic: () => number) {
  const reading = <T>(path: string, parse: (text: string) => T | null): Reading<T> => {
    try {
      const value = parse(readText(root.of(path)));
      return value === null ? garbled(path) : known(value);
    } catch (error) {
      return unknown(whyUnread(error, path));
    }
  };
  const number = (path: string) => reading(path, firstNumber);

  return (): StackCounters => {
    const snmp = reading(netFile('snmp'), (text) => text);
    const more = reading(netFile('netstat'), (text) => pairedLines(text, 'TcpExt')).value;
    const of = <T>(word: string, make: (get: (key: string) => number | null) => T | null): Reading<T> => {
      if (snmp.value === null) return snmp;
      const table = pairedLines(snmp.value, word);
      const value = table && make((key) => finite(table.get(key)));
      return value === null ? garbled(netFile('snmp')) : known(value);
    };
    const used = number('/proc/sys/net/netfilter/nf_conntrack_count');
    const max = number('/proc/sys/net/netfilter/nf_conntrack_max');
    return {
      atMs: monotonic(),
      tcp: of('Tcp', (get) => {
        const segmentsOut = get('OutSegs');
        const retransmitted = get('RetransSegs');
        if (segmentsOut === null || retransmitted === null) return null;
        return {
          segmentsOut,
          retransmitted,
          listenOverflows: finite(more?.get('ListenOverflows')),
          resetsSent: get('OutRsts'),
        };
      }),
      udp: of('Udp', (get) => {
        const receiveBufferErrors = get('RcvbufErrors');
        const noPort = get('NoPorts');
        return receiveBufferErrors === null || noPort === null ? null : { receiveBufferErrors, noPort };
      }),
      conntrack:
        used.value !== null && max.value !== null
          ? known({ used: used.value, max: max.value })
          : unknown('Connections are not tracked here, or that is not to be seen.'),
      ephemeralPorts: reading('/proc/sys/net/ipv4/ip_local_port_range', (text) => {
        const scan = { text, at: 0 };
        const from = uint(scan);
        const to = uint(scan);
        return from === null || to === null || to < from ? null : { from, to };
      }),
      timeWait: reading(netFile('sockstat'), timeWaitOf),
    };
  };
}

/** "TCP: inuse 27 orphan 1 tw 23 alloc 31 mem 3" */
function timeWaitOf(text: string): number | null {
  const line = text.split('\n', 20).find((l) => l.startsWith('TCP: '));
  return line === undefined ? null : field(line.slice(5).replaceAll(/ (?=[a-z])/g, '\n'), 'tw');
}

const finite = (n: number | undefined): number | null => (n !== undefined && Number.isFinite(n) && n >= 0 ? n : null);

export function carriedReader(root: Root, monotonic: () => number) {
  return async (pid: number): Promise<Reading<Carried>> => {
    const path = `/proc/${pid}/net/dev`;
    try {
      const devices = parseNetDev(readText(root.of(path)))?.filter((d) => d.name !== 'lo');
      if (!devices) return garbled(path);
      const sum = (key: 'rxBytes' | 'txBytes') => devices.reduce((n, d) => n + d[key], 0);
      return known({ atMs: monotonic(), rxBytes: sum('rxBytes'), txBytes: sum('txBytes') });
    } catch (error) {
      return unknown(whyUnread(error, path));
    }
  };
}
