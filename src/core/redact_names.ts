/**
 * What stands behind a secret's name: where the value of `name = value` begins and ends in all its spellings (flags,
 * environment, INI, YAML, JSON also when escaped, query strings, XML elements). By hand: a pattern for it would be
 * quadratic on long words. Which names and values count is the matter of redact_naming.ts.
 */
import { goes, harmless, MARK, type Naming, random } from './redact_naming.ts';

// `password: incorrect` is a message. Where the name begins its line it is more likely a setting, so fewer words count.
const MESSAGE =
  /^(?:incorrect|invalid|required|missing|expired|failed|failure|wrong|unknown|denied|empty|not (?:set|found|required|valid|provided|changed|allowed)|no such|changed|updated|rejected|refused|password (?:updated|changed|expiry|for)|authentication (?:failure|token)|\([a-z]{1,20}[) ])/i;
const SENTENCE =
  /^(?:is|was|has|for|not|no|set|ok|success(?:ful)?|found|accepted|does|must|cannot|can't|could|unable|error|user|the|a|an|and|or|expires|rotated|revoked|valid|too|using|from|with|checking|loading|reading)(?=[\s,.;:!)]|$)/i;
/** The name service switch has a database called passwd, Debian a package. */
const NOT_OF_PASSWD =
  /^(?:files|compat|db|sss|ldap|nis|systemd|winbind|amd64|arm64|armhf|i386|all|any|x86_64|native)(?=[\s,)]|$)/;
const ARCHITECTURE = /^(?:amd64|arm64|armhf|armel|i386|all|any|native|x86_64|ppc64el|s390x|riscv64)(?![\w-])/;

export const NAMES_AT = [
  ...[
    'pas',
    'pwd',
    'pw=',
    'pw:',
    'pw ',
    'pw"',
    'nnw',
    'ecr',
    'ede',
    'eds',
    'tok',
    'key',
    'coo',
    'ssi',
    '.si',
    'jwt',
    'psk',
  ],
  ...['uth', '_pa', '&si', '?si', ';si', '-si', '_si', '&co', '?co', '&ha', '?ha', '&hm', '?hm', '&sa', 'hma'],
];
const KEYWORD = /pass|pwd|pw\b|kennwort|secret|token|key|cred|auth|cookie|sess|_pat\b|jwt|psk|\bsid|sig|hmac|code/gi;
const IN_QUERY = /^(?:sig|signature|key|code|auth|hmac|x-(?:amz|goog)-(?:signature|credential))$/i;
/** Settings that are separated from their value by a blank only. */
const BY_BLANK = /^(?:requirepass|masterauth|insecure-password|sasl_password)$/;
const NAME_MAX = 96;
/** A value that must look random is judged by its beginning; without a bound `key=key=key=…` would be quadratic. */
const JUDGED = 256;

/** Letters, digits, `_`, `-` and `.`. */
const nameChar = (c: number): boolean =>
  (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || (c >= 48 && c <= 57) || c === 95 || c === 45 || c === 46;
/** A process's raw arguments are separated by NUL. */
const blank = (c: number): boolean => c === 32 || c === 9 || c === 0;

export function names(s: string, naming: (name: string) => Naming | null): string {
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
    // What was judged harmless is not looked into again: once for each character, however many names there are.
    KEYWORD.lastIndex = value.to;
    if (!value.kind) continue;
    out += s.slice(done, value.from) + MARK(value.kind);
    done = value.to;
  }
  return done ? out + s.slice(done) : s;
}

interface Span {
  from: number;
  to: number;
}

function valueAfter(s: string, start: number, end: number, naming: (name: string) => Naming | null) {
  const before = start > 0 ? s[start - 1] : '';
  const query = before === '?' || before === '&' || (before === ';' && s.startsWith('&amp', start - 5));
  const flag = s[start] === '-';
  let at = end;
  while (at - end < 6 && isIn('"\'\\]`', s[at])) at++;
  const quotedName = at > end;
  const gap = at;
  while (at - gap < 40 && blank(s.charCodeAt(at))) at++;
  let spaced = at > gap;
  const colon = s[at] === ':';
  const element = before === '<' && s[end] === '>';
  const name = s.slice(start, end);
  if (element) at = end + 1;
  else if (colon || s[at] === '=') {
    at++;
    if (colon && (s[at] === ':' || s.startsWith('//', at) || isPath(s, start, spaced))) return null;
    while (s[at] === '=' || s[at] === '>') at++;
    const after = at;
    while (at - after < 40 && blank(s.charCodeAt(at))) at++;
    spaced ||= at > after;
  } else if (!spaced || quotedName) return null;
  else if (
    flag
      ? s[at] === '-'
      : !BY_BLANK.test(name) && !(isIn('"\'', s[at]) && /^(?:passw(?:or)?d|passphrase|psk)$/i.test(name))
  )
    return null;
  if (at >= s.length) return null;

  let known = naming(name);
  if (query) known = known || IN_QUERY.test(name) ? { kind: known?.kind ?? 'key', sure: true } : null;
  // `Authorization:` has schemes and is a rule of its own.
  if (!known || /authorization$/i.test(name)) return null;

  const quote = quoteAt(s, at);
  const span: Span | null = element
    ? { from: at, to: endOf(s, at, '<') }
    : quote
      ? { from: at + quote.length, to: endOf(s, at + quote.length, quote, known.sure ? s.length : 4 * JUDGED) }
      : bareSpan(s, at, { start, colon, spaced, query, known, flag, quotedName });
  if (!span || span.to <= span.from) return null;
  const value = s.slice(span.from, span.to);
  if (flag && known.kind === 'authorization' && /^[^\s:/]+:[^\s:/]+$/.test(value)) known = { ...known, sure: true };
  // An HTML attribute: the key to press.
  if (value.length < 3 && /^accesskey$/i.test(name)) return null;
  if (!goes(value, known) || (!quote && harmless(value.replace(/[,;)]$/, ''))))
    return known.sure ? { ...span, kind: null } : null;
  if (!quote && colon && !query && tells(value, s, start, span, name, spaced || quotedName)) return null;
  if (/(?:tokens?|keys?|secrets|passwords|credentials)$/i.test(name) && /^[\d.,]{1,9}$/.test(value) && !flag)
    return null;
  if (flag && /secret$/i.test(name) && /^(?:id|type|source|src)=/.test(value)) return null;
  if (known.kind === 'cookie' && !colon && /^(?:0x[\da-f]+|.{1,7})$/i.test(value)) return null;
  return { ...span, kind: known.kind };
}

/** Behind a colon: words that tell of a secret instead of being one. */
function tells(value: string, s: string, start: number, span: Span, name: string, spaced: boolean): boolean {
  if (/^passwd$/i.test(name) && NOT_OF_PASSWD.test(value)) return true;
  if (/^pass$/i.test(name) && /^\d{1,4}(?:,.*)?$/.test(value)) return true;
  // `token:laptop` is a principal, `libsecret-1-0:amd64` a package.
  if (!spaced)
    return (
      ARCHITECTURE.test(value) || (/token|key|cookie/i.test(name) && /^[a-z][a-z_-]{0,30}\d{0,2}[.,;)]?$/.test(value))
    );
  const words = s.slice(span.from, span.from + 40);
  return MESSAGE.test(words) || (!alone(s, start) && SENTENCE.test(words));
}

/** Is the name the first thing on its line (after indentation, a dash, a quote)? */
function alone(s: string, start: number): boolean {
  let at = start;
  while (at > 0 && start - at < 60 && isIn(' \t-"\'#', s[at - 1])) at--;
  return at === 0 || s[at - 1] === '\n';
}

/** `/etc/passwd:3: …` is a path, `/password:…` a switch. */
const isPath = (s: string, start: number, spaced: boolean): boolean =>
  !spaced && s[start - 1] === '/' && start > 1 && nameChar(s.charCodeAt(start - 2));

const isIn = (set: string, c: string | undefined): boolean => c !== undefined && set.includes(c);

/** The opening quote with its escapes (`\"`), which is also what closes it. */
function quoteAt(s: string, at: number): string {
  let to = at;
  while (s[to] === '\\' && to - at < 4) to++;
  return isIn('"\'`', s[to]) ? s.slice(at, to + 1) : '';
}

/** Where what ends with `stop` ends, on this line. */
function endOf(s: string, from: number, stop: string, most = s.length): number {
  let to = from;
  for (; to < s.length && to - from < most; to++) {
    const c = s.charCodeAt(to);
    if (c === 10) break;
    if (c !== stop.charCodeAt(0) || !s.startsWith(stop, to)) continue;
    if (stop.length > 1 || stop === '<' || s[to - 1] !== '\\' || s[to - 2] === '\\') break;
  }
  return to;
}

const BLOCK = /[|>][+-]?\d?[ \t]{0,20}\r?\n(?:[ \t]+[^\n]*(?:\n|$)|\n)+/y;

const LIST = /\[[^[\]{}]{1,2000}\]|\r?\n(?:[ \t]{0,40}-[ \t][^\n:]{1,500}(?:\n|$)){1,100}/y;
/** Several plain words to the end of the line, where an environment file allows them. */
const PHRASE = /[a-z]{2,20}(?: [a-z]{2,20}){2,8}(?=[ \t]*(?:\r?\n|$))/y;

interface Bare {
  start: number;
  colon: boolean;
  spaced: boolean;
  query: boolean;
  known: Naming;
  flag: boolean;
  quotedName: boolean;
}

function bareSpan(s: string, from: number, o: Bare): Span | null {
  const { known } = o;
  const first = s[from];
  if (known.sure && known.kind !== 'secret' && (first === '[' || first === '\n' || first === '\r')) {
    // `passwords: ["a", "b"]`, or one on each line. A list of `secrets:` is one of names.
    LIST.lastIndex = from;
    const found = o.colon ? LIST.exec(s) : null;
    if (found) return { from: from + 1, to: from + found[0].trimEnd().length - (first === '[' ? 1 : 0) };
  }
  if (first === '\n' || first === '\r' || first === '[' || (first === '{' && s[from + 1] !== '{')) return null;
  if (o.colon && (first === '|' || first === '>')) {
    // A YAML block: the indented lines that follow.
    BLOCK.lastIndex = from;
    const body = known.sure ? BLOCK.exec(s) : null;
    if (body) return { from, to: from + body[0].trimEnd().length };
  }
  const wholeLine =
    !o.quotedName && known.sure && o.spaced && !o.flag && alone(s, o.start) && !MESSAGE.test(s.slice(from, from + 40));
  if (known.sure && !o.spaced && !o.colon && !o.flag && alone(s, o.start)) {
    PHRASE.lastIndex = from;
    const phrase = PHRASE.exec(s);
    if (phrase) return { from, to: from + phrase[0].length };
  }
  const cookie = known.kind === 'cookie' && o.colon;
  // Raw arguments: a word may hold blanks and ends with its NUL.
  const raw = s.charCodeAt(from - 1) === 0;
  const most = known.sure ? s.length : from + JUDGED;
  let to = from;
  for (; to < s.length && to < most; to++) {
    const c = s.charCodeAt(to);
    if (c === 0) break;
    if (raw) continue;
    if (c === 10 || c === 13) break;
    if (c === 32 || c === 9) {
      if (wholeLine || (cookie && s.charCodeAt(to - 1) === 59)) continue;
      break;
    }
    if (wholeLine) continue;
    if ((c === 34 || c === 39 || c === 96) && closes(s[to + 1])) break;
    if (o.query && (c === 38 || c === 35)) break;
    if (o.quotedName && (c === 44 || c === 93 || c === 125)) break;
    // The next of several settings in one word: `user=a,password=b,vers=3`.
    if ((c === 44 || c === 38 || (c === 59 && !cookie)) && /^[A-Za-z_][\w.-]{0,40}=/.test(s.slice(to + 1, to + 44)))
      break;
  }
  // Judged by its beginning and found random: then all of the word goes.
  if (to === most && !known.sure && random(s.slice(from, to)))
    while (to < s.length && !/\s/.test(s[to] as string)) to++;
  while (to > from && blank(s.charCodeAt(to - 1))) to--;
  return { from, to };
}

/** A quote followed by this ends the text around the value; otherwise it is part of the value. */
const closes = (next: string | undefined): boolean => next === undefined || isIn(' \t\r\n,;)}]>:\\&|', next);
