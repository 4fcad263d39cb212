/** A program for namespaces of their own: asks one tool of the real host that it finds itself on, and prints the answer as JSON. */
import type { ToolContext } from '../../src/core/call.ts';
import { createHost } from '../../src/host/index.ts';
import { diagnose } from '../../src/tools/diagnose.ts';
import { netBandwidth } from '../../src/tools/net_bandwidth.ts';
import { netConnections } from '../../src/tools/net_connections.ts';
import { netOverview } from '../../src/tools/net_overview.ts';
import { netProbe } from '../../src/tools/net_probe.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const [name, args = '{}'] = process.argv.slice(2);
const tools = {
  net_bandwidth: netBandwidth,
  net_connections: netConnections,
  net_overview: netOverview,
  net_probe: netProbe,
  diagnose,
};
const tool = tools[name as keyof typeof tools];
const { AT = '', PEERS = '[]' } = process.env;
const peers = (JSON.parse(PEERS) as { name: string; url: string }[]).map((p) => ({ ...p, tokenFile: `${AT}/token` }));
const host = createHost({ log: quiet, peers });
const { identity } = host.system;
// A namespace of its own looks like a container, and here plays a host.
host.system.identity = () => ({
  ...identity(),
  virtualisation: { kind: 'none', container: false, foundBy: 'the test' },
});
const ctx = {
  host,
  signal: new AbortController().signal,
  now: Date.now,
  progress() {},
  recent: () => [],
  recentProcesses: () => null,
  waitMs: 10_000,
  absent: () => [],
  probing: { spend() {} },
} as unknown as ToolContext;
const answer = tool.output.parse(await tool.handler?.(tool.input.parse(JSON.parse(args)), ctx));
const text = tool.text(answer as never, { paint: (_kind, t) => t, width: 160, now: Date.now() });
process.stdout.write(JSON.stringify({ answer, text }));
host.close();
