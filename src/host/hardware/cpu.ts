/**
 * Processors from sysfs: sockets, cores, threads, caches. It is the machine's topology, also in a container that may use only a
 * part of it. Sets of processors are compared as the kernel prints them, so that a core or a cache counts once.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { Cpu } from '../../core/hardware.ts';
import type { Reading } from '../../core/host.ts';
import { known, namesIn, type Root, textOrNull, unknown } from '../system/files.ts';
import { cpuModelOf } from '../system/identity.ts';
import { countIn, named, positive } from './words.ts';

const FOLDER = '/sys/devices/system/cpu';

export async function cpu(root: Root): Promise<Reading<Cpu>> {
  const cpus = namesIn(root.of(FOLDER)).filter((n) => /^cpu\d+$/.test(n));
  const packages = new Set<number>();
  const cores = new Set<string>();
  const caches = new Map<string, { level: string; bytes: number; sets: Set<string> }>();
  let threads = 0;
  for (const [i, name] of cpus.entries()) {
    // A large server has thousands of these files.
    if (i % 16 === 15) await breathe();
    const folder = `${FOLDER}/${name}`;
    const siblings =
      textOrNull(root.of(`${folder}/topology/thread_siblings_list`)) ??
      textOrNull(root.of(`${folder}/topology/core_cpus_list`));
    if (siblings === null) continue; // Offline.
    threads++;
    const first = !cores.has(siblings);
    cores.add(siblings);
    const socket = countIn(root, `${folder}/topology/physical_package_id`);
    if (socket !== null) packages.add(socket);
    if (!first) continue;
    for (const index of namesIn(root.of(`${folder}/cache`))) {
      if (!/^index\d$/.test(index)) continue;
      const of = (file: string) => textOrNull(root.of(`${folder}/cache/${index}/${file}`)) ?? '';
      const level = `L${of('level')}${{ Data: 'd', Instruction: 'i' }[of('type')] ?? ''}`;
      const bytes = cacheBytes(of('size'));
      if (bytes === null) continue;
      const cache = caches.get(level) ?? { level, bytes: 0, sets: new Set() };
      caches.set(level, cache);
      const set = of('shared_cpu_list') || name;
      if (cache.sets.has(set)) continue;
      cache.sets.add(set);
      cache.bytes += bytes;
    }
  }
  const model = cpuModelOf(textOrNull(root.of('/proc/cpuinfo')) ?? '');
  if (threads === 0 && model === null) return unknown(`Neither ${FOLDER} nor /proc/cpuinfo tells of processors.`);
  const megahertz = (file: string) => {
    const kilohertz = cpus.map((c) => countIn(root, `${FOLDER}/${c}/cpufreq/${file}`) ?? 0);
    return positive(Math.round((file.includes('max') ? Math.max(0, ...kilohertz) : (kilohertz[0] ?? 0)) / 1000));
  };
  return known({
    model: named(model),
    sockets: packages.size || null,
    cores: cores.size || null,
    threads: threads || null,
    maxMhz: megahertz('cpuinfo_max_freq'),
    minMhz: megahertz('cpuinfo_min_freq'),
    governor: named(textOrNull(root.of(`${FOLDER}/cpu0/cpufreq/scaling_governor`))),
    caches: [...caches.values()]
      .map(({ level, bytes, sets }) => ({ level, bytes, count: sets.size }))
      .sort((a, b) => (a.level < b.level ? -1 : 1)),
  });
}

/** "32K", "96M" */
function cacheBytes(text: string): number | null {
  const [, n, unit] = /^(\d+)([KMG]?)$/.exec(text) ?? [];
  return n === undefined
    ? null
    : Number(n) * { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[unit as '' | 'K' | 'M' | 'G'];
}
