/**
 * 5,000 hostile references, against everything that takes one: an engine that only listens sees nothing but requests that the adapter is
 * meant to make. The same references through bare dockerode reach other endpoints: the control.
 */
import Docker from 'dockerode';
import { describe, expect, test } from 'vitest';
import { imageParts } from '../../src/core/docker_refs.ts';
import { allowedRequest } from '../../src/host/docker/allowed.ts';
import { EngineError, transportTo } from '../../src/host/docker/transport.ts';
import { upTo } from '../counts.ts';
import { realClock } from './engine.ts';
import { corpus } from './hostile_refs.ts';
import { adapterTo, engineThat, json, scripted } from './scripted.ts';

/** Written down once more, by hand: what the adapter may ever ask, as an engine sees it. */
const C = '[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}';
const I = '(?:[a-zA-Z0-9._-]+(?::\\d+)?/)*[a-z0-9._-]+(?::[\\w.-]+)?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]+)?';
const EXPECTED = [
  'GET /version',
  'GET /v1.45/(?:info|system/df|networks)',
  'GET /v1.45/containers/json(?:\\?[^#]*)?',
  `GET /v1.45/containers/${C}/json(?:\\?size=true)?`,
  `GET /v1.45/containers/${C}/stats\\?stream=false&one-shot=true`,
  `GET /v1.45/containers/${C}/logs\\?[\\w=&.]*`,
  'GET /v1.45/images/json(?:\\?shared-size=true)?',
  `GET /v1.45/(?:images|distribution)/${I}/json`,
  'GET /v1.45/events\\?[^#]*',
  `POST /v1.45/containers/${C}/(?:start|stop|restart|pause|unpause|kill|rename)(?:\\?(?:t=\\d+|signal=SIG[A-Z]+|name=${C}))?`,
  `DELETE /v1.45/containers/${C}\\?force=(?:true|false)&v=(?:true|false)`,
  `POST /v1.45/images/create\\?fromImage=[\\w.%-]+&tag=[\\w.%-]+`,
  `DELETE /v1.45/images/${I}`,
].map((line) => new RegExp(`^${line}$`));
const expected = (asked: string) => EXPECTED.some((e) => e.test(asked));

const anything = engineThat((req, res) => {
  if (req.url?.includes('/logs') || req.url?.includes('/images/create')) return void res.end();
  json(res, req.url?.includes('json?') ? [] : { Id: 'a'.repeat(64), read: '2026-11-20T12:00:00Z' });
});
const quiet = (run: Promise<unknown>) => run.catch(() => {});

test('the corpus is large, and some of it is well-formed', () => {
  expect(corpus).toHaveLength(upTo(5_000, 1_000));
  expect(corpus.filter((r) => imageParts(r)).length).toBeGreaterThan(upTo(50, 20));
});

describe('an engine that only listens', () => {
  test('hears from the adapter only what it is meant to ask', { timeout: 120_000 }, async () => {
    await using engine = await scripted(anything);
    const { docker } = adapterTo(engine.socket);
    const { containers, images, changes } = docker;
    for (const ref of corpus)
      await Promise.all([
        quiet(containers.inspect(ref, { size: true })),
        quiet(containers.runs([ref])),
        quiet(containers.samples([ref])),
        quiet(containers.logs(ref, { maxBytes: 100 }).next()),
        quiet(containers.events(ref, { sinceMs: 0, most: 1 })),
        quiet(images.inspect(ref)),
        quiet(images.remoteDigest(ref)),
        quiet(images.pull(ref, {})),
        quiet(images.remove(ref)),
        quiet(changes.start(ref)),
        quiet(changes.stop(ref, { graceS: 1 })),
        quiet(changes.kill(ref, { signalName: 'SIGHUP' })),
        quiet(changes.remove(ref, { force: true, volumes: false })),
        quiet(changes.rename(ref, 'new')),
        quiet(changes.rename('web', ref)),
      ]);
    expect(engine.asked.length).toBeGreaterThan(500);
    expect([...new Set(engine.asked.filter((a) => !expected(a)))]).toEqual([]);
    docker.close();
  });

  test('hears nothing else even when a reference slips through to dockerode', { timeout: 120_000 }, async () => {
    await using engine = await scripted(anything);
    const transport = transportTo({ kind: 'unix', path: engine.socket });
    const call = { signal: new AbortController().signal, version: '1.45', after: realClock.after };
    const docker = new Docker({ modem: transport.modem(call) });
    for (const ref of corpus)
      await Promise.all([
        quiet(docker.getContainer(ref).inspect()),
        quiet(docker.getContainer(ref).start()),
        quiet(docker.getContainer(ref).remove({ force: true, v: false })),
        quiet(docker.getImage(ref).inspect()),
        quiet(docker.getImage(ref).remove()),
      ]);
    expect([...new Set(engine.asked.filter((a) => !expected(a)))]).toEqual([]);
    transport.close();
  });

  test('control: hears of other endpoints from bare dockerode', { timeout: 120_000 }, async () => {
    await using engine = await scripted(anything);
    const Bare = Docker as unknown as new (o: { socketPath: string }) => Docker;
    const docker = new Bare({ socketPath: engine.socket });
    for (const ref of corpus) await quiet(docker.getContainer(ref).inspect());
    const others = engine.asked.map((a) => a.replace(' /', ' /v1.45/')).filter((a) => !expected(a));
    expect(others.some((a) => a.includes('/archive?path=/etc/shadow'))).toBe(true);
    expect(others.some((a) => a.includes('/containers/../images/json'))).toBe(true);
    expect(new Set(others).size).toBeGreaterThan(100);
  });
});

test('of dockerode’s other powers none gets out', async () => {
  await using engine = await scripted(anything);
  const transport = transportTo({ kind: 'unix', path: engine.socket });
  const call = { signal: new AbortController().signal, version: '1.45', after: realClock.after };
  // biome-ignore lint/suspicious/noExplicitAny: its whole API, which our types do not have
  const docker = new Docker({ modem: transport.modem(call) }) as any;
  const web = docker.getContainer('web');
  const powers: (() => Promise<unknown>)[] = [
    () => web.exec({ Cmd: ['id'] }),
    () => web.getArchive({ path: '/etc/shadow' }),
    () => web.putArchive(Buffer.from(''), { path: '/' }),
    () => web.infoArchive({ path: '/' }),
    () => web.export(),
    () => web.attach({ stream: true, stdin: true }),
    () => web.commit({}),
    () => web.top(),
    () => web.update({ Memory: 1 }),
    () => web.update({ RestartPolicy: { Name: 'no' }, Devices: [] }),
    () => web.changes(),
    () => web.resize({}),
    () => web.logs({ follow: true }),
    () => web.stop({ t: 1, signal: 'SIGKILL' }),
    () => docker.buildImage('x'),
    () => docker.loadImage('x'),
    () => docker.importImage('x'),
    () => docker.pruneContainers(),
    () => docker.pruneVolumes(),
    () => docker.pruneNetworks(),
    () => docker.createVolume({ Name: 'x' }),
    () => docker.createNetwork({ Name: 'x' }),
    () => docker.listSecrets(),
    () => docker.listConfigs(),
    () => docker.listServices(),
    () => docker.listPlugins(),
    () => docker.swarmInspect(),
    () => docker.swarmInit({}),
    () => docker.getVolume('x').remove(),
    () => docker.getNetwork('x').remove(),
    () => docker.getImage('x').get(),
    () => docker.getImage('x').push({}),
    () => docker.getImage('x').tag({ repo: 'y' }),
    () => docker.searchImages({ term: 'x' }),
    () => docker.checkAuth({ username: 'x', password: 'y' }),
  ];
  for (const power of powers) {
    await expect(Promise.resolve().then(power), String(power)).rejects.not.toBeInstanceOf(EngineError);
  }
  expect(engine.asked).toEqual([]);
  transport.close();
});

test.each([
  ['GET', '/containers/web/json', ['size'], true],
  ['GET', '/containers/web/json', ['other'], false],
  ['POST', '/containers/web/json', [], false],
  ['get', '/containers/web/json', [], false],
  ['GET', '/containers/web%2f..%2fx/json', [], false],
  ['GET', '/containers//json', [], false],
  ['GET', '/containers/web/json/', [], false],
  ['GET', '/images/team/app:1/json', [], true],
  ['GET', '/images/../json', [], false],
  ['GET', '/images/a/../b/json', [], false],
  ['DELETE', '/images/a/b', [], true],
  ['DELETE', '/volumes/a', [], false],
  ['HEAD', '/containers/web/archive', ['path'], false],
])('the table: %s %s %j is %s', (method, path, query, fine) => {
  const ask = () => allowedRequest(method, path, query);
  if (fine) expect(ask).not.toThrow();
  else expect(ask).toThrow(/not in the list/);
});
