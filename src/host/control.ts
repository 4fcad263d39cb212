/**
 * Who we are among containers, and whether somebody answers behind a port. Reads what the kernel says of this very process, and opens one
 * connection; whom a rule protects and what an answer means is decided elsewhere.
 */
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import type { ControlHost, DockerRules, Knock, Self } from '../core/docker_control.ts';

/** An engine's proxy takes every connection, and drops it when it finds nobody behind: within some milliseconds. */
const HELD_MS = 250;
const SILENT_MS = 2_000;
/** Left by Docker and Podman; ours, also where the host's views are looked at below another root. */
const MARKS = ['/.dockerenv', '/run/.containerenv'];
const ID = /[0-9a-f]{64}/g;

export function controlHost(rules: DockerRules, o: { inContainer: boolean; proc?: string }): ControlHost {
  const proc = o.proc ?? '/proc';
  let known: Self | null = null;
  return {
    rules,
    self() {
      known ??= {
        ids: idsOf(proc),
        hostname: hostname(),
        inContainer: o.inContainer || MARKS.some((m) => existsSync(m)),
      };
      return known;
    },
    knock: (at, { signal } = {}) =>
      new Promise<Knock>((resolve, reject) => {
        const socket = connect({ host: at.host, port: at.port });
        let timer = setTimeout(() => end('silent'), SILENT_MS);
        let connected = false;
        const end = (how: Knock) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', gone);
          socket.destroy();
          resolve(how);
        };
        const gone = () => {
          clearTimeout(timer);
          socket.destroy();
          reject(signal?.reason as Error);
        };
        socket.on('connect', () => {
          connected = true;
          clearTimeout(timer);
          timer = setTimeout(() => end('open'), HELD_MS);
        });
        // A greeting is an answer, too.
        socket.on('data', () => end('open'));
        socket.on('end', () => end('closed'));
        socket.on('error', () => end(connected ? 'closed' : 'refused'));
        if (signal?.aborted) gone();
        else signal?.addEventListener('abort', gone, { once: true });
      }),
  };
}

/**
 * From the cgroup (v1, and v2 without a namespace of its own), from what the engine has mounted over /etc/hostname and its like, and the
 * host name, which is the beginning of the id unless somebody chose another.
 */
function idsOf(proc: string): string[] {
  const ids = new Set<string>();
  for (const line of read(`${proc}/self/cgroup`).split('\n'))
    for (const id of line.match(ID)?.slice(-1) ?? []) ids.add(id);
  for (const line of read(`${proc}/self/mountinfo`).split('\n')) {
    const [, , , root = '', point = ''] = line.split(' ');
    if (!/^\/etc\/(?:hostname|hosts|resolv\.conf)$/.test(point)) continue;
    for (const id of root.match(ID)?.slice(-1) ?? []) ids.add(id);
  }
  const name = hostname();
  if (/^[0-9a-f]{12}$/.test(name)) ids.add(name);
  return [...ids];
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
