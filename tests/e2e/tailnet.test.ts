/** The built product on the tailnet's socket: its mode, a second server, one that was killed; and clients of both eras through a stand-in for `tailscale serve`. */
import { existsSync, lstatSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { expect, onTestFinished, test, vi } from 'vitest';
import { tailscaled, serve as tailscaleServe } from '../fakes/tailscaled.ts';
import { ERAS, type Era, launcher, place, serve } from './product.ts';

if (!existsSync(join(launcher, '../../dist')))
  throw new Error('dist/ is missing: run `npm run build` (npm test does).');

async function connect(era: Era, url: string): Promise<Pick<Client, 'listTools' | 'callTool' | 'close'>> {
  if (era === 'sdk 1.x') {
    const client = new OldClient({ name: 'e2e', version: '1' });
    await client.connect(new OldTransport(new URL(url)) as never);
    return client as unknown as Client;
  }
  const mode = era === '2026-07-28' ? { pin: era } : 'legacy';
  const client = new Client({ name: 'e2e', version: '1' }, { versionNegotiation: { mode } } as never);
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

test('listens beside its port for owner and group; a second one is refused; what a killed one left is taken over', async () => {
  const at = place();
  onTestFinished(() => at[Symbol.dispose]());
  const socket = join(at.dir, 'mcp.sock');
  const fake = await tailscaled(join(at.dir, 'tailscaled.sock'));
  onTestFinished(() => fake.close());
  fake.whois.set('100.64.0.20', 'whois-user.json');
  const config = join(at.dir, 'config.yaml');
  writeFileSync(
    config,
    `tailnet: {socket: ${socket}, localApi: ${fake.socket}}\nprincipals: [{who: "tailnet:alice@example.com", roles: [viewer]}]\n`,
    { mode: 0o600 },
  );
  const first = await serve(at, ['--config', config]);
  onTestFinished(async () => void (await first.stop('SIGKILL')));
  await vi.waitFor(() => expect((lstatSync(socket).mode & 0o777).toString(8)).toBe('660'));
  const front = await tailscaleServe(socket, { address: '100.64.0.20', login: 'alice@example.com' });
  onTestFinished(() => front.close());
  for (const era of ERAS) {
    const client = await connect(era, front.url);
    const { tools } = await client.listTools();
    expect(
      tools.map((t) => t.name),
      era,
    ).toContain('system_overview');
    expect(
      tools.map((t) => t.name),
      era,
    ).not.toContain('file_edit');
    expect((await client.callTool({ name: 'system_overview', arguments: {} })).isError ?? false, era).toBe(false);
    await client.close();
  }

  const elsewhere = { ...at, env: { ...at.env, DECKHAND_STATE_DIR: join(at.dir, 'other') } };
  await expect(serve(elsewhere, ['--config', config])).rejects.toThrow(/Another server listens on .*mcp\.sock already/);
  expect((await fetch(front.url, { method: 'POST' })).status, 'the first is untouched').not.toBe(502);

  await first.stop('SIGKILL');
  expect(existsSync(socket)).toBe(true);
  const third = await serve(at, ['--config', config]);
  onTestFinished(async () => void (await third.stop('SIGKILL')));
  await vi.waitFor(async () => {
    const client = await connect('2026-07-28', front.url);
    await client.close();
  });
  expect(await third.stop()).toBe(0);
  expect(existsSync(socket)).toBe(false);
}, 60_000);
