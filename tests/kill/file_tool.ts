/** A change with everything a real one has: a file is replaced whole (temp, fsync, rename), and put back byte for byte. */
import { hash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { defineChange } from '../../src/core/define.ts';
import { OpsError } from '../../src/core/errors.ts';
import type { Tool } from '../../src/core/tool.ts';

const sha = (content: Uint8Array | null) => (content === null ? 'none' : hash('sha256', content));
const facts = (content: Uint8Array | null) => ({ bytes: content?.length ?? null, sha256: sha(content) });

export function read(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function replace(path: string, content: Uint8Array): void {
  const fd = openSync(`${path}.new`, 'w', 0o600);
  // In pieces, as a large file is written: a kill may fall between them.
  const half = content.length >> 1;
  for (const part of [content.subarray(0, half), content.subarray(half)]) writeSync(fd, part);
  fsyncSync(fd);
  closeSync(fd);
  renameSync(`${path}.new`, path);
}

/** Files of one folder. Names and not paths, so that a copy of the folder takes the same approval. */
export const fileTool = (folder: string): Tool =>
  defineChange({
    name: 'fixture_file',
    title: 'Replace a file',
    description: 'Replaces a file of one folder. For tests.',
    toolset: 'system',
    core: true,
    annotations: { idempotent: true, openWorld: false },
    input: () => z.strictObject({ name: z.string().regex(/^[a-z]{1,20}$/), text: z.string().max(1_000_000) }),
    risk: 'change',
    scopes: { least: 'system:write' },
    targets: ({ name }) => [{ kind: 'path', name: `/folder/${name}` }],
    async preview({ name, text }) {
      const is = read(join(folder, name));
      return {
        summary: `Replace ${name}: ${is?.length ?? 'no'} bytes by ${text.length}.`,
        before: facts(is),
        digest: sha(is),
      };
    },
    async apply({ name, text }, ctx) {
      const path = join(folder, name);
      const was = read(path);
      ctx.commit({ data: { existed: was !== null }, ...(was ? { blobs: { was } } : {}) });
      replace(path, Buffer.from(text));
      return { summary: `Replaced ${name}.`, before: facts(was), after: facts(Buffer.from(text)) };
    },
    undo: {
      kind: 'revert',
      async preview({ input, state, before, after }) {
        const is = facts(read(join(folder, input.name)));
        const made = state === 'done' ? after : facts(Buffer.from(input.text));
        if (state === 'prepared' && is.sha256 === before?.sha256)
          return { summary: `${input.name} is as it was: nothing to take back.`, before: is, digest: is.sha256 };
        if (is.sha256 !== made?.sha256)
          throw new OpsError(
            'conflict',
            `${input.name} has moved on: it has ${is.bytes} bytes (${is.sha256.slice(0, 8)}), and was left with ${made?.bytes} (${String(made?.sha256).slice(0, 8)}).`,
            { hint: 'Look at what it holds now.' },
          );
        return { summary: `Put ${input.name} back as it was.`, before: is, digest: is.sha256 };
      },
      async revert({ input, data, before, blob }, ctx) {
        const path = join(folder, input.name);
        const is = read(path);
        const was = data.existed ? blob('was') : null;
        if (data.existed && !was) throw new OpsError('unavailable', 'What was there before is lost.');
        if (sha(is) !== before?.sha256) {
          ctx.commit();
          if (was) replace(path, was);
          else rmSync(path);
        }
        return { summary: `${input.name} is as it was.`, before: facts(is), after: facts(was) };
      },
    },
  });
