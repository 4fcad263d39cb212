/**
 * Values of settings that surely fit, told without zod. It only ever says yes where the schema says yes and keeps the value as it is; any
 * other value is the schema's to judge, and to put into words. Rules are read off the schema itself, and only from kinds of checks that are
 * listed here: an unknown one means that there is no rule.
 */
import type * as z from 'zod';

export type Plain =
  | { is: 'integer'; least: number; most: number }
  | { is: 'boolean' }
  | { is: 'choice'; of: string[] }
  | { is: 'text'; least: number; most: number; like: { source: string; flags: string }[] }
  | { is: 'list'; of: Plain; least: number; most: number };

/** The parts of zod's own description of a schema and its checks that are read here. */
interface Def {
  type: string;
  check?: string;
  checks?: { _zod: { def: Check } }[];
  element?: z.ZodType;
  entries?: Record<string, string>;
  coerce?: boolean;
}
interface Check {
  check: string;
  format?: string;
  pattern?: RegExp;
  minimum?: number;
  maximum?: number;
  value?: number;
  inclusive?: boolean;
}

export function plainOf(schema: z.ZodType): Plain | null {
  const def = schema.def as unknown as Def;
  if (def.coerce || def.check) return null;
  const checks = (def.checks ?? []).map((c) => c._zod.def);
  if (def.type === 'boolean') return checks.length === 0 ? { is: 'boolean' } : null;
  if (def.type === 'enum') {
    const of = Object.values(def.entries ?? {});
    return checks.length === 0 && of.every((v) => typeof v === 'string') ? { is: 'choice', of } : null;
  }
  if (def.type === 'number') return integerOf(checks);
  if (def.type === 'string') return textOf(checks);
  if (def.type !== 'array' || !def.element) return null;
  const of = plainOf(def.element);
  const size = sizeOf(checks);
  return of && size && size.rest.length === 0 ? { is: 'list', of, least: size.least, most: size.most } : null;
}

function integerOf(checks: Check[]): Plain | null {
  let whole = false;
  let least = Number.MIN_SAFE_INTEGER;
  let most = Number.MAX_SAFE_INTEGER;
  for (const c of checks) {
    if (c.check === 'number_format' && c.format === 'safeint') whole = true;
    else if (c.check === 'greater_than' && c.inclusive && typeof c.value === 'number') least = Math.max(least, c.value);
    else if (c.check === 'less_than' && c.inclusive && typeof c.value === 'number') most = Math.min(most, c.value);
    else return null;
  }
  return whole ? { is: 'integer', least, most } : null;
}

function textOf(checks: Check[]): Plain | null {
  const size = sizeOf(checks);
  if (!size) return null;
  const like: { source: string; flags: string }[] = [];
  for (const c of size.rest) {
    if (c.check !== 'string_format' || c.format !== 'regex' || !c.pattern) return null;
    const { source, flags } = c.pattern;
    // A sticky or global one remembers where it stopped.
    if (/[gy]/.test(flags)) return null;
    like.push({ source, flags });
  }
  return { is: 'text', least: size.least, most: size.most, like };
}

/** Bounds of length; null when one of them cannot be read. */
function sizeOf(checks: Check[]): { least: number; most: number; rest: Check[] } | null {
  let least = 0;
  let most = Number.MAX_SAFE_INTEGER;
  const rest: Check[] = [];
  for (const c of checks) {
    if (c.check === 'min_length' && typeof c.minimum === 'number') least = Math.max(least, c.minimum);
    else if (c.check === 'max_length' && typeof c.maximum === 'number') most = Math.min(most, c.maximum);
    else rest.push(c);
  }
  return { least, most, rest };
}

/** True: it fits, and the checked value is this very value. False: ask the schema. */
export function surelyFits(plain: Plain, value: unknown): boolean {
  switch (plain.is) {
    case 'boolean':
      return typeof value === 'boolean';
    case 'choice':
      return typeof value === 'string' && plain.of.includes(value);
    case 'integer':
      return Number.isSafeInteger(value) && (value as number) >= plain.least && (value as number) <= plain.most;
    case 'text':
      return (
        typeof value === 'string' &&
        value.length >= plain.least &&
        value.length <= plain.most &&
        plain.like.every(({ source, flags }) => new RegExp(source, flags).test(value))
      );
    case 'list':
      return (
        Array.isArray(value) &&
        value.length >= plain.least &&
        value.length <= plain.most &&
        value.every((v) => surelyFits(plain.of, v))
      );
  }
}
