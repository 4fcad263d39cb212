/** The files of tailscale/: HuJSON that Tailscale takes, the same that setup prints, and grants that this server understands. */
import { readFileSync } from 'node:fs';
import { type ParseError, parse } from 'jsonc-parser';
import { describe, expect, test } from 'vitest';
import { ROLES } from '../../src/core/scopes.ts';
import { whoIs } from '../../src/host/tailnet/parse.ts';
import { leadsToSocket } from '../../src/host/tailnet/targets.ts';
import { rolesOf } from '../../src/policy/tailnet.ts';
import { EXAMPLE, policyParts, serviceFile } from '../../src/setup/tailnet/policy_file.ts';
import { fixture } from '../fakes/tailscaled.ts';

const text = (name: string) => readFileSync(new URL(`../../tailscale/${name}`, import.meta.url), 'utf8');
/** HuJSON is JSON with comments and trailing commas. */
function hujson(source: string): Record<string, never> {
  const errors: ParseError[] = [];
  const value = parse(source, errors, { allowTrailingComma: true, disallowComments: false });
  expect(errors).toEqual([]);
  return value;
}
interface Policy {
  groups?: Record<string, string[]>;
  tagOwners: Record<string, string[]>;
  autoApprovers?: { services: Record<string, string[]> };
  grants: { src: string[]; dst: string[]; ip: string[]; app?: Record<string, unknown[]> }[];
}
const policy = hujson(text('grants.hujson')) as unknown as Policy;

test('are what setup prints', () => {
  expect(text('service.hujson')).toBe(serviceFile({ ...EXAMPLE, service: 'svc:deckhand' }));
  expect(text('grants.hujson')).toBe(policyParts(EXAMPLE));
});

describe('service.hujson', () => {
  test('has the members that `tailscale serve set-config` takes, and no other: it refuses unknown ones', () => {
    expect(hujson(text('service.hujson'))).toEqual({
      version: '0.0.1',
      services: {
        'svc:deckhand': { endpoints: { 'tcp:443': 'https://unix:/run/deckhand/mcp.sock' }, advertised: true },
      },
    });
  });
  test('leads to our socket, with TLS in front of it', () => {
    const made = hujson(serviceFile({ ...EXAMPLE, service: 'svc:a', https: 8443, socket: '/run/x y/m.sock' }));
    const [[at, target]] = Object.entries(
      (made.services as unknown as Record<string, { endpoints: object }>)['svc:a']?.endpoints ?? {},
    ) as [[string, string]];
    expect(at).toBe('tcp:8443');
    const [scheme, rest] = target.split('://') as [string, string];
    expect(scheme).toBe('https');
    expect([leadsToSocket('/run/x y/m.sock')(rest), leadsToSocket('/run/other.sock')(rest)]).toEqual([true, false]);
  });
});

describe('grants.hujson', () => {
  test('its names agree: tag, service, port', () => {
    expect(Object.keys(policy.tagOwners)).toEqual(['tag:deckhand']);
    expect(policy.autoApprovers?.services).toEqual({ 'svc:deckhand': ['tag:deckhand'] });
    for (const grant of policy.grants) {
      // A group that is not defined makes the whole policy file invalid.
      for (const src of grant.src) expect(src in (policy.groups ?? {}) || src.startsWith('autogroup:')).toBe(true);
      expect(grant.dst).toEqual(['svc:deckhand', 'tag:deckhand']);
      expect(grant.ip).toEqual(['tcp:443']);
    }
  });
  test('each grant gives the role that it names, through the answer of tailscaled and our own reading of it', () => {
    const roles = policy.grants.map(({ app }) => {
      const answer = { ...JSON.parse(fixture('whois-user.json')), CapMap: app };
      const exists = (name: string) => (ROLES as readonly string[]).includes(name);
      return rolesOf(whoIs(JSON.stringify(answer)), EXAMPLE.capability, exists);
    });
    expect(roles).toEqual([
      { roles: ['viewer'], ignored: [] },
      { roles: ['operator'], ignored: [] },
      { roles: ['admin'], ignored: [] },
    ]);
  });
  test('without a service or a capability there is none in it', () => {
    const bare = hujson(policyParts({ ...EXAMPLE, service: null, capability: null })) as unknown as Policy;
    expect(bare).toEqual({
      tagOwners: { 'tag:deckhand': ['autogroup:admin'] },
      grants: [{ src: ['autogroup:member'], dst: ['tag:deckhand'], ip: ['tcp:443'] }],
    });
  });
});
