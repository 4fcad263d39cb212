/** What each client is given, where its settings lie on each system, and which words are refused before anything is looked at. */
import { describe, expect, test } from 'vitest';
import { homes } from '../../src/config/env.ts';
import { CLIENTS, clientNamed, printed, type Reach } from '../../src/setup/clients/index.ts';
import { type Machine, placeOf, said } from '../../src/setup/clients/places.ts';
import {
  bySsh,
  byUrl,
  checkName,
  checkToken,
  type Given,
  nameOf,
  refuseWay,
  secretOf,
} from '../../src/setup/clients/reach.ts';
import type { Platform } from '../../src/setup/clients/spec.ts';
import { NO_HOMES } from './clients_place.ts';

const NONE = { toolsets: [], readOnly: false };
const STDIO: Reach = {
  kind: 'command',
  command: '/opt/deckhand/current/node/bin/node',
  args: ['/opt/deckhand/current/bin/deckhand.mjs', 'stdio'],
};
const SECRET = 'dh_not-a-real-secret-0123456789';

function reachOf(id: string, way: string): Reach {
  const spec = clientNamed(id);
  if (way === 'stdio') return STDIO;
  if (way === 'ssh')
    return bySsh('root@nas', {
      options: ['Port=2222'],
      deckhand: 'deckhand',
      narrowing: { toolsets: ['core', 'docker'], readOnly: true },
    });
  const given: Given | null =
    way === 'url-file'
      ? { from: 'file', file: '/home/me/t' }
      : way === 'url-env'
        ? { from: 'env', name: 'NAS_TOKEN' }
        : null;
  const { token } = secretOf(spec, 'deckhand-nas', given, () => SECRET);
  return byUrl('https://nas.lan:7070/mcp', token, NONE);
}

describe.each(CLIENTS.map((c) => c.id))('%s', (id) => {
  const spec = clientNamed(id);
  const ways = ['stdio', 'ssh', ...(spec.ways.includes('url') ? ['url', 'url-file', 'url-env'] : [])];
  test.each(ways)('as its settings would have it: %s', async (way) => {
    const text = printed(spec, way === 'stdio' ? 'deckhand' : 'deckhand-nas', reachOf(id, way));
    await expect(text).toMatchFileSnapshot(`../golden/clients/${id}.${way}.txt`);
    // A secret is there only where the client can neither be told a variable nor ask.
    const written = way.startsWith('url-') && spec.env === null && !spec.asks;
    expect(text.includes(SECRET)).toBe(written);
  });

  test('names the page it was read from, and an address only where it takes one', () => {
    expect(spec.source).not.toBe('');
    if (!spec.ways.includes('url')) expect(() => refuseWay(spec, 'url')).toThrow(/takes no address/);
  });
});

const MACHINES: Record<Platform, Machine> = {
  linux: { platform: 'linux', homes: { ...NO_HOMES, home: '/home/me' }, cwd: '/home/me/p' },
  darwin: { platform: 'darwin', homes: { ...NO_HOMES, home: '/Users/me' }, cwd: '/Users/me/p' },
  win32: {
    platform: 'win32',
    homes: { ...NO_HOMES, home: 'C:\\Users\\me', appData: 'C:\\Users\\me\\AppData\\Roaming' },
    cwd: 'D:\\p',
  },
};

test('where settings lie on each system', async () => {
  const nothing = () => false;
  const rows = CLIENTS.flatMap((spec) =>
    (['linux', 'darwin', 'win32'] as const).flatMap((p) => [
      ...(spec.user ? [`${spec.id} ${p} ${placeOf(spec, 'user', MACHINES[p], nothing)}`] : []),
      ...(spec.project ? [`${spec.id} ${p} project ${placeOf(spec, 'project', MACHINES[p], nothing)}`] : []),
    ]),
  );
  await expect(`${rows.join('\n')}\n`).toMatchFileSnapshot('../golden/clients/places.txt');
});

test('folders that a person moved are followed, and of two names the one that is there', () => {
  const m: Machine = {
    platform: 'linux',
    homes: { ...NO_HOMES, home: '/h', configHome: '/c', claudeConfigDir: '/alt', codexHome: '/x' },
    cwd: '/',
  };
  const at = (id: string, there: (f: string) => boolean = () => false) => placeOf(clientNamed(id), 'user', m, there);
  expect(at('claude-code')).toBe('/alt/.claude.json');
  expect(at('codex')).toBe('/x/config.toml');
  expect(at('zed')).toBe('/c/zed/settings.json');
  expect(at('opencode')).toBe('/c/opencode/opencode.json');
  expect(at('opencode', (f) => f.endsWith('.jsonc'))).toBe('/c/opencode/opencode.jsonc');
  expect(() => placeOf(clientNamed('cursor'), 'user', { ...m, homes: NO_HOMES }, () => false)).toThrow(
    'HOME is not set',
  );
  expect(() => placeOf(clientNamed('windsurf'), 'project', m)).toThrow('no settings of a project');
  expect(() => at('generic')).toThrow('no file of its own');
  expect(said('{home}/.cursor/mcp.json', 'win32')).toBe('%USERPROFILE%\\.cursor\\mcp.json');
});

test('the environment is read by the rules of each system', () => {
  const env = { HOME: '/h', USERPROFILE: 'C:\\U', APPDATA: 'relative', XDG_CONFIG_HOME: 'x' };
  expect(homes(false, env)).toMatchObject({ home: '/h', configHome: null });
  expect(homes(true, env)).toMatchObject({ home: 'C:\\U', appData: null });
});

test.each([
  ['-oProxyCommand=x', []],
  ['nas;reboot', []],
  ['nas x', []],
  ['', []],
  ['nas', ['ProxyCommand=touch /tmp/x']],
  ['nas', ['localcommand=x']],
  ['nas', ['-v']],
])('ssh to %j with %j is refused', (host, options) => {
  expect(() => bySsh(host, { options, deckhand: 'deckhand', narrowing: NONE })).toThrow(/is no /);
});

test.each(['nas', 'root@nas', 'me@192.168.1.5', '::1', 'fe80::1%eth0', 'a_b.c-d', 'svc.x@h'])(
  'ssh to %s is taken',
  (host) => {
    expect(bySsh(host, { options: [], deckhand: '/opt/my d/deckhand', narrowing: NONE }).args).toEqual([
      '-T',
      '-o',
      'BatchMode=yes',
      host,
      "'/opt/my d/deckhand'",
      'stdio',
    ]);
  },
);

test.each([
  ['ftp://x/mcp', 'no http'],
  ['nas:7070/mcp', 'no http'],
  ['https://me:pw@nas/mcp', 'every log'],
  ['https://nas.lan', 'no endpoint'],
])('%s: %s', (url, message) => {
  expect(() => byUrl(url, null, NONE)).toThrow(message);
});

test('an address carries what it is narrowed to', () => {
  expect(byUrl('https://n/mcp', null, { toolsets: ['core', 'net'], readOnly: true }).url).toBe(
    'https://n/mcp?toolsets=core,net&readonly',
  );
  expect(byUrl('https://n/mcp?a=1', null, { toolsets: [], readOnly: true }).url).toBe('https://n/mcp?a=1&readonly');
});

test('names of entries', () => {
  expect(nameOf('ssh', 'root@nas.lan')).toBe('deckhand-nas');
  expect(nameOf('url', 'https://nas.tail1234.ts.net/mcp')).toBe('deckhand-nas');
  expect(nameOf('url', 'https://192.168.1.5:7070/mcp')).toBe('deckhand-192-168-1-5');
  expect(nameOf('url', 'https://[fd00::5]/mcp')).toBe('deckhand-fd00-5');
  for (const name of ['1x', 'a b', 'a.b', '', '__proto__', 'x'.repeat(65)])
    expect(() => checkName(name)).toThrow('is no name');
});

test('a token is one word, and is read only where it is written', () => {
  expect(checkToken(' dh_abcdefgh\n')).toBe('dh_abcdefgh');
  for (const bad of ['', 'short', 'two words here', 'a\nb\nc\nd\ne', 'ä'.repeat(9)])
    expect(() => checkToken(bad)).toThrow('no token');
  const never = () => {
    throw new Error('it was read');
  };
  expect(secretOf(clientNamed('vscode'), 'd', { from: 'input' }, never).token).toEqual({ ask: 'd-token' });
  expect(secretOf(clientNamed('cursor'), 'd-x', { from: 'file', file: "it's" }, never)).toMatchObject({
    token: { env: 'MCP_D_X_TOKEN' },
    notes: [expect.stringContaining(`cat 'it'\\''s'`)],
  });
  expect(() => secretOf(clientNamed('codex'), 'd', { from: 'env', name: 'dh_real-token' }, never)).toThrow(
    'no name of a variable',
  );
  expect(() => clientNamed('cursr')).toThrow('No client');
});
