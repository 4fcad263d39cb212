/** Random policies and calls, for which policy/access.ts and the oracle must say the same. */
import fc from 'fast-check';
import { ROLES, SCOPES } from '../../src/core/scopes.ts';
import type { Target } from '../../src/core/tool.ts';
import { createAccess } from '../../src/policy/access.ts';
import type { RoleRule } from '../../src/policy/grants.ts';
import { catalog } from '../../src/tools/index.ts';
import { who } from '../fakes/policy.ts';
import { type Case, holding, lets, oracle } from './access_oracle.ts';

/** The naive way: rights of all grants added up, each list for itself. */
export function addedUp(c: Case): boolean {
  const all = c.roles.filter((r) => c.who.roles.includes(r.name));
  const scopes = [...c.who.scopes, ...all.flatMap((r) => r.scopes)];
  return c.scopes.every((s) => holding(scopes, s)) && (all.length === 0 || all.some((r) => lets(r.allow, c)));
}

const TARGETS: Target[] = [
  { kind: 'container', name: 'web-1' },
  { kind: 'container', name: 'web-2', engine: 'prod' },
  { kind: 'container', name: 'db', engine: 'lab' },
  { kind: 'unit', name: 'nginx' },
  { kind: 'unit', name: 'ssh.service' },
  { kind: 'unit', name: '*' },
  { kind: 'path', name: '/srv/web/a' },
  { kind: 'path', name: '/srv//private/./key' },
  { kind: 'path', name: '/srv' },
  { kind: 'path', name: '/srvice' },
  { kind: 'path', name: 'srv/../etc' },
  { kind: 'address', name: 'https://10.1.2.3:8443/x' },
  { kind: 'address', name: '192.168.1.9' },
  { kind: 'address', name: 'Www.Example.com:80' },
];
const ITEMS = [
  ...['toolset:docker', 'toolset:core', 'toolset:*', 'tool:container_*', 'tool:log_query', 'tool:file_*'],
  ...[
    'container:web-*',
    'container:db',
    'container:prod/web-*',
    'container:*',
    'unit:nginx',
    'unit:*',
    'unit:ssh.service',
  ],
  ...[
    'path:/srv',
    'path:/srv/private',
    'path:/srv/*/a',
    'path:/',
    'path:/etc',
    'address:10.0.0.0/8',
    'address:0.0.0.0/0',
  ],
  ...['address:*.example.com', 'address:192.168.*'],
];
const TOOLS = catalog.tools
  .filter((t) => /^(container_|log_query|file_|net_probe|service_)/.test(t.name))
  .map(({ name, toolset, core, risk, scopes: { least } }) => ({ name, toolset, core, risk, scopes: { least } }));
const NAMES = ['deploy', 'logs', 'nobody', ...ROLES];
const some = <T>(values: readonly T[], most: number) =>
  fc.subarray([...values], { maxLength: Math.min(most, values.length) });
const lists = {
  allow: some(ITEMS, 6),
  deny: fc.oneof({ weight: 3, arbitrary: fc.constant([] as string[]) }, { weight: 1, arbitrary: some(ITEMS, 2) }),
};
const role = (name: string) =>
  fc.record({
    name: fc.constant(name),
    scopes: fc.subarray([...SCOPES, 'viewer', 'operator'] as const, { minLength: 1, maxLength: 8 }),
    ...lists,
  });
const WHOS = ['*', 'token:*', 'token:a', 'tailnet:tag:ci', 'tailnet:*', 'token:b'];

export const cases = fc.record({
  roles: fc.tuple(role('deploy'), role('logs')).map((r) => r as RoleRule[]),
  principals: fc.array(fc.record({ who: fc.constantFrom(...WHOS), roles: some(NAMES, 2), ...lists }), { maxLength: 3 }),
  who: fc
    .constantFrom(
      { id: 'token:a', aliases: [] as string[] },
      { id: 'tailnet:tag:ci,tag:web', aliases: ['tailnet:tag:ci', 'tailnet:tag:web'] },
    )
    .chain((id) => fc.record({ scopes: some(SCOPES, 2), roles: some(NAMES, 3) }).map((more) => ({ ...id, ...more }))),
  tool: fc.constantFrom(...TOOLS),
  scopes: some(
    SCOPES.filter((s) => s !== 'admin'),
    2,
  ),
  targets: some(TARGETS, 2),
});

/** How often both said yes and no; throws with the smallest case on which they differ. */
export function compare(
  runs: number,
  seed: number,
  second: (c: Case) => boolean = oracle,
): { yes: number; no: number } {
  const seen = { yes: 0, no: 0 };
  fc.assert(
    fc.property(cases, (c) => {
      const access = createAccess({ ...c, tools: catalog.tools, log: { warn() {} } });
      const { id, aliases, roles, scopes } = c.who;
      const asked = access.known(who(id, scopes, { aliases, roles }));
      const yes = access.call(asked, c.tool, c) === null;
      // What a call is let through with must be listed, too, and its handle serve.
      if (yes) seen.yes++;
      else seen.no++;
      return yes === second(c) && access.handle(asked, c.tool.name, c) === yes;
    }),
    { numRuns: runs, seed },
  );
  return seen;
}
