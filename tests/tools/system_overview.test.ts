import { encode } from 'gpt-tokenizer';
import { describe, expect, it } from 'vitest';
import type { ToolContext } from '../../src/core/call.ts';
import type { Health, Identity, Snapshot } from '../../src/core/host.ts';
import { type OverviewAnswer, systemOverview } from '../../src/tools/system_overview.ts';
import { type FakeDocker, fakeDocker } from '../fakes/docker.ts';
import { everyState } from '../fakes/docker_parts.ts';
import {
  FAKE_WALL_MS,
  fakeFilesystems,
  fakeHealth,
  fakeHost,
  fakeIdentity,
  fakeProcesses,
  fakeSnapshot,
} from '../fakes/host.ts';
import { GiB, silent } from '../insight/facts.ts';
import { ask, context, numbers } from './context.ts';

const overview = (ctx = context()) => ask<OverviewAnswer>(systemOverview, {}, ctx);

/** A container at its limits on a host in trouble. */
function sick() {
  const identity: Identity = {
    ...fakeIdentity,
    hostname: 'ct101',
    virtualisation: { kind: 'lxc', container: true, foundBy: '/run/systemd/container' },
    uptimeMs: { value: 300_000 },
    uptimeWhose: 'container',
  };
  const s = (which: 0 | 1): Snapshot => {
    const base = fakeSnapshot(which);
    if (base.cpu.value) Object.assign(base.cpu.value, { cgroupUsedMs: which * 1960, limitCpus: null });
    if (base.memory.value)
      Object.assign(base.memory.value, {
        whose: 'container',
        source: '/proc/meminfo (lxcfs)',
        totalBytes: GiB,
        limitBytes: GiB,
        availableBytes: GiB / 32,
        hostTotalBytes: 64 * GiB,
        swap: null,
      });
    base.pressure.memory = {
      value: { whose: 'container', some: { avg10: 35, avg60: 30, avg300: 9, totalUs: 5 }, full: null },
    };
    base.pressure.io = { value: null, why: 'This kernel has no /proc/pressure/io.' };
    return base;
  };
  const [root] = structuredClone(fakeFilesystems);
  if (root?.size.value) Object.assign(root.size.value, { usedBytes: 39 * GiB, availableBytes: GiB });
  const health: Health = {
    ...fakeHealth,
    failedUnits: { value: ['backup.service', 'evil`reboot`.service'] },
    updates: { value: { pending: 12, security: 3, listAgeMs: 0 } },
    clock: { value: null, why: 'timedatectl does not answer.' },
    blind: [{ what: 'journal', why: 'this user may not read it.', fix: 'usermod -aG systemd-journal deckhand' }],
  };
  return context(
    {
      identity: () => identity,
      snapshot: () => s(1),
      filesystems: async () => [
        ...(root ? [root] : []),
        {
          mount: '/mnt/media',
          device: 'nas:/media',
          type: 'nfs4',
          readOnly: false,
          options: ['rw'],
          size: { value: null, why: 'does not answer' },
          remountedReadOnly: false,
          local: false,
        },
      ],
      health: async () => health,
    },
    {
      recent: () => [s(0)],
      absent: () => [{ what: 'docker', why: 'no engine answers.', fix: 'systemctl start docker' }],
    },
  );
}

describe('system_overview', () => {
  it('says of a healthy host that there are no findings, and all figures in few lines', async () => {
    const { data, text } = await overview();
    expect(text).toMatchInlineSnapshot(`
      "fake: no findings.
      Debian GNU/Linux 13 (trixie); Linux 6.12.48+deb13-amd64 x64; kvm; QEMU Standard PC; up 10 d; 2026-11-20T12:00:01Z, zone Europe/Berlin +01:00
      cpu    48% used of 2 × AMD EPYC 7543 over 1 s; user 45 system 3 iowait 0; load 1.02 0.60 0.31
      memory 38% of 4.0 GiB used, 2.5 GiB available; swap 0 B of 1.0 GiB used; waiting for cpu 4.2%, memory 0%, io 0.8%
      disks  (read, written, busy) vda 4.0 MiB/s 1.0 MiB/s 12%
      net    (in, out) eth0 3.0 MiB/s 195 KiB/s
      procs  8 processes, 11 threads; not shown: networks 1
      mount     type      size      free  used
      /         ext4  40.0 GiB  20.0 GiB   47%
      /srv/nas  nfs4   4.0 TiB   3.0 TiB   25%
      by cpu crunch (v2) x (900) 90%, nginx (311) 5.0%, sleep (950) 1.0% (of one core)
      by mem crunch (v2) x (900) 900 MiB, postgres (420) 400 MiB, nginx (311) 60.0 MiB"
    `);
    expect(data).toMatchObject({
      at: '2026-11-20T12:00:01Z',
      windowMs: 1000,
      worst: null,
      host: { hostname: 'fake', virtualisation: 'kvm', uptimeSeconds: 864_000, utcOffset: '+01:00' },
      cpu: { usedPercent: 48, whose: 'host', load: [1.02, 0.6, 0.31], modes: { user: 45, system: 3, idle: 52 } },
      memory: { totalBytes: 4 * GiB, usedPercent: 37.5, limitBytes: null },
      filesystems: [
        { mount: '/', usedPercent: 47.4, inodesUsedPercent: 8 },
        { mount: '/srv/nas', inodesUsedPercent: null },
      ],
      disks: [{ name: 'vda', readBytesPerSecond: 4_194_304, busyPercent: 12 }],
      networks: [{ name: 'eth0', rxBytesPerSecond: 3_145_728 }],
      processes: { total: 8, threads: 11, whose: 'host' },
      findings: [],
      blind: [],
      unknown: [],
      leftOut: { filesystems: 0, disks: 0, networks: 1, temperatures: 0 },
    });
    expect(data.topCpu.map((p) => [p.pid, p.cpuPercent])).toEqual([
      [900, 90],
      [311, 5],
      [950, 1],
    ]);
    expect(data.topMemory).toHaveLength(5);
  });

  it('says of a sick container what is worst, whose the figures are, and what cannot be seen', async () => {
    const { data, text } = await overview(sick());
    expect(text).toMatchInlineSnapshot(`
      "ct101: 9 findings, the worst: critical.
      [critical] disk_full: A filesystem is full or about to be; writes fail next. Next: du -xhd2 / | sort -h | tail -n 20
      [high] filesystem_hung: A mount does not answer; whatever touches it hangs too. Next: findmnt /mnt/media
      [high] container_memory_limit: This container is near its memory limit; past it, processes are killed, whatever the host has free. Next: process_list {"by":"memory"}
      [high] memory_pressure: Tasks stood still for want of memory much of the last minute. Next: process_list {"by":"memory"}
      [high] units_failed: Units have failed. Next: journalctl -b --no-pager -n 50 -u backup.service
      [medium] process_eats_memory: One process holds most of the memory, and little is left. Next: process_list {"by":"memory","limit":5}
      [medium] cpu_saturated: All processors that may be used here are busy. Next: process_list {"by":"cpu"}
      [medium] security_updates: Security updates are not installed. Next: apt list --upgradable | grep -i security
      [info] just_booted: The host booted just now; counters since boot say little yet. Next: journalctl -b -1 -n 30 --no-pager
      blind: journal: this user may not read it. Fix: usermod -aG systemd-journal deckhand
      blind: docker: no engine answers. Fix: systemctl start docker
      unknown: pressure.io (This kernel has no /proc/pressure/io); size of 1 filesystem (does not answer); clock (timedatectl does not answer); memory.swap (/proc/meminfo (lxcfs) does not tell)
      Debian GNU/Linux 13 (trixie); Linux 6.12.48+deb13-amd64 x64; lxc (/run/systemd/container); QEMU Standard PC; up 5 min (container); 2026-11-20T12:00:01Z, zone Europe/Berlin +01:00
      cpu    98% used of 2 × AMD EPYC 7543 (container, /proc/stat, 1 s); user 45 system 3 iowait 0 (host); load 1.02 0.60 0.31 (host)
      memory 97% of 1.0 GiB used, 32.0 MiB available, limit 1.0 GiB, host has 64.0 GiB (container, /proc/meminfo (lxcfs)); swap unknown; waiting for cpu 4.2%, memory 35%
      disks  (read, written, busy) vda 4.0 MiB/s 1.0 MiB/s 12%
      net    (in, out) eth0 3.0 MiB/s 195 KiB/s
      procs  8 processes, 11 threads (container); not shown: networks 1
      mount       type      size     free  used
      /mnt/media  nfs4         ?        ?     ?
      /           ext4  40.0 GiB  1.0 GiB   98%
      by cpu crunch (v2) x (900) 90%, nginx (311) 5.0%, sleep (950) 1.0% (of one core)
      by mem crunch (v2) x (900) 900 MiB, postgres (420) 400 MiB, nginx (311) 60.0 MiB
      disk_full: / 98% of 40.0 GiB used, 1.0 GiB free
      filesystem_hung: /mnt/media (nfs4)
      container_memory_limit: 992 MiB of 1.0 GiB (/proc/meminfo (lxcfs))
      memory_pressure: memory some 30% of the last minute (container)
      units_failed: backup.service; evil\`reboot\`.service
      process_eats_memory: crunch (v2) x (pid 900) 900 MiB of 1.0 GiB
      cpu_saturated: 98% of 2 CPUs (container)
      security_updates: 3 of 12 pending updates
      just_booted: up 5 min"
    `);
    expect(data.worst).toBe('critical');
    expect(data.cpu).toMatchObject({ whose: 'container', usedPercent: 98, modesWhose: 'host' });
    expect(data.findings.map((f) => f.id)).toEqual([
      'disk_full',
      'filesystem_hung',
      'container_memory_limit',
      'memory_pressure',
      'units_failed',
      'process_eats_memory',
      'cpu_saturated',
      'security_updates',
      'just_booted',
    ]);
    expect(data.blind.map((b) => b.what)).toEqual(['journal', 'docker']);
    expect(data.filesystems.find((f) => f.mount === '/mnt/media')?.totalBytes).toBeNull();
  });

  it('fits its budget of tokens', async () => {
    const healthy = await overview();
    expect(encode(healthy.text).length).toBeLessThanOrEqual(500);
    expect(encode(JSON.stringify(healthy.data)).length).toBeLessThanOrEqual(800);
    expect(encode((await overview(sick())).text).length).toBeLessThanOrEqual(1000);
  });

  it('answers on a host that tells nothing: null with a reason for each part, no zero, no NaN', async () => {
    const f = silent();
    const no = async () => {
      throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    };
    const ctx = context(
      { identity: () => f.identity, snapshot: () => f.snapshot, filesystems: no, processes: no, health: no },
      { recent: () => [], recentProcesses: () => null },
    );
    const { data, text } = await overview(ctx);
    const whats = data.unknown.map((u) => u.what);
    for (const part of ['cpu usage', 'load', 'memory', 'disks', 'networks', 'processes', 'filesystems', 'health'])
      expect(whats).toContain(part);
    for (const part of ['host.os', 'host.kernel', 'host.uptime', 'host.bootedAt', 'cpu.model', 'pressure.io'])
      expect(whats).toContain(part);
    expect(data.memory).toBeNull();
    expect(data.processes.total).toBeNull();
    expect(data.worst).toBeNull();
    // What is left of numbers is known: processors, offsets, counts of what was left out.
    const allowed = /^\.(windowMs|cpu\.cpus|leftOut\..*)$/;
    for (const [path] of numbers(data)) expect(path).toMatch(allowed);
    expect(text).not.toMatch(/NaN|undefined|null/);
    expect(text.split('\n')[0]).toBe('fake: no findings in what could be read.');
    expect(text).toContain('unknown: ');
  });

  it('measures a window of its own, of about 100 ms, when nothing sampled lately', async () => {
    const began = performance.now();
    const ctx = context({}, { recent: () => [], recentProcesses: () => null, host: fakeHost() });
    const { data } = await overview(ctx);
    expect(performance.now() - began).toBeGreaterThanOrEqual(95);
    expect(data).toMatchObject({ windowMs: 1000, cpu: { usedPercent: 48 } });
    expect(data.topCpu[0]).toMatchObject({ pid: 900, cpuPercent: 90 });
  });

  it('does not take an old reading, or one of a moment ago, for the start of a window', async () => {
    const now = fakeSnapshot(0).atMs;
    const recent = () => [15_001, 50].map((ms) => ({ ...fakeSnapshot(0), atMs: now - ms }));
    const { data } = await overview(context({}, { recent, host: fakeHost(), recentProcesses: () => null }));
    expect(data.windowMs).toBe(1000);
  });

  it('prefers the newest reading that is a second old', async () => {
    const now = fakeSnapshot(1).atMs;
    const recent = () => [12_000, 6_000, 500].map((ms) => ({ ...fakeSnapshot(0), atMs: now - ms }));
    expect((await overview(context({}, { recent }))).data.windowMs).toBe(6000);
  });

  it('ends with its caller while it waits for a window', async () => {
    const leaving = new AbortController();
    const ctx = context({}, { recent: () => [], recentProcesses: () => null, signal: leaving.signal });
    const asked = overview(ctx);
    leaving.abort(new DOMException('gone', 'AbortError'));
    await expect(asked).rejects.toThrow('gone');
  });

  it('leaves out what is noise, shows a device once, and counts what it left out', async () => {
    const [root] = fakeFilesystems;
    if (!root) throw new Error('the fake has a root');
    const extra = ['/snap/a', '/snap/b'].map((mount) => ({ ...root, mount, device: '/dev/loop1', type: 'squashfs' }));
    const bind = { ...root, mount: '/var/lib/docker' };
    const many = Array.from({ length: 30 }, (_, i) => ({ ...root, mount: `/data/${i}`, device: `/dev/sd${i}` }));
    const { data } = await overview(context({ filesystems: async () => [...extra, ...many, root, bind] }));
    expect(data.filesystems).toHaveLength(10);
    expect(data.filesystems[0]?.mount).toBe('/');
    expect(data.filesystems.some((f) => f.mount.startsWith('/snap') || f.mount === bind.mount)).toBe(false);
    expect(data.leftOut.filesystems).toBe(24);
  });

  it('stands on 5,000 processes', async () => {
    const model = fakeProcesses(1).processes[2];
    if (!model) throw new Error('the fake has processes');
    const processes = Array.from({ length: 5_000 }, (_, i) => ({ ...model, pid: 10_000 + i }));
    const list = { ...fakeProcesses(1), processes };
    const { data } = await overview(context({ processes: async () => list }));
    expect(data.processes.total).toBe(5_000);
    expect(data.topMemory).toHaveLength(5);
  });
});

describe('containers in the overview', () => {
  const overview = (docker: FakeDocker, also: Partial<ToolContext> = {}) =>
    ask<OverviewAnswer>(
      systemOverview,
      {},
      context({}, { host: { ...fakeHost(), docker }, offers: () => true, ...also }),
    );

  it('are judged from one list, kept for half a minute', async () => {
    const docker = fakeDocker({ containers: everyState() });
    const { data, text } = await overview(docker);
    expect(data.findings.map((f) => [f.id, f.evidence, f.next])).toEqual(
      expect.arrayContaining([
        ['containers_restarting', 'mailer', 'diagnose {"problem":"down","target":"container:mailer"}'],
        ['containers_unhealthy', 'shop-db-1', 'diagnose {"problem":"down","target":"container:shop-db-1"}'],
        ['containers_dead', 'dead', 'container_list {"state":"dead"}'],
      ]),
    );
    expect(text).toContain('containers_unhealthy: shop-db-1');
    await overview(docker);
    expect(docker.asked).toEqual(['list']);
    await overview(docker, { now: () => FAKE_WALL_MS + 32_000 });
    expect(docker.asked).toEqual(['list', 'list']);
  });

  it('are not waited for: a hung engine is a gap with its reason, and is asked once', async () => {
    const docker = fakeDocker();
    let asked = 0;
    docker.containers.list = () => {
      asked++;
      return new Promise(() => {});
    };
    const began = performance.now();
    const { data } = await overview(docker);
    await overview(docker);
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(asked).toBe(1);
    expect(data.unknown).toContainEqual({
      what: 'containers',
      why: 'not known after 250 ms; ask again in some seconds',
    });
  });

  it('are left alone where their tools are not offered', async () => {
    const docker = fakeDocker({ containers: everyState() });
    const { data } = await overview(docker, { offers: () => false });
    expect(docker.asked).toEqual([]);
    expect([...data.findings.map((f) => f.id), ...data.unknown.map((u) => u.what)].join()).not.toContain('container');
  });
});
