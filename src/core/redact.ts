/**
 * What vanishes before anything leaves: known secrets by value, what stands behind a secret's name, and what shows itself
 * by its shape. Pure. The tables are in redact_shapes.ts; when to redact (before cutting, in answers, errors and audit
 * alike) is the door's matter. A false alarm costs a word, a miss costs a secret: in doubt the value goes.
 */
import { COMMANDS, DISCORD, harmless, type Naming, namingOf, PROGRAM, prose, random, SHAPES } from './redact_shapes.ts';

export interface Redactor {
  /** The same string when there was nothing to take out. Idempotent. */
  text(s: string): string;
  /** Walks a JSON value; keys decide too. The same reference when nothing changed. */
  deep<T>(v: T): T;
}

export const MARK = (kind: string): string => `⟦redacted:${kind}⟧`;

const OUR_MARK = '⟦redacted:[a-z-]{1,40}⟧';
const ANY_MARK = /⟦redacted:|⟦[^⟦⟧]{0,80}left out⟧/;
const EXACT_MARK = new RegExp(`^${OUR_MARK}$`);
/** Deeper than any answer of ours. What lies below is left out rather than let through unseen. */
const DEEPEST = 64;
const NAME_MAX = 96;

// One pass over the characters decides which rules can match at all: three letters, five bits each, look up which rules
// begin there. Folding makes upper and lower case (and some punctuation) equal: that only lets a rule run for nothing.
const NAMES = 1;
const SHAPE = 2;
const URLS = 4;
const PEM = 8;
const COMMAND = 16;
const DISCORDS = 32;
const HEADER = 64;
const TRIGGERS = new Uint8Array(32_768);
function trigger(rule: number, ...three: string[]): void {
  for (const t of three) {
    const at = ((t.charCodeAt(0) & 31) << 10) | ((t.charCodeAt(1) & 31) << 5) | (t.charCodeAt(2) & 31);
    TRIGGERS[at] = (TRIGGERS[at] ?? 0) | rule;
  }
}
trigger(
  NAMES,
  'ssw',
  'ssp',
  'ssc',
  'ss=',
  'ss:',
  'ss ',
  'ss"',
  "ss'",
  'ss\\',
  'ss>',
  'pwd',
  'pw=',
  'pw:',
  'pw ',
  'pw"',
);
trigger(NAMES, 'cre', 'tok', 'key', 'coo', 'ses', 'jwt', 'psk', 'sid', '_au', 'th=', 'th ', 'th:', 'uth');
trigger(NAMES, '&si', '?si', '-si', '_si', '&co', '?co', 'hma');
trigger(HEADER, 'uth', 'rer', 'sic');
trigger(URLS, '://');
trigger(PEM, '---');
trigger(
  COMMAND,
  'sql',
  'iad',
  '7z ',
  '7za',
  '7zr',
  'hpa',
  'ngo',
  'ogi',
  'zip',
  'pmi',
  'squ',
  '-cl',
  'url',
  'wge',
  'ttp',
);
trigger(COMMAND, 'dap', 'smb', 'rpc', 'net', 'snm', 'rmo', 'rad', 'mcl', 'wct', 'ssw');
for (const shape of SHAPES) trigger(SHAPE, ...shape.at);
for (const two of ['mt', 'mj', 'mz', 'nd', 'nt', 'nj', 'nz', 'od', 'ot'])
  for (const third of 'aeimquycgk') trigger(DISCORDS, two + third);

function rulesFor(s: string): number {
  let three = 0;
  let rules = 0;
  for (let i = 0; i < s.length; i++) {
    three = ((three << 5) | (s.charCodeAt(i) & 31)) & 0x7fff;
    rules |= TRIGGERS[three] as number;
  }
  return rules;
}

const SHAPE_ALL = new RegExp(`(?<![A-Za-z0-9])(?:${SHAPES.map((s) => `(${s.pattern})`).join('|')})`, 'g');
function shapes(s: string): string {
  return s.replace(SHAPE_ALL, (...m) => {
    for (let i = 0; i < SHAPES.length; i++) if (m[i + 1] !== undefined) return MARK(SHAPES[i]?.kind ?? 'secret');
    return MARK('secret');
  });
}

const USERINFO =
  /(:\/\/[^\s:/@"'<>[\]]{0,200}:)(?!\d{1,5}(?:[/\s?#"']|$))([^\s"'<>@]{0,500}(?:@[^\s"'<>@/]{1,200}){0,4})(?=@[^\s])/g;
const LONE_USER = /(:\/\/)([^\s:/@"'<>[\]⟦⟧]{20,255})(?=@)/g;
function urls(s: string): string {
  return s
    .replace(USERINFO, (all, before: string, secret: string) =>
      EXACT_MARK.test(secret) || secret === '' || harmless(secret) ? all : before + MARK('password'),
    )
    .replace(LONE_USER, (all, before: string, user: string) => (random(user) ? before + MARK('token') : all));
}

const AUTH_HEADER =
  /((?:proxy-)?authorization\\?["']?\s{0,8}[:=]\s{0,8}\\?["']?)(?:(bearer|basic|digest|token|negotiate|ntlm|apikey|bot|aws4-hmac-sha256|key)(\s{1,8}))?([^\s"'\\][^\r\n"']{0,4000})/gi;
const LONE_SCHEME = /\b(bearer|basic)(\s{1,8})([\w.~+/=-]{12,8000})/gi;
function headers(s: string): string {
  return s
    .replace(AUTH_HEADER, (all, before: string, scheme = '', gap = '', rest: string) => {
      // Without a scheme it is a setting (authorization: enabled) unless it looks like a credential.
      const many = /^(?:digest|aws4)/i.test(scheme);
      const value = many ? rest.trimEnd() : (/^\S+/.exec(rest)?.[0] ?? rest);
      if (EXACT_MARK.test(value) || (!scheme && !random(value)) || harmless(value)) return all;
      return before + scheme + gap + MARK('authorization') + rest.slice(value.length);
    })
    .replace(LONE_SCHEME, (all, scheme: string, gap: string, value: string) =>
      random(value) || /=$/.test(value) ? scheme + gap + MARK('authorization') : all,
    );
}

const PEM_BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;
const PEM_BODY =
  /\s*(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash): [^\n]{0,200}|[A-Za-z0-9+/=\\]{20,}|[A-Za-z0-9+/=\\]+(?=["'\n]|$))/y;
function pem(s: string): string {
  let out = '';
  let done = 0;
  PEM_BEGIN.lastIndex = 0;
  for (let m = PEM_BEGIN.exec(s); m; m = PEM_BEGIN.exec(s)) {
    let end = m.index + m[0].length;
    const close = s.indexOf('-----END ', end);
    const stop = close < 0 ? -1 : s.indexOf('-----', close + 9);
    if (stop >= 0 && stop - close < 80) end = stop + 5;
    else {
      // Cut off: whatever still looks like key lines goes.
      PEM_BODY.lastIndex = end;
      while (PEM_BODY.test(s)) end = PEM_BODY.lastIndex;
    }
    out += s.slice(done, m.index) + MARK('private-key');
    done = end;
    PEM_BEGIN.lastIndex = end;
  }
  return done ? out + s.slice(done) : s;
}

function commands(s: string): string {
  PROGRAM.lastIndex = 0;
  let out = '';
  let done = 0;
  for (let m = PROGRAM.exec(s); m; m = PROGRAM.exec(s)) {
    const program = m[1] as string;
    const from = PROGRAM.lastIndex;
    const row = COMMANDS.find((c) => c.programs.test(program));
    if (!row) continue;
    // To the end of this command: the next one has its own row, and flags beyond a pipe are not this program's.
    let to = from;
    while (to < s.length && to - from < 4000 && !'\n|;'.includes(s[to] as string)) to++;
    const args = s.slice(from, to);
    const clean = args.replace(row.secret, (all, before: string, secret: string) =>
      EXACT_MARK.test(secret) || EXACT_MARK.test(secret.slice(1, -1)) ? all : before + MARK('password'),
    );
    if (clean !== args) {
      out += s.slice(done, from) + clean;
      done = to;
    }
    PROGRAM.lastIndex = Math.max(to, from);
  }
  return done ? out + s.slice(done) : s;
}

const KEYWORD = /pass|pwd|pw\b|secret|token|key|cred|auth|cookie|sess|jwt|psk|sid|sig|hmac|code/gi;
const nameChar = (c: number): boolean =>
  (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || (c >= 48 && c <= 57) || c === 95 || c === 45 || c === 46;
const blank = (c: number): boolean => c === 32 || c === 9 || c === 0;

/** Finds `name = value` in all its spellings by hand: a pattern for it would be quadratic on long words. */
function names(s: string, naming: (name: string) => Naming | null): string {
  let out = '';
  let done = 0;
  KEYWORD.lastIndex = 0;
  for (let m = KEYWORD.exec(s); m; m = KEYWORD.exec(s)) {
    let start = m.index;
    let end = start + m[0].length;
    const lowest = Math.max(done, start - NAME_MAX);
    while (start > lowest && nameChar(s.charCodeAt(start - 1))) start--;
    const highest = Math.min(s.length, end + NAME_MAX);
    while (end < highest && nameChar(s.charCodeAt(end))) end++;
    KEYWORD.lastIndex = end;
    const value = valueAfter(s, start, end, naming);
    if (!value) continue;
    out += s.slice(done, value.from) + MARK(value.kind);
    done = value.to;
    KEYWORD.lastIndex = done;
  }
  return done ? out + s.slice(done) : s;
}

interface Found {
  from: number;
  to: number;
  kind: string;
}

function valueAfter(s: string, start: number, end: number, naming: (name: string) => Naming | null): Found | null {
  const query = '?&'.includes(s[start - 1] ?? ' ') && start > 0;
  const flag = s[start] === '-';
  const element = s[start - 1] === '<' && s[end] === '>';
  let at = end;
  while (at - end < 4 && '"\'\\]`'.includes(s[at] ?? ' ')) at++;
  const quoted = at > end;
  const gap = at;
  while (at - gap < 40 && blank(s.charCodeAt(at))) at++;
  const separator = s[at];
  let spaced = at > gap;
  if (element) at = end + 1;
  else if (separator === '=' || separator === ':') {
    at++;
    if (separator === ':' && (s[at] === ':' || s.startsWith('//', at))) return null;
    while (s[at] === '=' || s[at] === '>') at++;
    const after = at;
    while (at - after < 40 && blank(s.charCodeAt(at))) at++;
    spaced ||= at > after;
  } else if (!(flag && spaced && !quoted)) return null;
  if (at >= s.length) return null;

  const name = s.slice(start, end);
  let known = naming(flag ? name.replace(/^-+/, '') : name);
  if (query && !known && /^(?:sig|signature|key|code|auth|hmac|x-(?:amz|goog)-(?:signature|credential))$/i.test(name))
    known = { kind: 'key', sure: true };
  if (query && known) known = { ...known, sure: true };
  if (!known || (known.kind === 'authorization' && /authorization$/i.test(name))) return null;

  const span = element ? until(s, at, '<') : spanOf(s, at, start, separator === ':' && spaced, spaced, query, known);
  if (!span || span.to <= span.from) return null;
  const value = s.slice(span.from, span.to);
  if (EXACT_MARK.test(value) || harmless(value)) return null;
  if (!separator || !'=:'.includes(separator)) if (value.startsWith('-')) return null;
  if (separator === ':' && spaced && !span.quoted && prose(value)) return null;
  if (!known.sure && !random(value)) return null;
  if (/tokens?$|keys?$/i.test(name) && /^[\d.,]{1,9}$/.test(value) && !flag) return null;
  if (flag && /secret$/i.test(name) && /^(?:id|type|source)=/.test(value)) return null;
  return { from: span.from, to: span.to, kind: known.kind };
}

const until = (s: string, from: number, stop: string) => {
  let to = s.indexOf(stop, from);
  const line = s.indexOf('\n', from);
  if (to < 0 || (line >= 0 && line < to)) to = line < 0 ? s.length : line;
  return { from, to, quoted: true };
};

/** Where the value that begins at `at` ends. */
function spanOf(s: string, at: number, start: number, yaml: boolean, spaced: boolean, query: boolean, known: Naming) {
  let open = '';
  let from = at;
  while (s[from] === '\\' && from - at < 4) from++;
  if (s[from] === '"' || s[from] === "'" || s[from] === '`') open = s.slice(at, from + 1);
  if (open) {
    from++;
    let to = from;
    for (; to < s.length && s[to] !== '\n'; to++) {
      if (s.startsWith(open, to) && (open.length > 1 || s[to - 1] !== '\\' || s[to - 2] === '\\')) break;
    }
    return { from, to, quoted: true };
  }
  from = at;
  const first = s[from] ?? '';
  if (first === '\n' || first === '\r' || first === '[' || first === '{') return null;
  // A YAML block: the lines that follow, indented.
  if (first === '|' || first === '>') {
    const block = /[|>][+-]?\d?[ \t]*\r?\n(?:[ \t]+[^\n]*(?:\n|$)|\n)+/y;
    block.lastIndex = from;
    const body = block.exec(s);
    if (!body) return null;
    return { from, to: from + body[0].trimEnd().length, quoted: true };
  }
  let lineStart = start;
  while (start - lineStart < 60 && lineStart > 0 && ' \t-"\'#'.includes(s[lineStart - 1] as string)) lineStart--;
  const alone = lineStart === 0 || s[lineStart - 1] === '\n';
  let to = from;
  const toLineEnd = spaced && known.sure && alone && s[start] !== '-' && !prose(s.slice(from, from + 24));
  for (; to < s.length; to++) {
    const c = s.charCodeAt(to);
    if (c === 10 || c === 13 || c === 0) break;
    if (toLineEnd || (known.kind === 'cookie' && yaml && c === 32)) continue;
    if (c === 32 || c === 9) break;
    if ((c === 34 || c === 39 || c === 96) && /^(?:[\s,;)}\]>:\\&|]|$)/.test(s.slice(to + 1, to + 2))) break;
    if (c === 38 && query) break;
    if (c === 35 && query) break;
    if ((c === 44 || c === 59 || c === 38) && /^[A-Za-z_][\w.-]{0,40}=/.test(s.slice(to + 1, to + 44))) break;
  }
  while (to > from && (s.charCodeAt(to - 1) === 32 || s.charCodeAt(to - 1) === 9)) to--;
  return { from, to, quoted: false };
}

function byValue(values: readonly string[]): RegExp | null {
  const all = new Set<string>();
  for (const v of values) {
    // Shorter ones would take ordinary words out of every answer.
    if (v.length < 4) continue;
    all.add(v).add(encodeURIComponent(v.toWellFormed())).add(JSON.stringify(v).slice(1, -1));
  }
  if (!all.size) return null;
  const longest = [...all].sort((a, b) => b.length - a.length).map((v) => v.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  return new RegExp(`${OUR_MARK}|(${longest.join('|')})`, 'g');
}

export function createRedactor(o: { values?: readonly string[] }): Redactor {
  const known = byValue(o.values ?? []);
  const memo = new Map<string, Naming | null>();
  const naming = (name: string): Naming | null => {
    let found = memo.get(name);
    if (found === undefined) {
      found = namingOf(name);
      if (memo.size >= 4096) memo.clear();
      memo.set(name, found);
    }
    return found;
  };

  function text(s: string): string {
    let t = s;
    if (known) t = t.replace(known, (all, value) => (value === undefined ? all : MARK('value')));
    const rules = rulesFor(t);
    if (!rules) return t;
    if (rules & PEM) t = pem(t);
    if (rules & HEADER) t = headers(t);
    if (rules & URLS) t = urls(t);
    if (rules & NAMES) t = names(t, naming);
    if (rules & COMMAND) t = commands(t);
    if (rules & SHAPE) t = shapes(t);
    if (rules & DISCORDS) t = t.replace(DISCORD, MARK('discord-token'));
    return t;
  }

  /** `under`: the name that promised a secret, for what hangs below it. */
  function walk(v: unknown, depth: number, under: Naming | null): unknown {
    if (typeof v === 'string') {
      if (under && !EXACT_MARK.test(v) && !harmless(v) && (under.sure || random(v))) return MARK(under.kind);
      return text(v);
    }
    if (typeof v === 'number') return under?.sure && under.kind === 'password' ? MARK(under.kind) : v;
    if (typeof v !== 'object' || v === null) return v;
    if (depth >= DEEPEST) return '⟦deeper levels left out⟧';
    if (Array.isArray(v)) return list(v, depth, under);
    if (v instanceof Date || ArrayBuffer.isView(v)) return v;
    return record(v as Record<string, unknown>, depth, under);
  }

  function list(v: unknown[], depth: number, under: Naming | null): unknown[] {
    let out: unknown[] | null = null;
    for (let i = 0; i < v.length; i++) {
      // An argument vector: the word behind a secret's flag.
      const flag = i > 0 ? v[i - 1] : '';
      const word = v[i];
      const named =
        typeof flag === 'string' &&
        typeof word === 'string' &&
        /^--?[a-z][\w-]{2,60}$/i.test(flag) &&
        !word.startsWith('-')
          ? naming(flag.replace(/^-+/, ''))
          : null;
      const now = walk(word, depth + 1, named ?? under);
      if (now === word) continue;
      out ??= [...v];
      out[i] = now;
    }
    return out ?? v;
  }

  function record(v: Record<string, unknown>, depth: number, under: Naming | null): Record<string, unknown> {
    const keys = Object.keys(v);
    const label = v.name ?? v.Name ?? v.key ?? v.Key;
    const labelled = typeof label === 'string' && ('value' in v || 'Value' in v) ? naming(label) : null;
    const parts: [string, unknown][] = [];
    let changed = false;
    for (const key of keys) {
      const part = v[key];
      const named = labelled && (key === 'value' || key === 'Value') ? labelled : (naming(key) ?? under);
      const now = walk(part, depth + 1, named);
      const safe = text(key);
      changed ||= now !== part || safe !== key;
      parts.push([safe, now]);
    }
    if (!changed) return v;
    // fromEntries defines, so that a key named __proto__ stays a key.
    return Object.fromEntries(parts);
  }

  return { text, deep: <T>(v: T): T => walk(v, 0, null) as T };
}

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
