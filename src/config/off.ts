/** Config is the upper bound of what anybody sees: toolsets, then the lists of names. Who sees what within it is policy's to say. */
import type { Tool } from '../core/tool.ts';
import type { Config } from './schema.ts';

/** Why the tool is off here, null when it is on. */
type Off = (tool: Pick<Tool, 'name' | 'toolset' | 'core'>) => { why: string; hint: string } | null;

export function offByConfig(config: Pick<Config, 'toolsets' | 'tools'>): Off {
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
    return null;
  };
}
