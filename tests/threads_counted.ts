/**
 * `npm run coverage` alone: what our threads run counts as run. The product gives each an empty environment, without the variable that
 * tells Node where to write what was run; here, and nowhere else, it is added. (To a child process Node itself hands it on.) One that is
 * killed writes nothing.
 */
import { syncBuiltinESMExports } from 'node:module';
import workerThreads, { type WorkerOptions } from 'node:worker_threads';

/** Set by the provider of the coverage (`autoAttachSubprocess`), and otherwise by nobody. */
const dir = process.env.NODE_V8_COVERAGE;

if (dir) {
  const { Worker } = workerThreads;
  workerThreads.Worker = class extends Worker {
    constructor(program: string | URL, o: WorkerOptions = {}) {
      super(program, typeof o.env === 'object' ? { ...o, env: { ...o.env, NODE_V8_COVERAGE: dir } } : o);
    }
  };
  syncBuiltinESMExports();
}
