/** Bad input over HTTP: for each line its status, its code, words that name the next step, and exactly one record. */
import { describe, expect, test } from 'vitest';
import { legacy, modern, type Web, web } from './fixture-http.ts';

interface Answer {
  status: number;
  headers: Headers;
  error: {
    code: number;
    message: string;
    data?: { code?: string; hint?: string; call?: string; supported?: string[] };
  };
  id: unknown;
}

async function read(response: Response): Promise<Answer> {
  const body = (await response.json()) as { error: Answer['error']; id: unknown };
  return { status: response.status, headers: response.headers, error: body.error, id: body.id };
}

const told = (w: Web) => w.records.map((r) => `${r.event} ${r.what} ${r.code}`);

describe('bodies', () => {
  test.each([
    ['malformed JSON', '{"jsonrpc":', 400, -32_700],
    ['nothing', '', 400, -32_700],
    ['a number', '7', 400, -32_600],
    ['null', 'null', 400, -32_600],
    ['no jsonrpc', '{"id":1,"method":"tools/list"}', 400, -32_600],
    ['a member that no message has', '{"jsonrpc":"2.0","id":1,"method":"tools/list","extra":1}', 400, -32_600],
    ['an id of a wrong type', '{"jsonrpc":"2.0","id":{},"method":"tools/list"}', 400, -32_600],
    ['a null id', '{"jsonrpc":"2.0","id":null,"method":"tools/list"}', 400, -32_600],
    ['params that are no object', '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[1]}', 400, -32_600],
    ['an array', '[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]', 400, -32_600],
    ['deep nesting', `${'['.repeat(2_000)}${']'.repeat(2_000)}`, 400, -32_600],
  ])('%s', async (_name, body, status, code) => {
    const w = web();
    const a = await read(await w.post(body));
    expect([a.status, a.error.code]).toEqual([status, code]);
    expect(a.error.message).toMatch(/Send /);
    expect(a.error.data?.call).toBeTruthy();
    expect(told(w)).toEqual(['refused POST /mcp validation']);
  });

  test('a control: the SDK alone would serve a hundred calls in one array', async () => {
    const { createMcpHandler } = await import('@modelcontextprotocol/server');
    const { createMcpFactory } = await import('../../src/edge/mcp.ts');
    const w = web();
    const caller = { face: 'mcp-http' as const, principal: undefined, recorded() {} };
    const info = { hostname: 'x', kind: 'x', version: '1' };
    const handler = createMcpHandler(
      createMcpFactory({ door: w.door, caller, info, log: console as never, newId: () => 'x' }),
    );
    const call = (id: number) => legacy('tools/call', { name: 'system_overview', arguments: {} }, id);
    const response = await handler.fetch(
      new Request('http://localhost/mcp', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        body: JSON.stringify(Array.from({ length: 100 }, (_, i) => call(i))),
      }),
    );
    await response.text();
    expect(w.records.length).toBe(100);
  });

  test.each([
    ['declared', true],
    ['chunked', false],
  ])('too long, %s', async (_name, declared) => {
    const w = web();
    const text = JSON.stringify(legacy('tools/list', { x: 'x'.repeat(5_000) }));
    const headers = {
      'content-type': 'application/json',
      authorization: 'Bearer full',
      ...(declared ? { 'content-length': String(text.length) } : {}),
    };
    const sent: number[] = [];
    const body = new ReadableStream({
      pull(controller) {
        sent.push(1_000);
        controller.enqueue(new TextEncoder().encode('x'.repeat(1_000)));
      },
    });
    const init = { method: 'POST', headers, body: declared ? text : body, duplex: 'half' } as RequestInit;
    const a = await read(await w.face.app.request('/mcp', init));
    expect([a.status, a.error.code]).toEqual([413, -32_600]);
    expect(a.error.message).toContain('http.maxBodyBytes');
    expect(sent.length, 'an endless body is not read on').toBeLessThan(10);
    expect(told(w)).toEqual(['refused POST /mcp limit']);
  });

  test.each([['text/plain'], ['application/jsonp'], [''], ['application/x-www-form-urlencoded']])(
    'content type %s',
    async (type) => {
      const w = web();
      const a = await read(await w.post(legacy('tools/list'), { 'content-type': type }));
      expect([a.status, a.error.code]).toEqual([415, -32_000]);
      expect(told(w)).toEqual(['refused POST /mcp validation']);
    },
  );

  test('a compressed body', async () => {
    const w = web();
    expect((await w.post(legacy('tools/list'), { 'content-encoding': 'gzip' })).status).toBe(415);
    expect(w.records.length).toBe(1);
  });
});

describe('methods, names and arguments', () => {
  test.each([
    ['an unknown method', 'tools/lust', {}, -32_601, 'tools/list', 'refused tools/lust not_found'],
    ['a cursor', 'tools/list', { cursor: 'x' }, -32_602, 'one page', 'refused tools/list validation'],
    [
      'a progress token that is none',
      'tools/call',
      { name: 'system_overview', _meta: { progressToken: {} } },
      -32_602,
      'progressToken',
      'refused tools/call validation',
    ],
    ['no tool name', 'tools/call', { arguments: {} }, -32_602, 'tools/list', 'refused tools/call validation'],
    [
      'arguments that are none',
      'tools/call',
      { name: 'system_overview', arguments: [1] },
      -32_602,
      'Send {}',
      'refused tools/call system_overview validation',
    ],
    [
      'null arguments',
      'tools/call',
      { name: 'system_overview', arguments: null },
      -32_602,
      'Send {}',
      'refused tools/call system_overview validation',
    ],
    [
      'an unknown tool',
      'tools/call',
      { name: 'system_overwiev', arguments: {} },
      -32_602,
      'tools/list',
      'call system_overwiev not_found',
    ],
    [
      'an unknown resource',
      'resources/read',
      { uri: 'deckhand://x' },
      -32_602,
      'resources/list',
      'refused resources/read deckhand://x not_found',
    ],
    [
      'a URI of a wrong type',
      'resources/read',
      { uri: 7 },
      -32_602,
      'resources/list',
      'refused resources/read validation',
    ],
    ['an unknown prompt', 'prompts/get', { name: 'x' }, -32_602, 'prompts/list', 'refused prompts/get x not_found'],
  ])('%s', async (_name, method, params, code, says, record) => {
    for (const era of ['modern', 'legacy']) {
      const w = web();
      const m = modern(method, params, 1, (params as { _meta?: object })._meta);
      const a = await read(era === 'modern' ? await w.post(m.body, m.headers) : await w.post(legacy(method, params)));
      const status = code === -32_601 && era === 'modern' ? 404 : 200;
      expect([a.status, a.error.code, a.id]).toEqual([status, code, 1]);
      expect(a.error.message).toContain(says);
      expect(told(w)).toEqual([record]);
    }
  });

  test.each([
    ['a wrong type', { top: 'x' }],
    ['past its bound', { top: 10 }],
    ['unknown', { tpo: 1 }],
  ])('an argument: %s', async (_name, args) => {
    const w = web();
    const m = modern('tools/call', { name: 'system_overview', arguments: args });
    const r = (await (await w.post(m.body, m.headers)).json()) as {
      result: { isError: boolean; content: { text: string }[] };
    };
    expect(r.result.isError).toBe(true);
    expect(r.result).not.toHaveProperty('structuredContent');
    expect(r.result.content[0]?.text).toContain('system_overview takes: detail, top, secret');
    expect(told(w)).toEqual(['call system_overview validation']);
  });

  test('a trap for prototypes catches nobody', async () => {
    const w = web();
    const m = JSON.stringify(
      legacy('tools/call', { name: 'system_overview', arguments: { X: { top: 1, polluted: 1 } } }),
    );
    await (await w.post(m.replace('"X"', '"__proto__"'))).text();
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect(w.records.length).toBe(1);
    expect(JSON.stringify(w.records[0]?.call?.args)).toBe('{}');
  });

  test('a resource that does not exist is named in the error, whoever finds it missing', async () => {
    for (const uri of ['deckhand://x', 'deckhand://system/thing/x']) {
      const m = modern('resources/read', { uri });
      const w = web();
      const a = await read(await w.post(m.body, m.headers));
      expect([a.error.code, a.error.data]).toMatchObject([-32_602, { code: 'not_found', uri }]);
    }
  });

  test('a failed answer of the tool itself stays an answer of the tool', async () => {
    const w = web();
    const m = modern('tools/call', { name: 'fixture_missing', arguments: { id: 'x' } });
    const response = await w.post(m.body, m.headers);
    const r = (await response.json()) as { result: { isError: boolean; content: { text: string }[]; _meta: object } };
    expect(r.result.isError).toBe(true);
    expect(r.result.content[0]?.text).toMatch(/^not_found: No x\.\nLook again\.\nOne of: known\ncall \w+$/);
    expect(r.result._meta).toMatchObject({ 'deckhand/error': { code: 'not_found', candidates: ['known'] } });
  });
});

describe('the 2026 revision', () => {
  const call = { name: 'system_overview', arguments: {} };
  test.each([
    ['a version header that disagrees', { 'mcp-protocol-version': '2025-11-25' }, {}, 400, -32_020],
    ['no version header', { 'mcp-protocol-version': null }, {}, 400, -32_020],
    ['a method header that disagrees', { 'mcp-method': 'tools/list' }, {}, 400, -32_020],
    ['no method header', { 'mcp-method': null }, {}, 400, -32_020],
    ['a name header that disagrees', { 'mcp-name': 'fixture_rename' }, {}, 400, -32_020],
    ['no name header', { 'mcp-name': null }, {}, 400, -32_020],
    ['a name header that does not decode', { 'mcp-name': '=?base64?%%%?=' }, {}, 400, -32_020],
    [
      'a version nobody has',
      { 'mcp-protocol-version': '2031-01-01' },
      { 'io.modelcontextprotocol/protocolVersion': '2031-01-01' },
      400,
      -32_022,
    ],
    ['no capabilities', {}, { 'io.modelcontextprotocol/clientCapabilities': undefined }, 400, -32_602],
  ])('%s', async (_name, over, meta, status, code) => {
    const w = web();
    const m = modern('tools/call', call, 1, meta);
    const headers: { [name: string]: string } = { ...m.headers };
    for (const [name, value] of Object.entries(over)) {
      if (value === null) delete headers[name];
      else headers[name] = value;
    }
    const a = await read(await w.post(m.body, headers));
    expect([a.status, a.error.code]).toEqual([status, code]);
    if (code === -32_022) expect(a.error.data?.supported).toContain('2026-07-28');
    expect(told(w)).toEqual(['refused tools/call system_overview validation']);
  });

  test('a name in the encoded form', async () => {
    const w = web();
    const m = modern('tools/call', call);
    const name = `=?base64?${Buffer.from('system_overview').toString('base64')}?=`;
    expect((await w.post(m.body, { ...m.headers, 'mcp-name': name })).status).toBe(200);
  });

  // What is wrong with the revision comes before what is wrong with the method: else we look like an old server to a later client.
  test.each([
    ['a version header that disagrees', { 'mcp-protocol-version': '2026-07-29' }, {}, 400, -32_020],
    ['no version header', { 'mcp-protocol-version': null }, {}, 400, -32_020],
    ['a method header that disagrees', { 'mcp-method': 'tools/list' }, {}, 400, -32_020],
    ['no method header', { 'mcp-method': null }, {}, 400, -32_020],
    [
      'a version nobody has',
      { 'mcp-protocol-version': '2031-01-01' },
      { 'io.modelcontextprotocol/protocolVersion': '2031-01-01' },
      400,
      -32_022,
    ],
    ['no capabilities', {}, { 'io.modelcontextprotocol/clientCapabilities': undefined }, 400, -32_602],
    ['nothing', {}, {}, 404, -32_601],
  ])('a method of a later revision, and %s', async (_name, over, meta, status, code) => {
    const w = web();
    const m = modern('tasks/get', { taskId: 'x' }, 1, meta);
    const given = Object.entries({ ...m.headers, ...over }).filter(([, value]) => value !== null);
    const a = await read(await w.post(m.body, Object.fromEntries(given) as { [name: string]: string }));
    expect([a.status, a.error.code, a.id]).toEqual([status, code, 1]);
    expect(w.records.length).toBe(1);
  });

  test.each([
    ['whole', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } }],
    ['incomplete', { protocolVersion: 7 }],
  ])('there is no handshake any more: %s', async (_name, params) => {
    const w = web();
    const m = modern('initialize', params);
    const a = await read(await w.post(m.body, m.headers));
    expect([a.status, a.error.code, a.id]).toEqual([404, -32_601, 1]);
    expect(a.error.message).toContain('Methods here: server/discover');
    expect(told(w)).toEqual(['refused initialize not_found']);
    // 2025 has it, and is told what it lacks.
    const b = await read(await w.post(legacy('initialize', { protocolVersion: 7 })));
    expect([b.status, b.error.code]).toEqual([200, -32_602]);
    expect(b.error.message).toContain('clientInfo');
  });

  test('ping is gone, and discovery answers', async () => {
    const w = web();
    const ping = modern('ping');
    expect((await w.post(ping.body, ping.headers)).status).toBe(404);
    const discover = modern('server/discover');
    const r = (await (await w.post(discover.body, discover.headers)).json()) as { result: object };
    expect(r.result).toMatchObject({ supportedVersions: ['2026-07-28'], cacheScope: 'private', ttlMs: 300_000 });
    expect(JSON.stringify(r.result)).not.toContain('logging');
  });
});

describe('tokens and rights', () => {
  test.each([
    ['none', undefined, 401, /^Bearer realm="deckhand"$/],
    ['of another scheme', 'Basic Zm9vOmJhcg==', 401, /^Bearer realm="deckhand"$/],
    ['wrong', 'Bearer wrong', 401, /^Bearer realm="deckhand", error="invalid_token"/],
    ['empty', 'Bearer ', 400, /^Bearer realm="deckhand", error="invalid_request"$/],
    ['two of them', 'Bearer full, Bearer small', 400, /error="invalid_request"$/],
    ['with a line break in it', 'Bearer full%0d%0a', 400, /error="invalid_request"$/],
    ['longer than any', `Bearer ${'x'.repeat(12_289)}`, 400, /error="invalid_request"$/],
    ['as long as may be', `Bearer ${'x'.repeat(12_288)}`, 401, /error="invalid_token"/],
  ])('a token: %s', async (_name, authorization, status, challenge) => {
    const w = web();
    const headers: { [name: string]: string } = { 'content-type': 'application/json' };
    if (authorization !== undefined) headers.authorization = authorization;
    const init = { method: 'POST', headers, body: JSON.stringify(legacy('tools/list')) };
    const a = await read(await w.face.app.request('/mcp?token=full&access_token=full', init));
    const code = status === 400 ? 'validation' : 'permission';
    expect([a.status, a.error.data?.code]).toEqual([status, code]);
    expect(a.error.message).toContain(status === 400 ? 'Bearer TOKEN' : 'deckhand token add');
    expect(a.headers.get('www-authenticate')).toMatch(challenge);
    expect(a.headers.get('www-authenticate')).not.toContain('resource_metadata');
    expect(told(w)).toEqual([`refused POST /mcp ${code}`]);
  });

  test.each([
    ['the least scope', { name: 'fixture_rename', arguments: { to: 'x' } }, 'docker:write'],
    ['what the arguments need', { name: 'system_overview', arguments: { secret: 'x' } }, 'system:read logs:read'],
  ])('a scope too few: %s', async (_name, params, scope) => {
    for (const era of ['modern', 'legacy']) {
      const w = web();
      const m = modern('tools/call', params);
      const auth = { authorization: 'Bearer small' };
      const response =
        era === 'modern'
          ? await w.post(m.body, { ...m.headers, ...auth })
          : await w.post(legacy('tools/call', params), auth);
      const a = await read(response);
      expect([a.status, a.error.data?.code, a.id]).toEqual([403, 'permission', 1]);
      expect(a.headers.get('www-authenticate')).toBe(
        `Bearer realm="deckhand", error="insufficient_scope", scope="${scope}"`,
      );
      expect(a.error.message).toContain('deckhand token add');
      expect(told(w)).toEqual([`call ${params.name} permission`]);
    }
  });

  test('a scope too few behind a resource', async () => {
    const w = web();
    const m = modern('resources/read', { uri: 'deckhand://system/thing/known' });
    const a = await read(await w.post(m.body, { ...m.headers, authorization: 'Bearer small' }));
    expect([a.status, a.headers.get('www-authenticate')]).toEqual([
      403,
      'Bearer realm="deckhand", error="insufficient_scope", scope="logs:read"',
    ]);
    expect(told(w)).toEqual(['call fixture_missing permission']);
  });

  test('a mode that forbids changes is no matter of scopes', async () => {
    const w = web({}, (await import('./fixture-door.ts')).fixtureDoor({ mode: 'read-only' }));
    const m = modern('tools/call', { name: 'fixture_rename', arguments: { to: 'x' } });
    const r = (await (await w.post(m.body, m.headers)).json()) as { result: { isError: boolean } };
    expect(r.result.isError).toBe(true);
    expect(told(w)).toEqual(['call fixture_rename permission']);
  });

  test('too many calls', async () => {
    const w = web();
    w.waitMs.now = 1_500;
    const m = modern('tools/call', { name: 'system_overview', arguments: {} });
    const a = await read(await w.post(m.body, m.headers));
    expect([a.status, a.headers.get('retry-after'), a.error.data?.code]).toEqual([429, '2', 'limit']);
    expect(told(w)).toEqual(['call system_overview limit']);
  });

  test('what a client says of itself gives no right and no name', async () => {
    const w = web();
    const m = modern('tools/call', { name: 'fixture_rename', arguments: { to: 'x' } }, 1, {
      principal: 'token:full',
      'io.modelcontextprotocol/clientInfo': { name: 'token:full', version: 'admin' },
    });
    const headers = {
      ...m.headers,
      authorization: 'Bearer small',
      'x-user': 'root',
      'tailscale-user-login': 'root',
      'x-forwarded-for': '10.0.0.1',
    };
    expect((await w.post(m.body, headers)).status).toBe(403);
    expect(w.records[0]).toMatchObject({ who: 'token:small', address: undefined });
  });
});

describe('paths', () => {
  test.each([
    ['GET', '/sse', 410],
    ['POST', '/sse', 410],
    ['GET', '/mcp', 405],
    ['DELETE', '/mcp', 405],
    ['PUT', '/mcp', 405],
    ['GET', '/', 404],
    ['GET', '/.well-known/oauth-protected-resource', 404],
    ['GET', '/healthz', 200],
    ['GET', '/readyz', 200],
  ])('%s %s is %s', async (method, path, status) => {
    const w = web();
    const response = await w.face.app.request(path, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    const text = await response.text();
    if (status >= 400) expect(JSON.parse(text).error.message.length).toBeGreaterThan(20);
    if (status === 410) expect(text).toContain('/mcp');
    if (status === 405) expect(response.headers.get('allow')).toBe('GET, POST, DELETE');
    expect(w.records).toEqual([]);
  });

  test('health tells the truth, and needs no token', async () => {
    const w = web();
    w.live.now = false;
    w.ready.reasons = ['the disk is full'];
    expect((await w.face.app.request('/healthz')).status).toBe(503);
    const ready = await w.face.app.request('/readyz');
    expect([ready.status, await ready.json()]).toEqual([503, { ready: false, reasons: ['the disk is full'] }]);
  });

  test.each([
    ['?toolsets=dokcer', 'docker'],
    ['?toolsets=core,&readonly=maybe', 'readonly'],
  ])('a narrowing that makes no sense: %s', async (query, says) => {
    const w = web();
    const a = await read(await w.post(legacy('tools/list'), {}, `/mcp${query}`));
    expect([a.status, a.error.code]).toEqual([400, -32_602]);
    expect(a.error.message).toContain(says);
    expect(told(w)).toEqual(['refused POST /mcp validation']);
  });
});
