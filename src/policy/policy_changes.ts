/**
 * Whether the rules are what they were at the last start, and who gave or took a token. Decides which settings are rules; of their
 * values only keyed digests are kept and only their names are told, because a value may be a secret. A token that comes or goes through
 * the command has a record of its own and is then no change at the next start.
 */
import { canonical } from '../core/canonical.ts';
import type { PolicyDigests } from '../store/policy_digests.ts';
import type { Tokens } from '../store/tokens.ts';
import type { Audit } from './ports.ts';

/** A setting, or a group with all that is in it: what decides who may do what, on what, and who hears of it. */
export const RULES: readonly string[] = [
  'mode',
  'toolsets',
  'tools',
  'roles',
  'principals',
  'auth',
  'tailnet',
  'approvals',
  'limits',
  'notify',
  'audit',
  'stdio.role',
  'cli.role',
  'redact',
  'files.roots',
  'files.deny',
  'files.transfers.links',
  'docker.endpoint',
  'docker.engines',
  'docker.allow',
  'docker.protect',
  'docker.mountRoots',
  'services',
  'processes',
  'net.allow',
  'net.deny',
  'net.measure',
  'peers',
  'http.host',
  'http.url',
  'http.allowedHosts',
  'http.allowedOrigins',
  'http.behindProxy',
  'http.trustedProxies',
  'http.tls',
];

const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function* leaves(value: Record<string, unknown>, above = ''): Generator<[string, unknown]> {
  for (const [key, part] of Object.entries(value)) {
    const path = above === '' ? key : `${above}.${key}`;
    if (isGroup(part)) yield* leaves(part, path);
    else yield [path, part];
  }
}

/** Each rule by its path, with its value. */
export function rulesOf(config: object): Map<string, unknown> {
  const all = [...leaves(config as Record<string, unknown>)];
  return new Map(all.filter(([path]) => RULES.some((rule) => path === rule || path.startsWith(`${rule}.`))));
}

/** What the digests are made with: the name of a file, and told like a setting. */
const KEY = 'audit.key';

type Digest = Audit['digest'];

function tokensDigest(tokens: Pick<Tokens, 'list'>, digest: Digest): string {
  try {
    const list = tokens.list().map(({ name, role, extra, expiresAtMs, fingerprint }) => ({
      name,
      role,
      extra,
      expiresAtMs,
      fingerprint,
    }));
    return digest(canonical(list));
  } catch {
    // A file that cannot be trusted lets nobody in: a change, too.
    return 'refused';
  }
}

export interface PolicyAtStart {
  /** Of all rules together: ties the records of this process to them. */
  policy: string;
}

/** One record when a rule is not what it was when this role was started last. */
export function noteRules(o: {
  role: string;
  config: object;
  tokens: Pick<Tokens, 'list'>;
  digests: PolicyDigests;
  audit: Audit;
  now(): number;
}): PolicyAtStart {
  const { audit, role } = o;
  const named = new Map([...rulesOf(o.config)].map(([path, value]) => [path, audit.digest(canonical(value ?? null))]));
  const policy = audit.digest(canonical([...named])).slice(0, 16);
  named.set('tokens', tokensDigest(o.tokens, audit.digest));
  named.set(KEY, audit.digest(KEY));
  // Without the key no digest is one: then nothing is compared, and nothing of it kept.
  const changed = named.get(KEY) === 'no-key' ? null : o.digests.changed(role, named, o.now());
  // With another key every digest is another one.
  const settings = changed?.includes(KEY) ? [KEY] : changed;
  if (settings !== null && settings.length > 0)
    audit.append('security', {
      kind: 'policy_changed',
      role,
      settings,
      policy,
      what: `Changed since the last start of ${role}: ${settings.join(', ')}.`,
    });
  return { policy };
}

/** Tokens whose coming and going is on record. */
export function recordedTokens(
  tokens: Tokens,
  o: { by: string; audit: Audit; digests: Pick<PolicyDigests, 'follow'> },
): Tokens {
  const { audit, by } = o;
  function noted<T>(change: () => T, fields: (value: T) => Record<string, unknown>): T {
    const before = tokensDigest(tokens, audit.digest);
    const value = change();
    audit.append('token', { who: by, ...fields(value) });
    o.digests.follow('tokens', before, tokensDigest(tokens, audit.digest));
    return value;
  }
  return {
    ...tokens,
    add: (token) =>
      noted(
        () => tokens.add(token),
        ({ record: { name, role, extra, expiresAtMs, fingerprint } }) => ({
          token: name,
          role,
          scopes: extra,
          expiresAt: expiresAtMs === null ? undefined : new Date(expiresAtMs).toISOString(),
          credential: { fingerprint },
          what: 'A token was added.',
        }),
      ),
    revoke: (name) =>
      noted(
        () => tokens.revoke(name),
        () => ({ token: name, what: 'A token was revoked.' }),
      ),
  };
}
