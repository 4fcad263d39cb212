/** A folder of a test's own, read as the product reads: walk, threads and all. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ToolContext } from '../../src/core/call.ts';
import { type FilesIn, filesIn } from '../fakes/files.ts';
import { fakeHost } from '../fakes/host.ts';
import { context } from './context.ts';

export interface Folder {
  dir: string;
  /** Writes a file in it, and gives its path. */
  put(name: string, content: string | Uint8Array): string;
  ctx: ToolContext;
  end(): void;
}

export function folder(root: FilesIn = {}, also: Partial<ToolContext> = {}): Folder {
  const dir = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-read-')));
  // A machine under load is slow to start threads.
  const opened = filesIn(dir, { pool: { deadlineMs: 60_000 }, ...root });
  const ctx = context({}, { host: { ...fakeHost(), files: opened }, ...also });
  return {
    dir,
    put(name, content) {
      const path = join(dir, name);
      fs.mkdirSync(join(path, '..'), { recursive: true });
      fs.writeFileSync(path, content);
      return path;
    },
    ctx,
    end() {
      opened.close();
      fs.rmSync(dir, { recursive: true, force: true });
    },
  };
}
