/** Links swapped under a walk: never a byte from outside. More of it: `npm run soak files-race`. */
import { expect, test } from 'vitest';
import { race } from './files_race.ts';

const ROUNDS = 2_000;

test(`${ROUNDS} rounds: never a byte or a name from outside; the naive way leaks`, async () => {
  const seen = await race(ROUNDS);
  expect(seen.leaked).toBe(0);
  expect(seen.inside).toBeGreaterThan(ROUNDS / 10);
  expect(seen.refused).toBeGreaterThan(0);
  expect(seen.naive).toBeGreaterThanOrEqual(10);
  // The attacker's pipe is closed by now, or still held.
  expect(seen.descriptors.after).toBeLessThanOrEqual(seen.descriptors.before);
}, 180_000);
