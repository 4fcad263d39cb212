/** The other machine of a namespace test: servers for names, TCP, TLS and HTTP as its one argument (JSON) says. Prints `up` when all listen. */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { decode, encode } from 'dns-packet';

export interface Far {
  /** `names`: addresses by name, NXDOMAIN for others; null: says nothing at all. */
  dns?: { address: string; names: Record<string, string[]> | null }[];
  /** Takes connections and keeps silent. */
  mute?: { address: string; port: number }[];
  /** Answers GET with so many bytes. */
  http?: { address: string; port: number; bytes: number; status?: number }[];
  tls?: { address: string; port: number; cert: string; key: string }[];
}

const far = JSON.parse(process.argv[2] ?? '{}') as Far;
const ready: Promise<unknown>[] = [];
const listen = (server: ReturnType<typeof createServer>, { address, port }: { address: string; port: number }) =>
  ready.push(new Promise<void>((up) => server.listen(port, address, up)));

for (const { address, names } of far.dns ?? []) {
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  udp.on('message', (bytes, from) => {
    if (names === null) return;
    const q = decode(bytes);
    const asked = q.questions?.[0];
    if (!asked) return;
    const known = names[asked.name.toLowerCase()];
    const answers = (known ?? []).flatMap((data) =>
      data.includes(':') === (asked.type === 'AAAA') && (asked.type === 'A' || asked.type === 'AAAA')
        ? [{ type: asked.type, name: asked.name, ttl: 5, data }]
        : [],
    );
    udp.send(
      encode({
        type: 'response',
        id: q.id ?? 0,
        flags: 0x0180 | (known ? 0 : 3),
        questions: q.questions ?? [],
        answers,
      } as never),
      from.port,
      from.address,
    );
  });
  ready.push(new Promise<void>((up) => udp.bind(53, address, up)));
}
for (const at of far.mute ?? [])
  listen(
    createServer((s) => s.on('error', () => {}).resume()),
    at,
  );
for (const at of far.http ?? [])
  listen(
    createHttp((_q, r) => r.writeHead(at.status ?? 200, { 'content-type': 'text/plain' }).end('x'.repeat(at.bytes))),
    at,
  );
for (const at of far.tls ?? [])
  listen(
    createTls({ cert: readFileSync(at.cert), key: readFileSync(at.key) }, (s) =>
      s.on('error', () => {}).once('data', () => s.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')),
    ),
    at,
  );
await Promise.all(ready);
process.stdout.write('up\n');
