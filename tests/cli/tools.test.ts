/** `deckhand tools` over a door with fixture tools: what a person sees there is what they may call. */
import { expect, test } from 'vitest';
import { run } from '../../src/cli/tools.ts';
import { operator, type Rig, reader, rig } from '../fakes/policy.ts';
import { runOf, screen } from './screen.ts';

async function tools(words: string[], over: { who?: typeof operator; rig?: Rig; json?: boolean } = {}) {
  const io = screen();
  let closed = false;
  const app = {
    door: (over.rig ?? rig()).door,
    principals: { cli: () => over.who ?? operator },
    close: async () => {
      closed = true;
    },
  };
  const own = over.json ? { json: true } : {};
  const code = await run(runOf(io, app, { positionals: words, own })).catch((thrown) => thrown);
  expect(closed).toBe(true);
  return { code, out: io.stdout, err: io.stderr };
}

test('the list is what this person may call, with risk and first sentence', async () => {
  const all = await tools([]);
  expect(all.out).toMatch(/^TOOL\s+TOOLSET\s+RISK\s+WHAT FOR\n/);
  expect(all.out).toMatch(/fixture_look\s+system\s+sensitive\s+Answers lines\.\n/);
  expect(all.out).toMatch(/fixture_rename\s+system\s+destroy\s+Changes a word\.\n/);
  expect((await tools([], { who: reader })).out).not.toContain('fixture_rename');
  expect((await tools([], { rig: rig({ mode: 'read-only' }) })).out).not.toContain('fixture_rename');
});

test('where nothing may be called it says which settings decide', async () => {
  const none = await tools([], { rig: rig({ off: () => ({ why: 'off', hint: 'on' }) }) });
  expect([none.code, none.out]).toEqual([0, expect.stringMatching(/toolsets, tools\.allow and cli\.role/)]);
});

test('one tool: each argument with its kind, bounds and default, as `call` takes it', async () => {
  const { out } = await tools(['fixture_look']);
  expect(out).toContain('Usage: deckhand call fixture_look [--KEY VALUE …]');
  expect(out).toMatch(/--limit N\s+Lines shown\. 1 to 5000\. Default: 50\./);
  expect(out).toMatch(/--path TEXT\s+Needs logs:read when given\./);
  expect((await tools(['fixture_rename'])).out).toMatch(/--to TEXT\s+Required\./);
  expect((await tools(['fixture_broken'])).out).toMatch(/Usage: deckhand call fixture_broken\n$/);
});

test('as JSON: the list, or the one', async () => {
  const list = JSON.parse((await tools([], { json: true })).out) as { name: string; input: { type: string } }[];
  expect(list.map((t) => t.name)).toContain('fixture_rename');
  const one = JSON.parse((await tools(['fixture_look'], { json: true })).out);
  expect(one).toMatchObject({ name: 'fixture_look', risk: 'sensitive', input: { type: 'object' } });
});

test('a name that is none gets the near ones; one that is off here, why', async () => {
  expect((await tools(['fixture_lok'])).code).toMatchObject({
    code: 'not_found',
    details: { candidates: expect.arrayContaining(['fixture_look']) },
  });
  expect((await tools(['fixture_rename'], { who: reader })).code).toMatchObject({
    code: 'not_found',
    message: 'fixture_rename is not available here.',
    details: { hint: expect.stringContaining('toolset system') },
  });
  expect((await tools(['zzzz'])).code.details.candidates).toBeUndefined();
});
