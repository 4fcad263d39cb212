import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { encode } from 'gpt-tokenizer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { contentType } from '../../src/insight/text_types.ts';
import { type FileListAnswer, fileList } from '../../src/tools/file_list.ts';
import { fileRead } from '../../src/tools/file_read.ts';
import { ask, context } from './context.ts';
import { type Folder, folder } from './files_in.ts';

let f: Folder;
const AT = new Date('2026-11-01T10:00:00Z');
beforeAll(() => {
  f = folder();
  f.put('conf/a.conf', 'a = 1\n');
  f.put('conf/b.conf', 'b = 22\n');
  f.put('conf/.env', 'TOKEN=x\n');
  f.put('conf/sub/deep/c.conf', 'ccc\n');
  fs.symlinkSync('a.conf', join(f.dir, 'conf/link'));
  for (const name of ['a.conf', 'b.conf', 'sub/deep/c.conf']) fs.utimesSync(join(f.dir, 'conf', name), AT, AT);
  fs.utimesSync(join(f.dir, 'conf/b.conf'), AT, new Date('2026-11-02T10:00:00Z'));
  fs.chmodSync(join(f.dir, 'conf/a.conf'), 0o4754);
});
afterAll(() => f.end());

const list = (path: string, args: Record<string, unknown> = {}) =>
  ask<FileListAnswer>(fileList, { path: path.startsWith('file:') ? path : join(f.dir, path), ...args }, f.ctx);
const names = (a: FileListAnswer) => a.entries.map((e) => e.name);
const failed = async (made: Promise<unknown>): Promise<OpsError> => {
  const thrown = await made.then(
    () => null,
    (e: unknown) => e,
  );
  expect(thrown).toBeInstanceOf(OpsError);
  return thrown as OpsError;
};

describe('a folder', () => {
  test('by name, with sizes, times and totals; what is denied is named and never opened', async () => {
    const { data, text } = await list('conf');
    expect(data).toMatchObject({
      about: { kind: 'directory', rwx: expect.stringMatching(/^drwx/) },
      total: { entries: 5, matched: 5, bytes: 13 },
      byKind: { file: 3, directory: 1, symlink: 1 },
      unknown: [],
    });
    expect(names(data)).toEqual(['.env', 'a.conf', 'b.conf', 'link', 'sub']);
    expect(data.entries[0]).toEqual({ name: '.env', kind: 'file', sizeBytes: null, modified: null, denied: true });
    expect(data.entries[1]).toEqual({ name: 'a.conf', kind: 'file', sizeBytes: 6, modified: '2026-11-01T10:00:00Z' });
    expect(text).toContain('.env (denied)');
    expect(text).toContain('link (link)');
    expect(text).toMatch(/sub\/$/m);
  });

  test('by size, by time, of one kind, by pattern, and deeper', async () => {
    expect(names((await list('conf', { sort: 'size', kind: 'file' })).data)).toEqual(['b.conf', 'a.conf', '.env']);
    expect(names((await list('conf', { sort: 'modified', kind: 'file' })).data)[0]).toBe('b.conf');
    expect((await list('conf', { kind: 'directory' })).data.total).toMatchObject({ entries: 5, matched: 1 });
    const globbed = (await list('conf', { glob: '*.conf' })).data;
    expect(names(globbed)).toEqual(['a.conf', 'b.conf']);
    expect(globbed.unknown).toEqual([{ what: '1 entries', why: 'on the deny list: never opened' }]);
    const deep = (await list('conf', { glob: '*.conf', depth: 5 })).data;
    expect(names(deep)).toEqual(['a.conf', 'b.conf', 'sub/deep/c.conf']);
    expect(deep.total).toMatchObject({ matched: 3, bytes: 17 });
    expect(names((await list('conf', { depth: 5, kind: 'directory' })).data)).toEqual(['sub', 'sub/deep']);
  });

  test('a typical answer is cheap', async () => {
    for (let n = 0; n < 200; n++) f.put(`many/service-${n}.log`, 'x'.repeat(n * 7));
    const { data } = await list('many');
    const text = fileList.text({ ...data, entries: data.entries.slice(0, 40) } as never, {
      paint: (_k, t) => t,
      width: 200,
      now: 0,
    });
    expect(data.entries).toHaveLength(200);
    expect(encode(text).length).toBeLessThan(1_000);
  });

  test('hostile names are shown harmless, and can be asked for by their bytes', async () => {
    const folder = join(f.dir, 'hostile');
    fs.mkdirSync(folder);
    const put = (name: Uint8Array | string) =>
      fs.writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name)]), 'inside\n');
    put(Buffer.from([0x66, 0xff, 0x67]));
    put('bidi\u202egnp.txt');
    put('new\nline');
    put('red\u001b[31m');
    put('100%.txt');
    const { data } = await list('hostile');
    const uris = Object.fromEntries(data.entries.map((e) => [e.uri ?? '-', e.name]));
    expect(Object.keys(uris).sort()).toEqual(['-', `file://${folder}/bidi%e2%80%aegnp.txt`, `file://${folder}/f%ffg`]);
    for (const uri of Object.keys(uris).filter((u) => u !== '-')) {
      const { data } = await ask<{ parts: { lines: string[] }[] }>(fileRead, { path: uri }, f.ctx);
      expect(data.parts[0]?.lines).toEqual(['inside']);
    }
  });
});

describe('one path', () => {
  test('its owner and group by name, mode in both forms, times, type by content, and a sum on request', async () => {
    const { data, text } = await list('conf/a.conf', { hash: true });
    const own = fs.statSync(join(f.dir, 'conf/a.conf'));
    const name = own.uid === 0 ? 'root' : own.uid === 1000 ? 'alice' : String(own.uid);
    expect(data.entries).toEqual([]);
    expect(data.about).toMatchObject({
      kind: 'file',
      sizeBytes: 6,
      mode: '4754',
      rwx: '-rwsr-xr--',
      owner: name,
      modified: '2026-11-01T10:00:00Z',
      type: 'text',
      encoding: 'utf-8',
      sha256: createHash('sha256').update('a = 1\n').digest('hex'),
    });
    expect(text).toContain('-rwsr-xr-- 4754');
    expect((await list('conf/link')).data.about?.kind).toBe('symlink');
  });

  test('what is denied is refused; a folder has no sum; a file no pattern', async () => {
    expect(await failed(list('conf/.env'))).toMatchObject({ code: 'permission' });
    expect((await list('conf', { hash: true })).data.unknown).toEqual([{ what: 'sha256', why: 'it is of files only' }]);
    expect(await failed(list('conf/a.conf', { glob: '*' }))).toMatchObject({ code: 'validation' });
    expect(await failed(list('conf/a.cnf'))).toMatchObject({
      details: { candidates: expect.arrayContaining([join(f.dir, 'conf/a.conf')]) },
    });
  });

  test('a key inside keeps the type unknown, with the reason', async () => {
    f.put('hidden.txt', `-----BEGIN ${'RSA'} PRIVATE KEY-----\nx\n`);
    const { data } = await list('hidden.txt');
    expect(data.about?.type).toBeNull();
    expect(data.unknown[0]?.what).toBe('type');
  });
});

test('without a path: what may be used, and nothing else goes with that', async () => {
  const { data, text } = await ask<FileListAnswer>(fileList, {}, f.ctx);
  expect(data.roots).toMatchObject([{ path: f.dir, access: 'read' }]);
  expect(text).toContain(f.dir);
  expect(await failed(ask(fileList, { glob: '*' }, f.ctx))).toMatchObject({ code: 'validation' });
  const none = (await ask<FileListAnswer>(fileList, {}, context())).data;
  expect(none.unknown[0]?.why).toContain('files.roots');
});

test.each([
  ['ELF', Buffer.from('7f454c4602010100000000000000000003003e00', 'hex'), 'ELF'],
  ['gzip', Buffer.from('1f8b0800', 'hex'), 'gzip'],
  ['PNG', Buffer.from('89504e470d0a1a0a0000000d49484452000000100000000a', 'hex'), 'PNG'],
  ['SQLite', Buffer.from('SQLite format 3\0more'), 'SQLite database'],
  ['journal', Buffer.from('LPKSHHRH\0\0\0'), 'systemd journal'],
  ['zip', Buffer.from('PK\x03\x04rest'), 'zip'],
  ['tar', Buffer.concat([Buffer.alloc(257), Buffer.from('ustar\x0000')]), 'tar'],
  ['a text that begins like a bitmap', Buffer.from('BM is a name\n'), 'text'],
  ['a text that begins like MP3', Buffer.from('ID3 tags\n'), 'text'],
  ['zeros', Buffer.alloc(64), 'zeros'],
  ['noise', Buffer.from('00ff13f7a0b1c2d3e4f5061728394a5b', 'hex'), 'data'],
  ['nothing', Buffer.alloc(0), 'empty'],
])('type by content: %s', (_name, bytes, type) => {
  expect(contentType(bytes, bytes.length).type).toBe(type);
});
