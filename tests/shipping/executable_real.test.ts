/**
 * The single executable on a Debian that has no Node, and nothing of ours but that one file: all faces, a program of ours in a thread and
 * one in a process. Run in mount and process namespaces over the kept root file system, of which nothing is changed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root, version } from '../../scripts/bundle.ts';
import { nameOf } from '../../scripts/release/contents.ts';
import type { Arch } from '../../scripts/release/node.ts';
import { overHttp } from '../e2e/product.ts';
import { bareRootfs } from './debian.ts';

const missing =
  process.env.DECKHAND_REAL !== '1'
    ? ['DECKHAND_REAL=1']
    : [
        ...(process.geteuid?.() === 0 ? [] : ['root']),
        ...['unshare', 'chroot', 'debootstrap'].filter((n) => spawnSync('sh', ['-c', `command -v ${n}`]).status !== 0),
      ];
if (missing.length > 0)
  process.stderr.write(`SKIPPED tests/shipping/executable_real.test.ts: it needs ${missing.join(', ')}.\n`);

const name = nameOf(process.arch as Arch);
const EXECUTABLE = `/mnt/${name}`;
let dir: string;
let inside: string;

/** Its folder is /mnt inside; /tmp is a new one for each run, the state lies in /mnt. */
const SCRIPT = `set -e
mount --make-rprivate /
mount --bind "$SHARE" "$ROOTFS/mnt"
mount -t proc proc "$ROOTFS/proc"
mount --rbind /sys "$ROOTFS/sys"
mount --rbind /dev "$ROOTFS/dev"
mount -t tmpfs tmpfs "$ROOTFS/tmp"
exec chroot "$ROOTFS" "$@"
`;
const words = (args: readonly string[]) => ['-m', '-p', '--fork', '--kill-child', 'sh', '-c', SCRIPT, 'sh', ...args];
const env = (more: Record<string, string> = {}) => ({
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  SHARE: dir,
  ROOTFS: inside,
  HOME: '/mnt',
  DECKHAND_STATE_DIR: '/mnt/state',
  DECKHAND_AUDIT_HEADS: 'off',
  ...more,
});
const run = (args: readonly string[], more: Record<string, string> = {}) =>
  spawnSync('unshare', words(args), { encoding: 'utf8', env: env(more), timeout: 120_000 });
const deckhand = (args: readonly string[], more: Record<string, string> = {}) => run([EXECUTABLE, ...args], more);

function made(out: string): void {
  const args = [join(root, 'scripts/release.ts'), '--only', 'executable', '--allow-dirty', '--out', out];
  const { status, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, SOURCE_DATE_EPOCH: '1700000000' },
  });
  if (status !== 0) throw new Error(stderr);
}

describe.skipIf(missing.length > 0)('the single executable', () => {
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'deckhand-executable-'));
    inside = await bareRootfs('trixie');
    made(dir);
    for (const folder of ['state', 'notes']) mkdirSync(join(dir, folder), { mode: 0o700 });
    writeFileSync(
      join(dir, 'config.yaml'),
      'mode: full\nfiles:\n  roots:\n    - {path: /mnt/notes, access: write}\n    - {path: /etc}\n',
    );
  }, 600_000);
  afterAll(() => {
    if (dir) rmSync(dir, { recursive: true, force: true });
  });

  test('there is no Node, and it is all that is there', () => {
    expect(run(['sh', '-c', 'command -v node nodejs npm']).stdout).toBe('');
    expect(deckhand(['version'])).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' });
    expect(statSync(join(dir, name)).size).toBeLessThan(160e6);
    // Its checksum and the list of what is inside lie beside it.
    expect(spawnSync('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: dir }).status).toBe(0);
    expect(readFileSync(join(dir, `${name}.cdx.json`), 'utf8')).toContain('"name": "zod"');
  });

  test('no flag of Node gets in, neither by the environment nor on the command line', () => {
    const spy = '--require=/mnt/spy.cjs';
    writeFileSync(join(dir, 'spy.cjs'), "require('node:fs').writeFileSync('/mnt/spied', 'x')");
    expect(deckhand(['version'], { NODE_OPTIONS: spy }).stdout).toBe(`${version}\n`);
    for (const args of [
      [spy, 'version'],
      [`--node-options=${spy}`, 'version'],
      ['-e', '1'],
    ])
      expect(deckhand(args).status).not.toBe(0);
    expect(existsSync(join(dir, 'spied'))).toBe(false);
    // The control: any other Node does so.
    spawnSync(process.execPath, ['-e', '0'], { env: { NODE_OPTIONS: `--require=${join(dir, 'spy2.cjs')}` } });
    writeFileSync(
      join(dir, 'spy2.cjs'),
      `require('node:fs').writeFileSync(${JSON.stringify(join(dir, 'spied'))}, 'x')`,
    );
    spawnSync(process.execPath, ['-e', '0'], { env: { NODE_OPTIONS: `--require=${join(dir, 'spy2.cjs')}` } });
    expect(existsSync(join(dir, 'spied'))).toBe(true);
  });

  test('the doctor looks at it, and names the executable where a Node would stand', () => {
    const { stdout } = deckhand(['doctor']);
    expect(stdout.replace(/\s+/g, ' ')).toContain(
      `in the executable ${EXECUTABLE}; start flags: --max-semi-space-size=2`,
    );
    expect(stdout).toMatch(/\n0 broken/);
  });

  test('over stdio to an MCP client: a search in a thread, hardware and a check of a file in a process', async () => {
    const client = new Client({ name: 'e2e', version: '1' });
    await client.connect(
      new StdioClientTransport({
        command: 'unshare',
        args: words([EXECUTABLE, '--config', '/mnt/config.yaml', '--toolsets', 'core,system,files', 'stdio']),
        env: env(),
        stderr: 'ignore',
      }),
    );
    try {
      expect(client.getServerVersion()).toMatchObject({ version });
      const call = async (name: string, args: object) => {
        const { content, isError } = await client.callTool({ name, arguments: { ...args } });
        return { text: JSON.stringify(content), isError };
      };
      writeFileSync(join(dir, 'notes', 'a.txt'), 'where the needle is\n');
      expect((await call('file_search', { path: '/mnt/notes', grep: 'needle' })).text).toContain('/mnt/notes/a.txt');
      // What the child process adds; where it failed, that would be said.
      const hardware = (await call('system_hardware', { parts: ['cpu'] })).text;
      expect(hardware).toMatch(/processor|cpu/i);
      expect(hardware).not.toMatch(/hardware reader/i);
      const bad = await call('file_write', { path: '/mnt/notes/a.json', content: '{"a": 1\n' });
      expect(bad.text).toMatch(/JSON parser refuses it: line 2/);
      for (const [file, content] of [
        ['a.json', '{"a": 1}\n'],
        ['a.yaml', 'a: [1]\n'],
        ['a.toml', 'a = 1\n'],
      ] as const)
        expect((await call('file_write', { path: `/mnt/notes/${file}`, content })).isError, file).not.toBe(true);
      expect(readFileSync(join(dir, 'notes', 'a.toml'), 'utf8')).toBe('a = 1\n');
    } finally {
      await client.close();
    }
  });

  test('serves over HTTP, and says how a client starts it: itself, and no Node', async () => {
    const token = /\bdh_\S+/.exec(deckhand(['token', 'add', 'e2e', '--role', 'viewer']).stdout)?.[0] ?? '';
    const child: ChildProcess = spawn('unshare', words([EXECUTABLE, 'serve', '--http-port', '0']), {
      env: env(),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    try {
      let out = '';
      await new Promise<void>((resolve) => {
        child.stdout?.on('data', (d) => {
          out += d;
          if (out.includes('More tokens:')) resolve();
        });
        void ended.then(resolve);
      });
      const url = /URL\s+(\S+)/.exec(out)?.[1] ?? '';
      expect(out).toContain(`claude mcp add deckhand -- ${EXECUTABLE} stdio`);
      expect(out).toContain(`More tokens: ${EXECUTABLE} token add`);
      const client = await overHttp('2026-07-28', url, token);
      expect((await client.listTools()).tools.map((t) => t.name)).toContain('system_overview');
      const { isError } = await client.callTool({ name: 'system_overview', arguments: {} });
      expect(isError).not.toBe(true);
      await client.close();
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  });

  test('a program of ours that it is asked for by its word ends as it should, and an unknown one is a command that is not there', () => {
    expect(deckhand(['deckhand:exit', '7']).status).toBe(7);
    writeFileSync(join(dir, 'notes', 'broken.toml'), 'a = \n');
    expect(JSON.parse(deckhand(['deckhand:validate.mjs', 'toml', '/mnt/notes/broken.toml']).stdout)).toMatchObject({
      result: 'failed',
      line: 1,
    });
    expect(deckhand(['deckhand:nothing.mjs']).status).toBe(2);
  });

  test('what wants a folder of files says so: a service is installed from the tarball', () => {
    const { status, stderr } = deckhand(['service', 'install', '--dry-run']);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/release tarball|systemd/);
    expect(stderr).not.toMatch(/ENOENT|at .*mjs:\d/);
  });

  test('made again it has the same bytes', () => {
    made(join(dir, 'again'));
    const of = (folder: string) => readFileSync(join(folder, 'SHA256SUMS'), 'utf8');
    expect(of(join(dir, 'again'))).toBe(of(dir));
  }, 300_000);
});
