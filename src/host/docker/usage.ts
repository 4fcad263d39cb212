/**
 * What an engine is, and what takes how much room: the same sums as `docker system df`. Decides what counts as reclaimable, as Docker
 * does.
 */
import type { EngineHost, EngineInfo, EngineUsage } from '../../core/docker.ts';
import type { Reading } from '../../core/host.ts';
import { summaryOf } from './container_records.ts';
import type { Choose } from './containers.ts';
import { number, positive, record, records, type Said, text, texts, timeMs } from './said.ts';

export const engineReader = (
  choose: Choose,
  compose: (engine: string) => Promise<Reading<string>>,
): Pick<EngineHost, 'info' | 'usage'> => ({
  async info(o) {
    const engine = choose(o);
    const [info, plugin] = await Promise.all([
      engine.ask(async (docker, facts) => infoOf(record(await docker.info()), facts), o),
      compose(engine.found.name),
    ]);
    return { ...info, name: engine.found.name, compose: plugin };
  },

  async usage(o) {
    const engine = choose(o);
    const [df, networks, containers] = await Promise.all([
      engine.ask((docker) => docker.df(), o),
      engine.ask((docker) => docker.listNetworks(), o),
      engine.ask((docker) => docker.listContainers({ all: true }), o),
    ]);
    return usageOf(record(df), records(networks), records(containers));
  },
});

function infoOf(said: Said, facts: { version: string; apiVersion: string }): Omit<EngineInfo, 'name' | 'compose'> {
  const security = texts(said.SecurityOptions);
  const cgroup = text(said.CgroupVersion);
  return {
    version: facts.version,
    apiVersion: facts.apiVersion,
    os: text(said.OperatingSystem),
    kernel: text(said.KernelVersion),
    storageDriver: text(said.Driver),
    dataRoot: text(said.DockerRootDir),
    cgroupVersion: cgroup === '1' ? 1 : cgroup === '2' ? 2 : null,
    cgroupDriver: text(said.CgroupDriver) || null,
    cpus: number(said.NCPU) ?? 0,
    memoryBytes: number(said.MemTotal) ?? 0,
    rootless: security.some((option) => /^name=rootless\b/.test(option)) || said.Rootless === true,
    containers: {
      all: number(said.Containers) ?? 0,
      running: number(said.ContainersRunning) ?? 0,
      paused: number(said.ContainersPaused) ?? 0,
      stopped: number(said.ContainersStopped) ?? 0,
    },
    images: number(said.Images) ?? 0,
    warnings: texts(said.Warnings),
    securityOptions: security,
  };
}

const size = (value: unknown): number | null => {
  const n = number(value);
  return n !== null && n >= 0 ? n : null;
};
const sum = (list: readonly Said[], of: (said: Said) => number | null) =>
  list.reduce((n, said) => n + (of(said) ?? 0), 0);

export function usageOf(df: Said, networks: readonly Said[], containers: readonly Said[]): EngineUsage {
  const images = records(df.Images);
  const written = records(df.Containers);
  const volumes = records(df.Volumes);
  const cache = records(df.BuildCache).filter((c) => c.Shared !== true);
  const imagesBytes = size(df.LayersSize) ?? sum(images, (i) => size(i.Size));
  const usedImages = sum(
    images.filter((i) => (number(i.Containers) ?? 0) !== 0),
    (i) => {
      const whole = size(i.Size);
      const shared = size(i.SharedSize);
      return whole === null || shared === null ? null : whole - shared;
    },
  );
  const stopped = written.filter((c) => !/^(?:running|paused|restarting)$/.test(text(c.State)));
  const volumeSize = (v: Said) => size(record(v.UsageData).Size);
  const free = volumes.filter((v) => number(record(v.UsageData).RefCount) === 0);
  return {
    networks: networks.map((n) => {
      const name = text(n.Name);
      return {
        id: text(n.Id),
        name,
        driver: text(n.Driver),
        internal: n.Internal === true,
        subnets: records(record(n.IPAM).Config)
          .map((c) => text(c.Subnet))
          .filter(Boolean),
        containers: containers
          .map(summaryOf)
          .filter((c) => c.networks.includes(name))
          .map((c) => c.name)
          .sort(),
      };
    }),
    volumes: volumes.map((v) => {
      const name = text(v.Name);
      return {
        name,
        driver: text(v.Driver),
        createdAtMs: timeMs(v.CreatedAt),
        sizeBytes: volumeSize(v),
        usedBy: containers
          .filter((c) => records(c.Mounts).some((m) => m.Type === 'volume' && m.Name === name))
          .map((c) => summaryOf(c).name)
          .sort(),
        anonymous: 'com.docker.volume.anonymous' in record(v.Labels) || /^[0-9a-f]{64}$/.test(name),
      };
    }),
    imagesBytes,
    containersBytes: sum(written, (c) => positive(c.SizeRw)),
    volumesBytes: sum(volumes, volumeSize),
    buildCacheBytes: sum(cache, (c) => size(c.Size)),
    reclaimable: {
      imagesBytes: Math.max(0, imagesBytes - usedImages),
      containersBytes: sum(stopped, (c) => positive(c.SizeRw)),
      volumesBytes: sum(free, volumeSize),
      buildCacheBytes: sum(
        cache.filter((c) => c.InUse !== true),
        (c) => size(c.Size),
      ),
    },
  };
}
