/**
 * Decides each setting's value: default < file < environment < flag. Everything wrong in any of the four is told in one error, each
 * with its place, what stands there and what would be right. The result is frozen: a new config is a new start.
 */
import { dirname, join, resolve } from 'node:path';
import { OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { credentialsFor } from './credentials.ts';
import { type Env, environment, surroundings } from './env.ts';
import { parseConfigText, type Runner, readTrusted } from './file.ts';
import { type Flags, type FlagValue, settingFlags } from './flags.ts';
import { settings } from './known.ts';
import { faultsOf } from './objects.ts';
import { surelyFits } from './plain.ts';
import type { Config } from './schema.ts';
import type { Setting } from './settings.ts';
import { show } from './shown.ts';

export const DEFAULT_FILE = '/etc/deckhand/config.yaml';
const MOST_SECRET_BYTES = 64 * 1024;
const MOST_PROBLEMS = 20;

export type From = 'default' | 'file' | 'env' | 'flag';
export interface Origin {
  from: From;
  /** `/etc/deckhand/config.yaml:12`, `DECKHAND_HTTP_PORT`, `--http-port`, or what the default is made from. */
  where: string;
}

export interface LoadInput {
  /** `settings` of parseFlags. */
  flags?: Flags;
  env?: Env;
  /** A file that must exist; before it counts `--config`, after it DECKHAND_CONFIG. */
  configFile?: string;
  cwd?: string;
  /** For tests: the file that may be missing, and who runs this. */
  defaultFile?: string;
  runner?: Runner;
}

export interface Loaded<C = Config> {
  config: C;
  origins: ReadonlyMap<string, Origin>;
  /** Where a part of a setting stands, to its line; null for what nobody has set. */
  whereOf?(setting: string, within: readonly PropertyKey[]): string | null;
  /** The file that was read. */
  file: string | null;
  /** Files of secrets that settings named. */
  secretFiles: readonly string[];
}

/** DECKHAND_* names that are no settings: the file's, the one that turns on the tests with real parts, and the folder of those. */
const OTHER_NAMES = new Set(['DECKHAND_CONFIG', 'DECKHAND_REAL', 'DECKHAND_LAB']);
/** Kubernetes and Docker links put the addresses of a service called "deckhand" into every neighbour's environment. */
const SERVICE_LINK = /^DECKHAND_(SERVICE_(HOST|PORT)|PORT)(_|$)/;

interface Given extends Origin {
  setting: Setting;
  value: unknown;
  /** Where a part of the value stands. */
  whereOf(within: readonly PropertyKey[]): string;
}

class Problems {
  readonly all: { where: string; text: string; candidates: readonly string[] }[] = [];
  add(where: string, text: string, candidates: readonly string[] = []) {
    this.all.push({ where, text, candidates });
  }
}

export const loadConfig = (input: LoadInput = {}): Promise<Loaded> =>
  loadSettings(settings(), input) as Promise<Loaded>;

/** For any list of settings, so that tests can use kinds that no setting has yet. */
export async function loadSettings(known: readonly Setting[], input: LoadInput): Promise<Loaded<unknown>> {
  const env = input.env ?? environment();
  const flags = input.flags ?? {};
  const cwd = input.cwd ?? process.cwd();
  const runner = input.runner ?? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const around = surroundings(env);
  const problems = new Problems();
  const read: string[] = [];
  const secretFiles = new Map(known.filter((s) => s.secret).map((s) => [`${s.path}_file`, s]));
  const passed = credentialsFor(around, (where, text) => problems.add(where, text));
  const pathFrom = (text: string, base: string) =>
    text.startsWith('~/') && around.home ? join(around.home, text.slice(2)) : resolve(base, text);

  /** The secret in a file of its own: a list has one text a line. */
  function readSecret(setting: Setting, path: unknown, base: string, origin: Origin): Given | null {
    if (typeof path !== 'string' || path === '') {
      problems.add(origin.where, `${setting.path}_file is ${show(path)}; expected the path of a file.`);
      return null;
    }
    const file = pathFrom(passed(`${setting.path}_file`, path, origin.where) as string, base);
    try {
      read.push(file);
      const text = readTrusted(file, 'the secret file', runner, MOST_SECRET_BYTES);
      const lines = text.split(/\r?\n/).filter((l) => l !== '');
      const value = setting.kind === 'texts' ? lines : text.replace(/\r?\n$/, '');
      return { setting, value, ...origin, whereOf: () => origin.where };
    } catch (thrown) {
      if (!(thrown instanceof OpsError)) throw thrown;
      problems.add(origin.where, `${thrown.message} ${thrown.details.hint ?? ''}`.trim());
      return null;
    }
  }

  // Lowest first: a later one overrides, and all are checked, so that a fault cannot hide below a flag.
  const given: Given[] = [];
  const take = (g: Given | null) => {
    if (g && !g.setting.secret) g.value = passed(g.setting.path, g.value, g.where);
    const twice = g?.setting.secret && given.some((o) => o.setting === g.setting && o.from === g.from);
    if (twice) problems.add(g.where, `${g.setting.path} and ${g.setting.path}_file are both given; use one.`);
    else if (g) given.push(g);
  };

  const file = chosenFile(flags, env, input, cwd);
  const text = readChosen(file, runner);
  if (text !== null) {
    const parsed = await parseConfigText(text, known);
    for (const p of parsed.problems) problems.add(`${file.path}:${p.line}`, p.text, p.candidates);
    for (const { path, value, line, lineOf } of parsed.values) {
      const where = `${file.path}:${line}`;
      const secret = secretFiles.get(path);
      if (secret) take(readSecret(secret, value, dirname(file.path), { from: 'file', where }));
      const setting = known.find((s) => s.path === path);
      if (setting) take({ setting, value, from: 'file', where, whereOf: (within) => `${file.path}:${lineOf(within)}` });
    }
  }

  const byEnv = new Map(known.map((s) => [s.env, s]));
  const fileByEnv = new Map([...secretFiles.values()].map((s) => [`${s.env}_FILE`, s]));
  for (const [name, value] of Object.entries(env)) {
    // Empty means not set: compose files write `NAME: ${NAME:-}`.
    if (!name.startsWith('DECKHAND_') || !value || OTHER_NAMES.has(name)) continue;
    const origin: Origin = { from: 'env', where: name };
    const setting = byEnv.get(name);
    const secret = fileByEnv.get(name);
    if (setting) take(fromWord(setting, value, origin, problems));
    else if (secret) take(readSecret(secret, value, cwd, origin));
    else if (!SERVICE_LINK.test(name)) {
      const near = nearest(
        name.slice('DECKHAND_'.length),
        [...byEnv.keys(), ...fileByEnv.keys()].map((n) => n.slice('DECKHAND_'.length)),
      );
      const full = near.map((n) => `DECKHAND_${n}`);
      problems.add(name, `no setting has this name${full.length ? ` (nearest: ${full[0]})` : ''}.`, full);
    }
  }

  const byFlag = new Map(known.map((s) => [s.flag, s]));
  for (const [name, value] of Object.entries(flags)) {
    if (name === 'config') continue;
    const origin: Origin = { from: 'flag', where: `--${name}` };
    const setting = byFlag.get(name);
    const secret = [...secretFiles.values()].find((s) => `${s.flag}-file` === name);
    if (setting) take(fromWord(setting, value, origin, problems));
    else if (secret) take(readSecret(secret, value, cwd, origin));
    else {
      const near = nearest(name, Object.keys(settingFlags(known))).map((n) => `--${n}`);
      problems.add(origin.where, `no setting has this name${near.length ? ` (nearest: ${near[0]})` : ''}.`, near);
    }
  }

  const config: Record<string, unknown> = {};
  const origins = new Map<string, Origin>();
  const won = new Map<string, Given>();
  for (const g of given) {
    const lower = won.get(g.setting.path);
    const checked = await check(g, problems);
    if (checked === undefined) continue;
    if (g.from === 'flag' && g.setting.flagNarrows && lower) mustNarrow(g, checked, lower, problems);
    const base = g.from === 'file' ? dirname(file.path) : cwd;
    won.set(g.setting.path, {
      ...g,
      value: g.setting.folder && checked !== null ? pathFrom(checked as string, base) : checked,
    });
  }
  for (const setting of known) {
    const g = won.get(setting.path);
    const value = g
      ? g.value
      : setting.standard !== undefined
        ? structuredClone(setting.standard)
        : madeDefault(setting, runner, around);
    if (value === undefined && !given.some((o) => o.setting === setting))
      problems.add(setting.path, `has no default here; set it in ${file.path}, ${setting.env} or --${setting.flag}.`);
    put(config, setting.keys, value);
    origins.set(setting.path, g ? { from: g.from, where: g.where } : { from: 'default', where: '' });
  }
  const segment = won.get('audit.segmentBytes');
  const { audit } = config as { audit?: { segmentBytes: number; keepBytes: number } };
  if (audit && audit.keepBytes < 2 * audit.segmentBytes) {
    const at = won.get('audit.keepBytes') ?? segment;
    problems.add(
      at?.where ?? 'default',
      `audit.keepBytes is ${audit.keepBytes}; expected at least twice audit.segmentBytes (${audit.segmentBytes}).`,
    );
  }

  if (problems.all.length) throw brokenConfig(problems);
  return {
    config: freeze(config),
    origins,
    whereOf: (setting, within) => won.get(setting)?.whereOf(within) ?? null,
    file: text === null ? null : file.path,
    secretFiles: read,
  };
}

function chosenFile(flags: Flags, env: Env, input: LoadInput, cwd: string): { path: string; must: boolean } {
  const wanted = flags.config ?? input.configFile ?? (env.DECKHAND_CONFIG || undefined);
  if (wanted === '' || (wanted !== undefined && typeof wanted !== 'string'))
    throw new OpsError('validation', '--config: expected the path of a file.', {
      hint: 'Write --config=/path/to/config.yaml.',
    });
  if (wanted) return { path: resolve(cwd, wanted), must: true };
  return { path: input.defaultFile ?? DEFAULT_FILE, must: false };
}

/** Only "is not there" makes the standard file optional: one that is there and cannot be read holds limits that its owner set. */
function readChosen({ path, must }: { path: string; must: boolean }, runner: Runner): string | null {
  try {
    return readTrusted(path, 'the config file', runner);
  } catch (thrown) {
    const errno = thrown instanceof OpsError ? (thrown.cause as NodeJS.ErrnoException | undefined)?.code : undefined;
    if (!must && errno === 'ENOENT') return null;
    throw thrown;
  }
}

/** A word of the environment or the command line, turned into what the file would have held. A wrong one stays a text. */
function fromWord(setting: Setting, word: FlagValue, origin: Origin, problems: Problems): Given | null {
  if (setting.secret) {
    const instead = origin.from === 'env' ? `${setting.env}_FILE` : `--${setting.flag}-file`;
    problems.add(
      origin.where,
      `${setting.path} is secret and others can see this place; put it in the file, or its path in ${instead}.`,
    );
    return null;
  }
  if (setting.kind === 'objects') {
    problems.add(origin.where, `${setting.path} is a list of maps; those are set in the file only.`);
    return null;
  }
  const words = (Array.isArray(word) ? word : [String(word)]).map((w) => w.trim());
  const [text = ''] = words;
  let value: unknown = setting.nullable && text === '' ? null : text;
  if (setting.kind === 'integer' && /^[+-]?\d{1,15}$/.test(text)) value = Number(text);
  if (setting.kind === 'boolean' && Object.hasOwn(BOOLEANS, text.toLowerCase())) value = BOOLEANS[text.toLowerCase()];
  if (setting.kind === 'texts' || setting.kind === 'choices')
    value = words
      .flatMap((w) => w.split(','))
      .map((w) => w.trim())
      .filter((w) => w !== '');
  return { setting, value, ...origin, whereOf: () => origin.where };
}

const BOOLEANS: Record<string, boolean> = {
  true: true,
  yes: true,
  on: true,
  1: true,
  false: false,
  no: false,
  off: false,
  0: false,
};

/** The checked value, or undefined after telling what is wrong with it. */
async function check({ setting, value, whereOf }: Given, problems: Problems): Promise<unknown> {
  if (setting.plain && surelyFits(setting.plain, value)) return value;
  const is = (at: string, got: unknown) =>
    `${at} ${setting.secret ? 'does not fit' : got === null ? 'has no value' : `is ${show(got)}`}`;
  // zod would put the default in its place: `port:` with nothing behind it is a slip, not a wish.
  const result = value === undefined ? null : (await setting.schema()).safeParse(value);
  if (result?.success) return result.data;
  if (setting.kind === 'objects' && !setting.secret && Array.isArray(value)) {
    for (const { within, text, near } of faultsOf(result?.error.issues ?? [], value, setting.parts, show))
      problems.add(whereOf(within), `${placeOf(setting, within)} ${text}`, near);
    return undefined;
  }
  for (const issue of result?.error.issues ?? []) {
    const at = placeOf(setting, issue.path);
    const got = issue.path.reduce<unknown>((v, k) => (v as Record<PropertyKey, unknown> | null)?.[k], value);
    const near = typeof got === 'string' && !setting.choices.includes(got) ? nearest(got, setting.choices) : [];
    problems.add(
      whereOf(issue.path),
      `${is(at, got)}; expected ${setting.expects}${near.length ? ` (nearest: ${near[0]})` : ''}.`,
      near,
    );
  }
  return undefined;
}

const placeOf = (setting: Setting, within: readonly PropertyKey[]): string =>
  within.reduce<string>((at, key) => at + (typeof key === 'number' ? `[${key}]` : `.${String(key)}`), setting.path);

function mustNarrow(flag: Given, wanted: unknown, lower: Given, problems: Problems) {
  const bound = lower.value as readonly string[];
  const beyond = (wanted as readonly string[]).filter((w) => !bound.includes(w) && !bound.includes('all'));
  if (beyond.length)
    problems.add(
      flag.where,
      `${beyond.join(', ')} is more than ${lower.where} allows (${bound.join(', ')}); a flag can only narrow ${flag.setting.path}.`,
    );
}

/** The one default that the machine decides. */
function madeDefault(
  setting: Setting,
  runner: Runner,
  around: { home: string | null; stateHome: string | null },
): string | undefined {
  if (setting.path !== 'state.dir') return undefined;
  if (runner.uid === 0) return '/var/lib/deckhand';
  const base = around.stateHome ?? (around.home && join(around.home, '.local/state'));
  return base ? join(base, 'deckhand') : undefined;
}

function put(target: Record<string, unknown>, keys: readonly string[], value: unknown) {
  let at = target;
  for (const key of keys.slice(0, -1)) {
    at[key] ??= {};
    at = at[key] as Record<string, unknown>;
  }
  at[keys.at(-1) as string] = value;
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value))
    for (const part of Object.values(Object.freeze(value))) freeze(part);
  return value;
}

function brokenConfig({ all }: Problems): OpsError {
  // The file's first, in the order of its lines; then the environment's and the flags'.
  const line = (where: string) => Number(/:(\d+)$/.exec(where)?.[1] ?? Number.MAX_SAFE_INTEGER);
  const told = all.toSorted((a, b) => line(a.where) - line(b.where)).slice(0, MOST_PROBLEMS);
  const lines = told.map(({ where, text }) => `${where}: ${text}`);
  if (all.length > 1) lines.unshift(`${all.length} problems in the configuration:`);
  if (all.length > told.length) lines.push(`and ${all.length - told.length} more.`);
  const candidates = [...new Set(told.flatMap((p) => p.candidates))];
  return new OpsError('validation', lines.join('\n'), {
    hint: 'docs/configuration.md lists every setting; `deckhand config` prints what counts here and where it comes from.',
    ...(candidates.length ? { candidates } : {}),
  });
}
