/** Places under way: bounded for one and for all, and heavy calls never take the last ones. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Lane, Slots } from '../../src/policy/ports.ts';
import { createSlots, heavyShare, laneOf } from '../../src/policy/slots.ts';
import { catalog } from '../../src/tools/index.ts';
import { callOf, reader, rig, who } from '../fakes/policy.ts';
import { stage } from '../fakes/tools.ts';

const heavy = { lane: 'heavy' } as const;

test('what is dear, long or changes is heavy; a plain read is light', () => {
  const lanes = Object.fromEntries(catalog.tools.map((t) => [t.name, laneOf(t)]));
  expect(lanes).toMatchObject({
    system_overview: 'light',
    container_list: 'light',
    net_probe: 'heavy',
    log_query: 'heavy',
    file_edit: 'heavy',
    diagnose: 'heavy',
    // Who waits for work, or stops it, must find a place.
    result_query: 'light',
  });
});

test('thirty-two heavy calls do not keep a light one out, of whomever', () => {
  const slots = createSlots({ inAll: 32, perPrincipal: 8 });
  const entered = Array.from({ length: 32 }, (_, i) => slots.enter(`p${i % 6}`, heavy)).filter((s) => s !== null);
  expect(entered).toHaveLength(24);
  expect(slots.enter('p0')).not.toBeNull();
  expect(slots.enter('newcomer')).not.toBeNull();
  expect(slots.enter('newcomer', heavy)).toBeNull();
  // The control: without a lane the same calls take every place.
  const naive = createSlots({ inAll: 32, perPrincipal: 8 });
  for (let i = 0; i < 32; i++) naive.enter(`p${i % 6}`);
  expect(naive.enter('newcomer')).toBeNull();
});

test('through the door: while heavy calls hold all that they may, a light one runs', async () => {
  stage.reset();
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.behave = () => promise;
  const run = async (slots: Slots) => {
    const r = rig({ slots });
    const heavyOnes = Array.from({ length: 32 }, (_, i) =>
      r.door.run(callOf('fixture_long', {}, { principal: who(`token:h${i % 6}`, ['system:read']) })),
    );
    stage.behave = async () => {};
    const light = await r.door.run(callOf('fixture_look', {}, { principal: reader }));
    return { light, heavyOnes };
  };
  const ours = await run(createSlots({ inAll: 32, perPrincipal: 8 }));
  expect(ours.light.status).toBe('done');
  // The control: one lane for all.
  stage.behave = () => promise;
  const lanes = createSlots({ inAll: 32, perPrincipal: 8 });
  const naive = await run({ enter: (principal) => lanes.enter(principal) });
  expect(naive.light).toMatchObject({ status: 'failed', error: { code: 'limit' } });
  resolve();
  stage.reset();
});

test('of one principal, too: its own heavy calls leave it places to read, and to ask after them', () => {
  const slots = createSlots({ inAll: 100, perPrincipal: 4 });
  const entered = [1, 2, 3, 4].map(() => slots.enter('a', heavy));
  expect(entered.map((s) => s !== null)).toEqual([true, true, true, false]);
  expect(slots.enter('a')).not.toBeNull();
  expect(slots.enter('a')).toBeNull();
  entered[0]?.[Symbol.dispose]();
  expect(slots.enter('a', heavy)).not.toBeNull();
});

test('a principal may have its own number, and one place serves both lanes', () => {
  const slots = createSlots({ inAll: 10, perPrincipal: 1 });
  expect(slots.enter('a', heavy)).not.toBeNull();
  expect(slots.enter('a')).toBeNull();
  expect(slots.enter('a', { most: 2 })).not.toBeNull();
  expect(heavyShare(1)).toBe(1);
});

test('whatever comes and goes: never more than may be, heavy ones never more than their share, and nothing leaks', () => {
  const step = fc.record({
    who: fc.constantFrom('a', 'b', 'c'),
    lane: fc.constantFrom<Lane>('light', 'heavy'),
    leaves: fc.option(fc.nat(30), { nil: null }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 9 }), (steps, inAll) => {
      const slots = createSlots({ inAll, perPrincipal: 4 });
      let open: { who: string; lane: Lane; slot: Disposable }[] = [];
      for (const { who, lane, leaves } of steps) {
        if (leaves !== null) {
          const one = open[leaves % Math.max(1, open.length)];
          one?.slot[Symbol.dispose]();
          one?.slot[Symbol.dispose]();
          open = open.filter((o) => o !== one);
          continue;
        }
        const mine = open.filter((o) => o.who === who);
        const count = (list: typeof open) => list.filter((o) => o.lane === 'heavy').length;
        const room = open.length < inAll && mine.length < 4;
        const may = room && (lane === 'light' || (count(open) < heavyShare(inAll) && count(mine) < 3));
        const slot = slots.enter(who, { lane });
        expect(slot !== null).toBe(may);
        if (slot) open.push({ who, lane, slot });
      }
    }),
  );
});
