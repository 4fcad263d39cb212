/** Each parser on a literal of the kernel's, then all of them on anything: never an exception, never NaN. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { containerPath, levels, parseMembership } from '../../src/host/system/cgroup.ts';
import { parseChrony, parseFailedUnits, parseMdstat, parseTimedatectl } from '../../src/host/system/health.ts';
import { archOf, cpuModelOf, prettyName, zoneAt } from '../../src/host/system/identity.ts';
import { newer, splitRelease } from '../../src/host/system/kernel.ts';
import {
  answersAtOnce,
  dataMounts,
  parseMountinfo,
  visibleMounts,
  writableInFstab,
} from '../../src/host/system/mounts.ts';
import { parseCmdline, parseFdLimit, parsePasswd, parsePidIo, parsePidStat } from '../../src/host/system/pidfs.ts';
import * as procfs from '../../src/host/system/procfs.ts';
import { parseApk, parseAptSimulation, parseDnf, parseUpdateNotifier } from '../../src/host/system/updates.ts';
import { expectSound } from './contract.ts';

describe('literals', () => {
  test('meminfo, vmstat, cpu.stat: a key is a whole word at the start of a line', () => {
    const text = 'MemTotal:       24684084 kB\nMemFree:        1 kB\nXMemFree: 2 kB\n';
    expect(procfs.kibibytes(text, 'MemTotal')).toBe(24_684_084 * 1024);
    expect(procfs.kibibytes(text, 'MemFree')).toBe(1024);
    expect(procfs.field(text, 'Mem')).toBeNull();
    expect(procfs.field('oom_kill_x 3\noom_kill 2\n', 'oom_kill')).toBe(2);
    expect(procfs.field('oom_kill max\n', 'oom_kill')).toBeNull();
  });

  test('stat: old kernels have fewer columns, guest time is inside user time', () => {
    const stat = procfs.parseStat(
      'cpu  10 1 5 100\ncpu0 10 1 5 100 7 0 2 3 4 0\nintr 5 ctxt 9\nctxt 44\nbtime 17\n',
      10,
    );
    expect(stat?.total).toMatchObject({ user: 100, idle: 1000, iowait: 0 });
    expect(stat?.perCore[0]).toEqual({
      cpu: 0,
      times: { user: 100, nice: 10, system: 50, idle: 1000, iowait: 70, irq: 0, softirq: 20, steal: 30 },
    });
    expect(stat).toMatchObject({ contextSwitches: 44, bootedAtS: 17, forks: null });
    expect(procfs.parseStat('cpu\n', 10)).toBeNull();
  });

  test('load, uptime, pressure', () => {
    expect(procfs.parseLoad('0.20 0.18 0.12 1/80 11206\n')).toEqual({
      one: 0.2,
      five: 0.18,
      fifteen: 0.12,
      runnable: 1,
      tasks: 80,
    });
    expect(procfs.parseLoad('0.20 x 0.12 1/80 11206\n')).toBeNull();
    expect(procfs.parseUptime('2091.84 4113.71\n')).toBe(2_091_840);
    expect(procfs.parsePressure('some avg10=1.93 avg60=0.00 avg300=0.05 total=7492743\n')).toEqual({
      some: { avg10: 1.93, avg60: 0, avg300: 0.05, totalUs: 7_492_743 },
      full: null,
    });
    expect(procfs.parsePressure('some avg10=nan avg60=0 avg300=0 total=1\n')).toBeNull();
  });

  test('diskstats and net/dev: lines cut short are left out', () => {
    const disks = procfs.parseDiskstats(' 254 0 vda 5 1 8 2 3 0 16 1 0 7 9\n 254 1 vdb 5 1\n', () => true);
    expect(disks).toEqual([{ name: 'vda', readBytes: 4096, writtenBytes: 8192, reads: 5, writes: 3, busyMs: 7 }]);
    const net = procfs.parseNetDev('Inter-| x\n face |y\n  eth0:12 2 1 4 0 0 0 0 30 3 0 5 0 0 0 0\n  cut: 1 2\n');
    expect(net).toEqual([
      {
        name: 'eth0',
        rxBytes: 12,
        txBytes: 30,
        rxPackets: 2,
        txPackets: 3,
        rxErrors: 1,
        txErrors: 0,
        rxDropped: 4,
        txDropped: 5,
      },
    ]);
    expect(procfs.parseNetDev('nonsense')).toBeNull();
  });

  test('lists of processors', () => {
    expect(procfs.countList('0-3,8,10-11\n')).toBe(7);
    expect(procfs.countList('')).toBeNull();
    expect(procfs.countList('0-99999999')).toBeNull();
  });

  test('pid stat: a name may hold everything, even what looks like the rest of the line', () => {
    const rest = 'S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 -5 3 0 1234 1000 77 18446744073709551615';
    for (const name of ['bash', 'a b', ') R 0 (', 'x\ny', '((', '))', ''])
      expect(parsePidStat(`7 (${name}) ${rest}\n`)).toEqual({
        pid: 7,
        name,
        state: 'S',
        ppid: 1,
        kernel: false,
        cpuTicks: 300,
        nice: -5,
        threads: 3,
        startTicks: 1234,
        rssPages: 77,
      });
    expect(parsePidStat('7 (cut) S 1 7')).toBeNull();
  });

  test('other files of a process', () => {
    expect(parseCmdline('a\0b c\0')).toBe('a b c');
    expect(parseCmdline('postgres: idle   \0\0')).toBe('postgres: idle');
    expect(parseCmdline('')).toBeNull();
    expect(parsePidIo('rchar: 1\nread_bytes: 5\nwrite_bytes: 6\n')).toEqual({ readBytes: 5, writtenBytes: 6 });
    expect(parseFdLimit('Max open files            1024                 4096  files\n')).toBe(1024);
    expect(parseFdLimit('Max open files            unlimited            unlimited  files\n')).toBeNull();
    expect([...parsePasswd('root:x:0:0::/:\ntoor:x:0:0::/:\nbroken\na:x:z:\n')]).toEqual([[0, 'root']]);
  });

  test('slow facts', () => {
    expect(parseFailedUnits('[{"unit":"a.service","load":"loaded"},{"x":1}]')).toEqual(['a.service']);
    expect(parseFailedUnits('● nginx.service loaded failed failed A web server\n')).toEqual(['nginx.service']);
    expect(parseFailedUnits('')).toEqual([]);
    expect(parseFailedUnits('[broken')).toBeNull();
    expect(parseTimedatectl('NTPSynchronized=no\n')).toBe(false);
    expect(
      parseChrony('C0A80101,192.168.1.1,3,1763000000.1,0.000123,0.0001,0.0002,1.2,0.0,0.1,0.01,0.002,64.2,Normal\n'),
    ).toEqual({ synchronised: true, source: '192.168.1.1', offsetMs: 0.123 });
    expect(
      parseMdstat(
        'md1 : active raid5 sdc1[3] sdb1[1] sda1[0]\n   blocks [3/2] [UU_]\n   [==>..]  recovery = 12.6% (1/2)\n',
      ),
    ).toEqual([{ array: 'md1', level: 'raid5', degraded: true, state: 'active, 2 of 3 disks, recovery 12.6%' }]);
    expect(
      parseMdstat('md127 : inactive sdb[1](S) sda[0](S)\n      6306 blocks super external:imsm\n'),
      'the container of a firmware RAID is no array',
    ).toEqual([]);
    expect(
      parseMdstat('md126 : active raid1 sda[1] sdb[0]\n      9 blocks super external:/md127/0 [2/1] [_U]\n'),
    ).toMatchObject([{ array: 'md126', degraded: true }]);
    expect(parseMdstat('md127 : inactive sdb[0](S)\n      1046528 blocks\n')).toMatchObject([
      { degraded: true, state: 'inactive' },
    ]);
    expect(
      parseAptSimulation(
        'Inst libc6 [2.41-12] (2.41-12+deb13u1 Debian-Security:13/stable-security [amd64])\nInst vim [1] (2 Debian:13.2/stable [amd64])\nConf vim (2 Debian:13.2/stable [amd64])\n',
      ),
    ).toEqual({ pending: 2, security: 1 });
    expect(
      parseUpdateNotifier(
        '\n12 updates can be applied immediately.\n3 of these updates are standard security updates.\n',
      ),
    ).toEqual({ pending: 12, security: 3 });
    expect(
      parseDnf('\nbash.x86_64   5.2-1.fc42   updates\nvim.x86_64  9.1-2  updates\nObsoleting Packages\na.x86_64 1 r\n'),
    ).toBe(2);
    expect(parseApk('busybox-1.37.0-r19 x86_64 {busybox} (GPL) [upgradable from: busybox-1.37.0-r18]\n')).toBe(1);
  });

  test('kernels are compared with their own kind, by number', () => {
    expect(splitRelease('6.12.48+deb13-cloud-amd64')).toEqual({ numbers: [6, 12, 48, 13], kind: '-cloud-amd64' });
    expect(splitRelease('6.8.12-10-pve')).toEqual({ numbers: [6, 8, 12, 10], kind: '-pve' });
    expect(splitRelease('6.8.0-79-generic').kind).toBe('-generic');
    expect(newer([6, 8, 12, 10], [6, 8, 12, 9])).toBe(true);
    expect(newer([6, 8], [6, 8, 0])).toBe(false);
  });

  test('names', () => {
    expect(prettyName('NAME=x\nPRETTY_NAME="A \\"B\\" C"\n')).toBe('A "B" C');
    expect(cpuModelOf('processor : 0\nModel\t\t: Raspberry Pi 5\n')).toBe('Raspberry Pi 5');
    const core = (part: string) => `CPU implementer\t: 0x41\nCPU part\t: ${part}\n`;
    expect(cpuModelOf(core('0xd05') + core('0xd05') + core('0xd0b'))).toBe('Cortex-A55 + Cortex-A76');
    expect(cpuModelOf(`${core('0xfff')}Model\t: Board X\n`), 'an unknown core is not guessed').toBe('Board X');
    expect(cpuModelOf(`model name\t: ARMv7 Processor rev 3 (v7l)\n${core('0xd08')}`)).toContain('ARMv7');
    expect([archOf('aarch64'), archOf('x86_64'), archOf('riscv64'), archOf(null)]).toEqual([
      'arm64',
      'x64',
      'riscv64',
      process.arch,
    ]);
    expect(procfs.kstat('name type data\nsize                            4    31138512896\nc_min 4 9\n', 'size')).toBe(
      31_138_512_896,
    );
    expect(procfs.kstat('c_min 4 9\n', 'size')).toBeNull();
    expect(zoneAt('Asia/Kolkata', 0)).toEqual({ name: 'Asia/Kolkata', offsetMinutes: 330 });
    expect(zoneAt('America/New_York', Date.UTC(2026, 6, 1)).offsetMinutes).toBe(-240);
    expect(zoneAt('../../etc', 0)).toEqual({ name: 'UTC', offsetMinutes: 0 });
  });
});

describe('cgroups', () => {
  test('membership and levels', () => {
    const { paths } = parseMembership('4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x:y\n0::/z\nbroken\n');
    expect(Object.fromEntries(paths)).toEqual({
      cpu: '/docker/abc',
      cpuacct: '/docker/abc',
      'name=systemd': '/x:y',
      '': '/z',
    });
    expect(levels({ path: '/sys/fs/cgroup', root: '/' }, '/a/b')).toEqual([
      '/sys/fs/cgroup/a/b',
      '/sys/fs/cgroup/a',
      '/sys/fs/cgroup',
    ]);
    // Docker on v1: the mount is the container, and the path is the machine's.
    expect(levels({ path: '/c', root: '/docker/abc' }, '/docker/abc')).toEqual(['/c']);
    expect(levels({ path: '/c', root: '/docker/abc' }, '/docker/abc/sub')).toEqual(['/c/sub', '/c']);
    expect(levels({ path: '/c', root: '/../..' }, '/')).toEqual(['/c']);
    expect(levels({ path: '/c', root: '/' }, '/../../etc')).not.toContain('/c/../../etc');
  });

  test("the container is what its first process lives in, not systemd's part of it, and not our service", () => {
    expect(containerPath('/init.scope', '/system.slice/deckhand.service')).toBe('/');
    expect(containerPath('/docker/abc', '/docker/abc')).toBe('/docker/abc');
    expect(containerPath('/system.slice/docker-1.scope', '/system.slice/docker-1.scope')).toBe(
      '/system.slice/docker-1.scope',
    );
    expect(containerPath(undefined, '/lxc/105/ns/system.slice/deckhand.service')).toBe('/lxc/105/ns');
  });
});

describe('mounts', () => {
  const line = (id: number, parent: number, dev: string, path: string, type: string, source: string, root = '/') =>
    `${id} ${parent} ${dev} ${root} ${path} rw,relatime shared:1 - ${type} ${source} rw\n`;

  test('covered mounts are not visible; of stacked ones the last is', () => {
    const visible = visibleMounts(
      parseMountinfo(
        line(1, 0, '8:1', '/', 'ext4', '/dev/sda1') +
          line(2, 1, '0:5', '/mnt', 'ext4', '/dev/sdb1') +
          line(3, 2, '0:6', '/mnt/a', 'ext4', '/dev/sdc1') +
          line(4, 2, '0:7', '/mnt', 'tmpfs', 'x') +
          line(5, 4, '0:8', '/mnt/b', 'tmpfs', 'y'),
      ),
    );
    expect(visible.map((m) => m.id)).toEqual([1, 4, 5]);
  });

  test('of bind mounts and subvolumes one is taken', () => {
    const list = dataMounts(
      parseMountinfo(
        line(1, 0, '0:30', '/', 'btrfs', '/dev/sda1', '/@') +
          line(2, 1, '0:30', '/home', 'btrfs', '/dev/sda1', '/@home') +
          line(3, 1, '8:2', '/srv/very/long', 'ext4', '/dev/sdb1', '/sub') +
          line(4, 1, '8:2', '/srv/data/whole', 'ext4', '/dev/sdb1'),
      ),
    );
    expect(list.map((m) => m.path)).toEqual(['/', '/srv/data/whole']);
  });

  test('what lies below something that can hang can hang', () => {
    const all = parseMountinfo(
      line(1, 0, '8:1', '/', 'ext4', '/dev/sda1') +
        line(2, 1, '0:40', '/nas', 'nfs4', 'nas:/x') +
        line(3, 2, '8:2', '/nas/disk', 'ext4', '/dev/sdb1') +
        line(4, 1, '8:3', '/nas2', 'ext4', '/dev/sdc1') +
        line(5, 1, '0:41', '/zfs', 'zfs', 'tank') +
        line(6, 1, '0:42', '/ntfs', 'fuseblk', '/dev/sdd1') +
        line(7, 1, '0:43', '/t', 'tmpfs', 'tmpfs'),
    );
    expect(all.map((m) => [m.path, answersAtOnce(m, all)])).toEqual([
      ['/', true],
      ['/nas', false],
      ['/nas/disk', false],
      ['/nas2', true],
      ['/zfs', false],
      ['/ntfs', false],
      ['/t', true],
    ]);
  });

  test('names are decoded, fstab read', () => {
    expect(parseMountinfo('9 1 8:1 / /a\\040b\\134c rw - ext4 /dev/x\\011y rw\n')[0]).toMatchObject({
      path: '/a b\\c',
      source: '/dev/x\ty',
    });
    expect([
      ...writableInFstab('# no\nUUID=1 / ext4 rw 0 1\nx /ro ext4 defaults,ro 0 0\nnone swap sw\ny /d\\040e ext4\n'),
    ]).toEqual(['/', '/d e']);
  });
});

describe('anything at all', () => {
  const wild = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    // Text of the right shape with wrong words in it.
    fc
      .array(
        fc.constantFrom(
          ...[
            'cpu',
            'cpu0',
            ' ',
            '\n',
            ':',
            '(',
            ')',
            '0',
            '-1',
            '9'.repeat(40),
            'max',
            'some',
            'full',
            'avg10=',
            '=',
            '.',
            ',',
          ],
          ...[
            'total=',
            '-',
            '/',
            'ctxt',
            'MemTotal:',
            'kB',
            'Inter-|',
            '\n eth0:',
            'S',
            'nan',
            'Infinity',
            '1e999',
            '\\040',
            '\0',
          ],
          ...[
            'md0 : active',
            '[2/1]',
            'Inst ',
            '[',
            ']',
            '{"unit":',
            '"',
            'tmpfs',
            'ext4',
            '1 2 3:4 / /x rw - ext4 /dev/a rw',
          ],
        ),
        { maxLength: 60 },
      )
      .map((words) => words.join('')),
  );
  const parsers: Record<string, (text: string) => unknown> = {
    stat: (t) => procfs.parseStat(t, 10),
    load: procfs.parseLoad,
    uptime: procfs.parseUptime,
    pressure: procfs.parsePressure,
    diskstats: (t) => procfs.parseDiskstats(t, () => true),
    netDev: procfs.parseNetDev,
    vmstat: procfs.parseVmstat,
    fileNr: procfs.parseFileNr,
    countList: procfs.countList,
    firstNumber: procfs.firstNumber,
    meminfo: (t) => procfs.kibibytes(t, 'MemTotal'),
    pidIo: parsePidIo,
    fdLimit: parseFdLimit,
    cmdline: parseCmdline,
    passwd: (t) => [...parsePasswd(t)],
    mountinfo: (t) => dataMounts(visibleMounts(parseMountinfo(t))).map((m) => m.path),
    fstab: (t) => [...writableInFstab(t)],
    membership: (t) => [...parseMembership(t).paths],
    units: parseFailedUnits,
    timedatectl: parseTimedatectl,
    mdstat: parseMdstat,
    apt: parseAptSimulation,
    notifier: parseUpdateNotifier,
    dnf: parseDnf,
    apk: parseApk,
    release: splitRelease,
    osRelease: prettyName,
    cpuinfo: cpuModelOf,
  };
  test.each(Object.entries(parsers))('%s', (name, parse) => {
    fc.assert(
      fc.property(wild, (text) => {
        const parsed = parse(text);
        if (parsed !== undefined) expectSound(parsed, name);
      }),
      { numRuns: 300 },
    );
  });

  test('pid stat and chrony, which have numbers below zero', () => {
    const finite = (record: object | null) => {
      for (const value of Object.values(record ?? {}))
        if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
    };
    fc.assert(
      fc.property(wild, (text) => {
        finite(parsePidStat(text));
        finite(parsePidStat(`7 (${text}) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 -5 3 0 1234 1000 77 1`));
        finite(parseChrony(text));
      }),
      { numRuns: 500 },
    );
  });

  test('a whole line of numbers cut anywhere', () => {
    const line = '7 (a b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 -5 3 0 1234 1000 77 18446744073709551615\n';
    for (let at = 0; at < line.length; at++) {
      const parsed = parsePidStat(line.slice(0, at));
      if (parsed) expect(parsed.name).toBe('a b');
    }
  });
});
