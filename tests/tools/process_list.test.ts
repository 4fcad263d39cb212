import { describe, expect, it } from 'vitest';
import type { OpsError } from '../../src/core/errors.ts';
import type { ProcessInfo, ProcessList } from '../../src/core/host.ts';
import { type ProcessAnswer, processList } from '../../src/tools/process_list.ts';
import { cpuNowMs } from '../fakes/cpu_time.ts';
import { fakeHost, fakeProcesses } from '../fakes/host.ts';
import { ask, context } from './context.ts';

const list = (args: unknown = {}, ctx = context()) => ask<ProcessAnswer>(processList, args, ctx);
const pids = (a: ProcessAnswer) => a.processes.map((p) => p.pid);
const model = fakeProcesses(1).processes[2] as ProcessInfo;
const of = (processes: ProcessInfo[], over: Partial<ProcessList> = {}) =>
  context({ processes: async () => ({ ...fakeProcesses(1), processes, ...over }) });

describe('process_list', () => {
  it('lists by CPU of the window, with command lines and totals', async () => {
    const { data, text } = await list();
    expect(data).toMatchObject({
      by: 'cpu',
      windowMs: 1000,
      whose: 'host',
      total: 8,
      matched: 8,
      threads: 11,
      byState: { S: 6, R: 1, Z: 1 },
      unknown: [],
    });
    expect(data.processes[0]).toEqual({
      pid: 900,
      start: 9_000,
      ppid: 1,
      name: 'crunch (v2) x',
      user: 'ana',
      state: 'R',
      cpuPercent: 90,
      rssBytes: 943_718_400,
      threads: 4,
      ageSeconds: 863_911,
      command: 'python3 /opt/job/crunch.py --password=hunter2',
    });
    expect(text).toMatchInlineSnapshot(`
      "8 processes, 11 threads (host; S 6, R 1, Z 1); all, by cpu over 1 s
      pid     start  name           user      s   cpu       rss  thr       age  command
      900      9000  crunch (v2) x  ana       R   90%   900 MiB    4  9 d 23 h  python3 /opt/job/crunch.py --password=hunter2
      311      3110  nginx          www-data  S  5.0%  60.0 MiB    1  9 d 23 h  nginx: worker process
      950  86400050  sleep          ana       S  1.0%  10.0 MiB    1       1 s  [sleep]
      420      4200  postgres       postgres  S    0%   400 MiB    1  9 d 23 h  /usr/lib/postgresql/17/bin/postgres -D /var/lib/postgresql/17/main
        1         1  systemd        root      S    0%  14.0 MiB    1      10 d  /sbin/init
      310      3100  nginx          root      S    0%  10.0 MiB    1  9 d 23 h  nginx: master process /usr/sbin/nginx
        2         1  kthreadd       root      S    0%       0 B    1      10 d  [kthreadd]
      905      9050  defunct        ana       Z    0%       0 B    1  9 d 23 h  [defunct]"
    `);
  });

  it('orders by memory, descriptors and I/O, and then shows those columns', async () => {
    expect(pids((await list({ by: 'memory' })).data).slice(0, 3)).toEqual([900, 420, 311]);
    const fds = await list({ by: 'fds' });
    expect(pids(fds.data).slice(0, 3)).toEqual([1, 420, 311]);
    expect(fds.text).toContain('fds');
    // The sampler's lists have no I/O counters: two of its own, then.
    const io = await list({ by: 'io' }, context({}, { host: fakeHost() }));
    expect(io.data.processes[0]).toMatchObject({ pid: 311, readBytesPerSecond: 4_194_304, writtenBytesPerSecond: 0 });
    expect(io.data.unknown).toEqual([
      { what: 'I/O of 6 processes', why: "other users' counters need root, or there is no earlier reading" },
    ]);
  });

  it('filters by user or uid, name, state and parent', async () => {
    expect(pids((await list({ user: 'ana' })).data)).toEqual([900, 950, 905]);
    expect(pids((await list({ user: '33' })).data)).toEqual([311]);
    expect(pids((await list({ name: 'NGINX' })).data)).toEqual([311, 310]);
    expect(pids((await list({ name: 'crunch.py' })).data)).toEqual([900]);
    expect(pids((await list({ state: 'Z' })).data)).toEqual([905]);
    expect(pids((await list({ parent: 310 })).data)).toEqual([311, 310]);
    const none = await list({ user: 'nobody' });
    expect(none.data).toMatchObject({ total: 8, matched: 0, processes: [] });
    expect(none.text).toContain('0 match');
  });

  it('does not search arguments: a caller could guess a password letter by letter', async () => {
    expect((await list({ name: 'hunter2' })).data.matched).toBe(0);
    expect((await list({ name: '--password' })).data.matched).toBe(0);
    // The naive way, as a control: the whole command line holds it.
    expect(fakeProcesses(1, { commands: true }).processes.filter((p) => p.command?.includes('hunter2'))).toHaveLength(
      1,
    );
  });

  it('shows a tree, heaviest branch first', async () => {
    const { data, text } = await list({ by: 'memory', tree: true });
    expect(data.processes.map((p) => [p.pid, p.depth])).toEqual([
      [1, 0],
      [900, 1],
      [905, 2],
      [420, 1],
      [310, 1],
      [311, 2],
      [950, 1],
      [2, 0],
    ]);
    expect(text).toMatch(/\n.* {2}nginx: master process/);
  });

  it('takes a loop of parents, and parents that are gone', async () => {
    const loop = [
      { ...model, pid: 10, ppid: 11 },
      { ...model, pid: 11, ppid: 10 },
      { ...model, pid: 12, ppid: 4_000 },
    ];
    const { data } = await list({ tree: true }, of(loop));
    expect(pids(data).toSorted()).toEqual([10, 11, 12]);
    expect(pids((await list({ parent: 10 }, of(loop))).data).toSorted()).toEqual([10, 11]);
  });

  it('says which pid there is not, and what to do', async () => {
    const asked = list({ parent: 77 });
    await expect(asked).rejects.toMatchObject({ code: 'not_found' } satisfies Partial<OpsError>);
    await expect(asked).rejects.toThrow('There is no process 77.');
  });

  it('gives the door all that match, up to 5,000, and says how many to show', async () => {
    const many = Array.from({ length: 6_000 }, (_, i) => ({
      ...model,
      pid: 10_000 + i,
      rssBytes: i,
      command: `job ${i}`,
    }));
    const began = cpuNowMs();
    const { data } = await list({ by: 'memory', limit: 20 }, of(many, { notRead: 300 }));
    expect(cpuNowMs() - began).toBeLessThan(1_000);
    expect(data).toMatchObject({ total: 6_300, matched: 6_000 });
    expect(data.processes).toHaveLength(5_000);
    expect(data.processes.every((p) => p.command?.startsWith('job '))).toBe(true);
    expect(data.unknown).toContainEqual({ what: '300 processes', why: 'more than one list reads' });
    expect(processList.cut?.lists).toEqual(['processes']);
    expect(processList.cut?.show?.({ limit: 20 })).toBe(20);
  });

  it('cuts long command lines between arguments, never within one, and before a key', async () => {
    const long = `/usr/bin/java ${'-Dx=1 '.repeat(40)}--token=${'s'.repeat(60)} end`;
    const key = `sh -c echo -----BEGIN OPENSSH PRIVATE KEY----- ${'b64 '.repeat(90)}`;
    const one = `/${'x'.repeat(300)}`;
    const rows = [long, key, one, 'short'].map((command, i) => ({ ...model, pid: 50 + i, rssBytes: 10 - i, command }));
    const { data } = await list({ by: 'memory' }, of(rows));
    const [java, pem, path, short] = data.processes.map((p) => p.command);
    expect(java?.length).toBeLessThanOrEqual(162);
    expect(java).toMatch(/ -Dx=1 …$/);
    expect(pem).toBe('sh -c echo …');
    expect(path).toBe(one);
    expect(short).toBe('short');
    // Asked for alone, it comes whole.
    expect((await list({ user: 'root' }, of(rows.slice(0, 1)))).data.processes[0]?.command).toBe(long);
  });

  it('says what of the table is hidden or unknown', async () => {
    const hidden = '/proc is mounted with hidepid=2.';
    const ctx = of([model], { hidden });
    ctx.recentProcesses = () => null;
    ctx.host.system.processes = async () => ({ ...fakeProcesses(1), processes: [{ ...model, cpuMs: 5 }], hidden });
    const { data, text } = await list({}, ctx);
    expect(data.unknown).toContainEqual({ what: 'processes of other users', why: hidden });
    // Both lists are of one moment here: no window, so no rate, and that is said.
    expect(data.processes[0]?.cpuPercent).toBeNull();
    expect(data.unknown).toContainEqual({ what: 'CPU of 1 process', why: 'no earlier reading of them' });
    expect(text).not.toMatch(/NaN|undefined/);
  });

  it('is unavailable, with the next step, when there is no process table', async () => {
    const ctx = context({
      processes: async () => {
        throw Object.assign(new Error('ENOENT: /proc'), { code: 'ENOENT' });
      },
    });
    await expect(list({}, ctx)).rejects.toMatchObject({
      code: 'unavailable',
      details: { hint: expect.stringContaining('doctor') },
    });
  });
});
