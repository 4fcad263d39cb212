/**
 * The release tarball as whoever downloads it finds it: what is in it and with which rights, checksums that hold, the same bytes each
 * time, nothing of the machine that made it; and that it runs from wherever it is unpacked.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root, version } from '../../scripts/bundle.ts';
import { nameOf } from '../../scripts/release/contents.ts';
import { stripped } from '../../scripts/release/elf.ts';
import type { Arch } from '../../scripts/release/node.ts';
import { entriesOf, type Found, sums, tarball } from '../../scripts/release/tar.ts';

const name = nameOf(process.arch as Arch);
// A release is made twice, of two Nodes without their symbols: a minute of a processor.
const real = process.env.DECKHAND_REAL === '1';
if (!real)
  process.stderr.write(
    'SKIPPED tests/shipping/release, but for its parts: it builds releases, with DECKHAND_REAL=1.\n',
  );

const EPOCH_S = 1_700_000_000;
let dir: string;
let entries: Found[];
let folder: string;

function release(out: string, more: string[] = [], env: Record<string, string> = {}) {
  // The checkout of whoever works on it is hardly ever clean; that a release refuses such a one has a test of its own.
  const args = [join(root, 'scripts/release.ts'), '--only', 'tarball', '--allow-dirty', '--out', out, ...more];
  return spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, SOURCE_DATE_EPOCH: String(EPOCH_S), ...env },
  });
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand release '));
  if (!real) return;
  const made = release(join(dir, 'one'));
  if (made.status !== 0) throw new Error(made.stderr);
  entries = entriesOf(readFileSync(join(dir, 'one', `${name}.tar.gz`)));
  // As anybody unpacks it, in a folder with a space in its name.
  expect(spawnSync('tar', ['-xzf', join(dir, 'one', `${name}.tar.gz`), '-C', dir]).status).toBe(0);
  folder = join(dir, name);
}, 120_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const at = (path: string) => entries.find((e) => e.path === `${name}/${path}`);
const files = () => entries.filter((e) => e.type === '0');

describe.skipIf(!real)('what is in it', () => {
  test('one folder, with all that runs, installs and explains', () => {
    expect(entries.every((e) => e.path === `${name}/` || e.path.startsWith(`${name}/`))).toBe(true);
    for (const path of [
      ...['bin/deckhand', 'bin/deckhand.mjs', 'dist/main.mjs', 'dist/files.mjs', 'dist/disk.mjs', 'dist/hardware.mjs'],
      ...['dist/validate.mjs', 'dist/THIRD_PARTY_LICENSES.txt', 'node/bin/node', 'node/LICENSE', 'install.sh'],
      ...['deploy/systemd/deckhand.service', 'deploy/install.sh', 'deploy/prime.mjs', 'lxc/README.md'],
      ...['tailscale/README.md', 'docs/architecture.md', 'README.md', 'CHANGELOG.md', 'LICENSE', 'package.json'],
      ...['sbom.cdx.json', 'SHA256SUMS'],
    ])
      expect(at(path), path).toBeDefined();
    expect(at('install.sh')?.data.equals(at('deploy/install.sh')?.data ?? Buffer.alloc(0))).toBe(true);
    const kinds = new Set(files().map((e) => e.path.split('/')[1]));
    for (const kind of ['src', 'tests', 'scripts', 'node_modules', '.git']) expect(kinds).not.toContain(kind);
  });

  test('sorted, root’s, of one date, and nobody else may write any of it', () => {
    const paths = entries.map((e) => e.path);
    expect(paths).toEqual([...paths].sort());
    expect(new Set(entries.map((e) => `${e.uid}:${e.gid}`))).toEqual(new Set(['0:0']));
    expect(new Set(entries.map((e) => e.mtimeS))).toEqual(new Set([EPOCH_S]));
    expect(new Set(entries.map((e) => e.type))).toEqual(new Set(['0', '5']));
    for (const { path, mode, type } of entries) expect([0o755, type === '5' ? 0o755 : 0o644], path).toContain(mode);
    for (const path of ['bin/deckhand', 'node/bin/node', 'install.sh']) expect(at(path)?.mode, path).toBe(0o755);
    for (const path of ['dist/main.mjs', 'package.json', 'sbom.cdx.json']) expect(at(path)?.mode, path).toBe(0o644);
  });

  test('nothing of the machine that made it, of a registry, or of a Deckhand that runs there', () => {
    const ours = files().filter((e) => !/\/node\/|\.(?:png|svg)$/.test(e.path));
    const registry = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8', cwd: root }).stdout.trim();
    const host = URL.canParse(registry) ? [new URL(registry).host] : [];
    const words = [root.replace(/\/$/, ''), dir, ...host, ...(homedir() === '/root' ? [] : [homedir()])];
    if (hostname().length > 8) words.push(hostname());
    for (const { path, data } of ours) {
      const text = data.toString('utf8');
      for (const word of words) expect(text.includes(word), `${path} says ${word}`).toBe(false);
      expect(text, path).not.toMatch(
        /\bdh_[A-Za-z0-9_-]{30,}|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\n[A-Za-z0-9+/=]{40}/,
      );
    }
    for (const { path } of files())
      expect(path).not.toMatch(/\.compile-cache|\.db$|audit\.key|tokens\.json|\.tmp$|\.log$|~$/);
  });

  test('the list of what is inside names what is, and only that', () => {
    const list = JSON.parse(at('sbom.cdx.json')?.data.toString('utf8') ?? '') as {
      components: {
        name: string;
        version: string;
        hashes?: { alg: string; content: string }[];
        components?: unknown[];
      }[];
      metadata: { timestamp: string; component: { version: string } };
      dependencies: { ref: string; dependsOn: string[] }[];
    };
    const names = list.components.map((c) => c.name);
    for (const inside of ['zod', 'hono', 'jose', 'yaml', 'systeminformation', '@modelcontextprotocol/server', 'node'])
      expect(names).toContain(inside);
    // Installed, and in no file of ours.
    for (const outside of ['@grpc/grpc-js', 'ssh2', 'protobufjs', 'vitest', 'esbuild'])
      expect(names).not.toContain(outside);
    expect(list.metadata.timestamp).toBe('2023-11-14T22:13:20.000Z');
    expect(list.metadata.component.version).toBe(version);
    const node = list.components.find((c) => c.name === 'node');
    const program = at('node/bin/node')?.data ?? Buffer.alloc(0);
    expect(node?.hashes?.[0]?.content).toBe(createHash('sha256').update(program).digest('hex'));
    expect(JSON.stringify(node?.components)).toContain('"openssl"');
    const refs = new Set([`deckhand@${version}`, ...list.components.map((c) => `${c.name}@${c.version}`)]);
    for (const { ref, dependsOn } of list.dependencies) for (const r of [ref, ...dependsOn]) expect(refs).toContain(r);
    const licences = at('dist/THIRD_PARTY_LICENSES.txt')?.data.toString('utf8') ?? '';
    for (const c of list.components.filter((c) => c.name !== 'node'))
      expect(licences, c.name).toContain(`${c.name} ${c.version} (`);
  });
});

describe.skipIf(!real)('that it is whole', () => {
  const check = (cwd: string) => spawnSync('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd, encoding: 'utf8' });

  test('its own sums name every file in it and hold, and those beside it hold', () => {
    const named = readFileSync(join(folder, 'SHA256SUMS'), 'utf8').split('\n').filter(Boolean);
    expect(named.map((l) => `${name}/${l.slice(66)}`)).toEqual(
      files()
        .map((e) => e.path)
        .filter((p) => p !== `${name}/SHA256SUMS`),
    );
    expect(check(folder)).toMatchObject({ status: 0, stdout: '' });
    expect(check(join(dir, 'one')).status).toBe(0);
    // The control: one byte more is noticed.
    writeFileSync(join(folder, 'README.md'), 'x', { flag: 'a' });
    expect(check(folder).status).toBe(1);
  });

  test('made again into another folder it has the same bytes, under another umask and in another zone, too', () => {
    const before = process.umask(0o077);
    try {
      expect(release(join(dir, 'two'), [], { TZ: 'Pacific/Auckland', LC_ALL: 'de_DE.UTF-8' }).status).toBe(0);
    } finally {
      process.umask(before);
    }
    const again = new Map(entriesOf(readFileSync(join(dir, 'two', `${name}.tar.gz`))).map((e) => [e.path, e.data]));
    expect(entries.filter((e) => !again.get(e.path)?.equals(e.data)).map((e) => e.path)).toEqual([]);
    for (const file of [`${name}.tar.gz`, 'SHA256SUMS'])
      expect(readFileSync(join(dir, 'two', file)).equals(readFileSync(join(dir, 'one', file))), file).toBe(true);
    expect(readdirSync(join(dir, 'two')).sort()).toEqual(['SHA256SUMS', `${name}.tar.gz`]);
  }, 120_000);
});

describe.skipIf(!real)('that it runs', () => {
  const run = (program: string, args: string[], cwd = '/') =>
    spawnSync(program, args, { cwd, encoding: 'utf8', env: { PATH: '/usr/bin:/bin', HOME: dir } });

  test('with its own Node, through links and out of a folder with a space, from anywhere', () => {
    symlinkSync(name, join(dir, 'current'));
    mkdirSync(join(dir, 'a bin'));
    symlinkSync('../current/bin/deckhand', join(dir, 'a bin', 'deckhand'));
    for (const [program, cwd] of [
      [join(folder, 'bin/deckhand'), '/'],
      [join(dir, 'a bin', 'deckhand'), '/'],
      ['./deckhand', join(dir, 'a bin')],
      ['../current/bin/deckhand', join(dir, 'a bin')],
    ] as const)
      expect(run(program, ['version'], cwd), program).toMatchObject({ status: 0, stdout: `${version}\n` });
    const { stdout } = run(join(dir, 'a bin', 'deckhand'), ['doctor', '--json', `--state-dir=${join(dir, 'state')}`]);
    expect(stdout).toContain(`${folder}/node/bin/node`);
    expect(stdout).toContain('--max-semi-space-size=2');
  });

  test('its arguments arrive as they were given', () => {
    const { status, stderr } = run(join(folder, 'bin/deckhand'), ['no such  "command"', '*']);
    expect(status).toBe(2);
    expect(stderr).toContain('no such  "command"');
  });
});

test('what is in no commit is no release: it is refused, and a trial says that it is one', () => {
  const strict = spawnSync(
    process.execPath,
    [join(root, 'scripts/release.ts'), '--only', 'tarball', '--arch', 'sparc'],
    {
      encoding: 'utf8',
    },
  );
  expect(strict).toMatchObject({ status: 1, stderr: expect.stringContaining('--arch is x64 or arm64, not sparc') });
  // With git told that another folder is the checkout, everything is missing there: as dirty as can be, and nothing is written for it.
  const empty = join(dir, 'empty');
  mkdirSync(empty);
  const env = { ...process.env, GIT_WORK_TREE: empty, GIT_DIR: join(root, '.git') };
  const dirty = spawnSync(process.execPath, [join(root, 'scripts/release.ts'), '--out', join(dir, 'none')], {
    encoding: 'utf8',
    env: { ...env, GIT_OPTIONAL_LOCKS: '0' },
  });
  expect(dirty.status).toBe(1);
  expect(dirty.stderr).toMatch(/changes that are in no commit:[\s\S]*Commit them, or say --allow-dirty for a trial/);
  expect(readdirSync(dir)).not.toContain('none');
});

test('tar files: long names, sizes at the border of a block, and what does not fit is refused', () => {
  const long = `${'folder/'.repeat(14)}${'f'.repeat(90)}.txt`;
  const made = [0, 511, 512, 513].map((n) => ({ path: `d/${n}`, data: Buffer.alloc(n, 'x') }));
  const packed = tarball([...made, { path: long, data: Buffer.from('y'), executable: true }], 1);
  const found = entriesOf(packed);
  for (const { path, data } of made) expect(found.find((e) => e.path === path)?.data.equals(data), path).toBe(true);
  expect(found.find((e) => e.path === long)).toMatchObject({ mode: 0o755 });
  // Another program reads it, too.
  const file = join(dir, 'some.tar.gz');
  writeFileSync(file, packed);
  expect(spawnSync('tar', ['-tzf', file], { encoding: 'utf8' }).stdout.split('\n')).toContain(long);
  expect(() => tarball([{ path: 'f'.repeat(101), data: Buffer.alloc(0) }], 1)).toThrow('too long');
  expect(
    sums([
      { path: 'b', data: Buffer.from('') },
      { path: 'a', data: Buffer.from('') },
    ]),
  ).toMatch(/^\w{64} {2}a\n\w{64} {2}b\n$/);
});

test('a Node without its symbols still runs, and is a good deal smaller', () => {
  const node = readFileSync(process.execPath);
  const small = stripped(node);
  const file = join(dir, 'node');
  writeFileSync(file, small);
  chmodSync(file, 0o755);
  expect(spawnSync(file, ['-p', '6*7'], { encoding: 'utf8' }).stdout).toBe('42\n');
  expect(statSync(file).size).toBeLessThan(node.length);
  expect(() => stripped(Buffer.from('#!/bin/sh\n'))).toThrow('no 64-bit');
});
