/** The house put together with channels: what is asked is told, and a channel that hangs holds up neither a call nor the stop. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { createApp, type Role } from '../src/app.ts';
import { loadConfig } from '../src/config/load.ts';
import { callOf, operator, quiet, who } from './fakes/policy.ts';
import { fixtureTools, stage } from './fakes/tools.ts';
import { receiver } from './host/notify/servers.ts';

beforeEach(() => stage.reset());

async function opened(url: string, role: Role = 'stdio') {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-app-notify-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const config = join(dir, 'deckhand.yaml');
  writeFileSync(
    config,
    `http: {url: "https://box.example.org"}\nnotify:\n  channels:\n    - {name: phone, kind: ntfy, url: "${url}", plain: true}\n`,
    { mode: 0o600 },
  );
  const env = {
    HOME: dir,
    DECKHAND_STATE_DIR: join(dir, 'state'),
    DECKHAND_AUDIT_HEADS: 'off',
    DECKHAND_CONFIG: config,
  };
  const loaded = await loadConfig({ env, defaultFile: join(dir, 'none.yaml') });
  const catalog = { tools: fixtureTools, resources: [], prompts: [] };
  const app = await createApp({ loaded, log: quiet, role, version: 'test', catalog });
  let closed: Promise<void> | null = null;
  const close = () => {
    closed ??= app.close();
    return closed;
  };
  onTestFinished(close);
  const ask = () => app.door.run(callOf('fixture_rename', { to: 'new' }, { principal: operator }));
  return { app, ask, close };
}

test('a question is told with a link that decides it; at a terminal nobody is told', async () => {
  const far = await receiver({});
  const { app, ask } = await opened(`${far.origin}/t`);
  expect((await ask()).status).toBe('pending');
  await vi.waitFor(() => expect(far.got).toHaveLength(1));
  const { click } = JSON.parse(far.got[0]?.body ?? '{}') as { click: string };
  expect(click).toMatch(/^https:\/\/box\.example\.org\/approvals\/l_/);
  app.links?.decide(click.split('/').pop() ?? '', who('token:phone', ['admin']), { granted: true });
  expect((await ask()).status).toBe('done');

  const terminal = await opened(`${far.origin}/t`, 'cli');
  expect((await terminal.ask()).status).toBe('pending');
  expect(await terminal.app.channels.trial('phone')).toMatchObject({ ok: true });
  await terminal.close();
  // The trial alone.
  expect(far.got).toHaveLength(2);
});

test('a channel that hangs holds up neither a call nor the stop', async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.resume().on('error', () => {});
  }).listen(0, '127.0.0.1');
  await new Promise((ok) => server.once('listening', ok));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const { ask, close } = await opened(`http://127.0.0.1:${port}/t`);
  expect((await ask()).status).toBe('pending');
  await vi.waitFor(() => expect(connections).toBe(1));
  // It is in the middle of it: the next call is answered all the same, and so is the stop.
  expect((await ask()).status).toBe('pending');
  await close();
});
