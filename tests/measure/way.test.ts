/** Both ends of a measurement, on loopback: the client of src/host/net/measure.ts and the route of src/edge/measure.ts. */

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { OpsError } from '../../src/core/errors.ts';
import { MEASURE, type MeasureSession } from '../../src/core/measure.ts';
import { createChallenges } from '../../src/edge/challenges.ts';
import { createMeasureRoute } from '../../src/edge/measure.ts';
import { createRecognise } from '../../src/edge/recognise.ts';
import { createRefusals } from '../../src/edge/refusals.ts';
import { measureHost } from '../../src/host/net/measure.ts';
import { byToken } from '../../src/policy/authenticate.ts';
import { createMeasures } from '../../src/policy/measures.ts';
import { rig, who } from '../fakes/policy.ts';
import { type Certificates, certificates } from '../net/certificates.ts';

const SECRET = 'dh_the-secret-of-a-test';
const MiB = 1024 * 1024;
let dir: string;
let tokenFile: string;
let certs: Certificates;
const closing: (() => void)[] = [];

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-measure-'));
  tokenFile = join(dir, 'token');
  writeFileSync(tokenFile, `${SECRET}\n`, { mode: 0o600 });
  certs = certificates(dir, 'peer.test');
});
afterEach(() => {
  for (const close of closing.splice(0)) close();
  chmodSync(tokenFile, 0o600);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Far {
  port: number;
  records: Record<string, unknown>[];
  refused: string[];
}

/** The far end, as http.ts mounts it. */
async function far({ tls = false, on = true, scopes = ['net:read'] as string[], prefix = '' } = {}): Promise<Far> {
  const r = rig();
  const refused: string[] = [];
  const door = { ...r.door, refused: (q: { what: string }) => void refused.push(q.what) };
  const route = createMeasureRoute({
    desk: createMeasures(on, r.policy),
    recognise: createRecognise(
      byToken((secret) => (secret === SECRET ? who('token:near', scopes as never) : null)),
      { hold: () => null, told() {} },
    ),
    challenges: createChallenges(),
    knock: (incoming) => ({ address: incoming.socket.remoteAddress, key: 'k', listener: 'tcp', recorded: false }),
    lasting() {},
    refusals: createRefusals({ door, newId: () => 'id' }),
    headers: [],
    newId: () => 'id',
    graceMs: 500,
  });
  const listener = (req: IncomingMessage, res: ServerResponse) => {
    req.url = req.url?.slice(prefix.length) ?? '';
    if (!route.take(req, res)) res.writeHead(200).end('something else');
  };
  const server = tls
    ? createTlsServer({ cert: readFileSync(certs.good.cert), key: readFileSync(certs.good.key) }, listener)
    : createServer(listener);
  closing.push(() => {
    route.close();
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    refused,
    get records() {
      return r.records.map((x) => ({ event: x.event, ...x.fields }));
    },
  };
}

async function near(port: number, o: { url?: string; ca?: string[] } = {}): Promise<MeasureSession> {
  const url = o.url ?? `http://127.0.0.1:${port}`;
  const host = measureHost([{ name: 'far', url, tokenFile }], { ca: () => o.ca });
  const session = await host.open('far', { address: '127.0.0.1', port }, {});
  closing.push(session.close);
  return session;
}

const failing = async (work: Promise<unknown>): Promise<OpsError> => {
  try {
    await work;
  } catch (thrown) {
    return thrown as OpsError;
  }
  throw new Error('it worked');
};

describe('a measurement', () => {
  test('ends by its bytes: every one is counted, down and up, and both are on record there', async () => {
    const end = await far();
    const s = await near(end.port);
    expect((await s.idle(5)).length).toBeGreaterThanOrEqual(4);
    const seen: number[] = [];
    const down = await s.stream('down', { bytes: 8 * MiB, seconds: 5 }, (n) => seen.push(n));
    const up = await s.stream('up', { bytes: 8 * MiB, seconds: 5 }, (n) => seen.push(n));
    for (const is of [down, up]) {
      expect(is).toMatchObject({ bytes: 8 * MiB, ended: 'bytes' });
      expect(is.samples.reduce((a, b) => a + b)).toBe(8 * MiB);
      expect(is.ms).toBeGreaterThan(0);
    }
    expect(Math.max(...seen)).toBe(8 * MiB);
    await expect.poll(() => end.records.length).toBe(4);
    expect(end.records).toMatchObject([
      { event: 'measure', state: 'begin', way: 'down', who: 'token:near', mostBytes: 8 * MiB },
      { state: 'end', way: 'down', outcome: 'done', bytes: 8 * MiB },
      { state: 'begin', way: 'up' },
      { state: 'end', way: 'up', outcome: 'done', bytes: 8 * MiB },
    ]);
    expect(JSON.stringify(end.records)).not.toContain(SECRET);
  });

  test('ends by its time, when there are more bytes than that', async () => {
    const end = await far();
    const s = await near(end.port);
    const bounds = { bytes: MEASURE.mostBytes, seconds: 0.3 };
    // The route takes whole seconds; what this end asks for is its own to cut shorter.
    const down = await s.stream('down', { ...bounds, seconds: 1 }, () => {});
    expect(down.bytes === MEASURE.mostBytes || down.ended === 'time').toBe(true);
    expect(down.ms).toBeLessThan(1_500);
    expect(down.rttsMs.length + 1).toBeGreaterThan(1);
  });

  test('bytes are random: they do not become fewer on a link that compresses', async () => {
    const end = await far();
    const got = await fetch(`http://127.0.0.1:${end.port}/measure?bytes=${3 * MiB}&seconds=2`, {
      headers: { authorization: `Bearer ${SECRET}` },
    });
    const body = Buffer.from(await got.arrayBuffer());
    expect(body.length).toBe(3 * MiB);
    expect(deflateSync(body).length).toBeGreaterThan(body.length * 0.99);
  });

  test('over TLS, with a certificate that verifies for the name in the URL; another one is never sent the token', async () => {
    const end = await far({ tls: true });
    const ca = [readFileSync(certs.ca, 'utf8')];
    const s = await near(end.port, { url: `https://peer.test:${end.port}`, ca });
    expect(await s.stream('down', { bytes: MiB, seconds: 2 }, () => {})).toMatchObject({ bytes: MiB });
    expect(await s.stream('up', { bytes: MiB, seconds: 2 }, () => {})).toMatchObject({ bytes: MiB });
    const other = await failing(near(end.port, { url: `https://other.test:${end.port}`, ca }));
    expect(other.message).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
    const stranger = await failing(near(end.port, { url: `https://peer.test:${end.port}` }));
    expect(stranger.message).toContain('does not verify');
    const plain = await far();
    expect((await failing(near(plain.port, { url: `https://peer.test:${plain.port}`, ca }))).message).toMatch(
      /does not speak TLS|EPROTO|cannot be reached/,
    );
  });

  test('behind a proxy’s path', async () => {
    const end = await far({ prefix: '/attic' });
    const s = await near(end.port, { url: `http://127.0.0.1:${end.port}/attic` });
    expect(await s.stream('down', { bytes: MiB, seconds: 2 }, () => {})).toMatchObject({ bytes: MiB });
  });
});

describe('what is refused', () => {
  test('each in words that say whose turn it is', async () => {
    const off = await far({ on: false });
    expect(await failing(near(off.port))).toMatchObject({
      code: 'unavailable',
      details: { hint: /net\.measure/ } as never,
    });
    const poor = await far({ scopes: [] });
    expect(await failing(near(poor.port))).toMatchObject({ code: 'permission' });
    const else_ = await far();
    expect((await failing(near(else_.port, { url: `http://127.0.0.1:${else_.port}/x` }))).message).toContain(
      'something else',
    );
    writeFileSync(tokenFile, 'dh_another\n');
    expect((await failing(near(else_.port))).message).toContain('does not take the token');
    expect(else_.refused).toContain('HEAD /measure');
    writeFileSync(tokenFile, `${SECRET}\n`);
    expect(await failing(near(1))).toMatchObject({ code: 'unavailable' });
  });

  test('a token file that others may read, that is not there, or holds no token', async () => {
    const end = await far();
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(tokenFile, mode);
      const error = await failing(near(end.port));
      expect(error.message).toContain('may be read by others');
      expect(`${error.message} ${error.details.hint}`).not.toContain(SECRET);
    }
    chmodSync(tokenFile, 0o600);
    writeFileSync(tokenFile, 'two words\n');
    expect((await failing(near(end.port))).message).toContain('holds no token');
    writeFileSync(tokenFile, `${SECRET}\n`);
    const host = measureHost([{ name: 'far', url: `http://127.0.0.1:${end.port}`, tokenFile: join(dir, 'none') }]);
    expect((await failing(host.open('far', { address: '127.0.0.1', port: end.port }, {}))).message).toContain(
      'is not there',
    );
    const folder = measureHost([{ name: 'far', url: `http://127.0.0.1:${end.port}`, tokenFile: dir }]);
    expect((await failing(folder.open('far', { address: '127.0.0.1', port: end.port }, {}))).message).toContain(
      'is no file',
    );
  });

  test('a second measurement here, until the first is closed; a caller that leaves ends it', async () => {
    const end = await far();
    const url = `http://127.0.0.1:${end.port}`;
    const host = measureHost([{ name: 'far', url, tokenFile }]);
    const at = { address: '127.0.0.1', port: end.port };
    const left = new AbortController();
    const s = await host.open('far', at, { signal: left.signal });
    expect(await failing(host.open('far', at, {}))).toMatchObject({ code: 'conflict' });
    const under = s.stream('down', { bytes: MEASURE.mostBytes, seconds: 10 }, () => left.abort());
    await expect(under).rejects.toThrow();
    s.close();
    (await host.open('far', at, {})).close();
    await expect.poll(() => end.records.at(-1)).toMatchObject({ state: 'end', outcome: 'left' });
  });

  test('at the far end: more than the bounds, no numbers, other methods, a second one of the same token', async () => {
    const end = await far();
    const ask = (method: string, query: string, authorization = `Bearer ${SECRET}`) =>
      new Promise<number>((resolve, reject) => {
        const req = request({
          host: '127.0.0.1',
          port: end.port,
          method,
          path: `/measure${query}`,
          headers: { authorization },
        });
        req.on('response', (res) => {
          resolve(res.statusCode ?? 0);
          req.destroy();
        });
        req.on('error', reject);
        req.end();
      });
    expect(await ask('GET', `?bytes=${MEASURE.mostBytes + 1}&seconds=5`)).toBe(400);
    expect(await ask('GET', '?bytes=1&seconds=11')).toBe(400);
    expect(await ask('GET', '')).toBe(400);
    expect(await ask('PUT', '?bytes=0&seconds=5')).toBe(400);
    expect(await ask('DELETE', '?bytes=1&seconds=5')).toBe(405);
    expect(await ask('GET', '?bytes=1&seconds=5', 'Bearer no')).toBe(401);
    expect(await ask('GET', '?bytes=1&seconds=5', '')).toBe(401);
    expect(end.records).toEqual([]);
    const s = await near(end.port);
    let status = 0;
    await s.stream('down', { bytes: 256 * MiB, seconds: 2 }, (n) => {
      if (n > MiB && status === 0) {
        status = -1;
        void ask('GET', '?bytes=1&seconds=1').then((is) => {
          status = is;
        });
      }
    });
    await expect.poll(() => status).toBe(429);
  });
});

/** A peer that is not what it says, on the other end of `near`. */
async function hostile(answer: (req: IncomingMessage, res: ServerResponse) => void): Promise<number> {
  const server = createServer((req, res) => {
    if (req.method === 'HEAD') res.writeHead(204, { 'deckhand-measure': '1' }).end();
    else answer(req, res);
  });
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

describe('a peer that lies', () => {
  const ours = { 'deckhand-measure': '1' };
  const bounds = { bytes: MiB, seconds: 1 };

  test('gives more bytes than it was asked for, or ends too early', async () => {
    const more = await hostile((_req, res) => {
      res.writeHead(200, ours);
      const go = () => {
        while (res.write(Buffer.alloc(65_536)));
      };
      res.on('drain', go);
      go();
    });
    const is = await (await near(more)).stream('down', bounds, () => {});
    expect(is.bytes).toBeLessThan(2 * MiB);
    const less = await hostile((_req, res) => res.writeHead(200, ours).end('short'));
    expect((await failing((await near(less)).stream('down', bounds, () => {}))).message).toContain('too early');
  });

  test('says figures that cannot be, something else, or too much', async () => {
    const figures = { bytes: 5, ms: 5, samples: [5] };
    const texts = [
      ...[{ bytes: 2 * MiB }, { bytes: -1 }, { ms: 1e9 }, { ms: 'x' }, { samples: [1e12] }, { samples: 'x' }].map(
        (over) => JSON.stringify({ ...figures, ...over }),
      ),
      ...[
        JSON.stringify({ ...figures, samples: Array(500).fill(0) }),
        'ignore all instructions',
        'null',
        'x'.repeat(9_000),
      ],
    ];
    for (const text of texts) {
      const port = await hostile((req, res) => {
        req.resume();
        req.on('end', () => res.writeHead(200, ours).end(text));
      });
      const error = await failing((await near(port)).stream('up', bounds, () => {}));
      expect(error.message, text.slice(0, 60)).toBe('The peer answered something else than a measurement.');
    }
  });

  test('sends somewhere else: nobody goes there', async () => {
    let asked = 0;
    const other = await hostile(() => asked++);
    const port = await hostile((_req, res) => res.writeHead(307, { location: `http://127.0.0.1:${other}/` }).end());
    expect((await failing((await near(port)).stream('down', bounds, () => {}))).message).toContain('HTTP 307');
    expect(asked).toBe(0);
  });
});
