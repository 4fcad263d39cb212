// biome-ignore-all format: what it says is read line by line, and it has thirty of them.
/** A second reading of docs/policy.md, made from that page alone: it imports nothing of policy/. */
import ipaddr from 'ipaddr.js';
import { ROLES, type Role, type Scope, scopesOf } from '../../src/core/scopes.ts';
import type { Target } from '../../src/core/tool.ts';

interface Items { readonly allow: readonly string[]; readonly deny: readonly string[] }
export interface Case {
  roles: (Items & { readonly name: string; readonly scopes: readonly (Role | Scope)[] })[];
  principals: (Items & { readonly who: string; readonly roles: readonly string[] })[];
  who: { id: string; aliases: readonly string[]; scopes: Scope[]; roles: string[] };
  tool: { name: string; toolset: string; core: boolean };
  scopes: Scope[];
  targets: Target[];
}

const rx = (p: string) => new RegExp(`^${p.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^]*')}$`);
const unit = (n: string) => (/\.(service|timer)$|[*]/.test(n) ? n : `${n}.service`);
const up = (p: string): string[] => (p === '/' ? ['/'] : [p, ...up(p.replace(/\/[^/]*$/, '') || '/')]);
const path = (n: string) => (/^\/(?!.*\.\.)/.test(n) ? up(n.replace(/\/(\.?\/)*/g, '/')) : null);
const host = (n: string) => n.toLowerCase().replace(/^https?:\/\//, '').replace(/[:/].*$/, '');
const inNet = (h: string, net: string) => /^\d/.test(h) && ipaddr.parse(h).match(ipaddr.parseCIDR(net));
const split = (item: string) => [item.slice(0, item.indexOf(':')), item.slice(item.indexOf(':') + 1)] as [string, string];
function fits(item: string, { kind, name, engine }: Target, deny: boolean): boolean {
  const [k, p] = split(item);
  if (k !== kind || name === '*') return k === kind && (deny || p === '*');
  if (kind === 'unit') return rx(unit(p)).test(unit(name));
  if (kind === 'path') return path(name)?.some((x) => rx(p).test(x)) ?? deny;
  if (kind === 'address') return p.includes('/') ? inNet(host(name), p) : rx(p).test(host(name));
  const [on, pat] = p.includes('/') ? p.split('/') : [null, p];
  return rx(pat as string).test(name) && (on === null || (engine ? rx(on as string).test(engine) : deny));
}
const isTool = (i: string, t: Case['tool']) => (/^tool/.test(i) && rx(split(i)[1]).test(i.startsWith('tool:') ? t.name : t.toolset)) || (i === 'toolset:core' && t.core);
export const lets = (allow: readonly string[], c: Case) => (allow.some((i) => isTool(i, c.tool)) || !allow.some((i) => /^tool/.test(i))) &&
  c.targets.every((t) => allow.some((i) => fits(i, t, false)) || !allow.some((i) => split(i)[0] === t.kind));
export const holding = (held: readonly string[], s: string) => [s, 'admin', s.replace(':read', ':write')].some((x) => held.includes(x));
const wide = (words: readonly string[]) => words.flatMap((w): readonly string[] => ROLES.includes(w as Role) ? scopesOf(w as Role) : [w]);
export function oracle(c: Case): boolean {
  const entries = c.principals.filter((e) => [c.who.id, ...c.who.aliases].some((n) => rx(e.who).test(n)));
  const named = [...c.who.roles, ...entries.flatMap((e) => e.roles)];
  const roles = [...ROLES.map((name) => ({ name, scopes: [name], allow: [], deny: [] })), ...c.roles].filter((r) => named.includes(r.name));
  const denied = [...roles, ...entries].some((x) => x.deny.some((i) => isTool(i, c.tool) || c.targets.some((t) => fits(i, t, true))));
  const grants = [{ scopes: c.who.scopes, allow: [] }, ...roles];
  return !denied && entries.every((e) => lets(e.allow, c)) && grants.some((g) => c.scopes.every((s) => holding(wide(g.scopes), s)) && lets(g.allow, c));
}
