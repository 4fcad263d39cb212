/**
 * Why something does not do what it should: one question, a ranked answer with what it rests on and the next step. Decides which way is
 * taken: the table below has one for each problem and kind of target. What a way gathers and judges is its own (diagnose_*.ts,
 * insight/diagnose*.ts).
 */
import * as z from 'zod';
import { defineRead } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import { once } from '../core/schema.ts';
import { LONGEST_SOURCE, parseSource, type Source, wellFormed } from '../core/source.ts';
import { pastTime } from '../core/when.ts';
import { containerDown } from './diagnose_container.ts';
import { diskFull } from './diagnose_disk.ts';
import { DiagnoseAnswer, PROBLEMS, type Problem, type Way } from './diagnose_parts.ts';
import { unreachable } from './diagnose_reach.ts';
import { hostSlow } from './diagnose_slow.ts';
import { diagnoseText } from './diagnose_text.ts';
import { unitDown } from './diagnose_unit.ts';

/** In the order in which a hint names them. */
const WAYS: readonly Way[] = [containerDown, unitDown, diskFull, hostSlow, unreachable];

const input = once(() =>
  z.strictObject({
    problem: z.enum(PROBLEMS).describe('down: does not run or answer.'),
    target: z
      .string()
      .max(LONGEST_SOURCE)
      .optional()
      .describe(
        'down: container:[ENGINE/]NAME, unit:NAME; disk_full: file:/PATH, else the fullest; unreachable: host:port or URL.',
      ),
    since: z.string().max(40).optional().describe('Looks back: 2h, RFC 3339.'),
    logs: z.boolean().default(true).describe('Of down: its log, too (needs logs:read).'),
    wait_s: z.number().int().min(0).max(40).default(10).describe('Longest wait; then it answers running.'),
  }),
);

export const diagnose = defineRead({
  name: 'diagnose',
  title: 'Diagnose',
  description:
    'Use this when a container or unit is down, a disk is full, the host is slow or something cannot be reached: ranked causes, each with figures, log lines and the next safe step. To see how the host is use system_overview.',
  toolset: 'triage',
  core: true,
  input,
  output: DiagnoseAnswer,
  scopes: {
    least: null,
    any: ['docker:read', 'services:read', 'system:read', 'net:read'],
    // What names nothing needs nothing: it is refused as that, and learns no more.
    of: (i) => wayOf(i.problem, sourceOf(i))?.scopes(i) ?? [],
  },
  targets: (i) => {
    const source = sourceOf(i);
    return source === undefined ? [] : (wayOf(i.problem, source)?.targets(source) ?? []);
  },
  risk: 'sensitive',
  annotations: { idempotent: true, openWorld: false },
  long: true,
  limits: { timeoutMs: 600_000, cost: 2 },
  text: diagnoseText,

  async handler(i, ctx) {
    const source = i.target === undefined ? null : parseSource(spelled(i.target));
    const way = wayOf(i.problem, source);
    if (!way) throw noWay(i.problem, source);
    const zone = ctx.host.system.identity().zone;
    const sinceMs = i.since === undefined ? undefined : pastTime(i.since, ctx.now(), 'since', zone);
    const bounded = AbortSignal.any([ctx.signal, AbortSignal.timeout(way.timeoutMs)]);
    const found = await way.find({ source, sinceMs, logs: i.logs }, { ...ctx, signal: bounded });
    return { problem: i.problem, ...found };
  },
});

function wayOf(problem: Problem, source: Source | null | undefined): Way | undefined {
  if (source === undefined) return undefined;
  return WAYS.find((w) => w.problem === problem && (source === null ? w.alone : w.kinds.includes(source.kind)));
}

/** For rights and records: undefined where the target names nothing. */
function sourceOf({ target }: { target?: string | undefined }): Source | null | undefined {
  return target === undefined ? null : wellFormed([spelled(target)])[0];
}

/** A path is what people write for a file. */
const spelled = (target: string): string => (target.startsWith('/') ? `file:${target}` : target);

function noWay(problem: Problem, source: Source | null): OpsError {
  const forms = WAYS.filter((w) => w.problem === problem).map((w) => w.form);
  const what = source === null ? 'needs a target' : `cannot look at ${source.text.slice(0, 80)}`;
  return new OpsError('validation', `diagnose ${problem} ${what}.`, { hint: `It looks at ${forms.join(' or ')}.` });
}
