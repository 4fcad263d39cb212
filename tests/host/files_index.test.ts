/** The index of names and contents: it finds what a search without it finds, and never shows what that would not. */
import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { files } from '../../src/host/files/index.ts';
import { BOUNDS, indexed, type Lab, lab, text } from './files_indexed.ts';

let l: Lab & Disposable;
beforeEach(() => {
  l = lab();
});
afterEach(() => l[Symbol.dispose]());

/** Long enough ago for a file's time to say whether it changed. */
const HOUR = 3_600_000;
const later = () => Date.now() + HOUR;
const put = (name: string, content: string | Uint8Array) => {
  fs.mkdirSync(join(l.at(name), '..'), { recursive: true });
  fs.writeFileSync(l.at(name), content);
};
const used = { ageMs: expect.any(Number), complete: true };

test('names and texts are found by it, as without it', async () => {
  put('a/one.conf', 'The quick brown fox\n');
  put('a/two.txt', 'nothing of the kind\n');
  put('b/deep/three.conf', 'a QUICK one, and ümlaut\n');
  put('b/bin', Uint8Array.from([0, 1, 2, ...Buffer.from('quick')]));
  put('empty', '');
  await using i = indexed(l, { now: later });
  await i.indexer.turn();
  for (const what of [
    text('quick'),
    text('quick brown'),
    text('QUICK'),
    text('ümlaut'),
    text('absent text'),
    text('qui'),
    { glob: '*.conf' },
    { glob: 'b/**/*.conf' },
    { glob: '*three*' },
    { glob: 'deep' },
    { glob: '*.conf', ...text('quick') },
    { content: { text: 'q[u]ick', regex: true, ignoreCase: true, holds: 'ick' } },
  ]) {
    const by = await i.search(what);
    expect(by.index, JSON.stringify(what)).toEqual({ ageMs: expect.any(Number), complete: expect.any(Boolean) });
    expect(await i.paths(what), JSON.stringify(what)).toEqual(await i.paths(what, false));
  }
  expect(await i.paths(text('quick'))).toEqual(['a/one.conf', 'b/deep/three.conf']);
  // It was looked into two files, not into all.
  expect((await i.search(text('quick'))).looked.files).toBe(2);
  expect((await i.search(text('quick'), false)).looked.files).toBeGreaterThan(2);
  expect((await i.search(text('quick'), true, l.at('b'))).found.map((f) => f.path)).toEqual([
    l.at('b/deep/three.conf'),
  ]);
});

test('what is too short, has no plain characters, or no name is looked for without it', async () => {
  put('one', 'ab ümü\n');
  await using i = indexed(l, { now: later });
  await i.indexer.turn();
  for (const what of [text('ab'), text('ümü'), text('a|b', true), { minBytes: 1 }, { glob: '???' }])
    expect((await i.search(what)).index, JSON.stringify(what)).toBeUndefined();
  expect(await i.paths(text('ümü'))).toEqual(['one']);
});

describe('what has changed since', () => {
  test('new files, whole folders that came, and texts written over are found at once', async () => {
    put('old/one', 'first text\n');
    fs.mkdirSync(join(l.dir, 'elsewhere/deep'), { recursive: true });
    fs.writeFileSync(join(l.dir, 'elsewhere/deep/moved'), 'second text\n');
    await using i = indexed(l, { now: () => Date.now() });
    await i.indexer.turn();
    put('old/new', 'second text\n');
    put('old/one', 'second text too\n');
    fs.renameSync(join(l.dir, 'elsewhere'), l.at('came'));
    const found = await i.search(text('second'));
    expect(found.index).toEqual(used);
    expect(await i.paths(text('second'))).toEqual(['came/deep/moved', 'old/new', 'old/one']);
    expect(await i.paths({ glob: '*moved*' })).toEqual(['came/deep/moved']);
    expect(await i.paths({ glob: 'new' })).toEqual(['old/new']);
    fs.rmSync(l.at('old/new'));
    fs.renameSync(l.at('old/one'), l.at('renamed'));
    expect(await i.paths(text('second'))).toEqual(['came/deep/moved', 'renamed']);
  });

  test('a later round takes all of it up, and forgets what went', async () => {
    put('a/one', 'first text\n');
    put('b/two', 'first text\n');
    let now = later();
    await using i = indexed(l, { now: () => now });
    await i.indexer.turn();
    fs.rmSync(l.at('b'), { recursive: true });
    put('a/one', 'another text\n');
    now += HOUR;
    await i.indexer.turn();
    const proposed = (t: string) => i.index.propose(l.at(''), text(t));
    expect(proposed('first')).toMatchObject({ paths: [] });
    expect(proposed('another')).toMatchObject({ paths: ['a/one'] });
    expect(i.index.folders(l.at(''))).toEqual(['a']);
  });
});

describe('it never shows', () => {
  test('what became denied, left, or was swapped for a link (control: it does propose each)', async () => {
    const outside = join(l.dir, 'outside');
    fs.writeFileSync(outside, 'a hidden word\n');
    for (const name of ['denied', 'gone', 'swapped', 'folder/in']) put(name, 'a hidden word\n');
    {
      await using i = indexed(l, { now: later });
      await i.indexer.turn();
      fs.rmSync(l.at('gone'));
      fs.rmSync(l.at('swapped'));
      fs.symlinkSync(outside, l.at('swapped'));
      fs.mkdirSync(join(l.dir, 'far'));
      fs.writeFileSync(join(l.dir, 'far/in'), 'a hidden word\n');
      fs.rmSync(l.at('folder'), { recursive: true });
      fs.symlinkSync(join(l.dir, 'far'), l.at('folder'));
      const proposed = i.index.propose(l.at(''), text('hidden word'));
      expect(proposed).toMatchObject({ paths: expect.arrayContaining(['denied', 'gone', 'swapped', 'folder/in']) });
      expect(await i.paths(text('hidden word'))).toEqual(['denied']);
      // The host's rules of now hold, whatever an index of other rules says.
      const strict = files({ roots: i.host.roots(), ours: [], deny: ['denied'], index: i.index });
      const found = await strict.find(l.at(''), text('hidden word'), {
        ...BOUNDS,
        index: true,
      });
      expect([found.found, found.index]).toEqual([[], used]);
      strict.close();
    }
    // With other settings it is of no use, and the next round begins anew.
    await using i = indexed(l, { now: later, deny: ['denied'] });
    expect((await i.search(text('hidden word'))).index).toEqual({ unused: 'it was built for other settings' });
    await i.indexer.turn();
    expect(i.index.propose(l.at(''), text('hidden word'))).toMatchObject({ paths: [] });
  });

  test('secrets: keys, deny list and what redaction knows are never read into it', async () => {
    put('plain', 'ordinary words\n');
    put('.env', 'ordinary zebra\n');
    put('innocent', '-----BEGIN RSA PRIVATE KEY-----\nzebra zebra\n');
    put('settings', 'password=zebra-crossing-9471\n');
    put('named', 'my-own-zebra\n');
    {
      await using i = indexed(l, { now: later, secrets: ['my-own-zebra'] });
      await i.indexer.turn();
      const kept = i.index.db().read((sql) => sql.all(`SELECT rowid FROM texts WHERE texts MATCH '"zeb"'`));
      expect(kept).toEqual([]);
      // The search itself still looks into them, and passes over what it must not show.
      expect(await i.paths(text('zebra'))).toEqual(await i.paths(text('zebra'), false));
      expect(await i.paths(text('zebra'))).toEqual(['named', 'settings']);
    }
    expect(fs.statSync(join(l.dir, 'state/files-index.db')).mode & 0o777).toBe(0o600);
    put('later', 'a tiger-lily-secret\n');
    {
      await using i = indexed(l, { now: later });
      await i.indexer.turn();
      const has = () => i.index.db().read((sql) => sql.all(`SELECT rowid FROM texts WHERE texts MATCH '"ger"'`)).length;
      expect(has()).toBe(1);
    }
    // Made a secret afterwards: it goes.
    await using i = indexed(l, { now: later, secrets: ['tiger-lily-secret'] });
    await i.indexer.turn();
    expect(i.index.db().read((sql) => sql.all(`SELECT rowid FROM texts WHERE texts MATCH '"ger"'`))).toEqual([]);
    expect(await i.paths(text('tiger'))).toEqual(['later']);
  });
});

describe('when it cannot be used the files are looked through, and it is said', () => {
  test('absent, deleted, damaged, old', async () => {
    put('one', 'some words\n');
    let now = later();
    await using i = indexed(l, { now: () => now });
    expect(await i.search(text('some words'))).toMatchObject({
      hits: 1,
      index: { unused: 'it has not been built yet' },
    });
    await i.indexer.turn();
    expect((await i.search(text('some words'))).index).toEqual(used);
    now += HOUR;
    expect(await i.search(text('some words'))).toMatchObject({ hits: 1, index: { unused: 'it is 3600 s old' } });
    await i.indexer.turn();
    i.index.close();
    for (const part of ['', '-wal', '-shm']) fs.rmSync(i.index.path + part, { force: true });
    expect(await i.search(text('some words'))).toMatchObject({
      hits: 1,
      index: { unused: 'it has not been built yet' },
    });
    await i.indexer.turn();
    i.index.close();
    fs.writeFileSync(i.index.path, 'no database at all, and of some length'.repeat(500));
    expect(await i.search(text('some words'))).toMatchObject({ hits: 1, index: { unused: expect.any(String) } });
    await i.indexer.turn();
    expect((await i.search(text('some words'))).index).toEqual(used);
    expect(fs.readdirSync(join(l.dir, 'state')).filter((n) => n.includes('corrupt'))).toEqual([]);
  });

  test('pages torn in the middle of it', async () => {
    for (let n = 0; n < 300; n++) put(`f${n}`, `word${n} and some more words ${n * n}\n`);
    await using i = indexed(l, { now: later });
    await i.indexer.turn();
    i.index.close();
    const fd = fs.openSync(i.index.path, 'r+');
    const { size } = fs.fstatSync(fd);
    for (let at = 4096; at < size; at += 4096) fs.writeSync(fd, Buffer.alloc(2048, 0xa5), 0, 2048, at);
    fs.closeSync(fd);
    expect((await i.paths(text('word77'))).sort()).toEqual(['f77']);
    await i.indexer.turn();
    expect((await i.search(text('word77'))).index).toEqual(used);
    expect(await i.paths(text('word77'))).toEqual(['f77']);
  });

  test('no room: texts that find none are looked into; too many files: none of it is used', async () => {
    for (let n = 0; n < 20; n++) put(`d/f${n}`, `word${n}\n`);
    {
      await using i = indexed(l, { now: later, maxBytes: 1 });
      await i.indexer.turn();
      expect(i.index.propose(l.at(''), text('word7'))).toMatchObject({ paths: { length: 20 } });
      expect(await i.paths(text('word7'))).toEqual(['d/f7']);
    }
    await using i = indexed(l, { now: later, maxFiles: 5 });
    await i.indexer.turn();
    expect(await i.search(text('word7'))).toMatchObject({
      hits: 1,
      index: { unused: expect.stringContaining('more than 5') },
    });
  });

  test('a full disk: what stands in it serves until it is old, and it goes on when there is room', async () => {
    put('one', 'some words\n');
    let full: string | null = 'no space left';
    let now = later();
    await using i = indexed(l, { now: () => now, full: () => full });
    await i.indexer.turn();
    expect(await i.search(text('some words'))).toMatchObject({ hits: 1, index: { unused: expect.any(String) } });
    full = null;
    // The database is tried again after a while, or when it is opened anew.
    i.index.close();
    await i.indexer.turn();
    expect((await i.search(text('some words'))).index).toEqual(used);
    full = 'no space left';
    put('two', 'some words\n');
    await i.indexer.turn();
    expect(await i.paths(text('some words'))).toContain('one');
    now += HOUR;
    expect((await i.search(text('some words'))).index).toEqual({ unused: expect.stringMatching(/old|order/) });
    expect(await i.paths(text('some words'))).toEqual(['one', 'two']);
  });

  test('a root inside that has not asked for it: it is not read, and what lies around it goes without', async () => {
    put('inner/x', 'inner words\n');
    put('outer', 'outer words\n');
    const rules = { access: 'read', depth: 64, oneFilesystem: true, symlinks: 'inside' } as const;
    await using i = indexed(l, { now: later, roots: [{ path: l.at('inner'), ...rules }] });
    await i.indexer.turn();
    expect(i.index.names(l.at('inner'))).toBeNull();
    expect(await i.search(text('words'))).toMatchObject({
      hits: 2,
      index: { unused: 'another root lies in this folder' },
    });
    expect((await i.search(text('words'), true, l.at('inner'))).index).toBeUndefined();
  });

  test('another process has the lease, or none could be had: it is left alone', async () => {
    for (const lease of [() => null, () => ({ sure: false, [Symbol.dispose]() {} })]) {
      await using i = indexed(l, { lease });
      await i.indexer.turn();
      expect(fs.existsSync(i.index.path)).toBe(false);
    }
  });
});

test('a large file and one that is no text by its name are looked into as ever', async () => {
  put('large', `${'x'.repeat(5_000)}\nneedle\n`);
  const odd = Buffer.concat([Buffer.from(l.at('odd')), Buffer.from([0xff])]);
  fs.writeFileSync(odd, 'needle\n');
  await using i = indexed(l, { now: later, fileBytes: 1_024 });
  await i.indexer.turn();
  expect(await i.paths(text('needle'))).toEqual(['large', 'odd\ufffd']);
  expect(await i.paths({ glob: 'odd*' })).toEqual(['odd\ufffd']);
});
