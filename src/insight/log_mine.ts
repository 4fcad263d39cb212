/**
 * Tens of thousands of lines become some patterns, with how often each stood there and when, in the window and in the time before it.
 * Works on a stream: what is held is shapes (masked lines), of which there are few; where there are many, those of one pattern become one
 * in time. Errors, warnings and the rest are mined apart, so that no flood of the ones drowns the others. Pure.
 */
import { clusters, elastic, type Shape, templateOf } from './log_cluster.ts';
import { LEVELS, type Level } from './log_level.ts';
import { isMark, tokensOf, WILD, written } from './log_mask.ts';

export interface MinedLine {
  /** Clean: it may be shown. Without the time that stands in front. */
  text: string;
  atMs: number;
  level: Level | null;
  /** Of the time before the window, to compare with. */
  before: boolean;
}

export interface Pattern {
  template: string;
  /** One line of the window; null: it has none there. */
  example: string | null;
  count: number;
  /** In the time before. */
  before: number;
  firstMs: number;
  lastMs: number;
  /** The worst of its lines. */
  level: Level | null;
}

export interface Miner {
  /** A number for the line's shape, for `patternOf`. */
  push(line: MinedLine): number;
  end(): { patterns: Pattern[]; patternOf(shape: number): number };
}

interface Known {
  id: number;
  /** Its words, with blanks between them: as an array they would take several times the room. */
  key: string;
  example: string | null;
  before: number;
  /** Lines of it in all. */
  weight: number;
  count: number;
  firstMs: number;
  lastMs: number;
  level: Level | null;
}

const CLASSES = 3;
const classOf = (level: Level | null): number =>
  level === 'error' || level === 'fatal' ? 0 : level === 'warn' ? 1 : 2;

/** Shapes of one class that are held before those of one pattern become one: the later, the surer is what belongs together. */
const MOST_SHAPES = 20_000;
/** Characters of all of them. */
const MOST_HELD = 6_000_000;
/** Of shapes that have become one, with variables: those that a line is compared with, by its length. */
const MOST_COMPARED = 300;
/** With fewer words that stay, a shape would take in what is none of its kind. */
const LEAST_WORDS = 2;
const MOST_EXAMPLE = 400;
/** Words by which a line is told where there is no room for more shapes. */
const COARSE = 2;
const MOST_COARSE = 500;
const LONGEST_WORD = 40;

export function createMiner(o: { mostShapes?: number } = {}): Miner {
  const most = o.mostShapes ?? MOST_SHAPES;
  const held = { chars: 0 };
  const classes = Array.from({ length: CLASSES }, () => shapesOf(most, held));
  let ids = 0;
  /** Shapes that went into another one. */
  const into = new Map<number, number>();
  return {
    push(line) {
      const shapes = classes[classOf(line.level)] as ReturnType<typeof shapesOf>;
      const known = shapes.find(line.text, () => ids++, into);
      count(known, line);
      return known.id;
    },
    end() {
      const patterns: Pattern[] = [];
      const patternOfId = new Map<number, number>();
      for (const { all } of classes) {
        const known = all();
        const shapes = known.map(shapeOf);
        const groups = clusters(shapes);
        const templates = groups.map((g) => templateOf(shapes, g));
        const joined = elastic(templates);
        const at = new Map<number, number>();
        groups.forEach((group, g) => {
          const which = joined.of[g] as number;
          let n = at.get(which);
          if (n === undefined) {
            n = patterns.length;
            at.set(which, n);
            patterns.push(empty(written(joined.patterns[which] as string[])));
          }
          for (const i of group) {
            const shape = known[i] as Known;
            gather(patterns[n] as Pattern, shape);
            patternOfId.set(shape.id, n);
          }
        });
      }
      return {
        patterns,
        patternOf(shape) {
          let id = shape;
          for (let next = into.get(id); next !== undefined; next = into.get(id)) id = next;
          return patternOfId.get(id) ?? -1;
        },
      };
    },
  };
}

/** The shapes of one class. */
function shapesOf(most: number, held: { chars: number }) {
  let byKey = new Map<string, Known>();
  /** With variables that only showed when many were compared, by length. */
  let wide = new Map<number, { tokens: readonly string[]; known: Known }[]>();
  let full = false;
  let coarse = 0;

  const make = (key: string, id: number): Known => {
    const known: Known = {
      ...{ id, key, example: null, before: 0, weight: 0, count: 0 },
      ...{ firstMs: Number.POSITIVE_INFINITY, lastMs: Number.NEGATIVE_INFINITY, level: null },
    };
    byKey.set(key, known);
    held.chars += key.length + MOST_EXAMPLE;
    return known;
  };
  const room = () => byKey.size < most && held.chars < MOST_HELD;

  function compact(newId: () => number, into: Map<number, number>): void {
    const old = [...byKey.values()];
    const shapes = old.map(shapeOf);
    byKey = new Map();
    wide = new Map();
    for (const group of clusters(shapes)) {
      const only = old[group[0] as number] as Known;
      const tokens = templateOf(shapes, group);
      if (group.length === 1) byKey.set(only.key, only);
      const one = group.length === 1 ? only : make(tokens.join(' '), newId());
      for (const i of group) {
        const shape = old[i] as Known;
        if (shape === one) continue;
        merge(one, shape, into);
        held.chars -= shape.key.length + MOST_EXAMPLE;
      }
      if (!tokens.includes(WILD) || tokens.filter((t) => t !== WILD && !isMark(t)).length < LEAST_WORDS) continue;
      const same = wide.get(tokens.length);
      if (!same) wide.set(tokens.length, [{ tokens, known: one }]);
      else if (same.length < MOST_COMPARED) same.push({ tokens, known: one });
    }
    full = byKey.size > most / 2 || held.chars > MOST_HELD / 2;
  }

  return {
    all: () => [...byKey.values()],
    find(text: string, newId: () => number, into: Map<number, number>): Known {
      const tokens = tokensOf(text);
      const key = tokens.join(' ');
      const found = byKey.get(key) ?? wide.get(tokens.length)?.find((w) => fits(w.tokens, tokens))?.known;
      if (found) return found;
      if (!room() && !full) compact(newId, into);
      if (room()) return make(key, newId());
      // Lines without end that have nothing in common: told apart by how they begin, as long as that helps.
      const short = [...tokens.slice(0, COARSE).map((t) => (t.length > LONGEST_WORD ? WILD : t)), WILD].join(' ');
      const any = byKey.get(short) ?? (coarse >= MOST_COARSE ? byKey.get(WILD) : undefined);
      if (any) return any;
      coarse++;
      return make(coarse > MOST_COARSE ? WILD : short, newId());
    },
  };
}

const shapeOf = (k: Known): Shape => ({ tokens: k.key.split(' '), weight: k.weight });

function fits(template: readonly string[], tokens: readonly string[]): boolean {
  for (let p = 0; p < template.length; p++) if (template[p] !== WILD && template[p] !== tokens[p]) return false;
  return true;
}

function count(k: Known, { text, atMs, level, before }: MinedLine): void {
  k.weight++;
  k.level = worse(k.level, level);
  if (before) {
    k.before++;
    return;
  }
  k.count++;
  // Copied: a part of a line would hold the whole of it.
  k.example ??= Buffer.from(text.slice(0, MOST_EXAMPLE)).toString();
  if (atMs < k.firstMs) k.firstMs = atMs;
  if (atMs > k.lastMs) k.lastMs = atMs;
}

const worse = (a: Level | null, b: Level | null): Level | null =>
  a === null ? b : b === null || LEVELS.indexOf(a) >= LEVELS.indexOf(b) ? a : b;

function merge(one: Known, other: Known, into: Map<number, number>): void {
  gather(one, other);
  one.weight += other.weight;
  into.set(other.id, one.id);
}

const empty = (template: string): Pattern => ({
  ...{ template, example: null, count: 0, before: 0, level: null },
  ...{ firstMs: Number.POSITIVE_INFINITY, lastMs: Number.NEGATIVE_INFINITY },
});

function gather(p: Omit<Pattern, 'template'>, s: Omit<Pattern, 'template'>): void {
  p.count += s.count;
  p.before += s.before;
  p.example ??= s.example;
  p.firstMs = Math.min(p.firstMs, s.firstMs);
  p.lastMs = Math.max(p.lastMs, s.lastMs);
  p.level = worse(p.level, s.level);
}
