/** From the start of the process to the answer of the first tools/list, over stdio, against a Node that echoes one line. */
import { spawn } from 'node:child_process';
import { interleaved, median, type Row, row, sleep } from './measure.ts';
import { launcher, place } from './product.ts';

const ROUNDS = 15;
export const ECHO = ['-e', "process.stdin.on('data', (d) => process.stdout.write(d))"];
export const LIST = `${JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/list',
  params: {
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
})}\n`;

export interface Spoken {
  pid: number;
  /** From spawn to the whole first line. */
  ms: number;
  end(): Promise<void>;
}

/** Starts it, says `LIST`, and waits for a line that holds the marker. */
export async function spoken(args: readonly string[], env: Record<string, string>, marker: string): Promise<Spoken> {
  const from = performance.now();
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.write(LIST);
  let out = '';
  let err = '';
  child.stderr.on('data', (d) => {
    err = `${err}${d}`.slice(-2_000);
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (d) => {
      out += d;
      if (out.includes('\n')) resolve();
    });
    ended.then(() => reject(new Error(`it ended before it answered: ${err}`)));
  });
  const ms = performance.now() - from;
  if (!out.includes(marker)) throw new Error(`not the answer: ${out.slice(0, 500)}`);
  return {
    pid: child.pid as number,
    ms,
    end() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

export async function start(): Promise<Row[]> {
  using at = place();
  const once = async (args: readonly string[], marker: string) => {
    const p = await spoken(args, at.env, marker);
    await p.end();
    return p.ms;
  };
  // The first start after an installation fills the compile cache; that is written a while after the answer.
  const first = await spoken([launcher, 'stdio'], at.env, '"tools":[');
  await sleep(2_500);
  await first.end();
  const ms = await interleaved(ROUNDS, {
    stdio: () => once([launcher, 'stdio'], '"tools":['),
    echo: () => once(ECHO, 'tools/list'),
  });
  return [
    row('start', 'deckhand stdio to the first tools/list', median(ms.stdio), 'ms', {
      against: { what: 'bare Node', value: median(ms.echo) },
      budget: { times: 3, aim: 2 },
    }),
  ];
}
