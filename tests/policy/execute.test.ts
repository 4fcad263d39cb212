/** What the door runs: sharing, retries, time-outs, commits, long work, cancellation, progress. */
import { beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { Progress } from '../../src/core/call.ts';
import { defineChange } from '../../src/core/define.ts';
import { OpsError } from '../../src/core/errors.ts';
import type { Tool } from '../../src/core/tool.ts';
import { createCoalescer } from '../../src/policy/coalesce.ts';
import { callOf, operator, reader, rig, who } from '../fakes/policy.ts';
import { deaf, fixtureTools, stage, untilAborted } from '../fakes/tools.ts';

beforeEach(() => stage.reset());
/** A door that has this tool too. */
const withTool = (tool: Tool) => rig({ catalog: { tools: [...fixtureTools, tool], resources: [], prompts: [] } });
/** A change that takes its time, names no wait of its own, and cannot be taken back. */
const slowTool = defineChange({
  name: 'fixture_slow',
  title: 'Slow',
  description: 'Changes a word, slowly. For tests.',
  toolset: 'system',
  core: true,
  annotations: { idempotent: true, openWorld: false },
  input: () => z.strictObject({ to: z.string() }),
  risk: 'change',
  scopes: { least: 'system:write' },
  targets: () => [{ kind: 'path', name: '/word' }],
  long: true,
  limits: { timeoutMs: 600_000 },
  preview: async ({ to }) => ({ summary: `Make it ${to}.`, digest: 'same' }),
  async apply({ to }, ctx) {
    ctx.commit();
    await stage.behave(ctx.signal, ctx.progress);
    stage.state = to;
    return { summary: `It is ${to}.` };
  },
  undo: { kind: 'manual', why: 'what it was is not known.' },
});
/** The same, and what came of it. */
const endsAs = (state: 'rolled_back' | 'failed'): Tool => {
  const change = slowTool.change as NonNullable<Tool['change']>;
  return {
    ...slowTool,
    change: { ...change, apply: async (input, ctx) => ({ ...(await change.apply(input, ctx)), state }) },
  } as Tool;
};
const codeOf = (out: { status: string; error?: { code: string } }) => out.error?.code ?? out.status;

describe('time-outs and callers who leave', () => {
  test('a handler that hears its signal is stopped at its time-out', async () => {
    const r = rig();
    stage.behave = untilAborted;
    const out = r.door.run(callOf('fixture_look'));
    await r.clock.advance(5_000);
    expect(codeOf(await out)).toBe('timeout');
    expect(r.clock.waiting()).toBe(0);
  });

  test('a handler deaf to its signal times out all the same', async () => {
    const r = rig();
    const d = deaf();
    stage.behave = d.wait;
    const out = r.door.run(callOf('fixture_look'));
    await r.clock.advance(5_000);
    expect(codeOf(await out)).toBe('timeout');
    d.end();
  });

  test.each(['fixture_look', 'fixture_rename'])(
    '%s of a caller who has left before it began ends at once, and changes nothing',
    async (tool) => {
      const r = rig();
      stage.behave = untilAborted;
      const args = tool === 'fixture_look' ? {} : { to: 'new' };
      expect(codeOf(await r.door.run(callOf(tool, args, { signal: AbortSignal.abort() })))).toBe('timeout');
      await r.clock.advance(0);
      expect(stage.applied).toBe(0);
      expect(r.records.map((x) => x.event)).toEqual(['call']);
      expect([r.held.size, r.clock.waiting()]).toEqual([0, 0]);
    },
  );

  test('a read stops with its caller', async () => {
    const r = rig();
    const leaves = new AbortController();
    let heard = false;
    stage.behave = (signal) => {
      signal.addEventListener('abort', () => (heard = true));
      return untilAborted(signal);
    };
    const out = r.door.run(callOf('fixture_look', {}, { signal: leaves.signal }));
    await r.clock.advance(0);
    leaves.abort();
    expect(codeOf(await out)).toBe('timeout');
    expect(heard).toBe(true);
    expect(r.records.filter((x) => x.event === 'call')).toHaveLength(1);
  });

  test('a change stops with its caller before its first effect', async () => {
    const r = rig();
    const leaves = new AbortController();
    stage.behave = untilAborted;
    const out = r.door.run(callOf('fixture_rename', { to: 'new' }, { signal: leaves.signal }));
    await r.clock.advance(0);
    leaves.abort();
    expect(codeOf(await out)).toBe('timeout');
    expect(stage.applied).toBe(0);
    await r.clock.advance(0);
    expect(r.held.size).toBe(0);
  });

  test('after its first effect a change runs to its verdict, whoever has left', async () => {
    const r = rig();
    const leaves = new AbortController();
    const d = deaf();
    stage.afterCommit = d.wait;
    const out = r.door.run(callOf('fixture_rename', { to: 'new' }, { signal: leaves.signal }));
    await r.clock.advance(0);
    expect(stage.applied).toBe(1);
    leaves.abort();
    await r.clock.advance(100);
    d.end();
    expect(codeOf(await out)).toBe('done');
    expect(r.records.at(-1)?.fields).toMatchObject({ outcome: 'done' });
  });

  test('a change deaf to its deadline keeps its lock until it ends, and how it ended is on record', async () => {
    const r = rig();
    const d = deaf();
    stage.afterCommit = d.wait;
    const out = r.door.run(callOf('fixture_rename', { to: 'new' }));
    await r.clock.advance(5_000);
    expect(codeOf(await out)).toBe('timeout');
    expect([...r.held]).toEqual(['path:/word']);
    expect(codeOf(await r.door.run(callOf('fixture_rename', { to: 'other' })))).toBe('conflict');
    d.end();
    await r.clock.advance(0);
    expect(r.held.size).toBe(0);
    expect(r.records.find((x) => x.event === 'late')?.fields.outcome).toBe('done');
  });
});

describe('changes', () => {
  test('dry_run says what it would do, and does nothing, in every mode that lists it', async () => {
    for (const mode of ['ask', 'full'] as const) {
      const r = rig({ mode });
      const out = await r.door.run(callOf('fixture_rename', { to: 'new', dry_run: true }));
      expect(out).toMatchObject({
        status: 'done',
        data: { state: 'dry_run', summary: 'Rename old to new.', diff: '-old\n+new' },
      });
      expect(stage.applied).toBe(0);
    }
  });

  test('a state that moved after the preview refuses the change', async () => {
    const r = rig();
    const { decide } = r.policy.approvals;
    r.policy.approvals.decide = (request) => {
      stage.state = 'moved';
      return decide(request);
    };
    expect(codeOf(await r.door.run(callOf('fixture_rename', { to: 'new' })))).toBe('conflict');
    expect(stage.state).toBe('moved');
  });

  test('an approval binds principal, tool, canonical input and digest', async () => {
    const r = rig();
    const asked: unknown[] = [];
    r.policy.approvals.decide = ({ from: _, ...bound }) => {
      asked.push(bound);
      return { verdict: 'refused', by: 'test', why: 'no', hint: 'no' };
    };
    await r.door.run(callOf('fixture_rename', { dry_run: false, to: 'new' }));
    await r.door.run(callOf('fixture_rename', { to: 'new' }));
    expect(asked[0]).toEqual(asked[1]);
    expect(asked[0]).toMatchObject({
      principal: operator.id,
      tool: 'fixture_rename',
      input: '{"dry_run":false,"to":"new"}',
      preview: { digest: 'old' },
      targets: [{ kind: 'path', name: '/word' }],
      risk: 'change',
    });
  });

  test('a receipt that cannot be stored does not make a done change look undone', async () => {
    const r = rig();
    r.policy.receipts.put = () => {
      throw new Error('disk full');
    };
    const out = await r.door.run(callOf('fixture_rename', { to: 'new' }));
    expect(out).toMatchObject({ status: 'done', data: { state: 'done', next: expect.stringMatching(/by hand/) } });
    expect(stage.state).toBe('new');
  });

  test('what cannot be taken back says so, and why; what had nothing to take back has no receipt', async () => {
    const r = withTool(slowTool);
    const out = await r.door.run(callOf('fixture_slow', { to: 'new' }));
    expect(out).toMatchObject({
      status: 'done',
      data: { state: 'done', next: 'It cannot be undone here: what it was is not known.' },
    });
    const rename = fixtureTools.find((t) => t.name === 'fixture_rename')?.change;
    if (!rename) throw new Error('no change');
    const apply = async () => ({ summary: 'It was so already.' });
    const already = { ...fixtureTools[3], name: 'fixture_already', change: { ...rename, apply } } as Tool;
    const other = withTool(already);
    const same = await other.door.run(callOf('fixture_already', { to: 'new' }));
    expect(same).toMatchObject({ status: 'done', data: { state: 'done', summary: 'It was so already.' } });
    expect([...other.receipts.list({ limit: 9 }), ...r.receipts.list({ limit: 9 })]).toEqual([]);
    expect(same.status === 'done' && [same.data.receipt, same.data.next]).toEqual([undefined, undefined]);
  });

  test('a receipt takes the change back', async () => {
    const r = rig();
    await r.door.run(callOf('fixture_rename', { to: 'new' }));
    const kept = r.receipts.list({ limit: 1 })[0];
    const undo = r.policy.catalog.tools.find((t) => t.name === 'fixture_rename')?.change?.undo;
    if (!kept || undo?.kind !== 'revert') throw new Error('no way back');
    const back = await undo.revert(r.receipts.get(kept.id) as never, { commit() {} } as never);
    expect(back.summary).toBe('Back to old.');
    expect(stage.state).toBe('old');
  });
});

describe('equal reads', () => {
  test('share one execution within 250 ms, by principals with equal rights, and no longer', async () => {
    const r = rig();
    const d = deaf();
    stage.behave = d.wait;
    const twin = who('token:twin', [...reader.scopes]);
    const both = [
      callOf('fixture_look', {}, { principal: reader }),
      callOf('fixture_look', { limit: 50 }, { principal: twin }),
    ].map(r.door.run);
    await r.clock.advance(0);
    d.end();
    const outs = await Promise.all(both);
    expect(outs.map((o) => o.status === 'done' && o.data.runs)).toEqual([1, 1]);
    await r.clock.advance(251);
    await r.door.run(callOf('fixture_look', {}, { principal: reader }));
    expect(stage.runs).toBe(2);
    expect(r.records.filter((x) => x.event === 'call')).toHaveLength(3);
  });

  test('are not shared with other rights, other arguments, or across a change', async () => {
    const r = rig();
    await r.door.run(callOf('fixture_look', {}, { principal: reader }));
    await r.door.run(callOf('fixture_look', {}, { principal: operator }));
    await r.door.run(callOf('fixture_look', { limit: 9 }, { principal: operator }));
    expect(stage.runs).toBe(3);
    await r.door.run(callOf('fixture_rename', { to: 'new' }));
    await r.door.run(callOf('fixture_look', { limit: 9 }, { principal: operator }));
    expect(stage.runs).toBe(5);
  });

  test('one caller who leaves does not stop the others; the last one does', async () => {
    const r = rig();
    const leave = [new AbortController(), new AbortController()];
    let stopped = false;
    stage.behave = (signal) => {
      signal.addEventListener('abort', () => (stopped = true));
      return untilAborted(signal);
    };
    const outs = leave.map((l) => r.door.run(callOf('fixture_look', {}, { signal: l.signal })));
    await r.clock.advance(0);
    leave[0]?.abort();
    expect(codeOf((await outs[0]) as never)).toBe('timeout');
    expect(stopped).toBe(false);
    leave[1]?.abort();
    await outs[1];
    expect(stopped).toBe(true);
  });

  test('the last caller of a run that a change made stale stops only that run', async () => {
    const r = rig();
    const coalescer = createCoalescer(r.clock);
    const stopped: number[] = [];
    let runs = 0;
    const start = (signal: AbortSignal) => {
      const mine = ++runs;
      signal.addEventListener('abort', () => stopped.push(mine));
      return untilAborted(signal);
    };
    const leaves = new AbortController();
    const stays = new AbortController();
    const stale = coalescer.share('k', leaves.signal, start).catch(() => 'left');
    coalescer.forget();
    const fresh = coalescer.share('k', stays.signal, start).catch(() => 'left');
    leaves.abort();
    expect(await stale).toBe('left');
    // Who comes now still finds the fresh run.
    const joined = coalescer.share('k', stays.signal, start).catch(() => 'left');
    expect([runs, stopped]).toEqual([2, [1]]);
    stays.abort();
    expect(await Promise.all([fresh, joined])).toEqual(['left', 'left']);
    expect(stopped).toEqual([1, 2]);
  });

  test('a failure is not shared with who comes after it', async () => {
    const r = rig();
    stage.behave = async () => Promise.reject(Object.assign(new Error('gone'), { code: 'ENOENT' }));
    expect(codeOf(await r.door.run(callOf('fixture_look')))).toBe('not_found');
    stage.behave = async () => {};
    expect(codeOf(await r.door.run(callOf('fixture_look')))).toBe('done');
  });
});

describe('retries', () => {
  const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
  test('a read is tried once more after 100 ms, and only once', async () => {
    const r = rig();
    let fails = 1;
    stage.behave = async () => (fails-- > 0 ? Promise.reject(reset) : undefined);
    const out = r.door.run(callOf('fixture_look'));
    await r.clock.advance(99);
    expect(stage.runs).toBe(1);
    await r.clock.advance(1);
    expect(codeOf(await out)).toBe('done');
    fails = 2;
    const again = r.door.run(callOf('fixture_look', { limit: 2 }));
    await r.clock.advance(100);
    expect(codeOf(await again)).toBe('unavailable');
    expect(stage.runs).toBe(4);
  });
  test('a change never', async () => {
    const r = rig();
    stage.behave = async () => Promise.reject(reset);
    const out = r.door.run(callOf('fixture_rename', { to: 'new' }));
    await r.clock.advance(1_000);
    expect(codeOf(await out)).toBe('unavailable');
    expect(stage.runs).toBe(1);
  });
});

describe('long work', () => {
  test('goes on after wait_s under a handle, which waits for it and then has the answer', async () => {
    const r = rig();
    const d = deaf();
    stage.behave = d.wait;
    stage.lines = ['one'];
    const out = r.door.run(callOf('fixture_long', { wait_s: 2 }));
    await r.clock.advance(2_000);
    const first = await out;
    expect(first).toMatchObject({
      status: 'running',
      data: { state: 'running', handle: expect.stringMatching(/^w_/) },
    });
    const handle = first.status === 'running' ? String(first.data.handle) : '';
    expect(r.work.get(handle)?.state).toBe('running');
    d.end();
    await r.clock.advance(0);
    const row = r.work.get(handle);
    expect(row?.state).toBe('done');
    expect(r.kept.get(row?.kept ?? '')?.data).toEqual({ lines: ['one'] });
    expect(r.records.map((x) => x.event)).toEqual(['call', 'work']);
    expect(r.clock.waiting()).toBe(0);
  });

  test('that ends within its wait is answered as any other, and leaves no handle', async () => {
    const r = rig();
    stage.lines = ['one'];
    expect(await r.door.run(callOf('fixture_long', { wait_s: 2 }))).toMatchObject({
      status: 'done',
      data: { lines: ['one'] },
    });
    expect([r.work.size, r.clock.waiting()]).toEqual([0, 0]);
  });

  test('waits as long as the owner set where the call says nothing, and a change goes on too', async () => {
    const r = withTool(slowTool);
    const d = deaf();
    stage.behave = d.wait;
    let answered = false;
    const out = r.door.run(callOf('fixture_slow', { to: 'new' })).finally(() => {
      answered = true;
    });
    await r.clock.advance(r.policy.waitMs - 1);
    expect(answered).toBe(false);
    await r.clock.advance(1);
    const first = await out;
    expect(first).toMatchObject({ status: 'running', data: { state: 'running', summary: 'fixture_slow goes on.' } });
    expect(first.status === 'running' && slowTool.output.safeParse(first.data).success).toBe(true);
    d.end();
    await r.clock.advance(0);
    const row = [...r.work.values()][0];
    expect(r.kept.get(row?.kept ?? '')).toMatchObject({ data: { state: 'done', summary: 'It is new.' }, lists: [] });
    expect([stage.state, r.held.size, r.clock.waiting()]).toEqual(['new', 0, 0]);
  });

  test.each([
    ['rolled_back', 'rolled back'],
    ['failed', 'made, and not as promised'],
  ] as const)('a change that ends as %s is on record as that and not as done, at once or later', async (state, why) => {
    const soon = withTool(endsAs(state));
    expect(await soon.door.run(callOf('fixture_slow', { to: 'new' }))).toMatchObject({
      status: 'done',
      data: { state },
    });
    expect(soon.records.at(-1)).toMatchObject({ event: 'call', fields: { outcome: 'done', why } });

    const later = withTool(endsAs(state));
    const d = deaf();
    stage.behave = d.wait;
    const out = later.door.run(callOf('fixture_slow', { to: 'new' }));
    await later.clock.advance(later.policy.waitMs);
    await out;
    expect(later.records.at(-1)).toMatchObject({ event: 'call', fields: { outcome: 'running', why: undefined } });
    d.end();
    await later.clock.advance(0);
    expect(later.records.at(-1)).toMatchObject({ event: 'work', fields: { outcome: state } });
    expect(later.kept.get([...later.work.values()][0]?.kept ?? '')).toMatchObject({ data: { state } });
  });

  test('tells how far it is under its handle, once its caller has been answered', async () => {
    const r = rig();
    const d = deaf();
    const seen: Progress[] = [];
    stage.behave = async (_signal, progress) => {
      await d.wait();
      progress(7, 10);
    };
    const out = r.door.run(callOf('fixture_long', { wait_s: 1 }, { progress: (x) => seen.push(x) }));
    await r.clock.advance(1_000);
    await out;
    d.end();
    await r.clock.advance(0);
    expect([...r.work.values()][0]?.progress).toEqual({ done: 7, total: 10 });
    expect(seen).toEqual([{ done: 1, total: 10, text: 'begun' }]);
  });

  test('whose end cannot be recorded gives its place back, and the log has the reason', async () => {
    const said: unknown[] = [];
    let open = 0;
    const enter = () => {
      open++;
      return { [Symbol.dispose]: () => void open-- };
    };
    const r = rig({ slots: { enter } });
    r.policy.log = { ...r.policy.log, error: (fields) => said.push(fields) };
    r.policy.work.finish = () => {
      throw new Error('disk full');
    };
    const d = deaf();
    stage.behave = d.wait;
    const out = r.door.run(callOf('fixture_long', { wait_s: 0 }));
    await r.clock.advance(0);
    await out;
    d.end();
    await r.clock.advance(0);
    expect(said).toMatchObject([{ err: { message: 'disk full' } }]);
    expect([open, r.clock.waiting()]).toEqual([0, 0]);
  });

  test('leaves its place among the calls under way: whoever comes to stop it must get in', async () => {
    let open = 0;
    const enter = () => {
      open++;
      return { [Symbol.dispose]: () => void open-- };
    };
    const r = rig({ slots: { enter } });
    const d = deaf();
    stage.behave = d.wait;
    const out = r.door.run(callOf('fixture_long', { wait_s: 0 }));
    await r.clock.advance(0);
    await out;
    expect(open).toBe(0);
    d.end();
    await r.clock.advance(0);
    expect(open).toBe(0);
  });

  test('is cancelled by a wish in the store, and says so', async () => {
    const r = rig();
    stage.behave = untilAborted;
    const out = r.door.run(callOf('fixture_long', { wait_s: 0 }));
    await r.clock.advance(0);
    const first = await out;
    const row = r.work.get(first.status === 'running' ? String(first.data.handle) : '');
    if (!row) throw new Error('no work');
    row.cancel = true;
    await r.clock.advance(500);
    expect(row.state).toBe('cancelled');
    expect(r.clock.waiting()).toBe(0);
  });

  test('is refused, and stopped, when too much is running', async () => {
    const r = rig();
    r.policy.work.begin = () => null;
    let stopped = false;
    stage.behave = (signal) => {
      signal.addEventListener('abort', () => (stopped = true));
      return untilAborted(signal);
    };
    const out = r.door.run(callOf('fixture_long', { wait_s: 1 }));
    await r.clock.advance(1_000);
    expect(codeOf(await out)).toBe('limit');
    expect(stopped).toBe(true);
  });

  test('that fails keeps the reason, without its secrets', async () => {
    const r = rig();
    stage.behave = async (signal) => {
      await new Promise<void>((resolve) => r.clock.after(3_000, resolve));
      signal.throwIfAborted();
      throw Object.assign(new Error('password=hunter2hunter2 refused'), { code: 'ECONNREFUSED' });
    };
    const out = r.door.run(callOf('fixture_long', { wait_s: 1 }));
    await r.clock.advance(3_000);
    await out;
    const row = [...r.work.values()][0];
    expect(row).toMatchObject({ state: 'failed', error: { code: 'unavailable' } });
    expect(row?.error?.message).not.toContain('hunter2');
  });

  test('that fails keeps the way out too', async () => {
    const r = rig();
    const d = deaf();
    stage.behave = async () => {
      await d.wait();
      throw new OpsError('conflict', 'Busy.', { hint: 'Unlock it with password=hunter2hunter2 first.' });
    };
    const out = r.door.run(callOf('fixture_long', { wait_s: 0 }));
    await r.clock.advance(0);
    await out;
    d.end();
    await r.clock.advance(0);
    const error = [...r.work.values()][0]?.error;
    expect(error).toMatchObject({ code: 'conflict', message: 'Busy.', hint: expect.stringMatching(/^Unlock it/) });
    expect(error?.hint).not.toContain('hunter2');
  });
});

test('progress arrives at most twice a second, without the secrets of its words', async () => {
  const r = rig();
  const seen: Progress[] = [];
  const d = deaf();
  stage.behave = async (_signal, progress) => {
    progress(2, 2, 'too soon');
    await d.wait();
    progress(3);
    progress(4);
  };
  const out = r.door.run(callOf('fixture_look', {}, { progress: (x) => seen.push(x) }));
  await r.clock.advance(499);
  expect(seen).toEqual([{ done: 1, total: 2, text: 'looking' }]);
  await r.clock.advance(1);
  d.end();
  await out;
  expect(seen.slice(1)).toEqual([{ done: 3 }]);
  stage.behave = async (_signal, progress) => {
    await new Promise<void>((resolve) => r.clock.after(500, resolve));
    progress(1, 1, 'with password=hunter2hunter2');
  };
  const again = r.door.run(callOf('fixture_look', {}, { progress: (x) => seen.push(x) }));
  await r.clock.advance(500);
  await again;
  expect(seen.at(-1)?.text).toMatch(/^with password=⟦redacted:/);
});
