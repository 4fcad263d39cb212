/** What a model pays: tokens (o200k_base, by gpt-tokenizer) of the list of default tools and of typical answers of this host. */
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import { listed } from '../../src/edge/listing.ts';
import { type Row, row, sleep } from './measure.ts';
import { place } from './product.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const ANSWERS: [tool: string, args: object, budget?: number][] = [
  ['system_overview', {}, 700],
  ['system_metrics', {}],
  ['process_list', {}],
];

export async function tokens(): Promise<Row[]> {
  using at = place();
  const app = await createApp({
    loaded: await loadConfig({ env: at.env, flags: {} }),
    log: quiet,
    role: 'serve',
    version: 'bench',
  });
  try {
    const principal = app.principals.cli();
    const tools = app.door.visible(principal, undefined);
    const list = tools.map(listed).map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));
    const rows = [
      row('tokens', `list of ${list.length} default tools, as a model sees it`, count(list), 'tokens', {
        budget: { most: 4_000 },
      }),
    ];
    // So that rates are there, and the slow facts.
    await sleep(1_500);
    for (const [tool, args, most] of ANSWERS) {
      const signal = new AbortController().signal;
      const outcome = await app.door.run({ id: 'bench', face: 'mcp-http', tool, args, principal, signal });
      if (outcome.status !== 'done') throw new Error(`${tool} failed: ${JSON.stringify(outcome)}`);
      const budget = most === undefined ? {} : { budget: { most } };
      rows.push(row('tokens', `${tool}, text`, encode(outcome.text).length, 'tokens', budget));
      rows.push(row('tokens', `${tool}, structured`, count(outcome.data), 'tokens'));
    }
    return rows;
  } finally {
    await app.close();
  }
}

const count = (value: unknown) => encode(JSON.stringify(value)).length;
