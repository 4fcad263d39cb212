/** systemd's grammar of unit names: what systemctl would take for an option, a pattern or a guess never passes. */
import { expect, test } from 'vitest';
import { UnitName } from '../../src/core/schema.ts';
import { isTemplate, isUnitName, unitType } from '../../src/core/unit_refs.ts';

const GOOD = [
  'nginx.service',
  'getty@tty1.service',
  'getty@.service',
  '-.mount',
  '-.slice',
  'var-lib-docker.mount',
  'dev-disk-by\\x2duuid-a.device',
  'system-getty.slice',
  'a:b_c.timer',
  'session-1.scope',
  `${'a'.repeat(247)}.service`,
];
const BAD = [
  '',
  'nginx',
  'nginx.conf',
  '.service',
  '-.service.',
  '--all.service',
  '-x.service',
  '*.service',
  'ngin?.service',
  'n[a-z].service',
  'a b.service',
  'a/b.service',
  'a.service\n',
  'a\n.service',
  'ä.service',
  '$(reboot).service',
  `${'a'.repeat(248)}.service`,
];

test.each(GOOD)('%s is a unit', (name) => {
  expect(isUnitName(name)).toBe(true);
  expect(UnitName().parse(name)).toBe(name);
});

test.each(BAD)('%j is none', (name) => {
  expect(isUnitName(name)).toBe(false);
  expect(UnitName().safeParse(name).success).toBe(false);
});

test('types and templates', () => {
  expect(unitType('a.b.timer')).toBe('timer');
  expect(unitType('a.b')).toBeNull();
  expect(isTemplate('getty@.service')).toBe(true);
  expect(isTemplate('getty@tty1.service')).toBe(false);
  expect(isTemplate('@.conf')).toBe(false);
});
