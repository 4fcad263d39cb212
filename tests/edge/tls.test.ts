/** The HTTP face over TLS: what is spoken, what is not, and a certificate that changes under open connections. */
import { chmodSync, readFileSync } from 'node:fs';
import { createServer as createNaive, request } from 'node:https';
import { connect as connectPlain, type Socket } from 'node:net';
import tls, { connect, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Log } from '../../src/core/call.ts';
import { openTls, type Tls } from '../../src/edge/tls.ts';
import { type Web, web } from './fixture-http.ts';
import { DAY_MS, type Folder, folder, freshPair, NAMES, shake } from './fixture-tls.ts';

const MODERN = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;
const OLDER = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
/** What Node's own default would not even send. */
const ANCIENT = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;

interface Said {
  level: string;
  message: string;
}

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

interface House {
  at: Folder;
  tls: Tls;
  web: Web;
  port: number;
  said: Said[];
  clock: { now: number };
}

async function house(
  o: {
    http?: NonNullable<NonNullable<Parameters<typeof web>[0]>['http']>;
  } & {
    names?: string[];
    days?: number;
    handshakeMs?: number;
  } = {},
): Promise<House> {
  const at = folder();
  open.push(() => at[Symbol.dispose]());
  const clock = { now: Date.now() };
  at.put(await freshPair(o.names ?? NAMES, o.days ?? 30));
  const said: Said[] = [];
  const tell = (level: string) => (_: object, message: string) => void said.push({ level, message });
  const log = { debug() {}, info: tell('info'), warn: tell('warn'), error: tell('error') } as unknown as Log;
  const tls = await openTls({
    files: at,
    log,
    now: () => clock.now,
    every: () => () => {},
    ...(o.handshakeMs === undefined ? {} : { handshakeMs: o.handshakeMs }),
  });
  const face = web({ tls, http: o.http ?? {} });
  const { url } = await face.face.listen();
  open.push(() => face.face.close());
  return { at, tls, web: face, port: Number(new URL(url).port), said, clock };
}

async function shaken(port: number, o: Parameters<typeof shake>[1] = {}): Promise<TLSSocket> {
  const socket = await shake(port, o);
  if ('failed' in socket) throw new Error(socket.failed);
  open.push(() => socket.destroy());
  return socket;
}
const print = (socket: TLSSocket) => socket.getPeerX509Certificate()?.fingerprint256;

/** One request over an open connection. */
async function ask(
  socket: Socket,
  path = '/healthz',
  more = '',
): Promise<{ status: number; head: string; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  const got = (data: Buffer) => {
    text += data.toString('latin1');
    const [head = '', body = ''] = text.split('\r\n\r\n');
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.NaN);
    if (body.length >= length || /\r\n0\r\n\r\n$/.test(text)) resolve(text);
  };
  const gone = () => (text === '' ? reject(new Error('closed without an answer')) : resolve(text));
  socket.on('data', got).once('close', gone);
  socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n${more}\r\n`);
  const whole = await promise;
  socket.off('data', got).off('close', gone);
  const [head = '', body = ''] = whole.split('\r\n\r\n');
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]), head, body };
}

describe('what is spoken', () => {
  test('1.3 and 1.2 are, 1.1 is not', async () => {
    const { port } = await house();
    for (const version of [MODERN, OLDER]) {
      const socket = await shaken(port, version);
      expect(socket.getProtocol()).toBe(version.minVersion);
      expect((await ask(socket)).status).toBe(200);
    }
    expect(await shake(port, ANCIENT)).toEqual({ failed: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
  });

  test('control: a server that was not told otherwise by its owner could be talked down to 1.1 by the same client', async () => {
    const { at } = await house();
    const naive = createNaive({
      cert: readFileSync(at.certFile),
      key: readFileSync(at.keyFile),
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    await new Promise<void>((resolve) => naive.listen(0, '127.0.0.1', resolve));
    open.push(() => new Promise((resolve) => naive.close(resolve)));
    const socket = await shaken((naive.address() as { port: number }).port, ANCIENT);
    expect(socket.getProtocol()).toBe('TLSv1.1');
    socket.destroy();
  });

  test('nor could ours, were Node started with the laxest of flags', async () => {
    // What --tls-cipher-list and --tls-min-v1.0 set: by itself Node's list of ciphers keeps 1.1 out as well, and would hide ours.
    const before = { ciphers: tls.DEFAULT_CIPHERS, least: tls.DEFAULT_MIN_VERSION };
    Object.assign(tls, { DEFAULT_CIPHERS: 'DEFAULT@SECLEVEL=0', DEFAULT_MIN_VERSION: 'TLSv1' });
    try {
      const { port } = await house();
      expect(await shake(port, ANCIENT)).toEqual({ failed: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
      const naive = createNaive({ ...(await freshPair()) });
      await new Promise<void>((resolve) => naive.listen(0, '127.0.0.1', resolve));
      open.push(() => new Promise((resolve) => naive.close(resolve)));
      const socket = await shaken((naive.address() as { port: number }).port, ANCIENT);
      expect(socket.getProtocol()).toBe('TLSv1.1');
      socket.destroy();
    } finally {
      Object.assign(tls, { DEFAULT_CIPHERS: before.ciphers, DEFAULT_MIN_VERSION: before.least });
    }
  });

  test('HTTP/1.1 is agreed on, and who speaks HTTP/2 alone is told in the handshake', async () => {
    const { port } = await house();
    expect((await shaken(port, { ALPNProtocols: ['h2', 'http/1.1'] })).alpnProtocol).toBe('http/1.1');
    expect((await shaken(port)).alpnProtocol).toBe(false);
    expect(await shake(port, { ALPNProtocols: ['h2'] })).toEqual({
      failed: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    });
  });

  test('nobody has handshakes made anew within a connection of 1.2', async () => {
    const { port } = await house();
    const socket = await shaken(port, OLDER);
    const { promise, resolve } = Promise.withResolvers<unknown>();
    socket.once('error', resolve);
    socket.renegotiate({}, resolve);
    expect(String((await promise) as Error)).toMatch(/no.renegotiation/i);
    // And the server goes on.
    expect((await ask(await shaken(port))).status).toBe(200);
  });

  test('a client that checks takes it, for the names that it is made for and no other', async () => {
    const { at, port } = await house({ names: ['localhost', 'nas.lan', '127.0.0.1'] });
    const ca = readFileSync(at.certFile);
    const trusting = (servername: string) => shake(port, { ca, servername, rejectUnauthorized: true });
    for (const name of ['localhost', 'nas.lan']) expect(await trusting(name)).not.toHaveProperty('failed');
    expect(await trusting('evil.example')).toEqual({ failed: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    expect(await shake(port, { servername: 'localhost', rejectUnauthorized: true })).toEqual({
      failed: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
  });
});

describe('headers', () => {
  const get = (port: number, headers: Record<string, string>, path = '/healthz', method = 'GET') => {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; headers: Record<string, unknown> }>();
    const asked = request(
      { host: '127.0.0.1', port, path, method, headers, rejectUnauthorized: false, agent: false },
      (answer) => {
        answer.resume();
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers });
      },
    );
    asked.on('error', reject).end();
    return promise;
  };

  test('over TLS every answer also says that it is to stay so', async () => {
    const { port } = await house();
    for (const [path, status] of [
      ['/healthz', 200],
      ['/mcp', 405],
      ['/nothing', 404],
    ] as const)
      expect(await get(port, { host: 'localhost' }, path)).toMatchObject({
        status,
        headers: {
          'strict-transport-security': 'max-age=86400',
          'x-content-type-options': 'nosniff',
          'cache-control': 'no-store',
          'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
          'referrer-policy': 'no-referrer',
          'cross-origin-resource-policy': 'same-origin',
        },
      });
    expect((await get(port, { host: 'evil.example' })).headers).toHaveProperty('strict-transport-security');
  });

  test('in plain none says so: it would be ignored, or hold for what others serve there', async () => {
    const plain = web();
    const answer = await plain.face.app.request('/healthz');
    expect(answer.headers.get('strict-transport-security')).toBeNull();
    expect(answer.headers.get('cross-origin-resource-policy')).toBe('same-origin');
  });

  test('a page from elsewhere is told nothing, before and in a request', async () => {
    const { port } = await house();
    for (const method of ['OPTIONS', 'POST', 'GET', 'DELETE'])
      for (const origin of ['https://evil.example', 'null', 'http://localhost:1', 'https://localhost.evil.example']) {
        const { status, headers } = await get(
          port,
          { host: 'localhost', origin, 'access-control-request-method': 'POST' },
          '/mcp',
          method,
        );
        expect(status, `${method} ${origin}`).toBe(403);
        expect(Object.keys(headers).filter((h) => h.startsWith('access-control'))).toEqual([]);
      }
  });

  test('names of the certificate are ours, others are not', async () => {
    const { port } = await house({ names: ['nas.lan', '192.168.1.10', '2001:db8::1'] });
    for (const host of ['nas.lan', `nas.lan:${port}`, '192.168.1.10:443', '[2001:db8::1]', 'localhost'])
      expect((await get(port, { host })).status, host).toBe(200);
    for (const host of ['evil.example', 'nas.lan.evil.example', '192.168.1.11'])
      expect((await get(port, { host })).status, host).toBe(403);
  });
});

describe('what is no handshake', () => {
  const raw = async (port: number, bytes: string | null) => {
    const socket = connectPlain({ host: '127.0.0.1', port });
    open.push(() => socket.destroy());
    let text = '';
    socket.on('data', (d) => {
      text += d.toString('latin1');
    });
    socket.on('error', () => {});
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    if (bytes !== null) socket.write(bytes, 'latin1');
    await closed;
    return text;
  };

  test('plain HTTP is answered in plain words', async () => {
    const { port } = await house();
    const text = await raw(port, 'POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer full\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(text).toMatch(/connection: close/);
    expect(text).toContain('This port speaks TLS.');
    expect(text).toContain('https://');
    // It went over the wire, and is not sent back.
    expect(text).not.toContain('full');
  });

  test('anything else is hung up on', async () => {
    const { port } = await house({ handshakeMs: 300 });
    for (const bytes of [
      '\x00\x01\x02',
      'SSH-2.0-OpenSSH\r\n',
      '\x16\x03\x01\x00\x05hello',
      '\x16\x03\x01\xff\xff'.padEnd(70_000, 'x'),
    ])
      expect(await raw(port, bytes)).not.toMatch(/HTTP/);
    expect((await ask(await shaken(port))).status).toBe(200);
  });

  test('who does not come to an end with it is cut off', async () => {
    const { port } = await house({ handshakeMs: 300 });
    expect(await raw(port, null)).toBe('');
    // Half a greeting.
    expect(await raw(port, '\x16\x03\x01\x02\x00\x01\x00')).toBe('');
    expect((await ask(await shaken(port))).status).toBe(200);
  });

  test('connections count before the handshake, and make room when they are gone', async () => {
    const { port } = await house({ http: { connectionsPerAddress: 2 } });
    const silent = [0, 1].map(() => connectPlain({ host: '127.0.0.1', port }));
    for (const socket of silent) {
      open.push(() => socket.destroy());
      await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    }
    await vi.waitFor(async () => expect(await shake(port)).toHaveProperty('failed'), { timeout: 4_000 });
    for (const socket of silent) socket.destroy();
    await vi.waitFor(async () => expect((await ask(await shaken(port))).status).toBe(200), { timeout: 10_000 });
  });

  test('thousands of failures are one line in the log', async () => {
    const { port, said, clock } = await house();
    for (let i = 0; i < 30; i++) await raw(port, 'nonsense\r\n\r\n');
    const told = () => said.filter((s) => s.message === 'TLS handshakes failed').length;
    expect(told()).toBe(1);
    clock.now += 61_000;
    await raw(port, 'nonsense\r\n\r\n');
    expect(told()).toBe(2);
  });

  test('a stop does not wait for those who are amid it', async () => {
    const { port, web } = await house({ handshakeMs: 60_000 });
    const silent = connectPlain({ host: '127.0.0.1', port });
    await new Promise<void>((resolve) => silent.once('connect', () => resolve()));
    const gone = new Promise<void>((resolve) => silent.once('close', () => resolve()));
    silent.on('error', () => {});
    silent.resume();
    await web.face.close();
    await gone;
  });
});

describe('a new certificate', () => {
  test('an open connection goes on with the old one, new ones get the new one', async () => {
    const { at, tls, port, said } = await house();
    const before = tls.facts().fingerprint;
    const kept = await shaken(port);
    expect(print(kept)).toBe(before);
    expect((await ask(kept)).status).toBe(200);
    expect(await tls.reload()).toBe('same');

    at.put(await freshPair());
    expect(await tls.reload()).toBe('taken');
    const after = tls.facts().fingerprint;
    expect(after).not.toBe(before);
    expect(print(await shaken(port))).toBe(after);
    expect((await ask(kept)).status).toBe(200);
    expect(kept.destroyed).toBe(false);
    expect(said.at(-1)).toEqual({ level: 'info', message: 'a new TLS certificate is served' });
    expect(await tls.reload()).toBe('same');
  });

  test.each([MODERN, OLDER])('a session of before is not resumed with the old certificate: %o', async (version) => {
    const { at, tls, port } = await house();
    const first = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...version });
    open.push(() => first.destroy());
    const session = await new Promise<Buffer>((resolve) => {
      first.on('session', resolve);
      first.on('secureConnect', () => void ask(first));
    });
    const again = await shaken(port, { ...version, session });
    expect(again.isSessionReused()).toBe(true);

    at.put(await freshPair());
    await tls.reload();
    const later = await shaken(port, { ...version, session });
    expect(later.isSessionReused()).toBe(false);
    expect(print(later)).toBe(tls.facts().fingerprint);
  });

  test('a broken pair is never served: the old one stays, and it is said once why', async () => {
    const { at, tls, port, said } = await house();
    const before = tls.facts().fingerprint;
    const [next, other] = await Promise.all([freshPair(), freshPair(NAMES, 400)]);
    const errors = () => said.filter((s) => s.level === 'error').length;
    const broken: [() => void, RegExp][] = [
      // Only one half is there yet.
      [() => at.put({ cert: next.cert }), /do not belong together/],
      [() => at.put({ key: other.key }), /do not belong together/],
      [() => at.put({ cert: 'rubbish' }), /no PEM certificates/],
      [() => at.put(next, 0o644), /open to others/],
      [() => at[Symbol.dispose](), /does not exist/],
    ];
    for (const [change, why] of broken) {
      change();
      const count = errors();
      expect(await tls.reload()).toBe('kept');
      expect(tls.trouble()).toMatch(why);
      expect(await tls.reload()).toBe('same');
      expect(errors()).toBe(count + 1);
      expect(print(await shaken(port))).toBe(before);
    }
    expect(tls.facts().fingerprint).toBe(before);
  });

  test('half a renewal is waited for, and then taken', async () => {
    const { at, tls, port } = await house();
    const next = await freshPair();
    at.put({ key: next.key });
    expect(await tls.reload()).toBe('kept');
    at.put({ cert: next.cert });
    expect(await tls.reload()).toBe('taken');
    expect(tls.trouble()).toBeNull();
    expect(print(await shaken(port))).toBe(tls.facts().fingerprint);
  });

  test('only the mode was mended: that is a change, too', async () => {
    const { at, tls } = await house();
    const next = await freshPair();
    at.put(next, 0o644);
    expect(await tls.reload()).toBe('kept');
    chmodSync(at.keyFile, 0o600);
    expect(await tls.reload()).toBe('taken');
  });

  test('a signal has it read at once, also where nothing seems to have changed; who asks meanwhile waits for the same', async () => {
    const { tls } = await house();
    const [one, two] = await Promise.all([tls.reload(true), tls.reload()]);
    expect([one, two]).toEqual(['taken', 'taken']);
  });

  test('that it will not hold for long is said at the start, and once a day', async () => {
    const { tls, said, clock } = await house({ days: 10 });
    const warned = () => said.filter((s) => s.level === 'warn').map((s) => s.message);
    expect(warned()).toEqual([expect.stringMatching(/^the TLS certificate expires on .*, in (9|10) days$/)]);
    await tls.reload();
    expect(warned()).toHaveLength(1);
    clock.now += DAY_MS;
    await tls.reload();
    expect(warned()).toHaveLength(2);
    clock.now += 10 * DAY_MS;
    await tls.reload();
    expect(warned().at(-1)).toMatch(/^the TLS certificate expired on /);
  });

  test('a start with a broken pair is none', async () => {
    using at = folder();
    at.put({ ...(await freshPair()), key: (await freshPair()).key });
    const log = { debug() {}, info() {}, warn() {}, error() {} } as unknown as Log;
    await expect(openTls({ files: at, log, every: () => () => {} })).rejects.toMatchObject({ code: 'validation' });
  });

  test('it looks by itself, and no more once it is closed', async () => {
    using at = folder();
    at.put(await freshPair());
    const log = { debug() {}, info() {}, warn() {}, error() {} } as unknown as Log;
    const stopped = vi.fn();
    const looked: (() => void)[] = [];
    const tls = await openTls({
      files: at,
      log,
      every(work) {
        looked.push(work);
        return stopped;
      },
    });
    const before = tls.facts().fingerprint;
    at.put(await freshPair());
    looked[0]?.();
    await vi.waitFor(() => expect(tls.facts().fingerprint).not.toBe(before));
    tls.close();
    expect(stopped).toHaveBeenCalledOnce();
  });
});
