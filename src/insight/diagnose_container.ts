/**
 * Why a container is down: all causes in order, over facts that were gathered elsewhere (tools/diagnose_container.ts). Pure. What speaks for
 * which cause stands in causes_*.ts, what an exit code means in container_exit.ts, an engine's words in container_said.ts. A fact that
 * could not be had is null and speaks for nothing.
 */
import { BESIDE, missedOf } from './causes_beside.ts';
import { ENDED, STANDING } from './causes_ended.ts';
import { REFUSED } from './causes_refused.ts';
import type { ContainerFacts, Row, Seen } from './causes_seen.ts';
import { lastEndOf } from './container_exit.ts';
import { refusalOf } from './container_said.ts';
import { loops } from './containers.ts';
import { type Cause, type CauseRow, causesOf } from './diagnose.ts';

/** In the order in which equally sure ones are told. */
export const CONTAINER_ROWS: readonly Row[] = [...STANDING, ...REFUSED, ...BESIDE, ...ENDED];

export interface Diagnosis {
  /** Null: an engine that is away cannot be asked. */
  down: boolean | null;
  causes: Cause[];
}

/** `engine`: the configured name that the caller gave, for calls that we advise. */
export function diagnoseContainer(facts: ContainerFacts, engine: string | null): Diagnosis {
  const { c, nowMs } = facts;
  const loop = loops(c, nowMs);
  const down = loop || (c.state !== 'running' && c.state !== 'paused');
  const end = lastEndOf(c, facts.events);
  const refusal = down && !loop ? refusalOf(c.error) : null;
  const seen: Seen = { ...facts, down, loop, end, refusal, missed: missedOf(facts) };
  const at: Record<string, string> = engine === null ? {} : { ENGINE: engine, AT: engine };
  const causes = causesOf(CONTAINER_ROWS, seen, { CONTAINER: c.name, ...at });
  return { down: down || c.state === 'paused', causes };
}

export const ENGINE_AWAY: CauseRow<{ why: string }> = {
  id: 'engine_away',
  when: 'the engine does not answer',
  sentence: 'The container engine does not answer: what it runs may be up or down.',
  next: 'docker_system {}',
  test: ({ why }) => ({ certainty: 'certain', evidence: [why] }),
};
