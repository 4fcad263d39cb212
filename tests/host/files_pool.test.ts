/** Threads that hang when told, and with DECKHAND_REAL=1 a FUSE mount that does: what a hung file costs, and what it must not. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { FileRoot } from '../../src/core/files.ts';
import { files, type OpenFiles } from '../../src/host/files/index.ts';
import { type Asked, FilePool, type FilePoolOptions } from '../../src/host/files/pool.ts';

let folder = '';
beforeAll(() => {
  folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-fpool-')));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const root = (path: string, o: Partial<FileRoot> = {}): FileRoot => ({
  path,
  access: 'read',
  depth: 9,
  oneFilesystem: false,
  symlinks: 'inside',
  ...o,
});
const pools: FilePool[] = [];
const release: string[] = [];
afterEach(() => {
  for (const path of release.splice(0)) fs.writeFileSync(path, '');
  for (const pool of pools.splice(0)) pool.close();
});
function hanging(o: FilePoolOptions = {}) {
  const pool = new FilePool({ deadlineMs: 60, program: new URL('./files_hanging.ts', import.meta.url), ...o });
  pools.push(pool);
  return pool;
}
const asked = (path: string): Asked => ({
  op: 'read',
  root: root('/'),
  inner: [],
  ours: [],
  deny: [],
  path: Buffer.from(path),
  limit: 1,
});
let count = 0;
const hang = () => {
  const path = join(folder, `go-${count++}`);
  release.push(path);
  return asked(`hang ${path}`);
};

test('answers, errors and crashes come back as themselves; the next call gets a new thread', async () => {
  // Nothing hangs here: a thread may take its time to begin.
  const pool = hanging({ deadlineMs: 30_000 });
  expect(await pool.ask('/', asked('x'))).toBe('x');
  await expect(pool.ask('/', asked('error'))).rejects.toMatchObject({
    code: 'not_found',
    message: 'No.',
    details: { hint: 'Go.' },
  });
  await expect(pool.ask('/', asked('crash'))).rejects.toMatchObject({ code: 'unavailable' });
  expect(await pool.ask('/', asked('y'))).toBe('y');
});

test('one that hangs is given up; its mount is not asked again until it is back, others are', async () => {
  const pool = hanging();
  await expect(pool.ask('/mnt', hang())).rejects.toMatchObject({
    code: 'unavailable',
    message: 'The file system at /mnt does not answer.',
  });
  expect(pool.abandoned()).toBe(1);
  await expect(pool.ask('/mnt', asked('x'))).rejects.toMatchObject({ code: 'unavailable' });
  expect(await pool.ask('/', asked('x'))).toBe('x');
  fs.writeFileSync(release[0] as string, '');
  await expect.poll(() => pool.abandoned()).toBe(0);
  expect(await pool.ask('/mnt', asked('x'))).toBe('x');
});

test('so many and no more: threads that hang, calls that wait', async () => {
  const pool = hanging({ maxLost: 2, maxQueue: 3, atOnce: 1 });
  const all = ['/a', '/b', '/c', '/d', '/e'].map((m) => pool.ask(m, hang()).catch((e) => e.code));
  expect(await Promise.all(all)).toEqual(['unavailable', 'unavailable', 'unavailable', 'unavailable', 'limit']);
  expect(pool.abandoned()).toBe(2);
});

test('who leaves is answered at once, waiting or under way', async () => {
  const pool = hanging({ atOnce: 1, deadlineMs: 5_000 });
  const gone = new AbortController();
  const first = pool.ask('/', hang(), { signal: gone.signal });
  const second = pool.ask('/', asked('x'), { signal: gone.signal });
  const third = pool.ask('/', asked('y'));
  gone.abort(new Error('left'));
  await expect(first).rejects.toThrow('left');
  await expect(second).rejects.toThrow('left');
  await expect(pool.ask('/', asked('x'), { signal: gone.signal })).rejects.toThrow('left');
  fs.writeFileSync(release[0] as string, '');
  expect(await third).toBe('y');
  pool.close();
  await expect(pool.ask('/', asked('x'))).rejects.toMatchObject({ code: 'limit' });
});

test('the real program: list and read through a thread, and what is refused before one is asked', async () => {
  const at = join(folder, 'root');
  fs.mkdirSync(join(at, 'state'), { recursive: true });
  fs.writeFileSync(join(at, 'x.txt'), 'hello');
  fs.writeFileSync(join(at, 'state/y'), 'ours');
  const open = files({ roots: [root(at)], ours: [join(at, 'state'), join(at, 'not-there-yet')] });
  try {
    const got = await open.reader.read(join(at, 'x.txt'), { offset: 1, length: 3 });
    expect([Buffer.from(got.bytes).toString(), got.truncated, got.path]).toEqual(['ell', true, join(at, 'x.txt')]);
    const list = await open.reader.list(at, { limit: 9, stat: true });
    expect(list.entries?.map((e) => [e.name, e.denied]).sort()).toEqual([
      ['state', true],
      ['x.txt', false],
    ]);
    await expect(open.reader.read(join(at, 'state/y'), { length: 9 })).rejects.toMatchObject({ code: 'permission' });
    await expect(open.reader.read(join(at, 'nope'), { length: 9 })).rejects.toMatchObject({
      code: 'not_found',
      details: { errno: 'ENOENT' },
    });
    await expect(open.reader.read('/etc/passwd', { length: 9 })).rejects.toMatchObject({ code: 'permission' });
    await expect(open.reader.list('x', { limit: 9 })).rejects.toMatchObject({ code: 'validation' });
    expect([open.roots().length, open.abandoned()]).toEqual([1, 0]);
  } finally {
    open.close();
  }
  fs.mkdirSync(join(at, 'inner'));
  fs.writeFileSync(join(at, 'inner/x'), 'inner');
  fs.symlinkSync('inner/x', join(at, 'into'));
  fs.linkSync(join(at, 'state/y'), join(at, 'innocent'));
  const two = files({ roots: [root(at), root(join(at, 'inner'))], ours: [join(at, 'state/y')] });
  try {
    expect((await two.reader.read(join(at, 'inner/x'), { length: 9 })).bytes.length).toBe(5);
    await expect(two.reader.read(join(at, 'into'), { length: 9 })).rejects.toThrow('leads into another root');
    await expect(two.reader.read(join(at, 'innocent'), { length: 9 })).rejects.toThrow('deny list');
  } finally {
    two.close();
  }
  expect(() => files({ roots: [root('etc')], ours: [] })).toThrow(/absolute/);
});

const real =
  process.env.DECKHAND_REAL === '1' &&
  process.geteuid?.() === 0 &&
  fs.existsSync('/usr/bin/bindfs') &&
  fs.existsSync('/dev/fuse');
if (!real)
  process.stderr.write(
    'SKIPPED the real mounts of tests/host/files_pool: needs DECKHAND_REAL=1, root, bindfs and /dev/fuse.\n',
  );

describe.skipIf(!real)('real mounts', () => {
  let daemon: ChildProcess;
  let open: OpenFiles;
  beforeAll(async () => {
    for (const name of ['r/fuse', 'r/bound', 'r/tmp', 'data', 'away'])
      fs.mkdirSync(join(folder, name), { recursive: true });
    for (const at of ['r/plain', 'data/f', 'away/f']) fs.writeFileSync(join(folder, at), at);
    daemon = spawn('/usr/bin/bindfs', ['-f', join(folder, 'data'), join(folder, 'r/fuse')], { stdio: 'ignore' });
    spawnSync('mount', ['--bind', join(folder, 'away'), join(folder, 'r/bound')]);
    spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', join(folder, 'r/tmp')]);
    fs.writeFileSync(join(folder, 'r/tmp/f'), 'tmp');
    await vi.waitFor(
      () => expect(fs.readFileSync('/proc/self/mounts', 'utf8')).toContain(`${join(folder, 'r/fuse')} fuse`),
      10_000,
    );
    open = files({ roots: [root(join(folder, 'r'))], ours: [join(folder, 'away')], pool: { deadlineMs: 500 } });
  });
  afterAll(async () => {
    daemon.kill('SIGCONT');
    open?.close();
    for (const name of ['fuse', 'bound', 'tmp']) spawnSync('umount', ['-l', join(folder, 'r', name)]);
    daemon.kill();
  });
  const read = (rel: string) => open.reader.read(join(folder, 'r', rel), { length: 99 });

  test('ours under a bind mount is denied all the same; another device needs the root to allow it', async () => {
    await expect(read('bound/f')).rejects.toMatchObject({
      code: 'permission',
      message: expect.stringContaining('deny list'),
    });
    expect(Buffer.from((await read('tmp/f')).bytes).toString()).toBe('tmp');
    const narrow = files({ roots: [root(join(folder, 'r'), { oneFilesystem: true })], ours: [] });
    try {
      for (const rel of ['tmp/f', 'fuse/f'])
        await expect(narrow.reader.read(join(folder, 'r', rel), { length: 9 })).rejects.toThrow('another file system');
      // A bind mount of the same file system is the same device.
      expect((await narrow.reader.read(join(folder, 'r/bound/f'), { length: 9 })).bytes.length).toBe(6);
    } finally {
      narrow.close();
    }
  });

  test('a stopped mount: refused in time, the others go on, and it is back when it answers', async () => {
    expect(Buffer.from((await read('fuse/f')).bytes).toString()).toBe('data/f');
    daemon.kill('SIGSTOP');
    // The kernel remembers names for a second: a new one has to be asked.
    const t = performance.now();
    await expect(read('fuse/new')).rejects.toMatchObject({ code: 'unavailable' });
    expect(performance.now() - t).toBeLessThan(4_000);
    expect(Buffer.from((await read('plain')).bytes).toString()).toBe('r/plain');
    await expect(read('fuse/f')).rejects.toMatchObject({ code: 'unavailable' });
    expect(open.abandoned()).toBe(1);
    // Control: the naive way waits for as long as the mount does.
    const naive = spawnSync(
      process.execPath,
      ['-e', `fs.readFileSync(${JSON.stringify(join(folder, 'r/fuse/other'))})`],
      { timeout: 2_000, killSignal: 'SIGKILL' },
    );
    expect(naive.signal).toBe('SIGKILL');
    daemon.kill('SIGCONT');
    await expect.poll(() => open.abandoned(), { timeout: 10_000 }).toBe(0);
    expect(Buffer.from((await read('fuse/f')).bytes).toString()).toBe('data/f');
  });

  test('a search that meets a stopped mount loses a thread once, and nothing but that mount; a list does not touch it', async () => {
    const what = { glob: 'p*' };
    const bounds = { depth: 9, limit: 9, maxEntries: 999, maxBytes: 1e6, maxMs: 9_000 };
    const search = () => open.find(join(folder, 'r'), what, bounds);
    expect((await search()).hits).toBe(1);
    daemon.kill('SIGSTOP');
    // What the kernel remembers of it lasts a second: until then it may still be searched.
    let said = '';
    await vi.waitFor(async () => {
      said = await search().then(() => '', String);
      expect(said).not.toBe('');
    }, 5_000);
    expect(said).toContain(`${join(folder, 'r/fuse')} does not answer`);
    expect(open.abandoned()).toBe(1);
    const again = await search();
    expect([again.hits, again.passedOver.unreadable, open.abandoned()]).toEqual([1, 1, 1]);
    const { entries } = await open.reader.list(join(folder, 'r'), { limit: 9, stat: true });
    expect(entries?.find((e) => e.name === 'fuse')).toMatchObject({ kind: 'directory', stat: null });
    expect(Buffer.from((await read('plain')).bytes).toString()).toBe('r/plain');
    daemon.kill('SIGCONT');
    await expect.poll(() => open.abandoned(), { timeout: 10_000 }).toBe(0);
  });

  test('a process with a thread in such a mount still ends, with its code', () => {
    daemon.kill('SIGSTOP');
    const index = fileURLToPath(new URL('../../src/host/files/index.ts', import.meta.url));
    const source = `const { files } = await import(${JSON.stringify(index)});
      const open = files({ roots: [${JSON.stringify(root(join(folder, 'r')))}], ours: [], pool: { deadlineMs: 200 } });
      await open.reader.read(${JSON.stringify(join(folder, 'r/fuse/third'))}, { length: 1 }).catch(() => {});
      process.exitCode = 7;`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
      timeout: 8_000,
      killSignal: 'SIGKILL',
    });
    daemon.kill('SIGCONT');
    expect([child.signal, child.status]).toEqual([null, 7]);
  });
});
