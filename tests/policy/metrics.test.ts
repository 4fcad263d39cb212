/** Counts and times of calls. */
import { expect, test } from 'vitest';
import { BUCKETS_MS, createMetrics } from '../../src/policy/metrics.ts';

test('each call is counted once, under its tool and outcome, in the bucket of its time', () => {
  const metrics = createMetrics();
  const times = [0.2, 1, 1.01, 60_000, 60_001, 3_600_000];
  for (const ms of times) metrics.observe('look', 'done', ms);
  metrics.observe('look', 'limit', 3);
  metrics.observe('other', 'done', 3);
  const [look, ...rest] = metrics.read();
  expect(look).toMatchObject({ tool: 'look', outcome: 'done', count: times.length });
  expect(look?.totalMs).toBeCloseTo(times.reduce((a, b) => a + b));
  // A bound is part of its bucket; what takes longer than all of them has a bucket too.
  expect(look?.buckets).toEqual([2, 1, 0, 0, 0, 0, 0, 1, 2]);
  expect(look?.buckets).toHaveLength(BUCKETS_MS.length + 1);
  expect(rest.map((s) => [s.tool, s.outcome, s.count])).toEqual([
    ['look', 'limit', 1],
    ['other', 'done', 1],
  ]);
});
