/** The bounds of one caller in the walk: links, recursion, other spellings; each with the same try by a caller without bounds. */
import { linkSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FileBounds, FilesHost } from '../../src/core/files.ts';
import type { OpenFiles } from '../../src/host/files/index.ts';
import { filesLater } from '../../src/host/files_later.ts';
import { filesIn } from '../fakes/files.ts';

let dir: string;
let open: OpenFiles;
const at = (path: string) => join(dir, path);

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'deckhand-bounds-')));
  for (const folder of ['web', 'web/logs', 'private', 'private/deep', 'other']) mkdirSync(at(folder));
  writeFileSync(at('web/a.txt'), 'needle in the open');
  writeFileSync(at('private/key.txt'), 'needle that is secret');
  writeFileSync(at('private/deep/key2.txt'), 'needle that is secret');
  writeFileSync(at('other/b.txt'), 'needle elsewhere');
  symlinkSync('../private', at('web/door'));
  symlinkSync('../../private/key.txt', at('web/logs/key'));
  open = filesIn(dir, { access: 'write', symlinks: 'inside' });
});
afterEach(() => {
  open.close();
  rmSync(dir, { recursive: true });
});

const bounded = (bounds: Partial<FileBounds>): FilesHost => open.within({ deny: [], allow: [], ...bounds });
const read = (files: FilesHost, path: string) =>
  files.reader.read(at(path), { length: 100 }).then(
    (r) => Buffer.from(r.bytes).toString(),
    (e) => e.code as string,
  );
const search = async (files: FilesHost, path: string) => {
  const bounds = { depth: 9, limit: 50, maxEntries: 1e4, maxBytes: 1e6, maxMs: 10_000 };
  const content = { text: 'needle', regex: false, ignoreCase: false };
  const found = await files.find(at(path), { content }, bounds);
  return { paths: found.found.map((f) => f.path.slice(dir.length + 1)).sort(), denied: found.passedOver.denied };
};

describe('a deny', () => {
  test('holds through links, which an unbounded caller may follow (control)', async () => {
    const files = bounded({ deny: [at('private')] });
    for (const path of ['web/door/key.txt', 'web/logs/key', 'private/key.txt', 'private/deep/key2.txt']) {
      expect(await read(open, path), path).toContain('secret');
      expect(await read(files, path), path).toBe('permission');
    }
    expect(await read(files, 'web/a.txt')).toContain('open');
  });

  test('holds for links to what is allowed, too: a name must be the place that it says', async () => {
    symlinkSync('../other', at('web/elsewhere'));
    expect(await read(open, 'web/elsewhere/b.txt')).toContain('elsewhere');
    expect(await read(bounded({ allow: [[at('web')]] }), 'web/elsewhere/b.txt')).toBe('permission');
  });

  test('holds for what a search comes by; without it all is found (control)', async () => {
    expect((await search(open, '.')).paths).toEqual([
      'other/b.txt',
      'private/deep/key2.txt',
      'private/key.txt',
      'web/a.txt',
    ]);
    expect(await search(bounded({ deny: [at('private')] }), '.')).toEqual({
      paths: ['other/b.txt', 'web/a.txt'],
      denied: 1,
    });
    expect((await search(bounded({ deny: [`${dir}/*/deep`] }), '.')).paths).not.toContain('private/deep/key2.txt');
  });

  test('marks a name in a listing, and tells nothing of it', async () => {
    const files = bounded({ deny: [at('private')] });
    const { entries } = await files.reader.list(dir, { limit: 50, stat: true });
    expect(entries?.find((e) => e.name === 'private')).toMatchObject({ denied: true, stat: null });
    await expect(files.reader.list(at('private'), { limit: 50 })).rejects.toMatchObject({ code: 'permission' });
  });

  test('is not got around by the case of letters, nor by a name that is made anew', async () => {
    mkdirSync(at('PRIVATE'));
    writeFileSync(at('PRIVATE/x'), 'secret on a file system that knows no case');
    const files = bounded({ deny: [at('private')] });
    expect(await read(files, 'PRIVATE/x')).toBe('permission');
    const write = files.changer.write(at('private/new.txt'), Buffer.from('x'), {
      expected: { missing: true },
      keepOwner: false,
    });
    await expect(write).rejects.toMatchObject({ code: 'permission' });
  });

  test('keeps a folder that holds such a thing from being moved or put away; an unbounded caller may (control)', async () => {
    const files = bounded({ deny: [at('private/deep')] });
    const { id } = (await open.reader.list(at('private'), { limit: 1 })).stat;
    await expect(files.changer.move(at('private'), at('moved'), { id })).rejects.toMatchObject({ code: 'permission' });
    await expect(files.changer.trash(at('private'), { id })).rejects.toMatchObject({ code: 'permission' });
    await expect(open.changer.move(at('private'), at('moved'), { id })).resolves.toMatchObject({ to: at('moved') });
  });

  test('holds for transfers, both ways', async () => {
    const files = bounded({ deny: [at('private')] });
    await expect(files.transfers.open(at('private/key.txt'))).rejects.toMatchObject({ code: 'permission' });
    const stage = files.transfers.stage(at('private/up'), {
      expected: { missing: true },
      keepOwner: false,
      sizeBytes: 1,
    });
    await expect(stage).rejects.toMatchObject({ code: 'permission' });
    const source = await open.transfers.open(at('private/key.txt'));
    await source.close();
  });
});

describe('an allow', () => {
  test('holds for what is reached, and one of each list must fit', async () => {
    const files = bounded({ allow: [[at('web'), at('other')], [`${dir}/*`]] });
    expect([await read(files, 'web/a.txt'), await read(files, 'other/b.txt')]).toEqual([
      'needle in the open',
      'needle elsewhere',
    ]);
    expect(await read(files, 'private/key.txt')).toBe('permission');
    expect(await read(bounded({ allow: [[at('web')], [at('other')]] }), 'web/a.txt')).toBe('permission');
    await expect(files.reader.list(dir, { limit: 9 })).rejects.toMatchObject({ code: 'permission' });
  });

  test('a file may be made where only it is allowed, and nothing beside it', async () => {
    const files = bounded({ allow: [[at('web/new.txt')]] });
    const write = (name: string) =>
      files.changer.write(at(name), Buffer.from('x'), { expected: { missing: true }, keepOwner: false });
    await expect(write('web/other.txt')).rejects.toMatchObject({ code: 'permission' });
    await expect(write('web/new.txt')).resolves.toMatchObject({ path: at('web/new.txt') });
    await expect(files.changer.now(at('web/a.txt'), { maxBytes: 10 })).rejects.toMatchObject({ code: 'permission' });
  });
});

test('bounds within bounds are both', async () => {
  const files = bounded({ deny: [at('private')] }).within({ deny: [at('other')], allow: [] });
  expect([
    await read(files, 'private/key.txt'),
    await read(files, 'other/b.txt'),
    await read(files, 'web/a.txt'),
  ]).toEqual(['permission', 'permission', 'needle in the open']);
});

test('the host that is loaded later hands them on', async () => {
  const later = filesLater({ roots: open.roots(), ours: [] });
  try {
    const files = later.files.within({ deny: [at('private')], allow: [] });
    expect([await read(files, 'private/key.txt'), await read(files, 'web/a.txt')]).toEqual([
      'permission',
      'needle in the open',
    ]);
    await expect(files.transfers.open(at('private/key.txt'))).rejects.toMatchObject({ code: 'permission' });
  } finally {
    later.close();
  }
});

test('what bounds do not reach: a second name of the file itself (docs/policy.md says so)', async () => {
  linkSync(at('private/key.txt'), at('web/hard'));
  expect(await read(bounded({ deny: [at('private')] }), 'web/hard')).toContain('secret');
});
