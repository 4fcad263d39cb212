/**
 * One text for one JSON value (sorted keys, no white space, numbers and strings as ECMAScript writes them: RFC 8785 for
 * our range of values), so that a digest binds what was meant and not how it was typed. Pure; keys and files are the store's.
 */
import { hash } from 'node:crypto';
import { OpsError } from './errors.ts';

/** Deeper than any schema of ours. Without a bound a nested argument would overflow the stack instead of being refused. */
const DEEPEST = 64;

/** Throws OpsError `validation` on what JSON cannot hold: NaN and infinities, bigint, functions, cycles. */
export function canonical(value: unknown): string {
  return write(value, 0);
}

/** SHA-256 of the canonical text, as hex. */
export function digest(value: unknown): string {
  return hash('sha256', canonical(value));
}

/** What JSON must escape, or may spell in two ways. Nearly no string has any, and then asking is cheaper than stringify. */
const ESCAPED = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;
const quoted = (text: string): string => (ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`);

function write(value: unknown, depth: number): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'boolean' || value === null) return String(value);
  if (typeof value === 'number') {
    // As JSON does it: -0 is 0.
    if (Number.isFinite(value)) return String(value);
    throw new OpsError('validation', `${value} is not a JSON number.`);
  }
  if (typeof value !== 'object') throw new OpsError('validation', `A ${typeof value} is not JSON.`);
  if (depth >= DEEPEST) throw new OpsError('validation', `Nested deeper than ${DEEPEST} levels.`);
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') return write(toJSON.call(value), depth + 1);
  if (Array.isArray(value)) {
    let text = '';
    // As in JSON.stringify a hole is null; an undefined property below is left out.
    for (let i = 0; i < value.length; i++) text += (i ? ',' : '') + write(value[i] ?? null, depth + 1);
    return `[${text}]`;
  }
  const record = value as Record<string, unknown>;
  const all = Object.keys(record);
  if (all.length >= MANY_KEYS) return wide(record, all, depth);
  let text = '';
  for (const key of all.sort()) {
    const part = record[key];
    if (part !== undefined) text += `${text ? ',' : ''}${quoted(key)}:${write(part, depth + 1)}`;
  }
  return `{${text}}`;
}

/** Of fewer keys the sorting is as cheap as the comparing. */
const MANY_KEYS = 12;
let last: { keys: readonly string[]; sorted: readonly string[]; quoted: readonly string[] } = {
  keys: [],
  sorted: [],
  quoted: [],
};

/** Records of the audit have two dozen keys, and nearly always the same as the one before. By UTF-16 code units, as above. */
function wide(record: Record<string, unknown>, keys: readonly string[], depth: number): string {
  let known = last;
  if (keys.length !== known.keys.length || !keys.every((key, i) => key === known.keys[i])) {
    const sorted = keys.toSorted();
    known = last = { keys, sorted, quoted: sorted.map((key) => `${quoted(key)}:`) };
  }
  let text = '{';
  for (let i = 0; i < known.sorted.length; i++) {
    const part = record[known.sorted[i] as string];
    if (part !== undefined) text += (text.length > 1 ? ',' : '') + known.quoted[i] + write(part, depth + 1);
  }
  return `${text}}`;
}
