/**
 * What somebody does who has never had Deckhand, by the very lines that the pages tell them to type, on a machine without caches: an empty
 * home, an empty npm cache, a clone. Times each step. Which lines those are the pages decide; only their placeholders are filled in here.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { root } from '../e2e/product.ts';
import { bootDebian } from './debian.ts';
import { released, VERSION, writeReleases } from './releases.ts';

export interface Step {
  what: string;
  ms: number;
}

export interface Path {
  steps: Step[];
  /** What the first call answered, as text. */
  answer: string;
}

/** The first block of code on a page that has this word in it, line by line, without remarks. */
export function typed(page: string, word: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  const blocks = [...text.matchAll(/^```\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
  const block = blocks.find((b) => b.includes(word));
  if (!block) throw new Error(`${page} has no block of commands with ${JSON.stringify(word)} any more`);
  return block
    .trim()
    .split('\n')
    .map((line) => line.replace(/\s{2,}#.*$/, ''));
}

/** The registry that this user's npm would ask; nothing else of their settings is taken along. */
const registry = () => spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout.trim();

/** From a clone to the first answered call: the README's first block. */
export async function fromClone(o: { ms: number }): Promise<Path> {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-newcomer-'));
  const home = join(dir, 'home');
  mkdirSync(home);
  // Without the checkout's own programs: a newcomer has whatever Node the system has.
  const path = (process.env.PATH ?? '').split(':').filter((p) => !p.includes('node_modules'));
  const env = {
    PATH: path.join(':'),
    HOME: home,
    npm_config_registry: registry(),
    DECKHAND_HTTP_PORT: '0',
    // Root's own would be the machine's, where there may be one already.
    DECKHAND_STATE_DIR: join(dir, 'state'),
  };
  const lines = typed('README.md', 'npm start').map((line) => line.replace('REPOSITORY', `--quiet '${root}'`));
  if (lines.length !== 2) throw new Error(`the README now begins with ${lines.length} lines: ${lines.join(' / ')}`);
  const [clone = '', start = ''] = lines;
  const steps: Step[] = [];
  let child: ChildProcess | undefined;
  try {
    let at = performance.now();
    const step = (what: string) => {
      const now = performance.now();
      steps.push({ what, ms: now - at });
      at = now;
      return true;
    };
    const cloned = spawnSync('bash', ['-euc', clone], { cwd: dir, env, encoding: 'utf8' });
    if (cloned.status !== 0) throw new Error(`${clone}: ${cloned.stderr}`);
    step('git clone');
    child = spawn('bash', ['-euc', start], { cwd: join(dir, 'deckhand'), env, detached: true });
    const said = await greeted(child, o.ms, (text) => text.includes('> deckhand@') && step('npm ci'));
    step('build and start, up to the welcome');
    // The line that the welcome says to paste.
    const pasted = /claude mcp add --transport http deckhand (\S+) --header "Authorization: (Bearer dh_\S+)"/.exec(
      said,
    );
    if (!pasted) throw new Error(`the welcome names no line to paste:\n${said}`);
    const [, url = '', authorization = ''] = pasted;
    const client = new Client({ name: 'newcomer', version: '1' });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { authorization } } }),
    );
    const answer = await client.callTool({ name: 'system_overview', arguments: {} });
    await client.close();
    step('first answered call');
    return { steps, answer: (answer.content as { text: string }[])[0]?.text ?? '' };
  } finally {
    await ended(child);
    rmSync(dir, { recursive: true, force: true });
  }
}

/** From a release's tarball on a bare Debian to a running service that answers a call: the first block of the guide. */
export async function fromRelease(o: { ms: number }): Promise<Path> {
  const debian = await bootDebian('trixie', 'nspawn');
  try {
    // Packed more lightly than a release: else the same files, and both files lie there as they are downloaded.
    writeReleases(debian.share, { [VERSION]: await released() });
    await debian.sh('mkdir /root/new && cp /share/deckhand-* /share/SHA256SUMS /root/new/');
    const steps: Step[] = [];
    let token = '';
    for (const line of typed('docs/guide-service.md', 'install.sh')) {
      const from = performance.now();
      // Root needs no sudo, and a bare Debian has none.
      const ran = await debian.sh(`cd /root/new && ${line.replace(/^sudo /, '')}`, { ms: o.ms });
      steps.push({ what: line, ms: performance.now() - from });
      token = /^dh_\S+$/m.exec(ran.out)?.[0] ?? token;
    }
    const from = performance.now();
    // The official client, in that machine's network: the service listens on its loopback alone.
    const calling = debian.start([
      process.execPath,
      '--input-type=module',
      '-e',
      CALL,
      'http://127.0.0.1:7070/mcp',
      token,
    ]);
    const said = await printed(calling, o.ms);
    steps.push({ what: 'first answered call', ms: performance.now() - from });
    return { steps, answer: said };
  } finally {
    await debian.close();
  }
}

const CALL = `
const { Client, StreamableHTTPClientTransport } = await import(${JSON.stringify(import.meta.resolve('@modelcontextprotocol/client'))});
const [url, token] = process.argv.slice(1);
const client = new Client({ name: 'newcomer', version: '1' });
const requestInit = { headers: { authorization: 'Bearer ' + token } };
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
const answer = await client.callTool({ name: 'system_overview', arguments: {} });
await client.close();
process.stdout.write(answer.content[0].text);
`;

async function printed(child: ChildProcess, ms: number): Promise<string> {
  let out = '';
  let err = '';
  child.stdout?.on('data', (d) => {
    out += d;
  });
  child.stderr?.on('data', (d) => {
    err += d;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  const code = await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  if (code !== 0) throw new Error(`the first call: ${code}\n${err.slice(-2000)}`);
  return out;
}

/** What it printed up to the welcome's last line. `seen` is asked for each piece until it says yes once. */
function greeted(child: ChildProcess, ms: number, seen: (text: string) => boolean): Promise<string> {
  let out = '';
  let err = '';
  let first = true;
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${why}\n${out.slice(-2000)}\n${err.slice(-2000)}`));
    const timer = setTimeout(() => fail(`no welcome within ${ms} ms`), ms);
    child.stderr?.on('data', (d) => {
      err += d;
    });
    child.stdout?.on('data', (d) => {
      out += d;
      if (first && seen(out)) first = false;
      if (out.includes('More tokens:')) {
        clearTimeout(timer);
        resolve(out);
      }
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      fail(`it ended with ${code} before it served`);
    });
  });
}

/** With all that it started. */
async function ended(child: ChildProcess | undefined): Promise<void> {
  if (!child?.pid || child.exitCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  process.kill(-child.pid, 'SIGTERM');
  await gone;
}
