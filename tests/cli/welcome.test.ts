/** What a newcomer is told, and when a secret may be among it. */
import { expect, test } from 'vitest';
import { keptBy } from '../../src/cli/launched.ts';
import { sameSettings, shell, type Welcome, welcome } from '../../src/cli/welcome.ts';
import { loadConfig } from '../../src/config/load.ts';

const facts: Welcome = {
  version: '1.2.3',
  hostname: 'web1',
  kind: 'kvm',
  url: 'http://127.0.0.1:7070/mcp',
  mode: 'ask',
  toolsets: ['core'],
  command: 'deckhand',
  stdio: ['/opt/my node/bin/node', '/opt/deckhand/bin/deckhand.mjs', 'stdio'],
  token: { made: { name: 'first', role: 'operator', secret: 'dh_SECRET' } },
};
const plain = (t: string) => t;
const text = (over: Partial<Welcome> = {}) => welcome({ ...facts, ...over }, plain, plain);

test('as a person sees it', async () => {
  await expect(text()).toMatchFileSnapshot('../golden/cli/welcome.txt');
});

test('the block for other clients is JSON, and the command is one that a shell reads back', () => {
  const json = /\{\n[\s\S]*?\n {2}\}/.exec(text())?.[0] as string;
  expect(JSON.parse(json).mcpServers.deckhand).toEqual({
    type: 'http',
    url: 'http://127.0.0.1:7070/mcp',
    headers: { Authorization: 'Bearer dh_SECRET' },
  });
  expect(text()).toContain(`claude mcp add deckhand -- '/opt/my node/bin/node' /opt/deckhand/bin/deckhand.mjs stdio`);
});

test.each([
  ['tokens exist', { made: null, count: 2, why: null }],
  ['a service', { made: null, count: 0, why: 'it runs as a service' }],
] as const)('without a secret: %s', (_what, token) => {
  const said = text({ token });
  expect(said).toContain('Bearer <TOKEN>');
  expect(said).toContain('deckhand token add NAME --role operator');
  expect(said).not.toContain('dh_');
});

test.each([
  ['plain', 'plain'],
  ["it's", `'it'\\''s'`],
  ['$(x)', `'$(x)'`],
  ['', `''`],
  ['a b', `'a b'`],
])('shell(%j)', (word, expected) => {
  expect(shell(word)).toBe(expected);
});

const stdout = { dev: 25, ino: 4711 };
test.each<[string, Record<string, string>, number, number, boolean, string?]>([
  ['a pipe that someone made', {}, 900, 800, false],
  ['the journal', { JOURNAL_STREAM: '25:4711' }, 900, 800, true],
  ['a journal inherited from the desktop, our output elsewhere', { JOURNAL_STREAM: '9:4711' }, 900, 800, false],
  ['a unit of Type=notify', { NOTIFY_SOCKET: '/run/systemd/notify' }, 900, 800, true],
  ['started by init', {}, 900, 1, true],
  ['the main process of a container', {}, 1, 0, true],
  ['the same among the host’s processes', {}, 900, 800, true, 'tini-static'],
])('who keeps the output: %s', (_what, env, pid, ppid, kept, name = 'bash') => {
  expect(keptBy(env, pid, { pid: ppid, name }, stdout) !== null).toBe(kept);
});

test('the printed stdio command is the same Deckhand: state and rights go along, the server’s own settings do not', async () => {
  const loaded = await loadConfig({
    env: { HOME: '/home/x', DECKHAND_MODE: 'read-only' },
    flags: { 'state-dir': '/srv/state', 'http-port': '8080', 'log-level': 'debug', 'tools-deny': ['a_b', 'c_d'] },
    defaultFile: '/nonexistent',
  });
  expect(sameSettings(loaded, '/nonexistent')).toEqual([
    '--mode=read-only',
    '--state-dir=/srv/state',
    '--tools-deny=a_b,c_d',
  ]);
});
