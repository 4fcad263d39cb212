/** The words of every right: what a scope includes, what a role holds, what a call of a tool needs, what its hints say. */
import { describe, expect, test } from 'vitest';
import { holds, RISKS, ROLES, readsOnly, SCOPES, type Scope, scopesOf } from '../../src/core/scopes.ts';
import { entryScope, hintsOf, leastScopes, riskOf, scopesOfCall, type Tool, worstRisk } from '../../src/core/tool.ts';
import { lookTool, renameTool } from '../fakes/tools.ts';

const of = (...scopes: Scope[]): ReadonlySet<Scope> => new Set(scopes);

describe('a scope', () => {
  test.each(SCOPES)('%s is held by who has it, by its write and by admin, and by nobody else', (needed) => {
    const writes = needed.endsWith(':read') ? needed.replace(':read', ':write') : needed;
    for (const had of SCOPES)
      expect(holds(of(had), needed), had).toBe(had === needed || had === writes || had === 'admin');
    expect(holds(of(), needed)).toBe(false);
  });
});

describe('a role', () => {
  const held = (role: (typeof ROLES)[number]) => SCOPES.filter((s) => holds(new Set(scopesOf(role)), s));
  test('holds all that the milder one holds, and more', () => {
    const [viewer, operator, admin] = ROLES.map(held);
    expect(operator).toEqual(expect.arrayContaining(viewer as Scope[]));
    expect(admin).toEqual([...SCOPES]);
    expect(new Set([viewer?.length, operator?.length, admin?.length]).size).toBe(3);
  });
  test('viewer changes nothing; neither it nor operator reads the audit or is admin', () => {
    expect(held('viewer').filter((s) => !s.endsWith(':read'))).toEqual([]);
    for (const role of ['viewer', 'operator'] as const)
      for (const scope of ['audit:read', 'admin', 'alerts:write'] as const) expect(held(role)).not.toContain(scope);
  });
});

describe('a call', () => {
  test('needs the least scope and what its arguments need, each named once', () => {
    expect(scopesOfCall(lookTool, {})).toEqual(['system:read']);
    expect(scopesOfCall(lookTool, { path: '/x' })).toEqual(['system:read', 'logs:read']);
    const twice: Pick<Tool, 'scopes'> = { scopes: { least: 'files:read', of: () => ['files:read', 'files:write'] } };
    expect(scopesOfCall(twice, {})).toEqual(['files:read', 'files:write']);
  });
  test('of a tool that goes by its handle needs no scope of its own', () => {
    expect(leastScopes({ scopes: { least: null } })).toEqual([]);
    expect(scopesOfCall({ scopes: { least: null } }, {})).toEqual([]);
  });
  test('of a tool whose arguments decide needs one of its scopes to be seen', () => {
    const by: Pick<Tool, 'scopes'> = { scopes: { least: null, any: ['docker:read', 'system:read'], of: () => [] } };
    expect(entryScope(by, (s) => s === 'system:read')).toBeNull();
    expect(entryScope(by, () => false)).toBe('docker:read');
    expect(entryScope({ scopes: {} }, () => false)).toBeNull();
  });
  test('is as risky as its arguments; the tool as its worst call', () => {
    expect([riskOf(renameTool, { to: 'x' }), riskOf(renameTool, { to: 'nothing' }), worstRisk(renameTool)]).toEqual([
      'change',
      'destroy',
      'destroy',
    ]);
    for (const risk of RISKS) expect([riskOf({ risk }, {}), worstRisk({ risk })]).toEqual([risk, risk]);
    expect(RISKS.filter(readsOnly)).toEqual(['read', 'sensitive']);
  });
});

test('the hints for clients come from the worst risk, never from a mild call or the name', () => {
  const named = { ...lookTool, name: 'delete_everything' } as Tool;
  expect(hintsOf(named)).toMatchObject({ readOnlyHint: true, destructiveHint: false });
  expect(hintsOf(renameTool)).toEqual({
    title: 'Rename',
    readOnlyHint: false,
    destructiveHint: true,
    idempotentHint: true,
    openWorldHint: false,
  });
});
