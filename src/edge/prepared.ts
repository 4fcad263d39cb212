/**
 * What tools/list and its kin say, ready-made: in the bundle this file is another one (scripts/prepare.ts), which holds it as JSON. From
 * the sources there is none, and everything is made when it is asked for. A test holds both to the same bytes.
 */
import type { PromptDef, ResourceDef, Tool } from '../core/tool.ts';

/** As much of a tool as decides who sees it, and its listing as JSON. */
export interface PreparedTool extends Pick<Tool, 'name' | 'toolset' | 'core'> {
  risk: Extract<Tool['risk'], string>;
  scopes: Pick<Tool['scopes'], 'least' | 'any'>;
  json: string;
}

export interface Prepared {
  tools: readonly PreparedTool[];
  resources: readonly ResourceDef[];
  prompts: readonly PromptDef[];
}

export const prepared = (): Prepared | null => null;
