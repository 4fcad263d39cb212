/**
 * Four attacks on a real server (lab.ts), each with a calm client beside it: how long its calls take against quiet times, what the server
 * holds in memory, and whether the refusals on record are those that the attackers saw.
 */
import type { Saw, Told } from './client.ts';
import { address, CALM, type Lab, openLab } from './lab.ts';

export interface Attacked {
  attack: string;
  /** p99 of the calm client, of each run. */
  quietMs: number[];
  underMs: number[];
  calls: number;
  /** Answers that the calm client got other than 200, and calls without an answer. */
  calmRefused: string;
  rssMiB: { start: number; most: number; after: number };
  /** By outcome of the audit: on record, and seen by the attackers. */
  refused: Record<'limit' | 'permission' | 'validation', { recorded: number; seen: number }>;
  records: number;
  errors: Record<string, number>;
  most: number;
  loop: { p50: number; p99: number; max: number };
}

export interface SoakOptions {
  runs: number;
  runMs: number;
  slow: number;
  connections: number;
  perSecond: number;
}

const CONFIG = `principals:
  - {who: "token:calm", requestsPerMinute: 100000}
  - {who: "token:heavy*", requestsPerMinute: 100000}
limits: {callsPerMinute: 1000000}
`;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const p99 = (ms: number[]) => ms.toSorted((a, b) => a - b)[Math.ceil(ms.length * 0.99) - 1] ?? Number.NaN;
export const median = (list: number[]) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;

export async function attacked(attack: string, o: SoakOptions): Promise<Attacked> {
  const lab = await openLab({ tokens: ['calm', 'slow', 'heavy1', 'heavy2', 'heavy3', 'heavy4'], config: CONFIG });
  try {
    return await under(attack, attackers(attack, o, lab), lab, o);
  } finally {
    await lab.close();
  }
}

type Attacker = Omit<Told, 'host' | 'port'>;
function attackers(attack: string, o: SoakOptions, lab: Lab): Attacker[] {
  const all = (n: number) => Array.from({ length: n }, (_, i) => address(i));
  switch (attack) {
    case 'slow':
      return [{ kind: 'slow', from: all(Math.ceil(o.slow / 50)), token: lab.tokens.slow as string, count: o.slow }];
    case 'connections':
      return [{ kind: 'connections', from: all(1), count: 500, atLeast: o.connections }];
    case 'guesses':
      return [{ kind: 'guesses', from: all(1), count: 20 }];
    case 'heavy':
      return [1, 2, 3, 4].map((i) => ({
        kind: 'heavy',
        from: [address(i)],
        token: lab.tokens[`heavy${i}`] as string,
        count: 8,
      }));
    default:
      return [{ kind: 'flood', from: all(50), perSecond: o.perSecond }];
  }
}

async function under(attack: string, told: Attacker[], lab: Lab, o: SoakOptions): Promise<Attacked> {
  const saw: Saw[] = [];
  const run = async (into: number[]) => {
    const calm = lab.start({ kind: 'calm', from: [CALM], token: lab.tokens.calm as string, perSecond: 5 });
    await sleep(o.runMs);
    const seen = await calm.end();
    // The first one compiles, connects, and is not yet known.
    into.push(p99(seen.ms.slice(2)));
    saw.push(seen);
  };
  await run([]);
  const start = lab.rssMiB();
  let [mem, most] = [start, 0];
  const look = setInterval(() => {
    mem = Math.max(mem, lab.rssMiB());
    most = Math.max(most, lab.connections());
  }, 200);
  const [quietMs, underMs]: number[][] = [[], []];
  const attackersSaw: Saw[] = [];
  for (let i = 0; i < o.runs; i++) {
    await run(quietMs as number[]);
    const going = told.map((t) => lab.start(t));
    // Programs take their time to start, and slow clients come one by one.
    await sleep(700 + (attack === 'slow' ? 12 * o.slow : 0));
    await run(underMs as number[]);
    attackersSaw.push(...(await Promise.all(going.map((g) => g.end()))));
  }
  await sleep(3_000);
  clearInterval(look);
  const after = lab.rssMiB();
  const { refused, records, loop } = await lab.stop();
  const sum = (of: (s: Saw) => number) => [...saw, ...attackersSaw].reduce((n, s) => n + of(s), 0);
  const status = (...codes: number[]) => sum((s) => codes.reduce((n, c) => n + (s.statuses[c] ?? 0), 0));
  const errors: Record<string, number> = {};
  for (const s of attackersSaw) for (const [k, n] of Object.entries(s.errors)) errors[k] = (errors[k] ?? 0) + n;
  const wrong = saw.flatMap((s) => [
    ...Object.entries(s.statuses).filter(([k]) => k !== '200'),
    ...Object.entries(s.errors),
  ]);
  const both = (outcome: string, seen: number) => ({ recorded: refused[outcome] ?? 0, seen });
  return {
    attack,
    quietMs: quietMs as number[],
    underMs: underMs as number[],
    calls: saw.reduce((n, s) => n + s.ms.length, 0),
    calmRefused: wrong.map(([k, n]) => `${n} × ${k}`).join(', '),
    rssMiB: { start, most: mem, after },
    refused: {
      limit: both('limit', status(429, 503) + sum((s) => s.cut)),
      permission: both('permission', status(401, 403)),
      validation: both('validation', status(400, 408, 413, 415, 431) + sum((s) => s.left)),
    },
    records,
    errors,
    most,
    loop,
  };
}
