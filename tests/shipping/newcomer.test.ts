/** The first lines of the README, typed by somebody who has nothing: they end in an answered call. Real parts: npm and its registry. */
import { expect, test } from 'vitest';
import { lacking } from './debian.ts';
import { fromClone, fromRelease, type Path, typed } from './newcomer.ts';

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
    tell(steps);
  },
  300_000,
);

const missing = real ? lacking() : ['DECKHAND_REAL=1'];
if (real && missing.length > 0)
  process.stderr.write(`SKIPPED: from a release to a running service; missing here: ${missing.join(', ')}.\n`);

test.skipIf(missing.length > 0)(
  'from a release on a bare Debian to a running service that answers',
  async () => {
    const { steps, answer } = await fromRelease({ ms: 120_000 });
    expect(steps).toHaveLength(4);
    expect(answer).toMatch(/^memory .* used/m);
    tell(steps);
  },
  400_000,
);

function tell(steps: Path['steps']): void {
  process.stderr.write(`newcomer: ${steps.map((s) => `${s.what} ${(s.ms / 1000).toFixed(1)} s`).join(', ')}\n`);
}
