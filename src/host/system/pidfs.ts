/** Text of /proc/<pid>/* into numbers. Pure; names are whatever a process chose to call itself. */
import { field, int, type Scan, uint } from './procfs.ts';

export interface PidStat {
  pid: number;
  /** As bytes (latin1): decode before showing. */
  name: string;
  state: string;
  ppid: number;
  kernel: boolean;
  cpuTicks: number;
  nice: number;
  threads: number;
  startTicks: number;
  rssPages: number;
}

const PF_KTHREAD = 0x0020_0000;

/**
 * /proc/<pid>/stat. The name stands in parentheses and may itself hold parentheses, spaces and newlines: it ends at the
 * last one, since only numbers follow. Field numbers are those of proc_pid_stat(5).
 */
export function parsePidStat(text: string): PidStat | null {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 2 || close < open) return null;
  const pid = uint({ text, at: 0 });
  const state = text[close + 2];
  if (pid === null || state === undefined || text[close + 1] !== ' ') return null;
  const scan: Scan = { text, at: close + 3 };
  const ppid = uint(scan);
  int(scan); // 5 process group
  int(scan); // 6 session
  int(scan); // 7 terminal
  int(scan); // 8 its foreground group
  const flags = uint(scan);
  uint(scan); // 10 minor faults
  uint(scan);
  uint(scan); // 12 major faults
  uint(scan);
  const user = uint(scan);
  const system = uint(scan);
  int(scan); // 16 children's
  int(scan);
  int(scan); // 18 priority
  const nice = int(scan);
  const threads = int(scan);
  int(scan); // 21 always 0
  const startTicks = uint(scan);
  uint(scan); // 23 virtual size
  const rssPages = int(scan);
  if (ppid === null || flags === null || user === null || system === null || nice === null) return null;
  if (threads === null || startTicks === null || rssPages === null) return null;
  return {
    pid,
    name: text.slice(open + 1, close),
    state,
    ppid,
    // Flags fit 32 bits; a wider number (garbage) would turn negative in a bit operation, which does no harm.
    kernel: (flags & PF_KTHREAD) !== 0,
    cpuTicks: user + system,
    nice,
    threads,
    startTicks,
    rssPages: Math.max(0, rssPages),
  };
}

/** /proc/<pid>/io: bytes that went to or came from a device, not those served by the cache. */
export function parsePidIo(text: string): { readBytes: number; writtenBytes: number } | null {
  const readBytes = field(text, 'read_bytes');
  const writtenBytes = field(text, 'write_bytes');
  return readBytes === null || writtenBytes === null ? null : { readBytes, writtenBytes };
}

/** The soft limit on open files in /proc/<pid>/limits; null for "unlimited" too. */
export function parseFdLimit(text: string): number | null {
  return field(text, 'Max open files');
}

/** Arguments end with NULs; a process that wrote its own title may have left spaces or nothing at the end. */
export function parseCmdline(text: string): string | null {
  let end = text.length;
  while (end > 0 && (text.charCodeAt(end - 1) === 0 || text.charCodeAt(end - 1) === 32)) end--;
  return end === 0 ? null : text.slice(0, end).replaceAll('\0', ' ');
}

/** uid to name, from passwd. The first of equal uids wins, as it does for getpwuid. */
export function parsePasswd(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split('\n', 100_000)) {
    const [name, , id] = line.split(':', 3);
    if (!name || !id || name.startsWith('#')) continue;
    const uid = uint({ text: id, at: 0 });
    if (uid !== null && !names.has(uid)) names.set(uid, name);
  }
  return names;
}
