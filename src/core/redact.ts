/**
 * What vanishes before anything leaves: known secrets by value, what stands behind a secret's name, and what shows itself
 * by its shape. Pure. Decides what runs on which text and walks values; names and shapes have their own files, and when to
 * redact (before cutting; answers, errors and audit alike) is the door's matter. A false alarm costs a word, a miss a
 * secret: in doubt the value goes.
 */
import {
  EXACT_MARK,
  goes,
  harmless,
  MARK,
  NAMES_AT,
  type Naming,
  names,
  namingOf,
  OUR_MARK,
  random,
} from './redact_names.ts';
import { COMMAND_AT, COMMANDS, DISCORD, DISCORD_AT, PROGRAM, SHAPE, SHAPES, SPELLINGS } from './redact_shapes.ts';

export { MARK } from './redact_names.ts';

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

function shapes(s: string): string {
  return s.replace(SHAPE, (...m) => MARK(SHAPES.find((_, i) => m[i + 1] !== undefined)?.kind ?? 'secret'));
}

const isMark = (word: string): boolean => EXACT_MARK.test(word) || EXACT_MARK.test(word.replace(/^["']|["']$/g, ''));
const behind = (kind: string) => (all: string, before: string, secret: string) =>
  isMark(secret) || harmless(secret) ? all : before + MARK(kind);

/** `://user:password@`: the user stays. By hand, because a password may hold `/`, `:` and `@`. */
function urls(s: string): string {
  let out = '';
  let done = 0;
  for (let i = s.indexOf('://'); i >= 0; i = s.indexOf('://', i)) {
    const from = i + 3;
    let colon = -1;
    let slash = -1;
    let last = -1;
    let to = s[from] === '⟦' ? Math.max(from, s.indexOf('⟧', from) + 1) : from;
    for (; to < s.length && to - from < 2048; to++) {
      const c = s[to] as string;
      if (' \t\n\r"\'<>`'.includes(c) || (c === '/' && s.startsWith('//', to) && s[to - 1] === ':')) break;
      if (c === ':' && colon < 0 && slash < 0) colon = to;
      else if (c === '@' && (slash < 0 || last < 0)) last = to;
      else if (slash < 0 && '/?#['.includes(c)) {
        if (last >= 0 || colon < 0 || /^:\d{0,5}$/.test(s.slice(colon, Math.min(to, colon + 8)))) break;
        slash = to;
      }
    }
    i = Math.max(from, last);
    if (last < 0) {
      i = from;
      continue;
    }
    const start = colon >= 0 && colon < last ? colon + 1 : from;
    const secret = s.slice(start, last);
    const lone = start === from;
    if (lone ? secret.length < 20 || !random(secret) : secret === '' || isMark(secret) || harmless(secret)) continue;
    out += s.slice(done, start) + MARK(lone ? 'token' : 'password');
    done = last;
  }
  return done ? out + s.slice(done) : s;
}

const AUTH_HEADER =
  /((?:proxy-)?authorization\\{0,3}["']?\s{0,8}[:=]\s{0,8}\\{0,3}["']?)(?:(digest|aws4-hmac-sha256)([^\r\n]{1,4000})|(?:([a-z][\w-]{0,30})([ \t]{1,8}))?([^\s"'\\]{1,8000}))/gi;
const SCHEME = /^(?:bearer|basic|token|negotiate|ntlm|apikey|bot|key|oauth)$/i;
const LONE_SCHEME = /\b(bearer|basic)([ \t]{1,8})([\w.~+/=-]{10,8000})/gi;
function headers(s: string): string {
  return s
    .replace(AUTH_HEADER, (all, before: string, many, list, scheme = '', gap = '', value = '') => {
      if (many) return isMark(list.trim()) ? all : `${before}${many} ${MARK('authorization')}`;
      if (isMark(value) || harmless(value) || (SCHEME.test(value) && !scheme)) return all;
      // `authorization: enabled` is a setting, `Authorization: access denied` a message.
      if (!SCHEME.test(scheme) && /^[a-z]{1,14}[,.;:]?$/i.test(value)) return all;
      return before + scheme + gap + MARK('authorization');
    })
    .replace(LONE_SCHEME, (all, scheme: string, gap: string, value: string) =>
      random(value) || /\d.*=$|==$/.test(value) ? scheme + gap + MARK('authorization') : all,
    );
}

const PEM_BEGIN = /-----BEGIN (?:[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?|OpenVPN Static key V1)-----/g;
const PEM_BODY =
  /\s{0,40}(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash): [^\n]{0,200}|[A-Za-z0-9+/=\\]{20,}|[A-Za-z0-9+/=\\]+(?=["'\n]|$))/y;
function pem(s: string): string {
  let out = '';
  let done = 0;
  PEM_BEGIN.lastIndex = 0;
  let close = 0;
  for (let m = PEM_BEGIN.exec(s); m; m = PEM_BEGIN.exec(s)) {
    let end = m.index + m[0].length;
    if (close >= 0 && close < end) close = s.indexOf('-----END ', end);
    const stop = close < 0 ? -1 : s.slice(close + 9, close + 80).indexOf('-----');
    if (stop >= 0) end = close + 9 + stop + 5;
    else {
      // Cut off: whatever still looks like a line of it goes.
      PEM_BODY.lastIndex = end;
      while (PEM_BODY.test(s)) end = PEM_BODY.lastIndex;
    }
    out += s.slice(done, m.index) + MARK('private-key');
    done = end;
    PEM_BEGIN.lastIndex = end;
  }
  return done ? out + s.slice(done) : s;
}

const ARGUMENTS_MAX = 4000;
function commands(s: string): string {
  let out = '';
  let done = 0;
  PROGRAM.lastIndex = 0;
  for (let m = PROGRAM.exec(s); m; m = PROGRAM.exec(s)) {
    const program = m[0];
    const from = PROGRAM.lastIndex;
    const row = COMMANDS.find((c) => c.programs.test(program));
    if (!row) continue;
    // Beyond a pipe or line end another program's flags begin.
    let to = from;
    while (to < s.length && to - from < ARGUMENTS_MAX && !isEnd(s.charCodeAt(to))) to++;
    const args = s.slice(from, to);
    const clean = args.replace(row.secret, behind('password'));
    PROGRAM.lastIndex = to;
    if (clean === args) continue;
    out += s.slice(done, from) + clean;
    done = to;
  }
  return done ? out + s.slice(done) : s;
}
const isEnd = (c: number): boolean => c === 10 || c === 124 || c === 59;

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
const PASSES = 4;

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
    if (rules & SPELLED) for (const spelling of SPELLINGS) t = t.replace(spelling.pattern, behind(spelling.kind));
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
  const line = (v as string[])
    .map((w) => w.replace(/[\s"'|;]/g, (c) => String.fromCharCode(0xe000 + c.charCodeAt(0))))
    .join(' ');
  const clean = commands(line);
  if (clean === line) return v;
  const words = clean
    .split(' ')
    .map((w) => w.replace(/[\ue000-\ue0ff]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xe000)));
  return words.length === v.length ? words : v;
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
