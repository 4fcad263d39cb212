import { describe, expect, it } from 'vitest';
import { additions, beyond, type Existing, hadBy } from '../../src/insight/stack_additions.ts';
import { stackApply } from '../../src/tools/stack_apply.ts';
import { type FakeContainer, type FakeDocker, fakeDocker } from '../fakes/docker.ts';
import { fakeContainer, fakeImage, fakeInfo } from '../fakes/docker_parts.ts';
import { data, failure, fastTimers, house as houseOf } from './docker_changes.ts';

fastTimers();
const labels = (service: string) => ({
  'com.docker.compose.project': 'shop',
  'com.docker.compose.service': service,
  'com.docker.compose.project.config_files': '/srv/shop/compose.yaml',
});
const one = (service: string, over: Partial<FakeContainer> = {}) =>
  fakeContainer(`shop-${service}-1`, { labels: labels(service), networks: ['shop_default'], ...over });
const plain = { image: 'nginx:1.27', networks: { default: null } };

function house(
  services: Record<string, object>,
  o: { containers?: FakeContainer[]; up?(d: FakeDocker): void; rules?: object } = {},
) {
  const files = { services, name: 'shop' };
  const ran: string[] = [];
  const docker = fakeDocker({
    containers: o.containers ?? [one('app'), one('db', { image: 'postgres:17' })],
    images: [fakeImage('nginx:1.27'), fakeImage('postgres:17')],
    registry: { 'nginx:1.27': { value: `sha256:${'ab'.repeat(32)}` } },
    compose(_project, verb) {
      ran.push(verb);
      if (verb === 'config')
        return { code: 0, out: JSON.stringify({ name: files.name, services: files.services }), err: '' };
      if (verb === 'up') o.up?.(docker);
      if (verb === 'down') docker.engine.containers = [];
      return { code: 0, out: 'step one\nstep two\n', err: '' };
    },
  });
  const h = houseOf([stackApply], {}, { docker, rules: o.rules ?? {} });
  return {
    ...h,
    files,
    ran,
    apply: (verb: string, args = {}) => h.call('stack_apply', { stack: 'shop', verb, ...args }),
  };
}
const both = { app: plain, db: { image: 'postgres:17' } };

describe('stack_apply', () => {
  it('says what becomes of each service, brings it up and tells how it is', async () => {
    const h = house(
      { app: { ...plain, image: 'nginx:1.27' }, db: { image: 'postgres:18' }, cache: { image: 'valkey:8' } },
      {
        containers: [one('app'), one('db', { image: 'postgres:17' }), one('gone')],
        up: (d) => d.engine.containers.push(one('cache', { image: 'valkey:8' })),
      },
    );
    expect(data(await h.apply('up', { dry_run: true })).summary).toBe(
      'Bring shop up as its files say now; containers whose settings or image differ are made anew, with what they wrote outside of volumes lost. app: as it is, unless its settings differ. db: made anew, of postgres:18. cache: created. shop-gone-1: stays, and is in the files no more.',
    );
    expect(h.ran).not.toContain('up');
    const answer = data(await h.apply('up'));
    expect(answer).toMatchObject({
      state: 'done',
      summary: 'shop is up: 4 of 4 containers are well. Made anew: shop-cache-1.',
      after: { containers: { 'shop-cache-1': 'running' } },
    });
  });

  it('what is not well afterwards is named, with its last lines; a task that ended well is', async () => {
    const h = house(both, {
      up(d) {
        Object.assign(d.container('shop-db-1'), { state: 'exited', exitCode: 1 });
        d.container('shop-db-1').logs.push({ stream: 'stderr', atMs: 1, nanos: 0, text: 'no space', cut: false });
        Object.assign(d.container('shop-app-1'), { state: 'exited', exitCode: 0 });
      },
    });
    expect(data(await h.apply('up'))).toMatchObject({
      summary:
        'shop was brought up, but shop-db-1: it ended with exit code 1. No container was made anew. Their last lines are below.',
      after: { containers: { 'shop-app-1': 'ended well' }, log: ['shop-db-1: no space'] },
    });
  });

  it('pull touches no container; down asks, removes and says so', async () => {
    const h = house(both);
    const pull = data(await h.apply('pull'));
    expect(pull.summary).toContain('are pulled');
    expect(data(await h.apply('pull', { dry_run: true })).summary).toContain(
      'app: newer (abababababab). db: the registry does not tell.',
    );
    expect((await h.apply('down')).status).toBe('pending');
    h.yes();
    expect(data(await h.apply('down'))).toMatchObject({
      summary: 'shop is down: its containers and networks are removed, its volumes stay.',
    });
  });

  it.each([
    ['privileged', { privileged: true }],
    ['the network of the host', { network_mode: 'host' }],
    ['the network of the host', { networks: { host: null } }],
    ['the processes of the host', { pid: 'host' }],
    ['the memory segments of the host', { ipc: 'host' }],
    ['the users of the host', { userns_mode: 'host' }],
    ['capability SYS_ADMIN', { cap_add: ['CAP_SYS_ADMIN'] }],
    ['device /dev/sda', { devices: [{ source: '/dev/sda', target: '/dev/sda', permissions: 'rwm' }] }],
    ['device rule a *:* rwm', { device_cgroup_rules: ['a *:* rwm'] }],
    ['GPU', { gpus: 'all' }],
    ['security option seccomp=unconfined', { security_opt: ['seccomp:unconfined'] }],
    ['sysctl kernel.shmmax=1', { sysctls: { 'kernel.shmmax': 1 } }],
    ['runtime evil', { runtime: 'evil' }],
    ['cgroup parent /', { cgroup_parent: '/' }],
    ['volumes of container:x', { volumes_from: ['container:x'] }],
    ['the engine’s socket', { use_api_socket: true }],
    ['a provider', { provider: { type: 'sh' } }],
    ['a privileged hook', { post_start: [{ command: 'x', privileged: true }] }],
    ['label deckhand.allow=control', { labels: { 'deckhand.allow': 'control' } }],
    [
      'mount of /var/run/docker.sock',
      { volumes: [{ type: 'bind', source: '/var/run/docker.sock', target: '/s', read_only: true }] },
    ],
    ['mount of /srv/shop/docker.sock', { volumes: [{ type: 'bind', source: '/srv/shop/docker.sock', target: '/s' }] }],
    ['mount of /etc, to write', { volumes: [{ type: 'bind', source: '/etc', target: '/e' }] }],
    ['mount of /srv/shop/../../etc', { volumes: [{ type: 'bind', source: '/srv/shop/../../etc', target: '/e' }] }],
    ['mount of /srv/shopping', { volumes: [{ type: 'bind', source: '/srv/shopping', target: '/e' }] }],
    ['mount of /etc/shadow', { secrets: [{ source: 'file', target: '/x' }] }],
    ['volume theirs', { volumes: [{ type: 'volume', source: 'theirs', target: '/x' }] }],
    ['mount of /', { volumes: [{ type: 'volume', source: 'sly', target: '/x' }] }],
    ['mount of the kind npipe', { volumes: [{ type: 'npipe', source: 'x', target: '/x' }] }],
    [
      'passes on other mounts',
      { volumes: [{ type: 'bind', source: '/srv/shop/a', target: '/x', bind: { propagation: 'rshared' } }] },
    ],
  ])('files that ask for more of the host are refused: %s', async (words, more) => {
    const h = house(both, { rules: { allow: ['*'], mountRoots: ['/srv/shop/'] } });
    const all = {
      secrets: { file: { file: '/etc/shadow' } },
      volumes: {
        theirs: { name: 'theirs', external: true },
        sly: { driver_opts: { type: 'none', o: 'bind', device: '/' } },
      },
    };
    const { compose } = h.docker.engine;
    h.docker.engine.compose = (p, verb) => {
      const r = compose(p, verb);
      return verb === 'config'
        ? {
            ...r,
            out: JSON.stringify({ ...JSON.parse(r.out), ...all, services: { app: { ...plain, ...more }, db: plain } }),
          }
        : r;
    };
    const out = failure(await h.apply('up'));
    expect(out).toMatchObject({ code: 'permission', message: expect.stringContaining(`app: `) });
    expect(out).toMatchObject({ message: expect.stringContaining(words) });
    expect(h.ran).not.toContain('up');
    expect(h.done()).toEqual([]);
  });

  it('what they have already, and what lies in an allowed folder, goes', async () => {
    const bind = { type: 'bind', source: '/etc', destination: '/e', writable: true, name: null };
    const h = house(
      {
        app: {
          ...plain,
          privileged: true,
          cap_add: ['NET_ADMIN'],
          volumes: [
            { type: 'bind', source: '/etc', target: '/e' },
            { type: 'bind', source: '/srv/shop/new', target: '/n' },
            { type: 'volume', source: 'own', target: '/o' },
          ],
        },
        db: plain,
      },
      {
        containers: [one('app', { privileged: true, capAdd: ['CAP_NET_ADMIN'], mounts: [bind] }), one('db')],
        rules: { allow: ['*'], mountRoots: ['/srv/shop'] },
      },
    );
    expect(data(await h.apply('up')).state).toBe('done');
    // Another service's powers are not its own.
    h.files.services = { app: plain, db: { ...plain, privileged: true } };
    expect(failure(await h.apply('up'))).toMatchObject({ message: expect.stringContaining('db: privileged') });
  });

  it('files that change between the look and the yes are refused; what slipped in is stopped', async () => {
    const h = house(both);
    const { decide } = h.policy.approvals;
    h.policy.approvals.decide = (request) => {
      h.files.services = { app: { ...plain, image: 'evil:1' }, db: plain };
      return decide(request);
    };
    expect(failure(await h.apply('up'))).toMatchObject({ code: 'conflict' });
    expect(h.ran).not.toContain('up');

    const sly = house(both, {
      up(d) {
        d.engine.containers = d.engine.containers.filter((c) => c.name !== 'shop-app-1');
        d.engine.containers.push(one('app', { id: 'e'.repeat(64), privileged: true }));
      },
    });
    expect(failure(await sly.apply('up'))).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('app: privileged'),
      hint: expect.stringContaining('is stopped: shop-app-1'),
    });
    expect(sly.docker.container('shop-app-1').state).toBe('exited');
    expect(sly.docker.container('shop-db-1').state).toBe('running');
  });

  it('all of its containers must be allowed, and none protected', async () => {
    const h = house(both, { rules: { allow: ['shop-app-*'] } });
    expect(failure(await h.apply('up'))).toMatchObject({
      code: 'permission',
      hint: expect.stringContaining('shop-db-1'),
    });
    const kept = house(both, {
      containers: [one('app', { labels: { ...labels('app'), 'deckhand.protect': 'true' } })],
    });
    for (const verb of ['up', 'pull', 'down'])
      expect(failure(await kept.apply(verb))).toMatchObject({ code: 'permission' });
    expect(kept.ran).toEqual([]);
  });

  it('errors say what to do: no plugin, no such stack, bad files, another project, compose that fails', async () => {
    const h = house(both);
    expect(failure(await h.call('stack_apply', { stack: 'shopp', verb: 'up' }))).toMatchObject({
      code: 'not_found',
      candidates: ['shop'],
    });
    expect(failure(await h.call('stack_apply', { stack: '-f/etc', verb: 'up' }))).toMatchObject({ code: 'validation' });
    h.docker.engine.info = fakeInfo({ compose: { value: null, why: 'There is no compose plugin.' } });
    expect(failure(await h.apply('up'))).toMatchObject({ code: 'unavailable', message: 'There is no compose plugin.' });
    const said = (out: string, code = 0, err = '') => {
      const is = house(both);
      is.docker.engine.compose = () => ({ code, out, err });
      return is.apply('up').then(failure);
    };
    expect(await said('', 15, 'services.app.ports contains an invalid type\n⟦/untrusted⟧')).toMatchObject({
      code: 'validation',
      message: 'The files of shop are not valid: services.app.ports contains an invalid type [/untrusted]',
    });
    expect(await said('not json')).toMatchObject({ code: 'validation' });
    expect(await said('{"name":"other"}')).toMatchObject({
      message: expect.stringContaining('another project, other'),
    });
    const fails = house(both);
    const { compose } = fails.docker.engine;
    fails.docker.engine.compose = (p, v) =>
      v === 'up' ? { code: 1, out: '', err: 'port is already allocated' } : compose(p, v);
    expect(failure(await fails.apply('up'))).toMatchObject({
      code: 'conflict',
      message: 'compose up of shop ended with code 1: port is already allocated',
      hint: expect.stringContaining('stack_list'),
    });
  });
});

describe('the words of both sides are the same', () => {
  it('an engine’s record of what compose made of the files adds nothing', () => {
    const host = {
      Privileged: true,
      NetworkMode: 'host',
      PidMode: 'host',
      IpcMode: 'host',
      UTSMode: 'host',
      UsernsMode: 'host',
      CgroupnsMode: 'host',
      CapAdd: ['CAP_NET_ADMIN'],
      Devices: [{ PathOnHost: '/dev/dri' }],
      DeviceCgroupRules: ['c 1:3 r'],
      DeviceRequests: [{ Count: -1 }],
      SecurityOpt: ['seccomp:unconfined'],
      Sysctls: { 'net.x': '1' },
      Runtime: 'nvidia',
      CgroupParent: '/p',
    };
    const is: Existing = {
      service: 'a',
      host,
      labels: { 'deckhand.allow': 'update' },
      networks: ['lan'],
      mounts: [
        { type: 'bind', source: '/etc', name: null, writable: true },
        { type: 'volume', source: '', name: 'v', writable: true },
      ],
    };
    const config = {
      services: {
        a: {
          privileged: true,
          network_mode: 'host',
          pid: 'host',
          ipc: 'host',
          uts: 'host',
          userns_mode: 'host',
          cgroup: 'host',
          cap_add: ['NET_ADMIN'],
          devices: ['/dev/dri:/dev/dri'],
          device_cgroup_rules: ['c 1:3 r'],
          deploy: { resources: { reservations: { devices: [{}] } } },
          security_opt: ['seccomp=unconfined'],
          sysctls: ['net.x=1'],
          runtime: 'nvidia',
          cgroup_parent: '/p',
          labels: ['deckhand.allow=update'],
          networks: { lan: null },
          volumes: [
            { type: 'bind', source: '/etc', target: '/e' },
            { type: 'volume', source: 'v', target: '/v' },
            { type: 'tmpfs', target: '/t' },
          ],
        },
      },
      networks: { lan: { name: 'lan', driver: 'macvlan' } },
      volumes: { v: { name: 'v', external: true } },
    };
    expect(additions(config, hadBy([is]), [])).toEqual([]);
    // Control: without it, each of them is one.
    expect(additions(config, new Map(), []).length).toBeGreaterThanOrEqual(18);
    expect(beyond([is], hadBy([is]), [])).toEqual([]);
    expect(beyond([is], new Map(), []).length).toBeGreaterThan(10);
  });

  it('to write where it was only read, or without no-new-privileges, is more', () => {
    const is: Existing = {
      service: 'a',
      host: { SecurityOpt: ['no-new-privileges:true'] },
      labels: {},
      networks: [],
      mounts: [{ type: 'bind', source: '/etc', name: null, writable: false }],
    };
    const config = { services: { a: { volumes: [{ type: 'bind', source: '/etc', target: '/e' }] } } };
    expect(additions(config, hadBy([is]), [])).toEqual(['a: without no-new-privileges', 'a: mount of /etc, to write']);
  });
});
