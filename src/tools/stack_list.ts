/** Compose projects, from the labels that compose leaves on its containers. Decides how a stack's state is summed up and shown. */
import * as z from 'zod';
import { defineRead } from '../core/define.ts';
import type { Stack } from '../core/docker.ts';
import { foreign, limit, once } from '../core/schema.ts';
import { table } from '../core/table.ts';
import type { View } from '../core/tool.ts';
import { type StackState, stackState } from '../insight/containers.ts';
import { EngineInput, HEALTHS, STATES, toEngine } from './docker_parts.ts';

const said = <S extends z.ZodType>(schema: S) => foreign(schema, 'container engine');
/** Worst first. */
const ORDER: readonly StackState[] = ['unhealthy', 'partial', 'stopped', 'running', 'empty'];

export const StackListAnswer = once(() =>
  z.object({
    total: z.number(),
    stacks: z.array(
      z.object({
        name: said(z.string()),
        state: z.enum(['running', 'unhealthy', 'partial', 'stopped', 'empty']),
        containers: z.number(),
        running: z.number(),
        files: said(z.array(z.string())),
        workingDir: said(z.string().nullable()),
        services: z.array(
          z.object({
            name: said(z.string()),
            containers: z.array(
              z.object({
                name: said(z.string()),
                state: z.enum(STATES),
                health: z.enum(HEALTHS).nullable(),
                image: said(z.string()),
              }),
            ),
          }),
        ),
      }),
    ),
  }),
);
export type StackListAnswer = z.output<ReturnType<typeof StackListAnswer>>;

export const stackList = defineRead({
  name: 'stack_list',
  title: 'Compose stacks',
  description:
    'Use this to see the compose projects of this host: services, their states and their files; what is not well first. For single containers use container_list with `project`.',
  toolset: 'docker',
  core: false,
  input: () =>
    z.strictObject({
      name: z.string().min(1).max(128).optional(),
      limit: limit(30, 200),
      engine: EngineInput(),
    }),
  output: StackListAnswer,
  scopes: { least: 'docker:read' },
  risk: 'read',
  annotations: { idempotent: true, openWorld: false },
  cut: { lists: ['stacks'], show: (i) => i.limit },
  text: stackListText,

  async handler(i, ctx) {
    const all = await ctx.host.docker.stacks.list(toEngine(i.engine, ctx));
    const part = i.name?.toLowerCase();
    const stacks = all.filter((s) => part === undefined || s.name.toLowerCase().includes(part)).map(rowOf);
    return {
      total: all.length,
      stacks: stacks.toSorted(
        (a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || a.name.localeCompare(b.name),
      ),
    };
  },
});

function rowOf(s: Stack): StackListAnswer['stacks'][number] {
  const containers = s.services.flatMap((service) => service.containers);
  return {
    name: s.name,
    state: stackState(containers),
    containers: containers.length,
    running: containers.filter((c) => c.state === 'running').length,
    files: s.configFiles,
    workingDir: s.workingDir,
    services: s.services.map((service) => ({
      name: service.name,
      containers: service.containers.map(({ name, state, health, image }) => ({ name, state, health, image })),
    })),
  };
}

function stackListText(o: StackListAnswer, view: View): string {
  const head = view.paint('bold', `${o.total} compose ${o.total === 1 ? 'stack' : 'stacks'}`);
  if (o.stacks.length === 0)
    return o.total === 0 ? `${head}: no container has compose's labels` : `${head}; none match`;
  const tone = { unhealthy: 'bad', partial: 'warn', stopped: 'dim', running: 'good', empty: 'dim' } as const;
  return [
    head,
    table(
      [
        { head: 'stack', max: 40 },
        { head: 'state' },
        { head: 'up', align: 'right' },
        { head: 'services', max: 120 },
        { head: 'files' },
      ],
      o.stacks.map((s) => [
        s.name,
        view.paint(tone[s.state], s.state),
        `${s.running}/${s.containers}`,
        s.services.map(serviceText).join(', '),
        s.files.join(' ') || null,
      ]),
      view,
    ),
  ].join('\n');
}

/** Only what is not simply running is said of a service. */
function serviceText(s: StackListAnswer['stacks'][number]['services'][number]): string {
  const odd = s.containers.filter((c) => c.state !== 'running' || (c.health !== null && c.health !== 'healthy'));
  const several = s.containers.length > 1 ? ` ×${s.containers.length}` : '';
  const what = [...new Set(odd.map((c) => (c.state === 'running' ? c.health : c.state)))].join(', ');
  return `${s.name}${several}${what ? ` (${what})` : ''}`;
}
