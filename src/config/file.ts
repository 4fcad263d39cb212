/**
 * The config file: whether it may be trusted and read, and which line says what. Finds every fault of the file itself (syntax,
 * unknown and doubled keys); whether a value fits its setting is decided in load.ts. Messages never quote the file's text: a line
 * that does not parse may hold a secret.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { Document, Node, YAMLMap } from 'yaml';
import { OpsError, toOpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Setting } from './settings.ts';

const MOST_BYTES = 1024 * 1024;
/** A config has no need of many; a bomb needs them by the thousand. */
const MOST_ALIASES = 20;
/** One slip makes the parser stumble over the lines that follow. */
const MOST_SYNTAX_ERRORS = 3;
/** So many faults get a nearest name; a file with more of them is another program's. */
const MOST_GUESSES = 50;
const NESTED = 'the file is nested too deeply.';

/** Who runs this process: decides whose write access to its config is another's. */
export interface Runner {
  uid: number;
  gid: number;
}

/** Reads a small file that only its owner and we may write. `what` names it in errors. */
export function readTrusted(path: string, what: string, runner: Runner, mostBytes = MOST_BYTES): string {
  // Non-blocking: opening a FIFO would otherwise wait for its writer for ever.
  const fd = guarded(path, what, () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw refuse(`${what} ${path} is not a regular file.`, 'Give the path of a text file.');
    const others = writers(stat, runner);
    if (others) throw refuse(`${what} ${path} can be changed by ${others}.`, mend(path, stat.uid, runner));
    const buffer = Buffer.alloc(mostBytes + 1);
    let length = 0;
    for (let n = -1; n !== 0 && length <= mostBytes; length += n)
      n = guarded(path, what, () => readSync(fd, buffer, length, buffer.length - length, null));
    if (length > mostBytes) throw refuse(`${what} ${path} is larger than ${mostBytes} bytes.`, 'Is it the right file?');
    return decode(buffer.subarray(0, length), path, what);
  } finally {
    closeSync(fd);
  }
}

function guarded<T>(path: string, what: string, io: () => T): T {
  try {
    return io();
  } catch (thrown) {
    const { code, details } = toOpsError(thrown);
    const why =
      code === 'not_found'
        ? 'does not exist'
        : code === 'permission'
          ? 'may not be read by this user'
          : `cannot be read (${details.errno ?? code})`;
    throw new OpsError('validation', `${what} ${path} ${why}.`, {
      hint:
        code === 'permission'
          ? `Run as its owner, or: chgrp <our group> ${path} && chmod 640 ${path}`
          : 'Check the path.',
      cause: thrown,
    });
  }
}

/**
 * Whoever can write our config decides what we do. Run by root, anybody else who can is a way up; run by a user, the whole world
 * or a group that is not the user's own is.
 */
function writers(stat: { uid: number; gid: number; mode: number }, { uid, gid }: Runner): string | null {
  if (stat.mode & 0o002) return 'everybody';
  if (stat.mode & 0o020 && stat.gid !== 0 && (uid === 0 || stat.gid !== gid)) return `group ${stat.gid}`;
  if (uid === 0 && stat.uid !== 0) return `user ${stat.uid}`;
  return null;
}

const mend = (path: string, owner: number, { uid }: Runner) =>
  uid === 0 && owner !== 0 ? `chown root:root ${path} && chmod go-w ${path}` : `chmod go-w ${path}`;

function decode(bytes: Uint8Array, path: string, what: string): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuse(`${what} ${path} is not UTF-8 text.`, 'Is it the right file?');
  }
  if (text.includes('\0')) throw refuse(`${what} ${path} is a binary file.`, 'Is it the right file?');
  return text;
}

const refuse = (message: string, hint: string) => new OpsError('validation', message, { hint });

export interface FileValue {
  /** `http.port`, or `redact.values_file`. */
  path: string;
  value: unknown;
  line: number;
  /** Line of a part of the value, e.g. [2] of a list. */
  lineOf(within: readonly PropertyKey[]): number;
}

export interface FileProblem {
  line: number;
  text: string;
  candidates?: string[];
}

/** Values by path with their lines, and everything wrong with the file as a file. */
export async function parseConfigText(
  text: string,
  known: readonly Setting[],
): Promise<{ values: FileValue[]; problems: FileProblem[] }> {
  // Loaded here only: most stdio starts have no config file, and the parser costs 5 ms.
  // By its default: the bundle's chunk for a CommonJS module exports nothing else.
  const { LineCounter, isAlias, isMap, isNode, isScalar, isSeq, parseDocument, visit } = (await import('yaml')).default;
  const counter = new LineCounter();
  const values: FileValue[] = [];
  const problems: FileProblem[] = [];
  const lineAt = (offset: number) => Math.max(1, counter.linePos(offset).line);

  let doc: Document.Parsed;
  try {
    doc = parseDocument(text, {
      lineCounter: counter,
      prettyErrors: false,
      stringKeys: true,
      resolveKnownTags: false,
      // Quadratic in the keys (35 s for a file of a megabyte); `doubled` below is not.
      uniqueKeys: false,
      // Not silent: that would also hide a second document.
      logLevel: 'error',
    });
  } catch {
    return { values, problems: [{ line: 1, text: NESTED }] };
  }
  const faults = [...doc.errors, ...doc.warnings];
  const exhausted = faults.find((f) => f.code === 'RESOURCE_EXHAUSTION');
  for (const fault of exhausted ? [exhausted] : faults.slice(0, MOST_SYNTAX_ERRORS))
    problems.push({ line: lineAt(fault.pos[0]), text: SYNTAX[fault.code] ?? 'this is not valid YAML.' });
  if (faults.length) return { values, problems };
  try {
    doc.toJS({ maxAliasCount: MOST_ALIASES });
  } catch {
    return {
      values,
      problems: [
        { line: 1, text: `an alias names no anchor above it, holds itself, or there are more than ${MOST_ALIASES}.` },
      ],
    };
  }

  const leaves = new Map(known.map((s) => [s.path, s]));
  const files = new Set(known.filter((s) => s.secret).map((s) => `${s.path}_file`));
  const groups = new Set(known.flatMap((s) => s.keys.slice(0, -1).map((_, i) => s.keys.slice(0, i + 1).join('.'))));

  const names = [...leaves.keys(), ...files, ...groups];

  const resolved = (node: unknown): unknown => (isAlias(node) ? node.resolve(doc) : node);
  const startOf = (node: unknown, otherwise: number) =>
    isNode(node) && node.range ? lineAt(node.range[0]) : otherwise;

  function leaf(path: string, node: unknown, keyLine: number) {
    const line = isScalar(resolved(node)) ? startOf(node, keyLine) : keyLine;
    visit(resolved(node) as Node | null, { Map: (_, map) => doubled(map, path) });
    values.push({
      path,
      value: isNode(node) ? node.toJS(doc, { maxAliasCount: MOST_ALIASES }) : (node ?? null),
      line,
      lineOf(within) {
        let at = resolved(node);
        let found = line;
        for (const step of within) {
          at = resolved(isSeq(at) || isMap(at) ? at.get(step, true) : undefined);
          found = startOf(at, found);
        }
        return found;
      },
    });
  }

  function doubled(map: YAMLMap, path: string) {
    const first = new Map<string, number>();
    for (const { key } of map.items) {
      const word = String(isScalar(key) ? key.value : key);
      const line = startOf(key, 1);
      const before = first.get(word);
      if (before === undefined) first.set(word, line);
      else problems.push({ line, text: `${name(path ? `${path}.${word}` : word)} stands on line ${before} already.` });
    }
  }

  function walk(map: YAMLMap, above: readonly string[]) {
    doubled(map, above.join('.'));
    for (const pair of map.items) {
      const keys = [...above, String(isScalar(pair.key) ? pair.key.value : pair.key)];
      const path = keys.join('.');
      const line = startOf(pair.key, 1);
      const node = resolved(pair.value);
      if (leaves.has(path) || files.has(path)) leaf(path, pair.value, line);
      else if (!groups.has(path)) {
        const near = problems.length < MOST_GUESSES ? nearest(path, names) : [];
        problems.push({
          line,
          text: `${name(path)} is not a setting${near.length ? ` (nearest: ${near[0]})` : ''}.`,
          candidates: near,
        });
      } else if (isMap(node)) walk(node, keys);
      else if (!(node === null || (isScalar(node) && node.value === null)))
        problems.push({ line, text: `${path} is not a value but a group; expected settings below it.` });
    }
  }

  const top = resolved(doc.contents as Node | null);
  if (isMap(top)) walk(top, []);
  else if (top !== null && !(isScalar(top) && top.value === null))
    problems.push({ line: startOf(top, 1), text: 'expected settings as `name: value`, not a single value or a list.' });
  return { values, problems };
}

const name = (path: string) => (/^[\w.-]{1,80}$/.test(path) ? path : JSON.stringify(path.slice(0, 80)));

/** Our words for the parser's codes; its own messages quote the file. */
const SYNTAX: Record<string, string | undefined> = {
  TAB_AS_INDENT: 'a tab stands where YAML needs spaces.',
  BAD_INDENT: 'the indentation does not fit the lines above.',
  MISSING_CHAR: 'a closing quote, bracket, comma or colon is missing.',
  MULTIPLE_DOCS: 'a second YAML document begins; only one is read.',
  BAD_ALIAS: 'an alias names no anchor above it.',
  NON_STRING_KEY: 'a key is not a plain word.',
  TAG_RESOLVE_FAILED: 'YAML tags (!something) are not used here.',
  RESOURCE_EXHAUSTION: NESTED,
};
