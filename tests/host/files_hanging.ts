/** A file thread's program for the tests: hangs, fails or crashes as its path says, in place of a mount that does. */
import { existsSync } from 'node:fs';

interface Port {
  on(event: 'message', listener: (q: { id: number; path: Uint8Array }) => void): unknown;
  postMessage(message: object): void;
}
const cell = new Int32Array(new SharedArrayBuffer(4));

export function serve(port: Port): void {
  port.on('message', ({ id, path }) => {
    const said = Buffer.from(path).toString();
    port.postMessage({ id, started: true });
    if (said.startsWith('hang ')) while (!existsSync(said.slice(5))) Atomics.wait(cell, 0, 0, 5);
    if (said === 'crash') process.exit(1);
    if (said === 'error')
      port.postMessage({ id, error: { code: 'not_found', message: 'No.', details: { hint: 'Go.' } } });
    else port.postMessage({ id, value: said });
  });
}
