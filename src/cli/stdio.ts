/**
 * `deckhand stdio`: MCP over standard input and output, until the input ends or a signal comes. Standard output belongs to
 * the protocol: nothing here prints on it.
 */
import { serveStdioFace } from '../edge/stdio.ts';
import type { Run } from './commands.ts';

export async function run({ io, signal, open }: Run): Promise<number> {
  if (process.stdin.isTTY)
    io.err('This speaks JSON-RPC to a client that launched it; at a terminal try `deckhand tools`. Ctrl-C ends it.');
  const app = await open('stdio');
  const { door, info, log, principals } = app;
  const face = serveStdioFace({ door, principal: principals.stdio(), info, log });
  if (signal.aborted) void face.close();
  else signal.addEventListener('abort', () => void face.close(), { once: true });
  await face.done;
  await app.close();
  // Also when a signal ended it: asked to stop, it stopped in good order.
  return 0;
}
