/**
 * `deckhand stdio`: MCP over standard input and output, until the input ends or a signal comes. Standard output belongs to
 * the protocol: nothing here prints on it. The client waits for its first answers: only what they need is loaded before them.
 */
import { createOpening } from '../edge/opening.ts';
import { prepared } from '../edge/prepared.ts';
import { serveStdioFace } from '../edge/stdio.ts';
import { openFront } from '../front.ts';
import type { Run } from './commands.ts';
import { giveBackLater } from './given_back.ts';
import { VERSION } from './version.ts';

export async function run({ io, signal, load, open }: Run): Promise<number> {
  if (process.stdin.isTTY)
    io.err('This speaks JSON-RPC to a client that launched it; at a terminal try `deckhand tools`. Ctrl-C ends it.');
  const { info, principal, visible } = openFront(await load(), VERSION);
  const ready = prepared();
  let opened: ReturnType<Run['open']> | undefined;
  const whole = () => {
    if (!opened) {
      keepYoungSmall();
      opened = open('stdio');
      void opened.then(giveBackLater, () => {});
    }
    return opened;
  };
  const face = serveStdioFace({
    info,
    principal,
    whole,
    ...(ready ? { opening: createOpening({ info, prepared: ready, visible: visible(ready.tools) }) } : {}),
  });
  if (signal.aborted) void face.close();
  else signal.addEventListener('abort', () => void face.close(), { once: true });
  try {
    await face.done;
  } finally {
    const app = await opened?.catch(() => null);
    await app?.close();
  }
  // Also when a signal ended it: asked to stop, it stopped in good order.
  return 0;
}

/**
 * What is loaded after the first answers would make V8 grow the part of the heap for young objects to 16 MB, and keep it, in each window
 * of each client. Services get a flag for that (deploy/); what a client launches has no flags. Set here, and not at the start, because
 * loading `node:v8` takes 4 ms; V8 asks for it whenever it thinks of growing, and compiled code in the cache does not depend on it.
 */
function keepYoungSmall(): void {
  process.getBuiltinModule('node:v8').setFlagsFromString('--semi-space-growth-factor=1');
}
