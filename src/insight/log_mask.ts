/**
 * A line without what differs from one time to the next: numbers, times, addresses, ids, paths, lists. Decides what of a line is variable by
 * its looks alone; which words are is log_cluster.ts's. Pure, and linear: each line of a log goes through it.
 */

/** Stands for what was taken out. Two in a row say no more than one. */
export const WILD = '<*>';

/** Of a line; what is behind tells no more of its kind. */
const MOST_CHARS = 1_024;
const MOST_TOKENS = 100;

/** Paths and URLs whole; words; each mark between them on its own. */
const TOKEN = /(?:[a-z][a-z0-9+.-]{1,15}:\/)?\/[^\s"'`()[\]{}<>,;|]+|[^\s"'`()[\]{}<>,;|=]+|["'`()[\]{}<>,;|=]/gi;
const MARK = /^["'`()[\]{}<>,;|=]$/;
const VARIABLE = /[\d/@\\]/;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const ADDRESS = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d{1,5}|\/\d{1,2})?$/;
const COLONS = /^[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,8}(?:%\w+|\/\d+)?$/i;
const NUMBER = /^[+-]?(?:0x[0-9a-f]+|\d+(?:[.,:_/-]\d+)*)(?:e[+-]?\d+)?(?:%|[a-zµ]{1,3}(?:\/s)?)?$/i;
const HEX = /^(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{6,}$/i;
const EMAIL = /^[^@]{1,64}@[^@]{1,255}$/;
const DATE = /^\d{4}-\d{2}-\d{2}(?:T[\d:.,]+(?:Z|[+-]\d{2}:?\d{2})?)?$/;
const DIGITS = /[+-]?\d+(?:[.:]\d+)*/g;
const PUNCTUATION = /[:.!?]+$/;
const LONGEST_JUDGED = 256;

const words = (text: string) => new Set(text.split(' '));
const CALENDAR = words(
  'Mon Tue Wed Thu Fri Sat Sun Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec UTC GMT CET CEST EST EDT PST PDT',
);
/** Behind a number they are part of it: 900 ms and 1.2 s are one value. */
const UNITS = words('B KB MB GB TB kB KiB MiB GiB ns us µs ms s sec secs min h bytes');
const PLAIN = /^[\w.:/@<*>-]+$/;

export const isMark = (token: string): boolean => token.length === 1 && MARK.test(token);

/** The words of a line with their variable parts as WILD, and the marks between them. */
export function tokensOf(text: string): string[] {
  const found = (text.length > MOST_CHARS ? text.slice(0, MOST_CHARS) : text).match(TOKEN) ?? [];
  const most = Math.min(found.length, MOST_TOKENS);
  const tokens: string[] = [];
  let commas = 0;
  for (let i = 0; i < most; i++) {
    const word = found[i] as string;
    const token = VARIABLE.test(word) ? masked(word) : word;
    const last = tokens.at(-1);
    if (token === ',') commas++;
    if (token === WILD) {
      // A date is one value, and so is a row of numbers; `<1 s` is a figure, `<1>` a thing of its own.
      while (tokens.length > 0 && CALENDAR.has(tokens.at(-1) as string)) tokens.pop();
      if (last === '<' && found[i + 1] !== '>') tokens.pop();
      if (tokens.at(-1) !== WILD) tokens.push(WILD);
      continue;
    }
    if (last === WILD && (CALENDAR.has(word) || UNITS.has(word))) continue;
    if (token === ')') {
      // `()` is where a value was not given; `4096 (4 KiB)` is one value.
      if (last === '(') tokens.push(WILD);
      if (tokens.at(-1) === WILD && tokens.at(-2) === '(' && tokens.at(-3) === WILD) {
        tokens.length -= 2;
        continue;
      }
    }
    tokens.push(token);
  }
  return commas > 0 ? withoutLists(tokens) : tokens;
}

/** `a, b, c`: so many values as there happen to be. Two only where brackets hold them. */
function withoutLists(tokens: string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < tokens.length; i++) {
    let end = i;
    const item = (at: number) => PLAIN.test(tokens[at] ?? ' ') && !isMark(tokens[at] as string);
    if (item(i)) while (tokens[end + 1] === ',' && item(end + 2)) end += 2;
    const items = (end - i) / 2 + 1;
    const held = '[({'.includes(tokens[i - 1] ?? ' ') && '])}'.includes(tokens[end + 1] ?? ' ');
    if (items >= 3 || (items === 2 && held)) {
      if (out.at(-1) !== WILD) out.push(WILD);
      i = end;
    } else out.push(tokens[i] as string);
  }
  return out;
}

function masked(word: string): string {
  const end = PUNCTUATION.exec(word);
  const bare = end ? word.slice(0, end.index) : word;
  return bare === '' ? word : core(bare) + (end ? end[0] : '');
}

function core(word: string): string {
  const first = word.charCodeAt(0);
  if (((first === 47 || first === 126) && word.length > 1) || word.includes('://') || word.includes('\\')) return WILD;
  // Longer ones are blobs, whatever is in them.
  if (word.length > LONGEST_JUDGED) return WILD;
  if (UUID.test(word) || ADDRESS.test(word) || NUMBER.test(word) || DATE.test(word)) return WILD;
  if (HEX.test(word) || COLONS.test(word) || EMAIL.test(word)) return WILD;
  const slash = word.indexOf('/');
  if (slash >= 0 && word.includes('/', slash + 1)) return WILD;
  // Several numbers in a word, or one in a name with dots: an id, a host, a version.
  const without = word.replace(DIGITS, WILD);
  const number = without.indexOf(WILD);
  if (number >= 0 && (without.includes(WILD, number + 1) || without.split('.').length > 2)) return WILD;
  return without;
}

const NO_SPACE_BEFORE = new Set([',', ';', ')', ']', '}', '>', '=']);
const NO_SPACE_BEHIND = new Set(['(', '[', '{', '<', '=']);
const QUOTES = new Set(['"', "'", '`']);

/** As a person would write it. */
export function written(tokens: readonly string[]): string {
  let out = '';
  let tight = true;
  let quote = '';
  for (const t of tokens) {
    const closing = quote !== '' && t === quote;
    out += tight || closing || NO_SPACE_BEFORE.has(t) ? t : ` ${t}`;
    tight = NO_SPACE_BEHIND.has(t);
    if (QUOTES.has(t)) {
      tight = !closing;
      quote = closing ? '' : t;
    }
  }
  return out;
}
