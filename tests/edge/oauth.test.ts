/** What OAuth says over HTTP: the metadata, each challenge to the letter, and tokens as large as issuers make them, over a real socket. */
import { request } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { challengeFacts, metadata, metadataPaths } from '../../src/edge/oauth.ts';
import { createAuthenticate } from '../../src/policy/authenticate.ts';
import type { Recognised } from '../../src/policy/credentials.ts';
import { DOWN, HOME, METADATA, RESOURCE, START_S, tokenOf, type World, world } from '../policy/oauth_issuer.ts';
import { legacy, modern, TOKENS, type Web, web } from './fixture-http.ts';

const RESOURCE_FACTS = {
  uri: RESOURCE,
  issuers: [HOME, 'https://solo.example.org'],
  scopes: ['system:read', 'logs:read'],
};
const AT = 'https://deck.example.org/.well-known/oauth-protected-resource/mcp';
let open: Web[] = [];
afterEach(async () => {
  for (const w of open) await w.face.close();
  open = [];
});

function house(oauth?: (token: string) => Recognised | Promise<Recognised>): { w: Web; at: World } {
  const at = world();
  const authenticate = createAuthenticate({ find: (s) => TOKENS[s] ?? null, oauth: oauth ?? at.oauth.recognise });
  const w = web({ authenticate, resource: RESOURCE_FACTS, http: { url: 'https://deck.example.org' } });
  open.push(w);
  return { w, at };
}
const call = modern('tools/call', { name: 'system_overview', arguments: {} });
const asking = (w: Web, authorization: string, m = call) => w.post(m.body, { ...m.headers, authorization });
const challenge = async (answer: Response | Promise<Response>) => {
  const r = await answer;
  return `${r.status} ${r.headers.get('www-authenticate') ?? `retry ${r.headers.get('retry-after')}`}`;
};

describe('metadata (RFC 9728)', () => {
  test.each(['/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource/mcp'])(
    '%s',
    async (path) => {
      const { w } = house();
      const r = await w.face.app.request(path);
      expect([r.status, r.headers.get('content-type')]).toEqual([200, 'application/json']);
      expect(await r.json()).toEqual({
        resource: RESOURCE,
        authorization_servers: [HOME, 'https://solo.example.org'],
        scopes_supported: ['system:read', 'logs:read'],
        bearer_methods_supported: ['header'],
        resource_name: 'Deckhand',
      });
      // No token is asked for, nothing is recorded; only those who may knock at all.
      expect(w.records).toEqual([]);
      expect((await w.face.app.request(path, { headers: { host: 'evil.example.org' } })).status).toBe(403);
      expect((await w.face.app.request(path, { headers: { origin: 'https://evil.example.org' } })).status).toBe(403);
      expect((await w.face.app.request(path, { method: 'POST' })).status).toBe(404);
    },
  );

  test('without issuers there are none, and challenges name none', async () => {
    const w = web();
    open.push(w);
    expect((await w.face.app.request('/.well-known/oauth-protected-resource')).status).toBe(404);
    expect(await challenge(asking(w, 'Bearer no'))).not.toContain('resource_metadata');
    expect(challengeFacts(null)).toEqual({ resourceMetadata: null, scope: null });
  });

  test.each([
    ['https://a.example/mcp', 'https://a.example/.well-known/oauth-protected-resource/mcp', ['', '/mcp']],
    [
      'https://a.example:8443/box/mcp',
      'https://a.example:8443/.well-known/oauth-protected-resource/box/mcp',
      ['', '/mcp', '/box/mcp'],
    ],
    ['https://a.example', 'https://a.example/.well-known/oauth-protected-resource', ['', '/mcp']],
  ])('of %s', (uri, url, paths) => {
    const facts = { uri, issuers: [], scopes: [] };
    expect(challengeFacts(facts)).toEqual({ resourceMetadata: url, scope: null });
    expect([...metadataPaths(facts)]).toEqual(paths.map((p) => `/.well-known/oauth-protected-resource${p}`));
    expect(metadata(facts)).toMatchObject({ resource: uri });
  });
});

describe('challenges', () => {
  const first = `Bearer realm="deckhand", scope="system:read logs:read", resource_metadata="${AT}"`;
  test('no token: where to get one, and what to ask for; no error, for nothing was sent', async () => {
    const { w } = house();
    expect(await challenge(w.face.app.request('/mcp?access_token=full', { method: 'POST' }))).toBe(`401 ${first}`);
    expect(await challenge(asking(w, 'Basic eDp5'))).toBe(`401 ${first}`);
  });

  test('a bad one: why, without a word of it', async () => {
    const { w } = house();
    const token = tokenOf({ claims: { aud: 'https://"evil".example.org/\\' } });
    expect(await challenge(asking(w, `Bearer ${token}`))).toBe(
      `401 Bearer realm="deckhand", error="invalid_token", error_description="The token is not accepted: it was issued for another audience.", scope="system:read logs:read", resource_metadata="${AT}"`,
    );
    expect(w.records).toMatchObject([{ event: 'refused', code: 'permission' }]);
    expect(JSON.stringify(w.records)).not.toMatch(/evil|eyJ/);
  });

  test('a malformed one', async () => {
    const { w } = house();
    for (const bad of ['Bearer', 'Bearer a b', 'Bearer a,b', 'Bearer "x"', `Bearer ${tokenOf()}\u00e9`])
      expect(await challenge(asking(w, bad)), bad).toBe(
        `400 Bearer realm="deckhand", error="invalid_request", resource_metadata="${AT}"`,
      );
  });

  test('rights that are short: all that this call needs, at once', async () => {
    const { w } = house();
    const m = modern('tools/call', { name: 'system_overview', arguments: { secret: 'x' } });
    const token = tokenOf({ claims: { scope: 'net:read' } });
    expect(await challenge(asking(w, `Bearer ${token}`, m))).toBe(
      `403 Bearer realm="deckhand", error="insufficient_scope", scope="system:read logs:read", resource_metadata="${AT}"`,
    );
    // What includes it is enough.
    for (const scope of ['admin', 'system:read logs:read'])
      expect((await asking(w, `Bearer ${tokenOf({ claims: { scope } })}`, m)).status, scope).toBe(200);
  });

  test('an issuer that is away: come again, and it is no fault of the token', async () => {
    const { w, at } = house();
    at.pages.set(METADATA[HOME], DOWN);
    expect(await challenge(asking(w, `Bearer ${tokenOf()}`))).toBe('503 retry 5');
    expect(await (await asking(w, `Bearer ${tokenOf()}`)).json()).toMatchObject({
      error: { message: expect.stringContaining('home'), data: { code: 'unavailable' } },
    });
  });

  test('a token that runs out, and one whose key is withdrawn, between one request and the next', async () => {
    const { w, at } = house();
    const token = tokenOf({ claims: { exp: START_S + 60 } });
    expect((await asking(w, `Bearer ${token}`)).status).toBe(200);
    at.at.ms += 90_000;
    expect(await challenge(asking(w, `Bearer ${token}`))).toMatch(/^401 .*it has expired/);
  });
});

test('a session of 2025 is no key: its token runs out in the middle, and nobody else’s token opens it', async () => {
  const { w, at } = house();
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } };
  const authorization = `Bearer ${tokenOf({ claims: { exp: START_S + 60 } })}`;
  const opened = await w.post(legacy('initialize', params), { authorization });
  const session = {
    'mcp-session-id': opened.headers.get('mcp-session-id') ?? '',
    'mcp-protocol-version': '2025-11-25',
  };
  expect(session['mcp-session-id']).not.toBe('');
  const list = (token: string) => w.post(legacy('tools/list'), { ...session, authorization: token });
  expect((await list(authorization)).status).toBe(200);
  expect((await list(`Bearer ${tokenOf({ claims: { sub: 'mallory' } })}`)).status).toBe(404);
  at.at.ms += 90_000;
  expect(await challenge(list(authorization))).toMatch(/^401 .*it has expired.*resource_metadata=/);
  // The same person with a new token goes on.
  expect((await list(`Bearer ${tokenOf({}, START_S + 90)}`)).status).toBe(200);
});

test('who it was stands in the record, by issuer and subject', async () => {
  const { w } = house();
  expect((await asking(w, `Bearer ${tokenOf()}`)).status).toBe(200);
  expect(w.records).toMatchObject([{ event: 'call', who: 'jwt:home:alice', code: 'done' }]);
});

test('a token that is known takes the short way; an unknown one the long way, once', async () => {
  const { w, at } = house();
  let promised = 0;
  const count = (found: Recognised | Promise<Recognised>) => {
    if (found instanceof Promise) promised++;
    return found;
  };
  const v = web({
    authenticate: createAuthenticate({ find: () => null, oauth: (t) => count(at.oauth.recognise(t)) }),
    resource: RESOURCE_FACTS,
  });
  open.push(v, w);
  const { url } = await v.face.listen();
  for (let i = 0; i < 3; i++) {
    const r = await fetch(url, {
      method: 'POST',
      headers: {
        ...call.headers,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        authorization: `Bearer ${tokenOf({ signed: fixed })}`,
      },
      body: JSON.stringify(call.body),
    });
    expect(r.status).toBe(200);
  }
  expect(promised).toBe(1);
});
/** Of one content there are as many ECDSA signatures as one likes: this one is kept. */
let first: Buffer | undefined;
const fixed = (signature: Buffer) => {
  first ??= signature;
  return first;
};

describe('over a socket', () => {
  /** By hand, because fetch has limits of its own. */
  function knock(url: string, headers: Record<string, string>): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const body = JSON.stringify(call.body);
    const req = request(url, {
      method: 'POST',
      headers: {
        ...call.headers,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      },
    });
    req.on('response', (res) => {
      res.resume();
      resolve(res.statusCode as number);
    });
    req.on('error', reject);
    req.end(body);
    return promise;
  }
  const filled = (bytes: number) => {
    const bare = tokenOf({ claims: { filler: '' } }).length;
    return tokenOf({ claims: { filler: 'x'.repeat(Math.floor(((bytes - bare) * 3) / 4)) } });
  };

  test.each([
    [2_000, 200],
    [8_100, 200],
    [12_200, 200],
    [12_400, 400],
    [15_500, 400],
    [17_000, 431],
  ])('a token of %i bytes: %i', async (bytes, status) => {
    const at = world();
    const v = web({
      authenticate: createAuthenticate({ find: () => null, oauth: at.oauth.recognise }),
      resource: RESOURCE_FACTS,
    });
    open.push(v);
    const { url } = await v.face.listen();
    const token = filled(bytes);
    expect(Math.abs(token.length - bytes)).toBeLessThan(20);
    expect(await knock(url, { authorization: `Bearer ${token}` })).toBe(status);
  });
});

test('whatever an issuer’s error says, it is one of ours', async () => {
  const refused = new OpsError('unavailable', 'The issuer "x" cannot be asked now.');
  const { w } = house(() => ({ refused, status: 503, sent: true }));
  expect(await challenge(asking(w, 'Bearer eyJ'))).toBe('503 retry 5');
});
