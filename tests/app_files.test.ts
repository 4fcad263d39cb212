/** Files in the whole house: roots and the deny list come from the settings, ours are never opened, the trash is emptied. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type App, createApp } from '../src/app.ts';
import { loadConfig } from '../src/config/load.ts';
import { quiet } from './fakes/policy.ts';

let dir: string;
let app: App | undefined;
let hourly: () => void = () => {};
beforeEach(() => {
  dir = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-app-files-')));
});
afterEach(async () => {
  await app?.close();
  app = undefined;
  fs.rmSync(dir, { recursive: true, force: true });
});

async function start(files: string): Promise<App> {
  fs.mkdirSync(join(dir, 'etc'));
  fs.writeFileSync(join(dir, 'etc/values'), 'a-long-secret\n', { mode: 0o600 });
  const configFile = join(dir, 'etc/config.yaml');
  fs.writeFileSync(
    configFile,
    `files: ${files}\nredact: {values_file: values}\npeers: [{name: nas, url: "https://nas.example", tokenFile: "${dir}/nas.token"}]\naudit: {heads: 'off'}\n`,
    {
      mode: 0o600,
    },
  );
  const env = { HOME: dir, DECKHAND_STATE_DIR: join(dir, 'state') };
  const everyHour = (work: () => void) => {
    hourly = work;
    return () => {};
  };
  app = await createApp({
    loaded: await loadConfig({ env, configFile }),
    log: quiet,
    role: 'serve',
    version: 'test',
    everyHour,
  });
  return app;
}

test('under a root that holds everything: state, settings, their secrets and what the owner denies stay closed', async () => {
  const { host } = await start(`{roots: [{path: "${dir}", access: write}], deny: ["*.private"]}`);
  for (const [name, text] of Object.entries({ plain: 'x', 'x.private': 'x', 'nas.token': 'x' }))
    fs.writeFileSync(join(dir, name), text);
  const read = (path: string) => host.files.reader.read(join(dir, path), { length: 99 });
  expect((await read('plain')).bytes.length).toBe(1);
  for (const path of [
    'etc/config.yaml',
    'etc/values',
    'nas.token',
    'state/audit.key',
    'state/deckhand.db',
    'x.private',
  ])
    await expect(read(path), path).rejects.toMatchObject({
      code: 'permission',
      message: expect.stringContaining('deny list'),
    });
  const { stat } = await host.files.reader.list(join(dir, 'etc'), { limit: 0 });
  await expect(host.files.changer.trash(join(dir, 'etc'), { id: stat.id })).rejects.toMatchObject({
    code: 'permission',
  });
  expect(host.files.roots()).toHaveLength(1);
});

test('what has lain in the trash for its days is gone within the hour', async () => {
  const { host } = await start(`{roots: [{path: "${dir}", access: write}], trashDays: 1}`);
  expect(host.files.changer.trashKeepsMs()).toBe(86_400_000);
  for (const name of ['old', 'young']) fs.writeFileSync(join(dir, name), name);
  const throwAway = async (name: string) => {
    const { stat } = await host.files.reader.list(join(dir, name), { limit: 0 });
    return host.files.changer.trash(join(dir, name), { id: stat.id });
  };
  const [old, young] = [await throwAway('old'), await throwAway('young')];
  const bin = join(dir, fs.readdirSync(dir).find((n) => n.startsWith('.deckhand-trash')) ?? '');
  const record = join(bin, old.token, 'record.json');
  const said = JSON.parse(fs.readFileSync(record, 'utf8'));
  fs.writeFileSync(record, JSON.stringify({ ...said, atMs: said.atMs - 2 * 86_400_000 }));
  hourly();
  await expect.poll(() => fs.readdirSync(bin), { timeout: 10_000 }).toEqual([young.token]);
});

test('without a root to write, an hour costs no thread', async () => {
  const { host } = await start('{roots: []}');
  hourly();
  await expect(host.files.reader.list('/etc', { limit: 1 })).rejects.toMatchObject({
    code: 'permission',
    details: { hint: expect.stringContaining('files.roots') },
  });
});

test('a root that asks for an index has one; until it is built a search says so', async () => {
  const { host } = await start(`{roots: [{path: "${dir}", index: contents}], index: {seconds: 5}}`);
  fs.writeFileSync(join(dir, 'plain'), 'some words');
  const what = { content: { text: 'some words', regex: false, ignoreCase: true } };
  const bounds = { depth: 9, limit: 9, maxEntries: 999, maxBytes: 99_999, maxMs: 9_999 };
  expect(await host.files.find(dir, what, { ...bounds, index: true })).toMatchObject({
    hits: 1,
    index: { unused: 'it has not been built yet' },
  });
});
