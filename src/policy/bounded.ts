/**
 * The host as one call may use it. The door judges the names of a call; here the same lists hold for what stands behind them: what a walk
 * comes by, where a name leads after it was resolved, whose id it is. Decides which parts of the host are bounded for whom; a principal
 * that no list bounds gets the host as it is.
 */
import type { DockerHost, ToEngine } from '../core/docker.ts';
import { imageParts } from '../core/docker_refs.ts';
import { OpsError } from '../core/errors.ts';
import type { FileBounds } from '../core/files.ts';
import type { Host } from '../core/host.ts';
import type { ServiceHost } from '../core/services.ts';
import type { Target, TargetKind } from '../core/tool.ts';

export interface Bounds {
  /** Equal bounds have equal keys: only then two callers may share an answer. */
  key: string;
  /** Kinds of which some list names something: things of them go by their names. */
  kinds: ReadonlySet<TargetKind>;
  files: FileBounds;
  /** Whether a host may be reached that led to these addresses. */
  reach(host: string, addresses: readonly string[]): boolean;
}

const closed = (message: string, hint: string) => new OpsError('permission', message, { hint });
const byName = (kind: string, ref: string) =>
  closed(
    `Here a ${kind} is named by its own name, and ${JSON.stringify(ref.slice(0, 80))} is another one for it.`,
    'Use its name: the policy of this host’s owner goes by names.',
  );

export function boundedHost(host: Host, bounds: Bounds | null, targets: readonly Target[]): Host {
  if (!bounds) return host;
  const { kinds } = bounds;
  const refs = (kind: TargetKind) =>
    new Set(
      targets.flatMap((t) =>
        t.kind === kind ? [t.name.slice(kind === 'container' ? t.name.lastIndexOf('/') + 1 : 0)] : [],
      ),
    );
  const docker =
    kinds.has('container') || kinds.has('image')
      ? boundedDocker(
          host.docker,
          kinds.has('container') ? refs('container') : new Set(),
          kinds.has('image') ? refs('image') : new Set(),
        )
      : host.docker;
  return {
    ...host,
    docker,
    ...(kinds.has('unit') ? { services: boundedServices(host.services, refs('unit')) } : {}),
    ...(kinds.has('path') ? { files: host.files.within(bounds.files), disk: closedDisk(host) } : {}),
    ...(kinds.has('address') ? { probes: boundedProbes(host, bounds) } : {}),
  };
}

/** Names and sizes of a whole disk, and of files that are open somewhere, are not told by halves. */
function closedDisk(host: Host): Host['disk'] {
  const no = async () => {
    throw closed(
      'The policy of this host’s owner lets you at some paths only, and a disk is looked at as a whole.',
      'Ask file_list for a folder, or the owner of this host.',
    );
  };
  return { ...host.disk, scan: no, openDeleted: no, history: undefined } as unknown as Host['disk'];
}

function boundedProbes({ probes }: Host, bounds: Bounds): Host['probes'] {
  return {
    ...probes,
    async resolve(name, o) {
      const no = () =>
        closed(
          'The policy of this host’s owner does not let you reach that address.',
          'Ask the owner of this host: `deckhand policy explain` there says by which line.',
        );
      // Also before anybody is asked about the name: a redirect leads to names that the door has not seen.
      if (!bounds.reach(name, [])) throw no();
      const found = await probes.resolve(name, o);
      if (!bounds.reach(name, found.addresses)) throw no();
      return found;
    },
  };
}

/**
 * `named`: what the caller wrote. Each must be the name of what the engine takes it for, before anything is asked of it: an engine takes
 * ids, and beginnings of ids, for names. What the engine itself gave (ids in its lists) goes through.
 */
function boundedDocker(docker: DockerHost, named: ReadonlySet<string>, images: ReadonlySet<string>): DockerHost {
  const { containers, changes } = docker;
  const sure = new Map<string, Promise<void>>();
  const once = (key: string, look: () => Promise<void>): Promise<void> => {
    let looked = sure.get(key);
    if (!looked) {
      looked = look();
      // A failure is not remembered: the next one asks anew.
      looked.catch(() => sure.delete(key));
      sure.set(key, looked);
    }
    return looked;
  };
  const container = (ref: string, to?: ToEngine) =>
    named.has(ref)
      ? once(`c ${to?.engine ?? ''} ${ref}`, async () => {
          if ((await containers.inspect(ref, to)).name !== ref) throw byName('container', ref);
        })
      : Promise.resolve();
  const image = (ref: string, to?: ToEngine) =>
    images.has(ref)
      ? once(`i ${to?.engine ?? ''} ${ref}`, async () => {
          const is = await docker.images.inspect(ref, to);
          if (!isNameOf(ref, is.tags, is.digests)) throw byName('image', ref);
        })
      : Promise.resolve();
  /** Each method whose first argument names one, asked about first. */
  const checked = <T extends object>(part: T, methods: readonly (keyof T)[], check: typeof container): T => ({
    ...part,
    ...Object.fromEntries(
      methods.map((name) => [
        name,
        async (ref: string, ...rest: unknown[]) => {
          await check(ref, rest.findLast((r) => typeof r === 'object' && r !== null) as ToEngine | undefined);
          return (part[name] as (...args: unknown[]) => unknown)(ref, ...rest);
        },
      ]),
    ),
  });
  return {
    ...docker,
    containers: {
      ...checked(containers, ['inspect', 'events'], container),
      logs: async function* (ref, window) {
        await container(ref, window);
        return yield* containers.logs(ref, window);
      },
    },
    changes: checked(changes, CHANGES, container),
    images: checked(docker.images, ['inspect', 'remove'], image),
  };
}

const CHANGES = [
  ...(['start', 'stop', 'restart', 'pause', 'unpause', 'kill'] as const),
  ...(['remove', 'rename', 'restartPolicy', 'raw', 'recreate'] as const),
] as const;

/** An engine gives tags and digests in a short or a long form. */
function isNameOf(ref: string, tags: readonly string[], digests: readonly string[]): boolean {
  const parts = imageParts(ref);
  if (!parts) return false;
  const name = parts.repository.replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\/(?=[^/]*$)/, '');
  const forms = parts.digest === null ? [`${name}:${parts.tag ?? 'latest'}`] : [`${name}@${parts.digest}`];
  const known = [...tags, ...digests].map((t) => t.replace(/^docker\.io\//, '').replace(/^library\//, ''));
  return forms.some((form) => known.includes(form));
}

/** systemd takes other names of a unit for it, too. */
function boundedServices(services: ServiceHost, named: ReadonlySet<string>): ServiceHost {
  const check = async (units: readonly string[], signal: AbortSignal | undefined) => {
    const asked = units.filter((u) => named.has(u));
    if (asked.length === 0 || services.available().value === null) return;
    const found = await services.show(asked, signal ? { signal } : {});
    for (const [i, unit] of asked.entries()) if (found[i]?.name !== unit) throw byName('unit', unit);
  };
  return {
    ...services,
    self: () => services.self(),
    available: () => services.available(),
    list: (o) => services.list(o),
    timers: (o) => services.timers(o),
    async show(units, o) {
      await check(units, o?.signal);
      return services.show(units, o);
    },
    async files(unit, o) {
      await check([unit], o?.signal);
      return services.files(unit, o);
    },
    async changed(unit, o) {
      await check([unit], o?.signal);
      return services.changed(unit, o);
    },
    async exposure(unit, o) {
      await check([unit], o?.signal);
      return services.exposure(unit, o);
    },
    async control(unit, verb, o) {
      await check([unit], o.signal);
      return services.control(unit, verb, o);
    },
  };
}
