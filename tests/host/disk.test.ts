/** What fills a file system: counted as `du` counts it, in a thread, with nothing named below what is denied. */
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DiskFolder } from '../../src/core/disk.ts';
import { diskAt, type OpenDisk } from '../../src/host/disk/index.ts';
import { placeOfFile, placeOfFolder } from '../../src/host/disk/places.ts';
import { walkDisk } from '../../src/host/disk/walk.ts';
import { denyNames } from '../../src/host/files/deny.ts';
import { rootAt } from '../../src/host/system/files.ts';
import { openDeleted } from '../../src/host/system/open_deleted.ts';

let dir: string;
const open: OpenDisk[] = [];
beforeEach(() => {
  dir = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-disk-')));
});
afterEach(() => {
  for (const one of open.splice(0)) one.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

const at = (...parts: string[]) => join(dir, ...parts);
const put = (path: string, bytes: number) => {
  fs.mkdirSync(join(at(path), '..'), { recursive: true });
  fs.writeFileSync(at(path), Buffer.alloc(bytes, 1));
};
const disk = (over: Partial<Parameters<typeof diskAt>[0]> = {}) => {
  const one = diskAt({ root: rootAt('/'), mounts: () => [], ours: [], deny: [], ...over });
  open.push(one);
  return one;
};
const USED = { bytes: 1_000_000, inodes: 1_000 };
const walk = (over: Partial<Parameters<typeof walkDisk>[0]> = {}) =>
  walkDisk({
    mount: dir,
    prefix: '',
    mounts: new Set(),
    used: USED,
    maxMs: 60_000,
    denied: denyNames(),
    stop: () => false,
    progress() {},
    ...over,
  });
const du = (...args: string[]) =>
  Number(execFileSync('du', ['-sx', ...args, dir], { encoding: 'utf8' }).split('\t')[0]);
const find = (folder: DiskFolder, path: string): DiskFolder | undefined =>
  folder.path === path ? folder : folder.folders.map((f) => find(f, path)).find((f) => f !== undefined);

describe('a walk', () => {
  it('counts what du counts: holes not, files of several names once, names that are no UTF-8', () => {
    put('a/one', 300_000);
    put('a/b/two', 50_000);
    put('c/three', 10);
    fs.linkSync(at('a/one'), at('c/again'));
    fs.symlinkSync('/', at('c/link'));
    const sparse = fs.openSync(at('hole'), 'w');
    fs.ftruncateSync(sparse, 1024 ** 3);
    fs.closeSync(sparse);
    const strange = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0x66, 0xff, 0xfe])]);
    fs.mkdirSync(strange);
    fs.writeFileSync(Buffer.concat([strange, Buffer.from('/\xe4', 'latin1')]), Buffer.alloc(200_000));
    const seen = walk();
    expect(seen.root.bytes).toBe(du('--block-size=1'));
    expect(seen.root.entries).toBe(du('--inodes'));
    // Of its two names the one that was met first.
    expect([at('a/one'), at('c/again')]).toContain(seen.files[0]?.path);
    expect(seen.files.some((f) => f.path.includes('\ufffd/\ufffd'))).toBe(true);
    expect(seen).toMatchObject({ stopped: null, otherMounts: 0, unreadable: { folders: 0 } });
  });

  it('reads a folder of very many names in pieces, and counts the same', () => {
    const folder = at('many');
    fs.mkdirSync(folder);
    for (let i = 0; i < 1_100; i++) fs.writeFileSync(`${folder}/n${i}${i % 100 === 0 ? 'ä' : ''}`, '');
    fs.mkdirSync(`${folder}/below`);
    fs.writeFileSync(`${folder}/below/x`, Buffer.alloc(40_000));
    const seen = walk({ largeFolder: 1_024 });
    expect(seen.root.entries).toBe(du('--inodes'));
    expect(find(seen.root, folder)?.entries).toBe(1_103);
    expect(seen).toEqual({ ...walk(), tookMs: seen.tookMs });
  });

  it('names nothing below what is denied, but counts it', () => {
    put('home/.ssh/id_rsa', 500_000);
    put('home/.ssh/sub/x', 400_000);
    put('home/notes', 100_000);
    const seen = walk();
    expect(find(seen.root, at('home/.ssh'))).toMatchObject({ denied: true, folders: [] });
    expect(JSON.stringify(seen)).not.toMatch(/id_rsa|sub/);
    expect(seen.root.bytes).toBe(du('--block-size=1'));
    const own = walk({ denied: denyNames([at('home')]) });
    expect(JSON.stringify(own)).not.toMatch(/notes|\.ssh/);
  });

  it('never touches another mount, keeps the heaviest only, and stops when told or in time', () => {
    for (let i = 0; i < 300; i++) put(`d${i}/x`, 4_096);
    put('big/x', 900_000);
    put('mnt/x', 900_000);
    const seen = walk({ mounts: new Set([at('mnt')]) });
    expect(seen.otherMounts).toBe(1);
    expect(JSON.stringify(seen)).not.toContain('mnt');
    expect(seen.root.folders.length).toBeLessThanOrEqual(12);
    expect(seen.root.folders[0]?.path).toBe(at('big'));
    expect(walk({ stop: () => true }).stopped).toBe('cancelled');
    expect(walk({ maxMs: -1 }).stopped).toBe('time');
  });

  it('adds up known places, below another root too', () => {
    put('var/log/syslog', 50_000);
    put('var/log/syslog.2.gz', 80_000);
    put('var/log/journal/x/system.journal', 90_000);
    put('var/cache/apt/archives/x.deb', 60_000);
    put('tmp/x', 10_000);
    put('boot/vmlinuz-6.1.0-9-amd64', 30_000);
    put('lib/modules/6.1.0-9-amd64/kernel/x.ko', 40_000);
    put('srv/core.123', 2_000_000);
    put('home/ana/.cache/pip/x', 70_000);
    put('home/ana/.local/share/Trash/files/x', 20_000);
    put('var/lib/docker/containers/abc/abc-json.log', 110_000);
    const seen = walk({ mount: '/', prefix: dir });
    const bytes: Record<string, number> = {};
    for (const p of seen.places) {
      const key = p.of ? `${p.id} ${p.of}` : p.id;
      bytes[key] = (bytes[key] ?? 0) + p.bytes;
    }
    expect(seen.places.find((p) => p.id === 'user_cache')?.path).toBe('/home/ana/.cache');
    expect(Object.keys(bytes).sort()).toEqual(
      [
        'container_logs',
        'core_dumps',
        'docker',
        'journal',
        'kernels 6.1.0-9-amd64',
        'logs',
        'package_cache',
        'rotated_logs',
        'tmp',
        'trash',
        'user_cache',
      ].sort(),
    );
    expect(bytes.rotated_logs).toBeGreaterThanOrEqual(80_000);
    expect(bytes.rotated_logs).toBeLessThan(90_000);
    expect(bytes['kernels 6.1.0-9-amd64']).toBeGreaterThan(70_000);
    expect(seen.root.path).toBe('/');
    expect(seen.files[0]).toMatchObject({ path: '/srv/core.123', place: 'core_dumps' });
  });
});

describe('places', () => {
  it.each([
    ['/var/log', 'logs'],
    ['/var/log/nginx', null],
    ['/home/a/.cache', 'user_cache'],
    ['/srv/.cache', null],
    ['/mnt/x/.Trash-1000', 'trash'],
    ['/home/a/Trash.old', null],
    ['/usr/lib/modules/6.1.0', 'kernels'],
    ['/usr/lib/jvm/x/lib/modules/y', null],
    ['/home/a/.local/share/docker', 'docker'],
    ['/srv/docker', null],
  ])('%s: %s', (path, id) => expect(placeOfFolder(path)?.id ?? null).toBe(id));

  it.each([
    ['syslog.1', 'rotated_logs'],
    ['app.log-20260101', 'rotated_logs'],
    ['app-20260101.log', 'rotated_logs'],
    ['dpkg.log.3.gz', 'rotated_logs'],
    ['app.log', 'logs'],
    ['v1.2.json', 'logs'],
  ])('in /var/log %s is of %s', (name, id) => {
    expect(placeOfFile('/var/log', name, 1, { id: 'logs', of: null })?.id).toBe(id);
  });
  it('a core is large, and named so', () => {
    expect(placeOfFile('/srv', 'core.77', 2 ** 21, null)?.id).toBe('core_dumps');
    expect(placeOfFile('/srv', 'core', 10, null)).toBeNull();
    expect(placeOfFile('/srv', 'core.js', 2 ** 21, null)).toBeNull();
    expect(placeOfFile('/boot', 'initrd.img-6.1.0-9', 1, null)).toEqual({ id: 'kernels', of: '6.1.0-9' });
    expect(placeOfFile('/boot', 'grub', 1, null)).toBeNull();
  });
});

describe('deleted and still open', () => {
  it('is found with its process and its size, once for all that hold it', async () => {
    const script = `const fs=require('fs');const fd=fs.openSync(${JSON.stringify(at('gone.log'))},'w');fs.writeSync(fd,Buffer.alloc(700000));fs.unlinkSync(${JSON.stringify(at('gone.log'))});fs.openSync('/proc/self/fd/'+fd);process.stdout.write('ready');setInterval(()=>{},1e6)`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve));
      const list = await disk().openDeleted(dir);
      const ours = list.files.filter((f) => f.path === at('gone.log'));
      expect(ours).toEqual([expect.objectContaining({ pid: child.pid, others: 0 })]);
      expect(ours[0]?.bytes).toBeGreaterThanOrEqual(700_000);
      expect(list.totalBytes).toBeGreaterThanOrEqual(700_000);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('counts whom it may not look at', () => {
    fs.mkdirSync(at('proc/4242/fd'), { recursive: true });
    fs.mkdirSync(at('proc/4243'), { recursive: true });
    fs.writeFileSync(at('proc/4243/fd'), '');
    const list = openDeleted(1, { proc: at('proc'), stop: () => false, step() {} });
    expect(list).toMatchObject({ files: [], hidden: 1 });
  });
});

describe('the thread', () => {
  it('answers with the scan, tells how far it is, and equal questions share it', async () => {
    put('a/one', 300_000);
    const d = disk();
    const ask = () => d.scan(dir, { used: USED, maxMs: 60_000 });
    const [one, two] = await Promise.all([ask(), ask()]);
    expect(one).toBe(two);
    expect(one.root.bytes).toBe(du('--block-size=1'));
    expect(await d.mountOf('/x')).toBe('/');
  });

  it('what cannot be read at all is an error with its reason', async () => {
    await expect(disk().scan(at('none'), { used: USED, maxMs: 1_000 })).rejects.toMatchObject({ code: 'not_found' });
  });

  it('one that hangs is given up, and not asked again while it does', async () => {
    const program = at('hangs.mjs');
    fs.writeFileSync(program, 'export const serve = (port) => port.on("message", () => {});');
    const d = disk({ program: pathToFileURL(program), hungMs: 300 });
    const ask = () => d.scan(dir, { used: USED, maxMs: 60_000 });
    await expect(ask()).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('does not answer'),
    });
    await expect(ask()).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('who leaves is let go', async () => {
    put('a/one', 1);
    const gone = new AbortController();
    const work = disk().scan(dir, { used: USED, maxMs: 60_000, signal: gone.signal });
    gone.abort(new Error('left'));
    await expect(work).rejects.toThrow('left');
  });

  it('names the mount of a path', async () => {
    const mount = { id: 1, parent: 1, device: '', root: '/', options: [], type: '', source: '', superOptions: [] };
    const d = disk({ mounts: () => ['/', '/var', '/var/lib/x'].map((path) => ({ ...mount, path })) });
    expect(await d.mountOf('/var/lib/xy')).toBe('/var');
    expect(await d.mountOf('/var/lib/x/y')).toBe('/var/lib/x');
    expect(await d.mountOf('/etc')).toBe('/');
  });
});
