/**
 * The file thread's work on the main thread, request by request, so that one trace has all calls of a change in their order: those on the
 * file, on its receipt and on the audit. What is lost is only the thread itself, which files.ts looks at alone.
 */
import { type Code, OpsError } from '../../src/core/errors.ts';
import { FilePool } from '../../src/host/files/pool.ts';
import { answer, type Request } from '../../src/host/files/thread.ts';

interface Said {
  value?: unknown;
  error?: { code: Code; message: string; details: object };
}

export function inline(): void {
  FilePool.prototype.ask = async <T>(_mount: string, request: object): Promise<T> => {
    const said = (await answer({ id: 1, nowMs: Date.now(), ...request } as Request)) as Said;
    if (said.error) throw new OpsError(said.error.code, said.error.message, said.error.details);
    return said.value as T;
  };
}
