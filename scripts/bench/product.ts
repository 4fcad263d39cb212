/** The product as users start it, in a state folder of its own, with limits high enough that the load is not refused. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const launcher = fileURLToPath(new URL('../../bin/deckhand.mjs', import.meta.url));

/** What the unit and the image start Node with; the references get the same. */
export const FLAGS = ['--max-semi-space-size=2'];

export interface Place extends Disposable {
  dir: string;
  env: Record<string, string>;
}

export function place(): Place {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-bench-'));
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: dir,
    MALLOC_ARENA_MAX: '1',
    MALLOC_MMAP_THRESHOLD_: '16384',
    DECKHAND_STATE_DIR: join(dir, 'state'),
    DECKHAND_LOG_LEVEL: 'warn',
    DECKHAND_LIMITS_CALLS_PER_MINUTE: '10000000',
    DECKHAND_LIMITS_CONCURRENT_CALLS: '256',
    DECKHAND_LIMITS_CONCURRENT_PER_PRINCIPAL: '256',
    DECKHAND_HTTP_REQUESTS_PER_MINUTE_PER_ADDRESS: '10000000',
    DECKHAND_HTTP_CONNECTIONS_PER_ADDRESS: '256',
  };
  return { dir, env, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}

export interface Product extends AsyncDisposable {
  port: number;
  token: string;
  pid: number;
  dir: string;
}

/** `deckhand serve`, listening. */
export async function startProduct(flags: readonly string[]): Promise<Product> {
  const at = place();
  const child = spawn(process.execPath, [...flags, launcher, 'serve', '--http-port', '0'], {
    env: at.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stderr.on('data', (d) => {
    err = `${err}${d}`.slice(-4_000);
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (d) => {
      out += d;
      if (out.includes('More tokens:')) resolve();
    });
    ended.then(() => reject(new Error(`serve ended before it listened: ${err}${out}`)));
  });
  const port = Number(/URL\s+http:\/\/[^:\s]+:(\d+)/.exec(out)?.[1]);
  const token = /token\s+(dh_\S+)/.exec(out)?.[1];
  if (!port || !token) throw new Error(`serve did not say where it is: ${out}`);
  return {
    port,
    token,
    pid: child.pid as number,
    dir: at.dir,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
      at[Symbol.dispose]();
    },
  };
}
