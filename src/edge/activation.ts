/**
 * Sockets that systemd holds and hands to us (deckhand.socket): which they are, and whether they are what the owner has set. Decides that
 * there is one for HTTP and one for `tailscale serve`, that a setting which says otherwise is a mistake to be told and not one to be
 * guessed at, and that an address is judged the same whoever opened it (binding.ts). Loaded only where sockets were passed.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { OpsError } from '../core/errors.ts';
import { ipText, parseIp } from '../core/ip.ts';
import { addressToListen, type Binding } from './binding.ts';

/** As it was passed: a number, and what its socket unit calls it (FileDescriptorName=). */
export interface Passed {
  fd: number;
  name: string;
}

export interface Inherited {
  http: { fd: number; host: string; port: number } | null;
  tailnet: { fd: number; path: string } | null;
}

const TAILNET = 'tailnet';
/** systemd starts no socket anew whose service runs. */
const ANEW = 'systemctl stop deckhand.service deckhand.socket; systemctl start deckhand.socket deckhand.service';

/** Text of a file in /proc/self; for the tests. */
export interface Look {
  read(path: string): string;
  link(path: string): string;
}
const here: Look = { read: (path) => readFileSync(path, 'utf8'), link: (path) => readlinkSync(path) };

export function inheritedOf(passed: readonly Passed[], look: Look = here): Inherited {
  const found: Inherited = { http: null, tailnet: null };
  for (const { fd, name } of passed) {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(fd, look))?.[1];
    const tcp = inode === undefined ? null : tcpOf(inode, look);
    const path = inode === undefined || tcp ? null : unixOf(inode, look);
    if (path !== null && name === TAILNET && !found.tailnet) found.tailnet = { fd, path };
    else if (tcp && name !== TAILNET && !found.http) found.http = { fd, ...tcp };
    else throw odd(fd, name, tcp ? `${bracketed(tcp.host)}:${tcp.port}` : path, found.http !== null && tcp !== null);
  }
  return found;
}

function odd(fd: number, name: string, at: string | null, second: boolean): OpsError {
  const what = `Descriptor ${fd} (${name.slice(0, 40) || 'no name'})`;
  if (second)
    return new OpsError('validation', `${what} is a second address, ${at}: Deckhand listens on one.`, {
      hint: 'Leave one ListenStream= in deckhand.socket: `systemctl cat deckhand.socket` shows all; an empty `ListenStream=` before it clears the list.',
    });
  if (at === null)
    return new OpsError('validation', `${what} is no socket that listens for connections, or of another network.`, {
      hint: 'Use ListenStream= with an address and port, and Accept=no; a service with PrivateNetwork= sees no sockets of the host.',
    });
  return new OpsError('validation', `${what} listens on ${at}, and Deckhand does not know what for.`, {
    hint: `A port (ListenStream=127.0.0.1:7070) serves HTTP; a Unix socket serves \`tailscale serve\`, and is called so: FileDescriptorName=${TAILNET}.`,
  });
}

function linkOf(fd: number, look: Look): string {
  try {
    return look.link(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

/** State of a TCP socket that listens. */
const LISTEN = '0A';

function tcpOf(inode: string, { read }: Look): { host: string; port: number } | null {
  for (const table of ['tcp', 'tcp6'])
    for (const line of linesOf(read, `/proc/self/net/${table}`)) {
      const fields = line.trim().split(/\s+/);
      if (fields[9] !== inode || fields[3] !== LISTEN) continue;
      const [host = '', port = ''] = (fields[1] as string).split(':');
      return { host: address(host), port: Number.parseInt(port, 16) };
    }
  return null;
}

/** Its path. Flag 0x10000: it listens; type 1: a stream. */
function unixOf(inode: string, { read }: Look): string | null {
  for (const line of linesOf(read, '/proc/self/net/unix')) {
    const m = /^\S+ \S+ \S+ 00010000 0001 \S+ +(\d+) (\/.*)$/.exec(line);
    if (m?.[1] === inode) return m[2] as string;
  }
  return null;
}

function linesOf(read: Look['read'], path: string): string[] {
  try {
    return read(path).split('\n').slice(1);
  } catch {
    // IPv6 is off: there is no such table.
    return [];
  }
}

/** The kernel prints words of 32 bits as this machine has them; all that Deckhand runs on have the low byte first. */
function address(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  return ipText({ family: bytes.length === 4 ? 4 : 6, bits: BigInt(`0x${bytes.join('')}`) });
}

const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host);

/** What the owner has set himself, and not left at its default. */
export interface Chosen {
  host: boolean;
  port: boolean;
}

/** Where we are to listen, with the socket that does already. Throws where the settings say otherwise, or nobody may listen there. */
export async function inheritedAddress(
  own: NonNullable<Inherited['http']>,
  http: Binding,
  chosen: Chosen,
  resolve?: (name: string) => Promise<string[]>,
): Promise<{ host: string; port: number; address: string; fd: number }> {
  const at = `${bracketed(own.host)}:${own.port}`;
  // 0 takes whatever port there is.
  const otherPort = chosen.port && http.port !== 0 && http.port !== own.port;
  const wanted = chosen.host ? await addressToListen(http, resolve) : own.host;
  if (otherPort || !same(wanted, own.host)) {
    const set = `${bracketed(chosen.host ? http.host : own.host)}:${otherPort ? http.port : own.port}`;
    throw new OpsError('conflict', `deckhand.socket listens on ${at}, and the settings say ${set}.`, {
      hint: `Make them one: take \`http.host\` and \`http.port\` out of the settings, or \`systemctl edit deckhand.socket\` with the lines [Socket], ListenStream=, ListenStream=${set}, and \`${ANEW}\`. Or do without: \`systemctl disable --now deckhand.socket\`.`,
    });
  }
  try {
    return { ...own, address: await addressToListen({ ...http, host: own.host, port: own.port }, resolve) };
  } catch (thrown) {
    if (!(thrown instanceof OpsError)) throw thrown;
    const { code, message, details } = thrown;
    throw new OpsError(code, `deckhand.socket listens on ${at}. ${message}`, {
      hint: `${details.hint ?? ''}\n    - The socket back on loopback: \`systemctl edit deckhand.socket\` with the lines [Socket], ListenStream=, ListenStream=127.0.0.1:${own.port}, then \`${ANEW}\`.`,
      cause: thrown,
    });
  }
}

function same(a: string, b: string): boolean {
  const [x, y] = [parseIp(a), parseIp(b)];
  return x !== null && y !== null ? x.family === y.family && x.bits === y.bits : a === b;
}

/** The one that was passed is the one that the settings name. */
export function inheritedTailnet(own: NonNullable<Inherited['tailnet']>, setting: string | null): { fd: number } {
  if (setting === own.path) return { fd: own.fd };
  throw new OpsError(
    'conflict',
    setting === null
      ? `A socket for \`tailscale serve\` was passed (${own.path}), and \`tailnet.socket\` is not set.`
      : `A socket for \`tailscale serve\` was passed (${own.path}), and \`tailnet.socket\` says ${setting}.`,
    {
      hint: `Set \`tailnet.socket: ${own.path}\`, or do without: \`systemctl disable --now deckhand-tailnet.socket\`.`,
    },
  );
}
