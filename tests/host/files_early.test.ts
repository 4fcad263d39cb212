/** A search that begins before all files are proposed: each is looked into once, and the answer is what it would have been without. */
import { expect, test } from 'vitest';
import type { Finding, Found } from '../../src/core/files.ts';
import { type EarlyBounds, early } from '../../src/host/files/early.ts';

const BOUNDS = { limit: 1_000, maxEntries: 1e6, maxBytes: 1e6 };
const paths = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `f${from + i}`);
const found = (only: readonly string[], stopped: Finding['stopped'] = null): Finding => ({
  found: only.map((path) => ({ path }) as Found),
  hits: only.length,
  looked: { entries: only.length, directories: 1, files: only.length, bytes: only.length * 10, ms: 1 },
  totalBytes: only.length * 10,
  passedOver: { denied: 0, unreadable: 0, otherDevice: 0, links: 0, binary: 1 },
  stopped,
});
const names = (f: Finding) => f.found.map((x) => x.path);

/** Each batch is answered when the test says so. */
function scene(o = BOUNDS, stopped: Finding['stopped'] = null) {
  const batches: { only: string[]; bounds: EarlyBounds; answer(): void; fail(): void }[] = [];
  const heard: string[] = [];
  const search = early(
    o,
    (only, bounds) =>
      new Promise((resolve, reject) => {
        const answer = () => resolve(found(only, stopped));
        batches.push({ only, bounds, answer, fail: () => reject(new Error('a thread failed')) });
      }),
    (some) => heard.push(...some.map((f) => f.path)),
  );
  const turn = () => new Promise((done) => setImmediate(done));
  return { batches, heard, search, turn };
}

test('batches follow one another, the rest comes last, and each is asked for once', async () => {
  const { batches, heard, search, turn } = scene();
  search.add(paths(0, 5));
  expect(batches).toHaveLength(0);
  search.add(paths(5, 40));
  search.add(paths(40, 70));
  expect(batches.map((b) => b.only)).toEqual([paths(0, 40)]);
  batches[0]?.answer();
  await turn();
  expect(heard).toEqual(paths(0, 40));
  expect(batches[1]?.only).toEqual(paths(40, 70));
  expect(batches[1]?.bounds).toMatchObject({ maxEntries: 1e6 - 40, maxBytes: 1e6 - 400 });
  const all = search.end(paths(0, 75));
  batches[1]?.answer();
  await turn();
  expect(batches[2]?.only).toEqual(paths(70, 75));
  batches[2]?.answer();
  expect(await all).toMatchObject({ hits: 75, totalBytes: 750, looked: { entries: 75, files: 75 }, stopped: null });
  expect(names(await all)).toEqual(paths(0, 75));
});

test('few or none are one batch', async () => {
  for (const all of [[], paths(0, 3)]) {
    const { batches, search, turn } = scene();
    search.add(all);
    const end = search.end(all);
    await turn();
    expect(batches.map((b) => b.only)).toEqual([all]);
    batches[0]?.answer();
    expect(names(await end)).toEqual(all);
  }
});

test('what stops a batch stops the search; more than the limit are counted and not kept', async () => {
  const stops = scene(BOUNDS, 'time');
  stops.search.add(paths(0, 30));
  stops.batches[0]?.answer();
  await stops.turn();
  expect(await stops.search.end(paths(0, 60))).toMatchObject({ hits: 30, stopped: 'time' });
  expect(stops.batches).toHaveLength(1);

  const few = scene({ ...BOUNDS, limit: 35 });
  few.search.add(paths(0, 30));
  few.batches[0]?.answer();
  await few.turn();
  const end = few.search.end(paths(0, 60));
  await few.turn();
  few.batches[1]?.answer();
  expect(await end).toMatchObject({ hits: 60, found: { length: 35 } });
});

test('a batch that failed is no end: all of them are searched, with all bounds', async () => {
  const { batches, search, turn } = scene();
  search.add(paths(0, 30));
  batches[0]?.fail();
  await turn();
  search.add(paths(30, 90));
  const end = search.end(paths(0, 90));
  await turn();
  expect(batches[1]).toMatchObject({ only: paths(0, 90), bounds: BOUNDS });
  batches[1]?.answer();
  expect(names(await end)).toEqual(paths(0, 90));
});

test('what was worth nothing is heard of no more', async () => {
  const { batches, heard, search, turn } = scene();
  search.add(paths(0, 30));
  search.add(paths(30, 60));
  search.drop();
  batches[0]?.answer();
  await turn();
  expect([heard, batches.length]).toEqual([[], 1]);
});
