/**
 * Updates one container: a newer image under the same settings, the old container kept until the verdict and after it. Decides what may be
 * updated this way, what the new one must prove, and what is told. The steps and the way back are container_update_steps.ts's.
 *
 * What a container may do to its host is not in the arguments, and the risk of a call must be: so one that may do much is refused unless
 * `host_access` says that this is known, which makes the call one that destroys: it needs a person's yes in every mode.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineChange } from '../core/define.ts';
import type { ContainerDetail, ToEngine } from '../core/docker.ts';
import { imageParts } from '../core/docker_refs.ts';
import { OpsError } from '../core/errors.ts';
import { once, WaitS } from '../core/schema.ts';
import { NEW, OLD, shortOf } from '../insight/container_guard.ts';
import { powersOf, record } from '../insight/container_powers.ts';
import { reachOf } from '../insight/container_reach.ts';
import { isPublished, portsOf, stackOf } from '../insight/containers.ts';
import { alsoHit, digestOf, neighboursOf, phaseOf, some, standing, subjectOf } from './container_change.ts';
import { updateSteps } from './container_update_steps.ts';
import { containerUpdateUndo } from './container_update_undo.ts';
import { ContainerInput, containerTarget, EngineInput, shortId, toEngine } from './docker_parts.ts';
import { attempt } from './sampling.ts';

const input = once(() =>
  z.strictObject({
    container: ContainerInput().describe('Its name.'),
    image: z.string().min(1).max(255).optional().describe('Another tag or digest of its image; else the tag it has.'),
    within_s: z.number().int().min(5).max(900).default(120).describe('To be running, healthy and answering.'),
    host_access: z.boolean().default(false).describe('It is privileged, or has devices, host namespaces or a socket.'),
    engine: EngineInput(),
    wait_s: WaitS(),
  }),
);
export type UpdateInput = z.output<ReturnType<typeof input>>;

export const containerUpdate = defineChange({
  name: 'container_update',
  title: 'Update a container',
  description:
    'Use this to move one container to a newer image under the same settings: pulls, replaces it, waits until it runs, is healthy and its ports answer; if not, the old one is started again. The old one is kept, stopped. For containers of a compose stack use stack_apply.',
  toolset: 'docker',
  core: true,
  input,
  scopes: { least: 'docker:write' },
  risk: { least: 'change', worst: 'destroy', of: (i) => (i.host_access ? 'destroy' : 'change') },
  targets: (i) => [containerTarget(i), ...(i.image === undefined ? [] : [{ kind: 'image' as const, name: i.image }])],
  annotations: { idempotent: true, openWorld: true },
  limits: { timeoutMs: 3_600_000, cost: 5 },
  long: true,
  undo: containerUpdateUndo,

  async preview(i, ctx) {
    const to = toEngine(i.engine, ctx);
    const plan = await planOf(i, ctx, to);
    planned.set(i, plan);
    const { c, newer, left } = plan;
    const digest = digestOf(c, to, plan.image, newer.remote, newer.localId, left, plan.lines);
    const before = {
      ...standing(c),
      imageId: shortId(c.imageId),
      ...(plan.lines.length > 0 ? { hostAccess: plan.lines } : {}),
      mounts: c.mounts.map((m) => `${m.name ?? m.source} → ${m.destination}${m.writable ? '' : ' (read-only)'}`),
      networks: c.networkSettings.map((n) => n.name),
      ports: portsOf(c.ports).filter(isPublished),
    };
    const kept =
      left.length > 0 ? `${some(left)} is still here from an earlier update; container_remove removes it.` : null;
    if (newer.upToDate)
      return {
        summary: [`${c.name} runs what ${plan.image} is now: nothing would be changed.`, kept]
          .filter(Boolean)
          .join(' '),
        before,
        digest,
      };
    const hit = alsoHit(c, await neighboursOf(c, ctx, to));
    const summary = [
      `Move ${c.name} from ${shortId(c.imageId)} to ${newer.remote ? `${shortId(newer.remote)}, which` : 'what'} ${plan.image} is now${newer.remote ? '' : ` (the registry did not tell which that is: ${newer.why})`}.`,
      `It is stopped, and made anew with the same settings, networks, mounts and volumes; what it wrote outside of volumes stays in the old container, which is kept, stopped, as ${plan.oldName}.`,
      plan.lines.length > 0 ? `It may do much to the host: ${plan.lines.join('; ')}.` : null,
      `If it is not running${c.health === null ? '' : ', healthy'} and answering within ${i.within_s} s, the old one is started again.`,
      ...hit,
      kept,
    ];
    return { summary: summary.filter((s) => s !== null).join(' '), before, digest };
  },

  async apply(i, ctx) {
    // What was previewed a moment ago, under the lock: asked again, the registry might name another image than was agreed to.
    const plan = planned.get(i) ?? (await planOf(i, ctx, toEngine(i.engine, ctx)));
    if (plan.newer.upToDate)
      return {
        summary: `${plan.c.name} runs what ${plan.image} is now; nothing was changed.`,
        after: { ...standing(plan.c), imageId: shortId(plan.c.imageId) },
      };
    return updateSteps(i, plan, ctx);
  },
});

export interface UpdatePlan {
  c: ContainerDetail;
  /** As its settings name it, or as was asked for. */
  image: string;
  oldName: string;
  newName: string;
  /** Of its host access, for who decides. */
  lines: string[];
  newer: { upToDate: boolean; remote: string | null; why: string; localId: string | null };
  /** Kept by earlier updates. */
  left: string[];
}

const planned = new WeakMap<UpdateInput, UpdatePlan>();

async function planOf(i: UpdateInput, ctx: ToolContext, to: ToEngine): Promise<UpdatePlan> {
  const { docker } = ctx.host;
  const found = await docker.containers.list({ ...to, all: true });
  const all = found.map((x) => x.name);
  const left = all.filter((n) => n.startsWith(`${i.container}${OLD}`)).sort();
  const half = all.find((n) => n.startsWith(`${i.container}${NEW}`)) ?? null;
  if (half !== null || (!all.includes(i.container) && left.length > 0)) throw halfDone(i.container, left, half, ctx);
  const c = await subjectOf(i.container, 'update', ctx, to);
  // An engine that comes back starts by itself what was kept or made: that one of the two runs says nothing then.
  const begun = left.length > 0 ? unfinished(i.container, ctx) : undefined;
  if (left.length > 0 && (c.state === 'created' || (begun && c.createdAtMs >= begun.atMs - SKEW_MS)))
    throw halfDone(i.container, left, null, ctx, true);
  const instead = found.find((x) => left.includes(x.name) && phaseOf(x.state) === 'up');
  if (instead && phaseOf(c.state) !== 'up')
    throw new OpsError('conflict', `${instead.name}, kept by an earlier update, runs instead of ${c.name}.`, {
      hint: `Its restart policy was not switched off. undo that update, or with container_control stop ${instead.name} and start ${c.name}.`,
    });
  const raw = await docker.changes.raw(c.id, to);
  refuseOthers(c, record(raw.HostConfig));
  const shared = (await neighboursOf(c, ctx, to)).shareNetwork;
  if (shared.length > 0)
    throw new OpsError(
      'conflict',
      `${some(shared)} ${shared.length === 1 ? 'uses' : 'use'} the network of ${c.name}, and would have none afterwards.`,
      {
        hint: 'Update both through their compose file, on the host.',
      },
    );
  const lines = [...new Set([...reachOf(c), ...powersOf(raw)])];
  if (lines.length > 0 && !i.host_access)
    throw new OpsError(
      'permission',
      `${c.name} may do much to the host (${lines.join('; ')}): its update needs a person’s yes.`,
      {
        hint: 'Repeat with host_access: true; then it waits for an approval, in every mode.',
      },
    );
  const image = imageFor(i, c);
  const remote = await docker.images.remoteDigest(image, to);
  ctx.signal.throwIfAborted();
  const local = (await attempt(docker.images.inspect(image, to), ctx)).value;
  const has = remote.value !== null && (local?.digests.some((d) => d.endsWith(`@${remote.value}`)) ?? false);
  const short = shortOf(c.id);
  return {
    c,
    image,
    oldName: `${c.name}${OLD}${short}`,
    newName: `${c.name}${NEW}${short}`,
    lines,
    newer: {
      upToDate: has && local?.id === c.imageId && sameName(image, c.image),
      remote: remote.value,
      why: remote.why ?? '',
      localId: local?.id ?? null,
    },
    left,
  };
}

/** What this way of updating would spoil. */
function refuseOthers(c: ContainerDetail, host: Record<string, unknown>): void {
  const { project, service } = stackOf(c.labels);
  if (project !== null)
    throw new OpsError(
      'conflict',
      `${c.name} belongs to the compose stack ${project}: compose would not know the new one.`,
      {
        hint: `Use stack_apply with the stack ${project}${service === null ? '' : ` (its service is ${service})`}: first pull, then up.`,
      },
    );
  const by = ['com.docker.swarm.service.name', 'io.kubernetes.pod.name', 'PODMAN_SYSTEMD_UNIT'].find((l) =>
    Object.hasOwn(c.labels, l),
  );
  if (by !== undefined)
    throw new OpsError(
      'conflict',
      `${c.name} is kept by something else (${by}), which would make it again as it was.`,
      { hint: 'Update it there.' },
    );
  if (host.AutoRemove === true)
    throw new OpsError(
      'conflict',
      `${c.name} was made with --rm: once stopped it is gone, and there would be no way back.`,
      {
        hint: 'Make it again by hand with the newer image.',
      },
    );
  if (phaseOf(c.state) !== 'up')
    throw new OpsError('conflict', `${c.name} is ${c.state}: whether the newer image works could not be seen.`, {
      hint: `${c.state === 'paused' ? 'Unpause' : 'Start'} it first, with container_control.`,
    });
  if (`${c.name}${NEW}`.length + 12 > 128)
    throw new OpsError('conflict', `The name of ${c.name} is too long for its kept container.`, {
      hint: 'Rename it first.',
    });
}

function imageFor(i: UpdateInput, c: ContainerDetail): string {
  const has = imageParts(c.image);
  const isId = has !== null && /^(?:sha256:)?[0-9a-f]{64}$/.test(c.image);
  const wanted = i.image ?? c.image;
  const parts = imageParts(wanted);
  const example = { hint: 'Name one of its repository, e.g. with another tag.' };
  if (!parts || /^(?:sha256:)?[0-9a-f]{64}$/.test(wanted)) {
    if (i.image !== undefined) throw new OpsError('validation', 'That is no image that can be pulled.', example);
    throw new OpsError('conflict', `${c.name} was made of an image by its id: there is no tag to pull.`, {
      hint: 'Make it again by hand, of a tag.',
    });
  }
  if (i.image === undefined && parts.digest !== null)
    throw new OpsError('conflict', `${c.name} is pinned to a digest: there is nothing newer under it.`, {
      hint: 'Name the newer one with `image`.',
    });
  if (!has || isId || plainName(parts.repository) !== plainName(has.repository))
    throw new OpsError(
      'validation',
      `${c.name} is made of another repository${has && !isId ? `, ${has.repository}` : ''}: that would be another program, not an update.`,
      example,
    );
  return wanted;
}

/** `nginx`, `library/nginx` and `docker.io/library/nginx` are one. */
const plainName = (repository: string): string =>
  repository.replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\//, '');

/** Else the settings would go on naming the other tag. */
function sameName(a: string, b: string): boolean {
  const [x, y] = [imageParts(a), imageParts(b)];
  const tag = (p: typeof x) =>
    p && `${plainName(p.repository)}:${p.digest === null ? (p.tag ?? 'latest') : ''}@${p.digest ?? ''}`;
  return tag(x) === tag(y);
}

/** Clocks of an engine elsewhere are not ours. */
const SKEW_MS = 60_000;

/** As a crash leaves it: a repeated call names it, and does not begin anew on top of it. */
function halfDone(
  name: string,
  left: readonly string[],
  half: string | null,
  ctx: Pick<ToolContext, 'receipts'>,
  stands = false,
): OpsError {
  const receipt = unfinished(name, ctx);
  const parts = [
    left.length > 0 ? `the old container stands as ${some(left)}` : null,
    half === null ? null : `the new one as ${half}`,
  ];
  return new OpsError('conflict', `An update of ${name} stopped half way: ${parts.filter(Boolean).join(', ')}.`, {
    hint: receipt
      ? `undo {"receipt":"${receipt.receipt}"} puts the old one back${stands ? '; to keep the new one, remove the old one with container_remove' : ''}.`
      : half !== null && left.length === 0
        ? `Remove ${half} (container_remove), then repeat.`
        : `By hand: remove what stands as ${name} or ${half ?? `${name}${NEW}…`}, rename ${left.at(-1) ?? 'the old one'} back to ${name}, and start it.`,
  });
}

const unfinished = (name: string, ctx: Pick<ToolContext, 'receipts'>) =>
  ctx.receipts
    .list(100)
    .find(
      (r) =>
        r.tool === 'container_update' && r.state === 'unfinished' && r.undone === null && aimsAt(r.receipt, name, ctx),
    );

const aimsAt = (receipt: string, name: string, ctx: Pick<ToolContext, 'receipts'>): boolean =>
  ctx.receipts.get(receipt)?.targets.split(', ').includes(`container:${name}`) === true;
