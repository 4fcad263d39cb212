/** Probes against servers of this process: what each tells, and that none of them goes on when it should not. */
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTls } from 'node:tls';
import { decode, encode } from 'dns-packet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { probeHost } from '../../src/host/net/probe.ts';
import { pinged, traceBy, tracepathSaid, tracerouteSaid } from '../../src/host/net/probe_ping.ts';
import { createResolver } from '../../src/host/net/resolve.ts';

const has = () => false;
const settings = { allow: [], deny: [] };
const exec = () => Promise.reject(new Error('nothing is started here'));
const host = probeHost({ exec, has, settings });
const o = { timeoutMs: 5_000 };
const dir = mkdtempSync(join(tmpdir(), 'deckhand-probe-'));
const open: { close(): unknown }[] = [];
const sockets = new Set<Socket>();

async function listening<S extends Server>(server: S): Promise<{ address: string; port: number }> {
  open.push(server);
  server.on('connection', (s: Socket) => {
    sockets.add(s);
    s.on('error', () => {}).on('close', () => sockets.delete(s));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { address: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

const certificate = (name: string, days: string) => {
  const at = (f: string) => join(dir, `${name}.${f}`);
  execFileSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-keyout',
        at('key'),
        '-out',
        at('crt'),
      ],
      ...['-subj', `/O=Deckhand test/CN=${name}`, '-addext', `subjectAltName=DNS:${name},IP:127.0.0.1`, '-days', days],
    ],
    { stdio: 'ignore' },
  );
  return { key: readFileSync(at('key')), cert: readFileSync(at('crt')) };
};
let own: { key: Buffer; cert: Buffer };
beforeAll(() => {
  own = certificate('server.test', '30');
});
afterAll(() => {
  for (const s of sockets) s.destroy();
  for (const s of open) s.close();
  rmSync(dir, { recursive: true, force: true });
});

test('TCP: open, refused and silent are told apart', async () => {
  const at = await listening(createServer());
  expect(await host.tcp(at, o)).toMatchObject({ outcome: 'open', local: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
  const gone = await listening(createServer());
  await new Promise((resolve) => (open.pop() as Server).close(resolve));
  expect(await host.tcp(gone, o)).toMatchObject({ outcome: 'refused', why: 'ECONNREFUSED' });
  const left = AbortSignal.abort(new Error('left'));
  await expect(host.tcp(at, { ...o, signal: left })).rejects.toThrow('left');
});

test('TLS: chain, names, dates, and why it does not verify; nothing is sent after the handshake', async () => {
  let sent = 0;
  const at = await listening(
    createTls({ ...own }, (s) => s.on('data', (d) => (sent += d.length)).on('error', () => {})),
  );
  const seen = await host.tls(at, { servername: 'server.test' }, o);
  expect(seen).toMatchObject({ protocol: 'TLSv1.3', wrong: expect.stringMatching(/SELF_SIGNED|self-signed/i) });
  expect(seen.chain).toHaveLength(1);
  expect(seen.chain[0]).toMatchObject({
    subject: 'CN=server.test, O=Deckhand test',
    key: 'ec prime256v1',
    selfIssued: true,
    names: ['DNS:server.test', 'IP Address:127.0.0.1'],
  });
  const days = ((seen.chain[0]?.toMs ?? 0) - (seen.chain[0]?.fromMs ?? 0)) / 86_400_000;
  expect(days).toBeCloseTo(30, 0);
  expect(sent).toBe(0);
});

test('TLS: who does not speak it, and who says nothing', async () => {
  const http = await listening(createServer((s) => s.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n')));
  await expect(host.tls(http, { servername: 'x.test' }, o)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('agreeing on TLS'),
  });
  const mute = await listening(createServer());
  await expect(host.tls(mute, { servername: 'x.test' }, { timeoutMs: 100 })).rejects.toMatchObject({
    code: 'timeout',
    message: expect.stringContaining('agreeing on TLS'),
  });
});

const ask = { tls: null, host: 'server.test', path: '/', method: 'GET' as const, maxBytes: 1_000 };
test('HTTP: phases, headers of interest, and no more of the body than was asked for', async () => {
  const heard: string[] = [];
  const at = await listening(
    createHttp((req, res) => {
      heard.push(`${req.method} ${req.url} ${JSON.stringify(req.headers)}`);
      if (req.url === '/move') res.writeHead(302, { Location: 'http://127.0.0.1:1/x' }).end();
      else if (req.url === '/big') {
        res.writeHead(200, { 'content-type': 'text/plain', 'set-cookie': 'secret=1' });
        const more = () => {
          while (!res.destroyed && res.write('x'.repeat(10_000)));
          if (!res.destroyed) res.once('drain', more);
        };
        more();
      } else res.writeHead(200, { 'content-type': 'text/html', server: 'test' }).end('hello');
    }),
  );
  const seen = await host.http({ ...ask, at }, o);
  expect(seen).toMatchObject({
    status: 200,
    reason: 'OK',
    bodyBytes: 5,
    cut: false,
    text: 'hello',
    tls: null,
    headers: { server: 'test' },
  });
  expect(seen.connectMs).toBeLessThanOrEqual(seen.firstByteMs);
  expect(seen.firstByteMs).toBeLessThanOrEqual(seen.totalMs);
  expect(heard[0]).toBe('GET / {"host":"server.test","user-agent":"deckhand","accept":"*/*","connection":"close"}');
  expect(await host.http({ ...ask, at, path: '/move' }, o)).toMatchObject({
    status: 302,
    location: 'http://127.0.0.1:1/x',
  });
  expect(heard).toHaveLength(2);
  const big = await host.http({ ...ask, at, path: '/big' }, o);
  expect(big).toMatchObject({ cut: true, bodyBytes: 1_000 });
  expect(big.headers).not.toHaveProperty('set-cookie');
});

test('HTTP: over TLS the phases are three, and the certificate is told', async () => {
  const { createServer: createHttps } = await import('node:https');
  const at = await listening(createHttps(own, (_req, res) => res.end('ok')));
  const seen = await host.http({ ...ask, at, tls: { servername: 'server.test' } }, o);
  expect(seen).toMatchObject({ status: 200, tls: { chain: [{ subject: expect.stringContaining('server.test') }] } });
  expect(seen.connectMs).toBeLessThanOrEqual(seen.tlsMs as number);
});

test.each([
  ['closes at once', (s: Socket) => s.end()],
  ['speaks no HTTP', (s: Socket) => s.end('SSH-2.0-x\r\n')],
  ['has endless headers', (s: Socket) => s.write(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(20_000)}`)],
  ['ends in the middle', (s: Socket) => s.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')],
])('HTTP: a server that %s is an error in words', async (_what, answer) => {
  const at = await listening(createServer((s) => s.on('error', () => {}).once('data', () => answer(s))));
  await expect(host.http({ ...ask, at }, o)).rejects.toMatchObject({ code: 'unavailable' });
});

test('HTTP: a server that drips is given up when the time is over', async () => {
  const at = await listening(
    createServer((s) => {
      s.on('error', () => {}).write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n');
      const drip = setInterval(() => s.write('.'), 10);
      s.on('close', () => clearInterval(drip));
    }),
  );
  await expect(host.http({ ...ask, at }, { timeoutMs: 200 })).rejects.toMatchObject({
    code: 'timeout',
    message: expect.stringContaining('reading the answer'),
  });
});

type Answer = (query: ReturnType<typeof decode>, bytes: Buffer) => Buffer[];
async function nameServer(answer: Answer, overTcp?: Answer): Promise<{ address: string; port: number }> {
  const tcp = createServer((s) => {
    s.on('error', () => {}).on('data', (chunk) => {
      for (const b of (overTcp ?? answer)(decode(chunk.subarray(2)), chunk.subarray(2))) {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(b.length);
        s.write(Buffer.concat([length, b]));
      }
    });
  });
  const at = await listening(tcp);
  const udp = createSocket('udp4');
  open.push(udp);
  await new Promise<void>((resolve) => udp.bind(at.port, '127.0.0.1', resolve));
  udp.on('message', (bytes, from) => {
    for (const b of answer(decode(bytes), bytes)) udp.send(b, from.port, from.address);
  });
  return at;
}
const reply = (q: ReturnType<typeof decode>, more: object, flags = 0x0180) =>
  encode({ type: 'response', id: q.id as number, flags, questions: q.questions ?? [], ...more } as never);

test('DNS: what one server says, with its flags', async () => {
  const at = await nameServer((q) => [
    reply(
      q,
      {
        answers: [
          { type: 'MX', name: 'example.org', ttl: 60, data: { preference: 10, exchange: 'mail.example.org' } },
          { type: 'TXT', name: 'example.org', ttl: 5, data: ['v=spf1 ', '-all'] },
        ],
      },
      0x0580,
    ),
  ]);
  expect(await host.dns({ name: 'example.org', type: 'MX', at }, o)).toMatchObject({
    code: 'NOERROR',
    authoritative: true,
    recursion: true,
    over: 'udp',
    answers: [
      { name: 'example.org', type: 'MX', ttl: 60, data: '10 mail.example.org' },
      { type: 'TXT', data: 'v=spf1 -all' },
    ],
  });
});

test('DNS: a truncated answer is asked for again over TCP', async () => {
  const answers = Array.from({ length: 60 }, (_, i) => ({
    type: 'A' as const,
    name: 'many.test',
    ttl: 1,
    data: `10.0.0.${i}`,
  }));
  const at = await nameServer(
    (q) => [reply(q, {}, 0x0380)],
    (q) => [reply(q, { answers })],
  );
  const got = await host.dns({ name: 'many.test', type: 'A', at }, o);
  expect([got.over, got.truncated, got.answers.length, got.notTold]).toEqual(['tcp', false, 40, 20]);
});

test('DNS: an answer with another number, of another question or that is none at all is not the answer', async () => {
  const forged = (q: ReturnType<typeof decode>) => {
    const other = Buffer.from(reply(q, { answers: [{ type: 'A', name: 'x.test', ttl: 1, data: '6.6.6.6' }] }));
    const number = Buffer.from(other);
    number.writeUInt16BE(((q.id as number) + 1) % 65_536, 0);
    const question = encode({
      type: 'response',
      id: q.id as number,
      flags: 0x0180,
      questions: [{ type: 'A', name: 'y.test' }],
      answers: [{ type: 'A', name: 'y.test', ttl: 1, data: '6.6.6.6' }],
    } as never);
    return [
      number,
      question,
      Buffer.from('no'),
      reply(q, { answers: [{ type: 'A', name: 'x.test', ttl: 1, data: '1.2.3.4' }] }),
    ];
  };
  const at = await nameServer(forged);
  const got = await host.dns({ name: 'x.test', type: 'A', at }, o);
  expect(got.answers.map((a) => a.data)).toEqual(['1.2.3.4']);
});

test('DNS: NXDOMAIN is an answer; silence, a closed port and rubbish are errors in words', async () => {
  const no = await nameServer((q) => [reply(q, {}, 0x0183)]);
  expect(await host.dns({ name: 'no.test', type: 'A', at: no }, o)).toMatchObject({ code: 'NXDOMAIN', answers: [] });
  const mute = await nameServer(() => []);
  await expect(host.dns({ name: 'x.test', type: 'A', at: mute }, { timeoutMs: 100 })).rejects.toMatchObject({
    code: 'timeout',
  });
  await expect(host.dns({ name: 'x.test', type: 'A', at: { address: '127.0.0.1', port: 1 } }, o)).rejects.toMatchObject(
    { code: 'unavailable' },
  );
  const rubbish = await nameServer((_q, bytes) => {
    const b = Buffer.from(bytes);
    b[2] = 0x81;
    b.writeUInt16BE(9_999, 6);
    return [b];
  });
  await expect(host.dns({ name: 'x.test', type: 'A', at: rubbish }, o)).rejects.toMatchObject({ code: 'unavailable' });
});

test('names: addresses in one spelling, and no more look-ups at once than may hang', async () => {
  let under = 0;
  let most = 0;
  const gates: (() => void)[] = [];
  const resolve = createResolver(async () => {
    most = Math.max(most, ++under);
    await new Promise<void>((go) => gates.push(go));
    under--;
    return [{ address: '2001:DB8:0:0::1' }, { address: '2001:db8::1' }, { address: '192.0.2.1' }];
  });
  const all = Array.from({ length: 5 }, () => resolve('x.test', o));
  for (let i = 0; i < 5; i++) {
    await expect.poll(() => gates.length).toBeGreaterThan(0);
    gates.shift()?.();
  }
  for (const r of await Promise.all(all)) expect(r.addresses).toEqual(['2001:db8::1', '192.0.2.1']);
  expect(most).toBe(2);
});

test('names: look-ups that hang are given up by their callers, and keep their places all the same', async () => {
  let asked = 0;
  const resolve = createResolver(() => {
    asked++;
    return new Promise(() => {});
  });
  const some = [1, 2, 3, 4].map(() => resolve('x.test', { timeoutMs: 50 }));
  for (const s of some) await expect(s).rejects.toMatchObject({ code: 'timeout' });
  expect(asked).toBe(2);
  const gone = createResolver(() => Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND' })));
  await expect(gone('no.test', o)).rejects.toMatchObject({
    code: 'not_found',
    message: expect.stringContaining('no such name'),
  });
});

test('ping: the words of iputils and BusyBox', () => {
  const iputils = `PING 192.0.2.1 (192.0.2.1) 56(84) bytes of data.
64 bytes from 192.0.2.1: icmp_seq=1 ttl=64 time=0.045 ms
From 192.0.2.9 icmp_seq=2 Destination Host Unreachable

--- 192.0.2.1 ping statistics ---
2 packets transmitted, 1 received, +1 errors, 50% packet loss, time 1010ms
rtt min/avg/max/mdev = 0.045/0.045/0.045/0.000 ms
`;
  expect(pinged({ stdout: iputils, stderr: '', code: 1 }).value).toEqual({
    sent: 2,
    received: 1,
    ms: [0.045],
    errors: ['Destination Host Unreachable'],
  });
  const busybox = `PING 192.0.2.1 (192.0.2.1): 56 data bytes
64 bytes from 192.0.2.1: seq=0 ttl=64 time=0.1 ms

--- 192.0.2.1 ping statistics ---
1 packets transmitted, 1 packets received, 0% packet loss
`;
  expect(pinged({ stdout: busybox, stderr: '', code: 0 }).value).toEqual({
    sent: 1,
    received: 1,
    ms: [0.1],
    errors: [],
  });
  expect(
    pinged({ stdout: '', stderr: 'ping: socktype: SOCK_RAW\nping: socket: Operation not permitted', code: 2 }).why,
  ).toMatch(/could not tell|may not be used/);
});

test('the way: the words of tracepath and traceroute', () => {
  const tracepath = ` 1?: [LOCALHOST]                      pmtu 1500
 1:  192.0.2.1                                             0.512ms
 2:  no reply
 3:  198.51.100.7                                          9.123ms pmtu 1480
 4:  203.0.113.5                                          11.2ms reached
     Resume: pmtu 1480 hops 4 back 4
`;
  expect(tracepathSaid(tracepath, '203.0.113.5')).toEqual({
    hops: [
      { hop: 1, address: '192.0.2.1', ms: 0.512 },
      { hop: 2, address: null, ms: null },
      { hop: 3, address: '198.51.100.7', ms: 9.123 },
      { hop: 4, address: '203.0.113.5', ms: 11.2 },
    ],
    reached: true,
    mtu: 1480,
  });
  const traceroute = `traceroute to 203.0.113.5 (203.0.113.5), 30 hops max, 60 byte packets
 1  192.0.2.1  0.512 ms
 2  *
 3  203.0.113.5  9.1 ms
`;
  expect(tracerouteSaid(traceroute, '203.0.113.5')).toMatchObject({
    reached: true,
    hops: [{ hop: 1 }, { hop: 2, address: null }, { hop: 3 }],
  });
});

test('what was not checked never becomes an argument', async () => {
  const parts = { exec, has: () => true, settings };
  for (const evil of ['-f', 'example.org', '1.1.1.1 -f', '127.1', '::1%$(id)', '1.1.1.1%a%b'])
    await expect(probeHost(parts).ping(evil, { count: 1, intervalMs: 200, timeoutMs: 1_000 })).rejects.toThrow(
      'checked',
    );
  await expect(traceBy(parts, '--help', { ...o, maxHops: 3 })).rejects.toThrow('checked');
});
