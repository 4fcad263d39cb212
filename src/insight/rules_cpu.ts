/** Findings about processors, their limits, and heat. */
import { percent } from '../core/text.ts';
import type { Facts } from './facts.ts';
import { hitOf, type Rule, rule, STEADY_MS } from './facts.ts';

const BY_CPU = 'process_list {"by":"cpu"}';

/** Load and processors must be the same machine's: a container often shows its host's load beside its own CPUs. */
function comparableLoad({ identity, snapshot }: Facts) {
  const load = snapshot.load.value;
  if (!load || identity.cpus <= 0) return null;
  return identity.virtualisation.container && load.whose === 'host' ? null : load;
}

export const CPU: Rule[] = [
  rule({
    id: 'cpu_saturated',
    severity: 'medium',
    title: 'All processors busy',
    limits: { usedPercent: 95, windowMs: STEADY_MS },
    when: (l) => `${l.usedPercent} % or more of all processors used over at least ${l.windowMs} ms`,
    sentence: 'All processors that may be used here are busy.',
    next: BY_CPU,
    test: ({ rates }, l) => {
      const cpu = rates.cpu.value;
      return cpu && cpu.usedPercent !== null && cpu.usedPercent >= l.usedPercent && rates.windowMs >= l.windowMs
        ? { evidence: `${percent(cpu.usedPercent)} of ${cpu.cpus} CPUs (${cpu.whose})` }
        : null;
    },
  }),
  rule({
    id: 'load_high',
    severity: 'medium',
    title: 'Load far above the processors',
    limits: { perCpu: 4 },
    when: (l) => `five-minute load ${l.perCpu} or more for each processor`,
    sentence: 'Far more tasks want to run, or wait for disks, than there are processors.',
    next: 'process_list {"state":"D"}',
    test: (facts, l) => {
      const load = comparableLoad(facts);
      return load && load.five / facts.identity.cpus >= l.perCpu
        ? { evidence: `load ${load.five.toFixed(1)} on ${facts.identity.cpus} CPUs (${load.whose})` }
        : null;
    },
  }),
  rule({
    id: 'cpu_pressure',
    severity: 'medium',
    title: 'Tasks wait for a processor',
    limits: { someAvg60: 50 },
    when: (l) => `tasks waited for a processor for ${l.someAvg60} % or more of the last minute (PSI some)`,
    sentence: 'Tasks waited for a free processor most of the last minute.',
    next: BY_CPU,
    test: ({ snapshot }, l) => {
      const p = snapshot.pressure.cpu.value;
      const some = p?.some?.avg60;
      return p && some !== undefined && some >= l.someAvg60
        ? { evidence: `cpu some ${percent(some)} of the last minute (${p.whose})` }
        : null;
    },
  }),
  rule({
    id: 'cpu_throttled',
    severity: 'medium',
    title: 'Held back by the CPU limit',
    limits: { percent: 10, windowMs: STEADY_MS },
    when: (l) =>
      `the cgroup's CPU limit held it back in ${l.percent} % or more of its periods over at least ${l.windowMs} ms`,
    sentence: 'The CPU limit of this container or service holds it back.',
    next: 'system_metrics {"groups":["cpu","cgroup"],"sample_ms":2000}',
    test: ({ rates }, l) => {
      const cpu = rates.cpu.value;
      return cpu && cpu.throttledPercent !== null && cpu.throttledPercent >= l.percent && rates.windowMs >= l.windowMs
        ? {
            evidence: `throttled in ${percent(cpu.throttledPercent)} of the periods, limit ${cpu.limitCpus ?? '?'} CPUs`,
          }
        : null;
    },
  }),
  rule({
    id: 'steal_high',
    severity: 'medium',
    title: 'Hypervisor takes CPU time',
    limits: { percent: 10, windowMs: STEADY_MS },
    when: (l) => `steal ${l.percent} % or more over at least ${l.windowMs} ms`,
    sentence: 'The hypervisor gives the processors to others; nothing on this host mends that.',
    next: 'system_metrics {"groups":["cpu"],"sample_ms":5000}',
    test: ({ rates }, l) => {
      const steal = rates.cpu.value?.modes?.steal;
      return steal !== undefined && steal >= l.percent && rates.windowMs >= l.windowMs
        ? { evidence: `steal ${percent(steal)}` }
        : null;
    },
  }),
  rule({
    id: 'process_churn',
    severity: 'low',
    title: 'Very many processes started',
    limits: { forksPerSecond: 500, windowMs: STEADY_MS },
    when: (l) => `${l.forksPerSecond} or more processes started a second over at least ${l.windowMs} ms`,
    sentence: 'Something starts processes all the time; such short ones do not show in a process list.',
    next: 'process_list {"tree":true}',
    test: ({ rates }, l) => {
      const forks = rates.cpu.value?.forksPerSecond;
      return forks != null && forks >= l.forksPerSecond && rates.windowMs >= l.windowMs
        ? { evidence: `${Math.round(forks)} started a second` }
        : null;
    },
  }),
  rule({
    id: 'temperature_high',
    severity: 'high',
    title: 'Temperature near its critical mark',
    limits: { belowCritical: 5, withoutMark: 95, lowestMark: 50, highest: 150 },
    when: (l) =>
      `within ${l.belowCritical} °C of the sensor's critical mark, or ${l.withoutMark} °C where it has none; marks below ${l.lowestMark} °C and readings above ${l.highest} °C are not believed`,
    sentence: 'A part is about as hot as it may get; it slows down or switches off.',
    next: 'system_metrics {"groups":["temperatures"]}',
    test: ({ snapshot }, l) =>
      hitOf(
        (snapshot.temperatures.value ?? [])
          .filter(({ celsius, criticalCelsius: mark }) => {
            const known = mark !== null && mark >= l.lowestMark && mark <= l.highest;
            return celsius <= l.highest && celsius >= (known ? mark - l.belowCritical : l.withoutMark);
          })
          .map((t) => ({
            evidence: `${t.sensor} ${Math.round(t.celsius)} °C${t.criticalCelsius === null ? '' : ` of ${Math.round(t.criticalCelsius)}`}`,
          })),
      ),
  }),
];
