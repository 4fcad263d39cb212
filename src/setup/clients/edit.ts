/**
 * One change of a settings file, from text to text, proved: read before and after, it must hold the same in all but our entry. What is not
 * proved is not handed out. Each editor only proposes.
 */
import { isDeepStrictEqual } from 'node:util';
import { OpsError } from '../../core/errors.ts';
import { jsonc } from './jsonc.ts';
import type { Addition, ClientSpec, Spot } from './spec.ts';
import { cannot, type Editor, type Trace, Unreadable } from './text.ts';
import { toml } from './toml.ts';
import { yaml } from './yaml.ts';

const EDITORS: Record<ClientSpec['format'], Editor> = { jsonc, toml, yaml };
const MARK = '\uFEFF';

export interface Put {
  text: string;
  /** One for each addition; null where it stood there already, or took another's place. */
  traces: (Trace | null)[];
  state: 'added' | 'same' | 'replaced';
}

type Tree = { [key: string]: unknown };
const isTree = (value: unknown): value is Tree =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

export function parseSettings(format: ClientSpec['format'], text: string, file: string): unknown {
  try {
    return EDITORS[format].parse(bare(text));
  } catch (thrown) {
    if (!(thrown instanceof Unreadable)) throw thrown;
    throw new OpsError(
      'validation',
      `${file}:${thrown.line}:${thrown.column} cannot be read: ${thrown.message}. Nothing was written.`,
      {
        hint: 'Mend that line first; or `deckhand client print` says what belongs into the file.',
      },
    );
  }
}

const bare = (text: string) => (text.startsWith(MARK) ? text.slice(1) : text);

export function entryAt(tree: unknown, spot: Spot): unknown {
  let at = tree;
  for (const key of spot.container) at = isTree(at) && Object.hasOwn(at, key) ? at[key] : undefined;
  if ('key' in spot) return isTree(at) && Object.hasOwn(at, spot.key) ? at[spot.key] : undefined;
  return Array.isArray(at) ? at.find((item) => isTree(item) && item.id === spot.id) : undefined;
}

/** Everything but the entries, and what is left empty around them. */
function besides(tree: unknown, spots: readonly Spot[]): unknown {
  return spots.reduce((t, spot) => without(t, spot, spot.container) ?? {}, tree ?? {});
}

function without(tree: unknown, spot: Spot, path: readonly string[]): unknown {
  const [key, ...rest] = path;
  if (key === undefined) {
    if ('key' in spot) return isTree(tree) ? kept(tree, spot.key, undefined) : tree;
    if (!Array.isArray(tree)) return tree;
    const left = tree.filter((item) => !(isTree(item) && item.id === spot.id));
    return left.length > 0 ? left : undefined;
  }
  if (!isTree(tree) || !Object.hasOwn(tree, key)) return tree;
  const inner = tree[key] === null ? undefined : without(tree[key], spot, rest);
  return kept(tree, key, inner);
}

function kept(tree: Tree, key: string, value: unknown): Tree | undefined {
  const entries = Object.entries(tree)
    .map(([k, v]) => [k, k === key ? value : v] as const)
    .filter(([k, v]) => k !== key || v !== undefined);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

interface File {
  format: ClientSpec['format'];
  text: string;
  file: string;
}

export function put({ format, text, file }: File, additions: readonly Addition[], replace: boolean): Put {
  const editor = EDITORS[format];
  const mark = text.startsWith(MARK) ? MARK : '';
  const before = parseSettings(format, text, file);
  let now = bare(text);
  const traces: (Trace | null)[] = [];
  let state: Put['state'] = 'same';
  for (const { spot, value } of additions) {
    const there = entryAt(before, spot);
    if (there === undefined) {
      const added = editor.add(now, spot, value);
      now = added.text;
      traces.push(added.trace);
      if (state === 'same') state = 'added';
    } else if (isDeepStrictEqual(plain(there), plain(value))) traces.push(null);
    else if (replace) {
      now = editor.replace(now, spot, value);
      traces.push(null);
      state = 'replaced';
    } else throw taken(file, spot);
  }
  if (!proved(editor, before, now, additions, additions))
    throw cannot(`${file} is written in a way that cannot be added to.`);
  return { text: mark + now, traces, state };
}

export interface Away {
  text: string;
  removed: boolean;
}

/** `traces` in the order of `spots`. */
export function takeOut({ format, text, file }: File, spots: readonly Spot[], traces: readonly (Trace | null)[]): Away {
  const editor = EDITORS[format];
  const mark = text.startsWith(MARK) ? MARK : '';
  parseSettings(format, text, file);
  let now = bare(text);
  let removed = false;
  // The last one that was put in comes out first.
  for (const [i, spot] of [...spots.entries()].reverse()) {
    const before = editor.parse(now);
    if (entryAt(before, spot) === undefined) continue;
    const way = editor
      .remove(now, spot, traces[i] ?? null)
      .find((t) => proved(editor, before, t, [], [{ spot, value: {} }]));
    if (way === undefined) throw cannot(`The entry in ${file} is written in a way that is not taken out here.`);
    now = way;
    removed = true;
  }
  return { text: mark + now, removed };
}

function proved(
  editor: Editor,
  before: unknown,
  text: string,
  stand: readonly Addition[],
  ours: readonly Addition[],
): boolean {
  const spots = ours.map((a) => a.spot);
  let after: unknown;
  try {
    after = editor.parse(text);
  } catch {
    return false;
  }
  if (!stand.every((a) => isDeepStrictEqual(plain(entryAt(after, a.spot)), plain(a.value)))) return false;
  if (stand.length === 0 && spots.some((s) => entryAt(after, s) !== undefined)) return false;
  return isDeepStrictEqual(plain(besides(after, spots)), plain(besides(before, spots)));
}

/** Parsers differ in the prototypes of what they make. Dates and the like stay what they are. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
}

function taken(file: string, spot: Spot): OpsError {
  const name = 'key' in spot ? spot.key : spot.id;
  return new OpsError('conflict', `${file} has another “${name}” already. Nothing was written.`, {
    hint: 'With --replace it is replaced (--dry-run shows how), or take another name with --name.',
  });
}

/** Names of entries that may be ours. */
export function ourNames(tree: unknown, container: readonly string[]): string[] {
  const [last = '', ...before] = [...container].reverse();
  const at = entryAt(tree, { container: before.reverse(), key: last });
  return isTree(at) ? Object.keys(at).filter((name) => name.startsWith('deckhand')) : [];
}
