/** TLS from outside: the product makes its pair, serves it, and clients of all eras that know it call; where a start is refused. */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { get } from 'node:http';
import { get as getOverTls } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import { ERAS, type Era, type Place, place, root, run, serve } from './product.ts';

interface Made {
  certFile: string;
  keyFile: string;
  fingerprint: string;
}

async function withPair(at: Place, ...more: string[]): Promise<Made> {
  const { code, out, err } = await run(at, ['tls', 'self-signed', '--json', '--name', 'nas.lan', ...more]);
  expect([code, err]).toEqual([0, '']);
  const made = JSON.parse(out) as Made;
  at.env.DECKHAND_HTTP_TLS_CERT_FILE = made.certFile;
  at.env.DECKHAND_HTTP_TLS_KEY_FILE = made.keyFile;
  return made;
}

/** Another process, with or without the certificate. */
function client(
  url: string,
  token: string,
  era: Era,
  ca: string | null,
): Promise<{ tools?: number; failed?: boolean; error?: string }> {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const child = spawn(process.execPath, [join(import.meta.dirname, 'tls_client.ts'), url, token, era], {
    env: ca === null ? env : { ...env, NODE_EXTRA_CA_CERTS: ca },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (d) => {
    out += d;
  });
  return new Promise((resolve) => child.once('close', () => resolve(JSON.parse(out || '{"error":"said nothing"}'))));
}

function shown(url: string): Promise<string | undefined> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256);
      socket.destroy();
    }).on('error', reject);
  });
}

const status = (ask: typeof get, url: string, o: object = {}): Promise<{ code: number; text: string }> =>
  new Promise((resolve, reject) => {
    ask(url, { agent: false, ...o }, (answer) => {
      let text = '';
      answer.on('data', (d) => {
        text += d;
      });
      answer.on('end', () => resolve({ code: answer.statusCode ?? 0, text }));
    }).on('error', reject);
  });

describe('over TLS', () => {
  test('clients that were handed the certificate list and call; those that were not do not even begin', async () => {
    using at = place();
    const { certFile, fingerprint } = await withPair(at);
    const server = await serve(at);
    try {
      expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/mcp$/);
      expect(await shown(server.url)).toBe(fingerprint);
      // Each is a process of its own; the others are tried where time is no matter.
      for (const era of process.env.DECKHAND_REAL === '1' ? ERAS : ERAS.slice(0, 1)) {
        const answer = await client(server.url, server.token, era, certFile);
        expect(answer, era).toMatchObject({ failed: false });
        expect(answer.tools, era).toBeGreaterThan(5);
      }
      expect((await client(server.url, server.token, '2026-07-28', null)).error).toContain(
        'DEPTH_ZERO_SELF_SIGNED_CERT',
      );

      const health = (cert: string) => {
        const env = { DECKHAND_HTTP_PORT: new URL(server.url).port, DECKHAND_HTTP_TLS_CERT_FILE: cert };
        return spawnSync(process.execPath, [join(root, 'deploy/docker/health.mjs')], { env, timeout: 10_000 }).status;
      };
      expect([health(certFile), health('')]).toEqual([0, 1]);

      const plain = await status(get, server.url.replace('https', 'http'));
      expect(plain).toMatchObject({ code: 400, text: expect.stringContaining('This port speaks TLS.') });
      const doctor = JSON.parse((await run(at, ['doctor', '--json', '--http-port', new URL(server.url).port])).out) as {
        code: string;
        severity: string;
      }[];
      expect(doctor.filter((c) => /^(tls|http\.port)/.test(c.code)).map((c) => [c.code, c.severity])).toEqual([
        ['http.port', 'ok'],
        ['tls', 'ok'],
        ['tls.served', 'ok'],
      ]);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  }, 60_000);

  test('a new pair is served on a hang-up; a broken one is not, and no call is lost', async () => {
    using at = place();
    const first = await withPair(at);
    const server = await serve(at);
    try {
      const second = await withPair(at, '--force');
      expect(second.fingerprint).not.toBe(first.fingerprint);
      expect(await shown(server.url)).toBe(first.fingerprint);
      server.child.kill('SIGHUP');
      await vi.waitFor(async () => expect(await shown(server.url)).toBe(second.fingerprint), { timeout: 10_000 });
      expect(await client(server.url, server.token, '2026-07-28', second.certFile)).toMatchObject({ failed: false });

      writeFileSync(second.certFile, 'rubbish');
      server.child.kill('SIGHUP');
      await vi.waitFor(() => expect(server.errors()).toContain('is not served, the old one still is'), {
        timeout: 10_000,
      });
      expect(await shown(server.url)).toBe(second.fingerprint);
      expect((await run(at, ['tls', 'show'])).code).not.toBe(0);
    } finally {
      expect(await server.stop()).toBe(0);
    }
  }, 60_000);

  test('a start with a pair that cannot be served is none, and says what mends it', async () => {
    using at = place();
    const { certFile, keyFile } = await withPair(at);
    const cert = readFileSync(certFile);
    for (const [spoil, words] of [
      [() => writeFileSync(certFile, 'rubbish'), 'holds no PEM certificates'],
      [() => writeFileSync(certFile, cert), null],
      [() => delete at.env.DECKHAND_HTTP_TLS_KEY_FILE, '`http.tls.keyFile` is not set'],
      [() => Object.assign(at.env, { DECKHAND_HTTP_TLS_KEY_FILE: `${keyFile}.no` }), 'does not exist'],
    ] as const) {
      spoil();
      if (words === null) continue;
      const { code, err } = await run(at, ['serve', '--http-port', '0']);
      expect(code).toBeGreaterThan(0);
      expect(err).toContain(words);
      expect(err).toContain('next:');
    }
  }, 60_000);
});

describe.skipIf(process.geteuid?.() !== 0)('as root, in the state folder of a service’s user', () => {
  const [uid, gid] = [12345, 12346];
  async function ofUser(at: Place): Promise<string> {
    const state = at.env.DECKHAND_STATE_DIR as string;
    mkdirSync(state, { mode: 0o700 });
    chownSync(state, uid, gid);
    // The way to it, as /var/lib is.
    chmodSync(at.dir, 0o755);
    return state;
  }

  test('the pair is that user’s', async () => {
    using at = place();
    const state = await ofUser(at);
    await withPair(at);
    for (const path of ['tls', 'tls/key.pem', 'tls/cert.pem'])
      expect(statSync(join(state, path))).toMatchObject({ uid, gid });
    expect(statSync(join(state, 'tls/key.pem')).mode & 0o777).toBe(0o600);
  });

  test('a link that this user made leads root nowhere', async () => {
    using at = place();
    const state = await ofUser(at);
    const roots = join(at.dir, 'of-root');
    mkdirSync(roots, { mode: 0o755 });
    symlinkSync(roots, join(state, 'tls'));
    // The control: whom it does not stop.
    writeFileSync(join(state, 'tls', 'by-root'), '');
    const { code, err } = await run(at, ['tls', 'self-signed']);
    expect([code, err]).toEqual([3, expect.stringContaining('EACCES')]);
    expect(readdirSync(roots)).toEqual(['by-root']);
  });
});

describe('where a start is refused', () => {
  const WILDCARD = ['--http-host', '0.0.0.0'];

  test('beyond loopback in plain HTTP: before anything is made, with every way out', async () => {
    using at = place();
    for (const host of ['0.0.0.0', '::', '0']) {
      const { code, out, err } = await run(at, ['serve', '--http-port', '0', '--http-host', host]);
      expect([code, out]).toEqual([3, '']);
      for (const way of ['tls self-signed', 'http.behindProxy: true', '-p 127.0.0.1:', 'ssh -L'])
        expect(err).toContain(way);
    }
    expect(existsSync(at.env.DECKHAND_STATE_DIR as string)).toBe(false);
  }, 60_000);

  test.each([
    ['loopback needs nothing', [], false],
    ['a name of loopback', ['--http-host', 'localhost'], false],
    ['the owner’s word', [...WILDCARD, '--http-behind-proxy'], false],
    ['TLS', WILDCARD, true],
  ] as const)(
    '%s',
    async (_, flags, tls) => {
      using at = place();
      if (tls) await withPair(at);
      const server = await serve(at, [...flags]);
      const url = new URL('/healthz', server.url.replace('localhost', '127.0.0.1')).href;
      const answer = tls
        ? await status(getOverTls as typeof get, url, { rejectUnauthorized: false })
        : await status(get, url);
      expect(answer.code).toBe(200);
      expect(server.errors().includes('http.trustedProxies')).toBe(flags.includes('--http-behind-proxy' as never));
      expect(await server.stop()).toBe(0);
    },
    60_000,
  );

  test('with no token at all nobody is let in: that is why none has to be there for a start', async () => {
    // As a service: none is made by itself.
    using at = place({ NOTIFY_SOCKET: '/nonexistent' });
    const server = await serve(at, [...WILDCARD, '--http-behind-proxy']);
    expect(server.token).toBe('');
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    for (const authorization of [undefined, 'Bearer dh_x', 'Bearer ', 'Basic eDp5']) {
      const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
      const answer = await fetch(server.url, {
        method: 'POST',
        body,
        headers: authorization === undefined ? headers : { ...headers, authorization },
      });
      expect([400, 401], authorization).toContain(answer.status);
    }
    expect((await fetch(new URL('/healthz', server.url))).status).toBe(200);
    expect(await server.stop()).toBe(0);
  }, 60_000);
});
