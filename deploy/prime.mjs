/**
 * Fills V8's compile cache beside a program that its user may not write, so that its first start is as fast as the second: while an
 * image is built (its root file system may be read-only later), and when a release is installed. `prime.mjs FOLDER [UID]`: for that
 * user, else for the one who runs it. Runs what users run, on settings and a state folder that are thrown away; what goes wrong here
 * fails, and leaves nothing behind.
 *
 * It never becomes that user: whoever has taken over the server of before runs under the same number, and could put a program of his
 * own into the cache of the next. Node keeps a cache for each user under a name that ends with the number, and only that.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [app, uid] = process.argv.slice(2);
const launcher = join(app, 'bin/deckhand.mjs');
const cache = join(app, 'dist/.compile-cache');
const filling = `${cache}.${process.pid}`;
const dir = mkdtempSync(join(tmpdir(), 'prime-'));
mkdirSync(filling, { mode: 0o700 });
process.on('exit', () => {
  for (const made of [dir, filling]) rmSync(made, { recursive: true, force: true });
});
const settings = join(dir, 'config.yaml');
writeFileSync(settings, '');
const env = {
  PATH: process.env.PATH,
  HOME: dir,
  // It counts before the launcher's own choice.
  NODE_COMPILE_CACHE: filling,
  DECKHAND_CONFIG: settings,
  DECKHAND_STATE_DIR: join(dir, 'state'),
  DECKHAND_HTTP_PORT: '0',
  DECKHAND_AUDIT_HEADS: 'off',
};

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

const serve = spawn(process.execPath, [launcher, 'serve'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
let said = '';
let log = '';
serve.stderr.on('data', (chunk) => {
  log += chunk;
});
for await (const chunk of serve.stdout) {
  said += chunk;
  if (said.includes('More tokens:')) break;
}
const url = /URL\s+(\S+)/.exec(said)?.[1];
if (!url) throw new Error(`serve does not say where it listens\n${said}${log}`);
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
if (code !== 0) throw new Error(`serve ended with ${code}\n${log}`);

// Its owner's only as it was made; others read it.
chmodSync(filling, 0o755);
for (const entry of readdirSync(filling, { recursive: true, withFileTypes: true }))
  chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
if (uid !== undefined)
  for (const name of readdirSync(filling))
    renameSync(join(filling, name), join(filling, name.replace(/-\d+$/, `-${uid}`)));
rmSync(cache, { recursive: true, force: true });
renameSync(filling, cache);
