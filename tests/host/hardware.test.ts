/** The inventory: own readers over a tree, programs that answer, hang or babble, and a child that is killed in time. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import type { Fact } from '../../src/core/hardware.ts';
import { type Binary, type Exec, execOurs } from '../../src/host/exec.ts';
import { type HardwareOptions, hardwareReader } from '../../src/host/hardware/index.ts';
import { createHost } from '../../src/host/index.ts';
import type { Mount } from '../../src/host/system/mounts.ts';
import { expectSound, quietLog } from './contract.ts';
import { homelab, program, tree } from './hardware_tree.ts';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/hardware/${name}`, import.meta.url), 'utf8');
const ALL: Fact[] = [
  ...(['board', 'cpu', 'cpuMore', 'memory', 'disks', 'smart', 'raid', 'zfs', 'ups', 'batteries'] as const),
  ...(['gpus', 'networks', 'guests'] as const),
];
const alive = (pid: string): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
};
const nothing = async () => {
  throw new Error('nothing may be run here');
};

/** Below a prefix, but as the host itself: commands and the child are asked. */
function reader(folder: string, o: Partial<HardwareOptions> = {}, foreign = false) {
  return hardwareReader(
    { of: (path) => folder + path, foreign },
    {
      exec: nothing,
      has: () => false,
      ours: async () => ({ code: 0, stdout: '{}', stderr: '' }),
      mounts: () => [],
      uid: 0,
      clocks: { monotonic: () => 1 },
      ...o,
    },
  );
}

/** Programs that answer with these texts. */
function programs(answers: Partial<Record<Binary, (args: readonly string[]) => string>>): Pick<
  HardwareOptions,
  'exec' | 'has'
> & {
  asked: string[];
} {
  const asked: string[] = [];
  const exec: Exec = async ({ binary, args }) => {
    asked.push([binary, ...args].join(' '));
    return { code: 0, stdout: answers[binary]?.(args) ?? '', stderr: '' };
  };
  return { exec, has: (b) => b in answers, asked };
}

describe('own readers', () => {
  const folder = tree(homelab());
  test('a node with two sockets', async () => {
    const found = await reader(folder).inventory(ALL);
    expectSound(found);
    expect(found.board.value).toEqual({
      ...{ vendor: 'Supermicro', product: 'Super Server', version: '0123456789', chassis: 'rack mount' },
      ...{
        board: 'Supermicro X11DPL-i',
        bios: 'American Megatrends Inc. 3.9',
        biosDate: '2024-07-15',
        firmware: 'UEFI',
      },
    });
    expect(found.cpu.value).toMatchObject({ sockets: 2, cores: 4, threads: 8, maxMhz: 4100 });
    expect(found.cpu.value?.caches).toEqual([
      { level: 'L1d', bytes: 4 * 32 * 1024, count: 4 },
      { level: 'L1i', bytes: 4 * 32 * 1024, count: 4 },
      { level: 'L2', bytes: 4 * 1024 ** 2, count: 4 },
      { level: 'L3', bytes: 32 * 1024 ** 2, count: 2 },
    ]);
    expect(found.disks.value?.map((d) => [d.name, d.model, d.transport, d.rotational, d.removable])).toEqual([
      ['nvme0n1', 'Samsung SSD 980 PRO 1TB', 'pcie', false, false],
      ['sda', 'WDC WD80EFAX-68K', 'sata', true, false],
      ['sdb', 'SanDisk Ultra Fit', 'usb', false, true],
      ['sdc', 'SEAGATE ST4000NM0023', 'sas', true, false],
    ]);
    expect(found.disks.value?.[1]?.sizeBytes).toBe(15_628_053_168 * 512);
    expect(found.raid.value).toEqual([
      {
        ...{ name: 'md0', level: 'raid1', degraded: true, state: 'active, 1 of 2 disks', sizeBytes: 208_640 * 512 },
        members: [
          { disk: 'sda1', state: 'in_sync' },
          { disk: 'sdb1', state: 'faulty' },
        ],
        mismatches: 0,
      },
    ]);
    expect(found.zfs.value).toMatchObject([{ name: 'tank', state: 'DEGRADED', size: { value: null } }]);
    expect(found.smart.why).toMatch(/smartmontools/);
    expect(found.gpus.value?.cards).toMatchObject([
      { address: '0000:01:00.0', pciId: '10de:2504', driver: 'nvidia', model: null, memoryBytes: null },
    ]);
    expect(found.networks.value).toEqual([
      {
        ...{ name: 'eno1', driver: 'i40e', model: 'Intel Corporation Ethernet Connection X722', state: 'up' },
        ...{ speedMbit: 10_000, duplex: 'full', mtu: 9000 },
      },
    ]);
    expect(found.batteries.value).toEqual([
      { name: 'BAT0', model: null, status: 'Discharging', chargePercent: 61, healthPercent: 82, cycles: null },
    ]);
  });

  test('nothing that identifies the machine is in it (control: it is in the tree)', async () => {
    const secret = /SERIAL-OF|aa:bb:cc/;
    expect(JSON.stringify(homelab())).toMatch(secret);
    expect(JSON.stringify(await reader(folder).inventory(ALL))).not.toMatch(secret);
  });

  test('an empty tree is not a machine without parts: what cannot be known says why', async () => {
    const found = await reader(tree({}), {}).inventory(ALL);
    expectSound(found);
    for (const fact of ['board', 'cpu', 'memory'] as const) expect(found[fact].value, fact).toBeNull();
  });
});

describe('memory modules', () => {
  const dmi = { 'sys/firmware/dmi/tables/DMI': 'x' };
  const child = { ours: async () => ({ code: 0, stdout: JSON.stringify(fromDmidecode), stderr: '' }) };
  const fromDmidecode = {
    slots: 4,
    maxBytes: 128 * 1024 ** 3,
    modules: [
      {
        slot: 'BANK 0',
        sizeBytes: 16 * 1024 ** 3,
        type: 'DDR4',
        mtPerSecond: 2933,
        vendor: 'Micron',
        part: '9ASF',
        form: 'DIMM',
      },
      { slot: 'BANK 1', sizeBytes: 0, type: 'Empty', mtPerSecond: 0, vendor: null, part: null, form: 'DIMM' },
    ],
  };

  test('by udev, which everybody may ask', async () => {
    const folder = tree({ ...dmi, 'run/udev/data/+dmi:id': fixture('udev-dmi.txt') });
    const { memory } = await reader(folder, { uid: 1000 }).inventory(['memory']);
    expect(memory.value).toEqual({
      ...{ source: 'firmware tables, by udev', slots: 2, maxBytes: 128 * 1024 ** 3, errorCorrection: 'Multi-bit ECC' },
      modules: [
        {
          ...{ slot: 'DIMM 0, P0 CHANNEL A', sizeBytes: 32 * 1024 ** 3, type: 'DDR4', mtPerSecond: 2666 },
          ...{ vendor: 'Kingston', part: 'KSM32ED8/32ME' },
        },
      ],
    });
  });

  test('without udev: root asks the child, anybody else is told why not', async () => {
    const folder = tree(dmi);
    const asRoot = await reader(folder, { ...child, uid: 0 }).inventory(['memory']);
    expect(asRoot.memory.value).toMatchObject({ source: 'dmidecode', slots: 4, modules: [{ slot: 'BANK 0' }] });
    expect(asRoot.memory.value?.modules).toHaveLength(1);
    const asUser = await reader(folder, { ours: nothing, uid: 1000 }).inventory(['memory']);
    expect(asUser.memory).toMatchObject({ value: null, why: expect.stringMatching(/root only/) });
    const mounted = await reader(folder, { ours: nothing }, true).inventory(['memory']);
    expect(mounted.memory.why).toMatch(/run\/udev/);
  });

  test('a whole memory without a type is no module: that is what the library says when it knows nothing', async () => {
    const stdout = JSON.stringify({ modules: [{ sizeBytes: 25_276_502_016, type: '' }] });
    const { memory } = await reader(tree(dmi), { ours: async () => ({ code: 0, stdout, stderr: '' }) }).inventory([
      'memory',
    ]);
    expect(memory.value).toBeNull();
  });
});

describe('programs of the host', () => {
  const folder = tree(homelab());

  test('are asked with fixed arguments, for devices that we found', async () => {
    const p = programs({
      smartctl: (args) => fixture(args.at(-1)?.includes('nvme') ? 'smart-nvme.json' : 'smart-ata-failing.json'),
      zpool: () => fixture('zpool-list.txt'),
      upsc: (args) => (args[0] === '-l' ? 'eaton\n--evil\n../x\n' : fixture('upsc.txt')),
      'nvidia-smi': () => fixture('nvidia-smi.csv'),
    });
    const found = await reader(folder, p).inventory(['smart', 'zfs', 'ups', 'gpus']);
    expect(found.smart.value?.map((s) => [s.disk, s.report.value?.passed])).toEqual([
      ...[
        ['nvme0n1', true],
        ['sda', false],
        ['sdb', false],
        ['sdc', false],
      ],
    ]);
    expect(found.zfs.value?.[0]?.size.value?.fragmentedPercent).toBe(41);
    expect(found.ups.value).toMatchObject([{ name: 'eaton', onBattery: true }]);
    expect(found.gpus.value?.cards).toMatchObject([
      { address: '0000:01:00.0', model: 'NVIDIA GeForce RTX 3060', pciId: '10de:2504', celsius: 43 },
      { address: '0000:82:00.0', model: 'Tesla P4' },
    ]);
    expect(p.asked.sort()).toEqual([
      'nvidia-smi --query-gpu=pci.bus_id,name,driver_version,memory.total,memory.used,utilization.gpu,temperature.gpu,power.draw --format=csv,noheader,nounits',
      'smartctl --json -n standby -H -A /dev/nvme0n1',
      'smartctl --json -n standby -H -A /dev/sda',
      'smartctl --json -n standby -H -A /dev/sdb',
      'smartctl --json -n standby -H -A /dev/sdc',
      'upsc -l',
      'upsc eaton',
      'zpool list -Hp -o name,size,allocated,fragmentation',
    ]);
  });

  test('one deaf disk hides no other, and a failing program is a reason', async () => {
    const { exec, has } = programs({ smartctl: () => fixture('smart-nvme.json'), zpool: () => '', upsc: () => '' });
    const found = await reader(folder, {
      has,
      exec: async (r) => {
        if (r.args.includes('/dev/sda')) throw new OpsError('timeout', 'smartctl did not finish within 6000 ms.');
        if (r.binary === 'zpool') throw new OpsError('timeout', 'zpool did not finish within 5000 ms.');
        if (r.binary === 'upsc')
          return { code: 1, stdout: '', stderr: 'Error: Connection failure: Connection refused\n' };
        return exec(r);
      },
    }).inventory(['smart', 'zfs', 'ups']);
    expect(found.smart.value?.map((s) => s.report.value?.passed ?? s.report.why)).toEqual([
      ...[true, 'smartctl did not finish within 6000 ms.', true, true],
    ]);
    expect(found.zfs.value).toMatchObject([{ state: 'DEGRADED', size: { why: expect.stringMatching(/zpool/) } }]);
    expect(found.ups.why).toMatch(/Connection refused/);
  });

  test('are not run for a host whose files are only mounted', async () => {
    const found = await reader(folder, { has: () => true, ours: nothing }, true).inventory(ALL);
    for (const fact of ['smart', 'ups', 'cpuMore'] as const) expect(found[fact].value, fact).toBeNull();
    expect(found.disks.value).toHaveLength(4);
    expect(found.gpus.value?.cards).toHaveLength(1);
  });
});

describe('the child', () => {
  const folder = tree(homelab());
  const asks = (source: string, timeoutMs = 5_000) =>
    reader(folder, { ours: execOurs, child: { program: program(source), timeoutMs } });

  const hanging = () =>
    program(`import { spawn } from 'node:child_process';
      import { writeFileSync } from 'node:fs';
      const { pid } = spawn('/bin/sleep', ['61'], { stdio: 'inherit' });
      writeFileSync(new URL('./pids', import.meta.url), process.pid + ' ' + pid);
      for (;;) {}`);
  const pidsOf = (file: string) => readFileSync(join(dirname(file), 'pids'), 'utf8').split(' ');

  test('that hangs is killed in time, with what it started; the answer says so and has all the rest', async () => {
    const file = hanging();
    const hardware = reader(folder, { ours: execOurs, child: { program: file, timeoutMs: 1_000 } });
    const from = performance.now();
    const found = await hardware.inventory(['cpu', 'cpuMore', 'disks']);
    expect(performance.now() - from).toBeLessThan(3_000);
    expect(found.cpuMore).toEqual({ value: null, why: 'Our hardware reader did not answer in time and was killed.' });
    expect(found.cpu.value?.sockets).toBe(2);
    expect(found.disks.value).toHaveLength(4);
    const pids = pidsOf(file);
    expect(pids).toHaveLength(2);
    while (pids.some(alive)) await new Promise((r) => setTimeout(r, 5));
  });

  test('control: killed the usual way, it leaves behind what it started', async () => {
    const file = hanging();
    await new Promise((ended) =>
      execFile(process.execPath, [file], { timeout: 1_000, killSignal: 'SIGKILL' }, ended).stdout?.destroy(),
    );
    const [own = '', started = ''] = pidsOf(file);
    expect(alive(own)).toBe(false);
    expect(alive(started)).toBe(true);
    process.kill(Number(started), 'SIGKILL');
  });

  test('that hangs holds up nobody who has less patience', async () => {
    const hardware = reader(folder, { ours: () => new Promise(() => {}) });
    const found = await hardware.inventory(['cpu', 'cpuMore'], { waitMs: 20 });
    expect(found.cpuMore.why).toMatch(/Still being asked/);
    expect(found.cpu.value?.cores).toBe(4);
  });

  test.each([
    [
      'garbage',
      `process.stdout.write('Segmentation fault\\n\\x1b[31m{"vendor":')`,
      /cannot|nothing that can be understood/,
    ],
    ['a list', `process.stdout.write('[1,2]')`, /failed/],
    ['nothing', '', /nothing that can be understood/],
    ['an error', `process.exit(3)`, /failed/],
    ['too much', `import { writeSync } from 'node:fs'; for (;;) writeSync(1, 'x'.repeat(65536))`, /too much/],
  ])('that prints %s is not believed', async (_what, source, why) => {
    const { cpuMore } = await asks(source, 3_000).inventory(['cpuMore']);
    expect(cpuMore).toMatchObject({ value: null, why: expect.stringMatching(why) });
  });

  test('has each field looked at: wrong types become null, long names are cut', async () => {
    const value = { vendor: { x: 1 }, socket: `A${'M'.repeat(5_000)}`, maxGhz: 'fast' };
    const { cpuMore } = await asks(`process.stdout.write(${JSON.stringify(JSON.stringify(value))})`).inventory([
      'cpuMore',
    ]);
    expect(cpuMore.value).toEqual({ vendor: null, socket: `A${'M'.repeat(119)}`, maxMhz: null });
  });

  test('inherits nothing of our environment', async () => {
    process.env.DECKHAND_SECRET_OF_TEST = 'x';
    const { cpuMore } = await asks(
      // Node itself hands that one on, where `npm run coverage` has set it.
      `const names = Object.keys(process.env).filter((name) => name !== 'NODE_V8_COVERAGE');
       process.stdout.write(JSON.stringify({ vendor: names.sort().join() }))`,
    ).inventory(['cpuMore']);
    delete process.env.DECKHAND_SECRET_OF_TEST;
    expect(cpuMore.value?.vendor).toBe('HOME,LC_ALL,PATH,SYSTEMD_PAGER,TERM');
  });

  test('at most two are alive at a time', async () => {
    let alive = 0;
    let most = 0;
    const ends: (() => void)[] = [];
    const hardware = reader(tree({ ...homelab(), 'sys/firmware/dmi/tables/DMI': 'x', 'usr/bin/pvesh': '' }), {
      ours: async () => {
        most = Math.max(most, ++alive);
        await new Promise<void>((end) => ends.push(end));
        alive--;
        return { code: 0, stdout: '{}', stderr: '' };
      },
    });
    const all = hardware.inventory(['cpuMore', 'memory', 'gpus', 'guests']);
    for (let ended = 0; ended < 4; ) {
      await new Promise((r) => setImmediate(r));
      if (ends.length > ended) ends[ended++]?.();
    }
    await all;
    expect(most).toBe(2);
  });

  test('is asked once in ten minutes, however often we are', async () => {
    let now = 0;
    let asked = 0;
    const hardware = reader(folder, {
      clocks: { monotonic: () => now },
      ours: async () => {
        asked++;
        return { code: 0, stdout: '{"vendor":"AMD"}', stderr: '' };
      },
    });
    for (const at of [0, 1_000, 599_000]) {
      now = at;
      await hardware.inventory(['cpuMore']);
    }
    expect(asked).toBe(1);
    now = 601_000;
    await hardware.inventory(['cpuMore']);
    expect(asked).toBe(2);
  });
});

test('what moves is asked anew after 15 s, and nobody is told the old state meanwhile', async () => {
  let now = 0;
  let status = 'OL';
  const { has } = programs({ upsc: () => '' });
  const hardware = reader(tree({}), {
    has,
    clocks: { monotonic: () => now },
    exec: async ({ args }) => ({
      code: 0,
      stdout: args[0] === '-l' ? 'eaton\n' : `ups.status: ${status}\n`,
      stderr: '',
    }),
  });
  const onBattery = async () => (await hardware.inventory(['ups'])).ups.value?.[0]?.onBattery;
  expect(await onBattery()).toBe(false);
  status = 'OB DISCHRG';
  now = 14_000;
  expect(await onBattery()).toBe(false);
  now = 16_000;
  expect(await onBattery()).toBe(true);
});

describe('a Proxmox node', () => {
  const mounts = () => [{ path: '/etc/pve', type: 'fuse' }] as Mount[];
  const node = () =>
    tree({
      'etc/hostname': 'pve1\n',
      'etc/pve/nodes/pve1/lxc/101.conf': fixture('lxc.conf'),
      'etc/pve/nodes/pve1/lxc/103.conf': 'hostname: cloud\ncores: 4\nmemory: 2048\n',
      'etc/pve/nodes/pve1/qemu-server/100.conf': fixture('qemu.conf'),
      'etc/pve/nodes/pve1/qemu-server/102.conf': 'name: win\nmemory: 8192\nonboot: 1\n',
      'etc/pve/nodes/pve1/qemu-server/9000.conf': 'name: debian-13\ntemplate: 1\nonboot: 1\n',
      'etc/pve/nodes/pve1/qemu-server/notes.txt': 'no guest',
      'etc/pve/nodes/pve2/qemu-server/200.conf': 'name: elsewhere\n',
      'etc/pve/lxc': '-> nodes/pve1/lxc',
      'etc/pve/qemu-server': '-> nodes/pve1/qemu-server',
      'run/qemu-server/100.pid': '2400\n',
      'proc/2400/cmdline': ['/usr/bin/kvm', '-id', '100', '-name', 'build,debug-threads=on', ''].join('\0'),
      // Killed: its number is another process's now.
      'run/qemu-server/102.pid': '1510\n',
      'proc/1510/cmdline': '/usr/sbin/sshd\0-D\0',
      'sys/fs/cgroup/cgroup.controllers': 'cpu memory\n',
      'sys/fs/cgroup/lxc/101/cgroup.events': 'populated 1\nfrozen 0\n',
      'sys/fs/cgroup/lxc/103/cgroup.events': 'populated 0\nfrozen 0\n',
    });

  test('its guests and whether they run, by our own child, without what its files keep secret', async () => {
    const { guests } = await reader(node(), { ours: execOurs, mounts }).inventory(['guests']);
    expect(guests.value?.map((g) => [g.id, g.kind, g.name, g.running, g.cores, g.template, g.lock])).toEqual([
      [100, 'vm', 'build', true, 8, false, 'backup'],
      [101, 'lxc', 'dns', true, 2, false, null],
      [102, 'vm', 'win', false, 1, false, null],
      [103, 'lxc', 'cloud', false, 4, false, null],
      [9000, 'vm', 'debian-13', false, 1, true, null],
    ]);
    expect(JSON.stringify(guests)).not.toMatch(/hunter2|saltsalt|AAAA|BC:24|elsewhere/);
  });

  test('the committed fixture of a node', async () => {
    const host = createHost({
      log: quietLog,
      procRoot: fileURLToPath(new URL('../fixtures/proxmox-node', import.meta.url)),
    });
    const { guests, zfs } = await host.hardware.inventory(['guests', 'zfs']);
    host.close();
    expect(guests.value?.map((g) => `${g.kind} ${g.id}`)).toEqual(['vm 100', 'lxc 101', 'vm 102', 'lxc 103']);
    expect(zfs.value?.length).toBeGreaterThan(0);
  });

  test('who may not read it is told who may', async () => {
    const { guests } = await reader(tree({ 'etc/hostname': 'pve1\n' }), { ours: execOurs, mounts }).inventory([
      'guests',
    ]);
    expect(guests).toMatchObject({ value: null, why: expect.stringMatching(/www-data/) });
  });

  test('a hung /etc/pve hangs the child, not us; any other host has no guests and starts none', async () => {
    const hung = program('for (;;) {}');
    const { guests } = await reader(node(), {
      ...{ ours: execOurs, mounts, child: { program: hung, timeoutMs: 300 } },
    }).inventory(['guests']);
    expect(guests.why).toMatch(/in time/);
    expect((await reader(tree({}), { ours: nothing }).inventory(['guests'])).guests.value).toEqual([]);
  });
});

test('this machine, with the library itself', async () => {
  const host = createHost({ log: quietLog });
  const found = await host.hardware.inventory(ALL);
  host.close();
  expectSound(found);
  expect(found.cpu.value?.threads).toBeGreaterThan(0);
  expect(found.cpuMore.value ?? found.cpuMore.why).not.toBeUndefined();
  expect(found.cpuMore.why ?? '').not.toMatch(/understood|failed/);
}, 20_000);
