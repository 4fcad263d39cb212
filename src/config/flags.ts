/**
 * The command line, up to the tool's name: settings as flags, and the few flags of a command itself. What stands behind the tool's
 * name belongs to the tool and is handed on untouched. Values are checked in load.ts.
 */
import { OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { settings } from './known.ts';
import type { Setting } from './settings.ts';

export type FlagValue = string | boolean | string[];
export type Flags = Readonly<Record<string, FlagValue>>;
/** `value` may be given once, `list` more than once. */
export type FlagKind = 'value' | 'boolean' | 'list';

export interface ParsedFlags {
  /** Flags that are settings, and `config` for the file: what loadConfig takes. */
  settings: Flags;
  /** The command's own flags. */
  own: Flags;
  positionals: string[];
  /** Everything after the last positional that was asked for, or after `--`. */
  rest: string[];
}

export function settingFlags(known: readonly Setting[] = settings()): Record<string, FlagKind> {
  const flags: Record<string, FlagKind> = { config: 'value' };
  for (const s of known) {
    flags[s.flag] = s.kind === 'boolean' ? 'boolean' : s.kind === 'texts' || s.kind === 'choices' ? 'list' : 'value';
    if (s.secret) flags[`${s.flag}-file`] = 'value';
  }
  return flags;
}

export interface FlagSpec {
  /** The command's own flags, without dashes. */
  own?: Record<string, FlagKind>;
  /** One-letter forms, e.g. {h: 'help'}. */
  short?: Record<string, string>;
  /** After so many positionals all that follows is `rest`. */
  positionals?: number;
}

export function parseFlags(argv: readonly string[], spec: FlagSpec = {}): ParsedFlags {
  const own = spec.own ?? {};
  const known: Record<string, FlagKind> = { ...settingFlags(), ...own };
  const most = spec.positionals ?? Number.POSITIVE_INFINITY;
  const parsed: Record<string, FlagValue> = Object.create(null);
  const positionals: string[] = [];
  const problems: string[] = [];
  const candidates: string[] = [];
  let at = 0;
  while (at < argv.length && positionals.length < most) {
    const word = argv[at++] as string;
    if (word === '--') break;
    if (!word.startsWith('-') || word === '-') {
      positionals.push(word);
      continue;
    }
    const flag = readFlag(word, known, spec.short ?? {});
    if (!flag) {
      const written = word.replace(/=.*/s, '');
      const near = nearest(written.replace(/^--?(no-)?/, ''), Object.keys(known)).map((n) => `--${n}`);
      problems.push(`${quoted(written)} is not a flag here${near.length ? ` (nearest: ${near[0]})` : ''}.`);
      candidates.push(...near);
      continue;
    }
    const { name, kind, off } = flag;
    let { value } = flag;
    if (kind === 'boolean') {
      if (value !== undefined && off) problems.push(`--no-${name} takes no value.`);
      else store(name, value ?? !off);
      continue;
    }
    if (value === undefined) {
      const next = argv[at];
      if (next === undefined || next.startsWith('--')) {
        problems.push(`--${name} needs a value: --${name}=VALUE.`);
        continue;
      }
      value = next;
      at++;
    }
    store(name, value);
  }

  function store(name: string, value: string | boolean) {
    const before = parsed[name];
    if (known[name] === 'list') parsed[name] = [...(Array.isArray(before) ? before : []), String(value)];
    else if (before !== undefined) problems.push(`--${name} is given twice.`);
    else parsed[name] = value;
  }

  if (problems.length)
    throw new OpsError('validation', problems.join('\n'), {
      hint: '`deckhand --help` lists the flags. Flags of a tool stand behind its name.',
      ...(candidates.length ? { candidates } : {}),
    });
  const entries = Object.entries(parsed);
  return {
    settings: Object.fromEntries(entries.filter(([name]) => !(name in own))),
    own: Object.fromEntries(entries.filter(([name]) => name in own)),
    positionals,
    rest: argv.slice(at),
  };
}

function readFlag(word: string, known: Record<string, FlagKind>, short: Record<string, string>) {
  const m = /^--(?<name>[a-z0-9-]+)(=(?<value>.*))?$/s.exec(word);
  const letter = /^-([a-zA-Z])$/.exec(word)?.[1];
  const written = m?.groups?.name ?? (letter && Object.hasOwn(short, letter) ? short[letter] : undefined);
  if (!written) return null;
  const value = m?.groups?.value;
  const kindOf = (name: string) => (Object.hasOwn(known, name) ? known[name] : undefined);
  const kind = kindOf(written);
  if (kind) return { name: written, kind, value, off: false };
  const positive = written.replace(/^no-/, '');
  return kindOf(positive) === 'boolean' ? { name: positive, kind: 'boolean' as const, value, off: true } : null;
}

const quoted = (text: string) => (/^[\x21-\x7e]{1,60}$/.test(text) ? text : JSON.stringify(text.slice(0, 60)));
