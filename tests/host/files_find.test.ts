/** Searches through the thread: what is found, what is passed over and counted, where they stop, and that nothing denied is shown. */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FindBounds, FindWhat } from '../../src/core/files.ts';
import { nameGlob, pathGlob } from '../../src/host/files/glob.ts';
import type { OpenFiles } from '../../src/host/files/index.ts';
import { cpuMs } from '../fakes/cpu_time.ts';
import { type FilesIn, filesIn } from '../fakes/files.ts';

let dir: string;
const opened: OpenFiles[] = [];
beforeEach(() => {
  dir = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-find-')));
});
afterEach(() => {
  for (const open of opened.splice(0)) open.close();
  fs.rmSync(dir, { recursive: true, force: true });
});
const put = (name: string, content: string | Uint8Array) => {
  fs.mkdirSync(join(dir, name, '..'), { recursive: true });
  fs.writeFileSync(join(dir, name), content);
};
const BOUNDS = { depth: 50, limit: 100, maxEntries: 10_000, maxBytes: 1e9, maxMs: 10_000 };
function host(o: FilesIn = {}) {
  const open = filesIn(dir, o);
  opened.push(open);
  return open;
}
const find = (what: FindWhat, bounds: Partial<FindBounds> = {}, o: FilesIn = {}) =>
  host(o).find(dir, what, { ...BOUNDS, ...bounds });
const names = ({ found }: { found: { path: string }[] }) => found.map((f) => f.path.slice(dir.length + 1)).sort();
const content = (text: string, o: { regex?: boolean; ignoreCase?: boolean } = {}): FindWhat => ({
  content: { text, regex: false, ignoreCase: false, ...o },
});
const lines = async (what: FindWhat) =>
  (await find(what)).found.flatMap((f) =>
    (f.lines ?? []).map((l) => `${f.path.slice(dir.length + 1)}:${l.number}:${Buffer.from(l.bytes).toString()}`),
  );

describe('by name, size and age', () => {
  beforeEach(() => {
    put('a.conf', 'a');
    put('x/b.conf', 'bb'.repeat(100));
    put('x/y/c.txt', 'c');
    put('x/y/z/d.conf', 'd');
    fs.symlinkSync('x', join(dir, 'link.conf'));
  });

  test('of the name, of the path, by kind; links are named and not followed', async () => {
    expect(names(await find({ glob: '*.conf' }))).toEqual(['a.conf', 'link.conf', 'x/b.conf', 'x/y/z/d.conf']);
    expect(names(await find({ glob: '*.conf', kinds: ['file'] }))).toEqual(['a.conf', 'x/b.conf', 'x/y/z/d.conf']);
    expect(names(await find({ glob: 'x/**/*.conf' }))).toEqual(['x/b.conf', 'x/y/z/d.conf']);
    expect(names(await find({ kinds: ['directory'] }))).toEqual(['x', 'x/y', 'x/y/z']);
    expect((await find({})).passedOver.links).toBe(1);
  });

  test('size, age, totals', async () => {
    expect(names(await find({ minBytes: 100, kinds: ['file'] }))).toEqual(['x/b.conf']);
    expect(names(await find({ maxBytes: 1, kinds: ['file'] }))).toEqual(['a.conf', 'x/y/c.txt', 'x/y/z/d.conf']);
    fs.utimesSync(join(dir, 'a.conf'), 1_000, 1_000);
    expect(names(await find({ modifiedBeforeMs: 1_000_000, kinds: ['file'] }))).toEqual(['a.conf']);
    expect(names(await find({ modifiedAfterMs: 1_000_001, glob: 'a.conf' }))).toEqual([]);
    expect(await find({ kinds: ['file'] })).toMatchObject({ hits: 4, totalBytes: 203, stopped: null });
  });

  test('depth of the search and of the root; one file as the start', async () => {
    expect(names(await find({ kinds: ['file'] }, { depth: 1 }))).toEqual(['a.conf']);
    expect(names(await find({ kinds: ['file'] }, { depth: 3 }))).toEqual(['a.conf', 'x/b.conf', 'x/y/c.txt']);
    expect(names(await find({ kinds: ['file'] }, {}, { depth: 2 }))).toEqual(['a.conf', 'x/b.conf']);
    const one = await host().find(join(dir, 'a.conf'), content('a'), BOUNDS);
    expect([one.hits, one.found[0]?.lines?.[0]?.number]).toEqual([1, 1]);
    await expect(host().find('/etc', {}, BOUNDS)).rejects.toMatchObject({ code: 'permission' });
  });

  test('more than asked for is counted, and bounds stop it', async () => {
    expect(await find({ kinds: ['file'] }, { limit: 1 })).toMatchObject({ hits: 4, stopped: null });
    expect(await find({}, { maxEntries: 3 })).toMatchObject({ stopped: 'entries', looked: { entries: 3 } });
    expect(await find(content('zzz'), { maxBytes: 2 })).toMatchObject({ stopped: 'bytes' });
    for (let i = 0; i < 300; i++) put(`many/${i}`, '');
    expect(await find({}, { maxMs: -1 })).toMatchObject({ stopped: 'time' });
  });

  test('a name that is no text comes with its bytes', async () => {
    const name = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xe9, 0x2e, 0x63])]);
    fs.writeFileSync(name, 'x');
    const [hit] = (await find({ glob: '?.c' })).found;
    expect(Buffer.from(hit?.bytes ?? [])).toEqual(name);
    put('ü.c', 'x');
    expect(names(await find({ glob: 'ü.c' }))).toEqual(['ü.c']);
    expect((await find({ glob: 'ü.c' })).found[0]?.bytes).toBeNull();
  });

  test('who leaves is answered at once', async () => {
    const gone = new AbortController();
    const doing = host().find(dir, {}, { ...BOUNDS, signal: gone.signal });
    gone.abort(new Error('left'));
    await expect(doing).rejects.toThrow('left');
  });
});

describe('by content', () => {
  test('lines with their numbers, whatever ends them, with and without case', async () => {
    put('f', 'one\r\ntwo Needle\r\n\nneedle and needle\nlast needle');
    expect(await lines(content('needle'))).toEqual(['f:4:needle and needle', 'f:5:last needle']);
    expect(await lines(content('NEEDLE', { ignoreCase: true }))).toHaveLength(3);
    expect(await lines(content('^TWO.*e$', { regex: true }))).toEqual([]);
    expect(await lines(content('^TWO.*e$', { regex: true, ignoreCase: true }))).toEqual(['f:2:two Needle']);
    expect(await lines(content('^two.*[eE]dle$', { regex: true }))).toEqual(['f:2:two Needle']);
    expect(await lines(content('\\Alast', { regex: true }))).toEqual(['f:5:last needle']);
    expect(await lines(content('^$', { regex: true }))).toEqual(['f:3:']);
    const [hit] = (await find(content('needle'))).found;
    expect([hit?.matches, hit?.lines?.map((l) => l.offset)]).toEqual([2, [18, 36]]);
  });

  test('other letters than ASCII, in their cases', async () => {
    put('f', 'ÄRGER\närger\narger\n');
    expect(await lines(content('ärger'))).toEqual(['f:2:ärger']);
    expect(await lines(content('Ärger', { ignoreCase: true }))).toEqual(['f:1:ÄRGER', 'f:2:ärger']);
  });

  test('long files and long lines: numbers hold over windows, and a line is cut around its match', async () => {
    const filler = `${'x'.repeat(99)}\n`;
    put('long', `${filler.repeat(25_000)}here is needle\n${filler.repeat(10)}needle\n`);
    expect(await lines(content('needle'))).toEqual(['long:25001:here is needle', 'long:25012:needle']);
    put('long', `${'a'.repeat(700_000)}needle${'b'.repeat(10_000)}\nnext needle\n`);
    const [hit] = (await find(content('needle'))).found;
    expect(hit?.lines?.map((l) => [l.number, l.cut, l.bytes.length])).toEqual([
      [1, true, 1024],
      [2, false, 11],
    ]);
    expect(Buffer.from(hit?.lines?.[0]?.bytes ?? []).toString()).toContain('needle');
  });

  test('binary and unreadable files are counted and passed over; fifos are not opened', async () => {
    put('binary', Buffer.from('needle\0needle'));
    put('plain', 'needle');
    spawnSync('mkfifo', [join(dir, 'fifo')]);
    const found = await find(content('needle'));
    expect([names(found), found.passedOver.binary]).toEqual([['plain'], 1]);
  });

  test('what is no expression, or none that is bounded, says so', async () => {
    await expect(find(content('(', { regex: true }))).rejects.toMatchObject({ code: 'validation' });
    await expect(find(content('(?=x)', { regex: true }))).rejects.toThrow(/RE2/);
    await expect(find(content('(x{1,90}){1,90}', { regex: true }))).rejects.toThrow(/large|bad repetition|RE2/);
    await expect(find(content(''))).rejects.toThrow(/nothing/);
    await expect(find(content('a\nb'))).rejects.toThrow(/line break/);
  });

  test('agrees with a naive search over thousands of random files', async () => {
    const text = fc.array(fc.constantFrom('a', 'b', 'ab', '\n', 'ba', 'é', '\r\n', ' ', 'aab'), { maxLength: 60 });
    const files = fc.sample(text, 400).map((t) => t.join(''));
    for (const [i, t] of files.entries()) put(`r/${i}`, t);
    for (const [what, has] of [
      [content('aab'), (l: string) => l.includes('aab')],
      [content('É', { ignoreCase: true }), (l: string) => l.includes('é')],
      [content('^a+b( |é)', { regex: true }), (l: string) => /^a+b( |é)/.test(l)],
      [content('b$', { regex: true }), (l: string) => l.endsWith('b')],
    ] as const) {
      const expected = files.flatMap((t, i) => {
        const all = t.split('\n');
        // The end of the last line is the end of the file.
        if (all.at(-1) === '') all.pop();
        return all.flatMap((l, n) => {
          const line = l.endsWith('\r') ? l.slice(0, -1) : l;
          return has(line) ? [`r/${i}:${n + 1}:${line}`] : [];
        });
      });
      const { found } = await find(what, { limit: 1_000 });
      const got = found.flatMap((f) =>
        (f.lines ?? []).map((l) => `${f.path.slice(dir.length + 1)}:${l.number}:${Buffer.from(l.bytes).toString()}`),
      );
      expect(got.sort()).toEqual(expected.sort());
    }
  });
});

describe('what is denied', () => {
  test('is counted, and neither named, opened nor shown; not by name, by content, by identity nor by its owner’s word', async () => {
    put('.env', 'needle');
    put('.ssh/config', 'needle');
    put('notes', `-----BEGIN RSA PRIVATE KEY-----\nneedle\n${'x\n'.repeat(200_000)}needle\n`);
    put('state/db', 'needle');
    put('mine.secret', 'needle');
    put('plain', 'needle');
    fs.linkSync(join(dir, 'state/db'), join(dir, 'innocent'));
    const o = { ours: [join(dir, 'state'), join(dir, 'state/db')], deny: ['*.secret'] };
    const found = await find(content('needle'), {}, o);
    // The key in `notes` is none of them: a count that came with a match would tell what stands in it.
    expect([names(found), found.passedOver.denied]).toEqual([['plain'], 5]);
    expect((await find(content('other'), {}, o)).passedOver.denied).toBe(5);
    const all = await find({}, {}, o);
    expect(names(all)).toEqual(['notes', 'plain']);
  });

  test('another root in it is searched by its own rules; another device is not, and counted', async () => {
    put('in/deep/er/f', 'f');
    put('g', 'g');
    const rule = { path: join(dir, 'in'), access: 'read' as const, depth: 1, oneFilesystem: true };
    const more = [{ ...rule, symlinks: 'refuse' as const }];
    expect(names(await find({}, {}, { more }))).toEqual(['g', 'in', 'in/deep']);
    const dev = host({ more: [{ ...rule, path: '/dev', depth: 9, symlinks: 'refuse' }] });
    expect((await dev.find('/dev', {}, BOUNDS)).passedOver.otherDevice).toBeGreaterThan(0);
  });
});

test('patterns', () => {
  for (const [pattern, yes, no] of [
    ['*', ['', 'a'], []],
    ['a?c', ['abc', 'aüc'], ['ac', 'abbc']],
    ['[a-c]x', ['ax', 'cx'], ['dx', 'x']],
    ['[!a]x', ['bx'], ['ax']],
    ['[]]', [']'], ['[']],
    ['[x', ['[x'], ['x']],
    ['a*b*c', ['abc', 'aXbYc', 'abcbc'], ['ab', 'acb']],
    ['\\*', ['*'], ['a']],
    ['x*', ['x', 'xy'], ['ax']],
    ['*.x', ['.x', 'a.x'], ['x']],
  ] as const) {
    for (const name of yes) expect(nameGlob(pattern)(name), `${pattern} ${name}`).toBe(true);
    for (const name of no) expect(nameGlob(pattern)(name), `${pattern} ${name}`).toBe(false);
  }
  for (const [pattern, yes, no] of [
    ['a/*.c', ['a/x.c'], ['x.c', 'a/b/x.c', 'b/x.c']],
    ['**/x', ['x', 'a/x', 'a/b/x'], ['a/y']],
    ['a/**', ['a/b', 'a/b/c', 'a'], ['b/a']],
    ['**/a/**/b', ['a/b', 'x/a/y/z/b'], ['a/x']],
  ] as const) {
    for (const path of yes) expect(pathGlob(pattern)(path.split('/')), `${pattern} ${path}`).toBe(true);
    for (const path of no) expect(pathGlob(pattern)(path.split('/')), `${pattern} ${path}`).toBe(false);
  }
  expect(() => nameGlob('')).toThrow(/1 to 512/);
  const ms = cpuMs(() => expect(nameGlob(`${'*a'.repeat(60)}b`)('a'.repeat(255))).toBe(false));
  expect(ms).toBeLessThan(500);
});
