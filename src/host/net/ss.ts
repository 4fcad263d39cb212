/** What only the kernel's socket monitor tells of TCP connections, through `ss -ti`. It costs three times a plain list: only on request. */
import { toOpsError } from '../../core/errors.ts';
import type { Bounded, Reading } from '../../core/host.ts';
import { ipText, parseIp } from '../../core/ip.ts';
import { socketKey, type TcpDetail } from '../../core/net.ts';
import { known, type Root, unknown } from '../system/files.ts';
import { type Commands, MOUNTED } from './ip.ts';

const TIMEOUT_MS = 8_000;
const MAX_BYTES = 64 * 1024 * 1024;

export function tcpDetailReader(root: Root, commands: Commands) {
  return async (o: Bounded = {}): Promise<Reading<Map<string, TcpDetail>>> => {
    if (root.foreign) return unknown(MOUNTED);
    if (!commands.has('ss')) return unknown('`ss` (iproute2) is not installed');
    try {
      const { code, stdout, stderr } = await commands.exec({
        binary: 'ss',
        args: ['-t', '-n', '-i', '-O', '-H'],
        timeoutMs: TIMEOUT_MS,
        maxBytes: MAX_BYTES,
        ...(o.signal ? { signal: o.signal } : {}),
      });
      if (code !== 0) return unknown(`ss says: ${stderr.trim().split('\n')[0]}`);
      return known(parseDetails(stdout));
    } catch (error) {
      o.signal?.throwIfAborted();
      return unknown(toOpsError(error).message);
    }
  };
}

/** "ESTAB 0 0 10.0.0.1:22 10.0.0.2:50000 cubic rto:204 rtt:0.5/0.2 retrans:0/3 bytes_sent:12 bytes_received:9 …" */
export function parseDetails(stdout: string): Map<string, TcpDetail> {
  const found = new Map<string, TcpDetail>();
  for (const line of stdout.split('\n', 200_000)) {
    const [, , , here = '', there = '', ...rest] = line.trim().split(/\s+/);
    const at = place(here);
    const peer = place(there);
    if (!at || !peer) continue;
    const word = (key: string) => rest.find((w) => w.startsWith(`${key}:`))?.slice(key.length + 1);
    const number = (text: string | undefined) => {
      const n = Number.parseFloat(text ?? '');
      return Number.isFinite(n) ? n : null;
    };
    found.set(socketKey({ address: at.address, port: at.port, peer: peer.address, peerPort: peer.port }), {
      rttMs: number(word('rtt')?.split('/')[0]),
      // Left out while it is 0.
      retransmits: number(word('retrans')?.split('/')[1]) ?? 0,
      bytesSent: number(word('bytes_sent')),
      bytesReceived: number(word('bytes_received')),
    });
  }
  return found;
}

/** "10.0.0.1%eth0:22", "[::ffff:10.0.0.1]:22" */
function place(text: string): { address: string; port: number } | null {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  const ip = parseIp(text.slice(0, Math.max(0, colon)).replace(/^\[|\]$/g, ''));
  return ip === null || !Number.isInteger(port) ? null : { address: ipText(ip), port };
}
