/** Web pages that are not ours: DNS rebinding and cross-origin requests, with the SDK's own handler as the control that lets them in. */

import { createMcpHandler } from '@modelcontextprotocol/server';
import { describe, expect, test } from 'vitest';
import { createMcpFactory } from '../../src/edge/mcp.ts';
import { byToken } from '../../src/policy/authenticate.ts';
import { quiet } from './fixture-door.ts';
import { info, modern, TOKENS, web } from './fixture-http.ts';

const HOSTS = [
  'evil.example',
  'evil.example:7070',
  'localhost.evil.example',
  'evil.example#localhost',
  'localhost@evil.example',
  'evil.example@localhost',
  '127.0.0.1.evil.example',
  '127.0.0.1.nip.io:7070',
  'localhost.',
  'localhost:7070:80',
  'xn--lcalhost-n2a',
  '0.0.0.0:7070',
  '2130706433',
  '0x7f.1',
  '127.1',
  '[::ffff:127.0.0.1]',
  '[::]',
  'localhost, evil.example',
  'deckhand.example.org.evil.example',
];
const ORIGINS = [
  'https://evil.example',
  'http://evil.example:7070',
  'null',
  '',
  'file://',
  'http://localhost.evil.example',
  'http://localhost:7070.evil.example',
  'http://evil.example/localhost',
  'http://localhost:3000',
  'http://127.0.0.1',
  'chrome-extension://abcdef',
  'https://app.example.org.evil.example',
  'http://app.example.org',
  'https://app.example.org:8443',
];

describe('Host', () => {
  test.each(HOSTS)('%s is refused, with one record', async (host) => {
    const w = web();
    const m = modern('tools/list');
    const response = await w.post(m.body, { ...m.headers, host });
    expect(response.status).toBe(403);
    const { error } = (await response.json()) as { error: { message: string } };
    expect(error.message).toContain('http.allowedHosts');
    expect(w.records).toMatchObject([{ event: 'refused', code: 'permission', what: 'POST /mcp' }]);
  });

  test.each([
    ['localhost', []],
    ['LOCALHOST:1', []],
    ['127.0.0.1:7070', []],
    ['[::1]:7070', []],
    ['deckhand.example.org', ['deckhand.example.org']],
    ['deckhand.example.org:8443', ['deckhand.example.org']],
    ['deckhand.example.org:8443', ['deckhand.example.org:8443']],
  ])('%s is ours', async (host, allowedHosts) => {
    const w = web({ http: { allowedHosts } });
    const m = modern('tools/list');
    expect((await w.post(m.body, { ...m.headers, host })).status).toBe(200);
  });

  test('an entry with a port means that port', async () => {
    const w = web({ http: { allowedHosts: ['deckhand.example.org:8443'] } });
    const m = modern('tools/list');
    expect((await w.post(m.body, { ...m.headers, host: 'deckhand.example.org:9' })).status).toBe(403);
  });

  test('the public URL is ours', async () => {
    const w = web({ http: { url: 'https://ops.example.org' } });
    const m = modern('tools/list');
    const headers = { ...m.headers, host: 'ops.example.org', origin: 'https://ops.example.org' };
    expect((await w.post(m.body, headers)).status).toBe(200);
  });

  test.each(['/healthz', '/readyz', '/sse', '/nowhere', '/mcp'])('%s is behind the same gate', async (path) => {
    const w = web();
    expect((await w.face.app.request(path, { headers: { host: 'evil.example' } })).status).toBe(403);
    expect((await w.face.app.request(path, { headers: { origin: 'https://evil.example' } })).status).toBe(403);
    expect(
      (await w.face.app.request(path, { method: 'OPTIONS', headers: { origin: 'https://evil.example' } })).status,
    ).toBe(403);
    expect(w.records.length).toBe(3);
  });
});

describe('Origin', () => {
  test.each(ORIGINS)('%s is refused, with one record, before the token is looked at', async (origin) => {
    let asked = 0;
    const w = web({
      http: { allowedOrigins: ['https://app.example.org'] },
      authenticate: byToken((s) => {
        asked++;
        return TOKENS[s] ?? null;
      }),
    });
    const m = modern('tools/call', { name: 'system_overview', arguments: {} });
    const response = await w.post(m.body, { ...m.headers, host: 'localhost:7070', origin });
    expect([response.status, asked]).toEqual([403, 0]);
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
    expect(w.records).toMatchObject([{ event: 'refused', code: 'permission' }]);
  });

  test.each([['http://localhost:7070'], ['https://app.example.org']])(
    '%s is ours, and may read the answer',
    async (origin) => {
      const w = web({ http: { allowedOrigins: ['https://app.example.org'] } });
      const m = modern('tools/list');
      const response = await w.post(m.body, { ...m.headers, host: 'localhost:7070', origin });
      expect([response.status, response.headers.get('access-control-allow-origin')]).toEqual([200, origin]);
      const ask = { method: 'OPTIONS', headers: { host: 'localhost:7070', origin } };
      const preflight = await w.face.app.request('/mcp', ask);
      expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([
        204,
        expect.stringContaining('authorization'),
      ]);
    },
  );
});

test("the control: the SDK's handler alone serves the evil page", async () => {
  const w = web();
  const caller = { face: 'mcp-http' as const, principal: TOKENS.full, recorded() {} };
  const handler = createMcpHandler(createMcpFactory({ door: w.door, caller, info, log: quiet, newId: () => 'x' }));
  const m = modern('tools/call', { name: 'system_overview', arguments: {} });
  for (const headers of [{ host: 'evil.example' }, { origin: 'https://evil.example' }]) {
    const response = await handler.fetch(
      new Request('http://localhost/mcp', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...m.headers, ...headers } as { [k: string]: string },
        body: JSON.stringify(m.body),
      }),
    );
    expect(response.status).toBe(200);
  }
  expect(w.records.map((r) => r.code)).toEqual(['done', 'done']);
});
