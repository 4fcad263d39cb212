/**
 * `deckhand tailnet setup` as it is shipped: the built command finds `tailscale` where it is installed, in a mount namespace of its own
 * where that is a stand-in; then the server is restarted, and somebody comes in the way that was made. No tailscaled can be had here:
 * LocalAPI, `tailscale` and what serve puts in front are synthetic, after the source of Tailscale (tests/fakes/).
 */
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { launcher, type Place, place, run, serve } from '../e2e/product.ts';
import { tailscaled, serve as tailscaleServe } from '../fakes/tailscaled.ts';

const INSTALLED = '/usr/local/bin';
const can = process.env.DECKHAND_REAL === '1' && process.getuid?.() === 0;
if (!can)
  process.stderr.write(
    'tailnet setup end to end: SKIPPED. It needs DECKHAND_REAL=1, and root for a mount namespace.\n',
  );

/** The command, with that folder in place of the one that programs are installed in. */
function runWith(bin: string, at: Place, args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const script = `mount --bind "$1" ${INSTALLED} && shift && exec "$@"`;
  const child = spawn('unshare', ['-m', 'sh', '-c', script, 'sh', bin, process.execPath, launcher, ...args], {
    env: at.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (part) => {
    out += part;
  });
  child.stderr.on('data', (part) => {
    err += part;
  });
  return new Promise((ended) => child.once('close', (code) => ended({ code, out, err })));
}

async function connect(url: string): Promise<Client> {
  const mode = { mode: { pin: '2026-07-28' } };
  const client = new Client({ name: 'shipping', version: '1' }, { versionNegotiation: mode } as never);
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  onTestFinished(() => client.close());
  return client;
}

describe.skipIf(!can)('deckhand tailnet setup', () => {
  test('from nothing to a call by name; taken up again it changes nothing', async () => {
    const at = place();
    onTestFinished(() => at[Symbol.dispose]());
    const bin = join(at.dir, 'bin');
    mkdirSync(bin);
    copyFileSync(fileURLToPath(new URL('../fakes/tailscale_cli.mjs', import.meta.url)), join(bin, 'tailscale.mjs'));
    writeFileSync(join(bin, 'tailscale'), `#!/bin/sh\nexec ${process.execPath} ${bin}/tailscale.mjs "$@"\n`);
    chmodSync(join(bin, 'tailscale'), 0o755);
    if (dirname(process.execPath) === INSTALLED) copyFileSync(process.execPath, join(bin, 'node'));
    const fake = await tailscaled(join(at.dir, 'tailscaled.sock'));
    onTestFinished(() => fake.close());
    fake.serve = 'null';
    fake.whois.set('100.64.0.20', 'whois-user.json');
    const [config, socket] = [join(at.dir, 'config.yaml'), join(at.dir, 'mcp.sock')];
    const old = `# by hand\ntoolsets: [all]\ntailnet:\n  localApi: ${fake.socket} # theirs\n`;
    writeFileSync(config, old, { mode: 0o600 });
    const inode = statSync('/usr/bin').ino;

    const first = await serve(at, ['--config', config]);
    onTestFinished(async () => void (await first.stop('SIGKILL')));
    const before = await run(at, ['tailnet', 'status', '--config', config]);
    expect([before.code, before.out]).toEqual([1, expect.stringContaining('No socket for the tailnet is set')]);

    const words = ['tailnet', 'setup', '--config', config, '--tailnet-socket', socket];
    const who = ['--allow', 'alice@example.com=viewer'];
    const dry = await runWith(bin, at, [...words, ...who, '--dry-run']);
    expect([dry.code, dry.err, readFileSync(config, 'utf8'), fake.serve]).toEqual([0, '', old, 'null']);
    const made = await runWith(bin, at, [...words, ...who]);
    expect([made.code, made.err], made.out).toEqual([0, '']);
    expect(made.out).toContain('systemctl restart deckhand');
    expect(readFileSync(config, 'utf8')).toBe(
      `${old.replace('  localApi', `  socket: ${socket}\n  localApi`)}principals:\n  - {who: "tailnet:alice@example.com", roles: [viewer]}\n`,
    );
    const asked = readFileSync(join(bin, 'record'), 'utf8').trim().split('\n');
    expect(asked.map((l) => JSON.parse(l))).toEqual([
      [`--socket=${fake.socket}`, 'serve', '--bg', '--https=443', `unix:${socket}`],
    ]);
    const notYet = await run(at, ['tailnet', 'status', '--config', config]);
    expect([notYet.code, notYet.out]).toEqual([1, expect.stringContaining(`${socket} is not there`)]);

    expect(await first.stop()).toBe(0);
    const second = await serve(at, ['--config', config]);
    onTestFinished(async () => void (await second.stop('SIGKILL')));
    await vi.waitFor(() => expect(existsSync(socket)).toBe(true), 20_000);
    const stands = await run(at, ['tailnet', 'status', '--config', config]);
    expect([stands.code, stands.out]).toEqual([0, expect.stringContaining('https://ops.tail-fake.ts.net/mcp')]);

    // Where tailscaled was told to go, and nowhere else.
    const told = JSON.parse(fake.serve).Web['ops.tail-fake.ts.net:443'].Handlers['/'].Proxy as string;
    const front = await tailscaleServe(told.replace('unix:', ''), {
      address: '100.64.0.20',
      login: 'alice@example.com',
    });
    onTestFinished(() => front.close());
    const alice = await connect(front.url);
    const { structuredContent } = await alice.callTool({ name: 'tailnet_status', arguments: {} });
    expect(structuredContent).toMatchObject({
      state: 'Running',
      total: 2,
      served: [{ at: 'https://ops.tail-fake.ts.net:443/', here: 'socket', funnel: false }],
      findings: [],
    });
    expect(JSON.stringify(structuredContent)).not.toContain('nodekey');
    const local = await fetch(second.url, { method: 'POST', headers: { 'tailscale-user-login': 'alice@example.com' } });
    expect(local.status, 'the control: the same name over the port is nobody').toBe(401);

    const text = readFileSync(config, 'utf8');
    const again = await runWith(bin, at, [...words, ...who, '--json']);
    expect(JSON.parse(again.out)).toMatchObject({ ok: true, changed: false, config: { added: [], backup: null } });
    expect([readFileSync(config, 'utf8'), readFileSync(join(bin, 'record'), 'utf8').trim().split('\n').length]).toEqual(
      [text, 1],
    );
    expect([statSync('/usr/bin').ino, existsSync(join(INSTALLED, 'tailscale.mjs'))], 'this machine').toEqual([
      inode,
      false,
    ]);
  }, 120_000);
});
