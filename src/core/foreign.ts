/**
 * Foreign text: what others can write (command lines, logs, labels, file contents). Here it is stripped of what a reader
 * cannot see, told apart from our own words, and fenced in the text rendering. Where it stands is declared by the
 * output schema (`foreign()` in schema.ts), so that no handler can forget it. Secrets are redact.ts's; when all this
 * happens is the door's.
 */
import type * as z from 'zod';

/**
 * Noncharacters: no foreign text holds them after `strip`, so they can carry, through any renderer, where foreign text
 * begins (with its source behind it) and ends. They never leave: `fence` and `plain` take them out.
 */
export const OPEN = '\uFDD0';
export const CLOSE = '\uFDD1';
const FIRST_SOURCE = 0xfdd2;
const MOST_SOURCES = 0xfdef - FIRST_SOURCE + 1;
/** Of schemas and answers alike. Deeper than any of ours; what lies below leaves as null. */
const DEEPEST = 32;

const PLAIN = /^[\x20-\x7e\n\t]*$/;
const ESCAPES = new RegExp(
  [
    '(?:\\x1b\\[|\\x9b)[0-?]*[ -/]*[@-~]?', // CSI: colours, cursor
    '(?:\\x1b\\]|\\x9d)[^\\x07\\x1b\\x9c\\n]*(?:\\x07|\\x1b\\\\|\\x9c)?', // OSC: titles, links (8), clipboard (52)
    '(?:\\x1b[PX^_]|[\\x90\\x98\\x9e\\x9f])[^\\x1b\\x9c\\n]*(?:\\x1b\\\\|\\x9c)?', // DCS, SOS, PM, APC
    '\\x1b[ -/]*[0-~]?',
  ].join('|'),
  'g',
);
/** Takes no room, turns the direction, or is no character: whatever could hide text from a reader, or reorder it. */
const UNSEEN =
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: each of them alone is meant
  /[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}\u{1fffe}\u{1ffff}\u{2fffe}\u{2ffff}\u{3fffe}-\u{dffff}\u{efffe}-\u{10ffff}]/gu;
/** A joiner is kept between two pictures, a selector behind one (or behind a keycap): anywhere else they only hide. */
const JOINERS =
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: each of them alone is meant
  /(?<!\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]?)\u200d|\u200d(?!\p{Extended_Pictographic})|(?<![\p{Extended_Pictographic}0-9#*\u20e3])[\ufe00-\ufe0f]/gu;

/** Without what cannot be seen. Line ends become \n; lone surrogates U+FFFD. Idempotent. */
export function strip(text: string): string {
  if (PLAIN.test(text)) return text;
  let was = text;
  // Taking one thing out can join two halves of another: twice is enough for all that is known, four times for sure.
  for (let round = 0; round < 4; round++) {
    const now = was
      .replace(/\r\n?/g, '\n')
      .replace(ESCAPES, '')
      .toWellFormed()
      .replace(UNSEEN, '')
      .replace(JOINERS, '');
    if (now === was) break;
    was = now;
  }
  return was;
}

/**
 * For who must see exactly what is there, and decides by it: what cannot be seen is written out as \u{…} instead of being
 * left out. Line ends and tabs stay.
 */
export function reveal(text: string): string {
  if (PLAIN.test(text)) return text;
  return Array.from(text, (c) => (strip(c) === c ? c : `\\u{${(c.codePointAt(0) as number).toString(16)}}`)).join('');
}

interface Node {
  source: number;
  path: string;
  /** Our own kept results: their marks are ours and stay. */
  kept: boolean;
  keys?: Map<string, Node>;
  each?: Node;
}

export interface CompiledForeign {
  root: Node;
  sources: string[];
}

/** Once for each tool: where the marks of its output schema stand. */
export function compileForeign(schema: z.ZodType): CompiledForeign {
  const sources: string[] = [];
  return { root: compile(schema, '', -1, false, sources, 0), sources };
}

interface Def {
  shape?: Record<string, z.ZodType>;
  element?: z.ZodType;
  valueType?: z.ZodType;
  innerType?: z.ZodType;
}

function compile(
  schema: z.ZodType,
  path: string,
  above: number,
  kept: boolean,
  sources: string[],
  depth: number,
): Node {
  const meta = schema.meta() as { foreign?: string; kept?: boolean } | undefined;
  const own = meta?.kept === true || kept;
  let source = above;
  if (meta?.foreign !== undefined) {
    source = sources.indexOf(meta.foreign);
    if (source < 0) source = sources.push(meta.foreign) - 1;
    if (source >= MOST_SOURCES) throw new Error(`more than ${MOST_SOURCES} sources of foreign text in one schema`);
  }
  const def = schema.def as unknown as Def;
  // A schema that holds itself, or one too deep to follow: a mark below would be lost without a word.
  if (depth > DEEPEST) throw new Error(`a schema deeper than ${DEEPEST} levels, at ${path}`);
  if (def.innerType) return compile(def.innerType, path, source, own, sources, depth + 1);
  const part = (key: string, s: z.ZodType) => compile(s, key, source, own, sources, depth + 1);
  if (def.shape) {
    const keys = Object.entries(def.shape).map(([k, s]) => [k, part(path ? `${path}.${k}` : k, s)] as const);
    return { source, path, kept: own, keys: new Map(keys) };
  }
  if (def.element) return { source, path, kept: own, each: part(`${path}[]`, def.element) };
  if (def.valueType) return { source, path, kept: own, each: part(`${path}.*`, def.valueType) };
  return { source, path, kept: own };
}

/**
 * One walk over an answer. Every string (and key) is stripped and redacted; in `marked` the foreign ones stand between
 * OPEN and CLOSE; `paths` are the foreign paths that occur. ⟦ and ⟧ of foreign text become [ and ]: a mark is ours or it
 * is none, and no foreign line can end a fence.
 */
export function shape(
  value: unknown,
  compiled: CompiledForeign,
  redactor: { text(s: string): string; deep<T>(v: T): T },
): { data: unknown; marked: unknown; paths: string[] } {
  const paths = new Set<string>();
  const clean = (s: string, node: Node) => {
    const seen = strip(s);
    return redactor.text(node.source >= 0 && !node.kept ? seen.replaceAll('⟦', '[').replaceAll('⟧', ']') : seen);
  };

  function walk(v: unknown, node: Node, depth: number): { data: unknown; marked: unknown } {
    if (typeof v === 'string') {
      const data = clean(v, node);
      if (node.source < 0 || data === '') return { data, marked: data };
      paths.add(node.path);
      return { data, marked: OPEN + String.fromCharCode(FIRST_SOURCE + node.source) + data + CLOSE };
    }
    if (typeof v !== 'object' || v === null) return { data: v, marked: v };
    if (depth > DEEPEST) return { data: null, marked: null };
    if (Array.isArray(v)) {
      const each = node.each ?? node;
      const data = new Array(v.length);
      const marked = new Array(v.length);
      let same = true;
      for (let i = 0; i < v.length; i++) {
        const w = walk(v[i], each, depth + 1);
        data[i] = w.data;
        marked[i] = w.marked;
        if (w.data !== w.marked) same = false;
      }
      return { data, marked: same ? data : marked };
    }
    const data: Record<string, unknown> = {};
    const marked: Record<string, unknown> = {};
    let same = true;
    for (const key of Object.keys(v)) {
      const part = (v as Record<string, unknown>)[key];
      if (part === undefined) continue;
      const next = node.keys?.get(key) ?? node.each ?? node;
      // Declared keys are our words; others (of records) are as foreign as their values.
      const name = node.keys?.has(key) ? key : clean(key, node.each ?? node);
      let w = walk(part, next, depth + 1);
      // A key can make a secret of its value: {"password": …}. Only now, when no mark in it can be a forged one.
      if (!node.keys?.has(key)) {
        const kept = redactor.deep({ [name]: w.data })[name];
        if (kept !== w.data) w = walk(kept, { ...next, kept: true }, depth + 1);
      }
      set(data, name, w.data);
      set(marked, name, w.marked);
      if (w.data !== w.marked) same = false;
    }
    return { data, marked: same ? data : marked };
  }

  const { data, marked } = walk(value, compiled.root, 0);
  return { data, marked, paths: [...paths] };
}

/** `__proto__` as a foreign key is a key like any other. */
function set(o: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(o, key, { value, enumerable: true, writable: true, configurable: true });
  else o[key] = value;
}

/** Unguessable for who wrote the foreign text before the answer was made. */
export const newNonce = (): string => crypto.randomUUID().slice(0, 8);

/**
 * Text rendered from `marked`: runs of lines that hold foreign text, or lie inside it, stand in one fence each. A
 * renderer may have clipped a string and lost one of its marks: then rather too much is fenced than too little.
 */
export function fence(text: string, nonce: string, sources: readonly string[]): string {
  const rows = text.split('\n').map((line) => ({ line, foreign: false, from: new Set<string>() }));
  let inside: string | null = null; // the source of what has begun and not ended
  let boundary = 0;
  for (const [i, row] of rows.entries()) {
    const { line } = row;
    if (inside !== null) {
      row.foreign = true;
      row.from.add(inside);
    }
    for (let at = 0; at < line.length; at++) {
      const code = line.charCodeAt(at);
      if (code === 0xfdd0) {
        inside = sources[line.charCodeAt(at + 1) - FIRST_SOURCE] ?? 'text'; // its source may be cut away
        row.foreign = true;
        row.from.add(inside);
        boundary = i + 1;
      } else if (code === 0xfdd1) {
        if (inside === null) for (const above of rows.slice(boundary, i)) above.foreign = true; // its beginning was cut away
        row.foreign = true;
        inside = null;
        boundary = i + 1;
      }
    }
  }
  const out: string[] = [];
  let block: string[] = [];
  const from = new Set<string>();
  const close = () => {
    if (block.length === 0) return;
    const names = [...from].join(', ') || 'text';
    out.push(`⟦untrusted ${nonce} ${names}⟧`, ...block, `⟦/untrusted ${nonce}⟧`);
    block = [];
    from.clear();
  };
  for (const row of rows) {
    if (row.foreign) {
      for (const s of row.from) from.add(s);
      block.push(plain(row.line));
    } else {
      close();
      out.push(row.line);
    }
  }
  close();
  return out.join('\n');
}

/** For a person's terminal: stripped, and without fences. */
export const plain = (text: string): string => text.replace(/[\uFDD0-\uFDEF]/g, '');
