/** What is wrong with arguments, in words that name the argument and the way out. */
import type * as z from 'zod';
import { OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Tool } from '../core/tool.ts';

/** More would be a flood, not a help. */
const MOST = 5;

export function complaint(tool: Tool, error: z.ZodError): OpsError {
  const names = Object.keys(tool.input.shape);
  const meant = new Set<string>();
  const lines = error.issues.slice(0, MOST).map((issue) => {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) for (const name of nearest(key, names, 1)) meant.add(name);
      const keys = issue.keys.slice(0, MOST).map((k) => k.slice(0, 64));
      return `Unknown argument${keys.length > 1 ? 's' : ''} ${keys.join(', ')}.`;
    }
    const path = issue.path.join('.');
    return path ? `${path}: ${issue.message}.` : `${issue.message}.`;
  });
  if (error.issues.length > MOST) lines.push(`And ${error.issues.length - MOST} more.`);
  // What is missing is said again with where to get it: "As process_list shows it."
  const sources = error.issues
    .filter((issue) => issue.code === 'invalid_type' && issue.path.length === 1)
    .slice(0, MOST)
    .map(({ path: [key] }) => [key, tool.input.shape[String(key)]?.description])
    .filter(([, text]) => text)
    .map(([key, text]) => ` ${String(key)}: ${text}`);
  return new OpsError('validation', lines.join(' '), {
    hint: `${tool.name} takes: ${names.join(', ') || 'no arguments'}.${sources.join('')}`,
    ...(meant.size > 0 ? { candidates: [...meant] } : {}),
  });
}
