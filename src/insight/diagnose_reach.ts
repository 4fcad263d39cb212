/** Why something cannot be reached: the rows of causes_reach.ts over the steps of the way. Pure. */
import { REACH_ROWS } from './causes_reach.ts';
import { type Cause, causesOf } from './diagnose.ts';
import type { ReachFacts } from './reach_seen.ts';

export { REACH_ROWS };
export const diagnoseReach = (f: ReachFacts, url: string | null): Cause[] =>
  causesOf(REACH_ROWS, f, { HOST: f.host, PORT: String(f.port), ...(url === null ? {} : { URL: url }) });
