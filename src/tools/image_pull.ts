/** Pulls one image, layer by layer. Decides what is told of before and after; running containers are not touched by it. */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineChange } from '../core/define.ts';
import type { ToEngine } from '../core/docker.ts';
import { imageParts } from '../core/docker_refs.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import { ImageRef, once, WaitS } from '../core/schema.ts';
import { bytes } from '../core/text.ts';
import { some } from './container_change.ts';
import { EngineInput, shortId, toEngine } from './docker_parts.ts';

const input = once(() => z.strictObject({ image: ImageRef(), engine: EngineInput(), wait_s: WaitS() }));

export const imagePull = defineChange({
  name: 'image_pull',
  title: 'Pull an image',
  description:
    'Use this to fetch an image, or what its tag has become, from its registry; tells the digests before and after. Running containers stay as they are: to move one to it use container_update.',
  toolset: 'docker',
  core: false,
  input,
  scopes: { least: 'docker:write' },
  risk: 'change',
  targets: (i) => [{ kind: 'image', name: i.image }],
  annotations: { idempotent: true, openWorld: true },
  limits: { timeoutMs: 3_600_000, cost: 5 },
  long: true,
  undo: {
    kind: 'manual',
    why: 'the image that had this tag before is still on the host, without it, until it is removed: `docker tag <id before> <image>` gives it the tag again; image_remove removes the new one.',
  },

  async preview(i, ctx) {
    const { name, had, remote, whole, users } = await look(i, ctx, toEngine(i.engine, ctx));
    const newer =
      remote.value === null
        ? `what ${name} is now (the registry did not tell: ${remote.why})`
        : `${name} (${shortId(remote.value)})`;
    const summary = whole
      ? `${name} is up to date: nothing would be changed.`
      : [
          `Pull ${newer}${had ? `, which is ${shortId(had.id)} of ${bytes(had.sizeBytes)} here now` : ', which is not here yet'}.`,
          users.length > 0 ? `${some(users)} ${users.length === 1 ? 'goes' : 'go'} on with the image as it is.` : null,
        ]
          .filter((s) => s !== null)
          .join(' ');
    return {
      summary,
      before: { id: had?.id ?? null, digests: had?.digests ?? [] },
      digest: JSON.stringify([i.engine ?? null, name, had?.id ?? null, remote.value]),
    };
  },

  async apply(i, ctx) {
    const to = toEngine(i.engine, ctx);
    const { name, had, whole } = await look(i, ctx, to);
    const before = { id: had?.id ?? null, digests: had?.digests ?? [] };
    if (whole) return { summary: `${name} is up to date; nothing was changed.`, before, after: before };
    ctx.commit();
    const pulled = await ctx.host.docker.images.pull(name, {
      ...to,
      onProgress: (p) =>
        ctx.progress(p.doneBytes, p.totalBytes, `${p.layers} layers, ${bytes(p.doneBytes)} of ${bytes(p.totalBytes)}`),
    });
    const is = await ctx.host.docker.images.inspect(name, to);
    return {
      summary:
        had?.id === is.id
          ? `${name} is up to date (${shortId(is.id)}).`
          : `${name} is ${shortId(is.id)} of ${bytes(is.sizeBytes)} now${had ? `; before it was ${shortId(had.id)}, which stays without this tag` : ''}.`,
      before,
      after: { id: is.id, digests: is.digests, digest: pulled.digest, sizeBytes: is.sizeBytes },
    };
  },
});

async function look(i: z.output<ReturnType<typeof input>>, ctx: ToolContext, to: ToEngine) {
  const parts = imageParts(i.image);
  if (!parts || /^(?:sha256:)?[0-9a-f]{64}$/.test(i.image))
    throw new OpsError('validation', 'An image is pulled by its name, not by an id.', { hint: 'Such as nginx:1.27.' });
  const name = parts.tag === null && parts.digest === null ? `${i.image}:latest` : i.image;
  const { images } = ctx.host.docker;
  const had = await images.inspect(name, to).catch((thrown: unknown) => {
    if (toOpsError(thrown).code === 'not_found') return null;
    throw thrown;
  });
  const remote = await images.remoteDigest(name, to);
  const users = had ? ((await images.list(to)).find((x) => x.id === had.id)?.usedBy ?? []) : [];
  const whole = had !== null && remote.value !== null && had.digests.some((d) => d.endsWith(`@${remote.value}`));
  return { name, had, remote, whole, users };
}
