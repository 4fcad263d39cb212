/**
 * How many cases a test tries that could try any number. At the desk a few, so that `npm test` is over while one still looks at it; in CI,
 * and by `npm run soak counts`, all of them. A property that is tried with random cases meets others at each run.
 */
import { env } from 'node:process';

const ALL = env.CI === 'true' || env.DECKHAND_COUNTS === 'all';

/** `few` at the desk, else `all`. */
export const upTo = (all: number, few: number): number => (ALL ? all : few);
