/**
 * An engine on another host through `ssh HOST docker system dial-stdio`, as Docker's own client does it: the program's two streams as
 * one connection. Keys, known hosts and names are ssh's own affair; it is never asked to prompt.
 */
import { Duplex } from 'node:stream';
import { execPipe } from '../exec.ts';
import type { Address } from './endpoint.ts';

type Piped = ReturnType<typeof execPipe>;
const MOST_SAID = 400;

/** What HTTP does to a socket, and a pair of pipes has not. */
class PipeSocket extends Duplex {
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}

export const sshArguments = (address: Extract<Address, { kind: 'ssh' }>): string[] => [
  ...['-o', 'BatchMode=yes', '-o', 'ConnectTimeout=3', '-o', 'ClearAllForwardings=yes', '-T'],
  ...(address.user === null ? [] : ['-l', address.user]),
  ...(address.port === null ? [] : ['-p', String(address.port)]),
  ...['--', address.host, 'docker', 'system', 'dial-stdio'],
];

export const connectSsh = (address: Extract<Address, { kind: 'ssh' }>): Duplex =>
  connectionOf(execPipe('ssh', sshArguments(address)));

/** The streams of a program as one connection, which dies with it, and it with that. */
export function connectionOf(child: Piped): Duplex {
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(0, MOST_SAID);
  });
  const socket: PipeSocket = new PipeSocket({
    read: () => child.stdout.resume(),
    write: (chunk, _encoding, done) => void child.stdin.write(chunk, done),
    final: (done) => void child.stdin.end(done),
    destroy(error, done) {
      child.kill('SIGKILL');
      done(error);
    },
  });
  child.stdin.on('error', () => {});
  child.stdout.on('data', (chunk: Buffer) => {
    if (!socket.push(chunk)) child.stdout.pause();
  });
  child.stdout.on('end', () => socket.push(null));
  child.on('error', (error) => socket.destroy(error));
  child.on('close', (code) => {
    if (code === 0) return;
    socket.destroy(Object.assign(new Error(`ssh ended with ${code}: ${said.trim()}`), { code: 'ESSH' }));
  });
  return socket;
}
