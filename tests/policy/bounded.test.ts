/** What stands behind a name: ids, aliases, redirects and resolved addresses, for a principal whose lists go by names. */
import { describe, expect, test } from 'vitest';
import type { Host } from '../../src/core/host.ts';
import type { Target } from '../../src/core/tool.ts';
import { createAccess } from '../../src/policy/access.ts';
import { boundedHost } from '../../src/policy/bounded.ts';
import { who } from '../fakes/policy.ts';

const tool = { name: 'x', toolset: 'system', core: false, risk: 'read', scopes: { least: null } } as const;
/** What the call of a principal with this one entry gets of the host. */
function bounded(host: object, lists: { allow?: string[]; deny?: string[] }, targets: Target[]): Host {
  const entry = { who: '*', roles: [], allow: [], deny: [], ...lists };
  const access = createAccess({ roles: [], principals: [entry], tools: [tool], log: { warn() {} } });
  return boundedHost(host as Host, access.bounds(who('token:a', ['admin']), tool, { scopes: [], targets }), targets);
}
const code = (work: Promise<unknown>) =>
  work.then(
    (value) => value,
    (e) => e.code as string,
  );

describe('containers', () => {
  const ids: Record<string, string> = { web: 'ab12'.repeat(16), db: 'cd34'.repeat(16) };
  const asked: unknown[] = [];
  /** An engine takes a name, an id, or the beginning of one. */
  const named = (ref: string) => Object.keys(ids).find((n) => n === ref || ids[n]?.startsWith(ref)) ?? 'gone';
  const docker = {
    containers: {
      list: async () => [],
      inspect: async (ref: string, to: unknown) => {
        asked.push(to);
        return { name: named(ref), id: ids[named(ref)] };
      },
      events: async (ref: string) => [named(ref)],
      async *logs(ref: string) {
        yield { text: named(ref) };
        return { lines: 1 };
      },
    },
    changes: {
      stop: async (ref: string) => named(ref),
      raw: async (ref: string) => ({ name: named(ref) }),
      recreate: async () => 'made',
    },
    images: {
      list: async () => [],
      inspect: async () => ({
        tags: ['docker.io/library/nginx:latest', 'me/app:2'],
        digests: [`nginx@sha256:${'1'.repeat(64)}`],
      }),
      remove: async (ref: string) => ref,
      pull: async (ref: string) => ref,
    },
  };
  const deny = { deny: ['container:db'] };
  const of = (ref: string, lists: object = deny) =>
    bounded({ docker }, lists, [
      { kind: 'path', name: '/srv' },
      { kind: 'container', name: ref },
    ]).docker;

  test('an id of a denied one opens nothing; its bare engine would (control)', async () => {
    expect(await code(docker.containers.inspect('cd34', {}))).toMatchObject({ name: 'db' });
    const d = of('cd34');
    for (const work of [
      d.containers.inspect('cd34'),
      d.containers.events('cd34', { sinceMs: 0, most: 1 }),
      d.changes.stop('cd34', { graceS: 1, engine: 'prod' }),
      d.changes.raw('cd34'),
      d.containers.logs('cd34', { maxBytes: 1 }).next(),
    ])
      expect(await code(work)).toBe('permission');
    expect(asked).toContainEqual({ graceS: 1, engine: 'prod' });
  });

  test('a name goes through, and so does an id that the engine itself gave', async () => {
    const d = of('web');
    expect(await d.containers.inspect('web')).toMatchObject({ name: 'web' });
    expect(await d.changes.stop('web', { graceS: 1 })).toBe('web');
    expect(await d.changes.stop(ids.db as string, { graceS: 1 })).toBe('db');
    expect((await d.containers.logs('web', { maxBytes: 1 }).next()).value).toMatchObject({ text: 'web' });
    expect(await of('prod/cd34').containers.list()).toEqual([]);
    expect(await code(of('prod/cd34').containers.inspect('cd34'))).toBe('permission');
  });

  test('an engine that fails is asked anew', async () => {
    let down = true;
    const flaky = {
      ...docker,
      containers: {
        ...docker.containers,
        inspect: async (ref: string) => {
          if (down) throw new Error('away');
          return { name: named(ref) };
        },
      },
    };
    const d = bounded({ docker: flaky }, deny, [{ kind: 'container', name: 'web' }]).docker;
    await expect(d.containers.inspect('web')).rejects.toThrow('away');
    down = false;
    expect(await d.containers.inspect('web')).toMatchObject({ name: 'web' });
  });

  test('images are named by tag or digest, not by id', async () => {
    const image = (ref: string) =>
      bounded({ docker }, { deny: ['image:secret*'] }, [{ kind: 'image', name: ref }]).docker.images;
    for (const ref of ['nginx', 'library/nginx:latest', 'me/app:2', `nginx:1@sha256:${'1'.repeat(64)}`])
      expect(await code(image(ref).remove(ref)), ref).toBe(ref);
    for (const ref of ['a'.repeat(64), 'deadbeef', 'nginx:2', '??'])
      expect(await code(image(ref).remove(ref)), ref).toBe('permission');
    expect(await image('new/one').pull('new/one', {})).toBe('new/one');
    expect(await code(of('web').images.remove('deadbeef'))).toBe('deadbeef');
  });
});

test('units: another name of one is refused, its own goes through; without systemd there is nothing to ask', async () => {
  let there = true;
  const services = {
    self: () => ['me'],
    available: () => (there ? { value: {} } : { value: null, why: 'none' }),
    list: async () => 'list',
    timers: async () => 'timers',
    show: async (units: string[]) => units.map((u) => ({ name: u === 'sshd.service' ? 'ssh.service' : u })),
    files: async () => 'files',
    changed: async () => 'changed',
    exposure: async () => 'exposure',
    control: async () => 'control',
  };
  const of = (name: string) => bounded({ services }, { deny: ['unit:ssh'] }, [{ kind: 'unit', name }]).services;
  const all = (s: ReturnType<typeof of>, unit: string) =>
    Promise.all([
      code(s.show([unit])),
      code(s.files(unit)),
      code(s.changed(unit)),
      code(s.exposure(unit)),
      code(s.control(unit, 'stop', { timeoutMs: 1, signal: new AbortController().signal })),
    ]);
  expect(await all(of('sshd.service'), 'sshd.service')).toEqual(Array(5).fill('permission'));
  expect(await all(of('nginx.service'), 'nginx.service')).toEqual([
    [{ name: 'nginx.service' }],
    'files',
    'changed',
    'exposure',
    'control',
  ]);
  const s = of('nginx.service');
  expect([s.self(), await s.list(), await s.timers(), s.available().value]).toEqual([['me'], 'list', 'timers', {}]);
  there = false;
  expect(await code(of('sshd.service').files('sshd.service'))).toBe('files');
});

test('addresses: a denied network holds after a name was resolved, for redirects, and in every wrapping', async () => {
  const answers: Record<string, string[]> = {
    'inside.example': ['192.0.2.1', '10.0.0.5'],
    'wrapped.example': ['64:ff9b::a00:5'],
    'outside.example': ['192.0.2.1'],
  };
  const asked: string[] = [];
  const probes = {
    resolve: async (name: string) => {
      asked.push(name);
      return { addresses: answers[name] ?? [name], ms: 1 };
    },
  };
  const of = (lists: object) => bounded({ probes }, lists, []).probes;
  const go = (lists: object, name: string) =>
    code(
      of(lists)
        .resolve(name, { timeoutMs: 1 })
        .then(() => 'went'),
    );
  const deny = { deny: ['address:10.0.0.0/8', 'address:*.corp'] };
  expect(
    await Promise.all(['inside.example', 'wrapped.example', '10.1.1.1', 'outside.example'].map((n) => go(deny, n))),
  ).toEqual([...['permission', 'permission', 'permission'], 'went']);
  asked.length = 0;
  expect([await go(deny, 'wiki.corp'), asked]).toEqual(['permission', []]); // not even asked about
  expect([
    await go({ allow: ['address:*.example'] }, 'inside.example'),
    await go({ allow: ['address:*.example'] }, 'x.org'),
  ]).toEqual(['went', 'permission']);
  expect(await go({ allow: ['address:10.0.0.0/8'] }, 'inside.example')).toBe('permission');
});

test('paths: files come within the bounds, and a disk is not looked at as a whole', async () => {
  const within: unknown[] = [];
  const host = {
    files: { within: (b: unknown) => within.push(b) },
    disk: { mountOf: async () => '/', scan: async () => 'all', openDeleted: async () => 'all', history: {} },
  };
  const { disk } = bounded(host, { allow: ['path:/srv'] }, []);
  expect(within).toEqual([{ deny: [], allow: [['/srv']] }]);
  expect([await code(disk.scan('/', {} as never)), await code(disk.openDeleted('/'))]).toEqual([
    'permission',
    'permission',
  ]);
  expect([disk.history, await disk.mountOf('/srv')]).toEqual([undefined, '/']);
});

test('whom no list bounds gets the host as it is', () => {
  const host = {};
  expect(boundedHost(host as Host, null, [])).toBe(host);
  expect(bounded(host, { deny: ['tool:y', 'stack:z'] }, [])).toBe(host);
});
