/**
 * Container engines in memory: a whole DockerHost that can be put into any state, and moves from one to the next as an engine does.
 * It is held to what real engines do by the same contract suite. Its clock stands still but for a second before each round of samples,
 * so that rates are exact. What is asked of it is kept in `asked`.
 */
import type {
  ContainerDetail,
  DockerHost,
  EngineInfo,
  EngineStatus,
  EngineUsage,
  ImageSummary,
  LogLine,
  Stack,
  ToEngine,
} from '../../src/core/docker.ts';
import { imageParts, isContainerRef } from '../../src/core/docker_refs.ts';
import { OpsError } from '../../src/core/errors.ts';
import type { Reading } from '../../src/core/host.ts';
import { FAKE_NOW_MS, fakeEngine } from './docker_parts.ts';
import { hostConfigOf, runOf, sampleOf, summaryOf, windowOf } from './docker_said.ts';

/** What a container uses in a second while it runs. */
export interface Use {
  cpuMs: number;
  /** Of its periods of 100 ms, how many in a second; null: no CPU limit. */
  throttledPeriods: number | null;
  usageBytes: number;
  inactiveFileBytes: number;
  rx: number;
  tx: number;
  read: number;
  written: number;
  pids: number;
}

export type FakeEvent = { atMs: number; what: string; detail: Record<string, string> };

export interface FakeContainer extends ContainerDetail {
  use: Use;
  logs: LogLine[];
  events: FakeEvent[];
  /** What TERM does: it ends by the signal (143), or it is deaf and is killed when the grace is over (137). */
  onTerm: 'ends' | 'deaf';
  /** The engine's words why it cannot start; null: it can. */
  cannotStart: string | null;
  /** What its `HostConfig` has beyond what the other fields say. */
  hostConfig: Record<string, unknown>;
}

export interface FakeEngine {
  status: EngineStatus;
  info: EngineInfo;
  usage: EngineUsage;
  containers: FakeContainer[];
  images: ImageSummary[];
  /** Digest by tag, as the registry has it. */
  registry: Record<string, Reading<string>>;
  cgroup: 1 | 2;
  /** What each compose verb says; by default it succeeds and says nothing. */
  compose(project: Stack, verb: string): { code: number; out: string; err: string };
}

export interface FakeDocker extends DockerHost {
  state: { engines: FakeEngine[]; why: string | null };
  /** The first engine, for tests with one. */
  engine: FakeEngine;
  asked: string[];
  nowMs: number;
  container(name: string): FakeContainer;
}

export function fakeDocker(over: Partial<FakeEngine> = {}, ...more: FakeEngine[]): FakeDocker {
  const engine: FakeEngine = { ...fakeEngine(), ...over };
  const state: FakeDocker['state'] = { engines: [engine, ...more], why: null };
  const asked: string[] = [];

  /** As any request to an engine: it may be named wrongly, be silent, or the caller may have left. */
  function at(what: string, o: ToEngine | undefined): FakeEngine {
    asked.push(what);
    o?.signal?.throwIfAborted();
    const found = o?.engine === undefined ? state.engines[0] : state.engines.find((e) => e.status.name === o.engine);
    if (!found && o?.engine !== undefined)
      throw new OpsError('not_found', `There is no engine ${o.engine}.`, {
        hint: 'docker_system names the engines.',
        candidates: state.engines.map((e) => e.status.name),
      });
    if (!found)
      throw new OpsError('unavailable', state.why ?? 'No container engine was found.', {
        hint: 'Install or start Docker or Podman, or set `docker.endpoint` in the config.',
      });
    const { trouble } = found.status;
    if (trouble) throw new OpsError('unavailable', trouble.why, { hint: trouble.hint });
    return found;
  }
  function one(e: FakeEngine, ref: string): FakeContainer {
    if (!isContainerRef(ref)) throw new OpsError('validation', `${JSON.stringify(ref)} is no name of a container.`);
    const named = e.containers.find((c) => c.name === ref || c.id === ref);
    const short = e.containers.filter((c) => ref.length >= 4 && c.id.startsWith(ref));
    const c = named ?? (short.length === 1 ? short[0] : undefined);
    if (!c) throw new OpsError('not_found', `There is no container ${ref}.`, { hint: 'container_list names them.' });
    return c;
  }
  function image(e: FakeEngine, ref: string): ImageSummary {
    const parts = imageParts(ref);
    if (!parts) throw new OpsError('validation', `${JSON.stringify(ref)} is no name of an image.`);
    const tag = parts.tag === null && parts.digest === null ? `${ref}:latest` : ref;
    const found = e.images.find(
      (i) => i.id === ref || i.id === `sha256:${ref}` || i.tags.includes(tag) || i.digests.includes(ref),
    );
    if (!found) throw new OpsError('not_found', `There is no image ${ref}.`, { hint: 'image_list names them.' });
    return found;
  }
  const tell = (c: FakeContainer, what: string, detail: Record<string, string> = {}) =>
    void c.events.push({ atMs: fake.nowMs, what, detail });
  function end(c: FakeContainer, exitCode: number): void {
    Object.assign(c, { state: 'exited', exitCode, finishedAtMs: fake.nowMs, health: null, pid: null });
    tell(c, 'die', { exitCode: String(exitCode) });
  }
  function begin(c: FakeContainer): void {
    if (c.cannotStart !== null) {
      Object.assign(c, { exitCode: 127, error: c.cannotStart });
      throw new OpsError('conflict', c.cannotStart);
    }
    Object.assign(c, {
      state: 'running',
      startedAtMs: fake.nowMs,
      exitCode: 0,
      oomKilled: false,
      error: '',
      pid: 4_711,
    });
    c.health = c.healthcheck ? 'starting' : null;
    tell(c, 'start');
  }
  function halt(c: FakeContainer): void {
    if (c.state === 'exited' || c.state === 'created') return;
    tell(c, 'kill', { signal: '15' });
    if (c.onTerm === 'deaf') tell(c, 'kill', { signal: '9' });
    end(c, c.onTerm === 'deaf' ? 137 : 143);
    tell(c, 'stop');
  }
  const must = (c: FakeContainer, states: string[], verb: string) => {
    if (!states.includes(c.state)) throw new OpsError('conflict', `Cannot ${verb} ${c.name}: it is ${c.state}.`);
  };

  const fake: FakeDocker = {
    state,
    engine,
    asked,
    nowMs: FAKE_NOW_MS,
    container: (name) => one(engine, name),

    engines: {
      async status() {
        asked.push('status');
        return { engines: state.engines.map((e) => structuredClone(e.status)), why: state.why };
      },
      info: async (o) => structuredClone(at('info', o).info),
      usage: async (o) => structuredClone(at('usage', o).usage),
    },

    containers: {
      async list(o) {
        const e = at('list', o);
        const labels = (o?.labels ?? []).map((l) => l.split(/=(.*)/s));
        return e.containers
          .filter((c) => o?.all || ['running', 'paused', 'restarting'].includes(c.state))
          .filter((c) => labels.every(([key = '', v]) => (v === undefined ? key in c.labels : c.labels[key] === v)))
          .map(summaryOf);
      },
      async runs(ids, o) {
        const e = at(`runs ${ids.length}`, o);
        return new Map(e.containers.filter((c) => ids.includes(c.id)).map((c) => [c.id, runOf(c)]));
      },
      async inspect(ref, o) {
        const c = one(at(`inspect ${ref}`, o), ref);
        const { use: _u, logs: _l, events: _e, onTerm: _t, cannotStart: _c, hostConfig: _h, ...detail } = c;
        return structuredClone({ ...detail, sizeRwBytes: o?.size ? detail.sizeRwBytes : null });
      },
      async samples(ids, o) {
        const e = at(`samples ${ids.length}`, o);
        fake.nowMs += 1_000;
        const running = e.containers.filter((c) => ids.includes(c.id) && ['running', 'paused'].includes(c.state));
        return new Map(running.map((c) => [c.id, sampleOf(c, e, fake.nowMs)]));
      },
      async *logs(ref, window) {
        return yield* windowOf(one(at(`logs ${ref}`, window), ref).logs, window);
      },
      async events(ref, o) {
        const c = one(at(`events ${ref}`, o), ref);
        return structuredClone(c.events.filter((e) => e.atMs >= o.sinceMs).slice(-o.most));
      },
    },

    images: {
      list: async (o) => structuredClone(at('images', o).images),
      async inspect(ref, o) {
        const { id, tags, digests, createdAtMs, sizeBytes } = image(at(`image ${ref}`, o), ref);
        return structuredClone({ id, tags, digests, createdAtMs, sizeBytes });
      },
      async remoteDigest(ref, o) {
        const e = at(`digest ${ref}`, o);
        return e.registry[ref] ?? { value: null, why: 'the registry does not answer' };
      },
      async pull(ref, o) {
        const e = at(`pull ${ref}`, o);
        const there = e.registry[ref];
        if (!there || there.value === null)
          throw new OpsError('not_found', there?.why ?? `manifest for ${ref} not found`);
        const digest = `${imageParts(ref)?.repository}@${there.value}`;
        const had = e.images.find((i) => i.digests.includes(digest));
        if (had) return { id: had.id, digest: there.value, upToDate: true };
        o.onProgress?.({ doneBytes: 1, totalBytes: 1, layers: 1, text: 'Pull complete' });
        const id = there.value;
        for (const i of e.images) i.tags = i.tags.filter((t) => t !== ref);
        for (const i of e.images) i.dangling = i.tags.length === 0;
        const none = { sizeBytes: 1, sharedBytes: 0, dangling: false, labels: {}, usedBy: [] };
        e.images.push({ ...none, id, tags: [ref], digests: [digest], createdAtMs: fake.nowMs });
        return { id, digest: there.value, upToDate: false };
      },
      async remove(ref, o) {
        const e = at(`rmi ${ref}`, o);
        const i = image(e, ref);
        if (i.usedBy.length > 0) throw new OpsError('conflict', `${ref} is used by ${i.usedBy.join(', ')}.`);
        if (i.tags.includes(ref) && i.tags.length > 1) {
          i.tags = i.tags.filter((t) => t !== ref);
          return { untagged: [ref], deleted: [] };
        }
        e.images = e.images.filter((x) => x !== i);
        return { untagged: i.tags, deleted: [i.id] };
      },
      async pruneDangling(o) {
        const e = at('prune', o);
        const gone = e.images.filter((i) => i.dangling && i.usedBy.length === 0);
        e.images = e.images.filter((i) => !gone.includes(i));
        return { deleted: gone.map((i) => i.id), freedBytes: gone.reduce((sum, i) => sum + i.sizeBytes, 0) };
      },
    },

    changes: {
      async start(ref, o) {
        const c = one(at(`start ${ref}`, o), ref);
        if (c.state !== 'running') begin(c);
      },
      stop: async (ref, o) => halt(one(at(`stop ${ref}`, o), ref)),
      async restart(ref, o) {
        const c = one(at(`restart ${ref}`, o), ref);
        halt(c);
        begin(c);
        tell(c, 'restart');
      },
      async pause(ref, o) {
        const c = one(at(`pause ${ref}`, o), ref);
        must(c, ['running'], 'pause');
        c.state = 'paused';
        tell(c, 'pause');
      },
      async unpause(ref, o) {
        const c = one(at(`unpause ${ref}`, o), ref);
        must(c, ['paused'], 'unpause');
        c.state = 'running';
        tell(c, 'unpause');
      },
      async kill(ref, o) {
        const c = one(at(`kill ${ref} ${o.signalName}`, o), ref);
        must(c, ['running', 'paused', 'restarting'], 'kill');
        const number = { KILL: 9, TERM: 15, INT: 2, HUP: 1, QUIT: 3 }[o.signalName.replace(/^SIG/, '')] ?? 10;
        tell(c, 'kill', { signal: String(number) });
        if (number === 9 || (number === 15 && c.onTerm === 'ends')) end(c, 128 + number);
      },
      async remove(ref, o) {
        const e = at(`rm ${ref}`, o);
        const c = one(e, ref);
        if (!o.force) must(c, ['created', 'exited', 'dead'], 'remove');
        e.containers = e.containers.filter((x) => x !== c);
        if (o.volumes) {
          const theirs = c.mounts.map((m) => m.name);
          e.usage.volumes = e.usage.volumes.filter((v) => !(v.anonymous && theirs.includes(v.name)));
        }
      },
      async rename(ref, name, o) {
        const e = at(`rename ${ref} ${name}`, o);
        const c = one(e, ref);
        if (e.containers.some((x) => x.name === name)) throw new OpsError('conflict', `The name ${name} is taken.`);
        c.name = name;
      },
      async restartPolicy(ref, policy, o) {
        one(at(`policy ${ref} ${policy.name}`, o), ref).restartPolicy = { ...policy };
      },
      async raw(ref, o) {
        const c = one(at(`raw ${ref}`, o), ref);
        return structuredClone({
          Id: c.id,
          Name: `/${c.name}`,
          HostConfig: hostConfigOf(c),
          Fake: c,
        }) as unknown as Record<string, unknown>;
      },
      async recreate(raw, o) {
        const e = at(`create ${o.name}`, o);
        if (e.containers.some((x) => x.name === o.name)) throw new OpsError('conflict', `The name ${o.name} is taken.`);
        const was = raw.Fake as FakeContainer | undefined;
        if (!was) throw new OpsError('validation', 'That is no container of this engine.');
        const id = `${e.containers.length}`.padStart(4, '0').repeat(16);
        const none = {
          startedAtMs: null,
          finishedAtMs: null,
          exitCode: null,
          oomKilled: false,
          restarts: 0,
          error: '',
        };
        const imageId = image(e, o.image).id;
        const born = { id, name: o.name, image: o.image, imageId, state: 'created' as const, createdAtMs: fake.nowMs };
        e.containers.push({ ...structuredClone(was), ...none, ...born, health: null, logs: [], events: [] });
        return id;
      },
    },

    stacks: {
      async list(o) {
        const projects = new Map<string, Stack>();
        for (const c of at('stacks', o).containers) {
          const label = (key: string) => c.labels[`com.docker.compose.${key}`];
          const name = label('project');
          if (name === undefined) continue;
          const stack = projects.get(name) ?? {
            name,
            configFiles: label('project.config_files')?.split(',') ?? [],
            workingDir: label('project.working_dir') ?? null,
            services: [],
          };
          projects.set(name, stack);
          const { id, state: now, health, image: from } = c;
          const row = { id, name: c.name, state: now, health, image: from };
          const service = stack.services.find((s) => s.name === label('service'));
          if (service) service.containers.push(row);
          else stack.services.push({ name: label('service') ?? c.name, containers: [row] });
        }
        return [...projects.values()];
      },
      async compose(project, verb, o) {
        const e = at(`compose ${verb} ${project.name}`, o);
        if (e.info.compose.why !== undefined) throw new OpsError('unavailable', e.info.compose.why);
        const r = e.compose(project, verb);
        for (const line of r.out.split('\n').filter(Boolean)) o.onLine?.(line);
        return r;
      },
    },
  };
  return fake;
}
