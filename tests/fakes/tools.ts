/** Fixture tools: one for each thing the door can be asked to do. Each counts its runs and can be steered from a test. */
import { setImmediate } from 'node:timers/promises';
import * as z from 'zod';
import type { ToolContext } from '../../src/core/call.ts';
import { defineChange, defineRead } from '../../src/core/define.ts';
import { OpsError } from '../../src/core/errors.ts';
import { foreign, WaitS } from '../../src/core/schema.ts';
import type { Catalog, Tool } from '../../src/core/tool.ts';

/** What a test sets and reads; `reset()` before each. */
export const stage = {
  runs: 0,
  applied: 0,
  state: 'old',
  behave: (async () => {}) as (signal: AbortSignal, progress: ToolContext['progress']) => Promise<unknown>,
  /** A change waits here after its first effect. */
  afterCommit: (async () => {}) as (signal: AbortSignal) => Promise<unknown>,
  lines: [] as string[],
  reset() {
    Object.assign(this, {
      runs: 0,
      applied: 0,
      state: 'old',
      lines: [],
      behave: async () => {},
      afterCommit: async () => {},
    });
  },
};

const common = { toolset: 'system', core: true, annotations: { idempotent: true, openWorld: false } } as const;

export const lookTool = defineRead({
  ...common,
  name: 'fixture_look',
  title: 'Look',
  description: 'Answers lines. For tests; use nothing instead.',
  input: () =>
    z.strictObject({
      limit: z.number().int().min(1).max(5_000).default(50).describe('Lines shown.'),
      path: z.string().max(100).optional().describe('Needs logs:read when given.'),
    }),
  output: () =>
    z.object({ lines: z.array(foreign(z.string(), 'fixture')), runs: z.number(), note: z.string().nullable() }),
  risk: { least: 'read', worst: 'sensitive', of: (i) => (i.path ? 'sensitive' : 'read') },
  scopes: { least: 'system:read', of: (i) => (i.path ? ['logs:read'] : []) },
  targets: (i) => (i.path ? [{ kind: 'path', name: i.path }] : []),
  cut: { lists: ['lines'], show: (i) => i.limit },
  limits: { timeoutMs: 5_000 },
  async handler(_input, { signal, progress }) {
    const runs = ++stage.runs;
    progress(1, 2, 'looking');
    await stage.behave(signal, progress);
    return { lines: stage.lines, runs, note: null };
  },
  text: ({ lines, runs }) => [`run ${runs}`, ...lines].join('\n'),
});

export const longTool = defineRead({
  ...common,
  name: 'fixture_long',
  title: 'Long',
  description: 'Works for long. For tests.',
  input: () => z.strictObject({ wait_s: WaitS() }),
  output: () => z.object({ lines: z.array(foreign(z.string(), 'fixture')) }),
  risk: 'read',
  scopes: { least: 'system:read' },
  long: true,
  cut: { lists: ['lines'] },
  limits: { timeoutMs: 600_000 },
  async handler(_input, { signal, progress }) {
    stage.runs++;
    progress(1, 10, 'begun');
    await stage.behave(signal, progress);
    return { lines: stage.lines };
  },
  text: ({ lines }) => lines.join('\n'),
});

export const brokenTool = defineRead({
  ...common,
  name: 'fixture_broken',
  title: 'Broken',
  description: 'Answers what its schema refuses. For tests.',
  input: () => z.strictObject({}),
  output: () => z.object({ n: z.number() }),
  risk: 'read',
  scopes: { least: 'system:read' },
  handler: async () => ({ n: 'hunter2-not-a-number' }) as never,
  text: () => '',
});

export const renameTool = defineChange({
  ...common,
  name: 'fixture_rename',
  title: 'Rename',
  description: 'Changes a word. For tests.',
  input: () => z.strictObject({ to: z.string().min(1).max(100) }),
  risk: { least: 'change', worst: 'destroy', of: (i) => (i.to === 'nothing' ? 'destroy' : 'change') },
  scopes: { least: 'system:write', of: (i) => (i.to.startsWith('/') ? ['files:write'] : []) },
  targets: () => [{ kind: 'path', name: '/word' }],
  limits: { timeoutMs: 5_000 },
  async preview({ to }) {
    return {
      summary: `Rename ${stage.state} to ${to}.`,
      before: { word: stage.state },
      diff: `-${stage.state}\n+${to}`,
      digest: stage.state,
    };
  },
  async apply({ to }, ctx) {
    stage.runs++;
    await stage.behave(ctx.signal, ctx.progress);
    const before = stage.state;
    ctx.commit();
    stage.state = to;
    stage.applied++;
    await stage.afterCommit(ctx.signal);
    return {
      summary: `Renamed ${before} to ${to}.`,
      before: { word: before },
      after: { word: to },
      revert: { data: { word: before }, blobs: { word: Buffer.from(before) } },
    };
  },
  undo: {
    kind: 'revert',
    async preview({ data, after }) {
      const is = stage.state;
      if (is !== after?.word)
        throw new OpsError('conflict', `The word is ${is} by now, and was left as ${after?.word}.`, {
          hint: 'Look at it.',
        });
      return { summary: `Rename ${is} back to ${data.word}.`, before: { word: is }, digest: `undo ${is}` };
    },
    async revert({ blob }, ctx) {
      await stage.behave(ctx.signal, ctx.progress);
      const was = stage.state;
      ctx.commit();
      stage.state = Buffer.from(blob('word') ?? []).toString();
      await stage.afterCommit(ctx.signal);
      return { summary: `Back to ${stage.state}.`, before: { word: was }, after: { word: stage.state } };
    },
  },
});

/** Ends when aborted, as a well-behaved handler does. */
export const untilAborted = (signal: AbortSignal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
/** Deaf to its signal; ends when told to. */
export function deaf(): { wait: () => Promise<void>; end: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { wait: () => promise, end: resolve };
}
export const turn = () => setImmediate();

export const fixtureTools: Tool[] = [lookTool, longTool, brokenTool, renameTool];
export const fixtureCatalog: Catalog = { tools: fixtureTools, resources: [], prompts: [] };
