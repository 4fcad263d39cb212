/** Each way in which a call that nobody makes is said to be refused, and by what. */
import { expect, test } from 'vitest';
import type { Principal } from '../../src/core/call.ts';
import type { Scope } from '../../src/core/scopes.ts';
import { createAccess } from '../../src/policy/access.ts';
import { createExplain } from '../../src/policy/explain.ts';
import type { Rule } from '../../src/policy/rules.ts';
import { diagnose } from '../../src/tools/diagnose.ts';
import { undo } from '../../src/tools/undo.ts';
import { callOf, rig, who } from '../fakes/policy.ts';
import { fixtureCatalog, stage } from '../fakes/tools.ts';

const operator = who('token:a', ['system:write', 'files:write', 'logs:read']);
function asked(tool: string, args: object, o: Parameters<typeof rig>[0] & { by?: Principal; decide?: Rule[] } = {}) {
  const { by = operator, decide = [], ...over } = o;
  const { yes, line, approval, targets } = createExplain(rig(over).policy, decide).call(by, tool, args);
  return { yes, line, approval, targets };
}
const no = (line: unknown) => ({ yes: false, line, approval: null, targets: [] });

test('in the door’s order, each with what decided', () => {
  expect(asked('zzzz', {})).toEqual(no('no tool is named zzzz'));
  expect(asked('fixture_lok', {})).toEqual(no('no tool is named fixture_lok (nearest: fixture_look)'));
  // And what the owner's lines would say is told all the same.
  const away = { off: () => ({ why: 'no engine.', hint: 'Install one.' }) };
  expect(asked('fixture_look', { path: '/x' }, away)).toEqual({
    ...no('fixture_look is off here: no engine. Install one.'),
    targets: ['path:/x'],
  });
  expect(asked('fixture_rename', { to: 'x' }, { mode: 'read-only' })).toEqual(no('mode'));
  expect(asked('fixture_look', {}, { by: who('token:b', ['net:read'] as Scope[]) })).toEqual(no('scopes'));
  expect(asked('fixture_look', { limit: 0 })).toMatchObject(no(expect.stringContaining('arguments are not valid')));
  expect(asked('fixture_look', { path: '/x' }, { by: who('token:b', ['system:read']) })).toMatchObject({
    yes: false,
    line: 'scopes',
  });
});

test('a read runs; a change runs, waits or is refused as the rules say', () => {
  expect(asked('fixture_look', { path: '/x' })).toEqual({
    yes: true,
    line: null,
    approval: null,
    targets: ['path:/x'],
  });
  expect(asked('fixture_long', {})).toMatchObject({ yes: true, targets: [] });
  expect(asked('fixture_rename', { to: 'x' })).toMatchObject({ yes: true, approval: 'runs', targets: ['path:/word'] });
  expect(asked('fixture_rename', { to: 'x' }, { mode: 'ask' })).toMatchObject({
    yes: true,
    approval: 'waits for a yes',
  });
  const deny: Rule[] = [{ target: 'path:/w*', decide: 'deny' }];
  expect(asked('fixture_rename', { to: 'x' }, { decide: deny })).toMatchObject({
    yes: false,
    approval: 'refused',
    line: 'rule 1: deny',
  });
});

test('a tool whose arguments decide needs one of its scopes; policy says no by its line', () => {
  const tools = { tools: [diagnose], resources: [], prompts: [] };
  expect(asked('diagnose', { problem: 'slow' }, { catalog: tools, by: who('token:b', ['audit:read']) })).toEqual(
    no('scopes'),
  );
  const entry = { who: '*', roles: [], allow: ['path:/srv', 'unit:x'], deny: ['tool:fixture_long'] };
  const access = createAccess({ roles: [], principals: [entry], tools: [], log: { warn() {} } });
  expect(asked('fixture_look', { path: '/x' }, { access })).toMatchObject({ yes: false, line: 'principals[0].allow' });
  expect(asked('fixture_look', { path: '/srv/x' }, { access })).toMatchObject({ yes: true, line: null });
  expect(asked('fixture_long', {}, { access })).toEqual(no('principals[0].deny[0]'));
});

test('an undo is asked about as the change that it takes back', async () => {
  stage.reset();
  const r = rig({ catalog: { tools: [...fixtureCatalog.tools, undo], resources: [], prompts: [] } });
  const out = await r.door.run(callOf('fixture_rename', { to: 'x' }, { principal: operator }));
  const receipt = out.status === 'done' ? String(out.data.receipt) : '';
  const e = createExplain(r.policy, [{ tool: 'fixture_rename', decide: 'deny' }]);
  expect(e.call(operator, 'undo', { receipt })).toMatchObject({
    yes: false,
    line: 'rule 1: deny',
    targets: ['path:/word'],
  });
  expect(e.call(who('token:c', ['admin']), 'undo', { receipt: `t_${'a'.repeat(26)}` })).toMatchObject({ yes: false });
});

test('what one has', () => {
  expect(createExplain(rig().policy, []).show(operator)).toMatchObject({
    id: 'token:a',
    roles: [],
    scopes: ['files:write', 'logs:read', 'system:write'],
    tools: expect.arrayContaining(['fixture_look', 'fixture_rename']),
    limits: {},
  });
});
