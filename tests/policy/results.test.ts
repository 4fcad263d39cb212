/** Work that goes on, as the one who started it sees it: its answer, its end, its cancelling. */
import { beforeEach, expect, test } from 'vitest';
import { resultsFor } from '../../src/policy/results.ts';
import { callOf, operator, type Rig, reader, rig, who } from '../fakes/policy.ts';
import { deaf, stage } from '../fakes/tools.ts';

beforeEach(() => stage.reset());

const resultsOf = (r: Rig) =>
  resultsFor(
    {
      kept: (h, p) => (r.kept.get(h)?.principal === p ? (r.kept.get(h) ?? null) : null),
      work: (h, p) => (r.work.get(h)?.principal === p ? (r.work.get(h) ?? null) : null),
      approval: () => null,
      receipt: () => null,
      requestCancel: (h) => Object.assign(r.work.get(h) ?? {}, { cancel: true }) && true,
    },
    r.clock,
    r.policy.access,
  );

async function started(r: Rig) {
  const d = deaf();
  stage.behave = d.wait;
  stage.lines = ['one'];
  const out = r.door.run(callOf('fixture_long', { wait_s: 0 }));
  await r.clock.advance(0);
  const first = await out;
  return { handle: first.status === 'running' ? String(first.data.handle) : '', end: d.end };
}

test('a wait ends with the work, and has its answer', async () => {
  const r = rig();
  const { handle, end } = await started(r);
  const waiting = resultsOf(r)(operator).wait(handle, 20_000, new AbortController().signal);
  await r.clock.advance(250);
  end();
  await r.clock.advance(100);
  expect(await waiting).toMatchObject({ state: 'done', data: { lines: ['one'] }, lists: ['lines'] });
  expect(r.clock.waiting()).toBe(0);
});

test('a wait that is over says that it still runs', async () => {
  const r = rig();
  const { handle } = await started(r);
  const waiting = resultsOf(r)(operator).wait(handle, 1_000, new AbortController().signal);
  await r.clock.advance(1_000);
  expect(await waiting).toMatchObject({ state: 'running', data: null });
});

test('a long wait holds one listener and not one for each look; who leaves stops waiting at once', async () => {
  const r = rig();
  const { handle } = await started(r);
  const before = r.clock.waiting();
  const leaves = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = leaves.signal;
  Object.assign(leaves.signal, {
    addEventListener: (...a: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(leaves.signal, a);
    },
    removeEventListener: (...a: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(leaves.signal, a);
    },
  });
  const waiting = resultsOf(r)(operator)
    .wait(handle, 20_000, leaves.signal)
    .catch((thrown) => thrown);
  await r.clock.advance(1_000);
  expect(listeners).toBe(1);
  leaves.abort();
  expect(await waiting).toBe(leaves.signal.reason);
  await r.clock.advance(0);
  expect(r.clock.waiting()).toBe(before);
});

test('nobody else sees, waits for or cancels it', async () => {
  const r = rig();
  const { handle } = await started(r);
  for (const other of [reader, who('token:other', ['admin']), who(operator.id, ['logs:read'])]) {
    const theirs = resultsOf(r)(other);
    expect(theirs.get(handle)).toBeNull();
    expect(await theirs.wait(handle, 1_000, new AbortController().signal)).toBeNull();
    expect(theirs.cancel(handle)).toBe(false);
  }
  expect(r.work.get(handle)?.cancel).toBe(false);
  expect(resultsOf(r)(operator).cancel(handle)).toBe(true);
  expect(r.work.get(handle)?.cancel).toBe(true);
});
