/** The product in a container of the test engine: started with the flags that users are told, spoken to through its published port. */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type AnyClient, overHttp, root } from '../e2e/product.ts';
import { type Engine, IMAGE } from './engine.ts';

/** As in deploy/docker/README.md; `--user` is one that the image does not know. */
export const HARDENED = [
  ...['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--user', '12345:12345'],
  ...['--tmpfs', '/var/lib/deckhand', '--memory', '256m', '--pids-limit', '128'],
];
/** The flags of `docker run` that compose.yaml stands for: what users paste is what is started here, but for its port. */
export function composed(): string[] {
  const file = parse(readFileSync(join(root, 'deploy/docker/compose.yaml'), 'utf8')) as Composed;
  const { image, build, restart, ports, environment, volumes, tmpfs, pid, read_only, cap_drop, security_opt, ...rest } =
    file.services.deckhand;
  const { mem_limit, pids_limit, stop_grace_period: grace, ...more } = rest;
  if (Object.keys(more).length > 0)
    throw new Error(`compose.yaml has what this test does not start: ${Object.keys(more)}`);
  return [
    ...Object.entries(environment).map(([name, value]) => `-e=${name}=${value}`),
    ...volumes.map((v) => `-v=${v}`),
    ...tmpfs.map((t) => `--tmpfs=${t}`),
    ...cap_drop.map((c) => `--cap-drop=${c}`),
    ...security_opt.map((o) => `--security-opt=${o}`),
    ...[`--pid=${pid}`, `--read-only=${read_only}`, `--memory=${mem_limit}`, `--pids-limit=${pids_limit}`],
    `--stop-timeout=${grace.replace(/s$/, '')}`,
  ];
}
interface Composed {
  services: {
    deckhand: Record<'environment', Record<string, string>> &
      Record<'volumes' | 'tmpfs' | 'cap_drop' | 'security_opt' | 'ports', string[]> &
      Record<
        'image' | 'build' | 'restart' | 'pid' | 'read_only' | 'mem_limit' | 'pids_limit' | 'stop_grace_period',
        string
      >;
  };
}

/** No limit of calls gets in the way of a load. */
const UNLIMITED = [
  '-e=DECKHAND_LIMITS_CALLS_PER_MINUTE=1000000',
  '-e=DECKHAND_HTTP_REQUESTS_PER_MINUTE_PER_ADDRESS=1000000',
  '-e=DECKHAND_HTTP_CONNECTIONS_PER_ADDRESS=1000',
];

export interface Container {
  id: string;
  url: string;
  token: string;
  connect(): Promise<AnyClient>;
  logs(): Promise<string>;
  inspect<T>(format: string): Promise<T>;
  exec(...args: string[]): Promise<{ code: number | null; out: string; err: string }>;
  remove(): Promise<void>;
}

/** Started, live, and with a first token made in the way that the README tells. */
export async function start(engine: Engine, network: string, flags: string[]): Promise<Container> {
  const port = await freePort();
  // Published on loopback alone: that is what the word is about.
  const publish = ['--network', network, '-p', `127.0.0.1:${port}:7070`, '-e=DECKHAND_HTTP_BEHIND_PROXY=true'];
  const id = (await engine.docker(['run', '-d', ...publish, ...UNLIMITED, ...flags, IMAGE])).out.trim();
  const container: Container = {
    id,
    url: `http://127.0.0.1:${port}/mcp`,
    token: '',
    connect: () => overHttp('2026-07-28', container.url, container.token),
    async logs() {
      const { out, err } = await engine.docker(['logs', id]);
      return out + err;
    },
    inspect: async (format) => JSON.parse((await engine.docker(['inspect', '-f', `{{json ${format}}}`, id])).out),
    exec: (...args) => engine.docker(['exec', id, ...args], { mayFail: true }),
    async remove() {
      await engine.docker(['rm', '-fv', id]);
    },
  };
  await live(container);
  container.token = (
    await container.exec('deckhand', 'token', 'add', `t-${randomUUID().slice(0, 8)}`, '--role', 'viewer')
  ).out.trim();
  return container;
}

async function live(container: Container): Promise<void> {
  for (const end = Date.now() + 15_000; ; ) {
    const answer = await fetch(new URL('/healthz', container.url)).catch(() => null);
    if (answer?.ok) return;
    if (Date.now() > end) throw new Error(`It does not become live: ${await container.logs()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** SIGTERM while `clients` call without a pause: ms until the container has ended, and with which code. */
export async function endUnderLoad(container: Container, engine: Engine, clients: number) {
  const all = await Promise.all(Array.from({ length: clients }, container.connect));
  let stopping = false;
  let answered = 0;
  const failures: string[] = [];
  const calls = all.map(async (client) => {
    for (;;)
      try {
        const answer = await client.callTool({ name: 'system_overview', arguments: {} });
        // From the signal on a refusal is right.
        if (answer.isError && !stopping) failures.push(JSON.stringify(answer.content));
        answered++;
      } catch (thrown) {
        if (!stopping) failures.push(String(thrown));
        return;
      }
  });
  while (answered < clients * 2 && failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  stopping = true;
  const from = Math.floor(Date.now() / 1_000) - 1;
  await engine.docker(['kill', '-s', 'TERM', container.id]);
  const code = Number((await engine.docker(['wait', container.id])).out.trim());
  // By the engine's own words: its command-line client is a process to be started, which on a busy machine is most of the time.
  const until = String(Math.ceil(Date.now() / 1_000) + 1);
  const told = ['--filter', `container=${container.id}`, '--filter', 'event=kill', '--filter', 'event=die'];
  const { out } = await engine.docker([
    'events',
    '--since',
    String(from),
    '--until',
    until,
    ...told,
    '--format={{json .}}',
  ]);
  const at = (event: string) =>
    out.split('\n').flatMap((line) => {
      const said = line === '' ? null : (JSON.parse(line) as { status: string; timeNano: number });
      return said?.status === event ? [said.timeNano / 1e6] : [];
    })[0] ?? Number.NaN;
  const ms = at('die') - at('kill');
  await Promise.all(calls);
  await Promise.allSettled(all.map((client) => client.close()));
  return { ms, code, answered, failures };
}

/** Children whose parent ends before them: whoever is PID 1 in there has to wait for them. */
export async function orphan(engine: Engine, id: string, count: number): Promise<void> {
  const script = `for (let i = 0; i < ${count}; i++)
    child_process.spawn('/usr/bin/env', { detached: true, stdio: 'ignore' }).unref();
  process.kill(process.pid, 'SIGKILL')`;
  await engine.docker(['exec', id, 'node', '-e', script], { mayFail: true });
}

/** The server behind its init. */
export const childOf = (parent: number): number =>
  Number(readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ')[0]);

/** Children of this process that have ended and that it never waited for. */
export function zombiesOf(parent: number): number {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return state === 'Z' && Number(ppid) === parent;
    } catch {
      return false;
    }
  }).length;
}
