/**
 * What every DockerHost does, the fake and the adapter in front of real engines alike: the same expectations, so that tools which are
 * tested with the fake meet no other engine in the field.
 */
import { expect, test } from 'vitest';
import type { DockerHost, LogEnd, LogLine, LogWindow } from '../../src/core/docker.ts';
import { OpsError } from '../../src/core/errors.ts';

export interface World {
  docker: DockerHost;
  /** Runs, and goes on. */
  running: string;
  /** Said `one` and `two` on stdout and `bad` on stderr, and ended with 3. */
  ended: string;
  /** Carries the label `lab=yes`, as the only one. */
  labelled: string;
  image: string;
  /** Whether events of the past can be asked for: Podman's file of them is read while it is written. */
  events: boolean;
}

async function failure(run: () => Promise<unknown>): Promise<OpsError> {
  try {
    await run();
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(OpsError);
    return thrown as OpsError;
  }
  throw new Error('it did not fail');
}

export async function allLogs(docker: DockerHost, ref: string, window: Partial<LogWindow> = {}) {
  const lines: LogLine[] = [];
  const reading = docker.containers.logs(ref, { maxBytes: 1_000_000, ...window });
  for (;;) {
    const next = await reading.next();
    if (next.done) return { lines, end: next.value as LogEnd };
    lines.push(next.value);
  }
}

export function readContract(world: () => World): void {
  const idOf = async (name: string) => {
    const found = (await world().docker.containers.list({ all: true })).find((c) => c.name === name);
    if (!found) throw new Error(`no ${name}`);
    return found;
  };

  test('status and info name the same engine', async () => {
    const { docker } = world();
    const { engines, why } = await docker.engines.status();
    expect(why).toBeNull();
    expect(engines[0]).toMatchObject({ answers: true, trouble: null, apiVersion: expect.stringMatching(/^1\.\d+$/) });
    const info = await docker.engines.info();
    expect(info.version).toBe(engines[0]?.version);
    expect(info.name).toBe(engines[0]?.name);
    expect(info.cpus).toBeGreaterThan(0);
    expect(info.memoryBytes).toBeGreaterThan(1e8);
  });

  test('the list has what runs, and with `all` what has ended too', async () => {
    const { docker, running, ended, labelled } = world();
    const some = await docker.containers.list();
    const all = await docker.containers.list({ all: true });
    expect(some.map((c) => c.name)).toContain(running);
    expect(some.map((c) => c.name)).not.toContain(ended);
    expect(all.map((c) => c.name)).toEqual(expect.arrayContaining([running, ended]));
    for (const c of all) {
      expect(c.id).toMatch(/^[0-9a-f]{64}$/);
      expect(c.imageId).toMatch(/^sha256:[0-9a-f]{64}$/);
      expect(c.name).not.toContain('/');
      expect(c.createdAtMs).toBeGreaterThan(Date.UTC(2026, 0));
    }
    expect((await idOf(running)).state).toBe('running');
    expect((await idOf(ended)).state).toBe('exited');
    const byLabel = async (label: string) =>
      (await docker.containers.list({ all: true, labels: [label] })).map((c) => c.name);
    expect(await byLabel('lab=yes')).toEqual([labelled]);
    expect(await byLabel('lab')).toEqual([labelled]);
    expect(await byLabel('lab=no')).toEqual([]);
  });

  test('an inspection, by name, id and short id, says what the list says', async () => {
    const { docker, running } = world();
    const c = await idOf(running);
    const detail = await docker.containers.inspect(running);
    const { id, name, image, imageId, state, health, networks, labels, status } = c;
    expect(detail).toMatchObject({ id, name, image, imageId, state, health, networks, labels });
    // Its age moves on between the two: 'Up Less than a second', 'Up About a minute', 'Up 2 seconds'.
    const ageless = (text: string) => text.replace(/(\d+|less than an?|about an?) (second|minute|hour).*/i, '');
    expect(ageless(detail.status)).toBe(ageless(status));
    expect(detail.startedAtMs).toBeGreaterThan(Date.UTC(2026, 0));
    expect(detail.pid).toBeGreaterThan(0);
    expect(detail.oomKilled).toBe(false);
    expect((await docker.containers.inspect(c.id)).id).toBe(c.id);
    expect((await docker.containers.inspect(c.id.slice(0, 12))).id).toBe(c.id);
  });

  test('what is not there is not found; what cannot be a name is refused; an engine must be known', async () => {
    const { docker, running } = world();
    for (const ask of [
      () => docker.containers.inspect('surely-not-there'),
      () => allLogs(docker, 'surely-not-there'),
      () => docker.images.inspect('surely/not:there'),
    ])
      expect((await failure(ask)).code).toBe('not_found');
    for (const ref of ['', '-x', 'a/b', '../x', 'x?y', 'x%2fy', 'a b', 'x\n'])
      for (const ask of [() => docker.containers.inspect(ref), () => allLogs(docker, ref)])
        expect((await failure(ask)).code, ref).toBe('validation');
    const unknown = await failure(() => docker.containers.inspect(running, { engine: 'nowhere' }));
    expect(unknown.code).toBe('not_found');
    expect(unknown.details.candidates?.length).toBeGreaterThan(0);
  });

  test('runs tell how things ended; what is gone is left out', async () => {
    const { docker, running, ended } = world();
    const [a, b] = [(await idOf(running)).id, (await idOf(ended)).id];
    const runs = await docker.containers.runs([a, b, 'f'.repeat(64)]);
    expect([...runs.keys()].sort()).toEqual([a, b].sort());
    expect(runs.get(a)).toMatchObject({ oomKilled: false, finishedAtMs: null });
    expect(runs.get(b)).toMatchObject({ exitCode: 3, oomKilled: false, finishedAtMs: expect.any(Number) });
  });

  test('samples are of what runs, and their counters grow', async () => {
    const { docker, running, ended } = world();
    const [a, b] = [(await idOf(running)).id, (await idOf(ended)).id];
    const first = await docker.containers.samples([a, b]);
    const second = await docker.containers.samples([a, b]);
    expect([...first.keys()]).toEqual([a]);
    const [one, two] = [first.get(a), second.get(a)];
    expect(two?.atMs).toBeGreaterThan(one?.atMs ?? 0);
    expect(two?.cpu.totalNs).toBeGreaterThanOrEqual(one?.cpu.totalNs ?? 0);
    expect(one?.memory.usageBytes).toBeGreaterThan(0);
    expect(one?.cpu.onlineCpus).toBeGreaterThan(0);
    expect(one?.pids.current).toBeGreaterThan(0);
  });

  test('logs: both streams, one of them, the last lines, a window, a bound', async () => {
    const { docker, ended } = world();
    const { lines, end } = await allLogs(docker, ended);
    expect(lines.filter((l) => l.stream === 'stdout').map((l) => l.text)).toEqual(['one', 'two']);
    expect(lines.filter((l) => l.stream === 'stderr').map((l) => l.text)).toEqual(['bad']);
    for (const l of lines) expect(l.atMs).toBeGreaterThan(Date.UTC(2026, 0));
    expect(end).toMatchObject({ lines: 3, stopped: false });
    expect(end.bytesRead).toBeGreaterThan(10);
    expect((await allLogs(docker, ended, { stderr: false })).lines.map((l) => l.text)).toEqual(['one', 'two']);
    expect((await allLogs(docker, ended, { tail: 1 })).lines).toHaveLength(1);
    const last = Math.max(...lines.map((l) => l.atMs));
    expect((await allLogs(docker, ended, { sinceMs: last + 2_000 })).lines).toEqual([]);
    expect((await allLogs(docker, ended, { untilMs: last - 3_600_000 })).lines).toEqual([]);
    const bounded = await allLogs(docker, ended, { maxBytes: 1 });
    expect(bounded.end.stopped).toBe(true);
  });

  test('events of what has ended tell that it died, and how', async () => {
    const { docker, ended, events } = world();
    if (!events) return;
    const told = await docker.containers.events(ended, { sinceMs: Date.UTC(2026, 0), most: 50 });
    expect(told.find((e) => e.what === 'die')?.detail.exitCode).toBe('3');
  });

  test('images: the list knows who uses what, and an inspection agrees', async () => {
    const { docker, image, running } = world();
    const list = await docker.images.list();
    const found = list.find((i) => i.tags.some((t) => t.endsWith(image)));
    expect(found).toMatchObject({ dangling: false, usedBy: expect.arrayContaining([running]) });
    expect(found?.id).toMatch(/^sha256:[0-9a-f]{64}$/);
    const one = await docker.images.inspect(image);
    expect(one.id).toBe(found?.id);
    expect(one.tags).toEqual(found?.tags);
  });

  test('usage and stacks answer', async () => {
    const { docker } = world();
    const usage = await docker.engines.usage();
    expect(usage.imagesBytes).toBeGreaterThan(0);
    expect(usage.reclaimable.imagesBytes).toBeLessThanOrEqual(usage.imagesBytes);
    expect(await docker.stacks.list()).toEqual([]);
  });

  test('who has left gets no answer', async () => {
    const { docker, running } = world();
    const signal = AbortSignal.abort();
    await expect(docker.containers.list({ signal })).rejects.toThrow();
    await expect(docker.containers.inspect(running, { signal })).rejects.toThrow();
  });
}

/** `name` is a container of its own for this, which ends by TERM. */
export function changeContract(world: () => World & { victim: string }): void {
  test('start, stop, pause, kill, rename, remove: each does what it says, and says why it cannot', async () => {
    const { docker, victim } = world();
    const { changes, containers } = docker;
    const state = async (ref = victim) => (await containers.inspect(ref)).state;
    // Already so is no failure.
    await changes.start(victim);
    expect(await state()).toBe('running');
    await changes.pause(victim);
    expect(await state()).toBe('paused');
    expect((await failure(() => changes.pause(victim))).code).toBe('conflict');
    await changes.unpause(victim);
    await changes.restart(victim, { graceS: 5 });
    expect(await state()).toBe('running');
    await changes.stop(victim, { graceS: 5 });
    await changes.stop(victim, { graceS: 5 });
    expect(await state()).toBe('exited');
    expect((await failure(() => changes.kill(victim, { signalName: 'SIGHUP' }))).code).toBe('conflict');
    await changes.start(victim);
    await changes.kill(victim, { signalName: 'SIGKILL' });
    expect((await containers.inspect(victim)).exitCode).toBe(137);
    await changes.start(victim);
    expect((await failure(() => changes.remove(victim, { force: false, volumes: false }))).code).toBe('conflict');
    await changes.rename(victim, `${victim}-kept`);
    expect((await failure(() => changes.rename(`${victim}-kept`, world().running))).code).toBe('conflict');
    await changes.remove(`${victim}-kept`, { force: true, volumes: true });
    expect((await failure(() => containers.inspect(`${victim}-kept`))).code).toBe('not_found');
    for (const run of [
      () => changes.start(victim),
      () => changes.stop(victim, { graceS: 1 }),
      () => changes.remove(victim, { force: true, volumes: false }),
    ])
      expect((await failure(run)).code).toBe('not_found');
  });
}
