/**
 * A systemd in memory that reads unit files: enough of them to start, fail, need, conflict and be enabled as the real one does
 * (tests/services/contract.ts holds both to the same). Without files it is a host without systemd. Time is Date.now, which tests turn.
 */
import { OpsError } from '../../src/core/errors.ts';
import type { Reading } from '../../src/core/host.ts';
import type { ServiceHost, ServiceRules, Timer, Unit, UnitExit, UnitJob, UnitVerb } from '../../src/core/services.ts';
import { isTemplate, isUnitName, unitType } from '../../src/core/unit_refs.ts';
import { unit } from '../services/unit.ts';

export interface FakeSystemd {
  /** Name → text, as they would lie in /etc/systemd/system. */
  files?: Record<string, string>;
  masked?: readonly string[];
  rules?: Partial<ServiceRules>;
  self?: readonly string[];
  /** Who may change nothing: polkit refuses. */
  refused?: boolean;
  /** systemd's own units, beside those of files. */
  more?: readonly Partial<Unit>[];
}

export interface FakeServices extends ServiceHost {
  /** As `start web.service`, in order; questions are not among them. */
  asked: string[];
  /** For a test to bend. */
  unit(name: string): Unit;
  write(name: string, text: string): void;
}

type File = Map<string, string[]>;
const sections = (text: string): File => {
  const found: File = new Map();
  for (const line of text.replaceAll('\\\n', ' ').split('\n')) {
    const [, key, value] = /^\s*([A-Za-z]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key) found.set(key, [...(found.get(key) ?? []), value ?? '']);
  }
  return found;
};
const one = (f: File, key: string): string | null => f.get(key)?.at(-1) ?? null;
const words = (f: File, key: string): string[] => (f.get(key) ?? []).flatMap((v) => v.split(/\s+/).filter(Boolean));

const known = <T>(value: T): Reading<T> => ({ value });
const unknown = (why: string) => ({ value: null, why });

/** What becomes of the program: for ever, for so long, or an end at once. */
function fateOf(file: File): { endsAfterMs: number; exit: number } | null {
  const exec = one(file, 'ExecStart') ?? '';
  const sleeps = /^\/bin\/sleep (\d+(?:\.\d+)?)$/.exec(exec)?.[1];
  if (sleeps !== undefined) return Number(sleeps) > 100 ? null : { endsAfterMs: Number(sleeps) * 1_000, exit: 0 };
  if (exec === '/bin/true') return { endsAfterMs: 0, exit: 0 };
  if (exec === '/bin/false') return { endsAfterMs: 0, exit: 1 };
  const code = /exit (\d+)/.exec(exec)?.[1];
  if (code !== undefined) return { endsAfterMs: 0, exit: Number(code) };
  return { endsAfterMs: 0, exit: 203 };
}

export function fakeServices(o?: FakeSystemd): FakeServices {
  const files = new Map(Object.entries(o?.files ?? {}));
  const units = new Map<string, Unit>();
  const startedMs = new Map<string, number>();
  const asked: string[] = [];
  const changed = new Map<string, number>();
  let pids = 100;
  let runs = 0;
  const now = () => Date.now();

  function read(name: string, was?: Unit): Unit {
    const f = sections(files.get(name) ?? '');
    const type = unitType(name);
    const install = ['WantedBy', 'RequiredBy', 'Also', 'Alias'].some((k) => f.has(k));
    const masked = o?.masked?.includes(name) === true;
    const bad = !masked && type === 'service' && !one(f, 'ExecStart');
    return unit({
      ...{
        name,
        type,
        aliases: [],
        description: one(f, 'Description') ?? name,
        fileState: masked ? 'masked' : install ? 'disabled' : 'static',
      },
      ...{ active: 'inactive', sub: 'dead', sinceMs: unknown('not seen'), startedAtMs: unknown('not seen') },
      ...was,
      load: masked ? 'masked' : bad ? 'bad-setting' : 'loaded',
      serviceType: type === 'service' ? (one(f, 'Type') ?? 'simple') : null,
      restart: type === 'service' ? (one(f, 'Restart') ?? 'no') : null,
      program: one(f, 'ExecStart')?.split(' ')[0] ?? null,
      user: one(f, 'User'),
      fragmentPath: `/etc/systemd/system/${name}`,
      can: { start: true, stop: true, reload: f.has('ExecReload') },
      triggers: type === 'timer' ? [one(f, 'Unit') ?? name.replace(/timer$/, 'service')] : [],
      triggeredBy: [...files.keys()].filter((n) => n === name.replace(/service$/, 'timer') && n !== name),
      conflicts: [...words(f, 'Conflicts'), ...naming('Conflicts', name)],
      pulls: ['Requires', 'Requisite', 'BindsTo', 'Wants'].flatMap((k) => words(f, k)),
      stopsToo: ['Requires', 'BindsTo', 'PartOf', 'Requisite'].flatMap((k) => naming(k, name)),
    });
  }
  const naming = (key: string, name: string): string[] =>
    [...files].filter(([n, text]) => n !== name && words(sections(text), key).includes(name)).map(([n]) => n);
  const load = () => {
    for (const name of files.keys()) if (!isTemplate(name)) units.set(name, read(name, units.get(name)));
    for (const name of o?.masked ?? []) units.set(name, read(name, units.get(name)));
  };
  load();
  for (const more of o?.more ?? []) units.set(more.name ?? '', unit(more));

  const state = (u: Unit, active: string, sub: string) => {
    const pid = sub === 'running' ? ++pids : null;
    const cgroup = pid === null ? null : `/system.slice/${u.name}`;
    const uses = pid === null ? unknown('It has no processes now.') : known(4096 * pid);
    Object.assign(u, {
      active,
      sub,
      mainPid: pid,
      cgroup,
      memoryBytes: uses,
      cpuMs: pid === null ? uses : known(20),
      tasks: pid === null ? null : 1,
      sinceMs: known(now()),
    });
    if (active === 'active') u.startedAtMs = known(now());
  };
  const ended = (u: Unit, status: number) => {
    u.exit = { how: 'exited', status, atMs: now() } satisfies UnitExit;
    u.result = status === 0 ? 'success' : 'exit-code';
    startedMs.delete(u.name);
    state(u, status === 0 ? 'inactive' : 'failed', status === 0 ? 'dead' : 'failed');
  };
  const elapse = () => {
    for (const [name, at] of [...startedMs]) {
      const u = units.get(name) as Unit;
      const fate = fateOf(sections(files.get(name) ?? ''));
      if (!fate || now() - at < fate.endsAfterMs) continue;
      ended(u, fate.exit);
      if (u.restart === 'always' || (u.restart === 'on-failure' && fate.exit !== 0)) {
        Object.assign(u, { active: 'activating', sub: 'auto-restart', restarts: (u.restarts ?? 0) + 1 });
        startedMs.set(name, now());
      }
    }
  };

  function start(name: string): boolean {
    const u = units.get(name);
    if (u?.load !== 'loaded') return false;
    if (u.active === 'active') return true;
    const f = sections(files.get(name) ?? '');
    u.failedDependencies = [];
    for (const by of ['Requires', 'BindsTo'])
      for (const need of words(f, by))
        if (!start(need)) {
          const is = units.get(need);
          u.failedDependencies.push({
            name: need,
            by,
            load: is?.load ?? 'not-found',
            active: is?.active ?? 'inactive',
            result: is?.result ?? null,
          });
        }
    if (u.failedDependencies.length > 0) return false;
    for (const want of words(f, 'Wants')) start(want);
    for (const other of u.conflicts) if (units.get(other)?.active === 'active') stop(other);
    if (f.has('ConditionPathExists')) {
      u.skipped = { atMs: now() };
      return true;
    }
    u.skipped = null;
    u.invocation = `run-${++runs}`;
    u.restarts = 0;
    if (u.type !== 'service') {
      state(u, 'active', u.type === 'timer' ? 'waiting' : u.type === 'target' ? 'active' : 'listening');
      return true;
    }
    const fate = fateOf(f);
    if (u.serviceType === 'oneshot') {
      ended(u, fate?.exit ?? 0);
      if (u.active === 'inactive' && one(f, 'RemainAfterExit') === 'yes') state(u, 'active', 'exited');
      return u.active !== 'failed';
    }
    u.exit = null;
    u.result = 'success';
    state(u, 'active', 'running');
    startedMs.set(name, now());
    return true;
  }
  function stop(name: string): void {
    const u = units.get(name);
    if (!u || u.active === 'inactive' || u.active === 'failed') return;
    for (const other of u.stopsToo) stop(other);
    if (u.mainPid !== null) u.exit = { how: 'killed', status: 15, atMs: now() };
    startedMs.delete(name);
    state(u, 'inactive', 'dead');
  }
  const installed = (name: string, fileState: string): void => {
    const u = units.get(name);
    if (!u || u.fileState === fileState || u.fileState === 'static') return;
    u.fileState = fileState;
    for (const other of words(sections(files.get(name) ?? ''), 'Also')) installed(other, fileState);
  };

  const there = (): Reading<{ manager: 'systemd' }> =>
    o ? known({ manager: 'systemd' as const }) : unknown('systemd does not run here. process_list shows what runs.');
  const must = () => {
    const is = there();
    if (is.value === null) throw new OpsError('unavailable', is.why);
    elapse();
  };
  const proper = (name: string) => {
    if (!isUnitName(name)) throw new OpsError('validation', `${JSON.stringify(name)} is no name of a unit.`);
    if (isTemplate(name)) throw new OpsError('validation', `${name} is a template: only its instances run.`);
  };
  const absent = (name: string): Unit =>
    unit({
      name,
      type: unitType(name),
      load: 'not-found',
      loadError: `Unit ${name} not found.`,
      fileState: null,
      fragmentPath: null,
      program: null,
      serviceType: null,
    });
  const shown = (name: string): Unit =>
    structuredClone(units.get(name) ?? [...units.values()].find((u) => u.aliases.includes(name)) ?? absent(name));

  return {
    asked,
    rules: { allow: [], protect: [], ...o?.rules },
    self: () => o?.self ?? [],
    unit: (name) => units.get(name) as Unit,
    write(name, text) {
      files.set(name, text);
      changed.set(name, now());
      load();
    },
    available: there,
    async list({ types } = {}) {
      must();
      const rows = [...units.values()].map(({ name, type, load: l, active, sub, description, fileState }) => ({
        ...{ name, type: type ?? 'service', load: l, active, sub, description, fileState, template: false },
      }));
      const templates = [...files.keys()].filter(isTemplate).map((name) => ({
        ...{
          name,
          type: unitType(name) ?? 'service',
          load: null,
          active: null,
          sub: null,
          description: null,
          fileState: 'static',
          template: true,
        },
      }));
      const all = [...rows, ...templates].filter((u) => !types || types.includes(u.type));
      return { units: all.sort((a, b) => (a.name < b.name ? -1 : 1)), notRead: 0 };
    },
    async show(names) {
      must();
      if (names.length > 500) throw new OpsError('limit', `${names.length} units are too many to be shown at once.`);
      names.forEach(proper);
      return names.map(shown);
    },
    async timers() {
      must();
      return [...units.values()]
        .filter((u) => u.type === 'timer')
        .map((t): Timer => {
          const job = units.get(t.triggers[0] ?? '');
          const next = t.active === 'active' ? known(now() + 3_600_000) : unknown(`The timer is ${t.active}.`);
          const last = job?.exit?.atMs ? known(job.exit.atMs) : unknown('It has not fired, as far as systemd knows.');
          return {
            name: t.name,
            activates: t.triggers[0] ?? '',
            active: t.active,
            nextMs: next,
            lastMs: last,
            result: job?.exit ? job.result : null,
            exit: job?.exit ?? null,
          };
        });
    },
    async files(name) {
      must();
      proper(name);
      const text = files.get(name);
      return text === undefined
        ? unknown(`systemd has no unit ${name}.`)
        : known([{ path: `/etc/systemd/system/${name}`, text }]);
    },
    async changed(name) {
      must();
      proper(name);
      const at = changed.get(name);
      return files.has(name)
        ? known([{ path: `/etc/systemd/system/${name}`, atMs: at ?? 0, executable: false }])
        : unknown(`systemd has no unit ${name}.`);
    },
    async exposure(name) {
      must();
      proper(name);
      if (!name.endsWith('.service')) return unknown('Only services are scored.');
      return units.has(name)
        ? known({
            score: 9.6,
            worst: [{ name: 'PrivateNetwork=', weight: 0.5, why: 'Service has access to the host’s network' }],
          })
        : unknown('systemd-analyze gave no score.');
    },
    async control(name, verb, { timeoutMs: _ }): Promise<UnitJob> {
      must();
      proper(name);
      asked.push(`${verb} ${name}`);
      const u = units.get(name);
      if (o?.refused)
        throw new OpsError('permission', `systemd does not let this user ${verb} ${name}.`, {
          hint: '`deckhand doctor --polkit` prints the rule.',
        });
      if (!u) throw new OpsError('not_found', `systemd has no unit ${name} to ${verb}.`);
      if (u.load === 'masked' && verb !== 'stop' && verb !== 'reset-failed')
        throw new OpsError('conflict', `${name} is masked.`);
      return did(name, u, verb);
    },
  };

  function did(name: string, u: Unit, verb: UnitVerb): UnitJob {
    const done: UnitJob = { end: 'done', said: '' };
    switch (verb) {
      case 'start':
        return start(name) ? done : { end: 'failed', said: `Job for ${name} failed` };
      case 'stop':
        stop(name);
        return done;
      case 'restart': {
        const along = [...units.values()].filter(
          (other) => other.active === 'active' && u.stopsToo.includes(other.name),
        );
        stop(name);
        const ok = start(name);
        for (const other of along) start(other.name);
        return ok ? done : { end: 'failed', said: `Job for ${name} failed` };
      }
      case 'reload':
        if (!u.can.reload) throw new OpsError('conflict', `${name} cannot do that: systemd has no reload for it.`);
        return one(sections(files.get(name) ?? ''), 'ExecReload') === '/bin/false'
          ? { end: 'failed', said: `Job for ${name} failed` }
          : done;
      case 'enable':
        installed(name, 'enabled');
        return done;
      case 'disable':
        installed(name, 'disabled');
        return done;
      case 'reset-failed':
        if (u.active === 'failed') Object.assign(u, { active: 'inactive', sub: 'dead', result: 'success' });
        u.restarts = 0;
        return done;
    }
  }
}
