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
  if ('toJSON' in value && typeof value.toJSON === 'function') return write(value.toJSON(), depth + 1);
  if (Array.isArray(value)) {
    let text = '';
    // As in JSON.stringify a hole is null; an undefined property below is left out.
    for (let i = 0; i < value.length; i++) text += (i ? ',' : '') + write(value[i] ?? null, depth + 1);
    return `[${text}]`;
  }
  let text = '';
  const record = value as Record<string, unknown>;
  for (const key of Object.keys(record).sort()) {
    const part = record[key];
    if (part !== undefined) text += `${text ? ',' : ''}${quoted(key)}:${write(part, depth + 1)}`;
  }
  return `{${text}}`;
}
