/**
 * Who may do what: one rule, asked by the door, by tools/list and by the HTTP face for its 401 and 403. It sees a tool
 * and a principal, and after validation the scopes that these arguments need; it never sees argument values otherwise.
 */
import type { Call, Narrow, Principal } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { holds, type Mode, readsOnly, type Scope } from '../core/scopes.ts';
import { entryScope, leastScopes, type Tool, worstRisk } from '../core/tool.ts';
import { type CallFacts, changesNothing, type Denial } from './access.ts';
import type { Policy } from './ports.ts';

/** Steps 1 and 2 of the door: who it is, and whether this one may call this tool at all. */
export function admit(call: Call, p: Policy): { who: Principal; tool: Tool } {
  const who = call.principal;
  if (!who || !current(who, p.clock.now()))
    throw new OpsError('permission', 'Not signed in, or the token is unknown, expired or revoked.', {
      hint: 'Send a valid bearer token; on the host, `deckhand token add NAME --role viewer` makes one.',
    });
  const tool = p.catalog.tools.find((t) => t.name === call.tool);
  if (!tool || hiddenBy(call.narrow, tool))
    throw new OpsError('not_found', `No tool named ${call.tool.slice(0, 64)}.`, {
      hint: 'tools/list names what there is.',
      candidates: likely(
        call.tool,
        visible(who, call.narrow, p).map((t) => t.name),
      ),
    });
  const off = p.off(tool);
  if (off) throw new OpsError('unavailable', `${tool.name} is off: ${off.why}`, { hint: off.hint });
  forbidWrites(tool, p.mode, call.narrow);
  need(who, leastScopes(tool), tool);
  const entry = entryScope(tool, (s) => holds(who.scopes, s));
  if (entry) need(who, [entry], tool);
  if (changesNothing(who.scopes, tool))
    throw new OpsError('permission', `${tool.name} needs a scope that lets you change something.`, {
      hint: 'Use the token that made the change.',
    });
  const denial = p.access.tool(who, tool);
  if (denial) throw denied(denial, tool);
  return { who, tool };
}

/** Step 5: this very call, by the owner's policy. */
export function mayCall(who: Principal, tool: Tool, facts: CallFacts, p: Pick<Policy, 'access'>): void {
  const denial = p.access.call(who, tool, facts);
  if (denial) throw denied(denial, tool);
}

const denied = ({ why, hint, line }: Denial, tool: Tool) =>
  new OpsError('permission', `${tool.name}: ${why}`, { hint, rule: line });

/** The scopes that these arguments need; all that are missing are named at once, so that one step-up is enough. */
export function need(who: Principal, scopes: readonly Scope[], tool: Tool): void {
  const missing = scopes.filter((s) => !holds(who.scopes, s));
  if (missing.length > 0)
    throw new OpsError('permission', `${tool.name} needs the scope ${missing.join(' and ')}.`, {
      hint: `Use a token that holds ${scopes.join(', ')}; on the host, \`deckhand token add NAME --scope ${missing[0]}\` makes one.`,
    });
}

/** As much of a tool as decides who sees it: the first answers over stdio know no more of them. */
export type Seen = Pick<Tool, 'name' | 'toolset' | 'core' | 'risk'> & { scopes: Pick<Tool['scopes'], 'least' | 'any'> };
export type Rule<T extends Seen> = Pick<Policy, 'mode'> & {
  access: Pick<Policy['access'], 'tool'>;
  catalog: { tools: readonly T[] };
  clock: Pick<Policy['clock'], 'now'>;
  off(tool: T): unknown;
};

export function visible<T extends Seen>(
  who: Principal | undefined,
  narrow: Narrow | undefined,
  p: Rule<T>,
): readonly T[] {
  if (!who || !current(who, p.clock.now())) return [];
  return p.catalog.tools.filter(
    (t) =>
      !p.off(t) &&
      !hiddenBy(narrow, t) &&
      leastScopes(t).every((s) => holds(who.scopes, s)) &&
      entryScope(t, (s) => holds(who.scopes, s)) === null &&
      !changesNothing(who.scopes, t) &&
      p.access.tool(who, t) === null &&
      (readsOnly(worstRisk(t)) || !(p.mode === 'read-only' || narrow?.readOnly)),
  );
}

/** The one that was meant; all of them when none is near and they are few. */
function likely(name: string, names: string[]): string[] {
  const near = nearest(name, names, 3);
  return near.length > 0 ? near : names.slice(0, 30);
}

/** Neither run out nor revoked. */
export const current = (who: Principal, now: number) =>
  (who.expiresAtMs === null || who.expiresAtMs > now) && who.valid();

/** A connection may ask to see less (`?toolsets=core,docker`); `core` is a flag of the tool, `all` is everything. */
function hiddenBy(narrow: Narrow | undefined, tool: Pick<Tool, 'toolset' | 'core'>): boolean {
  const want = narrow?.toolsets;
  return !!want && !want.has('all') && !want.has(tool.toolset) && !(tool.core && want.has('core'));
}

function forbidWrites(tool: Tool, mode: Mode, narrow: Narrow | undefined): void {
  if (readsOnly(worstRisk(tool))) return;
  if (mode === 'read-only')
    throw new OpsError('permission', `${tool.name} changes the host, and this host is read-only.`, {
      hint: 'The owner can set `mode: ask` in the config of deckhand.',
    });
  if (narrow?.readOnly)
    throw new OpsError('permission', `${tool.name} changes the host, and this connection asked to be read-only.`, {
      hint: 'Connect without `readonly`.',
    });
}
