/**
 * One unit: how it stands, why, what it needs, what starts it, its last lines, and on request its files and how exposed it is. Decides
 * what is asked of systemd for it, and that what cannot be had is told; what an end means is insight/service_exit.ts's.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineRead } from '../core/define.ts';
import type { Reading } from '../core/host.ts';
import { foreign, once, Unknown } from '../core/schema.ts';
import type { Timer, Unit } from '../core/services.ts';
import { rfc3339 } from '../core/text.ts';
import { serviceExit } from '../insight/service_exit.ts';
import { guardOf } from '../insight/unit_guard.ts';
import { figure, gaps, one } from './figures.ts';
import { attempt } from './sampling.ts';
import { lastWords, shownUnitFile, UnitInput, unitNamed, unitTarget } from './service_parts.ts';
import { serviceStatusText } from './service_status_text.ts';

const MANAGER = 'service manager';
const text = once(() => foreign(z.string(), MANAGER));
const names = once(() => foreign(z.array(z.string()), MANAGER));

export const ServiceStatusAnswer = once(() =>
  z.object({
    unit: text(),
    aliases: names(),
    description: foreign(z.string().nullable(), 'unit file'),
    state: z.string().describe('active/running …'),
    load: z.string().describe('loaded, not-found, bad-setting, masked …'),
    file: z.string().nullable().describe('enabled, disabled, static …'),
    type: z.string().nullable(),
    since: z.string().nullable().describe('In this state.'),
    startedAt: z.string().nullable(),
    problem: z
      .object({ cause: z.string(), short: z.string(), sentence: foreign(z.string(), MANAGER), next: z.string() })
      .nullable()
      .describe('Null: nothing is wrong with it.'),
    exit: z.object({ how: z.string(), status: z.number(), at: z.string().nullable() }).nullable().describe('Last end.'),
    restarts: figure(),
    restartPolicy: z.string().nullable(),
    pid: figure(),
    program: foreign(z.string().nullable(), 'unit file'),
    user: foreign(z.string().nullable(), 'unit file').describe('Null: root.'),
    says: foreign(z.string().nullable(), 'the service itself'),
    memoryBytes: figure(),
    memoryLimitBytes: figure(),
    cpuSeconds: figure(),
    tasks: figure(),
    failedDependencies: z.array(
      z.object({ unit: text(), by: z.string(), state: z.string(), result: z.string().nullable() }),
    ),
    triggeredBy: z.array(
      z.object({
        unit: text(),
        active: z.string(),
        next: z.string().nullable(),
        last: z.string().nullable(),
      }),
    ),
    triggers: names(),
    needsDaemonReload: z.boolean(),
    paths: foreign(z.array(z.string()), MANAGER).describe('Unit file and drop-ins.'),
    mayChange: z.string().describe('Whether service_control may, and what would allow it.'),
    // Cleaned where they are read, so the marks in them are ours.
    log: z.array(z.object({ at: z.string(), text: foreign(z.string().meta({ kept: true }), 'log') })),
    files: z.array(z.object({ path: text(), text: foreign(z.string().meta({ kept: true }), 'unit file') })),
    exposure: z
      .object({
        score: z.number().describe('0 (safe) to 10.'),
        worst: z.array(z.object({ setting: z.string(), weight: z.number(), why: z.string() })),
      })
      .nullable()
      .optional(),
    unknown: z.array(Unknown()),
  }),
);
export type ServiceStatusAnswer = z.output<ReturnType<typeof ServiceStatusAnswer>>;

const input = once(() =>
  z.strictObject({
    unit: UnitInput(),
    lines: z.number().int().min(0).max(100).default(8).describe('Of its log (logs:read).'),
    files: z.boolean().default(false).describe('Show unit file, drop-ins.'),
    exposure: z.boolean().default(false).describe('Hardening score.'),
  }),
);

export const serviceStatus = defineRead({
  name: 'service_status',
  title: 'A service',
  description:
    'Use this for all about one unit of systemd: state, exit explained, restarts, failed dependencies, its timer, memory, last log lines. For ranked causes use diagnose.',
  toolset: 'services',
  core: true,
  input,
  output: ServiceStatusAnswer,
  scopes: { least: 'services:read', of: (i) => (i.lines > 0 ? ['logs:read'] : []) },
  targets: (i) => [unitTarget(i.unit)],
  risk: 'sensitive',
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 30_000 },
  cut: { lists: ['log', 'files'] },
  text: serviceStatusText,

  async handler(i, ctx) {
    const { services } = ctx.host;
    const u = await unitNamed(i.unit, ctx);
    const gap = gaps();
    const ask = { signal: ctx.signal };
    const [log, timers, files, exposure] = await Promise.all([
      i.lines > 0 ? lastWords(u.name, { lines: i.lines }, ctx) : null,
      u.triggeredBy.length > 0 ? attempt(services.timers(ask), ctx) : null,
      i.files ? told(services.files(u.name, ask), ctx) : null,
      i.exposure ? told(services.exposure(u.name, ask), ctx) : null,
    ]);
    const starters =
      u.triggeredBy.length > 0 ? await attempt(services.show(u.triggeredBy.slice(0, 20), ask), ctx) : null;
    const problem = serviceExit(u);
    const text = files && gap.of('files', files);
    const score = exposure && gap.of('exposure', exposure);
    const running = u.cgroup !== null;
    const guard = guardOf(u, 'restart', services.rules, services.self());
    return {
      unit: u.name,
      aliases: u.aliases,
      description: u.description === u.name ? null : u.description,
      state: `${u.active}/${u.sub}`,
      load: u.load,
      file: u.fileState,
      type: u.serviceType ?? u.type,
      since: at(u.sinceMs.value),
      startedAt: at(u.startedAtMs.value),
      problem: problem && { cause: problem.cause, short: problem.short, sentence: problem.reason, next: problem.next },
      exit: u.exit && { how: u.exit.how, status: u.exit.status, at: at(u.exit.atMs) },
      restarts: u.restarts,
      restartPolicy: u.restart,
      pid: u.mainPid,
      program: u.program,
      user: u.user,
      says: u.status,
      // What does not run uses nothing: that is no gap.
      memoryBytes: running ? gap.of('memory', u.memoryBytes) : null,
      memoryLimitBytes: u.memoryLimitBytes,
      cpuSeconds: one(perThousand(running ? gap.of('CPU time', u.cpuMs) : null)),
      tasks: u.tasks,
      failedDependencies: u.failedDependencies.map((d) => ({
        unit: d.name,
        by: d.by,
        state: d.load === 'loaded' ? d.active : d.load,
        result: d.result === 'success' ? null : d.result,
      })),
      triggeredBy: u.triggeredBy.map((name) =>
        trigger(
          name,
          starters?.value?.find((s) => s.name === name),
          timers?.value?.find((t) => t.name === name),
        ),
      ),
      triggers: u.triggers,
      needsDaemonReload: u.needsReload,
      paths: [...(u.fragmentPath === null ? [] : [u.fragmentPath]), ...u.dropIns],
      mayChange: guard.refused === undefined ? `yes (${guard.by})` : `no: ${guard.refused} ${guard.hint}`,
      log: (log && gap.of('log', log))?.map((w) => ({ at: rfc3339(w.atMs), text: w.text })) ?? [],
      files: (text ?? []).map((f) => ({ path: f.path, text: shownUnitFile(f.text) })),
      ...(i.exposure
        ? {
            exposure: score && {
              score: score.score,
              worst: score.worst.map((w) => ({ setting: w.name, weight: w.weight, why: w.why })),
            },
          }
        : {}),
      unknown: gap.list,
    };
  },
});

/** Not known, or not to be asked: both are a reason. */
async function told<T>(work: Promise<Reading<T>>, ctx: ToolContext): Promise<Reading<T>> {
  const asked = await attempt(work, ctx);
  return asked.value ?? { value: null, why: asked.why ?? 'not known' };
}

const at = (ms: number | null | undefined): string | null => (ms === null || ms === undefined ? null : rfc3339(ms));
const perThousand = (ms: number | null): number | null => (ms === null ? null : ms / 1_000);

const trigger = (unit: string, is: Unit | undefined, timer: Timer | undefined) => ({
  unit,
  active: is?.active ?? 'unknown',
  next: at(timer?.nextMs.value),
  last: at(timer?.lastMs.value),
});
