/** What the door gives a tool, in a test: a fake host whose sampler has looked one second ago. */
import type { AuditPage } from '../../src/core/audit.ts';
import type { KeptResult, Results, ToolContext } from '../../src/core/call.ts';
import type { SystemHost } from '../../src/core/host.ts';
import type { Receipts } from '../../src/core/receipt.ts';
import type { Tool, View } from '../../src/core/tool.ts';
import { FAKE_WALL_MS, fakeHost, fakeProcesses, fakeSnapshot } from '../fakes/host.ts';

export const view: View = { paint: (_kind, text) => text, width: 200, now: FAKE_WALL_MS };

const NOTHING: AuditPage = { entries: [], corrupt: 0, bytes: { looked: 0, total: 0 }, stopped: null, next: null };

/** The first moment is the sampler's, the second is now: nothing has to wait. */
export function context(over: Partial<SystemHost> = {}, also: Partial<ToolContext> = {}): ToolContext {
  return {
    host: fakeHost({ snapshot: () => fakeSnapshot(1), processes: async (o) => fakeProcesses(1, o), ...over }),
    signal: new AbortController().signal,
    now: () => FAKE_WALL_MS + 1000,
    progress() {},
    recent: () => [fakeSnapshot(0)],
    recentProcesses: () => fakeProcesses(0),
    waitMs: 20_000,
    absent: () => [],
    results: resultsOf({}),
    audit: { search: async () => NOTHING },
    receipts: {} as Receipts,
    probing: { spend() {} },
    ...also,
  };
}

/** As the door does: input parsed, output parsed, text from what was parsed. */
export async function ask<A>(tool: Tool, args: unknown, ctx: ToolContext): Promise<{ data: A; text: string }> {
  const raw = await tool.handler?.(tool.input.parse(args), ctx);
  const data = tool.output.parse(raw);
  return { data: data as A, text: tool.text(data as never, view) };
}

export function resultsOf(kept: Record<string, KeptResult>, over: Partial<Results> = {}): Results {
  return {
    get: (handle) => kept[handle] ?? null,
    wait: async (handle) => kept[handle] ?? null,
    cancel: (handle) => kept[handle]?.state === 'running',
    ...over,
  };
}

/** Every number in an answer, with its path. */
export function numbers(value: unknown, path = ''): [string, number][] {
  if (typeof value === 'number') return [[path, value]];
  if (!value || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([k, v]) => numbers(v, `${path}.${k}`));
}
