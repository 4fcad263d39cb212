/** The words behind a tool's name become its arguments: a table. */
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { toolWords } from '../../src/cli/arguments.ts';
import { OpsError } from '../../src/core/errors.ts';

const tool = {
  name: 'thing_list',
  input: z.strictObject({
    by: z.enum(['cpu', 'memory']).default('cpu'),
    limit: z.number().int().min(1).max(50).default(15),
    ratio: z.number().min(-1).max(1).optional(),
    sample_ms: z.number().int().min(100).max(5000).optional(),
    tree: z.boolean().default(false),
    groups: z.array(z.enum(['cpu', 'disk', 'net'])).optional(),
    names: z.array(z.string().max(100)).optional(),
    pids: z.array(z.number().int().min(1).max(9999)).optional(),
    user: z.string().max(100).optional(),
    parent: z.number().int().min(1).max(9999).nullable().optional(),
    match: z.record(z.string(), z.string()).optional(),
  }),
};

const args = (...words: string[]) => toolWords(tool, words).args;
function refusal(...words: string[]): OpsError {
  try {
    toolWords(tool, words);
  } catch (error) {
    expect(error).toBeInstanceOf(OpsError);
    return error as OpsError;
  }
  throw new Error('was not refused');
}

test.each<[string, string[], Record<string, unknown>]>([
  ['nothing', [], {}],
  ['a word', ['--by', 'memory'], { by: 'memory' }],
  ['a word behind =', ['--by=memory'], { by: 'memory' }],
  ['an empty text', ['--user='], { user: '' }],
  ['a text that looks like a number', ['--user', '1000'], { user: '1000' }],
  ['a text that looks like a flag, behind =', ['--user=--x'], { user: '--x' }],
  ['a text with = in it', ['--user=a=b'], { user: 'a=b' }],
  ['a number', ['--limit', '5'], { limit: 5 }],
  ['a negative number', ['--ratio', '-0.5'], { ratio: -0.5 }],
  ['a number with an exponent', ['--ratio', '1e-3'], { ratio: 0.001 }],
  ['dashes for underscores', ['--sample-ms', '200'], { sample_ms: 200 }],
  ['underscores as they are', ['--sample_ms', '200'], { sample_ms: 200 }],
  ['a switch', ['--tree'], { tree: true }],
  ['a switch off', ['--no-tree'], { tree: false }],
  ['a switch with its word', ['--tree', 'false', '--limit', '2'], { tree: false, limit: 2 }],
  ['a switch before another flag', ['--tree', '--limit', '2'], { tree: true, limit: 2 }],
  ['a switch behind =', ['--tree=true'], { tree: true }],
  ['a list, repeated', ['--groups', 'cpu', '--groups', 'net'], { groups: ['cpu', 'net'] }],
  ['a list of names of ours, with commas', ['--groups', 'cpu,net'], { groups: ['cpu', 'net'] }],
  ['a list of free texts keeps its commas', ['--names', 'a,b', '--names', 'c'], { names: ['a,b', 'c'] }],
  ['a list of numbers', ['--pids', '1,2', '--pids=3'], { pids: [1, 2, 3] }],
  ['a nullable number', ['--parent', '7'], { parent: 7 }],
  ['null for it', ['--parent=null'], { parent: null }],
  ['an object', ['--match', '{"a":"b"}'], { match: { a: 'b' } }],
  ['--args alone', ['--args', '{"limit":3,"tree":true}'], { limit: 3, tree: true }],
  ['--args and others', ['--args={"limit":3}', '--by', 'memory'], { limit: 3, by: 'memory' }],
])('%s', (_what, words, expected) => {
  expect(args(...words)).toEqual(expected);
});

describe('what cannot be converted goes to the door as it is, which refuses and records it', () => {
  test.each([
    [['--limit', 'many'], { limit: 'many' }],
    [['--limit', '0x10'], { limit: '0x10' }],
    [['--limit', ''], { limit: '' }],
    [['--limit', '1_000'], { limit: '1_000' }],
    [['--limit', '99999'], { limit: 99999 }],
    [['--tree=perhaps'], { tree: 'perhaps' }],
    [['--match', '{broken'], { match: '{broken' }],
    [['--by', 'colour'], { by: 'colour' }],
  ])('%j', (words, expected) => {
    const got = args(...words);
    expect(got).toEqual(expected);
    expect(tool.input.safeParse(got).success).toBe(false);
  });
});

describe('what cannot be read is refused before there is a call', () => {
  test('an unknown name: with the near ones', () => {
    const error = refusal('--limt', '5');
    expect(error.code).toBe('validation');
    expect(error.message).toBe('thing_list has no argument --limt.');
    expect(error.details.candidates).toEqual(['--limit']);
    expect(error.details.hint).toContain('--sample_ms');
  });
  test('a flag of ours behind the tool’s name: says where it belongs', () => {
    expect(refusal('--http-port', '1').details.hint).toContain('before the tool’s name');
  });
  test.each([
    [['--limit'], '--limit needs a value: --limit=VALUE.'],
    [['--user', '--by', 'cpu'], '--user needs a value: --user=VALUE.'],
    [['--limit', '1', '--limit', '2'], '--limit is given twice, and is no list.'],
    [['--no-limit'], '--no-limit is for switches; limit is none.'],
    [['nginx'], 'nginx stands alone; arguments are written --KEY VALUE.'],
    [['-l', '5'], '-l stands alone; arguments are written --KEY VALUE.'],
    [['--'], '-- stands alone; arguments are written --KEY VALUE.'],
    [['--args', '[1]'], '--args must be one JSON object.'],
    [['--args', 'null'], '--args must be one JSON object.'],
    [['--args', '{}', '--args', '{}'], '--args is given twice.'],
    [['--args', '{"limit":1}', '--limit', '2'], 'limit is given twice: in --args and as --limit.'],
  ])('%j', (words, message) => {
    expect(refusal(...words).message).toBe(message);
  });
  test('broken JSON names the way to quote it', () => {
    expect(refusal('--args', '{limit: 5}').details.hint).toContain(`'{"limit": 5}'`);
  });
  test('--args before and behind the tool’s name', () => {
    expect(() => toolWords(tool, ['--args', '{}'], '{}')).toThrow('--args is given twice.');
  });
  test('a name that every object has is no argument', () => {
    expect(refusal('--constructor', 'x').message).toContain('no argument --constructor');
    expect(refusal('--__proto__', 'x').message).toContain('no argument --__proto__');
    expect(tool.input.safeParse(args('--args', '{"constructor": 1}')).success).toBe(false);
  });
});

test('our own --json and --help are known behind the name too, unless the tool has such an argument', () => {
  expect(toolWords(tool, ['--json', '--limit', '1'])).toMatchObject({ json: true, help: false, args: { limit: 1 } });
  expect(toolWords(tool, ['--help'])).toMatchObject({ help: true });
  const own = { name: 'json_tool', input: z.strictObject({ json: z.string().max(9), args: z.string().max(9) }) };
  expect(toolWords(own, ['--json', 'x', '--args', 'y'])).toEqual({
    args: { json: 'x', args: 'y' },
    json: false,
    help: false,
  });
});
