/**
 * Who may do what: roles and principals of the owner's config, as docs/policy.md says. Decides for one principal whether a tool could ever
 * be let through, whether this call is, by which line not, and what limits it has. Modes, switched-off tools and approvals are asked
 * elsewhere; how bounds reach what a tool opens is bounded.ts's.
 */
import type { Log, Principal } from '../core/call.ts';
import { holds, readsOnly, type Scope } from '../core/scopes.ts';
import { entryScope, leastScopes, type Target, type Tool, worstRisk } from '../core/tool.ts';
import type { Bounds } from './bounded.ts';
import { boundsOf } from './bounds.ts';
import {
  createGrants,
  type Grant,
  type Held,
  type PrincipalRule,
  type RoleRule,
  type Source,
  sourcesOf,
} from './grants.ts';
import { type Judged, judgedOf, type Kind, type Named } from './items.ts';

/** As much of a tool as is asked about. */
export type Asked = Named & Pick<Tool, 'risk'> & { scopes: Pick<Tool['scopes'], 'least' | 'any'> };

export interface Denial {
  /** For the caller: never by which line, nor what else there is. */
  why: string;
  hint: string;
  /** For the record and for `policy explain`. */
  line: string;
}

export interface CallFacts {
  scopes: readonly Scope[];
  targets: readonly Target[];
  /** The tool whose change it takes back. */
  undoes?: string | undefined;
}

/** One thing that was looked at, for who asks why. */
export interface Step {
  what: string;
  ok: boolean;
  line: string;
  /** One such step that is ok is enough. */
  oneOf?: true;
}

export interface Limits {
  callsPerMinute?: number;
  concurrentCalls?: number;
  changesPerDay?: number;
  /** HTTP requests: undefined, they are counted for its address (edge/limits_admission.ts). */
  requestsPerMinute?: number;
}

export interface Access {
  /** The same principal with the scopes of all its grants. Of one object always the same. */
  known(who: Principal): Principal;
  /** Null: some call of this tool may be let through. */
  tool(who: Principal, tool: Asked): Denial | null;
  call(who: Principal, tool: Asked, facts: CallFacts): Denial | null;
  /** Whether a handle that a call left still serves. */
  handle(who: Principal, tool: string, facts: CallFacts): boolean;
  limits(who: Principal): Limits;
  /** Names of those that it has and that somebody defined. */
  roles(who: Principal): readonly string[];
  /** What the call may use of the host; null: nothing bounds it. */
  bounds(who: Principal, tool: Asked, facts: CallFacts): Bounds | null;
  /** Each deny, entry and grant in turn. */
  steps(who: Principal, tool: Asked, facts: CallFacts): Step[];
}

export interface AccessOptions {
  roles: readonly RoleRule[];
  principals: readonly PrincipalRule[];
  /** By name, for handles and for what is undone. */
  tools: readonly Asked[];
  log: Pick<Log, 'warn'>;
  /** `/etc/deckhand/config.yaml:14`, where a part of a setting stands; null where nobody knows. */
  whereOf?: ((setting: string, within: readonly PropertyKey[]) => string | null) | undefined;
}

const WHY = 'The policy of this host’s owner does not let you do this';
const HINT = 'Ask the owner of this host: `deckhand policy explain` there says by which line.';
/** Names of roles that were complained of; they come from credentials, so somebody else may choose them. */
const MOST_COMPLAINTS = 100;

export function createAccess(o: AccessOptions): Access {
  const grantsOf = createGrants(o.roles, o.principals);
  const byName = new Map(o.tools.map((t) => [t.name, t]));
  const seen = new WeakMap<Principal, { held: Held; known: Principal }>();
  const complained = new Set<string>();

  function of(who: Principal): { held: Held; known: Principal } {
    let is = seen.get(who);
    if (!is) {
      const held = grantsOf(who);
      for (const role of held.unknown) complain(who, role);
      const known = held.scopes === who.scopes ? who : { ...who, scopes: held.scopes, own: who.own ?? who.scopes };
      is = { held, known };
      seen.set(who, is);
      seen.set(known, is);
    }
    return is;
  }

  function complain(who: Principal, role: string): void {
    if (complained.has(role) || complained.size >= MOST_COMPLAINTS) return;
    complained.add(role);
    o.log.warn({ principal: who.id, role }, 'a credential names a role that nobody defined; it gives nothing');
  }

  function lineOf(source: Source, list?: 'allow' | 'deny', at?: number): string {
    const within = [...(list ? [list] : []), ...(at === undefined ? [] : [at])];
    const line = `${source.name}${list ? `.${list}` : ''}${at === undefined ? '' : `[${at}]`}`;
    const where = source.place && (o.whereOf?.(source.place.setting, [source.place.index, ...within]) ?? null);
    return where ? `${line} (${where})` : line;
  }

  /** The tools that count, and the targets in one form. */
  function asked(tool: Asked, facts: CallFacts): { tools: Named[]; targets: Judged[] } {
    // One that is no tool any more is in no toolset: an allow that names some does not let it through.
    const gone = (name: string): Named => ({ name, toolset: '' as never, core: false });
    const undoes = facts.undoes === undefined ? [] : [byName.get(facts.undoes) ?? gone(facts.undoes)];
    return { tools: [tool, ...undoes], targets: facts.targets.map(judgedOf) };
  }

  /** The item of a deny that fits, as a line. */
  function denied(source: Source, tools: readonly Named[], targets: readonly Judged[]): string | null {
    for (const item of source.deny.get('tool') ?? [])
      if (tools.some((t) => item.tool?.(t))) return lineOf(source, 'deny', item.at);
    for (const target of targets)
      for (const item of source.deny.get(target.kind) ?? [])
        if (item.target?.(target, 'deny')) return lineOf(source, 'deny', item.at);
    return null;
  }

  const letsTool = (source: Source, tool: Named): boolean =>
    source.allow.get('tool')?.some((item) => item.tool?.(tool)) ?? true;
  const letsTarget = (source: Source, is: Judged): boolean =>
    source.allow.get(is.kind)?.some((item) => item.target?.(is, 'allow')) ?? true;

  /** The kind that its `allow` does not let through; null: all is. */
  function shut(source: Source, tools: readonly Named[], targets: readonly Judged[]): Kind | null {
    if (!tools.every((t) => letsTool(source, t))) return 'tool';
    return targets.find((is) => !letsTarget(source, is))?.kind ?? null;
  }

  const denial = (line: string): Denial => ({ why: `${WHY}.`, hint: HINT, line });
  const all = (grant: Grant, scopes: readonly Scope[]) => scopes.every((s) => holds(grant.scopes, s));

  function call(who: Principal, tool: Asked, facts: CallFacts): Denial | null {
    const { held } = of(who);
    const lacking = 'no single grant holds all scopes';
    if (held.plain) return facts.scopes.every((s) => holds(held.scopes, s)) ? null : denial(lacking);
    const { tools, targets } = asked(tool, facts);
    for (const source of sourcesOf(held)) {
      const line = denied(source, tools, targets);
      if (line !== null) return denial(line);
    }
    for (const entry of held.entries) if (shut(entry, tools, targets) !== null) return denial(lineOf(entry, 'allow'));
    const holding = held.grants.filter((g) => all(g, facts.scopes));
    if (holding.some((g) => shut(g, tools, targets) === null)) return null;
    const [first] = holding;
    return denial(first ? lineOf(first, 'allow') : lacking);
  }

  return {
    known: (who) => of(who).known,
    call,

    bounds(who, tool, facts) {
      const { held } = of(who);
      if (held.plain) return null;
      const { tools, targets } = asked(tool, facts);
      const through = held.grants.filter((g) => all(g, facts.scopes) && shut(g, tools, targets) === null);
      return boundsOf(held, through);
    },

    tool(who, tool) {
      const { held } = of(who);
      for (const source of sourcesOf(held)) {
        const line = denied(source, [tool], []);
        if (line !== null) return denial(line);
      }
      for (const entry of held.entries) if (!letsTool(entry, tool)) return denial(lineOf(entry, 'allow'));
      const able = held.grants.filter((g) => couldCall(g, tool));
      if (able.some((g) => letsTool(g, tool))) return null;
      const [first] = able;
      return denial(first ? lineOf(first, 'allow') : 'no grant holds its scopes');
    },

    handle(who, tool, facts) {
      const { held } = of(who);
      if (held.plain) return facts.scopes.every((s) => holds(held.scopes, s));
      const is = byName.get(tool);
      return is !== undefined && call(who, is, facts) === null;
    },

    roles: (who) =>
      of(who)
        .held.grants.slice(1)
        .map((g) => g.name.replace('roles.', '')),

    limits(who) {
      const { held } = of(who);
      if (held.plain) return {};
      const limits: Limits = {};
      for (const name of ['callsPerMinute', 'concurrentCalls', 'changesPerDay', 'requestsPerMinute'] as const) {
        const named = (sources: readonly Source[]) => sources.flatMap((s) => s.limits[name] ?? []);
        const own = named(held.entries);
        const ofRoles = named(held.grants);
        if (own.length > 0) limits[name] = Math.min(...own);
        else if (ofRoles.length > 0) limits[name] = Math.max(...ofRoles);
      }
      return limits;
    },

    steps(who, tool, facts) {
      const { held } = of(who);
      const { tools, targets } = asked(tool, facts);
      const steps: Step[] = [];
      for (const source of sourcesOf(held)) {
        const line = denied(source, tools, targets);
        if (line !== null) steps.push({ what: 'deny', ok: false, line });
      }
      for (const entry of held.entries) {
        const kind = shut(entry, tools, targets);
        const what = kind === null ? 'entry lets it through' : `entry allows no such ${kind}`;
        steps.push({ what, ok: kind === null, line: lineOf(entry, 'allow') });
      }
      for (const grant of held.grants) {
        const missing = facts.scopes.filter((s) => !holds(grant.scopes, s));
        const kind = shut(grant, tools, targets);
        const what =
          missing.length > 0
            ? `grant lacks ${missing.join(', ')}`
            : kind !== null
              ? `grant allows no such ${kind}`
              : 'grant lets it through';
        steps.push({ what, ok: missing.length === 0 && kind === null, line: lineOf(grant), oneOf: true });
      }
      return steps;
    },
  };
}

/** By its scopes alone: what authorize.ts asks of the whole principal, of one grant. */
function couldCall(grant: Grant, tool: Asked): boolean {
  if (!leastScopes(tool).every((s) => holds(grant.scopes, s))) return false;
  if (entryScope(tool, (s) => holds(grant.scopes, s)) !== null) return false;
  return !changesNothing(grant.scopes, tool);
}

/** A tool that takes back changes asks for their scopes; who holds none that changes anything has nothing to take back. */
export const changesNothing = (scopes: ReadonlySet<Scope>, t: Pick<Asked, 'scopes' | 'risk'>): boolean =>
  t.scopes.least === null &&
  !readsOnly(worstRisk(t)) &&
  ![...scopes].some((s) => s === 'admin' || s.endsWith(':write'));
