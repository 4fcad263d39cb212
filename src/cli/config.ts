/** `deckhand config`: every setting with its value and origin. What is printed, and what is hidden, is decided in config/show.ts. */
import { configRows, printConfig } from '../config/show.ts';
import type { Run } from './commands.ts';

export async function run({ own, io, load }: Run): Promise<number> {
  const loaded = await load();
  if (own.json) {
    const settings = Object.fromEntries(configRows(loaded).map(({ path, items: _, ...rest }) => [path, rest]));
    io.out(JSON.stringify({ file: loaded.file, settings }, null, io.outTty ? 2 : 0));
  } else io.out(printConfig(loaded));
  return 0;
}
