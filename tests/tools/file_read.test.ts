import fs from 'node:fs';
import { encode } from 'gpt-tokenizer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { type FileReadAnswer, fileRead } from '../../src/tools/file_read.ts';
import { ask } from './context.ts';
import { type Folder, folder } from './files_in.ts';

let f: Folder;
beforeAll(() => {
  f = folder();
});
afterAll(() => f.end());

const read = (path: string, args: Record<string, unknown> = {}) =>
  ask<FileReadAnswer>(fileRead, { path, ...args }, f.ctx);
const shown = (a: FileReadAnswer) => a.parts.flatMap((p) => p.lines);
const failed = async (made: Promise<unknown>): Promise<OpsError> => {
  const thrown = await made.then(
    () => null,
    (e: unknown) => e,
  );
  expect(thrown).toBeInstanceOf(OpsError);
  return thrown as OpsError;
};
const many = (n: number) => Array.from({ length: n }, (_, i) => `line ${i + 1}`).join('\n');

describe('lines', () => {
  test('from the start, with their number, and all that is known of the file', async () => {
    const { data, text } = await read(f.put('small.conf', 'a = 1\nb = 2\n'));
    expect(data).toMatchObject({
      type: 'text',
      encoding: 'utf-8',
      bom: false,
      lineEnds: 'lf',
      finalNewline: true,
      totalLines: 2,
      sizeBytes: 12,
      parts: [{ line: 1, byte: 0, lines: ['a = 1', 'b = 2'] }],
      altered: { redacted: 0, stripped: 0 },
      after: null,
      notes: [],
    });
    expect(text).toContain('1\ta = 1\n2\tb = 2');
  });

  test('as many as fit a thousand tokens, and the rest by the cursor, until all has been seen once', async () => {
    const path = f.put('long.txt', `${many(3_000)}\n`);
    const first = await read(path);
    expect(encode(first.text).length).toBeLessThan(2_500);
    expect(first.data).toMatchObject({ totalLines: 3_000 });
    let seen = shown(first.data);
    for (let after = first.data.after; after; ) {
      const { data } = await read(path, { after });
      expect(data.parts[0]?.line).toBe(seen.length + 1);
      seen = [...seen, ...shown(data)];
      after = data.after;
    }
    expect(seen.join('\n')).toBe(many(3_000));
  });

  test('a range, one with its neighbours, an open end, the last', async () => {
    const path = f.put('hundred.txt', `${many(100)}\n`);
    expect((await read(path, { lines: '20-22' })).data.parts).toMatchObject([
      { line: 20, lines: ['line 20', 'line 21', 'line 22'] },
    ]);
    expect((await read(path, { lines: '50', context: 1 })).data.parts).toMatchObject([
      { line: 49, lines: ['line 49', 'line 50', 'line 51'] },
    ]);
    expect(shown((await read(path, { lines: '99-' })).data)).toEqual(['line 99', 'line 100']);
    expect((await read(path, { lines: '-2' })).data.parts).toMatchObject([
      { line: 99, lines: ['line 99', 'line 100'] },
    ]);
    expect((await read(path, { lines: '-500' })).data.parts).toMatchObject([{ line: 1 }]);
    const beyond = (await read(path, { lines: '101-110' })).data;
    expect(beyond).toMatchObject({ parts: [], totalLines: 100, notes: ['It has 100 lines.'] });
    expect((await read(path, { lines: '20-22' })).data.after).toMatch(/^23\.\d+\./);
    for (const lines of ['0-5', '9-3', 'all', '-', '1-2-3', '--3'])
      expect(await failed(read(path, { lines }))).toMatchObject({ code: 'validation' });
    expect(await failed(read(path, { lines: '1-2', bytes: '1-2' }))).toMatchObject({ code: 'validation' });
  });

  test('limit says how many, and the cursor goes on behind', async () => {
    const path = f.put('limit.txt', `${many(10)}\n`);
    const { data } = await read(path, { limit: 4 });
    expect(shown(data)).toHaveLength(4);
    expect(shown((await read(path, { after: data.after })).data)[0]).toBe('line 5');
  });

  test('a cursor knows its file: one that was replaced or cut off is refused', async () => {
    const path = f.put('rotated.log', `${many(10)}\n`);
    const { after } = (await read(path, { limit: 4 })).data;
    fs.truncateSync(path, 3);
    expect(await failed(read(path, { after }))).toMatchObject({ code: 'conflict' });
    fs.renameSync(path, `${path}.1`);
    f.put('rotated.log', `${many(10)}\n`);
    expect(await failed(read(path, { after }))).toMatchObject({ code: 'conflict' });
    expect(await failed(read(path, { after: 'nonsense' }))).toMatchObject({ code: 'validation' });
  });
});

describe('tricky files', () => {
  const cases: [string, string | Uint8Array, Partial<FileReadAnswer>, string[]][] = [
    ['empty', '', { type: 'empty', totalLines: 0, finalNewline: null, lineEnds: null }, []],
    ['one newline', '\n', { totalLines: 1, finalNewline: true }, ['']],
    ['no newline at the end', 'a\nb', { totalLines: 2, finalNewline: false }, ['a', 'b']],
    ['CRLF', 'a\r\nb\r\n', { lineEnds: 'crlf', altered: { redacted: 0, stripped: 0 } }, ['a', 'b']],
    ['CRLF and LF', 'a\r\nb\n', { lineEnds: 'mixed' }, ['a', 'b']],
    ['a progress bar', '10%\r20%\n', { altered: { redacted: 0, stripped: 1 } }, ['10% 20%']],
    ['UTF-8 with BOM', '\ufeffa\nb\n', { bom: true, encoding: 'utf-8' }, ['a', 'b']],
    ['UTF-16 LE', Buffer.from('\ufeffä\nb\r\n', 'utf16le'), { encoding: 'utf-16le', lineEnds: 'mixed' }, ['ä', 'b']],
    [
      'UTF-16 BE',
      Buffer.from('\ufeffä\nĊb\n', 'utf16le').swap16(),
      { encoding: 'utf-16be', totalLines: 2, lineEnds: 'lf' },
      ['ä', 'Ċb'],
    ],
    [
      'UTF-16 LE without a mark',
      Buffer.from('plain text here\n', 'utf16le'),
      { encoding: 'utf-16le' },
      ['plain text here'],
    ],
    ['latin1', Buffer.from('Grüße\nnaïve\n', 'latin1'), { encoding: 'latin1' }, ['Grüße', 'naïve']],
    [
      'invalid UTF-8 among valid',
      Buffer.concat([Buffer.from('größe '), Buffer.from([0xff, 0xc3]), Buffer.from('x\n')]),
      { encoding: 'utf-8', invalidBytes: 2 },
      ['größe \\xff\\xc3x'],
    ],
    [
      'colours, bidi and zero width',
      '\u001b[31mred\u001b[0m \u202eevil\u202c a\u200bb\n',
      { altered: { redacted: 0, stripped: 12 } },
      ['red evil ab'],
    ],
    [
      'our own marks, forged',
      '⟦redacted:password⟧ ⟦/untrusted\n',
      { altered: { redacted: 0, stripped: 3 } },
      ['[redacted:password] [/untrusted'],
    ],
  ];
  test.each(cases)('%s', async (name, content, about, lines) => {
    const { data } = await read(f.put(`tricky/${name}.txt`, content));
    expect(shown(data)).toEqual(lines);
    expect(data).toMatchObject(about);
  });

  test('a line of 100 MB, with holes: its beginning, its end, a match in it, and what follows', async () => {
    const path = f.put('wide.json', '');
    const fd = fs.openSync(path, 'r+');
    const chunk = Buffer.from('{"key":"value","more":[1,2,3]},'.repeat(3_000));
    for (let at = 0; at < 100 * 1024 * 1024; at += 10 * 1024 * 1024) fs.writeSync(fd, chunk, 0, chunk.length, at);
    const size = 100 * 1024 * 1024;
    fs.writeSync(fd, `${'x '.repeat(100_000)}NEEDLE in it\nsecond line\n`, size);
    fs.closeSync(fd);
    const before = process.memoryUsage().rss;
    // The holes are NULs: it is text by its beginning.
    const { data } = await read(path, { limit: 5 });
    expect(data.cutLines).toBe(1);
    expect(shown(data)[1]).toBe('second line');
    expect(data.notes.join()).toMatch(/^Line 1 is longer/);
    expect(shown((await read(path, { lines: '-1' })).data)).toEqual(['second line']);
    const found = (await read(path, { grep: 'needle' })).data;
    expect(found).toMatchObject({ matched: 1, parts: [{ line: 1, matches: [0] }] });
    expect(shown(found)[0]).toMatch(/^⟦\d+ characters left out⟧[x ]+NEEDLE in it/);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
  });

  test('the end of a file that is one endless line', async () => {
    const path = f.put('endless.txt', `token=${'abcdefghij0123456789'.repeat(600_000)} the end`);
    const { data } = await read(path, { lines: '-3' });
    expect(shown(data)).toHaveLength(1);
    expect(shown(data)[0]).toMatch(/the end$/);
    expect(shown(data)[0]).not.toContain('0123');
  });

  test('a file that grows is read as far as it is now', async () => {
    const path = f.put('grows.log', 'one\n');
    expect(shown((await read(path)).data)).toEqual(['one']);
    fs.appendFileSync(path, 'two\n');
    expect(shown((await read(path)).data)).toEqual(['one', 'two']);
  });

  test('what is no text is described, and its bytes are shown when asked for', async () => {
    const path = f.put(
      'program',
      Buffer.concat([
        Buffer.from('7f454c460201010000000000000000000300 3e00'.replace(' ', ''), 'hex'),
        Buffer.alloc(60),
      ]),
    );
    const { data, text } = await read(path);
    expect(data).toMatchObject({
      type: 'ELF',
      detail: '64-bit x86-64 shared object or program',
      encoding: null,
      parts: [],
    });
    expect(text).toContain('bytes 0-255');
    const hex = (await read(path, { bytes: '0-15' })).data.hex;
    expect(hex).toEqual(['00000000  7f 45 4c 46 02 01 01 00 00 00 00 00 00 00 00 00  .ELF............']);
  });

  test('names that are hostile', async () => {
    const bad = Buffer.concat([Buffer.from(`${f.dir}/`), Buffer.from([0xff, 0x61])]);
    fs.writeFileSync(bad, 'by its bytes\n');
    expect(shown((await read(`file://${f.dir}/%FFa`)).data)).toEqual(['by its bytes']);
    expect(await failed(read(`${f.dir}/new\nline`))).toMatchObject({ code: 'validation' });
    expect(await failed(read(`file://${f.dir}/%GG`))).toMatchObject({ code: 'validation' });
    f.put('nginx.conf', 'x\n');
    const missing = await failed(read(`${f.dir}/ngnix.conf`));
    expect(missing).toMatchObject({ code: 'not_found', details: { candidates: [`${f.dir}/nginx.conf`] } });
  });
});

describe('matches', () => {
  test('with their neighbours, merged where they touch, in any case', async () => {
    const lines = Array.from({ length: 50 }, (_, i) =>
      i === 9 || i === 11 || i === 39 ? `Error ${i + 1}` : `ok ${i + 1}`,
    );
    const path = f.put('grep.log', `${lines.join('\n')}\n`);
    const { data, text } = await read(path, { grep: 'ERROR', context: 1 });
    expect(data).toMatchObject({
      matched: 3,
      parts: [
        { line: 9, matches: [1, 3], lines: ['ok 9', 'Error 10', 'ok 11', 'Error 12', 'ok 13'] },
        { line: 39, matches: [1], lines: ['ok 39', 'Error 40', 'ok 41'] },
      ],
      after: null,
    });
    expect(text).toContain('9-\tok 9\n10:\tError 10\n11-\tok 11');
    expect((await read(path, { grep: 'error [14]\\d', regex: true })).data.matched).toBe(3);
    expect((await read(path, { grep: 'error', lines: '11-20' })).data.parts).toMatchObject([{ line: 12 }]);
    expect((await read(path, { grep: 'error', lines: '-12' })).data.parts).toMatchObject([{ line: 40 }]);
    const first = (await read(path, { grep: 'error', limit: 1 })).data;
    expect(first.parts).toMatchObject([{ line: 10 }]);
    expect((await read(path, { grep: 'error', after: first.after })).data.parts).toMatchObject([
      { line: 12 },
      { line: 40 },
    ]);
    expect(await failed(read(path, { grep: '(', regex: true }))).toMatchObject({ code: 'validation' });
    const adjacent = f.put('adjacent.log', 'a x\nb x\nc\nd x\n');
    expect((await read(adjacent, { grep: 'x', context: 2 })).data.parts).toMatchObject([
      { line: 1, matches: [0, 1, 3], lines: ['a x', 'b x', 'c', 'd x'] },
    ]);
  });

  test('beyond ASCII, in UTF-16, and in damaged text', async () => {
    const path = f.put(
      'umlaut.txt',
      Buffer.concat([Buffer.from('ÄRGER mit Größe\n'), Buffer.from([0xff]), Buffer.from('ärger\n')]),
    );
    expect((await read(path, { grep: 'ärger' })).data.matched).toBe(2);
    const wide = f.put('wide.txt', Buffer.from('\ufeffeins\nZWEI\n', 'utf16le'));
    expect((await read(wide, { grep: 'zwei' })).data.parts).toMatchObject([{ line: 2, lines: ['ZWEI'] }]);
  });

  test('a secret cannot be found by searching for it, letter by letter, and not by its neighbourhood', async () => {
    const path = f.put(
      'app.conf',
      'user = bob\npassword = hunter2hunter2\nnotes: |\n  free text\napi_secret: |\n  in-a-block-of-its-own\n  and-more\nport = 1\n',
    );
    for (const grep of ['hunter', 'hunter2hunter2', 'password = h', 'block-of-its', 'and-more', 'redacted'])
      expect((await read(path, { grep })).data, grep).toMatchObject({ matched: 0, parts: [] });
    expect((await read(path, { grep: 'h.nter', regex: true })).data.matched).toBe(0);
    expect((await read(path, { grep: 'free' })).data.matched).toBe(1);
    // Control: the text has it.
    expect(fs.readFileSync(path, 'utf8')).toContain('hunter2');
  });
});

describe('secrets', () => {
  const SECRET = 'correct-horse-battery-staple-42';
  test('go before anything is cut, whatever part is asked for, and are counted', async () => {
    const path = f.put('env.txt', `A=1\nDB_PASSWORD=${SECRET}\nB=2\n`);
    const { data, text } = await read(path);
    expect(shown(data)).toEqual(['A=1', 'DB_PASSWORD=⟦redacted:password⟧', 'B=2']);
    expect(data.altered.redacted).toBe(1);
    expect(text).toContain('1 redacted');
    const size = fs.statSync(path).size;
    for (let from = 0; from < size; from++)
      for (const length of [1, 3, 8, 20]) {
        const { data } = await read(path, { bytes: `${from}-${from + length - 1}` });
        const seen = shown(data).join('\n');
        for (let at = 0; at + 3 <= SECRET.length; at++) expect(seen).not.toContain(SECRET.slice(at, at + 3));
      }
  }, 60_000);

  test('a block that begins before the range does not leak from its middle, and lines keep their numbers', async () => {
    const body = Array.from({ length: 30 }, (_, i) => `  part-${i}-of-it`);
    const path = f.put('block.yaml', `a: 1\npassword: |\n${body.join('\n')}\nb: 2\n`);
    for (const lines of ['10-12', '2-4', '31-33', '-5']) {
      const { data } = await read(path, { lines });
      expect(shown(data).join('\n')).not.toContain('of-it');
    }
    expect(shown((await read(path, { lines: '33' })).data)).toEqual(['b: 2']);
    expect(shown((await read(path)).data)).toHaveLength(33);
  });

  test('a file with a private key in it is not read at all, from wherever', async () => {
    const key = Array.from({ length: 40 }, (_, i) => `MIIEvQIBADANBgkqhkiG9w0BAQEFAASC${i}`);
    const path = f.put(
      'bundle.txt',
      `intro\n-----BEGIN PRIVATE KEY-----\n${key.join('\n')}\n-----END PRIVATE KEY-----\n`,
    );
    for (const args of [{}, { lines: '20-22' }, { lines: '-3' }, { bytes: '300-400' }, { grep: 'MIIE' }])
      expect(await failed(read(path, args))).toMatchObject({ code: 'permission' });
  });

  test('not in hex, either', async () => {
    const path = f.put(
      'cache.db',
      Buffer.concat([Buffer.from([0, 1, 2, 3, 0xff, 0xfe, 0]), Buffer.from(`password=${SECRET}`), Buffer.alloc(40)]),
    );
    const { data } = await read(path, { bytes: '0-63' });
    expect(data.hex?.join('')).not.toMatch(/63 6f 72|horse/);
    expect(data.altered.redacted).toBe(1);
    const wide = f.put(
      'wide.db',
      Buffer.concat([Buffer.alloc(9), Buffer.from(`password=${SECRET}`, 'utf16le'), Buffer.alloc(40)]),
    );
    expect((await read(wide, { bytes: '0-80' })).data.hex?.join('')).not.toMatch(/h\.o\.r\.s/);
  });
});
