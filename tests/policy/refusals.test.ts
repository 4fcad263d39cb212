/** A flood of refusals becomes two records, and none is lost. */
import { expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { createRefusals } from '../../src/policy/refusals.ts';
import { reader, rig } from '../fakes/policy.ts';

const setUp = () => {
  const r = rig();
  const refusals = createRefusals(r.policy);
  let n = 0;
  const refuse = (address: string | undefined, code: 'permission' | 'limit' = 'permission', over = {}) =>
    refusals.note({
      id: `q${++n}`,
      face: 'mcp-http',
      reason: new OpsError(code, 'No token.\u001b[2J'),
      address,
      what: 'POST /mcp\u202e',
      ...over,
    });
  return { ...r, refusals, refuse, seen: () => r.records.map((x) => x.fields) };
};

test('the first is written at once, equal ones of ten seconds as one with their number and times', async () => {
  const { refuse, clock, seen, records } = setUp();
  refuse('10.0.0.1');
  expect(seen()).toEqual([
    {
      call: 'q1',
      face: 'mcp-http',
      who: 'anonymous',
      address: '10.0.0.1',
      what: 'POST /mcp',
      outcome: 'permission',
      why: 'No token.',
    },
  ]);
  await clock.advance(1_000);
  for (let i = 0; i < 500; i++) refuse('10.0.0.1');
  await clock.advance(2_000);
  refuse('10.0.0.1');
  expect(seen()).toHaveLength(1);
  await clock.advance(6_999);
  expect(seen()).toHaveLength(1);
  await clock.advance(1);
  expect(records).toHaveLength(2);
  expect(records[1]).toMatchObject({
    event: 'refused',
    durable: false,
    fields: {
      address: '10.0.0.1',
      outcome: 'permission',
      count: 501,
      from: new Date(clock.now() - 9_000).toISOString(),
      to: new Date(clock.now() - 7_000).toISOString(),
    },
  });
  expect(seen()[1]).not.toHaveProperty('call');
  // Its window is over: the next one is the first again.
  refuse('10.0.0.1');
  expect(seen()).toHaveLength(3);
  await clock.advance(20_000);
  expect(seen()).toHaveLength(3);
  expect(clock.waiting()).toBe(0);
});

test('another address, another code, another principal: a record of its own', async () => {
  const { refuse, clock, seen } = setUp();
  refuse('10.0.0.1');
  refuse('10.0.0.1', 'limit');
  refuse('10.0.0.2');
  refuse('10.0.0.1', 'permission', { principal: reader });
  refuse(undefined);
  expect(seen()).toHaveLength(5);
  await clock.advance(5_000);
  refuse('10.0.0.2');
  refuse(undefined);
  expect(seen()).toHaveLength(5);
  await clock.advance(5_000);
  expect(seen().slice(5)).toMatchObject([
    { address: '10.0.0.2', count: 1 },
    { who: 'anonymous', count: 1 },
  ]);
});

test('windows that end at different times each end at theirs', async () => {
  const { refuse, clock, seen } = setUp();
  refuse('a');
  await clock.advance(4_000);
  refuse('b');
  refuse('a');
  refuse('b');
  await clock.advance(6_000);
  expect(seen().slice(2)).toMatchObject([{ address: 'a', count: 1 }]);
  await clock.advance(4_000);
  expect(seen().slice(3)).toMatchObject([{ address: 'b', count: 1 }]);
});

test('one who has all of a /64 is one source', async () => {
  const { refuse, clock, seen } = setUp();
  for (let i = 0; i < 300; i++) refuse(`2001:db8::${i.toString(16)}`, 'permission', { source: '2001:db8:0:0::/64' });
  expect(seen()).toHaveLength(1);
  await clock.advance(10_000);
  expect(seen().slice(1)).toMatchObject([{ count: 299 }]);
});

test('250 addresses are told apart, the rest is counted together by code', async () => {
  const { refuse, clock, seen } = setUp();
  for (let i = 0; i < 3_000; i++) refuse(`10.1.${i >> 8}.${i & 255}`);
  refuse('10.9.9.9', 'limit');
  // 250 of their own, and the first of the others of each code.
  expect(seen()).toHaveLength(252);
  await clock.advance(10_000);
  expect(seen()).toHaveLength(253);
  const last = seen().at(-1);
  expect(last).toMatchObject({ who: 'others', outcome: 'permission', count: 2_749 });
  expect(last?.address).toBeUndefined();
  const total = seen().reduce((n, f) => n + ((f.count as number | undefined) ?? 1), 0);
  expect(total).toBe(3_001);
});

test('nothing is lost at the end, and what comes after it is written one by one', async () => {
  const { refuse, refusals, clock, seen } = setUp();
  refusals.close();
  refuse('a');
  refuse('a');
  expect(seen()).toHaveLength(2);
  const other = setUp();
  for (let i = 0; i < 3; i++) other.refuse('a');
  other.refuse('b');
  other.refusals.close();
  expect(other.seen()).toMatchObject([{ address: 'a' }, { address: 'b' }, { address: 'a', count: 2 }]);
  await other.clock.advance(60_000);
  expect(other.seen()).toHaveLength(3);
  expect(other.clock.waiting()).toBe(0);
  expect(clock.waiting()).toBe(0);
});

test('control: written one by one the same flood is as many records', () => {
  const { refuse, refusals, seen } = setUp();
  refusals.close();
  for (let i = 0; i < 500; i++) refuse('10.0.0.1');
  expect(seen()).toHaveLength(500);
});

test('a refused call keeps its own closing record each time', async () => {
  const { door, records, refusals } = setUp();
  const call = {
    face: 'mcp-http' as const,
    tool: 'change',
    args: {},
    principal: undefined,
    signal: AbortSignal.abort(),
  };
  for (let i = 0; i < 5; i++) await door.run({ ...call, id: `c${i}` });
  refusals.close();
  expect(records.filter((r) => r.event === 'call')).toHaveLength(5);
});
