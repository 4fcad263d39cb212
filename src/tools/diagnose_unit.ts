/**
 * Gathers what a diagnosis of a unit rests on: its state, what it needs and what starts it, its log and the kernel's around its end, and
 * when its files were changed. Decides what is asked and how much of it is read; what cannot be had is told, and never a fault. What
 * follows is insight/diagnose_unit.ts's.
 */
import type { ToolContext } from '../core/call.ts';
import { toOpsError } from '../core/errors.ts';
import type { Reading } from '../core/host.ts';
import type { JournalLine, JournalWindow } from '../core/journal.ts';
import type { Unit } from '../core/services.ts';
import type { Source } from '../core/source.ts';
import { clip } from '../core/text.ts';
import type { UnitFacts, UnitSaid } from '../insight/causes_unit_seen.ts';
import { diagnoseUnit } from '../insight/diagnose_unit.ts';
import type { Clean } from '../insight/log_match.ts';
import { type Found, verdictOf, type Way } from './diagnose_parts.ts';
import { gaps } from './figures.ts';
import { cleaner } from './log_query.ts';
import { attempt } from './sampling.ts';
import { isManager, unitNamed } from './service_parts.ts';

const LOG = { lines: 120, bytes: 512 * 1024, lineBytes: 8 * 1024, chars: 1_000 };
/** Lines this long before the end may still tell of it; a moment later systemd has said its own. */
const BEFORE_MS = 15 * 60_000;
const AFTER_MS = 5_000;
const KERNEL = { lines: 200, beforeMs: 10_000 };
const FULL = 0.99;

export const unitDown: Way = {
  problem: 'down',
  kinds: ['unit'],
  form: 'unit:NAME.service',
  scopes: ({ logs }) => ['services:read', ...(logs ? (['logs:read'] as const) : [])],
  targets: (s) => (s ? [{ kind: 'unit', name: s.name }] : []),
  timeoutMs: 20_000,
  async find({ source, sinceMs, logs }, ctx): Promise<Found> {
    const s = source as Source;
    const u = await unitNamed(s.name, ctx);
    const gap = gaps();
    const checked = ['state', 'dependencies'];
    const seen = <T>(what: string, read: Reading<T>): T | null => {
      if (read.value !== null) checked.push(what);
      return gap.of(what, read);
    };
    const facts = await gathered(u, { sinceMs, logs }, ctx, seen);
    const { down, causes } = diagnoseUnit(facts);
    const is = down
      ? 'is down'
      : causes[0]?.id === 'not_down'
        ? 'is up'
        : u.active === 'active'
          ? 'runs'
          : 'does not run';
    return {
      target: s.text,
      verdict: verdictOf(`${s.text} ${is}`, causes),
      down,
      state: `${u.active}/${u.sub}`,
      causes,
      checked,
      unknown: gap.list,
    };
  },
};

type See = <T>(what: string, read: Reading<T>) => T | null;

async function gathered(
  u: Unit,
  o: { sinceMs: number | undefined; logs: boolean },
  ctx: ToolContext,
  seen: See,
): Promise<UnitFacts> {
  const { services } = ctx.host;
  const ask = { signal: ctx.signal };
  const clean = cleaner(ctx);
  const others = [...u.triggeredBy, ...(u.type === 'timer' ? u.triggers : [])].slice(0, 20);
  const [log, kernel, changed, around, full] = await Promise.all([
    logOf(u, o, ctx, clean),
    // Only who may have been killed is looked for.
    o.logs && killed(u) ? kernelOf(u, ctx, clean) : null,
    u.active === 'failed' || u.needsReload ? told(services.changed(u.name, ask), ctx) : null,
    others.length > 0 ? attempt(services.show(others, ask), ctx) : null,
    u.active === 'failed' ? fullOnes(ctx) : null,
  ]);
  const units = around && seen('what starts it', around);
  return {
    nowMs: ctx.now(),
    u: {
      ...u,
      loadError: u.loadError === null ? null : clean(u.loadError),
      program: u.program === null ? null : clean(u.program),
    },
    log: seen('log', log),
    kernel: kernel && seen('kernel log', kernel),
    changed: changed && seen('changes of its files', changed),
    starters: units?.filter((x) => u.triggeredBy.includes(x.name)) ?? null,
    job: u.type === 'timer' ? (units?.find((x) => u.triggers.includes(x.name)) ?? null) : null,
    full: full && seen('file systems', full),
  };
}

const killed = (u: Unit): boolean =>
  u.result === 'oom-kill' ||
  (u.exit?.how === 'killed' && u.exit.status === 9) ||
  (u.exit?.how === 'exited' && u.exit.status === 137);

/** Around its last end where it is down; of late where it runs. */
async function logOf(
  u: Unit,
  o: { sinceMs: number | undefined; logs: boolean },
  ctx: ToolContext,
  clean: Clean,
): Promise<Reading<UnitSaid[]>> {
  if (!o.logs) return { value: null, why: 'logs: false' };
  const runs = u.active === 'active' || u.active === 'activating';
  const endMs = runs ? ctx.now() : (u.exit?.atMs ?? u.sinceMs.value ?? ctx.now());
  const sinceMs = o.sinceMs ?? Math.max(endMs - BEFORE_MS, 0);
  // What a run before the last one said is not why the last one ended, unless it went to and fro.
  const read = await lines({ units: [u.name], sinceMs, untilMs: endMs + AFTER_MS, tail: LOG.lines }, ctx);
  if (read.value === null) return read;
  return {
    value: read.value.map((l) => ({
      atMs: l.atMs,
      text: clip(clean(l.text.trim()), LOG.chars),
      manager: isManager(l),
      bad: l.priority !== null && l.priority <= 3,
    })),
  };
}

async function kernelOf(u: Unit, ctx: ToolContext, clean: Clean): Promise<Reading<{ atMs: number; text: string }[]>> {
  const endMs = u.exit?.atMs ?? ctx.now();
  const read = await lines(
    { kernel: true, sinceMs: endMs - KERNEL.beforeMs, untilMs: endMs + AFTER_MS, tail: KERNEL.lines },
    ctx,
  );
  return read.value === null
    ? read
    : { value: read.value.map((l) => ({ atMs: l.atMs, text: clip(clean(l.text), LOG.chars) })) };
}

async function lines(
  what: Omit<JournalWindow, 'maxBytes' | 'maxLineBytes'>,
  ctx: ToolContext,
): Promise<Reading<JournalLine[]>> {
  const { journal } = ctx.host;
  const there = journal.available();
  if (there.value === null) return { value: null, why: there.why };
  const found: JournalLine[] = [];
  try {
    for await (const l of journal.read({
      ...what,
      maxBytes: LOG.bytes,
      maxLineBytes: LOG.lineBytes,
      signal: ctx.signal,
    }))
      found.push(l);
  } catch (thrown) {
    ctx.signal.throwIfAborted();
    return { value: null, why: toOpsError(thrown).message };
  }
  return { value: found };
}

async function fullOnes(ctx: ToolContext): Promise<Reading<string[]>> {
  const all = await attempt(ctx.host.system.filesystems({ signal: ctx.signal }), ctx);
  if (all.value === null) return all;
  return {
    value: all.value.flatMap(({ mount, size, readOnly }) => {
      const s = size.value;
      if (!s || readOnly || s.totalBytes === 0) return [];
      return 1 - s.availableBytes / s.totalBytes >= FULL ? [`${mount} is full`] : [];
    }),
  };
}

async function told<T>(work: Promise<Reading<T>>, ctx: ToolContext): Promise<Reading<T>> {
  const asked = await attempt(work, ctx);
  return asked.value ?? { value: null, why: asked.why ?? 'not known' };
}
