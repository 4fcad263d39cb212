/**
 * systemd's own grammar of unit names (systemd.unit(5)). A name becomes an argument of `systemctl`, which takes `*`, `?` and `[` as
 * patterns, a leading `-` as an option and a name without a suffix as a guess: what is not of this grammar must never get there.
 * Tools check at the door (core/schema.ts), the adapter again.
 */

export const UNIT_TYPES = [
  'service',
  'socket',
  'target',
  'timer',
  'mount',
  'automount',
  'swap',
  'path',
  'slice',
  'scope',
  'device',
] as const;
export type UnitType = (typeof UNIT_TYPES)[number];

/** The root mount and the root slice are called `-.mount` and `-.slice`; nothing else may begin like an option. */
export const UNIT_NAME = new RegExp(
  `^(?=.{3,255}$)(?:-(?=\\.)|(?!-)[A-Za-z0-9:_.\\\\@-]+)\\.(?:${UNIT_TYPES.join('|')})$`,
);

export const isUnitName = (text: string): boolean => UNIT_NAME.test(text);

/** Of a name of the grammar; null of any other text. */
export const unitType = (name: string): UnitType | null =>
  isUnitName(name) ? (name.slice(name.lastIndexOf('.') + 1) as UnitType) : null;

/** `getty@.service` is no unit but the pattern of some. */
export const isTemplate = (name: string): boolean => isUnitName(name) && /@\.[a-z]+$/.test(name);
