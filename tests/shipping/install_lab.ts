/**
 * The life of an installed Deckhand on a bare Debian (debian.ts), in pieces that the tests and the soak put together: install.sh, a client
 * that calls all the while, upgrades, rollbacks, and what is left at the end.
 */
import type { ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Debian } from './debian.ts';
import { type Files, released, VERSION, version, writeReleases } from './releases.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const ADDITIVE =
  "CREATE TABLE later (id INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT; ALTER TABLE receipts ADD COLUMN later TEXT NOT NULL DEFAULT 'x';";

/** The tarballs, in a folder of this machine; `upgrades` later versions, the first of them with a migration more. */
export async function makeReleases(
  folder: string,
  upgrades: number,
): Promise<{ names: Record<string, string>; later: string[] }> {
  const base = await released();
  const later = Array.from({ length: upgrades }, (_, i) => `0.1.${i + 1}`);
  const versions: Record<string, Files> = {
    [VERSION]: base,
    // What one migration brought, all after it have.
    ...Object.fromEntries(later.map((v) => [v, version(base, v, { migrations: [{ sql: ADDITIVE }] })])),
    // Starts, says its version and takes the settings; as a server it ends at once.
    '0.1.90': version(base, '0.1.90', {
      migrations: [{ sql: ADDITIVE }],
      replace: [',"listening")', ',(process.exit(3),"listening"))'],
    }),
    '0.2.0': version(base, '0.2.0', {
      migrations: [
        { sql: ADDITIVE },
        {
          sql: 'ALTER TABLE disk_looks RENAME COLUMN data TO body; ALTER TABLE disk_looks ADD COLUMN data TEXT',
          breaks: true,
        },
      ],
    }),
  };
  const names = writeReleases(folder, versions);
  const script = base.get('install.sh')?.data;
  if (!script) throw new Error('the release has no install.sh');
  writeFileSync(join(folder, 'install.sh'), script);
  return { names, later };
}

export function share(debian: Debian, folder: string): void {
  mkdirSync(join(debian.share, 'release'), { recursive: true });
  cpSync(folder, join(debian.share, 'release'), { recursive: true });
}

/** More calls than any limit lets through by default: what is counted here are errors of the restart. */
const LIMITS = 'http: {requestsPerMinutePerAddress: 1000000}\nlimits: {callsPerMinute: 1000000}\n';

export async function allowManyCalls(debian: Debian): Promise<void> {
  await debian.sh(`printf '%s' '${LIMITS}' >>/etc/deckhand/config.yaml\nsystemctl restart deckhand`);
}

export const token = async (debian: Debian, name: string): Promise<string> =>
  (await debian.run(['deckhand', 'token', 'add', name, '--role', 'admin'])).out.trim();

export interface Seen {
  calls: number;
  answered: number;
  reused: number;
  slowestMs: number;
  errors: Record<string, number>;
}

/** 20 calls a second on kept-alive connections, from another process in the same network, until `end`. */
export function caller(debian: Debian, secret: string): { end(): Promise<Seen> } {
  const child: ChildProcess = debian.start([
    process.execPath,
    join(here, 'caller.mjs'),
    'http://127.0.0.1:7070/mcp',
    secret,
    '20',
    '4',
  ]);
  let out = '';
  let err = '';
  child.stdout?.on('data', (d) => {
    out += d;
  });
  child.stderr?.on('data', (d) => {
    err += d;
  });
  const ended = new Promise<void>((done) => child.once('close', () => done()));
  return {
    async end() {
      child.kill('SIGTERM');
      await ended;
      if (!out.includes('{')) throw new Error(`the client said nothing: ${err}`);
      return JSON.parse(out.slice(out.indexOf('{'))) as Seen;
    },
  };
}

export const statusOf = async (
  debian: Debian,
): Promise<
  Record<string, unknown> & {
    differs: string[];
    version: string;
    running: { version: string; healthy: boolean; active: string };
  }
> => JSON.parse((await debian.run(['deckhand', 'service', 'status', '--json'], { mayFail: true })).out);

/** What every version that is there says of the store: it opens it, its audit is whole. */
export async function readableBy(debian: Debian, versions: readonly string[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const v of versions)
    for (const words of ['token list --json', 'undo list --json', 'audit verify']) {
      const ran = await debian.run([`/opt/deckhand/versions/${v}/bin/deckhand`, ...words.split(' ')], {
        mayFail: true,
      });
      if (ran.code !== 0) wrong.push(`${v} ${words}: ${ran.code} ${ran.err.slice(0, 300)}`);
    }
  return wrong;
}

/** Kills the upgrade as soon as it says this step. True when it was killed there. */
export async function killedAt(debian: Debian, args: string[], step: RegExp): Promise<boolean> {
  const child = debian.start(['deckhand', 'service', ...args], true);
  let said = '';
  let killed = false;
  child.stderr?.on('data', (d) => {
    said += d;
    if (killed || !step.test(said)) return;
    killed = true;
    // nsenter has become the command: no program stands between.
    child.kill('SIGKILL');
  });
  await new Promise((done) => child.once('close', done));
  return killed;
}

/** Every path of the system, but for what the system itself writes. */
export async function paths(debian: Debian): Promise<string[]> {
  const { out } = await debian.sh(
    'find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /share -o -path /var/log -o -path /var/tmp -o -path /var/cache -o -path /var/lib/systemd \\) -prune -o -print | sort',
  );
  return out.split('\n').filter(Boolean);
}

export async function until(what: string, ms: number, is: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + ms; !(await is()); await after(200))
    if (Date.now() > end) throw new Error(`${what} did not come within ${ms} ms`);
}

/** By `systemd-analyze security`: 0 is shut, 10 is open. */
export async function exposure(debian: Debian): Promise<number> {
  const { out } = await debian.run(['systemd-analyze', 'security', '--no-pager', 'deckhand.service']);
  return Number(/exposure level for deckhand\.service: ([\d.]+)/.exec(out)?.[1]);
}

/** It is stopped in its tracks: systemd notices, and another process answers. */
export async function hangs(debian: Debian): Promise<void> {
  const dropIn = '/run/systemd/system/deckhand.service.d';
  await debian.sh(
    `mkdir -p ${dropIn}; printf "[Service]\\nWatchdogSec=4\\n" >${dropIn}/60-test.conf; systemctl daemon-reload; systemctl restart deckhand`,
  );
  const pid = (await debian.run(['systemctl', 'show', '-P', 'MainPID', 'deckhand'])).out.trim();
  await debian.sh(`kill -STOP ${pid}`);
  await until('another process', 60_000, async () => {
    const s = await statusOf(debian);
    return s.running.healthy && String((s.running as { pid?: number }).pid) !== pid;
  });
  await debian.sh(`rm ${dropIn}/60-test.conf; systemctl daemon-reload; systemctl restart deckhand`);
}

export interface Life {
  upgrades: number;
  rollbacks: number;
  seen: Seen;
  unreadable: string[];
  statuses: string[];
}

/** Up to each later version and back, under a client. */
export async function upAndDown(
  debian: Debian,
  later: readonly string[],
  names: Record<string, string>,
): Promise<Life> {
  const secret = await token(debian, `caller-${Date.now()}`);
  const life: Life = { upgrades: 0, rollbacks: 0, seen: null as unknown as Seen, unreadable: [], statuses: [] };
  const client = caller(debian, secret);
  const look = async (want: string) => {
    const s = await statusOf(debian);
    if (s.version !== want || s.running.version !== want || !s.running.healthy || s.differs.length > 0)
      life.statuses.push(`${want}: ${JSON.stringify(s)}`);
  };
  await after(1_000);
  for (const v of later) {
    await debian.run(['deckhand', 'service', 'upgrade', '--from', `/share/release/${names[v]}`], { ms: 180_000 });
    life.upgrades++;
    await look(v);
    await debian.run(['deckhand', 'service', 'rollback'], { ms: 180_000 });
    life.rollbacks++;
    await look(VERSION);
    life.unreadable.push(...(await readableBy(debian, [v, VERSION])));
  }
  await after(1_000);
  life.seen = await client.end();
  return life;
}

export const there = (debian: Debian, path: string): boolean => existsSync(debian.path(path));
