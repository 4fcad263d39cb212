/**
 * Where a text that is not in a file was most likely meant to be: the line at which it begins to differ. Pure and bounded; how the line is
 * shown is the caller's business.
 */
export interface Near {
  /** From 1. */
  line: number;
  /** The line of the text that was looked for there. */
  wanted: string;
  how: 'white space' | 'case' | 'text';
}

const MOST_LINES = 20_000;
const MOST_WANTED = 60;
const LONGEST = 400;

export function nearestTo(find: string, lines: readonly string[]): Near | null {
  const wanted = find.split('\n').slice(0, MOST_WANTED);
  while (wanted.length > 1 && wanted[0]?.trim() === '') wanted.shift();
  while (wanted.length > 1 && wanted.at(-1)?.trim() === '') wanted.pop();
  const all = lines.length > MOST_LINES ? lines.slice(0, MOST_LINES) : lines;
  const at = wanted.length > 1 ? runOf(wanted, all) : null;
  if (at !== null) {
    const i = wanted.findIndex((w, k) => all[at + k] !== w);
    // All lines are there: it is at their ends that the text differs (a partial first or last line).
    const k = i < 0 ? 0 : i;
    const is = all[at + k];
    return is === undefined
      ? null
      : { line: at + k + 1, wanted: wanted[k] as string, how: howOf(wanted[k] as string, is) };
  }
  const longest = wanted.reduce((a, b) => (b.trim().length > a.trim().length ? b : a));
  return mostAlike(longest, all);
}

/** Where most of the lines follow one another, white space at their ends aside; null where not one of them is there. */
function runOf(wanted: readonly string[], lines: readonly string[]): number | null {
  const trimmed = wanted.map((w) => w.trim());
  let best = 0;
  let at: number | null = null;
  const places = new Map<string, number[]>();
  for (const [i, w] of trimmed.entries()) if (w !== '') places.set(w, [...(places.get(w) ?? []), i]);
  const scores = new Map<number, number>();
  for (let n = 0; n < lines.length; n++)
    for (const i of places.get((lines[n] as string).trim()) ?? []) {
      const score = (scores.get(n - i) ?? 0) + 1;
      scores.set(n - i, score);
      if (n - i >= 0 && score > best) {
        best = score;
        at = n - i;
      }
    }
  return at;
}

const flat = (s: string) => s.replace(/\s+/g, '');

function howOf(wanted: string, is: string): Near['how'] {
  if (flat(wanted) === flat(is)) return 'white space';
  return flat(wanted).toLowerCase() === flat(is).toLowerCase() ? 'case' : 'text';
}

/** By pairs of letters that both have. */
function mostAlike(wanted: string, lines: readonly string[]): Near | null {
  const pairs = pairsOf(wanted.slice(0, LONGEST));
  let best: { line: number; score: number } | null = null;
  for (const [n, full] of lines.entries()) {
    const line = full.slice(0, LONGEST * 4);
    const inner = line.toLowerCase().includes(wanted.trim().toLowerCase()) && wanted.trim() !== '';
    const score = inner ? 1 : alike(pairs, pairsOf(line.slice(0, LONGEST)));
    if (score > (best?.score ?? 0.3)) best = { line: n + 1, score };
    if (score === 1) break;
  }
  return best && { line: best.line, wanted, how: howOf(wanted, lines[best.line - 1] as string) };
}

function pairsOf(s: string): Map<string, number> {
  const text = s.trim().replace(/\s+/g, ' ').toLowerCase();
  const pairs = new Map<string, number>();
  for (let i = 0; i + 1 < text.length; i++) {
    const pair = text.slice(i, i + 2);
    pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
  }
  return pairs;
}

function alike(a: Map<string, number>, b: Map<string, number>): number {
  let both = 0;
  let all = 0;
  for (const [pair, n] of a) {
    all += n;
    both += Math.min(n, b.get(pair) ?? 0);
  }
  for (const n of b.values()) all += n;
  return all === 0 ? 0 : (2 * both) / all;
}
