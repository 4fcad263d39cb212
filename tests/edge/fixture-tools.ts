/** A small catalog for the faces: one tool for each thing that they must carry. */
import * as z from 'zod';
import { defineChange, defineRead } from '../../src/core/define.ts';
import { OpsError } from '../../src/core/errors.ts';
import { foreign, WaitS } from '../../src/core/schema.ts';
import type { Catalog } from '../../src/core/tool.ts';

const common = { toolset: 'system', core: true, annotations: { idempotent: true, openWorld: false } } as const;

/** What tests see and steer. */
export const stage = {
  aborted: 0,
  started: () => {},
  finish: Promise.resolve() as Promise<unknown>,
};

const overview = defineRead({
  ...common,
  name: 'system_overview',
  title: 'Overview',
  description: 'How this fixture is.',
  input: () =>
    z.strictObject({
      detail: z.boolean().default(false),
      top: z.number().int().min(1).max(9).default(5).describe('How many.'),
      secret: z.string().max(20).optional().describe('Needs logs:read.'),
    }),
  output: () => z.object({ host: z.string(), top: z.number(), lines: z.array(foreign(z.string(), 'fixture')) }),
  risk: 'read',
  scopes: { least: 'system:read', of: (i) => (i.secret ? ['logs:read'] : []) },
  handler: async ({ top }) => ({ host: 'fixture', top, lines: ['one'] }),
  text: ({ host, top }) => `${host} ${top}`,
});

/** Ends when the test says so or when it is aborted; reports three steps. */
const slow = defineRead({
  ...common,
  name: 'fixture_slow',
  title: 'Slow',
  description: 'Works until told.',
  input: () => z.strictObject({ wait_s: WaitS() }),
  output: () => z.object({ steps: z.number() }),
  risk: 'read',
  scopes: { least: 'system:read' },
  long: true,
  async handler(_i, ctx) {
    for (let i = 1; i <= 3; i++) ctx.progress(i, 3, `step ${i}`);
    stage.started();
    await Promise.race([
      stage.finish,
      new Promise((_, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason))),
    ]).catch((thrown) => {
      stage.aborted++;
      throw thrown;
    });
    return { steps: 3 };
  },
  text: ({ steps }) => `${steps} steps`,
});

const missing = defineRead({
  ...common,
  name: 'fixture_missing',
  title: 'Missing',
  description: 'Finds nothing.',
  input: () => z.strictObject({ id: z.string().max(64) }),
  output: () => z.object({ id: z.string() }),
  risk: 'read',
  scopes: { least: 'logs:read' },
  async handler({ id }) {
    if (id === 'known') return { id };
    throw new OpsError('not_found', `No ${id}.`, { hint: 'Look again.', candidates: ['known'] });
  },
  text: ({ id }) => `it is ${id}`,
});

const rename = defineChange({
  ...common,
  toolset: 'docker',
  core: false,
  name: 'fixture_rename',
  title: 'Rename',
  description: 'Changes a word.',
  input: () => z.strictObject({ to: z.string().min(1).max(20) }),
  risk: { least: 'change', worst: 'destroy', of: () => 'change' },
  scopes: { least: 'docker:write' },
  targets: () => [{ kind: 'path', name: '/word' }],
  preview: async ({ to }) => ({ summary: `Rename to ${to}.`, digest: 'x' }),
  apply: async ({ to }) => ({ summary: `Renamed to ${to}.` }),
  undo: { kind: 'none', why: 'A fixture.' },
});

const about = (name: string) => ({ name, title: name, description: `${name} of the fixture` });
export const catalog: Catalog = {
  tools: [overview, slow, missing, rename],
  resources: [
    { ...about('overview'), uri: 'deckhand://system/overview', tool: 'system_overview', args: { top: 3 } },
    { ...about('thing'), uri: 'deckhand://system/thing/{id}', tool: 'fixture_missing', args: {} },
  ],
  prompts: [{ ...about('checkup'), tool: 'system_overview', args: {}, lead: 'Look at this host:' }],
};
