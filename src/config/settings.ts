/**
 * A schema as a flat list of settings with the names, kinds and words that the loader, the help and the docs need. Pure, and without
 * zod itself: which list counts is known.ts's to say, and the bundle carries it ready-made.
 */
import type * as z from 'zod';
import { type Plain, plainOf } from './plain.ts';

/** `objects`: a list of maps, which only the file can hold. */
export type Kind = 'text' | 'integer' | 'boolean' | 'choice' | 'texts' | 'choices' | 'objects';

export interface Setting {
  /** As in the file, e.g. `http.maxBodyBytes`. */
  path: string;
  keys: readonly string[];
  env: string;
  flag: string;
  kind: Kind;
  /** The last word on a value. Asked for only where `plain` does not settle it: zod is a fifth of a client's whole start. */
  schema(): z.ZodType | Promise<z.ZodType>;
  /** What surely fits, told without zod; null where only the schema can tell. */
  plain: Plain | null;
  description: string;
  /** What a correct value is, e.g. "an integer from 0 to 65535". */
  expects: string;
  /** Undefined: depends on the machine (see `defaultText`). */
  standard: unknown;
  defaultText: string | undefined;
  choices: readonly string[];
  unit: string | undefined;
  nullable: boolean;
  secret: boolean;
  folder: boolean;
  flagNarrows: boolean;
  /** Lines of YAML. */
  example: string | undefined;
  /** Of the maps in a list of maps. */
  parts: readonly string[];
}

const words = (key: string) => key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
export const envName = (keys: readonly string[]) => `DECKHAND_${keys.map(words).join('_').toUpperCase()}`;
export const flagName = (keys: readonly string[]) => keys.map(words).join('-').replaceAll('_', '-');

/** The parts of zod's own description of a schema that are read here. */
interface Def {
  type: string;
  innerType?: z.ZodType;
  element?: z.ZodType;
  defaultValue?: unknown;
}
const defOf = (schema: z.ZodType) => schema.def as unknown as Def;

export function settingsOf(schema: z.ZodObject, above: readonly string[] = []): Setting[] {
  return Object.entries(schema.shape).flatMap(([key, part]) => {
    const keys = [...above, key];
    const child = part as z.ZodType;
    return defOf(child).type === 'object' ? settingsOf(child as z.ZodObject, keys) : [settingOf(child, keys)];
  });
}

function settingOf(schema: z.ZodType, keys: readonly string[]): Setting {
  const meta = (schema.meta() ?? {}) as Record<string, unknown>;
  let inner = schema;
  let standard: unknown;
  let nullable = false;
  for (let def = defOf(inner); def.innerType; def = defOf(inner)) {
    if (def.type === 'default') standard = def.defaultValue;
    if (def.type === 'nullable') nullable = true;
    inner = def.innerType;
  }
  const element = defOf(inner).element;
  const kind = kindOf(inner, element);
  const choices = kind === 'choice' || kind === 'choices' ? (element ?? (inner as z.ZodType)) : null;
  const options = choices ? (choices as unknown as { options: string[] }).options : [];
  return {
    path: keys.join('.'),
    keys,
    env: envName(keys),
    flag: flagName(keys),
    kind,
    schema: () => schema,
    plain: nullable ? null : plainOf(inner as z.ZodType),
    description: typeof meta.description === 'string' ? meta.description : '',
    expects: typeof meta.expects === 'string' ? meta.expects : expectation(kind, inner, options),
    standard,
    defaultText: typeof meta.defaultText === 'string' ? meta.defaultText : undefined,
    choices: options,
    unit: typeof meta.unit === 'string' ? meta.unit : undefined,
    nullable,
    secret: meta.secret === true,
    folder: meta.folder === true,
    flagNarrows: meta.flagNarrows === true,
    example: typeof meta.example === 'string' ? meta.example : undefined,
    parts: kind === 'objects' ? Object.keys((element as z.ZodObject).shape) : [],
  };
}

function kindOf(inner: z.ZodType, element: z.ZodType | undefined): Kind {
  const type = defOf(inner).type;
  if (type === 'array' && element) {
    const of = defOf(element).type;
    return of === 'object' ? 'objects' : of === 'enum' ? 'choices' : 'texts';
  }
  if (type === 'number') return 'integer';
  if (type === 'boolean') return 'boolean';
  if (type === 'enum') return 'choice';
  if (type === 'string') return 'text';
  throw new Error(`config/settings.ts cannot read a setting of type ${type}`);
}

function expectation(kind: Kind, inner: z.ZodType, choices: readonly string[]): string {
  if (kind === 'integer') {
    const { minValue, maxValue } = inner as unknown as { minValue: number; maxValue: number };
    return `an integer from ${minValue} to ${maxValue}`;
  }
  if (kind === 'boolean') return 'true or false';
  if (kind === 'choice') return `one of ${choices.join(', ')}`;
  if (kind === 'choices') return `a list of ${choices.join(', ')}`;
  if (kind === 'objects') return 'a list of maps';
  const { minLength, maxLength } = inner as unknown as { minLength: number | null; maxLength: number | null };
  return kind === 'texts' ? 'a list of texts' : `a text of ${minLength ?? 0} to ${maxLength} characters`;
}
