/** Several processes share the state (the soak runs eight of them for twenty seconds). */
import { expect, test } from 'vitest';
import { many } from './many.ts';

test('three client windows and a server at once: one audit that verifies, nothing busy, one sampler', async () => {
  const seen = await many({ stdio: 3, ms: 1_500 });
  expect(seen.failed).toEqual([]);
  expect(seen.problems).toEqual([]);
  expect(seen.callRecords).toBe(seen.calls);
  expect(seen.busy).toBe(0);
  expect(seen.samplers).toBe(1);
  expect(seen.calls).toBeGreaterThanOrEqual(4);
});
