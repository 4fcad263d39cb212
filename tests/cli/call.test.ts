/** `deckhand call` over a door with fixture tools: what goes to which stream, exit codes, cancelling. */
import { beforeEach, expect, test } from 'vitest';
import { run } from '../../src/cli/call.ts';
import type { Run } from '../../src/cli/commands.ts';
import { OpsError } from '../../src/core/errors.ts';
import { operator, rig } from '../fakes/policy.ts';
import { deaf, stage, turn } from '../fakes/tools.ts';
import { runOf, screen } from './screen.ts';

beforeEach(() => stage.reset());

function call(name: string, rest: string[] = [], over: Partial<Run> = {}, policy: Parameters<typeof rig>[0] = {}) {
  const made = rig(policy);
  const io = screen();
  let closed = false;
  const app = {
    door: made.door,
    principals: { cli: () => ({ ...operator, kind: 'cli' }) },
    close: async () => {
      closed = true;
    },
  };
  const code = run(runOf(io, app, { positionals: [name], rest, ...over }));
  return { ...made, io, code, closed: () => closed };
}

test('the text for a person; --json before or behind the name gives the data alone', async () => {
  stage.lines = ['one'];
  const person = call('fixture_look');
  expect(await person.code).toBe(0);
  expect(person.io.stdout).toContain('run 1');
  expect(person.io.stderr).toBe('');
  expect(person.closed()).toBe(true);
  for (const over of [{ own: { json: true } }, { rest: ['--json'] }] as Partial<Run>[]) {
    const script = call('fixture_look', [], over);
    expect(await script.code).toBe(0);
    expect(JSON.parse(script.io.stdout)).toMatchObject({ lines: ['one'] });
  }
});

test.each([
  ['validation', 2],
  ['permission', 3],
  ['not_found', 4],
  ['conflict', 5],
  ['limit', 6],
  ['internal', 1],
] as const)('%s ends with %i; hint, candidates and call id stand on standard error', async (code, exit) => {
  stage.behave = async () => {
    throw new OpsError(code, 'It did not work.', { hint: 'Try this.', candidates: ['a', 'b'] });
  };
  const failed = call('fixture_look');
  expect(await failed.code).toBe(exit);
  expect(failed.io.stdout).toBe('');
  expect(failed.io.stderr).toContain(`deckhand: ${code.replace('_', ' ')}: It did not work.`);
  expect(failed.io.stderr).toContain('did you mean: a, b');
  expect(failed.io.stderr).toContain('next: Try this.');
  expect(failed.io.stderr).toMatch(/call: [0-9a-f]{12}/);
  expect(failed.closed()).toBe(true);
});

test('a change that waits for a decision is told from one that is done', async () => {
  const approvals = {
    decide: () => ({ verdict: 'pending', by: 'test', handle: 'a_x', next: 'Ask the owner.' }) as const,
  };
  const waiting = call('fixture_rename', ['--to', 'new'], {}, { approvals });
  expect(await waiting.code).toBe(9);
  expect(waiting.io.stdout).toContain('pending');
  expect(stage.applied).toBe(0);
});

test('an unknown tool is on record, with what was asked', async () => {
  const wrong = call('fixture_lok', ['--path', '/x']);
  expect(await wrong.code).toBe(4);
  expect(wrong.records.filter((r) => r.event === 'call')).toHaveLength(1);
});

test('words that cannot be read make no call', async () => {
  const wrong = call('fixture_look', ['--limt', '5']);
  await expect(wrong.code).rejects.toThrow('fixture_look has no argument --limt.');
  expect(wrong.records).toEqual([]);
  expect(wrong.closed()).toBe(true);
});

test('SIGINT cancels the call and is its exit code', async () => {
  const controller = new AbortController();
  stage.behave = (signal) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      controller.abort('SIGINT');
    });
  const cancelled = call('fixture_look', [], { signal: controller.signal });
  expect(await cancelled.code).toBe(130);
  expect(cancelled.io.stdout).toBe('');
  expect(cancelled.io.stderr).toContain('The caller cancelled.');
  expect(cancelled.records.filter((r) => r.event === 'call')).toMatchObject([{ fields: { outcome: 'timeout' } }]);
});

test('long work is waited for: its whole answer, and nothing of handles', async () => {
  stage.lines = ['one'];
  const done = deaf();
  stage.behave = done.wait;
  const long = call('fixture_long', ['--wait-s', '0']);
  await turn();
  done.end();
  expect(await long.code).toBe(0);
  expect(long.io.stdout).toContain('one');
  expect([long.io.stdout.includes('w_'), long.work.size]).toEqual([false, 0]);
});

test('SIGINT after the first effect of a change: it says so, and the change runs to its end', async () => {
  const controller = new AbortController();
  const done = deaf();
  stage.afterCommit = async () => {
    controller.abort('SIGINT');
    setImmediate(done.end);
    await done.wait();
  };
  const changed = call('fixture_rename', ['--to', 'new'], { signal: controller.signal });
  expect(await changed.code).toBe(0);
  expect(changed.io.stdout).toContain('done: Renamed old to new.');
  expect(changed.io.stderr).toContain('A change that has begun runs to its end');
});
