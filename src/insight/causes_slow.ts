/**
 * What can make a host slow, each with its figures and the next step. Pure. A figure counts where it holds in the window or over the time
 * that the sampler remembers; pressure (PSI) where the window or the last ten seconds have it.
 */
import { bytes, clip, percent } from '../core/text.ts';
import {
  byCpu,
  byIo,
  byMemory,
  cpuUsed,
  diskText,
  groupName,
  look,
  MANY,
  MiB,
  mode,
  named,
  ofGroup,
  pressure,
  psi,
  real,
  SLOW,
  squeezed,
  swapRate,
  throttledGroups,
  worstDisk,
} from './causes_slow_share.ts';
import type { CauseRow } from './diagnose.ts';
import type { SlowFacts } from './slow_seen.ts';

export type SlowRow = CauseRow<SlowFacts>;

export const SLOW_ROWS: readonly SlowRow[] = [
  {
    id: 'steal',
    when: `${SLOW.steal} % or more of the processors’ time went to other machines of the hypervisor`,
    sentence: 'The machine below gives its processors to others: nothing on this host can mend that.',
    next: 'system_metrics {"groups":["cpu"],"sample_ms":5000}',
    test: (f) =>
      mode(f, 'steal') >= SLOW.steal
        ? { certainty: 'certain', evidence: [`steal ${percent(mode(f, 'steal'))}`] }
        : null,
  },
  {
    id: 'heat',
    when: 'a processor was slowed down for its heat, or is near its critical temperature',
    sentence: 'The processor slows down because it is too hot: look at fans, dust and load.',
    next: 'system_hardware {}',
    test(f) {
      const hot = (f.now.temperatures.value ?? []).filter(
        (t) => t.criticalCelsius !== null && t.criticalCelsius > 50 && t.celsius >= t.criticalCelsius - SLOW.cool,
      );
      const slowed = (f.throttles ?? 0) > 0;
      if (!slowed && hot.length === 0) return null;
      const evidence = hot
        .slice(0, 2)
        .map((t) => `${clip(t.sensor, 40)} ${Math.round(t.celsius)} °C of ${t.criticalCelsius}`);
      if (slowed) evidence.unshift(`slowed down ${f.throttles} times in the window`);
      return { certainty: slowed ? 'certain' : 'likely', evidence };
    },
  },
  {
    id: 'low_frequency',
    when: `the processors are busy and run at less than ${100 * SLOW.frequency} % of their speed`,
    sentence:
      'The processors are busy, yet do not run at their full speed: a power-saving governor, or a limit of the firmware.',
    next: 'cpupower frequency-info',
    test(f) {
      const { nowKhz, mostKhz, governor } = f.speed;
      if (nowKhz === null || mostKhz === null || nowKhz >= SLOW.frequency * mostKhz || cpuUsed(f) < SLOW.cpu)
        return null;
      const ghz = (khz: number) => (khz / 1e6).toFixed(1);
      return { certainty: 'likely', evidence: [`${ghz(nowKhz)} of ${ghz(mostKhz)} GHz, governor ${governor ?? '?'}`] };
    },
  },
  {
    id: 'own_cpu_limit',
    when: `the container that this runs in was held back by its CPU limit in ${SLOW.throttled} % or more of the periods`,
    sentence: 'This container has a CPU limit, and runs into it.',
    next: 'system_metrics {"groups":["cgroup","cpu"]}',
    test(f) {
      const held = f.rates.cpu.value?.throttledPercent ?? 0;
      if (held < SLOW.throttled) return null;
      const limit = f.rates.cpu.value?.limitCpus;
      return {
        certainty: 'certain',
        evidence: [`held back in ${percent(held)} of the periods, limit ${limit ?? '?'} processors`],
      };
    },
  },
  {
    id: 'memory_short',
    when: `tasks stood waiting for memory ${SLOW.memoryPressure} % of the time or more, or next to nothing is left and it is swapped`,
    sentence: 'Memory is short: programs wait while the kernel makes room.',
    next: 'process_list {"by":"memory"}',
    test(f) {
      const some = pressure(f, 'memory', 'some');
      const m = f.now.memory.value;
      const left = m?.availableBytes == null ? null : m.availableBytes / m.totalBytes;
      const swaps = swapRate(f) >= SLOW.swapMiB * MiB;
      if (some < SLOW.memoryPressure && !(left !== null && left < 0.05 && swaps)) return null;
      // A group at its own limit gives pressure of the host, too: then memory is not short here.
      if (left !== null && left > 0.15 && squeezed(f).length > 0) return null;
      const { stalls, refaults } = f.reclaimPerSecond;
      const evidence = [
        psi(f, 'memory'),
        m ? `${bytes(m.availableBytes)} of ${bytes(m.totalBytes)} available` : '',
        (refaults ?? 0) > 100 ? `${Math.round(refaults ?? 0)} pages/s read again that had just been dropped` : '',
        (stalls ?? 0) >= 1 ? `${Math.round(stalls ?? 0)} programs a second had to make room themselves` : '',
        ...byMemory(f),
      ].filter((e) => e !== '');
      return { certainty: some >= SLOW.memoryPressure ? 'certain' : 'likely', evidence, ...look(f.byMemory[0]) };
    },
  },
  {
    id: 'swapping',
    when: `${SLOW.swapMiB} MiB/s or more went to swap or came from there`,
    sentence: 'It swaps: memory that programs use now is read from disk.',
    next: 'process_list {"by":"memory"}',
    test(f) {
      const rate = swapRate(f);
      if (rate < SLOW.swapMiB * MiB) return null;
      const swap = f.now.memory.value?.swap;
      const full = swap ? [`${bytes(swap.totalBytes - swap.freeBytes)} of ${bytes(swap.totalBytes)} swap used`] : [];
      return { certainty: 'likely', evidence: [`${bytes(rate)}/s in and out`, ...full, ...byMemory(f)] };
    },
  },
  {
    id: 'group_memory_limit',
    when: 'a unit or container uses 85 % or more of its memory limit, without idle cache, and ran into it in the window',
    sentence: 'A unit or container is at its memory limit: the kernel takes back its pages as fast as it touches them.',
    next: 'process_list {"by":"memory"}',
    test(f) {
      const [first, ...more] = squeezed(f);
      if (!first) return null;
      const told = [first, ...more]
        .slice(0, MANY)
        .map(
          (g) =>
            `${clip(groupName(g), 80)}: ${bytes(g.memoryBytes)} of ${bytes(g.memoryLimitBytes)}, ${g.memoryHits} times at its limit`,
        );
      return { certainty: 'certain', evidence: told, ...ofGroup(first) };
    },
  },
  {
    id: 'disk_busy',
    when: `tasks stood waiting for disks ${SLOW.ioPressure} % of the time or more, or processors did ${SLOW.iowait} %, and a disk is busy ${SLOW.diskBusy} %`,
    sentence: 'A disk has more to do than it can: whatever reads or writes waits.',
    next: 'process_list {"by":"io"}',
    test(f) {
      const disk = worstDisk(f);
      const waits = pressure(f, 'io', 'some') >= SLOW.ioPressure || mode(f, 'iowait') >= SLOW.iowait;
      if (!disk || !waits || (disk.busyPercent ?? 0) < SLOW.diskBusy) return null;
      const evidence = [diskText(disk), `${psi(f, 'io')}; processors waited ${percent(mode(f, 'iowait'))}`, ...byIo(f)];
      return { certainty: 'certain', evidence, ...look(f.byIo[0]) };
    },
  },
  {
    id: 'disk_slow',
    when: `requests take ${SLOW.latencyMs} ms or more each on a disk that does few of them`,
    sentence: 'A disk answers slowly although little is asked of it: it may be failing, or shared with others.',
    next: 'system_hardware {}',
    test(f) {
      const slow = real(f).find(
        (d) => (d.latencyMs ?? 0) >= SLOW.latencyMs && (d.perSecond ?? 0) >= 2 && (d.perSecond ?? 0) < 100,
      );
      return slow ? { certainty: 'likely', evidence: [diskText(slow), psi(f, 'io'), ...byIo(f)] } : null;
    },
  },
  {
    id: 'stuck_in_kernel',
    when: `${SLOW.stuck} or more processes wait in the kernel all the time, and no disk is busy`,
    sentence:
      'Processes wait in the kernel for something that is no busy disk: a network file system, or a device, that does not answer.',
    next: 'process_list {"state":"D"}',
    test(f) {
      if (f.stuck.length < SLOW.stuck || (worstDisk(f)?.busyPercent ?? 0) >= SLOW.diskBusy) return null;
      return { certainty: 'likely', evidence: f.stuck.slice(0, MANY).map((b) => named(b, 'state D')) };
    },
  },
  {
    id: 'waiting_for_io',
    when: `tasks stood waiting for I/O ${2 * SLOW.ioPressure} % of the time or more (all of them ${SLOW.ioPressure} %), and no disk is busy`,
    sentence:
      'Programs wait for I/O that no local disk explains: a network file system, or flushes that a disk below takes its time for.',
    next: 'process_list {"by":"io"}',
    test(f) {
      const some = pressure(f, 'io', 'some') >= 2 * SLOW.ioPressure;
      const waits = some || pressure(f, 'io', 'full') >= SLOW.ioPressure || mode(f, 'iowait') >= SLOW.iowait;
      const disk = worstDisk(f);
      if (!waits || (disk?.busyPercent ?? 0) >= SLOW.diskBusy) return null;
      const evidence = [
        `${psi(f, 'io')}; processors waited ${percent(mode(f, 'iowait'))}`,
        ...(disk ? [diskText(disk)] : []),
        ...byIo(f),
      ];
      return { certainty: 'likely', evidence };
    },
  },
  {
    id: 'cpu_busy',
    when: `${SLOW.cpu} % or more of the processors is used, and tasks wait for one ${SLOW.cpuPressure} % of the time or more, or more than two for each stand in line`,
    sentence: 'The processors are used up: programs stand in line for them.',
    next: 'process_list {"by":"cpu"}',
    test(f) {
      const cpus = f.rates.cpu.value?.cpus ?? f.identity.cpus;
      const running = f.now.cpu.value?.running ?? null;
      const waits = pressure(f, 'cpu', 'some') >= SLOW.cpuPressure || (running !== null && running > 2 * cpus);
      const used = cpuUsed(f);
      if (used < SLOW.cpu || !waits) return null;
      const line = running === null ? '' : `, ${running} ready to run`;
      const evidence = [`${percent(used)} of ${cpus} processors used${line}`, psi(f, 'cpu'), ...byCpu(f)];
      return { certainty: 'certain', evidence, ...look(f.byCpu[0]) };
    },
  },
  {
    id: 'group_throttled',
    when: `a unit or container was held back by its own CPU limit in ${SLOW.throttled} % or more of the periods`,
    sentence: 'A unit or container runs into its own CPU limit: it is slow, whatever the host has free.',
    next: 'system_metrics {"groups":["cgroup","cpu"]}',
    test(f) {
      const [first, ...more] = throttledGroups(f);
      if (!first) return null;
      const told = [first, ...more].slice(0, MANY).map((g) => {
        const limit = g.quotaCpus === null ? '' : `, limit ${g.quotaCpus.toFixed(2)} processors`;
        return `${clip(groupName(g), 80)}: held back in ${percent(g.throttledPercent)} of the periods${limit}`;
      });
      return { certainty: 'certain', evidence: told, ...ofGroup(first) };
    },
  },
  {
    id: 'interrupts',
    when: `${SLOW.irq} % or more of the processors’ time goes to interrupts`,
    sentence: 'Interrupts take the processors: mostly a flood of network packets.',
    next: 'system_metrics {"groups":["networks","cpu"]}',
    test(f) {
      const m = f.rates.cpu.value?.modes;
      const share = (m?.irq ?? 0) + (m?.softirq ?? 0);
      return share >= SLOW.irq ? { certainty: 'likely', evidence: [`interrupts ${percent(share)}`] } : null;
    },
  },
  {
    id: 'many_short_processes',
    when: `${SLOW.forks} or more processes are started each second`,
    sentence: 'Very many processes are started, and end at once: mostly a script or a service in a loop.',
    next: 'process_list {"by":"cpu"}',
    test(f) {
      const forks = f.rates.cpu.value?.forksPerSecond ?? 0;
      return forks >= SLOW.forks
        ? { certainty: 'likely', evidence: [`${Math.round(forks)} starts/s`, ...byCpu(f)] }
        : null;
    },
  },
  {
    id: 'one_core',
    when: `one program uses ${SLOW.oneCore} to 110 % of a core, while others are free`,
    sentence: 'One program has a core to itself and could not use a second one: it is slow by itself, the host is not.',
    next: 'process_list {"by":"cpu"}',
    test(f) {
      const one = f.byCpu.find(
        (b) => b.count === 1 && (b.cpuPercent ?? 0) >= SLOW.oneCore && (b.cpuPercent ?? 0) <= 110,
      );
      if (!one || f.identity.cpus < 2 || cpuUsed(f) >= SLOW.cpu) return null;
      return { certainty: 'possible', evidence: [named(one, `${percent(one.cpuPercent)} of a core`)], ...look(one) };
    },
  },
  {
    id: 'not_slow',
    last: true,
    when: 'nothing above is at least likely',
    sentence:
      'Nothing on this host is short now: what is slow may be so by itself, or by the network, or was it earlier.',
    next: 'log_digest {"source":["journal:"],"since":"1h"}',
    test(f) {
      const used = f.rates.cpu.value?.usedPercent ?? null;
      const m = f.now.memory.value;
      const disk = worstDisk(f);
      const evidence = [
        `processors ${percent(used)} used`,
        m ? `${bytes(m.availableBytes)} of memory available` : '',
        disk ? diskText(disk) : '',
        ...(['cpu', 'memory', 'io'] as const).flatMap((of) => (f.now.pressure[of].value ? [psi(f, of)] : [])),
      ];
      return { certainty: 'certain', evidence: evidence.filter((e) => e !== '') };
    },
  },
];
