/**
 * Measured against a rate that the kernel holds (tbf) between two network namespaces: throughput both ways, latency under load, and the same
 * stream watched from outside. Each has a twin without the limit. Only with DECKHAND_REAL=1, as root.
 */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { NetBandwidthAnswer } from '../../src/tools/net_bandwidth.ts';
import { type Asked, inNamespace, lacking, namespaced } from '../net/namespace.ts';

const missing = process.env.DECKHAND_REAL === '1' ? lacking() : ['DECKHAND_REAL=1'];
if (missing.length > 0)
  process.stderr.write(
    `\nSKIPPED: bandwidth of a limited link (tests/measure/real.test.ts), lacking ${missing.join(', ')}.\n`,
  );

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const MBIT = 20;
const LIMIT = `rate ${MBIT}mbit burst 32kb latency 400ms`;
/** On the router, as on a real line: its own queue a sender's kernel keeps short. */
const BOTH = `router tc qdisc add dev up0 root tbf ${LIMIT}\nrouter tc qdisc add dev far0 root tbf ${LIMIT}`;

/** A third machine, 10.9.9.2, behind the router. */
const BEHIND = `
unshare -n sleep 60 & THERE=$!
until [ "$(readlink /proc/$THERE/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
there() { nsenter -t $THERE -n "$@"; }
router ip link add far0 type veth peer name near0 netns /proc/$THERE/ns/net
router ip addr add 10.9.9.1/24 dev far0
router ip link set far0 up
there ip addr add 10.9.9.2/24 dev near0
there ip link set near0 up
there ip link set lo up
there ip route add default via 10.9.9.1
router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
# BBR would keep the queue empty, and no latency would rise.
for at in router there; do $at sh -c 'echo reno > /proc/sys/net/ipv4/tcp_congestion_control'; done
echo reno > /proc/sys/net/ipv4/tcp_congestion_control
until ping -c 1 -W 1 10.9.9.2 > /dev/null; do :; done`;

const measured = (limit: string, args: object) =>
  namespaced<Asked<NetBandwidthAnswer>>(
    `${BEHIND}
there "$NODE" "${path('far_child.ts')}" "$AT" 10.9.9.2 > "$AT/far.out" 2>&1 &
until grep -q up "$AT/far.out"; do kill -0 $! || { cat "$AT/far.out" >&2; exit 1; }; done
${limit}
"$NODE" "${path('../net/asked.ts')}" net_bandwidth "$ARGS"`,
    {
      ARGS: JSON.stringify({ peer: 'far', ...args }),
      PEERS: JSON.stringify([{ name: 'far', url: 'http://10.9.9.2:7070' }]),
    },
    60_000,
  );

const STREAM = `
there "$NODE" -e 'require("net").createServer((s) => { const b = Buffer.alloc(65536); const go = () => { while (s.write(b)); }; s.on("error", () => {}); s.on("drain", go); go(); }).listen(9000, "10.9.9.2", () => console.log("up"))' > "$AT/bulk" &
until grep -q up "$AT/bulk"; do :; done
"$NODE" -e 'require("net").connect(9000, "10.9.9.2", () => console.log("up")).resume()' > "$AT/sink" &
until grep -q up "$AT/sink"; do :; done`;

/** A machine that is busy otherwise does not always fill the link, and then nothing is told of how well it is measured: once more. */
const retry = 3;

describe.skipIf(missing.length > 0)('a link of 20 Mbit/s', () => {
  test('is measured within 15 %, down and up, and latency rises with the queue; without the limit neither', {
    timeout: 120_000,
    retry,
  }, async () => {
    const { answer, text } = await measured(BOTH, { seconds: 5 });
    process.stderr.write(`\n${text}\n`);
    for (const way of [answer.test?.down, answer.test?.up]) {
      expect(way?.ended).toBe('time');
      expect(way?.mbitPerSecond).toBeGreaterThan(MBIT * 0.85);
      expect(way?.mbitPerSecond).toBeLessThan(MBIT * 1.15);
      expect(way?.rttRisesMs).toBeGreaterThan(30);
      expect(way?.loadedRttMs.requests).toBeGreaterThan(3);
    }
    for (const way of [answer.test?.down, answer.test?.up])
      expect(answer.test?.idleRttMs.median).toBeLessThan((way?.loadedRttMs.median ?? 0) / 2);

    const free = await measured('', { seconds: 2 });
    process.stderr.write(`\n${free.text}\n`);
    expect(free.answer.test?.down?.mbitPerSecond).toBeGreaterThan(5 * MBIT);
    expect(free.answer.test?.up?.mbitPerSecond).toBeGreaterThan(5 * MBIT);
  });

  test('is watched within 15 %: the interface and the process, whose stream it is; without the stream nothing', {
    timeout: 60_000,
    retry,
  }, async () => {
    const { answer, text } = await inNamespace<NetBandwidthAnswer>(
      `${BEHIND}\n${BOTH}\n${STREAM}\nsleep 1`,
      'net_bandwidth',
      {
        seconds: 4,
      },
    );
    process.stderr.write(`\n${text}\n`);
    const eth0 = answer.interfaces.find((i) => i.name === 'eth0');
    const within = (is: number | null | undefined) => {
      expect(is).toBeGreaterThan((MBIT * 1e6 * 0.85) / 8);
      expect(is).toBeLessThan((MBIT * 1e6 * 1.15) / 8);
    };
    within(eth0?.rx.bytesPerSecond);
    within(eth0?.rx.median);
    expect(answer.processes[0]).toMatchObject({ process: 'node', peer: '10.9.9.2', connections: 1 });
    within(answer.processes[0]?.receivedBytesPerSecond);

    const quiet = await inNamespace<NetBandwidthAnswer>(`${BEHIND}\n${BOTH}`, 'net_bandwidth', { seconds: 2 });
    expect(quiet.answer.processes).toEqual([]);
    expect(quiet.answer.interfaces.find((i) => i.name === 'eth0')?.rx.peak ?? 0).toBeLessThan(10_000);
  });
});
