/**
 * Text of /proc and cgroup files into numbers. Pure, and calm about anything: what is not understood is null, never NaN,
 * never an exception. No regular expressions here: these run every few seconds, and for every process.
 */
import type { CpuTimes, DiskCounters, NetCounters, PressureLine } from '../../core/host.ts';

/** A place in a text, moved on by `uint` and `int`. */
export interface Scan {
  text: string;
  at: number;
}

const SPACE = 32;
const TAB = 9;
const NEWLINE = 10;
const ZERO = 48;
const NINE = 57;
const MINUS = 45;

/** The next number on this line; null at its end or at anything else. Counters beyond 2^53 lose their last digits only. */
export function uint(scan: Scan): number | null {
  const { text } = scan;
  let at = scan.at;
  let code = text.charCodeAt(at);
  while (code === SPACE || code === TAB) code = text.charCodeAt(++at);
  if (!(code >= ZERO && code <= NINE)) return null;
  let value = 0;
  // 20 digits hold every 64-bit counter; more would run towards Infinity.
  const stop = at + 20;
  while (code >= ZERO && code <= NINE && at < stop) {
    value = value * 10 + (code - ZERO);
    code = text.charCodeAt(++at);
  }
  scan.at = at;
  return value;
}

export function int(scan: Scan): number | null {
  let at = scan.at;
  while (scan.text.charCodeAt(at) === SPACE) at++;
  if (scan.text.charCodeAt(at) !== MINUS) return uint(scan);
  const before = scan.at;
  scan.at = at + 1;
  const value = scan.text.charCodeAt(at + 1) === SPACE ? null : uint(scan);
  if (value === null) scan.at = before;
  return value === null ? null : -value;
}

/** The number behind `key` at the start of a line, with or without a colon: meminfo, vmstat, cpu.stat, memory.stat, status. */
export function field(text: string, key: string): number | null {
  for (let from = 0; ; ) {
    const found = text.indexOf(key, from);
    if (found < 0) return null;
    const after = found + key.length;
    if (found === 0 || text.charCodeAt(found - 1) === NEWLINE) {
      const next = text.charCodeAt(after);
      if (next === 58 /* : */) return uint({ text, at: after + 1 });
      if (next === SPACE || next === TAB) return uint({ text, at: after });
    }
    from = after;
  }
}

/** A decimal such as load and pressure have; the whole word must be one. */
function decimal(word: string | undefined): number | null {
  if (word === undefined || word === '') return null;
  const scan = { text: word, at: 0 };
  const whole = uint(scan);
  if (whole === null) return null;
  if (scan.at === word.length) return whole;
  if (word.charCodeAt(scan.at) !== 46 /* . */) return null;
  const from = ++scan.at;
  const part = uint(scan);
  if (part === null || scan.at !== word.length) return null;
  // One division, so that 1.93 is 1.93 and not 1.9300000000000002.
  const scale = 10 ** (scan.at - from);
  return (whole * scale + part) / scale;
}

/** The first line's number, and null for cgroup's "max". */
export function firstNumber(text: string): number | null {
  return uint({ text, at: 0 });
}

/** Kilobytes of meminfo in bytes. */
export function kibibytes(text: string, key: string): number | null {
  const value = field(text, key);
  return value === null ? null : value * 1024;
}

export interface StatFile {
  total: CpuTimes;
  perCore: { cpu: number; times: CpuTimes }[];
  contextSwitches: number | null;
  forks: number | null;
  running: number | null;
  blocked: number | null;
  bootedAtS: number | null;
}

function cpuTimes(scan: Scan, tickMs: number): CpuTimes | null {
  const user = uint(scan);
  const nice = uint(scan);
  const system = uint(scan);
  const idle = uint(scan);
  if (user === null || nice === null || system === null || idle === null) return null;
  const next = () => (uint(scan) ?? 0) * tickMs;
  return {
    user: user * tickMs,
    nice: nice * tickMs,
    system: system * tickMs,
    idle: idle * tickMs,
    iowait: next(),
    irq: next(),
    softirq: next(),
    steal: next(),
  };
}

/** /proc/stat. The `cpu` lines come first; the long `intr` line is not looked at. */
export function parseStat(text: string, tickMs: number): StatFile | null {
  let total: CpuTimes | null = null;
  const perCore: StatFile['perCore'] = [];
  let at = 0;
  while (text.startsWith('cpu', at)) {
    const scan = { text, at: at + 3 };
    const joined = scan.text.charCodeAt(scan.at) === SPACE;
    const cpu = joined ? null : uint(scan);
    const times = cpuTimes(scan, tickMs);
    if (times && joined) total = times;
    else if (times && cpu !== null) perCore.push({ cpu, times });
    const end = text.indexOf('\n', at);
    if (end < 0) break;
    at = end + 1;
  }
  if (!total) return null;
  // From the end of the interrupt lines on: a key is looked for in a short text.
  const rest = text.slice(Math.max(0, text.lastIndexOf('\nctxt ') + 1));
  return {
    total,
    perCore,
    contextSwitches: field(rest, 'ctxt'),
    forks: field(rest, 'processes'),
    running: field(rest, 'procs_running'),
    blocked: field(rest, 'procs_blocked'),
    bootedAtS: field(rest, 'btime'),
  };
}

export interface LoadFile {
  one: number;
  five: number;
  fifteen: number;
  runnable: number | null;
  tasks: number | null;
}

/** /proc/loadavg: "0.20 0.18 0.12 1/80 11206". */
export function parseLoad(text: string): LoadFile | null {
  const words = text.split(' ', 4);
  const one = decimal(words[0]);
  const five = decimal(words[1]);
  const fifteen = decimal(words[2]);
  if (one === null || five === null || fifteen === null) return null;
  const scan = { text: words[3] ?? '', at: 0 };
  const runnable = uint(scan);
  scan.at++;
  return { one, five, fifteen, runnable, tasks: runnable === null ? null : uint(scan) };
}

/** Seconds of /proc/uptime in ms. */
export function parseUptime(text: string): number | null {
  const seconds = decimal(text.split(' ', 1)[0]?.trim());
  return seconds === null ? null : Math.round(seconds * 1000);
}

function pressureLine(line: string): PressureLine | null {
  const words = line.split(' ');
  const after = (i: number, key: string) => (words[i]?.startsWith(key) ? words[i].slice(key.length) : undefined);
  const avg10 = decimal(after(1, 'avg10='));
  const avg60 = decimal(after(2, 'avg60='));
  const avg300 = decimal(after(3, 'avg300='));
  const totalUs = decimal(after(4, 'total='));
  if (avg10 === null || avg60 === null || avg300 === null || totalUs === null) return null;
  return { avg10, avg60, avg300, totalUs };
}

/** /proc/pressure/* and the cgroup's *.pressure. */
export function parsePressure(text: string): { some: PressureLine | null; full: PressureLine | null } | null {
  let some: PressureLine | null = null;
  let full: PressureLine | null = null;
  for (const line of text.split('\n', 4)) {
    if (line.startsWith('some ')) some = pressureLine(line);
    else if (line.startsWith('full ')) full = pressureLine(line);
  }
  return some || full ? { some, full } : null;
}

/** The end of the word that begins at `at`. */
function wordEnd(text: string, at: number): number {
  let end = at;
  for (let code = text.charCodeAt(end); code > SPACE; code = text.charCodeAt(++end));
  return end;
}

/** /proc/diskstats; sectors are 512 bytes whatever the device says. Lines that are cut short are left out. */
export function parseDiskstats(text: string, wanted: (name: string) => boolean): DiskCounters[] {
  const disks: DiskCounters[] = [];
  for (let at = 0; at < text.length; ) {
    const scan = { text, at };
    const newline = text.indexOf('\n', at);
    at = newline < 0 ? text.length : newline + 1;
    if (uint(scan) === null || uint(scan) === null) continue;
    while (text.charCodeAt(scan.at) === SPACE) scan.at++;
    const end = wordEnd(text, scan.at);
    const name = text.slice(scan.at, end);
    if (name === '' || !wanted(name)) continue;
    scan.at = end;
    const reads = uint(scan);
    uint(scan);
    const sectorsRead = uint(scan);
    uint(scan);
    const writes = uint(scan);
    uint(scan);
    const sectorsWritten = uint(scan);
    uint(scan);
    uint(scan);
    const busyMs = uint(scan);
    if (reads === null || sectorsRead === null || writes === null || sectorsWritten === null || busyMs === null)
      continue;
    disks.push({ name, readBytes: sectorsRead * 512, writtenBytes: sectorsWritten * 512, reads, writes, busyMs });
  }
  return disks;
}

/** /proc/net/dev, without state and speed. Null when there is not even its heading. */
export function parseNetDev(text: string): Omit<NetCounters, 'state' | 'speedMbit'>[] | null {
  if (!text.startsWith('Inter-|')) return null;
  const found: Omit<NetCounters, 'state' | 'speedMbit'>[] = [];
  let at = text.indexOf('\n', text.indexOf('\n') + 1) + 1;
  while (at > 0 && at < text.length) {
    const newline = text.indexOf('\n', at);
    const next = newline < 0 ? text.length : newline + 1;
    const colon = text.indexOf(':', at);
    if (colon < 0) break;
    if (colon < next) {
      const name = text.slice(at, colon).trim();
      const scan = { text, at: colon + 1 };
      const n: number[] = [];
      for (let i = 0; i < 12; i++) {
        const value = uint(scan);
        if (value === null) break;
        n.push(value);
      }
      const [rxBytes, rxPackets, rxErrors, rxDropped, , , , , txBytes, txPackets, txErrors, txDropped] = n;
      if (
        name !== '' &&
        rxBytes !== undefined &&
        rxPackets !== undefined &&
        rxErrors !== undefined &&
        rxDropped !== undefined &&
        txBytes !== undefined &&
        txPackets !== undefined &&
        txErrors !== undefined &&
        txDropped !== undefined
      )
        found.push({ name, rxBytes, txBytes, rxPackets, txPackets, rxErrors, txErrors, rxDropped, txDropped });
    }
    at = next;
  }
  return found;
}

/** A value of a kstat table: "size                            4    31138512896", where the first number is its type. */
export function kstat(text: string, key: string): number | null {
  const at = text.indexOf(`\n${key} `);
  if (at < 0) return null;
  const scan = { text, at: at + key.length + 1 };
  return uint(scan) === null ? null : uint(scan);
}

const VMSTAT = ['pgpgin', 'pgpgout', 'pswpin', 'pswpout', 'pgfault', 'pgmajfault', 'oom_kill'] as const;

export function parseVmstat(text: string): Record<string, number> | null {
  const chosen: Record<string, number> = {};
  for (const key of VMSTAT) {
    const value = field(text, key);
    if (value !== null) chosen[key] = value;
  }
  return Object.keys(chosen).length === 0 ? null : chosen;
}

/** /proc/sys/fs/file-nr: allocated, unused (0 since 2.6), maximum. */
export function parseFileNr(text: string): { used: number; max: number } | null {
  const scan = { text, at: 0 };
  const allocated = uint(scan);
  const unused = uint(scan);
  const max = uint(scan);
  return allocated === null || unused === null || max === null ? null : { used: Math.max(0, allocated - unused), max };
}

/** "0-3,8,10-11" as a number of processors; null when it says none. */
export function countList(text: string): number | null {
  let count = 0;
  for (const part of text.trim().split(',', 8192)) {
    const scan = { text: part, at: 0 };
    const from = uint(scan);
    if (from === null) return count || null;
    if (part.charCodeAt(scan.at) !== MINUS) {
      count++;
      continue;
    }
    scan.at++;
    const to = uint(scan);
    if (to === null || to < from || to - from > 65_536) return count || null;
    count += to - from + 1;
  }
  return count || null;
}
