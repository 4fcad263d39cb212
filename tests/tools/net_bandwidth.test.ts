import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it, vi } from 'vitest';
import type { ToolContext } from '../../src/core/call.ts';
import type { ContainerDetail, ContainerSummary } from '../../src/core/docker.ts';
import { OpsError } from '../../src/core/errors.ts';
import type { NetCounters } from '../../src/core/host.ts';
import { type NetHost, socketKey } from '../../src/core/net.ts';
import { type NetBandwidthAnswer, netBandwidth } from '../../src/tools/net_bandwidth.ts';
import { fakeContainer } from '../fakes/docker_parts.ts';
import { fakeSnapshot } from '../fakes/host.ts';
import { type FakePeer, fakeMeasure } from '../fakes/measure.ts';
import { fakeNet, fakeSockets } from '../fakes/net.ts';
import { fakeProbes } from '../fakes/probes.ts';
import { ask, context } from './context.ts';

// Time passes with each pause, and with nothing else.
let now = 0;
vi.mock('node:timers/promises', async (original) => {
  const real = await original<typeof import('node:timers/promises')>();
  const setTimeout = async (ms: number, value?: unknown, o?: object) => {
    if (value !== undefined) return real.setTimeout(ms, value, o);
    now += ms;
    return value;
  };
  return { ...real, setTimeout };
});

const device = (name: string, rxBytes: number, over: Partial<NetCounters> = {}): NetCounters => ({
  ...{ name, rxBytes, txBytes: rxBytes / 10, rxPackets: 0, txPackets: 0, rxErrors: 0, txErrors: 0, rxDropped: 0 },
  ...{ txDropped: 0, state: 'up', speedMbit: 1_000 },
  ...over,
});

function watching(net: Partial<NetHost> = {}, also: Partial<ToolContext> = {}): ToolContext {
  now = 0;
  // Twice as fast in the second half.
  const carried = () => 1_000_000 * (now / 1_000 + Math.max(0, now / 1_000 - 5));
  const ctx = context(
    {
      snapshot: () => ({
        ...fakeSnapshot(0),
        atMs: now,
        networks: {
          value: [
            device('eth0', carried(), { rxDropped: now > 4_000 ? 7 : 0 }),
            device('lo', 0),
            device('veth9', 0),
            device('docker0', carried() / 4),
          ],
        },
      }),
    },
    also,
  );
  ctx.host.net = fakeNet({
    tcpDetails: async () => ({
      value: new Map(
        fakeSockets
          .filter((s) => s.state === 'ESTAB')
          .map((s, i) => [
            socketKey(s),
            { rttMs: 1, retransmits: 0, bytesSent: (i + 1) * now * 10, bytesReceived: now },
          ]),
      ),
    }),
    ...net,
  });
  return ctx;
}
const bandwidth = (args: unknown, ctx: ToolContext) => ask<NetBandwidthAnswer>(netBandwidth, args, ctx);

describe('watching', () => {
  it('tells each interface with its course, and who it was', async () => {
    const { data, text } = await bandwidth({}, watching());
    expect(data).toMatchObject({ windowMs: 10_000, samples: 20, whose: 'host', test: null });
    expect(data.interfaces.map((i) => i.name)).toEqual(['eth0', 'docker0']);
    expect(data.interfaces[0]).toMatchObject({
      rx: {
        bytesPerSecond: 1_500_000,
        min: 1_000_000,
        median: 1_500_000,
        peak: 2_000_000,
        spark: '▅▅▅▅▅▅▅▅▅▅██████████',
      },
      drops: 7,
      errors: 0,
    });
    expect(data.processes).toMatchObject([
      { process: 'nginx', pid: 311, receivedBytesPerSecond: 3_000, sentBytesPerSecond: 60_000, connections: 3 },
      { process: 'crunch (v2) x', sentBytesPerSecond: 40_000, connections: 1, peer: '9.9.9.9' },
    ]);
    expect(data.unknown.map((u) => u.what)).toEqual(['UDP (QUIC, DNS, VPN) by process']);
    expect(text).toMatchInlineSnapshot(`
      "10 s, 20 samples
      interface             mean         min      median        peak  course                wrong
      eth0       in    1.4 MiB/s   977 KiB/s   1.4 MiB/s   1.9 MiB/s  ▅▅▅▅▅▅▅▅▅▅██████████  7 drops
      -          out   146 KiB/s  97.7 KiB/s   146 KiB/s   195 KiB/s  ▅▅▅▅▅▅▅▅▅▅██████████  -
      docker0    in    366 KiB/s   244 KiB/s   366 KiB/s   488 KiB/s  ▅▅▅▅▅▅▅▅▅▅██████████  -
      -          out  36.6 KiB/s  24.4 KiB/s  36.6 KiB/s  48.8 KiB/s  ▅▅▅▅▅▅▅▅▅▅██████████  -
      process                     in         out  connections  most with
      nginx (311)          2.9 KiB/s  58.6 KiB/s            3  192.168.1.22
      crunch (v2) x (900)   1000 B/s  39.1 KiB/s            1  9.9.9.9
      unknown: UDP (QUIC, DNS, VPN) by process: the kernel counts the bytes of TCP connections only; retransmits are in what was sent"
    `);
    expect(encode(text).length).toBeLessThanOrEqual(600);
  });

  it('says what cannot be told: no ss, an old kernel, counters that cannot be read', async () => {
    const none = await bandwidth({ seconds: 2 }, watching({ tcpDetails: async () => ({ value: null, why: 'no ss' }) }));
    expect(none.data.processes).toEqual([]);
    expect(none.data.unknown).toContainEqual({ what: 'processes', why: 'no ss' });
    const old = new Map([
      [socketKey(fakeSockets[4] as never), { rttMs: 1, retransmits: 0, bytesSent: null, bytesReceived: null }],
    ]);
    const kernel = await bandwidth({ seconds: 2 }, watching({ tcpDetails: async () => ({ value: old }) }));
    expect(kernel.data.unknown[0]?.why).toContain('counts no bytes');
    const ctx = watching();
    const { snapshot } = ctx.host.system;
    ctx.host.system.snapshot = () => ({ ...snapshot(), networks: { value: null, why: 'not there' } });
    const blind = await bandwidth({ seconds: 2 }, ctx);
    expect(blind.data).toMatchObject({ interfaces: [], windowMs: 0 });
    expect(blind.data.unknown).toContainEqual({ what: 'rates of interfaces', why: 'not there' });
  });

  it('tells containers by the counters of their own network, and whose network others use', async () => {
    const carried = async (pid: number) =>
      pid === 77 ? { value: { atMs: now, rxBytes: now * 50, txBytes: now } } : { value: null, why: 'gone' };
    const ctx = watching({ carried }, { offers: () => true });
    const box = (name: string, pid: number, networkMode: string) => ({
      ...fakeContainer(name, { id: name }),
      pid,
      networkMode,
    });
    const boxes = [box('web', 77, 'bridge'), box('proxy', 78, 'host'), box('odd', 79, 'bridge')];
    ctx.host.docker.containers.list = async () => boxes as unknown as ContainerSummary[];
    ctx.host.docker.containers.inspect = async (id) => boxes.find((b) => b.name === id) as unknown as ContainerDetail;
    const { data, text } = await bandwidth({ seconds: 4 }, ctx);
    expect(data.containers).toEqual([
      { name: 'web', rxBytesPerSecond: 50_000, txBytesPerSecond: 1_000, shares: null },
      { name: 'proxy', rxBytesPerSecond: null, txBytesPerSecond: null, shares: 'host' },
    ]);
    expect(data.unknown.map((u) => u.what)).toContain('rates of container odd');
    expect(text).toContain('network of host');
  });

  it('refuses what goes with a peer only', async () => {
    for (const args of [{ mib: 3 }, { direction: 'up' }])
      await expect(bandwidth(args, watching())).rejects.toMatchObject({ code: 'validation' });
  });
});

function near(peers: Record<string, FakePeer>, names: Record<string, string[]> = {}, deny: string[] = []) {
  const spent: string[] = [];
  const ctx = context({}, { probing: { spend: (address, port) => void spent.push(`${address}:${port}`) } });
  const measure = fakeMeasure(peers);
  ctx.host.measure = measure;
  ctx.host.probes = fakeProbes({ names, settings: { allow: [], deny } });
  return { ctx, spent, asked: measure.asked };
}

describe('measuring', () => {
  it('asks idle, down and up, and spends each connection', async () => {
    const { ctx, spent, asked } = near({ nas: { url: 'https://nas.lan' } }, { 'nas.lan': ['192.168.7.5'] });
    const { data, text } = await bandwidth({ peer: 'nas' }, ctx);
    expect(asked).toEqual(['open nas 192.168.7.5:443', 'idle 15', 'down 67108864 10', 'up 67108864 10', 'close']);
    expect(spent).toEqual(['192.168.7.5:443', '192.168.7.5:443', '192.168.7.5:443']);
    expect(data.interfaces).toEqual([]);
    expect(data.test).toMatchObject({
      peer: 'nas',
      encrypted: true,
      idleRttMs: { requests: 3, min: 1, median: 2, max: 3 },
      down: { mbitPerSecond: 268.4, bytes: 67_108_864, ms: 2_000, ended: 'bytes', rttRisesMs: 28 },
    });
    expect(text).toMatchInlineSnapshot(`
      "to nas (192.168.7.5:443, TLS); idle: median 2 ms, 1 to 3 ms
      down: 268.4 Mbit/s (median 2684.4, peak 2684.4) ██  64.0 MiB in 2 s
        under load: median 30 ms, to 40 ms (+28 ms). Latency stays low under load.
      up: 268.4 Mbit/s (median 2684.4, peak 2684.4) ██  64.0 MiB in 2 s
        under load: median 30 ms, to 40 ms (+28 ms). Latency stays low under load."
    `);
    expect(encode(text).length).toBeLessThanOrEqual(400);
  });

  it('one way, fewer bytes and seconds; latency that rises is said', async () => {
    const samples = Array.from({ length: 60 }, () => 250_000);
    const slow = { bytes: 15e6, ms: 6_000, samples, rttsMs: [400, 500], ended: 'time' as const };
    const { ctx, asked } = near({ nas: { url: 'http://10.1.2.3:7070', up: slow } });
    const { data, text } = await bandwidth({ peer: 'nas', direction: 'up', mib: 20, seconds: 6 }, ctx);
    expect(asked).toContain('up 20971520 6');
    expect(data.test).toMatchObject({
      down: null,
      up: { mbitPerSecond: 20, peakMbit: 20, ended: 'time', rttRisesMs: 448 },
    });
    expect([...(data.test?.up?.spark ?? '')].length).toBeLessThanOrEqual(25);
    expect(text).toContain('not encrypted');
    expect(text).toContain('CAKE');
  });

  it('takes the next address of a name when one does not answer, and closes when a stream fails', async () => {
    const away = near(
      { nas: { url: 'https://nas.lan:8443', open: new OpsError('unavailable', 'no') } },
      { 'nas.lan': ['2001:db8::1', '192.0.2.1'] },
    );
    await expect(bandwidth({ peer: 'nas' }, away.ctx)).rejects.toMatchObject({ code: 'unavailable' });
    expect(away.asked).toEqual(['open nas 2001:db8::1:8443', 'open nas 192.0.2.1:8443']);
    const failing = near(
      { nas: { url: 'https://nas.lan', down: new OpsError('limit', 'busy') } },
      { 'nas.lan': ['192.0.2.1'] },
    );
    await expect(bandwidth({ peer: 'nas' }, failing.ctx)).rejects.toMatchObject({ code: 'limit' });
    expect(failing.asked.at(-1)).toBe('close');
  });

  it('goes to no address that the owner has not named, to no metadata service, and not where net.deny says no', async () => {
    const { ctx, asked } = near(
      { nas: { url: 'https://nas.lan' }, attic: { url: 'https://attic.lan' } },
      { 'nas.lan': ['192.0.2.1', '169.254.169.254'], 'attic.lan': ['10.9.9.9'] },
      ['10.9.0.0/16'],
    );
    await expect(bandwidth({ peer: 'nas' }, ctx)).rejects.toMatchObject({ code: 'permission' });
    await expect(bandwidth({ peer: 'attic' }, ctx)).rejects.toMatchObject({ code: 'permission' });
    await expect(bandwidth({ peer: 'nass' }, ctx)).rejects.toMatchObject({
      code: 'not_found',
      details: { candidates: expect.arrayContaining(['nas']) },
    });
    await expect(bandwidth({ peer: 'nas', seconds: 11 }, ctx)).rejects.toMatchObject({ code: 'validation' });
    await expect(bandwidth({ peer: 'nas' }, near({}).ctx)).rejects.toMatchObject({ code: 'unavailable' });
    for (const peer of ['https://evil.example', '10.0.0.1', 'a/b'])
      expect(netBandwidth.input.safeParse({ peer }).success).toBe(false);
    expect(asked).toEqual([]);
  });
});
