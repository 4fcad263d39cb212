/** Findings about memory, swap and the processes that eat them. */
import type { Memory } from '../core/host.ts';
import { bytes, percent } from '../core/text.ts';
import { GiB, hitOf, MiB, type Rule, rule } from './facts.ts';

const LOW = { availablePercent: 5, availableGiB: 2 };
const TIGHT = { availablePercent: 10, availableGiB: 4 };
const BY_MEMORY = 'process_list {"by":"memory"}';

/** A share alone would alarm on a large host with gigabytes to spare. A cgroup's limit has its own rule. */
function isShort(m: Memory, l: { availablePercent: number; availableGiB: number }): boolean {
  const free = obtainable(m);
  return (
    m.limitBytes === null &&
    free !== null &&
    m.totalBytes > 0 &&
    (100 * free) / m.totalBytes < l.availablePercent &&
    free < l.availableGiB * GiB
  );
}

/** What can be had: on a ZFS machine a full cache is no shortage. */
function obtainable(m: Memory): number | null {
  return m.availableBytes === null ? null : m.availableBytes + (m.zfsCache?.reclaimableBytes ?? 0);
}
const availability = (m: Memory) => ({
  evidence: `${bytes(m.availableBytes)} of ${bytes(m.totalBytes)} available (${m.whose})`,
});

export const MEMORY: Rule[] = [
  rule({
    id: 'memory_low',
    severity: 'high',
    title: 'Memory almost used up',
    limits: LOW,
    when: (l) => `less than ${l.availablePercent} % and less than ${l.availableGiB} GiB available`,
    sentence: 'Memory is almost used up; the kernel kills processes next.',
    next: BY_MEMORY,
    test: ({ snapshot }, l) => {
      const m = snapshot.memory.value;
      return m && isShort(m, l) ? availability(m) : null;
    },
  }),
  rule({
    id: 'memory_tight',
    severity: 'medium',
    title: 'Memory tight',
    limits: TIGHT,
    when: (l) =>
      `less than ${l.availablePercent} % and less than ${l.availableGiB} GiB available, but not yet memory_low`,
    sentence: 'Little memory is left.',
    next: BY_MEMORY,
    test: ({ snapshot }, l) => {
      const m = snapshot.memory.value;
      return m && isShort(m, l) && !isShort(m, LOW) ? availability(m) : null;
    },
  }),
  rule({
    id: 'container_memory_limit',
    severity: 'high',
    title: 'Container near its memory limit',
    limits: { usedPercent: 90 },
    when: (l) => `${l.usedPercent} % or more of the cgroup's limit used, less what the kernel can take back`,
    sentence: 'This container is near its memory limit; past it, processes are killed, whatever the host has free.',
    next: BY_MEMORY,
    test: ({ snapshot }, l) => {
      const m = snapshot.memory.value;
      if (!m || m.limitBytes === null || m.limitBytes <= 0) return null;
      // The cgroup's own count includes the page cache, which alone fills any limit in time.
      const used = m.availableBytes !== null ? m.limitBytes - m.availableBytes : m.usedByCgroupBytes;
      return used !== null && (100 * used) / m.limitBytes >= l.usedPercent
        ? { evidence: `${bytes(used)} of ${bytes(m.limitBytes)} (${m.source})` }
        : null;
    },
  }),
  rule({
    id: 'oom_kills',
    severity: 'medium',
    title: 'Processes killed for lack of memory',
    limits: { kills: 1 },
    when: (l) => `${l.kills} or more OOM kills since boot`,
    sentence: 'The kernel killed processes for lack of memory since boot.',
    next: "journalctl -k -b -n 10 --no-pager -g 'out of memory'",
    test: ({ health }, l) => {
      const oom = health.value?.oomKills.value;
      return oom && oom.sinceBoot >= l.kills ? { evidence: `${oom.sinceBoot} since boot (${oom.whose})` } : null;
    },
  }),
  rule({
    id: 'swap_storm',
    severity: 'high',
    title: 'Swapping hard',
    limits: { inPagesPerSecond: 250, windowMs: 100 },
    when: (l) => `${l.inPagesPerSecond} or more pages a second read back from swap (use of swap alone is no fault)`,
    sentence: 'Pages go to swap and come back at once: the working set does not fit into memory.',
    next: BY_MEMORY,
    test: ({ rates }, l) => {
      const back = rates.vmstat.value?.pswpin;
      return back != null && rates.windowMs >= l.windowMs && back >= l.inPagesPerSecond
        ? { evidence: `${Math.round(back)} pages/s in, ${Math.round(rates.vmstat.value?.pswpout ?? 0)} out` }
        : null;
    },
  }),
  rule({
    id: 'swap_full',
    severity: 'medium',
    title: 'Swap used up',
    limits: { usedPercent: 95, totalMiB: 64 },
    when: (l) => `${l.usedPercent} % or more of at least ${l.totalMiB} MiB swap used`,
    sentence: 'Swap is used up; the next shortage kills processes.',
    next: BY_MEMORY,
    test: ({ snapshot }, l) => {
      const swap = snapshot.memory.value?.swap;
      if (!swap || swap.totalBytes < l.totalMiB * MiB) return null;
      const used = swap.totalBytes - swap.freeBytes;
      return (100 * used) / swap.totalBytes >= l.usedPercent
        ? { evidence: `${bytes(used)} of ${bytes(swap.totalBytes)} swap used` }
        : null;
    },
  }),
  rule({
    id: 'memory_pressure',
    severity: 'high',
    title: 'Tasks wait for memory',
    limits: { someAvg60: 10 },
    when: (l) => `tasks stalled on memory for ${l.someAvg60} % or more of the last minute (PSI some)`,
    sentence: 'Tasks stood still for want of memory much of the last minute.',
    next: BY_MEMORY,
    test: ({ snapshot }, l) => {
      const p = snapshot.pressure.memory.value;
      const some = p?.some?.avg60;
      return p && some !== undefined && some >= l.someAvg60
        ? { evidence: `memory some ${percent(some)} of the last minute (${p.whose})` }
        : null;
    },
  }),
  rule({
    id: 'process_eats_memory',
    severity: 'medium',
    title: 'One process holds most of the memory',
    limits: { processPercent: 50, availablePercent: 20 },
    when: (l) => `one process holds ${l.processPercent} % or more while less than ${l.availablePercent} % is available`,
    sentence: 'One process holds most of the memory, and little is left.',
    next: 'process_list {"by":"memory","limit":5}',
    test: ({ snapshot, processes }, l) => {
      const m = snapshot.memory.value;
      const free = m ? obtainable(m) : null;
      if (!m || free === null || m.totalBytes <= 0) return null;
      if ((100 * free) / m.totalBytes >= l.availablePercent) return null;
      return hitOf(
        (processes.value?.processes ?? [])
          .filter((p) => (100 * p.rssBytes) / m.totalBytes >= l.processPercent)
          .map((p) => ({ evidence: `${p.name} (pid ${p.pid}) ${bytes(p.rssBytes)} of ${bytes(m.totalBytes)}` })),
      );
    },
  }),
];
