import { describe, expect, it, vi } from 'vitest';
import { containerUpdate } from '../../src/tools/container_update.ts';
import { type FakeContainer, type FakeDocker, fakeDocker } from '../fakes/docker.ts';
import { fakeContainer, fakeImage } from '../fakes/docker_parts.ts';
import { callOf } from '../fakes/policy.ts';
import { data, failure, fastTimers, house as houseOf, keeper } from './docker_changes.ts';

fastTimers();
const NEWER = `sha256:${'ab'.repeat(32)}`;
const check = { healthcheck: { test: ['CMD', 'true'], intervalMs: 1, timeoutMs: 1, retries: 3, startPeriodMs: 0 } };
const web = (over: Partial<FakeContainer> = {}) =>
  fakeContainer('web', {
    ports: [{ containerPort: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080 }],
    mounts: [{ type: 'volume', source: '/x', destination: '/data', writable: true, name: 'a'.repeat(64) }],
    ...over,
  });
const OLD = `web-deckhand-old-${web().id.slice(0, 12)}`;
const NEW = `web-deckhand-new-${web().id.slice(0, 12)}`;

function house(
  over: Partial<FakeContainer> = {},
  o: Parameters<typeof houseOf>[2] & { others?: FakeContainer[] } = {},
) {
  const c = web(over);
  const docker = fakeDocker({
    containers: [c, ...(o.others ?? [])],
    images: [fakeImage('nginx:1.27', { id: c.imageId, usedBy: ['web'] })],
    registry: { 'nginx:1.27': { value: NEWER }, 'nginx:1.28': { value: `sha256:${'cd'.repeat(32)}` } },
  });
  const h = houseOf([containerUpdate], {}, { docker, ...o });
  h.control.answers = { 8080: 'open' };
  return {
    ...h,
    start: docker.changes.start,
    update: (args = {}) => h.call('container_update', { container: 'web', ...args }),
  };
}
/** What it says of its health at its n-th look after the start. */
function health(docker: FakeDocker, name: string, is: 'healthy' | 'unhealthy') {
  const { inspect } = docker.containers;
  docker.containers.inspect = async (ref, o) => {
    const said = await inspect(ref, o);
    const c = docker.engine.containers.find((x) => x.id === said.id);
    if (c && c.imageId === name && c.state === 'running') c.health = is;
    return said;
  };
}
const names = (d: FakeDocker) => d.engine.containers.map((c) => `${c.name} ${c.state}`).sort();

describe('container_update', () => {
  it('replaces it, proves the new one, and keeps the old', async () => {
    const h = house(check);
    health(h.docker, NEWER, 'healthy');
    const answer = data(await h.update());
    expect(answer).toMatchObject({
      state: 'done',
      summary: `web runs nginx:1.27 now: ${web().imageId.slice(7, 19)} → abababababab, healthy after 500 ms. Port 8080 answers. The old container stays, stopped, as ${OLD}: undo puts it back; container_remove removes it once it is not wanted.`,
      after: { container: 'web', kept: OLD, errorsBefore: 0, errorsAfter: 0, imageId: 'abababababab' },
      receipt: expect.stringMatching(/^t_/),
    });
    expect(names(h.docker)).toEqual(['web running', `${OLD} exited`]);
    // The new one is there before the old one stops: as little time as can be without either.
    expect(h.done().map((a) => a.replace(/[0-9a-f]{64}/, '#'))).toEqual([
      'pull nginx:1.27',
      `create ${NEW}`,
      'stop #',
      `rename # ${OLD}`,
      'rename # web',
      'start #',
    ]);
    expect(h.docker.container('web').mounts).toEqual(web().mounts);
  });

  it('tells before what will happen, and does nothing', async () => {
    const h = house();
    const answer = data(await h.update({ dry_run: true }));
    expect(answer.summary).toBe(
      `Move web from ${web().imageId.slice(7, 19)} to abababababab, which nginx:1.27 is now. It is stopped, and made anew with the same settings, networks, mounts and volumes; what it wrote outside of volumes stays in the old container, which is kept, stopped, as ${OLD}. If it is not running and answering within 120 s, the old one is started again. Its port 8080→80 will not answer meanwhile.`,
    );
    expect(h.done()).toEqual([]);
  });

  it('is up to date: nothing is changed, and nothing is left to undo', async () => {
    const h = house();
    const [image] = h.docker.engine.images;
    if (image) image.digests = [`nginx@${NEWER}`];
    const answer = data(await h.update());
    expect(answer).toMatchObject({ state: 'done', summary: 'web runs what nginx:1.27 is now; nothing was changed.' });
    expect(answer.receipt).toBeUndefined();
    expect(h.done()).toEqual([]);
  });

  it('another tag of its repository; not another program', async () => {
    const h = house();
    expect(data(await h.update({ image: 'docker.io/library/nginx:1.28' }))).toMatchObject({
      failed: expect.anything(),
    });
    expect(data(await h.update({ image: 'nginx:1.28' })).after).toMatchObject({ image: 'nginx:1.28' });
    for (const image of ['evil/nginx:1.28', 'registry.example/nginx', 'a'.repeat(64)])
      expect(failure(await house().update({ image })), image).toMatchObject({ code: 'validation' });
    expect(failure(await house({ image: `nginx@${NEWER}` }).update())).toMatchObject({
      code: 'conflict',
      hint: expect.stringContaining('`image`'),
    });
    expect(failure(await house({ image: NEWER }).update())).toMatchObject({ code: 'conflict' });
  });

  it('no restart policy may start the kept one beside the new one', async () => {
    const h = house({ restartPolicy: { name: 'always', maximumRetries: 0 } });
    const { receipt } = data(await h.update());
    expect(h.docker.container(OLD).restartPolicy.name).toBe('no');
    expect(h.docker.container('web').restartPolicy.name).toBe('always');
    await h.call('undo', { receipt });
    expect(h.docker.container('web').restartPolicy.name).toBe('always');
  });
});

describe('an update that fails', () => {
  const back = (h: ReturnType<typeof house>) => {
    expect(names(h.docker)).toEqual(['web running']);
    expect(h.docker.container('web').id).toBe(web().id);
  };

  it('its healthcheck says no: the old one runs again, with the reason and the words of the new one', async () => {
    const h = house(check);
    health(h.docker, NEWER, 'unhealthy');
    health(h.docker, web().imageId, 'healthy');
    const { start } = h.docker.changes;
    h.docker.changes.start = async (ref, o) => {
      await start(ref, o);
      const c = h.docker.container(ref);
      if (c.imageId !== NEWER) return;
      c.logs.push({ stream: 'stderr', atMs: h.docker.nowMs, nanos: 0, text: 'ERROR no such table', cut: false });
      c.healthLog = [{ atMs: 1, exitCode: 7, output: 'HTTP 500' }];
    };
    const out = await h.update();
    expect(data(out)).toMatchObject({
      state: 'rolled_back',
      summary:
        'The update of web to abababababab failed: its healthcheck fails. The old container is back and running. What the new one said is below. The pulled image stays.',
      after: {
        state: 'running',
        why: 'its healthcheck fails',
        errorsAfter: 1,
        log: ['ERROR no such table', 'healthcheck (exit 7): HTTP 500'],
      },
    });
    expect(out.status === 'done' && out.text).toMatch(
      /^rolled_back: .*\n⟦untrusted \w+ state after⟧\nERROR no such table/,
    );
    back(h);
    expect(h.records.at(-1)).toMatchObject({ event: 'call', fields: { outcome: 'done', why: 'rolled back' } });
    // Its receipt knows that there is nothing left to take back.
    expect(data(await h.call('undo', { receipt: data(out).receipt })).summary).toContain('nothing was changed');
  });

  it.each([
    ['stop', 'stop'],
    ['rename of the old', 'rename'],
    ['start', 'start'],
  ] as const)('at the %s: the old one runs again', async (_what, step) => {
    const h = house();
    const real = h.docker.changes[step] as (...a: unknown[]) => Promise<void>;
    let failed = false;
    (h.docker.changes as unknown as Record<string, unknown>)[step] = async (...a: unknown[]) => {
      if (!failed) {
        failed = true;
        throw Object.assign(new Error('the engine is in a bad mood'), { code: 'EIO' });
      }
      return real(...a);
    };
    expect(data(await h.update())).toMatchObject({
      state: 'rolled_back',
      summary: expect.stringContaining('bad mood'),
    });
    back(h);
  });

  it('before the old one is touched: an error, and it never stopped', async () => {
    for (const break_ of [
      (d: FakeDocker) => {
        d.images.pull = async () => Promise.reject(Object.assign(new Error('registry died'), { code: 'ECONNRESET' }));
      },
      (d: FakeDocker) => {
        d.changes.recreate = async () => Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
      },
    ]) {
      const h = house();
      break_(h.docker);
      const out = failure(await h.update()) as { receipt: string };
      expect(out).toMatchObject({ receipt: expect.any(String) });
      expect(h.docker.asked.filter((a) => /^(stop|rename)/.test(a))).toEqual([]);
      back(h);
      expect(data(await h.call('undo', { receipt: out.receipt })).summary).toContain('nothing was changed');
    }
  });

  it('a port that answered before and does not now', async () => {
    const h = house();
    const { knock } = h.control;
    h.control.knock = async (at, o) => (h.docker.container('web').imageId === NEWER ? 'closed' : knock(at, o));
    expect(data(await h.update({ within_s: 10 }))).toMatchObject({
      state: 'rolled_back',
      after: { why: 'port 8080 does not answer any more' },
    });
    back(h);
  });

  it('a port that did not answer before proves nothing', async () => {
    const h = house();
    h.control.answers = { 8080: 'closed' };
    expect(data(await h.update()).summary).not.toContain('8080');
    expect(names(h.docker)).toEqual(['web running', `${OLD} exited`]);
  });

  it('it ends at once, or again and again', async () => {
    const h = house();
    const { inspect } = h.docker.containers;
    h.docker.containers.inspect = async (ref, o) => {
      const said = await inspect(ref, o);
      const c = h.docker.container(said.id);
      if (c.imageId === NEWER && c.state === 'running') c.restarts++;
      return said;
    };
    expect(data(await h.update())).toMatchObject({
      state: 'rolled_back',
      after: { why: 'it ended and was started again' },
    });
    back(h);
  });

  it('the tag moved while it was pulled: nothing is touched', async () => {
    const h = house();
    const { pull } = h.docker.images;
    h.docker.images.pull = async (ref, o) => {
      h.docker.engine.registry['nginx:1.27'] = { value: `sha256:${'ef'.repeat(32)}` };
      return pull(ref, o);
    };
    expect(failure(await h.update())).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('another image now'),
    });
    back(h);
  });

  it('the tag moved between the approval and the effect: nothing is pulled', async () => {
    const h = house();
    const { decide } = h.policy.approvals;
    h.policy.approvals.decide = (request) => {
      h.docker.engine.registry['nginx:1.27'] = { value: `sha256:${'ef'.repeat(32)}` };
      return decide(request);
    };
    expect(failure(await h.update())).toMatchObject({ code: 'conflict' });
    expect(h.done()).toEqual([]);
  });

  it('is on record also when its caller had gone on', async () => {
    const h = house();
    h.docker.changes.start = async (ref, o) => {
      h.docker.changes.start = h.start;
      await h.docker.containers.inspect(ref, o);
      throw Object.assign(new Error('no'), { code: 'EIO' });
    };
    const going = h.door.run(callOf('container_update', { container: 'web', wait_s: 0 }, { principal: keeper }));
    await h.clock.advance(1);
    expect((await going).status).toBe('running');
    await vi.advanceTimersByTimeAsync(10_000);
    await h.clock.advance(1);
    expect(h.records.find((r) => r.event === 'work')).toMatchObject({ fields: { outcome: 'rolled_back' } });
    back(h);
  });

  it('the engine dies for a while: the old one is put back when it is there again', async () => {
    const h = house();
    const { start } = h.docker.changes;
    let away = 0;
    h.docker.changes.start = async (ref, o) => {
      if (away++ < 5) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
      return start(ref, o);
    };
    expect(data(await h.update()).state).toBe('rolled_back');
    back(h);
  });
});

describe('a crash in the middle', () => {
  /** The process ends at this step: nothing after it happens, not even the putting back. */
  async function crashed(step: 'pull' | 'create' | 'stop' | 'rename' | 'rename 2' | 'start') {
    const h = house();
    const dead = () => new Promise<never>(() => {});
    const { changes, images } = h.docker;
    const was = { ...changes, pull: images.pull };
    if (step === 'pull') images.pull = dead;
    else if (step === 'create')
      changes.recreate = async (raw, o) => {
        await was.recreate(raw, o);
        return dead();
      };
    else if (step === 'rename 2') {
      let n = 0;
      changes.rename = async (...a) => (++n === 2 ? dead() : was.rename(...a));
    } else {
      const name = step as 'stop' | 'rename' | 'start';
      (changes as unknown as Record<string, unknown>)[name] = dead;
    }
    const receipts: string[] = [];
    const { prepare } = h.receipts;
    h.policy.receipts.prepare = (r) => {
      const id = prepare(r);
      receipts.push(id);
      return id;
    };
    void h.door.run(callOf('container_update', { container: 'web' }, { principal: keeper }));
    await vi.advanceTimersByTimeAsync(10_000);
    Object.assign(changes, was);
    images.pull = was.pull;
    h.held.clear();
    return { ...h, receipt: receipts[0] as string };
  }
  it.each(['pull', 'create', 'stop', 'rename', 'rename 2', 'start'] as const)(
    'at %s: its receipt puts the old one back',
    async (step) => {
      const h = await crashed(step);
      if (step !== 'pull' && step !== 'start')
        expect(failure(await h.update()), step).toMatchObject({
          code: 'conflict',
          message: expect.stringContaining('stopped half way'),
          hint: expect.stringContaining(h.receipt),
        });
      if (step === 'start') {
        expect(failure(await h.update())).toMatchObject({ message: expect.stringContaining(OLD) });
        // As an engine leaves it that came back and started what it found: the new one ended, or runs; the old one may run, too.
        for (const state of ['exited', 'running'] as const) {
          h.docker.container('web').state = state;
          expect(failure(await h.update()), state).toMatchObject({
            message: expect.stringContaining('stopped half way'),
            hint: expect.stringMatching(new RegExp(`${h.receipt}.*to keep the new one`)),
          });
        }
      }
      const first = data(await h.call('undo', { receipt: h.receipt, dry_run: true }));
      expect(first.state).toBe('dry_run');
      expect(data(await h.call('undo', { receipt: h.receipt })).state).toBe('done');
      expect(names(h.docker)).toEqual(['web running']);
      expect(h.docker.container('web').id).toBe(web().id);
    },
  );

  it('an engine that comes back has started the kept one instead of the new one: named, with the way out', async () => {
    const h = await crashed('start');
    h.policy.receipts.list = () => [];
    h.docker.container('web').state = 'exited';
    h.docker.container(OLD).state = 'running';
    expect(failure(await h.update())).toMatchObject({
      code: 'conflict',
      message: `${OLD}, kept by an earlier update, runs instead of web.`,
      hint: expect.stringContaining(`stop ${OLD} and start web`),
    });
  });

  it('a container that somebody else made under the name since is not removed', async () => {
    const h = await crashed('rename 2');
    h.docker.engine.containers.push(fakeContainer('web', { id: 'c'.repeat(64), image: 'redis:8' }));
    expect(failure(await h.call('undo', { receipt: h.receipt }))).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('another container now than the update made'),
    });
    expect(h.docker.engine.containers).toHaveLength(3);
  });
});

describe('undo of an update', () => {
  const done = async () => {
    const h = house();
    const { receipt } = data(await h.update());
    return { ...h, receipt };
  };

  it('puts the old one back and removes the new one, once', async () => {
    const h = await done();
    expect(data(await h.call('undo', { receipt: h.receipt, dry_run: true })).summary).toContain(
      `give ${OLD} its name web again`,
    );
    expect(data(await h.call('undo', { receipt: h.receipt }))).toMatchObject({
      state: 'done',
      summary: 'web is the old container again, running.',
    });
    expect(names(h.docker)).toEqual(['web running']);
    expect(h.docker.container('web').id).toBe(web().id);
    expect(failure(await h.call('undo', { receipt: h.receipt }))).toMatchObject({ code: 'conflict' });
  });

  it.each([
    [
      'the kept one was removed',
      (d: FakeDocker) => void d.changes.remove(OLD, { force: true, volumes: false }),
      'has been removed since',
    ],
    ['the kept one was renamed', (d: FakeDocker) => void d.changes.rename(OLD, 'x'), 'is called x now'],
    [
      'the new one was removed',
      (d: FakeDocker) => void d.changes.remove('web', { force: true, volumes: false }),
      'there is no web now',
    ],
    [
      'the new one was replaced',
      (d: FakeDocker) => Object.assign(d.container('web'), { id: 'd'.repeat(64) }),
      'another container now',
    ],
  ])('not when %s', async (_what, move, words) => {
    const h = await done();
    move(h.docker);
    const had = names(h.docker);
    expect(failure(await h.call('undo', { receipt: h.receipt }))).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(words),
    });
    expect(names(h.docker)).toEqual(had);
  });
});

describe('what is not updated so', () => {
  it.each([
    ['of a stack', { labels: { 'com.docker.compose.project': 'shop' } }, 'stack_apply'],
    ['of a swarm', { labels: { 'com.docker.swarm.service.name': 's' } }, 'Update it there'],
    ['made with --rm', { hostConfig: { AutoRemove: true } }, 'by hand'],
    ['stopped', { state: 'exited' as const }, 'Start it first'],
    ['paused', { state: 'paused' as const }, 'Unpause it first'],
  ])('%s', async (_what, over, hint) => {
    const h = house(over);
    expect(failure(await h.update())).toMatchObject({ code: 'conflict', hint: expect.stringContaining(hint) });
    expect(h.done()).toEqual([]);
  });

  it('not while another lives in its network', async () => {
    const h = house({}, { others: [fakeContainer('torrent', { networks: [], networkMode: `container:${web().id}` })] });
    expect(failure(await h.update())).toMatchObject({
      message: expect.stringMatching(/^torrent uses the network of web/),
    });
  });

  it.each([
    [{ privileged: true }, 'privileged'],
    [
      { mounts: [{ type: 'bind', source: '/var/run/docker.sock', destination: '/s', writable: false, name: null }] },
      'socket',
    ],
    [{ networkMode: 'host' }, 'host’s network'],
    [{ devices: ['/dev/dri'] }, 'device'],
    [{ hostConfig: { UTSMode: 'host' } }, 'name of the host'],
    [{ hostConfig: { VolumesFrom: ['x'] } }, 'volumes of x'],
  ])('what may do much to the host needs a person’s yes, who sees why: %j', async (over, words) => {
    const h = house(over as Partial<FakeContainer>);
    expect(failure(await h.update())).toMatchObject({
      code: 'permission',
      message: expect.stringContaining(words),
      hint: expect.stringContaining('host_access'),
    });
    const asked = await h.update({ host_access: true });
    expect(asked.status).toBe('pending');
    expect(data(asked).summary).toContain(words);
    expect(h.done()).toEqual([]);
    h.yes();
    expect(data(await h.update({ host_access: true })).state).toBe('done');
  });
});
