/**
 * The checklist of a server that strangers may knock at: what MCP demands of the transport (section 1), and each shape of a hole that
 * servers like this one had (section 10). One line for each statement, with what goes over a real socket to the started face, what it
 * must answer, and the twin of it that is let in: a server that refuses everything would pass half of this. What is tried better
 * elsewhere stands at the end with its place.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NODE_LIMITS } from '../../src/edge/limits.ts';
import { legacy, modern, type Web, web } from './fixture-http.ts';
import { type Answer, raw } from './raw.ts';

const OVER_SOCKETS = { timeout: 60_000 };

type Header = [string, string];
interface Shape {
  method?: string;
  target?: string;
  version?: string;
  /** Instead of what stands there by the same name. */
  headers?: Header[];
  without?: string[];
  /** As they stand on the wire, behind all others. */
  lines?: string;
  /** A message of 2026-07-28 with its headers; or any text. */
  message?: ReturnType<typeof modern>;
  body?: string;
  /** Behind the request. */
  next?: string;
}

const LIST = modern('tools/list');
const CALL = modern('tools/call', { name: 'system_overview', arguments: {} });

let w: Web;
let port: number;
const started: Web[] = [];
async function start(over: Parameters<typeof web>[0] = {}): Promise<{ w: Web; port: number }> {
  const made = web(over);
  started.push(made);
  return { w: made, port: Number(new URL((await made.face.listen()).url).port) };
}
beforeAll(async () => {
  ({ w, port } = await start({ http: { maxBodyBytes: 4_096 } }));
});
afterAll(async () => {
  await Promise.all(started.map((s) => s.face.close()));
});

const upper = (name: string) => name.replace(/(^|-)[a-z]/g, (c) => c.toUpperCase());

function bytes(shape: Shape, to: number): string {
  const { message = LIST, method = 'POST', target = '/mcp', version = '1.1' } = shape;
  const body = shape.body ?? (method === 'POST' ? JSON.stringify(message.body) : '');
  const standard: Header[] = [
    ['Host', `127.0.0.1:${to}`],
    ['Authorization', 'Bearer full'],
    ['Content-Type', 'application/json'],
    ['Accept', 'application/json, text/event-stream'],
    ...Object.entries(message.headers).map(([name, value]): Header => [upper(name), value]),
    ...(body === '' ? [] : [['Content-Length', String(Buffer.byteLength(body))] as Header]),
    ['Connection', 'close'],
  ];
  const left = [...(shape.without ?? []), ...(shape.headers ?? []).map(([name]) => name)].map((n) => n.toLowerCase());
  const headers = [...standard.filter(([name]) => !left.includes(name.toLowerCase())), ...(shape.headers ?? [])];
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} ${target} HTTP/${version}\r\n${lines}${shape.lines ?? ''}\r\n${body}${shape.next ?? ''}`;
}

const ask = (shape: Shape, to = port) => raw(to, bytes(shape, to));
/** The port is known only then. */
const own = (text: string) => text.replaceAll('PORT', String(port));
const ours = (shape: Shape): Shape => JSON.parse(own(JSON.stringify(shape))) as Shape;

/** A status, a status with the code of a JSON-RPC error, or a status with what stands in the answer. `closed`: not one byte. */
type Expected = number | [number, number] | [number, RegExp] | 'closed';

function judge(answers: Answer[], expected: Expected): void {
  if (expected === 'closed') {
    expect(answers).toEqual([]);
    return;
  }
  const [status, more] = Array.isArray(expected) ? expected : [expected, undefined];
  const [answer] = answers;
  expect(answers.map((a) => a.status)).toEqual([status]);
  if (typeof more === 'number') expect(answer?.code).toBe(more);
  if (more instanceof RegExp) expect(`${JSON.stringify(answer?.headers)}\n${answer?.text}`).toMatch(more);
}

type Line = [says: string, shape: Shape, expected: Expected, twin?: Shape, twinExpected?: Expected];

function check(lines: Line[]): void {
  test.each(lines)('%s', OVER_SOCKETS, async (_says, shape, expected, twin = {}, good = 200) => {
    judge(await ask(ours(shape)), expected);
    judge(await ask(ours(twin)), good);
  });
}

const length = (text: string): Header => ['Content-Length', text];
const chunks = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n0\r\n\r\n`;
const LIST_TEXT = JSON.stringify(LIST.body);
const CHUNKED: Header = ['Transfer-Encoding', 'chunked'];
const chunked = (over: Shape = {}): Shape => ({
  without: ['Content-Length'],
  headers: [CHUNKED],
  body: chunks(LIST_TEXT),
  ...over,
});
const bearer = (value: string): Header => ['Authorization', value];
const origin = (value: string): Header => ['Origin', value];
const METADATA = /www-authenticate":"Bearer realm/;

describe('1 · who is asked for', () => {
  check([
    ['no token is 401 with a challenge', { without: ['Authorization'] }, [401, METADATA]],
    ['… which names no error, because none was made', { without: ['Authorization'] }, [401, /^(?!.*error=)/s]],
    ['a wrong token is 401 invalid_token', { headers: [bearer('Bearer nope')] }, [401, /error=\\"invalid_token/]],
    ['another scheme is no token', { headers: [bearer('Basic ZnVsbDpmdWxs')] }, 401],
    ['a malformed one is 400', { headers: [bearer('Bearer full x')] }, 400],
    ['two in one are 400', { headers: [bearer('Bearer full, Bearer full')] }, 400],
    ['a second header is 400, the good one first', { lines: 'Authorization: Bearer nope\r\n' }, 400],
    ['… and last', { headers: [bearer('Bearer nope')], lines: 'Authorization: Bearer full\r\n' }, 400],
    [
      'a token in the URL is ignored',
      { target: '/mcp?access_token=full', without: ['Authorization'] },
      401,
      {
        target: '/mcp?access_token=nope',
      },
    ],
    ['… in a cookie, too', { without: ['Authorization'], headers: [['Cookie', 'access_token=full; token=full']] }, 401],
    [
      '… in a body, too',
      { without: ['Authorization'], body: JSON.stringify({ ...LIST.body, access_token: 'full' }) },
      401,
    ],
    [
      'what a client says of itself makes nobody of it',
      {
        without: ['Authorization'],
        headers: [
          ['X-User', 'token:full'],
          ['X-Forwarded-User', 'token:full'],
          ['Remote-User', 'root'],
        ],
        message: modern('tools/list', {}, 1, {
          'io.modelcontextprotocol/clientInfo': { name: 'token:full', version: '1' },
          principal: 'token:full',
        }),
      },
      401,
    ],
    [
      'headers of the tailnet make nobody on the open listener',
      {
        without: ['Authorization'],
        headers: [
          ['Tailscale-User-Login', 'owner@example.com'],
          ['X-Forwarded-For', '100.64.0.1'],
        ],
      },
      401,
    ],
    [
      'a scope too few is HTTP 403 with all that is needed',
      {
        headers: [bearer('Bearer small')],
        message: modern('tools/call', { name: 'fixture_rename', arguments: { to: 'x' } }),
      },
      [403, /insufficient_scope\\", scope=\\"docker:write/],
      { message: modern('tools/call', { name: 'fixture_rename', arguments: { to: 'x' } }) },
    ],
  ]);

  test('a token of somebody with less never becomes more by what stands beside it', OVER_SOCKETS, async () => {
    const before = w.records.length;
    await ask({
      headers: [bearer('Bearer small'), ['X-Forwarded-User', 'token:full']],
      message: modern('tools/call', { name: 'system_overview', arguments: {} }),
    });
    expect(w.records.slice(before).map((r) => r.who)).toEqual(['token:small']);
  });
});

test(
  '1 · where tokens come from is told without one, at both paths, and every challenge leads there',
  OVER_SOCKETS,
  async () => {
    const resource = {
      uri: 'https://ops.example.org/mcp',
      issuers: ['https://id.example.org'],
      scopes: ['system:read'],
    };
    const named = await start({ resource });
    for (const target of ['/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource/mcp']) {
      const [answer] = await ask({ method: 'GET', target, without: ['Authorization'] }, named.port);
      expect([answer?.status, JSON.parse(answer?.text ?? '')]).toEqual([
        200,
        expect.objectContaining({
          resource: resource.uri,
          authorization_servers: resource.issuers,
          scopes_supported: ['system:read'],
          bearer_methods_supported: ['header'],
        }),
      ]);
    }
    const shapes: Shape[] = [
      { without: ['Authorization'] },
      { headers: [bearer('Bearer nope')] },
      {
        headers: [bearer('Bearer small')],
        message: modern('tools/call', { name: 'fixture_rename', arguments: { to: 'x' } }),
      },
    ];
    for (const shape of shapes) {
      const [answer] = await ask(shape, named.port);
      expect(answer?.headers['www-authenticate']).toContain(
        'resource_metadata="https://ops.example.org/.well-known/oauth-protected-resource/mcp"',
      );
    }
  },
);

describe('1 · transport', () => {
  check([
    [
      'a foreign Origin is 403',
      { headers: [origin('https://evil.example')] },
      403,
      { headers: [origin('http://127.0.0.1:PORT')] },
    ],
    ['… before any token is looked at', { headers: [origin('https://evil.example')], without: ['Authorization'] }, 403],
    ['… by any method', { method: 'GET', headers: [origin('https://evil.example')] }, 403],
    [
      '… a preflight, too',
      { method: 'OPTIONS', headers: [origin('https://evil.example')] },
      403,
      {
        method: 'OPTIONS',
        headers: [origin('http://127.0.0.1:PORT')],
      },
      204,
    ],
    [
      '… at health, too',
      { method: 'GET', target: '/healthz', headers: [origin('https://evil.example')] },
      403,
      { method: 'GET', target: '/healthz' },
    ],
    ['Origin null is foreign', { headers: [origin('null')] }, 403],
    [
      'two Origins are one too many',
      { headers: [origin('http://127.0.0.1:PORT')], lines: 'Origin: https://evil.example\r\n' },
      [400, -32_600],
    ],
    ['GET is 405', { method: 'GET' }, [405, /"allow":"/]],
    ['DELETE is 405', { method: 'DELETE' }, 405],
    ['PUT is 405', { method: 'PUT' }, 405],
    ['PATCH is 405', { method: 'PATCH' }, 405],
    ['HEAD is 405', { method: 'HEAD' }, 405],
    ['a method in a header is none', { headers: [['X-HTTP-Method-Override', 'DELETE']] }, 200],
    ['two messages in an array are refused', { body: `[${LIST_TEXT},${LIST_TEXT}]` }, [400, -32_600]],
    ['… one in an array, too', { body: `[${LIST_TEXT}]` }, [400, -32_600]],
    ['two messages one behind the other are no JSON', { body: `${LIST_TEXT}\n${LIST_TEXT}` }, [400, -32_700]],
    [
      'a body of another type is 415',
      { headers: [['Content-Type', 'text/plain']] },
      415,
      {
        headers: [['Content-Type', 'application/json; charset=utf-8']],
      },
    ],
    [
      'a form is 415: pages can send those without asking',
      { headers: [['Content-Type', 'application/x-www-form-urlencoded']] },
      415,
    ],
    ['no type is 415', { without: ['Content-Type'] }, 415],
    ['two types are one too many', { lines: 'Content-Type: text/plain\r\n' }, [400, -32_600]],
    [
      'a body too long is 413',
      { body: `${LIST_TEXT}${' '.repeat(4_097)}` },
      413,
      { body: LIST_TEXT + ' '.repeat(4_096 - LIST_TEXT.length) },
    ],
    ['… also in chunks', chunked({ body: chunks(LIST_TEXT + ' '.repeat(4_097)) }), 413, chunked()],
    [
      'the version in the header must be that of the message',
      { headers: [['Mcp-Protocol-Version', '2025-11-25']] },
      [400, -32_020],
    ],
    ['no method in the headers', { without: ['Mcp-Method'] }, [400, -32_020]],
    ['another method in the headers', { headers: [['Mcp-Method', 'tools/call']] }, [400, -32_020]],
    [
      'another name in the headers',
      { message: CALL, headers: [['Mcp-Name', 'system_metrics']] },
      [400, -32_020],
      { message: CALL },
    ],
    [
      'a name may be encoded',
      { message: CALL, headers: [['Mcp-Name', `=?base64?${btoa('system_metrics')}?=`]] },
      [400, -32_020],
      {
        message: CALL,
        headers: [['Mcp-Name', `=?base64?${btoa('system_overview')}?=`]],
      },
    ],
    [
      'a later revision is refused with those that are known',
      {
        headers: [['Mcp-Protocol-Version', '2030-01-01']],
        body: LIST_TEXT.replace('2026-07-28', '2030-01-01'),
      },
      [400, /-32022.*2026-07-28/s],
    ],
    ['an unknown method is 404', { message: modern('tools/lust') }, [404, -32_601]],
    [
      'what each message must say of its client is asked for',
      {
        body: JSON.stringify({
          ...LIST.body,
          params: { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } },
        }),
      },
      [400, -32_602],
    ],
    ['a session that is none is gone', { method: 'GET', headers: [['Mcp-Session-Id', 'abc']] }, [404, -32_001]],
    ['an id of an event is ignored', { headers: [['Last-Event-ID', '7']] }, 200],
  ]);

  test('a message of 2026 is given no session, and one that it shows is ignored', OVER_SOCKETS, async () => {
    const [answer] = await ask({ headers: [['Mcp-Session-Id', 'abc']] });
    expect([answer?.status, answer?.headers['mcp-session-id']]).toEqual([200, undefined]);
  });

  test('lists come in one order, and are private with a time to live', OVER_SOCKETS, async () => {
    const [[a], [b], [small]] = await Promise.all([ask({}), ask({}), ask({ headers: [bearer('Bearer small')] })]);
    expect(a?.text).toBe(b?.text);
    expect(small?.text).not.toBe(a?.text);
    const { result } = JSON.parse(a?.text ?? '') as { result: Record<string, unknown> };
    expect([result.cacheScope, typeof result.ttlMs]).toEqual(['private', 'number']);
  });

  test('our own codes stay out of what the protocol has reserved', OVER_SOCKETS, async () => {
    const shapes: Shape[] = [
      { without: ['Authorization'] },
      { body: '[]' },
      { body: '{' },
      { method: 'GET' },
      { target: '/x' },
    ];
    for (const shape of shapes) {
      const [answer] = await ask(shape);
      expect(answer?.code).not.toBeUndefined();
      expect([-32_020, -32_021, -32_022]).not.toContain(answer?.code);
    }
  });
});

describe('1 · state', () => {
  test('a session is its opener’s alone, however its id came out', OVER_SOCKETS, async () => {
    const initialize = {
      body: JSON.stringify(
        legacy('initialize', {
          protocolVersion: '2025-11-25',
          capabilities: {},
          clientInfo: { name: 'x', version: '1' },
        }),
      ),
      without: ['Mcp-Protocol-Version', 'Mcp-Method'],
    };
    const [opened] = await ask(initialize);
    const id = opened?.headers['mcp-session-id'] ?? '';
    expect(id).toMatch(/^[\w-]{20,}$/);
    const inIt = (token: string): Shape => ({
      headers: [bearer(`Bearer ${token}`), ['Mcp-Session-Id', id], ['Mcp-Protocol-Version', '2025-11-25']],
      without: ['Mcp-Method'],
      body: JSON.stringify(legacy('tools/list')),
    });
    judge(await ask(inIt('other')), [404, -32_001]);
    judge(await ask(inIt('nope')), 401);
    judge(await ask(inIt('full')), 200);
  });
});

describe('10 · names of servers: rebinding (CVE-2025-66414, 66416, 64443, CVE-2026-42559)', () => {
  check([
    ['a foreign Host is 403', { headers: [['Host', 'evil.example']] }, 403, { headers: [['Host', 'localhost:PORT']] }],
    ['… that begins like ours', { headers: [['Host', '127.0.0.1.evil.example']] }, 403],
    ['… with ours as a user', { headers: [['Host', 'localhost@evil.example']] }, 403],
    [
      '… whatever a proxy header says',
      {
        headers: [
          ['Host', 'evil.example'],
          ['X-Forwarded-Host', 'localhost'],
        ],
      },
      403,
    ],
    ['no Host is 400', { without: ['Host'] }, 400],
    ['an empty Host is refused', { headers: [['Host', '']] }, 403],
    ['two Hosts are refused', { lines: 'Host: evil.example\r\n' }, [400, -32_600]],
    ['… also equal ones', { lines: 'Host: 127.0.0.1:PORT\r\n' }, [400, -32_600]],
    [
      '… whose first is foreign',
      { headers: [['Host', 'evil.example']], lines: 'Host: 127.0.0.1:PORT\r\n' },
      [400, -32_600],
    ],
    [
      'a whole URL of another server is refused',
      { target: 'http://evil.example/mcp' },
      [400, -32_600],
      { target: 'http://127.0.0.1:PORT/mcp' },
    ],
    ['… with a user in it', { target: 'http://a:b@127.0.0.1:PORT/mcp' }, [400, -32_600]],
    ['… of another port', { target: 'http://127.0.0.1:1/mcp' }, [400, -32_600]],
    [
      '… and a Host of another server beside our URL',
      { target: 'http://127.0.0.1:PORT/mcp', headers: [['Host', 'evil.example']] },
      [400, -32_600],
    ],
    ['a URL for others is no proxying', { method: 'GET', target: 'http://evil.example/' }, [400, -32_600]],
    ['a tunnel is not dug', { method: 'CONNECT', target: 'evil.example:443' }, 'closed'],
  ]);

  test(
    'an empty list of hosts and origins lets nobody in besides ourselves (CVE-2026-33032)',
    OVER_SOCKETS,
    async () => {
      const shut = await start({ http: { allowedHosts: [], allowedOrigins: [] } });
      judge(await ask({ headers: [['Host', 'deckhand.example.org']] }, shut.port), 403);
      judge(await ask({ headers: [origin('https://app.example.org')] }, shut.port), 403);
      const open = await start({
        http: { allowedHosts: ['deckhand.example.org'], allowedOrigins: ['https://app.example.org'] },
      });
      judge(
        await ask({ headers: [['Host', 'deckhand.example.org'], origin('https://app.example.org')] }, open.port),
        200,
      );
    },
  );
});

describe('10 · one spelling of a path', () => {
  const PATHS = [
    ...['//mcp', '/mcp/.', '/./mcp', '/x/../mcp', '/mcp/../mcp', '/%6dcp', '/%6Dcp', '/mcp%2e', '/mcp%2f', '/mcp%00'],
    ...['/mcp;x=1', '/..%2fmcp', '/%2e%2e/mcp', '/mcp/%2e%2e/mcp', '/healthz/../mcp', '/mcp#x', '/mcp?x#y', '/mcp/..'],
    ...['//evil.example/mcp', '/mcp//', '/healthz%2f..%2fmcp', '/mcp%0d%0aX-A:%20b', '/mcp|x', '/{mcp}', "/'mcp'"],
  ];
  check([
    ...PATHS.map((target): Line => [target, { target }, [400, -32_600]]),
    ...PATHS.map(
      (target): Line => [`${target} without a token`, { target, without: ['Authorization'] }, [400, -32_600]],
    ),
    ['a backslash', { target: '\\mcp' }, 400],
    ['no slash', { target: 'mcp' }, 400],
    ['another case is another path', { target: '/MCP' }, 404],
    ['an asterisk is for nobody', { target: '*', method: 'OPTIONS' }, 400],
    [
      'health is not reached by a detour, where it would not be counted',
      { method: 'GET', target: '/mcp/../healthz' },
      400,
      { method: 'GET', target: '/healthz' },
    ],
    [
      'a line longer than its bound',
      { target: `/mcp?${'a'.repeat(NODE_LIMITS.maxHeaderSize)}` },
      431,
      { target: `/mcp?${'a'.repeat(1_000)}` },
    ],
  ]);
});

describe('10 · where a request ends: smuggling', () => {
  const twice = `POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n`;
  check([
    ['a length beside chunks', { headers: [CHUNKED], body: chunks(LIST_TEXT) }, 400, chunked()],
    ['… in the other order', { headers: [CHUNKED, length('5')], body: chunks(LIST_TEXT) }, 400],
    ['chunked twice', chunked({ headers: [['Transfer-Encoding', 'chunked, chunked']] }), 400],
    ['another coding', chunked({ headers: [['Transfer-Encoding', 'xchunked']], body: LIST_TEXT }), 400],
    ['no coding', chunked({ headers: [['Transfer-Encoding', 'identity']], body: LIST_TEXT }), 400],
    ['a coding with a tab in its name', chunked({ headers: [], lines: 'Transfer-Encoding\t: chunked\r\n' }), 400],
    ['a chunk that is no number', chunked({ body: '0x5\r\nabcde\r\n0\r\n\r\n' }), 400],
    [
      'a chunk shorter than it says',
      chunked({ body: `${(LIST_TEXT.length - 1).toString(16)}\r\n${LIST_TEXT}\r\n0\r\n\r\n` }),
      400,
    ],
    ['a line feed in the words of a chunk', chunked({ body: chunks(LIST_TEXT).replace('\r\n', ';a\nb\r\n') }), 400],
    ['two lengths', { lines: 'Content-Length: 5\r\n' }, 400],
    ['two equal lengths', { lines: `Content-Length: ${LIST_TEXT.length}\r\n` }, 400],
    ['a list of lengths', { headers: [length(`${LIST_TEXT.length}, ${LIST_TEXT.length}`)] }, 400],
    ['a length with a sign', { headers: [length(`+${LIST_TEXT.length}`)] }, 400],
    ['a length below nothing', { headers: [length('-1')] }, 400],
    ['a length beyond all numbers', { headers: [length('99999999999999999999')] }, 400],
    ['a space before the colon', { lines: 'X-A : b\r\n' }, 400, { lines: 'X-A: b\r\n' }],
    ['a folded header', { lines: 'X-A: b\r\n c\r\n' }, 400],
    ['a bare line feed', { lines: 'X-A: b\nX-B: c\r\n' }, 400],
    ['a bare carriage return', { lines: 'X-A: b\rX-B: c\r\n' }, 400],
    ['a NUL', { lines: 'X-A: b\0c\r\n' }, 400],
    ['a control character in a token', { headers: [bearer('Bearer fu\x01ll')] }, 400],
    ['a header without a name', { lines: ': c\r\n' }, 400],
    [
      'headers too long',
      { lines: `X-A: ${'a'.repeat(NODE_LIMITS.maxHeaderSize)}\r\n` },
      431,
      { lines: `X-A: ${'a'.repeat(2_000)}\r\n` },
    ],
    ['headers too many', { lines: 'a: b\r\n'.repeat(3_000) }, 431],
  ]);

  test(
    'what stands behind a request is a request of its own, with all that it needs itself',
    OVER_SOCKETS,
    async () => {
      const keep: Shape = { headers: [['Connection', 'keep-alive']] };
      const smuggled = `${own(twice)}Content-Length: 0\r\nConnection: close\r\n\r\n`;
      expect((await ask({ ...keep, next: smuggled })).map((a) => a.status)).toEqual([200, 401]);
      expect(
        (await ask({ ...keep, next: bytes({ headers: [['Host', 'evil.example']] }, port) })).map((a) => a.status),
      ).toEqual([200, 403]);
      expect((await ask({ ...keep, next: bytes({}, port) })).map((a) => a.status)).toEqual([200, 200]);
    },
  );

  test(
    'what a body declares and does not send keeps the connection from nothing but itself',
    OVER_SOCKETS,
    async () => {
      const half = raw(port, bytes({ headers: [length('4000')] }, port), { quietMs: 1_000 });
      judge(await ask({}), 200);
      expect(await half).toEqual([]);
    },
  );
});

describe('10 · other protocols', () => {
  check([
    ['HTTP/2.0 in words', { version: '2.0' }, 400, { version: '1.0' }],
    ['HTTP/1.0 without a Host', { version: '1.0', without: ['Host'] }, 403],
    ['a method that nobody knows', { method: 'BREW' }, 400],
    ['TRACE echoes nothing', { method: 'TRACE' }, 405],
    [
      'no protocol is switched to: websocket',
      {
        headers: [
          ['Connection', 'Upgrade'],
          ['Upgrade', 'websocket'],
        ],
        method: 'GET',
      },
      405,
    ],
    ['an expectation that is none', { headers: [['Expect', 'x']] }, 417],
    ['HTTP+SSE of 2024', { method: 'GET', target: '/sse' }, [410, /\/mcp/]],
  ]);

  test.each([
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a hello of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['HTTP/0.9', 'GET /mcp\r\n\r\n'],
    ['noise', '\0\0\0\0\r\n\r\n'],
  ])('%s is 400, and closed', OVER_SOCKETS, async (_says, text) => {
    judge(await raw(port, Buffer.from(text, 'latin1')), 400);
  });

  test('an upgrade beside a message is passed over: the answer is to the message', OVER_SOCKETS, async () => {
    for (const upgrade of ['h2c', 'websocket', 'TLS/1.2']) {
      const [answer] = await ask({
        headers: [
          ['Connection', 'close, Upgrade'],
          ['Upgrade', upgrade],
        ],
      });
      expect(answer?.status).toBe(200);
    }
  });
});

describe('10 · what nobody needs a right for', () => {
  test.each([
    ['GET', '/healthz', 200],
    ['GET', '/readyz', 200],
    ['POST', '/mcp', 401],
    ['GET', '/transfers/x', 404],
    ['GET', '/measure', 404],
    ['GET', '/', 404],
    ['GET', '/metrics', 404],
    ['GET', '/.well-known/oauth-protected-resource', 404],
    ['GET', '/.env', 404],
  ])(
    '%s %s says nothing but %i (CVE-2026-32211: no way past the token)',
    OVER_SOCKETS,
    async (method, target, status) => {
      const [answer] = await ask({ method, target, without: ['Authorization'] });
      expect(answer?.status).toBe(status);
      expect(answer?.text ?? '').not.toMatch(/system_overview|token:|box|0\.1\.0/);
      for (const name of ['x-powered-by', 'server', 'access-control-allow-origin'])
        expect(answer?.headers[name], name).toBeUndefined();
      expect(answer?.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
    },
  );
});

describe('10 · how much of it', () => {
  test('the rate comes before the token, by the socket’s address, and no header moves it', OVER_SOCKETS, async () => {
    const few = await start({ now: () => 1_000, http: { requestsPerMinutePerAddress: 3 } });
    const statuses: (number | undefined)[] = [];
    let last: Answer | undefined;
    for (let i = 0; i < 5; i++) {
      const headers: Header[] = [
        ['X-Forwarded-For', `10.0.0.${i}`],
        ['Forwarded', `for=10.0.0.${i}`],
        ['X-Real-IP', `10.0.0.${i}`],
      ];
      [last] = await ask({ headers, without: ['Authorization'] }, few.port);
      statuses.push(last?.status);
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    expect(Number(last?.headers['retry-after'])).toBeGreaterThan(0);
    const elsewhere = await raw(few.port, bytes({}, few.port), { from: '127.0.0.2' });
    expect(elsewhere.map((a) => a.status)).toEqual([200]);
  });

  test('time and size are bounded before anybody is known', () => {
    expect(NODE_LIMITS).toMatchObject({
      connectionsCheckingInterval: 1_000,
      headersTimeout: 5_000,
      keepAliveTimeout: 5_000,
    });
    expect(NODE_LIMITS.requestTimeout).toBeLessThanOrEqual(30_000);
    // The page says 8 KiB; a token of an issuer with many groups is longer than that.
    expect(NODE_LIMITS.maxHeaderSize).toBeLessThanOrEqual(16 * 1024);
  });

  test('each of it that is refused by us is on record, once', OVER_SOCKETS, async () => {
    const one = await start();
    const shapes: Shape[] = [
      { without: ['Authorization'] },
      { headers: [['Host', 'evil.example']] },
      { headers: [origin('https://evil.example')] },
      { target: '/x/../mcp' },
      { target: 'http://evil.example/mcp' },
      { body: '[]' },
      { headers: [['Content-Type', 'text/plain']] },
      { without: ['Mcp-Method'] },
    ];
    for (const [i, shape] of shapes.entries()) {
      await ask(shape, one.port);
      expect(one.w.records.map((r) => r.event)).toEqual(Array(i + 1).fill('refused'));
      expect(one.w.records.at(-1)?.address).toBe('127.0.0.1');
    }
    expect(JSON.stringify(one.w.records)).not.toContain('Bearer');
  });
});

/** What is tried better elsewhere: the statement, the file, and words that stand in it. */
const ELSEWHERE: [says: string, file: string, words: string][] = [
  ['1: audience, issuer, times, signatures', 'tests/policy/oauth_hostile.test.ts', 'hostile'],
  ['1: closing a stream cancels the work', 'tests/edge/http_limits.test.ts', 'leaving the stream cancels the work'],
  ['1: streams have comments, and no proxy keeps them back', 'tests/edge/http_limits.test.ts', 'with comments'],
  ['1: handles are bound to their principal', 'tests/policy/results.test.ts', 'principal'],
  ['1: state that the client carries is not believed', 'tests/edge/questions.test.ts', 'forged'],
  ['1: nothing but the protocol on stdout', 'tests/edge/stdio.test.ts', 'stdout'],
  ['1, 10: pages of other origins, with the control that lets them in', 'tests/edge/rebinding.test.ts', 'the control'],
  [
    '1: a hundred calls in an array, with the control that serves them',
    'tests/edge/http_bad_input.test.ts',
    'a control',
  ],
  ['10: connections of one address', 'tests/edge/http_limits.test.ts', 'one address opens so many and no more'],
  ['10: slow clients', 'tests/edge/http_limits.test.ts', 'a trickle of headers is cut off'],
  ['10: one server for each client (CVE-2026-25536)', 'tests/edge/http_clients.test.ts', 'test('],
  ['10: SSRF (CVE-2026-27825)', 'tests/insight/probe_rules.test.ts', '169.254.169.254'],
  ['10: traversal and links (CVE-2026-27826, CVE-2025-53109, 59343)', 'tests/host/files.test.ts', 'symlink'],
  ['10: commands from arguments (CVE-2025-59377, 66404, CVE-2026-4199, 5831)', 'tests/host/exec.test.ts', 'test('],
  ['10: whether starting processes is one place’s', 'tests/architecture.test.ts', 'node:child_process'],
];

test.each(ELSEWHERE)('elsewhere: %s → %s', (_says, file, words) => {
  expect(readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8')).toContain(words);
});

/**
 * No line, because there is nothing to try: ReDoS in URI templates (CVE-2026-0621; no resource has one), code from URLs of a server's
 * metadata (CVE-2025-6514, a client's hole), the inspector's proxy (CVE-2025-49596; no such thing is served), commands in a client's
 * stdio settings (CVE-2026-30623; the owner's), and −32021 (no call needs a capability of the client: where none is declared, nothing is asked).
 */
