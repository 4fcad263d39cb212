/**
 * Roles and principals of the config, made ready for being asked: scopes as sets, items by kind. Decides which of them a principal has:
 * what its credential holds, the roles that it names or that a fitting entry gives, and all entries that fit. What follows for a call is
 * access.ts's to say.
 */
import type { Principal } from '../core/call.ts';
import { like } from '../core/like.ts';
import { ROLES, type Role, type Scope, scopesOf } from '../core/scopes.ts';
import type { TargetKind } from '../core/tool.ts';
import { type Item, itemOf, type Kind } from './items.ts';

export interface LimitsOf {
  callsPerMinute?: number | undefined;
  concurrentCalls?: number | undefined;
  changesPerDay?: number | undefined;
  requestsPerMinute?: number | undefined;
}

/** As config has them. */
export interface RoleRule extends LimitsOf {
  readonly name: string;
  readonly scopes: readonly (Role | Scope)[];
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}
export interface PrincipalRule extends LimitsOf {
  readonly who: string;
  readonly roles: readonly string[];
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

export type List = ReadonlyMap<Kind, readonly Item[]>;

/** A role or an entry. */
export interface Source {
  /** `roles.deploy`, `principals[2]`: how lines of it are named. */
  name: string;
  allow: List;
  deny: List;
  limits: LimitsOf;
  /** Where config has it; null: nowhere, it is built in. */
  place: { setting: 'roles' | 'principals'; index: number } | null;
}
export interface Grant extends Source {
  scopes: ReadonlySet<Scope>;
}

/** What one principal has. */
export interface Held {
  /** The credential's own first. */
  grants: readonly Grant[];
  entries: readonly Source[];
  /** All of its grants together. */
  scopes: ReadonlySet<Scope>;
  /** Roles that it was given and nobody defined. */
  unknown: readonly string[];
  /** Nothing but what its credential holds: nothing of this page bounds it. */
  plain: boolean;
}

const NONE: List = new Map();

function listOf(texts: readonly string[]): List {
  const byKind = new Map<Kind, Item[]>();
  for (const [at, text] of texts.entries()) {
    const item = itemOf(text, at);
    byKind.set(item.kind, [...(byKind.get(item.kind) ?? []), item]);
  }
  return byKind;
}

const isBuiltIn = (name: string): name is Role => (ROLES as readonly string[]).includes(name);
const expanded = (words: readonly (Role | Scope)[]): Set<Scope> =>
  new Set(words.flatMap((word) => (isBuiltIn(word) ? scopesOf(word) : [word])));

/** So many different sets of names are remembered; more only cost time. */
const MOST = 1_000;

type Named = Omit<Held, 'scopes' | 'plain'>;

export function createGrants(
  roles: readonly RoleRule[],
  principals: readonly PrincipalRule[],
): (who: Principal) => Held {
  const byName = new Map<string, Grant>();
  for (const name of ROLES)
    byName.set(name, {
      name: `roles.${name}`,
      scopes: new Set(scopesOf(name)),
      allow: NONE,
      deny: NONE,
      limits: {},
      place: null,
    });
  for (const [index, r] of roles.entries())
    byName.set(r.name, {
      name: `roles.${r.name}`,
      scopes: expanded(r.scopes),
      allow: listOf(r.allow),
      deny: listOf(r.deny),
      limits: r,
      place: { setting: 'roles', index },
    });
  const entries = principals.map((rule, index) => ({
    rule,
    source: {
      name: `principals[${index}]`,
      allow: listOf(rule.allow),
      deny: listOf(rule.deny),
      limits: rule,
      place: { setting: 'principals', index },
    } satisfies Source,
  }));
  /** By names; what the credential itself holds comes on top. */
  const known = new Map<string, Named>();
  /** By set of scopes, which is one for all requests of a credential. */
  const whole = new WeakMap<Named, WeakMap<ReadonlySet<Scope>, Held>>();

  function named(who: Principal): Named {
    const key = JSON.stringify([who.id, who.aliases ?? [], who.roles ?? []]);
    let found = known.get(key);
    if (!found) {
      const names = [who.id, ...(who.aliases ?? [])];
      const fitting = entries.filter(({ rule }) => names.some((name) => like(rule.who, name)));
      const given = new Set([...(who.roles ?? []), ...fitting.flatMap(({ rule }) => rule.roles)]);
      found = {
        grants: [...given].flatMap((name) => byName.get(name) ?? []),
        entries: fitting.map(({ source }) => source),
        unknown: [...given].filter((name) => !byName.has(name)),
      };
      if (known.size >= MOST) known.clear();
      known.set(key, found);
    }
    return found;
  }

  return (who) => {
    const names = named(who);
    let bySet = whole.get(names);
    if (!bySet) {
      bySet = new WeakMap();
      whole.set(names, bySet);
    }
    // A copy of one that policy knows must not take the scopes of its roles for its own.
    const scopes = who.own ?? who.scopes;
    let held = bySet.get(scopes);
    if (!held) {
      const own: Grant = {
        name: 'credential',
        scopes,
        allow: NONE,
        deny: NONE,
        limits: {},
        place: null,
      };
      const { grants, entries: fitting, unknown } = names;
      held = {
        grants: [own, ...grants],
        entries: fitting,
        unknown,
        plain: grants.length === 0 && fitting.length === 0,
        // The very set, where nothing is added: who compares rights compares sets.
        scopes: grants.length === 0 ? scopes : new Set([own, ...grants].flatMap((g) => [...g.scopes])),
      };
      bySet.set(scopes, held);
    }
    return held;
  };
}

/** All sources whose items bound it: of roles that it has, whether they let a call through or not. */
export const sourcesOf = (held: Held): readonly Source[] => [...held.grants.slice(1), ...held.entries];

/** Whether any list names things of this kind. */
export const names = (held: Held, kind: TargetKind): boolean =>
  sourcesOf(held).some((s) => s.allow.has(kind) || s.deny.has(kind));
