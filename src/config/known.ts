/**
 * The list of settings that counts. Read from the schema here; in the bundle this file is another one (scripts/prepare.ts), which has
 * the same list ready-made and loads the schema when a value needs it.
 */
import { ConfigSchema } from './schema.ts';
import { type Setting, settingsOf } from './settings.ts';

/** Made once: describing forty settings costs about a millisecond. */
let known: readonly Setting[] | undefined;
export function settings(): readonly Setting[] {
  known ??= settingsOf(ConfigSchema);
  return known;
}
