/** Editing files that people wrote by hand: lines are added and none changes; what is put in comes out with the same bytes left. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lineDiff, unified } from '../../src/setup/clients/difference.ts';
import { parseSettings, put, takeOut } from '../../src/setup/clients/edit.ts';
import type { Addition, ClientSpec, Spot } from '../../src/setup/clients/spec.ts';
import { upTo } from '../counts.ts';

type Format = ClientSpec['format'];
const SPOTS: Record<Format, Spot> = {
  jsonc: { container: ['mcpServers'], key: 'deckhand' },
  toml: { container: ['mcp_servers'], key: 'deckhand' },
  yaml: { container: ['extensions'], key: 'deckhand' },
};
const ENTRY = { type: 'stdio', command: 'C:\\Program Files\\node.exe', args: ['a b', '--x="y"', 'ü'], n: 3, on: true };
const additions = (format: Format): Addition[] => [{ spot: SPOTS[format], value: ENTRY }];
const add = (format: Format, text: string, value: Addition[] = additions(format), replace = false) =>
  put({ format, text, file: 'f' }, value, replace);
const remove = (format: Format, text: string, traces: ReturnType<typeof add>['traces'], spots = [SPOTS[format]]) =>
  takeOut({ format, text, file: 'f' }, spots, traces).text;

const HAND: Record<string, [Format, string]> = {
  'comments and trailing commas': [
    'jsonc',
    '// mine\n{\n  /* theme */ "theme": "x", // why\n  "mcpServers": { // servers\n    // first\n    "a": { "command": "x", },\n    "b": {"command": "y"}, // second\n  },\n}\n',
  ],
  'CRLF, tabs, no final newline': ['jsonc', '{\r\n\t"mcpServers": {\r\n\t\t"a": {}\r\n\t},\r\n\t"z": [1, 2]\r\n}'],
  'a byte order mark': ['jsonc', '\uFEFF{\n    "x": 1\n}\n'],
  'nothing of the kind yet': ['jsonc', '{\n  "theme": "x" // last, no comma\n}\n'],
  'a comment alone inside': ['jsonc', '{\n  "mcpServers": {\n    // none yet\n  }\n}\n'],
  'a comment of several lines behind the bracket': ['jsonc', '{ /* a\n b */\n  "x": 1\n}\n'],
  'a table, CRLF, comments': [
    'toml',
    '# mine\r\nmodel = "o" # why\r\n\r\n[mcp_servers.a]\r\ncommand = "x"\r\n# end\r\n',
  ],
  'no final newline': ['toml', 'a = """\n[mcp_servers.deckhand]\n"""\nb = 1979-05-27T07:32:00Z\n[[list]]\nx = 1'],
  'blank line at the end': ['toml', 'a = 1\n\n'],
  'a map with comments': [
    'yaml',
    '# mine\nGOOSE_MODEL: "x"\n\nextensions: # all of them\n  # the first\n  developer:\n    enabled: true\n    name: developer # why\n\n  memory: &m\n    enabled: true\n# the end\nlast: |\n  text: here\n',
  ],
  'CRLF, four spaces': ['yaml', 'extensions:\r\n    a:\r\n        x: 1\r\nb: 2\r\n'],
  'no map yet, no final newline': ['yaml', 'a: 1\n# end'],
  'a key without a value': ['yaml', 'a: 1\nextensions:\nb: 2\n'],
  'a key without a value at the end': ['yaml', 'a: 1\nextensions:'],
  'a document that is begun': ['yaml', '---\na: 1\n'],
};

describe.each(Object.entries(HAND))('%s', (_, [format, text]) => {
  test('only lines are added, and the last line’s end stays', async () => {
    const { text: after, traces } = add(format, text);
    const lines = lineDiff(text, after);
    expect(lines.filter((l) => l.sign === '-')).toEqual([]);
    expect(lines.filter((l) => l.sign === '+').length).toBeGreaterThan(3);
    if (text.includes('\r\n')) expect(after.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    expect(/\n$/.test(after)).toBe(/\n$/.test(text));
    expect(after.startsWith('\uFEFF')).toBe(text.startsWith('\uFEFF'));
    await expect(after.replaceAll('\r\n', '␍\n').replace('\uFEFF', '<BOM>')).toMatchFileSnapshot(
      `../golden/clients/edit/${_.replaceAll(/[^a-z]+/gi, '-')}.txt`,
    );
    expect(remove(format, after, traces)).toBe(text);
    // Without a word of how it was put in, the rest still reads the same.
    expect(JSON.stringify(parseSettings(format, remove(format, after, [null]), 'f'))).toBe(
      JSON.stringify(emptied(parseSettings(format, text, 'f'), format)),
    );
  });

  test('twice is once, another is refused, and replaced in its place', () => {
    const once = add(format, text);
    expect(add(format, once.text)).toMatchObject({ text: once.text, state: 'same' });
    const other = [{ spot: SPOTS[format], value: { ...ENTRY, n: 4 } }];
    expect(() => add(format, once.text, other)).toThrow(/has another “deckhand”/);
    const replaced = add(format, once.text, other, true);
    expect(replaced.state).toBe('replaced');
    expect(lineDiff(once.text, replaced.text).filter((l) => l.sign !== ' ')).toHaveLength(2);
    // Put in by the first, it still comes out whole.
    expect(remove(format, replaced.text, once.traces)).toBe(text);
  });
});

/** Taken out without a trace, the container that was made may stay, empty. */
function emptied(tree: unknown, format: Format): unknown {
  const [key = ''] = SPOTS[format].container;
  const t = tree as Record<string, unknown>;
  if (format === 'toml') return t;
  if (t[key] === undefined && format === 'jsonc') return { [key]: {}, ...t };
  return t[key] === undefined || t[key] === null ? { ...t, [key]: null } : t;
}

test.each<[Format, string, string]>([
  ['jsonc', '', '{\n  "mcpServers": {\n    "deckhand": {"x":1}\n  }\n}\n'],
  ['jsonc', '{}', '{\n  "mcpServers": {\n    "deckhand": {"x":1}\n  }\n}'],
  ['jsonc', '{"a":1}', '{"mcpServers":{"deckhand":{"x":1}},"a":1}'],
  ['jsonc', '{ "mcpServers": {"a": {}}, "b": 2 }\n', '{ "mcpServers": {"deckhand":{"x":1},"a": {}}, "b": 2 }\n'],
  ['jsonc', '// none yet\n', '// none yet\n{\n  "mcpServers": {\n    "deckhand": {"x":1}\n  }\n}\n'],
  ['toml', '', '[mcp_servers.deckhand]\nx = 1\n'],
  ['yaml', '', 'extensions:\n  deckhand:\n    x: 1\n'],
  ['yaml', 'extensions: {}\n', 'extensions: {deckhand: {x: 1}}\n'],
  ['yaml', '{a: 1}\n', '{extensions: {deckhand: {x: 1}}, a: 1}\n'],
  ['yaml', '# only this\n', '# only this\nextensions:\n  deckhand:\n    x: 1\n'],
])('%s: %j, and back', (format, text, after) => {
  const made = add(format, text, [{ spot: SPOTS[format], value: { x: 1 } }]);
  expect(made.text.replace(/\{\s*"x": 1\s*\}/, '{"x":1}')).toBe(after);
  expect(remove(format, made.text, made.traces)).toBe(text);
});

test.each<[Format, string, string]>([
  ['jsonc', '{\n  "a": 1,\n  oops\n}', 'f:3:3 cannot be read: InvalidSymbol'],
  ['jsonc', '{"a": 1} }', 'f:1:10'],
  ['jsonc', '{"mcpServers": []}', '“mcpServers” is no object'],
  ['jsonc', '[1]', 'is no object'],
  ['toml', 'a = 1\nb = \n', 'f:2:'],
  ['toml', 'mcp_servers = { a = {} }', 'cannot be added to'],
  ['yaml', 'a: [1\nb: 2\n', 'cannot be read'],
  ['yaml', '- a\n', 'no map'],
  ['yaml', 'extensions: [a]\n', '“extensions” is no map'],
  ['yaml', 'a: 1\n---\nb: 2\n', 'cannot be read'],
  ['yaml', 'a: *nothing\n', 'f:1:1 cannot be read'],
  ['yaml', `a: &a [${'x,'.repeat(9)}]\nb: &b [${'*a,'.repeat(30)}]\nc: &c [${'*b,'.repeat(30)}]\n`, 'cannot be read'],
  ['jsonc', '{"mcpServers": {}, "mcpServers": {"a": 1}}', 'cannot be added to'],
])('%s %j is refused: %s', (format, text, message) => {
  expect(() => add(format, text)).toThrow(message);
});

test('an entry that a person moved and edited comes out with its own lines, and the comma before it', () => {
  const text =
    '{\n  "mcpServers": {\n    "a": {}, // keep\n    "deckhand": {\n      "command": "mine" // edited\n    }\n  }\n}\n';
  expect(remove('jsonc', text, [null])).toBe('{\n  "mcpServers": {\n    "a": {} // keep\n  }\n}\n');
  const toml =
    '[mcp_servers.deckhand]\ncommand = "x"\nargs = [\n  "a",\n]\n\n[mcp_servers.deckhand.env]\nA = "1"\n\n# next\n[b]\nx = 1\n';
  expect(remove('toml', toml, [null])).toBe('\n# next\n[b]\nx = 1\n');
  const yaml = 'extensions:\n  a: {}\n  deckhand:\n    x: 1\n  # b\n  b: {}\n';
  expect(remove('yaml', yaml, [null])).toBe('extensions:\n  a: {}\n  # b\n  b: {}\n');
});

test('what others put into the object that was made for the entry stays when the entry goes', () => {
  const json = add('jsonc', '{\n  "x": 1\n}\n');
  const shared = json.text.replace('"mcpServers": {', '"mcpServers": {\n    "theirs": {},');
  expect(json.traces[0]?.made).toBe(2);
  // Control: cut as it was put in, theirs would be gone with it, and the file would still be good JSON.
  const node = shared.indexOf('"mcpServers"');
  expect(parseSettings('jsonc', shared.slice(0, node) + shared.slice(shared.indexOf('"x": 1')), 'f')).toEqual({ x: 1 });
  expect(remove('jsonc', shared, json.traces)).toBe('{\n  "mcpServers": {\n    "theirs": {}\n  },\n  "x": 1\n}\n');
  const yaml = add('yaml', 'a: 1\n');
  expect(remove('yaml', `${yaml.text}  theirs: {}\n`, yaml.traces)).toBe('a: 1\nextensions:\n  theirs: {}\n');
});

test('a secret that is asked for is a second place in the same file, and goes with the entry', () => {
  const item: Addition = {
    spot: { container: ['inputs'], id: 'd-token' },
    value: { type: 'promptString', id: 'd-token' },
  };
  const text = '{\n  "servers": {\n    "a": {}\n  },\n  "inputs": [\n    {"id": "other"} // mine\n  ]\n}\n';
  const both = [{ spot: { container: ['servers'], key: 'd' }, value: { type: 'http' } }, item];
  const made = add('jsonc', text, both);
  expect(lineDiff(text, made.text).filter((l) => l.sign === '-')).toEqual([]);
  expect(
    remove(
      'jsonc',
      made.text,
      made.traces,
      both.map((a) => a.spot),
    ),
  ).toBe(text);
  expect(add('jsonc', made.text, both).state).toBe('same');
});

test('control: writing the file anew from what was read loses what a person wrote', () => {
  const [, text] = HAND['comments and trailing commas'] as [Format, string];
  const tree = parseSettings('jsonc', text, 'f') as Record<string, object>;
  const anew = JSON.stringify({ ...tree, mcpServers: { ...tree.mcpServers, deckhand: ENTRY } }, null, 2);
  expect(lineDiff(text, anew).filter((l) => l.sign === '-').length).toBeGreaterThan(3);
});

test('a file of megabytes, as a client’s own may be, takes no long', () => {
  const many = Object.fromEntries(
    Array.from({ length: 20_000 }, (_, i) => [`key${i}`, { text: 'x'.repeat(100), list: [i] }]),
  );
  const text = `${JSON.stringify({ projects: many, mcpServers: { a: {} } }, null, 2)}\n`;
  expect(text.length).toBeGreaterThan(3_000_000);
  const made = add('jsonc', text);
  expect(unified('f', text, made.text).length).toBeLessThan(1_000);
  expect(remove('jsonc', made.text, made.traces)).toBe(text);
});

test('a difference is shown with three lines around', () => {
  expect(unified('f', 'a\nb\nc\nd\ne\n', 'a\nb\nc\nd\nX\ne\n')).toBe('--- f\n+++ f\n@@ -2 +2 @@\n b\n c\n d\n+X\n e');
  expect(unified('f', null, 'a\n')).toBe('--- /dev/null\n+++ f\n@@ -1 +1 @@\n+a');
});

// Files as people and programs write them: every choice of layout at random, from one seed each.
const word = fc.stringMatching(/^[a-z][a-zA-Z0-9_-]{0,8}$/).filter((w) => w !== 'deckhand' && w !== 'mcpServers');
const line = fc.constantFrom('', '  // why', ' /* c */', ' // { "x": [', '');
const jsonValue: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    tie('list'),
    tie('map'),
  ),
  list: fc.array(tie('value'), { maxLength: 3 }),
  map: fc.dictionary(word, tie('value'), { maxKeys: 3 }),
})).value;

const jsonFile = fc
  .record({
    entries: fc.array(fc.tuple(word, jsonValue, line), { maxLength: 4 }),
    servers: fc.option(fc.array(fc.tuple(word, jsonValue, line), { maxLength: 3 })),
    eol: fc.constantFrom('\n', '\r\n'),
    unit: fc.constantFrom('  ', '\t', '    '),
    trailing: fc.boolean(),
    head: fc.constantFrom('', '// top\n', '/* a\n b */ '),
    mark: fc.boolean(),
    end: fc.constantFrom('', '\n', '\n\n', '\n// end'),
    at: fc.nat(4),
    open: line,
    oneLine: fc.boolean(),
  })
  .map((o) => {
    if (o.oneLine) return JSON.stringify(Object.fromEntries(o.entries)) + o.end;
    const object = (list: readonly (readonly [string, unknown, string])[], indent: string, open: string): string => {
      const inner = list.map(([k, v, c], i) => {
        const text =
          typeof v === 'string' && v.startsWith('\0')
            ? v.slice(1)
            : JSON.stringify(v, null, o.unit).replaceAll('\n', `\n${indent}${o.unit}`);
        return `${indent}${o.unit}${JSON.stringify(k)}: ${text}${i < list.length - 1 || o.trailing ? ',' : ''}${c}\n`;
      });
      return `{${open}\n${inner.join('')}${indent}}`;
    };
    const all: [string, unknown, string][] = [...o.entries];
    if (o.servers)
      all.splice(Math.min(o.at, all.length), 0, ['mcpServers', `\0${object(o.servers, o.unit, o.open)}`, '']);
    return ((o.mark ? '\uFEFF' : '') + o.head + object(all, '', o.open) + o.end).replaceAll('\n', o.eol);
  });

const tomlFile = fc
  .record({
    top: fc.uniqueArray(word, { maxLength: 3 }),
    tables: fc.uniqueArray(word, { maxLength: 3 }),
    servers: fc.uniqueArray(word, { maxLength: 2 }),
    text: fc.string(),
    eol: fc.constantFrom('\n', '\r\n'),
    end: fc.constantFrom('', '\n', '\n\n', '\n# end\n', '\n  \n'),
  })
  .map((o) => {
    const lines = [
      ...o.top.flatMap((k, i) => [
        `# about ${k}`,
        `${k}_${i} = ${i % 2 ? '"""\n[mcp_servers.deckhand]\n"""' : JSON.stringify(o.text).replaceAll('\x7f', '')} # why`,
      ]),
      ...o.tables.flatMap((t) => ['', `[t.${t}] # table`, `x = [`, `  "[a]",`, `]`]),
      ...o.servers.flatMap((s) => [`[mcp_servers.${s}]`, `command = 'x'`, `# [mcp_servers.deckhand]`]),
    ];
    return (lines.join('\n') + o.end).replaceAll('\n', o.eol);
  });

const yamlFile = fc
  .record({
    top: fc.uniqueArray(word, { maxLength: 3 }),
    map: fc.option(fc.uniqueArray(word, { maxLength: 3 })),
    unit: fc.constantFrom('  ', '    '),
    text: fc.string(),
    eol: fc.constantFrom('\n', '\r\n'),
    end: fc.constantFrom('', '\n', '\n\n', '\n# end\n', '\n# end'),
    begun: fc.boolean(),
    at: fc.boolean(),
  })
  .map((o) => {
    const tops = o.top.flatMap((k, i) => [
      `# about ${k}`,
      `${k}_${i}: ${i % 2 ? `|\n${o.unit}extensions:\n${o.unit} deckhand: x` : JSON.stringify(o.text)}`,
      '',
    ]);
    const map = o.map
      ? [
          'extensions: # all',
          ...o.map.flatMap((k, i) => [
            `${o.unit}# ${k}`,
            `${o.unit}${k}_${i}:`,
            `${o.unit}${o.unit}on: true`,
            ...(i % 2 ? [''] : []),
          ]),
        ]
      : [];
    const lines = o.at ? [...map, ...tops] : [...tops, ...map];
    return ((o.begun ? '---\n' : '') + lines.join('\n') + o.end).replaceAll('\n', o.eol);
  });

test.each<[Format, fc.Arbitrary<string>]>([
  ['jsonc', jsonFile],
  ['toml', tomlFile],
  ['yaml', yamlFile],
])('any file of %s: put in and taken out, the same bytes', (format, files) => {
  let written = 0;
  fc.assert(
    fc.property(files, (text) => {
      let made: ReturnType<typeof add>;
      try {
        made = add(format, text);
      } catch (thrown) {
        // Refused is allowed, half done is not; how often is asked below.
        expect(String(thrown)).toMatch(/Nothing was written/);
        return;
      }
      written++;
      expect(remove(format, made.text, made.traces)).toBe(text);
      // A map that is written on one line has that line changed, and no other.
      const gone = lineDiff(text, made.text).filter((l) => l.sign === '-');
      expect(gone.filter((l) => !/^\uFEFF?(?:\/\*.*\*\/ | b \*\/ )?\{.*\}/s.test(l.text))).toEqual([]);
      remove(format, made.text, [null]);
    }),
    { numRuns: upTo(200, 50), seed: 20_261_121 },
  );
  expect(written).toBeGreaterThan(upTo(180, 45));
});
