/**
 * Journal files made to measure: entries in systemd's export format, written by systemd-journal-remote of the lab's root file system
 * through its own loader, so that it needs neither root nor a boot.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { kept } from '../docker/engine.ts';
import type { Written } from '../fakes/journal.ts';

const REMOTE = 'usr/lib/systemd/systemd-journal-remote';

/** What is missing here; empty: journals can be made and read. */
export function lackingForJournal(): string[] {
  return [
    ...(existsSync('/usr/bin/journalctl') ? [] : ['journalctl']),
    ...(existsSync(join(kept(), REMOTE)) ? [] : [`${REMOTE} in ${kept()} (tests/docker/engine.ts makes it)`]),
  ];
}

const BOOTS = ['b007b007b007b007b007b007b007b000', 'b007b007b007b007b007b007b007b001'];

/** The current boot must be this machine's: journalctl counts from it. */
function bootId(boot: number): string {
  return boot === 0
    ? execFileSync('cat', ['/proc/sys/kernel/random/boot_id'], { encoding: 'utf8' }).trim().replaceAll('-', '')
    : (BOOTS[-boot] as string);
}

export function exported(e: Written, boot: string): Buffer {
  const micros = Math.round(e.atMs * 1_000);
  const head = [
    `__REALTIME_TIMESTAMP=${micros}`,
    `__MONOTONIC_TIMESTAMP=${micros % 1e12}`,
    `_BOOT_ID=${boot}`,
    '_MACHINE_ID=0123456789abcdef0123456789abcdef',
    '_HOSTNAME=lab',
    `_TRANSPORT=${e.kernel ? 'kernel' : 'journal'}`,
    ...(e.priority === undefined ? [] : [`PRIORITY=${e.priority}`]),
    ...(e.unit === undefined ? [] : [`_SYSTEMD_UNIT=${e.unit}`]),
    ...(e.about === undefined ? [] : [`UNIT=${e.about}`]),
    ...(e.pid === undefined ? [] : [`_PID=${e.pid}`]),
    ...(e.identifier === undefined ? [] : [`SYSLOG_IDENTIFIER=${e.identifier}`]),
  ].join('\n');
  const message = Buffer.from(e.message as string);
  if (!message.includes(10) && message.equals(Buffer.from(message.toString('utf8'))))
    return Buffer.concat([Buffer.from(`${head}\nMESSAGE=`), message, Buffer.from('\n\n')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(message.length));
  return Buffer.concat([Buffer.from(`${head}\nMESSAGE\n`), length, message, Buffer.from('\n\n')]);
}

/** Into `dir`, in pieces: a million entries are never in memory. */
export async function writeJournal(dir: string, entries: Iterable<Written>): Promise<void> {
  const at = (path: string) => join(kept(), path);
  const libraries = ['usr/lib/x86_64-linux-gnu', 'usr/lib/aarch64-linux-gnu']
    .map(at)
    .filter((path) => existsSync(path))
    .flatMap((path) => [path, `${path}/systemd`]);
  const loader = ['lib64/ld-linux-x86-64.so.2', 'lib/ld-linux-aarch64.so.1'].map(at).find((path) => existsSync(path));
  const args = [
    '--library-path',
    libraries.join(':'),
    at(REMOTE),
    '--split-mode=none',
    `--output=${dir}/lab.journal`,
    '-',
  ];
  const child = spawn(loader as string, args, { stdio: ['pipe', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4_000);
  });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const boots = new Map<number, string>();
  let part: Buffer[] = [];
  const flush = async () => {
    const all = Buffer.concat(part);
    part = [];
    if (!child.stdin.write(all)) await once(child.stdin, 'drain');
  };
  for (const e of entries) {
    const boot = e.boot ?? 0;
    let id = boots.get(boot);
    if (id === undefined) {
      id = bootId(boot);
      boots.set(boot, id);
    }
    part.push(exported(e, id));
    if (part.length >= 2_000) await flush();
  }
  await flush();
  child.stdin.end();
  const [code] = await ended;
  if (code !== 0) throw new Error(`systemd-journal-remote: ${code}\n${said}`);
}
