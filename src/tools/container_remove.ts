/**
 * Removes one container. Decides what is said to be lost, and that one which runs goes only by force; named volumes always stay. Who may
 * be removed is insight/container_guard.ts's.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineChange } from '../core/define.ts';
import type { ContainerDetail, ToEngine } from '../core/docker.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import { once } from '../core/schema.ts';
import { bytes } from '../core/text.ts';
import { OLD, shortOf } from '../insight/container_guard.ts';
import { isPublished, portsOf, stackOf } from '../insight/containers.ts';
import { alsoHit, digestOf, neighboursOf, phaseOf, some, standing, steadily, subjectOf } from './container_change.ts';
import { ContainerInput, containerTarget, EngineInput, shortId, toEngine } from './docker_parts.ts';

/** As engines name the volumes that nobody named. */
const ANONYMOUS = /^[0-9a-f]{64}$/;

const input = once(() =>
  z.strictObject({
    container: ContainerInput().describe('Its name.'),
    force: z.boolean().default(false).describe('Also while it runs: it is killed.'),
    volumes: z.boolean().default(false).describe('Its anonymous volumes too; named ones always stay.'),
    engine: EngineInput(),
  }),
);

export const containerRemove = defineChange({
  name: 'container_remove',
  title: 'Remove a container',
  description:
    'Use this to remove one container for good; dry_run tells which data would be lost. Named volumes stay. Only containers that the owner allows. To only stop it use container_control.',
  toolset: 'docker',
  core: false,
  input,
  scopes: { least: 'docker:write' },
  risk: 'destroy',
  targets: (i) => [containerTarget(i)],
  annotations: { idempotent: false, openWorld: false },
  limits: { timeoutMs: 60_000 },
  undo: {
    kind: 'manual',
    why: 'what it wrote outside of volumes is gone. Make it again of its image with the settings it had (compose file, or the command it was made with); `before` names image, mounts, networks and ports.',
  },

  async preview(i, ctx) {
    const to = toEngine(i.engine, ctx);
    const c = await meant(i, ctx, to);
    const { named, anonymous } = volumesOf(c);
    const { project } = stackOf(c.labels);
    const lost =
      c.sizeRwBytes === null
        ? 'What it wrote outside of volumes is lost.'
        : `What it wrote outside of volumes (${bytes(c.sizeRwBytes)}) is lost.`;
    const kept = c.name.endsWith(`${OLD}${shortOf(c.id)}`);
    const summary = [
      `Remove the container ${c.name} for good${phaseOf(c.state) === 'stopped' ? '' : `, though it is ${c.state}: it is killed`}.`,
      lost,
      anonymous.length === 0
        ? null
        : i.volumes
          ? `Its ${count(anonymous.length, 'anonymous volume')} (${some(anonymous.map(shortId))}) and the data in it are lost, unless another container uses it.`
          : `Its ${count(anonymous.length, 'anonymous volume')} (${some(anonymous.map(shortId))}) stays, without a container that knows it.`,
      named.length > 0 ? `${some(named)} ${named.length === 1 ? 'stays' : 'stay'}.` : null,
      project === null ? null : `It belongs to the compose stack ${project}, whose next up makes it again.`,
      kept ? 'An update kept it: without it that update cannot be undone any more.' : null,
      ...(phaseOf(c.state) === 'stopped' ? [] : alsoHit(c, await neighboursOf(c, ctx, to))),
    ];
    return { summary: summary.filter((s) => s !== null).join(' '), before: before(c), digest: digestOf(c, to) };
  },

  async apply(i, ctx) {
    const to = toEngine(i.engine, ctx);
    const c = await meant(i, ctx, to);
    ctx.commit();
    const steady = steadily(to);
    await ctx.host.docker.changes.remove(c.id, { ...steady, force: i.force, volumes: i.volumes });
    const left = await ctx.host.docker.containers.inspect(c.id, steady).then(
      (x) => x.state,
      (thrown: unknown) => {
        if (toOpsError(thrown).code === 'not_found') return null;
        throw thrown;
      },
    );
    return {
      summary:
        left === null
          ? `${c.name} is removed.`
          : `${c.name} is being removed by the engine (${left}), and still there.`,
      before: before(c),
      after: { removed: left === null },
    };
  },
});

async function meant(i: z.output<ReturnType<typeof input>>, ctx: ToolContext, to: ToEngine): Promise<ContainerDetail> {
  const c = await subjectOf(i.container, 'remove', ctx, to, true);
  if (phaseOf(c.state) !== 'stopped' && !i.force)
    throw new OpsError('conflict', `${c.name} is ${c.state}.`, {
      hint: 'Stop it first with container_control, so that it can end well; or repeat with force: true.',
    });
  return c;
}

function volumesOf(c: ContainerDetail) {
  const names = c.mounts.flatMap((m) => (m.type === 'volume' && m.name !== null ? [m.name] : []));
  return { anonymous: names.filter((n) => ANONYMOUS.test(n)), named: names.filter((n) => !ANONYMOUS.test(n)) };
}

const before = (c: ContainerDetail) => ({
  ...standing(c),
  imageId: shortId(c.imageId),
  writtenBytes: c.sizeRwBytes,
  mounts: c.mounts.map((m) => `${m.name ?? m.source} → ${m.destination}`),
  networks: c.networkSettings.map((n) => n.name),
  ports: portsOf(c.ports).filter(isPublished),
});

const count = (n: number, what: string) => (n === 1 ? what : `${n} ${what}s`);
