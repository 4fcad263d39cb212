import { expect, test } from 'vitest';
import { createProbing } from '../../src/policy/probing.ts';
import { fakeClock } from '../fakes/clock.ts';

test('a probe is granted by the store, and by nothing else', () => {
  const clock = fakeClock();
  const none = createProbing({ perMinute: 10, addressesPerHour: 10, clock, reserve: () => null });
  expect(() => none('token:a').spend('1.1.1.1', 80)).toThrow('10 probes have been made in this minute');
});

test('each principal has a share of its own; so many are kept that our own mistakes cannot fill the memory', () => {
  const clock = fakeClock();
  const probing = createProbing({ perMinute: 10, addressesPerHour: 1, clock, reserve: (_key, points) => points });
  probing('token:a').spend('1.1.1.1', 80);
  probing('token:a').spend('1.1.1.1', 81);
  expect(() => probing('token:a').spend('1.1.1.2', 80)).toThrow('1 addresses have been probed in this hour');
  for (let i = 0; i < 1_000; i++) probing(`token:${i}`).spend('1.1.1.1', 80);
  probing('token:a').spend('1.1.1.2', 80);
});

test('the hour ends', async () => {
  const clock = fakeClock();
  const probing = createProbing({ perMinute: 99, addressesPerHour: 9, clock, reserve: (_key, points) => points })(
    'token:a',
  );
  for (let port = 1; port <= 16; port++) probing.spend('1.1.1.1', port);
  expect(() => probing.spend('1.1.1.1', 17)).toThrow('16 ports of 1.1.1.1 have been probed in this hour');
  probing.spend('1.1.1.1', 3);
  await clock.advance(3_600_000);
  probing.spend('1.1.1.1', 17);
});
