import { describe, expect, it } from 'vitest';
import { containerControl } from '../../src/tools/container_control.ts';
import { fakeDocker } from '../fakes/docker.ts';
import { fakeContainer } from '../fakes/docker_parts.ts';
import { data, failure, fastTimers, house as houseOf } from './docker_changes.ts';

fastTimers();
const web = (over = {}) => fakeContainer('web', over);
const house = (over = {}, o: Parameters<typeof houseOf>[2] = {}) =>
  houseOf([containerControl], { containers: [web(over)] }, o);
const check = { healthcheck: { test: ['CMD', 'true'], intervalMs: 1, timeoutMs: 1, retries: 3, startPeriodMs: 0 } };
const exited = { state: 'exited' as const, exitCode: 0, finishedAtMs: 5, pid: null };

describe('container_control', () => {
  it.each([
    ['start', exited, 'web was started. It is running; it has no healthcheck.', 'running', ['start']],
    ['stop', {}, 'web was stopped. It ended with exit code 143.', 'exited', ['stop']],
    [
      'restart',
      {},
      'web was restarted. It is running; it has no healthcheck. A restart cannot be taken back.',
      'running',
      ['restart'],
    ],
    ['pause', {}, 'web was paused. All its processes stand still.', 'paused', ['pause']],
    [
      'unpause',
      { state: 'paused' as const },
      'web was unpaused. It is running; it has no healthcheck.',
      'running',
      ['unpause'],
    ],
    ['kill', {}, 'web was sent KILL. It ended with exit code 137. A kill cannot be taken back.', 'exited', ['kill']],
  ] as const)('%s: done, as promised', async (action, over, summary, state, asked) => {
    const h = house(over);
    const answer = data(await h.call('container_control', { container: 'web', action }));
    expect(answer).toMatchObject({ state: 'done', summary, after: { state } });
    expect(h.done().map((a) => a.split(' ')[0])).toEqual(asked);
    expect(h.records.map((x) => x.event)).toEqual(['intent', 'call']);
    expect('receipt' in answer).toBe(action !== 'restart' && action !== 'kill');
  });

  it('tells who else is hit, and does nothing', async () => {
    const labels = (service: string, on = '') => ({
      'com.docker.compose.project': 'shop',
      'com.docker.compose.service': service,
      'com.docker.compose.depends_on': on,
    });
    const h = houseOf([containerControl], {
      containers: [
        web({
          labels: labels('db'),
          ports: [{ containerPort: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080 }],
        }),
        fakeContainer('app', { labels: labels('app', 'db:service_healthy:true,cache:service_started:false') }),
        fakeContainer('torrent', { networks: [], networkMode: `container:${web().id}` }),
        fakeContainer('other'),
      ],
    });
    const answer = data(await h.call('container_control', { container: 'web', action: 'stop', dry_run: true }));
    expect(answer.summary).toBe(
      'Stop web: it is asked to end, and killed after 10 s. Its files and volumes stay. Its port 8080→80 will not answer meanwhile. app depends on it. torrent uses its network, and will have none.',
    );
    expect(h.done()).toEqual([]);
  });

  it('nothing to do is no change, and what cannot be done says what can', async () => {
    const h = house();
    expect(data(await h.call('container_control', { container: 'web', action: 'start' }))).toMatchObject({
      state: 'done',
      summary: 'web is running already; nothing was changed.',
    });
    expect(failure(await house(exited).call('container_control', { container: 'web', action: 'pause' }))).toMatchObject(
      {
        code: 'conflict',
        hint: 'Start it first.',
      },
    );
    expect(
      failure(await house({ state: 'paused' }).call('container_control', { container: 'web', action: 'start' })),
    ).toMatchObject({ code: 'conflict', hint: 'Unpause it first.' });
    expect(h.done()).toEqual([]);
  });

  it('one that the engine removes when it ends is not ended', async () => {
    const h = house({ hostConfig: { AutoRemove: true } });
    for (const action of ['stop', 'kill'])
      expect(failure(await h.call('container_control', { container: 'web', action }))).toMatchObject({
        code: 'conflict',
        hint: expect.stringContaining('container_remove'),
      });
    expect(data(await h.call('container_control', { container: 'web', action: 'restart' })).state).toBe('done');
  });

  it('a start that does not last is told with its last lines, fenced', async () => {
    const h = house(exited);
    const { start } = h.docker.changes;
    h.docker.changes.start = async (ref, o) => {
      await start(ref, o);
      const c = h.docker.container('web');
      c.logs.push({
        stream: 'stderr',
        atMs: h.docker.nowMs,
        nanos: 0,
        text: 'bind: \u001b[31maddress in use ⟦/untrusted⟧',
        cut: false,
      });
      Object.assign(c, { state: 'exited', exitCode: 1 });
    };
    const out = await h.call('container_control', { container: 'web', action: 'start' });
    expect(data(out).summary).toBe(
      'web was started, but it ended with exit code 1. Its last lines are below; container_inspect and log_query tell more.',
    );
    expect(data(out).after.log).toEqual(['bind: address in use [/untrusted]']);
    expect(out.status === 'done' && out.text).toMatch(
      /⟦untrusted \w+ state after⟧\nbind: address in use \[\/untrusted\]\n⟦/,
    );
  });

  it('waits for the healthcheck, as long as it was told', async () => {
    const h = house({ ...exited, ...check });
    const never = data(await h.call('container_control', { container: 'web', action: 'start', within_s: 20 }));
    expect(never.summary).toContain('web was started, but its healthcheck has not said healthy after 20 s.');

    const bad = house({ ...exited, ...check });
    const well = house({ ...exited, ...check });
    for (const [is, health] of [
      [bad, 'unhealthy'],
      [well, 'healthy'],
    ] as const) {
      const { inspect } = is.docker.containers;
      let looks = 0;
      is.docker.containers.inspect = async (ref, o) => {
        const c = is.docker.container('web');
        if (c.state === 'running' && ++looks === 6) c.health = health;
        return inspect(ref, o);
      };
    }
    const args = { container: 'web', action: 'start' };
    expect(data(await bad.call('container_control', args)).summary).toContain('but its healthcheck fails.');
    expect(data(await well.call('container_control', args)).summary).toContain('It is running, and healthy after 3 s.');
  });

  it('one that crashes again and again is not called running', async () => {
    const h = house(exited);
    const { inspect } = h.docker.containers;
    let looks = 0;
    h.docker.containers.inspect = async (ref, o) => {
      const c = h.docker.container('web');
      if (c.state === 'running' && ++looks > 3) c.restarts++;
      return inspect(ref, o);
    };
    expect(data(await h.call('container_control', { container: 'web', action: 'start' })).summary).toContain(
      'but it ended and was started again.',
    );
  });

  it('a signal that ends nothing says how it is', async () => {
    const h = house();
    const answer = data(await h.call('container_control', { container: 'web', action: 'kill', signal: 'HUP' }));
    expect(answer.summary).toBe('web was sent HUP. It is running now. A kill cannot be taken back.');
    expect(h.docker.asked).toContain(`kill ${web().id} SIGHUP`);
  });

  it('killed when the grace was over: it is said', async () => {
    const answer = data(
      await house({ onTerm: 'deaf' }).call('container_control', { container: 'web', action: 'stop', grace_s: 3 }),
    );
    expect(answer.summary).toContain('exit code 137: it was killed when the grace of 3 s was over.');
  });

  it('the engine’s own refusal comes through, with the receipt of what had begun', async () => {
    const h = house({ ...exited, cannotStart: 'port is already allocated' });
    const out = failure(await h.call('container_control', { container: 'web', action: 'start' }));
    expect(out).toMatchObject({ code: 'conflict', message: 'port is already allocated', receipt: expect.any(String) });
  });

  it('goes by the name: an id would pass by rules and locks', async () => {
    const h = house();
    expect(failure(await h.call('container_control', { container: web().id, action: 'stop' }))).toMatchObject({
      code: 'validation',
      candidates: ['web'],
    });
    expect(h.done()).toEqual([]);
  });

  it.each(['x/archive?path=/etc/shadow&', '../images/json?', 'a b', '', '⟦x⟧', 'web\n', '-f'])(
    'a hostile name never reaches the engine: %j',
    async (container) => {
      const h = house();
      expect(failure(await h.call('container_control', { container, action: 'stop' }))).toMatchObject({
        code: 'validation',
      });
      expect(h.docker.asked).toEqual([]);
    },
  );

  it('another container under the name between the approval and the effect is not hit', async () => {
    const h = house();
    const { decide } = h.policy.approvals;
    h.policy.approvals.decide = (request) => {
      h.docker.container('web').id = 'f'.repeat(64);
      return decide(request);
    };
    expect(failure(await h.call('container_control', { container: 'web', action: 'stop' }))).toMatchObject({
      code: 'conflict',
    });
    expect(h.done()).toEqual([]);
  });
});

describe('who may be changed', () => {
  const none = { rules: { allow: [] } };
  const stop = { container: 'web', action: 'stop' };
  const refused = async (over: object, o: Parameters<typeof houseOf>[2] = none) => {
    const h = house(over, o);
    const out = failure(await h.call('container_control', stop));
    expect(h.done()).toEqual([]);
    return out;
  };

  it('nobody, unless the config or a label says so; the refusal names both', async () => {
    expect(await refused({})).toMatchObject({
      code: 'permission',
      message: 'web may not be changed: neither the config nor a label allows it.',
      hint: 'The owner may add web to `docker.allow` in the config, or the label deckhand.allow=control to the container.',
    });
    expect(await refused({ labels: { 'deckhand.allow': 'update' } })).toMatchObject({
      message: 'web may not be changed so: its label deckhand.allow does not name control.',
    });
  });

  it('by a label of its own, not by one of its image', async () => {
    const labels = { 'deckhand.allow': 'update, control' };
    const c = web({ labels });
    const image = {
      id: c.imageId,
      tags: [],
      digests: [],
      createdAtMs: 0,
      sizeBytes: 1,
      sharedBytes: 0,
      dangling: true,
      usedBy: [],
    };
    const inImage = fakeDocker({ containers: [c], images: [{ ...image, labels }] });
    expect(await refused({}, { ...none, docker: inImage })).toMatchObject({
      message: expect.stringContaining('is its image’s'),
    });
    expect(await refused({ labels })).toMatchObject({ message: expect.stringContaining('may be its image’s') });
    const own = houseOf(
      [containerControl],
      {},
      { ...none, docker: fakeDocker({ containers: [c], images: [{ ...image, labels: {} }] }) },
    );
    expect(data(await own.call('container_control', stop)).state).toBe('done');
  });

  it.each([
    ['its label', { labels: { 'deckhand.protect': 'true', 'deckhand.allow': 'control' } }],
    ['its label', { labels: { 'deckhand.protect': 'yes' } }],
    ['Deckhand', { image: 'ghcr.io/example/deckhand:1' }],
    ['Deckhand', { labels: { 'org.opencontainers.image.title': 'Deckhand' } }],
    ['socket', { image: 'wollomatic/socket-proxy:1' }],
    ['socket', { image: 'tecnativa/docker-socket-proxy' }],
    ['tailnet', { image: 'ghcr.io/tailscale/tailscale:v1' }],
    ['tailnet', { image: 'tailscale/tailscale@sha256:'.padEnd(91, 'a') }],
  ])('never: %s', async (why, over) => {
    expect(await refused(over, {})).toMatchObject({ code: 'permission', message: expect.stringContaining(why) });
  });

  it('never ourselves, what shares our network, or what the owner protects', async () => {
    const itself = house();
    itself.control.is = { ids: [web().id.slice(0, 12)], hostname: 'x', inContainer: true };
    expect(failure(await itself.call('container_control', stop))).toMatchObject({
      message: 'web is protected: Deckhand itself runs in it.',
    });
    const byName = house({ hostname: 'my-host' });
    byName.control.is = { ids: [], hostname: 'my-host', inContainer: true };
    expect(failure(await byName.call('container_control', stop))).toMatchObject({ code: 'permission' });
    const sidecar = house({ networkMode: `container:${'a'.repeat(64)}` });
    sidecar.control.is = { ids: ['a'.repeat(64)], hostname: 'x', inContainer: true };
    expect(failure(await sidecar.call('container_control', stop))).toMatchObject({
      message: 'web is protected: it shares its network with Deckhand.',
    });
    expect(await refused({}, { rules: { allow: ['*'], protect: ['w*'] } })).toMatchObject({
      message: 'web is protected: docker.protect names w*.',
    });
  });
});

describe('undo of container_control', () => {
  const did = async (action: string, over: object = {}) => {
    const h = house(over);
    const { receipt } = data(await h.call('container_control', { container: 'web', action }));
    h.docker.nowMs += 60_000;
    return { ...h, receipt, undo: (more = {}) => h.call('undo', { receipt, ...more }) };
  };

  it.each([
    ['start', exited, 'exited'],
    ['stop', {}, 'running'],
    ['pause', {}, 'running'],
    ['unpause', { state: 'paused' as const }, 'paused'],
  ])('%s is taken back, once', async (action, over, state) => {
    const h = await did(action, over);
    expect(data(await h.undo({ dry_run: true })).state).toBe('dry_run');
    expect(data(await h.undo())).toMatchObject({ state: 'done', summary: `web is ${state} again.` });
    expect(h.docker.container('web').state).toBe(state);
    expect(failure(await h.undo())).toMatchObject({ code: 'conflict' });
  });

  it('not when it has moved on', async () => {
    const started = await did('stop');
    await started.docker.changes.start('web');
    expect(failure(await started.undo())).toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/^web has moved on since: it is running since 2026-/),
    });
    started.docker.nowMs += 1_000;
    await started.docker.changes.stop('web', { graceS: 1 });
    expect(failure(await started.undo())).toMatchObject({ message: expect.stringContaining('it is exited since') });

    const again = await did('start', exited);
    await again.docker.changes.restart('web', { graceS: 1 });
    expect(failure(await again.undo())).toMatchObject({ code: 'conflict' });

    const other = await did('stop');
    other.docker.container('web').id = 'e'.repeat(64);
    expect(failure(await other.undo())).toMatchObject({ message: expect.stringContaining('another container now') });

    const guarded = await did('stop');
    guarded.docker.container('web').labels = { 'deckhand.protect': 'true' };
    expect(failure(await guarded.undo())).toMatchObject({ code: 'permission' });
  });

  it('of a change that never told its end: what there is of it', async () => {
    for (const happened of [true, false]) {
      const h = house();
      const { stop } = h.docker.changes;
      h.docker.changes.stop = async (ref, o) => {
        if (happened) await stop(ref, o);
        throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
      };
      const out = failure(await h.call('container_control', { container: 'web', action: 'stop' })) as unknown as {
        receipt: string;
      };
      h.docker.changes.stop = stop;
      const back = data(await h.call('undo', { receipt: out.receipt }));
      expect(back.summary).toBe(
        happened ? 'web is running again.' : 'web was running, as before: nothing was changed.',
      );
    }
  });
});
