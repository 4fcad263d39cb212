/**
 * A connection that is kept is asked by many heads, and what was found out about one must never serve another: each request of a random
 * walk gets on one kept connection what it gets on a fresh one of its own. And what may change while a head stays the same is asked each time.
 */
import { Agent, request as httpRequest } from 'node:http';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Principal } from '../../src/core/call.ts';
import { createHeads } from '../../src/edge/heads.ts';
import { createRecognise } from '../../src/edge/recognise.ts';
import { byToken } from '../../src/policy/authenticate.ts';
import type { Shown } from '../../src/policy/credentials.ts';
import { rig } from '../fakes/policy.ts';
import { stage } from '../fakes/tools.ts';
import { who } from './fixture-door.ts';
import { modern, web } from './fixture-http.ts';

let open: (() => unknown)[] = [];
beforeEach(() => stage.reset());
afterEach(async () => {
  for (const close of open.reverse()) await close();
  open = [];
});

async function server(authenticate = byToken((s) => TOKENS[s] ?? null)) {
  const r = rig();
  const options = { authenticate, newId: () => 'an-id', now: r.clock.now, http: { trustedProxies: ['127.0.0.1'] } };
  const { face } = web(options, { door: r.door, records: [], waitMs: { now: null } });
  const { url } = await face.listen();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  open.push(() => face.close());
  open.push(() => agent.destroy());
  return { rig: r, port: Number(new URL(url).port), agent };
}
type At = Awaited<ReturnType<typeof server>>;

const TOKENS: { [secret: string]: Principal } = {
  full: who('token:full', ['system:write', 'logs:read']),
  small: who('token:small', ['system:read']),
  none: who('token:none', ['audit:read']),
  revoked: who('token:revoked', ['system:read'], { valid: () => false }),
};

interface Asked {
  path: string;
  headers: { [name: string]: string | undefined };
  tool: string;
  args: object;
}

const ORDINARY = {
  host: '127.0.0.1',
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  authorization: 'Bearer full',
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
};

function send(at: At, asked: Asked, agent: Agent | false) {
  const { body } = modern('tools/call', { name: asked.tool, arguments: asked.args }, 1, {});
  const text = JSON.stringify(body);
  const all = {
    ...ORDINARY,
    'mcp-name': asked.tool,
    'content-length': String(Buffer.byteLength(text)),
    ...asked.headers,
  };
  const headers = Object.fromEntries(Object.entries(all).filter(([, v]) => v !== undefined)) as Record<string, string>;
  return new Promise<{ said: unknown; reused: boolean }>((resolve, reject) => {
    const sent = httpRequest({ port: at.port, path: asked.path, method: 'POST', headers, agent }, (res) => {
      let got = '';
      res.on('data', (d) => {
        got += d;
      });
      const {
        date: _,
        connection: __,
        'keep-alive': ___,
        ratelimit: ____,
        'content-length': _____,
        ...rest
      } = res.headers;
      res.on('end', () =>
        resolve({
          said: { status: res.statusCode, rest, got: got.replace(/\b(runs?\W+|127\.0\.0\.1:)\d+/g, '$1N') },
          reused: sent.reusedSocket,
        }),
      );
      res.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(text);
  });
}

const record = ({ rig }: At) => rig.records.map(({ event, fields: { ms: _, ...fields } }) => ({ event, ...fields }));

/** One part of an ordinary request is another one, or none is. */
const part: fc.Arbitrary<Partial<Asked>> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  fc.constantFrom('fixture_look', 'fixture_broken', 'no_such_tool').map((tool) => ({ tool })),
  fc
    .constantFrom('/mcp?readonly', '/mcp?toolsets=docker', '/mcp?toolsets=none', '/mcp/', '/MCP')
    .map((path) => ({ path })),
  fc
    .constantFrom<[string, string | undefined]>(
      ['authorization', undefined],
      ['authorization', 'Bearer small'],
      ['authorization', 'Bearer none'],
      ['authorization', 'Bearer revoked'],
      ['authorization', 'Bearer nobody'],
      ['authorization', 'Bearer ful'],
      ['authorization', 'Bearer '],
      ['authorization', 'bearer full'],
      ['host', 'evil.example'],
      ['host', 'localhost:9'],
      ['origin', 'https://evil.example'],
      ['origin', 'http://127.0.0.1'],
      ['accept', 'application/json'],
      ['content-type', 'text/plain'],
      ['mcp-protocol-version', '2025-11-25'],
      ['mcp-method', 'tools/list'],
      ['mcp-name', 'fixture_broken'],
      ['mcp-param-x', '1'],
      ['x-forwarded-for', '192.0.2.7'],
      ['x-forwarded-for', '192.0.2.8'],
      ['tailscale-user-login', 'someone@example.org'],
    )
    .map(([name, value]) => ({ headers: { [name]: value } })),
);
const asked = fc.tuple(part, part, fc.constantFrom({}, { times: 2 })).map(
  ([a, b, args]): Asked => ({
    path: '/mcp',
    tool: 'fixture_look',
    args,
    ...a,
    ...b,
    headers: { ...a.headers, ...b.headers },
  }),
);

test('whatever was asked on a connection before, a request is answered and recorded as on its own', async () => {
  let reused = 0;
  let done = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(asked, { minLength: 2, maxLength: 12 }), async (walk) => {
      stage.reset();
      const [kept, fresh] = [await server(), await server()];
      for (const one of walk) {
        const [a, b] = [await send(kept, one, kept.agent), await send(fresh, one, false)];
        expect(a.said).toEqual(b.said);
        if (a.reused) reused++;
        if ((a.said as { status: number }).status === 200) done++;
        // Failed tries are forgotten, or soon nobody would be looked at.
        for (const at of [kept, fresh]) await at.rig.clock.advance(3_600_000);
      }
      expect(record(kept)).toEqual(record(fresh));
    }),
    { numRuns: 40 },
  );
  // Else nothing was compared.
  expect(reused).toBeGreaterThan(20);
  expect(done).toBeGreaterThan(20);
}, 60_000);

describe('the same head again', () => {
  const look: Asked = { path: '/mcp', tool: 'fixture_look', args: {}, headers: {} };

  test('its credential is looked at each time: what was revoked is refused on the very connection', async () => {
    let good = true;
    const at = await server(byToken((s) => (good ? (TOKENS[s] ?? null) : null)));
    expect(await send(at, look, at.agent)).toMatchObject({ said: { status: 200 } });
    expect(await send(at, look, at.agent)).toMatchObject({ said: { status: 200 }, reused: true });
    good = false;
    expect(await send(at, look, at.agent)).toMatchObject({ said: { status: 401 }, reused: true });
  });

  test('and it is counted each time', async () => {
    const at = await server();
    for (let n = 0; n < 3; n++) await send(at, look, at.agent);
    expect(at.rig.records.filter(({ event }) => event === 'call')).toHaveLength(3);
  });
});

describe('which heads are one', () => {
  const socket = {};
  const head = (rawHeaders: string[], over: object = {}) =>
    ({ socket, method: 'POST', url: '/mcp', httpVersion: '1.1', rawHeaders, ...over }) as never;
  const usual = ['Host', 'a', 'Content-Length', '10', 'Mcp-Name', 'x', 'Authorization', 'Bearer one'];
  const but = (at: number, value: string) => usual.with(at, value);

  test.each([
    ['itself', usual, {}, true],
    ['another length', but(3, '11'), {}, true],
    ['another tool', but(5, 'y'), {}, true],
    ['another credential', but(7, 'Bearer two'), {}, false],
    ['a name spelled otherwise', but(6, 'authorization'), {}, false],
    ['one more', [...usual, 'Origin', 'http://a'], {}, false],
    ['one less', usual.slice(0, 6), {}, false],
    ['another path', usual, { url: '/mcp?readonly' }, false],
    ['another method', usual, { method: 'GET' }, false],
    ['another version', usual, { httpVersion: '1.0' }, false],
    ['another connection', usual, { socket: {} }, false],
  ])('%s', (_, raw, over, same) => {
    const headOf = createHeads();
    const first = headOf(head(usual));
    expect(headOf(head(raw as string[], over as object)) === first).toBe(same);
  });

  test('a second name of a tool is not the place where tools differ', () => {
    const headOf = createHeads();
    const twice = [...usual, 'mcp-name', 'y'];
    const first = headOf(head(twice));
    expect(headOf(head(twice.with(9, 'z')))).not.toBe(first);
  });

  test('long ones are not kept', () => {
    const headOf = createHeads();
    const long = but(7, `Bearer ${'x'.repeat(5_000)}`);
    expect(headOf(head(long))).not.toBe(headOf(head(long)));
  });
});

test.each([
  ['of the very bearer', { credential: 'its hash', hashed: 'one' }, 'its hash'],
  ['of another bearer', { credential: 'its hash', hashed: 'two' }, undefined],
  ['of nobody knows what', { credential: 'its hash' }, undefined],
])('a hash at hand %s', (_, of, digest) => {
  const shown: Shown[] = [];
  const recognise = createRecognise(
    (s) => {
      shown.push(s);
      return { principal: TOKENS.full as Principal };
    },
    { hold: () => null, told() {} },
  );
  recognise({ address: undefined, key: '', listener: 'tcp', recorded: false, ...of }, () => 'Bearer one');
  expect(shown.map((s) => [s.bearer, s.digest])).toEqual([['one', digest]]);
});
