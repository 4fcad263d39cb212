/**
 * Removes one image, or all that have lost their tag. Decides that exactly what was shown goes: dangling ones are removed one by one, by
 * the ids that were agreed to, and not by a prune, which takes what has come since. What a container uses stays.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineChange } from '../core/define.ts';
import type { ImageSummary, ToEngine } from '../core/docker.ts';
import { imageParts } from '../core/docker_refs.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import { ImageRef, once, WaitS } from '../core/schema.ts';
import { bytes } from '../core/text.ts';
import { prunable } from '../insight/containers.ts';
import { some, steadily } from './container_change.ts';
import { EngineInput, shortId, toEngine } from './docker_parts.ts';

const input = once(() =>
  z
    .strictObject({
      image: ImageRef().optional().describe('Name or id; this or `dangling`.'),
      dangling: z.boolean().default(false).describe('All without a tag that no container uses.'),
      engine: EngineInput(),
      wait_s: WaitS(),
    })
    .refine((i) => (i.image !== undefined) !== i.dangling, {
      message: 'expected exactly one of `image` and `dangling: true`',
      path: ['image'],
    }),
);

const MOST = 500;

export const imageRemove = defineChange({
  name: 'image_remove',
  title: 'Remove images',
  description:
    'Use this to remove one image, or with `dangling` all that have lost their tag, to free room; dry_run lists what goes and what that frees. Images in use are refused. To see what could go use image_list.',
  toolset: 'docker',
  core: false,
  input,
  scopes: { least: 'docker:write' },
  risk: 'destroy',
  targets: (i) => [{ kind: 'image', name: i.image ?? 'dangling' }],
  annotations: { idempotent: false, openWorld: false },
  limits: { timeoutMs: 1_200_000 },
  long: true,
  undo: {
    kind: 'manual',
    why: 'pull it again with image_pull, by the digest in `before`, as long as its registry has it.',
  },

  async preview(i, ctx) {
    const going = await goingOf(i, ctx, toEngine(i.engine, ctx));
    const { untags, list } = going;
    const digest = JSON.stringify([i.engine ?? null, untags, list.map((x) => x.id).sort()]);
    const before = { images: list.slice(0, 50).map(row) };
    if (untags !== null)
      return {
        summary: `Take the tag ${untags} off ${shortId(list[0]?.id ?? '')}: the image stays under its other names, and nothing is freed.`,
        before,
        digest,
      };
    const { bytes: freed, atMost } = freedBy(list);
    const summary =
      list.length === 0
        ? 'No image is without a tag and unused: nothing would be changed.'
        : `Remove ${list.length === 1 ? `the image ${nameOf(list[0] as ImageSummary)}` : `${list.length} images (${some(list.map((x) => shortId(x.id)))})`}; that frees ${atMost ? 'at most ' : ''}${bytes(freed)}.`;
    return { summary, before, digest };
  },

  async apply(i, ctx) {
    const to = toEngine(i.engine, ctx);
    const { untags, list } = await goingOf(i, ctx, to);
    const before = { images: list.slice(0, 50).map(row) };
    if (list.length === 0) return { summary: 'No image is without a tag and unused; nothing was changed.', before };
    ctx.commit();
    const steady = steadily(to);
    const untagged: string[] = [];
    const deleted: string[] = [];
    const stays: string[] = [];
    for (const [n, image] of list.entries()) {
      ctx.progress(n, list.length, shortId(image.id));
      try {
        const gone = await ctx.host.docker.images.remove(i.image ?? image.id, steady);
        untagged.push(...gone.untagged);
        deleted.push(...gone.deleted);
      } catch (thrown) {
        // Another image is built on it, or a container has come meanwhile.
        if (i.image !== undefined || toOpsError(thrown).code !== 'conflict') throw thrown;
        stays.push(image.id);
      }
    }
    const freed = freedBy(list.filter((x) => !stays.includes(x.id)));
    const summary =
      untags !== null
        ? `The tag ${untags} is gone; the image stays under its other names.`
        : `${list.length - stays.length === 1 ? 'One image is' : `${list.length - stays.length} images are`} removed; that frees ${freed.atMost ? 'at most ' : ''}${bytes(freed.bytes)}.${stays.length > 0 ? ` ${some(stays.map(shortId))} could not be removed: others are built on it, or use it now.` : ''}`;
    return {
      summary,
      before,
      after: { untagged: untagged.slice(0, MOST), deleted: deleted.length, stays: stays.map(shortId) },
    };
  },
});

async function goingOf(
  i: z.output<ReturnType<typeof input>>,
  ctx: ToolContext,
  to: ToEngine,
): Promise<{ untags: string | null; list: ImageSummary[] }> {
  const all = await ctx.host.docker.images.list(to);
  if (i.image === undefined)
    return { untags: null, list: all.filter((x) => x.dangling && x.usedBy.length === 0).slice(0, MOST) };
  const is = await ctx.host.docker.images.inspect(i.image, to);
  const image = all.find((x) => x.id === is.id);
  if (!image)
    throw new OpsError('conflict', `${i.image} is a part of other images.`, {
      hint: 'image_list shows those that can be removed.',
    });
  const parts = imageParts(i.image);
  const byId = /^(?:sha256:)?[0-9a-f]{64}$/.test(i.image);
  const name = parts && !byId && parts.digest === null && parts.tag === null ? `${i.image}:latest` : i.image;
  if (!byId && parts?.digest === null && image.tags.length > 1) return { untags: name, list: [image] };
  if (image.usedBy.length > 0)
    throw new OpsError('conflict', `${i.image} is used by ${some(image.usedBy)}.`, {
      hint: 'Remove those containers first, or move them to another image (container_update).',
    });
  if (byId && image.tags.length > 1)
    throw new OpsError('conflict', `${shortId(image.id)} has several names.`, {
      hint: 'Remove it name by name.',
      candidates: image.tags.slice(0, 10),
    });
  return { untags: null, list: [image] };
}

const freedBy = (list: readonly ImageSummary[]) => {
  const { unused, atMost } = prunable(list.map((x) => ({ ...x, usedBy: [] })));
  return { bytes: unused.bytes, atMost };
};
const nameOf = (x: ImageSummary) => (x.tags[0] ? `${x.tags[0]} (${shortId(x.id)})` : shortId(x.id));
const row = (x: ImageSummary) => ({ id: shortId(x.id), tags: x.tags, digests: x.digests, sizeBytes: x.sizeBytes });
