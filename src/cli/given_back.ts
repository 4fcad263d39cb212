/**
 * What a start over stdio leaves behind, given back to the system. Loading makes garbage that V8 keeps until the process has grown by as
 * much again, which a client's window hardly ever does: 5 MB of some 70, in each window of each client. Decides when it is collected: once,
 * a while after everything is loaded and the compile cache is written (it would else be written without what was collected).
 */

/** The launcher writes the cache 1.5 s after the start. */
const AFTER_MS = 2_500;

export function giveBackLater(): void {
  setTimeout(giveBack, AFTER_MS).unref();
}

/**
 * V8 has no other door to this than the function its flag brings into new contexts; without the flag at the start of the process, which
 * whoever launched us would have to give. The flag is taken back in the same breath, and nobody but this function ever has it in hand.
 * `last-resort` is V8's word for giving pages back; a V8 that does not know it collects all the same.
 */
function giveBack(): void {
  const v8 = process.getBuiltinModule('node:v8');
  v8.setFlagsFromString('--expose-gc');
  try {
    const collect: unknown = process.getBuiltinModule('node:vm').runInNewContext('gc');
    if (typeof collect === 'function') collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  } catch {
    // Nobody misses it but the memory.
  } finally {
    v8.setFlagsFromString('--no-expose-gc');
  }
}
