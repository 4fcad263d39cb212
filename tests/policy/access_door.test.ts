/** The owner's policy at the door: which step asks it, what the caller hears, what is on record, and what it takes along. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Call, Principal } from '../../src/core/call.ts';
import type { Host } from '../../src/core/host.ts';
import type { Scope } from '../../src/core/scopes.ts';
import { createAccess } from '../../src/policy/access.ts';
import { withGrants } from '../../src/policy/authenticate.ts';
import type { PrincipalRule, RoleRule } from '../../src/policy/grants.ts';
import { createMeasures } from '../../src/policy/measures.ts';
import { receiptsFor } from '../../src/policy/undo.ts';
import { callOf, openAccess, type Rig, rig, who } from '../fakes/policy.ts';
import { fixtureCatalog, stage } from '../fakes/tools.ts';

beforeEach(() => stage.reset());

const lists = { allow: [], deny: [], roles: [] };
function ruled(rules: { roles?: Partial<RoleRule>[]; principals?: Partial<PrincipalRule>[] }) {
  return createAccess({
    roles: (rules.roles ?? []).map((r) => ({ name: 'r', scopes: [], ...lists, ...r })),
    principals: (rules.principals ?? []).map((e) => ({ who: '*', ...lists, ...e })),
    tools: fixtureCatalog.tools,
    log: { warn() {} },
  });
}
type Rules = Parameters<typeof ruled>[0];
const quietly = <T>(_: unknown, value: T): T => value;
/** As much of a host as bounds are put around; what it was given is kept. */
function hostOf(within: unknown[] = []) {
  const files = { within: (bounds: unknown) => quietly(within.push(bounds), {}) };
  const host = { files, disk: {} } as unknown as Host;
  return { host, recent: () => [], recentProcesses: () => null, absent: () => [] };
}
function house(rules: Rules, over: Parameters<typeof rig>[0] = {}) {
  const access = ruled(rules);
  return { r: rig({ context: hostOf(), ...over, access }), access };
}
const alice = (scopes: Scope[], roles: string[] = []) => who('token:alice', scopes, { roles });
const call = (r: Rig, principal: Principal, tool: string, args: unknown = {}, over: Partial<Call> = {}) =>
  r.door.run(callOf(tool, args, { principal, ...over }));
const errorOf = (o: Awaited<ReturnType<typeof call>>) => (o.status === 'failed' ? o.error : null);
const last = (r: Rig) => r.records.filter((x) => x.event === 'call').at(-1)?.fields;

describe('a call', () => {
  test('on a denied target is refused after validation, and the line is on record and not in the answer', async () => {
    const { r, access } = house({ principals: [{ deny: ['path:/srv/private'] }] });
    const p = access.known(alice(['admin']));
    const error = errorOf(await call(r, p, 'fixture_look', { path: '/srv/private/x' }));
    expect(error).toMatchObject({ code: 'permission', details: { rule: 'principals[0].deny[0]' } });
    expect(JSON.stringify([error?.message, error?.details.hint])).not.toContain('principals');
    expect(stage.runs).toBe(0);
    expect(last(r)).toMatchObject({ outcome: 'permission', rule: 'principals[0].deny[0]' });
    expect(errorOf(await call(r, p, 'fixture_look', { path: '/srv/public' }))).toBeNull();
    expect(last(r)).toMatchObject({ outcome: 'done', rule: undefined });
    // Arguments that are no good say so first: policy is asked about what a call is about.
    expect(errorOf(await call(r, p, 'fixture_look', { limit: 'x' }))?.code).toBe('validation');
  });

  test('that needs two grants is refused, though each right is there; its principal is told policy, not scopes', async () => {
    const { r, access } = house({
      roles: [
        { name: 'sys', scopes: ['system:read'], allow: ['path:/a'] },
        { name: 'logs', scopes: ['logs:read', 'system:read'], allow: ['path:/b'] },
      ],
    });
    const p = access.known(alice([], ['sys', 'logs']));
    expect([...p.scopes].sort()).toEqual(['logs:read', 'system:read']);
    expect(errorOf(await call(r, p, 'fixture_look', { path: '/a' }))?.message).toContain('policy');
    expect(errorOf(await call(r, p, 'fixture_look', { path: '/b' }))).toBeNull();
    expect(errorOf(await call(r, p, 'fixture_look'))).toBeNull();
  });

  test('of a tool that policy takes out is refused before its arguments are looked at, and not listed', async () => {
    const { r, access } = house({ principals: [{ deny: ['tool:fixture_look'] }] });
    const p = access.known(alice(['admin']));
    expect(errorOf(await call(r, p, 'fixture_look', { limit: 'x' }))).toMatchObject({ code: 'permission' });
    expect(r.door.visible(p, undefined).map((t) => t.name)).not.toContain('fixture_look');
    expect(r.door.check(callOf('fixture_look', {}, { principal: p }))).toMatchObject({ code: 'permission' });
    expect(r.door.visible(alice(['admin']), undefined).length).toBe(r.door.visible(p, undefined).length);
  });

  test('has its principal’s own limits', async () => {
    const asked: unknown[][] = [];
    const slots: unknown[] = [];
    const rate = {
      take: (...a: unknown[]) => quietly(asked.push(['take', ...a]), null),
      peek: (...a: unknown[]) => quietly(asked.push(['peek', ...a]), null),
      takeChange: (...a: unknown[]) => quietly(asked.push(['change', ...a]), null),
    };
    const enter = (_: string, o: unknown) => quietly(slots.push(o), { [Symbol.dispose]() {} });
    const limits = { callsPerMinute: 3, concurrentCalls: 2, changesPerDay: 1 };
    const { r, access } = house({ principals: [limits] }, { rate, slots: { enter } });
    const p = access.known(alice(['admin']));
    await call(r, p, 'fixture_rename', { to: 'new' });
    r.door.check(callOf('fixture_look', {}, { principal: p }));
    expect(asked).toEqual([
      ['take', 'token:alice', 1, 3],
      ['change', 'token:alice', 1],
      ['peek', 'token:alice', 1, 3],
    ]);
    expect(slots).toEqual([{ lane: 'heavy', most: 2 }]);
    const open = rig({ rate, slots: { enter } });
    await call(open, alice(['admin']), 'fixture_look');
    expect(slots.at(-1)).toEqual({ lane: 'light' });
  });
});

test('equal reads of callers with other bounds are run for each', async () => {
  const { r, access } = house({ principals: [{ who: 'token:bob', deny: ['path:/srv/private'] }] });
  const wait = Promise.withResolvers<void>();
  stage.behave = () => wait.promise;
  const both = ['token:alice', 'token:bob'].map((id) => call(r, access.known(who(id, ['admin'])), 'fixture_look'));
  wait.resolve();
  await Promise.all(both);
  expect(stage.runs).toBe(2);
  stage.runs = 0;
  await r.clock.advance(300);
  const equal = ['token:alice', 'token:carol'].map((id) => call(r, access.known(who(id, ['admin'])), 'fixture_look'));
  await Promise.all(equal);
  expect(stage.runs).toBe(1); // the control: without bounds they share one
});

test('a tool is given the host within its bounds, and as it is where there are none', async () => {
  const within: unknown[] = [];
  const { r, access } = house(
    {
      roles: [{ scopes: ['system:read'], allow: ['path:/srv/', 'tool:*'] }],
      principals: [{ deny: ['path:/srv/private'] }],
    },
    { context: hostOf(within) },
  );
  await call(r, access.known(alice([], ['r'])), 'fixture_look');
  expect(within).toEqual([{ deny: ['/srv/private'], allow: [['/srv']] }]);
  // Its own scopes let the same call through: then the role's allow bounds nothing.
  await call(r, access.known(alice(['system:read'], ['r'])), 'fixture_look');
  expect(within.at(-1)).toEqual({ deny: ['/srv/private'], allow: [] });
});

describe('what a call left', () => {
  test('a kept result serves only while policy lets the call that made it through', async () => {
    const { r, access } = house({ roles: [{ scopes: ['system:read', 'logs:read'], deny: ['path:/srv/private'] }] });
    stage.lines = ['a', 'b'];
    const raw = alice(['system:read', 'logs:read']);
    const out = await call(r, raw, 'fixture_look', { limit: 1, path: '/srv/private' });
    const handle = out.status === 'done' ? (out.data.more as { handle: string }).handle : '';
    expect(r.kept.get(handle)).toMatchObject({ targets: [{ kind: 'path', name: '/srv/private' }] });
    const { resultsFor } = await import('../../src/policy/results.ts');
    const get = (by: typeof access) =>
      resultsFor(
        {
          kept: (h, p) => (r.kept.get(h)?.principal === p ? (r.kept.get(h) ?? null) : null),
          work: () => null,
          requestCancel: () => false,
          approval: () => null,
          receipt: () => null,
        },
        r.clock,
        by,
      );
    expect(get(access)(raw).get(handle)).not.toBeNull();
    const denied = { ...raw, roles: ['r'] };
    expect(get(access)(denied).get(handle)).toBeNull();
    expect(get(openAccess)(denied).get(handle)).not.toBeNull(); // the control
  });

  test('a receipt, too, and the undo of it asks for both tools and its targets', async () => {
    const { r, access } = house({
      principals: [
        { who: 'token:bob', deny: ['path:/word'] },
        { who: 'token:carol', deny: ['tool:fixture_rename'] },
      ],
    });
    const out = await call(r, alice(['admin']), 'fixture_rename', { to: 'new' });
    const receipt = out.status === 'done' ? String(out.data.receipt) : '';
    expect(receiptsFor(alice(['admin']), r.policy).get(receipt)).not.toBeNull();
    for (const id of ['token:bob', 'token:carol']) {
      const p = access.known(who(id, ['admin']));
      expect(receiptsFor(p, r.policy).get(receipt), id).toBeNull();
      expect(() => receiptsFor(p, r.policy).actsAs(receipt)).toThrow(/no receipt/);
    }
    expect(receiptsFor(access.known(who('token:carol', ['admin'])), r.policy).list(9)).toEqual([]);
  });
});

test('who may not use net_bandwidth is not measured for', () => {
  const tools = [
    { name: 'net_bandwidth', toolset: 'net', core: false, risk: 'read', scopes: { least: 'net:read' } },
  ] as const;
  const access = createAccess({
    roles: [],
    principals: [{ who: 'token:*', ...lists, deny: ['tool:net_bandwidth'] }],
    tools,
    log: { warn() {} },
  });
  const r = rig({ access });
  expect(createMeasures(true, r.policy).refused(who('token:a', ['net:read']))).toMatchObject({ code: 'permission' });
  expect(createMeasures(true, r.policy).refused(who('stdio:0', ['net:read']))).toBeNull();
});

test('whoever is recognised comes with the scopes of its roles; a refusal stays one', async () => {
  const access = ruled({ principals: [{ who: 'token:alice', roles: ['viewer'] }] });
  const seen = { listener: 'tcp', address: undefined, header: () => undefined } as never;
  const raw = alice([]);
  const scopesOf = (is: unknown) => (is as { principal: Principal }).principal.scopes.has('logs:read');
  expect(scopesOf(withGrants(access, () => ({ principal: raw }))(seen))).toBe(true);
  expect(scopesOf(await withGrants(access, async () => ({ principal: raw }))(seen))).toBe(true);
  const refused = { refused: new Error('no') as never, status: 401, sent: true } as const;
  expect(withGrants(access, () => refused)(seen)).toBe(refused);
});
