/**
 * Units of systemd, those that need a hand first. Decides who is listed, in which order, and for whom systemd is asked more than its
 * list tells: what a unit uses and how it ended costs a question for each, and so only the rows that are shown have it.
 */
import * as z from 'zod';
import { defineRead } from '../core/define.ts';
import { foreign, limit, once, Unknown } from '../core/schema.ts';
import type { Timer, Unit, UnitRow } from '../core/services.ts';
import { rfc3339 } from '../core/text.ts';
import type { UnitType } from '../core/unit_refs.ts';
import { ATTENTION, attentionOf, rankOf, timerAttention } from '../insight/service_attention.ts';
import { serviceExit } from '../insight/service_exit.ts';
import { figure, gaps, one } from './figures.ts';
import { serviceListText } from './service_list_text.ts';
import { systemdHere } from './service_parts.ts';

/** So many are asked for what they use where the order depends on it. */
const MOST = 500;
const MOST_NOTES = 3;
const STATES = ['failed', 'active', 'inactive', 'enabled', 'disabled', 'all'] as const;
/** The other types are the kernel's or systemd's own; `all` has them. */
const TYPES = ['service', 'timer', 'socket', 'mount', 'target'] as const satisfies readonly UnitType[];
export const SORTS = ['attention', 'memory', 'cpu'] as const;

const name = once(() => foreign(z.string(), 'service manager'));

export const ServiceRow = once(() =>
  z.object({
    name: name(),
    state: z.string().nullable().describe('As systemd says: active/running. Null: a template.'),
    attention: z.enum(ATTENTION).nullable(),
    problem: z.string().nullable().optional().describe('How it ended.'),
    file: z.string().nullable().optional().describe('enabled, disabled, static, masked …'),
    since: z.string().nullable().optional(),
    restarts: figure().optional().describe('Automatic ones.'),
    memoryBytes: figure().optional(),
    cpuSeconds: figure().optional().describe('Used since its start.'),
    activates: name().optional(),
    next: z.string().nullable().optional().describe('Of a timer.'),
    last: z.string().nullable().optional().describe('Its last run.'),
    result: z.string().nullable().optional().describe('Of that run; null: none yet.'),
  }),
);
export type ServiceRow = z.output<ReturnType<typeof ServiceRow>>;

export const ServiceListAnswer = once(() =>
  z.object({
    total: z.number().describe('Units, with those only installed.'),
    matched: z.number(),
    byState: z.record(z.string(), z.number()).describe('Of all units in memory.'),
    sort: z.enum(SORTS),
    notes: z
      .array(z.object({ unit: name(), sentence: z.string(), next: z.string() }))
      .describe('On those that failed.'),
    units: z.array(ServiceRow()),
    unknown: z.array(Unknown()),
  }),
);
export type ServiceListAnswer = z.output<ReturnType<typeof ServiceListAnswer>>;

const input = once(() =>
  z.strictObject({
    state: z.enum(STATES).optional().describe('Else failed, and running services.'),
    type: z.enum(TYPES).optional().describe('timer adds its runs.'),
    name: z.string().min(1).max(255).optional(),
    sort: z.enum(SORTS).default('attention'),
    limit: limit(30, 300),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const serviceList = defineRead({
  name: 'service_list',
  title: 'Services',
  description:
    'Use this to see what systemd runs and what failed: services, timers and other units, failed first, with memory and CPU. For one use service_status.',
  toolset: 'services',
  core: true,
  input,
  output: ServiceListAnswer,
  scopes: { least: 'services:read' },
  risk: 'read',
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 30_000 },
  cut: { lists: ['units'], show: (i) => i.limit },
  text: serviceListText,

  async handler(i, ctx) {
    systemdHere(ctx);
    const { services } = ctx.host;
    const { signal } = ctx;
    const timers = i.type === 'timer';
    const [{ units, notRead }, timed] = await Promise.all([
      services.list({ signal, ...(i.type ? { types: [i.type] } : {}) }),
      timers ? services.timers({ signal }) : [],
    ]);
    const timerOf = new Map(timed.map((t) => [t.name, t]));
    const matching = units.filter((u) => matches(u, i));
    const details = new Map<string, Unit>();
    const look = async (some: readonly UnitRow[]) => {
      const names = some.filter((u) => !u.template).map((u) => u.name);
      // A unit that ends its life between the list and now is shown as the list had it.
      for (const u of names.length > 0 ? await services.show(names.slice(0, MOST), { signal }) : [])
        details.set(u.name, u);
    };
    const byUse = i.sort !== 'attention';
    if (byUse || timers) await look(matching);
    const made = (u: UnitRow) => row(u, details.get(u.name), timerOf.get(u.name), timers);
    const inOrder = ordered(
      matching.map((u) => ({ u, r: made(u) })),
      i,
    );
    if (!byUse && !timers) await look(inOrder.slice(0, i.limit).map(({ u }) => u));
    const rows = inOrder.map(({ u }) => made(u));
    return {
      total: units.length,
      matched: matching.length,
      byState: counted(units),
      sort: i.sort,
      notes: notesOf(rows, details),
      units: rows,
      unknown: gapsOf(rows.slice(0, i.limit), details, notRead),
    };
  },
});

const UP = ['active', 'reloading', 'refreshing', 'activating', 'deactivating', 'maintenance'];

function matches(u: UnitRow, i: Input): boolean {
  if (i.name !== undefined && !u.name.toLowerCase().includes(i.name.toLowerCase())) return false;
  switch (i.state) {
    case undefined:
      // Of what somebody names, all that is there; of a type, what is in memory.
      if (i.name !== undefined) return true;
      if (u.active === 'failed' || u.active === 'activating') return true;
      if (i.type !== undefined) return u.active !== null && (UP.includes(u.active) || i.type === 'timer');
      return u.type === 'service' && u.active !== null && UP.includes(u.active) && u.sub !== 'exited';
    case 'all':
      return true;
    case 'enabled':
    case 'disabled':
      return u.fileState === i.state || u.fileState === `${i.state}-runtime`;
    default:
      return u.active === i.state && !u.template;
  }
}

function row(u: UnitRow, is: Unit | undefined, timer: Timer | undefined, timers: boolean): ServiceRow {
  const bad = is ? serviceExit(is) : null;
  const base: ServiceRow = {
    name: u.name,
    state: is ? `${is.active}/${is.sub}` : u.active === null ? null : `${u.active}/${u.sub}`,
    attention: timer ? timerAttention(timer, is) : attentionOf(is ?? u),
    file: u.fileState,
  };
  if (timers)
    return {
      ...base,
      activates: timer?.activates ?? '',
      next: at(timer?.nextMs.value),
      last: at(timer?.lastMs.value),
      result: timer ? resultOf(timer) : null,
    };
  if (!is) return base;
  return {
    ...base,
    problem: bad?.short ?? null,
    since: at(is.sinceMs.value),
    restarts: is.restarts,
    memoryBytes: is.memoryBytes.value,
    cpuSeconds: one(is.cpuMs.value === null ? null : is.cpuMs.value / 1_000),
  };
}

const at = (ms: number | null | undefined): string | null => (ms === null || ms === undefined ? null : rfc3339(ms));

const resultOf = (t: Timer): string | null =>
  t.result === null ? null : t.result === 'exit-code' && t.exit ? `exit ${t.exit.status}` : t.result;

function counted(units: readonly UnitRow[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const u of units) if (u.load !== null && u.active !== null) found[u.active] = (found[u.active] ?? 0) + 1;
  return found;
}

function ordered<T extends { r: ServiceRow }>(all: readonly T[], { sort, type }: Input): T[] {
  const most = (of: (r: ServiceRow) => number | null | undefined) => (a: T, b: T) => (of(b.r) ?? -1) - (of(a.r) ?? -1);
  // Times of one form sort as texts; what has none comes last.
  const soonest = (a: T, b: T) =>
    Number((a.r.next ?? '~') > (b.r.next ?? '~')) - Number((a.r.next ?? '~') < (b.r.next ?? '~'));
  const worst = (a: T, b: T) => rankOf(a.r.attention) - rankOf(b.r.attention);
  const by: Record<Input['sort'], (a: T, b: T) => number> = {
    attention: (a, b) => worst(a, b) || (type === 'timer' ? soonest(a, b) : 0),
    memory: most((r) => r.memoryBytes),
    cpu: most((r) => r.cpuSeconds),
  };
  return all.toSorted((a, b) => by[sort](a, b) || (a.r.name < b.r.name ? -1 : 1));
}

/** In our own words: unit names are of systemd's grammar, in which no sentence can be written. */
function notesOf(rows: readonly ServiceRow[], details: ReadonlyMap<string, Unit>): ServiceListAnswer['notes'] {
  const bad = rows
    .filter((r) => r.attention === 'failed' || r.attention === 'loop' || r.attention === 'dead')
    .slice(0, MOST_NOTES);
  return bad.map((r) => {
    const is = details.get(r.name);
    const why = is ? serviceExit(is) : null;
    const sentence =
      why?.reason ??
      (r.attention === 'dead'
        ? 'It is enabled, and does not wait: what it is to start will not run.'
        : r.activates
          ? 'The last run of what it starts failed.'
          : 'It failed.');
    const whom = r.attention === 'dead' ? r.name : r.activates || r.name;
    return { unit: r.name, sentence, next: `diagnose {"problem":"down","target":"unit:${whom}"}` };
  });
}

function gapsOf(rows: readonly ServiceRow[], details: ReadonlyMap<string, Unit>, notRead: number) {
  const gap = gaps();
  const said = new Set<string>();
  const tell = (what: string, why: string | undefined) => {
    if (why === undefined || said.has(what) || !/accounting/.test(why)) return;
    said.add(what);
    gap.list.push({ what, why });
  };
  for (const r of rows) {
    const is = details.get(r.name);
    if (!is) continue;
    tell('memory of some', is.memoryBytes.why);
    tell('CPU time of some', is.cpuMs.why);
  }
  if (notRead > 0) gap.list.push({ what: `${notRead} units`, why: 'more than are read at once: ask for one type' });
  return gap.list;
}
