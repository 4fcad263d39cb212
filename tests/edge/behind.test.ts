/** How a resource's URI becomes the arguments of the tool behind it. */
import { expect, test } from 'vitest';
import type { Catalog, ResourceDef } from '../../src/core/tool.ts';
import { behind } from '../../src/edge/behind.ts';
import { catalog } from '../../src/tools/index.ts';

const resource = (uri: string, args: Record<string, unknown>): ResourceDef => ({
  uri,
  args,
  name: 'r',
  title: 'R',
  description: 'R.',
  tool: 't',
});
const read = (uri: string, defs: ResourceDef[]) =>
  behind('resources/read', { uri }, { tools: [], resources: defs, prompts: [] } as Catalog);

test('a name in the URI is an argument, or stands in the strings of one', () => {
  const defs = [
    resource('deckhand://x/result/{handle}', { limit: 5 }),
    resource('deckhand://x/{name}/logs', { source: ['container:{name}', 'unit:{name}.service'], tail: 3 }),
    resource('deckhand://x/{engine}/{name}/pair', { source: ['{engine}/{name}/{other}'] }),
  ];
  expect(read('deckhand://x/result/r_abc', defs)).toMatchObject({ args: { limit: 5, handle: 'r_abc' } });
  const logs = read('deckhand://x/web/logs', defs);
  expect(logs).toMatchObject({ kind: 'call', tool: 't' });
  expect('args' in logs && logs.args).toEqual({ source: ['container:web', 'unit:web.service'], tail: 3 });
  const pair = read('deckhand://x/a/b/pair', defs);
  expect('args' in pair && pair.args).toEqual({ source: ['a/b/{other}'] });
});

test('what a URI brings is never filled itself, and a stray % names nothing', () => {
  const defs = [resource('deckhand://x/{a}/{b}', { s: '{a}-{b}' })];
  const nested = read('deckhand://x/%7Bb%7D/%7Ba%7D', defs);
  expect('args' in nested && nested.args).toEqual({ s: '{b}-{a}' });
  expect(read('deckhand://x/%/b', defs)).toMatchObject({ kind: 'bad' });
});

test('the resources of containers call their tools with arguments that these take', () => {
  for (const [uri, tool] of [
    ['deckhand://docker/web/logs', 'log_query'],
    ['deckhand://docker/web/stats', 'container_inspect'],
  ] as const) {
    const found = behind('resources/read', { uri }, catalog);
    expect(found).toMatchObject({ kind: 'call', tool });
    const def = catalog.tools.find((t) => t.name === tool);
    expect(def?.input.safeParse('args' in found ? found.args : null).success, uri).toBe(true);
  }
});
