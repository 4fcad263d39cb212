/**
 * What a start, or a load that is over, leaves behind, given back to the system. V8 keeps garbage until the process has grown by as much
 * again: over stdio 5 MB of some 70, in each window of each client; in a server what a thousand calls a second made, for as long as nobody
 * calls. Decides when it is collected: over stdio once, a while after everything is loaded and the compile cache is written (it would
 * else be written without what was collected); in a server when it is quiet and has grown, because it takes 50 to 150 ms.
 */

/** The launcher writes the cache 1.5 s after the start. */
const AFTER_MS = 2_500;

export function giveBackLater(): void {
  setTimeout(giveBack, AFTER_MS).unref();
}

const LOOK_MS = 15_000;
/** Of the event loop's time since the look before. */
const QUIET = 0.05;
const GROWN = 8 * 1024 * 1024;

export function giveBackWhenQuiet(): void {
  const v8 = process.getBuiltinModule('node:v8');
  const held = () => v8.getHeapStatistics().total_heap_size;
  let seen = performance.eventLoopUtilization();
  // What a start leaves is not worth a pause.
  let kept = held();
  setInterval(() => {
    const { utilization } = performance.eventLoopUtilization(seen);
    seen = performance.eventLoopUtilization();
    if (utilization > QUIET || held() < kept + GROWN) return;
    giveBack();
    kept = held();
  }, LOOK_MS).unref();
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
