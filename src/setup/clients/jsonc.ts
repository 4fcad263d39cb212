/**
 * Settings in JSON, also with comments and trailing commas. An entry becomes the first of its object, on lines of its own, so that no line
 * that stands there changes (a last line without a comma would). Where the object is on one line, it stays on one.
 */
import {
  createScanner,
  findNodeAtLocation,
  type Node,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from 'jsonc-parser';
import type { Entry, Spot, Value } from './spec.ts';
import {
  type Added,
  cannot,
  cutAround,
  type Editor,
  eolOf,
  indentAt,
  lineStart,
  nextLine,
  positionOf,
  type Trace,
  Unreadable,
  unitOf,
} from './text.ts';

// Of `const enum SyntaxKind`, which cannot be imported where types are only erased.
const LINE_COMMENT = 12;
const BLOCK_COMMENT = 13;
const LINE_BREAK = 14;
const TRIVIA = 15;

function tree(text: string): Node | undefined {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true, allowEmptyContent: true });
  const first = errors[0];
  if (first) {
    const { line, column } = positionOf(text, first.offset);
    throw new Unreadable(printParseErrorCode(first.error), line, column);
  }
  return root;
}

/** Not getNodeValue: a key may be `__proto__`. The last of two equal keys counts, as for JSON.parse. */
function told(node: Node): unknown {
  if (node.type === 'array') return (node.children ?? []).map(told);
  if (node.type !== 'object') return node.value;
  return Object.fromEntries((node.children ?? []).map((p) => [p.children?.[0]?.value, told(p.children?.[1] as Node)]));
}

function parse(text: string): unknown {
  const root = tree(text);
  return root ? told(root) : {};
}

/** The property or item itself, of the first `parts` of the path. */
function find(root: Node | undefined, spot: Spot, parts: number): Node | undefined {
  if (!root) return undefined;
  if (parts <= spot.container.length || 'key' in spot) {
    const path = [...spot.container, ...('key' in spot ? [spot.key] : [])].slice(0, parts);
    return findNodeAtLocation(root, path)?.parent;
  }
  const list = findNodeAtLocation(root, [...spot.container]);
  return list?.children?.find((item) => findNodeAtLocation(item, ['id'])?.value === spot.id);
}

function rendered(value: Value, unit: string, indent: string, eol: string): string {
  return JSON.stringify(value, null, unit).replaceAll('\n', eol + indent);
}

function add(text: string, spot: Spot, value: Entry): Added {
  const root = tree(text);
  const eol = eolOf(text);
  const unit = unitOf(text);
  let at = root;
  let known = 0;
  for (; at && known < spot.container.length; known++) {
    const inner = findNodeAtLocation(at, [spot.container[known] as string]);
    if (!inner) break;
    at = inner;
  }
  const path = [...spot.container, ...('key' in spot ? [spot.key] : [])];
  const toAdd = path.slice(known);
  const made = spot.container.length - known + 1;
  // What is new, from the outermost part inwards.
  const inner = 'key' in spot || toAdd.length === 0 ? value : [value];
  const whole = toAdd.slice(1).reduceRight<Value>((v, key) => ({ [key]: v }), inner);
  const key = toAdd[0];
  const item = (indent: string, compact = false) => {
    const body = compact ? JSON.stringify(whole) : rendered(whole, unit, indent, eol);
    return key === undefined ? body : `${JSON.stringify(key)}:${compact ? '' : ' '}${body}`;
  };
  if (!at) {
    const lead = text === '' || text.endsWith('\n') ? '' : eol;
    const prefix = `${lead}{${eol}${unit}`;
    const suffix = `${eol}}${eol}`;
    return { text: text + prefix + item(unit) + suffix, trace: { made, prefix, suffix } };
  }
  if (at.type !== (key === undefined ? 'array' : 'object'))
    throw cannot(
      `“${spot.container.slice(0, known).join('.') || 'The whole file'}” is no ${key === undefined ? 'list' : 'object'}.`,
    );
  const { place, prefix, suffix, indent, compact } = slot(text, at, eol, unit, root as Node);
  const put = item(indent, compact);
  return {
    text: text.slice(0, place) + prefix + put + suffix + text.slice(place),
    trace: { made, prefix, suffix },
  };
}

interface Slot {
  place: number;
  prefix: string;
  suffix: string;
  indent: string;
  compact: boolean;
}

function slot(text: string, node: Node, eol: string, unit: string, root: Node): Slot {
  const open = node.offset + 1;
  const close = node.offset + node.length - 1;
  const full = (node.children?.length ?? 0) > 0;
  const own = indentAt(text, node.offset);
  const oneLine =
    !text.slice(root.offset, root.offset + root.length).includes('\n') && (root.children?.length ?? 0) > 0;
  if (!full && !oneLine && /^[ \t]*$/.test(text.slice(open, close)))
    return { place: close, prefix: eol + own + unit, suffix: eol + own, indent: own + unit, compact: false };
  const end = lineEndAfter(text, open);
  if (end === null) {
    const spaced = text[open] === ' ';
    return { place: open, prefix: spaced ? ' ' : '', suffix: full ? ',' : '', indent: '', compact: true };
  }
  const first = node.children?.[0];
  const before = first ? text.slice(lineStart(text, first.offset), first.offset) : null;
  const indent = before !== null && /^[ \t]*$/.test(before) ? before : own + unit;
  return { place: end, prefix: eol + indent, suffix: full ? ',' : '', indent, compact: false };
}

/** Where the line of the bracket ends, past its comment; null when something else stands on it. */
function lineEndAfter(text: string, from: number): number | null {
  const scanner = createScanner(text, false);
  scanner.setPosition(from);
  for (;;) {
    const kind = Number(scanner.scan());
    if (kind === LINE_BREAK) return scanner.getTokenOffset();
    if (kind !== TRIVIA && kind !== LINE_COMMENT && kind !== BLOCK_COMMENT) return null;
  }
}

function replace(text: string, spot: Spot, value: Entry): string {
  const node = find(tree(text), spot, spot.container.length + 1);
  if (!node) throw cannot('The entry is not found any more.');
  const old = node.type === 'property' ? (node.children?.[1] as Node) : node;
  const compact = !text.slice(old.offset, old.offset + old.length).includes('\n') && !text.includes('\n');
  const body = compact ? JSON.stringify(value) : rendered(value, unitOf(text), indentAt(text, old.offset), eolOf(text));
  return text.slice(0, old.offset) + body + text.slice(old.offset + old.length);
}

function remove(text: string, spot: Spot, trace: Trace | null): string[] {
  const root = tree(text);
  const parts = spot.container.length + 1;
  const ways: string[] = [];
  if (trace) {
    const outer = find(root, spot, parts - trace.made + 1);
    const cut = outer && cutAround(text, outer.offset, outer.offset + outer.length, trace);
    if (typeof cut === 'string') ways.push(cut);
  }
  const node = find(root, spot, parts);
  if (node) ways.push(cutOut(text, node));
  return ways;
}

/** With its own line and comma; where it was the last, with the comma before it, which not every reader allows to stay. */
function cutOut(text: string, node: Node): string {
  const all = node.parent?.children ?? [];
  const last = all.at(-1) === node;
  const before = last ? all.at(-2) : undefined;
  const end = node.offset + node.length;
  const behind = /^\s*,/.exec(text.slice(end));
  let to = end + (behind?.[0].length ?? 0);
  let from = node.offset;
  const start = lineStart(text, from);
  const alone = /^[ \t]*$/.test(text.slice(start, from)) && start > 0;
  if (alone && /^[ \t]*\r?(?:\n|$)/.test(text.slice(to))) {
    from = start;
    to = nextLine(text, to);
  } else if (!alone) to += /^[ \t]*/.exec(text.slice(to))?.[0].length ?? 0;
  let rest = text.slice(0, from) + text.slice(to);
  if (before && !behind) {
    const comma = commaAfter(text, before.offset + before.length);
    if (comma !== null) rest = rest.slice(0, comma) + rest.slice(comma + 1);
  }
  return rest;
}

function commaAfter(text: string, from: number): number | null {
  const scanner = createScanner(text, true);
  scanner.setPosition(from);
  scanner.scan();
  return text[scanner.getTokenOffset()] === ',' ? scanner.getTokenOffset() : null;
}

export const jsonc: Editor = { parse, add, replace, remove };
