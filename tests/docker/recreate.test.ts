/** What a container that is made again is asked to be, and when it is not the same. */
import { describe, expect, test } from 'vitest';
import { canonical, differences, makingOf } from '../../src/host/docker/recreate.ts';

const raw = (over: Record<string, unknown> = {}) => ({
  Id: 'abcdef012345'.padEnd(64, '0'),
  Name: '/web',
  Config: { Image: 'app:1', Hostname: 'abcdef012345', Env: ['A=1'], Labels: { own: 'yes' } },
  HostConfig: { NetworkMode: 'bridge' },
  Mounts: [],
  NetworkSettings: { Networks: { bridge: { IPAddress: '172.17.0.2', MacAddress: '02:42:ac:11:00:02' } } },
  ...over,
});

test('canonical: order and unset fields say nothing, names without a value do', () => {
  expect(canonical({ B: 1, A: [] })).toBe(canonical({ A: null, B: 1, C: false, D: {} }));
  expect(canonical({ ExposedPorts: { '80/tcp': {} } })).not.toBe(canonical({}));
  expect(canonical({ Tmpfs: { '/run': '' } })).not.toBe(canonical({ Tmpfs: { '/tmp': '' } }));
  expect(canonical({ Privileged: true })).not.toBe(canonical({}));
  expect(canonical(['a', 'b'])).not.toBe(canonical(['b', 'a']));
});

describe('makingOf', () => {
  test('leaves to the image what was the image’s, and keeps the owner’s', () => {
    const old = {
      Env: ['A=1', 'B=2'],
      Cmd: ['run'],
      Labels: { theirs: '1' },
      User: 'app',
      ExposedPorts: { '80/tcp': {} },
    };
    const config = {
      Image: 'app:1',
      Env: ['A=1', 'B=3', 'C=4'],
      Cmd: ['run'],
      User: 'root',
      Labels: { theirs: '1', own: '2' },
      ExposedPorts: { '80/tcp': {}, '81/tcp': {} },
    };
    expect(makingOf(raw({ Config: config }), 'app:2', old, '1.45').body).toMatchObject({
      Image: 'app:2',
      Env: ['B=3', 'C=4'],
      User: 'root',
      Labels: { own: '2' },
      ExposedPorts: { '81/tcp': {} },
    });
    expect(makingOf(raw({ Config: config }), 'app:2', old, '1.45').body).not.toHaveProperty('Cmd');
    // The old image is gone: nothing can be told apart, and all is kept.
    expect(makingOf(raw({ Config: config }), 'app:2', null, '1.45').body).toMatchObject({ ...config, Image: 'app:2' });
  });

  test('a host name made of the id is not kept; one of the owner’s is', () => {
    expect(makingOf(raw(), 'app:2', null, '1.45').body).not.toHaveProperty('Hostname');
    expect(makingOf(raw({ Config: { Hostname: 'boss' } }), 'app:2', null, '1.45').body.Hostname).toBe('boss');
  });

  test('networks: the first with the container, the others one by one; addresses that the engine chose are not asked for', () => {
    const networks = {
      front: {
        IPAMConfig: { IPv4Address: '10.0.0.5' },
        Aliases: ['www', 'abcdef012345'],
        IPAddress: '10.0.0.5',
        MacAddress: '02:42:0a:00:00:05',
      },
      back: { IPAddress: '10.1.0.2', MacAddress: '0a:00:00:00:00:01' },
    };
    const given = raw({ HostConfig: { NetworkMode: 'front' }, NetworkSettings: { Networks: networks } });
    const making = makingOf(given, 'app:2', null, '1.45');
    expect(making.body.NetworkingConfig).toEqual({
      EndpointsConfig: { front: { Aliases: ['www'], IPAMConfig: { IPv4Address: '10.0.0.5' } } },
    });
    expect(making.connect).toEqual([{ network: 'back', endpoint: { MacAddress: '0a:00:00:00:00:01' } }]);
    expect(makingOf(raw(), 'app:2', null, '1.45').connect).toEqual([]);
    // Another's network: nothing of one's own, and no host name.
    const within = raw({
      HostConfig: { NetworkMode: 'container:x' },
      Config: { Hostname: 'h', ExposedPorts: { '1/tcp': {} } },
    });
    const inside = makingOf(within, 'app:2', null, '1.45');
    expect(inside.connect).toEqual([]);
    expect(inside.body).not.toHaveProperty('Hostname');
    expect(inside.body).not.toHaveProperty('ExposedPorts');
  });

  test('volumes without a name are asked for by the name they got; links as they are asked for', () => {
    const given = raw({
      HostConfig: {
        NetworkMode: 'bridge',
        Binds: ['/srv:/srv'],
        Mounts: [{ Type: 'volume', Target: '/b' }],
        Links: ['/db:/web/sql'],
      },
      Mounts: [
        { Type: 'bind', Source: '/srv', Destination: '/srv', RW: true },
        { Type: 'volume', Name: 'aaa', Destination: '/a', RW: false },
        { Type: 'volume', Name: 'bbb', Destination: '/b', RW: true },
      ],
    });
    expect(makingOf(given, 'app:2', null, '1.45').body.HostConfig).toMatchObject({
      Binds: ['/srv:/srv', 'aaa:/a:ro'],
      Mounts: [{ Type: 'volume', Target: '/b', Source: 'bbb' }],
      Links: ['db:sql'],
    });
  });
});

describe('differences', () => {
  const making = () => makingOf(raw(), 'app:2', null, '1.45');
  const made = (over: Record<string, unknown> = {}) =>
    raw({
      Id: 'b'.repeat(64),
      Config: { Image: 'app:2', Env: ['PATH=/bin', 'A=1'], Labels: { own: 'yes', new: '1' } },
      ...over,
    });

  test('none: what the new image adds is not one', () => {
    expect(differences(raw(), making(), made())).toEqual([]);
  });

  test.each([
    [{ HostConfig: { NetworkMode: 'bridge', Privileged: true } }, 'HostConfig.Privileged'],
    [{ HostConfig: { NetworkMode: 'host' } }, 'HostConfig.NetworkMode'],
    [{ Config: { Image: 'app:3', Env: ['A=1'], Labels: { own: 'yes' } } }, 'Config.Image'],
    [{ Config: { Image: 'app:2', Env: ['A=2'], Labels: { own: 'yes' } } }, 'Config.Env.A'],
    [{ Config: { Image: 'app:2', Env: ['A=1'], Labels: {} } }, 'Config.Labels.own'],
    [{ NetworkSettings: { Networks: {} } }, 'Networks.bridge'],
    [{ NetworkSettings: { Networks: { bridge: {}, more: {} } } }, 'Networks.more'],
    [
      { NetworkSettings: { Networks: { bridge: { IPAMConfig: { IPv4Address: '1.2.3.4' } } } } },
      'Networks.bridge.IPAMConfig',
    ],
  ])('%j: %s', (over, what) => {
    expect(differences(raw(), making(), made(over))).toEqual([what]);
  });

  test('a mount that is gone, or another; but no volume that the new image declares', () => {
    const mount = { Type: 'volume', Name: 'v', Source: '/x', Destination: '/v', RW: true };
    const had = raw({ Mounts: [mount] });
    const wanted = makingOf(had, 'app:2', null, '1.45');
    const host = { NetworkMode: 'bridge', Binds: ['v:/v'] };
    expect(differences(had, wanted, made({ HostConfig: host, Mounts: [mount] }))).toEqual([]);
    expect(differences(had, wanted, made({ HostConfig: host }))).toEqual(['Mounts./v']);
    expect(differences(had, wanted, made({ HostConfig: host, Mounts: [{ ...mount, RW: false }] }))).toEqual([
      'Mounts./v',
    ]);
    const fresh = { ...mount, Name: 'n', Destination: '/new' };
    expect(differences(had, wanted, made({ HostConfig: host, Mounts: [mount, fresh] }))).toEqual([]);
  });
});
