/** What has to hold of the image beside Tailscale, as deploy/docker/tailscale.yaml starts the two; part of image.test.ts, which has built it. */
import { hostname } from 'node:os';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Engine } from './engine.ts';
import { type Sidecar, sidecar } from './sidecar.ts';

const ALICE = { 'x-forwarded-for': '100.64.0.20', 'tailscale-user-login': 'alice@example.com' };

/** Prints the status, or why there is none. */
const knock = (how: string, headers: object) => `import { request } from 'node:http';
  const headers = { host: 'localhost', 'content-type': 'application/json', accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2025-11-25', ...${JSON.stringify(headers)} };
  const sent = request({ ${how}, path: '/mcp', method: 'POST', headers, timeout: 10_000 }, (r) => { console.log(r.statusCode); process.exit(); });
  sent.on('error', (e) => { console.log(e.code); process.exit(); });
  sent.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }));`;
const SOCKET = "socketPath: '/run/deckhand/mcp.sock'";

export function sidecarTests(engine: () => Engine): void {
  let two: Sidecar;
  beforeAll(async () => {
    two = await sidecar(engine());
  }, 180_000);
  afterAll(() => two?.down(), 60_000);

  const answers = async (service: 'deckhand' | 'tailscale', how: string, headers: object) => {
    const { out, err } = await two.exec(service, knock(how, headers));
    return out.trim() || err;
  };
  async function call() {
    const url = new URL(`http://${await two.address('tailscale')}:443/mcp`);
    const client = new Client({ name: 'laptop', version: '1' }, {
      versionNegotiation: { mode: { pin: '2026-07-28' } },
    } as never);
    await client.connect(new StreamableHTTPClientTransport(url));
    try {
      return await client.callTool({ name: 'system_overview', arguments: {} });
    } finally {
      await client.close();
    }
  }

  test('a call through it is of the tailnet’s user, with the role of the grant; after a restart of either, too', async () => {
    const again = async () => ((await call().catch(() => null)) === null ? 'no answer' : 'answered');
    await expect.poll(again, { timeout: 30_000, interval: 200 }).toBe('answered');
    expect((await call()).structuredContent).toMatchObject({ host: { container: false, hostname: hostname() } });
    const audit = `import { readdirSync, readFileSync } from 'node:fs';
      const dir = '/var/lib/deckhand/state/audit/';
      for (const f of readdirSync(dir)) if (f.endsWith('.jsonl')) console.log(readFileSync(dir + f, 'utf8'));`;
    expect((await two.exec('deckhand', audit)).out).toContain('tailnet:alice@example.com');
    for (const service of ['deckhand', 'tailscale']) {
      expect((await two.compose(['restart', '--timeout=10', service])).code).toBe(0);
      await expect.poll(again, { timeout: 30_000, interval: 200 }).toBe('answered');
    }
  }, 120_000);

  test('who writes the headers himself is refused, by the socket and by the port; nobody else reaches either', async () => {
    // The truth on the same way: what the refusals below are about is the headers alone.
    expect(await answers('tailscale', SOCKET, ALICE)).toBe('200');
    for (const forged of [
      { ...ALICE, 'tailscale-user-login': 'root@example.com' },
      { ...ALICE, 'x-forwarded-for': '100.64.0.99' },
      { ...ALICE, 'x-forwarded-for': '100.64.0.20, 100.64.0.21' },
      { 'tailscale-user-login': 'alice@example.com' },
      {},
    ])
      expect(['401', '403'], JSON.stringify(forged)).toContain(await answers('tailscale', SOCKET, forged));
    expect(await answers('deckhand', "host: '127.0.0.1', port: 7070", ALICE)).toBe('401');
    const address = await two.address('deckhand');
    expect(await answers('tailscale', `host: '${address}', port: 7070`, ALICE)).toBe('ECONNREFUSED');
    const modes = `import { statSync } from 'node:fs';
      for (const p of ['/run/deckhand', '/run/deckhand/mcp.sock', '/run/tailscale', '/run/tailscale/tailscaled.sock'])
        { const s = statSync(p); console.log(p, s.uid, (s.mode & 0o777).toString(8)); }`;
    expect((await two.exec('deckhand', modes)).out.trim().split('\n')).toEqual([
      '/run/deckhand 10001 750',
      '/run/deckhand/mcp.sock 10001 660',
      '/run/tailscale 0 755',
      '/run/tailscale/tailscaled.sock 0 666',
    ]);
  }, 120_000);

  test('no port is published; without a key it does not begin', async () => {
    const { out } = await two.compose(['config', '--format', 'json']);
    const { services } = JSON.parse(out) as { services: Record<string, { ports?: unknown; network_mode?: string }> };
    expect(Object.keys(services).sort()).toEqual(['deckhand', 'tailscale']);
    for (const service of Object.values(services)) expect(service.ports ?? service.network_mode).toBeUndefined();
    const { out: told } = await engine().docker(['ps', '--format', '{{.Names}} {{.Ports}}']);
    expect(told.split('\n').filter((line) => line.startsWith('sidecar') && line.includes('->'))).toEqual([]);
    const without = await two.compose(['config'], { TS_AUTHKEY_FILE: '' });
    expect(without.code).not.toBe(0);
    expect(without.err).toContain('a file that holds an auth key of your tailnet');
  });
}
