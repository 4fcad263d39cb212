/**
 * Which shapes of lines are one pattern. Shapes of one length are told apart by the words that come together: those as frequent as most
 * of a shape's words are its stem (after Brain: Yu et al., 2023); in the other columns a few different words are different patterns, many
 * are a variable. Then patterns that differ only in how many values stand in a row are brought together. Pure; about linear in words.
 */
import { isMark, WILD } from './log_mask.ts';

export interface Shape {
  tokens: readonly string[];
  /** Lines that had it. */
  weight: number;
}

/** Up to so many different words in a column are different patterns. */
const FEW = 4;
/** A word rarer than this beside the most frequent one of its shape is no part of the stem. */
const SHARE = 0.5;
/** Words that a group must have in common for each that differs; with fewer it is held together by chance. */
const HELD = 1;
/** So many words that are always together, in so many lines, are no values that met by chance. */
const SURE_WORDS = 2;
const SURE_LINES = 8;
/** What stands behind these is a value, however few of them there are. */
const NAMES_NEXT = new Set(['=', '"', "'", '`', 'user', 'username', 'host', 'hostname', 'node', 'domain']);
/** `GET`, `ERROR`: words of a protocol, no names. */
const CAPITALS = /^[A-Z]{2,}$/;
/** started, stopped, retrying: what happened is no value, however much happens. */
const VERBAL = /^[A-Za-z]{2,}(?:ed|ing)$/;
/** So much that stays must be in a pattern that takes in others. */
const LEAST_WORDS = 2;
/** Words that it may take in, for each that stays. */
const SWALLOWED = 0.5;
const MOST_ELASTIC = 200;

/** Indices into `shapes`, pattern by pattern; in each only shapes of one length. */
export function clusters(shapes: readonly Shape[]): number[][] {
  const byLength = new Map<number, number[]>();
  shapes.forEach((s, i) => {
    add(byLength, s.tokens.length, i);
  });
  return [...byLength].flatMap(([length, same]) => ofOneLength(shapes, same, length));
}

function add<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const found = map.get(key);
  if (found) found.push(value);
  else map.set(key, [value]);
}

function ofOneLength(shapes: readonly Shape[], all: number[], length: number): number[][] {
  const columns = Array.from({ length }, (_, p) => p);
  const out: number[][] = [];
  for (const same of byStem(shapes, all, columns, 1)) {
    // A stem of one common word (`for`, `to`) holds much together that is not: what is left of it is asked again.
    for (const part of again(shapes, same, columns)) split(shapes, part, columns, out);
  }
  return out;
}

const isWord = (t: string): boolean => !isMark(t) && !t.includes(WILD);

/** Deeper than this there is nothing left to tell apart. */
const MOST_ROUNDS = 4;

function again(shapes: readonly Shape[], group: number[], columns: readonly number[], round = 0): number[][] {
  if (group.length <= FEW || round >= MOST_ROUNDS) return [group];
  const [first = 0] = group;
  const open = columns.filter((p) => group.some((i) => shapes[i]?.tokens[p] !== shapes[first]?.tokens[p]));
  const common = columns.filter((p) => !open.includes(p) && isWord(shapes[first]?.tokens[p] ?? ''));
  const words = open.filter((p) => group.some((i) => isWord(shapes[i]?.tokens[p] ?? '')));
  if (common.length > words.length * HELD) return [group];
  const parts = byStem(shapes, group, open, SURE_WORDS);
  return parts.length === 1 ? parts : parts.flatMap((part) => again(shapes, part, columns, round + 1));
}

/** By the words that come together in these columns; those without so many of them stay together. */
function byStem(shapes: readonly Shape[], group: number[], columns: readonly number[], words: number): number[][] {
  if (group.length === 1) return [group];
  const often = new Map(columns.map((p) => [p, new Map<string, number>()]));
  for (const i of group) {
    const { tokens, weight } = shapes[i] as Shape;
    for (const [p, counts] of often) counts.set(tokens[p] as string, (counts.get(tokens[p] as string) ?? 0) + weight);
  }
  const stems = new Map<string, number[]>();
  for (const i of group) add(stems, stemOf((shapes[i] as Shape).tokens, often, words), i);
  return [...stems.values()];
}

/** The largest set of words that are equally frequent, and not rare beside the most frequent one. */
function stemOf(tokens: readonly string[], often: ReadonlyMap<number, Map<string, number>>, least: number): string {
  const counts = new Map<number, number>();
  let max = 0;
  const of = new Map<number, number>();
  for (const [p, words] of often) {
    const t = tokens[p] as string;
    if (t.includes(WILD) || isMark(t)) continue;
    const n = words.get(t) ?? 0;
    of.set(p, n);
    if (n > max) max = n;
    counts.set(n, (counts.get(n) ?? 0) + 1);
  }
  let best = 0;
  let most = 0;
  for (const [n, k] of counts) if (n >= max * SHARE && (k > most || (k === most && n > best))) [best, most] = [n, k];
  if (least > 1 && (most < least || best < SURE_LINES)) return '';
  return tokens.map((t, p) => (best > 0 && of.get(p) === best ? t : isMark(t) ? t : '')).join('\u0000');
}

/** By the column with the fewest words; a part has fewer shapes, so that a column too wide for all may be narrow in it. */
function split(shapes: readonly Shape[], group: number[], columns: readonly number[], out: number[][]): void {
  if (group.length === 1) {
    out.push(group);
    return;
  }
  let narrow = -1;
  let fewest = Number.POSITIVE_INFINITY;
  for (const p of columns) {
    const n = choices(shapes, group, p);
    if (n > 1 && n < fewest) [narrow, fewest] = [p, n];
  }
  if (narrow < 0) {
    out.push(group);
    return;
  }
  const parts = new Map<string, number[]>();
  for (const i of group) add(parts, (shapes[i] as Shape).tokens[narrow] as string, i);
  const others = columns.filter((p) => p !== narrow);
  for (const part of parts.values()) split(shapes, part, others, out);
}

/** How many different words stand there as words; 0: it is a variable. */
function choices(shapes: readonly Shape[], group: readonly number[], p: number): number {
  const words = new Set<string>();
  let named = false;
  let others = 0;
  for (const i of group) {
    const t = (shapes[i] as Shape).tokens[p] as string;
    if (words.has(t)) continue;
    words.add(t);
    if (!VERBAL.test(t) && ++others > FEW) return 0;
    if (!CAPITALS.test(t)) named = true;
  }
  if (words.size === 1) return 1;
  for (const t of words) if (t.includes(WILD)) return 0;
  const before = p === 0 ? '' : ((shapes[group[0] as number] as Shape).tokens[p - 1] as string);
  return named && NAMES_NEXT.has(before.toLowerCase()) ? 0 : words.size;
}

/** What all shapes of a pattern have in common. */
export function templateOf(shapes: readonly Shape[], group: readonly number[]): string[] {
  const [first = 0] = group;
  const tokens = [...(shapes[first] as Shape).tokens];
  for (const i of group)
    for (let p = 0; p < tokens.length; p++) if (tokens[p] !== (shapes[i] as Shape).tokens[p]) tokens[p] = WILD;
  return tokens;
}

/** Variables in a row are one, also with commas between them. */
export function collapsed(tokens: readonly string[]): string[] {
  const out: string[] = [];
  for (const t of tokens) {
    if (t === WILD && out.at(-1) === ',' && out.at(-2) === WILD) out.pop();
    else if (t !== WILD || out.at(-1) !== WILD) out.push(t);
  }
  return out;
}

/** Templates that are one pattern, whatever number of values stands in a row: which of the results each belongs to. */
export function elastic(templates: readonly (readonly string[])[]): { patterns: string[][]; of: number[] } {
  const patterns: string[][] = [];
  const lengths: Set<number>[] = [];
  const byText = new Map<string, number>();
  const of = templates.map((template) => {
    const short = collapsed(template);
    const key = short.join('\u0000');
    let at = byText.get(key);
    if (at === undefined) {
      at = patterns.length;
      byText.set(key, at);
      patterns.push(short);
      lengths.push(new Set());
    }
    lengths[at]?.add(template.length);
    return at;
  });
  // What was seen with several lengths takes in the rare lengths, of which too few were seen to tell values from words.
  const wide = patterns
    .map((p, i) => ({ p, i, words: wordsIn(p) }))
    .filter(({ words, i }) => (lengths[i]?.size ?? 0) > 1 && words >= LEAST_WORDS)
    .slice(0, MOST_ELASTIC);
  const isWide = new Set(wide.map((w) => w.i));
  const into = patterns.map((p, i) => {
    if (isWide.has(i)) return i;
    const words = wordsIn(p);
    return wide.find((w) => words - w.words <= w.words * SWALLOWED && covers(w.p, p))?.i ?? i;
  });
  return { patterns, of: of.map((at) => into[at] as number) };
}

const wordsIn = (tokens: readonly string[]): number => tokens.filter((t) => t !== WILD && !isMark(t)).length;

/** WILD takes one token or more. Two pointers with one way back: linear in most cases, never more than the product. */
function covers(pattern: readonly string[], tokens: readonly string[]): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let from = 0;
  while (t < tokens.length) {
    if (pattern[p] === WILD) {
      star = p++;
      from = ++t;
    } else if (pattern[p] === tokens[t]) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++from;
    } else return false;
  }
  return p === pattern.length;
}
