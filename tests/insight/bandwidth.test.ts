import { describe, expect, it } from 'vitest';
import type { NetCounters } from '../../src/core/host.ts';
import type { TcpDetail } from '../../src/core/net.ts';
import { socketKey } from '../../src/core/net.ts';
import {
  byProcess,
  courseOf,
  interfacesOf,
  type Look,
  latencySaid,
  median,
  movedIn,
  spark,
} from '../../src/insight/bandwidth.ts';
import { fakeOwner, fakeSocket } from '../fakes/net.ts';

const eth = (rxBytes: number, txBytes: number, over: Partial<NetCounters> = {}): NetCounters => ({
  ...{ name: 'eth0', rxBytes, txBytes, rxPackets: 0, txPackets: 0, rxErrors: 0, txErrors: 0, rxDropped: 0 },
  ...{ txDropped: 0, state: 'up', speedMbit: 1_000 },
  ...over,
});

describe('a course', () => {
  it('is drawn from its own peak; what is not known is no valley', () => {
    expect(spark([0, 1, 2, 3, 4, 5, 6, 7, 8])).toBe('▁▂▃▄▅▆▇██');
    expect(spark([0, 0])).toBe('▁▁');
    expect(spark([null, 5])).toBe('·█');
    expect(spark([])).toBe('');
    expect(courseOf([null, 4, 2], 3)).toEqual({ mean: 3, min: 2, median: 3, peak: 4, spark: '·█▅' });
    expect(courseOf([null], null)).toEqual({ mean: null, min: null, median: null, peak: null, spark: '·' });
    expect([median([]), median([3, 1, 2]), median([4, 1])]).toEqual([null, 2, 2.5]);
  });

  it('of an interface: per second whatever a sample lasted, errors and drops of the window', () => {
    const [is] = interfacesOf([
      { atMs: 0, networks: [eth(0, 100)] },
      { atMs: 500, networks: [eth(500, 100)] },
      { atMs: 2_500, networks: [eth(4_500, 300, { rxErrors: 2, txDropped: 3 })] },
    ]);
    expect(is?.rx).toEqual({ mean: 1_800, min: 1_000, median: 1_500, peak: 2_000, spark: '▅█' });
    expect(is?.tx).toMatchObject({ mean: 80, min: 0, peak: 100 });
    expect(is).toMatchObject({ errors: 2, drops: 3, speedMbit: 1_000 });
  });

  it('whose counter fell, or that came meanwhile, has no mean', () => {
    const fell = interfacesOf([
      { atMs: 0, networks: [eth(900, 0, { rxErrors: 5 })] },
      { atMs: 1_000, networks: [eth(100, 10)] },
      { atMs: 2_000, networks: [eth(300, 20), eth(7, 7, { name: 'wg0' })] },
    ]);
    expect(fell[0]).toMatchObject({
      rx: { mean: null, median: 200, spark: '·█' },
      tx: { mean: 10 },
      errors: null,
      drops: 0,
    });
    expect(fell[1]).toMatchObject({ name: 'wg0', rx: { mean: null, peak: null, spark: '··' }, errors: null });
    expect(interfacesOf([])).toEqual([]);
  });
});

const socket = (inode: number, peer: string) =>
  fakeSocket({ state: 'ESTAB', address: '192.168.1.10', port: 443, peer, peerPort: 50_000 + inode, inode });
const detail = (bytesSent: number | null, bytesReceived: number | null): TcpDetail => ({
  rttMs: 1,
  retransmits: 0,
  bytesSent,
  bytesReceived,
});
const look = (...of: [ReturnType<typeof socket>, TcpDetail][]): Look => ({
  details: new Map(of.map(([s, d]) => [socketKey(s), d])),
  sockets: of.map(([s]) => s),
});

describe('bytes of connections', () => {
  const [a, b, c] = [socket(1, '9.9.9.9'), socket(2, '8.8.8.8'), socket(3, '8.8.4.4')];

  it('are differences from look to look; one that came counts whole, one that ended as far as it was seen', () => {
    const { connections, ended, counts } = movedIn([
      look([a, detail(100, 1_000)], [b, detail(5, 5)]),
      look([a, detail(150, 1_000)], [b, detail(25, 5)]),
      look([a, detail(160, 1_400)], [c, detail(null, 70)]),
    ]);
    expect(connections).toEqual([
      { peer: '9.9.9.9', inode: 1, sent: 60, received: 400 },
      { peer: '8.8.8.8', inode: 2, sent: 20, received: 0 },
      { peer: '8.8.4.4', inode: 3, sent: 0, received: 70 },
    ]);
    expect([ended, counts]).toEqual([1, true]);
  });

  it('of another connection under the same four numbers are not subtracted', () => {
    const { connections } = movedIn([look([a, detail(900, 900)]), look([a, detail(10, 20)])]);
    expect(connections[0]).toMatchObject({ sent: 10, received: 20 });
  });

  it('that stay on this host are no network; a kernel that does not count is told apart from silence', () => {
    const within = [socket(4, '127.0.0.1'), socket(5, '::1'), socket(6, '::ffff:127.0.0.1'), socket(7, '192.168.1.10')];
    expect(movedIn([look(...within.map((s) => [s, detail(1, 1)] as [typeof s, TcpDetail]))]).connections).toEqual([]);
    expect(movedIn([look([a, detail(null, null)])]).counts).toBe(false);
    expect(movedIn([]).counts).toBe(true);
  });

  it('are their processes’, the heaviest first, with whom it was most', () => {
    const owners = new Map([
      [1, fakeOwner()],
      [2, fakeOwner()],
    ]);
    const shares = byProcess(
      [
        { peer: 'x', inode: 1, sent: 10, received: 0 },
        { peer: 'y', inode: 2, sent: 0, received: 50 },
        { peer: 'z', inode: 9, sent: 500, received: 0 },
        { peer: 'q', inode: 1, sent: 0, received: 0 },
      ],
      owners,
    );
    expect(shares).toMatchObject([
      { owner: null, sent: 500, received: 0, connections: 1, peer: 'z' },
      { owner: { pid: 310 }, sent: 10, received: 50, connections: 2, peer: 'y' },
    ]);
  });
});

it('latency under load is said by how much it rose', () => {
  expect(latencySaid(2, 20, 20)).toMatchObject({ risesMs: 18, said: expect.stringContaining('low') });
  expect(latencySaid(2, 1, 20)).toMatchObject({ risesMs: 0 });
  expect(latencySaid(2, 62, 20)).toMatchObject({ risesMs: 60, said: expect.stringContaining('rises under load') });
  expect(latencySaid(2, 302, 20)).toMatchObject({ risesMs: 300, said: expect.stringContaining('queue') });
  expect(latencySaid(2, 302, 900).said).toContain('own work');
  expect(latencySaid(2, 302, null).said).toContain('queue');
  expect(latencySaid(null, 3, 20).risesMs).toBeNull();
});
