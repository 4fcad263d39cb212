/**
 * `docker compose` up, pull or down on a project that is there already. Decides that its files are valid, add nothing that reaches the host
 * (insight/stack_additions.ts) and touch only containers that may be changed; then how the stack is. Arguments of compose and the files it
 * reads are the host's: a caller names a project, and nothing else.
 */
import { hash } from 'node:crypto';
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineChange } from '../core/define.ts';
import type { ContainerDetail, Stack, ToEngine } from '../core/docker.ts';
import { OpsError } from '../core/errors.ts';
import { strip } from '../core/foreign.ts';
import { nearest } from '../core/nearest.ts';
import { once, StackName, WaitS } from '../core/schema.ts';
import type { ChangeContext, Changed } from '../core/tool.ts';
import { record, text } from '../insight/container_powers.ts';
import { stackOf } from '../insight/containers.ts';
import { additions, beyond, type Existing, hadBy } from '../insight/stack_additions.ts';
import { guard, lastLines, settle, some, steadily } from './container_change.ts';
import { EngineInput, shortId, tame, toEngine } from './docker_parts.ts';
import { attempt } from './sampling.ts';

const input = once(() =>
  z.strictObject({
    stack: StackName(),
    verb: z
      .enum(['up', 'pull', 'down'])
      .describe('up makes it as its files say; down removes its containers and networks, volumes stay.'),
    within_s: z.number().int().min(5).max(900).default(120).describe('After up, to be running and healthy.'),
    engine: EngineInput(),
    wait_s: WaitS(),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

const CONFIG_MS = 30_000;
const RUN_MS = 1_800_000;
const MOST_LINES = 20;

export const stackApply = defineChange({
  name: 'stack_apply',
  title: 'Apply a compose stack',
  description:
    'Use this to pull the images of a compose stack, to bring it up as its files say, or to take it down; then tells how its containers are. Its files may not give them more of the host than they have. To see stacks use stack_list.',
  toolset: 'docker',
  core: false,
  input,
  scopes: { least: 'docker:write' },
  risk: { least: 'change', worst: 'destroy', of: (i) => (i.verb === 'down' ? 'destroy' : 'change') },
  targets: (i) => [{ kind: 'stack', name: i.stack }],
  annotations: { idempotent: true, openWorld: true },
  limits: { timeoutMs: 3_600_000, cost: 5 },
  long: true,
  undo: {
    kind: 'manual',
    why: 'compose keeps nothing of what it replaced: put its files back as they were (and the image tags, `docker tag`), and apply it again. `before` names the images.',
  },

  async preview(i, ctx) {
    const plan = await planOf(i, ctx, toEngine(i.engine, ctx));
    return { summary: plan.said.join(' '), before: plan.before, digest: plan.digest };
  },

  async apply(i, ctx) {
    const to = toEngine(i.engine, ctx);
    const plan = await planOf(i, ctx, to);
    ctx.commit();
    const steady = steadily(to);
    const ran = await ctx.host.docker.stacks.compose(plan.stack, i.verb, {
      ...steady,
      timeoutMs: RUN_MS,
      onLine: (line) => ctx.progress(0, undefined, shown(line)),
    });
    if (ran.code !== 0)
      throw new OpsError(
        'conflict',
        `compose ${i.verb} of ${i.stack} ended with code ${ran.code}: ${lastOf(ran.err || ran.out)}`,
        {
          hint: 'A part of it may have been done: stack_list shows how it is now.',
        },
      );
    if (i.verb === 'pull')
      return {
        summary: `The images of ${i.stack} are pulled; its containers go on with the old ones until up.`,
        before: plan.before,
      };
    if (i.verb === 'down') return down(i, plan, ctx, steady);
    return up(i, plan, ctx, steady);
  },
});

interface Plan {
  stack: Stack;
  had: Map<string, Set<string>>;
  ids: Map<string, string>;
  said: string[];
  before: Record<string, unknown>;
  digest: string;
}

async function planOf(i: Input, ctx: ToolContext, to: ToEngine): Promise<Plan> {
  const { stacks, containers } = ctx.host.docker;
  const all = await stacks.list(to);
  const stack = all.find((s) => s.name === i.stack);
  if (!stack) {
    const names = all.map((s) => s.name);
    const near = nearest(i.stack, names, 3);
    throw new OpsError('not_found', `There is no compose stack ${i.stack} with a container on this engine.`, {
      hint: 'Only a stack that is there can be applied: a person brings it up the first time.',
      candidates: near.length > 0 ? near : names.slice(0, 5),
    });
  }
  const details: ContainerDetail[] = [];
  const existing: Existing[] = [];
  for (const c of stack.services.flatMap((s) => s.containers)) {
    const is = await containers.inspect(c.id, to);
    await guard(is, i.verb === 'down' ? 'remove' : 'update', ctx, to);
    details.push(is);
    existing.push(await existingOf(is, ctx, to));
  }
  const config = await configOf(stack, ctx, to);
  const had = hadBy(existing);
  const lines = i.verb === 'down' ? [] : additions(config.said, had, ctx.host.control.rules.mountRoots).map(shown);
  if (lines.length > 0)
    throw new OpsError(
      'permission',
      `The files of ${i.stack} ask for more of the host than its containers have: ${lines.slice(0, MOST_LINES).join('; ')}${lines.length > MOST_LINES ? `; and ${lines.length - MOST_LINES} more` : ''}.`,
      {
        hint: 'A person brings it up on the host, once; or the owner adds the folder to `docker.mountRoots` in the config.',
      },
    );
  const before = Object.fromEntries(
    details.map((c) => [c.name, `${c.state}${c.health ? ` (${c.health})` : ''}, ${c.image} ${shortId(c.imageId)}`]),
  );
  const services = await servicesOf(i, config.said, details, ctx, to);
  const said = [VERB[i.verb](i.stack), ...services];
  const digest = JSON.stringify([
    i.engine ?? null,
    i.stack,
    config.sha,
    details.map((c) => [c.id, c.imageId]).sort(),
    services,
  ]);
  return {
    stack,
    had,
    ids: new Map(details.map((c) => [c.id, c.imageId])),

    said,
    before: { containers: before },
    digest,
  };
}

const VERB: Record<Input['verb'], (name: string) => string> = {
  up: (name) =>
    `Bring ${name} up as its files say now; containers whose settings or image differ are made anew, with what they wrote outside of volumes lost.`,
  pull: (name) => `Pull the images of ${name}; its containers are not touched.`,
  down: (name) =>
    `Stop and remove all containers and networks of ${name}, with what they wrote outside of volumes; its volumes stay.`,
};

async function existingOf(is: ContainerDetail, ctx: ToolContext, to: ToEngine): Promise<Existing> {
  const raw = await ctx.host.docker.changes.raw(is.id, to);
  const { mounts, labels, networks } = is;
  return { service: stackOf(labels).service ?? is.name, host: record(raw.HostConfig), mounts, labels, networks };
}

async function configOf(stack: Stack, ctx: ToolContext, to: ToEngine): Promise<{ said: unknown; sha: string }> {
  const ran = await ctx.host.docker.stacks.compose(stack, 'config', { ...to, timeoutMs: CONFIG_MS });
  const bad = (why: string) =>
    new OpsError('validation', `The files of ${stack.name} are not valid: ${why}`, {
      hint: 'Nothing was changed. Correct them, and try again; `docker compose config` on the host says the same.',
    });
  if (ran.code !== 0) throw bad(lastOf(ran.err || ran.out));
  let said: unknown;
  try {
    said = JSON.parse(ran.out);
  } catch {
    throw bad('compose did not print them as JSON; version 2 of the plugin is needed.');
  }
  if (text(record(said).name) !== stack.name)
    throw bad(`they are those of another project, ${shown(text(record(said).name))}.`);
  return { said, sha: hash('sha256', ran.out) };
}

async function servicesOf(
  i: Input,
  config: unknown,
  details: readonly ContainerDetail[],
  ctx: ToolContext,
  to: ToEngine,
): Promise<string[]> {
  const lines: string[] = [];
  const services = record(record(config).services);
  if (i.verb === 'down') return [`That is ${some(details.map((c) => c.name))}.`];
  for (const [name, s] of Object.entries(services)) {
    const image = text(record(s).image);
    const mine = details.filter((c) => stackOf(c.labels).service === name);
    const local = image === '' ? null : (await attempt(ctx.host.docker.images.inspect(image, to), ctx)).value;
    const is = local === null ? null : shortId(local.id);
    if (i.verb === 'pull') {
      const remote = image === '' ? null : (await ctx.host.docker.images.remoteDigest(image, to)).value;
      const same = remote !== null && local?.digests.some((d) => d.endsWith(`@${remote}`));
      lines.push(
        `${name}: ${same ? 'up to date' : remote === null ? 'the registry does not tell' : `newer (${shortId(remote)})`}.`,
      );
    } else if (mine.length === 0) lines.push(`${name}: created.`);
    else if (local && mine.some((c) => c.imageId !== local.id))
      lines.push(`${name}: made anew, ${shortId(mine[0]?.imageId ?? '')} → ${is}.`);
    else if (image !== '' && mine.some((c) => c.image !== image)) lines.push(`${name}: made anew, of ${image}.`);
    else lines.push(`${name}: as it is, unless its settings differ.`);
  }
  for (const c of details)
    if (!Object.hasOwn(services, stackOf(c.labels).service ?? ''))
      lines.push(`${c.name}: stays, and is in the files no more.`);
  return lines.map(shown);
}

async function down(i: Input, plan: Plan, ctx: ChangeContext, to: ToEngine): Promise<Changed> {
  const left =
    (await ctx.host.docker.stacks.list(to)).find((s) => s.name === i.stack)?.services.flatMap((s) => s.containers) ??
    [];
  return {
    summary:
      left.length === 0
        ? `${i.stack} is down: its containers and networks are removed, its volumes stay.`
        : `compose says it is done, but ${some(left.map((c) => c.name))} of ${i.stack} is still there.`,
    before: plan.before,
    after: { containers: left.map((c) => c.name) },
  };
}

async function up(i: Input, plan: Plan, ctx: ChangeContext, to: ToEngine): Promise<Changed> {
  const { stacks } = ctx.host.docker;
  const now = (await stacks.list(to)).find((s) => s.name === i.stack)?.services.flatMap((s) => s.containers) ?? [];
  await noMore(i, plan, now, ctx, to);
  const ends = await Promise.all(
    now.map(async (c) => {
      const end = await settle(c.id, 'running', { to, ctx, withinMs: i.within_s * 1_000 });
      // One that has a task and is done with it.
      const task = end.is?.state === 'exited' && end.is.exitCode === 0;
      return { c, end, well: end.reached || task, task };
    }),
  );
  const bad = ends.filter((e) => !e.well);
  const log: string[] = [];
  for (const { c } of bad.slice(0, 3))
    for (const line of await lastLines(c.id, null, ctx, to)) log.push(`${c.name}: ${line}`);
  const made = now.filter((c) => !plan.ids.has(c.id)).map((c) => c.name);
  const after = Object.fromEntries(
    ends.map(({ c, end, task }) => [
      c.name,
      task
        ? 'ended well'
        : `${end.is?.state ?? '?'}${end.is?.health ? ` (${end.is.health})` : ''}${end.why ? `: ${end.why}` : ''}`,
    ]),
  );
  const anew = made.length > 0 ? ` Made anew: ${some(made)}.` : ' No container was made anew.';
  return {
    summary:
      bad.length === 0
        ? `${i.stack} is up: ${ends.length} of ${ends.length} containers are well.${anew}`
        : `${i.stack} was brought up, but ${bad
            .map(({ c, end }) => `${c.name}: ${end.why}`)
            .slice(0, 5)
            .join('; ')}.${anew}${log.length > 0 ? ' Their last lines are below.' : ''}`,
    before: plan.before,
    after: { containers: after, ...(log.length > 0 ? { log } : {}) },
  };
}

/** Compose reads the files again: what was slipped in between the look and the deed is stopped, and said. */
async function noMore(
  i: Input,
  plan: Plan,
  now: readonly { id: string; name: string }[],
  ctx: ChangeContext,
  to: ToEngine,
): Promise<void> {
  const made = now.filter((c) => !plan.ids.has(c.id));
  const are: Existing[] = [];
  for (const c of made) are.push(await existingOf(await ctx.host.docker.containers.inspect(c.id, to), ctx, to));
  const lines = beyond(are, plan.had, ctx.host.control.rules.mountRoots).map(shown);
  if (lines.length === 0) return;
  for (const c of made) await ctx.host.docker.changes.stop(c.id, { ...to, graceS: 0 });
  throw new OpsError(
    'conflict',
    `The files of ${i.stack} were others when it was brought up, and gave more of the host: ${lines.slice(0, MOST_LINES).join('; ')}.`,
    { hint: `What was made of them is stopped: ${some(made.map((c) => c.name))}. A person should look at the files.` },
  );
}

/** Others wrote it, and it stands in our own sentence: one line, and no mark of ours. */
const shown = (line: string): string => tame(strip(line)).replace(/\s+/g, ' ').trim().slice(0, 160);
const lastOf = (said: string): string =>
  shown(said.trim().split('\n').slice(-3).join(' ').slice(-400)) || 'it said nothing.';
