/** The way back, through the door: receipts before the effect, whose they are, what an undo needs, and that it runs once. */
import { beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { defineChange } from '../../src/core/define.ts';
import { OpsError } from '../../src/core/errors.ts';
import type { ChangeContext, Tool } from '../../src/core/tool.ts';
import { receiptAsResult, receiptsFor } from '../../src/policy/undo.ts';
import { resultQuery } from '../../src/tools/result_query.ts';
import { undo } from '../../src/tools/undo.ts';
import { callOf, operator, type Rig, reader, rig, who } from '../fakes/policy.ts';
import { deaf, fixtureTools, stage, untilAborted } from '../fakes/tools.ts';

beforeEach(() => stage.reset());
const NONE = 't_aaaaaaaaaaaaaaaaaaaaaaaaaa';
const owner = who('token:owner', ['admin']);
const twin = who('token:twin', [...operator.scopes]);

/** A change that knows beforehand what undoing it needs. */
const early = {
  commits: [] as Parameters<ChangeContext['commit']>[],
  known: undefined as Record<string, unknown> | undefined,
};
const earlyTool = defineChange({
  name: 'fixture_early',
  title: 'Early',
  description: 'Changes a word, with its way back on the disk before. For tests.',
  toolset: 'system',
  core: true,
  annotations: { idempotent: true, openWorld: false },
  input: () => z.strictObject({ to: z.string(), wait_s: z.number().optional() }),
  risk: 'change',
  scopes: { least: 'system:write' },
  targets: () => [{ kind: 'path', name: '/word' }],
  long: true,
  limits: { timeoutMs: 600_000 },
  preview: async ({ to }) => ({
    summary: `Make it ${to}.`,
    before: { word: stage.state },
    digest: stage.state,
  }),
  async apply({ to }, ctx) {
    const was = stage.state;
    for (const args of early.commits.length
      ? early.commits
      : ([[{ data: { word: was } }]] as Parameters<ChangeContext['commit']>[]))
      ctx.commit(...args);
    await stage.behave(ctx.signal, ctx.progress);
    stage.state = to;
    return { summary: `It is ${to}.`, after: { word: to }, ...(early.known ? { revert: { data: early.known } } : {}) };
  },
  undo: {
    kind: 'revert',
    async preview({ state, before, after }) {
      const proper = state === 'done' ? [after?.word] : [before?.word, 'new'];
      if (!proper.includes(stage.state)) throw new OpsError('conflict', `It is ${stage.state} by now.`);
      return { summary: `Back to ${before?.word}.`, digest: stage.state };
    },
    async revert({ data, before }, ctx) {
      if (stage.state !== before?.word) {
        ctx.commit();
        await stage.afterCommit(ctx.signal);
        stage.state = String(data.word);
      }
      return { summary: `It is ${stage.state}.`, revert: { data: { never: 'kept' } } };
    },
  },
});
const tools = [...fixtureTools, earlyTool, undo, resultQuery];
const house = (over: Parameters<typeof rig>[0] = {}) => {
  early.commits = [];
  early.known = undefined;
  return rig({ catalog: { tools, resources: [], prompts: [] }, ...over });
};
const change = async (r: Rig, args: object = { to: 'new' }, tool = 'fixture_rename') => {
  const out = await r.door.run(callOf(tool, args));
  if (out.status !== 'done') throw new Error(JSON.stringify(out));
  return String(out.data.receipt);
};
const back = (r: Rig, receipt: string, over: Parameters<typeof callOf>[2] = {}, more: object = {}) =>
  r.door.run(callOf('undo', { receipt, ...more }, over));
const codeOf = (out: { status: string; error?: { code: string } }) => out.error?.code ?? out.status;
const closing = (r: Rig) => r.records.filter((x) => x.event === 'call').at(-1)?.fields;

describe('a receipt', () => {
  test('is on the disk after the intent and before the effect, and finished afterwards', async () => {
    const r = house();
    const seen: unknown[] = [];
    stage.behave = async () => {
      const [line] = r.receipts.list({ limit: 9 });
      seen.push(line && r.receipts.get(line.id), r.records.at(-1)?.event, stage.state);
    };
    const id = await change(r, { to: 'new' }, 'fixture_early');
    expect(seen).toMatchObject([
      { state: 'prepared', summary: 'Make it new.', before: { word: 'old' }, after: null, data: { word: 'old' } },
      'intent',
      'old',
    ]);
    expect(r.receipts.get(id)).toMatchObject({
      state: 'done',
      summary: 'It is new.',
      before: { word: 'old' },
      after: { word: 'new' },
      data: { word: 'old' },
      call: closing(r)?.call,
      principal: operator.id,
    });
    expect(closing(r)).toMatchObject({ receipt: id, outcome: 'done' });
    expect(closing(r)?.undoOf).toBeUndefined();
  });

  test('takes what the tool knew better afterwards', async () => {
    const r = house();
    early.known = { word: 'better' };
    expect(r.receipts.get(await change(r, { to: 'new' }, 'fixture_early'))?.data).toEqual({ word: 'better' });
  });

  test('that cannot be prepared stops the change, with the reason', async () => {
    const r = house();
    r.receipts.prepare = () => {
      throw new OpsError('unavailable', 'The state database cannot be used: full.');
    };
    const out = await r.door.run(callOf('fixture_early', { to: 'new' }));
    expect(out).toMatchObject({
      status: 'failed',
      error: { code: 'unavailable', message: expect.stringMatching(/full/) },
    });
    expect([stage.state, r.held.size]).toEqual(['old', 0]);
    expect(closing(r)?.receipt).toBeUndefined();
    // Nothing had begun: a caller who leaves still stops it, which a commit would have ended.
  });

  test('of a change that failed after its first effect is named by the error, stays prepared, and takes back what there is', async () => {
    const r = house();
    stage.behave = async () => {
      stage.state = 'new';
      throw new OpsError('unavailable', 'The engine went away.', { hint: 'Start it.' });
    };
    const out = await r.door.run(callOf('fixture_early', { to: 'new' }));
    const id = out.status === 'failed' ? (out.error.details.receipt ?? '') : '';
    expect(out).toMatchObject({
      error: { code: 'unavailable', details: { hint: expect.stringMatching(/^Start it\. .*undo \{"receipt":"t_/) } },
    });
    expect(r.receipts.get(id)).toMatchObject({ state: 'prepared', after: null });
    expect(closing(r)).toMatchObject({ receipt: id, outcome: 'unavailable' });
    expect(receiptsFor(operator, r.policy).get(id)?.state).toBe('unfinished');
    stage.behave = async () => {};
    expect(codeOf(await back(r, id))).toBe('done');
    expect(stage.state).toBe('old');
  });

  test('of a change that failed before it did anything is undone by doing nothing, once', async () => {
    const r = house();
    stage.behave = () => Promise.reject(new Error('boom'));
    const out = await r.door.run(callOf('fixture_early', { to: 'new' }));
    const id = out.status === 'failed' ? (out.error.details.receipt ?? '') : '';
    expect(out).toMatchObject({ error: { code: 'internal', details: { hint: expect.stringContaining(id) } } });
    expect(await back(r, id)).toMatchObject({ status: 'done', data: { summary: 'It is old.' } });
    expect(codeOf(await back(r, id))).toBe('conflict');
  });

  test('is named by the error of one that takes too long, by what is kept of it under its handle, and by its records', async () => {
    const r = house();
    const d = deaf();
    stage.behave = d.wait;
    const out = r.door.run(callOf('fixture_early', { to: 'new', wait_s: 1 }));
    await r.clock.advance(1_000);
    expect((await out).status).toBe('running');
    await r.clock.advance(600_000);
    const id = r.receipts.list({ limit: 1 })[0]?.id;
    expect([...r.work.values()][0]?.error?.hint).toContain(id);
    d.end();
    await r.clock.advance(0);
    for (const event of ['work', 'late']) expect(r.records.find((x) => x.event === event)?.fields.receipt).toBe(id);
  });

  test('that cannot be finished can be used all the same, and the change is not called failed', async () => {
    const r = house();
    r.receipts.finish = () => {
      throw new Error('disk full');
    };
    const out = await r.door.run(callOf('fixture_early', { to: 'new' }));
    expect(out).toMatchObject({
      data: { state: 'done', receipt: expect.any(String), next: expect.stringMatching(/only that it had begun/) },
    });
    expect(codeOf(await back(r, String(out.status === 'done' && out.data.receipt)))).toBe('done');
  });

  test('is prepared once; a commit without one, again, or of a tool without a way back makes none', async () => {
    const r = house();
    early.commits = [[{ data: {} }], [{ data: {} }]];
    expect(codeOf(await r.door.run(callOf('fixture_early', { to: 'new' })))).toBe('internal');
    expect(r.receipts.list({ limit: 9 })).toHaveLength(1);
    early.commits = [[], []];
    expect(await change(r, { to: 'other' }, 'fixture_early')).toBe('undefined');
    const none = {
      ...earlyTool,
      name: 'fixture_none',
      change: { ...earlyTool.change, undo: { kind: 'none', why: 'no.' } },
    };
    const other = rig({ catalog: { tools: [none as Tool], resources: [], prompts: [] } });
    early.commits = [[{ data: {} }]];
    const out = await other.door.run(callOf('fixture_none', { to: 'x' }));
    expect(out).toMatchObject({ data: { next: 'It cannot be undone here: no.' } });
    expect(other.receipts.list({ limit: 9 })).toEqual([]);
  });
});

describe('undo', () => {
  test('takes the change back: intent, effect and closing record name the receipt, and who took it back is known', async () => {
    const r = house();
    const id = await change(r);
    const out = await back(r, id);
    expect(out).toMatchObject({
      status: 'done',
      data: {
        state: 'done',
        summary: 'Back to old.',
        after: { word: 'old' },
        next: expect.stringMatching(/make it again/),
      },
    });
    expect(out.status === 'done' && out.data.receipt).toBeUndefined();
    expect(stage.state).toBe('old');
    const fields = { tool: 'undo', undoOf: id, risk: 'change', targets: [{ kind: 'path', name: '/word' }] };
    expect(r.records.find((x) => x.event === 'intent' && x.fields.tool === 'undo')).toMatchObject({
      durable: true,
      fields,
    });
    expect(closing(r)).toMatchObject({ ...fields, scopes: ['system:write'], outcome: 'done' });
    expect(r.receipts.get(id)?.undone).toMatchObject({ state: 'done', by: operator.id, call: closing(r)?.call });
  });

  test('says what it would do, and does nothing, with dry_run', async () => {
    const r = house();
    const id = await change(r);
    expect(await back(r, id, {}, { dry_run: true })).toMatchObject({
      data: { state: 'dry_run', summary: 'Rename new back to old.', before: { word: 'new' } },
    });
    expect([stage.state, r.receipts.get(id)?.undone]).toEqual(['new', null]);
  });

  test('is refused when the target has moved on, and says what is in the way', async () => {
    const r = house();
    const id = await change(r);
    stage.state = 'theirs';
    for (const more of [{}, { dry_run: true }])
      expect(await back(r, id, {}, more)).toMatchObject({
        error: { code: 'conflict', message: 'The word is theirs by now, and was left as new.' },
      });
    expect([stage.state, r.receipts.get(id)?.undone]).toEqual(['theirs', null]);
  });

  test('happens once, and the second hears when and by whom', async () => {
    const r = house();
    const id = await change(r);
    await back(r, id);
    stage.state = 'new';
    for (const more of [{}, { dry_run: true }])
      expect(await back(r, id, {}, more)).toMatchObject({
        error: {
          code: 'conflict',
          message: expect.stringMatching(/^This was undone already, at 20.*Z by token:operator\.$/),
        },
      });
    expect(stage.state).toBe('new');
  });

  test('of two at once one wins', async () => {
    const r = house();
    const id = await change(r);
    const outs = await Promise.all([back(r, id), back(r, id, { principal: owner })]);
    expect(outs.map(codeOf).sort()).toEqual(['conflict', 'done']);
    // Also without locks, as where the change named no target: the claim decides.
    const other = house({ locks: { acquire: () => ({ [Symbol.dispose]() {} }) } });
    const again = await change(other, { to: 'newer' });
    const d = deaf();
    stage.afterCommit = d.wait;
    const first = back(other, again);
    await other.clock.advance(0);
    const second = await back(other, again, { principal: owner }, { dry_run: true });
    expect(codeOf(second)).toBe('conflict');
    stage.state = 'newer';
    expect(await back(other, again, { principal: owner })).toMatchObject({
      error: {
        code: 'conflict',
        message: expect.stringMatching(/^This is being undone, since .* by token:operator\.$/),
      },
    });
    d.end();
    expect(codeOf(await first)).toBe('done');
  });

  test('waits while its target is being changed by another call', async () => {
    const r = house();
    const id = await change(r);
    const lock = r.policy.locks.acquire('path:/word');
    expect(await back(r, id)).toMatchObject({
      error: { code: 'conflict', message: expect.stringMatching(/being changed/) },
    });
    lock?.[Symbol.dispose]();
    expect(codeOf(await back(r, id))).toBe('done');
  });

  test('is for who made the change and still holds its scopes, or an admin; for all others there is no such receipt', async () => {
    const r = house();
    const id = await change(r, { to: '/new' });
    const revoked = { ...operator, valid: () => false };
    const less = who(operator.id, ['system:write']);
    const notFound = { status: 'failed', error: { code: 'not_found' } };
    const seen = new Set<string>();
    for (const [principal, receipt] of [
      [twin, id],
      [less, id],
      [operator, NONE],
    ] as const) {
      const out = await back(r, receipt, { principal });
      expect(out).toMatchObject(notFound);
      if (out.status === 'failed')
        seen.add(
          JSON.stringify(out.error)
            .replace(receipt, 'ID')
            .concat(out.error.details.hint ?? ''),
        );
      expect(await r.door.run(callOf('result_query', { handle: receipt }, { principal }))).toMatchObject(notFound);
    }
    expect(seen.size).toBe(1);
    expect(codeOf(await back(r, id, { principal: revoked }))).toBe('permission');
    expect(receiptsFor(revoked, r.policy).get(id)).toBeNull();
    expect(receiptsFor(twin, r.policy).list(9)).toEqual([]);
    expect(receiptsFor(less, r.policy).list(9)).toEqual([]);
    expect(receiptsFor(owner, r.policy).list(9)).toMatchObject([{ receipt: id }]);
    expect(stage.state).toBe('/new');
    expect(codeOf(await back(r, id, { principal: owner }))).toBe('done');
    expect(r.receipts.get(id)?.undone?.by).toBe('token:owner');
  });

  test('of an expired receipt finds nothing', async () => {
    const r = house();
    const id = await change(r);
    await r.clock.advance(31 * 86_400_000);
    expect(codeOf(await back(r, id))).toBe('not_found');
  });

  test('a token revoked between preview and effect undoes nothing', async () => {
    const r = house();
    const id = await change(r);
    let valid = true;
    const { decide } = r.policy.approvals;
    r.policy.approvals.decide = (request) => {
      valid = false;
      return decide(request);
    };
    expect(codeOf(await back(r, id, { principal: { ...operator, valid: () => valid } }))).toBe('not_found');
    expect(stage.state).toBe('new');
  });

  test('is not shown to, or called by, who can change nothing', async () => {
    const r = house();
    const names = (principal: typeof operator) => r.door.visible(principal, undefined).map((t) => t.name);
    expect([names(reader), names(operator), names(owner)].map((n) => n.includes('undo'))).toEqual([false, true, true]);
    expect(codeOf(await back(r, NONE, { principal: reader }))).toBe('permission');
    const off = house({ mode: 'read-only' });
    expect(codeOf(await back(off, NONE))).toBe('permission');
  });

  test('asks for the approval of what it takes back, bound to what is there now', async () => {
    const r = house({ mode: 'ask' });
    stage.state = 'new';
    const about = { principal: operator.id, scopes: ['system:write'] as const, tool: 'fixture_rename', call: 'c' };
    const revert = { data: { word: 'old' }, blobs: { word: Buffer.from('old') } };
    const id = r.receipts.put({
      ...about,
      scopes: [...about.scopes],
      risk: 'destroy',
      input: { to: 'new' },
      targets: [{ kind: 'path', name: '/word' }],
      summary: 'Renamed.',
      before: { word: 'old' },
      after: { word: 'new' },
      revert,
    });
    const asked = await back(r, id);
    expect(asked).toMatchObject({ status: 'pending', data: { summary: 'Rename new back to old.' } });
    const handle = String(asked.status === 'pending' && asked.data.handle);
    expect(r.asked.get(handle)).toMatchObject({ tool: 'undo', risk: 'destroy', targets: [{ name: '/word' }] });
    r.deciding.decide(handle, { approver: 'cli:0', granted: true });
    expect(codeOf(await back(r, id))).toBe('done');
    expect(stage.state).toBe('old');
    expect(r.asked.get(handle)?.state).toBe('used');
  });

  test('a rule against a tool holds for its undo, one that allows it does not', async () => {
    const deny = house({ rules: [{ tool: 'fixture_early', decide: 'deny' }] });
    const id = await change(deny);
    expect(codeOf(await back(deny, id))).toBe('done');
    const forbidden = house({ rules: [{ tool: 'fixture_rename', decide: 'deny' }] });
    stage.state = 'new';
    const kept = forbidden.receipts.put({
      ...(deny.receipts.get(id) as never as object),
      revert: { data: {} },
    } as never);
    expect(await back(forbidden, kept)).toMatchObject({
      error: { code: 'permission', message: expect.stringMatching(/rule 1/) },
    });
    const allowed = house({ mode: 'ask', rules: [{ tool: 'fixture_rename', decide: 'allow' }] });
    stage.state = 'old';
    expect(codeOf(await back(allowed, await change(allowed)))).toBe('pending');
  });

  test('that stops before its first effect can be tried again', async () => {
    const r = house();
    const id = await change(r);
    stage.behave = () => Promise.reject(new OpsError('unavailable', 'Not now.'));
    expect(codeOf(await back(r, id))).toBe('unavailable');
    expect(r.receipts.get(id)?.undone).toBeNull();
    const leaves = new AbortController();
    stage.behave = untilAborted;
    const left = back(r, id, { signal: leaves.signal });
    await r.clock.advance(0);
    leaves.abort();
    expect(codeOf(await left)).toBe('timeout');
    await r.clock.advance(0);
    stage.behave = async () => {};
    expect(codeOf(await back(r, id))).toBe('done');
  });

  test.each([
    [new OpsError('unavailable', 'It went away.', { hint: 'Start it.' }), /^Start it\. The undo had begun/],
    [new Error('boom'), /The undo had begun/],
    [new OpsError('conflict', 'No.'), /^The undo had begun/],
  ])('that stops after its first effect is not tried again, and says so: %s', async (thrown, hint) => {
    const r = house();
    const id = await change(r);
    stage.afterCommit = () => Promise.reject(thrown);
    expect(await back(r, id)).toMatchObject({
      status: 'failed',
      error: { details: { hint: expect.stringMatching(hint) } },
    });
    stage.state = 'new';
    expect(await back(r, id)).toMatchObject({
      error: { code: 'conflict', message: expect.stringMatching(/^An undo of this began .* and stopped half way\.$/) },
    });
  });

  test('whose end cannot be written down is done all the same, and not twice', async () => {
    const said: unknown[] = [];
    const r = house();
    r.policy.log = { ...r.policy.log, error: (fields) => said.push(fields) };
    const id = await change(r);
    r.receipts.endUndo = () => {
      throw new Error('disk full');
    };
    expect(codeOf(await back(r, id))).toBe('done');
    expect(said).toMatchObject([{ receipt: id, err: { message: 'disk full' } }]);
    expect(codeOf(await back(r, id))).toBe('conflict');
  });

  test('goes on under a handle when it takes long', async () => {
    const r = house();
    const id = await change(r);
    const d = deaf();
    stage.afterCommit = d.wait;
    const out = back(r, id, {}, { wait_s: 1 });
    await r.clock.advance(1_000);
    expect(await out).toMatchObject({ status: 'running' });
    d.end();
    await r.clock.advance(0);
    expect([stage.state, r.receipts.get(id)?.undone?.state]).toEqual(['old', 'done']);
  });

  test('is claimed once, however often its tool commits; a change that says nothing of the state before has none', async () => {
    const twice = {
      ...earlyTool,
      name: 'fixture_twice',
      change: {
        preview: async () => ({ summary: 'Make it new.', digest: 'x' }),
        apply: async (_: unknown, ctx: ChangeContext) => {
          ctx.commit({ data: {} });
          return { summary: 'Made.' };
        },
        undo: {
          kind: 'revert',
          preview: async () => ({ summary: 'Back.', digest: 'x' }),
          revert: async (_: unknown, ctx: ChangeContext) => {
            ctx.commit();
            ctx.commit({ data: { never: 'kept' } });
            return { summary: 'Back.' };
          },
        },
      },
    } as Tool;
    const r = house({ catalog: { tools: [twice, undo], resources: [], prompts: [] } });
    const id = await change(r, { to: 'x' }, 'fixture_twice');
    expect(r.receipts.get(id)).toMatchObject({ state: 'done', before: null, after: null });
    expect(codeOf(await back(r, id))).toBe('done');
    expect(r.receipts.list({ limit: 9 })).toMatchObject([{ id, undone: { state: 'done' } }]);
  });

  test('by a tool that is gone, off, or has no way back says so', async () => {
    const r = house();
    const id = await change(r);
    const row = r.receipts.get(id);
    if (!row) throw new Error('no receipt');
    const { data } = row;
    const of = (tool: string) => r.receipts.put({ ...row, tool, revert: { data } });
    expect(await back(r, of('fixture_gone'))).toMatchObject({
      error: { code: 'unavailable', message: expect.stringMatching(/no tool of this version/) },
    });
    expect(codeOf(await back(r, of('fixture_look')))).toBe('unavailable');
    expect(await back(r, of('undo'))).toMatchObject({
      error: { code: 'validation', message: expect.stringMatching(/leaves no receipt/) },
    });
    r.policy.off = (tool) => (tool.name === 'fixture_rename' ? { why: 'tools.deny', hint: 'Allow it.' } : null);
    expect(await back(r, id)).toMatchObject({ error: { code: 'unavailable', details: { hint: 'Allow it.' } } });
  });

  test('is a change of its principal’s hour, and needs a receipt of the right form', async () => {
    const r = house();
    const id = await change(r);
    r.policy.rate.takeChange = () => 5_000;
    expect(codeOf(await back(r, id))).toBe('limit');
    expect(codeOf(await back(r, '../x'))).toBe('validation');
  });
});

describe('a receipt that is shown', () => {
  const secret = 'password=hunter2hunter2';
  test('has no secrets, and takes back what had them', async () => {
    const r = house();
    stage.state = `was ${secret}`;
    const id = await change(r, { to: secret });
    const answer = await r.door.run(callOf('result_query', { handle: id }));
    expect(JSON.stringify(answer)).not.toContain('hunter2');
    expect(answer).toMatchObject({
      data: {
        tool: 'fixture_rename',
        whole: { change: 'done', by: operator.id, targets: 'path:/word', undone: null, input: { dry_run: false } },
      },
    });
    const list = receiptsFor(operator, r.policy).list(9);
    expect(JSON.stringify(list)).not.toContain('hunter2');
    expect(list).toMatchObject([{ receipt: id, tool: 'fixture_rename', state: 'done' }]);
    expect(r.receipts.get(id)?.input).toMatchObject({ to: secret });
    expect(codeOf(await back(r, id))).toBe('done');
    expect(stage.state).toBe(`was ${secret}`);
    const after = await r.door.run(callOf('result_query', { handle: id }));
    expect(after).toMatchObject({
      data: { whole: { undone: { state: 'done', by: operator.id, at: expect.any(String) } } },
    });
  });

  test('fits into an answer, whatever was changed', () => {
    const r = house();
    const id = r.receipts.put({
      principal: operator.id,
      scopes: [],
      tool: 'x',
      risk: 'change',
      call: 'c',
      input: { text: 'x'.repeat(100_000) },
      targets: [],
      summary: 'Changed \u001b[31mx.',
      before: null,
      after: { text: '⟦redacted:forged⟧' },
      revert: { data: {} },
    });
    const shown = receiptsFor(operator, r.policy).get(id);
    expect(shown).toMatchObject({
      input: expect.stringMatching(/characters left out/),
      before: null,
      summary: 'Changed x.',
    });
    expect(shown?.after).toEqual({ text: '[redacted:forged]' });
    expect(shown && receiptAsResult(shown)).toMatchObject({
      handle: id,
      state: 'done',
      lists: [],
      data: { before: null },
    });
  });
});
