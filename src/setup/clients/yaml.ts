/**
 * Settings in YAML: new lines right below the line of the map they belong to, or in the brackets of one that is written on a line. Where
 * things stand comes from the parser's own positions; the rest of the text, comments with it, is not touched.
 */
import { isMap, isScalar, LineCounter, type Pair, parseDocument, type YAMLMap } from 'yaml';
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
  type Trace,
  Unreadable,
} from './text.ts';

function documentOf(text: string) {
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const error = doc.errors[0];
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw new Unreadable(error.message, line, col);
  }
  return doc;
}

function parse(text: string): unknown {
  const doc = documentOf(text);
  try {
    return doc.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (thrown) {
    // An alias of nothing, or aliases of aliases without end.
    throw new Unreadable((thrown as Error).message, 1, 1);
  }
}

const keyOf = (spot: Spot): string => {
  if ('key' in spot && spot.container.length === 1) return spot.key;
  throw cannot('A list in YAML is not written to.');
};

/** Strings in JSON's quotes: the one form that says the same to every reader. */
const scalar = (value: Value): string => JSON.stringify(value);

function block(key: string, value: Value, indent: string, eol: string): string {
  if (Array.isArray(value) && value.length > 0)
    return `${indent}${key}:${eol}${value.map((v) => `${indent}  - ${scalar(v)}`).join(eol)}`;
  if (typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 0)
    return `${indent}${key}:${eol}${Object.entries(value)
      .map(([k, v]) => block(k, v, `${indent}  `, eol))
      .join(eol)}`;
  return `${indent}${key}: ${scalar(value)}`;
}

const flow = (value: Value): string =>
  Array.isArray(value)
    ? `[${value.map(flow).join(', ')}]`
    : typeof value === 'object'
      ? `{${Object.entries(value)
          .map(([k, v]) => `${k}: ${flow(v)}`)
          .join(', ')}}`
      : scalar(value);

function add(text: string, spot: Spot, value: Entry): Added {
  const key = keyOf(spot);
  const [outer = ''] = spot.container;
  const eol = eolOf(text);
  const doc = documentOf(text);
  const root = doc.contents;
  const at = (place: number, prefix: string, put: string, suffix: string, made: number): Added => ({
    text: text.slice(0, place) + prefix + put + suffix + text.slice(place),
    trace: { made, prefix, suffix },
  });
  const empty = root === null || (isScalar(root) && root.value === null);
  if (!empty && !isMap(root)) throw cannot('The whole file is no map.');
  const pair = empty ? undefined : pairOf(root as YAMLMap, outer);
  if (!pair) {
    if (!empty && (root as YAMLMap).flow) {
      const map = root as YAMLMap;
      return at(startOf(map) + 1, '', `${outer}: {${key}: ${flow(value)}}`, map.items.length ? ', ' : '', 2);
    }
    if (/^(?:\.\.\.|---)/m.test(text.slice(Math.max(0, text.lastIndexOf('\n...') + 1))) && /^\.\.\./m.test(text))
      throw cannot('The document is ended by a line of its own.');
    const ended = text === '' || text.endsWith('\n');
    const put = `${outer}:${eol}${block(key, value, '  ', eol)}`;
    return at(text.length, ended ? '' : eol, put, ended ? eol : '', 2);
  }
  const map = pair.value;
  if (isMap(map) && map.flow)
    return at(startOf(map) + 1, '', `${key}: ${flow(value)}`, map.items.length ? ', ' : '', 1);
  if (map !== null && !isMap(map) && !(isScalar(map) && map.value === null)) throw cannot(`“${outer}” is no map.`);
  // Below the line of the key, above the comments of what comes first there.
  const keyEnd = rangeOf(pair.key)[1];
  const place = nextLine(text, keyEnd);
  const first = isMap(map) ? map.items[0] : undefined;
  const indent = first ? indentAt(text, rangeOf(first.key)[0]) : `${indentAt(text, keyEnd)}  `;
  if (first && rangeOf(first.key)[0] < place) throw cannot(`“${outer}” begins on the line of its name.`);
  const put = block(key, value, indent, eol).slice(indent.length);
  return place === text.length && !text.endsWith('\n')
    ? at(place, eol + indent, put, '', 1)
    : at(place, indent, put, eol, 1);
}

type Ranged = { range?: [number, number, number] | null };
const rangeOf = (node: unknown): [number, number, number] => (node as Ranged | null)?.range ?? [0, 0, 0];
const startOf = (node: unknown): number => rangeOf(node)[0];
const pairOf = (map: YAMLMap, key: string): Pair | undefined =>
  map.items.find((p) => isScalar(p.key) && p.key.value === key);

/** From the key to the value's last character; null when the entry is not there. */
function spanOf(text: string, spot: Spot, made: number): { from: number; to: number; flow: boolean } | null {
  const root = documentOf(text).contents;
  const outer = isMap(root) ? pairOf(root, spot.container[0] as string) : undefined;
  const map = made > 1 ? root : outer?.value;
  const pair = made > 1 ? outer : isMap(map) ? pairOf(map, keyOf(spot)) : undefined;
  if (!pair || !isMap(map)) return null;
  const to = Math.max(lastOf(pair.value), rangeOf(pair.key)[1]);
  return {
    from: startOf(pair.key),
    to: to - (/\s*$/.exec(text.slice(0, to))?.[0].length ?? 0),
    flow: map.flow === true,
  };
}

/** A map's own range may reach over what follows it: the last thing in it does not. */
function lastOf(node: unknown): number {
  if (isMap(node) && !node.flow && node.items.length > 0) {
    const last = node.items.at(-1) as Pair;
    return Math.max(lastOf(last.value), rangeOf(last.key)[1]);
  }
  return rangeOf(node)[1];
}

function remove(text: string, spot: Spot, trace: Trace | null): string[] {
  const ways: string[] = [];
  const whole = trace && spanOf(text, spot, trace.made);
  const cut = trace && whole && cutAround(text, whole.from, whole.to, trace);
  if (typeof cut === 'string') ways.push(cut);
  const span = spanOf(text, spot, 1);
  if (!span) return ways;
  if (span.flow) {
    const comma = /^\s*,\s*/.exec(text.slice(span.to))?.[0].length ?? 0;
    const before = comma === 0 ? (/,\s*$/.exec(text.slice(0, span.from))?.[0].length ?? 0) : 0;
    ways.push(text.slice(0, span.from - before) + text.slice(span.to + comma));
  } else ways.push(text.slice(0, lineStart(text, span.from)) + text.slice(nextLine(text, span.to)));
  return ways;
}

function replace(text: string, spot: Spot, value: Entry): string {
  const span = spanOf(text, spot, 1);
  if (!span) throw cannot('The entry is not found any more.');
  const indent = indentAt(text, span.from);
  const put = span.flow
    ? `${keyOf(spot)}: ${flow(value)}`
    : block(keyOf(spot), value, indent, eolOf(text)).slice(indent.length);
  return text.slice(0, span.from) + put + text.slice(span.to);
}

export const yaml: Editor = { parse, add, replace, remove };
