/**
 * Settings in TOML: a table at the end, which no line above can change. Where one begins and ends is guessed by its lines (a text over
 * several lines may look like a table); each guess is a way to be proved by the parser, so that a wrong one is never written.
 */
import { parse as read, TomlError } from 'smol-toml';
import type { Entry, Spot, Value } from './spec.ts';
import { type Added, cannot, cutAround, type Editor, eolOf, nextLine, type Trace, Unreadable } from './text.ts';

/** So many guesses at most. */
const MOST_WAYS = 200;

function parse(text: string): unknown {
  try {
    return read(text);
  } catch (thrown) {
    if (!(thrown instanceof TomlError)) throw thrown;
    throw new Unreadable(
      thrown.message.split('\n')[0]?.replace('Invalid TOML document: ', '') ?? '',
      thrown.line,
      thrown.column,
    );
  }
}

const bare = (key: string) => (/^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key));
const header = (path: readonly string[]) => `[${path.map(bare).join('.')}]`;

function inline(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (typeof value === 'object')
    return `{ ${Object.entries(value)
      .map(([k, v]) => `${bare(k)} = ${inline(v)}`)
      .join(', ')} }`;
  // JSON's escapes are TOML's, but for the one character that JSON leaves as it is.
  return JSON.stringify(value).replaceAll('\x7f', '\\u007F');
}

function table(spot: Spot, value: Entry, eol: string): string {
  const lines = Object.entries(value).map(([k, v]) => `${bare(k)} = ${inline(v)}`);
  return [header(pathOf(spot)), ...lines].join(eol);
}

function pathOf(spot: Spot): string[] {
  if (!('key' in spot)) throw cannot('A list in TOML is not written to.');
  return [...spot.container, spot.key];
}

function add(text: string, spot: Spot, value: Entry): Added {
  const eol = eolOf(text);
  const ended = text === '' || text.endsWith('\n');
  const blank = text === '' || /\n[ \t]*\r?\n$/.test(text) ? '' : eol;
  const prefix = ended ? blank : eol + eol;
  // The last line ends as the last line did.
  const suffix = ended ? eol : '';
  return { text: text + prefix + table(spot, value, eol) + suffix, trace: { made: 1, prefix, suffix } };
}

interface Block {
  from: number;
  /** Behind the last character of the last line that says something. */
  to: number;
}

function blocks(text: string, spot: Spot): Block[] {
  const path = pathOf(spot);
  const found: Block[] = [];
  const same = (line: string) => {
    const name = /^\s*\[(?!\[)(.*?)\]\s*(?:#.*)?$/.exec(line)?.[1];
    return name === undefined ? null : partsOf(name);
  };
  for (let at = 0; at < text.length && found.length < MOST_WAYS; at = nextLine(text, at)) {
    const parts = same(lineAt(text, at));
    if (!parts || parts.join('\0') !== path.join('\0')) continue;
    let said = at + lineAt(text, at).length;
    for (let next = nextLine(text, at); ; next = nextLine(text, next)) {
      const line = lineAt(text, next);
      const over = next >= text.length;
      const other = /^\s*\[/.test(line) && same(line)?.slice(0, path.length).join('\0') !== path.join('\0');
      if (over || other) found.push({ from: at, to: said });
      if (over || found.length >= MOST_WAYS) break;
      if (/^\s*[^\s#]/.test(line)) said = next + line.length;
    }
  }
  return found;
}

const lineAt = (text: string, at: number) => /^[^\r\n]*/.exec(text.slice(at, nextLine(text, at)))?.[0] ?? '';

/** `mcp_servers."my name"` */
function partsOf(name: string): string[] {
  return [...name.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|([^.\s]+)/g)].map((m) => m[1] ?? m[2] ?? m[3] ?? '');
}

function remove(text: string, spot: Spot, trace: Trace | null): string[] {
  const ways: string[] = [];
  for (const { from, to } of blocks(text, spot)) {
    const cut = trace && cutAround(text, from, to, trace);
    if (cut !== null) ways.push(cut);
    const end = nextLine(text, to);
    const above = /(?:^|\n)([ \t]*\r?\n)$/.exec(text.slice(0, from))?.[1] ?? '';
    const gap = above !== '' && (end >= text.length || /^[ \t]*\r?\n/.test(text.slice(end)));
    ways.push(text.slice(0, from - (gap ? above.length : 0)) + text.slice(end));
  }
  return ways;
}

/** Each block that may be it, with the new table in its place. Proved like any other way. */
function replace(text: string, spot: Spot, value: Entry): string {
  const without = (t: string) => {
    const root = read(t) as Record<string, Record<string, unknown> | undefined>;
    return root[spot.container[0] as string]?.['key' in spot ? spot.key : ''];
  };
  for (const { from, to } of blocks(text, spot)) {
    const made = text.slice(0, from) + table(spot, value, eolOf(text)) + text.slice(to);
    try {
      if (JSON.stringify(without(made)) === JSON.stringify(value)) return made;
    } catch {
      // A guess that was wrong: the next.
    }
  }
  throw cannot('The entry is written in a way that is not changed here.');
}

export const toml: Editor = { parse, add, replace, remove };
