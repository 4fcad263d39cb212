/**
 * Which process holds a socket: the kernel tells it only from the other side, as links of every process's descriptors. Bounded and in
 * slices. Decides who is named where several hold one (the eldest), and says how many processes are not to be seen into: other users'
 * descriptors are root's, or of CAP_SYS_PTRACE.
 */
import { readdirSync, readlinkSync, statSync } from 'node:fs';
import type { Bounded } from '../../core/host.ts';
import type { Owner, Owners } from '../../core/net.ts';
import { namesIn, type Root, readOnce, textOrNull, utf8 } from '../system/files.ts';
import { homeOf } from '../system/home.ts';
import { parseCmdline, parsePidStat } from '../system/pidfs.ts';
import { shownName, userNames } from '../system/processes.ts';

const MAX_LINKS = 400_000;
const SLICE_MS = 4;
const MAX_COMMAND = 2048;

export function ownerReader(root: Root) {
  const proc = root.of('/proc');
  const user = userNames(root);

  const described = (pid: number, init: string | null): Owner => {
    const read = (file: string): string | null => {
      try {
        return readOnce(`${proc}/${pid}/${file}`);
      } catch {
        return null;
      }
    };
    const stat = parsePidStat(read('stat') ?? '');
    const command = parseCmdline((read('cmdline') ?? '').slice(0, MAX_COMMAND));
    const uid = statSync(`${proc}/${pid}`, { throwIfNoEntry: false })?.uid ?? null;
    const cgroup = read('cgroup');
    return {
      pid,
      name: stat ? shownName(stat.name, () => command) : '?',
      uid,
      user: uid === null ? null : user(uid),
      command: command === null ? null : utf8(command),
      home: cgroup === null ? null : homeOf(cgroup, init),
      shared: 0,
    };
  };

  const isKernels = (pid: string): boolean => {
    try {
      return parsePidStat(readOnce(`${proc}/${pid}/stat`))?.kernel ?? true;
    } catch {
      // It has ended.
      return true;
    }
  };

  return async (inodes: ReadonlySet<number>, o: Bounded = {}): Promise<Owners> => {
    const holders = new Map<number, number[]>();
    let hidden = 0;
    let links = 0;
    let from = performance.now();
    const turn = async () => {
      await new Promise<void>((resolve) => setImmediate(resolve));
      o.signal?.throwIfAborted();
      from = performance.now();
    };
    if (inodes.size > 0)
      for (const name of namesIn(proc)) {
        const first = name.charCodeAt(0);
        if (first < 49 || first > 57) continue;
        if (links > MAX_LINKS) {
          hidden++;
          continue;
        }
        let fds: string[];
        try {
          fds = readdirSync(`${proc}/${name}/fd`);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'EACCES' && !isKernels(name)) hidden++;
          continue;
        }
        const pid = Number(name);
        for (const fd of fds) {
          links++;
          const inode = inodeOf(`${proc}/${name}/fd/${fd}`);
          if (inode === null || !inodes.has(inode)) continue;
          const pids = holders.get(inode);
          if (!pids) holders.set(inode, [pid]);
          else if (!pids.includes(pid) && pids.length < 4096) pids.push(pid);
          if ((links & 63) === 0 && performance.now() - from > SLICE_MS) await turn();
        }
        if (performance.now() - from > SLICE_MS) await turn();
      }

    user.refresh();
    const init = textOrNull(`${proc}/1/cgroup`);
    const known = new Map<number, Owner>();
    const byInode = new Map<number, Owner>();
    for (const [inode, pids] of holders) {
      const pid = Math.min(...pids);
      let owner = known.get(pid);
      if (!owner) {
        owner = described(pid, init);
        known.set(pid, owner);
      }
      byInode.set(inode, pids.length > 1 ? { ...owner, shared: pids.length - 1 } : owner);
    }
    return { byInode, hidden, why: whyHidden(hidden, links) };
  };
}

const whyHidden = (hidden: number, links: number): string | null => {
  if (hidden === 0) return null;
  if (links > MAX_LINKS) return `more than ${MAX_LINKS} open descriptors: ${hidden} processes were not looked into`;
  return `what ${hidden} processes of other users hold is root's to see: run Deckhand with CAP_SYS_PTRACE`;
};

/** "socket:[12345]" */
function inodeOf(link: string): number | null {
  try {
    const target = readlinkSync(link);
    return target.startsWith('socket:[') ? Number(target.slice(8, -1)) : null;
  } catch {
    return null;
  }
}
