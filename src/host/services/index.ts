/**
 * systemd, asked through `systemctl` and `systemd-analyze`: fixed arguments, bounded in bytes, units and time. Decides what is asked at
 * once and how often; whether there is a systemd is without.ts's, what its answers mean parse.ts's and said.ts's. Which unit may be
 * changed at all is decided by who calls `control`.
 */
import { OpsError } from '../../core/errors.ts';
import type { Bounded } from '../../core/host.ts';
import type { ServiceHost, ServiceRules, Timer, Unit } from '../../core/services.ts';
import { isTemplate, isUnitName } from '../../core/unit_refs.ts';
import type { Exec } from '../exec.ts';
import { known, type Root, unknown } from '../system/files.ts';
import { parseExposure } from './exposure.ts';
import { ownUnits } from './own.ts';
import {
  DEPENDENCY_PROPERTIES,
  exitFrom,
  failedAmong,
  needs,
  PROPERTIES,
  type Properties,
  parseLists,
  parseShow,
  parseTimers,
  unitFrom,
} from './parse.ts';
import { jobOf, notJson, refusal } from './said.ts';
import { changeTimes, unitFiles } from './unit_files.ts';
import { systemd } from './without.ts';

const TIMEOUT_MS = 10_000;
/** A unit's properties are about 2 KiB; a machine with thousands of mounts has thousands of units. */
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_ROWS = 5_000;
export const MAX_SHOWN = 500;
/** In one command: its arguments stay far below what the kernel takes, and its answer below MAX_BYTES. */
const BATCH = 100;
const MAX_NEEDED = 200;

/** What systemctl says to a style that it does not know, and to the option itself. */
const UNKNOWN_STAMP = /invalid value|timestamp/i;

const PLAIN = ['--no-pager', '--full'];

export interface ServicesOptions {
  exec: Exec;
  has: (binary: 'systemctl' | 'systemd-analyze') => boolean;
  /** Absent: nothing may be changed. */
  rules?: ServiceRules;
}

export function serviceHost(root: Root, o: ServicesOptions): ServiceHost {
  /** systemd has "unix" since 251; what came before has this one, since 247. */
  let stamps = '--timestamp=unix';

  const available = () => systemd(root, o.has);

  const run = async (args: readonly string[], signal: AbortSignal | undefined) => {
    const there = available();
    if (there.value === null) throw new OpsError('unavailable', there.why);
    return o.exec({
      binary: 'systemctl',
      args,
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_BYTES,
      ...(signal ? { signal } : {}),
    });
  };
  const ask = async (args: readonly string[], signal: AbortSignal | undefined): Promise<string> => {
    const { code, stdout, stderr } = await run(args, signal);
    if (code !== 0) throw refusal(stderr, code);
    return stdout;
  };

  const properties = async (
    names: readonly string[],
    keys: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<Properties[]> => {
    const all: Properties[] = [];
    for (let at = 0; at < names.length; at += BATCH) {
      const batch = names.slice(at, at + BATCH);
      const args = () => ['show', '--no-pager', stamps, `--property=${keys.join(',')}`, '--', ...batch];
      let answer = await run(args(), signal);
      if (answer.code !== 0 && stamps === '--timestamp=unix' && UNKNOWN_STAMP.test(answer.stderr)) {
        stamps = '--timestamp=us+utc';
        answer = await run(args(), signal);
      }
      if (answer.code !== 0) throw refusal(answer.stderr, answer.code);
      const found = parseShow(answer.stdout);
      // One block for each name, in their order: otherwise one unit's state would be told as another's.
      if (found.length !== batch.length)
        throw new OpsError('unavailable', `systemctl told of ${found.length} units where ${batch.length} were asked.`);
      all.push(...found);
    }
    return all;
  };

  const show = async (units: readonly string[], { signal }: Bounded = {}): Promise<Unit[]> => {
    if (units.length > MAX_SHOWN)
      throw new OpsError('limit', `${units.length} units are too many to be shown at once.`, {
        hint: `Ask for at most ${MAX_SHOWN}.`,
      });
    for (const unit of units) oneThatRuns(unit);
    const names = [...new Set(units)];
    const found = await properties(names, PROPERTIES, signal);
    // Only what does not run can have been kept from it.
    const wanted = new Map<string, Map<string, string>>();
    const asked = new Set<string>();
    found.forEach((p, i) => {
      if (p.get('ActiveState') === 'active' || p.get('LoadState') !== 'loaded') return;
      const needed = needs(p);
      wanted.set(names[i] ?? '', needed);
      for (const name of needed.keys()) if (asked.size < MAX_NEEDED && !isTemplate(name)) asked.add(name);
    });
    const dependencies = await properties([...asked], DEPENDENCY_PROPERTIES, signal);
    const shown = new Map(
      found.map((p, i): [string, Unit] => {
        const name = names[i] ?? '';
        const failedDependencies = failedAmong(wanted.get(name) ?? new Map(), dependencies);
        return [name, { ...unitFrom(p, name), failedDependencies }];
      }),
    );
    return units.flatMap((name) => shown.get(name) ?? []);
  };

  return {
    available,
    show,
    rules: o.rules ?? { allow: [], protect: [] },
    self: () => ownUnits(),
    async files(unit, { signal } = {}) {
      const [is] = await show([unit], signal ? { signal } : {});
      if (!is || is.load === 'not-found') return unknown(`systemd has no unit ${unit}.`);
      return unitFiles(root, [...(is.fragmentPath === null ? [] : [is.fragmentPath]), ...is.dropIns]);
    },
    async changed(unit, { signal } = {}) {
      const [is] = await show([unit], signal ? { signal } : {});
      if (!is || is.load === 'not-found') return unknown(`systemd has no unit ${unit}.`);
      return known(
        changeTimes(
          root,
          [is.fragmentPath, ...is.dropIns, is.program].filter((p) => p !== null),
        ),
      );
    },
    async exposure(unit, { signal } = {}) {
      oneThatRuns(unit);
      if (!unit.endsWith('.service')) return unknown('Only services are scored.');
      if (!o.has('systemd-analyze')) return unknown('systemd-analyze is not to be found.');
      const there = available();
      if (there.value === null) return unknown(there.why);
      const args = ['security', '--no-pager', '--', unit];
      const request = { binary: 'systemd-analyze' as const, args, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES };
      const { stdout, stderr } = await o.exec({ ...request, ...(signal ? { signal } : {}) });
      const found = parseExposure(stdout);
      return found
        ? known(found)
        : unknown(`systemd-analyze gave no score: ${stderr.trim().split('\n')[0]?.slice(0, 200)}`);
    },
    async control(unit, verb, { timeoutMs, signal }) {
      oneThatRuns(unit);
      const there = available();
      if (there.value === null) throw new OpsError('unavailable', there.why);
      // Nobody sits at a terminal to be asked for a password.
      const args = [verb, '--no-ask-password', '--no-pager', '--', unit];
      const request = { binary: 'systemctl' as const, args, timeoutMs, maxBytes: MAX_BYTES };
      try {
        const { code, stderr } = await o.exec({ ...request, ...(signal ? { signal } : {}) });
        return jobOf(unit, verb, code, stderr);
      } catch (thrown) {
        // Only our waiting has ended: the job is systemd's, and goes on.
        if (thrown instanceof OpsError && thrown.code === 'timeout' && !signal?.aborted)
          return { end: 'late', said: '' };
        throw thrown;
      }
    },
    async list({ types, signal } = {}) {
      const of = types ? [`--type=${types.join(',')}`] : [];
      const [loaded, installed] = await Promise.all([
        ask(['list-units', '--all', '--plain', '--no-legend', ...PLAIN, ...of, '--output=json'], signal),
        ask(['list-unit-files', '--no-legend', ...PLAIN, ...of, '--output=json'], signal),
      ]);
      const units = parseLists(loaded, installed);
      if (!units) throw notJson();
      return { units: units.slice(0, MAX_ROWS), notRead: Math.max(0, units.length - MAX_ROWS) };
    },
    async timers({ signal } = {}) {
      const rows = parseTimers(
        await ask(['list-timers', '--all', '--no-legend', ...PLAIN, '--output=json'], signal),
      )?.slice(0, MAX_SHOWN);
      if (!rows) throw notJson();
      const names = [...new Set(rows.flatMap((t) => [t.name, t.activates]))].filter(
        (n) => isUnitName(n) && !isTemplate(n),
      );
      const keys = ['Id', 'ActiveState', 'Result', 'ExecMainCode', 'ExecMainStatus', 'ExecMainExitTimestamp'];
      const found = await properties(names, keys, signal);
      const of = new Map(names.map((name, i) => [name, found[i]]));
      return rows.map((t): Timer => {
        const active = of.get(t.name)?.get('ActiveState') ?? 'unknown';
        const job = of.get(t.activates);
        const exit = job ? exitFrom(job) : null;
        const stopped = active === 'active' ? 'Nothing that it waits for will come.' : `The timer is ${active}.`;
        return {
          name: t.name,
          activates: t.activates,
          active,
          nextMs: t.nextMs === null ? unknown(stopped) : known(t.nextMs),
          lastMs: t.lastMs === null ? unknown('It has not fired, as far as systemd knows.') : known(t.lastMs),
          // "success" is also what stands there before the first run.
          result: job?.get('Result') === 'success' && !exit ? null : (job?.get('Result') ?? null),
          exit,
        };
      });
    },
  };
}

/** What becomes an argument of systemctl is a name and nothing else, and of something that can run. */
function oneThatRuns(unit: string): void {
  if (!isUnitName(unit))
    throw new OpsError('validation', `${JSON.stringify(unit.slice(0, 80))} is no name of a unit.`, {
      hint: 'Write it with its suffix, for example nginx.service.',
    });
  if (isTemplate(unit))
    throw new OpsError('validation', `${unit} is a template: only its instances run.`, {
      hint: `Name one, for example ${unit.replace('@.', '@NAME.')}.`,
    });
}
