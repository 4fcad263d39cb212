/** Broken configs, each with the exact words that the owner reads. `FILE` stands for the file's path. */

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readTrusted } from '../../src/config/file.ts';
import type { LoadInput } from '../../src/config/load.ts';
import { cpuNowMs } from '../fakes/cpu_time.ts';
import { place, refusal } from './place.ts';

const PORT = 'expected an integer from 0 to 65535.';
const TOOLSETS = 'expected a list of core, all, system, docker, logs, services, files, net, tailnet, triage';

const FILES: [string, string, ...string[]][] = [
  ['an unknown key', 'http:\n  prot: 8080\n', 'FILE:2: http.prot is not a setting (nearest: http.port).'],
  ['an unknown group', '\nhtpp:\n  port: 8080\n', 'FILE:2: htpp is not a setting (nearest: http).'],
  ['a key without its group', 'port: 8080\n', 'FILE:1: port is not a setting (nearest: http.port).'],
  ['a key like nothing we have', 'zzzzzzzzzz: 1\n', 'FILE:1: zzzzzzzzzz is not a setting.'],
  [
    'another spelling',
    'http:\n  max_body_bytes: 2048\n',
    'FILE:2: http.max_body_bytes is not a setting (nearest: http.maxBodyBytes).',
  ],
  ['a text for a number', 'http:\n  port: "8080"\n', `FILE:2: http.port is "8080"; ${PORT}`],
  ['a number past its bound', 'http:\n\n  port: 65536\n', `FILE:3: http.port is 65536; ${PORT}`],
  ['a negative number', 'http: {port: -1}\n', `FILE:1: http.port is -1; ${PORT}`],
  ['a fraction', 'http: {port: 1.5}\n', `FILE:1: http.port is 1.5; ${PORT}`],
  ['not a number', 'http: {port: .nan}\n', `FILE:1: http.port is NaN; ${PORT}`],
  ['a list for a number', 'http:\n  port:\n    - 1\n', `FILE:2: http.port is a list; ${PORT}`],
  ['a key without a value', 'http:\n  port:\n', `FILE:2: http.port has no value; ${PORT}`],
  ['a value for a group', 'http: 7070\n', 'FILE:1: http is not a value but a group; expected settings below it.'],
  [
    'the yes of older YAML',
    'http: {sessions: {enabled: yes}}\n',
    'FILE:1: http.sessions.enabled is "yes"; expected true or false.',
  ],
  ['a wrong choice', 'mode: rw\n', 'FILE:1: mode is "rw"; expected one of read-only, ask, full.'],
  [
    'a slip in a choice',
    'mode: readonly\n',
    'FILE:1: mode is "readonly"; expected one of read-only, ask, full (nearest: read-only).',
  ],
  [
    'a wrong part of a list',
    'toolsets:\n  - system\n  - dcoker\n',
    `FILE:3: toolsets[1] is "dcoker"; ${TOOLSETS} (nearest: docker).`,
  ],
  ['a word for a list', 'toolsets: system\n', `FILE:1: toolsets is "system"; ${TOOLSETS}.`],
  ['an empty list', 'toolsets: []\n', `FILE:1: toolsets is a list; ${TOOLSETS}.`],
  [
    'a URL with a path that ends in a slash',
    'http: {url: "https://a.example/"}\n',
    'FILE:1: http.url is "https://a.example/"; expected an http or https URL without user, query, fragment or final slash.',
  ],
  [
    'a URL with a password',
    'http: {url: "https://u:p@a.example"}\n',
    'FILE:1: http.url is "https://u:p@a.example"; expected an http or https URL without user, query, fragment or final slash.',
  ],
  [
    'an origin with a path',
    'http: {allowedOrigins: ["https://a.example/x"]}\n',
    'FILE:1: http.allowedOrigins[0] is "https://a.example/x"; expected origins, e.g. https://app.example.org.',
  ],
  [
    'a star for all hosts',
    'http: {allowedHosts: ["*"]}\n',
    'FILE:1: http.allowedHosts[0] is "*"; expected host names, each with or without a port.',
  ],
  [
    'a path with a line feed',
    'state: {dir: "/a\\nb"}\n',
    'FILE:1: state.dir is "/a\\nb"; expected the path of a folder.',
  ],
  [
    'a long text is cut',
    `mode: ${'x'.repeat(500)}\n`,
    `FILE:1: mode is "${'x'.repeat(60)}…"; expected one of read-only, ask, full.`,
  ],
  [
    'a hostile text is tamed',
    'mode: "\\e[31m\\u202e\\u009b"\n',
    'FILE:1: mode is "\\u001b[31m??"; expected one of read-only, ask, full.',
  ],
  [
    'two that do not go together',
    'audit:\n  segmentBytes: 2000000\n  keepBytes: 3000000\n',
    'FILE:3: audit.keepBytes is 3000000; expected at least twice audit.segmentBytes (2000000).',
  ],
  ['a doubled key', 'mode: ask\nhttp: {port: 1}\nmode: full\n', 'FILE:3: mode stands on line 1 already.'],
  ['a doubled group', 'http:\n  port: 1\nhttp:\n  host: a\n', 'FILE:3: http stands on line 1 already.'],
  ['a tab', 'http:\n\tport: 1\n', 'FILE:2: a tab stands where YAML needs spaces.'],
  ['a missing quote', 'mode: "ask\n', 'FILE:2: a closing quote, bracket, comma or colon is missing.'],
  ['a second document', 'mode: ask\n---\nmode: full\n', 'FILE:2: a second YAML document begins; only one is read.'],
  ['a tag', 'mode: !!js/function ask\n', 'FILE:1: YAML tags (!something) are not used here.'],
  ['a list at the top', '- mode: ask\n', 'FILE:1: expected settings as `name: value`, not a single value or a list.'],
  ['a word at the top', 'hello\n', 'FILE:1: expected settings as `name: value`, not a single value or a list.'],
  ['a key that is no word', '? [a]\n: 1\n', 'FILE:1: a key is not a plain word.'],
  [
    'keys that JavaScript knows',
    '__proto__: {a: 1}\nconstructor: 1\n',
    '2 problems in the configuration:',
    'FILE:1: __proto__ is not a setting.',
    'FILE:2: constructor is not a setting.',
  ],
  [
    'an alias without anchor',
    'mode: *a\n',
    'FILE:1: an alias names no anchor above it, holds itself, or there are more than 20.',
  ],
  [
    'an alias bomb',
    `a: &a [x,x,x,x,x,x,x,x]\nb: &b [${'*a,'.repeat(8)}]\nc: &c [${'*b,'.repeat(8)}]\nd: &d [${'*c,'.repeat(8)}]\ne: [${'*d,'.repeat(8)}]\n`,
    'FILE:1: an alias names no anchor above it, holds itself, or there are more than 20.',
  ],
  ['brackets a hundred thousand deep', `a: ${'['.repeat(100_000)}\n`, 'FILE:1: the file is nested too deeply.'],
  [
    'several at once, in the order of their lines',
    'mode: rw\nhttp:\n  prot: 1\n  port: 99999\nlog: {level: loud}\n',
    '4 problems in the configuration:',
    'FILE:1: mode is "rw"; expected one of read-only, ask, full.',
    'FILE:3: http.prot is not a setting (nearest: http.port).',
    `FILE:4: http.port is 99999; ${PORT}`,
    'FILE:5: log.level is "loud"; expected one of debug, info, warn, error.',
  ],
];

describe('the file', () => {
  test.each(FILES)('%s', async (_, yaml, ...expected) => {
    const { dir, load } = place();
    const error = await refusal(load({}, yaml));
    expect(error.code).toBe('validation');
    expect(error.message.replaceAll(`${dir}/config.yaml`, 'FILE').split('\n')).toEqual(expected);
    expect(error.details.hint).toMatch(/docs\/configuration\.md/);
  });

  test('sixty thousand unknown keys are told shortly, and in a moment', async () => {
    const yaml = Array.from({ length: 60_000 }, (_, i) => `k${i}: 1`).join('\n');
    const started = cpuNowMs();
    const error = await refusal(place().load({}, yaml));
    expect(error.message.split('\n')).toHaveLength(22);
    expect(error.message).toMatch(/and 59980 more\.$/);
    // The parser's own check for doubled keys is quadratic and took 35 s here.
    expect(cpuNowMs() - started).toBeLessThan(8000);
  });

  test('a line that does not parse is not repeated: it may hold a secret', async () => {
    for (const yaml of [
      'redact:\n  values: [hunter2hunter2\n  x: "hunter2',
      'redact:\n  values: !hunter2 a\n',
      'redact: {values: hunter2hunter2}',
      'redact: {values: [hunt2]}',
    ]) {
      const error = await refusal(place().load({}, yaml));
      expect(JSON.stringify([error.message, error.details])).not.toMatch(/hunter2|hunt2/);
    }
  });

  test.each([
    '',
    '# nothing\n',
    '---\n',
    'http:\n',
    'http:\n  sessions:\n',
    '\ufeffmode: ask\n',
    'mode: ask\r\nhttp:\r\n  port: 1\r\n',
    'sampling: {seconds: &s 5, keep: *s}\n',
  ])('is fine: %j', async (yaml) => {
    expect((await place().load({}, yaml)).config.mode).toBe('ask');
  });
});

const OTHERS: [string, LoadInput, ...string[]][] = [
  [
    'an unknown variable',
    { env: { HOME: '/h', DECKHAND_HTTP_PROT: '1' } },
    'DECKHAND_HTTP_PROT: no setting has this name (nearest: DECKHAND_HTTP_PORT).',
  ],
  [
    'a short one',
    { env: { HOME: '/h', DECKHAND_MOD: 'ask' } },
    'DECKHAND_MOD: no setting has this name (nearest: DECKHAND_MODE).',
  ],
  [
    'a word for a number',
    { env: { HOME: '/h', DECKHAND_HTTP_PORT: 'http' } },
    `DECKHAND_HTTP_PORT: http.port is "http"; ${PORT}`,
  ],
  [
    'a number with its unit',
    { flags: { 'http-max-body-bytes': '1MiB' } },
    '--http-max-body-bytes: http.maxBodyBytes is "1MiB"; expected an integer from 1024 to 67108864.',
  ],
  ['a number past its bound', { flags: { 'http-port': '70000' } }, `--http-port: http.port is 70000; ${PORT}`],
  [
    'a wrong part of a list',
    { env: { HOME: '/h', DECKHAND_TOOLSETS: 'system,dcoker' } },
    `DECKHAND_TOOLSETS: toolsets[1] is "dcoker"; ${TOOLSETS} (nearest: docker).`,
  ],
  [
    'a word for yes or no',
    { env: { HOME: '/h', DECKHAND_HTTP_SESSIONS_ENABLED: 'maybe' } },
    'DECKHAND_HTTP_SESSIONS_ENABLED: http.sessions.enabled is "maybe"; expected true or false.',
  ],
  ['an unknown flag', { flags: { 'http-prot': '1' } }, '--http-prot: no setting has this name (nearest: --http-port).'],
  ['an empty path', { flags: { 'state-dir': '' } }, '--state-dir: state.dir is ""; expected the path of a folder.'],
  ['no file', { flags: { config: '' } }, '--config: expected the path of a file.'],
  [
    'a fault that a later source covers is told all the same',
    { env: { HOME: '/h', DECKHAND_MODE: 'rw' }, flags: { mode: 'full', 'log-level': 'loud' } },
    '2 problems in the configuration:',
    'DECKHAND_MODE: mode is "rw"; expected one of read-only, ask, full.',
    '--log-level: log.level is "loud"; expected one of debug, info, warn, error.',
  ],
];

test.each(OTHERS)('environment and flags: %s', async (_, input, ...expected) => {
  const error = await refusal(place().load(input));
  expect(error.message.split('\n')).toEqual(expected);
});

describe('a file that cannot be trusted or read', () => {
  test('the one that was named must exist; the standard one need not', async () => {
    const { dir, load } = place();
    expect((await refusal(load({ flags: { config: 'none.yaml' } }))).message).toBe(
      `the config file ${dir}/none.yaml does not exist.`,
    );
    expect((await load()).file).toBeNull();
  });

  test('a folder, a FIFO, a binary file, one that is too large', async () => {
    const { dir, load, write } = place();
    mkdirSync(join(dir, 'folder'));
    execFileSync('mkfifo', ['-m', '600', join(dir, 'fifo')]);
    write(Uint8Array.from([0x6d, 0xff, 0xfe]), 'bytes');
    write('mode: ask\0\n', 'nul');
    write('#'.repeat(1024 * 1024 + 1), 'large');
    const say = async (name: string) =>
      (await refusal(load({ configFile: join(dir, name) }))).message.replace(dir, 'DIR');
    expect(await say('folder')).toBe('the config file DIR/folder is not a regular file.');
    expect(await say('fifo')).toBe('the config file DIR/fifo is not a regular file.');
    expect(await say('bytes')).toBe('the config file DIR/bytes is not UTF-8 text.');
    expect(await say('nul')).toBe('the config file DIR/nul is a binary file.');
    expect(await say('large')).toBe('the config file DIR/large is larger than 1048576 bytes.');
    expect((await load({ configFile: write(`#${' '.repeat(1024 * 1024 - 2)}\n`, 'largest') })).config.mode).toBe('ask');
  });

  test('whoever else may write it decides what root does: refused, with the command that mends it', async () => {
    const { dir, load, write, runner } = place();
    const file = write('mode: full\n');
    const root = { uid: 0, gid: 0 };
    const with_ = async (mode: number, who: { uid: number; gid: number }) => {
      chmodSync(file, mode);
      return load({ configFile: file, runner: who }).then(
        () => 'read',
        (e) => `${e.message} | ${e.details.hint}`.replaceAll(file, 'FILE'),
      );
    };
    const mine = { uid: runner.uid || 1000, gid: runner.gid };
    expect(await with_(0o602, mine)).toBe('the config file FILE can be changed by everybody. | chmod go-w FILE');
    expect(await with_(0o602, root)).toContain('can be changed by everybody');
    // A group of one's own is the standard umask of many distributions; a foreign one is another user.
    expect(await with_(0o660, mine)).toBe('read');
    if (runner.gid !== 0)
      expect(await with_(0o660, { uid: 1000, gid: runner.gid + 1 })).toContain(`can be changed by group ${runner.gid}`);
    expect(await with_(0o644, mine)).toBe('read');
    if (runner.uid === 0) expect(await with_(0o640, root)).toBe('read');
    else
      expect(await with_(0o640, root)).toBe(
        `the config file FILE can be changed by user ${runner.uid}. | chown root:root FILE && chmod go-w FILE`,
      );
    // The file behind a link is what counts.
    chmodSync(file, 0o602);
    symlinkSync(file, join(dir, 'link'));
    expect((await refusal(load({ configFile: join(dir, 'link') }))).message).toContain('can be changed by everybody');
  });

  test.skipIf(process.geteuid?.() !== 0)(
    'root refuses a file that a user owns, or that a group may write (needs root to make one)',
    async () => {
      const { chownSync } = await import('node:fs');
      const { write } = place();
      const file = write('mode: full\n');
      chownSync(file, 1234, 0);
      expect(() => readTrusted(file, 'the config file', { uid: 0, gid: 0 })).toThrow(/can be changed by user 1234/);
      chownSync(file, 0, 1234);
      chmodSync(file, 0o660);
      expect(() => readTrusted(file, 'the config file', { uid: 0, gid: 0 })).toThrow(/can be changed by group 1234/);
      expect(() => readTrusted(file, 'the config file', { uid: 1000, gid: 1000 })).toThrow(
        /can be changed by group 1234/,
      );
    },
  );

  test.skipIf(process.geteuid?.() === 0)('one that this user may not read (root may read all)', async () => {
    const { load, write } = place();
    const error = await refusal(load({ defaultFile: write('mode: read-only\n', 'config.yaml', 0o000) }));
    expect(error.message).toMatch(/may not be read by this user\.$/);
  });
});
