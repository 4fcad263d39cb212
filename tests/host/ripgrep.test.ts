/** With ripgrep and without it the answers are the same, on a tree of all that could make a difference. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FindWhat } from '../../src/core/files.ts';
import { exec, findBinary } from '../../src/host/exec.ts';
import { type Propose, ripgrep } from '../../src/host/files/ripgrep.ts';
import type { Mount } from '../../src/host/system/mounts.ts';
import { filesIn } from '../fakes/files.ts';

let dir = '';
let outside = '';
const asked: (string[] | null)[] = [];
const real: Propose = async (o) => {
  const found = await ripgrep({ exec })(o);
  asked.push(found);
  return found;
};
let plain: ReturnType<typeof filesIn>;
let quick: ReturnType<typeof filesIn>;

beforeAll(() => {
  dir = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-rg-')));
  outside = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-rg-out-')));
  const put = (name: string | Buffer, content: string | Buffer) => {
    const path = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(name)]);
    fs.mkdirSync(path.subarray(0, path.lastIndexOf(0x2f)), { recursive: true });
    fs.writeFileSync(path, content);
  };
  put('plain.txt', 'one\nNeedle here\n');
  put('.hidden/.deep/file', 'a needle\n');
  put('.gitignore', 'ignored\n*.log\n');
  put('.ignore', '*\n');
  put('.rgignore', '*\n');
  fs.mkdirSync(join(dir, '.git'));
  put('ignored/x.log', 'needle\n');
  put('early.bin', Buffer.concat([Buffer.from([0, 1, 2]), Buffer.from('needle\n')]));
  put('late.bin', Buffer.concat([Buffer.from(`${'text\n'.repeat(3_000)}\0\0\nneedle\n`)]));
  put('before.bin', Buffer.concat([Buffer.from(`needle\n${'text\n'.repeat(3_000)}\0\0\n`)]));
  put('utf16.txt', Buffer.from('\ufeffneedle\n', 'utf16le'));
  put('bom.txt', '\ufeffneedle\n');
  put('latin.txt', Buffer.from('größe needle\n', 'latin1'));
  put('crlf.txt', 'a\r\nneedle\r\nb\r\n');
  put('long.txt', `${'x'.repeat(300_000)}needle${'y'.repeat(300_000)}\n`);
  put('with\nnewline', 'needle\n');
  put('-option', 'needle\n');
  put('--pre=evil', 'needle\n');
  put('wide 名.txt', 'needle\n');
  put(Buffer.concat([Buffer.from('invalid-'), Buffer.from([0xff, 0xfe])]), 'needle\n');
  put(Buffer.concat([Buffer.from('folder-'), Buffer.from([0xff]), Buffer.from('/inside')]), 'needle\n');
  put('.env', 'needle\n');
  put('.ssh/config', 'needle\n');
  put('key.txt', `-----BEGIN ${'RSA'} PRIVATE KEY-----\nneedle\n`);
  put('none.txt', 'nothing of it\n');
  put('a/b/c/d/e/f.txt', 'needle\n');
  fs.writeFileSync(join(outside, 'o.txt'), 'needle outside\n');
  fs.symlinkSync(join(outside, 'o.txt'), join(dir, 'link-file'));
  fs.symlinkSync(outside, join(dir, 'link-folder'));
  fs.symlinkSync('.', join(dir, 'loop'));
  spawnSync('mkfifo', [join(dir, 'fifo')]);
  plain = filesIn(dir, { pool: { deadlineMs: 60_000 } });
  quick = filesIn(dir, { pool: { deadlineMs: 60_000 }, propose: real });
});
afterAll(() => {
  plain.close();
  quick.close();
  for (const d of [dir, outside]) fs.rmSync(d, { recursive: true, force: true });
});

const bounds = { depth: 64, limit: 1_000, maxEntries: 1e6, maxBytes: 1e9, maxMs: 60_000 };
const content = (text: string, over: Partial<NonNullable<FindWhat['content']>> = {}): FindWhat => ({
  content: { text, regex: false, ignoreCase: true, ...over },
});
const hits = async (host: typeof plain, what: FindWhat, depth = 64) => {
  const { found } = await host.find(dir, what, { ...bounds, depth });
  return found
    .map((f) => [
      f.path,
      f.bytes && Buffer.from(f.bytes).toString('hex'),
      f.matches,
      f.lines?.map((l) => [l.number, l.offset]),
    ])
    .sort((a, b) => (String(a[0]) + a[1] < String(b[0]) + b[1] ? -1 : 1));
};

const there = findBinary('rg') !== null;
describe.skipIf(!there)('with ripgrep (SKIPPED where rg is not installed)', () => {
  test.each([
    ['a text', content('needle'), 64],
    ['in exactly this case', content('Needle', { ignoreCase: false }), 64],
    ['an expression, by what it holds', content('n[e]+dle( here)?', { regex: true, holds: 'dle' }), 64],
    ['not so deep', content('needle'), 2],
    ['nothing', content('not in any of them'), 64],
    ['what looks like an option', content('--pre'), 64],
    ['what looks like an expression', content('.*'), 64],
  ] as [string, FindWhat, number][])('the same is found: %s', async (_name, what, depth) => {
    asked.length = 0;
    expect(await hits(quick, what, depth)).toEqual(await hits(plain, what, depth));
    expect(asked).toEqual([expect.any(Array)]);
  });
});

test('what it names outside, denied or gone is not opened (control: it names them)', async () => {
  const naming: Propose = async () => [
    '.env',
    '.ssh/config',
    'link-file',
    'link-folder/o.txt',
    `../${basename(outside)}/o.txt`,
    './plain.txt',
    'a//x',
    'gone',
    'fifo',
    'plain.txt',
    '',
  ];
  const host = filesIn(dir, { pool: { deadlineMs: 60_000 }, propose: naming });
  try {
    const { found } = await host.find(dir, content('needle'), bounds);
    expect(found.map((f) => f.path)).toEqual([`${dir}/plain.txt`]);
  } finally {
    host.close();
  }
});

describe('it is not asked', () => {
  const mount = (path: string, type: string) => ({ path, type }) as Mount;
  const local = [mount('/', 'ext4')];
  const ask = (over: Partial<Parameters<Propose>[0]>) => {
    let ran = 0;
    const propose = ripgrep({
      has: () => true,
      exec: async () => {
        ran++;
        return { code: 1, stdout: '', stderr: '' };
      },
    });
    const o = { path: dir, what: content('needle'), depth: 9, maxMs: 1_000, mounts: local, ...over };
    return propose(o).then((found) => ({ found, ran }));
  };
  test.each([
    ['(control)', {}, true],
    ['on a network file system', { mounts: [...local, mount('/tmp', 'nfs4')] }, false],
    ['where another mount is inside', { mounts: [...local, mount(`${'DIR'}/x`, 'ext4')] }, false],
    ['for names only', { what: { glob: '*' } }, false],
    ['where few files are meant', { what: { ...content('needle'), glob: '*.conf' } }, false],
    ['for text beyond ASCII', { what: content('größe') }, false],
    ['for an expression that holds no text', { what: content('a|b', { regex: true }) }, false],
    ['for the whole machine', { path: '/' }, false],
    ['where the path is no text', { path: null }, false],
  ] as [string, Parameters<typeof ask>[0], boolean][])('%s', async (_name, over, expected) => {
    const mounts = over.mounts?.map((m) => ({ ...m, path: m.path.replace('DIR', dir) }));
    const { found, ran } = await ask({ ...over, ...(mounts ? { mounts } : {}) });
    expect(ran).toBe(expected ? 1 : 0);
    expect(found).toEqual(expected ? [] : null);
  });

  test('through a link, and when it fails the thread looks by itself', async () => {
    const link = join(outside, 'link');
    fs.symlinkSync(dir, link);
    expect((await ask({ path: link })).ran).toBe(0);
    const failing = ripgrep({
      has: () => true,
      exec: async () => ({ code: 2, stdout: '', stderr: 'rg: unknown flag' }),
    });
    const o = { path: dir, what: content('needle'), depth: 9, maxMs: 1_000, mounts: local };
    expect(await failing(o)).toBeNull();
    const throwing = ripgrep({
      has: () => true,
      exec: async () => {
        throw new Error('late');
      },
    });
    expect(await throwing(o)).toBeNull();
  });
});
