/**
 * Images of an engine: the list with who uses what, what a registry has now, pulling with progress, removing. Decides what counts as
 * a pull that worked; whether one may be made is policy's to say.
 */
import type { ContainerSummary, ImageHost, ImageSummary } from '../../core/docker.ts';
import { type ImageParts, imageParts } from '../../core/docker_refs.ts';
import { OpsError } from '../../core/errors.ts';
import { summaryOf } from './container_records.ts';
import type { Choose } from './containers.ts';
import type { Engine } from './engine.ts';
import { opsErrorOf, refusedOnTheWay } from './failures.ts';
import { pullProgress, refusedPull } from './pull.ts';
import { imageId, labels, number, positive, record, records, type Said, text, texts, timeMs } from './said.ts';
import { EngineError } from './transport.ts';

const NONE = /^<none>[:@]<none>$/;
const MOST_PULL_BYTES = 64 * 1024 * 1024;

/** Before anything of it can become part of a path. */
export function imageRef(ref: string): ImageParts {
  const parts = imageParts(ref);
  if (parts) return parts;
  throw new OpsError('validation', 'This is no reference of an image.', {
    hint: 'Such as nginx:1.27 or registry.example:5000/team/app@sha256:…, as image_list shows it.',
  });
}

export function imageAdapter(choose: Choose): ImageHost {
  const inspect = async (ref: string, engine: Engine, o?: { signal?: AbortSignal }) =>
    inspectedOf(record(await engine.ask((docker) => docker.getImage(ref).inspect(), o)));

  return {
    async list(o) {
      const engine = choose(o);
      const [images, containers] = await Promise.all([
        // shared-size: known since API 1.42; older engines leave the question unheard.
        engine.ask((docker) => docker.listImages({ 'shared-size': true }), o),
        engine.ask((docker) => docker.listContainers({ all: true }), o),
      ]);
      const used = Map.groupBy(records(containers).map(summaryOf), (c) => c.imageId);
      return records(images).map((said) => imageOf(said, used));
    },

    async inspect(ref, o) {
      imageRef(ref);
      return inspect(ref, choose(o), o);
    },

    async remoteDigest(ref, o) {
      imageRef(ref);
      try {
        const said = await choose(o).ask((docker) => docker.getImage(ref).distribution(), o);
        const digest = text(record(record(said).Descriptor).digest);
        if (/^sha256:[0-9a-f]{64}$/.test(digest)) return { value: digest };
        return { value: null, why: 'The engine named no digest.' };
      } catch (thrown) {
        o?.signal?.throwIfAborted();
        if (!(thrown instanceof OpsError)) throw thrown;
        return { value: null, why: thrown.message };
      }
    },

    async pull(ref, o) {
      const { repository, tag, digest } = imageRef(ref);
      if (/^(?:sha256:)?[0-9a-f]{64}$/.test(ref))
        throw new OpsError('validation', 'An image is pulled by its name, not by an id.');
      const engine = choose(o);
      // Without a tag the engine would pull every one of them.
      const wanted = digest ?? tag ?? 'latest';
      const name = digest === null ? `${repository}:${wanted}` : `${repository}@${wanted}`;
      const gone = (thrown: unknown) => {
        if (thrown instanceof OpsError && thrown.code === 'not_found') return null;
        throw thrown;
      };
      const before = await inspect(name, engine, o).catch(gone);
      const stream = (await engine
        .ask((docker) => docker.createImage({ fromImage: repository, tag: wanted }), o)
        .catch((thrown: unknown) => {
          // The registry's no, in the status of the answer instead of its lines.
          const cause = thrown instanceof OpsError ? thrown.cause : null;
          throw cause instanceof EngineError && !refusedOnTheWay(cause) && cause.status !== 403
            ? refusedPull(cause.message)
            : thrown;
        })) as AsyncIterable<Buffer>;
      const progress = pullProgress(o.onProgress);
      try {
        let bytes = 0;
        for await (const chunk of stream) {
          bytes += chunk.length;
          if (bytes > MOST_PULL_BYTES) throw new OpsError('limit', 'The engine tells of this pull without end.');
          progress.push(chunk);
        }
      } catch (thrown) {
        o.signal?.throwIfAborted();
        throw opsErrorOf(thrown, engine.found.endpoint);
      }
      const after = await inspect(name, engine, o);
      return { id: after.id, digest: progress.digest(), upToDate: before?.id === after.id };
    },

    async remove(ref, o) {
      imageRef(ref);
      return removedOf(await choose(o).ask((docker) => docker.getImage(ref).remove(), o));
    },

    async pruneDangling(o) {
      const said = record(await choose(o).ask((docker) => docker.pruneImages({ filters: { dangling: ['true'] } }), o));
      return { deleted: removedOf(said.ImagesDeleted).deleted, freedBytes: number(said.SpaceReclaimed) ?? 0 };
    },
  };
}

const removedOf = (said: unknown) => ({
  untagged: records(said)
    .map((r) => text(r.Untagged))
    .filter(Boolean),
  deleted: records(said)
    .map((r) => text(r.Deleted))
    .filter(Boolean),
});

const namesOf = (value: unknown) => texts(value).filter((name) => !NONE.test(name));

const inspectedOf = (said: Said) => ({
  id: imageId(said.Id),
  tags: namesOf(said.RepoTags),
  digests: namesOf(said.RepoDigests),
  createdAtMs: timeMs(said.Created) ?? 0,
  sizeBytes: number(said.Size) ?? 0,
});

function imageOf(said: Said, used: Map<string, ContainerSummary[]>): ImageSummary {
  const id = imageId(said.Id);
  const tags = namesOf(said.RepoTags);
  const shared = number(said.SharedSize);
  return {
    id,
    tags,
    digests: namesOf(said.RepoDigests),
    createdAtMs: (positive(said.Created) ?? 0) * 1_000,
    sizeBytes: number(said.Size) ?? 0,
    // -1: not counted.
    sharedBytes: shared !== null && shared >= 0 ? shared : null,
    dangling: tags.length === 0,
    labels: labels(said.Labels),
    usedBy: (used.get(id) ?? []).map((c) => c.name).sort(),
  };
}
