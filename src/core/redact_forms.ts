/**
 * Secrets with a form of their own: tokens by shape, URLs with a password, authorization headers, private-key blocks, short
 * flags of known programs. Each takes a text and gives it back with marks, in one pass. Which of them run on a text,
 * redact.ts decides; the tables are in redact_shapes.ts.
 */
import { EXACT_MARK, harmless, MARK, random } from './redact_naming.ts';
import { COMMANDS, PROGRAM, SHAPE, SHAPES, SPELLINGS } from './redact_shapes.ts';

export function shapes(s: string): string {
  return s.replace(SHAPE, (...m) => {
    let kind = 'secret';
    for (const [i, shape] of SHAPES.entries()) if (m[i + 1] !== undefined) kind = shape.kind;
    return MARK(kind);
  });
}

const isMark = (word: string): boolean => EXACT_MARK.test(word) || EXACT_MARK.test(word.replace(/^["']|["']$/g, ''));
const behind = (kind: string) => (all: string, before: string, secret: string) =>
  isMark(secret) || harmless(secret) ? all : before + MARK(kind);

/** `://user:password@`: the user stays. By hand, because a password may hold `/`, `:` and `@`. */
export function urls(s: string): string {
  let out = '';
  let done = 0;
  for (let i = s.indexOf('://'); i >= 0; i = s.indexOf('://', i)) {
    const from = i + 3;
    let colon = -1;
    let slash = -1;
    let last = -1;
    let to = s[from] === '⟦' ? from + s.slice(from, from + 60).indexOf('⟧') + 1 : from;
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
export function headers(s: string): string {
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

/** What stands in a spelling of its own. */
export function spellings(s: string): string {
  return SPELLINGS.reduce((t, spelling) => t.replace(spelling.pattern, behind(spelling.kind)), s);
}

const PEM_BEGIN = /-----BEGIN (?:[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?|OpenVPN Static key V1)-----/g;
const PEM_BODY =
  /\s{0,40}(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash): [^\n]{0,200}|[A-Za-z0-9+/=\\]{20,}|[A-Za-z0-9+/=\\]+(?=["'\n]|$))/y;
export function pem(s: string): string {
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
  return pemTail(done ? out + s.slice(done) : s);
}

const PEM_END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;
/** The lower part of a key alone, as the end of a log or a page of a file shows it. */
function pemTail(s: string): string {
  let out = '';
  let done = 0;
  PEM_END.lastIndex = 0;
  for (let m = PEM_END.exec(s); m; m = PEM_END.exec(s)) {
    let from = m.index;
    while (from > done && s[from - 1] === '\n') {
      const line = s.slice(Math.max(done, from - 82), from - 1).trimEnd();
      const key = line.slice(line.lastIndexOf('\n') + 1);
      if (!/^[A-Za-z0-9+/=]{4,80}$/.test(key)) break;
      // Above where we are: an equal line just below would be found for ever.
      from = s.lastIndexOf(key, from - 1 - key.length);
    }
    if (from === m.index) continue;
    out += s.slice(done, from) + MARK('private-key');
    done = m.index + m[0].length;
  }
  return done ? out + s.slice(done) : s;
}

const ARGUMENTS_MAX = 4000;
export function commands(s: string): string {
  let out = '';
  let done = 0;
  PROGRAM.lastIndex = 0;
  for (let m = PROGRAM.exec(s); m; m = PROGRAM.exec(s)) {
    const program = m[0];
    const from = PROGRAM.lastIndex;
    // Beyond a pipe or line end another program's flags begin.
    let to = from;
    while (to < s.length && to - from < ARGUMENTS_MAX && !isEnd(s.charCodeAt(to))) to++;
    const args = s.slice(from, to);
    let clean = args;
    for (const row of COMMANDS) if (row.programs.test(program)) clean = clean.replace(row.secret, behind('password'));
    PROGRAM.lastIndex = to;
    if (clean === args) continue;
    out += s.slice(done, from) + clean;
    done = to;
  }
  return done ? out + s.slice(done) : s;
}
const isEnd = (c: number): boolean => c === 10 || c === 124 || c === 59;
