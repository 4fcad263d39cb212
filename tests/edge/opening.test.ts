/**
 * The first answers over stdio against those of the SDK's server, to the byte. Every conversation is held twice: with the opening, which
 * hands over somewhere in it, and without. Records and answers must be the same, whatever is said.
 */
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { prepareLists } from '../../scripts/prepare.ts';
import type { Scope } from '../../src/core/scopes.ts';
import { createOpening, type Opening } from '../../src/edge/opening.ts';
import { serveStdioFace } from '../../src/edge/stdio.ts';
import { visible } from '../../src/policy/authorize.ts';
import { openAccess } from '../fakes/policy.ts';
import { fixtureDoor, quiet, who } from './fixture-door.ts';
import { info, legacy, modern } from './fixture-http.ts';
import { catalog } from './fixture-tools.ts';

const prepared = prepareLists(catalog);

function openingFor(scopes: Scope[], mode: 'full' | 'read-only' = 'full'): Opening {
  const rule = { catalog: prepared, access: openAccess, off: () => null, mode, clock: { now: Date.now } };
  return createOpening({ info, prepared, visible: visible(who('stdio:1000', scopes), undefined, rule) });
}

interface Held {
  lines: string[];
  told: string[];
  warnings: unknown[];
}

/** Says one line after the other, each once the one before has its answer. */
async function hold(
  conversation: readonly unknown[],
  o: { opening?: Opening; scopes?: Scope[]; mode?: 'full' | 'read-only' },
): Promise<Held> {
  const d = fixtureDoor({ mode: o.mode ?? 'full' });
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const warnings: unknown[] = [];
  let ids = 0;
  const face = serveStdioFace({
    whole: async () => ({ door: d.door, log: { ...quiet, warn: (fields) => void warnings.push(fields) } }),
    principal: who('stdio:1000', o.scopes ?? ALL, { kind: 'stdio' }),
    info,
    stdin,
    stdout,
    newId: () => `id${++ids}`,
    ...(o.opening ? { opening: o.opening } : {}),
  });
  let out = '';
  let heard = () => {};
  stdout.on('data', (chunk) => {
    out += chunk;
    heard();
  });
  const count = () => out.split('\n').length - 1;
  for (const said of conversation) {
    const before = count();
    const answered = new Promise<void>((resolve) => {
      heard = () => count() > before && resolve();
    });
    stdin.write(`${typeof said === 'string' ? said : JSON.stringify(said)}\n`);
    if (isAnswered(said)) await answered;
  }
  await face.close();
  return {
    lines: out.split('\n').filter(Boolean),
    told: d.records.map((r) => `${r.event} ${r.what} ${r.code} ${r.client}`),
    warnings,
  };
}

const isAnswered = (said: unknown) =>
  typeof said === 'string' ||
  (said as { id?: unknown; method?: unknown }).id !== undefined ||
  !(said as { method?: string }).method ||
  // No message has such a member: it is refused, also where it is no request.
  'extra' in (said as object);

const ALL: Scope[] = ['system:read', 'logs:read', 'docker:write'];

async function same(conversation: readonly unknown[], o: { scopes?: Scope[]; mode?: 'full' | 'read-only' } = {}) {
  const opening = openingFor(o.scopes ?? ALL, o.mode);
  const early = await hold(conversation, { ...o, opening });
  const late = await hold(conversation, o);
  expect(early.lines).toEqual(late.lines);
  expect(early.told).toEqual(late.told);
  expect(early.warnings, 'the server said the same').toEqual([]);
  return { opening, lines: early.lines };
}

const clients = [
  { name: 'plain', version: '1' },
  { name: 'claude-code', title: 'Claude Code', version: '2.1.280', websiteUrl: 'https://claude.com/claude-code' },
];
const capabilities = [
  {},
  { roots: {} },
  { roots: { listChanged: true }, sampling: {}, elicitation: {} },
  {
    roots: { listChanged: false },
    sampling: { context: {}, tools: {} },
    elicitation: { form: {}, url: {} },
    tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } },
    extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html;profile=mcp-app'] } },
    experimental: { x: { on: true } },
  },
];
const VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05', '2024-10-07', '2026-07-28', '1999-01-01', ''];
const greeting = (over: object = {}) => ({
  ...legacy('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: clients[0], ...over }, 0),
});
const ready = { jsonrpc: '2.0', method: 'notifications/initialized' };
const LISTS = ['tools/list', 'resources/list', 'resources/templates/list', 'prompts/list'];
const call = legacy('tools/call', { name: 'system_overview', arguments: { top: 2 } }, 'call');

describe('an ordinary client of 2025', () => {
  test.each(VERSIONS)('that speaks %j', async (protocolVersion) => {
    const lists = LISTS.map((m, i) => legacy(m, {}, i + 1));
    const { opening } = await same([greeting({ protocolVersion }), ready, ...lists, legacy('ping', {}, 'p'), call]);
    expect(opening.said.length).toBeGreaterThanOrEqual(3);
  });

  test.each(capabilities)('that declares %j', async (declared) => {
    for (const clientInfo of clients) {
      const { opening } = await same([
        greeting({ capabilities: declared, clientInfo }),
        ready,
        { jsonrpc: '2.0', id: 1, method: 'tools/list' },
        call,
      ]);
      expect(opening.listed()).toBe(true);
    }
  });
});

describe('an ordinary client of 2026', () => {
  const asked = (m: string, id: number, meta: object = {}) => modern(m, {}, id, meta).body;
  test.each(capabilities)('that declares %j', async (declared) => {
    const meta = { 'io.modelcontextprotocol/clientCapabilities': declared };
    const talk = ['server/discover', ...LISTS].map((m, i) => asked(m, i, meta));
    const end = modern('tools/call', { name: 'system_overview', arguments: {} }, 9).body;
    const { opening } = await same([...talk, end]);
    expect(opening.listed()).toBe(true);
    await same([talk[1], end]);
  });

  test('that greets in the old way after all', async () => {
    const { opening, lines } = await same([asked('server/discover', 1), greeting(), ready, legacy('tools/list'), call]);
    expect(opening.said.map((s) => s.message.method)).toEqual(['server/discover']);
    expect(lines.length).toBe(4);
  });
});

test('who may see less is listed less', async () => {
  const talk = [
    greeting(),
    ready,
    legacy('tools/list'),
    legacy('resources/list', {}, 2),
    legacy('prompts/list', {}, 3),
  ];
  const few = await same(talk, { scopes: ['system:read'] });
  const all = await same(talk, { scopes: ALL });
  const none = await same(talk, { scopes: [] });
  const reads = await same(talk, { mode: 'read-only' });
  const lengths = [none, few, reads, all].map((s) => s.lines[1]?.length ?? 0);
  expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
  expect(new Set(lengths).size).toBe(4);
});

describe('what is not ordinary is the server’s', () => {
  const odd: [string, unknown][] = [
    ['no JSON', '{"jsonrpc"'],
    ['no object', '7'],
    ['an array', [legacy('ping')]],
    ['another version of JSON-RPC', { ...greeting(), jsonrpc: '1.0' }],
    ['a field too many', { ...greeting(), id: undefined, ...ready, extra: 1 }],
    ['an id that is null', { ...greeting(), id: null }],
    ['an id that is a fraction', { ...greeting(), id: 1.5 }],
    ['a greeting without a client', greeting({ clientInfo: undefined })],
    ['a client without a version', greeting({ clientInfo: { name: 'x' } })],
    ['a client with an icon', greeting({ clientInfo: { ...clients[0], icons: [{ src: 'x' }] } })],
    ['a client whose icon is none', greeting({ clientInfo: { ...clients[0], icons: 'x' } })],
    ['capabilities that are none', greeting({ capabilities: { roots: 5 } })],
    ['capabilities nobody knows', greeting({ capabilities: { new: {} } })],
    ['a greeting with _meta', greeting({ _meta: { progressToken: 1 } })],
    ['a list before the greeting', legacy('tools/list')],
    ['a cursor', legacy('tools/list', { cursor: 'x' })],
    ['a method nobody knows', legacy('tools/lust')],
    ['a name of every object', legacy('constructor')],
    ['a call', call],
    [
      'an envelope of another version',
      modern('tools/list', {}, 1, { 'io.modelcontextprotocol/protocolVersion': '2027-01-01' }).body,
    ],
    [
      'an envelope without capabilities',
      modern('tools/list', {}, 1, { 'io.modelcontextprotocol/clientCapabilities': undefined }).body,
    ],
    [
      'an envelope with odd capabilities',
      modern('tools/list', {}, 1, { 'io.modelcontextprotocol/clientCapabilities': { roots: 5 } }).body,
    ],
    ['an envelope with more', modern('tools/list', {}, 1, { 'io.modelcontextprotocol/logLevel': 'debug' }).body],
    ['a ping of 2026', modern('ping').body],
    ['a discovery without an envelope', legacy('server/discover')],
    ['a notification', { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 0 } }],
  ];
  test.each(odd)('first: %s', async (_name, message) => {
    const { opening } = await same([message, call]);
    expect(opening.said).toEqual([]);
  });
  test.each(odd)('after the greeting: %s', async (_name, message) => {
    await same([greeting(), ready, message, legacy('tools/list', {}, 'l'), call]);
  });
  test.each(odd)('after a discovery: %s', async (_name, message) => {
    await same([modern('server/discover', {}, 'd').body, message, modern('tools/list', {}, 'l').body]);
  });
});

test('whatever is said, in whatever order', async () => {
  const id = fc.oneof(fc.integer({ min: -2, max: 5 }), fc.string({ maxLength: 5 }));
  const params = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.constantFrom<object | undefined>(undefined, {}, { _meta: {} }, { _meta: { progressToken: 'p' } }),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom<object>({ cursor: '' }, { _meta: 5 }, { _meta: { progressToken: 1.5 } }, { x: 1 }),
    },
  );
  const method = fc.constantFrom('ping', 'server/discover', ...LISTS);
  const old = fc.record({ id, params, method }).map((m) => ({ jsonrpc: '2.0', ...m }));
  const hello = fc
    .record({
      v: fc.constantFrom(...VERSIONS),
      c: fc.constantFrom(...capabilities),
      i: fc.constantFrom(...clients),
      id,
    })
    .map(({ v, c, i, id }) => ({ ...greeting({ protocolVersion: v, capabilities: c, clientInfo: i }), id }));
  const fresh = fc
    .record({ id, method, c: fc.constantFrom(...capabilities) })
    .map((m) => modern(m.method, {}, m.id, { 'io.modelcontextprotocol/clientCapabilities': m.c }).body);
  const message = fc.oneof(old, hello, fresh, fc.constant(ready));
  await fc.assert(
    fc.asyncProperty(fc.array(message, { minLength: 1, maxLength: 8 }), async (talk) => {
      await same(talk);
    }),
    { numRuns: 150 },
  );
});

test('a client that says much before it calls is handed over in the middle', async () => {
  const pings = Array.from({ length: 40 }, (_, i) => legacy('ping', {}, i + 10));
  const { opening } = await same([greeting(), ready, ...pings, call]);
  expect(opening.said.length).toBeLessThan(20);
});
