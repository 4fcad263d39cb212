/**
 * How much passes, and how much would. Without `peer` it watches; with one it measures the way there. Decides what may be asked for
 * together; watching is net_bandwidth_window.ts's, measuring net_bandwidth_peer.ts's.
 */
import * as z from 'zod';
import { defineRead } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import { MEASURE } from '../core/measure.ts';
import { foreign, limit, once, Unknown, WaitS } from '../core/schema.ts';
import { figure, whose } from './figures.ts';
import { measured } from './net_bandwidth_peer.ts';
import { netBandwidthText } from './net_bandwidth_text.ts';
import { watched } from './net_bandwidth_window.ts';

const MiB = 1024 * 1024;
const STANDARD_MIB = 64;

const Name = once(() => foreign(z.string().nullable(), 'names on this host'));

const Flow = once(() =>
  z.object({ bytesPerSecond: figure(), min: figure(), median: figure(), peak: figure(), spark: z.string() }),
);
const Rtt = once(() => z.object({ requests: z.number(), min: figure(), median: figure(), max: figure() }));
const Way = once(() =>
  z
    .object({
      mbitPerSecond: figure(),
      medianMbit: figure(),
      peakMbit: figure(),
      spark: z.string(),
      bytes: z.number(),
      ms: z.number(),
      ended: z.enum(['bytes', 'time']).describe('Which bound ended it.'),
      loadedRttMs: Rtt(),
      rttRisesMs: figure(),
      said: z.string(),
    })
    .nullable(),
);

export const NetBandwidthAnswer = once(() =>
  z.object({
    windowMs: z.number(),
    samples: z.number(),
    whose: whose().nullable(),
    interfaces: z.array(
      z.object({
        name: foreign(z.string(), 'interface names'),
        state: z.string().nullable(),
        speedMbit: figure(),
        rx: Flow(),
        tx: Flow(),
        errors: figure(),
        drops: figure(),
      }),
    ),
    processes: z
      .array(
        z.object({
          process: Name().describe('Null: not known.'),
          pid: figure(),
          user: z.string().nullable(),
          container: Name(),
          receivedBytesPerSecond: z.number(),
          sentBytesPerSecond: z.number(),
          connections: z.number(),
          peer: z.string().describe('The heaviest.'),
        }),
      )
      .describe('By TCP connections of this network to others.'),
    containers: z.array(
      z.object({
        name: foreign(z.string(), 'container names'),
        rxBytesPerSecond: figure(),
        txBytesPerSecond: figure(),
        shares: z.string().nullable().describe('Whose network it uses; null: its own.'),
      }),
    ),
    test: z
      .object({
        peer: z.string(),
        address: z.string(),
        port: z.number(),
        encrypted: z.boolean(),
        idleRttMs: Rtt(),
        down: Way(),
        up: Way(),
      })
      .nullable()
      .describe('Only with `peer`; bytes of the application.'),
    unknown: z.array(Unknown()),
  }),
);
export type NetBandwidthAnswer = z.output<ReturnType<typeof NetBandwidthAnswer>>;

const input = once(() =>
  z.strictObject({
    seconds: z.number().int().min(2).max(60).default(10).describe('With peer: of each way, at most 10.'),
    peer: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/)
      .optional()
      .describe('Measure to this Deckhand of config `peers`.'),
    direction: z.enum(['both', 'down', 'up']).optional().describe('With peer; else both.'),
    mib: z
      .number()
      .int()
      .min(1)
      .max(MEASURE.mostBytes / MiB)
      .optional()
      .describe(`With peer: most of each way; else ${STANDARD_MIB}.`),
    limit: limit(10, 100),
    wait_s: WaitS(),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const netBandwidth = defineRead({
  name: 'net_bandwidth',
  title: 'Bandwidth',
  description:
    'Use this to see what the network carries over some seconds: each interface with its course, the heaviest processes and containers; or, with peer, throughput and latency under load to another Deckhand. For who is connected use net_connections, for reachability net_probe.',
  toolset: 'net',
  core: false,
  input,
  output: NetBandwidthAnswer,
  scopes: { least: 'net:read' },
  risk: 'read',
  targets: (i) => (i.peer === undefined ? [] : [{ kind: 'address' as const, name: `peer:${i.peer}` }]),
  annotations: { idempotent: true, openWorld: true },
  limits: { timeoutMs: 120_000, cost: 5 },
  long: true,
  perPrincipal: true,
  cut: { lists: ['containers', 'interfaces', 'processes'], show: (i) => i.limit },
  text: netBandwidthText,

  async handler(i, ctx) {
    matching(i);
    if (i.peer === undefined) return { ...(await watched(i.seconds, ctx)), test: null };
    const direction = i.direction ?? 'both';
    const test = await measured(
      {
        peer: i.peer,
        ways: direction === 'both' ? ['down', 'up'] : [direction],
        bytes: (i.mib ?? STANDARD_MIB) * MiB,
        seconds: i.seconds,
      },
      ctx,
    );
    const nothing = { windowMs: 0, samples: 0, whose: null, interfaces: [], processes: [], containers: [] };
    return { ...nothing, test, unknown: [] };
  },
});

/** What goes with the other way of asking is not dropped silently. */
function matching(i: Input): void {
  if (i.peer === undefined) {
    const stray = i.direction !== undefined ? 'direction' : i.mib !== undefined ? 'mib' : null;
    if (stray)
      throw new OpsError('validation', `\`${stray}\` goes with \`peer\` only.`, {
        hint: 'Name a peer of the config, or leave it out to watch this host.',
      });
  } else if (i.seconds > MEASURE.mostSeconds)
    throw new OpsError('validation', `With \`peer\` each way takes at most ${MEASURE.mostSeconds} seconds.`, {
      hint: `Leave \`seconds\` out, or take 2 to ${MEASURE.mostSeconds}.`,
    });
}
