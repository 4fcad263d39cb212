/**
 * The words behind a tool's name, as the tool's arguments. Decides how `--key value` is read by the tool's own schema; what
 * a value must be is left to the door, so that a wrong one is refused, worded and recorded there like on every other face.
 */
import * as z from 'zod';
import { OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Tool } from '../core/tool.ts';

export interface ToolWords {
  args: Record<string, unknown>;
  json: boolean;
  help: boolean;
}

interface Field {
  type: 'string' | 'number' | 'boolean' | 'list' | 'other';
  /** Of a list's items. */
  items: 'string' | 'number' | 'boolean' | 'other';
  /** Items that hold no comma may stand in one word. */
  splits: boolean;
}

interface JsonSchema {
  type?: string | string[];
  enum?: unknown[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  anyOf?: JsonSchema[];
}

export function schemaOf(tool: Pick<Tool, 'input'>): JsonSchema & { required?: string[] } {
  return z.toJSONSchema(tool.input, { io: 'input', unrepresentable: 'any' }) as JsonSchema & { required?: string[] };
}

/** `given`: what `--args` before the tool's name held. Throws only on what cannot be read, before any call is made. */
export function toolWords(tool: Pick<Tool, 'name' | 'input'>, words: readonly string[], given?: string): ToolWords {
  const properties = schemaOf(tool).properties ?? {};
  const names = Object.keys(properties);
  const flags: Record<string, unknown> = {};
  let argsText = given;
  let json = false;
  let help = false;
  const refuse = (message: string, more: { hint?: string; candidates?: string[] } = {}): OpsError =>
    new OpsError('validation', message, { hint: `Run: deckhand tools ${tool.name}`, ...more });

  for (let at = 0; at < words.length; ) {
    const word = words[at++] as string;
    const m = /^--(?<name>[A-Za-z0-9_-]+)(=(?<value>.*))?$/s.exec(word);
    if (!m?.groups?.name) {
      const like = names.length === 1 ? `--${names[0]}` : '--KEY';
      throw refuse(`${quoted(word)} stands alone; arguments are written ${like} VALUE.`);
    }
    const written = m.groups.name;
    let value: string | undefined = m.groups.value;
    const plain = nameOf(written, names);
    const off = plain === undefined && written.startsWith('no-') ? nameOf(written.slice(3), names) : undefined;
    const name = plain ?? off;
    const next = () => {
      const follows = words[at];
      // A negative number is a value, a flag is not.
      if (follows === undefined || (/^-/.test(follows) && !/^-(\d|\.\d|$)/.test(follows)))
        throw refuse(`--${written} needs a value: --${written}=VALUE.`);
      at++;
      return follows;
    };

    if (name === undefined) {
      if (written === 'json' && value === undefined) json = true;
      else if (written === 'help' && value === undefined) help = true;
      else if (written === 'args') {
        if (argsText !== undefined) throw refuse('--args is given twice.');
        argsText = value ?? next();
      } else {
        const near = nearest(written.replaceAll('-', '_'), names, 3).map((n) => `--${n}`);
        throw refuse(`${tool.name} has no argument --${written}.`, {
          hint: names.length
            ? `It takes ${names.map((n) => `--${n}`).join(', ')}. Flags of Deckhand itself come before the tool’s name.`
            : 'It takes none. Flags of Deckhand itself come before the tool’s name.',
          ...(near.length ? { candidates: near } : {}),
        });
      }
      continue;
    }

    const field = fieldOf(properties[name] ?? {});
    if (off !== undefined) {
      if (field.type !== 'boolean' || value !== undefined)
        throw refuse(`--no-${name} is for switches; ${name} is none.`);
      put(name, false);
    } else if (field.type === 'boolean') {
      // Only these words are taken as its value: `--tree 5` must not swallow what follows.
      if (value === undefined && /^(true|false)$/.test(words[at] ?? '')) value = words[at++];
      put(name, value === undefined ? true : typed(value, 'boolean'));
    } else if (field.type === 'list') {
      const text = value ?? next();
      const parts = field.splits ? text.split(',').filter((p) => p !== '') : [text];
      flags[name] = [...((flags[name] as unknown[] | undefined) ?? []), ...parts.map((p) => typed(p, field.items))];
    } else put(name, typed(value ?? next(), field.type));
  }

  function put(name: string, value: unknown) {
    if (name in flags) throw refuse(`--${name} is given twice, and is no list.`);
    flags[name] = value;
  }

  const base = argsText === undefined ? {} : objectOf(argsText, refuse);
  const both = Object.keys(flags).find((name) => Object.hasOwn(base, name));
  if (both) throw refuse(`${both} is given twice: in --args and as --${both}.`);
  return { args: { ...base, ...flags }, json, help };
}

/** `--sample-ms` is `sample_ms`. */
function nameOf(written: string, names: readonly string[]): string | undefined {
  return names.find((n) => n === written) ?? names.find((n) => n === written.replaceAll('-', '_'));
}

function fieldOf(schema: JsonSchema): Field {
  const type = typeOf(schema);
  const items = typeOf(schema.items ?? {});
  const splits = schema.items?.enum !== undefined || items === 'number' || items === 'boolean';
  return { type, items: items === 'list' ? 'other' : items, splits };
}

function typeOf(schema: JsonSchema): Field['type'] {
  if (schema.anyOf) {
    // Nullable: the type of what is not null.
    const rest = schema.anyOf.filter((s) => s.type !== 'null');
    return rest.length === 1 ? typeOf(rest[0] ?? {}) : 'other';
  }
  const type = Array.isArray(schema.type) ? schema.type.find((t) => t !== 'null') : schema.type;
  if (type === 'string' || schema.enum?.every((v) => typeof v === 'string')) return 'string';
  if (type === 'number' || type === 'integer') return 'number';
  if (type === 'boolean') return 'boolean';
  return type === 'array' ? 'list' : 'other';
}

/** What cannot be converted stays the text it is: the door then says what is wrong with it. */
function typed(text: string, type: Field['type']): unknown {
  if (type === 'string') return text;
  if (type === 'number')
    return /^-?(\d+(\.\d+)?|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text === 'null' ? null : text;
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function objectOf(
  text: string,
  refuse: (message: string, more?: { hint?: string }) => OpsError,
): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse(`--args is not JSON: ${(error as Error).message}.`, {
      hint: `Write it in quotes: --args '{"limit": 5}'`,
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refuse('--args must be one JSON object.', { hint: `Write it in quotes: --args '{"limit": 5}'` });
  return value as Record<string, unknown>;
}

const quoted = (text: string) => (/^[\x21-\x7e]{1,60}$/.test(text) ? text : JSON.stringify(text.slice(0, 60)));
