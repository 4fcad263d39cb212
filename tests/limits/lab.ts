/**
 * A real `deckhand serve` in a network namespace, its clients in another one with addresses of their own, a cable between them. Nothing of
 * it touches the machine, and all of it ends with `close`. Needs root and `ip`.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Saw, Told } from './client.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const CLIENT = fileURLToPath(new URL('client.ts', import.meta.url));
const LOOP = fileURLToPath(new URL('loop.mjs', import.meta.url));
const HOST = '10.77.0.1';
export const CALM = '10.77.2.1';
export const address = (i: number) => `10.77.1.${i + 1}`;

/** Why there can be no lab here; empty when there can. */
export function lacking(): string[] {
  const missing: string[] = [];
  if (process.getuid?.() !== 0) missing.push('root');
  if (!['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip', '/bin/ip'].some(existsSync)) missing.push('ip');
  if (missing.length > 0) return missing;
  const name = `dhtry${process.pid}`;
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' });
    execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
  } catch {
    missing.push('the right to make namespaces');
  }
  return missing;
}

export interface Client {
  /** Told to end, it gives what it saw. */
  end(): Promise<Saw>;
}

export interface Lab {
  tokens: Record<string, string>;
  start(told: Omit<Told, 'host' | 'port'>): Client;
  rssMiB(): number;
  /** Connections that the server holds. */
  connections(): number;
  /** Stops the server and adds up what it has on record: refused requests by outcome, and how long its loop stood still. */
  stop(): Promise<{
    refused: Record<string, number>;
    records: number;
    loop: { p50: number; p99: number; max: number };
  }>;
  close(): Promise<void>;
}

const sh = (line: string) => execFileSync('bash', ['-ec', line], { stdio: ['ignore', 'pipe', 'inherit'] });
const inside = (name: string, argv: string[]) => ['netns', 'exec', name, ...argv];

export async function openLab(o: { tokens: string[]; config: string }): Promise<Lab> {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-limits-'));
  const id = `dh${process.pid}${Math.random().toString(36).slice(2, 5)}`;
  const [server, clients] = [`${id}s`, `${id}c`];
  const children = new Set<ChildProcess>();
  const close = async () => {
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(
      [...children].map((c) => c.exitCode !== null || c.signalCode !== null || new Promise((r) => c.once('exit', r))),
    );
    for (const name of [server, clients]) execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    sh(`
      ip netns add ${server}; ip netns add ${clients}
      ip link add name ${id.slice(0, 12)}a netns ${server} type veth peer name ${id.slice(0, 12)}b netns ${clients}
      ip -n ${server} addr add ${HOST}/16 dev ${id.slice(0, 12)}a; ip -n ${server} link set ${id.slice(0, 12)}a up; ip -n ${server} link set lo up
      ip -n ${clients} addr add ${CALM}/16 dev ${id.slice(0, 12)}b; ip -n ${clients} link set ${id.slice(0, 12)}b up
      for i in $(seq 1 50); do ip -n ${clients} addr add 10.77.1.$i/16 dev ${id.slice(0, 12)}b; done
      # Small buffers: who does not read is noticed, and not hidden by the kernel.
      ip netns exec ${server} sysctl -qw net.ipv4.tcp_wmem='4096 16384 16384'
      ip netns exec ${clients} sysctl -qw net.ipv4.tcp_rmem='4096 8192 8192'
    `);
    const config = join(dir, 'config.yaml');
    writeFileSync(config, o.config);
    mkdirSync(join(dir, 'state'), { mode: 0o700 });
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: dir,
      DECKHAND_STATE_DIR: join(dir, 'state'),
      DECKHAND_AUDIT_HEADS: 'off',
      DECKHAND_HTTP_BEHIND_PROXY: 'true',
      SOAK_LOOP: join(dir, 'loop.json'),
      NODE_OPTIONS: `--import=${LOOP}`,
    };
    const launcher = join(root, 'bin/deckhand.mjs');
    const tokens: Record<string, string> = {};
    for (const name of o.tokens)
      tokens[name] = execFileSync(
        process.execPath,
        [launcher, '--config', config, 'token', 'add', name, '--role', 'viewer'],
        {
          env,
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      ).trim();
    // As its unit starts it: without the first, V8 lets its nursery grow to 48 MiB and never gives it back.
    Object.assign(env, { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '16384' });
    const argv = [
      process.execPath,
      '--max-semi-space-size=2',
      launcher,
      '--config',
      config,
      'serve',
      '--http-host',
      HOST,
      '--http-port',
      '0',
    ];
    const child = spawn('ip', inside(server, argv), { env, stdio: ['ignore', 'pipe', 'pipe'] });
    children.add(child);
    let said = '';
    const port = await new Promise<number>((resolve, reject) => {
      const hear = (d: Buffer) => {
        said += d;
        const found = /:\/\/10\.77\.0\.1:(\d+)\/mcp/.exec(said);
        if (found) resolve(Number(found[1]));
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('exit', () => reject(new Error(`serve ended: ${said}`)));
    });
    const gone = new Promise((resolve) => child.once('exit', resolve));
    // `ip netns exec` becomes the program: its pid is the server's.
    const pid = child.pid as number;
    return {
      tokens,
      close,
      start(told) {
        const argv = [process.execPath, CLIENT, JSON.stringify({ ...told, host: HOST, port })];
        // Attackers and the server share the same few processors here: in life they have their own.
        const nice = told.kind === 'calm' ? argv : ['nice', '-n', '19', ...argv];
        const one = spawn('ip', inside(clients, nice), { stdio: ['pipe', 'pipe', 'inherit'] });
        children.add(one);
        let out = '';
        one.stdout.on('data', (d) => {
          out += d;
        });
        const ended = new Promise<Saw>((resolve, reject) =>
          one.once('close', (code) => {
            children.delete(one);
            if (code === 0) resolve(JSON.parse(out) as Saw);
            else reject(new Error(`${told.kind} ended with ${code}`));
          }),
        );
        ended.catch(() => {});
        return {
          end() {
            one.stdin.write('end\n');
            return ended;
          },
        };
      },
      rssMiB: () => Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024),
      connections: () =>
        readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
          .split('\n')
          .filter((l) => l.includes(` 01004D0A:${port.toString(16).toUpperCase().padStart(4, '0')} `) && / 01 /.test(l))
          .length,
      async stop() {
        child.kill('SIGTERM');
        await gone;
        children.delete(child);
        const refused: Record<string, number> = {};
        let records = 0;
        const audit = join(dir, 'state', 'audit');
        for (const file of readdirSync(audit).filter((f) => f.endsWith('.jsonl') && f !== 'index.jsonl'))
          for (const line of readFileSync(join(audit, file), 'utf8').trim().split('\n')) {
            const r = JSON.parse(line) as { event: string; outcome?: string; count?: number; what?: string };
            if (r.event !== 'refused') continue;
            records++;
            const key = r.outcome ?? 'unknown';
            refused[key] = (refused[key] ?? 0) + (r.count ?? 1);
          }
        return { refused, records, loop: JSON.parse(readFileSync(join(dir, 'loop.json'), 'utf8')) };
      },
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}
