/** What the doctor says of the tailnet: each fault with its command, and nothing where no socket is set. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Facts, factChecks, socketChecks, tailnetChecks } from '../../src/cli/doctor_tailnet.ts';
import { loadConfig } from '../../src/config/load.ts';
import { OpsError } from '../../src/core/errors.ts';
import { serveConfigOf, statusOf } from '../../src/host/tailnet/parse.ts';
import { openTailnet } from '../../src/wiring_tailnet.ts';
import { quiet } from '../fakes/policy.ts';
import { fixture, type Tailscaled, tailscaled } from '../fakes/tailscaled.ts';

const NOW = Date.UTC(2026, 10, 21);
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-dt-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const settings = (over: { service?: string; port?: number } = {}) =>
  ({
    tailnet: { localApi: '/run/ts.sock', service: over.service ?? null },
    http: { port: over.port ?? 7070 },
  }) as never;
const good = serveConfigOf(fixture('serve-config-ok.json'));
const facts = (over: Partial<Facts> = {}): Facts => ({
  socket: '/run/opsmcp/mcp.sock',
  version: '1.102.4-tFAKE',
  status: statusOf(fixture('status-running.json')),
  serve: good,
  trouble: null,
  ways: good.served,
  exposed: null,
  port: null,
  ...over,
});
const said = (f: Facts, s = settings()) => factChecks(s, f, NOW).map((c) => [c.code, c.severity, c.fix]);

describe('facts', () => {
  test('in order', () => {
    expect(said(facts())).toEqual([
      ['tailnet.tailscaled', 'ok', null],
      ['tailnet.serve', 'ok', null],
    ]);
  });
  test.each<[string, Partial<Facts>, [string, string, RegExp]]>([
    [
      'tailscaled that is away',
      {
        trouble: new OpsError('unavailable', 'away', { hint: 'systemctl status tailscaled' }),
        status: null,
        serve: null,
        version: null,
        ways: [],
      },
      ['tailnet.tailscaled', 'broken', /systemctl status tailscaled/],
    ],
    ['one that is too old', { version: '1.92.1' }, ['tailnet.version', 'broken', /tailscale update/]],
    ['a version that is none', { version: 'unstable' }, ['tailnet.version', 'broken', /tailscale update/]],
    [
      'not signed in',
      { status: statusOf(fixture('status-needslogin.json')) },
      ['tailnet.state', 'broken', /tailscale up/],
    ],
    [
      'userspace mode',
      { status: statusOf(fixture('status-userspace.json')) },
      ['tailnet.userspace', 'warning', /TS_USERSPACE=false/],
    ],
    [
      'a key that has expired',
      { status: { ...statusOf(fixture('status-running.json')), keyExpiresAtMs: NOW } },
      ['tailnet.key', 'broken', /force-reauth/],
    ],
    [
      'a key that is about to',
      { status: { ...statusOf(fixture('status-running.json')), keyExpiresAtMs: NOW + 86_400_000 } },
      ['tailnet.key', 'warning', /force-reauth/],
    ],
    [
      'no certificates',
      { status: { ...statusOf(fixture('status-running.json')), certDomains: [] } },
      ['tailnet.https', 'warning', /MagicDNS/],
    ],
    [
      'nothing that leads here',
      { ways: [] },
      ['tailnet.serve', 'warning', /serve --bg --https=443 unix:\/run\/opsmcp\/mcp.sock/],
    ],
    [
      'Funnel',
      { exposed: { kind: 'funnel', at: 'a:443', why: 'open', fix: 'tailscale serve …' } },
      ['tailnet.funnel', 'broken', /tailscale serve/],
    ],
    [
      'Funnel to the port',
      { port: { ...(good.served[0] as (typeof good.served)[number]), at: 'a:8443' } },
      ['tailnet.funnel_port', 'warning', /funnel --https=8443 off/],
    ],
  ])('%s', (_, over, [code, severity, fix]) => {
    const found = factChecks(settings(), facts(over), NOW).find((c) => c.code === code);
    expect(found).toMatchObject({ severity, fix: expect.stringMatching(fix) });
  });
  test('a service needs a machine with a tag, and a tailscaled that can tell its grants', () => {
    const service = settings({ service: 'svc:deckhand' });
    const bare = { ...statusOf(fixture('status-running.json')), tags: [] };
    expect(said(facts({ status: bare, version: '1.98.0', ways: [] }), service)).toEqual([
      ['tailnet.tailscaled', 'ok', null],
      ['tailnet.version', 'broken', 'sudo tailscale update'],
      ['tailnet.service', 'broken', 'sudo tailscale up --advertise-tags=tag:deckhand'],
      ['tailnet.serve', 'warning', 'sudo tailscale serve --service=svc:deckhand --https=443 unix:/run/opsmcp/mcp.sock'],
    ]);
  });
});

describe('the socket', () => {
  const none = () => null;
  const codes = (path: string, members: Parameters<typeof socketChecks>[1] = none) =>
    socketChecks(path, members).map((c) => `${c.code} ${c.severity}`);
  test('its folder, what stands there, and who could open it', async () => {
    const path = join(dir, 'mcp.sock');
    expect(codes(join(dir, 'none', 'x.sock'))).toEqual(['tailnet.folder broken']);
    expect(codes(path)).toEqual(['tailnet.socket info']);
    const common = join(dir, 'common');
    mkdirSync(common);
    chmodSync(common, 0o777);
    writeFileSync(join(common, 'x.sock'), '');
    expect(codes(join(common, 'x.sock'))).toEqual(['tailnet.folder broken', 'tailnet.socket broken']);
    const server: Server = createServer();
    await new Promise<void>((ok) => server.listen(path, ok));
    chmodSync(path, 0o666);
    expect(codes(path)).toEqual(['tailnet.socket broken']);
    chmodSync(path, 0o660);
    expect(codes(path)).toEqual([]);
    expect(codes(path, () => ({ name: 'staff', members: [] }))).toEqual([]);
    const [named] = socketChecks(path, () => ({ name: 'staff', members: ['eve', 'mallory'] }));
    expect(named).toMatchObject({ code: 'tailnet.group', text: expect.stringContaining('eve, mallory') });
    chmodSync(path, 0o600);
    expect(codes(path, () => ({ name: 'staff', members: ['eve'] }))).toEqual([]);
    await new Promise((ok) => server.close(ok));
  });
});

describe('the whole', () => {
  let fake: Tailscaled | null = null;
  afterEach(async () => {
    await fake?.close();
    fake = null;
  });
  const load = async (text: string) => {
    const file = join(dir, 'config.yaml');
    writeFileSync(file, text, { mode: 0o600 });
    return loadConfig({ env: { HOME: dir, DECKHAND_CONFIG: file }, defaultFile: '/nonexistent' });
  };
  const looked = async (text: string) => {
    const { config } = await load(text);
    const { socket } = config.tailnet;
    const clock = { now: () => NOW, elapsed: () => 0 };
    const tailnet = socket === null ? null : openTailnet({ config, socket, clock, log: quiet, forged() {} });
    const auth = async () => ({ tailnet }) as never;
    return tailnetChecks({ config, auth }).then((all) => all.map((c) => `${c.code} ${c.severity}`));
  };

  test('is silent where there is neither a socket nor a tailscaled, and names the setting where there is one', async () => {
    expect(await looked(`tailnet: {localApi: ${dir}/d.sock}`)).toEqual([]);
    fake = await tailscaled(join(dir, 'd.sock'));
    expect(await looked(`tailnet: {localApi: ${dir}/d.sock}`)).toEqual(['tailnet.unused info']);
  });
  test('asks tailscaled', async () => {
    fake = await tailscaled(join(dir, 'd.sock'));
    const text = `http: {port: 8080}\ntailnet: {localApi: ${dir}/d.sock, socket: ${dir}/mcp.sock}`;
    expect(await looked(text)).toEqual(['tailnet.socket info', 'tailnet.tailscaled ok', 'tailnet.serve ok']);
    fake.serve = fixture('serve-config-funnel.json');
    expect(await looked(text)).toEqual([
      'tailnet.socket info',
      'tailnet.tailscaled ok',
      'tailnet.serve warning',
      'tailnet.funnel_port warning',
    ]);
    fake.serve = fake.serve.replace('http://127.0.0.1:8080', `unix:${dir}/mcp.sock`);
    expect(await looked(text)).toContain('tailnet.funnel broken');
    await fake.close();
    fake = null;
    expect(await looked(text)).toEqual(['tailnet.socket info', 'tailnet.tailscaled broken']);
  });
  test('what the issuers’ own check says is not lost', async () => {
    const { config } = await load(`tailnet: {socket: ${dir}/mcp.sock}`);
    const auth = async () => {
      throw new OpsError('validation', 'no URI', { hint: 'Set http.url.' });
    };
    expect(await tailnetChecks({ config, auth })).toMatchObject([
      { code: 'tailnet', severity: 'warning', fix: 'Set http.url.' },
    ]);
  });
});
