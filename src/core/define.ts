/** The two ways to define a tool. They infer the types at the definition, add what every tool of the kind has, and forget them. */
import * as z from 'zod';
import { ChangeAnswer, More, once } from './schema.ts';
import type { ChangeTool, ReadTool, Tool } from './tool.ts';

export function defineRead<I extends z.ZodObject, O extends z.ZodObject>(tool: ReadTool<I, O>): Tool {
  return whole(tool, tool.input, () => tool.output().extend({ more: More().optional() }));
}

/** Adds `dry_run`, the answer that all changes share, and its text. */
export function defineChange<I extends z.ZodObject>(tool: ChangeTool<I>): Tool {
  const { preview, apply, undo, actsAs, also, ...rest } = tool;
  return whole(
    { ...rest, text: changeText, change: { preview, apply, undo, ...(actsAs ? { actsAs } : {}) } },
    () => tool.input().safeExtend({ dry_run: z.boolean().default(false).describe('Only say what it would do.') }),
    () => ChangeAnswer().extend({ ...also?.(), more: More().optional() }),
  );
}

/** As the catalog has it: the schemas are made when the door first needs them. */
function whole(tool: object, input: () => z.ZodObject, output: () => z.ZodObject): Tool {
  const [asked, answered] = [once(input), once(output)];
  return Object.defineProperties(
    { ...tool },
    { input: { get: asked, enumerable: true }, output: { get: answered, enumerable: true } },
  ) as unknown as Tool;
}

function changeText(answer: ChangeAnswer): string {
  const lines = [`${answer.state}: ${answer.summary}`];
  if (answer.targets?.length) lines.push(`on ${answer.targets.join(', ')}`);
  if (answer.diff) lines.push(answer.diff);
  else if (answer.before && (answer.state === 'dry_run' || answer.state === 'pending'))
    lines.push(facts(answer.before));
  // What the thing itself said when it did not do as it should.
  if (Array.isArray(answer.after?.log)) lines.push(...answer.after.log.map(String));
  if (answer.receipt) lines.push(`receipt ${answer.receipt}`);
  if (answer.handle) lines.push(`handle ${answer.handle}`);
  if (answer.next) lines.push(`next: ${answer.next}`);
  return lines.join('\n');
}

/** Where there is no diff, whoever decides sees what stands there now. In one line, so that it is one fence. */
function facts(before: Record<string, unknown>): string {
  const said = (value: unknown) =>
    typeof value === 'object' && value !== null ? JSON.stringify(value) : (value ?? '?');
  return `now: ${Object.entries(before)
    .map(([key, value]) => `${key} ${said(value)}`)
    .join('; ')}`;
}
