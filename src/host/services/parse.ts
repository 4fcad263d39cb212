/**
 * What systemctl prints, turned into records. Pure: `list-* --output=json` (systemd 246 and later) and `show`, which prints
 * KEY=value with a blank line between units. Decides what a missing or "[not set]" value is: null, never 0.
 */
import type { Reading } from '../../core/host.ts';
import type { Unit, UnitDependency, UnitExit, UnitRow } from '../../core/services.ts';
import { isTemplate, unitType } from '../../core/unit_refs.ts';
import { known, unknown } from '../system/files.ts';

/** In the order of Unit. ExecStart is asked for its program only. */
export const PROPERTIES = [
  ...['Id', 'Names', 'Description', 'LoadState', 'LoadError', 'ActiveState', 'SubState', 'UnitFileState', 'Type'],
  ...['StateChangeTimestamp', 'ExecMainStartTimestamp', 'ExecMainExitTimestamp', 'ExecMainCode', 'ExecMainStatus'],
  ...['MainPID', 'Result', 'NRestarts', 'Restart', 'StartLimitBurst', 'StartLimitIntervalUSec', 'StatusText'],
  ...['MemoryCurrent', 'MemoryMax', 'CPUUsageNSec', 'TasksCurrent', 'ControlGroup', 'ExecStart', 'User'],
  ...['FragmentPath', 'DropInPaths', 'NeedDaemonReload', 'Triggers', 'TriggeredBy', 'ActiveEnterTimestamp'],
  ...[
    'ConditionResult',
    'ConditionTimestamp',
    'Requires',
    'Requisite',
    'BindsTo',
    'Wants',
    'Conflicts',
    'ConflictedBy',
  ],
  ...['RequiredBy', 'RequisiteOf', 'BoundBy', 'ConsistsOf', 'PropagatesStopTo', 'CanStart', 'CanStop', 'CanReload'],
  'InvocationID',
] as const;

/** Enough of a dependency to say whether it is why. */
export const DEPENDENCY_PROPERTIES = ['Id', 'Names', 'LoadState', 'ActiveState', 'Result'] as const;

export type Properties = ReadonlyMap<string, string>;

/** One map for each unit. A key that comes twice keeps its first value: of several ExecStart lines the first is the program. */
export function parseShow(stdout: string): Properties[] {
  const units: Map<string, string>[] = [];
  for (const block of stdout.split(/\n\n+/)) {
    const found = new Map<string, string>();
    for (const line of block.split('\n')) {
      const at = line.indexOf('=');
      if (at > 0 && !found.has(line.slice(0, at))) found.set(line.slice(0, at), line.slice(at + 1));
    }
    if (found.size > 0) units.push(found);
  }
  return units;
}

/** The rows of a JSON list, or null where it is none (systemd before 246 prints columns). */
function rows(stdout: string): Record<string, unknown>[] | null {
  try {
    const parsed: unknown = JSON.parse(stdout);
    if (!Array.isArray(parsed)) return null;
    return parsed.filter((r): r is Record<string, unknown> => r !== null && typeof r === 'object' && !Array.isArray(r));
  } catch {
    return null;
  }
}

const word = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

/** `list-units` and `list-unit-files` as one list. What is not named as a unit is, is left out: it could not be asked for. */
export function parseLists(loaded: string, installed: string): UnitRow[] | null {
  const [units, files] = [rows(loaded), rows(installed)];
  if (!units || !files) return null;
  const found = new Map<string, UnitRow>();
  for (const u of units) {
    const name = word(u.unit) ?? '';
    const type = unitType(name);
    if (!type) continue;
    const [load, active, sub, description] = [word(u.load), word(u.active), word(u.sub), word(u.description)];
    found.set(name, { name, type, load, active, sub, description, fileState: null, template: false });
  }
  for (const f of files) {
    const name = word(f.unit_file) ?? '';
    const type = unitType(name);
    if (!type) continue;
    const row = found.get(name);
    const template = isTemplate(name);
    // An installed unit that is not in memory is inactive: systemd forgets those that nothing needs.
    const [active, sub] = template ? [null, null] : ['inactive', 'dead'];
    if (row) row.fileState = word(f.state);
    else
      found.set(name, { name, type, load: null, active, sub, description: null, fileState: word(f.state), template });
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export interface TimerRow {
  name: string;
  activates: string;
  nextMs: number | null;
  lastMs: number | null;
}

/** Microseconds since 1970; null, 0 and the largest number there is mean "never". */
export function parseTimers(stdout: string): TimerRow[] | null {
  const ms = (value: unknown) =>
    typeof value === 'number' && value > 0 && value < 2 ** 63 ? Math.floor(value / 1000) : null;
  return (
    rows(stdout)?.flatMap((t) => {
      const name = word(t.unit) ?? '';
      if (unitType(name) !== 'timer') return [];
      return [{ name, activates: word(t.activates) ?? '', nextMs: ms(t.next), lastMs: ms(t.last) }];
    }) ?? null
  );
}

/** "@1795269697", "Sat 2026-11-21 14:01:37 UTC", the same with microseconds; null for "never", and for any other zone. */
export function parseTimestamp(text: string | undefined): number | null {
  const unix = /^@(\d{1,12})(?:\.(\d{1,6}))?$/.exec(text ?? '');
  if (unix) return Number(unix[1]) * 1000 + Math.floor(Number(`0.${unix[2] ?? 0}`) * 1000) || null;
  const utc = /^[A-Z][a-z]{2} (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d{1,6})? UTC$/.exec(text ?? '');
  if (!utc) return null;
  const ms = Date.parse(`${utc[1]}T${utc[2]}${(utc[3] ?? '').slice(0, 4)}Z`);
  return Number.isNaN(ms) ? null : ms;
}

const HOUR_US = 3.6e9;
/** A month and a year as systemd counts them: 30.44 and 365.25 days. */
const UNIT_US: Record<string, number> = {
  ...{ us: 1, ms: 1e3, s: 1e6, min: 6e7, h: HOUR_US },
  ...{ d: 24 * HOUR_US, w: 168 * HOUR_US, month: 730.5 * HOUR_US, y: 8766 * HOUR_US },
};

/** "1min 30s" → 90000; "infinity" and what is no span: null. */
export function parseSpan(text: string | undefined): number | null {
  if (!text) return null;
  if (text === '0') return 0;
  let us = 0;
  for (const part of text.split(' ')) {
    const [, figure, unit = ''] = /^(\d+(?:\.\d+)?)([a-z]+)$/.exec(part) ?? [];
    const factor = UNIT_US[unit];
    if (figure === undefined || factor === undefined) return null;
    us += Number(figure) * factor;
  }
  return us / 1000;
}

/** "[not set]", "infinity" and 2^64-1 (what older ones print for both) are no figures. */
export function figure(text: string | undefined): number | null {
  if (!text || !/^\d{1,20}$/.test(text)) return null;
  const n = Number(text);
  return n >= 2 ** 63 ? null : n;
}

const HOW: Record<string, UnitExit['how']> = { 1: 'exited', 2: 'killed', 3: 'dumped' };

export function exitFrom(p: Properties): UnitExit | null {
  const how = HOW[p.get('ExecMainCode') ?? ''];
  const status = figure(p.get('ExecMainStatus'));
  return how && status !== null ? { how, status, atMs: parseTimestamp(p.get('ExecMainExitTimestamp')) } : null;
}

const words = (text: string | undefined): string[] => (text ? text.split(' ').filter(Boolean) : []);

const yes = (text: string | undefined): boolean | null => (text === 'yes' ? true : text === 'no' ? false : null);

const unitsOf = (p: Properties, keys: readonly string[]): string[] => [
  ...new Set(keys.flatMap((key) => words(p.get(key))).filter((name) => unitType(name) !== null)),
];

/** What it cannot do without: name → by which line of its file. */
export function needs(p: Properties): Map<string, string> {
  const found = new Map<string, string>();
  for (const by of ['BindsTo', 'Requisite', 'Requires'])
    for (const name of words(p.get(by))) if (unitType(name) && !found.has(name)) found.set(name, by);
  return found;
}

/** Failed, missing or masked; one that is merely not running is none, but for those of BindsTo and Requisite, which start nothing. */
export function failedAmong(wanted: ReadonlyMap<string, string>, found: readonly Properties[]): UnitDependency[] {
  return found.flatMap((p) => {
    const name = words(`${p.get('Id') ?? ''} ${p.get('Names') ?? ''}`).find((n) => wanted.has(n));
    if (name === undefined) return [];
    const [load, active] = [p.get('LoadState') ?? 'unknown', p.get('ActiveState') ?? 'unknown'];
    const by = wanted.get(name) ?? '';
    const gone = active === 'inactive' && by === 'Requisite';
    if (active !== 'failed' && !gone && !['not-found', 'masked', 'bad-setting', 'error'].includes(load)) return [];
    // Mounted or plugged by other means: that it has no file does not matter while it is there.
    if (active === 'active') return [];
    return [{ name, by, load, active, result: p.get('Result') || null }];
  });
}

export function unitFrom(p: Properties, asked: string): Unit {
  const text = (key: string): string | null => p.get(key) || null;
  const name = text('Id') ?? asked;
  const active = p.get('ActiveState') ?? 'unknown';
  const cgroup = text('ControlGroup');
  // What is not running has no processes, and so nothing to count: systemd then prints what was last, or nothing.
  const counted = (key: string, scale: number, what: string): Reading<number> => {
    if (!p.has(key)) return unknown(`A ${unitType(name) ?? 'unit'} has no processes of its own.`);
    if (cgroup === null) return unknown('It has no processes now.');
    const n = figure(p.get(key));
    return n === null ? unknown(`systemd does not count ${what} here (accounting is off).`) : known(n / scale);
  };
  const at = (key: string, why: string): Reading<number> => {
    const ms = parseTimestamp(p.get(key));
    return ms === null ? unknown(why) : known(ms);
  };
  const [burst, intervalMs] = [figure(p.get('StartLimitBurst')), parseSpan(p.get('StartLimitIntervalUSec'))];
  const conditionAt = parseTimestamp(p.get('ConditionTimestamp'));
  return {
    name,
    aliases: words(p.get('Names')).filter((n) => n !== name),
    type: unitType(name),
    description: text('Description'),
    load: p.get('LoadState') ?? 'unknown',
    loadError: /"(.*)"$/.exec(p.get('LoadError') ?? '')?.[1] ?? text('LoadError'),
    active,
    sub: p.get('SubState') ?? 'unknown',
    fileState: text('UnitFileState'),
    serviceType: unitType(name) === 'service' ? text('Type') : null,
    sinceMs: at('StateChangeTimestamp', 'systemd has not seen it in another state.'),
    startedAtMs: at('ActiveEnterTimestamp', 'systemd has not seen it active.'),
    mainPid: figure(p.get('MainPID')) || null,
    result: text('Result'),
    exit: exitFrom(p),
    restarts: figure(p.get('NRestarts')),
    restart: text('Restart'),
    startLimit: burst && intervalMs ? { burst, intervalMs } : null,
    status: text('StatusText'),
    memoryBytes: counted('MemoryCurrent', 1, 'memory'),
    cpuMs: counted('CPUUsageNSec', 1e6, 'CPU time'),
    tasks: cgroup === null ? null : figure(p.get('TasksCurrent')),
    memoryLimitBytes: figure(p.get('MemoryMax')),
    cgroup,
    program: /^\{ path=(.*?) ; argv/.exec(p.get('ExecStart') ?? '')?.[1] ?? null,
    user: text('User'),
    fragmentPath: text('FragmentPath'),
    dropIns: words(p.get('DropInPaths')),
    needsReload: p.get('NeedDaemonReload') === 'yes',
    triggers: words(p.get('Triggers')),
    triggeredBy: words(p.get('TriggeredBy')),
    pulls: unitsOf(p, ['Requires', 'Requisite', 'BindsTo', 'Wants']),
    stopsToo: unitsOf(p, ['RequiredBy', 'RequisiteOf', 'BoundBy', 'ConsistsOf', 'PropagatesStopTo']),
    conflicts: unitsOf(p, ['Conflicts', 'ConflictedBy']),
    can: { start: yes(p.get('CanStart')), stop: yes(p.get('CanStop')), reload: yes(p.get('CanReload')) },
    invocation: text('InvocationID'),
    skipped:
      p.get('ConditionResult') === 'no' && conditionAt !== null && active === 'inactive' ? { atMs: conditionAt } : null,
    failedDependencies: [],
  };
}
