/**
 * Asks the network on purpose: names, ports, certificates, URLs, ways. Decides what may be asked for and how many at once; which addresses
 * may be reached is insight/probe_rules.ts's, how much of it the caller's share (ctx.probing), and one probe net_probe_kinds.ts's.
 */
import * as z from 'zod';
import type { ToolContext } from '../core/call.ts';
import { defineRead } from '../core/define.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import { parseIp } from '../core/ip.ts';
import { RECORD_TYPES } from '../core/probe.ts';
import { foreign, once, Unknown, WaitS } from '../core/schema.ts';
import { differ } from '../insight/probe_said.ts';
import { PROBE_KINDS, type ProbeTarget, probeTarget } from '../insight/probe_targets.ts';
import { figure } from './figures.ts';
import { canonical, groundOf } from './net_probe_ground.ts';
import { type Ground, type ProbeAsk, probeOne, queryOne, Refused, type Row } from './net_probe_kinds.ts';
import { netProbeText } from './net_probe_text.ts';

const MOST_TARGETS = 20;
const AT_ONCE = 4;
const EACH_MS = 5_000;
/** Of this host's own; more are named in the call. */
const MOST_SERVERS = 3;

const theirs = once(() => foreign(z.string(), 'network'));

export const ProbeRow = once(() =>
  z.object({
    target: z.string(),
    address: z.string().nullable().describe('Asked: of dns, the server.'),
    port: z.number().nullable(),
    ok: z.boolean(),
    said: theirs(),
    ms: figure(),
    outcome: z.string().optional(),
    tries: z.array(z.object({ address: z.string(), outcome: z.string(), ms: z.number() })).optional(),
    dns: z
      .object({
        code: z.string(),
        flags: z.array(z.string()),
        over: z.enum(['udp', 'tcp']),
        bytes: z.number(),
        answers: z.array(z.object({ name: theirs(), type: z.string(), ttl: z.number(), data: theirs() })),
        notTold: z.number(),
      })
      .optional(),
    tls: z
      .object({
        protocol: z.string(),
        cipher: z.string(),
        alpn: theirs().nullable(),
        verifies: z.boolean(),
        why: theirs().nullable(),
        expiresInDays: z.number().nullable(),
        chain: z.array(
          z.object({
            subject: theirs(),
            issuer: theirs(),
            names: z.array(theirs()),
            from: z.string(),
            to: z.string(),
            key: z.string(),
          }),
        ),
      })
      .optional(),
    http: z
      .object({
        status: z.number(),
        reason: theirs(),
        headers: z.record(z.string(), theirs()),
        phasesMs: z
          .object({ dns: z.number(), connect: z.number(), tls: figure(), firstByte: z.number(), total: z.number() })
          .describe('From the start each, but dns.'),
        bodyBytes: z.number(),
        cut: z.boolean(),
        redirects: z.array(z.object({ status: z.number(), to: theirs() })),
        text: theirs().nullable(),
      })
      .optional(),
    ping: z
      .object({
        sent: z.number(),
        received: z.number(),
        lossPercent: figure(),
        minMs: figure(),
        maxMs: figure(),
        jitterMs: figure(),
        by: z.enum(['icmp', 'tcp']),
      })
      .optional(),
    notIcmp: z.string().optional(),
    trace: z
      .object({
        reached: z.boolean(),
        mtu: z.number().nullable(),
        by: z.string(),
        hops: z.array(z.object({ hop: z.number(), address: z.string().nullable(), ms: figure() })),
      })
      .optional(),
  }),
);

export const ProbeAnswer = once(() =>
  z.object({
    kind: z.enum(PROBE_KINDS),
    asked: z.number(),
    ok: z.number(),
    results: z.array(ProbeRow()),
    refused: z.array(z.object({ target: z.string(), why: z.string(), hint: z.string() })).describe('Not probed.'),
    differ: z.array(theirs()).describe('Name servers that do not agree.'),
    unknown: z.array(Unknown()),
  }),
);
export type ProbeAnswer = z.output<ReturnType<typeof ProbeAnswer>>;

const input = once(() =>
  z.strictObject({
    kind: z.enum(PROBE_KINDS),
    targets: z.array(z.string().min(1).max(2_048)).min(1).max(MOST_TARGETS).describe('Name, address, host:port, URL.'),
    port: z.number().int().min(1).max(65_535).optional().describe('Of all.'),
    type: z.enum(RECORD_TYPES).default('A').describe('Of dns.'),
    server: z.array(z.string().max(64)).min(1).max(5).optional().describe('Of dns; else this host’s.'),
    count: z.number().int().min(1).max(10).default(4).describe('Pings.'),
    follow: z.boolean().default(false).describe('Redirects.'),
    wait_s: WaitS(),
  }),
);
type Input = z.output<ReturnType<typeof input>>;

export const netProbe = defineRead({
  name: 'net_probe',
  title: 'Probe the network',
  description:
    'Use this to ask the network from this host: names at each server, ports, certificates, URLs with phases, loss, the way. For what listens here use net_overview.',
  toolset: 'net',
  core: true,
  input,
  output: ProbeAnswer,
  scopes: { least: 'net:read' },
  risk: 'sensitive',
  // Name servers that the caller chooses are reached as well.
  targets: (i) => [...i.targets, ...(i.server ?? [])].map((name) => ({ kind: 'address', name: name.slice(0, 253) })),
  annotations: { idempotent: true, openWorld: true },
  limits: { timeoutMs: 120_000, cost: 5 },
  long: true,
  perPrincipal: true,
  cut: { lists: ['results'] },
  text: netProbeText,

  async handler(i, ctx) {
    const asked = [...new Map(i.targets.map((t) => [t, probeTarget(i.kind, t, i.port)])).values()];
    matching(i);
    const ask: ProbeAsk = {
      kind: i.kind,
      type: i.type,
      count: i.count,
      follow: i.follow,
      method: 'GET',
      timeoutMs: EACH_MS,
    };
    const unknown: { what: string; why: string }[] = [];
    const ground = await groundOf(ctx, unknown);
    const jobs =
      i.kind === 'dns'
        ? queries(asked, servers(i, ground), ask, ground)
        : asked.map((t) => ({ target: t, go: () => probeOne(t, ask, ground) }));
    const done = await together(jobs, ctx);
    const results = done.flatMap((d) => (d.row ? [d.row] : []));
    const differing =
      i.kind === 'dns'
        ? asked.flatMap((t) => {
            const is = differ(results.filter((r) => r.target === t.text) as never);
            return is === null ? [] : [`${t.text} ${i.type}: ${is}`];
          })
        : [];
    return {
      kind: i.kind,
      asked: asked.length,
      ok: results.filter((r) => r.ok).length,
      results: results as never,
      refused: done.flatMap((d) => (d.refused ? [d.refused] : [])),
      differ: differing,
      unknown,
    };
  },
});

/** What goes with another kind is not dropped silently: whoever wrote it expects it to matter. */
function matching(i: Input): void {
  const only = (given: boolean, name: string, kinds: readonly string[]) => {
    if (given && !kinds.includes(i.kind))
      throw new OpsError('validation', `\`${name}\` does not go with kind ${i.kind}.`, {
        hint: `It is for ${kinds.join(' and ')}: leave it out, or take that kind.`,
      });
  };
  only(i.server !== undefined, 'server', ['dns']);
  only(i.type !== 'A', 'type', ['dns']);
  only(i.follow, 'follow', ['http']);
}

function servers(i: Input, g: Ground): string[] {
  const list = i.server?.map((text) => {
    if (parseIp(text.split('%')[0] ?? '') === null)
      throw new OpsError('validation', `${JSON.stringify(text)} is no address.`, {
        hint: 'A name server is named by its address, such as 1.1.1.1.',
      });
    return canonical(text);
  });
  const all = list ?? [...g.configured].slice(0, MOST_SERVERS);
  if (all.length === 0)
    throw new OpsError('unavailable', 'This host names no name server.', { hint: 'Name one: "server":["1.1.1.1"].' });
  return [...new Set(all)];
}

const queries = (targets: readonly ProbeTarget[], at: readonly string[], ask: ProbeAsk, g: Ground) =>
  targets.flatMap((target) => at.map((server) => ({ target, go: () => queryOne(target, server, ask, g) })));

interface Done {
  row?: Row;
  refused?: { target: string; why: string; hint: string };
}

/** In the order asked. What fails is an answer about its target; a share that is used up ends what is left of it. */
async function together(
  jobs: readonly { target: ProbeTarget; go(): Promise<Row> }[],
  ctx: ToolContext,
): Promise<Done[]> {
  const done: Done[] = [];
  let next = 0;
  let finished = 0;
  const work = async () => {
    while (next < jobs.length) {
      const at = next++;
      const job = jobs[at] as (typeof jobs)[0];
      done[at] = await one(job, ctx);
      ctx.progress(++finished, jobs.length, job.target.text);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, jobs.length) }, work));
  // Nothing at all could be asked: the share is the answer, with the time to wait.
  const used = done.every((d) => d.refused !== undefined) ? limits.get(done[0] as Done) : undefined;
  if (used) throw used;
  return done;
}

const limits = new WeakMap<Done, OpsError>();

async function one({ target, go }: { target: ProbeTarget; go(): Promise<Row> }, ctx: ToolContext): Promise<Done> {
  try {
    return { row: await go() };
  } catch (thrown) {
    ctx.signal.throwIfAborted();
    if (thrown instanceof Refused) return { refused: { target: target.text, why: thrown.message, hint: thrown.hint } };
    const error = toOpsError(thrown);
    if (error.code === 'internal') throw thrown;
    if (error.code === 'limit') {
      const refused = { refused: { target: target.text, why: error.message, hint: error.details.hint ?? '' } };
      limits.set(refused, error);
      return refused;
    }
    return {
      row: { target: target.text, address: null, port: target.port || null, ok: false, said: error.message, ms: null },
    };
  }
}
