/**
 * Ping and the way to an address, by the programs of this host: raw sockets are not ours. Decides the arguments, which are numbers and an
 * address in its one spelling, and reads iputils' and BusyBox' words. Pure parsers, and thin calls.
 */
import { isIP } from 'node:net';
import { OpsError } from '../../core/errors.ts';
import type { Reading } from '../../core/host.ts';
import type { Hop, PingBounds, Pinged, ProbeBounds, Traced } from '../../core/probe.ts';
import type { Binary, Exec } from '../exec.ts';
import { known, unknown } from '../system/files.ts';

export interface PingParts {
  exec: Exec;
  has(binary: Binary): boolean;
}

const MAX_BYTES = 256 * 1024;
const MOST_PINGS = 20;
const MOST_HOPS = 40;
const MOST_ERRORS = 5;

/** A zone is part of a link-local address, and the only thing beside digits that may stand in one. */
function literal(address: string): string {
  const [bare = '', zone, ...more] = address.split('%');
  if (!isIP(bare) || more.length > 0 || (zone !== undefined && !/^[\w.-]{1,32}$/.test(zone)))
    throw new Error('a probe takes an address that was checked');
  return address;
}

const whole = (n: number, least: number, most: number) => String(Math.min(most, Math.max(least, Math.round(n))));

export async function pingBy(parts: PingParts, address: string, o: PingBounds): Promise<Reading<Pinged>> {
  if (!parts.has('ping')) return unknown('ping is not installed on this host.');
  const count = Math.min(MOST_PINGS, Math.max(1, Math.round(o.count)));
  // Below 0.2 s only root may, and BusyBox knows whole seconds alone: what is not understood is asked for again without it.
  const fast = ['-i', (Math.max(200, o.intervalMs) / 1_000).toFixed(1)];
  const args = (extra: readonly string[]) => [
    ...['-n', '-c', String(count), '-W', whole(o.timeoutMs / 1_000, 1, 10), ...extra],
    ...(o.sizeBytes === undefined
      ? []
      : ['-M', 'do', '-s', whole(o.sizeBytes - (address.includes(':') ? 48 : 28), 8, 65_000)]),
    ...(address.includes(':') ? ['-6'] : ['-4']),
    literal(address),
  ];
  const run = (extra: readonly string[]) =>
    parts.exec({
      binary: 'ping',
      args: args(extra),
      timeoutMs: count * 1_000 + o.timeoutMs + 2_000,
      maxBytes: MAX_BYTES,
      ...(o.signal ? { signal: o.signal } : {}),
    });
  let said = await run(fast);
  if (said.code !== 0 && /usage|invalid (?:option|number|argument)|unrecognized/i.test(said.stderr))
    said = await run([]);
  return pinged(said);
}

/** The words of iputils and of BusyBox. */
export function pinged({
  stdout,
  stderr,
  code,
}: {
  stdout: string;
  stderr: string;
  code: number | null;
}): Reading<Pinged> {
  const counts = /(\d+) packets transmitted, (\d+) (?:packets )?received/.exec(stdout);
  if (!counts) {
    const why = stderr.trim().split('\n')[0]?.slice(0, 200) || `it ended with code ${code}`;
    if (/not permitted|denied|lacking privilege/i.test(why))
      return unknown(
        `ping may not be used by this service: ${why}. It needs cap_net_raw, or net.ipv4.ping_group_range.`,
      );
    return unknown(`ping could not tell: ${why}.`);
  }
  const ms = [...stdout.matchAll(/\btime[=<]([\d.]+) ?ms/g)].map((m) => Number(m[1]));
  const errors = [
    ...new Set(
      [...stdout.matchAll(/^From \S+:? (?:icmp_seq=\d+ )?(.+)$/gm)].map((m) => (m[1] as string).slice(0, 100)),
    ),
  ].slice(0, MOST_ERRORS);
  return known({ sent: Number(counts[1]), received: Number(counts[2]), ms, errors });
}

export async function traceBy(
  parts: PingParts,
  address: string,
  o: ProbeBounds & { maxHops: number },
): Promise<Reading<Traced>> {
  const hops = whole(o.maxHops, 1, MOST_HOPS);
  const bounds = { timeoutMs: o.timeoutMs, maxBytes: MAX_BYTES, ...(o.signal ? { signal: o.signal } : {}) };
  const family = address.includes(':') ? '-6' : '-4';
  if (parts.has('tracepath')) {
    const said = await orSilent(
      parts.exec({ binary: 'tracepath', args: [family, '-n', '-m', hops, literal(address)], ...bounds }),
    );
    if (said !== null && /^\s*\d+[?:]/m.test(said)) return known({ ...tracepathSaid(said, address), by: 'tracepath' });
  }
  if (parts.has('traceroute')) {
    const args = [family, '-n', '-q', '1', '-w', '1', '-m', hops, literal(address)];
    const said = await orSilent(parts.exec({ binary: 'traceroute', args, ...bounds }));
    if (said !== null) return known({ ...tracerouteSaid(said, address), by: 'traceroute' });
  }
  if (parts.has('ping')) return byPing(parts, address, Number(hops), o);
  return unknown('Neither tracepath, traceroute nor ping is installed on this host.');
}

/** A way that is not told to its end in time is told as far as it goes by the caller's other means. */
async function orSilent(run: ReturnType<Exec>): Promise<string | null> {
  try {
    return (await run).stdout;
  } catch (thrown) {
    if (thrown instanceof OpsError && thrown.code === 'timeout') return null;
    throw thrown;
  }
}

/** One packet for each distance; who drops it says so. Path MTU by the largest that passes unfragmented. */
async function byPing(parts: PingParts, address: string, most: number, o: ProbeBounds): Promise<Reading<Traced>> {
  const family = address.includes(':') ? '-6' : '-4';
  const end = performance.now() + o.timeoutMs;
  const one = async (extra: readonly string[]) => {
    const args = ['-n', '-c', '1', '-W', '1', ...extra, family, literal(address)];
    return parts.exec({
      binary: 'ping',
      args,
      timeoutMs: 3_000,
      maxBytes: MAX_BYTES,
      ...(o.signal ? { signal: o.signal } : {}),
    });
  };
  const hops: Hop[] = [];
  let reached = false;
  for (let hop = 1; hop <= most && !reached && performance.now() < end; hop++) {
    const said = await one(['-t', String(hop)]);
    const answer = pinged(said);
    if (answer.value === null) return answer;
    const from = /^From (\S+?):? .*(?:Time to live|Hop limit|exceeded)/im.exec(said.stdout)?.[1] ?? null;
    reached = answer.value.received > 0;
    hops.push({ hop, address: reached ? address : from, ms: answer.value.ms[0] ?? null });
    // Three in a row that say nothing: the rest of the way is a guess that costs a second each.
    if (hops.length >= 6 && hops.slice(-6).every((h) => h.address === null)) break;
  }
  let mtu: number | null = null;
  if (reached) {
    const head = address.includes(':') ? 48 : 28;
    let [low, high] = [address.includes(':') ? 1_280 : 576, 9_000];
    const passes = async (size: number) =>
      (pinged(await one(['-M', 'do', '-s', String(size - head)])).value?.received ?? 0) > 0;
    if (await passes(1_500)) low = 1_500;
    else high = 1_499;
    if (low === 1_500 && !(await passes(1_501))) mtu = 1_500;
    else if (await passes(low)) {
      while (low < high && performance.now() < end) {
        const middle = Math.ceil((low + high) / 2);
        if (await passes(middle)) low = middle;
        else high = middle - 1;
      }
      mtu = low;
    }
  }
  return known({ hops, reached, mtu, by: 'ping' });
}

export function tracepathSaid(text: string, address: string): Omit<Traced, 'by'> {
  const hops = new Map<number, Hop>();
  let mtu: number | null = null;
  for (const line of text.split('\n')) {
    const pmtu = /\bpmtu (\d+)/.exec(line);
    if (pmtu) mtu = Number(pmtu[1]);
    const m = /^\s*(\d+)[?:]+\s+(\S+)(?:.*?([\d.]+)ms)?/.exec(line);
    if (!m || m[2] === '[LOCALHOST]') continue;
    const hop = Number(m[1]);
    const from = m[2] === 'no' ? null : (m[2] as string);
    if (from !== null || !hops.has(hop)) hops.set(hop, { hop, address: from, ms: m[3] ? Number(m[3]) : null });
  }
  const resume = /Resume: pmtu (\d+)/.exec(text);
  return {
    hops: [...hops.values()].slice(0, MOST_HOPS),
    reached: /reached/.test(text) || [...hops.values()].some((h) => h.address === address),
    mtu: resume ? Number(resume[1]) : mtu,
  };
}

export function tracerouteSaid(text: string, address: string): Omit<Traced, 'by'> {
  const hops: Hop[] = [];
  for (const line of text.split('\n')) {
    const m = /^\s*(\d+)\s+(?:(\*)|(\S+)\s+([\d.]+) ms)/.exec(line);
    if (m) hops.push({ hop: Number(m[1]), address: m[3] ?? null, ms: m[4] ? Number(m[4]) : null });
  }
  return { hops: hops.slice(0, MOST_HOPS), reached: hops.some((h) => h.address === address), mtu: null };
}
