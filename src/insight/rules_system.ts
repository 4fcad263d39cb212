/** Findings about units, updates, clock, processes and kernel limits. */
import { duration, percent } from '../core/text.ts';
import { hitOf, type Rule, rule } from './facts.ts';

const DAY_MS = 86_400_000;
/** Before this Deckhand did not exist: a clock that says so has lost its battery. */
const OLDEST_NOW_MS = Date.UTC(2026, 0, 1);

/** 5.18 made the random pool never run dry; its figure is constant from then on. */
function kernelBefore(release: string | null, major: number, minor: number): boolean {
  const m = release?.match(/^(\d+)\.(\d+)/);
  return m ? Number(m[1]) < major || (Number(m[1]) === major && Number(m[2]) < minor) : false;
}

export const SYSTEM: Rule[] = [
  rule({
    id: 'units_failed',
    severity: 'high',
    title: 'Failed units',
    limits: { units: 1 },
    when: (l) => `${l.units} or more systemd units in state failed`,
    sentence: 'Units have failed.',
    next: 'journalctl -b --no-pager -n 50 -u {UNIT}',
    test: ({ health }, l) => {
      const units = health.value?.failedUnits.value ?? [];
      return units.length >= l.units ? hitOf(units.map((u) => ({ evidence: u, subject: u }))) : null;
    },
  }),
  rule({
    id: 'security_updates',
    severity: 'medium',
    title: 'Security updates pending',
    limits: { updates: 1 },
    when: (l) => `${l.updates} or more security updates pending`,
    sentence: 'Security updates are not installed.',
    next: 'apt list --upgradable | grep -i security',
    test: ({ health }, l) => {
      const u = health.value?.updates.value;
      return u && u.security !== null && u.security >= l.updates
        ? { evidence: `${u.security} of ${u.pending} pending updates` }
        : null;
    },
  }),
  rule({
    id: 'updates_pending',
    severity: 'low',
    title: 'Updates pending',
    limits: { updates: 1 },
    when: (l) => `${l.updates} or more updates pending, none known to be a security update`,
    sentence: 'Updates are not installed.',
    next: 'apt list --upgradable',
    test: ({ health }, l) => {
      const u = health.value?.updates.value;
      return u && u.pending >= l.updates && (u.security ?? 0) === 0
        ? { evidence: `${u.pending} pending${u.security === null ? ', how many for security is not known' : ''}` }
        : null;
    },
  }),
  rule({
    id: 'update_list_old',
    severity: 'low',
    title: 'Package list old',
    limits: { days: 14 },
    when: (l) => `the package list was last fetched ${l.days} or more days ago`,
    sentence: 'The package list is old: updates may be missing from what is counted here.',
    next: 'apt-get update',
    test: ({ health }, l) => {
      const age = health.value?.updates.value?.listAgeMs;
      return age != null && age >= l.days * DAY_MS ? { evidence: `fetched ${duration(age)} ago` } : null;
    },
  }),
  rule({
    id: 'reboot_required',
    severity: 'medium',
    title: 'Reboot required',
    limits: {},
    when: () => 'the distribution says so, or the running kernel is not the newest installed',
    sentence: 'A reboot is needed before installed updates take effect.',
    next: 'uname -r; ls -t /lib/modules',
    test: ({ health }) => {
      const r = health.value?.rebootRequired.value;
      return r?.required ? { evidence: r.why ?? 'no reason given' } : null;
    },
  }),
  rule({
    id: 'clock_unsynchronised',
    severity: 'medium',
    title: 'Clock not synchronised',
    limits: {},
    when: () => 'the kernel says that nothing keeps the clock',
    sentence: 'Nothing keeps the clock right; certificates, tokens and logs suffer.',
    next: 'timedatectl timesync-status || chronyc tracking',
    test: ({ health }) => {
      const c = health.value?.clock.value;
      return c && !c.synchronised ? { evidence: c.source ? `source ${c.source}` : 'no time source seen' } : null;
    },
  }),
  rule({
    id: 'clock_off',
    severity: 'high',
    title: 'Clock wrong',
    limits: { offsetMs: 1000, oldestMs: OLDEST_NOW_MS },
    when: (l) => `off by ${l.offsetMs} ms or more, or earlier than ${new Date(l.oldestMs).toISOString().slice(0, 10)}`,
    sentence: 'The clock is wrong.',
    next: 'timedatectl timesync-status || chronyc tracking',
    test: ({ health, nowMs }, l) => {
      if (nowMs < l.oldestMs) return { evidence: `the clock says ${new Date(nowMs).toISOString().slice(0, 10)}` };
      const offset = health.value?.clock.value?.offsetMs;
      return offset != null && Math.abs(offset) >= l.offsetMs ? { evidence: `off by ${Math.round(offset)} ms` } : null;
    },
  }),
  rule({
    id: 'voltage_low',
    severity: 'high',
    title: 'Supply voltage too low',
    limits: {},
    when: () => 'the board itself reports undervoltage (Raspberry Pi)',
    sentence: 'The power supply or its cable is too weak; the board slows down, and cards and disks fail.',
    next: 'vcgencmd get_throttled',
    test: ({ health }) => {
      const v = health.value?.voltage;
      return v?.low ? { evidence: `reported by ${v.source}` } : null;
    },
  }),
  rule({
    id: 'just_booted',
    severity: 'info',
    title: 'Booted just now',
    limits: { minutes: 10 },
    when: (l) => `up for less than ${l.minutes} minutes`,
    sentence: 'The host booted just now; counters since boot say little yet.',
    next: 'journalctl -b -1 -n 30 --no-pager',
    test: ({ identity }, l) => {
      const up = identity.uptimeMs.value;
      return up !== null && up < l.minutes * 60_000 ? { evidence: `up ${duration(up)}` } : null;
    },
  }),
  rule({
    id: 'zombies',
    severity: 'low',
    title: 'Zombies pile up',
    limits: { count: 20 },
    when: (l) => `${l.count} or more zombie processes`,
    sentence: 'A parent does not collect its dead children; each holds a process id.',
    next: 'process_list {"state":"Z","tree":true}',
    test: ({ processes }, l) => {
      const list = processes.value?.processes ?? [];
      const dead = list.filter((p) => p.state === 'Z');
      if (dead.length < l.count) return null;
      const of = new Map<number, number>();
      for (const z of dead) of.set(z.ppid, (of.get(z.ppid) ?? 0) + 1);
      const [pid, count] = [...of].reduce((a, b) => (b[1] > a[1] ? b : a));
      const parent = list.find((p) => p.pid === pid)?.name;
      return { evidence: `${dead.length} zombies, ${count} of pid ${pid}${parent ? ` (${parent})` : ''}` };
    },
  }),
  rule({
    id: 'stuck_processes',
    severity: 'high',
    title: 'Processes stuck in the kernel',
    limits: { count: 5 },
    when: (l) => `${l.count} or more processes (kernel threads aside) in uninterruptible sleep`,
    sentence: 'Processes wait inside the kernel, mostly for a disk or a network filesystem that does not answer.',
    next: 'process_list {"state":"D"}',
    test: ({ processes }, l) => {
      const stuck = (processes.value?.processes ?? []).filter((p) => p.state === 'D' && !p.kernel);
      return stuck.length >= l.count ? hitOf(stuck.map((p) => ({ evidence: `${p.name} (pid ${p.pid})` }))) : null;
    },
  }),
  rule({
    id: 'threads_many',
    severity: 'medium',
    title: 'Very many threads',
    limits: { threads: 28_000 },
    when: (l) => `${l.threads} or more threads (the kernel's own limit was 32,768 for long and often still is)`,
    sentence: 'There are so many threads that new ones may fail.',
    next: 'sysctl kernel.pid_max kernel.threads-max',
    test: ({ processes, snapshot, identity }, l) => {
      const listed = (processes.value?.processes ?? []).reduce((sum, p) => sum + p.threads, 0);
      const load = snapshot.load.value;
      const tasks = identity.virtualisation.container && load?.whose === 'host' ? 0 : (load?.tasks ?? 0);
      const threads = Math.max(listed, tasks);
      return threads >= l.threads ? { evidence: `${threads} threads` } : null;
    },
  }),
  rule({
    id: 'descriptors_low',
    severity: 'high',
    title: 'File descriptors running out',
    limits: { usedPercent: 80 },
    when: (l) => `${l.usedPercent} % or more of the host's open-file limit used`,
    sentence: 'The host runs out of open files; then nothing can open or connect.',
    next: 'process_list {"by":"fds"}',
    test: ({ snapshot }, l) => {
      const f = snapshot.fileHandles.value;
      return f && f.max > 0 && (100 * f.used) / f.max >= l.usedPercent
        ? { evidence: `${f.used} of ${f.max} (${percent((100 * f.used) / f.max)})` }
        : null;
    },
  }),
  rule({
    id: 'entropy_low',
    severity: 'low',
    title: 'Little entropy',
    limits: { bits: 128 },
    when: (l) => `less than ${l.bits} bits on a kernel before 5.18 (from then on the figure means nothing)`,
    sentence: 'The random pool of this old kernel is nearly dry; key generation and TLS may block.',
    next: 'sysctl kernel.random.entropy_avail',
    test: ({ snapshot, identity }, l) => {
      const bits = snapshot.entropyBits.value;
      return bits !== null && bits < l.bits && kernelBefore(identity.kernel.value, 5, 18)
        ? { evidence: `${bits} bits on ${identity.kernel.value}` }
        : null;
    },
  }),
];
