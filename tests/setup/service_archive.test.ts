/** What a tarball from somebody else can hold, and the release's own checks. The same entries do what they are made for to whoever just unpacks. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { placeAt } from '../../src/setup/service/place.ts';
import { adopt, fetchTarball, publishedSum } from '../../src/setup/service/release.ts';
import { contentOf, type Raw, tarballOf, tarOf, unpackedRelease } from './service_bench.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-archive-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const TOP = `deckhand-1.0.0-linux-${process.arch}`;
const plain = (more: Record<string, string> = {}): Raw[] =>
  Object.entries(contentOf('1.0.0', more)).map(([path, data]) => ({ name: `${TOP}/${path}`, data }));
const place = () => placeAt(join(dir, 'root'));
function fetch(bytes: Buffer, o: { arch?: string } = {}) {
  writeFileSync(join(dir, 'file.tar.gz'), bytes);
  return fetchTarball(place(), join(dir, 'file.tar.gz'), { sha256: null, ...o });
}
const other = process.arch === 'x64' ? 'arm64' : 'x64';

const ESCAPES: [string, Raw[]][] = [
  ['a path that leads out', [{ name: `${TOP}/../../../out`, data: 'x' }]],
  ['an absolute path', [{ name: '/out', data: 'x' }]],
  ['a path that begins with two dots', [{ name: '../out', data: 'x' }]],
  ['a path that leads out by its prefix', [{ name: 'out', prefix: `${TOP}/../..`, data: 'x' }]],
  [
    'a symbolic link, and a file through it',
    [
      { name: `${TOP}/l`, type: '2', link: '../..' },
      { name: `${TOP}/l/out`, data: 'x' },
    ],
  ],
  ['a hard link', [{ name: `${TOP}/h`, type: '1', link: '/etc/passwd' }]],
  ['a device', [{ name: `${TOP}/d`, type: '3' }]],
  ['a FIFO', [{ name: `${TOP}/f`, type: '6' }]],
  ['a long name of GNU', [{ name: `${TOP}/x`, type: 'L', data: '/out' }]],
  ['a header of pax', [{ name: `${TOP}/x`, type: 'x', data: '12 path=/out\n' }]],
  ['a second folder', [{ name: 'other/x', data: 'x' }]],
  ['a file beside its folder', [{ name: TOP, data: 'x' }]],
  ['a name with a control character', [{ name: `${TOP}/a\x1b[2J`, data: 'x' }]],
  ['one file twice', [{ name: `${TOP}/dist/main.mjs`, data: 'x' }]],
  ['a file that no list names', [{ name: `${TOP}/dist/more.mjs`, data: 'x' }]],
  ['a size that is none', [{ name: `${TOP}/x`, size: 0o77777777777, data: 'x' }]],
];

describe('a release tarball', () => {
  it('is kept when it is whole, with the modes it says and nobody else’s hands on it', async () => {
    const fetched = await fetch(tarballOf(unpackedRelease(dir, '1.0.0')));
    expect(fetched).toMatchObject({ version: '1.0.0', arch: process.arch });
    expect(existsSync(join(place().versions, '1.0.0'))).toBe(false);
    fetched.keep();
    const folder = join(place().versions, '1.0.0');
    expect(lstatSync(join(folder, 'bin/deckhand')).mode & 0o777).toBe(0o755);
    expect(lstatSync(join(folder, 'dist/main.mjs')).mode & 0o777).toBe(0o644);
    expect(lstatSync(join(folder, 'dist')).mode & 0o777).toBe(0o755);
    expect(readdirSync(place().versions)).toEqual(['1.0.0']);
  });

  it.each(ESCAPES)('with %s is refused, and leaves nothing', async (_, more) => {
    await expect(fetch(gzipSync(tarOf([...plain(), ...more])))).rejects.toMatchObject({ code: 'validation' });
    expect(readdirSync(place().versions)).toEqual([]);
    expect(existsSync(join(dir, 'out'))).toBe(false);
  });

  it('control: whoever just writes what stands there writes outside', () => {
    for (const [name, entries] of ESCAPES.filter(([n]) => /leads out$|two dots|by its prefix|through it/.test(n))) {
      const to = join(dir, 'naive', 'a');
      mkdirSync(to, { recursive: true });
      for (const { name: path, prefix, type, link, data = '' } of entries) {
        const at = join(to, prefix ? `${prefix}/${path}` : path);
        mkdirSync(dirname(at), { recursive: true });
        if (type === '2') symlinkSync(link ?? '', at);
        else writeFileSync(at, data);
      }
      expect([join(dir, 'naive/out'), join(dir, 'out'), join(to, 'out')].some(existsSync), name).toBe(true);
      rmSync(join(dir, 'naive'), { recursive: true });
      rmSync(join(dir, 'out'), { force: true });
    }
  });

  it('is refused when it is cut, damaged, for another machine, or no release at all', async () => {
    const good = tarOf(plain());
    const bad: [string, Buffer][] = [
      ['cut', gzipSync(good).subarray(0, 300)],
      ['without its end', gzipSync(tarOf(plain(), false))],
      ['with something behind its end', gzipSync(Buffer.concat([good, tarOf(plain())]))],
      ['no gzip', good],
      ['empty', gzipSync(Buffer.alloc(0))],
      ['another file', gzipSync(Buffer.from('hello '.repeat(1_000)))],
      [
        'another content',
        gzipSync(tarOf(plain().map((e) => (e.name.endsWith('main.mjs') ? { ...e, data: 'else' } : e)))),
      ],
      ['one file less', gzipSync(tarOf(plain().filter((e) => !e.name.endsWith('main.mjs'))))],
      ['no list', gzipSync(tarOf(plain().filter((e) => !e.name.endsWith('SHA256SUMS'))))],
      ['another version inside', gzipSync(tarOf(plain({ 'package.json': '{"version":"2.0.0"}' })))],
      ['another Node', gzipSync(tarOf(plain({ 'node/bin/node': '#!/bin/sh\n'.padEnd(64) })))],
    ];
    for (const [name, bytes] of bad) {
      await expect(fetch(bytes), name).rejects.toMatchObject({ code: 'validation' });
      expect(readdirSync(place().versions), name).toEqual([]);
    }
    await expect(fetch(gzipSync(good), { arch: other })).rejects.toMatchObject({
      message: expect.stringContaining(`this machine is ${other}`),
    });
  });

  it('is believed by what was published: said by hand, or beside it', () => {
    const file = join(dir, 'a.tar.gz');
    expect(publishedSum(file, undefined)).toBeNull();
    writeFileSync(join(dir, 'SHA256SUMS'), `${'a'.repeat(64)}  b.tar.gz\n${'b'.repeat(64)}  a.tar.gz\n`);
    expect(publishedSum(file, undefined)).toBe('b'.repeat(64));
    expect(publishedSum(file, 'C'.repeat(64))).toBe('c'.repeat(64));
    expect(() => publishedSum(file, 'abc')).toThrow('64 hexadecimal');
  });
});

it('a folder that was unpacked by hand is copied whole, or not at all', () => {
  const own = unpackedRelease(dir, '1.0.0');
  const one = adopt(place(), own);
  expect(one).toMatchObject({ version: '1.0.0', needed: true });
  writeFileSync(join(own, 'dist/main.mjs'), 'changed between looking and copying');
  expect(() => one.keep()).toThrow('not what was released');
  expect(readdirSync(place().versions)).toEqual([]);
  const again = unpackedRelease(join(dir, 'again'), '1.0.0');
  adopt(place(), again).keep();
  expect(adopt(place(), again).needed).toBe(false);
  expect(adopt(place(), join(place().versions, '1.0.0')).needed).toBe(false);
});
