/** The walk, the deny list and bounded reading, on a real tree with whatever an attacker of it could leave there. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import type { FileRoot } from '../../src/core/files.ts';
import { denyNames, secretContent } from '../../src/host/files/deny.ts';
import { listEntries, MAX_READ, readBytes } from '../../src/host/files/read.ts';
import { componentsOf, type Descriptors, type Ground, idOf, rootOf, walk } from '../../src/host/files/walk.ts';
import { upTo } from '../counts.ts';

let top = '';
let root = '';
const SECRET = 'SECRET-FROM-OUTSIDE';
const PEM = '-----BEGIN RSA PRIVATE KEY-----';
const server = net.createServer();

beforeAll(async () => {
  top = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-files-')));
  root = join(top, 'root');
  fs.mkdirSync(join(root, 'a/b'), { recursive: true });
  fs.mkdirSync(join(top, 'root-two'));
  for (const at of ['outside.txt', 'root-two/x.txt']) fs.writeFileSync(join(top, at), SECRET);
  fs.writeFileSync(join(root, 'a/b/f.txt'), 'hello');
  const links: [string, string][] = [
    ['../f.txt', 'a/b/up'],
    ['b/f.txt', 'a/in'],
    ['b', 'a/dir'],
    [join(root, 'a/b/f.txt'), 'abs'],
    ['a/dir/../in', 'winding'],
    ['../root/a/in', 'back'],
    ['../outside.txt', 'out'],
    ['/etc/passwd', 'etc'],
    ['../nothing-there', 'out-missing'],
    ['loop', 'loop'],
    ['nowhere', 'dangling'],
    ['/', 'all'],
    ['/proc/self/root/etc/passwd', 'magic'],
    ['a/.env', 'plain'],
  ];
  for (const [target, at] of links) fs.symlinkSync(target, join(root, at));
  fs.writeFileSync(join(root, 'a/f.txt'), 'upper');
  fs.writeFileSync(join(root, 'a/.env'), 'TOKEN=x');
  fs.linkSync(join(top, 'outside.txt'), join(root, 'hard'));
  spawnSync('mkfifo', [join(root, 'fifo')]);
  await new Promise<void>((done) => server.listen(join(root, 'sock'), done));
  fs.writeFileSync(Buffer.concat([Buffer.from(`${root}/a/`), Buffer.from([0xff, 0xfe])]), 'bytes');
  fs.writeFileSync(join(root, 'a/new\nline'), 'x');
  fs.writeFileSync(join(root, 'sparse'), '');
  fs.truncateSync(join(root, 'sparse'), 2 ** 40);
});
afterAll(() => {
  server.close();
  fs.rmSync(top, { recursive: true, force: true });
});

const held = new Set<number>();
const descriptors: Descriptors = {
  open(path, flags) {
    const fd = fs.openSync(path, flags);
    held.add(fd);
    return fd;
  },
  close(fd) {
    expect(held.delete(fd), 'closed twice, or not ours').toBe(true);
    fs.closeSync(fd);
  },
};
const open = () => fs.readdirSync('/proc/self/fd').length;
afterEach(() => expect(held.size, 'descriptors left open').toBe(0));

const ground = (o: Partial<FileRoot> = {}, more: Partial<Ground> = {}): Ground => ({
  root: { path: root, access: 'read', depth: 20, oneFilesystem: true, symlinks: 'inside', ...o },
  denied: denyNames(),
  ours: new Set(),
  descriptors,
  ...more,
});
const read = (rel: string | Buffer, g = ground(), o: { offset?: number; length: number } = { length: 1000 }) =>
  readBytes(g, Buffer.concat([Buffer.from(`${g.root.path}/`), Buffer.from(rel as string)]), o);
const text = (rel: string, g = ground()) => Buffer.from(read(rel, g).bytes).toString();
const thrown = (f: () => unknown): OpsError => {
  try {
    f();
  } catch (error) {
    if (error instanceof OpsError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

test('a plain file, and links that stay inside', () => {
  for (const [rel, content] of [
    ['a/b/f.txt', 'hello'],
    ['a//b/./f.txt', 'hello'],
    ['a/in', 'hello'],
    ['a/dir/f.txt', 'hello'],
    ['a/dir/up', 'upper'],
    ['abs', 'hello'],
    ['winding', 'hello'],
    ['back', 'hello'],
    ['all', null],
  ] as const)
    if (content !== null) expect(text(rel), rel).toBe(content);
  expect(read('a/dir/up').path).toBe(`${root}/a/f.txt`);
  expect(text('a/b/f.txt', ground({ symlinks: 'refuse' }))).toBe('hello');
  expect(thrown(() => read('a/in', ground({ symlinks: 'refuse' }))).message).toContain('symbolic link');
});

test('links that lead out are refused alike, whether or not there is something', () => {
  const say = (rel: string) => thrown(() => read(rel));
  for (const rel of ['out', 'etc', 'out-missing', 'all', 'magic', 'all/etc/passwd']) {
    expect(say(rel).code, rel).toBe('permission');
    expect(say(rel).message, rel).toBe(say('out-missing').message);
  }
  // Control: the kernel follows it.
  expect(fs.readFileSync(join(root, 'out'), 'utf8')).toBe(SECRET);
  expect(say('loop').message).toContain('Too many symbolic links');
  expect(say('dangling').code).toBe('not_found');
});

test('a neighbour whose name begins like the root is outside (GHSA-hc55-p739-j48w)', () => {
  const roots = [ground().root];
  const there = thrown(() => rootOf(roots, componentsOf(`${top}/root-two/x.txt`), 'read'));
  const missing = thrown(() => rootOf(roots, componentsOf('/nothing/here'), 'read'));
  expect([there.message, there.details]).toEqual([missing.message, missing.details]);
  expect(rootOf(roots, componentsOf(`${root}/a`), 'read')).toBe(roots[0]);
  expect(thrown(() => rootOf(roots, componentsOf(`${root}/a`), 'write')).message).toContain('not written');
  expect(thrown(() => walk(ground(), componentsOf(`${top}/root-two/x.txt`), { access: 'read' })).code).toBe(
    'permission',
  );
  const deeper = { ...ground().root, path: `${root}/a`, access: 'write' as const };
  expect(rootOf([...roots, deeper], componentsOf(`${root}/a/x`), 'read')).toBe(deeper);
});

test('paths that no tool should be asked for', () => {
  for (const path of [
    '',
    'etc',
    './x',
    '/a/../b',
    '/a\0b',
    '/a\nb',
    '/a\x7f',
    '/\ud800',
    `/${'n'.repeat(256)}`,
    '/ab'.repeat(1400),
    '/a'.repeat(201),
  ])
    expect(thrown(() => componentsOf(path)).code, path.slice(0, 20)).toBe('validation');
  expect(componentsOf('//a/./b/')).toEqual([Buffer.from('a'), Buffer.from('b')]);
});

test('thousands of hostile paths: never a byte from outside, never a descriptor left', () => {
  const before = open();
  const part = fc.oneof(
    fc.constantFrom(
      'a',
      'b',
      'dir',
      'in',
      'up',
      'out',
      'etc',
      'all',
      'abs',
      'back',
      'winding',
      'loop',
      'magic',
      'hard-not',
      'fifo',
    ),
    fc.constantFrom(
      '..',
      '.',
      '',
      '...',
      '..\0',
      '.. ',
      '%2e%2e',
      '..%2f',
      '\\..',
      '~',
      'root',
      'outside.txt',
      'f.txt',
      'proc',
      'self',
      'fd',
      '0',
    ),
    fc.string({ maxLength: 12, unit: 'binary' }),
  );
  let reached = 0;
  // Some begin at a file that is there: were all refused, the property would hold, too.
  const prefix = fc.constantFrom(
    `${root}/a/b/f.txt`,
    `${root}/`,
    `${root}/`,
    `${root}/`,
    `${top}/`,
    '/',
    '',
    `${root}/../`,
  );
  fc.assert(
    fc.property(prefix, fc.array(part, { maxLength: 6 }), fc.boolean(), (start, parts, follow) => {
      const g = ground({ symlinks: follow ? 'inside' : 'refuse' });
      try {
        const got = readBytes(g, Buffer.from(start + parts.join('/')), { length: 100 });
        reached++;
        return got.path.startsWith(`${root}/`) && !Buffer.from(got.bytes).includes(SECRET);
      } catch (error) {
        // The path that was asked for may itself have /proc/self/fd in it, and is repeated.
        const message = (error as Error).message.replace(/: \/.*/s, '');
        if (error instanceof OpsError && error.code !== 'internal' && !message.includes('/proc/self/fd')) return true;
        throw error;
      }
    }),
    { numRuns: upTo(6_000, 1_000) },
  );
  expect(reached).toBeGreaterThan(10);
  expect(open()).toBe(before);
});

test('what is not an ordinary file is told and never opened: none of it blocks', () => {
  expect(thrown(() => read('fifo')).message).toContain('fifo');
  expect(thrown(() => read('sock')).message).toContain('socket');
  const anywhere = (path: string) =>
    thrown(() =>
      readBytes(
        ground(
          { path: '/', oneFilesystem: false, depth: 9 },
          { denied: Object.assign(() => false, { entry: () => false }) },
        ),
        Buffer.from(path),
        {
          length: 9,
        },
      ),
    );
  expect(anywhere('/dev/zero').message).toContain('character-device');
  for (const path of ['/proc/version', '/proc/1/environ', '/sys/kernel/vmcoreinfo', '/proc', '/proc/self/fd/0'])
    expect(anywhere(path).message, path).toContain('answer of the kernel');
  expect(anywhere('/dev/null').code).toBe('permission');
  expect(
    thrown(() => readBytes(ground({ path: '/proc' }), Buffer.from('/proc/version'), { length: 9 })).message,
  ).toContain('deny list');
  expect(thrown(() => read('a')).message).toContain('folder');
  const fifo = listEntries(ground(), Buffer.from(`${root}/fifo`), { limit: 5 });
  expect([fifo.stat.kind, fifo.entries]).toEqual(['fifo', null]);
});

test('another device is refused unless the root allows it', () => {
  const shm = fs.mkdtempSync('/dev/shm/deckhand-files-');
  try {
    fs.writeFileSync(join(shm, 'x'), 'on another device');
    const from = (oneFilesystem: boolean) =>
      readBytes(ground({ path: '/dev', oneFilesystem }), Buffer.from(join(shm, 'x')), { length: 99 });
    expect(fs.statSync('/dev').dev).not.toBe(fs.statSync(shm).dev);
    expect(thrown(() => from(true)).message).toContain('another file system');
    expect(Buffer.from(from(false).bytes).toString()).toBe('on another device');
  } finally {
    fs.rmSync(shm, { recursive: true });
  }
});

test('hard links: read, not written', () => {
  expect(text('hard')).toBe(SECRET);
  const g = ground({ access: 'write' });
  expect(thrown(() => walk(g, componentsOf(`${root}/hard`), { access: 'write' })).message).toContain('hard links');
  using place = walk(g, componentsOf(`${root}/a/b/f.txt`), { access: 'write' });
  expect(place.name.toString()).toBe('f.txt');
  expect(fs.fstatSync(place.parent ?? -1).ino).toBe(fs.statSync(join(root, 'a/b')).ino);
});

test('depth counts below the root; the root itself can be listed, and a root can be one file', () => {
  expect(thrown(() => read('a/b/f.txt', ground({ depth: 2 }))).message).toContain('deeper');
  expect(text('a/f.txt', ground({ depth: 2 }))).toBe('upper');
  using place = walk(ground({ depth: 0 }), componentsOf(root), { access: 'read' });
  expect(place.parent).toBeNull();
  const one = ground({ path: `${root}/a/f.txt`, depth: 0 });
  expect(Buffer.from(readBytes(one, Buffer.from(`${root}/a/f.txt`), { length: 9 }).bytes).toString()).toBe('upper');
  expect(thrown(() => readBytes(one, Buffer.from(`${root}/a/f.txt/x`), { length: 9 })).code).toBe('not_found');
  const linked = ground({ path: `${root}/a/dir` });
  expect(thrown(() => readBytes(linked, Buffer.from(`${root}/a/dir/f.txt`), { length: 9 })).message).toContain(
    'root in the settings',
  );
});

test('what is ours is denied under every name, a link to a secret by the name that it leads to', () => {
  const ours = new Set([idOf(fs.statSync(join(root, 'a/b'), { bigint: true }))]);
  for (const rel of ['a/b/f.txt', 'a/dir/f.txt', 'abs'])
    expect(thrown(() => read(rel, ground({}, { ours }))).message).toContain('deny list');
  expect(thrown(() => read('plain')).message).toContain('deny list');
  expect(thrown(() => read('a/.env')).message).toBe(thrown(() => read('a/.env-that-is-missing')).message);
  const list = listEntries(ground({}, { ours }), Buffer.from(`${root}/a`), { limit: 50, stat: true }).entries ?? [];
  expect(
    list
      .filter((e) => e.denied)
      .map((e) => e.name)
      .sort(),
  ).toEqual(['.env', 'b']);
  expect(list.filter((e) => e.denied && e.stat)).toEqual([]);
});

test('a list is bounded, names are bytes where they are no text', () => {
  const all = listEntries(ground(), Buffer.from(`${root}/a`), { limit: 50 });
  expect(all.truncated).toBe(false);
  const odd = all.entries?.find((e) => e.bytes);
  expect([...(odd?.bytes ?? [])]).toEqual([0xff, 0xfe]);
  expect(all.entries?.some((e) => e.name === 'new\nline')).toBe(true);
  expect(Buffer.from(read(Buffer.concat([Buffer.from('a/'), Buffer.from([0xff, 0xfe])])).bytes).toString()).toBe(
    'bytes',
  );
  expect(thrown(() => read('a/new\nline')).code).toBe('validation');
  const few = listEntries(ground(), Buffer.from(`${root}/a`), { limit: 2 });
  expect([few.entries?.length, few.truncated]).toEqual([2, true]);
  const link = listEntries(ground({ symlinks: 'refuse' }), Buffer.from(`${root}/out`), { limit: 2 });
  expect([link.stat.kind, link.path]).toEqual(['symlink', `${root}/out`]);
});

test('reads are bounded whatever the size says', () => {
  const head = read('sparse', ground(), { length: 10 });
  expect([head.bytes.length, head.truncated, head.stat.sizeBytes, head.stat.allocatedBytes]).toEqual([
    10,
    true,
    2 ** 40,
    0,
  ]);
  expect(read('sparse', ground(), { length: Number.MAX_SAFE_INTEGER }).bytes.length).toBe(MAX_READ);
  const tail = read('sparse', ground(), { offset: -7, length: 100 });
  expect([tail.bytes.length, tail.offset, tail.truncated]).toEqual([7, 2 ** 40 - 7, false]);
  expect(read('a/b/f.txt', ground(), { offset: -99, length: 2 })).toMatchObject({ offset: 0, truncated: true });
  expect(read('a/b/f.txt', ground(), { length: 5 }).truncated).toBe(false);
  expect(read('a/b/f.txt', ground(), { offset: 50, length: 5 }).bytes.length).toBe(0);
  expect(thrown(() => read('a/b/f.txt', ground(), { offset: Number.NaN, length: 5 })).code).toBe('validation');
});

test('a file that grows under the read gives what was asked for', () => {
  const path = join(root, 'grows');
  fs.writeFileSync(path, 'x'.repeat(100));
  const io: Descriptors = {
    ...descriptors,
    open(at, flags) {
      const fd = descriptors.open(at, flags);
      fs.appendFileSync(path, 'y'.repeat(1_000));
      return fd;
    },
  };
  const got = read('grows', ground({}, { descriptors: io }), { length: 200 });
  expect([got.bytes.length, got.truncated]).toEqual([200, true]);
});

test('a private key is refused by content, also from its middle', () => {
  const key = `${PEM}\n${'A'.repeat(3_000)}\n`;
  fs.writeFileSync(join(root, 'notes.txt'), `${'n'.repeat(200_000)}\n${key}${'n'.repeat(200_000)}`);
  for (const offset of [199_990, 200_500, 202_000])
    expect(thrown(() => read('notes.txt', ground(), { offset, length: 500 })).message).toContain('deny list');
  expect(read('notes.txt', ground(), { offset: 10, length: 500 }).bytes.length).toBe(500);
  expect(secretContent(Buffer.from(key, 'utf16le'))).toBe(true);
  expect(secretContent(Buffer.from('-----BEGIN CERTIFICATE-----\0'))).toBe(false);
});

test('folders and files that this user may not use say so, and leave nothing open', () => {
  const locked = join(root, 'locked');
  fs.mkdirSync(locked, { mode: 0o700 });
  fs.writeFileSync(join(locked, 'x'), 'x');
  fs.writeFileSync(join(root, 'locked-file'), 'x', { mode: 0o600 });
  fs.chmodSync(top, 0o755);
  fs.chmodSync(locked, 0);
  fs.chmodSync(join(root, 'locked-file'), 0);
  const asRoot = process.geteuid?.() === 0;
  if (asRoot) process.seteuid?.(65534);
  try {
    for (const rel of ['locked/x', 'locked-file']) {
      const error = thrown(() => read(rel));
      expect([error.code, error.message.includes('/proc')]).toEqual(['permission', false]);
    }
    expect(thrown(() => listEntries(ground(), Buffer.from(locked), { limit: 5 })).code).toBe('permission');
  } finally {
    if (asRoot) process.seteuid?.(0);
    fs.chmodSync(locked, 0o700);
  }
});

test.each([
  '/home/u/.env',
  '/home/u/.env.local',
  '/x/server.pem',
  '/x/tls.KEY',
  '/home/u/.ssh/known_hosts',
  '/x/id_ed25519',
  '/etc/shadow',
  '/etc/SHADOW-',
  '/etc/gshadow',
  '/root/.gnupg/x',
  '/home/u/.netrc',
  '/home/u/.docker/config.json',
  '/home/u/.kube/config',
  '/home/u/.aws/credentials',
  '/var/lib/tailscale/tailscaled.state',
  '/run/credentials/x/y',
  '/proc/1/environ',
  '/proc/1/mem',
  '/etc/ssl/private/x',
  '/etc/wireguard/wg0.conf',
  '/etc/NetworkManager/system-connections/w',
  '/etc/letsencrypt/live/x/y',
  '/etc/letsencrypt/archive',
  '/etc/letsencrypt/accounts/a',
  '/etc/ppp/chap',
  '/etc/openvpn/x',
  '/etc/ipsec.secrets',
  '/etc/krb5.keytab',
  '/etc/apt/auth.conf',
  '/etc/apt/auth.conf.d/x',
  '/etc/msmtprc',
  '/etc/exim4/passwd.client',
  '/etc/samba/private/x',
  '/etc/pve/priv/x',
  '/etc/cloudflared/x',
  '/x/restic-password',
  '/home/u/rclone.conf',
  '/x/k.age',
  '/home/u/.pgpass',
  '/root/.my.cnf',
  '/etc/mysql/debian.cnf',
  '/var/lib/deckhand/audit.key',
])('denied: %s', (path) => {
  expect(denyNames(['/var/lib/deckhand'])(componentsOf(path))).toBe(true);
});
test.each([
  '/etc/hosts',
  '/etc/ssl/certs/x.crt',
  '/etc/passwd',
  '/srv/etc/wireguard',
  '/var/log/keys.log',
  '/etc/environment',
  '/x/monkey',
  '/x/config.json',
])('not denied: %s', (path) => expect(denyNames(['/var/lib/deckhand'])(componentsOf(path))).toBe(false));
