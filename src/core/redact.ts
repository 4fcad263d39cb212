/**
 * What vanishes before anything leaves: known secrets by value, what stands behind a secret's name, and what shows itself
 * by its shape. Pure. Decides what runs on which text and walks values; names and shapes have their own files, and when to
 * redact (before cutting; answers, errors and audit alike) is the door's matter. A false alarm costs a word, a miss a
 * secret: in doubt the value goes.
 */
import { commands, headers, pem, shapes, spellings, urls } from './redact_forms.ts';
import { NAMES_AT, names } from './redact_names.ts';
import { goes, MARK, type Naming, namingOf, OUR_MARK } from './redact_naming.ts';
import { COMMAND_AT, COMMANDS, DISCORD, DISCORD_AT, SHAPES, SPELLINGS } from './redact_shapes.ts';

export { MARK } from './redact_naming.ts';

export interface Redactor {
  /** The same string when there was nothing to take out. Idempotent. */
  text(s: string): string;
  /** Walks a JSON value; keys decide too. The same reference when nothing changed. */
  deep<T>(v: T): T;
}

// One pass over the characters decides which rules can match at all: three letters, five bits each, look up the rules
// that begin there. Folding makes upper and lower case (and some punctuation) equal, so a rule may run for nothing.
const NAMES = 1;
const SHAPED = 2;
const URLS = 4;
const PEM = 8;
const COMMAND = 16;
const DISCORDS = 32;
const HEADER = 64;
const SPELLED = 128;
const RULES = new Uint8Array(32_768);
function runs(rule: number, at: readonly string[]): void {
  for (const t of at) {
    const three = ((t.charCodeAt(0) & 31) << 10) | ((t.charCodeAt(1) & 31) << 5) | (t.charCodeAt(2) & 31);
    RULES[three] = (RULES[three] as number) | rule;
  }
}
runs(NAMES, NAMES_AT);
runs(HEADER, ['uth', 'rer', 'sic']);
runs(URLS, ['://']);
runs(PEM, ['---']);
runs(COMMAND, COMMAND_AT);
runs(DISCORDS, DISCORD_AT);
for (const shape of SHAPES) runs(SHAPED, shape.at);
for (const spelling of SPELLINGS) runs(SPELLED, spelling.at);

function rulesFor(s: string): number {
  let three = 0;
  let rules = 0;
  for (let i = 0; i < s.length; i++) {
    three = ((three << 5) | (s.charCodeAt(i) & 31)) & 0x7fff;
    rules |= RULES[three] as number;
  }
  return rules;
}

/** Matches any known secret, also as JSON and URLs spell it, and our own marks, which are left alone. */
function byValue(spelled: readonly string[]): RegExp {
  const longest = [...spelled]
    .sort((a, b) => b.length - a.length)
    .map((v) => v.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  return new RegExp(`${OUR_MARK}|(${longest.join('|')})`, 'g');
}

/** Shorter values would take ordinary words out of every answer. */
const SHORTEST_VALUE = 4;
/** Deeper than any answer of ours. What lies below is left out rather than let through unseen. */
const DEEPEST = 64;
const MEMO_MAX = 4096;
const PASSES = 8;

export function createRedactor(o: { values?: readonly string[] }): Redactor {
  const values = (o.values ?? []).filter((v) => v.length >= SHORTEST_VALUE);
  const spelled = [
    ...new Set(values.flatMap((v) => [v, encodeURIComponent(v.toWellFormed()), JSON.stringify(v).slice(1, -1)])),
  ];
  const known = spelled.length ? byValue(spelled) : null;
  const memo = new Map<string, Naming | null>();
  const naming = (name: string): Naming | null => {
    let found = memo.get(name);
    if (found === undefined) {
      found = namingOf(name);
      if (memo.size >= MEMO_MAX) memo.clear();
      memo.set(name, found);
    }
    return found;
  };

  function text(s: string): string {
    let t = s;
    if (known && spelled.some((v) => t.includes(v)))
      t = t.replace(known, (all, value) => (value === undefined ? all : MARK('value')));
    // A mark can uncover what stood beside a secret (a name now complete, a word now short), so what changed is read
    // again; otherwise a second redaction of an answer would differ from the first.
    for (let pass = 0; pass < PASSES; pass++) {
      const rules = rulesFor(t);
      const now = rules ? once(t, rules) : t;
      if (now === t) break;
      t = now;
    }
    return t;
  }

  function once(s: string, rules: number): string {
    let t = s;
    if (rules & PEM) t = pem(t);
    if (rules & HEADER) t = headers(t);
    if (rules & URLS) t = urls(t);
    if (rules & NAMES) t = names(t, naming);
    if (rules & SPELLED) t = spellings(t);
    if (rules & COMMAND) t = commands(t);
    if (rules & SHAPED) t = shapes(t);
    if (rules & DISCORDS) t = t.replace(DISCORD, MARK('discord-token'));
    return t;
  }

  /** `under`: what the name above promised. */
  function walk(v: unknown, depth: number, under: Naming | null): unknown {
    if (typeof v === 'string') return under && goes(v, under) ? MARK(under.kind) : text(v);
    if (typeof v === 'number') return under?.sure && under.kind === 'password' ? MARK(under.kind) : v;
    if (typeof v !== 'object' || v === null) return v;
    if (depth >= DEEPEST) return '⟦deeper levels left out⟧';
    if (Array.isArray(v)) return list(v, depth, under);
    if (v instanceof Date || ArrayBuffer.isView(v)) return v;
    return record(v as Record<string, unknown>, depth, under);
  }

  function list(v: readonly unknown[], depth: number, under: Naming | null): readonly unknown[] {
    const from = argumentsOf(v);
    let out: unknown[] | null = null;
    for (let i = 0; i < v.length; i++) {
      const word = from[i];
      const plain = typeof word === 'string' && !(under && goes(word, under));
      const now = plain ? (behindName(word, v[i - 1]) ?? text(word)) : walk(word, depth + 1, under);
      if (now === v[i]) continue;
      out ??= [...v];
      out[i] = now;
    }
    return out ?? v;
  }

  /** A whole element is a word behind a flag, or `NAME=value`: its value may hold blanks. */
  function behindName(word: string, before: unknown): string | null {
    if (typeof before === 'string' && before.length < 64 && /^--?[a-zA-Z][\w-]+$/.test(before) && word[0] !== '-') {
      const named = naming(before);
      if (named && goes(word, named)) return MARK(named.kind);
    }
    const equals = word.indexOf('=');
    if (equals < 2 || equals > 80 || !/^[\w.-]+$/.test(word.slice(0, equals))) return null;
    const named = naming(word.slice(0, equals));
    return named && goes(word.slice(equals + 1), named) ? text(word.slice(0, equals + 1) + MARK(named.kind)) : null;
  }

  function record(v: Record<string, unknown>, depth: number, under: Naming | null): Record<string, unknown> {
    const label = v.name ?? v.Name ?? v.key ?? v.Key;
    const labelled = typeof label === 'string' && ('value' in v || 'Value' in v) ? naming(label) : null;
    const parts: [string, unknown][] = [];
    let changed = false;
    for (const key of Object.keys(v)) {
      const part = v[key];
      const safe = text(key);
      const own = safe === key ? naming(key) : surer(naming(key), naming(safe));
      const named = labelled && (key === 'value' || key === 'Value') ? labelled : (own ?? under);
      const now = walk(part, depth + 1, named);
      changed ||= now !== part || safe !== key;
      parts.push([safe, now]);
    }
    if (!changed) return v;
    // fromEntries defines, so that a key named __proto__ stays a key.
    return Object.fromEntries(parts);
  }

  return { text, deep: <T>(v: T): T => walk(v, 0, null) as T };
}

/** A key that holds a secret itself is read before and after, so that a second redaction decides the same. */
const surer = (a: Naming | null, b: Naming | null): Naming | null => (a?.sure || !b ? a : b);

/** An argument vector of a program with short flags, cleaned as one command line: `['mysql', '-p…']`. */
function argumentsOf(v: readonly unknown[]): readonly unknown[] {
  if (v.length < 2 || v.length > 256 || typeof v[0] !== 'string') return v;
  const program = v[0].slice(v[0].lastIndexOf('/') + 1);
  if (!COMMANDS.some((c) => c.programs.test(program)) || !v.every((w) => typeof w === 'string')) return v;
  // Blanks and quotes inside a word are hidden while the words are one line.
  const hidden = (v as string[]).map((w) =>
    w.replace(/[\s"'|;]/g, (c) => String.fromCharCode(0xe000 + (c.charCodeAt(0) & 0xff))),
  );
  const line = hidden.join(' ');
  const clean = commands(line);
  if (clean === line) return v;
  // A mark holds no blank, so there are as many words as before. Only those that changed are spelt anew: hiding is not
  // one to one for rare blanks and private characters.
  return clean
    .split(' ')
    .map((w, i) =>
      w === hidden[i] ? v[i] : w.replace(/[\ue000-\ue0ff]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xe000)),
    );
}

const ANY_MARK = /⟦redacted:|⟦[^⟦⟧]{0,80}left out⟧/;

/** Does any string (or key) hold a mark? Such arguments would write a redacted text back. */
export function hasMark(value: unknown): boolean {
  const open: unknown[] = [value];
  const seen = new Set<object>();
  while (open.length) {
    const v = open.pop();
    if (typeof v === 'string') {
      if (v.includes('⟦') && ANY_MARK.test(v)) return true;
    } else if (typeof v === 'object' && v !== null && !seen.has(v)) {
      seen.add(v);
      for (const [key, part] of Object.entries(v)) open.push(key, part);
    }
  }
  return false;
}
