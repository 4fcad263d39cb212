/**
 * Lines of /proc/net/{tcp,tcp6,udp,udp6,unix} as sockets. Pure. No regular expressions and few strings: a busy host has tens of
 * thousands of lines, and an address is made into text once however many sockets have it.
 */
import type { Socket } from '../../core/net.ts';
import { utf8 } from '../system/files.ts';
import { uint } from '../system/procfs.ts';
import { hexAddress } from './hex.ts';

/** As `ss` writes them. 12 is a request that became no socket yet. */
const STATES = [
  '',
  'ESTAB',
  'SYN-SENT',
  'SYN-RECV',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'TIME-WAIT',
  'UNCONN',
  'CLOSE-WAIT',
  'LAST-ACK',
  'LISTEN',
  'CLOSING',
  'SYN-RECV',
] as const;

const hex = (text: string, from: number, to: number) => Number.parseInt(text.slice(from, to), 16);

/** Takes lines of one table, one after the other. The heading, and what is cut short, is null. */
export function inetParser(kind: 'tcp' | 'udp', family: 4 | 6): (line: string) => Socket | null {
  const wide = family === 4 ? 8 : 32;
  const known = new Map<string, string | null>();
  const address = (digits: string): string | null => {
    let text = known.get(digits);
    if (text === undefined) {
      text = hexAddress(digits);
      // Scanners and attacks have a new address on each line.
      if (known.size > 20_000) known.clear();
      known.set(digits, text);
    }
    return text;
  };
  return (line) => {
    const colon = line.indexOf(':');
    if (colon < 0 || line.charCodeAt(colon + 1) !== 32) return null;
    const at = colon + 2;
    const peerAt = at + wide + 6;
    const stateAt = peerAt + wide + 6;
    const here = address(line.slice(at, at + wide));
    const peer = address(line.slice(peerAt, peerAt + wide));
    const state = STATES[hex(line, stateAt, stateAt + 2)];
    if (here === null || peer === null || !state) return null;
    const scan = { text: line, at: stateAt + 41 };
    const uid = uint(scan);
    uint(scan);
    const inode = uint(scan);
    const socket: Socket = {
      kind,
      family,
      state,
      address: here,
      port: hex(line, at + wide + 1, at + wide + 5),
      peer,
      peerPort: hex(line, peerAt + wide + 1, peerAt + wide + 5),
      sendQueue: hex(line, stateAt + 3, stateAt + 11),
      receiveQueue: hex(line, stateAt + 12, stateAt + 20),
      // Of UDP the field is the socket's own timer, and always 0.
      retransmits: hex(line, stateAt + 33, stateAt + 41),
      uid,
      inode: inode as number,
    };
    return uid === null ||
      inode === null ||
      Number.isNaN(socket.port + socket.peerPort + socket.sendQueue + socket.receiveQueue)
      ? null
      : { ...socket, retransmits: socket.retransmits || 0 };
  };
}

const ACCEPTS = 0x10000;

/** "0000000000000000: 00000002 00000000 00010000 0001 01 19442 /run/dbus/socket" */
export function unixSocket(line: string): Socket | null {
  const colon = line.indexOf(':');
  if (colon < 0 || line.charCodeAt(colon + 1) !== 32) return null;
  const words = line.slice(colon + 2).split(' ');
  const [, , flags = '', , state = ''] = words;
  const scan = { text: line, at: colon + 37 };
  const inode = uint(scan);
  if (inode === null) return null;
  const listens = (Number.parseInt(flags, 16) & ACCEPTS) !== 0;
  return {
    kind: 'unix',
    family: null,
    state: listens ? 'LISTEN' : state === '03' ? 'ESTAB' : state === '02' ? 'SYN-SENT' : 'UNCONN',
    address: line.charCodeAt(scan.at) === 32 ? utf8(line.slice(scan.at + 1)) : '',
    port: 0,
    peer: '',
    peerPort: 0,
    receiveQueue: 0,
    sendQueue: 0,
    retransmits: 0,
    uid: null,
    inode,
  };
}
