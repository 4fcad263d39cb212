/** Changes through the thread: what a write keeps, what it refuses before it begins, and that everything thrown away comes back. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OpenFiles } from '../../src/host/files/index.ts';
import { filesIn } from '../fakes/files.ts';

const HOUR = 3_600_000;
let dir: string;
let open: OpenFiles;
let now = Date.now();
beforeEach(() => {
  dir = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-change-')));
  now = Date.now();
  open = filesIn(dir, { access: 'write', now: () => now });
});
afterEach(() => {
  open.close();
  fs.rmSync(dir, { recursive: true, force: true });
});

const at = (...names: string[]) => join(dir, ...names);
const put = (name: string, text: string, mode = 0o644) => {
  fs.mkdirSync(join(at(name), '..'), { recursive: true });
  fs.writeFileSync(at(name), text);
  fs.chmodSync(at(name), mode);
};
const text = (name: string) => fs.readFileSync(at(name), 'utf8');
const sha = (t: string) => createHash('sha256').update(t).digest('hex');
const write = (name: string, t: string, expected: { missing: true } | { sha256: string }, o = {}) =>
  open.changer.write(at(name), Buffer.from(t), { expected, keepOwner: true, ...o });
const idOf = async (name: string) => (await open.reader.list(at(name), { limit: 0 })).stat.id;
const ours = (folder = dir) => fs.readdirSync(folder).filter((n) => n.startsWith('.deckhand-'));
const temporary = (folder = dir) => ours(folder).filter((n) => !n.startsWith('.deckhand-trash'));
const refusal = async (doing: Promise<unknown>) => {
  const [result] = await Promise.allSettled([doing]);
  if (result.status === 'fulfilled') throw new Error('was done');
  const { code, message } = result.reason as { code: string; message: string };
  return `${code}: ${message}`;
};

test('a name that a killed creation left beside its file hinders nobody, and is not left behind', async () => {
  for (const change of ['move', 'trash', 'remove'] as const) {
    put('f', 'new');
    fs.linkSync(at('f'), at(`.deckhand-${'ab'.repeat(12)}`));
    const id = await idOf('f');
    if (change === 'move') await open.changer.move(at('f'), at('g'), { id });
    else if (change === 'trash') await open.changer.trash(at('f'), { id });
    else await open.changer.remove(at('f'), { id, maxEntries: 1 });
    expect([fs.existsSync(at('f')), temporary()], change).toEqual([false, []]);
    fs.rmSync(at('g'), { force: true });
  }
});

describe('write', () => {
  test('a new file has its mode whatever the umask says, and is never put over one that came first', async () => {
    const done = await write('new', 'hello', { missing: true }, { mode: 0o666 });
    expect([text('new'), done.stat.mode, done.sha256, done.unkept]).toEqual(['hello', 0o666, sha('hello'), null]);
    expect(await refusal(write('new', 'again', { missing: true }))).toMatch(/^conflict: .*expected to be missing/);
    expect(await refusal(write('no/where', 'x', { missing: true }))).toMatch(/^not_found/);
    expect([text('new'), temporary()]).toEqual(['hello', []]);
  });

  test('one that is replaced keeps mode and inode’s owner, and must be what was expected', async () => {
    put('f', 'old', 0o640);
    expect(await refusal(write('f', 'new', { sha256: sha('other') }))).toMatch(/^conflict: .*another content/);
    expect(await refusal(write('gone', 'new', { sha256: sha('old') }))).toMatch(/^conflict: .*not there/);
    const before = fs.statSync(at('f'));
    const done = await write('f', 'new', { sha256: sha('old') }, { mode: 0o777 });
    expect([text('f'), done.stat.mode, fs.statSync(at('f')).uid]).toEqual(['new', 0o640, before.uid]);
    expect(temporary()).toEqual([]);
  });

  test('links, second names, setuid files, folders, fifos, roots and what is denied are refused, and left as they are', async () => {
    put('f', 'old');
    fs.symlinkSync('f', at('link'));
    fs.linkSync(at('f'), at('second'));
    put('suid', 'x', 0o4755);
    fs.mkdirSync(at('folder'));
    spawnSync('mkfifo', [at('fifo')]);
    const expected = { sha256: sha('old') };
    for (const [name, words] of [
      ['link', 'symbolic link'],
      ['f', 'hard links'],
      ['suid', 'setuid'],
      ['folder', 'folder'],
      ['fifo', 'fifo'],
      ['.env', 'deny list'],
      ['.deckhand-x', 'deny list'],
      ['', 'root itself'],
    ] as const) {
      expect(await refusal(write(name, 'new', expected)), name).toContain(words);
      expect(await refusal(open.changer.check(at(name), { keepOwner: true })).catch((e) => e.message), name).toMatch(
        words,
      );
    }
    expect(text('f')).toBe('old');
    expect(temporary()).toEqual([]);
  });

  test('a private key is neither written over nor written', async () => {
    const key = `-----BEGIN PRIVATE KEY-----\n${'A'.repeat(64)}\n`;
    put('notes', key);
    expect(await refusal(write('notes', 'x', { sha256: sha(key) }))).toContain('deny list');
    expect(await refusal(open.changer.now(at('notes'), { maxBytes: 1e6 }))).toContain('deny list');
    expect(await refusal(write('fresh', key, { missing: true }))).toContain('deny list');
    expect(await refusal(open.changer.trash(at('notes'), { id: await idOf('notes') }))).toContain('deny list');
    expect(text('notes')).toBe(key);
  });

  test('what comes between the last look and the rename stays', async () => {
    put('f', 'old');
    const expected = { sha256: sha('old') };
    // The file is large enough that it is still being written when the other comes.
    const doing = open.changer.write(at('f'), Buffer.alloc(48 * 1024 * 1024, 'n'), { expected, keepOwner: true });
    await expect.poll(() => temporary().length, { interval: 1, timeout: 20_000 }).toBe(1);
    fs.writeFileSync(at('f'), 'theirs');
    expect(await refusal(doing)).toMatch(/^conflict/);
    expect([text('f'), temporary()]).toEqual(['theirs', []]);
  });

  test('who leaves before the rename stops it; nothing of it is left', async () => {
    put('f', 'old');
    const gone = new AbortController();
    const bytes = Buffer.alloc(48 * 1024 * 1024, 'n');
    const o = { expected: { sha256: sha('old') }, keepOwner: true, signal: gone.signal };
    const doing = open.changer.write(at('f'), bytes, o);
    await expect.poll(() => temporary().length, { interval: 1, timeout: 20_000 }).toBe(1);
    gone.abort();
    expect(await refusal(doing)).toMatch(/^timeout/);
    expect([text('f'), temporary()]).toEqual(['old', []]);
  });

  test('temporary files of the dead go a day later; a second name that a kill left goes with the next write', async () => {
    put('f', 'old');
    fs.writeFileSync(at('.deckhand-dead'), 'half');
    fs.linkSync(at('f'), at('.deckhand-left'));
    expect((await open.changer.now(at('f'), { maxBytes: 99 }))?.sha256).toBe(sha('old'));
    await write('f', 'new', { sha256: sha('old') });
    expect(ours()).toEqual(['.deckhand-dead']);
    now += 25 * HOUR;
    await write('f', 'newer', { sha256: sha('new') });
    expect(ours()).toEqual([]);
  });

  test.skipIf(process.geteuid?.() !== 0)('as root: owner and group are given back', async () => {
    put('f', 'old', 0o604);
    fs.chownSync(at('f'), 1234, 2345);
    await write('f', 'new', { sha256: sha('old') });
    const { uid, gid, mode } = fs.statSync(at('f'));
    expect([uid, gid, mode & 0o7777]).toEqual([1234, 2345, 0o604]);
  });

  const python = spawnSync('python3', ['-c', 'import os; os.setxattr']).status === 0;
  test.skipIf(!python)('extended attributes go along', async () => {
    put('f', 'old');
    const py = (code: string) => spawnSync('python3', ['-c', `import os; ${code}`, at('f')], { encoding: 'utf8' });
    const set = py('import sys; os.setxattr(sys.argv[1], "user.note", b"kept")');
    if (set.status !== 0) return;
    expect((await write('f', 'new', { sha256: sha('old') })).unkept).toBeNull();
    expect(py('import sys; print(os.getxattr(sys.argv[1], "user.note"))').stdout).toContain('kept');
    expect(text('f')).toBe('new');
  });

  test.skipIf(!python)('an ACL goes along, and so does what it lets others do', async () => {
    put('f', 'old', 0o640);
    // user::rw- user:1234:rw- group::r-- mask::rw- other::---, as the kernel has it.
    const acl =
      'struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in [(1,6,2**32-1),(2,6,1234),(4,4,2**32-1),(16,6,2**32-1),(32,0,2**32-1)])';
    const py = (code: string) =>
      spawnSync('python3', ['-c', `import os, struct, sys; ${code}`, at('f')], { encoding: 'utf8' });
    if (py(`os.setxattr(sys.argv[1], "system.posix_acl_access", ${acl})`).status !== 0) return;
    const before = py('print(os.getxattr(sys.argv[1], "system.posix_acl_access"))').stdout;
    const done = await write('f', 'new', { sha256: sha('old') });
    expect([text('f'), done.unkept, done.stat.mode]).toEqual(['new', null, 0o660]);
    expect(py('print(os.getxattr(sys.argv[1], "system.posix_acl_access"))').stdout).toBe(before);
  });

  test('now: bytes and hash, null where nothing is, a bound, and a folder that may not be written', async () => {
    put('f', 'old');
    const is = await open.changer.now(at('f'), { maxBytes: 3 });
    expect([Buffer.from(is?.bytes ?? []).toString(), is?.sha256]).toEqual(['old', sha('old')]);
    expect(await open.changer.now(at('none'), { maxBytes: 3 })).toBeNull();
    expect(await refusal(open.changer.now(at('f'), { maxBytes: 2 }))).toMatch(/^limit/);
    const narrow = filesIn(dir);
    expect(await refusal(narrow.changer.now(at('f'), { maxBytes: 3 }))).toMatch(/^permission: .*not written/);
    narrow.close();
  });
});

describe('move', () => {
  test('files and folders, never over what is there, and not out of the roots', async () => {
    put('a/f', 'text');
    put('b/g', 'other');
    const done = await open.changer.move(at('a/f'), at('b/f'), { id: await idOf('a/f') });
    expect([done.from, done.to, done.stat.links, text('b/f')]).toEqual([at('a/f'), at('b/f'), 1, 'text']);
    expect(await refusal(open.changer.move(at('b/f'), at('b/g'), { id: await idOf('b/f') }))).toMatch(/^conflict/);
    expect(await refusal(open.changer.move(at('b/f'), '/tmp/out', { id: await idOf('b/f') }))).toMatch(/^permission/);
    expect(await refusal(open.changer.move(at('b/f'), at('.env'), { id: await idOf('b/f') }))).toContain('deny list');
    expect(await refusal(open.changer.move(at('b/f'), at('x'), { id: '1:2' }))).toMatch(/^conflict/);
    await open.changer.move(at('b'), at('a/b'), { id: await idOf('b') });
    expect(fs.readdirSync(at('a/b')).sort()).toEqual(['f', 'g']);
    expect(await refusal(open.changer.move(at('a'), at('a/b/c'), { id: await idOf('a') }))).toMatch(/^validation/);
    fs.mkdirSync(at('empty'));
    expect(await refusal(open.changer.move(at('a'), at('empty'), { id: await idOf('a') }))).toMatch(/^conflict/);
  });

  test('a folder with something denied, or another root in it, stays where it is', async () => {
    put('app/src/x', 'x');
    put('app/src/.env', 'TOKEN=1');
    put('app/www/y', 'y');
    const id = await idOf('app');
    for (const doing of [
      () => open.changer.move(at('app'), at('moved'), { id }),
      () => open.changer.trash(at('app'), { id }),
      () => open.changer.remove(at('app'), { id, maxEntries: 100 }),
    ])
      expect(await refusal(doing())).toMatch(/^permission: Something in .* on the deny list/);
    fs.unlinkSync(at('app/src/.env'));
    const inner = { path: at('app/www'), access: 'read' as const, depth: 9, oneFilesystem: true };
    const two = filesIn(dir, { access: 'write', more: [{ ...inner, symlinks: 'refuse' }] });
    expect(await refusal(two.changer.trash(at('app'), { id }))).toMatch(/Another root/);
    expect(await refusal(two.changer.trash(at('app/www/y'), { id: await idOf('app/www/y') }))).toMatch(/not written/);
    two.close();
    expect(fs.readdirSync(at('app/src'))).toEqual(['x']);
  });

  test('a kill between link and unlink leaves two names; the same move ends it', async () => {
    put('a', 'text');
    fs.linkSync(at('a'), at('b'));
    await open.changer.move(at('a'), at('b'), { id: await idOf('a') });
    expect(fs.readdirSync(dir).sort()).toEqual(['b']);
  });
});

describe('trash', () => {
  test('a file goes and comes back as it was; something in its place is left alone', async () => {
    put('a/f', 'text', 0o640);
    const gone = await open.changer.trash(at('a/f'), { id: await idOf('a/f') });
    expect([gone.path, gone.sha256, gone.entries, fs.existsSync(at('a/f'))]).toEqual([
      at('a/f'),
      sha('text'),
      1,
      false,
    ]);
    const bin = at(ours()[0] ?? '');
    expect(fs.statSync(bin).mode & 0o777).toBe(0o700);
    expect(await open.changer.trashed(gone.token, at('a/f'))).toEqual(gone);
    expect(await open.changer.trashed(gone.token, at('a/other'))).toBeNull();
    put('a/f', 'theirs');
    expect(await refusal(open.changer.restore(gone.token, at('a/f')))).toMatch(/^conflict/);
    fs.unlinkSync(at('a/f'));
    expect((await open.changer.restore(gone.token, at('a/f'))).stat.mode).toBe(0o640);
    expect(text('a/f')).toBe('text');
    expect(fs.readdirSync(bin)).toEqual([]);
    expect(await refusal(open.changer.restore(gone.token, at('a/f')))).toMatch(/^not_found/);
    expect(await open.changer.trashed(gone.token, at('a/f'))).toBeNull();
  });

  test('a folder goes whole; a token that the caller chose is taken once', async () => {
    put('d/x/y', 'y');
    fs.symlinkSync('/etc/passwd', at('d/link'));
    const token = 'abcdefgh234567abcdefgh';
    const gone = await open.changer.trash(at('d'), { id: await idOf('d'), token });
    expect([gone.token, gone.entries, gone.sha256]).toEqual([token, 4, null]);
    put('e', 'e');
    expect(await refusal(open.changer.trash(at('e'), { id: await idOf('e'), token }))).toMatch(/^conflict/);
    await open.changer.restore(token, at('d'));
    expect([text('d/x/y'), fs.readlinkSync(at('d/link'))]).toEqual(['y', '/etc/passwd']);
  });

  test('it is in no list, in no search, and no path leads there', async () => {
    put('f', 'needle');
    await open.changer.trash(at('f'), { id: await idOf('f') });
    const [bin = ''] = ours();
    expect((await open.reader.list(dir, { limit: 9 })).entries).toEqual([]);
    expect(await refusal(open.reader.list(at(bin), { limit: 9 }))).toContain('deny list');
    const bounds = { depth: 9, limit: 9, maxEntries: 99, maxBytes: 1e6, maxMs: 5_000 };
    expect(await open.find(dir, {}, bounds)).toMatchObject({ hits: 0 });
  });

  test('a kill between link and unlink of a restore: the same restore ends it', async () => {
    put('f', 'text');
    const gone = await open.changer.trash(at('f'), { id: await idOf('f') });
    const item = at(ours()[0] ?? '', gone.token, 'item');
    fs.linkSync(item, at('f'));
    await open.changer.restore(gone.token, at('f'));
    expect([text('f'), fs.statSync(at('f')).nlink]).toEqual(['text', 1]);
  });

  test('a trash that another made is not used', async () => {
    put('f', 'text');
    fs.mkdirSync(at(`.deckhand-trash-${process.geteuid?.()}`), { mode: 0o755 });
    expect(await refusal(open.changer.trash(at('f'), { id: await idOf('f') }))).toMatch(/^conflict: .*not the trash/);
    fs.rmdirSync(at(`.deckhand-trash-${process.geteuid?.()}`));
    fs.symlinkSync('/tmp', at(`.deckhand-trash-${process.geteuid?.()}`));
    expect(await refusal(open.changer.trash(at('f'), { id: await idOf('f') }))).toMatch(/^conflict: .*not the trash/);
    expect(text('f')).toBe('text');
  });

  test('what has lain there long enough goes, and what a kill left there', async () => {
    put('f', 'x'.repeat(9_000));
    put('g', 'g');
    await open.changer.trash(at('f'), { id: await idOf('f') });
    now += 5 * HOUR;
    const kept = await open.changer.trash(at('g'), { id: await idOf('g') });
    const bin = at(ours()[0] ?? '');
    fs.mkdirSync(join(bin, 'aaaaaaaaaaaaaaaaaaaaaaaa'));
    fs.utimesSync(join(bin, 'aaaaaaaaaaaaaaaaaaaaaaaa'), 1, 1);
    const emptied = await open.changer.emptyTrash({ olderThanMs: 4 * HOUR });
    expect(emptied.entries).toBe(1);
    expect(emptied.freedBytes).toBeGreaterThan(9_000);
    expect(fs.readdirSync(bin)).toEqual([kept.token]);
    expect(open.changer.trashKeepsMs()).toBe(7 * 24 * HOUR);
  });
});

describe('remove', () => {
  test('a folder with all in it, links not followed; too much is refused before anything is gone', async () => {
    put('keep', 'keep');
    for (let i = 0; i < 20; i++) put(`d/${i % 4}/${i}`, 'x');
    fs.symlinkSync('../keep', at('d/link'));
    fs.symlinkSync('..', at('d/up'));
    const id = await idOf('d');
    expect(await refusal(open.changer.remove(at('d'), { id, maxEntries: 26 }))).toMatch(/^limit/);
    expect(fs.readdirSync(at('d')).length).toBe(6);
    const gone = await open.changer.remove(at('d'), { id, maxEntries: 27 });
    expect([gone.entries, fs.existsSync(at('d')), text('keep')]).toEqual([27, false, 'keep']);
    expect(fs.readdirSync(at(ours()[0] ?? ''))).toEqual([]);
    put('f', 'f');
    expect((await open.changer.remove(at('f'), { id: await idOf('f'), maxEntries: 1 })).entries).toBe(1);
    expect(await refusal(open.changer.remove(at('keep'), { id: '1:1', maxEntries: 1 }))).toMatch(/^conflict/);
  });
});

test('hash: of all bytes, bounded', async () => {
  put('f', 'x'.repeat(3_000_000));
  expect((await open.reader.hash(at('f'), { maxBytes: 1e9 })).sha256).toBe(sha('x'.repeat(3_000_000)));
  expect(await refusal(open.reader.hash(at('f'), { maxBytes: 1e6 }))).toMatch(/^limit/);
  expect(await refusal(open.reader.hash(dir, { maxBytes: 1e6 }))).toMatch(/^validation/);
});

test('a link says where it leads', async () => {
  fs.symlinkSync('somewhere/else', at('l'));
  expect(Buffer.from((await open.reader.list(at('l'), { limit: 0 })).target ?? []).toString()).toBe('somewhere/else');
});
