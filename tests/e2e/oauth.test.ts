/**
 * The whole way with real parts: an MCP client finds the authorization server, a person signs in there (PKCE), the token is for this
 * server alone (RFC 8707), calls run, more rights are asked for when a call needs them, keys change, clocks differ, the issuer goes away. With
 * DECKHAND_REAL=1, because it takes ten seconds.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { decodeJwt } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { Keeper, type Place, place, signIn } from './oauth_place.ts';

const real = process.env.DECKHAND_REAL === '1';
if (!real)
  process.stderr.write(
    '\nSKIPPED: sign-in at a real authorization server (tests/e2e/oauth.test.ts), lacking DECKHAND_REAL=1.\n',
  );

let p: Place;
let open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const client of open) await client.close().catch(() => {});
  open = [];
});

const ERAS = ['2026-07-28', '2025-11-25', '1.x'] as const;
type Era = (typeof ERAS)[number];

interface Session {
  keeper: Keeper;
  client: Client;
  transport: StreamableHTTPClientTransport;
}

async function connect(era: Era, keeper: Keeper): Promise<Session> {
  const url = new URL(p.url);
  const old = era === '1.x';
  const transport = old
    ? new OldTransport(url, { authProvider: keeper as never })
    : new StreamableHTTPClientTransport(url, { authProvider: keeper as never });
  const mode = era === '2026-07-28' ? { pin: era } : 'legacy';
  const client = old
    ? new OldClient({ name: 'old', version: '1' })
    : new Client({ name: 'new', version: '2' }, { versionNegotiation: { mode } } as never);
  open.push(client);
  const session = { keeper, client: client as Client, transport: transport as StreamableHTTPClientTransport };
  await client.connect(transport as never);
  return session;
}

/** The first try ends at the sign-in, the second is in. */
async function signedIn(era: Era, login = 'alice'): Promise<Session> {
  const keeper = new Keeper();
  const url = new URL(p.url);
  const first =
    era === '1.x'
      ? new OldTransport(url, { authProvider: keeper as never })
      : new StreamableHTTPClientTransport(url, { authProvider: keeper as never });
  const mode = era === '2026-07-28' ? { pin: era } : 'legacy';
  const client =
    era === '1.x'
      ? new OldClient({ name: 'old', version: '1' })
      : new Client({ name: 'new', version: '2' }, { versionNegotiation: { mode } } as never);
  await expect(client.connect(first as never)).rejects.toThrow(/[Uu]nauthorized/);
  await finish({ keeper, client: client as Client, transport: first as StreamableHTTPClientTransport }, login);
  await client.close();
  return connect(era, keeper);
}

async function finish({ keeper, transport }: Session, login = 'alice'): Promise<void> {
  const said = await signIn(keeper.sent.at(-1) as URL, login);
  // The older SDK takes the code alone.
  const old = (transport as unknown) instanceof OldTransport;
  await transport.finishAuth(old ? ((said.get('code') ?? '') as never) : said);
}

/** A token as a client would get it, without one. */
const tokenBySignIn = async (scope: string, resource = p.url) => (await tokensBySignIn(scope, resource)).access_token;
async function tokensBySignIn(
  scope: string,
  resource = p.url,
): Promise<{ access_token: string; id_token?: string; refresh_token?: string }> {
  const verifier = 'v'.repeat(64);
  const challenge = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(verifier))).toString('base64url');
  const redirect_uri = 'https://client.example.test/callback';
  const ask = {
    client_id: 'mcp-client',
    response_type: 'code',
    redirect_uri,
    scope,
    resource,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    // Without it no refresh token is given.
    ...(scope.includes('offline_access') ? { prompt: 'consent' } : {}),
  };
  const said = await signIn(new URL(`${p.issuer.url}/auth?${new URLSearchParams(ask)}`));
  const body = new URLSearchParams({
    client_id: 'mcp-client',
    grant_type: 'authorization_code',
    code: said.get('code') ?? '',
    redirect_uri,
    code_verifier: verifier,
    resource,
  });
  const res = await fetch(`${p.issuer.url}/token`, { method: 'POST', body });
  return (await res.json()) as { access_token: string };
}

async function overview(token: string | null): Promise<Response> {
  return fetch(p.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'system_overview', arguments: {} },
    }),
  });
}
const status = async (token: string) => (await overview(token)).status;
const textOf = (result: unknown) => JSON.stringify(result);

describe.skipIf(!real)('tokens that are JWTs', () => {
  beforeAll(async () => {
    p = await place();
  });
  afterAll(() => p.close());

  test('who has no token is told where to get one, and what to ask for', async () => {
    const res = await overview(null);
    expect(res.status).toBe(401);
    const at = `${new URL(p.url).origin}/.well-known/oauth-protected-resource/mcp`;
    expect(res.headers.get('www-authenticate')).toBe(
      `Bearer realm="deckhand", scope="system:read", resource_metadata="${at}"`,
    );
    for (const where of [at, at.replace(/\/mcp$/, '')]) {
      const said = await fetch(where);
      expect(said.status).toBe(200);
      expect(await said.json()).toEqual({
        resource: p.url,
        authorization_servers: [p.issuer.url],
        scopes_supported: ['system:read'],
        bearer_methods_supported: ['header'],
        resource_name: 'Deckhand',
      });
    }
  });

  describe.each(ERAS)('a client of %s', (era) => {
    test('signs in, calls, is asked for more when a call needs it, and goes on', async () => {
      const session = await signedIn(era);
      const { client, keeper } = session;
      const asked = keeper.sent[0] as URL;
      expect(Object.fromEntries(asked.searchParams)).toMatchObject({
        scope: 'system:read',
        resource: p.url,
        code_challenge_method: 'S256',
      });
      const claims = decodeJwt(keeper.kept?.access_token ?? '');
      expect(claims).toMatchObject({ iss: p.issuer.url, aud: p.url, sub: 'alice', scope: 'system:read' });

      const tools = (await client.listTools()).tools.map((t) => t.name);
      expect(tools).toContain('system_overview');
      expect(tools).not.toContain('file_list');
      expect(textOf(await client.callTool({ name: 'system_overview', arguments: {} }))).toContain('hostname');

      // Step-up: the refusal says all that it takes, the person agrees, the very same call runs.
      const call = () => client.callTool({ name: 'file_list', arguments: { path: p.dir } });
      await expect(call()).rejects.toThrow();
      const more = (keeper.sent.at(-1) as URL).searchParams.get('scope')?.split(' ') ?? [];
      expect(more).toContain('files:read');
      await finish(session);
      expect(decodeJwt(keeper.kept?.access_token ?? '').scope).toContain('files:read');
      expect(textOf(await call())).toContain('config.yaml');
      // A client may keep the list it was given for some minutes; whoever asks anew sees the tool.
      const anew = await connect(era, keeper);
      expect((await anew.client.listTools()).tools.map((t) => t.name)).toContain('file_list');
    });
  });

  test('what is short is told on the level of HTTP: all scopes of this call, and where to get them', async () => {
    const token = await tokenBySignIn('system:read');
    const res = await fetch(p.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${token}`,
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name: 'log_query', arguments: { source: [`file:${p.dir}/x.log`] } },
      }),
    });
    expect(res.status).toBe(403);
    const challenge = res.headers.get('www-authenticate') ?? '';
    expect(challenge).toMatch(/error="insufficient_scope"/);
    expect(/scope="([^"]*)"/.exec(challenge)?.[1]?.split(' ').sort()).toEqual(['files:read', 'logs:read']);
    expect(challenge).toMatch(/resource_metadata="https:/);
  });

  test('the doctor finds nothing wrong', async () => {
    const { check } = await p.app.auth();
    expect(await check()).toEqual([{ name: 'home', issuer: p.issuer.url, trouble: null }]);
  });

  test('a token for another server, an ID token and a token with one letter changed are no good', async () => {
    const other = await tokenBySignIn('system:read', 'https://other.example.test/mcp');
    expect(decodeJwt(other).aud).toBe('https://other.example.test/mcp');
    const res = await overview(other);
    expect(res.status).toBe(401);
    expect(res.headers.get('www-authenticate')).toMatch(/error="invalid_token".*another audience.*resource_metadata=/);
    const { access_token: good, id_token: identity = '' } = await tokensBySignIn('openid system:read');
    expect(await status(good)).toBe(200);
    expect(decodeJwt(identity)).toMatchObject({ iss: p.issuer.url, sub: 'alice' });
    expect((await overview(identity)).headers.get('www-authenticate')).toMatch(/invalid_token/);
    expect(await status(good.replace(/.$/, (c) => (c === 'A' ? 'Q' : 'A')))).toBe(401);
    expect((await overview(`${good} ${good}`)).status).toBe(400);
  });

  test('who it was stands in the audit, and nothing of the token does', async () => {
    const token = await tokenBySignIn('system:read');
    expect(await status(token)).toBe(200);
    const { readdirSync, readFileSync } = await import('node:fs');
    const folder = `${p.app.config.state.dir}/audit`;
    const text = readdirSync(folder)
      .filter((f) => f.endsWith('.jsonl'))
      .map((f) => readFileSync(`${folder}/${f}`, 'utf8'))
      .join('');
    expect(text).toContain('jwt:home:alice');
    for (const part of token.split('.')) expect(text).not.toContain(part);
  });

  test('keys change in the middle: what was signed before ends, what comes after is let in', async () => {
    const session = await signedIn('2026-07-28', 'bob');
    const before = session.keeper.kept?.access_token ?? '';
    expect(await status(before)).toBe(200);
    await session.client.callTool({ name: 'system_overview', arguments: {} });
    p.issuer.rotate();
    // Remembered and still within ten minutes of the keys: it serves on, and the client notices nothing.
    expect(await status(before)).toBe(200);
    await session.client.callTool({ name: 'system_overview', arguments: {} });
    const after = await tokenBySignIn('system:read');
    // The set was asked for a moment ago: the new key is found once the cooldown is over, and until then one is told when.
    const soon = await overview(after);
    if (soon.status !== 200) {
      expect([soon.status, Number(soon.headers.get('retry-after'))]).toEqual([503, expect.closeTo(15, -2)]);
      await later(31_000, async () => expect(await status(after)).toBe(200));
    }
    // By now the set was read again: the key of before is gone, and with it all that it had signed. The client is sent to sign in anew.
    expect(await status(before)).toBe(401);
    await expect(session.client.callTool({ name: 'system_overview', arguments: {} })).rejects.toThrow();
    await finish(session, 'bob');
    expect(textOf(await session.client.callTool({ name: 'system_overview', arguments: {} }))).toContain('hostname');
  });

  test.each([
    [20_000, 200],
    [-20_000, 200],
    [60_000, 401],
  ])('an issuer whose clock is wrong by %i ms: %i', async (skewMs, expected) => {
    const token = await bySkewed(skewMs);
    expect(await status(token)).toBe(expected);
  });

  test('an issuer whose clock is far behind makes tokens that are over', async () => {
    expect(await status(await bySkewed(-640_000))).toBe(401);
    // Over for less than the tolerance.
    expect(await status(await bySkewed(-615_000))).toBe(200);
  });

  async function bySkewed(skewMs: number): Promise<string> {
    p.issuer.clock.skewMs = skewMs;
    try {
      return await tokenBySignIn('system:read');
    } finally {
      p.issuer.clock.skewMs = 0;
    }
  }

  test('the issuer goes away: who is known works on, who is not is told to come again, and it comes back', async () => {
    const known = await tokenBySignIn('system:read');
    const fresh = await tokenBySignIn('system:read');
    p.issuer.rotate();
    const unknown = await tokenBySignIn('system:read');
    expect(await status(known)).toBe(200);
    await p.issuer.down();
    expect(await status(known)).toBe(200);
    // Never seen, but its key is known.
    expect(await status(fresh)).toBe(200);
    const asked = await later(31_000, () => overview(unknown));
    expect(asked.status).toBe(503);
    expect(Number(asked.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await status(known)).toBe(200);
    await p.issuer.up();
    await later(40_000, async () => expect(await status(unknown)).toBe(200));
  });
});

/** As if so long had passed since the keys were asked for; the clock on the wall stands. */
let shiftMs = 0;
const elapsed = performance.now.bind(performance);
async function later<T>(ms: number, work: () => Promise<T>): Promise<T> {
  shiftMs += ms;
  vi.spyOn(performance, 'now').mockImplementation(() => elapsed() + shiftMs);
  return work();
}

describe.skipIf(!real)('tokens that say nothing by themselves', () => {
  beforeAll(async () => {
    p = await place({ opaque: true });
  });
  afterAll(() => p.close());

  test('a client signs in and calls; the issuer is asked, once for a while', async () => {
    const { client, keeper } = await signedIn('2026-07-28');
    expect(keeper.kept?.access_token).not.toContain('.');
    const before = p.issuer.asked.filter((u) => u === '/token/introspection').length;
    for (let i = 0; i < 3; i++) await client.callTool({ name: 'system_overview', arguments: {} });
    expect(p.issuer.asked.filter((u) => u === '/token/introspection').length).toBe(before);
    expect(before).toBeGreaterThan(0);
  });

  test('the doctor tries our own name at the issuer', async () => {
    const { check } = await p.app.auth();
    expect(await check()).toEqual([{ name: 'home', issuer: p.issuer.url, trouble: null }]);
    const { chmodSync } = await import('node:fs');
    chmodSync(`${p.dir}/secret`, 0o644);
    expect((await check())[0]?.trouble).toMatch(/may be read by others/);
    chmodSync(`${p.dir}/secret`, 0o600);
  });

  test('one that was revoked is out within half a minute; an unknown one at once; nobody new while the issuer is away', async () => {
    const token = await tokenBySignIn('system:read');
    const other = await tokenBySignIn('system:read');
    expect(await status(token)).toBe(200);
    const body = new URLSearchParams({ token, client_id: 'mcp-client' });
    expect((await fetch(`${p.issuer.url}/token/revocation`, { method: 'POST', body })).status).toBe(200);
    await later(31_000, async () => expect(await status(token)).toBe(401));
    expect(await status('0'.repeat(43))).toBe(401);
    await p.issuer.down();
    const asked = await overview(other);
    expect([asked.status, asked.headers.get('retry-after')]).toEqual([503, '5']);
    await p.issuer.up();
    await later(6_000, async () => expect(await status(other)).toBe(200));
  });

  test('a refresh token and an ID token, which the same issuer gave with it, let nobody in', async () => {
    const all = await tokensBySignIn('openid offline_access system:read');
    expect(await status(all.access_token)).toBe(200);
    expect(all.refresh_token).toMatch(/^[\w-]{20,}$/);
    expect(await status(all.refresh_token ?? '')).toBe(401);
    expect(all.id_token).toMatch(/^eyJ/);
    expect(await status(all.id_token ?? '')).toBe(401);
  });

  test('one for another server is none of ours', async () => {
    const res = await overview(await tokenBySignIn('system:read', 'https://other.example.test/mcp'));
    expect(res.status).toBe(401);
    expect(res.headers.get('www-authenticate')).toMatch(/another audience/);
  });
});
