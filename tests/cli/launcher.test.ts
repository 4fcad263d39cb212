/** bin/deckhand.mjs as it is started: by old and new Nodes, through links, and where its compile cache goes. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const NAME = `node-linux-${process.arch}`;
const bundled = join(root, 'node_modules', NAME);

/** The first Node on PATH that npm did not put there. */
const systemNode = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((dir) => !dir.includes('node_modules'))
  .map((dir) => join(dir, 'node'))
  .find((file) => existsSync(file));
const systemVersion = systemNode ? spawnSync(systemNode, ['--version'], { encoding: 'utf8' }).stdout.trim() : '';
const [major = 0, minor = 0] = systemVersion.replace('v', '').split('.').map(Number);
const isOld = systemNode !== undefined && (major < 24 || (major === 24 && minor < 15) || major === 25);
const hasBundled = existsSync(join(bundled, 'bin', 'node'));

/** What stands in for the product: says how it was started. */
const STUB = `
import module from 'node:module';
const [command] = process.argv.slice(2);
if (command === 'wait') {
  const timer = setInterval(() => {}, 1000);
  for (const s of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(s, () => { process.stdout.write(s + '\\n'); clearInterval(timer); process.exitCode = 7; });
}
process.stdout.write(JSON.stringify({
  version: process.version, pid: process.pid, ppid: process.ppid, args: process.argv.slice(2), bin: process.argv[1],
  cache: module.getCompileCacheDir() ?? null,
  left: Object.keys(process.env).filter((k) => /^DECKHAND_(LIFELINE|HANDED)/.test(k)),
}) + '\\n');
if (command === 'echo') process.stdin.pipe(process.stdout);
if (command === 'exit') process.exitCode = 42;
if (command === 'die') process.kill(process.pid, 'SIGKILL');
`;

let dir: string;
let pkg: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-launcher-'));
  pkg = makePackage(join(dir, 'pkg'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

function makePackage(at: string, node: 'inside' | 'none' = 'inside'): string {
  for (const folder of ['bin', 'dist', 'node_modules']) mkdirSync(join(at, folder), { recursive: true, mode: 0o755 });
  copyFileSync(join(root, 'bin/deckhand.mjs'), join(at, 'bin/deckhand.mjs'));
  chmodSync(join(at, 'bin/deckhand.mjs'), 0o755);
  writeFileSync(join(at, 'dist/main.mjs'), STUB);
  if (node === 'inside' && hasBundled) symlinkSync(bundled, join(at, 'node_modules', NAME));
  return at;
}

interface Said {
  version: string;
  pid: number;
  ppid: number;
  args: string[];
  cache: string | null;
  left: string[];
}
function run(node: string, file: string, args: string[], over: { cwd?: string; env?: Record<string, string> } = {}) {
  const env = { PATH: process.env.PATH ?? '', HOME: dir, ...over.env };
  const done = spawnSync(node, [file, ...args], { encoding: 'utf8', env, cwd: over.cwd ?? dir, timeout: 15_000 });
  return { ...done, said: () => JSON.parse(done.stdout.split('\n')[0] as string) as Said };
}
const bin = () => join(pkg, 'bin/deckhand.mjs');

/** Started and left running; resolves with its first line. */
async function started(node: string, args: string[]) {
  const child = spawn(node, [bin(), ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: dir },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => String((await lines.next()).value);
  const said = JSON.parse(await next()) as Said;
  const exit = new Promise<[number | null, string | null]>((resolve) =>
    child.on('exit', (code, signal) => resolve([code, signal])),
  );
  return { child, said, next, exit };
}
/** A zombie that nobody collects is no process any more. */
const alive = (pid: number) => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

describe('a Node that fits', () => {
  test('runs the product itself, in the same process, from any folder, through links', async () => {
    const link = join(dir, 'deckhand');
    symlinkSync(bin(), link);
    const { status, said } = run(process.execPath, link, ['a', '--b=c d'], { cwd: '/' });
    expect(status).toBe(0);
    expect(said()).toMatchObject({ version: process.version, args: ['a', '--b=c d'], left: [] });
    const { said: own, child } = await started(process.execPath, ['wait']);
    expect(own.pid).toBe(child.pid);
  });
  test('passes the exit code on', () => {
    expect(run(process.execPath, bin(), ['exit']).status).toBe(42);
  });
  test('a package that was not built says so', () => {
    rmSync(join(pkg, 'dist/main.mjs'));
    const { status, stderr, stdout } = run(process.execPath, bin(), []);
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('npm run build');
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

describe('the compile cache', () => {
  const cacheOf = (env: Record<string, string> = {}) => run(process.execPath, bin(), [], { env }).said().cache;

  test('lies in the package when it is ours and nobody else may write it', () => {
    expect(dirname(cacheOf() as string)).toBe(join(pkg, 'dist/.compile-cache'));
    expect(readdirSync(join(pkg, 'dist/.compile-cache'))).toHaveLength(1);
  });

  test.each([
    ['the package', ''],
    ['dist', 'dist'],
    ['the cache folder', 'dist/.compile-cache'],
  ])('leaves the package when others may write %s', (_what, folder) => {
    mkdirSync(join(pkg, 'dist/.compile-cache'));
    chmodSync(join(pkg, folder), 0o775);
    const state = join(dir, 'state');
    mkdirSync(state, { mode: 0o700 });
    expect(dirname(cacheOf({ DECKHAND_STATE_DIR: state }) as string)).toBe(join(state, 'compile-cache'));
  });

  test('a cache folder that is a link is not followed', () => {
    mkdirSync(join(dir, 'elsewhere'));
    symlinkSync(join(dir, 'elsewhere'), join(pkg, 'dist/.compile-cache'));
    expect(cacheOf({ DECKHAND_STATE_DIR: join(dir, 'none') })).toBeNull();
  });

  test.each([
    ['open to others', 0o750],
    ['not there yet', null],
  ])('a state folder %s is not used, and neither is $TMPDIR', (_what, mode) => {
    chmodSync(pkg, 0o777);
    const state = join(dir, 'state');
    if (mode !== null) {
      mkdirSync(state);
      chmodSync(state, mode);
    }
    const temporary = join(dir, 'tmp');
    mkdirSync(temporary);
    expect(cacheOf({ DECKHAND_STATE_DIR: state, TMPDIR: temporary })).toBeNull();
    expect(readdirSync(temporary)).toEqual([]);
    expect(existsSync(join(state, 'compile-cache'))).toBe(false);
  });

  test('control: without a named folder Node takes one in $TMPDIR that anybody may have made', () => {
    const temporary = join(dir, 'tmp');
    mkdirSync(join(temporary, 'node-compile-cache'), { recursive: true });
    chmodSync(join(temporary, 'node-compile-cache'), 0o777);
    const naive = `import m from 'node:module'; m.enableCompileCache(); process.stdout.write(String(m.getCompileCacheDir()))`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', naive], {
      encoding: 'utf8',
      env: { TMPDIR: temporary },
    });
    expect(stdout.startsWith(join(temporary, 'node-compile-cache'))).toBe(true);
  });
});

const why = !isOld ? `the system's Node (${systemVersion || 'none'}) is not an old one` : `${NAME} is not installed`;
if (!isOld || !hasBundled) test.skip(`SKIPPED: hand-over from an old Node: ${why}`, () => {});
describe.runIf(isOld && hasBundled)(`an old Node (${systemVersion})`, () => {
  const old = systemNode as string;

  test('hands over to the bundled one, from any folder, through links', () => {
    const link = join(dir, 'deckhand');
    symlinkSync(bin(), link);
    const { status, stderr, said } = run(old, link, ['a', '--b=c d'], { cwd: '/' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(said().version).toMatch(/^v(24\.(1[5-9]|[2-9]\d)|2[6-9])/);
    expect(said()).toMatchObject({ args: ['a', '--b=c d'], left: [] });
  });

  test('finds the bundled one beside the package, where npm has hoisted it', () => {
    const app = join(dir, 'app/node_modules');
    const hoisted = makePackage(join(app, 'deckhand'), 'none');
    symlinkSync(bundled, join(app, NAME));
    expect(run(old, join(hoisted, 'bin/deckhand.mjs'), []).status).toBe(0);
  });

  test('takes none from a folder above that is no part of the installation', () => {
    const bare = makePackage(join(dir, 'x/deckhand'), 'none');
    mkdirSync(join(dir, 'x/node_modules'));
    symlinkSync(bundled, join(dir, 'x/node_modules', NAME));
    const { status, stderr } = run(old, join(bare, 'bin/deckhand.mjs'), []);
    expect(status).toBe(1);
    expect(stderr).toContain(`Deckhand needs Node ^24.15 or >=26.1; this is ${systemVersion}`);
    expect(stderr).toContain('npm ci');
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  test('a bundled one that does not start is told, not thrown', () => {
    rmSync(join(pkg, 'node_modules', NAME));
    mkdirSync(join(pkg, 'node_modules', NAME, 'bin'), { recursive: true });
    writeFileSync(join(pkg, 'node_modules', NAME, 'bin/node'), 'no program', { mode: 0o644 });
    const { status, stderr } = run(old, bin(), []);
    expect(status).toBe(1);
    expect(stderr).toContain('does not start');
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  test('a bundled one that is too old does not hand over again', () => {
    rmSync(join(pkg, 'node_modules', NAME));
    mkdirSync(join(pkg, 'node_modules', NAME, 'bin'), { recursive: true });
    symlinkSync(old, join(pkg, 'node_modules', NAME, 'bin/node'));
    const { status, stderr } = run(old, bin(), []);
    expect(status).toBe(1);
    expect(stderr).toContain('too old as well');
  });

  test('standard input, exit code and death by a signal are passed on', () => {
    const echoed = spawnSync(old, [bin(), 'echo'], { input: 'hello\n', encoding: 'utf8', env: { HOME: dir } });
    expect(echoed.stdout.split('\n')[1]).toBe('hello');
    expect(run(old, bin(), ['exit']).status).toBe(42);
    expect(run(old, bin(), ['die']).signal).toBe('SIGKILL');
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s reaches the product, and both end', async (signal) => {
    const { child, said, next, exit } = await started(old, ['wait']);
    expect(said.pid).not.toBe(child.pid);
    child.kill(signal);
    expect(await next()).toBe(signal);
    expect(await exit).toEqual([7, null]);
    expect(alive(said.pid)).toBe(false);
  });

  test('killed outright, it leaves no second process behind', async () => {
    const { child, said, next } = await started(old, ['wait']);
    expect(alive(said.pid)).toBe(true);
    child.kill('SIGKILL');
    // The product ends in good order: its end of the line was let go.
    expect(await next()).toBe('SIGTERM');
    await expect.poll(() => alive(said.pid)).toBe(false);
  });
});
