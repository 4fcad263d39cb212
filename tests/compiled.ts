/**
 * In tests the product's threads and child processes run from its sources, with an empty environment, so each would strip the types of its
 * files and compile them anew: a third of a second of a processor and more, where the built program takes a twentieth. Here they find what
 * an earlier one compiled (NODE_COMPILE_CACHE, vitest.config.ts), by the files' content. What runs and what it is given is the same.
 */
import children, { type SpawnOptions } from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import threads, { type WorkerOptions } from 'node:worker_threads';

const dir = process.env.NODE_COMPILE_CACHE;
const { Worker } = threads;

class Compiled extends Worker {
  constructor(source: string | URL, o?: WorkerOptions) {
    const ours = o?.eval === true && typeof source === 'string' && source.includes('import(workerData)');
    super(ours ? `require('node:module').enableCompileCache(${JSON.stringify(dir)});${source}` : source, o);
  }
}

type Start = (command: string, args: unknown, o?: SpawnOptions) => unknown;
/** Node on a file of ours; all else is started as it is. */
const compiled = <F>(start: F): F =>
  ((command, args, o) =>
    Array.isArray(args) && args.some((a) => /\/(?:src|tests)\/.*\.ts$/.test(String(a)))
      ? (start as Start)(command, args, { ...o, env: { ...(o?.env ?? process.env), NODE_COMPILE_CACHE: dir } })
      : (start as Start)(command, args, o)) satisfies Start as F;

// Where files share a process, once.
if (dir !== undefined && Worker.name !== Compiled.name) {
  threads.Worker = Compiled;
  children.spawn = compiled(children.spawn);
  children.spawnSync = compiled(children.spawnSync);
  syncBuiltinESMExports();
}
