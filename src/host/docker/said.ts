/**
 * Taking parts out of what an engine said. Engines differ, and one may be hostile: a part that is not there, or of another type, is
 * null or empty, never a crash and never a guess. Pure.
 */

export type Said = Readonly<Record<string, unknown>>;

export const record = (value: unknown): Said =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Said) : {};
export const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
export const records = (value: unknown): readonly Said[] => items(value).map(record);
export const text = (value: unknown): string => (typeof value === 'string' ? value : '');
export const textOrNull = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);
export const texts = (value: unknown): string[] => items(value).filter((v): v is string => typeof v === 'string');
export const number = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;
/** 0 means "not set" in most of the engine's settings, and so does -1. */
export const positive = (value: unknown): number | null => {
  const n = number(value);
  return n !== null && n > 0 ? n : null;
};
export const labels = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(record(value)).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  );

/** RFC 3339 with nanoseconds; the zero time of Go (year 1) is "never". */
export function timeMs(value: unknown): number | null {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isFinite(ms) && ms > 0 ? ms : null;
}

/** The engine's plain id is sha256:…; Podman leaves the first part away. */
export const imageId = (value: unknown): string => {
  const id = text(value);
  return /^[0-9a-f]{64}$/.test(id) ? `sha256:${id}` : id;
};

export const plainName = (value: unknown): string => text(value).replace(/^\//, '');
