/** JSON, YAML and TOML, asked of a child process (child.ts), which is killed in time. Believes nothing of what it prints unseen. */
import { OpsError, toOpsError } from '../../core/errors.ts';
import type { Verdict } from '../../core/validate.ts';
import type { execOurs } from '../exec.ts';
import { programFile } from '../program.ts';
import type { Known } from './known.ts';

const TIMEOUT_MS = 5_000;

export async function askParser(
  { kind, by }: Known,
  path: string,
  run: typeof execOurs,
  signal: AbortSignal | undefined,
  timeoutMs = TIMEOUT_MS,
): Promise<Verdict> {
  const unknown = (why: string): Verdict => ({ by, result: 'unknown', why, line: null });
  try {
    const { code, stdout } = await run(programFile('validate'), {
      args: [kind, path],
      timeoutMs,
      maxBytes: 64 * 1024,
      ...(signal ? { signal } : {}),
    });
    if (code !== 0) return unknown('it failed at it, or needs more memory than a check may have');
    const said = JSON.parse(stdout) as Record<string, unknown>;
    const { result, why, line } = said;
    if (result !== 'ok' && result !== 'failed' && result !== 'unknown') return unknown('its answer is not understood');
    return {
      by,
      result,
      why: result === 'ok' ? null : typeof why === 'string' ? why : 'it does not say why',
      line: typeof line === 'number' ? line : null,
    };
  } catch (thrown) {
    if (signal?.aborted) throw thrown;
    if (thrown instanceof SyntaxError) return unknown('its answer is not understood');
    const error = toOpsError(thrown);
    return unknown(
      error.code === 'timeout'
        ? `it was not through within ${timeoutMs / 1_000} s`
        : thrown instanceof OpsError
          ? error.message
          : 'it failed',
    );
  }
}
