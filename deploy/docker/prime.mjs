/**
 * Fills V8's compile cache while the image is built, so that its first start is as fast as the second: the root file system
 * may be read-only, and then nothing could be kept. Runs what users run, on a state folder that is thrown away; what goes
 * wrong here fails the build.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const app = process.argv[2];
const launcher = join(app, 'bin/deckhand.mjs');
const dir = mkdtempSync(join(tmpdir(), 'prime-'));
const env = { ...process.env, HOME: dir, DECKHAND_STATE_DIR: join(dir, 'state'), DECKHAND_HTTP_PORT: '0' };

const once = (...args) => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [launcher, ...args], { env, encoding: 'utf8' });
  // doctor says 1 where something is broken; a build container may well be.
  if (status !== 0 && args[0] !== 'doctor') throw new Error(`deckhand ${args.join(' ')}: ${status}\n${stderr}`);
  return stdout;
};
const token = /dh_\S+/.exec(once('token', 'add', 'prime', '--role', 'viewer'))?.[0];
once('token', 'list');
once('call', 'system_overview');
once('doctor');

const serve = spawn(process.execPath, [launcher, 'serve'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
let said = '';
for await (const chunk of serve.stdout) {
  said += chunk;
  if (said.includes('More tokens:')) break;
}
const url = /URL\s+(\S+)/.exec(said)?.[1];
const ask = async (method, params = {}) => {
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method}: ${answer.status} ${text}`);
};
const clientInfo = { name: 'prime', version: '1' };
await ask('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo });
await ask('tools/list');
for (const name of ['system_overview', 'system_metrics', 'process_list'])
  await ask('tools/call', { name, arguments: {} });
await fetch(new URL('/healthz', url));
const ended = new Promise((resolve) => serve.once('exit', resolve));
serve.kill('SIGTERM');
const code = await ended;
if (code !== 0) throw new Error(`serve ended with ${code}`);
rmSync(dir, { recursive: true });

// The launcher makes it for its owner only; in the image it is root's, and other users read it.
const cache = join(app, 'dist/.compile-cache');
chmodSync(cache, 0o755);
for (const entry of readdirSync(cache, { recursive: true, withFileTypes: true }))
  chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
