/** Why a host is slow: the rows of causes_slow.ts over rates of two moments. Pure. */
import { SLOW_ROWS } from './causes_slow.ts';
import { type Cause, causesOf } from './diagnose.ts';
import type { SlowFacts } from './slow_seen.ts';

export { SLOW_ROWS };
/** Of docs/diagnose.md. */
export const SLOW_NOTE = `It looks at the host (in a container, at that), over a second and a half, and at what the sampler remembers of the last two minutes. Processes of one name
are told as one. I/O of other users’ processes can only be seen as root.`;
export const diagnoseSlow = (f: SlowFacts): Cause[] => causesOf(SLOW_ROWS, f, {});
