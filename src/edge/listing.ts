/**
 * What clients read before they call: each tool's listing, made once a process (turning schemas into JSON Schema is the dearest
 * step of a request that keeps no state) or taken ready-made, and the lists by what is visible. Who sees what is the door's to say.
 */
import type { Tool as ListedTool } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { type Catalog, hintsOf, type Tool } from '../core/tool.ts';
import { isRecord } from './behind.ts';
import { type Pages, pagesOf } from './introduction.ts';
import { prepared } from './prepared.ts';

export { instructions, type ServerFacts, serverName } from './introduction.ts';

export interface Lists extends Pages {
  tools: ListedTool[];
}

/** As many sets of visible tools as a host has kinds of callers; the bound is against our own mistakes. */
const MOST_LISTS = 64;

/** Lists by the names of what is visible, so that callers with equal rights share one. */
export function createLists(catalog: Catalog): (visible: readonly Tool[]) => Lists {
  const made = new Map<string, Lists>();
  return (visible) => {
    const key = visible.map((t) => t.name).join(' ');
    let lists = made.get(key);
    if (!lists) {
      if (made.size >= MOST_LISTS) made.clear();
      lists = listsOf(visible, catalog);
      made.set(key, lists);
    }
    return lists;
  };
}

function listsOf(visible: readonly Tool[], catalog: Catalog): Lists {
  return { tools: visible.map(listed), ...pagesOf(new Set(visible.map((t) => t.name)), catalog) };
}

const done = new WeakMap<Tool, ListedTool>();

/** The golden of a tool: exactly what tools/list says of it. */
export function listed(tool: Tool): ListedTool {
  let l = done.get(tool);
  const ready = l ? undefined : prepared()?.tools.find((t) => t.name === tool.name);
  if (ready) l = JSON.parse(ready.json) as ListedTool;
  if (!l) {
    l = {
      name: tool.name,
      title: tool.title,
      description: tool.description,
      inputSchema: jsonSchema(tool.input, 'input'),
      outputSchema: tool.long ? mayStillRun(jsonSchema(tool.output, 'output')) : jsonSchema(tool.output, 'output'),
      annotations: hintsOf(tool),
    };
  }
  done.set(tool, l);
  return l;
}

type ObjectSchema = ListedTool['inputSchema'] & { properties?: Record<string, unknown>; required?: string[] };

/**
 * An answer of a long tool is its result or `{state: "running", handle, next}`. A union would say so, but many clients accept only
 * a flat object as the root and models read unions badly; so nothing is required, and the three fields are there to be found.
 */
function mayStillRun({ required: _, ...schema }: ObjectSchema): ObjectSchema {
  const running = {
    state: { type: 'string', description: '`running`: not done yet; nothing else is there but handle and next.' },
    handle: { type: 'string' },
    next: { type: 'string' },
  };
  return { ...schema, properties: { ...running, ...schema.properties } };
}

function jsonSchema(schema: z.ZodObject, io: 'input' | 'output'): ObjectSchema {
  return lean(z.toJSONSchema(schema, { io }), io) as ObjectSchema;
}

/** Keywords whose value maps names to schemas: a name in there may equal a keyword, and is none. */
const MAPS = new Set(['properties', '$defs', 'patternProperties']);
/** Keywords whose value is data. */
const DATA = new Set(['default', 'const', 'enum', 'examples', 'required']);

/** Each byte of a schema is paid for by every conversation: what says nothing to a caller goes. */
function lean(node: unknown, io: 'input' | 'output'): unknown {
  if (Array.isArray(node)) return node.map((n) => lean(n, io));
  if (!isRecord(node)) return node;
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) {
    if (key === '$schema' || key === 'foreign' || saysNothing(key, value, io, node)) continue;
    if (DATA.has(key)) out[key] = value;
    else if (MAPS.has(key) && isRecord(value))
      out[key] = Object.fromEntries(Object.entries(value).map(([name, sub]) => [name, lean(sub, io)]));
    else out[key] = lean(value, io);
  }
  return out;
}

function saysNothing(key: string, value: unknown, io: 'input' | 'output', node: Record<string, unknown>): boolean {
  // How long a text or a list may be nobody plans by, and a grammar is told in words; who breaks one is told what it is.
  if (io === 'input' && /^(?:min|max)(?:Length|Items)$/.test(key)) return true;
  // What is left out is not so.
  if (io === 'input' && key === 'default') return value === false;
  if (io === 'input' && key === 'pattern') return node.description !== undefined;
  // On inputs it is the promise that an unknown argument is refused; on outputs it would only forbid us to add a field.
  if (key === 'additionalProperties') return io === 'output' && value === false;
  if (key === 'minimum') return value === Number.MIN_SAFE_INTEGER;
  if (key === 'maximum') return value === Number.MAX_SAFE_INTEGER;
  return key === 'propertyNames' && isRecord(value) && Object.keys(value).join() === 'type';
}
