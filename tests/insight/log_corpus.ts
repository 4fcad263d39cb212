/**
 * Logs whose templates are known: many templates over shared prefixes, with the parameters that real logs have, by a seed. What is a
 * template here: words that stay; what is none: numbers, addresses, ids, paths, names, lists of any length, free values behind `=`.
 */

/** Small, and the same everywhere (mulberry32). */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = a;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const NAMES =
  'alice bob carol dave erin frank grace heidi ivan judy mallory niaj olivia peggy rupert sybil trent victor walter yasmin ana ben chloe dmitri elena farid gita hugo'.split(
    ' ',
  );
const WORDS =
  'auth cache queue mailer billing search media export import report backup index thumbnail session payment catalog'.split(
    ' ',
  );
const list = (text: string) => text.trim().split(/\s+/);
const NOUNS =
  list(`connection request session worker job transaction snapshot replica container volume certificate lease index
  query upload download plugin scheduler device interface listener socket buffer channel pipeline shard bucket table record token
  account mailbox message envelope packet route gateway bridge firewall rule policy role permission keyring secret config manifest
  artifact layer image registry mirror repository commit branch migration schema cursor checkpoint segment journal archive thread
  fiber heap stack kernel driver module firmware sensor battery fan adapter controller monitor probe beacon alarm timer watchdog
  catalog invoice cart order payment refund coupon parcel courier warehouse shelf supplier`);
const ADJECTIVES =
  list(`stale idle primary secondary remote local pending orphaned expired shared encrypted temporary broken
  duplicate incomplete oversized slow hidden nested virtual backup upstream downstream internal external manual automatic spare`);
const VERBS =
  list(`opened closed started stopped accepted refused created removed updated expired renewed scheduled restored
  rotated flushed attached detached mounted unmounted compressed verified rejected queued dispatched acknowledged replayed merged
  truncated locked unlocked resized migrated suspended resumed throttled evicted promoted demoted registered revoked`);
const PREFIXES = [
  '',
  'Failed to process: ',
  'worker: ',
  'http.server ',
  '[main] ',
  'pool-3 ',
  'Failed to process: retry ',
];

type Rnd = () => number;
const int = (r: Rnd, n: number) => Math.floor(r() * n);
const pick = <T>(r: Rnd, list: readonly T[]): T => list[int(r, list.length)] as T;
const hex = (r: Rnd, n: number) => Array.from({ length: n }, () => int(r, 16).toString(16)).join('');

/** Each draws one value, as programs write them. */
export const PARAMETERS: Record<string, (r: Rnd) => string> = {
  number: (r) => String(int(r, 10 ** (1 + int(r, 7)))),
  float: (r) => (r() * 1_000).toFixed(int(r, 4)),
  duration: (r) => `${int(r, 5_000)}${pick(r, ['ms', ' ms', 's', ' s'])}`,
  size: (r) => `${int(r, 4_096)} ${pick(r, ['KiB', 'MiB', 'B', 'GB'])}`,
  percent: (r) => `${int(r, 100)}%`,
  ip: (r) => `${1 + int(r, 250)}.${int(r, 256)}.${int(r, 256)}.${int(r, 256)}`,
  endpoint: (r) => `${1 + int(r, 250)}.${int(r, 256)}.${int(r, 256)}.${int(r, 256)}:${1_024 + int(r, 60_000)}`,
  ip6: (r) => `fe80::${hex(r, 4)}:${hex(r, 3)}:${hex(r, 4)}`,
  uuid: (r) => `${hex(r, 8)}-${hex(r, 4)}-4${hex(r, 3)}-a${hex(r, 3)}-${hex(r, 12)}`,
  hash: (r) => `${int(r, 10)}a${hex(r, 10)}`,
  pointer: (r) => `0x${hex(r, 8)}`,
  block: (r) => `blk_-${int(r, 1e9)}`,
  path: (r) =>
    `/${pick(r, ['var', 'srv', 'home', 'opt'])}/${pick(r, WORDS)}/${pick(r, NAMES)}${pick(r, ['', '.log', '/data.db'])}`,
  url: (r) => `https://${pick(r, WORDS)}.example.com/${pick(r, WORDS)}?id=${int(r, 999)}`,
  host: (r) => `${pick(r, WORDS)}-${int(r, 40)}.example.com`,
  time: (r) => `2026-11-${10 + int(r, 19)}T${10 + int(r, 13)}:${10 + int(r, 49)}:${10 + int(r, 49)}Z`,
  email: (r) => `${pick(r, NAMES)}@example.com`,
  name: (r) => pick(r, NAMES),
  quoted: (r) => `"${pick(r, NAMES)}"`,
  value: (r) => `owner=${pick(r, NAMES)}`,
  list: (r) => Array.from({ length: 3 + int(r, 6) }, () => pick(r, WORDS)).join(', '),
  numbers: (r) => Array.from({ length: 1 + int(r, 6) }, () => int(r, 1_000)).join(' '),
};

export interface Template {
  text: string;
  make(r: Rnd): string;
}

const BETWEEN = ['for', 'from', 'with', 'at', 'on', 'by', 'after', 'in', 'to', 'of'];

/** So many different templates. */
export function templates(seed: number, n: number): Template[] {
  const r = random(seed);
  const found = new Map<string, Template>();
  while (found.size < n) {
    const noun = () => (r() < 0.4 ? `${pick(r, ADJECTIVES)} ${pick(r, NOUNS)}` : pick(r, NOUNS));
    const parts: (string | ((r: Rnd) => string))[] = [pick(r, PREFIXES) + noun(), pick(r, VERBS)];
    for (let i = 0, k = 1 + int(r, 4); i < k; i++) {
      const name = pick(r, Object.keys(PARAMETERS));
      parts.push(pick(r, BETWEEN), noun(), PARAMETERS[name] as (r: Rnd) => string);
    }
    if (r() < 0.4) parts.push(pick(r, ['successfully', 'again', 'without delay', 'as requested']));
    // The words alone tell them apart: two that differ only in the kind of a value are one.
    const text = parts.map((p) => (typeof p === 'string' ? p : '<*>')).join(' ');
    if (!found.has(text))
      found.set(text, { text, make: (q) => parts.map((p) => (typeof p === 'string' ? p : p(q))).join(' ') });
  }
  return [...found.values()];
}

/** Lines with the template of each; some templates are a thousand times as frequent as others. */
export function corpus(seed: number, o: { templates: number; lines: number }): { text: string; of: number }[] {
  const all = templates(seed, o.templates);
  const r = random(seed ^ 0x5eed);
  const weights = all.map(() => 1 / (0.002 + r()) ** 1.5);
  const sum = weights.reduce((a, b) => a + b);
  const ends: number[] = [];
  weights.reduce((a, w, i) => {
    ends[i] = a + w / sum;
    return ends[i] as number;
  }, 0);
  return Array.from({ length: o.lines }, () => {
    const x = r();
    let [low, high] = [0, ends.length - 1];
    while (low < high) {
      const mid = (low + high) >> 1;
      if ((ends[mid] as number) < x) low = mid + 1;
      else high = mid;
    }
    return { text: (all[low] as Template).make(r), of: low };
  });
}

/** Of all lines, those whose group is exactly the group of their template (Zhu et al., 2019). */
export function groupingAccuracy(groups: readonly (string | number)[], truth: readonly (string | number)[]): number {
  const sizes = new Map<string | number, number>();
  for (const t of truth) sizes.set(t, (sizes.get(t) ?? 0) + 1);
  const members = new Map<string | number, number[]>();
  groups.forEach((g, i) => {
    const m = members.get(g);
    if (m) m.push(i);
    else members.set(g, [i]);
  });
  let right = 0;
  for (const m of members.values()) {
    const t = truth[m[0] as number] as string | number;
    if (m.length === sizes.get(t) && m.every((i) => truth[i] === t)) right += m.length;
  }
  return right / groups.length;
}

/** What anyone would try first: numbers, addresses and hex out, the rest is the template. */
export const plainMask = (text: string): string =>
  text
    .replace(/\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b/g, '<*>')
    .replace(/0x[0-9a-f]+/gi, '<*>')
    .replace(/\d+/g, '<*>');
