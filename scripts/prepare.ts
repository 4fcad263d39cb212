/**
 * What the bundle carries ready-made instead of making it at each start: the list of settings without zod, and what tools/list says of
 * each tool. Each entry stands in the place of one source file, with the same exports; tests hold both to the same values.
 */
import { settings } from '../src/config/known.ts';
import { type Catalog, worstRisk } from '../src/core/tool.ts';
import { listed } from '../src/edge/listing.ts';
import type { Prepared } from '../src/edge/prepared.ts';
import { catalog } from '../src/tools/index.ts';

export const prepareLists = (catalog: Catalog): Prepared => ({
  tools: catalog.tools.map((tool) => ({
    name: tool.name,
    toolset: tool.toolset,
    core: tool.core,
    risk: worstRisk(tool),
    scopes: { least: tool.scopes.least, ...(tool.scopes.any ? { any: tool.scopes.any } : {}) },
    json: JSON.stringify(listed(tool)),
  })),
  resources: catalog.resources,
  prompts: catalog.prompts,
});

/** Parsed from a text: V8 reads JSON faster than the same thing written as code. */
const parsed = (value: unknown) => `JSON.parse(${JSON.stringify(JSON.stringify(value))})`;

/** Source file → what the bundle has in its place. */
export const instead: Record<string, () => string> = {
  'src/config/known.ts': () => `
    const byPath = async (path) => {
      const [{ ConfigSchema }, { settingsOf }] = await Promise.all([import('./schema.ts'), import('./settings.ts')]);
      return settingsOf(ConfigSchema).find((s) => s.path === path).schema();
    };
    let known;
    export const settings = () => (known ??= ${parsed(settings())}.map((s) => ({ ...s, schema: () => byPath(s.path) })));
  `,
  'src/edge/prepared.ts': () => `
    let made;
    export const prepared = () => (made ??= ${parsed(prepareLists(catalog))});
  `,
};
