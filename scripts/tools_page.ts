/** docs/tools.md and the goldens, from the catalog: what a reader and a client see of each tool. Words are the tools' own. */
import type { Risk, Toolset } from '../src/core/scopes.ts';
import { TOOLSETS } from '../src/core/scopes.ts';
import type { Tool } from '../src/core/tool.ts';
import { worstRisk } from '../src/core/tool.ts';
import { listed } from '../src/edge/listing.ts';

interface Property {
  type?: string | string[];
  enum?: unknown[];
  items?: Property;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  default?: unknown;
  description?: string;
}

/** One JSON for each tool, exactly as tools/list returns it: a change of what clients see shows in review. */
export const golden = (tool: Tool): string => `${JSON.stringify(listed(tool), null, 2)}\n`;

const RISK: Record<Risk, string> = {
  read: 'reads',
  sensitive: 'reads text that may hold secrets',
  change: 'changes the host',
  destroy: 'destroys something',
};

export function toolsPage(tools: readonly Tool[]): string {
  const sets = TOOLSETS.map((set) => ({ set, tools: tools.filter((t) => t.toolset === set) })).filter(
    (s) => s.tools.length,
  );
  const head = `# Tools

<!-- Made by \`npm run gen\` from src/tools/. -->

\`*\` marks the toolset \`core\`, which is the default. \`deckhand call NAME --key value\` asks the same as a client does: an argument \`sample_ms\` is
\`--sample_ms\` there. The default \`none\` means that it may be left out.

| toolset | tools |
|---|---|
${sets.map(({ set, tools: list }) => `| ${set} | ${list.map((t) => `[\`${t.name}\`](#${t.name})${t.core ? '\\*' : ''}`).join(', ')} |`).join('\n')}
`;
  return head + sets.map(({ set, tools: list }) => `\n## ${title(set)}\n${list.map(section).join('')}`).join('');
}

const title = (set: Toolset) => `Toolset ${set}`;

function section(tool: Tool): string {
  const schema = listed(tool).inputSchema as { properties?: Record<string, Property>; required?: string[] };
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(
    ([name, p]) =>
      `| \`${name}\` | ${cell(values(p))} | ${required.has(name) ? 'must be given' : standard(p)} | ${cell(p.description ?? '')} |`,
  );
  const answer = Object.keys((listed(tool).outputSchema as { properties?: object } | undefined)?.properties ?? {});
  return `
### ${tool.name}

**${tool.title}.** ${tool.description}

- Risk: ${riskText(tool)}. Scope: ${scopeText(tool)}.
- Answer: ${answer.map((name) => `\`${name}\``).join(', ')}.${tool.cut ? ` May be shortened: ${tool.cut.lists.map((l) => `\`${l}\``).join(', ')}.` : ''}
${rows.length ? `\n| argument | values | default | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n` : '- Takes no arguments.\n'}`;
}

function scopeText({ scopes }: Tool): string {
  if (scopes.any) return `${scopes.any.map((s) => `\`${s}\``).join(', ')}: as the arguments need`;
  return `\`${scopes.least}\`${scopes.of ? ', more with some arguments' : ''}`;
}

function riskText(tool: Tool): string {
  if (typeof tool.risk === 'string') return RISK[tool.risk];
  return `${RISK[tool.risk.least]}; with some arguments it ${RISK[worstRisk(tool)]}`;
}

function values(p: Property): string {
  if (p.enum) return p.enum.map((v) => `\`${String(v)}\``).join(', ');
  if (p.items) return `list of ${values(p.items)}${range(p.minItems, p.maxItems, 'entries')}`;
  const type = Array.isArray(p.type) ? p.type.join(' or ') : (p.type ?? 'any');
  return type === 'string'
    ? `text${range(p.minLength, p.maxLength, 'characters')}`
    : `${type}${range(p.minimum, p.maximum, '')}`;
}

function range(least: number | undefined, most: number | undefined, unit: string): string {
  const of = unit && ` ${unit}`;
  if (least !== undefined && most !== undefined) return ` (${least} to ${most}${of})`;
  if (most !== undefined) return ` (at most ${most}${of})`;
  return least === undefined ? '' : ` (at least ${least}${of})`;
}

/** A switch that the listing gives no default is off. */
const standard = (p: Property) => {
  const is = p.default ?? (p.type === 'boolean' ? false : undefined);
  return is === undefined ? 'none' : `\`${cell(JSON.stringify(is))}\``;
};
const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
