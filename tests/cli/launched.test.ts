/** From where others can start what runs here: a checkout, an installed release, the single executable. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { again } from '../../src/cli/launched.ts';

let dir: string;
beforeAll(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'deckhand-launched-')));
  for (const version of ['1.0.0', '1.1.0'])
    for (const file of ['bin/deckhand', 'bin/deckhand.mjs', 'node/bin/node']) {
      mkdirSync(join(dir, 'versions', version, file, '..'), { recursive: true });
      writeFileSync(join(dir, 'versions', version, file), '');
    }
  symlinkSync('versions/1.0.0', join(dir, 'current'));
  symlinkSync(join(dir, 'current/bin/deckhand'), join(dir, 'command'));
});
afterAll(() => rmSync(dir, { recursive: true }));

test('an installed release is named by its command, which the next upgrade leaves where it is', () => {
  const [bin, node] = [join(dir, 'current/bin/deckhand.mjs'), join(dir, 'versions/1.0.0/node/bin/node')];
  const here = again(bin, node, false, join(dir, 'command'));
  expect(here).toEqual({
    words: [join(dir, 'command')],
    bin: join(dir, 'versions/1.0.0/bin/deckhand.mjs'),
    command: 'deckhand',
  });
});

test('a release that is not installed, or not the one that is, is named by its own script', () => {
  const at = (file: string) => join(dir, 'versions/1.1.0', file);
  const script = at('bin/deckhand');
  for (const installed of [join(dir, 'command'), join(dir, 'nowhere')])
    expect(again(at('bin/deckhand.mjs'), at('node/bin/node'), false, installed)).toMatchObject({
      words: [script],
      command: script,
    });
});

test('another Node is named with the launcher: it is the one that was chosen', () => {
  const bin = join(dir, 'versions/1.0.0/bin/deckhand.mjs');
  expect(again(bin, '/usr/bin/node', false, join(dir, 'command'))).toEqual({
    words: ['/usr/bin/node', bin],
    bin,
    command: bin,
  });
});

test('by npm’s link it is a command', () => {
  const link = join(dir, 'deckhand');
  symlinkSync(join(dir, 'versions/1.0.0/bin/deckhand.mjs'), link);
  expect(again(link, '/usr/bin/node', false).command).toBe('deckhand');
});

test('the executable is itself, and no file of Node', () => {
  expect(again('./deckhand-1', '/srv/deckhand-1', true)).toEqual({
    words: ['/srv/deckhand-1'],
    bin: '/srv/deckhand-1',
    command: '/srv/deckhand-1',
  });
  expect(again('deckhand-1', '/usr/local/bin/deckhand-1', true).command).toBe('deckhand-1');
});

test('a start that names no file still has a name', () => {
  expect(again(join(dir, 'gone'), '/usr/bin/node', false).words).toEqual(['/usr/bin/node', join(dir, 'gone')]);
});
