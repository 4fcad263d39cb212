/**
 * Lines of `roles` and `principals` that can never fit: a tool or toolset that does not exist, a role that nobody defined, a path or a
 * network in a form that no target has. Such a line would guard nothing and look as if it did, so the start is refused. Known only where
 * the tools are known, hence not where the file is read; that a rule for approvals is for a tool that changes something is off.ts's.
 */
import { OpsError } from '../core/errors.ts';
import { parsePrefix } from '../core/ip.ts';
import { like } from '../core/like.ts';
import { nearest } from '../core/nearest.ts';
import { ROLES, TOOLSETS } from '../core/scopes.ts';
import type { Tool } from '../core/tool.ts';
import type { Loaded } from './load.ts';
import type { Config } from './schema.ts';

type Within = readonly PropertyKey[];
interface Fault {
  setting: string;
  within: Within;
  text: string;
  near: string[];
}

export function accessMustMatter(
  loaded: { config: Pick<Config, 'roles' | 'principals' | 'auth'> } & Pick<Loaded, 'whereOf'>,
  tools: readonly Pick<Tool, 'name'>[],
): void {
  const { roles, principals, auth } = loaded.config;
  const names = tools.map((t) => t.name);
  const known = [...ROLES, ...roles.map((r) => r.name)];
  const faults: Fault[] = [];
  const unknownRole = (setting: string, within: Within, role: string) => {
    if (known.includes(role)) return;
    faults.push({
      setting,
      within,
      text: `nobody defined the role ${JSON.stringify(role)}`,
      near: nearest(role, known),
    });
  };
  const items = (
    setting: string,
    index: number,
    entry: { readonly allow: readonly string[]; readonly deny: readonly string[] },
  ) => {
    for (const list of ['allow', 'deny'] as const)
      for (const [at, item] of entry[list].entries()) {
        const fault = faultOf(item, names);
        if (fault) faults.push({ setting, within: [index, list, at], ...fault });
      }
  };
  for (const [index, role] of roles.entries()) items('roles', index, role);
  for (const [index, entry] of principals.entries()) {
    items('principals', index, entry);
    for (const [at, role] of entry.roles.entries()) unknownRole('principals', [index, 'roles', at], role);
  }
  for (const [index, issuer] of auth.issuers.entries())
    for (const [at, mapping] of issuer.roles.entries())
      unknownRole('auth.issuers', [index, 'roles', at], mapping.slice(mapping.lastIndexOf('=') + 1));
  if (faults.length === 0) return;
  const lines = faults.map(({ setting, within, text, near }) => {
    const where = loaded.whereOf?.(setting, within) ?? setting;
    const at = within.reduce<string>((s, k) => s + (typeof k === 'number' ? `[${k}]` : `.${String(k)}`), setting);
    return `${where}: ${at}: ${text}${near.length > 0 ? ` (nearest: ${near[0]})` : ''}.`;
  });
  const candidates = [...new Set(faults.flatMap((f) => f.near))];
  throw new OpsError('validation', lines.join('\n'), {
    hint: 'docs/policy.md says what an item may be; `deckhand tools` lists the tools.',
    ...(candidates.length > 0 ? { candidates } : {}),
  });
}

function faultOf(item: string, tools: readonly string[]): Pick<Fault, 'text' | 'near'> | null {
  const colon = item.indexOf(':');
  const [kind, pattern] = [item.slice(0, colon), item.slice(colon + 1)];
  const no = (text: string, among: readonly string[] = []) => ({
    text: `${JSON.stringify(item)}: ${text}`,
    near: nearest(pattern, among),
  });
  const sets = [...TOOLSETS, 'core'];
  if (kind === 'toolset' && !sets.some((set) => like(pattern, set))) return no('there is no such toolset', sets);
  if (kind === 'tool' && !tools.some((name) => like(pattern, name))) return no('no tool has such a name', tools);
  if (kind === 'path' && !/^[/*]/.test(pattern)) return no('a path begins with /');
  if (kind === 'path' && pattern.split('/').includes('..')) return no('a path has no `..` in it');
  if (kind === 'address' && pattern.includes('/') && parsePrefix(pattern) === null) return no('that is no network');
  return null;
}
