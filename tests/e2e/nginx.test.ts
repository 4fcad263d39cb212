/**
 * Behind a real nginx, with the very block that docs/tls.md shows: clients call through it, streams pass as they come, large bodies pass,
 * limits and the audit see the client and not the proxy, and what a client forges is not believed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ERAS, type Place, place, root, run, type Served, serve } from './product.ts';

const nginx = ['/usr/sbin/nginx', '/usr/bin/nginx'].find((path) => spawnSync(path, ['-v']).status === 0);
const able = process.env.DECKHAND_REAL === '1' && nginx !== undefined;
if (!able)
  process.stderr.write('SKIPPED tests/e2e/nginx: needs DECKHAND_REAL=1 and nginx (apt-get install nginx-light).\n');

const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).toReversed()) await end();
});

async function freePort(): Promise<number> {
  const server = createTcp();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** What users paste, with our names in it. */
function block(o: { port: number; upstream: string; cert: string; key: string }): string {
  const page = readFileSync(join(root, 'docs/tls.md'), 'utf8');
  const shown = /```nginx\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  const replaced = [
    ['listen 443 ssl', `listen 127.0.0.1:${o.port} ssl`],
    ['http://127.0.0.1:7070', o.upstream],
    ['/etc/ssl/deckhand/fullchain.pem', o.cert],
    ['/etc/ssl/deckhand/privkey.pem', o.key],
  ] as const;
  return replaced.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`docs/tls.md shows no ${from}`);
    return text.replace(from, to);
  }, shown);
}

const NAMES = ['--name', 'deckhand.example.org', '--name', 'evil.example'];

interface Front {
  port: number;
  cert: string;
}

async function front(at: Place, upstream: string, edit: (conf: string) => string = (c) => c): Promise<Front> {
  const { out } = await run(at, ['tls', 'self-signed', '--json', '--force', '--out', join(at.dir, 'front'), ...NAMES]);
  const { certFile: cert, keyFile: key } = JSON.parse(out) as { certFile: string; keyFile: string };
  const port = await freePort();
  const home = join(at.dir, `nginx-${port}`);
  mkdirSync(home);
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((n) => `${n}_temp_path ${home}/${n};`)
    .join(' ');
  writeFileSync(
    join(home, 'nginx.conf'),
    `daemon off; master_process off; worker_processes 1; pid ${home}/pid; error_log ${home}/error.log;
     events { worker_connections 256; }
     http { access_log off; ${temp} ${edit(block({ port, upstream, cert, key }))} }`,
  );
  const child: ChildProcess = spawn(nginx as string, ['-p', home, '-c', join(home, 'nginx.conf')], { stdio: 'pipe' });
  let said = '';
  child.stderr?.on('data', (d) => {
    said += d;
  });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  ended.push(() => {
    child.kill('SIGKILL');
    return gone;
  });
  await expect
    .poll(
      () =>
        ask({ port, cert }, '/healthz').then(
          (a) => a.status,
          (e) => `${e} ${said}`,
        ),
      { timeout: 15_000 },
    )
    .toBeGreaterThan(199);
  return { port, cert };
}

interface Answer {
  status: number;
  text: string;
  headers: IncomingMessage['headers'];
}

function ask(
  to: Front,
  path: string,
  o: { method?: string; headers?: Record<string, string>; body?: string; from?: string; onPiece?(): void } = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const asked = request(
    {
      host: '127.0.0.1',
      port: to.port,
      path,
      agent: false,
      ca: readFileSync(to.cert),
      method: o.method ?? 'GET',
      headers: o.headers ?? {},
      ...(o.from ? { localAddress: o.from } : {}),
    },
    (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (d: string) => {
        text += d;
        o.onPiece?.();
      });
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text, headers: answer.headers }));
    },
  );
  asked.on('error', reject);
  asked.end(o.body);
  return promise;
}

async function behind(
  at: Place,
  env: Record<string, string> = {},
  args: string[] = [],
): Promise<Served & { upstream: string }> {
  Object.assign(at.env, { DECKHAND_HTTP_BEHIND_PROXY: 'true', DECKHAND_HTTP_TRUSTED_PROXIES: '127.0.0.1', ...env });
  const server = await serve(at, args);
  ended.push(() => server.stop());
  return { ...server, upstream: new URL(server.url).origin };
}

const message = (name: string, args: object, meta: object = {}) => ({
  method: 'POST',
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args, _meta: meta } }),
});
const headersOf = (token: string) => ({
  authorization: `Bearer ${token}`,
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
});

describe.skipIf(!able)('behind nginx', () => {
  test('clients of all eras list and call, and the audit knows from where', async () => {
    using at = place();
    const server = await behind(at, { DECKHAND_HTTP_ALLOWED_HOSTS: 'deckhand.example.org' });
    const to = await front(at, server.upstream);
    for (const era of ERAS) {
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'tls_client.ts'), `https://127.0.0.1:${to.port}/mcp`, server.token, era],
        { env: { ...process.env, NODE_EXTRA_CA_CERTS: to.cert }, stdio: ['ignore', 'pipe', 'inherit'] },
      );
      let out = '';
      child.stdout.on('data', (d) => {
        out += d;
      });
      await new Promise((resolve) => child.once('close', resolve));
      expect(JSON.parse(out), era).toMatchObject({ failed: false });
    }
    const call = { ...message('system_overview', {}), headers: headersOf(server.token), from: '127.0.0.9' };
    expect((await ask(to, '/mcp', call)).status).toBe(200);
    // nginx hands the Host on, so ours is what decides.
    const asked = (host: string) => ask(to, '/healthz', { headers: { host } }).then((a) => a.status);
    expect([await asked('deckhand.example.org'), await asked('evil.example')]).toEqual([200, 403]);
    const audit = (await run(at, ['audit', 'export'])).out;
    expect(audit).toContain('"127.0.0.9"');
  }, 90_000);

  test('an answer that takes long comes as it is made; where nginx keeps answers back, all of it comes at the end', async () => {
    using at = place();
    const server = await behind(at, {}, ['--toolsets', 'core,net']);
    const long = { ...message('net_bandwidth', { seconds: 5 }), headers: headersOf(server.token) };
    /** Whether another question, asked when the first piece came, was answered before the last one did. */
    async function early(to: Front): Promise<boolean> {
      let over = false;
      let meanwhile: Promise<boolean> | undefined;
      const answer = await ask(to, '/mcp', {
        ...long,
        onPiece() {
          meanwhile ??= ask(to, '/healthz').then(() => !over);
        },
      });
      over = true;
      expect(answer.headers['content-type']).toContain('text/event-stream');
      expect(answer.text).toMatch(/^: working\n\n[\s\S]*"result"/);
      return meanwhile ?? false;
    }
    expect(await early(await front(at, server.upstream))).toBe(true);

    const keeping = (conf: string) =>
      conf.replace('proxy_buffering off;', 'proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;');
    expect(await early(await front(at, server.upstream, keeping))).toBe(false);
  }, 90_000);

  test('bodies are bounded by us and not by nginx, and either answer is ours', async () => {
    using at = place();
    const server = await behind(at, { DECKHAND_HTTP_MAX_BODY_BYTES: String(4 * 1024 * 1024) });
    const to = await front(at, server.upstream);
    const headers = headersOf(server.token);
    const sent = (bytes: number) =>
      ask(to, '/mcp', { ...message('process_list', { name: 'x'.repeat(bytes) }), headers });
    // Three times what nginx takes by itself. Read to its end, and refused for what it says.
    const large = await sent(3 * 1024 * 1024);
    expect([large.status, large.text]).toEqual([200, expect.stringContaining('validation')]);
    const larger = await sent(5 * 1024 * 1024);
    expect([larger.status, larger.text]).toEqual([413, expect.stringContaining('jsonrpc')]);
  }, 60_000);

  const FEW = '20';
  /** Answers to forty requests in a row. */
  async function flood(to: Front, from: string, headers: () => Record<string, string> = () => ({})): Promise<number[]> {
    const codes: number[] = [];
    for (let i = 0; i < 40; i++) codes.push((await ask(to, '/nothing', { from, headers: headers() })).status);
    return codes;
  }

  test('each client has a limit of its own; without trusted proxies, as the control, one uses up that of all', async () => {
    using at = place();
    const limit = { DECKHAND_HTTP_REQUESTS_PER_MINUTE_PER_ADDRESS: FEW };
    const server = await behind(at, limit);
    const to = await front(at, server.upstream);
    expect((await flood(to, '127.0.0.2')).filter((c) => c === 429).length).toBeGreaterThan(10);
    expect((await ask(to, '/nothing', { from: '127.0.0.3' })).status).toBe(404);

    using other = place();
    const shared = await behind(other, { ...limit, DECKHAND_HTTP_TRUSTED_PROXIES: '' });
    expect(shared.errors()).toContain('all clients of the proxy share one address');
    const same = await front(other, shared.upstream);
    expect((await flood(same, '127.0.0.2')).filter((c) => c === 429).length).toBeGreaterThan(10);
    expect((await ask(same, '/nothing', { from: '127.0.0.3' })).status).toBe(429);
  }, 90_000);

  test('a client that makes up where it comes from is counted all the same; who reads from the left, as the control, believes it', async () => {
    using at = place();
    const server = await behind(at, { DECKHAND_HTTP_REQUESTS_PER_MINUTE_PER_ADDRESS: FEW });
    const to = await front(at, server.upstream);
    let made = 0;
    const forged = () => {
      const address = `198.51.100.${++made}`;
      return {
        'x-forwarded-for': address,
        'x-real-ip': address,
        forwarded: `for=${address}`,
        'x-forwarded-host': 'evil.example',
      };
    };
    expect((await flood(to, '127.0.0.2', forged)).filter((c) => c === 429).length).toBeGreaterThan(10);
    // Nor does it use up the limit of whom it claims to be.
    expect((await ask(to, '/nothing', { from: '127.0.0.3' })).status).toBe(404);
    const audit = (await run(at, ['audit', 'export'])).out;
    expect(audit).toContain('"127.0.0.2"');
    expect(audit).not.toMatch(/198\.51\.100\./);

    const naive = createServer((incoming, outgoing) => {
      outgoing.end(String(incoming.headers['x-forwarded-for']).split(/, */)[0]);
    });
    await new Promise<void>((resolve) => naive.listen(0, '127.0.0.1', resolve));
    ended.push(() => new Promise((resolve) => naive.close(resolve)));
    const believing = await front(at, `http://127.0.0.1:${(naive.address() as AddressInfo).port}`);
    const headers = { 'x-forwarded-for': '198.51.100.7' };
    expect((await ask(believing, '/nothing', { from: '127.0.0.2', headers })).text).toBe('198.51.100.7');
  }, 90_000);
});
