/** Contracts over all tools: what no single tool's test would notice. */
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { RISKS, readsOnly, SCOPES, TOOLSETS } from '../src/core/scopes.ts';
import { hintsOf, type Tool, worstRisk } from '../src/core/tool.ts';
import { listed } from '../src/edge/listing.ts';
import { catalog } from '../src/tools/index.ts';
import { fixtureCatalog } from './fakes/tools.ts';

interface Json {
  type?: string | string[];
  properties?: Record<string, Json>;
  items?: Json;
  enum?: unknown[];
  additionalProperties?: unknown;
  description?: string;
  maximum?: number;
  minimum?: number;
  maxLength?: number;
  maxItems?: number;
  pattern?: string;
  [k: string]: unknown;
}
const inputOf = (tool: Tool) => z.toJSONSchema(tool.input, { io: 'input' }) as Json;
/** What a model pays for a tool in its list: o200k_base. */
const cost = (tool: Tool) =>
  encode(JSON.stringify({ name: tool.name, description: tool.description, inputSchema: listed(tool).inputSchema }))
    .length;

/** Names that say it all without a description. */
const CLEAR =
  /^(limit|offset|user|name|state|parent|tree|by|groups|cancel|dry_run|pid|path|regex|context|after|sort|hash|depth|kind)$/;

describe.each(catalog.tools.map((t) => [t.name, t] as const))('%s', (name, tool) => {
  test('is named noun_verb (or one verb), and describes itself in 600 characters that end with what to use instead', () => {
    expect(name).toMatch(/^[a-z]+(_[a-z]+){0,2}$/);
    expect(TOOLSETS).toContain(tool.toolset);
    expect(tool.title.length).toBeGreaterThan(2);
    expect(tool.description.length).toBeLessThanOrEqual(600);
    const sentences = tool.description.split(/(?<=\.)\s/);
    expect(sentences.length).toBeGreaterThan(1);
    const others = catalog.tools.filter((t) => t !== tool).map((t) => t.name);
    const last = sentences.slice(-2).join(' ');
    expect(others.some((o) => last.includes(o)) || /use|call|tool itself/i.test(last), last).toBe(true);
  });

  test('takes a strict, flat object with a bound on everything', () => {
    const schema = inputOf(tool);
    expect(schema.type).toBe('object');
    expect(schema.additionalProperties).toBe(false);
    expect(JSON.stringify(schema)).not.toMatch(/"(anyOf|oneOf|allOf|\$ref)"/);
    for (const [key, field] of Object.entries(schema.properties ?? {})) {
      expect(['string', 'integer', 'number', 'boolean', 'array'], `${key} is flat`).toContain(field.type);
      const leaf = field.type === 'array' ? (field.items as Json) : field;
      if (field.type === 'array') expect(field.maxItems, `${key} has a bound`).toBeLessThanOrEqual(100);
      if (leaf.type === 'string')
        expect(leaf.enum ?? leaf.maxLength ?? leaf.pattern, `${key} has a bound`).toBeDefined();
      if (leaf.type === 'integer' || leaf.type === 'number') {
        expect(leaf.minimum, `${key} has a lower bound`).toBeDefined();
        expect(leaf.maximum, `${key} has an upper bound`).toBeLessThan(2 ** 40);
      }
      if (!CLEAR.test(key)) expect(field.description ?? leaf.description, `${key} needs a description`).toBeTruthy();
      expect(key).not.toMatch(/token|password|secret|^host$|address/);
    }
  });

  test('risk, rights and hints agree', () => {
    const worst = worstRisk(tool);
    expect(RISKS).toContain(worst);
    expect(hintsOf(tool)).toMatchObject({ readOnlyHint: readsOnly(worst), destructiveHint: worst === 'destroy' });
    expect(Boolean(tool.handler)).toBe(readsOnly(worst));
    expect(Boolean(tool.change)).toBe(!readsOnly(worst));
    if (tool.scopes.any)
      expect([tool.scopes.least, tool.scopes.any.length > 0, !!tool.scopes.of]).toEqual([null, true, true]);
    else if (tool.scopes.least === null) expect(tool.perPrincipal, 'only a handle may stand for a scope').toBe(true);
    else expect(SCOPES).toContain(tool.scopes.least);
    if (!readsOnly(worst)) {
      // What takes back a change needs what that needed.
      const borrowed = tool.scopes.least === null && tool.change?.actsAs !== undefined;
      expect(tool.scopes.least?.endsWith(':write') || tool.scopes.least === 'admin' || borrowed).toBe(true);
      expect(tool.targets, 'a change names its targets').toBeDefined();
      expect(Object.keys(tool.input.shape)).toContain('dry_run');
      expect(tool.input.safeParse({}).success, 'no change does anything on empty arguments').toBe(false);
    }
    if (tool.long) expect(Object.keys(tool.input.shape)).toContain('wait_s');
    expect(tool.limits?.timeoutMs ?? 10_000).toBeLessThanOrEqual(tool.long ? 3_600_000 : 60_000);
    expect(tool.limits?.maxBytes ?? 0).toBeLessThanOrEqual(64 * 1024);
  });

  test('every answer has `more`, and what may be cut is a list of it', () => {
    expect(Object.keys(tool.output.shape)).toContain('more');
    const out = z.toJSONSchema(tool.output) as Json;
    for (const list of tool.cut?.lists ?? []) expect(out.properties?.[list]?.type, list).toBe('array');
  });
});

test('names are unique, a toolset holds at most 14 tools, core costs a model at most 4,000 tokens', () => {
  const names = catalog.tools.map((t) => t.name);
  expect(new Set(names).size).toBe(names.length);
  for (const set of TOOLSETS) expect(catalog.tools.filter((t) => t.toolset === set).length).toBeLessThanOrEqual(14);
  const core = catalog.tools.filter((t) => t.core);
  expect(core.reduce((sum, t) => sum + cost(t), 0)).toBeLessThanOrEqual(4_000);
  // The plan has 21 of them in core: a fair share each.
  for (const t of core) expect(cost(t), t.name).toBeLessThanOrEqual(400);
});

test('resources and prompts name tools that are there, with arguments they take', () => {
  for (const r of [...catalog.resources, ...catalog.prompts]) {
    const tool = catalog.tools.find((t) => t.name === r.tool);
    expect(tool, r.name).toBeDefined();
    if ('lead' in r || !r.uri.includes('{')) expect(tool?.input.safeParse(r.args).success, r.name).toBe(true);
    if ('uri' in r) expect(r.uri).toMatch(/^deckhand:\/\/[a-z]+\//);
  }
});

test('the contracts notice a tool that breaks them (control: a fixture)', () => {
  const loose = fixtureCatalog.tools[0] as Tool;
  expect(inputOf({ ...loose, input: z.object({ n: z.number() }) } as Tool).additionalProperties).not.toBe(false);
  expect(
    inputOf({ ...loose, input: z.strictObject({ n: z.number() }) } as Tool).properties?.n?.maximum,
  ).toBeUndefined();
});
