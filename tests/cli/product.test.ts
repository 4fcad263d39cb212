/** The command as people and scripts run it: streams, exit codes, signals. Needs dist/, which `npm test` builds first. */
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const launcher = fileURLToPath(new URL('../../bin/deckhand.mjs', import.meta.url));
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-cli-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const env = (more: Record<string, string> = {}) => ({
  PATH: process.env.PATH ?? '',
  HOME: dir,
  DECKHAND_STATE_DIR: join(dir, 'state'),
  ...more,
});
function deckhand(args: string[], more: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [launcher, ...args], {
    encoding: 'utf8',
    env: env(more),
    timeout: 15_000,
  });
  expect(stderr).not.toMatch(/\n\s+at .*:\d+/);
  return { code: status, out: stdout, err: stderr };
}
const auditLines = () =>
  readdirSync(join(dir, 'state/audit'))
    .filter((f) => f.endsWith('.jsonl'))
    .flatMap((f) =>
      readFileSync(join(dir, 'state/audit', f), 'utf8')
        .trim()
        .split('\n'),
    )
    .map((l) => JSON.parse(l) as Record<string, unknown>);

test('call: the answer on standard output, nothing else anywhere; --json the structured result alone', () => {
  const person = deckhand(['call', 'process_list', '--limit', '3', '--by=memory']);
  expect(person.code).toBe(0);
  expect(person.err).toBe('');
  expect(person.out).toMatch(/pid\s+start\s+name\s+user/);
  expect(person.out).not.toContain('\x1b[');
  const script = deckhand(['call', '--json', 'process_list', '--limit', '3']);
  expect(script.code).toBe(0);
  expect(script.err).toBe('');
  expect(JSON.parse(script.out).processes).toHaveLength(3);
});

test('files: the program of their threads is in dist/ beside the command, with what it searches by', () => {
  const { code, out, err } = deckhand([
    'call',
    '--json',
    'file_search',
    '--path',
    '/etc',
    '--grep',
    '^root:',
    '--regex',
  ]);
  expect([code, err]).toEqual([0, '']);
  expect(out).toContain('/etc/passwd');
});

test('hardware: its child program is in dist/ beside the command, and answers', () => {
  const { code, out, err } = deckhand(['call', '--json', '--toolsets', 'system', 'system_hardware', '--parts', 'cpu']);
  expect([code, err]).toEqual([0, '']);
  const { cpu, unknown } = JSON.parse(out);
  expect(cpu.threads).toBeGreaterThan(0);
  // The library's own words, by way of the child; without lscpu and the like it has none, but answers.
  expect(JSON.stringify(unknown)).not.toMatch(/hardware reader|still being asked/i);
  expect(cpu).toHaveProperty('vendor');
});

test.each<[string[], number, string]>([
  [['call', 'process_lst'], 4, 'process_list'],
  [['call', 'process_list', '--limit', 'many'], 2, 'limit'],
  [['call', 'process_list', '--limt', '5'], 2, 'did you mean: --limit'],
  [['call', 'process_list', '--limit', '999999'], 2, 'limit'],
  [['call', 'process_list', '--args', '{"limit": 1}', '--limit', '2'], 2, 'given twice'],
  [['call', '--tools-deny', 'process_list', 'process_list'], 7, 'tools.deny'],
])('%j ends with %i and says why', (args, code, words) => {
  const got = deckhand(args);
  expect(got.code).toBe(code);
  expect(got.out).toBe('');
  expect(got.err).toContain(words);
});

test('a refused call leaves its record, and the error names it', () => {
  const { err } = deckhand(['call', 'process_list', '--limit', 'many']);
  const id = /call: (\S+)/.exec(err)?.[1];
  expect(auditLines().filter((r) => JSON.stringify(r).includes(`"${id}"`))).toHaveLength(1);
});

test('with --json an error is JSON too', () => {
  const { code, err } = deckhand(['call', '--json', 'nothing_here']);
  expect(code).toBe(4);
  expect(JSON.parse(err).error).toMatchObject({ code: 'not_found', call: expect.any(String) });
});

test('tools: a table, one tool, JSON; a wrong name has candidates', () => {
  expect(deckhand(['tools']).out).toMatch(
    /^TOOL\s+TOOLSET\s+RISK\s+WHAT FOR\nsystem_overview\s+system\s+read\s+Start here/,
  );
  expect(deckhand(['tools', 'process_list']).out).toContain('--by cpu|memory|io|fds');
  expect(deckhand(['call', 'process_list', '--help']).out).toBe(deckhand(['tools', 'process_list']).out);
  expect(JSON.parse(deckhand(['tools', '--json']).out)[0]).toMatchObject({ name: 'system_overview', risk: 'read' });
  expect(deckhand(['tools', 'process_lst'])).toMatchObject({ code: 4, err: expect.stringContaining('process_list') });
  expect(deckhand(['tools', '--toolsets', 'system', 'result_query']).err).toContain('is not available here');
});

test('a reader who leaves is no error', async () => {
  for (const args of [
    ['help', 'settings'],
    ['tools', '--json'],
    ['call', 'system_overview', '--json'],
  ]) {
    const child = spawn(process.execPath, [launcher, ...args], { env: env(), stdio: ['ignore', 'pipe', 'pipe'] });
    let err = '';
    child.stderr.on('data', (d) => {
      err += d;
    });
    child.stdout.destroy();
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
    expect(err).toBe('');
  }
});

test('token add, list, revoke', () => {
  const made = deckhand(['token', 'add', 'laptop', '--role', 'operator', '--expires', '30d']);
  expect(made.code).toBe(0);
  expect(made.out).toMatch(/^dh_[\w-]{43}\n$/);
  expect(deckhand(['token', 'list']).out).toMatch(/laptop\s+operator\s+\d{4}-/);
  expect(deckhand(['token', 'add', 'laptop', '--role', 'viewer'])).toMatchObject({ code: 5, out: '' });
  expect(deckhand(['token', 'revoke', 'laptp'])).toMatchObject({ code: 4, err: expect.stringContaining('laptop') });
  expect(deckhand(['token', 'revoke', 'laptop']).code).toBe(0);
  expect(deckhand(['token', 'list'])).toMatchObject({ code: 0, out: '' });
});

test('doctor: exit 0 on a sound host without a state folder, and makes none; 1 when something is broken', () => {
  const sound = deckhand(['doctor', '--json', '--http-port', '0']);
  const checks = JSON.parse(sound.out) as { code: string; severity: string; fix: string | null }[];
  expect(checks.filter((c) => c.severity === 'broken')).toEqual([]);
  expect(sound.code).toBe(0);
  expect(checks.map((c) => c.code)).toEqual(
    expect.arrayContaining(['node', 'config', 'state.missing', 'http.port', 'host.kind']),
  );
  expect(existsSync(join(dir, 'state'))).toBe(false);

  writeFileSync(join(dir, 'bad.yaml'), 'htp:\n  port: 1\n', { mode: 0o600 });
  const broken = deckhand(['doctor', '--config', join(dir, 'bad.yaml')]);
  expect(broken.code).toBe(1);
  expect(broken.out).toContain('bad.yaml:1');
  // The rest is looked at all the same.
  expect(broken.out).toContain('Host:');
});

test('doctor names the mend of a state folder and files that are open to others', () => {
  deckhand(['token', 'add', 'x', '--role', 'viewer']);
  spawnSync('chmod', ['644', join(dir, 'state/tokens.json')]);
  spawnSync('chmod', ['755', join(dir, 'state')]);
  const { code, out } = deckhand(['doctor']);
  expect(code).toBe(1);
  expect(out).toContain(`fix: chmod 700 ${join(dir, 'state')}`);
  expect(out).toContain(`fix: chmod 600 ${join(dir, 'state/tokens.json')}`);
});

test('a port in use: one line, the way out, exit 5, and no token is made', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as { port: number };
  const child = spawn(process.execPath, [launcher, 'serve', '--http-port', String(port)], { env: env() });
  let err = '';
  child.stderr.on('data', (d) => {
    err += d;
  });
  expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(5);
  other.close();
  expect(err).toContain(`port ${port}`);
  expect(err).toContain('ss -ltnp');
  expect(err).not.toMatch(/\n\s+at /);
  expect(existsSync(join(dir, 'state/tokens.json'))).toBe(false);
});

test('where the journal keeps the output no secret is printed and no token is made', async () => {
  const file = join(dir, 'journal');
  const fd = openSync(file, 'w', 0o600);
  const { dev, ino } = fstatSync(fd);
  const child = spawn(process.execPath, [launcher, 'serve', '--http-port', '0'], {
    env: env({ JOURNAL_STREAM: `${dev}:${ino}` }),
    stdio: ['ignore', fd, 'ignore'],
  });
  closeSync(fd);
  await expect.poll(() => readFileSync(file, 'utf8'), { timeout: 10_000 }).toContain('More tokens:');
  child.kill('SIGTERM');
  expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
  const said = readFileSync(file, 'utf8');
  expect(said).not.toMatch(/dh_[\w-]{20}/);
  expect(said).toContain('the journal keeps its output');
  expect(said).toContain('token add NAME --role operator');
  expect(existsSync(join(dir, 'state/tokens.json'))).toBe(false);
});

test.each(['SIGTERM', 'SIGINT'] as const)('serve and stdio end in good order on %s', async (signal) => {
  for (const command of ['serve', 'stdio']) {
    const child = spawn(process.execPath, [launcher, command, '--http-port', '0'], { env: env(), stdio: 'pipe' });
    let out = '';
    child.stdout.on('data', (d) => {
      out += d;
    });
    if (command === 'stdio') child.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
    await expect.poll(() => out, { timeout: 10_000 }).toContain(command === 'serve' ? 'More tokens:' : '"id":1');
    child.kill(signal);
    expect(await new Promise((resolve) => child.once('exit', (code, by) => resolve(code ?? by)))).toBe(0);
  }
});
