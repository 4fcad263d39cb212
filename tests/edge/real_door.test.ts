/** The faces over the real door: one record for each request, whatever it was; random bodies; and what a model is shown. */

import fc from 'fast-check';
import { encode } from 'gpt-tokenizer';
import { beforeEach, describe, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { instructions, listed, serverName } from '../../src/edge/listing.ts';
import { failureText, toResult } from '../../src/edge/results.ts';
import { byToken } from '../../src/policy/authenticate.ts';
import { rig } from '../fakes/policy.ts';
import { longTool, lookTool, renameTool, stage } from '../fakes/tools.ts';
import { who } from './fixture-door.ts';
import { info, legacy, modern, web } from './fixture-http.ts';

function real(over: Parameters<typeof rig>[0] = {}) {
  const r = rig(over);
  const tokens = { full: who('token:full', ['system:write', 'logs:read']), small: who('token:small', ['system:read']) };
  const w = web(
    { authenticate: byToken((s) => tokens[s as 'full'] ?? null) },
    { door: r.door, records: [], waitMs: { now: null } },
  );
  return { ...w, rig: r };
}

beforeEach(() => stage.reset());

describe('one record for each request', () => {
  const look = (args: unknown) => legacy('tools/call', { name: 'fixture_look', arguments: args });
  test.each([
    ['a call', look({}), 'full', 200, 'call', 'done'],
    ['a wrong argument', look({ limit: 0 }), 'full', 200, 'call', 'validation'],
    ['arguments that are none', look('x'), 'full', 200, 'refused', 'validation'],
    ['an unknown tool', legacy('tools/call', { name: 'nope' }), 'full', 200, 'call', 'not_found'],
    [
      'the least scope missing',
      legacy('tools/call', { name: 'fixture_rename', arguments: { to: 'x' } }),
      'small',
      403,
      'call',
      'permission',
    ],
    ['a scope of the arguments missing', look({ path: '/x' }), 'small', 403, 'call', 'permission'],
    ['no token', look({}), 'wrong', 401, 'refused', 'permission'],
    [
      'an answer its schema refuses',
      legacy('tools/call', { name: 'fixture_broken', arguments: {} }),
      'full',
      200,
      'call',
      'internal',
    ],
  ])('%s', async (_name, body, token, status, event, outcome) => {
    const w = real();
    const response = await w.post(body, { authorization: `Bearer ${token}` });
    const text = await response.text();
    expect(response.status).toBe(status);
    const records = w.rig.records.filter((r) => r.event === 'call' || r.event === 'refused');
    expect(records.map((r) => [r.event, r.fields.outcome])).toEqual([[event, outcome]]);
    expect(text, 'no stack, no inner value').not.toMatch(/hunter2|\.ts:\d|node_modules|\\n +at /);
    if (outcome !== 'done')
      expect(text, 'the same id in answer and record').toContain(records[0]?.fields.call as string);
  });

  test('a rate that is used up', async () => {
    const w = real({ rate: { take: () => 2_500, peek: () => 2_500, takeChange: () => null } });
    const response = await w.post(look({}));
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '3']);
    expect(w.rig.records.map((r) => [r.event, r.fields.outcome])).toEqual([['call', 'limit']]);
  });

  test('a rate that is refilled between the question and the call: the call is answered', async () => {
    const w = real({ rate: { take: () => null, peek: () => 10, takeChange: () => null } });
    const response = await w.post(look({}));
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ id: 1, result: { structuredContent: { runs: 1 } } });
    expect(w.rig.records.map((r) => [r.event, r.fields.outcome])).toEqual([['call', 'done']]);
  });

  test.each([100, 1_000, 20_000])('arguments nested %i deep', async (depth) => {
    const w = real();
    const deep = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"fixture_look","arguments":{"limit":${'['.repeat(depth)}${']'.repeat(depth)}}}}`;
    const face = web(
      { authenticate: byToken(() => who('token:full', ['system:read'])), http: { maxBodyBytes: 1 << 20 } },
      { door: w.rig.door, records: [], waitMs: { now: null } },
    );
    const response = await face.post(deep);
    expect(response.status).toBeLessThan(500);
    await response.text();
    expect(w.rig.records.length).toBe(1);
  });
});

test('a thousand random bodies: never a 500, never a crash, and the next request is served', async () => {
  const w = real();
  const jsonrpc = fc.constantFrom('2.0', '1.0', 2, null);
  const method = fc.oneof(
    fc.constantFrom(
      'tools/call',
      'tools/list',
      'initialize',
      'resources/read',
      'prompts/get',
      'ping',
      'server/discover',
      'subscriptions/list',
      'notifications/cancelled',
      '__proto__',
      'constructor',
    ),
    fc.string(),
  );
  const id = fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.constant(undefined), fc.double());
  const args = fc.oneof(fc.jsonValue(), fc.record({ limit: fc.jsonValue(), path: fc.string() }, { requiredKeys: [] }));
  const meta = fc.dictionary(
    fc.constantFrom(
      'io.modelcontextprotocol/protocolVersion',
      'io.modelcontextprotocol/clientCapabilities',
      'progressToken',
      'x',
    ),
    fc.oneof(fc.constant('2026-07-28'), fc.constant({}), fc.jsonValue()),
  );
  const params = fc.oneof(
    fc.jsonValue(),
    fc.record(
      {
        name: fc.oneof(fc.constantFrom('fixture_look', 'fixture_rename', 'fixture_long'), fc.jsonValue()),
        arguments: args,
        uri: fc.jsonValue(),
        _meta: meta,
        requestId: fc.jsonValue(),
        protocolVersion: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
  );
  const message = fc.record({ jsonrpc, id, method, params, result: fc.jsonValue() }, { requiredKeys: [] });
  const body = fc.oneof(
    message.map((m) => JSON.stringify(m)),
    fc.array(message, { maxLength: 3 }).map((m) => JSON.stringify(m)),
    fc.string(),
    fc.json(),
    fc.uint8Array().map((b) => Buffer.from(b).toString('latin1')),
  );
  const headers = fc.record(
    {
      'mcp-protocol-version': fc.constantFrom('2026-07-28', '2025-11-25', '1', ''),
      'mcp-method': fc.constantFrom('tools/call', 'tools/list', '=?base64?!?='),
      'mcp-name': fc.constantFrom('fixture_look', '=?base64?Zm9v?=', '%00'),
      'mcp-session-id': fc.constantFrom('x', ''),
      accept: fc.constantFrom('*/*', 'text/event-stream', 'application/json, text/event-stream', ''),
      'content-type': fc.constantFrom('application/json', 'text/plain'),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(body, headers, async (b, h) => {
      const response = await w.post(b, h as { [k: string]: string });
      expect(response.status).toBeLessThan(500);
      await response.body?.cancel();
    }),
    { numRuns: 1_000 },
  );
  const m = modern('tools/list');
  expect((await w.post(m.body, m.headers)).status).toBe(200);
});

describe('what a model is shown', () => {
  test('instructions within 150 tokens, and a name that is one', () => {
    expect(
      encode(instructions({ ...info, hostname: 'a-rather-long-host-name.example.org' })).length,
    ).toBeLessThanOrEqual(150);
    expect(serverName({ ...info, hostname: 'pve 1/ü' })).toBe('deckhand-pve-1--');
  });

  test('a listing is lean, strict where it is asked and open where it answers', () => {
    const tool = listed(lookTool);
    const text = JSON.stringify(tool);
    expect(text).not.toMatch(/\$schema|"foreign"|9007199254740991/);
    expect(tool.inputSchema).toMatchObject({ type: 'object', additionalProperties: false });
    expect(JSON.stringify(tool.outputSchema)).not.toContain('additionalProperties');
    expect(tool.outputSchema).toMatchObject({ required: ['lines', 'runs', 'note'] });
    expect(tool.annotations).toEqual({
      title: 'Look',
      readOnlyHint: true,
      destructiveHint: false,
      idempotentHint: true,
      openWorldHint: false,
    });
    expect(listed(lookTool)).toBe(tool);
    expect(listed(renameTool).annotations).toMatchObject({ readOnlyHint: false, destructiveHint: true });
  });

  test('a long tool requires nothing of its answer, because it may be `running`', () => {
    const { outputSchema } = listed(longTool);
    expect(outputSchema).not.toHaveProperty('required');
    expect(Object.keys(outputSchema?.properties ?? {})).toEqual(['state', 'handle', 'next', 'lines', 'more']);
  });

  test('foreign paths are named, and too many are all', () => {
    const one = { status: 'done' as const, data: {}, text: '', foreignPaths: ['a[].b'] };
    expect(toResult(one, 'c')._meta).toEqual({ 'deckhand/call': 'c', 'deckhand/foreign': ['a[].b'] });
    const many = { ...one, foreignPaths: Array.from({ length: 200 }, (_, i) => `lines[${i}].text`) };
    expect(toResult(many, 'c')._meta).toMatchObject({ 'deckhand/foreign': ['*'] });
    expect(toResult({ ...one, foreignPaths: [] }, 'c')._meta).toEqual({ 'deckhand/call': 'c' });
  });

  test('a failure says what, what next, and when', () => {
    const error = new OpsError('limit', 'Too many.', { hint: 'Wait.', candidates: ['a', 'b'], retryAfterMs: 1_200 });
    const result = toResult({ status: 'failed', error }, 'c1');
    expect(result).toMatchObject({ isError: true });
    expect(result).not.toHaveProperty('structuredContent');
    expect(
      failureText({
        code: 'limit',
        message: 'Too many.',
        hint: 'Wait.',
        candidates: ['a', 'b'],
        retryAfterMs: 1_200,
        call: 'c1',
      }),
    ).toBe('limit: Too many.\nWait.\nOne of: a, b\nRetry after 2 s.\ncall c1');
    expect(failureText({ code: 'timeout', message: 'Late.' })).toBe('timeout: Late.\nA later retry may succeed.');
  });
});
