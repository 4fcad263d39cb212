/**
 * Approvals through the door: only the yes of the right one runs the change, for exactly what was seen, once. And the controls: what
 * others build (a flag that confirms, a yes bound to the tool's name) lets another change through.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Call, Outcome } from '../../src/core/call.ts';
import { callOf, operator, type Rig, rig, who } from '../fakes/policy.ts';
import { stage } from '../fakes/tools.ts';

beforeEach(() => stage.reset());

const OWNER = 'cli:1000';
const yes = { approver: OWNER, granted: true };
const no = { approver: OWNER, granted: false };
const rename = (r: Rig, args: object = { to: 'new' }, over: Partial<Call> = {}) =>
  r.door.run(callOf('fixture_rename', args, over));
const codeOf = (o: Outcome) => (o.status === 'failed' ? o.error.code : o.status);
const saying = (o: Outcome) => (o.status === 'failed' ? `${o.error.message} ${o.error.details.hint}` : o.text);
const handleOf = (o: Outcome) => (o.status === 'pending' ? String(o.data.handle) : 'none');
const life = (r: Rig) => r.records.filter((x) => x.event === 'approval').map((x) => x.fields.state);
const closing = (r: Rig) => r.records.filter((x) => x.event === 'call').at(-1)?.fields;
const asking = async (over: Parameters<typeof rig>[0] = {}, args: object = { to: 'new' }, call: Partial<Call> = {}) => {
  const r = rig({ mode: 'ask', ...over });
  const out = await rename(r, args, call);
  return { r, out, id: handleOf(out) };
};

describe('a call that needs a yes', () => {
  test('answers with what it would do, to whom to turn and how to come back', async () => {
    const { r, out, id } = await asking();
    expect(out).toMatchObject({
      status: 'pending',
      data: {
        state: 'pending',
        summary: 'Rename old to new.',
        targets: ['path:/word'],
        diff: '-old\n+new',
        handle: id,
      },
    });
    expect(id).toMatch(/^a_[a-z2-7]{26}$/);
    expect(saying(out)).toContain(`deckhand approve ${id}`);
    expect(saying(out)).toContain('repeat this very call');
    expect(saying(out)).toContain(`result_query {"handle":"${id}","wait_s":20}`);
    expect(out).not.toHaveProperty('ask');
    expect(life(r)).toEqual(['asked']);
    expect(closing(r)).toMatchObject({ outcome: 'pending', approval: `mode: ask; ${id}` });
    // The same question twice is one.
    expect(handleOf(await rename(r))).toBe(id);
    expect(life(r)).toEqual(['asked']);
    expect(stage.applied).toBe(0);
  });

  test('runs once after the yes; the next one asks anew', async () => {
    const { r, id } = await asking();
    r.deciding.decide(id, yes);
    expect(codeOf(await rename(r))).toBe('done');
    expect(stage.state).toBe('new');
    expect(closing(r)).toMatchObject({ approval: `mode: ask; ${id} by ${OWNER}` });
    expect(r.records.map((x) => [x.event, x.fields.state, x.durable])).toEqual([
      ['approval', 'asked', false],
      ['call', undefined, false],
      ['approval', 'granted', true],
      ['approval', 'used', false],
      ['intent', undefined, true],
      ['call', undefined, false],
    ]);
    stage.state = 'old';
    const again = await rename(r);
    expect(again.status).toBe('pending');
    expect(handleOf(again)).not.toBe(id);
    expect(stage.applied).toBe(1);
  });

  test('after the no is refused with who, when and why, and does not ask again within its time', async () => {
    const { r, id } = await asking();
    r.deciding.decide(id, { ...no, because: 'not\ntoday \u202e' });
    for (let i = 0; i < 3; i++) {
      const out = await rename(r);
      expect(codeOf(out)).toBe('permission');
      expect(saying(out)).toMatch(/cli:1000 said no at 20\d\d-\d\d-\d\dT[\d:]+Z: not\\ntoday \\u\{202e\}/);
    }
    expect(life(r)).toEqual(['asked', 'refused']);
    await r.clock.advance(10 * 60_000);
    expect(codeOf(await rename(r))).toBe('pending');
    expect(life(r)).toEqual(['asked', 'refused', 'asked']);
  });

  test('without a word for the no, says so all the same', async () => {
    const { r, id } = await asking();
    r.deciding.decide(id, no);
    expect(saying(await rename(r))).toMatch(/said no at [^:]+:\d\d:\d\dZ\. /);
  });

  test.each(['waiting', 'granted'])('too late, when it was %s', async (state) => {
    const { r, id } = await asking();
    if (state === 'granted') r.deciding.decide(id, yes);
    await r.clock.advance(10 * 60_000);
    expect(codeOf(await rename(r))).toBe('pending');
    expect(stage.applied).toBe(0);
    expect(life(r).slice(-2)).toEqual(['expired', 'asked']);
    expect(() => r.deciding.decide(id, yes)).toThrow(/expired already/);
  });

  test('what ran out unasked is told of when somebody looks', async () => {
    const { r } = await asking();
    await r.clock.advance(10 * 60_000);
    expect(r.deciding.waiting()).toEqual([]);
    expect(r.deciding.recent()).toMatchObject([{ state: 'expired' }]);
    expect(life(r)).toEqual(['asked', 'expired']);
  });

  test('is asked for within bounds', async () => {
    const r = rig({ mode: 'ask' });
    for (let i = 0; i < 20; i++) await rename(r, { to: `n${i}` });
    expect(codeOf(await rename(r, { to: 'more' }))).toBe('limit');
    expect(codeOf(await rename(r, { to: 'more' }, { principal: who('token:b', ['system:write']) }))).toBe('pending');
  });
});

describe('a yes covers nothing else', () => {
  const granted = async (args: object = { to: 'new' }) => {
    const { r, id } = await asking({}, args);
    r.deciding.decide(id, yes);
    return r;
  };

  test.each<[string, (r: Rig) => Promise<Outcome>]>([
    ['one argument changed', (r) => rename(r, { to: 'other' })],
    ['one letter more', (r) => rename(r, { to: 'new ' })],
    ['another principal', (r) => rename(r, { to: 'new' }, { principal: who('token:other', ['system:write']) })],
    ['another principal with all rights', (r) => rename(r, { to: 'new' }, { principal: who('cli:1000', ['admin']) })],
    ['the handle as an argument', (r) => rename(r, { to: 'new', approval: r.asked.recent(1)[0]?.id })],
    ['a flag that confirms', (r) => rename(r, { to: 'new', confirm: true })],
    [
      'the state moved',
      (r) => {
        stage.state = 'moved';
        return rename(r);
      },
    ],
  ])('%s', async (_, attempt) => {
    const r = await granted();
    const out = await attempt(r);
    expect(['pending', 'validation']).toContain(codeOf(out));
    expect(stage.applied).toBe(0);
    stage.state = 'old';
    // The proper one has lost nothing by it.
    expect(codeOf(await rename(r))).toBe('done');
  });

  test('of a principal whose right was taken meanwhile', async () => {
    const r = await granted();
    const without = who(operator.id, ['system:read']);
    expect(codeOf(await rename(r, { to: 'new' }, { principal: without }))).toBe('permission');
    const revoked = who(operator.id, ['system:write'], { valid: () => false });
    expect(codeOf(await rename(r, { to: 'new' }, { principal: revoked }))).toBe('permission');
    expect(stage.applied).toBe(0);
  });

  test('and none at all once a rule denies: the owner changed the config', async () => {
    const r = await granted();
    const { decide } = rig({ mode: 'ask', rules: [{ decide: 'deny' }] }).policy.approvals;
    r.policy.approvals.decide = decide;
    expect(codeOf(await rename(r))).toBe('permission');
    expect(stage.applied).toBe(0);
  });

  test('how it was written does not matter, only what it means', async () => {
    const r = await granted({ to: 'new', dry_run: false });
    expect(codeOf(await rename(r, { to: 'new' }))).toBe('done');
  });
});

describe('the moment of use', () => {
  test('of two equal calls at once, one runs', async () => {
    const { r, id } = await asking();
    r.deciding.decide(id, yes);
    const outs = await Promise.all([rename(r), rename(r), rename(r)]);
    expect(outs.filter((o) => o.status === 'done')).toHaveLength(1);
    expect(stage.applied).toBe(1);
  });

  test('two that both hold the yes and wait for nothing: one uses it, the other is told', async () => {
    const { r, id } = await asking({ locks: { acquire: () => ({ [Symbol.dispose]: () => {} }) } });
    r.deciding.decide(id, yes);
    const outs = await Promise.all([rename(r), rename(r)]);
    expect(outs.map(codeOf).sort()).toEqual(['conflict', 'done']);
    expect(outs.map(saying).join()).toContain('has been used, or has expired');
    expect(stage.applied).toBe(1);
  });

  test('a lock in the way costs nothing: the yes waits', async () => {
    const { r, id } = await asking();
    r.deciding.decide(id, yes);
    r.held.add('path:/word');
    expect(codeOf(await rename(r))).toBe('conflict');
    r.held.clear();
    expect(codeOf(await rename(r))).toBe('done');
  });

  test('a state that moves between door and change costs nothing, and does not run', async () => {
    const { r, id } = await asking();
    r.deciding.decide(id, yes);
    const { acquire } = r.policy.locks;
    r.policy.locks.acquire = (key) => {
      stage.state = 'moved';
      return acquire(key);
    };
    expect(codeOf(await rename(r))).toBe('conflict');
    r.policy.locks.acquire = acquire;
    stage.state = 'old';
    expect(codeOf(await rename(r))).toBe('done');
    expect(stage.applied).toBe(1);
  });

  test('an intent that cannot be written uses the yes up, and nothing happens', async () => {
    const { r, id } = await asking();
    r.deciding.decide(id, yes);
    const { append } = r.policy.audit;
    r.policy.audit.append = (event, fields, o) => {
      if (event === 'intent') throw new Error('disk full');
      append(event, fields, o);
    };
    expect(codeOf(await rename(r))).toBe('internal');
    r.policy.audit.append = append;
    expect(codeOf(await rename(r))).toBe('pending');
    expect(stage.applied).toBe(0);
  });

  test('a yes that cannot be put on record is none; a no always counts', async () => {
    const { r, id } = await asking();
    const { append } = r.policy.audit;
    r.policy.audit.append = (event, fields, o) => {
      if (o?.durable) throw new Error('disk full');
      append(event, fields, o);
    };
    expect(() => r.deciding.decide(id, yes)).toThrow('disk full');
    expect(r.deciding.get(id)?.state).toBe('waiting');
    r.deciding.decide(id, no);
    expect(codeOf(await rename(r))).toBe('permission');
  });
});

describe('who decides', () => {
  test.each([
    ['the token that asks', 'token:operator', /their own change/],
    ['another terminal', 'tty:7', /only calls of its own terminal/],
  ])('never %s', async (_, approver, message) => {
    const { r, id } = await asking();
    expect(() => r.deciding.decide(id, { approver, granted: true })).toThrow(message);
    expect(codeOf(await rename(r))).toBe('pending');
  });

  test('a person at the terminal decides on the call made there; its no asks again', async () => {
    const me = { principal: who('cli:1000', ['system:write'], { kind: 'cli' }) };
    const { r, id } = await asking({}, { to: 'new' }, me);
    expect(() => r.deciding.decide(id, yes)).toThrow(/their own change/);
    r.deciding.decide(id, { approver: 'tty:1000', granted: false });
    const again = handleOf(await rename(r, { to: 'new' }, me));
    expect(again).not.toBe(id);
    r.deciding.decide(again, { approver: 'tty:1000', granted: true });
    expect(codeOf(await rename(r, { to: 'new' }, me))).toBe('done');
    expect(r.records.find((x) => x.event === 'intent')?.fields.approval).toBe(`mode: ask; ${again} by tty:1000`);
  });

  test('no question is there, nothing is decided', () => {
    expect(() => rig().deciding.decide('a_none', yes)).toThrow('There is no approval a_none.');
  });
});

describe('rules', () => {
  test.each([
    ['allow', 'done', 'rule 1: allow'],
    ['deny', 'permission', 'rule 1: deny'],
  ] as const)('%s: %s, and the record says which', async (decide, want, by) => {
    const r = rig({ mode: 'ask', rules: [{ principal: 'token:*', tool: 'fixture_*', target: 'path:/word', decide }] });
    const out = await rename(r);
    expect(codeOf(out)).toBe(want);
    expect(closing(r)).toMatchObject({ approval: by });
    expect(life(r)).toEqual([]);
    if (decide === 'deny') expect(saying(out)).toContain('rule 1: deny');
  });

  test('what destroys is asked for in every mode, and under a rule that allows', async () => {
    for (const over of [{ mode: 'full' as const }, { mode: 'full' as const, rules: [{ decide: 'allow' as const }] }]) {
      const r = rig(over);
      expect(codeOf(await rename(r, { to: 'nothing' }))).toBe('pending');
      expect(closing(r)?.approval).toMatch(/^mode: full; a_/);
    }
  });

  test('a deny tells what would be destroyed and what only changed', async () => {
    const r = rig({ mode: 'full', rules: [{ decide: 'deny' }] });
    expect(saying(await rename(r, { to: 'nothing' }))).toContain('may not destroy this here');
    expect(saying(await rename(r))).toContain('may not change this here');
  });
});

describe("a client's own answer", () => {
  const change = { client: 'change' as const };
  const asks = async (over: Parameters<typeof rig>[0] = change, args: object = { to: 'new' }) => {
    const { r, out, id } = await asking(over, args);
    const answer = (accepted = true, handle = id) => rename(r, args, { answer: { handle, accepted } });
    return { r, out, id, answer };
  };

  test('is asked for only where the owner lets it, and says what would be done', async () => {
    const { out, id } = await asks();
    expect(out).toMatchObject({ ask: { handle: id } });
    const { message } = (out as { ask: { message: string } }).ask;
    for (const part of [
      'Rename old to new.',
      'token:operator',
      'fixture_rename (change)',
      'path:/word',
      '"to":"new"',
      '+new',
    ])
      expect(message).toContain(part);
  });

  test('yes: runs, once, on record as the client', async () => {
    const { r, id, answer } = await asks();
    expect(codeOf(await answer())).toBe('done');
    expect(closing(r)?.approval).toBe(`mode: ask; ${id} by client:token:operator`);
    expect(life(r)).toEqual(['asked', 'granted', 'used']);
    stage.state = 'old';
    expect(codeOf(await answer())).toBe('pending');
    expect(life(r)).toEqual(['asked', 'granted', 'used', 'asked', 'ignored']);
    expect(stage.applied).toBe(1);
  });

  test('no: refused, and not asked again', async () => {
    const { r, answer } = await asks();
    expect(codeOf(await answer(false))).toBe('permission');
    expect(codeOf(await rename(r))).toBe('permission');
    expect(codeOf(await answer(true))).toBe('permission');
    expect(life(r)).toEqual(['asked', 'refused']);
  });

  test('no, while the owner said yes: does not run', async () => {
    const { r, id, answer } = await asks();
    r.deciding.decide(id, yes);
    expect(saying(await answer(false))).toContain('The user of this client said no.');
    expect(stage.applied).toBe(0);
    // An answer to another question does not speak of this one.
    expect(codeOf(await answer(false, 'a_other'))).toBe('done');
  });

  test.each<[string, Parameters<typeof rig>[0], object]>([
    ['where the owner does not let it', {}, { to: 'new' }],
    ['to what destroys', change, { to: 'nothing' }],
    ['where a rule wants the owner asked', { ...change, rules: [{ decide: 'ask' }] }, { to: 'new' }],
  ])('counts for nothing %s', async (_, over, args) => {
    const { r, out, answer } = await asks(over, args);
    expect(out).not.toHaveProperty('ask');
    const after = await answer();
    expect(after.status).toBe('pending');
    expect(after).not.toHaveProperty('ask');
    expect(life(r)).toEqual(['asked', 'ignored']);
    expect(stage.applied).toBe(0);
  });

  test.each([
    ['a made-up handle', 'a_aaaaaaaaaaaaaaaaaaaaaaaaaa'],
    ['an empty one', ''],
  ])('with %s counts for nothing', async (_, handle) => {
    const { r, answer } = await asks();
    expect((await answer(true, handle)).status).toBe('pending');
    expect(r.records.find((x) => x.fields.state === 'ignored')?.fields.why).toBe(
      'it is the answer to another question',
    );
  });

  test("with another call's handle, or with an argument changed after the question, counts for nothing", async () => {
    const { r, id } = await asks();
    expect((await rename(r, { to: 'other' }, { answer: { handle: id, accepted: true } })).status).toBe('pending');
    const other = { principal: who('token:b', ['system:write']), answer: { handle: id, accepted: true } };
    expect((await rename(r, { to: 'new' }, other)).status).toBe('pending');
    stage.state = 'moved';
    expect((await rename(r, { to: 'new' }, { answer: { handle: id, accepted: true } })).status).toBe('pending');
    expect(stage.applied).toBe(0);
    expect(life(r).filter((s) => s === 'ignored')).toHaveLength(3);
  });
});

describe('what the person sees', () => {
  test('is exactly what was asked, with the unseen written out and secrets taken out', async () => {
    const to = 'a\u200bb\u202e\u001b[31m';
    const { r, id } = await asking({}, { to }, { face: 'mcp-http', client: 'Cl\u0007aude\n1', address: '10.0.0.9' });
    expect(r.deciding.get(id)).toMatchObject({
      principal: operator.id,
      tool: 'fixture_rename',
      risk: 'change',
      shown: { to: 'a\\u{200b}b\\u{202e}\\u{1b}[31m', dry_run: false },
      summary: 'Rename old to a\\u{200b}b\\u{202e}\\u{1b}[31m.',
      diff: '-old\n+a\\u{200b}b\\u{202e}\\u{1b}[31m',
      origin: { face: 'mcp-http', client: 'Cl\\u{7}aude\\n1', address: '10.0.0.9' },
    });
    const secret = await asking({}, { to: 'pass\u200bword=hunter2hunter2' });
    const seen = secret.r.deciding.get(secret.id);
    expect(JSON.stringify([seen?.shown, seen?.summary, seen?.diff])).not.toContain('hunter2');
  });

  test('is bounded', async () => {
    const r = rig({ mode: 'ask', client: 'change' });
    const big = 'x'.repeat(100_000);
    const request = {
      principal: 'token:x',
      scopes: [],
      tool: 'fixture_rename',
      risk: 'change' as const,
      targets: Array.from({ length: 300 }, (_, i) => ({ kind: 'path' as const, name: `${i}${big}` })),
      from: { id: 'c', face: 'cli' as const },
      input: JSON.stringify({ list: [1, null, big] }),
      preview: { summary: big, digest: 'd' },
    };
    const verdict = r.policy.approvals.decide(request);
    const seen = r.deciding.get(verdict.verdict === 'pending' ? verdict.handle : '');
    expect(JSON.stringify(seen).length).toBeLessThan(100 * 1024);
    expect(String(seen?.shown)).toContain('characters left out');
    expect(verdict.verdict === 'pending' && (verdict.ask?.length ?? 0)).toBeLessThan(2_200);
    // A call without targets asks as well.
    expect(r.policy.approvals.decide({ ...request, targets: [], input: '{}' })).toMatchObject({ verdict: 'pending' });
  });
});

test('what became of it, as its principal may see it', async () => {
  const { r, id } = await asking();
  const { resultsFor } = await import('../../src/policy/results.ts');
  const results = resultsFor(
    { kept: () => null, work: () => null, requestCancel: () => false, approval: r.asked.get, receipt: () => null },
    r.clock,
    r.policy.access,
  );
  const mine = results(operator);
  expect(mine.get(id)).toMatchObject({
    handle: id,
    state: 'waiting',
    data: { summary: 'Rename old to new.', targets: 'path:/word', risk: 'change', decided: null },
  });
  expect(mine.cancel(id)).toBe(false);
  for (const other of [who('token:b', ['admin']), who(operator.id, ['system:read'])])
    expect(results(other).get(id)).toBeNull();
  expect(mine.get('a_none')).toBeNull();
  const waiting = mine.wait(id, 20_000, new AbortController().signal);
  await r.clock.advance(250);
  r.deciding.decide(id, yes);
  await r.clock.advance(100);
  expect(await waiting).toMatchObject({ state: 'granted', data: { decided: { by: OWNER, because: null } } });
  await rename(r);
  expect(mine.get(id)?.state).toBe('used');
});

test('a question that another process has just had answered is not asked again', async () => {
  // Between looking and asking the yes of a second process comes: `create` finds it.
  const r = rig({ mode: 'ask' });
  const { id } = await rename(r).then((o) => ({ id: handleOf(o) }));
  const { current } = r.asked;
  r.asked.current = () => {
    r.asked.current = current;
    r.deciding.decide(id, yes);
    return null;
  };
  expect(codeOf(await rename(r))).toBe('done');
});

describe('controls: what others build lets the changed call through', () => {
  test('an answer that the client gives itself, believed', async () => {
    const r = rig({ mode: 'ask' });
    r.policy.approvals.decide = (_, answer) =>
      answer?.accepted
        ? { verdict: 'granted', by: 'naive' }
        : { verdict: 'pending', by: 'naive', handle: 'a_naive', next: 'ask' };
    expect(codeOf(await rename(r, { to: 'nothing' }, { answer: { handle: 'a_forged', accepted: true } }))).toBe('done');
    expect(stage.state).toBe('nothing');
  });

  test('a yes bound to the tool’s name covers another argument', async () => {
    const r = rig({ mode: 'ask' });
    const yesFor = new Set<string>();
    r.policy.approvals.decide = ({ tool }) =>
      yesFor.has(tool)
        ? { verdict: 'granted', by: 'naive' }
        : { verdict: 'pending', by: 'naive', handle: 'a_naive', next: 'ask' };
    expect(codeOf(await rename(r, { to: 'harmless' }))).toBe('pending');
    yesFor.add('fixture_rename');
    expect(codeOf(await rename(r, { to: 'nothing' }))).toBe('done');
    expect(stage.state).toBe('nothing');
  });

  test('a yes without the state before covers a state that nobody saw', async () => {
    const r = rig({ mode: 'ask' });
    const { decide } = r.policy.approvals;
    r.policy.approvals.decide = (request) => decide({ ...request, preview: { ...request.preview, digest: 'same' } });
    const id = handleOf(await rename(r));
    r.deciding.decide(id, yes);
    stage.state = 'something that nobody saw';
    expect(codeOf(await rename(r))).toBe('done');
  });
});
