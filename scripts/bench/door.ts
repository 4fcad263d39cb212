/**
 * What the door costs: a call through all nine steps, with its record written to a real audit, against the tool asked directly. The
 * tool gives a real answer that was made before, so that the reading of the host does not drown the difference; each call has other
 * arguments, so that none shares the run of the one before.
 */
import { createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Call, ToolContext } from '../../src/core/call.ts';
import type { Snapshot } from '../../src/core/host.ts';
import type { Tool } from '../../src/core/tool.ts';
import { modelView } from '../../src/policy/shape.ts';
import { interleaved, median, microseconds, type Row, row, sleep } from './measure.ts';
import { place } from './product.ts';

const CALLS = 300;
const ROUNDS = 15;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

export async function door(): Promise<Row[]> {
  using at = place();
  const loaded = await loadConfig({ env: at.env, flags: {} });
  let mend = () => {};
  const app = await createApp({ loaded, log: quiet, role: 'serve', version: 'bench' });
  try {
    const { secret } = app.tokens.add({ name: 'bench', role: 'viewer' });
    const principal = app.principals.bearer(secret);
    const tool = app.door.catalog.tools.find((t) => t.name === 'system_metrics');
    if (!principal || !tool) throw new Error('no token or no tool to call');
    const recent: Snapshot[] = [app.host.system.snapshot()];
    await sleep(300);

    let n = 0;
    const fresh = () => ({ groups: ['kernel'], filter: `x${n++}` });
    const signal = new AbortController().signal;
    const same = { groups: ['kernel'] };
    const run = async (args: object) => {
      const call: Call = { id: 'bench', face: 'mcp-http', tool: tool.name, args, principal, signal };
      const outcome = await app.door.run(call);
      if (outcome.status !== 'done') throw new Error(`the call failed: ${JSON.stringify(outcome)}`);
    };
    const context = {
      host: app.host,
      signal,
      now: Date.now,
      progress() {},
      recent: () => recent,
      recentProcesses: () => null,
    } as Partial<ToolContext>;
    const answer = await tool.handler?.(tool.input.parse(same), context as ToolContext);
    const { handler } = tool;
    mend = () => void Object.assign(tool, { handler });
    Object.assign(tool, { handler: async () => answer });
    const us = await interleaved(ROUNDS, {
      door: () => microseconds(CALLS, () => run(fresh())),
      tool: () => microseconds(CALLS, () => direct(tool, fresh(), context as ToolContext)),
      // Joins the run of the call before it.
      joined: () => microseconds(CALLS, () => run(same)),
    });
    // The first rounds compile.
    const warm = (xs: number[]) => xs.slice(3);
    const own = median(warm(us.door).map((x, i) => x - (warm(us.tool)[i] ?? Number.NaN)));
    const against = { what: 'prepared tool', value: median(warm(us.tool)) };
    return [
      row('door', 'a small call through the door', median(warm(us.door)), 'µs', { against }),
      row('door', 'the door itself (nine steps, one record)', own, 'µs', { budget: { most: 60 } }),
      row('door', 'an equal call within 250 ms', median(warm(us.joined)), 'µs'),
    ];
  } finally {
    // Other parts measure the real tool.
    mend();
    await app.close();
  }
}

async function direct(tool: Tool, args: object, context: ToolContext): Promise<void> {
  const data = await tool.handler?.(tool.input.parse(args), context);
  const text = tool.text(data as never, modelView(Date.now()));
  if (!data || text.length < 20) throw new Error('the tool gave no answer');
}
