/** The version: put in by the build from package.json; read from it where the sources run themselves (tests). */
import { readFileSync } from 'node:fs';

declare const DECKHAND_VERSION: string | undefined;

export const VERSION: string =
  typeof DECKHAND_VERSION === 'string'
    ? DECKHAND_VERSION
    : (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
