/** A door over change tools of containers, on an engine in memory; pauses take no time. */
import { afterEach, beforeEach, vi } from 'vitest';
import type { Call, Outcome } from '../../src/core/call.ts';
import type { DockerRules } from '../../src/core/docker_control.ts';
import type { Tool } from '../../src/core/tool.ts';
import { resultQuery } from '../../src/tools/result_query.ts';
import { undo } from '../../src/tools/undo.ts';
import { fakeControl } from '../fakes/control.ts';
import { type FakeDocker, type FakeEngine, fakeDocker } from '../fakes/docker.ts';
import { fakeHost } from '../fakes/host.ts';
import { callOf, rig, who } from '../fakes/policy.ts';

export const keeper = who('token:keeper', ['docker:write']);

export function fastTimers(): void {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());
}

/** Until it has settled: each pause of the tool ends at once. */
export async function fast<T>(work: Promise<T>): Promise<T> {
  let over = false;
  const end = work.finally(() => {
    over = true;
  });
  end.catch(() => {});
  while (!over) await vi.advanceTimersByTimeAsync(500);
  return end;
}

export function house(
  tools: Tool[],
  engine: Partial<FakeEngine> = {},
  o: { rules?: Partial<DockerRules>; docker?: FakeDocker; over?: Parameters<typeof rig>[0] } = {},
) {
  const docker = o.docker ?? fakeDocker(engine);
  const control = fakeControl({ allow: ['*'], ...o.rules });
  const r = rig({
    catalog: { tools: [...tools, undo, resultQuery], resources: [], prompts: [] },
    context: {
      host: { ...fakeHost(), docker, control },
      recent: () => [],
      recentProcesses: () => null,
      absent: () => [],
    },
    ...o.over,
  } as Parameters<typeof rig>[0]);
  Object.assign(r.policy.clock, { now: () => docker.nowMs });
  const call = (tool: string, args: object = {}, more: Partial<Call> = {}) =>
    fast(r.door.run(callOf(tool, args, { principal: keeper, ...more })));
  /** As if a person had said yes to whatever asks. */
  const yes = () => {
    r.policy.approvals.decide = () => ({ verdict: 'granted', by: 'test' });
  };
  /** What was asked of the engine, without looks at it. */
  const done = () =>
    docker.asked.filter(
      (a) => !/^(?:inspect|list|images|image|raw|logs|digest|stacks|status|compose config)\b/.test(a),
    );
  return { ...r, docker, control, call, yes, done };
}

export const failure = (o: Outcome) =>
  o.status === 'failed' ? { code: o.error.code, message: o.error.message, ...o.error.details } : o;
export const data = (o: Outcome) =>
  (o.status === 'failed' ? { failed: o.error } : o.data) as Record<string, unknown> & {
    summary: string;
    receipt: string;
    before: Record<string, unknown>;
    after: Record<string, unknown>;
  };
