/** Properties of one unit, as `systemctl show` prints them: for who compares what runs with what was shipped. What they mean is its caller's. */
import { toOpsError } from '../core/errors.ts';
import { type Exec, exec as realExec } from './exec.ts';

export type Properties = Readonly<Record<string, string>>;

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 256 * 1024;

/** Null: there is no systemd here that could be asked, and why. A list that is printed in several lines is joined by spaces. */
export async function unitProperties(
  unit: string,
  names: readonly string[],
  exec: Exec = realExec,
): Promise<{ value: Properties } | { value: null; why: string }> {
  try {
    const { code, stdout, stderr } = await exec({
      binary: 'systemctl',
      args: ['show', `--property=${names.join(',')}`, '--', unit],
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_BYTES,
    });
    if (code !== 0) return { value: null, why: stderr.trim().split('\n')[0]?.slice(0, 200) || `it ended with ${code}` };
    const found: Record<string, string> = {};
    for (const line of stdout.split('\n')) {
      const at = line.indexOf('=');
      if (at <= 0) continue;
      const [name, text] = [line.slice(0, at), line.slice(at + 1)];
      found[name] = found[name] ? `${found[name]} ${text}` : text;
    }
    return { value: found };
  } catch (thrown) {
    return { value: null, why: toOpsError(thrown).message };
  }
}
