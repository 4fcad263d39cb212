/**
 * Why something does not do what it should: one question, a ranked answer with what it rests on and the next step. Decides which problems
 * and kinds of targets there are and what each needs; who gathers and judges is each kind's (diagnose_container.ts, insight/diagnose*.ts).
 */
import * as z from 'zod';
import { defineRead } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import { foreign, Unknown } from '../core/schema.ts';
import { LONGEST_SOURCE, parseSource, type Source, wellFormed } from '../core/source.ts';
import { pastTime } from '../core/when.ts';
import { CERTAINTY } from '../insight/diagnose.ts';
import { diagnoseTheContainer } from './diagnose_container.ts';
import { diagnoseText } from './diagnose_text.ts';
import { STATES } from './docker_parts.ts';

export const PROBLEMS = ['down'] as const;

export const DiagnoseAnswer = z.object({
  problem: z.enum(PROBLEMS),
  target: z.string(),
  verdict: z.string(),
  down: z.boolean().nullable().describe('Null: it cannot be asked.'),
  state: z.enum(STATES).nullable(),
  causes: z
    .array(
      z.object({
        id: z.string().describe('Of docs/diagnose.md.'),
        certainty: z.enum(CERTAINTY),
        sentence: z.string(),
        // Cleaned where it was gathered, so the marks in it are ours.
        evidence: foreign(z.array(z.string()).meta({ kept: true }), 'container engine and log'),
        next: z.string(),
      }),
    )
    .describe('Surest first.'),
  checked: z.array(z.string()),
  unknown: z.array(Unknown),
});
export type DiagnoseAnswer = z.output<typeof DiagnoseAnswer>;

const input = z.strictObject({
  problem: z.enum(PROBLEMS).describe('down: does not run or answer.'),
  target: z.string().max(LONGEST_SOURCE).describe('container:NAME or container:ENGINE/NAME'),
  since: z.string().max(40).optional().describe('Looks back so far: 2h, RFC 3339.'),
  logs: z.boolean().default(true).describe('Read its log too (needs logs:read).'),
});

export const diagnose = defineRead({
  name: 'diagnose',
  title: 'Diagnose',
  description:
    'Use this when a container is down, restarts or is unhealthy: ranked causes (exit, OOM, healthcheck, port, image, mount, dependency …), the evidence and log line for each, and the next step. For all its settings use container_inspect.',
  toolset: 'triage',
  core: true,
  input,
  output: DiagnoseAnswer,
  scopes: { least: 'docker:read', of: (i) => (i.logs ? ['logs:read'] : []) },
  targets: (i) =>
    wellFormed([i.target]).flatMap((s) =>
      s.kind === 'container' ? [{ kind: 'container' as const, name: s.engine ? `${s.engine}/${s.name}` : s.name }] : [],
    ),
  risk: 'sensitive',
  annotations: { idempotent: true, openWorld: false },
  limits: { timeoutMs: 20_000, cost: 2 },
  text: diagnoseText,

  async handler(i, ctx) {
    const source = containerOf(i.target);
    const zone = ctx.host.system.identity().zone;
    const sinceMs = i.since === undefined ? undefined : pastTime(i.since, ctx.now(), 'since', zone);
    const found = await diagnoseTheContainer({ source, sinceMs, logs: i.logs }, ctx);
    return { problem: i.problem, target: source.text, verdict: verdictOf(source.text, found), ...found };
  },
});

function containerOf(target: string): Source {
  const source = parseSource(target);
  if (source.kind === 'container') return source;
  throw new OpsError('validation', `diagnose cannot look at ${source.text.slice(0, 80)}.`, {
    hint: 'It looks at container:NAME.',
  });
}

function verdictOf(target: string, o: Pick<DiagnoseAnswer, 'down' | 'causes'>): string {
  const first = o.causes[0];
  const is = o.down === null ? 'cannot be asked' : o.down ? 'is down' : first?.id === 'not_down' ? 'is up' : 'runs';
  return `${target} ${is}${first ? `: ${first.sentence}` : '.'}`;
}
