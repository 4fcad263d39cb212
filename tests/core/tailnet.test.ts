/** What a version of tailscaled says of itself, told apart where it can be. */
import { expect, test } from 'vitest';
import { isVersion } from '../../src/core/tailnet.ts';

test('versions', () => {
  expect(isVersion('1.94.0-t1', [1, 94])).toBe(true);
  expect(isVersion('1.102.4-tFAKE', [1, 94])).toBe(true);
  expect(isVersion('2.0.0', [1, 94])).toBe(true);
  expect(isVersion('1.9.9', [1, 94])).toBe(false);
  expect(isVersion('0.99.1', [1, 94])).toBe(false);
  for (const odd of [null, '', 'unstable', '1']) expect(isVersion(odd, [1, 94])).toBeNull();
});
