/**
 * Tools that are steered from another process, by files in a folder: what each has reached it appends to `log`, and it goes on when the
 * file of its next step is there. For tests of disconnects, long work and stops on the product's own processes.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { ToolContext } from '../../src/core/call.ts';
import { defineChange, defineRead } from '../../src/core/define.ts';
import { WaitS } from '../../src/core/schema.ts';
import type { Catalog } from '../../src/core/tool.ts';
import { resultQuery } from '../../src/tools/result_query.ts';

/** How often a step looks for its file. */
const LOOK_MS = 10;
const Name = z.string().regex(/^[\w-]{1,40}$/);

export function workCatalog(stage: string): Catalog {
  const tell = (what: string, name: string) => appendFileSync(join(stage, 'log'), `${what} ${name}\n`);

  /** Until the file is there. A signal that fires ends it, and is told of. */
  async function until(file: string, name: string, { signal, progress }: ToolContext): Promise<void> {
    for (let n = 1; !existsSync(join(stage, `${file}-${name}`)); n++) {
      if (signal.aborted) {
        tell('stopped', name);
        throw signal.reason;
      }
      progress(n, undefined, `${file} ${n}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, LOOK_MS);
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
      clearTimeout(timer);
    }
  }

  const common = { toolset: 'system', core: true, annotations: { idempotent: true, openWorld: false } } as const;
  const read = (name: string, long: boolean) =>
    defineRead({
      ...common,
      name,
      title: name,
      description: 'Reads until it may end. For tests.',
      input: () => (long ? z.strictObject({ name: Name, wait_s: WaitS() }) : z.strictObject({ name: Name })),
      output: () => z.object({ lines: z.array(z.string()), name: z.string() }),
      risk: 'read',
      scopes: { least: 'system:read' },
      ...(long ? { long } : {}),
      cut: { lists: ['lines'] },
      limits: { timeoutMs: 120_000 },
      async handler({ name: n }, ctx) {
        tell('begun', n);
        await until('end', n, ctx);
        tell('ended', n);
        return { lines: Array.from({ length: 300 }, (_, i) => `line ${i}`), name: n };
      },
      text: ({ name: n, lines }) => `${n}: ${lines.length} lines`,
    });
  const change = (name: string, long: boolean) =>
    defineChange({
      ...common,
      name,
      title: name,
      description: 'Changes a word when it may. For tests.',
      input: () => (long ? z.strictObject({ name: Name, wait_s: WaitS() }) : z.strictObject({ name: Name })),
      risk: 'change',
      scopes: { least: 'system:write' },
      targets: ({ name: n }) => [{ kind: 'path', name: `/word/${n}` }],
      ...(long ? { long } : {}),
      limits: { timeoutMs: 120_000 },
      async preview({ name: n }) {
        const word = wordOf(stage, n);
        return { summary: `Rename ${word} to new (${n}).`, before: { word }, diff: `-${word}\n+new`, digest: word };
      },
      async apply({ name: n }, ctx) {
        tell('begun', n);
        await until('effect', n, ctx);
        const word = wordOf(stage, n);
        try {
          ctx.commit();
        } catch (thrown) {
          // Left at the very moment before the first effect.
          tell('stopped', n);
          throw thrown;
        }
        writeFileSync(join(stage, `word-${n}`), 'new');
        tell('effect', n);
        await until('verdict', n, ctx);
        tell('ended', n);
        return {
          summary: `Renamed ${word} to new.`,
          before: { word },
          after: { word: 'new' },
          revert: { data: { word } },
        };
      },
      undo: { kind: 'manual', why: 'this is a test' },
    });
  return {
    tools: [
      read('work_read', false),
      read('work_read_long', true),
      change('work_change', false),
      change('work_change_long', true),
      resultQuery,
    ],
    resources: [],
    prompts: [],
  };
}

export function wordOf(stage: string, name: string): string {
  try {
    return readFileSync(join(stage, `word-${name}`), 'utf8');
  } catch {
    return 'old';
  }
}
