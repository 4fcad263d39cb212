/** Faults made on a real Docker 26, and the cause that `diagnose` must put first for each. Loud when it is skipped. */
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diagnose } from '../../src/tools/diagnose.ts';
import type { DiagnoseAnswer } from '../../src/tools/diagnose_parts.ts';
import { fakeHost } from '../fakes/host.ts';
import { callOf, rig, who } from '../fakes/policy.ts';
import { IMAGE, type LabEngine, lacking, startLab, until } from './engine.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write('SKIPPED tests/docker/diagnose_real: needs DECKHAND_REAL=1, root, debootstrap and docker.\n');
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

const sh = (line: string) => ['sh', '-c', line];
const SLEEP = ['sleep', '100000'];
const service = (name: string, needs = '') => [
  '--label',
  'com.docker.compose.project=shop',
  '--label',
  `com.docker.compose.service=${name}`,
  ...(needs ? ['--label', `com.docker.compose.depends_on=${needs}`] : []),
];

/** A name, how it is made, and what is done to it then. Each may fail: some are faults just because of that. */
const MADE: [name: string, options: string[], command: string[], ...then: string[][]][] = [
  ['well', [], SLEEP],
  ['crash', [], sh('echo starting; echo "ERROR cannot parse /etc/app.toml" >&2; exit 3')],
  ['oom', ['-m', '20m', '--memory-swap', '20m'], ['tail', '/dev/zero']],
  ['bad-command', [], ['no-such-program']],
  ['not-executable', [], ['/etc/mark']],
  ['own-127', [], sh('no-such-program')],
  ['front', ['-p', '127.0.0.1:18080:80'], SLEEP],
  ['taken', ['-p', '127.0.0.1:18080:80'], SLEEP],
  ['taken-by-host', ['-p', '18090:80'], SLEEP],
  ['ill', ['--health-cmd', 'echo refused by nobody; false', '--health-interval', '1s', '--health-retries', '1'], SLEEP],
  ['looping', ['--restart', 'always'], sh('echo "fatal: no config" >&2; exit 1')],
  ['stopped', [], SLEEP, ['stop', '-t', '0', 'stopped']],
  ['frozen', [], SLEEP, ['pause', 'frozen']],
  ['finished', [], ['true']],
  ['db', service('db'), SLEEP, ['stop', '-t', '0', 'db']],
  ['app', service('app', 'db:service_started:true'), sh('echo "could not connect to db:5432" >&2; exit 1')],
  ['wrong-kind', ['-v', '/etc/hostname:/etc'], SLEEP],
  ['no-user', ['-u', 'nosuch'], SLEEP],
  ['no-device', ['--device', '/dev/nosuch'], SLEEP],
  ['segfault', [], sh('sh -c "kill -SEGV \\$\\$"; exit $?')],
  ['port-inside', [], sh('echo "Error: listen EADDRINUSE: address already in use :::80" >&2; exit 1')],
];

describe.runIf(real)('a fault on Docker 26, and its cause', { timeout: 60_000 }, () => {
  let lab: LabEngine;
  const asked = async (target: string) => {
    const { door, policy, clock } = rig({ catalog: { tools: [diagnose], resources: [], prompts: [] } });
    policy.context.host = { ...fakeHost(), docker: lab.host };
    clock.now = () => Date.now();
    const principal = who('token:viewer', ['docker:read', 'logs:read']);
    const outcome = await door.run(callOf('diagnose', { problem: 'down', target }, { principal, face: 'mcp-stdio' }));
    if (outcome.status !== 'done') throw (outcome as { error: Error }).error;
    return { data: outcome.data as DiagnoseAnswer, text: outcome.text };
  };

  beforeAll(async () => {
    lab = await startLab('docker');
    const may = (args: string[]) => lab.docker(args, { mayFail: true });
    await lab.inside(['sh', '-c', 'busybox nc -l -p 18090 >/dev/null 2>&1 </dev/zero & sleep 0.2']);
    for (const [name, options, command, ...then] of MADE) {
      await may(['run', '-d', '--name', name, ...options, IMAGE, ...command]);
      for (const args of then) await may(args);
    }
    await lab.docker(['create', '--name', 'created', IMAGE, ...SLEEP]);
    // Its network is taken away before it starts.
    await lab.docker(['network', 'create', 'gone']);
    await lab.docker(['create', '--name', 'no-network', '--network', 'gone', IMAGE, ...SLEEP]);
    await lab.docker(['network', 'rm', 'gone']);
    await may(['start', 'no-network']);
    await lab.inside(['mkdir', '-p', '/srv/data']);
    await lab.docker([
      'create',
      '--name',
      'no-source',
      '--mount',
      'type=bind,source=/srv/data,destination=/x',
      IMAGE,
      ...SLEEP,
    ]);
    await lab.inside(['rmdir', '/srv/data']);
    await may(['start', 'no-source']);
    await lab.inside(['sh', '-c', 'cd /etc && tar cf - hostname | docker import - own:1']);
    await lab.docker(['create', '--name', 'no-image', 'own:1', '/etc/hostname']);
    await lab.docker(['rmi', '-f', 'own:1']);
    await lab.docker(['run', '-d', '--name', 'host', IMAGE, ...SLEEP]);
    await lab.docker(['run', '-d', '--name', 'guest', '--network', 'container:host', IMAGE, ...SLEEP]);
    await lab.docker(['stop', '-t', '0', 'guest', 'host']);
    await may(['start', 'guest']);
  }, 400_000);
  afterAll(async () => {
    // What is frozen cannot be killed (cgroup v1), and would keep the engine's namespace.
    await lab.docker(['unpause', 'frozen'], { mayFail: true });
    await lab.close();
    expect(lab.left()).toEqual([]);
  }, 60_000);

  it.each<[name: string, first: string, said?: RegExp]>([
    ['well', 'not_down', /up for/],
    ['crash', 'exit_error', /exit code 3.*cannot parse \/etc\/app\.toml/s],
    ['oom', 'oom_killed', /memory limit 20/],
    ['bad-command', 'command_not_found', /no-such-program/],
    ['not-executable', 'not_executable', /\/etc\/mark/],
    ['own-127', 'command_not_found', /no-such-program/],
    ['taken', 'port_taken', /container front publishes 18080/],
    ['taken-by-host', 'port_taken', /no running container publishes 18090/],
    ['ill', 'unhealthy', /refused by nobody/],
    ['looping', 'restart_loop', /restarts.*exit code 1.*no config/s],
    ['stopped', 'stopped_by_user', /stop/],
    ['frozen', 'paused'],
    ['finished', 'finished'],
    ['app', 'dependency_down', /service db: exited.*could not connect to db/s],
    ['wrong-kind', 'mount_missing', /\/etc\/hostname/],
    ['no-user', 'user_missing', /nosuch/],
    ['no-device', 'device_missing', /nosuch/],
    ['segfault', 'killed_by_signal', /SIGSEGV/],
    ['port-inside', 'port_taken_inside', /EADDRINUSE/],
    ['created', 'never_started'],
    ['no-network', 'network_missing', /network gone not found/],
    ['no-image', 'image_missing', /own:1/],
    ['guest', 'dependency_down', /host is exited/],
  ])('%s: %s', async (name, first, said) => {
    const seen = await until(
      `${name} is ${first}`,
      async () => {
        const { data, text } = await asked(`container:${name}`);
        const cause = data.causes[0];
        return cause?.id === first && (said ?? /^/).test(cause.evidence.join('\n')) ? { data, text } : null;
      },
      15_000,
    ).catch(() => asked(`container:${name}`));
    expect(seen.data.causes[0]).toMatchObject({ id: first });
    if (said) expect(seen.data.causes[0]?.evidence.join('\n')).toMatch(said);
    expect(encode(seen.text).length).toBeLessThanOrEqual(450);
  });

  it('of a mount without its source the engine keeps no word: it is told as possible, and unknown', async () => {
    const { data } = await asked('container:no-source');
    expect(data.causes.map((c) => [c.id, c.certainty])).toEqual([
      ['never_started', 'certain'],
      ['mount_missing', 'possible'],
    ]);
    expect(data.unknown.map((u) => u.what)).toContain('sources of its mounts');
  });

  it('an unknown name is not found, with those near it', async () => {
    await expect(asked('container:crahs')).rejects.toMatchObject({
      code: 'not_found',
      details: { candidates: expect.arrayContaining(['container:crash']) },
    });
  });
});
