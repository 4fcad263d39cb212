/**
 * A tailscaled's LocalAPI over a Unix socket, with its refusals (a wrong Host, an Origin, a Referer), and `tailscale serve` in front of a
 * Unix socket: a reverse proxy that deletes what a client made up and sets what it knows, as serve does. Synthetic, after its source.
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const folder = new URL('../fixtures/tailscale/', import.meta.url);
export const fixture = (name: string): string => readFileSync(new URL(name, folder), 'utf8');

export interface Tailscaled {
  socket: string;
  /** By address: a fixture's name, or JSON. */
  whois: Map<string, string>;
  /** JSON. */
  status: string;
  serve: string;
  version: string;
  /** Whether whoever asks may change what is served: root, or the operator. */
  mayWrite: boolean;
  /** What it does instead of answering. */
  instead: ((request: IncomingMessage, answer: () => void) => void) | null;
  /** `whois?addr=…` as they came. */
  asked: string[];
  close(): Promise<void>;
}

const ADDR = /^(nodekey:[0-9a-f]{64}|[0-9.]+(:\d{1,5})?|\[?[0-9a-fA-F:.]+\]?(:\d{1,5})?)$/;

export async function tailscaled(socket: string): Promise<Tailscaled> {
  const server = createServer((incoming, outgoing) => {
    const end = (status: number, body: string, type = 'text/plain; charset=utf-8') => {
      outgoing.writeHead(status, { 'content-type': type });
      outgoing.end(body);
    };
    const answer = () => {
      outgoing.setHeader('Tailscale-Version', fake.version);
      outgoing.setHeader('Tailscale-Cap', '130');
      const { host, origin, referer } = incoming.headers;
      if (origin || referer || (host !== '' && host !== 'local-tailscaled.sock'))
        return end(403, 'invalid localapi request\n');
      const url = new URL(incoming.url as string, 'http://x');
      if (url.pathname === '/localapi/v0/status') {
        if (url.searchParams.get('peers') !== 'false') return end(200, fake.status, 'application/json');
        return end(200, fake.status.replace(/"Peer": \{[\s\S]*?\n {2}\}/, '"Peer": null'), 'application/json');
      }
      if (url.pathname === '/localapi/v0/serve-config') {
        const etag = hash('sha256', fake.serve);
        if (incoming.method !== 'POST') {
          outgoing.setHeader('Etag', etag);
          return end(200, fake.serve, 'application/json');
        }
        if (!fake.mayWrite) return end(403, 'serve config denied\n');
        if ((incoming.headers['if-match'] ?? etag) !== etag) return end(412, 'etag mismatch\n');
        let body = '';
        incoming.on('data', (part) => {
          body += part;
        });
        incoming.on('end', () => {
          fake.serve = body;
          end(200, '');
        });
        return;
      }
      if (url.pathname === '/localapi/v0/whois') {
        const addr = url.searchParams.get('addr') ?? '';
        if (addr === '') return end(400, "missing 'addr' parameter\n");
        if (!ADDR.test(addr)) return end(400, "invalid 'addr' parameter\n");
        const known = fake.whois.get(addr) ?? fake.whois.get(addr.replace(/:\d+$/, ''));
        if (known === undefined) return end(404, 'no match for IP:port\n');
        return end(200, known.endsWith('.json') ? fixture(known) : known, 'application/json');
      }
      if (url.pathname.startsWith('/localapi/v0/cert/')) return end(403, 'cert access denied\n');
      end(404, 'not found\n');
    };
    fake.asked.push((incoming.url as string).replace('/localapi/v0/', ''));
    if (fake.instead) fake.instead(incoming, answer);
    else answer();
  });
  const fake: Tailscaled = {
    socket,
    whois: new Map(),
    status: fixture('status-running.json'),
    serve: fixture('serve-config-ok.json'),
    version: '1.102.4-tFAKE',
    mayWrite: true,
    instead: null,
    asked: [],
    close: () => closed(server),
  };
  await new Promise<void>((ok) => server.listen(socket, ok));
  return fake;
}

function closed(server: Server): Promise<void> {
  const gone = new Promise<void>((ok) => server.close(() => ok()));
  server.closeAllConnections();
  return gone;
}

/** What one peer of the tailnet is to serve. */
export interface Peer {
  address: string;
  login?: string;
  /** As it comes from the Internet. */
  funnel?: boolean;
}

export interface Serve {
  url: string;
  /** From whom the next requests come. */
  peer: Peer;
  close(): Promise<void>;
}

/** As Go's mime.QEncoding does it. */
const encoded = (text: string) =>
  /^[\x20-\x7e]*$/.test(text)
    ? text
    : `=?utf-8?q?${[...Buffer.from(text)].map((b) => (b === 0x20 ? '_' : /[\w.@-]/.test(String.fromCharCode(b)) && b !== 0x5f ? String.fromCharCode(b) : `=${b.toString(16).toUpperCase().padStart(2, '0')}`)).join('')}?=`;

export async function serve(
  socketPath: string,
  peer: Peer,
  at: { host: string; port: number } = { host: '127.0.0.1', port: 0 },
): Promise<Serve> {
  const server = createServer((incoming, outgoing) => {
    const { address, login, funnel } = front.peer;
    const headers = Object.fromEntries(
      Object.entries(incoming.headers).filter(([name]) => !/^tailscale-|^x-forwarded-/.test(name)),
    );
    Object.assign(headers, {
      host: 'localhost',
      'x-forwarded-host': incoming.headers.host,
      'x-forwarded-proto': 'https',
      'x-forwarded-for': address,
    });
    if (funnel) headers['tailscale-funnel-request'] = '?1';
    else if (login !== undefined)
      Object.assign(headers, { 'tailscale-user-login': encoded(login), 'tailscale-user-name': encoded(login) });
    const sent = request({ socketPath, method: incoming.method, path: incoming.url, headers }, (response) => {
      outgoing.writeHead(response.statusCode as number, response.headers);
      response.pipe(outgoing);
    });
    sent.on('error', () => outgoing.writeHead(502).end());
    outgoing.on('close', () => sent.destroy());
    incoming.pipe(sent);
  });
  const front: Serve = { url: '', peer, close: () => closed(server) };
  await new Promise<void>((ok) => server.listen(at.port, at.host, ok));
  front.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  return front;
}
