/** A host whose files are missing, empty, cut, garbage, folders or not ours to read: reasons, and never a crash. */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createHost, type OpenHost } from '../../src/host/index.ts';
import { expectSound, quietLog } from './contract.ts';

const VM = fileURLToPath(new URL('../fixtures/vm', import.meta.url));
let root = '';
let host: OpenHost | undefined;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'deckhand-hostile-'));
  cpSync(VM, root, { recursive: true, verbatimSymlinks: true });
});
afterEach(() => {
  host?.close();
  rmSync(root, { recursive: true, force: true });
});

const opened = () => {
  host = createHost({ log: quietLog, procRoot: root });
  return host.system;
};

/** What each snapshot field is read from. */
const FILES: Record<string, string> = {
  cpu: 'proc/stat',
  load: 'proc/loadavg',
  memory: 'proc/meminfo',
  disks: 'proc/diskstats',
  networks: 'proc/net/dev',
  vmstat: 'proc/vmstat',
  fileHandles: 'proc/sys/fs/file-nr',
  entropyBits: 'proc/sys/kernel/random/entropy_avail',
};

const HARM: Record<string, (path: string) => void> = {
  missing: (path) => rmSync(path),
  empty: (path) => writeFileSync(path, ''),
  garbage: (path) => writeFileSync(path, Buffer.from([0, 255, 10, 58, 32, 45, 200, 10, 10, 9])),
  'a folder': (path) => {
    rmSync(path);
    mkdirSync(path);
  },
  'endless text': (path) => writeFileSync(path, 'x'.repeat(5 * 1024 * 1024)),
};

describe.each(Object.keys(HARM))('a file that is %s', (harm) => {
  test.each(Object.entries(FILES))('%s has a reason', (field, path) => {
    HARM[harm]?.(join(root, path));
    const snapshot = opened().snapshot();
    expectSound(snapshot);
    const reading = snapshot[field as keyof typeof snapshot] as { value: unknown; why?: string };
    expect(reading.value).toBeNull();
    expect(reading.why).toContain(`/${path}`);
    // Never the path that the host has here.
    expect(reading.why).not.toContain(root);
  });
});

test('a file that turns bad under an open descriptor, and good again', () => {
  const system = opened();
  const path = join(root, 'proc/loadavg');
  expect(system.snapshot().load.value?.one).toBe(0.42);
  writeFileSync(path, '');
  expect(system.snapshot().load).toMatchObject({ value: null, why: '/proc/loadavg is empty.' });
  writeFileSync(path, '1.00 2.00 3.00 1/2 3\n');
  expect(system.snapshot().load.value?.fifteen).toBe(3);
});

test('a file that may not be read', () => {
  chmodSync(root, 0o755);
  chmodSync(join(root, 'proc/meminfo'), 0);
  const system = opened();
  const asRoot = process.geteuid?.() === 0;
  try {
    // Root reads everything: for the moment of the reading we are nobody.
    if (asRoot) process.seteuid?.(65534);
    expect(system.snapshot().memory).toEqual({ value: null, why: 'This user may not read /proc/meminfo.' });
  } finally {
    if (asRoot) process.seteuid?.(0);
  }
});

test('nothing at all', async () => {
  rmSync(root, { recursive: true });
  mkdirSync(root);
  const system = opened();
  expectSound({ ...system.identity(), zone: null });
  expect(system.identity().hostname).toBe('localhost');
  expectSound(system.snapshot());
  const list = await system.processes();
  expect(list.processes).toEqual([]);
  expect(list.hidden).toContain('PID 1');
  const health = await system.health();
  expectSound(health);
  expect(health.blind.map((b) => b.what)).toContain("other users' processes");
  await expect(system.filesystems()).rejects.toMatchObject({ code: 'unavailable' });
});

describe('processes', () => {
  const put = (path: string, text: string | Buffer) => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  };

  test('vanished, cut and lying ones are left out, the others stay', async () => {
    const well = (await opened().processes()).processes.length;
    host?.close();
    mkdirSync(join(root, 'proc/4001'));
    put('proc/4002/stat', '');
    put('proc/4003/stat', '4003 (cut) S 1 2');
    put('proc/4004/stat', '1 (pretender) S 0 1 1 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 1234 1000 77 1');
    put('proc/4005/stat', Buffer.from([0xff, 0xfe, 0, 10]));
    put('proc/4006x/stat', '4006 (no) S 1 2 3 4 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 1 1 1');
    const { processes } = await opened().processes({ commands: true, io: true, fds: true });
    expect(processes).toHaveLength(well);
    expectSound(processes);
  });

  test('a name and a command line in other bytes than UTF-8', async () => {
    const rest = 'S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 1234 1000 77 1';
    put(
      'proc/4007/stat',
      Buffer.concat([Buffer.from('4007 (gr'), Buffer.from('ü'), Buffer.from([0xff]), Buffer.from(`) ${rest}`)]),
    );
    put('proc/4007/cmdline', Buffer.concat([Buffer.alloc(9_000, 0x61), Buffer.from([0, 0x80])]));
    const { processes } = await opened().processes({ commands: true });
    const p = processes.find((x) => x.pid === 4007);
    expect(p?.name).toBe('grü\ufffd');
    expect(p?.command?.length).toBeLessThanOrEqual(4_096);
  });

  test('the list is bounded and says by how much', async () => {
    host = createHost({ log: quietLog, procRoot: root, maxProcesses: 3 });
    const { processes, notRead } = await host.system.processes();
    expect(processes).toHaveLength(3);
    expect(notRead).toBe(4);
  });

  test('hidepid is told by its name', async () => {
    rmSync(join(root, 'proc/1'), { recursive: true });
    put(
      'proc/self/mountinfo',
      '28 1 254:1 / / rw - ext4 /dev/vda1 rw\n23 28 0:21 / /proc rw,nosuid - proc proc rw,hidepid=invisible\n',
    );
    const system = opened();
    expect((await system.processes()).hidden).toContain('hidepid=invisible');
    expect((await system.health()).blind[0]).toMatchObject({ what: "other users' processes" });
  });

  test('a new process under an old pid brings its own command line', async () => {
    const stat = (start: number, name: string) =>
      `4008 (${name}) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 ${start} 1000 77 1`;
    put('proc/4008/stat', stat(1000, 'old'));
    put('proc/4008/cmdline', 'old\0');
    const system = opened();
    const command = async () =>
      (await system.processes({ commands: true })).processes.find((p) => p.pid === 4008)?.command;
    expect(await command()).toBe('old');
    put('proc/4008/cmdline', 'new\0');
    put('proc/4008/stat', stat(2000, 'old'));
    expect(await command()).toBe('new');
    // exec: the same process, another program.
    put('proc/4008/cmdline', 'third\0');
    put('proc/4008/stat', stat(2000, 'third'));
    expect(await command()).toBe('third');
    const details = await system.processDetails([{ pid: 4008, startTicks: 1000 }], { command: true });
    expect(details.size).toBe(0);
  });

  test('thousands of processes do not hold the loop', async () => {
    const rest = 'S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 1234 1000 77 1';
    for (let pid = 10_000; pid < 13_000; pid++) put(`proc/${pid}/stat`, `${pid} (p) ${rest}`);
    const system = opened();
    let turns = 0;
    let running = true;
    const turn = () => {
      turns++;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    const { processes } = await system.processes();
    running = false;
    expect(processes.length).toBe(3_007);
    // At 3 ms a slice and at least 10 µs a process.
    expect(turns).toBeGreaterThan(5);
  });

  test('a caller that leaves stops the list', async () => {
    const rest = 'S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 1234 1000 77 1';
    for (let pid = 10_000; pid < 12_000; pid++) put(`proc/${pid}/stat`, `${pid} (p) ${rest}`);
    const leave = new AbortController();
    const list = opened().processes({ signal: leave.signal });
    leave.abort(new DOMException('left', 'AbortError'));
    await expect(list).rejects.toMatchObject({ name: 'AbortError' });
  });
});
