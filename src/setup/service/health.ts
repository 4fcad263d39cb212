/**
 * One question to a server that was just started: does /healthz answer? By a socket of our own, because where this server ends TLS its
 * certificate is nobody's business here. Decides what counts as an answer; for how long it is asked, up.ts.
 */
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { OpsError } from '../../core/errors.ts';

export interface Address {
  host: string;
  port: number;
}

const TRY_MS = 3_000;
const MOST_BYTES = 64 * 1024;

/** `127.0.0.1:7070`, `[::1]:7070`. Only addresses: systemd listens on nothing else. */
export function addressOf(text: string): Address {
  const m = /^(?:\[([0-9a-fA-F:.]+)\]|(\d{1,3}(?:\.\d{1,3}){3})|(localhost)):(\d{1,5})$/.exec(text.trim());
  const host = m?.[1] ?? m?.[2] ?? (m?.[3] ? '127.0.0.1' : undefined);
  const port = Number(m?.[4]);
  if (
    host === undefined ||
    !(port >= 1 && port <= 65_535) ||
    host.split('.').some((p) => /^\d+$/.test(p) && Number(p) > 255)
  )
    throw new OpsError('validation', `"${text.slice(0, 80)}" is no address to listen on.`, {
      hint: 'Write ADDRESS:PORT with a numeric address: 127.0.0.1:7070, 192.168.1.10:7070, [::1]:7070.',
    });
  return { host, port };
}

export const textOf = ({ host, port }: Address): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

export async function healthy({ host, port }: Address): Promise<boolean> {
  const at = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const said = await ask(at, port, false);
  // One that speaks TLS says so to who does not.
  return isLive(/speaks TLS/.test(said) || said === '' ? await ask(at, port, true) : said);
}

const isLive = (answer: string): boolean => /^HTTP\/1\.[01] 200 /.test(answer) && /"live"\s*:\s*true/.test(answer);

function ask(host: string, port: number, tls: boolean): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = tls ? connectTls({ host, port, rejectUnauthorized: false }) : connect({ host, port });
  let text = '';
  const end = () => {
    socket.destroy();
    resolve(text);
  };
  const timer = setTimeout(end, TRY_MS);
  socket.once(tls ? 'secureConnect' : 'connect', () => {
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  });
  socket.on('data', (part: Buffer) => {
    text += part.toString('latin1');
    if (text.length > MOST_BYTES || /\r\n\r\n[\s\S]*}/.test(text)) end();
  });
  socket.on('error', end);
  socket.on('close', () => {
    clearTimeout(timer);
    resolve(text);
  });
  return promise;
}
