/**
 * `npm run coverage` alone: what our threads and our programs in child processes run counts as run. The product gives each an environment of
 * its own, without the variable that tells Node where to write what was run; here, and nowhere else, it is added. One that is killed
 * writes nothing.
 */
import childProcess, { type SpawnOptions } from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import workerThreads, { type WorkerOptions } from 'node:worker_threads';

/** Set by the provider of the coverage (`autoAttachSubprocess`), and otherwise by nobody. */
const dir = process.env.NODE_V8_COVERAGE;
const OURS = /\/src\/host\/.*\.ts$/;

if (dir) {
  const { Worker } = workerThreads;
  const { spawn } = childProcess;
  const counted = <T extends { env?: unknown }>(o: T): T =>
    typeof o.env === 'object' ? { ...o, env: { ...o.env, NODE_V8_COVERAGE: dir } } : o;

  workerThreads.Worker = class extends Worker {
    constructor(program: string | URL, o: WorkerOptions = {}) {
      super(program, counted(o));
    }
  };
  childProcess.spawn = ((file: string, args: string[], o: SpawnOptions) =>
    spawn(file, args, o && args.some((arg) => OURS.test(arg)) ? counted(o) : o)) as typeof spawn;
  syncBuiltinESMExports();
}
