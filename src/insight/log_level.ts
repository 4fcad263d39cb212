/**
 * How bad a line says it is, in the ways programs say so: JSON, logfmt, syslog, klog, brackets, words, an access log's status, or an
 * exception without any level. Pure. A line that says nothing is null: being on stderr is no level.
 */
import { stampLength } from './log_stamp.ts';

export const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type Level = (typeof LEVELS)[number];

const WORDS: Record<string, Level> = Object.assign(Object.create(null), {
  trace: 'trace',
  trc: 'trace',
  trac: 'trace',
  verbose: 'trace',
  vrb: 'trace',
  silly: 'trace',
  finest: 'trace',
  finer: 'trace',
  debug: 'debug',
  dbg: 'debug',
  dbug: 'debug',
  deb: 'debug',
  fine: 'debug',
  debug1: 'debug',
  info: 'info',
  inf: 'info',
  information: 'info',
  informational: 'info',
  notice: 'info',
  note: 'info',
  log: 'info',
  system: 'info',
  ok: 'info',
  success: 'info',
  http: 'info',
  warn: 'warn',
  warning: 'warn',
  wrn: 'warn',
  deprecated: 'warn',
  error: 'error',
  err: 'error',
  erro: 'error',
  eror: 'error',
  severe: 'error',
  fail: 'error',
  failure: 'error',
  exception: 'error',
  fatal: 'fatal',
  ftl: 'fatal',
  critical: 'fatal',
  crit: 'fatal',
  emerg: 'fatal',
  emergency: 'fatal',
  alert: 'fatal',
  panic: 'fatal',
  dpanic: 'fatal',
  t: 'trace',
  d: 'debug',
  i: 'info',
  n: 'info',
  w: 'warn',
  e: 'error',
  f: 'fatal',
  c: 'fatal',
  v: 'trace',
});
const word = (text: string): Level | null => WORDS[text.toLowerCase()] ?? null;
/** By syslog's priorities, 0 to 7. */
export const SYSLOG_LEVELS: readonly Level[] = ['fatal', 'fatal', 'fatal', 'error', 'warn', 'info', 'info', 'debug'];

/** Far enough for a logger's name and a thread; what stands behind is the message, and its words are not the line's level. */
const HEAD = 160;
const JSON_HEAD = 4_096;
const JSON_LEVEL =
  /(?<!\\)"(?:level|lvl|severity|severity_?text|log[._-]?level|level_?name|@l|PRIORITY|syslog_severity)"\s*:\s*(?:"([A-Za-z]{1,16})(?:[ \d][^"]{0,16})?"|"?(\d{1,2})"?(?=\s*[,}]))/i;
const MONGO = /^\{"t":\{"\$date":.{0,80}?"s":"([DIWEF])\d?"/;
const LOGFMT = /(?:^|[\s,|])(?:level|lvl|severity|loglevel|log_level)[=:]\s?["']?([A-Za-z]{1,16})/i;
const PRI = /^<(\d{1,3})>/;
const KLOG = /^([IWEF])\d{4} \d{2}:\d{2}:\d{2}\.\d/;
const REDIS = /^\d{1,7}:[XCSM] \d{2} [A-Z][a-z]{2} (?:\d{4} )?\d{2}:\d{2}:\d{2}\.\d{3} ([.\-*#]) /;
const REDIS_LEVEL: Record<string, Level> = { '.': 'debug', '-': 'debug', '*': 'info', '#': 'warn' };
const ACCESS = /"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE|PROPFIND) [^"]{0,2000}" (\d{3})\b/;
const OPENING = /[[(<|]/;
const BRACKETS = /[[(<|]\s?(?:[\w.-]{1,24}:)?([A-Za-z]{1,13}\d?)\s{0,5}[\])>|]/g;
/** In capitals a word is a level wherever it stands in the head, unless it is part of a name or a path. */
const CAPITALS = /[A-Z]{3,8}/g;
const IN_CAPITALS: Record<string, Level> = Object.assign(
  Object.create(null),
  Object.fromEntries(
    'TRACE VERBOSE TRC VRB DEBUG DBG FINE FINEST INFO INF NOTICE WARN WARNING WRN ERROR ERR SEVERE FATAL FTL CRITICAL CRIT EMERG ALERT PANIC'
      .split(' ')
      .map((w) => [w, WORDS[w.toLowerCase()] as Level]),
  ),
);
const BEFORE = /[\w./-]/;
const BEHIND = /[\w./=]/;
const FIRST =
  /^["']?(trace|verbose|debug|dbug|info|notice|warn|warning|error|err|fail|fatal|critical|crit|panic|alert)["']?(?::(?!\/)|\s{1,8}[-|[]|\s{2,}|\s*\|)/i;
const RUBY = /^([DIWEFA]), \[/;
const POSTGRES =
  /(?:^|[\s\]>])(DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION): {2}/;
const FATAL = /^(?:panic: |fatal error: |thread '[^']{0,200}' panicked|Segmentation fault|Out of memory|FATAL)/;
const FAILED =
  /^(?:Traceback \(most recent call last\)|Exception in thread |Unhandled |Uncaught |\(node:\d+\) UnhandledPromise|npm (?:ERR!|error)|PHP (?:Fatal|Parse|Recoverable fatal) error|(?:[\w$]+[.:\\])*(?:[A-Z][\w$]*)?(?:Error|Exception|Throwable)(?: \[\w+\])?(?::|$|\s*\())/;
const WARNED =
  /^(?:PHP (?:Warning|Deprecated)|\(node:\d+\) (?:Warning|\[?DEP|\w+Warning)|npm (?:WARN|warn)|[\w./-]{1,200}:\d+: \w*Warning:)/;

/** `stamp`: stampLength(text), where it is known already. */
export function levelOf(text: string, stamp = stampLength(text)): Level | null {
  const first = text.charCodeAt(0);
  const brace = first === 123 ? 0 : text.indexOf('{"');
  if (brace >= 0 && brace <= HEAD) {
    const found = ofJson(text.length > JSON_HEAD ? text.slice(0, JSON_HEAD) : text);
    // A whole JSON line has said all it has to say of its level.
    if (found || brace === 0) return found;
  }
  if (first === 60) {
    const pri = PRI.exec(text);
    if (pri && Number(pri[1]) < 192) return SYSLOG_LEVELS[Number(pri[1]) & 7] as Level;
  }
  if (first >= 65 && first <= 87) {
    const letter = KLOG.exec(text) ?? RUBY.exec(text);
    if (letter) return letter[1] === 'A' ? null : word(letter[1] as string);
  }
  if (stamp === 0 && first >= 48 && first <= 57) {
    const redis = REDIS.exec(text);
    if (redis) return REDIS_LEVEL[redis[1] as string] as Level;
    const status = byStatus(text);
    if (status) return status;
  }
  const head = text.slice(stamp, stamp + HEAD);
  return inWords(head) ?? shown(head) ?? byStatus(text);
}

/** At least this bad. What says no level is not. */
export const atLeast = (level: Level | null, least: Level): boolean =>
  level !== null && LEVELS.indexOf(level) >= LEVELS.indexOf(least);

function ofJson(text: string): Level | null {
  const mongo = MONGO.exec(text);
  if (mongo) return word(mongo[1] as string);
  const found = JSON_LEVEL.exec(text);
  if (!found) return null;
  if (found[1] !== undefined) return word(found[1]);
  const n = Number(found[2]);
  // GELF and the journal count as syslog does, pino and bunyan in tens.
  if (n < 8) return SYSLOG_LEVELS[n] as Level;
  return n >= 60 ? 'fatal' : n >= 50 ? 'error' : n >= 40 ? 'warn' : n >= 30 ? 'info' : n >= 20 ? 'debug' : 'trace';
}

// Each pattern below is tried only where a part that it cannot do without is there: this is asked of each line of a log.
function inWords(head: string): Level | null {
  const first = FIRST.exec(head);
  if (first) return word(first[1] as string);
  if (head.includes('ev') || head.includes('lvl') || head.includes('EV')) {
    const fmt = LOGFMT.exec(head);
    const named = fmt && word(fmt[1] as string);
    if (named) return named;
  }
  if (head.includes(':  ')) {
    const postgres = POSTGRES.exec(head);
    if (postgres) return word((postgres[1] as string).replace(/\d$/, '')) ?? 'info';
  }
  const capitals = inCapitals(head);
  const open = head.search(OPENING);
  if (open >= 0 && !(capitals && capitals.index < open)) {
    BRACKETS.lastIndex = open;
    for (let m = BRACKETS.exec(head); m; m = BRACKETS.exec(head)) {
      if (capitals && capitals.index < m.index) break;
      const level = word(m[1] as string);
      // `(i)` and `<b>` are prose; one letter counts in square brackets only.
      if (level && ((m[1] as string).length > 1 || (head[m.index] === '[' && m[0].length === 3))) return level;
      BRACKETS.lastIndex = m.index + 1;
    }
  }
  return capitals ? capitals.level : null;
}

function inCapitals(head: string): { level: Level; index: number } | null {
  CAPITALS.lastIndex = 0;
  for (let m = CAPITALS.exec(head); m; m = CAPITALS.exec(head)) {
    const level = IN_CAPITALS[m[0]];
    if (level === undefined) continue;
    const end = m.index + m[0].length;
    if (m.index > 0 && BEFORE.test(head.charAt(m.index - 1))) continue;
    const next = head.charAt(end);
    if (BEHIND.test(next) || (next === '-' && /\w/.test(head.charAt(end + 1)))) continue;
    return { level, index: m.index };
  }
  return null;
}

const BAD_NEWS = /rror|xception|hrowable|raceback|nhandled|ncaught|ERR!/;
function shown(head: string): Level | null {
  if (FATAL.test(head)) return 'fatal';
  if (BAD_NEWS.test(head) && FAILED.test(head)) return 'error';
  return head.includes('arn') || head.includes('WARN') || head.includes('DEP') || head.includes('PHP ')
    ? WARNED.test(head)
      ? 'warn'
      : null
    : null;
}

function byStatus(text: string): Level | null {
  const status = text.includes('" ') ? ACCESS.exec(text) : null;
  return status === null ? null : Number(status[1]) >= 500 ? 'error' : 'info';
}
