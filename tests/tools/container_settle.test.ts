/** Waiting for what a change of a container promised: what ends it early, what does not, and what is said of what never came. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ContainerDetail, ToEngine } from '../../src/core/docker.ts';
import { OpsError } from '../../src/core/errors.ts';
import { alsoHit, neighboursOf, type Promised, settle } from '../../src/tools/container_change.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

type Seen = Partial<ContainerDetail>;
const up: Seen = { state: 'running', health: null, startedAtMs: 1, restarts: 0, error: '', exitCode: null };
const silent = new OpsError('unavailable', 'Docker does not answer.');

/** One look after the other; the last stands for all that follow. */
async function settled(promised: Promised, looks: (Seen | OpsError)[], withinMs = 2_000) {
  let at = 0;
  const inspect = async (_: string, __: ToEngine) => {
    const seen = looks[Math.min(at++, looks.length - 1)] as Seen | OpsError;
    if (seen instanceof OpsError) throw seen;
    return { ...up, ...seen } as ContainerDetail;
  };
  const ctx = { host: { docker: { containers: { inspect } } }, signal: new AbortController().signal } as never;
  const end = settle('id', promised, { to: {}, ctx, withinMs }).then(
    ({ reached, why, waitedMs }) => ({ reached, why, waitedMs }),
    (thrown: OpsError) => thrown.code,
  );
  await vi.runAllTimersAsync();
  return end;
}

test('what runs has to stay up for a while before it counts; what is healthy counts at once', async () => {
  expect(await settled('running', [up])).toEqual({ reached: true, why: null, waitedMs: 3_000 });
  expect(await settled('running', [{ health: 'healthy' }])).toEqual({ reached: true, why: null, waitedMs: 0 });
  expect(await settled('stopped', [{}, {}, { state: 'exited' }])).toEqual({
    reached: true,
    why: null,
    waitedMs: 1_000,
  });
});

test.each<[string, (Seen | OpsError)[]]>([
  ['it is gone', [up, new OpsError('not_found', 'No such container.')]],
  ['it is paused', [up, { state: 'paused' }]],
  ['it ended and was started again', [up, { restarts: 1 }]],
  ['it ended and was started again', [up, { startedAtMs: 2 }]],
  ['its healthcheck fails', [up, { health: 'unhealthy' }]],
  ['it could not be started', [{ state: 'created' }, { state: 'created', error: 'no such file' }]],
  ['it ended with exit code 137', [up, { state: 'exited', exitCode: 137 }]],
  ['it ended with exit code ?', [up, { state: 'exited', exitCode: null }]],
])('%s: it is not waited for any longer', async (why, looks) => {
  expect(await settled('running', looks, 60_000)).toEqual({ reached: false, why, waitedMs: 500 });
});

test('an engine that starts anew meanwhile is waited for; one that stays away is said to be the reason', async () => {
  expect(await settled('stopped', [silent, silent, { state: 'exited' }])).toMatchObject({ reached: true });
  expect(await settled('running', [up, silent])).toEqual({
    reached: false,
    why: 'the engine did not answer',
    waitedMs: 2_000,
  });
  // What is wrong with us and not with the engine is no state of the container.
  expect(await settled('running', [new OpsError('permission', 'The socket is not ours.')])).toBe('permission');
});

test('what never came is said with where it stands instead', async () => {
  expect(await settled('stopped', [up])).toMatchObject({ why: 'it is still running after 2 s' });
  expect(await settled('running', [{ state: 'created' }])).toMatchObject({ why: 'it is still created after 2 s' });
  expect(await settled('running', [{ health: 'starting' }])).toMatchObject({
    why: 'its healthcheck has not said healthy after 2 s',
  });
});

test('who is hit along with it: whoever waits for it in its stack, and whoever lives in its network', async () => {
  const compose = (service: string, on?: string) => ({
    'com.docker.compose.project': 'shop',
    'com.docker.compose.service': service,
    ...(on === undefined ? {} : { 'com.docker.compose.depends_on': on }),
  });
  const c = { id: 'd1', name: 'db', labels: compose('db'), ports: [] } as unknown as ContainerDetail;
  const of = (id: string, labels: object, networks: string[], networkMode = 'bridge') => ({
    ...{ id, name: id, labels, networks, networkMode, state: 'running' },
  });
  const all = [
    of('web', compose('web', 'db:service_healthy:true,cache:service_started:false'), ['shop']),
    of('job', compose('job', 'cache:service_started:false'), ['shop']),
    of('side', {}, [], 'container:d1'),
    of('vpn', {}, [], 'container:db'),
    of('alone', {}, [], 'none'),
    of('gone', {}, [], 'container:d1'),
    of('other', { ...compose('web', 'db:service_healthy:true'), 'com.docker.compose.project': 'else' }, ['else']),
    { ...c, networks: [] },
  ];
  const containers = {
    list: async () => all,
    inspect: async (id: string) => {
      // It was listed, and is no more.
      if (id === 'gone') throw new OpsError('not_found', 'No such container.');
      return all.find((x) => x.id === id);
    },
  };
  const ctx = { host: { docker: { containers } }, signal: new AbortController().signal } as never;
  const hit = await neighboursOf(c, ctx, {});
  expect(hit).toEqual({ needIt: ['web'], shareNetwork: ['side', 'vpn'] });
  expect(alsoHit(c, hit)).toEqual(['web depends on it.', 'side, vpn use its network, and will have none.']);
  const crowd = { needIt: Array.from({ length: 8 }, (_, i) => `w${i}`), shareNetwork: ['side'] };
  expect(alsoHit(c, crowd)).toEqual([
    'w0, w1, w2, w3, w4, w5 and 2 more depend on it.',
    'side uses its network, and will have none.',
  ]);
});
