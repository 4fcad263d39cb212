/**
 * How fast the readers are, against the same reads with nothing made of them. Run by hand:
 *   node tests/host/timing.ts [processes to add]
 * Medians; ratios count, the machine's absolute figures wander by a third.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createHost } from '../../src/host/index.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };
const host = createHost({ log });
const buffer = Buffer.allocUnsafeSlow(1 << 16);

const median = (xs: number[]) => xs.sort((a, b) => a - b)[xs.length >> 1] ?? Number.NaN;
const say = (what: string, us: number, more = '') =>
  process.stdout.write(`${what.padEnd(44)} ${us.toFixed(1).padStart(9)} µs ${more}\n`);

const FILES =
  'stat loadavg meminfo pressure/cpu pressure/memory pressure/io diskstats net/dev vmstat sys/fs/file-nr sys/kernel/random/entropy_avail';
const fds = FILES.split(' ').map((f) => openSync(`/proc/${f}`, 'r'));
const bare = () => {
  for (const fd of fds) readSync(fd, buffer, 0, buffer.length, 0);
};

const timed = (work: () => void, rounds: number) => {
  const us: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const from = performance.now();
    work();
    us.push((performance.now() - from) * 1000);
  }
  return median(us);
};

// Interleaved, so that both see the same machine.
for (let i = 0; i < 300; i++) {
  bare();
  host.system.snapshot();
}
const pairs = Array.from(
  { length: 15 },
  () => [timed(bare, 60), timed(() => void host.system.snapshot(), 60)] as const,
);
const read = median(pairs.map((p) => p[0]));
const snapshot = median(pairs.map((p) => p[1]));
say(`the same ${fds.length} files, read only`, read);
say('snapshot()', snapshot, `${(snapshot / read).toFixed(2)} ×`);
say(
  'identity()',
  timed(() => void host.system.identity(), 500),
);

const children = Array.from({ length: Number(process.argv[2] ?? 0) }, () =>
  spawn('/bin/sleep', ['600'], { stdio: 'ignore' }),
);
try {
  if (children.length > 0) await sleep(1_000);
  const bareList = () => {
    for (const name of readdirSync('/proc')) {
      if (!(name.charCodeAt(0) >= 49 && name.charCodeAt(0) <= 57)) continue;
      try {
        const fd = openSync(`/proc/${name}/stat`, 'r');
        readSync(fd, buffer, 0, buffer.length, 0);
        closeSync(fd);
      } catch {
        // Ended.
      }
    }
  };
  const list = async (want: object) => {
    const us: number[] = [];
    for (let i = 0; i < 40; i++) {
      const from = performance.now();
      await host.system.processes(want);
      us.push((performance.now() - from) * 1000);
    }
    return median(us);
  };
  const cold = performance.now();
  const n = (await host.system.processes({ commands: true })).processes.length;
  say(`processes, first list with command lines, ${n}`, (performance.now() - cold) * 1000);
  const floor = timed(bareList, 40);
  say('  stat of each, read only', floor, `${(floor / n).toFixed(1)} µs each`);
  for (const [name, want] of [
    ['processes()', {}],
    ['processes({commands})', { commands: true }],
    ['processes({commands, io, fds})', { commands: true, io: true, fds: true }],
  ] as const) {
    const us = await list(want);
    say(`  ${name}`, us, `${(us / n).toFixed(1)} µs each, ${(us / floor).toFixed(2)} × the reads`);
  }
  let worst = 0;
  let last = performance.now();
  let on = true;
  const turn = () => {
    const now = performance.now();
    worst = Math.max(worst, now - last);
    last = now;
    if (on) setImmediate(turn);
  };
  setImmediate(turn);
  for (let i = 0; i < 20; i++) {
    await host.system.processes({ commands: true, io: true, fds: true });
    // A list that begins in the turn in which another ends would count as one.
    await new Promise((resolve) => setImmediate(resolve));
  }
  on = false;
  say('  longest standstill of the loop', worst * 1000);
} finally {
  for (const child of children) child.kill('SIGKILL');
}
const from = performance.now();
const mounts = await host.system.filesystems();
say(`filesystems(), first, ${mounts.length} mounts`, (performance.now() - from) * 1000);
const again = performance.now();
for (let i = 0; i < 50; i++) await host.system.filesystems();
say('filesystems(), later', ((performance.now() - again) * 1000) / 50);
host.close();
