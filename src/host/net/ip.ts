/** `ip -j` with fixed arguments, bounded in time and bytes. Decides when it can be asked at all: never on a mounted host. */

import { toOpsError } from '../../core/errors.ts';
import type { Reading } from '../../core/host.ts';
import type { Exec } from '../exec.ts';
import { known, type Root, unknown } from '../system/files.ts';
import { jsonList } from './ip_json.ts';

const TIMEOUT_MS = 5_000;
/** The whole table of the internet's routes has a million lines; that is no host of ours. */
const MAX_BYTES = 32 * 1024 * 1024;

export type AskIp = (
  args: readonly string[],
  signal: AbortSignal | undefined,
) => Promise<Reading<Record<string, unknown>[]>>;

export interface Commands {
  exec: Exec;
  has(binary: 'ip' | 'ss' | 'nft' | 'iptables-save' | 'ip6tables-save' | 'resolvectl'): boolean;
}

export const MOUNTED = 'commands cannot be run on a mounted host';

export function ipAsker(root: Root, o: Commands): AskIp {
  return async (args, signal) => {
    if (root.foreign) return unknown(MOUNTED);
    if (!o.has('ip')) return unknown('`ip` (iproute2) is not installed');
    try {
      const { code, stdout, stderr } = await o.exec({
        binary: 'ip',
        args: ['-j', ...args],
        timeoutMs: TIMEOUT_MS,
        maxBytes: MAX_BYTES,
        ...(signal ? { signal } : {}),
      });
      const rows = code === 0 ? jsonList(stdout) : null;
      return rows === null ? unknown(`\`ip\` says: ${stderr.trim().split('\n')[0] || 'no JSON'}`) : known(rows);
    } catch (error) {
      signal?.throwIfAborted();
      return unknown(toOpsError(error).message);
    }
  };
}
