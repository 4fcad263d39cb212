/** Steps of a transfer on the real host: what a stage may replace, what moves under it, and descriptors that outlive their threads. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { FileStage, SharedBytes, StageOptions } from '../../src/core/files.ts';
import type { OpenFiles } from '../../src/host/files/index.ts';
import { type FilesIn, filesIn } from '../fakes/files.ts';

let dir: string;
let files: OpenFiles;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'deckhand-stage-')));
});
afterEach(() => {
  files.close();
  rmSync(dir, { recursive: true, force: true });
});

const open = (o: FilesIn = {}) => {
  files = filesIn(dir, { access: 'write', ...o });
};
const at = (name: string) => join(dir, name);
const sha = (text: string) => createHash('sha256').update(text).digest('hex');
function shared(text: string): SharedBytes {
  const bytes = new Uint8Array(new SharedArrayBuffer(Buffer.byteLength(text)));
  bytes.set(Buffer.from(text));
  return bytes;
}
const stage = (name: string, o: Partial<StageOptions> = {}) =>
  files.transfers.stage(at(name), { expected: { missing: true }, keepOwner: true, sizeBytes: 3, ...o });
async function filled(s: FileStage, text = 'new'): Promise<FileStage> {
  await s.append(shared(text), Buffer.byteLength(text));
  return s;
}
const replacing = { expected: { sha256: sha('old') } };

test('a new file: nothing under its name before the end, only it behind, with its mode', async () => {
  open();
  const s = await filled(await stage('a', { mode: 0o640 }));
  expect(readdirSync(dir)).toMatchObject([expect.stringMatching(/^\.deckhand-/)]);
  expect(statSync(at(readdirSync(dir)[0] as string)).mode & 0o777, 'nobody looks in meanwhile').toBe(0o600);
  expect(s.size()).toBe(3);
  expect(await s.ready()).toEqual({ unkept: null });
  expect(await s.commit()).toMatchObject({ path: at('a'), stat: { sizeBytes: 3, mode: 0o640, links: 1 } });
  await s.discard();
  expect(readdirSync(dir)).toEqual(['a']);
  expect(readFileSync(at('a'), 'utf8')).toBe('new');
});

test('a replaced file keeps its mode; a stage that is given up leaves the old one and nothing else', async () => {
  open();
  writeFileSync(at('a'), 'old');
  chmodSync(at('a'), 0o604);
  const given = await filled(await stage('a', replacing));
  await given.ready();
  await given.discard();
  await given.discard();
  expect([readdirSync(dir), readFileSync(at('a'), 'utf8')]).toEqual([['a'], 'old']);
  await expect(given.append(shared('x'), 1)).rejects.toMatchObject({ code: 'unavailable' });
  const s = await filled(await stage('a', replacing));
  await s.ready();
  await s.commit();
  await s.discard();
  expect([readdirSync(dir), readFileSync(at('a'), 'utf8')]).toEqual([['a'], 'new']);
  expect(statSync(at('a')).mode & 0o777).toBe(0o604);
});

test.each([
  ['is there, though none was expected', () => writeFileSync(at('a'), 'x'), {}, 'conflict'],
  ['has other content', () => writeFileSync(at('a'), 'x'), replacing, 'conflict'],
  ['is not there', () => {}, replacing, 'conflict'],
  ['is a folder', () => mkdirSync(at('a')), replacing, 'validation'],
  ['is a link', () => symlinkSync('/etc/hostname', at('a')), replacing, 'permission'],
  [
    'has another name',
    () => {
      writeFileSync(at('a'), 'old');
      linkSync(at('a'), at('b'));
    },
    replacing,
    'permission',
  ],
  [
    'runs as its owner',
    () => {
      writeFileSync(at('a'), 'old');
      chmodSync(at('a'), 0o4755);
    },
    replacing,
    'permission',
  ],
  ['would not fit', () => {}, { sizeBytes: 2 ** 50 }, 'limit'],
])('a target that %s is refused, and nothing is made', async (_, make, o, code) => {
  open();
  make();
  const before = readdirSync(dir);
  await expect(stage('a', o)).rejects.toMatchObject({ code });
  expect(readdirSync(dir)).toEqual(before);
});

test.each([
  ['is changed', () => writeFileSync(at('a'), 'other'), replacing],
  ['is removed', () => unlinkSync(at('a')), replacing],
  ['comes', () => writeFileSync(at('a'), 'theirs'), {}],
])('a target that %s before ready, or between ready and the rename: it stays as it is', async (_, change, o) => {
  for (const late of [false, true]) {
    open();
    if (o === replacing) writeFileSync(at('a'), 'old');
    const s = await filled(await stage('a', o));
    if (late) await s.ready();
    change();
    const now = readdirSync(dir).filter((n) => !n.startsWith('.deckhand'));
    await expect(late ? s.commit() : s.ready()).rejects.toMatchObject({ code: 'conflict' });
    await s.discard();
    expect(readdirSync(dir)).toEqual(now);
    for (const name of now) expect(readFileSync(at(name), 'utf8')).not.toBe('new');
    for (const name of now) unlinkSync(at(name));
    files.close();
  }
});

test('a target touched with the same content is still the one that was expected', async () => {
  open();
  writeFileSync(at('a'), 'old');
  const s = await filled(await stage('a', replacing));
  writeFileSync(at('a'), 'old');
  await s.ready();
  await s.commit();
  await s.discard();
  expect(readFileSync(at('a'), 'utf8')).toBe('new');
});

test('a stage that another has put something in the place of is not taken, and what stands there is not removed', async () => {
  open();
  const s = await filled(await stage('a'));
  const [name = ''] = readdirSync(dir);
  renameSync(at(name), at('stolen'));
  writeFileSync(at(name), 'evil');
  await expect(s.ready()).rejects.toMatchObject({ code: 'conflict' });
  await s.discard();
  expect(readdirSync(dir).sort()).toEqual([name, 'stolen'].sort());
});

test('a folder exchanged meanwhile is not the folder that was held', async () => {
  open();
  mkdirSync(at('in'));
  const s = await filled(await stage('in/a'));
  renameSync(at('in'), at('was'));
  mkdirSync(at('in'));
  await expect(s.ready()).rejects.toMatchObject({ code: 'conflict' });
  await s.discard();
  expect([readdirSync(at('in')), readdirSync(at('was'))]).toEqual([[], []]);
});

test('fewer bytes than declared are not whole, more are refused, and truncate begins anew', async () => {
  open();
  const s = await stage('a', { sizeBytes: 5 });
  await filled(s);
  await expect(s.ready()).rejects.toMatchObject({ code: 'conflict' });
  await expect(s.append(shared('xyz'), 3)).rejects.toMatchObject({ code: 'validation' });
  await s.truncate();
  expect(s.size()).toBe(0);
  await filled(s, 'whole');
  await s.ready();
  await s.commit();
  await s.discard();
  expect(readFileSync(at('a'), 'utf8')).toBe('whole');
});

test('a private key is neither given away nor taken, also where its mark stands across two pieces', async () => {
  open();
  const key = '-----BEGIN OPENSSH PRIVATE KEY-----';
  for (const before of [0, 1024 * 1024 - 20, 1024 * 1024, 3_000_000]) {
    writeFileSync(at('a'), `${'x'.repeat(before)}${key}${'y'.repeat(100)}`);
    const source = await files.transfers.open(at('a'));
    await expect(source.digest({}), String(before)).rejects.toMatchObject({ code: 'permission' });
    await source.close();
  }
  const s = await stage('b', { sizeBytes: 1_000 });
  await s.append(shared(key.slice(0, 20)), 20);
  await expect(s.append(shared(key.slice(20)), key.length - 20)).rejects.toMatchObject({ code: 'permission' });
  await s.discard();
  expect(readdirSync(dir)).toEqual(['a']);
});

test('what was aborted while it was opened leaves no descriptor and no file', async () => {
  open();
  writeFileSync(at('a'), 'old');
  const count = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(dir);
      } catch {
        return false; // the folder that was just listed
      }
    }).length;
  await (await files.transfers.open(at('a'))).close();
  const before = count();
  for (let n = 0; n < 10; n++) {
    const left = new AbortController();
    const opening = files.transfers.open(at('a'), { signal: left.signal });
    const staging = stage('b', { signal: left.signal });
    left.abort(new Error('left'));
    // Both are heard at once: either may be the first to reject.
    await Promise.all([expect(opening).rejects.toThrow('left'), expect(staging).rejects.toThrow('left')]);
  }
  expect([before, count()]).toEqual([0, 0]);
  expect(readdirSync(dir)).toEqual(['a']);
});

test('descriptors outlive the threads that opened them: an upload waits longer than a thread at rest', async () => {
  open({ pool: { idleMs: 1 } });
  writeFileSync(at('a'), 'old');
  const source = await files.transfers.open(at('a'));
  const s = await filled(await stage('b', { sizeBytes: 6 }));
  const threads = () =>
    readdirSync('/proc/self/task').filter((t) =>
      readFileSync(`/proc/self/task/${t}/comm`, 'utf8').startsWith('deckhand-files'),
    );
  await vi.waitFor(() => expect(threads()).toEqual([]));
  const others = Array.from({ length: 20 }, () => openSync('/dev/null', 'r'));
  const into = new Uint8Array(new SharedArrayBuffer(3));
  expect([await source.read(into, 0), Buffer.from(into).toString()]).toEqual([3, 'old']);
  await filled(s);
  await s.ready();
  await s.commit();
  await s.discard();
  await source.close();
  for (const fd of others) closeSync(fd);
  expect(readFileSync(at('b'), 'utf8')).toBe('newnew');
});
