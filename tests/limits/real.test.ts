/** The attacks of `npm run soak limits`, small: that the calm client is served, and that what was refused is on record to the last one. */
import { describe, expect, test } from 'vitest';
import { lacking } from './lab.ts';
import { attacked } from './soak.ts';

const missing = process.env.DECKHAND_REAL === '1' ? lacking() : ['DECKHAND_REAL=1'];
const why = missing.length > 0 ? ` (SKIPPED: needs ${missing.join(', ')})` : '';
if (why) process.stderr.write(`tests/limits/real.test.ts: no server is attacked${why}\n`);

const SMALL = { runs: 1, runMs: 2_500, slow: 60, connections: 800, perSecond: 300 };

describe.skipIf(why !== '')(`a real server, attacked${why}`, () => {
  test.each([
    ['slow', 'validation', 10],
    ['connections', 'limit', 600],
    // By the clock: how many come depends on what else the machine does. That they come at all, and are counted, does not.
    ['guesses', 'limit', 20],
    ['flood', 'permission', 20],
  ] as const)('%s', { timeout: 180_000 }, async (attack, outcome, least) => {
    const s = await attacked(attack, SMALL);
    expect(s.calmRefused).toBe('');
    expect(s.calls).toBeGreaterThan(5);
    for (const { recorded, seen } of Object.values(s.refused)) expect(recorded).toBe(seen);
    expect(s.refused[outcome].recorded).toBeGreaterThan(least);
    expect(s.records).toBeLessThan(700);
    expect(s.rssMiB.most).toBeLessThan(s.rssMiB.start + 128);
  });
});
