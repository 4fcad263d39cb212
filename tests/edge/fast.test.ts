/**
 * The short way of a tools/call and the long one answer the same: status, headers, body and audit record, for a corpus of requests and for
 * random ones; and they behave the same when the client leaves, the call is slow, times out, or the server stops. A request goes
 * the long way here by a header that asks for it and that nothing else reads.
 */

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Principal } from '../../src/core/call.ts';
import { byToken } from '../../src/policy/authenticate.ts';
import { upTo } from '../counts.ts';
import { type Rig, rig } from '../fakes/policy.ts';
import { stage, untilAborted } from '../fakes/tools.ts';
import { who } from './fixture-door.ts';
import { modern, type Web, web } from './fixture-http.ts';

const LONG_WAY = { 'mcp-param-long-way': 'yes' };
const WAYS = ['short', 'long'] as const;
type Way = (typeof WAYS)[number];
type Headers = { [name: string]: string | string[] | undefined };

interface Server extends Web {
  rig: Rig;
  port: number;
}

let open: (() => Promise<unknown>)[] = [];
beforeEach(() => stage.reset());
afterEach(async () => {
  stage.behave = async () => {};
  for (const close of open.reverse()) await close();
  open = [];
});

async function server(over: Parameters<typeof web>[0] = {}, policy: Parameters<typeof rig>[0] = {}): Promise<Server> {
  const r = rig(policy);
  const tokens: { [secret: string]: Principal } = {
    full: who('token:full', ['system:write', 'logs:read']),
    small: who('token:small', ['system:read']),
    none: who('token:none', ['audit:read']),
    revoked: who('token:revoked', ['system:read'], { valid: () => false }),
    expired: who('token:expired', ['system:read'], { expiresAtMs: 1 }),
  };
  const w = web(
    { authenticate: byToken((s) => tokens[s] ?? null), newId: () => 'an-id', now: r.clock.now, ...over },
    { door: r.door, records: [], waitMs: { now: null } },
  );
  const { url } = await w.face.listen();
  open.push(() => w.face.close());
  return { ...w, rig: r, port: Number(new URL(url).port) };
}

interface Seen {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

const HEADERS: Headers = {
  host: '127.0.0.1',
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  authorization: 'Bearer full',
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': 'fixture_look',
};

function send(at: Server, way: Way, body: string | Buffer, over: Headers = {}, path = '/mcp', method = 'POST') {
  const all = { ...HEADERS, 'content-length': String(Buffer.byteLength(body)), ...over };
  const headers = Object.fromEntries(Object.entries(all).filter(([, v]) => v !== undefined)) as Record<string, string>;
  if (way === 'long') Object.assign(headers, LONG_WAY);
  return new Promise<Seen>((resolve, reject) => {
    const sent = httpRequest({ port: at.port, host: '127.0.0.1', path, method, headers, agent: false }, (res) => {
      let text = '';
      res.on('data', (d) => {
        text += d;
      });
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text }));
      res.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const message = (args: unknown = {}, over: object = {}, meta: object = {}, name = 'fixture_look') => {
  const { body } = modern('tools/call', { name, arguments: args }, 1, meta);
  return { ...body, ...over };
};
const call = (...of: Parameters<typeof message>) => JSON.stringify(message(...of));

/** Only the short way writes the envelope first: how a test knows which way it was. */
const wasShort = (seen: Seen) => /^\{"jsonrpc":"2.0","id":[^,]*,"result":/.test(seen.text);

/** Handles are random; what stands around them is not. */
const named = (text: string) => text.replace(/\b([rtwa])_[a-z2-7]{26}\b/g, '$1_');
/** What is left of the limit differs between two requests: that it is told is compared, and not how much. */
const told = ({ status, headers: { date: _, ratelimit, ...headers }, text }: Seen) => ({
  status,
  headers: { ...headers, ratelimit: ratelimit !== undefined },
  body: text.startsWith('{') ? JSON.parse(named(text)) : named(text),
});
const recorded = (r: Rig) =>
  r.records.map(({ event, fields: { ms: _, ...fields } }) => JSON.parse(named(JSON.stringify({ event, ...fields }))));

type Request = [body: string | Buffer, headers?: Headers, path?: string, method?: string];

async function bothWays(pair: { short: Server; long: Server }, request: Request): Promise<{ short: Seen; long: Seen }> {
  for (const way of WAYS) {
    pair[way].rig.records.length = 0;
    // Past the time in which equal calls share a run.
    await pair[way].rig.clock.advance(1_000);
  }
  // What the tool counts must not differ only because the other one was first.
  const { runs, state } = stage;
  const short = await send(pair.short, 'short', ...request);
  Object.assign(stage, { runs, state });
  const long = await send(pair.long, 'long', ...request);
  expect(told(short)).toEqual(told(long));
  expect(recorded(pair.short.rig)).toEqual(recorded(pair.long.rig));
  return { short, long };
}

const twins = async (...of: Parameters<typeof server>) => ({ short: await server(...of), long: await server(...of) });

describe('both ways answer and record the same', () => {
  const taken: [string, Request][] = [
    ['a call', [call({ limit: 3 })]],
    ['without arguments', [JSON.stringify(message(undefined))]],
    ['a string as id', [call({}, { id: 'one' })]],
    ['a wrong argument', [call({ limit: 0 })]],
    ['an unknown argument', [call({ nope: 1 })]],
    ['an argument that needs a scope that is there', [call({ path: '/x' })]],
    ['foreign text', [call({ path: '\u202e⟦"\n\u0000' })]],
    ['a long tool', [call({}, {}, {}, 'fixture_long'), { 'mcp-name': 'fixture_long' }]],
    ['an answer its schema refuses', [call({}, {}, {}, 'fixture_broken'), { 'mcp-name': 'fixture_broken' }]],
    ['a client that says nothing of itself', [call({}, {}, { 'io.modelcontextprotocol/clientInfo': undefined })]],
    [
      'a client of many abilities',
      [call({}, {}, { 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } } })],
    ],
    ['a narrowing', [call({}), {}, '/mcp?toolsets=core,system&readonly']],
    ['headers in another order of letters', [call({}), { 'Mcp-Name': 'fixture_look', 'mcp-name': undefined }]],
    ['a charset', [call({}), { 'content-type': 'application/json; charset=utf-8' }]],
    ['the other order of accept', [call({}), { accept: 'text/event-stream, application/json' }]],
    ['nested arguments', [call({ limit: JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) })]],
  ];
  test.each(taken)('%s: by the short way', async (_name, request) => {
    const { short, long } = await bothWays(await twins(), request);
    expect([wasShort(short), wasShort(long)]).toEqual([true, false]);
  });

  const meta = (over: object) => [call({}, {}, over)] as Request;
  const left: [string, Request][] = [
    ['a tool that is none', [call({}, {}, {}, 'nope'), { 'mcp-name': 'nope' }]],
    ['a change', [call({ to: 'x' }, {}, {}, 'fixture_rename'), { 'mcp-name': 'fixture_rename' }]],
    [
      'a change without the right',
      [call({ to: 'x' }, {}, {}, 'fixture_rename'), { 'mcp-name': 'fixture_rename', authorization: 'Bearer small' }],
    ],
    ['arguments that need a scope', [call({ path: '/x' }), { authorization: 'Bearer small' }]],
    ['the least scope missing', [call({}), { authorization: 'Bearer none' }]],
    ['no token', [call({}), { authorization: undefined }]],
    ['another scheme', [call({}), { authorization: 'Basic eDp5' }]],
    ['an unknown token', [call({}), { authorization: 'Bearer nope' }]],
    ['a revoked token', [call({}), { authorization: 'Bearer revoked' }]],
    ['an expired token', [call({}), { authorization: 'Bearer expired' }]],
    ['two tokens', [call({}), { authorization: ['Bearer full', 'Bearer none'] }]],
    ['a foreign host', [call({}), { host: 'evil.example' }]],
    ['a foreign page', [call({}), { origin: 'http://evil.example' }]],
    ['a page of our own', [call({}), { origin: 'http://127.0.0.1' }]],
    ['progress', meta({ progressToken: 'p' })],
    ['a progress token that is none', meta({ progressToken: {} })],
    ['more in the envelope', meta({ 'example.org/x': 1 })],
    ['a log level', meta({ 'io.modelcontextprotocol/logLevel': 'debug' })],
    ['a trace', meta({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' })],
    ['another revision', meta({ 'io.modelcontextprotocol/protocolVersion': '2025-11-25' })],
    ['abilities missing', meta({ 'io.modelcontextprotocol/clientCapabilities': undefined })],
    ['abilities that are none', meta({ 'io.modelcontextprotocol/clientCapabilities': 'all' })],
    ['abilities of a wrong form', meta({ 'io.modelcontextprotocol/clientCapabilities': { elicitation: 7 } })],
    ['a client without a version', meta({ 'io.modelcontextprotocol/clientInfo': { name: 'x' } })],
    ['a client that is none', meta({ 'io.modelcontextprotocol/clientInfo': [] })],
    [
      'no envelope',
      [JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'fixture_look' } })],
    ],
    ['no version in the headers', [call({}), { 'mcp-protocol-version': undefined }]],
    ['another version in the headers', [call({}), { 'mcp-protocol-version': '2025-11-25' }]],
    ['no method in the headers', [call({}), { 'mcp-method': undefined }]],
    ['another method in the headers', [call({}), { 'mcp-method': 'tools/list' }]],
    ['another method in the body', [call({}, { method: 'tools/list' })]],
    ['no name in the headers', [call({}), { 'mcp-name': undefined }]],
    ['another name in the headers', [call({}), { 'mcp-name': 'fixture_long' }]],
    ['two names in the headers', [call({}), { 'mcp-name': ['fixture_look', 'fixture_look'] }]],
    ['the name in Base64', [call({}), { 'mcp-name': '=?base64?Zml4dHVyZV9sb29r?=' }]],
    ['a session', [call({}), { 'mcp-session-id': 'x' }]],
    ['another type', [call({}), { 'content-type': 'text/plain' }]],
    ['no type', [call({}), { 'content-type': undefined }]],
    ['two types', [call({}), { 'content-type': ['application/json', 'application/json'] }]],
    ['a compressed body', [call({}), { 'content-encoding': 'gzip' }]],
    ['a chunked body', [call({}), { 'content-length': undefined, 'transfer-encoding': 'chunked' }]],
    ['only JSON accepted', [call({}), { accept: 'application/json' }]],
    ['only streams accepted', [call({}), { accept: 'text/event-stream' }]],
    ['anything accepted', [call({}), { accept: '*/*' }]],
    ['nothing accepted', [call({}), { accept: undefined }]],
    ['a body too long', [call({ path: 'x'.repeat(5_000) })]],
    ['no body', ['']],
    ['no JSON', ['{']],
    ['a byte order mark', [`\ufeff${call({})}`]],
    ['no UTF-8', [Buffer.from(call({ path: 'é' }), 'latin1')]],
    ['a mark for what was no UTF-8', [call({ path: '\ufffd' })]],
    ['a list of messages', [`[${call({})}]`]],
    ['null', ['null']],
    ['an older JSON-RPC', [call({}, { jsonrpc: '1.0' })]],
    ['no id', [call({}, { id: undefined })]],
    ['null as id', [call({}, { id: null })]],
    ['half a number as id', [call({}, { id: 1.5 })]],
    ['something more in the message', [call({}, { extra: 1 })]],
    [
      'something more in the parameters',
      [JSON.stringify({ ...message({}), params: { ...message({}).params, task: {} } })],
    ],
    [
      'an answer to a question',
      [JSON.stringify({ ...message({}), params: { ...message({}).params, inputResponses: {} } })],
    ],
    ['parameters that are none', [call({}, { params: [] })]],
    ['arguments that are none', [call('x')]],
    ['arguments that are a list', [call([])]],
    ['a key named __proto__', [call({}).replace('"arguments":{}', '"arguments":{"__proto__":{"limit":1}}')]],
    ['a name that is none', [call({}, {}, {}, 7 as never)]],
    ['an unknown toolset', [call({}), {}, '/mcp?toolsets=nope']],
    ['a toolset without the tool', [call({}), {}, '/mcp?toolsets=docker']],
    ['an escaped narrowing', [call({}), {}, '/mcp?toolsets=%63ore']],
    ['another path', [call({}), {}, '/mcp/']],
    ['an absolute target', [call({}), {}, 'http://127.0.0.1/mcp']],
    ['PUT', [call({}), {}, '/mcp', 'PUT']],
  ];
  test.each(left)('%s: left to the long way', async (_name, request) => {
    const { short } = await bothWays(await twins(), request);
    expect(wasShort(short)).toBe(false);
  });

  test('a second time, when what is remembered is asked', async () => {
    const pair = await twins();
    for (let i = 0; i < 3; i++) expect(wasShort((await bothWays(pair, [call({ limit: 1 + i })])).short)).toBe(true);
    const bad = meta({ 'io.modelcontextprotocol/clientCapabilities': { elicitation: 7 } });
    for (let i = 0; i < 3; i++) expect((await bothWays(pair, bad)).short.status).toBe(400);
  });

  test('a rate that is used up, of the principal', async () => {
    const pair = await twins({}, { rate: { take: () => 2_500, peek: () => 2_500, takeChange: () => null } });
    expect((await bothWays(pair, [call({})])).short.status).toBe(429);
  });

  test('the rate of the address: counted once for each request, whichever way it went', async () => {
    const http = { requestsPerMinutePerAddress: 6 };
    const pair = await twins({ http });
    const requests: Request[] = [
      [call({})],
      meta({ progressToken: 1 }),
      [call({}, { id: null })],
      [call({}), { authorization: 'Bearer nope' }],
    ];
    const seen: number[] = [];
    for (const request of [...requests, ...requests]) seen.push((await bothWays(pair, request)).short.status);
    expect(seen).toEqual([200, 200, 400, 401, 200, 200, 429, 429]);
  });

  test('a door that throws is an error that says nothing of it', async () => {
    const at = await server();
    at.door.run = () => Promise.reject(new Error('hunter2'));
    const short = await send(at, 'short', call({}));
    expect(short.text).not.toContain('hunter2');
    expect(JSON.parse(short.text)).toMatchObject({
      id: 1,
      error: { code: -32_603, data: { code: 'internal', call: 'an-id' } },
    });
  });

  test('a tool that goes away between the question and the call', async () => {
    const gone = async (way: Way) => {
      const at = await server();
      const { run } = at.door;
      at.door.run = (c) => run({ ...c, narrow: { toolsets: new Set(['docker']) } });
      at.door.visible = () => [];
      return told(await send(at, way, call({})));
    };
    expect(await gone('short')).toEqual(await gone('long'));
  });

  test('five hundred random requests', async () => {
    const pair = await twins();
    const some = <T>(usual: T, ...others: T[]) =>
      fc.oneof({ weight: 25, arbitrary: fc.constant(usual) }, ...others.map((x) => fc.constant(x)));
    const tool = some('fixture_look', 'fixture_long', 'fixture_broken', 'fixture_rename', 'nope', '', '__proto__', 'é');
    const headers = fc.record({
      'mcp-protocol-version': some<string | undefined>('2026-07-28', '2025-11-25', undefined, '2026-07-28 ', 'x'),
      'mcp-method': some<string | undefined>('tools/call', 'tools/list', undefined, 'Tools/Call'),
      accept: some<string | undefined>('application/json, text/event-stream', '*/*', undefined, 'application/json'),
      authorization: some<string | undefined>(
        'Bearer full',
        'bearer  full',
        'Bearer small',
        'Bearer none',
        'Bearer',
        undefined,
      ),
      'content-type': some<string | undefined>(
        'application/json',
        'application/json;charset=utf-8',
        'text/json',
        undefined,
      ),
      origin: some<string | undefined>(undefined, 'null', 'http://127.0.0.1'),
      host: some<string>('127.0.0.1', 'localhost:1', 'LOCALHOST', 'x'),
    });
    const args = fc.oneof(
      fc.record(
        { limit: fc.oneof(fc.integer({ min: -1, max: 60 }), fc.jsonValue()), path: fc.string() },
        { requiredKeys: [] },
      ),
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.jsonValue(),
    );
    const metas = fc.oneof(
      { weight: 8, arbitrary: fc.constant({}) },
      {
        weight: 1,
        arbitrary: fc.dictionary(
          fc.constantFrom(
            'progressToken',
            'x',
            'io.modelcontextprotocol/clientInfo',
            'io.modelcontextprotocol/clientCapabilities',
            'io.modelcontextprotocol/protocolVersion',
          ),
          fc.jsonValue(),
        ),
      },
    );
    const over = fc.oneof(
      { weight: 8, arbitrary: fc.constant({}) },
      {
        weight: 1,
        arbitrary: fc.record(
          { id: fc.jsonValue(), method: some('tools/call', 'ping'), jsonrpc: some('2.0', '2'), extra: fc.jsonValue() },
          { requiredKeys: [] },
        ),
      },
    );
    const path = some(
      '/mcp',
      '/mcp?readonly',
      '/mcp?toolsets=all',
      '/mcp?toolsets=a',
      '/mcp?x=%',
      '/mcp?readonly=perhaps',
    );
    const broken = fc.oneof(
      { weight: 9, arbitrary: fc.constant((s: string) => s) },
      { weight: 1, arbitrary: fc.nat(200).map((n) => (s: string) => s.slice(0, n)) },
    );
    let short = 0;
    await fc.assert(
      fc.asyncProperty(
        tool,
        fc.boolean(),
        headers,
        args,
        metas,
        over,
        path,
        broken,
        async (name, same, h, a, m, o, p, cut) => {
          const request: Request = [
            cut(call(a, o, m, name)),
            { ...h, 'mcp-name': same ? encodeURI(name) : 'fixture_look' },
            p,
          ];
          const seen = await bothWays(pair, request);
          if (wasShort(seen.short)) short++;
        },
      ),
      { numRuns: upTo(500, 100) },
    );
    // Else nothing was compared.
    expect(short).toBeGreaterThan(upTo(25, 2));
  }, 60_000);
});

/** Sends by a bare socket, so that a test can leave when it likes. */
function knock(at: Server, way: Way, body: string, length = body.length) {
  const headers = { ...HEADERS, ...(way === 'long' ? LONG_WAY : {}), 'content-length': String(length) };
  const head = Object.entries(headers).map(([k, v]) => `${k}: ${v}`);
  const socket = connect(at.port, '127.0.0.1');
  let got = '';
  socket.on('error', () => {});
  socket.on('data', (d) => {
    got += d;
  });
  socket.write(`POST /mcp HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n${body}`);
  return { socket, got: () => got };
}

describe.each(WAYS)('by the %s way', (way) => {
  test('a client that leaves stops its call, and the record says so', async () => {
    const at = await server();
    stage.behave = untilAborted;
    const { socket } = knock(at, way, call({}));
    await vi.waitFor(() => expect(stage.runs).toBe(1));
    socket.destroy();
    await vi.waitFor(() => expect(at.rig.records).toHaveLength(1));
    expect(at.rig.records[0]).toMatchObject({
      event: 'call',
      fields: { outcome: 'timeout', why: 'The caller cancelled.' },
    });
  });

  test('a client that leaves in the middle of its body', async () => {
    let bearers = 0;
    const bearer = () => {
      bearers++;
      return who('token:full', ['system:read']);
    };
    const at = await server({ authenticate: byToken(bearer) });
    const { socket } = knock(at, way, '{"jsonrpc"', 1_000);
    // Once its head has been read.
    await vi.waitFor(() => expect(bearers).toBe(1));
    socket.destroy();
    await vi.waitFor(() => expect(at.rig.records).toHaveLength(1));
    expect(at.rig.records[0]).toMatchObject({ event: 'refused', fields: { outcome: 'validation' } });
  });

  test('an answer that takes long becomes a stream', async () => {
    const at = await server({ streamAfterMs: 5 });
    let end = () => {};
    stage.behave = () =>
      new Promise<void>((resolve) => {
        end = resolve;
      });
    const answer = send(at, way, call({}));
    await vi.waitFor(() => expect(stage.runs).toBe(1));
    setTimeout(() => end(), 40);
    const { status, headers, text } = await answer;
    const { date: _, ...rest } = headers;
    expect(status).toBe(200);
    expect(rest).toEqual({
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'ratelimit-policy': '"address";q=10000;w=60',
      ratelimit: expect.stringMatching(/^"address";r=\d+;t=\d+$/),
      'transfer-encoding': 'chunked',
      connection: 'close',
    });
    const [, data] = /^: working\n\nevent: message\ndata: (.*)\n\n$/.exec(text) ?? [];
    expect(JSON.parse(data ?? '')).toMatchObject({
      jsonrpc: '2.0',
      id: 1,
      result: { resultType: 'complete', structuredContent: { runs: 1 } },
    });
  });

  test('a client that leaves a stream stops its call', async () => {
    const at = await server({ streamAfterMs: 1 });
    stage.behave = untilAborted;
    const { socket, got } = knock(at, way, call({}));
    await vi.waitFor(() => expect(got()).toContain(': working'));
    expect(at.rig.records).toHaveLength(0);
    socket.destroy();
    await vi.waitFor(() => expect(at.rig.records).toHaveLength(1));
    expect(at.rig.records[0]).toMatchObject({ fields: { outcome: 'timeout', why: 'The caller cancelled.' } });
  });

  test('a call that takes too long', async () => {
    const at = await server();
    stage.behave = untilAborted;
    const answer = send(at, way, call({}));
    await vi.waitFor(() => expect(stage.runs).toBe(1));
    await at.rig.clock.advance(5_000);
    expect(told(await answer)).toMatchObject({
      status: 200,
      body: { result: { isError: true, _meta: { 'deckhand/error': { code: 'timeout' } } } },
    });
  });

  test('a server that stops answers what is under way', async () => {
    const at = await server({ drainMs: 5_000 });
    let end = () => {};
    stage.behave = () =>
      new Promise<void>((resolve) => {
        end = resolve;
      });
    const answer = send(at, way, call({}));
    await vi.waitFor(() => expect(stage.runs).toBe(1));
    const closed = at.face.close();
    end();
    expect(told(await answer)).toMatchObject({ status: 200, body: { result: { structuredContent: { runs: 1 } } } });
    await closed;
  });

  test('a server that stops waits for so long, then stops the call, too', async () => {
    const at = await server({ drainMs: 10 });
    stage.behave = untilAborted;
    const answer = send(at, way, call({})).then(
      ({ status }) => status,
      () => 'closed',
    );
    await vi.waitFor(() => expect(stage.runs).toBe(1));
    await at.face.close();
    await answer;
    await vi.waitFor(() => expect(at.rig.records).toHaveLength(1));
    expect(at.rig.records[0]).toMatchObject({
      event: 'call',
      fields: { outcome: 'timeout', why: 'The caller cancelled.' },
    });
  });
});
