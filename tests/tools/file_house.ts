/** A door before the tools that change files, over the real host on a folder of a test's own; receipts and approvals in memory. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Outcome } from '../../src/core/call.ts';
import type { ValidateHost } from '../../src/core/validate.ts';
import { fileDelete } from '../../src/tools/file_delete.ts';
import { fileEdit } from '../../src/tools/file_edit.ts';
import { fileMove } from '../../src/tools/file_move.ts';
import { fileWrite } from '../../src/tools/file_write.ts';
import { undo } from '../../src/tools/undo.ts';
import { type FilesIn, filesIn } from '../fakes/files.ts';
import { fakeHost } from '../fakes/host.ts';
import { callOf, operator, type Rig, rig } from '../fakes/policy.ts';
import { fakeValidate } from '../fakes/validate.ts';

export const sha = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');

export function house(
  o: { files?: FilesIn; validate?: Partial<ValidateHost> | ValidateHost } & Parameters<typeof rig>[0] = {},
) {
  const dir = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-house-')));
  const { files, validate, ...over } = o;
  // A machine under load is slow to start threads.
  const opened = filesIn(dir, { access: 'write', pool: { deadlineMs: 60_000 }, ...files });
  const host = { ...fakeHost(), files: opened, validate: fakeValidate(validate) };
  const r: Rig = rig({
    catalog: { tools: [fileWrite, fileEdit, fileMove, fileDelete, undo], resources: [], prompts: [] },
    context: { host, recent: () => [], recentProcesses: () => null, absent: () => [] },
    ...over,
  });
  const at = (...names: string[]) => join(dir, ...names);
  const call = (tool: string, args: object, as: Parameters<typeof callOf>[2] = {}) =>
    r.door.run(callOf(tool, args, as));
  return {
    r,
    dir,
    at,
    host,
    put(name: string, content: string | Uint8Array, mode = 0o644) {
      fs.mkdirSync(join(at(name), '..'), { recursive: true });
      fs.writeFileSync(at(name), content);
      fs.chmodSync(at(name), mode);
      return at(name);
    },
    text: (name: string) => fs.readFileSync(at(name), 'utf8'),
    bytes: (name: string) => fs.readFileSync(at(name)),
    there: (name: string) => fs.existsSync(at(name)),
    call,
    /** What must succeed. */
    async done(tool: string, args: object) {
      const out = await call(tool, args);
      if (out.status !== 'done') throw new Error(said(out));
      return out.data as Record<string, unknown> & { summary: string; diff?: string; receipt?: string; state: string };
    },
    /** `code: message hint` of what must be refused. */
    async refused(tool: string, args: object) {
      const out = await call(tool, args);
      if (out.status !== 'failed') throw new Error(`was ${out.status}: ${said(out)}`);
      return said(out);
    },
    close() {
      opened.close();
      fs.rmSync(dir, { recursive: true, force: true });
    },
  };
}
export type House = ReturnType<typeof house>;

export function said(out: Outcome): string {
  if (out.status !== 'failed') return JSON.stringify(out.data);
  const { code, message, details } = out.error;
  return `${code}: ${message} ${details.hint ?? ''}`.trim();
}

export { operator };
