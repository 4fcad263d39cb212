/** What is said at the start of the way through the tailnet: once, as it is, and never a reason not to start. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../src/config/load.ts';
import type { Log } from '../src/core/call.ts';
import { OpsError } from '../src/core/errors.ts';
import { openTailnet } from '../src/wiring_tailnet.ts';
import { fixture, type Tailscaled, tailscaled } from './fakes/tailscaled.ts';

let dir: string;
let fake: Tailscaled | null = null;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-wt-'));
});
afterEach(async () => {
  await fake?.close();
  fake = null;
  rmSync(dir, { recursive: true, force: true });
});

async function opened() {
  const file = join(dir, 'config.yaml');
  const socket = join(dir, 'mcp.sock');
  writeFileSync(
    file,
    `tailnet: {localApi: ${dir}/d.sock, socket: ${socket}, capability: example.com/cap/opsmcp}\nroles: [{name: deploy, scopes: [viewer]}]\n`,
  );
  const { config } = await loadConfig({ env: { HOME: dir, DECKHAND_CONFIG: file }, defaultFile: '/nonexistent' });
  const lines: [string, object, string][] = [];
  const line = (level: string) => (fields: object, message: string) => void lines.push([level, fields, message]);
  const log: Log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  const forged: object[] = [];
  const clock = { now: () => Date.UTC(2026, 10, 21), elapsed: () => performance.now() };
  const way = openTailnet({ config, socket, clock, log, forged: (request) => void forged.push(request) });
  return { way, lines, forged, said: () => lines.map(([level, , message]) => `${level} ${message.slice(0, 40)}`) };
}

test('as it should be: nothing', async () => {
  fake = await tailscaled(join(dir, 'd.sock'));
  const { way, said } = await opened();
  await way.look();
  expect(said()).toEqual([]);
});
test('userspace mode, where peers reach plain loopback', async () => {
  fake = await tailscaled(join(dir, 'd.sock'));
  fake.status = fixture('status-userspace.json');
  const { way, lines } = await opened();
  await way.look();
  expect(lines.at(-1)).toMatchObject(['warn', { host: '127.0.0.1', port: 7070 }, expect.stringContaining('userspace')]);
});
test('open to the Internet: an error with the command', async () => {
  fake = await tailscaled(join(dir, 'd.sock'));
  fake.serve = fixture('serve-config-funnel.json').replace('http://127.0.0.1:8080', `unix:${dir}/mcp.sock`);
  const { way, lines } = await opened();
  await way.look();
  expect(lines[0]).toMatchObject([
    'error',
    { fix: expect.stringContaining(`tailscale serve --bg --https=443 unix:${dir}/mcp.sock`) },
    expect.any(String),
  ]);
});
test('no tailscaled: said, and gone on', async () => {
  const { way, said } = await opened();
  await way.look();
  expect(said()).toEqual([
    'warn tailscaled does not say what it serves: ',
    'debug tailscaled does not say how it runs',
  ]);
});
test('roles are those of this server; what is forged is told on; a token is for who knows tokens', async () => {
  fake = await tailscaled(join(dir, 'd.sock'));
  const whois = JSON.parse(fixture('whois-user.json'));
  whois.CapMap['example.com/cap/opsmcp'] = ['deploy', 'admin', 'root'].map((role) => ({ role }));
  fake.whois.set('100.64.0.20', JSON.stringify(whois));
  const { way, forged } = await opened();
  const refused = { refused: new OpsError('permission', 'no'), status: 401 as const, sent: true };
  const authenticate = way.authenticate(() => refused);
  const headers: Record<string, string> = {
    'x-forwarded-for': '100.64.0.20',
    'tailscale-user-login': 'alice@example.com',
  };
  const ask = (bearer?: string) =>
    authenticate({ listener: 'tailnet', address: '100.64.0.20', bearer, header: (name) => headers[name] });
  expect(await ask()).toMatchObject({ principal: { roles: ['admin', 'deploy'] } });
  expect(await ask('x')).toBe(refused);
  headers['tailscale-user-login'] = 'root@example.com';
  expect(await ask()).toMatchObject({ status: 403 });
  expect(forged).toEqual([{ address: '100.64.0.20', what: 'a login that is not the one of its address' }]);
});
