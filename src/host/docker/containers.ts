/**
 * Containers of an engine, read: the list, what an inspection adds, samples, events. Decides how many questions stand at once, and
 * that what has gone meanwhile is left out; logs are read in logs.ts.
 */
import type { ContainerHost, ToEngine } from '../../core/docker.ts';
import { CONTAINER_REF } from '../../core/docker_refs.ts';
import { OpsError } from '../../core/errors.ts';
import { nearest } from '../../core/nearest.ts';
import { detailOf, runOf, sampleOf, summaryOf } from './container_records.ts';
import type { Engine } from './engine.ts';
import { number, record, records, type Said, text, timeMs } from './said.ts';

/** Questions to an engine at once for one caller: more make it no faster, and others wait. */
const AT_ONCE = 6;
const MOST_CANDIDATES = 3;
const MOST_EVENTS_BYTES = 4 * 1024 * 1024;

export type Choose = (o?: ToEngine) => Engine;

/** Before anything of it can become part of a path. */
export function containerRef(ref: string): string {
  if (CONTAINER_REF.test(ref)) return ref;
  throw new OpsError('validation', 'This is no name or id of a container.', {
    hint: 'Letters, digits, dot, dash and underscore, at most 128, as container_list shows it.',
  });
}

/** `not_found` with names that are near, where the engine can still tell them. */
export async function withNearNames<T>(engine: Engine, ref: string, o: ToEngine | undefined, ask: () => Promise<T>) {
  try {
    return await ask();
  } catch (thrown) {
    if (!(thrown instanceof OpsError) || thrown.code !== 'not_found') throw thrown;
    const names = await engine
      .ask((docker) => docker.listContainers({ all: true }), o)
      .then(
        (list) => records(list).map((c) => summaryOf(c).name),
        () => [],
      );
    const candidates = nearest(ref, names, MOST_CANDIDATES);
    throw new OpsError('not_found', `There is no container ${ref}.`, {
      hint: candidates.length > 0 ? 'Perhaps one of these is meant.' : 'container_list shows those that are there.',
      ...(candidates.length > 0 ? { candidates } : {}),
      cause: thrown,
    });
  }
}

/** Each answer under its id; what is gone is left out, and any other failure fails all. */
async function each<T>(ids: readonly string[], ask: (id: string) => Promise<T | null>): Promise<Map<string, T>> {
  const found = new Map<string, T>();
  const left = [...new Set(ids)].map(containerRef);
  let failed = false;
  const worker = async () => {
    for (let id = left.shift(); id !== undefined && !failed; id = left.shift()) {
      try {
        const value = await ask(id);
        if (value !== null) found.set(id, value);
      } catch (thrown) {
        // 409: it is being removed.
        if (thrown instanceof OpsError && (thrown.code === 'not_found' || thrown.code === 'conflict')) continue;
        failed = true;
        throw thrown;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return found;
}

export function containerReader(choose: Choose): Omit<ContainerHost, 'logs'> {
  return {
    async list(o) {
      const filters = o?.labels && o.labels.length > 0 ? { filters: { label: [...o.labels] } } : {};
      const said = await choose(o).ask((docker) => docker.listContainers({ all: o?.all ?? false, ...filters }), o);
      return records(said).map(summaryOf);
    },

    runs(ids, o) {
      const engine = choose(o);
      return each(ids, (id) => engine.ask(async (docker) => runOf(record(await docker.getContainer(id).inspect())), o));
    },

    async inspect(ref, o) {
      containerRef(ref);
      const engine = choose(o);
      const inspected = await withNearNames(engine, ref, o, () =>
        engine.ask((docker) => docker.getContainer(ref).inspect(o?.size ? { size: true } : {}), o),
      );
      const said = record(inspected);
      return detailOf(said, await sentence(engine, said, o));
    },

    samples(ids, o) {
      const engine = choose(o);
      return each(ids, (id) =>
        engine.ask(async (docker, { kind }) => {
          // one-shot: without it the engine waits a second to see two samples. Podman knows it, too.
          const said = await docker.getContainer(id).stats({ stream: false, 'one-shot': true });
          return sampleOf(id, record(said), kind);
        }, o),
      );
    },

    async events(ref, o) {
      containerRef(ref);
      const engine = choose(o);
      const inspected = await withNearNames(engine, ref, o, () =>
        engine.ask((docker) => docker.getContainer(ref).inspect(), o),
      );
      return engine.ask(async (docker) => {
        const stream = (await docker.getEvents({
          since: seconds(o.sinceMs),
          // Now, by the engine's own clock: the stream ends there, however wrong ours is.
          until: seconds(timeMs(record(await docker.info()).SystemTime) ?? o.sinceMs),
          filters: { type: ['container'], container: [text(record(inspected).Id)] },
        })) as AsyncIterable<Buffer>;
        return lastEvents(stream, o.most);
      }, o);
    },
  };
}

/** `1700000000.123000000`, as the engine's API takes it. */
export const seconds = (ms: number): string =>
  `${Math.floor(ms / 1_000)}.${String(Math.floor(ms % 1_000)).padStart(3, '0')}000000`;

/** The list's words of this one: `Up 3 hours`. Gone meanwhile: empty. */
async function sentence(engine: Engine, inspected: Said, o: ToEngine | undefined): Promise<string> {
  const list = await engine.ask(
    (docker) => docker.listContainers({ all: true, filters: { id: [text(inspected.Id)] } }),
    o,
  );
  return summaryOf(records(list)[0] ?? {}).status;
}

type Event = { atMs: number; what: string; detail: Record<string, string> };

async function lastEvents(stream: AsyncIterable<Buffer>, most: number): Promise<Event[]> {
  let bytes = 0;
  let rest = '';
  const found: Event[] = [];
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    bytes += chunk.length;
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = eventOf(line);
      if (event) found.push(event);
    }
    if (found.length > 2 * most) found.splice(0, found.length - most);
    if (bytes > MOST_EVENTS_BYTES) break;
  }
  const last = eventOf(rest);
  if (last) found.push(last);
  return found.slice(-most);
}

function eventOf(line: string): Event | null {
  let said: Said;
  try {
    said = record(JSON.parse(line));
  } catch {
    return null;
  }
  const nano = number(said.timeNano);
  const atMs = nano !== null ? Math.floor(nano / 1e6) : (number(said.time) ?? 0) * 1_000;
  const detail: Record<string, string> = {};
  for (const [name, value] of Object.entries(record(record(said.Actor).Attributes)))
    if (EVENT_DETAILS.has(name) && typeof value === 'string') detail[name] = value;
  const what = text(said.Action) || text(said.status);
  return what === '' ? null : { atMs, what, detail };
}

/** An event carries every label of its container; these are what happened. */
const EVENT_DETAILS = new Set(['exitCode', 'signal', 'execDuration', 'oldName', 'image', 'name']);
