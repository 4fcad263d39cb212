import fs from 'node:fs';
import { join } from 'node:path';
import { encode } from 'gpt-tokenizer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import type { Propose } from '../../src/host/files/ripgrep.ts';
import { type FileSearchAnswer, fileSearch } from '../../src/tools/file_search.ts';
import { FAKE_WALL_MS } from '../fakes/host.ts';
import { ask } from './context.ts';
import { type Folder, folder } from './files_in.ts';

let f: Folder;
const HOUR = 3_600_000;
beforeAll(() => {
  f = folder();
  f.put('etc/nginx/nginx.conf', 'user www;\nlisten 80;\nlisten 443;\nlisten 8080;\nlisten 8443;\n');
  f.put('etc/nginx/conf.d/site.conf', 'server_name example;\nlisten 80;\n');
  f.put('etc/app.ini', 'listen = 80\npassword = listen-to-me-hunter2\n');
  f.put('etc/app.env.txt', 'API_TOKEN=zzzlistenzzz1234567890\n');
  f.put('log/big.log', 'x'.repeat(20_000));
  f.put('bin/prog', Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0, 0]), Buffer.from('listen 80\n')]));
  f.put('etc/.env', 'listen\n');
  for (const [name, hours] of [
    ['etc/app.ini', 1],
    ['etc/nginx/nginx.conf', 50],
    ['log/big.log', 1_000],
  ] as const) {
    const at = new Date(FAKE_WALL_MS - hours * HOUR);
    fs.utimesSync(join(f.dir, name), at, at);
  }
});
afterAll(() => f.end());

const search = (args: Record<string, unknown>) => ask<FileSearchAnswer>(fileSearch, { path: f.dir, ...args }, f.ctx);
const paths = (a: FileSearchAnswer) => a.files.map((x) => x.path.slice(f.dir.length + 1));
const failed = async (made: Promise<unknown>): Promise<OpsError> => {
  const thrown = await made.then(
    () => null,
    (e: unknown) => e,
  );
  expect(thrown).toBeInstanceOf(OpsError);
  return thrown as OpsError;
};

describe('by name, size and age', () => {
  test.each([
    [{ glob: '*.conf' }, ['etc/nginx/conf.d/site.conf', 'etc/nginx/nginx.conf']],
    [{ glob: '**/conf.d/*' }, ['etc/nginx/conf.d/site.conf']],
    [{ size: '+10k' }, ['log/big.log']],
    [{ size: '-40', glob: '*.conf' }, ['etc/nginx/conf.d/site.conf']],
    [{ age: '-2h', glob: 'app.ini' }, ['etc/app.ini']],
    [{ age: '+30d', size: '+0' }, ['log/big.log']],
    [{ age: '-3d', glob: '*.conf' }, ['etc/nginx/conf.d/site.conf', 'etc/nginx/nginx.conf']],
    [{ glob: 'nothing' }, []],
  ])('%j', async (args, expected) => {
    const { data } = await search(args);
    // What the tests wrote just now is newer than the clock of the fake host.
    expect(paths(data)).toEqual(expected);
    expect(data.matched).toBe(expected.length);
  });

  test('what cannot be read as a size or an age, or asks for nothing, is told', async () => {
    for (const args of [{ size: '10M' }, { age: '2d' }, { age: '-2y' }, {}, { grep: '(', regex: true }])
      expect(await failed(search(args))).toMatchObject({ code: 'validation' });
    expect(await failed(search({ path: `${f.dir}/ect`, glob: '*' }))).toMatchObject({ code: 'not_found' });
  });
});

describe('by content', () => {
  test('lines with their numbers, as file_read would show them; a few of each file', async () => {
    const { data, text } = await search({ grep: 'LISTEN' });
    expect(paths(data)).toEqual(['etc/app.ini', 'etc/nginx/conf.d/site.conf', 'etc/nginx/nginx.conf']);
    expect(data.files[0]?.lines).toEqual([{ line: 1, text: 'listen = 80' }]);
    expect(data.files[2]).toMatchObject({
      lines: [
        { line: 2, text: 'listen 80;' },
        { line: 3, text: 'listen 443;' },
      ],
      more: true,
    });
    expect(data.matched).toBe(3);
    expect(data.unknown).toContainEqual({ what: '1 entries', why: 'on the deny list: never opened' });
    expect(text).toContain('2: listen 80;');
    expect(encode(text).length).toBeLessThan(400);
    const regex = (await search({ grep: 'listen \\d{3};', regex: true })).data;
    expect(regex.files.map((x) => x.lines?.map((l) => l.line))).toEqual([[3]]);
    expect(paths((await search({ grep: 'listen', glob: '*.ini' })).data)).toEqual(['etc/app.ini']);
  });

  test('a secret is not found by searching for it, and nothing tells that it is there', async () => {
    const none = (await search({ grep: 'not to be found anywhere' })).data;
    for (const grep of ['hunter2', 'listen-to-me', 'zzzlisten', 'redacted'])
      expect((await search({ grep })).data, grep).toEqual(none);
    expect((await search({ grep: 'h.nter\\d', regex: true })).data).toEqual(none);
  });

  test('nor where only files that hold the text are named, denied ones too (control: the host counts them)', async () => {
    // As ripgrep does, in the folder of the test.
    const naming: Propose = async ({ path, what }) =>
      fs
        .readdirSync(path as string, { recursive: true, encoding: 'utf8', withFileTypes: true })
        .filter((e) => e.isFile())
        .map((e) => join(e.parentPath, e.name))
        .filter((file) => fs.readFileSync(file).includes(what.content?.text ?? ''))
        .map((file) => file.slice((path as string).length + 1));
    const g = folder({ propose: naming });
    try {
      g.put('.env', 'DB_PASSWORD=denied-hunter2\n');
      g.put('.ssh/id_x', 'denied-too\n');
      g.put('app.ini', 'password = hidden-hunter2\n');
      g.put('odd', '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n');
      g.put('plain', 'to be found\n');
      const asked = (grep: string) => ask<FileSearchAnswer>(fileSearch, { path: g.dir, grep }, g.ctx);
      const none = await asked('not to be found');
      for (const grep of ['denied-h', 'denied-too', 'hidden-h', 'MIIEvQ']) {
        expect(await asked(grep), grep).toEqual(none);
        const content = { text: grep, regex: false, ignoreCase: true };
        const bounds = { depth: 9, limit: 9, maxEntries: 1e6, maxBytes: 1e9, maxMs: 60_000 };
        expect((await g.ctx.host.files.find(g.dir, { content }, bounds)).looked.entries, grep).toBeGreaterThan(0);
      }
      expect((await asked('to be f')).data).toMatchObject({ matched: 1, looked: { entries: 1, files: 1, bytes: 12 } });
    } finally {
      g.end();
    }
  });

  test('what was read early is shown only if it is found in the end, and is still that file', async () => {
    const g = folder();
    try {
      for (const name of ['a', 'b', 'c', 'd']) g.put(name, `needle in ${name}\n`);
      const { files } = g.ctx.host;
      const reads: string[] = [];
      const reader = {
        ...files.reader,
        read: async (...args: Parameters<typeof files.reader.read>) => {
          reads.push(String(args[0]).slice(-1));
          return files.reader.read(...args);
        },
      };
      // All are told early; then a stands there as another file, and b is not among those found.
      const find: typeof files.find = async (path, what, o) => {
        const before = await files.find(path, what, o);
        o.some?.(before.found);
        while (reads.length < 4) await new Promise((done) => setImmediate(done));
        g.put('new', 'needle in another\n');
        fs.renameSync(join(g.dir, 'new'), join(g.dir, 'a'));
        const after = await files.find(path, what, o);
        const found = after.found.filter((f) => !f.path.endsWith('/b'));
        return { ...after, found, hits: found.length };
      };
      const ctx = { ...g.ctx, host: { ...g.ctx.host, files: { ...files, find, reader } } };
      const { data } = await ask<FileSearchAnswer>(fileSearch, { path: g.dir, grep: 'needle' }, ctx);
      expect(data.files.map((x) => x.lines?.[0]?.text)).toEqual(['needle in another', 'needle in c', 'needle in d']);
      expect(reads.toSorted().join('')).toBe('aabcd');
    } finally {
      g.end();
    }
  });

  test('a limit says that there may be more', async () => {
    const { data } = await search({ grep: 'listen', limit: 1 });
    expect(paths(data)).toHaveLength(1);
    expect(data.matched).toBeNull();
    expect(data.unknown.map((u) => u.what)).toContain('further files');
  });

  test('a very long line is shown around its match', async () => {
    f.put('long/line.txt', `${'a '.repeat(50_000)}needle${' b'.repeat(50_000)}\nother\n`);
    const { data } = await search({ path: `${f.dir}/long`, grep: 'needle' });
    expect(data.files[0]?.lines?.[0]).toMatchObject({ line: 1, text: expect.stringMatching(/ a needle b/) });
  });
});

test.each([
  [{ ageMs: 12_400, complete: true }, { ageSeconds: 12, complete: true }, null],
  [{ ageMs: 12_400, complete: false }, { ageSeconds: 12, complete: false }, 'what changed since the index was kept'],
  [{ unused: 'it is being built' }, { ageSeconds: null, complete: true }, 'the index'],
])('an index says how old it is and what it may have missed: %j', async (index, said, gap) => {
  const { files } = f.ctx.host;
  let asked: boolean | undefined;
  const find: typeof files.find = async (path, what, o) => {
    asked = o.index;
    return { ...(await files.find(path, what, o)), index };
  };
  const ctx = { ...f.ctx, host: { ...f.ctx.host, files: { ...files, find } } };
  const { data } = await ask<FileSearchAnswer>(fileSearch, { path: f.dir, glob: '*.conf' }, ctx);
  expect([asked, data.index, data.unknown.map((u) => u.what).find((w) => w.includes('index')) ?? null]).toEqual([
    true,
    said,
    gap,
  ]);
});
