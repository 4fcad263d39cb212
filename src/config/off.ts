/** Config is the upper bound of what anybody sees: toolsets, then the lists of names. Who sees what within it is policy's to say. */
import { OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { readsOnly } from '../core/scopes.ts';
import { type Tool, worstRisk } from '../core/tool.ts';
import type { Loaded } from './load.ts';
import type { Config } from './schema.ts';

/** Why the tool is off here, null when it is on. */
type Off = (tool: Pick<Tool, 'name' | 'toolset' | 'core' | 'risk'>) => { why: string; hint: string } | null;

export function offByConfig(config: Pick<Config, 'toolsets' | 'tools' | 'files'>): Off {
  const writable = config.files.roots.some((root) => root.access === 'write');
  const sets = new Set<string>(config.toolsets);
  const allow = new Set(config.tools.allow);
  const deny = new Set(config.tools.deny);
  return (tool) => {
    if (!sets.has('all') && !sets.has(tool.toolset) && !(tool.core && sets.has('core')))
      return {
        why: `the toolset ${tool.toolset} is not switched on.`,
        hint: `Add ${tool.toolset} to \`toolsets\` in the config.`,
      };
    if (deny.has(tool.name))
      return { why: 'the config denies it.', hint: 'Remove it from `tools.deny` in the config.' };
    if (allow.size > 0 && !allow.has(tool.name))
      return { why: 'the config does not allow it.', hint: 'Add it to `tools.allow` in the config.' };
    // Each would be refused whatever it is asked, and costs every conversation its place in the list.
    if (tool.toolset === 'files' && !writable && !readsOnly(worstRisk(tool)))
      return {
        why: 'no folder may be written.',
        hint: 'Give a root of `files.roots` the access `write` in the config.',
      };
    return null;
  };
}

/**
 * A rule for a tool that does not exist, or that only reads, decides nothing: a `deny` like that guards nothing and looks as if it
 * did. Known only where the tools are known, hence not where the file is read.
 */
export function mustMatter(
  { config, origins }: Pick<Loaded, 'config' | 'origins'>,
  tools: readonly Pick<Tool, 'name' | 'change'>[],
): void {
  const lines = config.approvals.rules.flatMap(({ tool }, n) => {
    if (tool === undefined) return [];
    const like = new RegExp(`^${tool.replaceAll('*', '.*')}$`);
    const found = tools.filter((t) => like.test(t.name));
    if (found.some((t) => t.change)) return [];
    const near = nearest(
      tool,
      tools.filter((t) => t.change).map((t) => t.name),
    )[0];
    return [
      found.length > 0
        ? `rule ${n + 1} is for ${tool}, which only reads; tools.deny takes such a tool away.`
        : `rule ${n + 1} is for ${JSON.stringify(tool)}, and no tool has such a name${near ? ` (nearest: ${near})` : ''}.`,
    ];
  });
  if (lines.length === 0) return;
  const where = origins.get('approvals.rules')?.where;
  throw new OpsError('validation', lines.map((line) => `${where}: approvals.rules: ${line}`).join('\n'), {
    hint: 'Rules are for tools that change something; `deckhand tools` lists them.',
  });
}
