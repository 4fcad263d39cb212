/** On the host of a namespace: what our probes measure beside what dig, curl, openssl and ping do, in turns. Prints the medians. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { exec, findBinary } from '../../src/host/exec.ts';
import { probeHost } from '../../src/host/net/probe.ts';

const run = promisify(execFile);
const ROUTER = '10.9.0.254';
const ROUNDS = 20;
const probes = probeHost({ exec, has: (b) => findBinary(b) !== null, settings: { allow: [], deny: [] } });
const o = { timeoutMs: 5_000 };
const median = (list: number[]) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] as number;

const curl = async (what: string, url: string) =>
  Number((await run('curl', ['-sk', '-o', '/dev/null', '-w', what, url])).stdout) * 1_000;
/** `-msg -trace` tells no times: its own, from the first line to the last, by the clock of the shell. */
const openssl = async () => {
  const started = performance.now();
  await run('bash', ['-c', `openssl s_client -connect ${ROUTER}:8443 -servername web.test </dev/null >/dev/null 2>&1`]);
  const whole = performance.now() - started;
  const empty = performance.now();
  await run('bash', ['-c', 'openssl version </dev/null >/dev/null 2>&1']);
  return whole - (performance.now() - empty);
};

const pairs: Record<string, { ours(): Promise<number>; theirs(): Promise<number> }> = {
  'dns, dig': {
    ours: async () => (await probes.dns({ name: 'web.test', type: 'A', at: { address: ROUTER, port: 53 } }, o)).ms,
    theirs: async () =>
      Number(/Query time: (\d+) usec/.exec((await run('dig', ['-u', `@${ROUTER}`, 'web.test', 'A'])).stdout)?.[1]) /
      1_000,
  },
  'tcp, curl time_connect': {
    ours: async () => (await probes.tcp({ address: ROUTER, port: 8080 }, o)).ms,
    theirs: () => curl('%{time_connect}', `http://${ROUTER}:8080/`),
  },
  'http, curl time_total': {
    ours: async () =>
      (
        await probes.http(
          { at: { address: ROUTER, port: 8080 }, tls: null, host: ROUTER, path: '/', method: 'GET', maxBytes: 1e6 },
          o,
        )
      ).totalMs,
    theirs: () => curl('%{time_total}', `http://${ROUTER}:8080/`),
  },
  'tls, curl time_appconnect': {
    ours: async () => {
      const t = await probes.tls({ address: ROUTER, port: 8443 }, { servername: 'web.test' }, o);
      return t.connectMs + t.handshakeMs;
    },
    theirs: () => curl('%{time_appconnect}', `https://${ROUTER}:8443/`),
  },
  'tls, openssl s_client': {
    ours: async () => {
      const t = await probes.tls({ address: ROUTER, port: 8443 }, { servername: 'web.test' }, o);
      return t.connectMs + t.handshakeMs;
    },
    theirs: openssl,
  },
  'ping, ping': {
    ours: async () =>
      (await probes.ping(ROUTER, { count: 1, intervalMs: 200, timeoutMs: 1_000 })).value?.ms[0] ?? Number.NaN,
    theirs: async () => Number(/time=([\d.]+)/.exec((await run('ping', ['-n', '-c', '1', ROUTER])).stdout)?.[1]),
  },
};

const out: Record<string, { ours: number; theirs: number }> = {};
for (const [name, pair] of Object.entries(pairs)) {
  // Both warm: what is compared is the way, not the first start of a program.
  for (let i = 0; i < 3; i++) await Promise.all([pair.ours(), pair.theirs()]);
  const times = { ours: [] as number[], theirs: [] as number[] };
  for (let i = 0; i < ROUNDS; i++)
    for (const who of i % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const))
      times[who].push(await pair[who]());
  out[name] = { ours: median(times.ours), theirs: median(times.theirs) };
}
process.stdout.write(JSON.stringify(out));
process.exit(0);
