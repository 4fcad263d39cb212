/** The product from outside: the launcher is started as users start it, and spoken to by the clients of both eras. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as OldStdio } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as OldHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const launcher = join(root, 'bin/deckhand.mjs');

export type Era = '2026-07-28' | '2025-11-25' | 'sdk 1.x';
export const ERAS: Era[] = ['2026-07-28', '2025-11-25', 'sdk 1.x'];

export interface Place extends Disposable {
  dir: string;
  env: Record<string, string>;
}

/** A state folder and a home of its own: nothing of the developer's own Deckhand is seen or touched. */
export function place(extra: Record<string, string> = {}): Place {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-e2e-'));
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: dir,
    XDG_STATE_HOME: dir,
    DECKHAND_STATE_DIR: join(dir, 'state'),
    DECKHAND_AUDIT_HEADS: 'off',
    DECKHAND_LIMITS_CALLS_PER_MINUTE: '1000000',
    DECKHAND_HTTP_REQUESTS_PER_MINUTE_PER_ADDRESS: '1000000',
    ...extra,
  };
  return { dir, env, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}

const newer = (era: Era) =>
  new Client({ name: 'e2e', version: '1' }, {
    versionNegotiation: { mode: era === '2026-07-28' ? { pin: era } : 'legacy' },
  } as never);

/** What the two clients have in common, as far as it is used here. */
export type AnyClient = Pick<
  Client,
  | 'listTools'
  | 'callTool'
  | 'close'
  | 'getServerVersion'
  | 'listResources'
  | 'listResourceTemplates'
  | 'readResource'
  | 'listPrompts'
  | 'getPrompt'
>;

export async function overStdio(era: Era, at: Place, args: string[] = []): Promise<AnyClient> {
  const how = { command: process.execPath, args: [launcher, ...args, 'stdio'], env: at.env, stderr: 'pipe' as const };
  if (era === 'sdk 1.x') {
    const client = new OldClient({ name: 'e2e', version: '1' });
    await client.connect(new OldStdio(how));
    return client as unknown as AnyClient;
  }
  const client = newer(era);
  await client.connect(new StdioClientTransport(how));
  return client;
}

export async function overHttp(era: Era, url: string, token: string): Promise<AnyClient> {
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  if (era === 'sdk 1.x') {
    const client = new OldClient({ name: 'e2e', version: '1' });
    await client.connect(new OldHttp(new URL(url), { requestInit }) as never);
    return client as unknown as AnyClient;
  }
  const client = newer(era);
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
  return client;
}

export interface Served {
  url: string;
  token: string;
  child: ChildProcess;
  printed(): string;
  errors(): string;
  /** Sends the signal and waits for the end; gives exit code or signal. */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
}

export async function serve(at: Place, args: string[] = []): Promise<Served> {
  const port = args.includes('--http-port') ? [] : ['--http-port', '0'];
  const child = spawn(process.execPath, [launcher, 'serve', ...port, ...args], {
    env: at.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stderr.on('data', (d) => {
    err += d;
  });
  const ended = new Promise<number | string>((resolve) =>
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'gone')),
  );
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (d) => {
      out += d;
      // The last line of the welcome: everything a newcomer pastes stands above it.
      if (out.includes('More tokens:')) resolve();
    });
    ended.then((how) => reject(new Error(`serve ended (${how}) before it listened: ${err}${out}`)));
  });
  return {
    url: /URL\s+(\S+)/.exec(out)?.[1] ?? '',
    token: /token\s+(dh_\S+)/.exec(out)?.[1] ?? '',
    child,
    printed: () => out,
    errors: () => err,
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return ended;
    },
  };
}

/** Runs a command to its end. */
export function run(
  at: Place,
  args: string[],
  input?: string,
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [launcher, ...args], { env: at.env, stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (d) => {
    out += d;
  });
  child.stderr.on('data', (d) => {
    err += d;
  });
  child.stdin.end(input);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}
