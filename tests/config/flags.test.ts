/** Our own flags come before the tool's name; what stands behind it is the tool's. */
import { describe, expect, test } from 'vitest';
import { parseFlags } from '../../src/config/flags.ts';
import type { OpsError } from '../../src/core/errors.ts';
import { nearest } from '../../src/core/nearest.ts';

describe('parseFlags', () => {
  test('values, lists, yes and no', () => {
    const parsed = parseFlags([
      '--http-port',
      '8080',
      '--mode=full',
      '--toolsets',
      'system',
      '--toolsets=logs,net',
      '--no-http-sessions-enabled',
      '--config',
      'c.yaml',
      'one',
      'two',
    ]);
    expect(parsed.settings).toEqual({
      'http-port': '8080',
      mode: 'full',
      toolsets: ['system', 'logs,net'],
      'http-sessions-enabled': false,
      config: 'c.yaml',
    });
    expect(parsed.positionals).toEqual(['one', 'two']);
    expect(parsed.rest).toEqual([]);
  });

  test('the tool’s arguments are handed on untouched', () => {
    const parsed = parseFlags(['--json', '--mode', 'ask', 'process_list', '--mode', 'x', '--limit=3', '--', '-y'], {
      own: { json: 'boolean' },
      positionals: 1,
    });
    expect(parsed).toEqual({
      settings: { mode: 'ask' },
      own: { json: true },
      positionals: ['process_list'],
      rest: ['--mode', 'x', '--limit=3', '--', '-y'],
    });
  });

  test('two dashes end the flags; one is a word', () => {
    expect(parseFlags(['-', '--', '--mode'])).toMatchObject({ positionals: ['-'], rest: ['--mode'] });
  });

  test('a value may begin with one dash, be empty, hold an equals sign or a line feed', () => {
    expect(parseFlags(['--http-host', '-1', '--http-url=', '--state-dir=a=b\nc']).settings).toEqual({
      'http-host': '-1',
      'http-url': '',
      'state-dir': 'a=b\nc',
    });
  });

  test('short forms', () => {
    expect(parseFlags(['-h'], { own: { help: 'boolean' }, short: { h: 'help' } }).own).toEqual({ help: true });
  });

  test('names that JavaScript knows are no flags', () => {
    for (const word of ['--constructor', '--__proto__', '--to-string', '--no-constructor'])
      expect(() => parseFlags([word])).toThrow(/is not a flag here/);
  });

  test.each([
    [['--htp-port', '1'], '--htp-port is not a flag here (nearest: --http-port).'],
    [['--port=1'], '--port is not a flag here (nearest: --http-port).'],
    [['--no-mode'], '--no-mode is not a flag here (nearest: --mode).'],
    [['-x'], '-x is not a flag here.'],
    [['--\u001b[31m'], '"--\\u001b[31m" is not a flag here.'],
    [['--mode'], '--mode needs a value: --mode=VALUE.'],
    [['--mode', '--http-port', '1'], '--mode needs a value: --mode=VALUE.'],
    [['--mode', 'ask', '--mode', 'full'], '--mode is given twice.'],
    [['--no-http-sessions-enabled=yes'], '--no-http-sessions-enabled takes no value.'],
    [['--foo', '--mode'], '--foo is not a flag here.\n--mode needs a value: --mode=VALUE.'],
  ])('%j is refused', (argv, message) => {
    try {
      parseFlags(argv);
      throw new Error('was accepted');
    } catch (thrown) {
      expect((thrown as Error).message).toBe(message);
      expect((thrown as OpsError).code).toBe('validation');
    }
  });
});

describe('nearest', () => {
  const names = ['http.port', 'http.host', 'mode', 'toolsets', 'log.level'];
  test.each([
    ['htpp.port', ['http.port']],
    ['port', ['http.port']],
    ['LOG.LEVEL', ['log.level']],
    ['tolsets', ['toolsets']],
    ['emdo', []],
    ['', []],
    ['x'.repeat(10_000), []],
  ])('%s', (word, expected) => expect(nearest(word, names)).toEqual(expected));
  test('the nearest first', () => expect(nearest('http.hort', names, 2)).toEqual(['http.host', 'http.port']));
});
