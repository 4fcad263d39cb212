/**
 * The product's threads run from its sources in tests, with an empty environment, so each would strip the types of its files and compile
 * them anew: a third of a second of a processor, where the built program takes a twentieth. Here they find what an earlier one compiled
 * (NODE_COMPILE_CACHE, vitest.config.ts), by the files' content. What they run and what they are given is the same.
 */
import { syncBuiltinESMExports } from 'node:module';
import threads, { type WorkerOptions } from 'node:worker_threads';

const dir = process.env.NODE_COMPILE_CACHE;
const Plain = threads.Worker;

class Compiled extends Plain {
  constructor(source: string | URL, o?: WorkerOptions) {
    const cached = o?.eval === true && typeof source === 'string' && source.includes('import(workerData)');
    super(cached ? `require('node:module').enableCompileCache(${JSON.stringify(dir)});${source}` : source, o);
  }
}

// Where files share a process, once.
if (dir !== undefined && Plain.name !== Compiled.name) {
  threads.Worker = Compiled;
  syncBuiltinESMExports();
}
