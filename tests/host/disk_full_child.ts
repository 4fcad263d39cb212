/**
 * In a mount namespace of its own (`unshare -m`): for each scene a small ext4 is made, mounted, filled in one way, and diagnosed by the real
 * host. One line of JSON each. Nothing outlives the namespace.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { createHost } from '../../src/host/index.ts';
import { diagnose } from '../../src/tools/diagnose.ts';
import type { DiagnoseAnswer } from '../../src/tools/diagnose_parts.ts';
import { context } from '../tools/context.ts';
import { quietLog } from './contract.ts';

const MiB = 1024 ** 2;
const dir = process.argv[2] as string;
const image = join(dir, 'image');
const own = '/mnt/own';

/** Fills up to what ordinary users may. */
function fill(path: string, mib: number): void {
  fs.mkdirSync(join(path, '..'), { recursive: true });
  const fd = fs.openSync(path, 'w');
  const block = Buffer.alloc(MiB, 7);
  try {
    for (let i = 0; i < mib; i++) fs.writeSync(fd, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    fs.closeSync(fd);
  }
}

interface Scene {
  at?: string;
  reserved?: number;
  fill(at: string): unknown;
}
const SCENES: Record<string, Scene> = {
  not_full: { fill: (at) => fill(`${at}/app.log`, 10) },
  big_log: { fill: (at) => fill(`${at}/app/app.log`, 52) },
  inodes_full: {
    fill(at) {
      fs.mkdirSync(`${at}/spool/sessions`, { recursive: true });
      for (let i = 0; i < 3_000; i++) {
        try {
          fs.writeFileSync(`${at}/spool/sessions/${i}`, '');
        } catch {
          return;
        }
      }
    },
  },
  deleted_open: {
    fill(at) {
      fill(`${at}/gone.log`, 50);
      const fd = fs.openSync(`${at}/gone.log`, 'r');
      fs.unlinkSync(`${at}/gone.log`);
      return () => fs.closeSync(fd);
    },
  },
  reserved_blocks: { reserved: 45, fill: (at) => fill(`${at}/data/db.bin`, 30) },
  docker: {
    at: '/var/lib/docker',
    fill: (at) => {
      for (let i = 0; i < 5; i++) fill(`${at}/overlay2/layer${i}/diff/lib.so`, 10);
    },
  },
  container_logs: {
    at: '/var/lib/docker',
    fill: (at) => fill(`${at}/containers/${'ab'.repeat(32)}/${'ab'.repeat(32)}-json.log`, 50),
  },
  journal: {
    at: '/var/log',
    fill: (at) => {
      for (let i = 0; i < 6; i++) fill(`${at}/journal/0123/system@${i}.journal`, 8);
    },
  },
  rotated_logs: {
    at: '/var/log',
    fill: (at) => {
      for (let i = 1; i < 7; i++) fill(`${at}/app/app.log.${i}.gz`, 8);
    },
  },
  package_cache: {
    at: '/var/cache',
    fill: (at) => {
      for (let i = 0; i < 6; i++) fill(`${at}/apt/archives/p${i}.deb`, 8);
    },
  },
  core_dumps: {
    at: '/var/crash',
    fill: (at) => {
      for (let i = 0; i < 6; i++) fill(`${at}/core.${i}`, 8);
    },
  },
  temporary_files: {
    at: '/var/tmp',
    fill: (at) => {
      for (let i = 0; i < 6; i++) fill(`${at}/job${i}/part`, 8);
    },
  },
  old_kernels: {
    at: '/boot',
    fill: (at) => {
      for (let i = 1; i < 5; i++) fill(`${at}/initrd.img-6.1.0-${i}-amd64`, 12);
    },
  },
  hidden_space: {
    fill(at) {
      fill(`${at}/media/before.bin`, 50);
      execFileSync('mount', ['-t', 'tmpfs', 'none', `${at}/media`]);
      return () => execFileSync('umount', [`${at}/media`]);
    },
  },
  read_only: {
    fill(at) {
      fill(`${at}/x`, 1);
      const device = execFileSync('findmnt', ['-no', 'SOURCE', at], { encoding: 'utf8' }).trim().split('/').at(-1);
      fs.writeFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, '1');
    },
  },
  big_folder: {
    fill: (at) => {
      for (let i = 0; i < 24; i++) fill(`${at}/srv/photos/${i}.raw`, 2);
    },
  },
  simply_full: {
    fill: (at) => {
      for (let i = 0; i < 26; i++) fill(`${at}/d${i}/data`, 2);
    },
  },
};

const host = createHost({ log: quietLog });
const ctx = context({}, { host, recent: () => [], recentProcesses: () => null });
// Not below /tmp, which would be a place of its own.
execFileSync('mount', ['-t', 'tmpfs', 'none', '/mnt']);
fs.mkdirSync(own);
for (const [name, scene] of Object.entries(SCENES)) {
  const at = scene.at ?? own;
  const made = !fs.existsSync(at);
  fs.mkdirSync(at, { recursive: true });
  fs.writeFileSync(image, '');
  fs.truncateSync(image, 64 * MiB);
  execFileSync('mkfs.ext4', ['-q', '-F', '-m', String(scene.reserved ?? 1), '-N', '2048', image]);
  execFileSync('mount', ['-o', 'loop,errors=remount-ro', image, at]);
  const undo = scene.fill(at);
  const began = performance.now();
  const answer = (await diagnose.handler?.(
    diagnose.input.parse({ problem: 'disk_full', target: at }),
    ctx,
  )) as unknown as DiagnoseAnswer;
  const causes = answer.causes.map((c) => `${c.id} ${c.certainty}`);
  const ms = Math.round(performance.now() - began);
  process.stdout.write(
    `${JSON.stringify({ name, causes, verdict: answer.verdict, evidence: answer.causes[0]?.evidence, next: answer.causes[0]?.next, unseen: answer.disk?.unseenBytes, ms })}\n`,
  );
  if (typeof undo === 'function') undo();
  execFileSync('umount', [at]);
  // What was not there before.
  if (made) fs.rmdirSync(at);
}
host.close();
