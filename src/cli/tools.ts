/** `deckhand tools`: what can be called here, as the door shows it to this person, and what one tool takes. */
import { OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { table } from '../core/table.ts';
import { type Tool, worstRisk } from '../core/tool.ts';
import { schemaOf } from './arguments.ts';
import type { Run } from './commands.ts';
import { pairs, wrap } from './table.ts';
import { type Terminal, viewOf } from './terminal.ts';

export async function run({ own, positionals, io, open }: Run): Promise<number> {
  const app = await open('cli');
  try {
    const visible = app.door.visible(app.principals.cli(), undefined);
    const [name] = positionals;
    const tools = name === undefined ? visible : visible.filter((t) => t.name === name);
    if (name !== undefined && tools.length === 0) throw notHere(name, visible, app.door.catalog.tools);
    if (own.json)
      io.out(
        JSON.stringify(name === undefined ? tools.map(record) : record(tools[0] as Tool), null, io.outTty ? 2 : 0),
      );
    else if (name !== undefined) io.out(toolHelp(tools[0] as Tool, io));
    else io.out(list(tools, io));
    return 0;
  } finally {
    await app.close();
  }
}

function notHere(name: string, visible: readonly Tool[], all: readonly Tool[]): OpsError {
  const near = nearest(
    name,
    visible.map((t) => t.name),
    3,
  );
  const exists = all.find((t) => t.name === name);
  return new OpsError('not_found', exists ? `${name} is not available here.` : `No tool named ${name}.`, {
    hint: exists
      ? `It belongs to the toolset ${exists.toolset}; toolsets, mode and role decide: deckhand config`
      : 'Run: deckhand tools',
    ...(near.length ? { candidates: near } : {}),
  });
}

function list(tools: readonly Tool[], io: Terminal): string {
  if (tools.length === 0)
    return 'No tool is available here: see toolsets, tools.allow and cli.role in `deckhand config`.';
  const view = viewOf(io, Date.now());
  const risk = (t: Tool) => {
    const worst = worstRisk(t);
    return worst === 'change' ? view.paint('warn', worst) : worst === 'destroy' ? view.paint('bad', worst) : worst;
  };
  const heads = ['TOOL', 'TOOLSET', 'RISK', 'WHAT FOR'].map((head) => ({ head }));
  return table(
    heads,
    tools.map((t) => [t.name, t.toolset, risk(t), whatFor(t)]),
    view,
  );
}

/** The first sentence of the description. */
const whatFor = (t: Tool) => /^.*?[.?!](?=\s|$)/s.exec(t.description)?.[0] ?? t.title;

export function toolHelp(tool: Tool, io: Terminal): string {
  const width = Math.min(io.width, 100);
  const { properties = {}, required = [] } = schemaOf(tool);
  const rows = Object.entries(properties).map(([name, schema]): [string, string] => [
    `--${name} ${placeholder(schema)}`.trim(),
    [required.includes(name) ? 'Required.' : '', meaning(schema)].filter(Boolean).join(' '),
  ]);
  return [
    `${io.paint('bold', tool.name)}  ${io.paint('dim', `${tool.toolset}, ${worstRisk(tool)}`)}`,
    ...wrap(tool.description, width),
    '',
    rows.length ? `Usage: deckhand call ${tool.name} [--KEY VALUE …]` : `Usage: deckhand call ${tool.name}`,
    ...(rows.length ? ['', pairs(rows, width)] : []),
  ].join('\n');
}

interface Shown {
  type?: string | string[];
  enum?: unknown[];
  items?: Shown;
  anyOf?: Shown[];
  minimum?: number;
  maximum?: number;
  default?: unknown;
  description?: string;
}

function placeholder(schema: Shown): string {
  const real = schema.anyOf?.find((s) => s.type !== 'null') ?? schema;
  if (real.enum) return real.enum.join('|');
  if (real.type === 'boolean') return '';
  if (real.type === 'integer' || real.type === 'number') return 'N';
  if (real.type === 'array')
    return real.items?.enum ? `${real.items.enum.join('|')},…` : `${placeholder(real.items ?? {})} …`;
  return real.type === 'object' ? 'JSON' : 'TEXT';
}

function meaning(schema: Shown): string {
  const parts = [];
  if (schema.description) parts.push(schema.description);
  const bounds = schema.anyOf?.find((s) => s.type !== 'null') ?? schema;
  if (bounds.minimum !== undefined && bounds.maximum !== undefined)
    parts.push(`${bounds.minimum} to ${bounds.maximum}.`);
  if (schema.default !== undefined && schema.default !== false)
    parts.push(`Default: ${typeof schema.default === 'string' ? schema.default : JSON.stringify(schema.default)}.`);
  return parts.join(' ');
}

const record = (t: Tool) => ({
  name: t.name,
  title: t.title,
  toolset: t.toolset,
  risk: worstRisk(t),
  description: t.description,
  input: schemaOf(t),
});
