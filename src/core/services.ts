/**
 * The service manager behind one interface, and the records it gives back: units as systemd tells them, raw (milliseconds, bytes,
 * its own words for states and results). What an exit code means is insight/service_exit.ts; which unit may be changed, insight/unit_guard.ts.
 */
import type { Bounded, Reading } from './host.ts';
import type { UnitType } from './unit_refs.ts';

export interface ServiceHost {
  /** What the owner lets us change. */
  readonly rules: ServiceRules;
  /** Units that this very process runs in, as its own cgroup names them: its service, or the session of who launched it. */
  self(): readonly string[];
  /** Is there a systemd to ask? A look that costs microseconds; the reason says what works instead. */
  available(): Reading<{ manager: 'systemd' }>;
  /** All that is loaded, and what is only installed; one line each, sorted by name. */
  list(o?: Bounded & { types?: readonly UnitType[] }): Promise<UnitList>;
  /** In the order asked. A unit that does not exist is there with `load: 'not-found'`. At most 500 at once. */
  show(units: readonly string[], o?: Bounded): Promise<Unit[]>;
  timers(o?: Bounded): Promise<Timer[]>;
  /** Its file and drop-ins as they are on the disk, with their paths; secrets are still in them. */
  files(unit: string, o?: Bounded): Promise<Reading<{ path: string; text: string }[]>>;
  /** When its file, its drop-ins and the program of its first ExecStart were last put there, newest first; what is not there is left out. */
  changed(unit: string, o?: Bounded): Promise<Reading<UnitFile[]>>;
  /** `systemd-analyze security`: 0 (safe) to 10, and what weighs most. */
  exposure(
    unit: string,
    o?: Bounded,
  ): Promise<Reading<{ score: number; worst: { name: string; weight: number; why: string }[] }>>;
  /**
   * Asks systemd for it and waits until its job has ended, at most `timeoutMs`. Says nothing about how the unit is afterwards: `show` does.
   * `permission` where polkit or systemd refused, `conflict` where the unit cannot do that, `not_found`.
   */
  control(unit: string, verb: UnitVerb, o: Bounded & { timeoutMs: number }): Promise<UnitJob>;
}

export interface ServiceRules {
  /** Names with `*`: these may be changed. */
  readonly allow: readonly string[];
  /** Names with `*`: these never. */
  readonly protect: readonly string[];
}

export interface UnitFile {
  path: string;
  atMs: number;
  /** A plain file that somebody may execute. */
  executable: boolean;
}

export interface UnitJob {
  /** `late`: it has not ended within the time, and goes on. */
  end: 'done' | 'failed' | 'late';
  /** systemctl's own words. */
  said: string;
}

export const UNIT_VERBS = ['start', 'stop', 'restart', 'reload', 'enable', 'disable', 'reset-failed'] as const;
export type UnitVerb = (typeof UNIT_VERBS)[number];

export interface UnitList {
  units: UnitRow[];
  /** More than the bound: how many were left out. */
  notRead: number;
}

export interface UnitRow {
  name: string;
  type: UnitType;
  /** loaded, not-found, bad-setting, error, merged, masked; null: installed, and not in memory. */
  load: string | null;
  /** active, reloading, inactive, failed, activating, deactivating, maintenance …; of a template null: only its instances have one. */
  active: string | null;
  sub: string | null;
  description: string | null;
  /** enabled, disabled, static, masked, generated, alias …; null where no file of that name is installed. */
  fileState: string | null;
  template: boolean;
}

export interface UnitExit {
  /** How it ended: by itself, by a signal, by one with a core dump. */
  how: 'exited' | 'killed' | 'dumped';
  /** The exit code, or the number of the signal. */
  status: number;
  atMs: number | null;
}

export interface Unit {
  name: string;
  /** Its other names. */
  aliases: string[];
  type: UnitType | null;
  description: string | null;
  load: string;
  /** Why it could not be loaded, in systemd's words. */
  loadError: string | null;
  active: string;
  sub: string;
  fileState: string | null;
  /** Of a service: simple, notify, oneshot … */
  serviceType: string | null;
  sinceMs: Reading<number>;
  startedAtMs: Reading<number>;
  mainPid: number | null;
  /** success, exit-code, signal, oom-kill, timeout …: of the last run. Null for a type of unit that has none. */
  result: string | null;
  /** The last end of its main process. Null: it has not ended, or there is none. */
  exit: UnitExit | null;
  /** Automatic restarts since somebody last started it. */
  restarts: number | null;
  restart: string | null;
  /** So many starts within this time, and systemd gives up. */
  startLimit: { burst: number; intervalMs: number } | null;
  /** What the service says of itself (sd_notify); others write that. */
  status: string | null;
  memoryBytes: Reading<number>;
  /** CPU time used since it was started. */
  cpuMs: Reading<number>;
  tasks: number | null;
  memoryLimitBytes: number | null;
  cgroup: string | null;
  /** The program of its first ExecStart line, without arguments: those may hold secrets. */
  program: string | null;
  user: string | null;
  fragmentPath: string | null;
  dropIns: string[];
  /** A file changed on the disk and systemd was not told (daemon-reload). */
  needsReload: boolean;
  triggers: string[];
  triggeredBy: string[];
  /** What its start starts along with it (Requires, BindsTo, Wants), whether it runs already or not. */
  pulls: string[];
  /** What its stop stops along with it, directly (those that require it, are bound to it or part of it). */
  stopsToo: string[];
  /** What its start stops. */
  conflicts: string[];
  /** Null where systemd does not say. */
  can: { start: boolean | null; stop: boolean | null; reload: boolean | null };
  /** Of this run of it: another one has another. */
  invocation: string | null;
  /** A condition of its file was not met when it was last started: it was skipped, which is no failure. */
  skipped: { atMs: number | null } | null;
  /** What it cannot do without and that is not there: failed, missing, masked. */
  failedDependencies: UnitDependency[];
}

export interface UnitDependency {
  name: string;
  /** Requires, Requisite or BindsTo. */
  by: string;
  load: string;
  active: string;
  result: string | null;
}

export interface Timer {
  name: string;
  activates: string;
  active: string;
  nextMs: Reading<number>;
  lastMs: Reading<number>;
  /** Of the unit that it starts: how its last run ended. */
  result: string | null;
  exit: UnitExit | null;
}
