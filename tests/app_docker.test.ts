/** The toolset docker in the whole house: offered where an engine is known, left out and said to be where there is none. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type App, createApp } from '../src/app.ts';
import { loadConfig } from '../src/config/load.ts';
import { openFront } from '../src/front.ts';
import { dockerMissing } from '../src/host/docker/missing.ts';
import { catalog } from '../src/tools/index.ts';
import { callOf, quiet, who } from './fakes/policy.ts';

let dir: string;
let app: App | undefined;
const logged: unknown[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-parts-'));
  logged.length = 0;
});
afterEach(async () => {
  await app?.close();
  app = undefined;
  rmSync(dir, { recursive: true, force: true });
});

const me = who('token:me', ['admin']);
const load = (env: Record<string, string>) =>
  loadConfig({
    env: { HOME: dir, DECKHAND_STATE_DIR: join(dir, 'state'), DECKHAND_AUDIT_HEADS: 'off', ...env },
    defaultFile: join(dir, 'none.yaml'),
  });
async function start(env: Record<string, string> = {}): Promise<App> {
  const log = { ...quiet, info: (fields: object) => void logged.push(fields) };
  app = await createApp({ loaded: await load(env), log, role: 'serve', version: 'test' });
  return app;
}
const listed = (a: App) => a.door.visible(me, undefined).map((t) => t.name);

test('an engine that is named but not there: its tools are offered, and say why and what to do', async () => {
  const a = await start({ DECKHAND_DOCKER_ENDPOINT: `unix://${dir}/none.sock` });
  expect(listed(a)).toEqual(expect.arrayContaining(['container_list', 'container_inspect']));
  const outcome = await a.door.run(callOf('container_list', {}, { principal: me }));
  expect(outcome).toMatchObject({ status: 'failed', error: { code: 'unavailable' } });
  if (outcome.status === 'failed') expect(outcome.error.details.hint).toContain('docker.endpoint');
  const overview = await a.door.run(callOf('system_overview', {}, { principal: me }));
  if (overview.status !== 'done') throw new Error(overview.status);
  expect(JSON.stringify(overview.data.unknown)).toContain('containers');
});

test('a hung engine costs the overview no time', async () => {
  mkdirSync(dir, { recursive: true });
  const socket = join(dir, 'hung.sock');
  const server = createServer(() => {}).listen(socket);
  try {
    const a = await start({ DECKHAND_DOCKER_ENDPOINT: `unix://${socket}` });
    const call = () => a.door.run(callOf('system_overview', {}, { principal: me }));
    await call();
    const began = performance.now();
    expect((await call()).status).toBe('done');
    expect(performance.now() - began).toBeLessThan(1_500);
  } finally {
    await app?.close();
    app = undefined;
    server.close();
  }
});

/** What the machine of this test has is not for the test to choose: it must only be said truly. */
const settings = {
  engines: [],
  endpoint: null,
  certPath: null,
  env: { host: process.env.DOCKER_HOST || null, certPath: null, tlsVerify: false },
};
test('without an engine the toolset is left out: in the list, in the log, in the overview, over stdio’s first answers; a call says why', async () => {
  const gone = dockerMissing(settings) !== null;
  const a = await start({ DECKHAND_TOOLSETS: 'all' });
  const set = catalog.tools.filter((t) => t.toolset === 'docker').map((t) => t.name);
  expect(listed(a)).toEqual(expect.arrayContaining(['result_query', 'diagnose']));
  expect(set.filter((name) => listed(a).includes(name))).toEqual(gone ? [] : set);
  const front = openFront(await load({ DECKHAND_TOOLSETS: 'all' }), 'test');
  const seen = front.visible(catalog.tools).map((t) => t.name);
  expect(set.filter((name) => seen.includes(name) === gone)).toEqual([]);
  const overview = await a.door.run(callOf('system_overview', {}, { principal: me }));
  if (overview.status !== 'done') throw new Error(overview.status);
  expect(JSON.stringify(overview.data.blind).includes('toolset docker')).toBe(gone);
  expect(JSON.stringify(logged).includes('toolset docker')).toBe(gone);
  if (!gone) return;
  const outcome = await a.door.run(callOf('container_list', {}, { principal: me }));
  expect(outcome).toMatchObject({
    status: 'failed',
    error: { code: 'unavailable', message: expect.stringContaining('missing') },
  });
});

test('what the owner has switched off is not missed', async () => {
  const a = await start({ DECKHAND_TOOLSETS: 'system' });
  const overview = await a.door.run(callOf('system_overview', {}, { principal: me }));
  if (overview.status !== 'done') throw new Error(overview.status);
  expect(JSON.stringify(overview.data.blind)).not.toContain('toolset docker');
});
