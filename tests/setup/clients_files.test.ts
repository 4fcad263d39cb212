/** Settings on disk: in one step, behind links, with owner and permissions, never over somebody else's change; and the way back. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readSettings, writeSettings } from '../../src/setup/clients/file.ts';
import { add, listed, type Reach, remove, undo } from '../../src/setup/clients/index.ts';
import { keptIn } from '../../src/setup/clients/places.ts';
import { type Place, place } from './clients_place.ts';

const HERE: Reach = { kind: 'command', command: '/usr/local/bin/deckhand', args: ['stdio'] };
const WITH_TOKEN: Reach = { kind: 'url', url: 'https://nas/mcp', token: { plain: 'dh_not-a-real-secret-0123456789' } };
const PLAIN = { replace: false, create: false };
const TEXT = '{\n  // mine\n  "mcpServers": {\n    "a": {}\n  }\n}\n';

let p: Place;
beforeEach(() => {
  p = place();
});
afterEach(() => p.end());
const left = (file: string) => readdirSync(dirname(file)).filter((n) => n.endsWith('.tmp'));

test('add, add again, remove: the bytes, and what is said', () => {
  const file = p.put('cursor', TEXT);
  const t = p.target('cursor');
  expect(add(t, 'deckhand', HERE, PLAIN)).toMatchObject({
    state: 'added',
    made: false,
    diff: expect.stringContaining('+    "deckhand"'),
  });
  const once = p.read('cursor');
  const stat = statSync(file);
  expect(add(t, 'deckhand', HERE, PLAIN)).toMatchObject({ state: 'same', diff: '' });
  expect(statSync(file)).toMatchObject({ ino: stat.ino, mtimeMs: stat.mtimeMs });
  expect(p.read('cursor')).toBe(once);
  expect(() => add(t, 'deckhand', { ...HERE, args: ['other'] }, PLAIN)).toThrow(/--?replace|another/);
  expect(add(t, 'deckhand', { ...HERE, args: ['other'] }, { ...PLAIN, replace: true }).state).toBe('replaced');
  expect(remove(t, 'deckhand').state).toBe('removed');
  expect(p.read('cursor')).toBe(TEXT);
  expect(remove(t, 'deckhand').state).toBe('absent');
  expect(left(file)).toEqual([]);
});

test('a dry run writes nothing at all', () => {
  p.put('cursor', TEXT);
  const t = p.target('cursor', { dryRun: true });
  expect(add(t, 'deckhand', HERE, PLAIN).diff).toContain('+    "deckhand"');
  expect(p.read('cursor')).toBe(TEXT);
  expect(existsSync(keptIn(p.machine))).toBe(false);
});

test('undo goes back step by step, and only over what was left behind', () => {
  const file = p.put('cursor', TEXT);
  chmodSync(file, 0o640);
  const t = p.target('cursor');
  add(t, 'deckhand', HERE, PLAIN);
  const one = p.read('cursor');
  add(t, 'deckhand-nas', WITH_TOKEN, PLAIN);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(undo(t)).toMatchObject({ state: 'restored', name: 'deckhand-nas' });
  expect(p.read('cursor')).toBe(one);
  expect(statSync(file).mode & 0o777).toBe(0o640);
  writeFileSync(file, `${one}// edited\n`);
  expect(() => undo(t)).toThrow(/has changed since/);
  expect(p.read('cursor')).toBe(`${one}// edited\n`);
  writeFileSync(file, one);
  undo(t);
  expect(p.read('cursor')).toBe(TEXT);
  expect(() => undo(t)).toThrow(/Nothing was changed/);
});

test('a file that was made is gone again, by remove and by undo; a removal is undone too', () => {
  mkdirSync(dirname(p.file('cursor')));
  const t = p.target('cursor');
  expect(add(t, 'deckhand', HERE, PLAIN)).toMatchObject({ state: 'added', made: true });
  expect(statSync(p.file('cursor')).mode & 0o777).toBe(0o600);
  expect(remove(t, 'deckhand')).toMatchObject({ state: 'removed', made: true });
  expect(p.read('cursor')).toBe('(not there)');
  undo(t);
  expect(p.read('cursor')).toContain('deckhand');
  undo(t);
  expect(p.read('cursor')).toBe('(not there)');
});

test('what is kept for undo is for nobody else, bounded, and holds no token but in the copy', () => {
  const file = p.put('cursor', TEXT);
  const t = p.target('cursor');
  for (let i = 0; i < 14; i++) add(t, `deckhand-${i}`, WITH_TOKEN, PLAIN);
  const kept = keptIn(p.machine);
  expect(kept).toBe(join(p.dir, 'home/.local/state/deckhand/clients'));
  const [folder = ''] = readdirSync(kept);
  const names = readdirSync(join(kept, folder));
  expect(names.filter((n) => n.endsWith('.json'))).toHaveLength(10);
  expect(names.filter((n) => n.endsWith('.before'))).toHaveLength(10);
  for (const name of names) {
    const at = join(kept, folder, name);
    expect(statSync(at).mode & 0o777).toBe(0o600);
    if (name.endsWith('.json')) expect(readFileSync(at, 'utf8')).not.toContain('dh_not');
  }
  expect(statSync(join(kept, folder)).mode & 0o777).toBe(0o700);
  expect(left(file)).toEqual([]);
});

test('without a place for the copy nothing is written', () => {
  p.put('cursor', TEXT);
  writeFileSync(join(p.dir, 'home/.local'), '');
  expect(() => add(p.target('cursor'), 'deckhand', HERE, PLAIN)).toThrow(/cannot be kept/);
  expect(p.read('cursor')).toBe(TEXT);
});

test('through a link its target is written, and the link stays', () => {
  const dotfiles = join(p.dir, 'dotfiles.json');
  writeFileSync(dotfiles, TEXT, { mode: 0o644 });
  chmodSync(dotfiles, 0o644);
  const file = p.file('cursor');
  mkdirSync(dirname(file));
  symlinkSync(dotfiles, file);
  add(p.target('cursor'), 'deckhand', HERE, PLAIN);
  expect(lstatSync(file).isSymbolicLink()).toBe(true);
  expect(readFileSync(dotfiles, 'utf8')).toContain('deckhand');
  expect(statSync(dotfiles).mode & 0o777).toBe(0o644);
  // Control: a rename onto the name itself puts a file in the link's place.
  const naive = `${file}.tmp`;
  writeFileSync(naive, 'x');
  renameSync(naive, file);
  expect(lstatSync(file).isSymbolicLink()).toBe(false);
});

test.runIf(process.geteuid?.() === 0)('written by root, a file stays its owner’s', async () => {
  const { chownSync } = await import('node:fs');
  const file = p.put('cursor', TEXT);
  chownSync(file, 1234, 1235);
  add(p.target('cursor'), 'deckhand', HERE, PLAIN);
  expect(statSync(file)).toMatchObject({ uid: 1234, gid: 1235 });
});

test('a file that another program changed meanwhile is left to it', () => {
  const file = p.put('cursor', TEXT);
  const from = readSettings(file);
  writeFileSync(file, '{"theirs": 1}');
  expect(() => writeSettings(from, Buffer.from('{"ours": 1}'))).toThrow(/changed by another program/);
  expect(p.read('cursor')).toBe('{"theirs": 1}');
  const none = readSettings(join(p.dir, 'none.json'));
  writeFileSync(none.file, 'x');
  expect(() => writeSettings(none, Buffer.from('y'))).toThrow(/changed by another program/);
  expect(left(file)).toEqual([]);
});

test('a failure at the last step leaves the file, no rest beside it, and no record', () => {
  const file = p.put('cursor', TEXT);
  const from = readSettings(file);
  vi.spyOn(Buffer.prototype, 'equals').mockReturnValueOnce(true).mockReturnValueOnce(false);
  expect(() => writeSettings(from, Buffer.from('{}'))).toThrow(/changed by another/);
  vi.restoreAllMocks();
  expect(p.read('cursor')).toBe(TEXT);
  expect(left(file)).toEqual([]);
});

describe('refused, with nothing written', () => {
  test.each<[string, string | Uint8Array, RegExp]>([
    ['UTF-16', Buffer.from('\ufeff{}', 'utf16le'), /not UTF-8/],
    ['not JSON', '{\n  "a": \n}', /mcp\.json:3:1 cannot be read/],
    ['a list', '[]', /is no object/],
  ])('%s', (_, text, message) => {
    const file = p.put('cursor', text);
    expect(() => add(p.target('cursor'), 'deckhand', HERE, PLAIN)).toThrow(message);
    expect(readFileSync(file)).toEqual(Buffer.from(text));
    expect(existsSync(keptIn(p.machine))).toBe(false);
  });

  test('a client that is not there, unless its folder is to be made', () => {
    const t = p.target('kiro');
    expect(() => add(t, 'deckhand', HERE, PLAIN)).toThrow(/seems not to be installed/);
    expect(add(t, 'deckhand', HERE, { ...PLAIN, create: true }).made).toBe(true);
    // The client is there, its settings are not yet.
    mkdirSync(join(p.dir, 'home/.junie'));
    expect(add(p.target('junie'), 'deckhand', HERE, PLAIN).made).toBe(true);
    expect(() => add(p.target('zed', { config: join(p.dir, 'no/x.json') }), 'd', HERE, PLAIN)).toThrow(/is not there/);
  });

  test('a token in a file of a project', () => {
    const t = p.target('cursor', { scope: 'project' });
    expect(() => add(t, 'deckhand', WITH_TOKEN, PLAIN)).toThrow(/of the project/);
    expect(add(t, 'deckhand', { ...WITH_TOKEN, token: { env: 'T' } }, PLAIN).file).toBe(
      join(p.dir, 'project/.cursor/mcp.json'),
    );
  });

  test('a link to nothing, a folder, the wrong name', () => {
    const file = p.file('cursor');
    mkdirSync(dirname(file));
    symlinkSync('/nowhere/at/all', file);
    expect(() => add(p.target('cursor'), 'deckhand', HERE, PLAIN)).toThrow(/link to nothing/);
    expect(() => add(p.target('zed', { config: p.dir }), 'deckhand', HERE, PLAIN)).toThrow(/no file/);
    p.put('windsurf', '{"mcpServers": {"deckhand-nas": {}}}');
    expect(() => remove(p.target('windsurf'), 'deckhand')).toThrow(/has no “deckhand”/);
  });
});

test('the list says who is there, with which entries, and goes on past a broken file', () => {
  p.put('cursor', '{"mcpServers": {"deckhand": {}, "x": {}}}');
  p.put('zed', 'broken');
  const rows = Object.fromEntries(listed(p.machine).map((r) => [r.client, r]));
  expect(rows.cursor).toMatchObject({ there: true, names: ['deckhand'] });
  expect(rows.zed).toMatchObject({ there: true, names: null });
  expect(rows.kiro).toMatchObject({ there: false, names: [] });
  expect(rows.generic).toBeUndefined();
});

test('a difference shows no secret of the file, and none of ours', () => {
  p.put(
    'cursor',
    '{\n  "mcpServers": {\n    "a": {\n      "headers": {"Authorization": "Bearer ghp_0123456789abcdefghijklmnopqrstuvwxyz"}\n    }\n  }\n}\n',
  );
  const { diff } = add(p.target('cursor', { dryRun: true }), 'deckhand', WITH_TOKEN, PLAIN);
  expect(diff).toContain('deckhand');
  expect(diff).not.toMatch(/ghp_0123|dh_not/);
});
