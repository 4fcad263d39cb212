/**
 * A scripted model on the host of a namespace, that tries to make a scanner of net_probe: through the whole door, with the limits of a new
 * installation. Or, told to be naive, the same sweep by connections of its own. Prints what it was told.
 */
import { connect } from 'node:net';
import { OpsError } from '../../src/core/errors.ts';
import { createHost } from '../../src/host/index.ts';
import { createProbing } from '../../src/policy/probing.ts';
import { netProbe } from '../../src/tools/net_probe.ts';
import { fakeClock } from '../fakes/clock.ts';
import { callOf, rig, who } from '../fakes/policy.ts';

const ATTACKS: Record<string, object[]> = {
  'a /24': Array.from({ length: 13 }, (_, i) => ({
    kind: 'tcp',
    port: 22,
    targets: Array.from({ length: 20 }, (_, n) => `10.9.0.${((i * 20 + n) % 254) + 1}`),
  })),
  'a range, as one': [
    { kind: 'tcp', port: 22, targets: ['10.9.0.0/24'] },
    { kind: 'tcp', targets: ['10.9.0.254:1-1024'] },
    { kind: 'ping', targets: ['10.9.0.*'] },
  ],
  'a range of ports': Array.from({ length: 52 }, (_, i) => ({
    kind: 'tcp',
    targets: Array.from({ length: 20 }, (_, n) => `10.9.0.254:${i * 20 + n + 1}`),
  })),
  '20 names of one address': Array.from({ length: 20 }, (_, i) => ({
    kind: 'tcp',
    targets: Array.from({ length: 20 }, (_, n) => `n${n}.test:${1_000 + i * 20 + n}`),
  })),
  redirects: Array.from({ length: 30 }, () => ({
    kind: 'http',
    follow: true,
    targets: ['http://10.9.0.254:8080/hop/0'],
  })),
  rebinding: Array.from({ length: 20 }, () => ({ kind: 'http', targets: ['http://rebind.test:8081/'] })),
  pings: Array.from({ length: 20 }, () => ({ kind: 'ping', targets: ['10.9.0.254'], count: 10 })),
};

const naive = process.argv[2] === 'naive';
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const out: Record<string, { refused: number; told: number }> = {};

if (naive) {
  const knock = (host: string, port: number) =>
    new Promise<void>((done) => {
      const s = connect({ host, port });
      s.on('connect', () => s.destroy())
        .on('error', () => {})
        .on('close', () => done());
      setTimeout(() => s.destroy(), 200);
    });
  for (let n = 1; n <= 254; n++) await knock('10.9.0.254', n);
  out.naive = { refused: 0, told: 254 };
} else {
  const host = createHost({ log: quiet });
  const used = new Map<string, number>();
  const clock = fakeClock();
  for (const [name, calls] of Object.entries(ATTACKS)) {
    const said = { refused: 0, told: 0 };
    out[name] = said;
    const probing = createProbing({
      perMinute: 60,
      addressesPerHour: 60,
      clock,
      reserve(key, points, windowMs, max, now) {
        const k = `${key} ${Math.floor(now / windowMs)}`;
        const granted = Math.min(points, max - (used.get(k) ?? 0));
        used.set(k, (used.get(k) ?? 0) + granted);
        return granted;
      },
    });
    const r = rig({
      probing,
      catalog: { tools: [netProbe], resources: [], prompts: [] },
      context: { host, recent: () => [], recentProcesses: () => null, absent: () => [] },
    });
    const model = who(`token:${name.replace(/\W/g, '')}`, ['net:read']);
    process.stderr.write(`${name}\n`);
    for (const args of calls) {
      const outcome = await r.door.run(callOf('net_probe', args, { principal: model }));
      if (outcome.status === 'failed') {
        if (!(outcome.error instanceof OpsError) || outcome.error.code === 'internal') throw outcome.error;
        said.refused++;
      } else said.told += (outcome.data as { results?: unknown[] }).results?.length ?? 0;
    }
  }
  host.close();
}
process.stdout.write(JSON.stringify(out));
process.exit(0);
