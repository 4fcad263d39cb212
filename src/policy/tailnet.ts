/**
 * Who comes through the tailnet's socket. The address that `tailscale serve` forwards is asked of tailscaled at every request, and its
 * word counts: the login header must say the same, tags go before any login, and a role is what its grants name and this server knows.
 * Whatever cannot be told is a refusal. Nothing is asked here but the ports; which roles mean what is access.ts's to say.
 */
import type { Log, Principal } from '../core/call.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import type { Scope } from '../core/scopes.ts';
import type { TailnetHost, WhoIs } from '../core/tailnet.ts';
import type { Authenticate, Recognised, Shown } from './credentials.ts';
import { type Guard, notNow } from './tailnet_guard.ts';
import { CAPABILITIES, decoded, FUNNEL, LOGIN, oneAddress } from './tailnet_headers.ts';

export interface TailnetRules {
  /** App capability whose grants name roles. */
  capability: string | null;
  funnel: 'deny' | 'allow';
  /** Whether people of other tailnets may be principals. */
  shared: boolean;
  /** Tailscale service whose grants count instead of the host's. */
  service: string | null;
}

export interface TailnetParts {
  rules: TailnetRules;
  tailnet: Pick<TailnetHost, 'whois'>;
  guard: Guard;
  roleExists(name: string): boolean;
  /** As on every other listener: tokens of this server and of issuers. */
  bearer: Authenticate;
  /** Whether there are issuers: only their tokens are let in from the Internet. */
  issuers: boolean;
  /** Something said who it is and is not: for the record. */
  forged(shown: Shown, what: string): void;
  log: Log;
  now(): number;
}

export function createTailnetAuthenticate(p: TailnetParts): Authenticate {
  const say = once(p.log);

  async function byWhois(shown: Shown): Promise<Recognised> {
    const trouble = await p.guard.trouble();
    if (trouble) return no(trouble);
    const address = oneAddress(shown.header('x-forwarded-for'));
    if (address === null) return forged(shown, 'X-Forwarded-For is not one address', NOT_SERVE);
    let whois: WhoIs | null;
    try {
      whois = await p.tailnet.whois(address, { service: p.rules.service });
    } catch (thrown) {
      const { message, details, cause } = toOpsError(thrown);
      say(
        `away ${message}`,
        { err: message, hint: details.hint, cause: String(cause) },
        'tailscaled does not say who it is',
      );
      return no(notNow());
    }
    if (whois === null)
      return no(denied('Nobody of this tailnet has that address.', 'Connect through the tailnet of this host.'));
    const unfit = unfitFor(whois, p.rules, p.now());
    if (unfit) return no(unfit);
    const wrong = disagreement(whois, shown.header(LOGIN));
    if (wrong) return forged(shown, wrong, NOT_SERVE);
    // Somebody who sends a token means to be whom it names. A bad one is refused and never made good by the place it came from: a
    // client that was given few rights must not get those of whoever owns the machine.
    if (shown.bearer !== undefined) return p.bearer(shown);
    // Every process of this machine, whoever runs it, would have the rights of whom the machine belongs to.
    if (p.guard.isSelf(whois.node))
      return no(
        denied(
          'From this host itself nobody is recognised by the tailnet.',
          'Launch `deckhand stdio`, or send a token: `deckhand token add NAME --role viewer` makes one.',
        ),
      );
    return { principal: principalOf(whois, shown) };
  }

  function principalOf(whois: WhoIs, shown: Shown): Principal {
    const { roles, ignored } = rolesOf(whois, p.rules.capability, p.roleExists);
    for (const what of ignored)
      say(`role ${whois.node} ${what}`, { node: whois.node, what }, 'a grant of the tailnet gives no role here');
    const more = p.rules.capability === null ? null : surplus(shown.header(CAPABILITIES), p.rules.capability, roles);
    if (more) say(`header ${whois.node}`, { node: whois.node, what: more }, 'a header of capabilities is not believed');
    return {
      ...identityOf(whois),
      kind: 'tailnet',
      scopes: NONE,
      roles,
      expiresAtMs: whois.keyExpiresAtMs,
      valid: p.guard.standing,
    };
  }

  function forged(shown: Shown, what: string, error: OpsError): Recognised {
    p.forged(shown, what);
    return no(error);
  }

  /** From the open Internet: no tailnet identity, and no token that was made for this host's own people. */
  async function byFunnel(shown: Shown): Promise<Recognised> {
    if (p.rules.funnel === 'deny')
      return no(
        denied(
          'Nothing is served to the Internet here.',
          'The owner can set `tailnet.funnel: allow`; OAuth issuers are needed for it.',
        ),
      );
    if (!p.issuers)
      return no(
        denied(
          'Nothing is served to the Internet without OAuth.',
          'The owner has to name an issuer in `auth.issuers`.',
        ),
      );
    const found = await p.bearer(shown);
    if (!('principal' in found) || found.principal.kind === 'jwt') return found;
    const error = new OpsError('permission', 'From the Internet only a token of an OAuth issuer is accepted.', {
      hint: 'Connect through the tailnet, or sign in with the issuer.',
    });
    return { refused: error, status: 401, sent: true };
  }

  return (shown) => (shown.header(FUNNEL) === undefined ? byWhois(shown) : byFunnel(shown));
}

const NONE: ReadonlySet<Scope> = new Set();

const denied = (what: string, hint: string) => new OpsError('permission', what, { hint });
const NOT_SERVE = denied(
  'This is not how `tailscale serve` says who somebody is.',
  'Only it may stand in front of this socket: on the host, `deckhand doctor` names the command.',
);
/** No challenge: there is nothing that the caller could send instead. */
const no = (refused: OpsError): Recognised => ({
  refused,
  status: refused.code === 'unavailable' ? 503 : 403,
  sent: false,
});

const TAG = /^tag:[A-Za-z0-9][A-Za-z0-9-]{0,99}$/;
/** Whoever could be called like a tag, or like somebody of another tailnet, would have its rights. */
const LOGIN_NAME = /^(?!tag:|shared:)[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{1,200}$/u;
/** What every tagged node has for a login. */
const TAGGED = 'tagged-devices';

/** Why this one may not be a principal at all, whatever it shows. */
export function unfitFor(whois: WhoIs, rules: Pick<TailnetRules, 'shared'>, now: number): OpsError | null {
  if (whois.expired || (whois.keyExpiresAtMs !== null && whois.keyExpiresAtMs <= now))
    return denied('The key of your machine has expired in the tailnet.', 'Sign in to Tailscale again on that machine.');
  if (whois.shared && !rules.shared)
    return denied('People of other tailnets are not let in.', 'The owner can set `tailnet.shared: true`.');
  const named =
    whois.tags.length > 0
      ? whois.tags.every((t) => TAG.test(t))
      : whois.login !== TAGGED && LOGIN_NAME.test(whois.login);
  return named
    ? null
    : denied('Your machine has no name in the tailnet that can be relied on.', 'Ask the owner of this host.');
}

/** What the login header says and tailscaled does not; null: they agree. */
export function disagreement({ tags, login }: WhoIs, header: string | undefined): string | null {
  if (tags.length > 0) return header === undefined ? null : 'a login for a machine that has tags';
  if (header === undefined) return 'no login for a machine that has a user';
  return header === login || decoded(header) === login ? null : 'a login that is not the one of its address';
}

export function identityOf({ tags, login, node, shared }: WhoIs): Pick<Principal, 'id' | 'aliases' | 'credential'> {
  const via = 'tailscale serve';
  // Logins and tags are unique in one tailnet only: an entry for `alice@passkey` or `tag:ci` must not fit those of another one.
  const prefix = `tailnet:${shared ? 'shared:' : ''}`;
  if (tags.length === 0) return { id: `${prefix}${login}`, credential: { login, node, via } };
  const sorted = [...new Set(tags)].sort();
  const aliases = sorted.map((tag) => `${prefix}${tag}`);
  return { id: `${prefix}${sorted.join(',')}`, aliases, credential: { tags: sorted, node, via } };
}

const MOST_GRANTS = 64;

/** `{"role": "operator"}` and nothing more: who wrote more meant to narrow it, and that is not known here. */
export function rolesOf(
  whois: WhoIs,
  capability: string | null,
  exists: (role: string) => boolean,
): { roles: string[]; ignored: string[] } {
  const grants = (capability === null ? undefined : whois.grants.get(capability)) ?? [];
  const roles = new Set<string>();
  const ignored: string[] = [];
  for (const grant of grants.slice(0, MOST_GRANTS)) {
    const role = roleIn(grant);
    if (role !== null && exists(role)) roles.add(role);
    else ignored.push(JSON.stringify(grant).slice(0, 100));
  }
  return { roles: [...roles].sort(), ignored };
}

function roleIn(grant: unknown): string | null {
  if (typeof grant !== 'object' || grant === null || Array.isArray(grant)) return null;
  const [key, ...more] = Object.keys(grant);
  const { role } = grant as { role?: unknown };
  return key === 'role' && more.length === 0 && typeof role === 'string' ? role : null;
}

/** What the header of capabilities claims beyond tailscaled's own word; it is never needed, because that word holds all of it. */
function surplus(header: string | undefined, capability: string, roles: readonly string[]): string | null {
  if (header === undefined) return null;
  let said: unknown;
  try {
    said = JSON.parse(header);
  } catch {
    return 'it is no JSON';
  }
  const grants = (said as Record<string, unknown> | null)?.[capability];
  const claimed = Array.isArray(grants) ? grants.map(roleIn).filter((r) => r !== null && !roles.includes(r)) : [];
  return claimed.length > 0 ? `it claims ${claimed.join(', ').slice(0, 100)}` : null;
}

const MOST_SAID = 500;

/** The same line once: it would be written for each request. */
function once(log: Log): (key: string, fields: object, message: string) => void {
  const said = new Set<string>();
  return (key, fields, message) => {
    if (said.has(key)) return;
    if (said.size >= MOST_SAID) said.clear();
    said.add(key);
    log.warn(fields, message);
  };
}
