/** Entries of Deckhand in clients' settings, as the command line asks for them: add, print, remove, undo. Says what was done; prints nothing. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { OpsError } from '../../core/errors.ts';
import { nearest } from '../../core/nearest.ts';
import { createRedactor } from '../../core/redact.ts';
import { CLIENTS } from './catalog.ts';
import { unified } from './difference.ts';
import { ourNames, parseSettings, put, takeOut } from './edit.ts';
import { readSettings, type Settings, writeSettings } from './file.ts';
import { bytesBefore, type Change, changesOf, digest, forget, keep } from './history.ts';
import { isThere, keptIn, type Machine, placeOf } from './places.ts';
import type { Addition, ClientSpec, Reach, Scope, Spot } from './spec.ts';
import type { Trace } from './text.ts';

export interface Target {
  spec: ClientSpec;
  scope: Scope;
  /** In place of the client's own. */
  config: string | null;
  machine: Machine;
  now: number;
  dryRun: boolean;
}

export interface Done {
  client: string;
  file: string;
  name: string;
  state: 'added' | 'same' | 'replaced' | 'removed' | 'absent' | 'restored';
  /** The file was made, or taken away again. */
  made: boolean;
  diff: string;
}

export function clientNamed(word: string): ClientSpec {
  const found = CLIENTS.find((c) => c.id === word);
  if (found) return found;
  const ids = CLIENTS.map((c) => c.id);
  const near = nearest(word, ids, 4);
  throw new OpsError('not_found', `No client “${word.slice(0, 60)}” is known.`, {
    hint: '`deckhand client list` names all; `deckhand client print generic` says what most others read.',
    ...(near.length > 0 ? { candidates: near } : {}),
  });
}

const fileOf = ({ spec, scope, config, machine }: Target) => config ?? placeOf(spec, scope, machine);

export function additionsOf(spec: ClientSpec, name: string, reach: Reach): Addition[] {
  const own = { spot: { container: spec.container, key: name }, value: spec.entry(reach, name) };
  return [own, ...(spec.beside?.(reach) ?? [])];
}

/** The whole of an empty file: what a person pastes, or reads. */
export function printed(spec: ClientSpec, name: string, reach: Reach): string {
  return put({ format: spec.format, text: '', file: 'the text' }, additionsOf(spec, name, reach), false).text;
}

export interface AddOptions {
  replace: boolean;
  /** Make the folder of a client that is not there. */
  create: boolean;
}

export function add(t: Target, name: string, reach: Reach, { replace, create }: AddOptions): Done {
  const file = fileOf(t);
  const plain = reach.kind === 'url' && reach.token && 'plain' in reach.token ? reach.token.plain : null;
  if (plain !== null && t.scope === 'project')
    throw new OpsError(
      'validation',
      `${t.spec.title} would have the token in a file of the project, which others get with it.`,
      {
        hint: 'Leave --scope out: your own settings are for you alone.',
      },
    );
  const from = readSettings(file);
  const folderMissing = from.bytes === null && !existsSync(dirname(from.real));
  if (folderMissing && t.scope === 'user' && !create && !(t.config === null && isThere(t.spec, t.machine)))
    throw new OpsError('not_found', `${dirname(file)} is not there: ${t.spec.title} seems not to be installed here.`, {
      hint: 'Start the client once, name its file with --config FILE, or have the folder made with --create.',
    });
  const made = put({ format: t.spec.format, text: from.text, file }, additionsOf(t.spec, name, reach), replace);
  const done = { client: t.spec.id, file, name, state: made.state, made: from.bytes === null && made.state !== 'same' };
  if (made.state === 'same') return { ...done, diff: '' };
  const diff = shown(from, made.text, plain);
  if (t.dryRun) return { ...done, diff };
  const kept = keptIn(t.machine);
  // A replaced entry stands where the first one was put in.
  const old = made.state === 'replaced' ? tracesOf(kept, t, file, name) : [];
  const traces = made.traces.map((trace, i) => trace ?? old[i] ?? null);
  const change = { did: made.state === 'added' ? ('add' as const) : ('replace' as const), name, traces };
  write(t, from, Buffer.from(made.text), change, { secret: plain !== null, makeFolder: folderMissing });
  return { ...done, diff };
}

export function remove(t: Target, name: string): Done {
  const file = fileOf(t);
  const from = readSettings(file);
  const done = { client: t.spec.id, file, name, made: false };
  if (from.bytes === null) return { ...done, state: 'absent', diff: '' };
  const tree = parseSettings(t.spec.format, from.text, file);
  const kept = keptIn(t.machine);
  const spots: Spot[] = [{ container: t.spec.container, key: name }];
  if (t.spec.asks) spots.push({ container: ['inputs'], id: `${name}-token` });
  const { text, removed } = takeOut(
    { format: t.spec.format, text: from.text, file },
    spots,
    tracesOf(kept, t, file, name),
  );
  if (!removed) {
    const others = ourNames(tree, t.spec.container);
    if (others.length === 0) return { ...done, state: 'absent', diff: '' };
    throw new OpsError('not_found', `${file} has no “${name}”.`, {
      hint: 'Say which with --name.',
      candidates: others,
    });
  }
  const diff = shown(from, text, null);
  // Made by us, with nothing else in it: gone as it came.
  const empty = text.trim() === '' && changesOf(kept, t.spec.id, file).some((c) => c.before === null);
  if (!t.dryRun) write(t, from, empty ? null : Buffer.from(text), { did: 'remove', name, traces: [] }, {});
  return { ...done, state: 'removed', made: empty, diff };
}

export function undo(t: Target): Done {
  const file = fileOf(t);
  const kept = keptIn(t.machine);
  const [last] = changesOf(kept, t.spec.id, file);
  if (!last)
    throw new OpsError('not_found', `Nothing was changed in ${file} that could be taken back.`, {
      hint: 'Say --scope or --config as when it was changed.',
    });
  const from = readSettings(file);
  const now = from.bytes === null ? GONE : digest(from.bytes);
  if (now !== last.after)
    throw new OpsError(
      'conflict',
      `${file} has changed since (${last.did} of “${last.name}”, ${last.at}). Nothing was written.`,
      {
        hint: `\`deckhand client remove ${t.spec.id} --name ${last.name}\` takes out the entry alone.`,
      },
    );
  const before = bytesBefore(kept, last);
  const diff = shown(from, before === null ? null : before.toString('utf8'), null);
  if (!t.dryRun) {
    writeSettings({ ...from, mode: last.mode }, before);
    forget(kept, last);
  }
  return { client: t.spec.id, file, name: last.name, state: 'restored', made: before === null, diff };
}

const GONE = 'gone';

function write(
  t: Target,
  from: Settings,
  bytes: Buffer | null,
  { did, name, traces }: Pick<Change, 'did' | 'name' | 'traces'>,
  how: Parameters<typeof writeSettings>[2],
): void {
  const kept = keptIn(t.machine);
  const change: Change = {
    ...{ client: t.spec.id, file: from.file, name, did, traces, mode: from.mode },
    at: new Date(t.now).toISOString().replace(/\.\d+Z$/, 'Z'),
    before: from.bytes ? digest(from.bytes) : null,
    after: bytes ? digest(bytes) : GONE,
  };
  const id = keep(kept, change, from.bytes);
  try {
    writeSettings(from, bytes, how);
  } catch (thrown) {
    forget(kept, { ...change, id });
    throw thrown;
  }
}

/** How that entry was put in, by the newest change that put one of its name. */
function tracesOf(kept: string, t: Target, file: string, name: string): (Trace | null)[] {
  return changesOf(kept, t.spec.id, file).find((c) => c.name === name && c.did !== 'remove')?.traces ?? [];
}

/** Settings hold secrets, and what is printed here may be read by an assistant. */
function shown(from: Settings, after: string | null, secret: string | null): string {
  const { text } = createRedactor({ values: secret === null ? [] : [secret] });
  return text(unified(from.file, from.bytes === null ? null : from.text, after));
}

export interface Listed {
  client: string;
  title: string;
  there: boolean;
  file: string | null;
  /** Entries whose names begin with `deckhand`; null: the file cannot be read. */
  names: string[] | null;
}

export function listed(machine: Machine): Listed[] {
  return CLIENTS.filter((spec) => spec.user !== null).map((spec) => {
    const row = { client: spec.id, title: spec.title, there: isThere(spec, machine) };
    try {
      const file = placeOf(spec, 'user', machine);
      const { text } = readSettings(file);
      return { ...row, file, names: namesIn(spec, text, file) };
    } catch {
      return { ...row, file: null, names: null };
    }
  });
}

function namesIn(spec: ClientSpec, text: string, file: string): string[] | null {
  try {
    return ourNames(parseSettings(spec.format, text, file), spec.container);
  } catch {
    return null;
  }
}

export { CLIENTS } from './catalog.ts';
export type { Machine } from './places.ts';
export type { ClientSpec, Reach, Scope } from './spec.ts';
