/** The first lines of the README, typed by somebody who has nothing: they end in an answered call. Real parts: npm and its registry. */
import { expect, test } from 'vitest';
import { fromClone, typed } from './newcomer.ts';

const real = process.env.DECKHAND_REAL === '1';
if (!real) process.stderr.write('SKIPPED: the newcomer’s path needs a registry and a minute: set DECKHAND_REAL=1.\n');

test('the README begins with what can be typed', () => {
  expect(typed('README.md', 'npm start')).toEqual([
    'git clone REPOSITORY deckhand && cd deckhand',
    'npm ci && npm start',
  ]);
});

test.skipIf(!real)(
  'from a clone without caches to the first answered call',
  async () => {
    const { steps, answer } = await fromClone({ ms: 280_000 });
    expect(steps.map((s) => s.what)).toEqual([
      'git clone',
      'npm ci',
      'build and start, up to the welcome',
      'first answered call',
    ]);
    expect(answer).toMatch(/^memory .* used/m);
    process.stderr.write(`newcomer: ${steps.map((s) => `${s.what} ${(s.ms / 1000).toFixed(1)} s`).join(', ')}\n`);
  },
  300_000,
);
