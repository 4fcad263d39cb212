/** How the owner names folders: what stands there, what is filled in, and what a slip is told. */
import { expect, test } from 'vitest';
import { place, refusal } from './place.ts';

const of = (...roots: string[]) => `files:\n  roots:\n${roots.map((r) => `    - ${r}\n`).join('')}`;

test('without a word: /etc and /var/log to read, nothing to write', async () => {
  const { config } = await place().load();
  expect(config.files.roots.map((r) => [r.path, r.access])).toEqual([
    ['/etc', 'read'],
    ['/var/log', 'read'],
  ]);
  expect([config.files.deny, config.files.trashDays]).toEqual([[], 7]);
});

test('what is left out is the careful choice; a list takes the place of the default', async () => {
  const { load } = place();
  const { config } = await load({}, of('{path: /srv/a b}', '{path: /, access: write, depth: 0, oneFilesystem: false}'));
  expect(config.files.roots).toEqual([
    { path: '/srv/a b', access: 'read', depth: 64, oneFilesystem: true, symlinks: 'inside' },
    { path: '/', access: 'write', depth: 0, oneFilesystem: false, symlinks: 'inside' },
  ]);
  expect((await load({}, 'files: {roots: [], deny: ["*.bak", /srv/x, a/b*]}')).config.files).toMatchObject({
    roots: [],
    deny: ['*.bak', '/srv/x', 'a/b*'],
  });
});

test.each([
  ['srv', 'files.roots[0].path is "srv"; expected the absolute path of a folder, without `..` and final slash.'],
  ['/srv/', 'without `..` and final slash'],
  ['/srv//www', 'without `..` and final slash'],
  ['/srv/../etc', 'without `..` and final slash'],
  ['/srv/.', 'without `..` and final slash'],
])('the path %s is refused', async (path, words) => {
  expect((await refusal(place().load({}, of(`{path: ${path}}`)))).message).toContain(words);
});

test('slips are told with the nearest name; a path is given once', async () => {
  const { load } = place();
  const said = (rule: string) => refusal(load({}, of(rule))).then((e) => e.message);
  expect(await said('{path: /a, one_filesystem: false}')).toContain('(nearest: oneFilesystem)');
  expect(await said('{path: /a, access: writ}')).toContain('(nearest: write)');
  expect((await refusal(load({}, of('{path: /a}', '{path: /a, access: write}')))).message).toContain('each path once');
  for (const deny of ['../x', 'a//b', 'a/'])
    expect((await refusal(load({}, `files: {deny: ["${deny}"]}`))).message).toContain('files.deny[0]');
});

test('files of secrets that settings name are told, so that no tool opens them', async () => {
  const { dir, load, write } = place();
  write('a-long-secret\n', 'values.txt');
  expect((await load({}, 'redact:\n  values_file: values.txt\n')).secretFiles).toEqual([`${dir}/values.txt`]);
});
