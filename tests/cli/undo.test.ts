/** `deckhand undo`: what a person reads of receipts, and that undoing is the same call with the same question. */
import { beforeEach, expect, test } from 'vitest';
import type { Run } from '../../src/cli/commands.ts';
import { list, run, show } from '../../src/cli/undo.ts';
import { receiptsFor } from '../../src/policy/undo.ts';
import { undo } from '../../src/tools/undo.ts';
import { callOf, rig, who } from '../fakes/policy.ts';
import { fixtureTools, stage } from '../fakes/tools.ts';
import { runOf, screen } from './screen.ts';

beforeEach(() => stage.reset());
const person = who('cli:0', ['admin'], { kind: 'cli' });

function desk(mode: 'full' | 'ask' = 'full') {
  const made = rig({ catalog: { tools: [...fixtureTools, undo], resources: [], prompts: [] }, mode });
  const app = {
    door: made.door,
    deciding: made.deciding,
    principals: { cli: () => person },
    receipts: (principal: typeof person) => receiptsFor(principal, made.policy),
  };
  const at = async (does: typeof list, over: Partial<Run> = {}, tty: Parameters<typeof screen>[0] = {}) => {
    const io = screen(tty);
    return { code: await does(runOf(io, app, over)), io };
  };
  const change = async (to = 'new') => {
    const out = await made.door.run(callOf('fixture_rename', { to }));
    return String(out.status === 'done' && out.data.receipt);
  };
  return { ...made, at, change };
}

test('lists what can be undone, newest first, and as JSON', async () => {
  const d = desk();
  expect((await d.at(list)).io.stderr).toMatch(/^No change of the last 30 days/);
  const first = await d.change();
  await d.clock.advance(60_000);
  const second = await d.change('newer');
  await d.door.run(callOf('undo', { receipt: second }));
  const { io, code } = await d.at(list);
  const lines = io.stdout.trim().split('\n');
  expect([code, lines.length]).toEqual([0, 3]);
  expect(lines[1]).toMatch(new RegExp(`^${second} .* fixture_rename +undone +token:operator +Renamed new to`));
  expect(lines[2]).toMatch(new RegExp(`^${first} .* fixture_rename +done `));
  const json = JSON.parse((await d.at(list, { own: { json: true, limit: '1' } })).io.stdout);
  expect(json).toMatchObject([
    { receipt: second, at: expect.stringMatching(/Z$/), undone: { state: 'done', by: 'token:operator' } },
  ]);
  expect(json[0].undone.atMs).toBeUndefined();
  for (const limit of ['0', 'x', '1001', '1.5'])
    await expect(d.at(list, { own: { limit } })).rejects.toMatchObject({ code: 'validation' });
});

test('a change without an end, and an undo without one, catch the eye', async () => {
  const d = desk();
  const id = await d.change();
  d.receipts.claimUndo(id, { principal: 'p', call: 'c' });
  const row = d.receipts.get(id);
  if (row) d.receipts.prepare({ ...row, revert: { data: {} } });
  const { io } = await d.at(list);
  expect(io.stdout).toContain('undo begun');
  expect(io.stdout).toContain('unfinished');
});

test('shows one with the state before and after; what is not there has the exit code of that', async () => {
  const d = desk();
  const id = await d.change('password=hunter2hunter2');
  const { io } = await d.at(show, { positionals: [id] });
  expect(io.stdout).toContain(`${id}  Renamed old to password=`);
  expect(io.stdout).toMatch(/before +\{"word":"old"\}/);
  expect(io.stdout).toMatch(/undone +no/);
  expect(io.stdout).toContain(`Undo it: deckhand undo run ${id}`);
  expect(io.stdout).not.toContain('hunter2');
  await d.door.run(callOf('undo', { receipt: id }));
  expect((await d.at(show, { positionals: [id] })).io.stdout).toMatch(
    /undone +done, 20.*Z by token:operator, call call-/,
  );
  expect(JSON.parse((await d.at(show, { positionals: [id], own: { json: true } })).io.stdout)).toMatchObject({
    receipt: id,
    before: { word: 'old' },
  });
  const row = d.receipts.get(id);
  const open = row ? d.receipts.prepare({ ...row, before: null, revert: { data: {} } }) : '';
  expect((await d.at(show, { positionals: [open] })).io.stdout).toMatch(/state +unfinished[\s\S]*before +-/);
  await expect(d.at(show, { positionals: ['t_none'] })).rejects.toMatchObject({ code: 'not_found' });
});

test('undoes; with --dry-run it says what it would do', async () => {
  const d = desk();
  const id = await d.change();
  const dry = await d.at(run, { positionals: [id], own: { 'dry-run': true } });
  expect(dry.io.stdout).toContain('dry_run: Rename new back to old.');
  expect(stage.state).toBe('new');
  expect((await d.at(run, { positionals: [id] })).code).toBe(0);
  expect(stage.state).toBe('old');
  const twice = await d.at(run, { positionals: [id] });
  expect([twice.code, twice.io.stderr]).toEqual([5, expect.stringContaining('undone already')]);
});

test('asks at a terminal where a yes is needed, like any call', async () => {
  const d = desk('ask');
  stage.state = 'new';
  const id = d.receipts.put({
    principal: 'token:operator',
    scopes: ['system:write'],
    tool: 'fixture_rename',
    risk: 'change',
    call: 'c',
    input: { to: 'new' },
    targets: [],
    summary: 'Renamed.',
    before: { word: 'old' },
    after: { word: 'new' },
    revert: { data: { word: 'old' }, blobs: { word: Buffer.from('old') } },
  });
  expect((await d.at(run, { positionals: [id] })).code).toBe(9);
  const tty = (answer: string) => ({ inTty: true, errTty: true, ask: async () => answer });
  expect((await d.at(run, { positionals: [id] }, tty('n'))).code).toBe(3);
  expect(stage.state).toBe('new');
  expect((await d.at(run, { positionals: [id] }, tty('y'))).code).toBe(0);
  expect(stage.state).toBe('old');
});
