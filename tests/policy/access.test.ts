/** Who may do what, as docs/policy.md says it: a second reading of it over random policies, and each of its lines by name. */
import { describe, expect, test } from 'vitest';
import type { Principal } from '../../src/core/call.ts';
import type { Scope } from '../../src/core/scopes.ts';
import type { Target, TargetKind } from '../../src/core/tool.ts';
import { type Access, createAccess } from '../../src/policy/access.ts';
import type { PrincipalRule, RoleRule } from '../../src/policy/grants.ts';
import { itemOf, judgedOf } from '../../src/policy/items.ts';
import { catalog } from '../../src/tools/index.ts';
import { who } from '../fakes/policy.ts';
import { addedUp, compare } from './access_cases.ts';

const toolNamed = (name: string) => {
  const found = catalog.tools.find((t) => t.name === name);
  if (!found) throw new Error(`no tool ${name}`);
  return found;
};
const role = (name: string, more: Partial<RoleRule>): RoleRule => ({ name, scopes: [], allow: [], deny: [], ...more });
const entry = (name: string, more: Partial<PrincipalRule>): PrincipalRule => ({
  who: name,
  roles: [],
  allow: [],
  deny: [],
  ...more,
});
function accessOf(roles: RoleRule[], principals: PrincipalRule[] = [], warned: object[] = []): Access {
  return createAccess({
    roles,
    principals,
    tools: catalog.tools,
    log: { warn: (fields) => void warned.push(fields) },
    whereOf: (setting, within) => `config.yaml:${setting === 'roles' ? 3 : 9}.${within.join('.')}`,
  });
}
const may = (a: Access, p: Principal, tool: string, scopes: Scope[], targets: Target[] = [], undoes?: string) =>
  a.call(p, toolNamed(tool), { scopes, targets, ...(undoes === undefined ? {} : { undoes }) })?.line ?? 'yes';
const container = (name: string): Target => ({ kind: 'container', name });

describe('against a second reading of docs/policy.md', () => {
  test('500 random policies and calls, and both answers are common', () => {
    const { yes, no } = compare(500, 20261121);
    expect(Math.min(yes, no)).toBeGreaterThan(50);
  });

  test('the comparison notices rights that are added up (control)', () => {
    expect(() => compare(500, 20261121, addedUp)).toThrow(/Property failed/);
  });
});

describe('grants', () => {
  const web = role('web', { scopes: ['docker:write'], allow: ['toolset:docker', 'container:web-*'] });
  const db = role('db', { scopes: ['docker:read'], allow: ['container:db'] });

  test('one grant lets the whole call through, or none does; two are never added up', () => {
    const a = accessOf([web, db]);
    const both = who('token:a', [], { roles: ['web', 'db'] });
    expect(may(a, both, 'container_control', ['docker:write'], [container('web-1')])).toBe('yes');
    expect(may(a, both, 'container_inspect', ['docker:read'], [container('db')])).toBe('yes');
    expect(may(a, both, 'container_control', ['docker:write'], [container('db')])).toBe(
      'roles.web.allow (config.yaml:3.0.allow)',
    );
    expect(may(a, both, 'container_inspect', ['docker:read'], [container('web-1'), container('db')])).toContain(
      'roles.web.allow',
    );
    expect(may(a, both, 'container_inspect', ['docker:read', 'logs:read'])).toBe('no single grant holds all scopes');
    expect([...a.known(both).scopes].sort()).toEqual(['docker:read', 'docker:write']);
  });

  test('the credential’s own scopes are a grant that nothing but them bounds', () => {
    const a = accessOf([web]);
    const own = who('token:a', ['docker:write'], { roles: ['web'] });
    expect(may(a, own, 'container_control', ['docker:write'], [container('db')])).toBe('yes');
  });

  test('roles come from the credential and from every entry that fits, by id or another name', () => {
    const a = accessOf([web], [entry('tailnet:tag:ci', { roles: ['web'] }), entry('token:b', { roles: ['admin'] })]);
    const ci = who('tailnet:tag:ci,tag:web', [], { aliases: ['tailnet:tag:ci', 'tailnet:tag:web'] });
    expect(a.roles(ci)).toEqual(['web']);
    expect(may(a, ci, 'container_control', ['docker:write'], [container('web-1')])).toBe('yes');
    expect(a.roles(who('token:b', []))).toEqual(['admin']);
    expect(a.roles(who('token:c', []))).toEqual([]);
  });

  test('a copy of a known principal does not take its roles’ scopes for its own (control: without `own` it would)', () => {
    const a = accessOf([web]);
    const known = a.known(who('token:a', [], { roles: ['web'] }));
    expect(a.known(known)).toBe(known);
    expect(may(a, { ...known }, 'container_control', ['docker:write'], [container('db')])).toContain('roles.web.allow');
    const { own: _, ...naive } = known;
    expect(may(a, naive, 'container_control', ['docker:write'], [container('db')])).toBe('yes');
  });

  test('without roles and entries a principal is itself, and policy says nothing', () => {
    const a = accessOf([]);
    const p = who('token:a', ['docker:read']);
    expect(a.known(p)).toBe(p);
    expect(may(a, p, 'container_inspect', ['docker:read'], [container('db')])).toBe('yes');
    expect(may(a, p, 'container_control', ['docker:write'])).toBe('no single grant holds all scopes');
    expect(a.bounds(p, toolNamed('file_read'), { scopes: [], targets: [] })).toBeNull();
    expect([a.limits(p), a.handle(p, 'gone', { scopes: [], targets: [] })]).toEqual([{}, true]);
  });

  test('a role that nobody defined gives nothing, and is complained of once; a flood of names is not', () => {
    const warned: object[] = [];
    const a = accessOf([web], [], warned);
    for (let n = 0; n < 3; n++)
      expect(a.known(who('token:a', ['logs:read'], { roles: ['ghost'] })).scopes.size).toBe(1);
    expect(warned).toEqual([{ principal: 'token:a', role: 'ghost' }]);
    for (let n = 0; n < 2_000; n++) a.known(who(`jwt:x:${n}`, [], { roles: [`made-up-${n}`] }));
    expect(warned.length).toBeLessThanOrEqual(100);
  });
});

describe('deny', () => {
  test('of any role or entry goes before every allow, and only what it names is hit', () => {
    const a = accessOf(
      [
        role('ops', {
          scopes: ['operator'],
          allow: ['container:*'],
          deny: ['tool:container_remove', 'toolset:services'],
        }),
      ],
      [entry('token:*', { deny: ['container:db', 'path:/srv/private'] })],
    );
    const ops = who('token:a', ['admin'], { roles: ['ops'] });
    expect(may(a, ops, 'container_control', ['docker:write'], [container('web')])).toBe('yes');
    expect(may(a, ops, 'container_control', ['docker:write'], [container('web'), container('db')])).toBe(
      'principals[0].deny[0] (config.yaml:9.0.deny.0)',
    );
    expect(may(a, ops, 'container_remove', ['docker:write'])).toContain('roles.ops.deny[0]');
    expect(may(a, ops, 'service_status', ['services:read'])).toContain('roles.ops.deny[1]');
    expect(may(a, ops, 'file_read', ['files:read'], [{ kind: 'path', name: '/srv/private/x' }])).toContain(
      'principals[0].deny[1]',
    );
    expect(may(a, ops, 'container_list', ['docker:read'])).toBe('yes');
  });

  test('an undo needs both tools, and the targets of what it takes back', () => {
    const a = accessOf([
      role('ops', { scopes: ['operator'], allow: ['tool:undo', 'tool:container_control'], deny: ['container:db'] }),
    ]);
    const ops = who('token:a', [], { roles: ['ops'] });
    expect(may(a, ops, 'undo', ['docker:write'], [container('web')], 'container_control')).toBe('yes');
    expect(may(a, ops, 'undo', ['docker:write'], [container('db')], 'container_control')).toContain('deny');
    expect(may(a, ops, 'undo', ['docker:write'], [container('web')], 'container_update')).toContain('roles.ops.allow');
    expect(may(a, ops, 'undo', ['docker:write'], [], 'no_tool_any_more')).toContain('roles.ops.allow');
  });

  test('what a caller hears names no line', () => {
    const a = accessOf([], [entry('*', { deny: ['container:secret-project'] })]);
    const no = a.call(who('token:a', ['admin']), toolNamed('container_inspect'), {
      scopes: [],
      targets: [container('secret-project')],
    });
    expect(`${no?.why} ${no?.hint}`).not.toMatch(/principals|secret-project|deny\[/);
  });
});

describe('tools', () => {
  const names = (a: Access, p: Principal) => catalog.tools.filter((t) => a.tool(p, t) === null).map((t) => t.name);

  test('one that no grant could ever let through is not listed', () => {
    const a = accessOf([
      role('web', { scopes: ['docker:read', 'logs:read'], allow: ['tool:log_query', 'tool:container_*', 'tool:undo'] }),
    ]);
    expect(names(a, who('token:a', [], { roles: ['web'] }))).toEqual([
      'container_list',
      'container_inspect',
      'log_query',
      // Needs no scope: what it gives is asked about by its handle.
      'result_query',
    ]);
  });

  test('an entry’s own allow and any deny of a tool take it out, whoever holds it', () => {
    const a = accessOf(
      [],
      [entry('token:*', { allow: ['toolset:docker', 'tool:file_read'] }), entry('token:a', { deny: ['tool:image_*'] })],
    );
    const seen = names(a, who('token:a', ['admin']));
    expect(seen).toContain('container_control');
    expect(seen).toContain('file_read');
    expect(seen.filter((n) => /^image_|^system_|^undo$/.test(n))).toEqual([]);
    expect(a.tool(who('token:a', ['admin']), toolNamed('undo'))?.line).toContain('principals[0].allow');
    expect(a.tool(who('token:a', ['net:read']), toolNamed('container_list'))?.line).toBe('no grant holds its scopes');
    expect(a.tool(who('token:a', [], { roles: ['viewer'] }), toolNamed('diagnose'))?.line).toContain(
      'principals[0].allow',
    );
  });

  test('a tool whose arguments decide needs one of its scopes in the very grant', () => {
    const a = accessOf([role('x', { scopes: ['audit:read'], allow: ['tool:*'] })]);
    expect(a.tool(who('token:a', [], { roles: ['x'] }), toolNamed('diagnose'))?.line).toBe('no grant holds its scopes');
    expect(a.tool(who('token:a', ['audit:read'], { roles: ['x'] }), toolNamed('undo'))?.line).toBe(
      'no grant holds its scopes',
    );
  });

  test('toolset:core is the default set', () => {
    const a = accessOf([role('x', { scopes: ['admin'], allow: ['toolset:core'] })]);
    expect(names(a, who('token:a', [], { roles: ['x'] }))).toEqual(
      catalog.tools.filter((t) => t.core).map((t) => t.name),
    );
  });
});

test('handles: of a tool that is gone, or that policy lets through no longer, none serves', () => {
  const a = accessOf([role('r', { scopes: ['docker:read'], deny: ['container:db'] })]);
  const p = who('token:a', [], { roles: ['r'] });
  const of = (tool: string, targets: Target[]) => a.handle(p, tool, { scopes: ['docker:read'], targets });
  expect([of('container_inspect', []), of('container_inspect', [container('db')]), of('gone', [])]).toEqual([
    true,
    false,
    false,
  ]);
});

test('limits: the lowest of the entries; else the highest of the roles; else none of its own', () => {
  const a = accessOf(
    [role('slow', { callsPerMinute: 5, concurrentCalls: 2 }), role('fast', { callsPerMinute: 50, changesPerDay: 0 })],
    [entry('token:a', { callsPerMinute: 9 }), entry('token:*', { callsPerMinute: 7, requestsPerMinute: 70 })],
  );
  expect(a.limits(who('token:a', [], { roles: ['slow', 'fast'] }))).toEqual({
    callsPerMinute: 7,
    concurrentCalls: 2,
    changesPerDay: 0,
    requestsPerMinute: 70,
  });
  expect(a.limits(who('stdio:0', [], { roles: ['viewer'] }))).toEqual({});
  expect(a.limits(who('stdio:0', [], { roles: ['slow', 'fast'] }))).toEqual({
    callsPerMinute: 50,
    concurrentCalls: 2,
    changesPerDay: 0,
  });
});

test('steps name each deny that fits, each entry and each grant', () => {
  const a = accessOf(
    [role('r', { scopes: ['docker:read'], allow: ['container:web'] }), role('s', { scopes: ['docker:read'] })],
    [entry('token:*', { allow: ['tool:log_*'], deny: ['container:db'] })],
  );
  const steps = a.steps(who('token:a', [], { roles: ['r', 's'] }), toolNamed('container_inspect'), {
    scopes: ['docker:read'],
    targets: [container('db')],
  });
  expect(steps.map((s) => [s.what, s.ok, s.line.split(' ')[0]])).toEqual([
    ['deny', false, 'principals[0].deny[0]'],
    ['entry allows no such tool', false, 'principals[0].allow'],
    ['grant lacks docker:read', false, 'credential'],
    ['grant allows no such container', false, 'roles.r'],
    ['grant lets it through', true, 'roles.s'],
  ]);
});

describe('items', () => {
  const fits = (item: string, name: string, by: 'allow' | 'deny' = 'allow', engine?: string) => {
    const is = itemOf(item, 0);
    return is.target?.(judgedOf({ kind: is.kind as TargetKind, name, ...(engine ? { engine } : {}) }), by) === true;
  };
  test.each([
    ['container:web-*', 'web-1', true],
    ['container:web-*', 'prod/web-1', true],
    ['container:prod/web-*', 'prod/web-1', true],
    ['container:prod/web-*', 'lab/web-1', false],
    ['container:prod/web-*', 'web-1', false],
    ['image:nginx', 'nginx', true],
    ['image:nginx', 'docker.io/library/nginx:1.27', true],
    ['image:docker.io/library/nginx', 'nginx:1.27', true],
    ['image:nginx:latest', 'library/nginx', true],
    ['image:nginx:1.*', 'nginx:1.27', true],
    ['image:nginx:1.*', 'nginx:2', false],
    ['image:nginx:1.27', `nginx:1.27@sha256:${'0'.repeat(64)}`, false],
    ['image:nginx@sha256:*', `nginx:1.27@sha256:${'0'.repeat(64)}`, true],
    ['image:ghcr.io/me/*', 'ghcr.io/me/app:1', true],
    ['image:nginx', 'evil.example/nginx', false],
    ['image:nginx', 'NGINX', false],
    ['image:nginx', `nginx@sha256:${'0'.repeat(64)}`, true],
    ['address:*', '[zz]:80', false],
    ['address:*', '[::1', false],
    ['image:abc*', 'a'.repeat(64), false],
    ['stack:shop', 'shop', true],
    ['unit:nginx', 'nginx.service', true],
    ['unit:nginx.service', 'nginx', true],
    ['unit:nginx', 'nginx.timer', false],
    ['process:nginx', 'nginx:4711', true],
    ['process:nginx:47*', 'nginx:4711', true],
    ['process:nginx', 'nginx2:1', false],
    ['process:x', 'x', true],
    ['path:/srv', '/srv', true],
    ['path:/srv/', '/srv/a/b', true],
    ['path:/srv', '/srvice', false],
    ['path:/', '/etc/x', true],
    ['path:/srv/*/logs', '/srv/a/logs/x', true],
    ['path:/srv', '//srv/./x', true],
    ['path:/srv', '/srv/../etc', false],
    ['path:/srv', 'file:///srv', false],
    ['address:10.0.0.0/8', '10.1.2.3', true],
    ['address:10.0.0.0/8', 'https://10.1.2.3:8443/x', true],
    ['address:10.0.0.0/8', '0xa.1', true],
    ['address:10.0.0.0/8', '167772161', true],
    ['address:10.0.0.0/8', '１０.0.0.1', true],
    ['address:10.0.0.0/8', '11.0.0.1', false],
    ['address:10.0.0.0/8', 'ten.example.com', false],
    ['address:10.0.0.0/8', '::ffff:10.0.0.1', false],
    ['address:10.0.0.1', '10.0.0.1:80', true],
    ['address:fd00::/8', '[fd00::1]:80', true],
    ['address:fd00::/8', 'fd00::1%eth0', true],
    ['address:*.example.com', 'WWW.Example.com.:443', true],
    ['address:*.example.com', 'example.com', false],
    ['address:example.com.', 'example.com', true],
    ['address:10.1.*', '10.1.2.3', true],
    ['address:*', 'anything.example', true],
    ['address:peer:cellar', 'peer:cellar', true],
    ['address:*', 'a b', false],
    ['address:*', 'http://', false],
    ['address:*', 'a@b', false],
    ['unit:*', '*', true],
    ['unit:n*', '*', false],
  ])('%s by an allow: %s is %s', (item, name, expected) => {
    expect(fits(item, name)).toBe(expected);
  });

  test.each([
    ['container:prod/web-*', 'web-1'],
    ['image:nginx:1.27', `nginx:1.27@sha256:${'0'.repeat(64)}`],
    ['image:nginx', 'not an image'],
    ['path:/srv/private', '/srv/../x'],
    ['path:/srv/private', 'srv/x'],
    ['path:/srv/private', '/srv/\u0000'],
    ['address:10.0.0.0/8', '::ffff:10.0.0.1'],
    ['address:10.0.0.0/8', '64:ff9b::a00:1'],
    ['address:10.0.0.0/8', '[2002:a00:1::]:80'],
    ['address:10.0.0.0/8', 'a b'],
    ['unit:ssh.service', '*'],
  ])('%s by a deny also fits %s: what cannot be judged, and what stands for all', (item, name) => {
    expect(fits(item, name, 'allow')).toBe(false);
    expect(fits(item, name, 'deny')).toBe(true);
  });

  test('the engine beside the name counts like one in front of it', () => {
    expect([
      fits('container:prod/web', 'web', 'allow', 'prod'),
      fits('container:prod/web', 'web', 'deny', 'lab'),
    ]).toEqual([true, false]);
  });
});
