/** The door: a fault at each step, for each face. Each stops there, changes nothing and leaves exactly one closing record. */
import { beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { Call, Face } from '../../src/core/call.ts';
import { defineRead } from '../../src/core/define.ts';
import { OpsError } from '../../src/core/errors.ts';
import type { Policy } from '../../src/policy/ports.ts';
import { callOf, operator, type Rig, reader, rig, who } from '../fakes/policy.ts';
import { fixtureTools, stage } from '../fakes/tools.ts';

beforeEach(() => stage.reset());

const FACES: Face[] = ['mcp-stdio', 'mcp-http', 'cli'];
const boom = () => {
  throw new Error('hunter2 in the cause');
};

interface Exit {
  step: string;
  call?: Partial<Call>;
  policy?: Parameters<typeof rig>[0];
  want: string;
  hint?: RegExp;
}
const exits: Exit[] = [
  { step: '1 authenticate: nobody', call: { principal: undefined }, want: 'permission', hint: /token add/ },
  {
    step: '1 authenticate: expired',
    call: { principal: who('token:old', ['admin'], { expiresAtMs: 1 }) },
    want: 'permission',
  },
  {
    step: '1 authenticate: revoked',
    call: { principal: who('token:gone', ['admin'], { valid: () => false }) },
    want: 'permission',
  },
  { step: '2 authorize: unknown tool', call: { tool: 'nope' }, want: 'not_found', hint: /tools\/list/ },
  {
    step: '2 authorize: toolset off',
    policy: { off: () => ({ why: 'no engine.', hint: 'Start it.' }) },
    want: 'unavailable',
    hint: /Start it/,
  },
  { step: '2 authorize: narrowed away', call: { narrow: { toolsets: new Set(['docker']) } }, want: 'not_found' },
  {
    step: '2 authorize: narrowed to read-only',
    call: { narrow: { readOnly: true } },
    want: 'permission',
    hint: /readonly/,
  },
  { step: '2 authorize: mode read-only', policy: { mode: 'read-only' }, want: 'permission', hint: /mode: ask/ },
  {
    step: '2 authorize: scope, before arguments are looked at',
    call: { principal: reader, args: { bad: 1 } },
    want: 'permission',
    hint: /system:write/,
  },
  {
    step: '3 rate',
    call: { args: { bad: 1 } },
    policy: { rate: { take: () => 500, peek: () => 500, takeChange: () => null } },
    want: 'limit',
  },
  { step: '3 slots', call: { args: { bad: 1 } }, policy: { slots: { enter: () => null } }, want: 'limit' },
  { step: '3 rate is broken', policy: { rate: { take: boom, peek: boom, takeChange: boom } }, want: 'internal' },
  {
    step: '4 validate: unknown argument',
    call: { args: { to: 'new', tp: 1 } },
    want: 'validation',
    hint: /to, dry_run/,
  },
  { step: '4 validate: wrong type', call: { args: { to: 5 } }, want: 'validation' },
  { step: '4 validate: past its bound', call: { args: { to: 'x'.repeat(101) } }, want: 'validation' },
  { step: '4 validate: empty', call: { args: undefined }, want: 'validation' },
  { step: '4 validate: no object', call: { args: [1] }, want: 'validation' },
  {
    step: '5 authorize targets: a scope that these arguments need',
    call: { args: { to: '/etc' }, principal: who('token:half', ['system:write']) },
    want: 'permission',
    hint: /files:write/,
  },
  { step: '5 marks', call: { args: { to: '⟦redacted:password⟧' } }, want: 'validation', hint: /real text/ },
  {
    step: '6 changes of this hour',
    policy: { rate: { take: () => null, peek: () => null, takeChange: () => 900_000 } },
    want: 'limit',
  },
  { step: '6 approve: mode ask', policy: { mode: 'ask' }, want: 'pending' },
  { step: '6 approve: destroy in mode full', call: { args: { to: 'nothing' } }, want: 'pending' },
  {
    step: '6 approve: a rule denies',
    policy: { rules: [{ decide: 'deny', target: 'path:/w*' }] },
    want: 'permission',
    hint: /approvals\.rules/,
  },
  {
    step: '6 approve: pending',
    policy: {
      approvals: {
        decide: () => ({ verdict: 'pending', by: 'mode: ask', handle: 'a_aaaaaaaaaaaaaaaa', next: 'deckhand approve' }),
      },
    },
    want: 'pending',
  },
  { step: '6 approve is broken', policy: { approvals: { decide: boom } }, want: 'internal' },
  { step: '7 lock', policy: { locks: { acquire: () => null } }, want: 'conflict' },
  { step: '7 lock is broken', policy: { locks: { acquire: boom } }, want: 'internal' },
];

const closings = (r: Rig) => r.records.filter((x) => x.event === 'call');

for (const face of FACES)
  describe(`over ${face}`, () => {
    test.each(exits)('stops at $step', async ({ call, policy, want, hint }) => {
      const r = rig(policy);
      const out = await r.door.run(callOf('fixture_rename', { to: 'new' }, { face, ...call }));
      expect(out.status === 'failed' ? out.error.code : out.status).toBe(want);
      if (hint) expect(out.status === 'failed' && out.error.details.hint).toMatch(hint);
      expect(stage.state).toBe('old');
      expect(stage.applied).toBe(0);
      expect(closings(r)).toHaveLength(1);
      expect(closings(r)[0]?.fields).toMatchObject({ face, outcome: want });
      expect(r.records.filter((x) => x.event === 'intent')).toHaveLength(0);
      expect(r.observed).toHaveLength(1);
      expect(r.held.size).toBe(0);
      expect(r.clock.waiting()).toBe(0);
    });

    test('an intent that cannot be written stops the change', async () => {
      const r = rig();
      const { append } = r.policy.audit;
      r.policy.audit.append = (event, fields, o) => {
        if (o?.durable) throw new OpsError('unavailable', 'The audit cannot be written.', { hint: 'Make room.' });
        append(event, fields, o);
      };
      const out = await r.door.run(callOf('fixture_rename', { to: 'new' }, { face }));
      expect(out.status === 'failed' && out.error.code).toBe('unavailable');
      expect(stage.applied).toBe(0);
      expect(closings(r)).toHaveLength(1);
      expect(r.held.size).toBe(0);
    });

    test('a change is on record before its effect, then done, with a receipt', async () => {
      const r = rig();
      let intentBefore = false;
      stage.behave = async () => {
        intentBefore = r.records.some((x) => x.event === 'intent' && x.durable);
      };
      const out = await r.door.run(callOf('fixture_rename', { to: 'new' }, { face }));
      expect(out).toMatchObject({
        status: 'done',
        data: { state: 'done', before: { word: 'old' }, after: { word: 'new' } },
      });
      expect(intentBefore).toBe(true);
      expect(r.records.map((x) => x.event)).toEqual(['intent', 'call']);
      expect(out.status === 'done' && r.receipts.get(String(out.data.receipt))).toMatchObject({
        tool: 'fixture_rename',
        input: { to: 'new' },
      });
    });

    test('a handler that throws leaves one record and tells nothing of its cause', async () => {
      const r = rig();
      stage.behave = async () => boom();
      const out = await r.door.run(callOf('fixture_look', {}, { face }));
      expect(out.status === 'failed' && out.error.code).toBe('internal');
      expect(JSON.stringify(out.status === 'failed' && { m: out.error.message, d: out.error.details })).not.toContain(
        'hunter2',
      );
      expect(closings(r)).toHaveLength(1);
    });

    test('an answer that its schema refuses is our bug, not the caller’s', async () => {
      const r = rig();
      const out = await r.door.run(callOf('fixture_broken', {}, { face }));
      expect(out.status === 'failed' && out.error.code).toBe('internal');
      expect(closings(r)).toHaveLength(1);
    });
  });

test('a wrong argument or tool is told what was meant', async () => {
  const r = rig();
  const say = async (tool: string, args: unknown) => {
    const out = await r.door.run(callOf(tool, args));
    return out.status === 'failed' ? { message: out.error.message, candidates: out.error.details.candidates } : out;
  };
  expect(await say('fixture_look', { lmit: 5 })).toEqual({ message: 'Unknown argument lmit.', candidates: ['limit'] });
  expect(await say('fixture_lok', {})).toMatchObject({ candidates: expect.arrayContaining(['fixture_look']) });
  expect(await say('fixture_look', { limit: 'many' })).toMatchObject({
    message: expect.stringMatching(/^limit: .*number/),
  });
  expect(await say('fixture_look', { limit: 9_999 })).toMatchObject({
    message: expect.stringMatching(/^limit: .*5000/),
  });
});

test('several wrong arguments are told in one answer, and a flood of them in a short one', async () => {
  const many = defineRead({
    name: 'fixture_many',
    title: 'Many',
    description: 'Takes seven numbers. For tests.',
    toolset: 'system',
    core: true,
    annotations: { idempotent: true, openWorld: false },
    input: () => z.strictObject(Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`n${i}`, z.number()]))),
    output: () => z.object({}),
    risk: 'read',
    scopes: { least: 'system:read' },
    handler: async () => ({}),
    text: () => '',
  });
  const r = rig({ catalog: { tools: [...fixtureTools, many], resources: [], prompts: [] } });
  const say = async (tool: string, args: unknown) => {
    const out = await r.door.run(callOf(tool, args));
    if (out.status !== 'failed') throw new Error('no complaint');
    return { message: out.error.message, ...out.error.details };
  };
  expect(await say('fixture_look', { lmit: 5, pth: '/x' })).toMatchObject({
    message: 'Unknown arguments lmit, pth.',
    candidates: ['limit', 'path'],
  });
  expect(await say('fixture_broken', { a: 1 })).toMatchObject({ hint: 'fixture_broken takes: no arguments.' });
  expect(await say('fixture_look', { path: 5 })).toMatchObject({
    hint: 'fixture_look takes: limit, path. path: Needs logs:read when given.',
  });
  const flood = await say('fixture_many', {});
  expect(flood.message.match(/n\d: /g)).toHaveLength(5);
  expect(flood.message).toMatch(/And 2 more\.$/);
  const huge = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`${'x'.repeat(500)}${i}`, 1]));
  expect((await say('fixture_look', huge)).message.length).toBeLessThan(500);
});

test('arguments that are no JSON leave their record all the same', async () => {
  const cycle: Record<string, unknown> = { limit: 1 };
  cycle.self = cycle;
  for (const args of [cycle, { limit: Number.NaN }]) {
    const r = rig();
    const out = await r.door.run(callOf('fixture_look', args));
    expect(out.status === 'failed' && out.error.code).toBe('validation');
    expect(closings(r)).toMatchObject([{ fields: { outcome: 'validation', argsDigest: expect.any(String) } }]);
    expect(() => JSON.stringify(closings(r))).not.toThrow();
  }
});

test('what breaks inside is in the log with its cause, under the id of the call, also when it names itself', async () => {
  const said: { call?: string; err?: unknown }[] = [];
  const r = rig();
  r.policy.log = { ...r.policy.log, error: (fields) => said.push(fields) };
  const bug = new OpsError('internal', 'The state is not what it must be.');
  stage.behave = async () => Promise.reject(bug);
  await r.door.run(callOf('fixture_look', {}, { id: 'one' }));
  stage.behave = async () => boom();
  await r.door.run(callOf('fixture_look', {}, { id: 'two' }));
  expect(said.map((s) => [s.call, (s.err as Error).message])).toEqual([
    ['one', bug.message],
    ['two', 'hunter2 in the cause'],
  ]);
});

test('the HTTP face asks ahead and gets the refusal that the call would get, without a record or a point', async () => {
  let taken = 0;
  const take = () => {
    taken++;
    return null;
  };
  const over: Partial<Policy> = { rate: { take, peek: () => null, takeChange: () => null } };
  for (const { call } of exits.filter((x) => /^[12]/.test(x.step) && !x.policy)) {
    const r = rig(over);
    const c = callOf('fixture_rename', { to: 'new' }, call ?? {});
    const ahead = r.door.check(c);
    const out = await r.door.run(c);
    expect(ahead?.message).toBe(out.status === 'failed' && out.error.message);
    expect(closings(r)).toHaveLength(1);
  }
  expect(taken).toBe(0);
  expect(rig().door.check(callOf('fixture_look'))).toBeNull();
  const busy = rig({ rate: { take: () => 700, peek: () => 700, takeChange: () => null } });
  expect(busy.door.check(callOf('fixture_look'))?.details.retryAfterMs).toBe(700);
});

test('secrets and control characters of arguments and errors stay out of records and answers', async () => {
  const r = rig();
  const token = `ghp_${'a1B2'.repeat(9)}`;
  stage.behave = async () => {
    throw Object.assign(new Error(`open /x/${token}\u001b[31m: no such file`), { code: 'ENOENT' });
  };
  const out = await r.door.run(callOf('fixture_look', { path: `/x/${token}` }, { client: 'evil\u001b]8;;x' }));
  expect(out.status === 'failed' && out.error.code).toBe('not_found');
  expect(out.status === 'failed' && out.error.message).not.toMatch(/ghp_a1B2|\u001b/);
  expect(JSON.stringify(r.records)).not.toContain(token);
  expect(JSON.stringify(r.records)).not.toContain('\\u001b');
});

test('a call with huge arguments leaves a small record', async () => {
  const r = rig();
  await r.door.run(callOf('fixture_rename', { to: 'x'.repeat(500_000) }));
  expect(JSON.stringify(r.records).length).toBeLessThan(3_000);
  expect(r.records[0]?.fields.argsDigest).toBeTruthy();
});

test('tools/list shows what may be called, and nothing to a stranger', () => {
  const names = (over: Parameters<typeof rig>[0], principal: Call['principal'], narrow?: Call['narrow']) =>
    rig(over)
      .door.visible(principal, narrow)
      .map((t) => t.name);
  expect(names({}, undefined)).toEqual([]);
  expect(names({}, reader)).toEqual(['fixture_look', 'fixture_long', 'fixture_broken']);
  expect(names({}, operator)).toContain('fixture_rename');
  expect(names({ mode: 'read-only' }, operator)).not.toContain('fixture_rename');
  expect(names({}, operator, { readOnly: true })).not.toContain('fixture_rename');
  expect(names({}, operator, { toolsets: new Set(['docker']) })).toEqual([]);
  expect(names({}, operator, { toolsets: new Set(['core']) })).toContain('fixture_look');
});

test('a refused request that was no call leaves one bounded record', () => {
  const r = rig();
  r.door.refused({
    id: 'x',
    face: 'mcp-http',
    reason: new OpsError('permission', 'Foreign host.'),
    what: `GET /${'a'.repeat(9_000)}`,
    address: '10.0.0.9',
  });
  expect(r.records).toHaveLength(1);
  expect(r.records[0]).toMatchObject({
    event: 'refused',
    fields: { who: 'anonymous', address: '10.0.0.9', outcome: 'permission' },
  });
  expect(JSON.stringify(r.records).length).toBeLessThan(1_000);
});
