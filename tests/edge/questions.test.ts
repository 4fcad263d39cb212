/**
 * A question to the client's user, over HTTP with the real door: both eras, and everything that an answer can be which is not the yes of
 * somebody who was asked just this. Over stdio and on the product's processes: tests/e2e/questions.test.ts.
 */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { byToken } from '../../src/policy/authenticate.ts';
import { type Call, type Client, type Era, type Message, overHttp, until } from '../e2e/work_client.ts';
import { type Rig, rig } from '../fakes/policy.ts';
import { stage } from '../fakes/tools.ts';
import { who } from './fixture-door.ts';
import { web } from './fixture-http.ts';

const FORMS = { elicitation: { form: {} } };
const YES = { action: 'accept', content: { decision: 'approve' } };

let open: (() => unknown)[] = [];
beforeEach(() => stage.reset());
afterEach(async () => {
  for (const close of open.reverse()) await close();
  open = [];
});

interface At {
  rig: Rig;
  connect(era: Era, o?: { token?: string; capabilities?: object; stateless?: boolean }): Promise<Client>;
}

async function serving(over: Parameters<typeof rig>[0] = {}, askMs?: number): Promise<At> {
  const r = rig({ mode: 'ask', client: 'change', ...over });
  const tokens: Record<string, ReturnType<typeof who>> = {
    one: who('token:one', ['system:write']),
    two: who('token:two', ['system:write']),
  };
  const w = web(
    { authenticate: byToken((s) => tokens[s] ?? null), now: r.clock.now, ...(askMs === undefined ? {} : { askMs }) },
    { door: r.door, records: [], waitMs: { now: null } },
  );
  const { url } = await w.face.listen();
  open.push(() => w.face.close());
  return {
    rig: r,
    async connect(era, { token = 'one', capabilities = FORMS, stateless = false } = {}) {
      const client = await overHttp({ port: Number(new URL(url).port) }, token, era, { capabilities, stateless });
      open.push(() => client.close());
      return client;
    },
  };
}

const rename = (client: Client, to = 'new', more: object = {}) => client.call('fixture_rename', { to }, { more });
const asking = (m: Message) => m.method === 'elicitation/create';
/** The question as it came, and how this client answers it. */
async function asked(client: Client, call: Call, args: string[] = []) {
  if (client.era === '2025-11-25') {
    await until(() => call.seen.some(asking), 'a question');
    const { id, params } = call.seen.find(asking) as { id: number; params: Record<string, unknown> };
    return {
      params,
      state: '',
      async answer(result: object) {
        await client.respond(id, result);
        return call;
      },
    };
  }
  const { resultType, inputRequests, requestState } = await call.result;
  expect(resultType).toBe('input_required');
  expect(Object.keys(inputRequests ?? {})).toEqual(['approval']);
  return {
    params: inputRequests?.approval?.params ?? {},
    state: requestState as string,
    answer: async (result: object) => rename(client, args[0], { requestState, inputResponses: { approval: result } }),
  };
}
/** Nothing was changed, and nothing is on record as if. */
function nothingRun({ rig }: At) {
  expect([stage.applied, stage.state]).toEqual([0, 'old']);
  expect(rig.records.filter((r) => r.event === 'intent')).toEqual([]);
}
const outcomes = ({ rig }: At) => rig.records.filter((r) => r.event === 'call').map((r) => r.fields.outcome);
const told = async (call: Call) => {
  const { structuredContent, isError, content, resultType } = await call.result;
  return isError ? content[0]?.text.split('\n')[0] : (structuredContent?.state ?? resultType);
};

describe.each(['2026-07-28', '2025-11-25'] as Era[])('a client of %s', (era) => {
  test('is asked in plain words for one decision; a yes runs the change once', async () => {
    const at = await serving();
    const client = await at.connect(era);
    const question = await asked(client, rename(client));
    expect(question.params).toMatchObject({
      message: expect.stringMatching(/^Host box: Rename old to new\..*token:one.*path:\/word/s),
      requestedSchema: {
        type: 'object',
        properties: { decision: { type: 'string', enum: ['approve', 'deny'] } },
        required: ['decision'],
      },
    });
    nothingRun(at);
    expect(await told(await question.answer(YES))).toBe('done');
    expect([stage.applied, stage.state]).toEqual([1, 'new']);
    expect(outcomes(at)).toEqual(['pending', 'done']);
    expect(at.rig.records.at(-1)?.fields.approval).toMatch(/client:token:one/);
    const ids = at.rig.records.filter((r) => r.event === 'call').map((r) => r.fields.call);
    expect(new Set(ids).size).toBe(2);
  });

  test.each([
    ['a no', { action: 'accept', content: { decision: 'deny' } }, /^permission/],
    ['a refusal to answer', { action: 'decline' }, /^permission/],
    ['a dialog that was closed', { action: 'cancel' }, /^pending/],
    ['a form that was accepted unread', { action: 'accept', content: {} }, /^pending/],
    ['an accepted form without content', { action: 'accept' }, /^pending/],
    ['a decision that is none', { action: 'accept', content: { decision: true } }, /^pending/],
    ['a yes that was not accepted', { action: 'cancel', content: { decision: 'approve' } }, /^pending/],
  ])('%s runs nothing', async (_name, answer, said) => {
    const at = await serving();
    const client = await at.connect(era);
    const question = await asked(client, rename(client));
    expect(await told(await question.answer(answer))).toMatch(said);
    nothingRun(at);
  });

  test.each([
    ['that cannot show forms', { capabilities: {} }, {}],
    ['that knows links only', { capabilities: { elicitation: { url: {} } } }, {}],
    ['where the owner does not allow it', {}, { client: 'never' as const }],
    ['where a rule wants a person at the host', {}, { rules: [{ tool: 'fixture_*', decide: 'ask' as const }] }],
  ])('%s is told `pending`', async (_name, o, over) => {
    const at = await serving(over);
    const client = await at.connect(era, o);
    const call = rename(client);
    expect(await told(call)).toBe('pending');
    expect(call.seen.length).toBe(1);
    nothingRun(at);
  });

  test('is never asked about what destroys, and its yes to it is none', async () => {
    const at = await serving();
    const client = await at.connect(era);
    const call = rename(client, 'nothing');
    const { structuredContent } = await call.result;
    expect([structuredContent.state, call.seen.length]).toEqual(['pending', 1]);
    const more = { requestState: structuredContent.handle, inputResponses: { approval: YES } };
    expect(await told(rename(client, 'nothing', more))).toBe('pending');
    nothingRun(at);
  });

  test('an answer that comes with the state moved on is asked anew, or told; it runs nothing', async () => {
    const at = await serving();
    const client = await at.connect(era);
    const question = await asked(client, rename(client));
    stage.state = 'moved';
    const again = await question.answer(YES);
    expect(await told(again)).toBe(era === '2026-07-28' ? 'input_required' : 'pending');
    expect([stage.applied, stage.state]).toEqual([0, 'moved']);
  });
});

describe('answers to nothing (2026-07-28)', () => {
  const answering = (state: unknown) => ({ requestState: state, inputResponses: { approval: YES } });

  test.each([
    ['without a state', { inputResponses: { approval: YES } }],
    ['of a forged state', answering(`a_${'b'.repeat(26)}`)],
    ['under another name', { requestState: `a_${'b'.repeat(26)}`, inputResponses: { other: YES } }],
    [
      'in an envelope',
      { requestState: `a_${'b'.repeat(26)}`, inputResponses: { approval: { method: 'x', result: YES } } },
    ],
  ])('unasked, %s: it is asked', async (_name, more) => {
    const at = await serving();
    const client = await at.connect('2026-07-28');
    expect(await told(rename(client, 'new', more))).toBe('input_required');
    nothingRun(at);
  });

  test.each([['no handle'], [''], ['w_aaaaaaaaaaaaaaaaaaaaaaaaaa'], [7], [null], [{}]])(
    'a state that is none of ours (%j) is refused, on record',
    async (state) => {
      const at = await serving();
      const client = await at.connect('2026-07-28');
      expect((await rename(client, 'new', answering(state)).answer).error?.code).toBe(-32_602);
      nothingRun(at);
      expect(at.rig.records.length).toBe(1);
    },
  );

  test('a yes to a question of another principal, whose handle it knows', async () => {
    const at = await serving();
    const [one, two] = [await at.connect('2026-07-28'), await at.connect('2026-07-28', { token: 'two' })];
    const { state } = await asked(one, rename(one));
    expect(await told(rename(two, 'new', answering(state)))).toBe('input_required');
    nothingRun(at);
  });

  test('a yes of a client that could not have been asked', async () => {
    const at = await serving();
    const client = await at.connect('2026-07-28', { capabilities: {} });
    const { structuredContent } = await rename(client).result;
    expect(await told(rename(client, 'new', answering(structuredContent.handle)))).toBe('pending');
    nothingRun(at);
  });

  test('a yes for other arguments', async () => {
    const at = await serving();
    const client = await at.connect('2026-07-28');
    const { state } = await asked(client, rename(client));
    expect(await told(rename(client, 'other', answering(state)))).toBe('input_required');
    nothingRun(at);
  });

  test('a yes that comes too late', async () => {
    const at = await serving();
    const client = await at.connect('2026-07-28');
    const { state } = await asked(client, rename(client));
    await at.rig.clock.advance(10 * 60_000 + 1);
    expect(await told(rename(client, 'new', answering(state)))).toBe('input_required');
    nothingRun(at);
  });

  test('a yes that has been used', async () => {
    const at = await serving();
    const client = await at.connect('2026-07-28');
    const { state } = await asked(client, rename(client));
    expect(await told(rename(client, 'new', answering(state)))).toBe('done');
    stage.state = 'old';
    expect(await told(rename(client, 'new', answering(state)))).toBe('input_required');
    expect([stage.applied, stage.state]).toEqual([1, 'old']);
  });

  test('the same yes twice at once runs once', async () => {
    const at = await serving();
    const client = await at.connect('2026-07-28');
    const { state } = await asked(client, rename(client));
    await Promise.all([1, 2, 3].map(() => rename(client, 'new', answering(state)).answer));
    expect(stage.applied).toBe(1);
    expect(at.rig.records.filter((r) => r.event === 'intent').length).toBe(1);
  });

  test('to a read: it reads, and nothing else', async () => {
    const at = await serving();
    const client = await at.connect('2026-07-28');
    const call = client.call('fixture_look', {}, { more: answering(`a_${'b'.repeat(26)}`) });
    expect((await call.result).structuredContent.runs).toBe(1);
    nothingRun(at);
  });
});

describe('an open question (2025-11-25)', () => {
  test('is taken back when nobody answers, and the call is answered as without it', async () => {
    const at = await serving({}, 50);
    const client = await at.connect('2025-11-25');
    const call = rename(client);
    const { structuredContent } = await call.result;
    expect(structuredContent.state).toBe('pending');
    expect(call.seen.map((m) => m.method ?? 'answer')).toEqual([
      'elicitation/create',
      'notifications/cancelled',
      'answer',
    ]);
    // And the yes that comes after it finds no question.
    await client.respond(call.seen.find(asking)?.id ?? -1, YES);
    nothingRun(at);
  });

  test.each(['cancels', 'is gone'])('ends with a caller that %s', async (way) => {
    const at = await serving();
    const client = await at.connect('2025-11-25');
    const call = rename(client);
    const question = await asked(client, call);
    if (way === 'cancels') await call.cancel();
    else call.leave();
    if (way === 'is gone') await (await at.connect('2026-07-28')).call('fixture_look', {}).result;
    await question.answer(YES);
    expect((await client.call('fixture_look', {}).result).isError).toBeUndefined();
    nothingRun(at);
    expect(outcomes(at).filter((o) => o !== 'done')).toEqual(['pending']);
  });

  test('only so many at once; who is one too many is told `pending`', async () => {
    const at = await serving();
    const client = await at.connect('2025-11-25');
    const calls = ['a', 'b', 'c', 'd'].map((to) => rename(client, to));
    for (const call of calls) await asked(client, call);
    expect(await told(rename(client, 'e'))).toBe('pending');
    await (await asked(client, calls[0] as Call)).answer({ action: 'decline' });
    expect(await told(calls[0] as Call)).toMatch(/^permission/);
    await asked(client, rename(client, 'e'));
    nothingRun(at);
  });

  test('is asked only where there is a session: without one there is nobody to answer', async () => {
    const at = await serving();
    const client = await at.connect('2025-11-25', { stateless: true });
    expect(await told(rename(client))).toBe('pending');
    nothingRun(at);
  });

  test('cannot be answered by another principal, not even with the session’s id and the question’s', async () => {
    const at = await serving();
    const client = await at.connect('2025-11-25');
    const call = rename(client);
    await asked(client, call);
    const { id } = call.seen.find(asking) as { id: number };
    const other = await at.connect('2025-11-25', { token: 'two' });
    await other.respond(id, YES);
    await client.call('fixture_look', {}).result;
    nothingRun(at);
    expect(call.seen.length).toBe(1);
  });
});
