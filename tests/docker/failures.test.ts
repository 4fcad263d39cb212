/** What an engine can do wrong, and what it may cost: silence, half an answer, too much of one, a no, a restart. */
import { describe, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { troubleOf } from '../../src/host/docker/failures.ts';
import { LostError } from '../../src/host/docker/transport.ts';
import { adapterTo, engineThat, hangs, json, scripted, turns, VERSION } from './scripted.ts';

const failed = (run: Promise<unknown>): Promise<OpsError> =>
  run.then(
    () => {
      throw new Error('it did not fail');
    },
    (thrown) => {
      expect(thrown).toBeInstanceOf(OpsError);
      return thrown as OpsError;
    },
  );
const none = engineThat((_, res) => json(res, []));

describe('a hung engine', () => {
  test('costs three seconds once, then nothing, until one probe finds it well', async () => {
    await using engine = await scripted(hangs);
    const { docker, clock } = adapterTo(engine.socket);
    const first = failed(docker.containers.list());
    await turns(() => engine.asked.length === 1);
    await clock.advance(2_999);
    await clock.advance(1);
    expect(await first).toMatchObject({ code: 'timeout', details: { hint: expect.stringContaining('hangs') } });

    const at = engine.asked.length;
    for (let i = 0; i < 20; i++) {
      const error = await failed(docker.containers.list());
      expect(error.code).toBe('unavailable');
      expect(error.details.retryAfterMs).toBeGreaterThan(0);
    }
    expect(engine.asked.length).toBe(at);

    await clock.advance(5_000);
    const probe = docker.containers.list();
    await turns(() => engine.asked.length === at + 1);
    expect((await failed(docker.containers.list())).code).toBe('unavailable');
    expect(engine.asked.length).toBe(at + 1);
    const probed = failed(probe);
    await clock.advance(3_000);
    await probed;
    engine.answer = none;
    await clock.advance(5_000);
    expect(await docker.containers.list()).toEqual([]);
    docker.close();
  });

  test('that was well before, too; and what is merely slow is waited for', async () => {
    await using engine = await scripted(none);
    const { docker, clock } = adapterTo(engine.socket);
    await docker.containers.list();
    // It answers pings: patience.
    let late: (() => void) | null = null;
    engine.answer = engineThat((_, res) => {
      late = () => json(res, []);
    });
    const slow = docker.containers.list();
    await turns(() => late !== null);
    for (let s = 0; s < 8; s++) {
      const pings = () => engine.asked.filter((a) => a.endsWith('/version')).length;
      const before = pings();
      await clock.advance(1_500);
      if (s === 0) await turns(() => pings() > before);
      await new Promise((done) => setTimeout(done, 5));
    }
    (late as unknown as () => void)();
    expect(await slow).toEqual([]);
    // It answers nothing at all.
    engine.answer = hangs;
    const dead = failed(docker.containers.list());
    const at = engine.asked.length;
    await turns(() => engine.asked.length > at);
    await clock.advance(3_000);
    expect((await dead).code).toBe('timeout');
    docker.close();
  });

  test('holds up no other', async () => {
    await using hung = await scripted(hangs);
    await using well = await scripted(none);
    const { docker, clock } = adapterTo(hung.socket, [
      { name: 'hung', endpoint: `unix://${hung.socket}` },
      { name: 'well', endpoint: `unix://${well.socket}` },
    ]);
    const stuck = failed(docker.containers.list());
    expect(await docker.containers.list({ engine: 'well' })).toEqual([]);
    const status = docker.engines.status();
    await turns(() => hung.asked.length === 2 && well.asked.length > 2);
    await clock.advance(3_000);
    await stuck;
    expect((await status).engines.map((e) => [e.name, e.answers])).toEqual([
      ['hung', false],
      ['well', true],
    ]);
    docker.close();
  });

  test('in the middle of an answer, and in its head', async () => {
    await using engine = await scripted(
      engineThat((_, res) => {
        res.writeHead(200, { 'content-length': '100' });
        res.write('[');
        engine.answer = hangs;
      }),
    );
    const { docker, clock } = adapterTo(engine.socket);
    const half = failed(docker.containers.list());
    await turns(() => engine.asked.length === 2);
    await new Promise((done) => setTimeout(done, 20));
    await clock.advance(3_000);
    expect((await half).code).toBe('timeout');
    docker.close();

    await using slow = await scripted(none, (s) => void s.write('HTTP/1.1 200 OK\r\nx-slow: '));
    const other = adapterTo(slow.socket);
    const headless = failed(other.docker.containers.list());
    await turns(() => slow.open() === 1);
    await other.clock.advance(3_000);
    expect((await headless).code).toBe('timeout');
    other.docker.close();
  });
});

test('a restart costs nothing: what is gone is said at once, and what is back is used at once', async () => {
  await using engine = await scripted(none);
  const { docker } = adapterTo(engine.socket);
  await docker.containers.list();
  await engine.stop();
  const error = await failed(docker.containers.list());
  expect(error).toMatchObject({ code: 'unavailable', details: { hint: expect.stringContaining('docker.endpoint') } });
  expect((await docker.engines.status()).engines[0]).toMatchObject({
    answers: false,
    kind: null,
    trouble: { why: expect.stringContaining('no socket') },
  });
  await engine.start();
  expect(await docker.containers.list()).toEqual([]);
  docker.close();
});

test('a kept connection that the engine has closed is no failure', async () => {
  await using engine = await scripted(
    engineThat((req, res) => {
      json(res, []);
      setImmediate(() => req.socket.destroy());
    }),
  );
  const { docker } = adapterTo(engine.socket);
  for (let i = 0; i < 20; i++) expect(await docker.containers.list()).toEqual([]);
  docker.close();
});

test.each([
  ['a closed door', (s: import('node:net').Socket) => s.destroy()],
  ['garbage', (s: import('node:net').Socket) => s.end('\x00\x01\x02 this is no HTTP\r\n\r\n')],
  ['nothing', (s: import('node:net').Socket) => s.end()],
  ['a head without end', (s: import('node:net').Socket) => s.write(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(100_000)}`)],
])('%s instead of HTTP', async (_, raw) => {
  await using engine = await scripted(none, (s) => {
    s.on('error', () => {});
    s.once('data', () => void raw(s));
  });
  const { docker } = adapterTo(engine.socket);
  expect((await failed(docker.containers.list())).code).toBe('unavailable');
  docker.close();
});

test('an answer without end is left at its bound', async () => {
  let sent = 0;
  await using engine = await scripted(
    engineThat((_, res) => {
      res.writeHead(200);
      const chunk = Buffer.alloc(1024 * 1024, 32);
      const more = () => {
        while (!res.destroyed && res.write(chunk)) sent += chunk.length;
      };
      res.on('drain', more);
      more();
    }),
  );
  const { docker } = adapterTo(engine.socket);
  expect((await failed(docker.containers.inspect('web'))).code).toBe('limit');
  expect(sent).toBeLessThan(16 * 1024 * 1024);
  docker.close();
});

test.each([
  [400, 'validation'],
  [401, 'permission'],
  [403, 'permission'],
  [404, 'not_found'],
  [405, 'permission'],
  [409, 'conflict'],
  [500, 'unavailable'],
  [503, 'unavailable'],
  [302, 'unavailable'],
  [101, 'unavailable'],
])('%i becomes %s', async (status, code) => {
  await using engine = await scripted(
    engineThat((_, res) => {
      if (status === 101)
        return void res.socket?.end('HTTP/1.1 101 Switching\r\nupgrade: tcp\r\nconnection: upgrade\r\n\r\n');
      res.setHeader('location', '/v1.45/containers/x/export');
      json(res, { message: 'because' }, status);
    }),
  );
  const { docker } = adapterTo(engine.socket);
  const error = await failed(docker.images.inspect('some:image'));
  expect(error.code).toBe(code);
  if (status !== 101) expect(error.message).toContain('because');
  // No redirect is followed.
  expect(engine.asked.filter((a) => a.includes('export'))).toEqual([]);
  docker.close();
});

test('304 is as wanted; 404 of a container names those that are near', async () => {
  await using engine = await scripted(
    engineThat((req, res) => {
      if (req.url?.includes('/start')) return void res.writeHead(304).end();
      if (req.url?.includes('/containers/json'))
        return json(res, [
          { Id: 'a'.repeat(64), Names: ['/web'] },
          { Id: 'b'.repeat(64), Names: ['/database'] },
        ]);
      json(res, { message: 'No such container' }, 404);
    }),
  );
  const { docker } = adapterTo(engine.socket);
  await docker.changes.start('web');
  expect(await failed(docker.containers.inspect('wbe'))).toMatchObject({
    code: 'not_found',
    details: { candidates: ['web'] },
  });
  docker.close();
});

describe('the version', () => {
  test.each([
    [{ ...VERSION, ApiVersion: '1.41' }, '/v1.41/'],
    [{ ...VERSION, ApiVersion: '1.52', MinAPIVersion: '1.44' }, '/v1.45/'],
    [{ ...VERSION, ApiVersion: '1.60', MinAPIVersion: '1.50' }, '/v1.50/'],
    [{ Version: '4.3', ApiVersion: '1.41', Components: [{ Name: 'Podman Engine' }] }, '/v1.41/'],
  ])('%o is spoken to as %s', async (version, prefix) => {
    await using engine = await scripted(engineThat((_, res) => json(res, []), version));
    const { docker } = adapterTo(engine.socket);
    await docker.containers.list();
    expect(engine.asked.at(-1)).toContain(prefix);
    const [status] = (await docker.engines.status()).engines;
    expect(status?.kind).toBe(
      'Components' in version && version.Components[0]?.Name !== 'Engine' ? 'podman' : 'docker',
    );
    docker.close();
  });

  test.each([[{ ...VERSION, ApiVersion: '1.30' }], [{ hello: 1 }], [{ ApiVersion: '../x' }]])(
    '%o is refused',
    async (version) => {
      await using engine = await scripted(engineThat((_, res) => json(res, []), version));
      const { docker } = adapterTo(engine.socket);
      expect((await failed(docker.containers.list())).code).toBe('unavailable');
      docker.close();
    },
  );

  test('is agreed anew when another engine stands there', async () => {
    await using engine = await scripted(none);
    const { docker } = adapterTo(engine.socket);
    await docker.containers.list();
    engine.answer = engineThat(
      (req, res) =>
        req.url?.startsWith('/v1.41/')
          ? json(res, [])
          : json(res, { message: 'client version 1.45 is too new. Maximum supported API version is 1.41' }, 400),
      { ...VERSION, ApiVersion: '1.41' },
    );
    expect(await docker.containers.list()).toEqual([]);
    docker.close();
  });
});

describe('who leaves', () => {
  test('is let go at once, the connection closes, and the engine is not blamed', async () => {
    await using engine = await scripted(none);
    const { docker } = adapterTo(engine.socket);
    await docker.containers.list();
    engine.answer = hangs;
    const leave = new AbortController();
    const asked = docker.containers.list({ signal: leave.signal });
    await turns(() => engine.asked.length === 3);
    leave.abort();
    await expect(asked).rejects.toThrow();
    await turns(() => engine.open() === 0);
    engine.answer = none;
    expect(await docker.containers.list()).toEqual([]);
    docker.close();
  });

  test.each(['by its signal', 'by reading no further'])('a log %s closes its connection', async (how) => {
    const T = '2026-11-20T12:00:00.000000000Z';
    await using engine = await scripted(
      engineThat((req, res) => {
        if (!req.url?.includes('/logs')) return json(res, { Id: 'a'.repeat(64), Config: { Tty: true } });
        res.writeHead(200);
        res.write(`${T} one\n`);
      }),
    );
    const { docker } = adapterTo(engine.socket);
    const leave = new AbortController();
    const lines = docker.containers.logs('web', { maxBytes: 1_000, signal: leave.signal });
    expect((await lines.next()).value).toMatchObject({ text: 'one' });
    const before = engine.open();
    if (how === 'by its signal') {
      const next = lines.next();
      leave.abort();
      await expect(next).rejects.toThrow();
    } else await lines.return({ bytesRead: 0, lines: 0, stopped: true });
    await turns(() => engine.open() < before);
    docker.close();
  });

  test('a log that breaks off in a frame, or goes silent, is a failure and no end', async () => {
    await using engine = await scripted(
      engineThat((req, res) => {
        if (!req.url?.includes('/logs')) return json(res, { Config: { Tty: false } });
        res.writeHead(200, { 'content-length': '1000' });
        res.write(Buffer.from([1, 0, 0, 0, 0, 0, 0, 50, 65]));
        if (engine.asked.length > 3) return;
        setImmediate(() => res.destroy());
      }),
    );
    const { docker, clock } = adapterTo(engine.socket);
    const read = () => docker.containers.logs('web', { maxBytes: 1_000 }).next();
    expect((await failed(read())).code).toBe('unavailable');
    const silent = failed(read());
    const logs = () => engine.asked.filter((a) => a.includes('/logs')).length;
    await turns(() => logs() === 2);
    await new Promise((done) => setTimeout(done, 20));
    await clock.advance(20_000);
    expect((await silent).code).toBe('timeout');
    docker.close();
  });
});

test.each([
  ['manifest for x:1 not found: manifest unknown', 'not_found'],
  ['pull access denied for x', 'permission'],
  ['toomanyrequests: You have reached your pull rate limit', 'limit'],
  ['unexpected EOF', 'unavailable'],
])('a pull that ends with %s', async (message, code) => {
  await using engine = await scripted(
    engineThat((req, res) => {
      if (!req.url?.includes('/images/create')) return json(res, { message: 'no such image' }, 404);
      res.writeHead(200);
      res.write(
        `{"status":"Pulling from x","id":"1"}\r\n{"status":"Downloading","id":"aaaaaaaaaaaa","progressDetail":{"current":5,"total":10}}\n`,
      );
      res.end(`{"errorDetail":{"message":"${message}"},"error":"${message}"}\n`);
    }),
  );
  const { docker } = adapterTo(engine.socket);
  const seen: number[] = [];
  const error = await failed(docker.images.pull('x:1', { onProgress: (p) => seen.push(p.doneBytes / p.totalBytes) }));
  expect(error.code).toBe(code);
  expect(error.message).toContain(message);
  expect(seen).toContain(0.5);
  docker.close();
});

test.each([
  'EACCES',
  'ENOENT',
  'ECONNREFUSED',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ESSH',
  'CERT_HAS_EXPIRED',
  'EPIPE',
])('%s says what to do, and no password', (errno) => {
  const { why, hint } = troubleOf(new LostError(errno, 'x'), 'ssh://me:hunter22@host');
  expect(why.length).toBeGreaterThan(10);
  expect(hint.length).toBeGreaterThan(20);
  expect(why + hint).not.toContain('hunter22');
});

test('half a container does not stay: what was made is removed when the rest fails, or is not as asked for', async () => {
  const old = {
    Id: 'a'.repeat(64),
    Name: '/web',
    Image: `sha256:${'1'.repeat(64)}`,
    Config: { Image: 'app:1', Env: ['A=1'] },
    HostConfig: { NetworkMode: 'front' },
    NetworkSettings: { Networks: { front: {}, back: {} } },
  };
  let connects = 404;
  await using engine = await scripted(
    engineThat((req, res) => {
      const path = req.url?.split('?')[0] ?? '';
      if (path.endsWith('/create')) return json(res, { Id: 'b'.repeat(64) }, 201);
      if (path.endsWith('/connect')) return json(res, { message: 'no such network' }, connects);
      if (req.method === 'DELETE') return void res.writeHead(204).end();
      if (path.includes('/images/')) return json(res, { message: 'gone' }, 404);
      if (path.includes('/containers/b'))
        return json(res, { ...old, Id: 'b'.repeat(64), HostConfig: { NetworkMode: 'front', Privileged: true } });
      json(res, old);
    }),
  );
  const { docker } = adapterTo(engine.socket);
  const removed = () => engine.asked.filter((a) => a.startsWith(`DELETE /v1.45/containers/${'b'.repeat(64)}`)).length;
  const make = () => failed(docker.changes.recreate(old, { image: 'app:2', name: 'web' }));
  expect((await make()).code).toBe('not_found');
  expect(removed()).toBe(1);
  connects = 200;
  const error = await make();
  expect(error.code).toBe('conflict');
  expect(error.message).toContain('HostConfig.Privileged');
  expect(removed()).toBe(2);
  docker.close();
});
