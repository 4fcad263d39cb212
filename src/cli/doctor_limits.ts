/** The doctor's look at where instances count together: whether that server answers, and soon enough to be asked at each request. */
import type { Config } from '../config/schema.ts';
import { ANSWERS_WITHIN_MS } from '../edge/limits_shared.ts';
import { askSharedLimits } from '../wiring_limits.ts';
import type { Check } from './doctor.ts';
import { ok, warning } from './doctor_state.ts';

const CODE = 'limits.shared';
const TITLE = 'Shared limits';

export async function limitChecks({ shared }: Config['limits']): Promise<Check[]> {
  if (shared.url === null) return [];
  try {
    const found = await askSharedLimits(shared);
    if (!found) return [];
    const said = `${found.server} answers in ${found.ms.toFixed(1)} ms`;
    if (found.ms < ANSWERS_WITHIN_MS / 5) return [ok(CODE, TITLE, `${said}.`)];
    return [
      warning(
        CODE,
        TITLE,
        `${said}: each request waits for it, ${ANSWERS_WITHIN_MS} ms at most.`,
        'a server nearer to this host, or no limits.shared.url',
      ),
    ];
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : 'unknown';
    return [
      warning(
        CODE,
        TITLE,
        `${shared.url} cannot be asked (${why}): this instance counts for itself.`,
        'limits.shared.url and limits.shared.passwordFile; `redis-cli -u URL ping` from this host',
      ),
    ];
  }
}
