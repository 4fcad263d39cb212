/**
 * Images of an engine: how large, how old, used by whom, what removing them would free, and on request whether a registry has a newer
 * one under the same tag. Decides which tags are asked for and how many at once; the asking is the engine's, with its own credentials.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineRead } from '../core/define.ts';
import type { ImageSummary, ToEngine } from '../core/docker.ts';
import { foreign, limit, once, Unknown } from '../core/schema.ts';
import { table } from '../core/table.ts';
import { bytes, duration } from '../core/text.ts';
import type { View } from '../core/tool.ts';
import { prunable } from '../insight/containers.ts';
import { EngineInput, shortId, toEngine } from './docker_parts.ts';
import { figure, type Gap, whole } from './figures.ts';
import { known } from './overview_text.ts';
import { within } from './sampling.ts';

/** Registries count questions (Docker Hub: a hundred in six hours without an account). */
const MOST_ASKED = 25;
const AT_ONCE = 4;
const ASK_MS = 6_000;
const ALL_MS = 25_000;
const SORTS = ['size', 'age', 'name'] as const;

const said = <S extends z.ZodType>(schema: S) => foreign(schema, 'container engine');
const Saving = once(() => z.object({ images: z.number(), bytes: z.number() }));

export const ImageListAnswer = once(() =>
  z.object({
    total: z.number(),
    matched: z.number(),
    dangling: Saving().describe('Neither tagged nor used.'),
    unused: Saving().describe('Used by no container, tagged or not.'),
    atMost: z.boolean().describe('Shared layers are not all known: the bytes are the most that could be freed.'),
    updates: z.number().nullable().describe('Tags in use with a newer image; null: not asked.'),
    images: z.array(
      z.object({
        // Foreign in name only: every row then stands in the same fence.
        id: said(z.string()),
        tags: said(z.array(z.string())),
        sizeBytes: z.number(),
        ageSeconds: figure(),
        usedBy: said(z.array(z.string())),
        dangling: z.boolean(),
        update: z.enum(['newer', 'current', 'unknown']).optional(),
      }),
    ),
    unknown: z.array(Unknown()),
  }),
);
export type ImageListAnswer = z.output<ReturnType<typeof ImageListAnswer>>;

const input = once(() =>
  z.strictObject({
    name: z.string().min(1).max(256).optional().describe('Part of a tag.'),
    show: z.enum(['all', 'used', 'unused', 'dangling']).default('all').describe('unused: by no container.'),
    updates: z
      .boolean()
      .default(false)
      .describe(`Asks the registries whether tags in use have a newer image: at most ${MOST_ASKED}, some seconds.`),
    sort: z.enum(SORTS).default('size').describe('age: oldest first.'),
    limit: limit(30, 200),
    engine: EngineInput(),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const imageList = defineRead({
  name: 'image_list',
  title: 'Images',
  description:
    'Use this to see container images: size, age, who uses them, what pruning would free and, on request, which tags in use have a newer image at their registry. For all disk use of the engine use docker_system.',
  toolset: 'docker',
  core: false,
  input,
  output: ImageListAnswer,
  scopes: { least: 'docker:read' },
  risk: 'read',
  annotations: { idempotent: true, openWorld: true },
  limits: { timeoutMs: 40_000 },
  cut: { lists: ['images'], show: (i) => i.limit },
  text: imageListText,

  async handler(i, ctx) {
    const to = toEngine(i.engine, ctx);
    const all = await ctx.host.docker.images.list(to);
    const matching = ordered(
      all.filter((image) => matches(image, i)),
      i.sort,
    );
    const asked = i.updates ? await updatesOf(matching, ctx, to) : null;
    const now = ctx.now();
    return {
      total: all.length,
      matched: matching.length,
      ...prunable(all),
      updates: asked && [...asked.found.values()].filter((u) => u === 'newer').length,
      images: matching.map((image) => {
        const update = asked?.found.get(image.id);
        return {
          id: shortId(image.id),
          tags: image.tags,
          sizeBytes: image.sizeBytes,
          ageSeconds: whole(Math.max(0, now - image.createdAtMs) / 1_000),
          usedBy: image.usedBy,
          dangling: image.dangling,
          ...(update ? { update } : {}),
        };
      }),
      unknown: asked?.unknown ?? [],
    };
  },
});

function matches(image: ImageSummary, i: Input): boolean {
  const part = i.name?.toLowerCase();
  if (part !== undefined && !image.tags.some((t) => t.toLowerCase().includes(part))) return false;
  if (i.show === 'dangling') return image.dangling;
  return i.show === 'all' || (i.show === 'used') === image.usedBy.length > 0;
}

const ordered = (images: ImageSummary[], sort: Input['sort']): ImageSummary[] =>
  images.toSorted((a, b) => {
    if (sort === 'size') return b.sizeBytes - a.sizeBytes;
    if (sort === 'age') return a.createdAtMs - b.createdAtMs;
    return (a.tags[0] ?? '\uffff').localeCompare(b.tags[0] ?? '\uffff');
  });

type Update = 'newer' | 'current' | 'unknown';

/** A tag is newer elsewhere when the registry's digest of it is none of the image's own. */
async function updatesOf(
  images: readonly ImageSummary[],
  ctx: ToolContext,
  to: ToEngine,
): Promise<{ found: Map<string, Update>; unknown: Gap[] }> {
  const found = new Map<string, Update>();
  const why = new Map<string, number>();
  const note = (reason: string) => why.set(reason, (why.get(reason) ?? 0) + 1);
  const inUse = images.filter((image) => image.usedBy.length > 0 && image.tags.length > 0);
  const queue = inUse.filter((image) => {
    if (image.digests.length > 0) return true;
    found.set(image.id, 'unknown');
    note('built or loaded here: it came from no registry');
    return false;
  });
  const beyond = queue.splice(MOST_ASKED);
  for (const image of beyond) found.set(image.id, 'unknown');
  if (beyond.length > 0) why.set(`at most ${MOST_ASKED} are asked for at once: filter with \`name\``, beyond.length);

  const late = AbortSignal.any([ctx.signal, AbortSignal.timeout(ALL_MS)]);
  const worker = async () => {
    for (let image = queue.shift(); image !== undefined; image = queue.shift()) {
      const digests = new Set(image.digests.map((d) => d.slice(d.indexOf('@') + 1)));
      const read = late.aborted
        ? { value: null, why: `not asked within ${duration(ALL_MS)}` }
        : await within(
            ASK_MS,
            ctx.host.docker.images.remoteDigest(image.tags[0] as string, { ...to, signal: late }),
            ctx,
          );
      const { value: digest, why: reason } = read.value ?? { value: null, why: read.why };
      if (digest === null) note(reason ?? 'not known');
      found.set(image.id, digest === null ? 'unknown' : digests.has(digest) ? 'current' : 'newer');
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return {
    found,
    unknown: [...why].map(([reason, n]) => ({ what: `updates of ${n} ${n === 1 ? 'image' : 'images'}`, why: reason })),
  };
}

function imageListText(o: ImageListAnswer, view: View): string {
  const saving = (s: { images: number; bytes: number }) =>
    `${s.images} (${o.atMost ? 'at most ' : ''}${bytes(s.bytes)})`;
  const shown = o.matched === o.total ? '' : `; ${o.matched} match`;
  const news = o.updates === null ? '' : `; ${o.updates} in use with a newer image`;
  const lines = [
    view.paint('bold', `${o.total} ${o.total === 1 ? 'image' : 'images'}${shown}${news}`),
    `pruning would free: dangling ${saving(o.dangling)}, all unused ${saving(o.unused)}`,
    ...o.unknown.map((u) => `unknown: ${u.what}: ${u.why}`),
  ];
  if (o.images.length === 0) return lines.join('\n');
  const right = (head: string) => ({ head, align: 'right' as const });
  const updates = o.updates !== null;
  return [
    ...lines,
    table(
      [
        { head: 'id' },
        right('size'),
        right('age'),
        ...(updates ? [{ head: 'update' }] : []),
        { head: 'tags', max: 80 },
        { head: 'used by', max: 60 },
      ],
      o.images.map((image) => [
        image.id,
        bytes(image.sizeBytes),
        known(image.ageSeconds, (s) => duration(s * 1_000)),
        ...(updates ? [image.update ?? null] : []),
        image.tags.join(' ') || (image.dangling ? 'dangling' : null),
        image.usedBy.join(' ') || null,
      ]),
      view,
    ),
  ].join('\n');
}
