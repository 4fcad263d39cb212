/** Parts of tailscaled's answers: what is missing or of another kind is null or empty, and never an error here. */
export type Json = { readonly [key: string]: unknown };

export const isRecord = (v: unknown): v is Json => typeof v === 'object' && v !== null && !Array.isArray(v);
export const recordOf = (v: unknown): Json => (isRecord(v) ? v : {});
export const textOf = (v: unknown): string | null => (typeof v === 'string' && v !== '' ? v : null);
export const textsOf = (v: unknown): string[] => (Array.isArray(v) ? v.filter((x) => typeof x === 'string') : []);
export const isSet = (v: unknown): boolean => v !== undefined && v !== null && v !== 0 && v !== '' && v !== false;

/** Throws what is missing. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

export function json(text: string): Json {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new ShapeError('it is no JSON');
  }
  if (!isRecord(body)) throw new ShapeError('it is no object');
  return body;
}

/** Go writes the year 1 where it means never. */
export function timeOf(v: unknown): number | null {
  const ms = typeof v === 'string' ? Date.parse(v) : Number.NaN;
  return Number.isNaN(ms) || ms <= 0 ? null : ms;
}

export const withoutDot = (name: string | null) => name?.replace(/\.$/, '') ?? null;
