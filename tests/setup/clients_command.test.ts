/**
 * `deckhand client …` as it is built and run, on this system and on what looks like another one to it (a real macOS or Windows cannot be
 * had here: paths of theirs are the tables of clients.test.ts). And whether what is printed works: a client starts it, and lists tools.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { dispatch } from '../../src/cli/main.ts';
import { screen } from '../cli/screen.ts';
import { launcher, overHttp, type Place, place, serve } from '../e2e/product.ts';

const FOREIGN = new URL('./foreign_system.cjs', import.meta.url).pathname;
let at: Place;
beforeEach(() => {
  at = place();
});
afterEach(() => {
  vi.unstubAllEnvs();
  at[Symbol.dispose]();
});

function deckhand(args: string[], o: { env?: Record<string, string>; input?: string; like?: string } = {}) {
  const foreign = o.like ? ['--require', FOREIGN] : [];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...foreign, launcher, ...args], {
    encoding: 'utf8',
    env: { ...at.env, ...o.env, ...(o.like ? { LOOKS_LIKE: o.like } : {}) },
    input: o.input ?? '',
    cwd: at.dir,
    timeout: 30_000,
  });
  expect(stderr).not.toMatch(/\n\s+at .*:\d+/);
  return { code: status, out: stdout, err: stderr };
}

test.each(['darwin', 'win32'])(
  'on what looks like %s: help, version and clients work and ask nothing of Linux',
  (like) => {
    const mine = join(at.dir, 'mcp.json');
    const windows: Record<string, string> =
      like === 'win32'
        ? { HOME: '', USERPROFILE: 'C:\\Users\\me', APPDATA: 'C:\\Users\\me\\R', LOCALAPPDATA: 'C:\\Users\\me\\L' }
        : {};
    const run = (...args: string[]) => deckhand(args, { like, env: { ...windows, DECKHAND_STATE_DIR: '' } });
    for (const args of [
      ['help'],
      ['version'],
      ['help', 'client'],
      ['client', 'list'],
      ['client', 'print', 'zed', '--ssh', 'nas'],
    ]) {
      const { code, err } = run(...args);
      expect(code, `${args.join(' ')}: ${err}`).toBe(0);
      expect(err).not.toContain('LINUX:');
    }
    const { out, err } = run('client', 'list', '--json');
    expect(err).toBe('');
    const zed = (JSON.parse(out) as { client: string; file: string }[]).find((r) => r.client === 'zed');
    expect(zed?.file).toBe(
      like === 'win32' ? 'C:\\Users\\me\\R\\Zed\\settings.json' : join(at.dir, '.config/zed/settings.json'),
    );
    if (like === 'darwin') {
      writeFileSync(mine, '{\n  // mine\n}\n');
      const added = run('client', 'add', 'cursor', '--url', 'https://nas.lan:7070/mcp', '--config', mine);
      expect(added).toMatchObject({ code: 0 });
      expect(added.err).not.toContain('LINUX:');
      expect(readFileSync(mine, 'utf8')).toContain('"url": "https://nas.lan:7070/mcp"');
      expect(existsSync(join(at.dir, 'Library/Application Support/Deckhand/clients'))).toBe(true);
      expect(run('client', 'undo', 'cursor', '--config', mine).code).toBe(0);
      expect(readFileSync(mine, 'utf8')).toBe('{\n  // mine\n}\n');
    }
    // Everything else says where it works, and how to get there.
    for (const args of [['serve'], ['doctor'], ['stdio']]) {
      const { code, err } = run(...args);
      expect(code).toBe(7);
      expect(err).toContain(`deckhand ${args.join(' ')} is for a Linux host`);
      expect(err).toContain('--ssh HOST');
    }
    expect(run('client', 'add', 'cursor').err).toContain('--ssh [USER@]HOST');
  },
);

test('control: on such a system the launcher failed before, where it asks for a user id', () => {
  const { stderr, status } = spawnSync(process.execPath, ['--require', FOREIGN, '-e', 'process.geteuid()'], {
    encoding: 'utf8',
    env: { ...at.env, LOOKS_LIKE: 'win32' },
  });
  expect(status).not.toBe(0);
  expect(stderr).toContain('process.geteuid is not a function');
});

const toolsOf = async (command: string, args: string[], env: Record<string, string>) => {
  const client = new Client({ name: 'clients', version: '1' });
  await client.connect(new StdioClientTransport({ command, args, env, stderr: 'pipe' }));
  try {
    return (await client.listTools()).tools.map((t) => t.name);
  } finally {
    await client.close();
  }
};

test('what is printed for stdio is started by a client, which lists tools; narrowed, it lists fewer', async () => {
  const printed = (...args: string[]) =>
    (
      JSON.parse(deckhand(['client', 'print', 'generic', ...args]).out) as {
        mcpServers: Record<string, { command: string; args: string[] }>;
      }
    ).mcpServers.deckhand as { command: string; args: string[] };
  const { command, args } = printed();
  const all = await toolsOf(command, args, at.env);
  expect(all).toContain('system_overview');
  const less = printed('--read-only', '--toolsets', 'system');
  const few = await toolsOf(less.command, less.args, at.env);
  expect(few).toContain('system_overview');
  expect(few.length).toBeLessThan(all.length);
  expect(few.some((name) => name.startsWith('container_'))).toBe(false);
});

test('what is printed for ssh reaches Deckhand through the far shell, word by word', async () => {
  // Stands in for ssh: hands what comes behind the host to a shell as one line, as sshd does.
  const bin = join(at.dir, 'bin');
  const far = join(at.dir, "far $HOME's bin");
  mkdirSync(bin);
  mkdirSync(far);
  writeFileSync(
    join(bin, 'ssh'),
    '#!/bin/sh\nwhile :; do case "$1" in -T) shift;; -o) shift 2;; *) break;; esac; done\nshift\nexec sh -c "$*"\n',
    { mode: 0o755 },
  );
  writeFileSync(join(far, 'deckhand'), `#!/bin/sh\nexec '${process.execPath}' '${launcher}' "$@"\n`, { mode: 0o755 });
  const { out } = deckhand([
    'client',
    'print',
    'generic',
    '--ssh',
    'root@nas',
    '--deckhand',
    join(far, 'deckhand'),
    '--read-only',
    '--toolsets',
    'system,net',
  ]);
  const entry = JSON.parse(out).mcpServers['deckhand-nas'] as { command: string; args: string[] };
  expect(entry.command).toBe('ssh');
  const names = await toolsOf(join(bin, 'ssh'), entry.args, at.env);
  expect(names).toContain('net_overview');
  expect(names).not.toContain('process_signal');
});

test('what is added for an address works against a server that runs, with the token from a file, and stays for its owner', async () => {
  const served = await serve(at);
  try {
    const file = join(at.dir, 'token');
    writeFileSync(file, `${served.token}\n`);
    mkdirSync(join(at.dir, '.lmstudio'));
    const done = deckhand(['client', 'add', 'lm-studio', '--url', served.url, '--token-file', file, '--read-only']);
    expect(done).toMatchObject({ code: 0 });
    expect(done.out + done.err).not.toContain(served.token);
    expect(done.err).toContain('stands in the file as it is');
    const entry = JSON.parse(readFileSync(join(at.dir, '.lmstudio/mcp.json'), 'utf8')).mcpServers['deckhand-127-0-0-1'];
    const token = /^Bearer (.+)$/.exec(entry.headers.Authorization)?.[1] ?? '';
    const client = await overHttp('2026-07-28', entry.url, token);
    const names = (await client.listTools()).tools.map((t) => t.name);
    await client.close();
    expect(names).toContain('system_overview');
    expect(names).not.toContain('process_signal');
  } finally {
    await served.stop();
  }
});

test('a token is never an argument, and never shown', () => {
  const url = ['--url', 'https://nas/mcp'];
  const secret = 'dh_not-a-real-secret-0123456789';
  const refused = deckhand(['client', 'add', 'zed', ...url, '--token', secret]);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain('never an argument');
  expect(refused.err).not.toContain(secret);
  mkdirSync(join(at.dir, '.config/zed'), { recursive: true });
  const piped = deckhand(['client', 'add', 'zed', ...url, '--token', '-', '--json'], { input: `${secret}\n` });
  expect(piped.code).toBe(0);
  expect(piped.out + piped.err).not.toContain(secret);
  expect(JSON.parse(piped.out)).toMatchObject({ client: 'zed', state: 'added', made: true, name: 'deckhand-nas' });
  expect(readFileSync(join(at.dir, '.config/zed/settings.json'), 'utf8')).toContain(secret);
  const env = deckhand(['client', 'add', 'lm-studio', '--create', ...url, '--token-env', 'MY_TOKEN'], {
    env: { MY_TOKEN: secret },
  });
  expect(env.code).toBe(0);
  expect(readFileSync(join(at.dir, '.lmstudio/mcp.json'), 'utf8')).toContain(secret);
  expect(deckhand(['client', 'print', 'zed', ...url, '--token-file', '/nowhere']).out).toContain('<TOKEN>');
});

test.each<[string[], number, string]>([
  [['add', 'cursr'], 4, 'did you mean: cursor'],
  [['add', 'cursor', '--ssh', 'a', '--url', 'https://b/mcp'], 2, 'One way at a time'],
  [['add', 'cursor', '--token-env', 'X'], 2, 'A token belongs to --url'],
  [['add', 'cursor', '--deckhand', '/x'], 2, 'belong to --ssh'],
  [['add', 'cursor', '--scope', 'all'], 2, 'is no scope'],
  [['add', 'cursor', '--toolsets', 'a;b'], 2, 'is no toolset'],
  [['add', 'claude-desktop', '--url', 'https://b/mcp'], 2, 'starts programs only'],
  [['add', 'cursor', '--url', 'https://b/mcp', '--token-env', 'A', '--token-file', 'b'], 2, 'One token at a time'],
  [['add', 'zed', '--url', 'https://b/mcp', '--token-env', 'NOT_SET_HERE', '--create'], 4, 'NOT_SET_HERE is not set'],
  [['undo', 'cursor'], 4, 'Nothing was changed'],
  [['add', 'generic'], 2, 'no file of its own'],
])('client %j ends with %i: %s', async (args, code, message) => {
  vi.stubEnv('HOME', at.dir);
  vi.stubEnv('XDG_STATE_HOME', at.dir);
  const io = screen();
  expect(await dispatch(['client', ...args], io)).toBe(code);
  expect(io.stdout).toBe('');
  expect(io.stderr).toContain(message);
});

test('at a terminal: list, add, what is next, dry run, undo', async () => {
  vi.stubEnv('HOME', at.dir);
  vi.stubEnv('XDG_STATE_HOME', at.dir);
  vi.stubEnv('XDG_CONFIG_HOME', '');
  mkdirSync(join(at.dir, '.cursor'));
  const typed = async (...args: string[]) => {
    const io = screen();
    expect(await dispatch(['client', ...args], io), io.stderr).toBe(0);
    return io;
  };
  const url = ['--url', 'http://nas.lan:7070/mcp'];
  expect((await typed('add', 'cursor', ...url, '--dry-run')).stdout).toContain('+    "deckhand-nas": {');
  const added = await typed('add', 'cursor', ...url, '--token-env', 'NAS_TOKEN');
  expect(added.stdout).toBe(`“deckhand-nas” is entered in ${at.dir}/.cursor/mcp.json.\n`);
  expect(added.stderr).toContain('start the client with NAS_TOKEN set');
  expect(added.stderr).toContain('Over http the token travels readable');
  expect(added.stderr).toContain('Take it back: deckhand client undo cursor');
  expect((await typed('list')).stdout).toMatch(/cursor +yes +deckhand-nas/);
  expect((await typed('add', 'cursor', ...url, '--token-env', 'NAS_TOKEN')).stdout).toContain(
    'stands already, just so, in',
  );
  expect((await typed('undo', 'cursor')).stdout).toContain('and is gone again');
  expect((await typed('remove', 'cursor')).stdout).toContain('is not in');
  expect((await typed('print', 'claude-code', ...url)).stderr).toContain(
    'claude mcp add --scope user --transport http deckhand-nas http://nas.lan:7070/mcp',
  );
  // A token that is not written need not be known.
  expect((await typed('add', 'cursor', ...url, '--token', '-')).stderr).toContain('MCP_DECKHAND_NAS_TOKEN');
});
