/** A stop with work under way, wishes that come after the first effect, and long work on a face that ends with its answer. */
import { beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { Outcome, Progress } from '../../src/core/call.ts';
import { defineChange } from '../../src/core/define.ts';
import { OpsError } from '../../src/core/errors.ts';
import { WaitS } from '../../src/core/schema.ts';
import { callOf, type Rig, rig } from '../fakes/policy.ts';
import { deaf, fixtureTools, stage, untilAborted } from '../fakes/tools.ts';

beforeEach(() => stage.reset());

const longRename = defineChange({
  name: 'fixture_slow',
  title: 'Slow',
  description: 'Changes a word, slowly. For tests.',
  toolset: 'system',
  core: true,
  annotations: { idempotent: true, openWorld: false },
  input: () => z.strictObject({ wait_s: WaitS() }),
  risk: 'change',
  scopes: { least: 'system:write' },
  targets: () => [{ kind: 'path', name: '/word' }],
  long: true,
  limits: { timeoutMs: 600_000 },
  preview: async () => ({ summary: 'Make it new.', digest: 'same' }),
  async apply(_input, ctx) {
    await stage.behave(ctx.signal, ctx.progress);
    ctx.commit();
    stage.applied++;
    await stage.afterCommit(ctx.signal);
    return { summary: 'It is new.' };
  },
  undo: { kind: 'none', why: 'it is a test' },
});
const withSlow = () => rig({ catalog: { tools: [...fixtureTools, longRename], resources: [], prompts: [] } });
const codeOf = (out: Outcome) => (out.status === 'failed' ? out.error.code : out.status);
const row = (r: Rig) => [...r.work.values()][0];
const ended = (r: Rig, event: string) => r.records.filter((x) => x.event === event).map((x) => x.fields.outcome);
/** Long work that has been answered `running`. */
async function running(r: Rig, tool: string) {
  const out = r.door.run(callOf(tool, { wait_s: 0 }));
  await r.clock.advance(0);
  expect(codeOf(await out)).toBe('running');
}

describe('a stop', () => {
  test('with nothing under way is at once', async () => {
    const r = rig();
    expect(await r.underWay.stop(30_000)).toBe(0);
    expect(r.clock.waiting()).toBe(0);
  });

  test.each(['fixture_look', 'fixture_rename'])(
    'ends %s, which had no effect yet; its record is written',
    async (tool) => {
      const r = rig();
      stage.behave = untilAborted;
      const out = r.door.run(callOf(tool, tool === 'fixture_look' ? {} : { to: 'new' }));
      await r.clock.advance(0);
      expect(await r.underWay.stop(30_000)).toBe(0);
      expect([codeOf(await out), ended(r, 'call'), stage.applied]).toEqual(['unavailable', ['unavailable'], 0]);
      expect(r.held.size).toBe(0);
    },
  );

  test('ends long work that nobody waits for, and what asks for it later is told', async () => {
    const r = rig();
    stage.behave = untilAborted;
    await running(r, 'fixture_long');
    expect(await r.underWay.stop(30_000)).toBe(0);
    expect(row(r)).toMatchObject({
      state: 'cancelled',
      error: { code: 'unavailable', message: expect.stringContaining('stopped') },
    });
    expect(ended(r, 'work')).toEqual(['cancelled']);
  });

  test.each(['fixture_rename', 'fixture_slow'])('waits for %s after its first effect', async (tool) => {
    const r = withSlow();
    const d = deaf();
    stage.afterCommit = d.wait;
    const out = r.door.run(callOf(tool, tool === 'fixture_slow' ? { wait_s: 0 } : { to: 'new' }));
    await r.clock.advance(0);
    let stopped = false;
    const stop = r.underWay.stop(30_000).then((left) => {
      stopped = true;
      return left;
    });
    await r.clock.advance(4_000);
    expect(stopped).toBe(false);
    d.end();
    expect(await stop).toBe(0);
    expect(ended(r, tool === 'fixture_slow' ? 'work' : 'call')).toEqual(['done']);
    await out;
    expect(r.clock.waiting()).toBe(0);
  });

  test('waits also for one whose caller was told that it takes too long', async () => {
    const r = rig();
    const d = deaf();
    stage.afterCommit = d.wait;
    const out = r.door.run(callOf('fixture_rename', { to: 'new' }));
    await r.clock.advance(5_000);
    expect(codeOf(await out)).toBe('timeout');
    const stop = r.underWay.stop(30_000);
    d.end();
    expect(await stop).toBe(0);
    expect(ended(r, 'late')).toEqual(['done']);
  });

  test('does not wait for ever, and says how much it leaves', async () => {
    const r = rig();
    const d = deaf();
    stage.afterCommit = d.wait;
    const out = r.door.run(callOf('fixture_rename', { to: 'new' }));
    await r.clock.advance(0);
    const stop = r.underWay.stop(1_000);
    await r.clock.advance(1_000);
    expect(await stop).toBeGreaterThan(0);
    d.end();
    await out;
  });

  test('lets nothing begin any more', async () => {
    const r = rig();
    await r.underWay.stop(0);
    expect(codeOf(await r.door.run(callOf('fixture_rename', { to: 'new' })))).toBe('unavailable');
    expect(stage.applied).toBe(0);
  });
});

describe('after the first effect of a change', () => {
  async function cancelled(end: () => Promise<void>) {
    const r = withSlow();
    const d = deaf();
    stage.afterCommit = async () => {
      await d.wait();
      await end();
    };
    await running(r, 'fixture_slow');
    Object.assign(row(r) ?? {}, { cancel: true });
    await r.clock.advance(2_000);
    expect(row(r)?.state).toBe('running');
    d.end();
    await r.clock.advance(0);
    return r;
  }

  test('a wish to cancel comes too late', async () => {
    const r = await cancelled(async () => {});
    expect([row(r)?.state, ended(r, 'work')]).toEqual(['done', ['done']]);
  });

  test('a failure of its own is no cancelling', async () => {
    const r = await cancelled(async () => {
      throw new OpsError('conflict', 'It went wrong.');
    });
    expect(row(r)).toMatchObject({ state: 'failed', error: { code: 'conflict' } });
    expect(ended(r, 'work')).toEqual(['conflict']);
  });

  test('work that takes too long is told so, and its end is on record when it comes', async () => {
    const r = withSlow();
    const d = deaf();
    stage.afterCommit = d.wait;
    await running(r, 'fixture_slow');
    await r.clock.advance(600_000);
    expect(row(r)).toMatchObject({ state: 'failed', error: { code: 'timeout' } });
    expect(r.records.at(-1)).toMatchObject({ event: 'work', fields: { outcome: 'timeout', goesOn: true } });
    d.end();
    await r.clock.advance(0);
    expect(ended(r, 'late')).toEqual(['done']);
  });

  test('it is not stopped because too much is running: its caller waits for the verdict', async () => {
    const r = withSlow();
    r.policy.work.begin = () => null;
    const d = deaf();
    let aborted = false;
    stage.afterCommit = async (signal) => {
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      await d.wait();
    };
    const out = r.door.run(callOf('fixture_slow', { wait_s: 0 }));
    await r.clock.advance(5_000);
    d.end();
    expect([codeOf(await out), aborted]).toEqual(['done', false]);
  });
});

test('how far work was before it had a handle is seen by it', async () => {
  const r = rig();
  stage.behave = untilAborted;
  await running(r, 'fixture_long');
  expect(row(r)?.progress).toEqual({ done: 1, total: 10, text: 'begun' });
  await r.underWay.stop(0);
});

test('a command waits for the end of long work, whatever it says of waiting, and is told of its progress', async () => {
  const r = rig();
  const d = deaf();
  const seen: Progress[] = [];
  stage.behave = d.wait;
  const out = r.door.run(callOf('fixture_long', { wait_s: 0 }, { face: 'cli', progress: (x) => seen.push(x) }));
  await r.clock.advance(60_000);
  d.end();
  expect([codeOf(await out), r.work.size, seen.length]).toEqual(['done', 0, 1]);
});

test('handlers deaf to their end cannot pile up behind cancelled work', async () => {
  const r = rig();
  const d = deaf();
  stage.behave = d.wait;
  for (let i = 0; i < 64; i++) {
    await running(r, 'fixture_long');
    Object.assign([...r.work.values()].at(-1) ?? {}, { cancel: true });
    await r.clock.advance(500);
  }
  const one = r.door.run(callOf('fixture_long', { wait_s: 0 }));
  await r.clock.advance(0);
  expect(codeOf(await one)).toBe('limit');
  d.end();
  await r.clock.advance(0);
  stage.behave = untilAborted;
  await running(r, 'fixture_long');
});
