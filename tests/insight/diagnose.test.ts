/** The table of a container's causes, row by row on facts alone: what comes first, what speaks for nothing, and the words of engines and logs. */

import { describe, expect, it } from 'vitest';
import type { ContainerDetail } from '../../src/core/docker.ts';
import type { ContainerFacts, Said } from '../../src/insight/causes_seen.ts';
import { checkFault, portIn, refusalOf, troubleIn } from '../../src/insight/container_said.ts';
import { causesDoc, causesOf } from '../../src/insight/diagnose.ts';
import { CONTAINER_ROWS, diagnoseContainer } from '../../src/insight/diagnose_container.ts';
import { cpuMs } from '../fakes/cpu_time.ts';
import { fakeContainer, FAKE_NOW_MS as NOW } from '../fakes/docker_parts.ts';

const facts = (c: Partial<ContainerDetail>, over: Partial<ContainerFacts> = {}): ContainerFacts => ({
  nowMs: NOW,
  c: fakeContainer('app', c),
  events: [],
  imageThere: true,
  wanted: [],
  others: [],
  doors: null,
  log: [],
  ...over,
});
const said = (text: string, bad = true): Said => ({ atMs: NOW - 1_000, text, bad });
const ids = (f: ContainerFacts) => diagnoseContainer(f, null).causes.map((c) => `${c.id} ${c.certainty}`);
const ended = (exitCode: number, over: Partial<ContainerDetail> = {}): Partial<ContainerDetail> => ({
  state: 'exited',
  startedAtMs: NOW - 60_000,
  finishedAtMs: NOW - 1_000,
  exitCode,
  ...over,
});
const refused = (error: string): Partial<ContainerDetail> => ({
  state: 'created',
  startedAtMs: null,
  exitCode: null,
  error,
});
const event = (what: string, detail: Record<string, string> = {}) => ({ atMs: NOW - 1_000, what, detail });
const died = (code: number) => event('die', { exitCode: String(code) });
const port = (hostPort: number) => ({ containerPort: 80, protocol: 'tcp' as const, hostIp: null, hostPort });
const stack = (service: string, needs?: string) => ({
  'com.docker.compose.project': 'shop',
  'com.docker.compose.service': service,
  ...(needs === undefined ? {} : { 'com.docker.compose.depends_on': needs }),
});
const mount = { type: 'bind', source: '/srv/a', destination: '/a', writable: true, name: null };
const sick = (output: string, exitCode = 1): Partial<ContainerDetail> => ({
  health: 'unhealthy',
  failingStreak: 4,
  healthLog: [{ atMs: NOW - 2_000, exitCode, output }],
});

describe('facts and the causes in order', () => {
  const db = fakeContainer('shop-db-1', { ...ended(1), labels: stack('db') });
  const app = { labels: stack('app', 'db:service_healthy:false') };
  it.each<[string, ContainerFacts, string[]]>([
    ['runs', facts({}), ['not_down certain']],
    ['runs, healthy', facts({ health: 'healthy' }), ['not_down certain']],
    ['runs, its stack is down: no matter', facts(app, { others: [db] }), ['not_down certain']],
    ['paused', facts({ state: 'paused' }), ['paused certain']],
    ['made only', facts(refused('')), ['never_started certain']],
    [
      'made, with a mount',
      facts({ ...refused(''), mounts: [mount] }),
      ['never_started certain', 'mount_missing possible'],
    ],
    ['made, no image', facts(refused(''), { imageThere: false }), ['image_missing likely']],
    ['image not known: no word of it', facts(refused(''), { imageThere: null }), ['never_started certain']],
    ['ended, no image', facts(ended(3), { imageThere: false }), ['exit_error likely', 'image_missing possible']],
    ['error', facts(ended(3)), ['exit_error likely']],
    ['error, stopped', facts(ended(3), { events: [event('stop'), died(3)] }), ['stopped_by_user certain']],
    ['well ended', facts(ended(0)), ['finished certain']],
    ['143 without events', facts(ended(143)), ['stopped_by_user likely']],
    [
      'killed by hand',
      facts(ended(137), { events: [event('kill', { signal: '9' }), died(137)] }),
      ['stopped_by_user certain'],
    ],
    ['OOM', facts(ended(137, { oomKilled: true })), ['oom_killed certain']],
    ['OOM by event', facts(ended(137), { events: [event('oom'), died(137)] }), ['oom_killed certain']],
    [
      'SIGKILL of nobody, with a limit',
      facts(ended(137, { limits: { ...fakeContainer('x').limits, memoryBytes: 1e8 } }), { events: [died(137)] }),
      ['oom_killed likely', 'killed_by_signal likely'],
    ],
    ['SIGKILL, no events', facts(ended(137), { events: null }), ['killed_by_signal likely', 'oom_killed possible']],
    ['crash', facts(ended(139)), ['killed_by_signal likely']],
    ['dead', facts(ended(0, { state: 'dead' })), ['being_removed certain', 'finished certain']],
    ['own 127', facts(ended(127)), ['command_not_found likely']],
    ['own 126', facts(ended(126)), ['not_executable likely']],
    ['engine 125', facts(ended(125)), ['engine_refused likely']],
    ['words that fit nothing', facts(refused('cgroup v3 wants tea')), ['engine_refused certain']],
    [
      'loop',
      facts({ state: 'restarting', restarts: 9, exitCode: 1, finishedAtMs: NOW - 500 }),
      ['restart_loop certain', 'exit_error likely'],
    ],
    [
      'loop, caught while it runs',
      facts({ restarts: 9, startedAtMs: NOW - 500 }, { events: [died(2)] }),
      ['restart_loop certain', 'exit_error likely'],
    ],
    ['ill', facts(sick('refused')), ['unhealthy certain']],
    ['starting', facts({ health: 'starting' }), ['starting certain']],
    ['deaf port', facts({}, { doors: [{ port: 80, knock: 'closed' }] }), ['port_not_listening likely']],
    [
      'no way to a port',
      facts({}, { doors: [{ port: 80, knock: 'silent' }] }),
      ['not_down certain', 'port_not_listening possible'],
    ],
    [
      'its port is another’s now',
      facts(ended(0), { wanted: [port(80)], others: [fakeContainer('web', { ports: [port(80)] })] }),
      ['finished certain', 'port_taken possible'],
    ],
    [
      'dependency down, and the log says so',
      facts({ ...ended(1), ...app }, { others: [db], log: [said('cannot reach db')] }),
      ['dependency_down likely', 'exit_error likely'],
    ],
    [
      'dependency down, and the log says another thing',
      facts({ ...ended(1), ...app }, { others: [db], log: [said('bad config')] }),
      ['exit_error likely', 'dependency_down possible'],
    ],
    ['dependency down, waited for', facts({ ...refused(''), ...app }, { others: [db] }), ['dependency_down likely']],
    ['dependency gone', facts({ ...refused(''), ...app }), ['dependency_down likely']],
    ['dependency not known', facts({ ...ended(1), ...app }, { others: null }), ['exit_error likely']],
    [
      'dependency well',
      facts({ ...ended(1), ...app }, { others: [{ ...db, state: 'running', health: 'healthy' }] }),
      ['exit_error likely'],
    ],
    [
      'dependency ill',
      facts({ ...refused(''), ...app }, { others: [{ ...db, state: 'running', health: 'unhealthy' }] }),
      ['dependency_down likely'],
    ],
    [
      'a job of the stack that ended well',
      facts(
        { ...refused(''), labels: stack('app', 'db:service_completed_successfully:false') },
        { others: [{ ...db, status: 'Exited (0) 2 hours ago' }] },
      ),
      ['never_started certain'],
    ],
    [
      'another stack’s service of that name',
      facts(
        { ...ended(1), ...app },
        {
          others: [{ ...db, state: 'running', labels: { ...stack('db'), 'com.docker.compose.project': 'b' } }],
          log: [said('db')],
        },
      ),
      ['dependency_down likely', 'exit_error likely'],
    ],
    ['stopped, with its stack', facts({ ...ended(143), ...app }, { others: [db] }), ['stopped_by_user likely']],
    [
      'full inside',
      facts(ended(1), { log: [said('write: No space left on device')] }),
      ['disk_full_inside likely', 'exit_error likely'],
    ],
    [
      'nothing known',
      facts({ ...ended(0), exitCode: null }, { events: null, others: null, log: null }),
      ['unknown possible'],
    ],
    [
      'all facts unknown, runs',
      facts({}, { events: null, imageThere: null, wanted: null, others: null, log: null }),
      ['not_down certain'],
    ],
  ])('%s', (_, f, wanted) => {
    expect(ids(f)).toEqual(wanted);
  });

  it('shares a network with one that is gone, or does not run', () => {
    const c = (error: string) => ({ ...ended(137, { error }), networkMode: 'container:abcdef0123456789' });
    const gone = diagnoseContainer(facts(c('No such container: abcdef0123456789')), null).causes[0];
    expect(gone).toMatchObject({ id: 'dependency_down', certainty: 'certain' });
    expect(gone?.evidence.at(-1)).toContain('gone');
    const host = fakeContainer('vpn', { ...ended(0), id: 'abcdef0123456789' });
    const down = diagnoseContainer(
      facts(c('cannot join network of a non running container: x'), { others: [host] }),
      'nas',
    );
    expect(down.causes[0]?.next).toBe('diagnose {"problem":"down","target":"container:nas/vpn"}');
  });

  it('a healthcheck that is itself at fault is told as that', () => {
    const sentence = (output: string, code?: number) =>
      diagnoseContainer(facts(sick(output, code)), null).causes[0]?.sentence;
    expect(sentence('exec: "curl": executable file not found in $PATH', -1)).toContain('time-out');
    expect(
      sentence('OCI runtime exec failed: exec failed: exec: "curl": executable file not found in $PATH'),
    ).toContain('not in the image');
    expect(sentence('/bin/sh: curl: not found', 127)).toContain('not in the image');
    expect(sentence('refused')).toContain('own healthcheck fails');
  });
});

describe('words', () => {
  it.each([
    [
      'driver failed programming external connectivity on endpoint a (b): Bind for 127.0.0.1:18080 failed: port is already allocated',
      'port_taken',
      18080,
    ],
    ['Error starting userland proxy: listen tcp4 0.0.0.0:18090: bind: address already in use', 'port_taken', 18090],
    ['rootlessport listen tcp 0.0.0.0:80: bind: address already in use', 'port_taken', 80],
    ['listen tcp6 [::]:443: bind: address already in use', 'port_taken', 443],
    ['network n1 not found', 'network_missing', null],
    ['Address already in use', 'network_conflict', null],
    ['invalid mount config for type "bind": bind source path does not exist: /srv/x', 'mount_missing', null],
    ['runc create failed: error mounting "/a" to rootfs at "/b": not a directory: unknown', 'mount_missing', null],
    ['statfs /srv/x: no such file or directory', 'mount_missing', null],
    [
      'error gathering device information while adding custom device "/dev/nosuch": no such file or directory',
      'device_missing',
      null,
    ],
    ['unable to find user nosuch: no matching entries in passwd file', 'user_missing', null],
    ['No such image: a:1', 'image_missing', null],
    ['exec: "/etc/mark": permission denied: unknown', 'not_executable', null],
    ['exec /app: exec format error', 'not_executable', null],
    ['exec: "x": executable file not found in $PATH: unknown', 'command_not_found', null],
    ['crun: executable file `x` not found in $PATH: No such file or directory', 'command_not_found', null],
    ['exec: "/no": stat /no: no such file or directory: unknown', 'command_not_found', null],
    ['cannot join network of a non running container: d85b4af6', 'dependency_down', null],
    ['mkdir /var/lib/docker/x: no space left on device', 'disk_full', null],
    ['something else', null, null],
    ['', null, null],
  ])('of an engine: %s', (error, refusal, at) => {
    expect(refusalOf(error)).toBe(refusal);
    expect(portIn(error)).toBe(at);
  });

  it('of a log, and none where a program merely speaks of such things', () => {
    expect(troubleIn('OSError: [Errno 28] No space left on device')).toBe('disk_full');
    expect(troubleIn('dial tcp: lookup db: no such host')).toBe('cannot_connect');
    expect(troubleIn('FATAL ERROR: JavaScript heap out of memory')).toBe('out_of_memory');
    expect(troubleIn('EACCES: permission denied, open /data/x')).toBe('permission_denied');
    expect(troubleIn('listening on port 80')).toBeNull();
    expect(checkFault({ exitCode: 1, output: 'x' })).toBeNull();
  });

  it('without end cost no time', () => {
    const long = `bind for ${'0:'.repeat(200_000)} exec: ${'"a '.repeat(100_000)}`;
    const ms = cpuMs(() => {
      for (let i = 0; i < 20; i++) [refusalOf(long), portIn(long), troubleIn(long)];
    });
    expect(ms).toBeLessThan(500);
  });

  it('of others never come into a call that is advised', () => {
    const row = {
      id: 'x',
      when: '',
      sentence: '',
      next: 'a {"b":"{NAME}"{ENGINE}} {AT}',
      test: () => ({ certainty: 'certain' as const, evidence: [] }),
    };
    const next = (NAME: string, ENGINE: string) => causesOf([row], {}, { NAME, ENGINE, AT: ENGINE })[0]?.next;
    expect(next('web', 'nas')).toBe('a {"b":"web","engine":"nas"} nas/');
    expect(next('web","x":"y', 'n"')).toBe('a {"b":"NAME"} ');
    expect(next('-rf', '$(x)')).toBe('a {"b":"NAME"} ');
  });
});

it('docs/diagnose.md has one row each, and ids are told once', () => {
  const doc = causesDoc([{ title: 'T', rows: CONTAINER_ROWS }]);
  const all = CONTAINER_ROWS.map((r) => r.id);
  expect(new Set(all).size).toBe(all.length);
  for (const id of all) expect(doc).toContain(`\n| \`${id}\` |`);
  expect(doc).not.toMatch(/\{ENGINE\}|\{AT\}/);
});
