/** Lines added to a config file by hand-written files: the difference is those lines and not a byte more. */
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { type Wanted, withSettings } from '../../src/config/added.ts';

const SOCKET: Wanted = { group: 'tailnet', key: 'socket', value: '/run/deckhand/mcp.sock' };
const SERVICE: Wanted = { group: 'tailnet', key: 'service', value: 'svc:deckhand' };
const ALICE: Wanted = { who: 'tailnet:alice@example.com', role: 'operator' };
const BOB: Wanted = { who: 'tailnet:bob@example.com', role: 'viewer' };

/** What is new, line by line; the rest must be the old text to the byte. */
function news(old: string, text: string): string[] {
  const added: string[] = [];
  const rest = old.split(/(?<=\n)/).filter((line) => line !== '');
  for (const line of text.split(/(?<=\n)/))
    if (line === rest[0]) rest.shift();
    else added.push(line);
  expect(rest, 'nothing of the old text is gone').toEqual([]);
  return added;
}

const HAND = `# Deckhand on nas   (mind the tabs\tin comments)
http:
    port: 7070     # as ever

tailnet:   # the way in
    # asked by the people upstairs
    funnel:   "deny"

principals:   # who
  # the boss
  - who: "token:boss"      # him
    roles: [admin]
roles: []
# the end`;

describe('lines are added', () => {
  test('into a hand-written file, with its indentation, and the end that had no line end', async () => {
    const found = await withSettings(HAND, [SOCKET, SERVICE, ALICE, BOB]);
    if (!('text' in found)) throw new Error(JSON.stringify(found));
    expect(news(HAND, found.text)).toEqual([
      '    socket: /run/deckhand/mcp.sock\n',
      '    service: svc:deckhand\n',
      '  - {who: "tailnet:alice@example.com", roles: [operator]}\n',
      '  - {who: "tailnet:bob@example.com", roles: [viewer]}\n',
    ]);
    expect(stringify(parse(HAND)), 'the control: parsed and written back the comments are gone').not.toContain(
      'boss upstairs',
    );
  });
  test.each<[string, string, Wanted[], string[]]>([
    ['an empty file', '', [SOCKET], ['tailnet:\n', '  socket: /run/deckhand/mcp.sock\n']],
    ['comments alone', '# nothing yet\n', [SOCKET], ['tailnet:\n', '  socket: /run/deckhand/mcp.sock\n']],
    ['an empty group', 'tailnet:\nhttp: {port: 1}\n', [SOCKET], ['  socket: /run/deckhand/mcp.sock\n']],
    ['an empty group with a comment', 'tailnet: # soon\n', [SOCKET], ['  socket: /run/deckhand/mcp.sock\n']],
    ['CRLF', 'tailnet:\r\n  funnel: deny\r\n', [SOCKET], ['  socket: /run/deckhand/mcp.sock\r\n']],
    [
      'a list without indentation',
      'principals:\n- who: cli:0\n  roles: [admin]\n',
      [ALICE],
      ['- {who: "tailnet:alice@example.com", roles: [operator]}\n'],
    ],
    [
      'a document with its mark',
      '---\nhttp:\n  port: 1\n',
      [SOCKET],
      ['tailnet:\n', '  socket: /run/deckhand/mcp.sock\n'],
    ],
    [
      'what stands there already',
      'tailnet:\n  socket: "/run/deckhand/mcp.sock"\nprincipals: [{who: "tailnet:alice@example.com", roles: [viewer, operator]}]\n',
      [SOCKET, ALICE],
      [],
    ],
    [
      'two roles of one',
      '',
      [ALICE, { ...ALICE, role: 'viewer' } as Wanted],
      ['principals:\n', '  - {who: "tailnet:alice@example.com", roles: [operator, viewer]}\n'],
    ],
  ])('%s', async (_, old, wanted, lines) => {
    const found = await withSettings(old, wanted);
    if (!('text' in found)) throw new Error(JSON.stringify(found));
    expect(news(old, found.text)).toEqual(lines);
    expect(await withSettings(found.text, wanted), 'once').toMatchObject({ text: found.text, lines: [] });
  });
  test('a last line without its end gets it', async () => {
    expect(await withSettings('http: {port: 1}', [SOCKET])).toMatchObject({
      text: 'http: {port: 1}\ntailnet:\n  socket: /run/deckhand/mcp.sock\n',
    });
  });
});

test.each<[string, string, Wanted[], number | null, RegExp]>([
  ['another value', '\ntailnet:\n  socket: /other.sock\n', [SOCKET], 3, /change it to `socket:/],
  ['a value with an anchor', 'tailnet: &t\n  funnel: deny\n', [SOCKET], 1, /write `socket/],
  ['an alias', 'x: &x {funnel: deny}\ntailnet: *x\n', [SOCKET], 2, /write `socket/],
  ['a map in one line', 'tailnet: {}\n', [SOCKET], 1, /write `socket/],
  ['a list in one line', 'principals: []\n', [ALICE], 1, /write `- \{who/],
  ['all in one line', '{tailnet: {}}\n', [SOCKET], null, /lines of their own/],
  ['no YAML', 'a: [\n', [SOCKET], null, /not valid YAML/],
  ['a text', 'hello\n', [SOCKET], null, /lines of their own/],
  ['an end that is marked', 'http:\n  port: 1\n...\n', [SOCKET], null, /safely|valid/],
  [
    'other roles',
    'principals:\n  - who: "tailnet:alice@example.com"\n    roles: [viewer]\n',
    [ALICE],
    2,
    /add the role operator/,
  ],
])('%s is in the way: named, and nothing is written', async (_, old, wanted, line, what) => {
  const found = await withSettings(old, wanted);
  expect(found).toEqual({ inTheWay: [{ line, what: expect.stringMatching(what) }] });
});
