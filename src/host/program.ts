/**
 * Where a program of our own lies: what runs in a thread (moduleThread of worker.ts) or in a child process (execOurs of exec.ts). The one
 * place that knows the three ways Deckhand is put together: from its sources, as the bundle in dist/, and as the single executable,
 * where there are no files and a program has a name that begins with `deckhand:`.
 */
import { isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';

/** Its file in the bundle (without `.mjs`), and in the sources, from here. */
const PROGRAMS = {
  files: './files/thread.ts',
  disk: './disk/thread.ts',
  hardware: './hardware/child.ts',
  validate: './validate/child.ts',
} as const;

export type Program = keyof typeof PROGRAMS;

const IN_EXECUTABLE = 'deckhand:';

/** `file:` or, in the executable, `deckhand:files.mjs`. */
export function programUrl(name: Program): URL {
  if (isSea()) return new URL(`${IN_EXECUTABLE}${name}.mjs`);
  return new URL(import.meta.url.endsWith('.ts') ? PROGRAMS[name] : `./${name}.mjs`, import.meta.url);
}

/** For execOurs: a path, or the name in the executable. */
export function programFile(name: Program): string {
  const url = programUrl(name);
  return url.protocol === 'file:' ? fileURLToPath(url) : url.href;
}

/** In the executable nothing can be imported: its loader (scripts/release/loader.js) lies in it beside the modules. */
const load = (words: string) =>
  `(0, eval)(Buffer.from(require('node:sea').getRawAsset('loader.js')).latin1Slice())(${words})`;

/** The text of a thread that serves what this module exports as `serve`. */
export function threadSource(url: URL): { source: string; workerData: string } {
  const source = (module: string) =>
    `const { parentPort, workerData } = require('node:worker_threads');\n${module}.serve(parentPort)`;
  return url.protocol === IN_EXECUTABLE
    ? { source: source(load('workerData')), workerData: url.pathname }
    : { source: `${source('import(workerData).then((m) => m')})`, workerData: url.href };
}

/** The text of a thread in which such a program runs from beginning to end: in the executable alone. */
export const childSource = (name: Program): string => load(JSON.stringify(`${name}.mjs`));

/** Old space of a program in a child process. */
export const CHILD_HEAP_MB = 96;

/**
 * Arguments of /proc/self/exe that run such a file. The executable takes no flags of Node, from nobody (scripts/release/executable.ts),
 * so there the name itself is the first word, which src/executable.ts knows before any command; the heap's bound it sets itself.
 */
export function childArguments(file: string): string[] {
  return file.startsWith(IN_EXECUTABLE) ? [file] : [`--max-old-space-size=${CHILD_HEAP_MB}`, file];
}

const EXIT = `${IN_EXECUTABLE}exit`;

/** Arguments of /proc/self/exe, from the first: ends at once with this code. */
export function exitArguments(code: number): string[] {
  return isSea() ? ['deckhand', EXIT, String(code)] : ['node', '-e', `process.exit(${code})`];
}

/** Which of our programs these words of the executable's command line ask for. Null: it is a command. */
export function asked(argv: readonly string[]): { exit: number } | { program: Program; args: string[] } | null {
  const [first = '', ...args] = argv;
  if (!first.startsWith(IN_EXECUTABLE)) return null;
  if (first === EXIT) return { exit: Number(args[0]) };
  const program = (Object.keys(PROGRAMS) as Program[]).find((name) => first === `${IN_EXECUTABLE}${name}.mjs`);
  return program ? { program, args } : null;
}
