/** `deckhand tailnet setup | status` against a LocalAPI in memory and a stand-in for `tailscale`: what is done, what is left alone. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { setup, status } from '../../src/cli/tailnet.ts';
import { loadConfig } from '../../src/config/load.ts';
import type * as execRoom from '../../src/host/exec.ts';
import { planConfig, writeConfig } from '../../src/setup/tailnet/config_file.ts';
import { fixture, type Tailscaled, tailscaled } from '../fakes/tailscaled.ts';

const bin = vi.hoisted(() => ({ path: '' }));
vi.mock('../../src/host/exec.ts', async (original) => {
  const real = await original<typeof execRoom>();
  // The stand-in in place of the installed program, by the same execution.
  const exec: typeof real.exec = ({ binary, args, ...o }) => {
    expect(binary).toBe('tailscale');
    return real.execPath(process.execPath, { ...o, args: [bin.path, ...args] });
  };
  return { ...real, exec };
});

let dir: string;
let fake: Tailscaled;
let file: string;
let socket: string;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-tn-'));
  file = join(dir, 'config.yaml');
  socket = join(dir, 'run', 'mcp.sock');
  mkdirSync(join(dir, 'run'));
  mkdirSync(join(dir, 'bin'));
  bin.path = join(dir, 'bin', 'tailscale.mjs');
  copyFileSync(fileURLToPath(new URL('../fakes/tailscale_cli.mjs', import.meta.url)), bin.path);
  fake = await tailscaled(join(dir, 'd.sock'));
  fake.serve = 'null';
});
afterEach(async () => {
  await fake.close();
  rmSync(dir, { recursive: true, force: true });
});

const base = () => `tailnet:\n  localApi: ${dir}/d.sock\n  socket: ${socket}\n`;
const at = (over: Partial<Tailscaled>) => void Object.assign(fake, over);
const served = (config: object) => at({ serve: JSON.stringify(config) });
const put = (text: string) => writeFileSync(file, text, { mode: 0o640 });
const ran = () =>
  existsSync(join(dir, 'bin', 'record'))
    ? readFileSync(join(dir, 'bin', 'record'), 'utf8')
        .trim()
        .split('\n')
        .map((l) => JSON.parse(l) as string[])
    : [];

async function run(name: 'setup' | 'status', own: Record<string, unknown> = {}, flags: Record<string, string> = {}) {
  let out = '';
  const io = {
    out(t: string) {
      out += `${t}\n`;
    },

    err() {},
    paint: (_: string, t: string) => t,
    outTty: false,
  };
  const load = () =>
    loadConfig({ env: { HOME: dir }, flags: { config: file, ...flags }, defaultFile: join(dir, 'none.yaml') });
  const run = { own, positionals: [], rest: [], io, load, signal: new AbortController().signal };
  const code = await { setup, status }[name](run as never);
  return { code, out };
}
const asJson = async (name: 'setup' | 'status', own: Record<string, unknown> = {}, flags = {}) => {
  const { code, out } = await run(name, { ...own, json: true }, flags);
  return { code, ...(JSON.parse(out) as Record<string, never>) } as Record<string, never> & { code: number };
};

describe('setup', () => {
  test('adds lines, runs serve, asks tailscaled; a second time it changes nothing', async () => {
    const before = `# Ours\r\nhttp: {port: 7070} # the port\r\ntailnet:\r\n    # where tailscaled is\r\n    localApi: ${dir}/d.sock\r\n`;
    put(before);
    const own = { allow: ['alice@example.com=operator', 'tag:ci=viewer'] };
    const flags = { 'tailnet-socket': socket };
    const dry = await asJson('setup', { ...own, 'dry-run': true }, flags);
    expect(dry).toMatchObject({ code: 0, ok: true, changed: false, serve: { needed: true } });
    expect([readFileSync(file, 'utf8'), ran(), readdirSync(dir)]).toEqual([
      before,
      [],
      expect.not.arrayContaining(['x.bak']),
    ]);

    const { code, out } = await run('setup', own, flags);
    expect(code).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(
      `${before.replace(`    localApi`, `    socket: ${socket}\r\n    localApi`)}principals:\r\n  - {who: "tailnet:alice@example.com", roles: [operator]}\r\n  - {who: "tailnet:tag:ci", roles: [viewer]}\r\n`,
    );
    expect(statSync(file).mode & 0o777).toBe(0o640);
    const [backup] = readdirSync(dir).filter((f) => f.endsWith('.bak'));
    expect(readFileSync(join(dir, backup as string), 'utf8')).toBe(before);
    expect(ran()).toEqual([[`--socket=${dir}/d.sock`, 'serve', '--bg', '--https=443', `unix:${socket}`]]);
    expect(JSON.parse(fake.serve).Web['ops.tail-fake.ts.net:443'].Handlers['/'].Proxy).toBe(`unix:${socket}`);
    expect(out).toContain('1. Restart the server: systemctl restart deckhand');
    expect(out).toContain('claude mcp add --transport http deckhand https://ops.tail-fake.ts.net/mcp');
    expect(out).toContain('"src": ["autogroup:member"], "dst": ["tag:opsmcp"], "ip": ["tcp:443"]');

    const text = readFileSync(file, 'utf8');
    expect(await asJson('setup', own)).toMatchObject({ code: 0, changed: false, serve: { needed: false } });
    expect([readFileSync(file, 'utf8') === text, ran().length]).toEqual([true, 1]);
    expect(readdirSync(dir).filter((f) => /\.bak$|\.new/.test(f))).toHaveLength(1);
  });

  test('a service: its name, its file, its approval', async () => {
    put(base());
    const own = { service: 'svc:deckhand', capability: 'example.com/cap/deckhand', https: '8443' };
    const said = await asJson('setup', own);
    expect(said).toMatchObject({
      code: 0,
      config: { added: ['  service: svc:deckhand', '  capability: example.com/cap/deckhand'] },
      url: 'https://deckhand.tail-fake.ts.net:8443/mcp',
    });
    expect(ran()[0]).toContain('--service=svc:deckhand');
    expect(String(said.console)).toBeDefined();
    expect(JSON.stringify(said.console)).toContain(`https://unix:${socket}`);
    expect(JSON.stringify(said.next)).toContain('define svc:deckhand with the endpoint tcp:8443');
    expect((await asJson('setup', own)).serve).toMatchObject({ needed: false });
  });

  test.each<[string, () => void, Record<string, unknown>, RegExp]>([
    ['an old tailscaled', () => at({ version: '1.92.0' }), {}, /1\.94 can/],
    ['one that is signed out', () => at({ status: fixture('status-needslogin.json') }), {}, /NeedsLogin/],
    [
      'no certificates',
      () => at({ status: fake.status.replace(/"CertDomains": \[[^\]]*\]/, '"CertDomains": null') }),
      {},
      /no certificates/,
    ],
    [
      'MagicDNS that is off',
      () => at({ status: fake.status.replace('"MagicDNSEnabled": true', '"MagicDNSEnabled": false') }),
      {},
      /MagicDNS is off/,
    ],
    [
      'a service without a tag',
      () => at({ status: fake.status.replace(/"Tags": \[\s+"tag:opsmcp"\s+\]/, '"Tags": null') }),
      { service: 'svc:deckhand' },
      /has none/,
    ],
    [
      'another server on that port',
      () =>
        served({
          TCP: { 443: { HTTPS: true } },
          Web: { 'ops.tail-fake.ts.net:443': { Handlers: { '/': { Proxy: 'http://127.0.0.1:3000' } } } },
        }),
      {},
      /leads to http:\/\/127\.0\.0\.1:3000 already/,
    ],
    [
      'files on that port',
      () =>
        served({
          Web: { 'ops.tail-fake.ts.net:443': { Handlers: { '/': { Path: '/srv' } } } },
        }),
      {},
      /leads to files already/,
    ],
    [
      'plain TCP on that port',
      () => served({ TCP: { 443: { TCPForward: '127.0.0.1:22' } } }),
      {},
      /handed on as it comes/,
    ],
    [
      'Funnel on that port',
      () => served({ AllowFunnel: { 'ops.tail-fake.ts.net:443': true } }),
      {},
      /Funnel opens ops\.tail-fake\.ts\.net:443/,
    ],
    [
      'another value in the file',
      () => put(`${base()}  service: svc:other # ours\n`),
      { service: 'svc:deckhand' },
      /config\.yaml:4: change it to `service: svc:deckhand`/,
    ],
    [
      'a map in one line',
      () => put(`tailnet: {localApi: ${dir}/d.sock, socket: ${socket}}\n`),
      { service: 'svc:deckhand' },
      /config\.yaml:1: write `service: svc:deckhand` into `tailnet`/,
    ],
    [
      'somebody who has another role',
      () => put(`${base()}principals:\n- {who: "tailnet:bob@example.com", roles: [admin]}\n`),
      { allow: ['bob@example.com=viewer'] },
      /config\.yaml:5: add the role viewer to tailnet:bob@example\.com/,
    ],
  ])('%s: said with its mend, and nothing is done', async (_, how, own, message) => {
    put(base());
    how();
    const [text, serve] = [readFileSync(file, 'utf8'), fake.serve];
    const { code, out } = await run('setup', own);
    expect(code).toBe(1);
    expect(out).toContain('Nothing was changed');
    expect(out).toMatch(message);
    expect(out).toContain('fix: ');
    expect([readFileSync(file, 'utf8'), fake.serve, ran()]).toEqual([text, serve, []]);
    expect(readdirSync(dir).filter((f) => /\.bak$|\.new/.test(f))).toEqual([]);
  });

  test('when serve fails the file is as it was; when tailscaled does not serve it all the same, that is said', async () => {
    put(base());
    const text = readFileSync(file, 'utf8');
    const own = { allow: ['alice@example.com=operator'] };
    fake.mayWrite = false;
    await expect(run('setup', own)).rejects.toMatchObject({
      code: 'permission',
      details: { hint: expect.stringContaining('--operator') },
    });
    fake.mayWrite = true;
    writeFileSync(join(dir, 'bin', 'instead'), 'fail something else');
    await expect(run('setup', own)).rejects.toThrow('tailscale serve failed: something else');
    expect([readFileSync(file, 'utf8'), fake.serve]).toEqual([text, 'null']);
    expect(readdirSync(dir).filter((f) => /\.bak$|\.new/.test(f))).toEqual([]);
    writeFileSync(join(dir, 'bin', 'instead'), 'nothing');
    await expect(run('setup', own)).rejects.toThrow('serves no such way');
    rmSync(join(dir, 'bin', 'instead'));
    expect(await asJson('setup', own)).toMatchObject({ code: 0, changed: true, config: { added: [] } });
  });

  test('a file that does not exist is made, and taken back whole', async () => {
    const fresh = join(dir, 'etc', 'config.yaml');
    const plan = await planConfig(fresh, [{ group: 'tailnet', key: 'socket', value: socket }]);
    const { backup, takeBack } = await writeConfig(plan, 0);
    expect([backup, statSync(fresh).mode & 0o777]).toEqual([null, 0o644]);
    expect(readFileSync(fresh, 'utf8')).toMatch(/^# Settings of Deckhand.*\ntailnet:\n {2}socket: .*\n$/);
    takeBack();
    expect(existsSync(fresh)).toBe(false);
  });

  test('a text that the settings refuse is never put in place', async () => {
    put(base());
    const text = readFileSync(file, 'utf8');
    const plan = await planConfig(file, [{ group: 'tailnet', key: 'capability', value: 'no capability' }]);
    await expect(writeConfig(plan, 0)).rejects.toMatchObject({ code: 'validation' });
    expect([readFileSync(file, 'utf8'), readdirSync(dir).filter((f) => /\.bak$|\.new/.test(f))]).toEqual([text, []]);
  });

  test('words that are none are refused', async () => {
    put(base());
    for (const own of [
      { allow: ['alice@example.com'] },
      { allow: ['alice@example.com=boss'] },
      { allow: ['group:ops=viewer'] },
      { https: '0' },
      { service: 'deckhand' },
      { capability: 'nothing' },
    ])
      await expect(run('setup', own), JSON.stringify(own)).rejects.toMatchObject({ code: 'validation' });
    expect(ran()).toEqual([]);
  });
});

describe('status', () => {
  test('what is missing, each with its command; and nothing when all stands', async () => {
    put(`tailnet:\n  localApi: ${dir}/d.sock\n`);
    const unset = await run('status');
    expect([unset.code, unset.out]).toEqual([1, expect.stringContaining('sudo deckhand tailnet setup --allow')]);

    put(base());
    const bare = await asJson('status');
    const missing = (bare.checks as unknown as { code: string; severity: string }[])
      .filter((c) => c.severity !== 'ok')
      .map((c) => c.code);
    expect([bare.code, missing]).toEqual([1, ['tailnet.socket', 'tailnet.serve', 'tailnet.roles']]);

    await run('setup', { allow: ['alice@example.com=viewer'] });
    const { createServer } = await import('node:net');
    const server = createServer().listen(socket);
    await new Promise((done) => server.once('listening', done));
    chmodSync(socket, 0o660);
    try {
      const all = await run('status');
      expect(all).toEqual({ code: 0, out: expect.stringContaining('Reached at https://ops.tail-fake.ts.net/mcp') });
      expect(all.out).toContain('Roles come from 1 entry of principals');
    } finally {
      server.close();
    }
    await fake.close();
    expect((await run('status')).out).toContain('is not running here');
    fake = await tailscaled(join(dir, 'd.sock'));
  });
});
