/**
 * The single executable's entry, in place of main.ts: the file is Node and Deckhand at once, so it also is what we start when a program
 * of ours is to run in a process of its own. Such words (`deckhand:…`, host/program.ts) are looked for before any command; no command
 * or tool has a colon, so nobody types one by accident, and on purpose one gets no more than by running that program.
 */
import { main } from './cli/main.ts';
import { asked } from './host/program.ts';

export async function start(argv: readonly string[]): Promise<void> {
  const ours = asked(argv);
  if (ours === null) return main(argv);
  if ('exit' in ours) process.exit(ours.exit);
  const { childThread } = await import('./host/worker.ts');
  process.exitCode = await childThread(ours.program, ours.args);
}
