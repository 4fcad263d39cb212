/**
 * What the bundle is made of: the one call of esbuild, and which files and packages a command loads. Decides what lies in one chunk;
 * where the files go is build.ts's business. Tests ask here what a command drags in.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

// CommonJS packages (pino, yaml) ask for Node's own modules by `require`, which a module does not have. Only the chunk
// that asks pays for making one.
const REQUIRE =
  "import{createRequire as deckhandRequire}from'node:module';const require=deckhandRequire(import.meta.url);\n";

export async function bundle(): Promise<{ files: Map<string, string>; metafile: Metafile }> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: { main: 'src/main.ts' },
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    minify: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    charset: 'utf8',
    legalComments: 'none',
    define: { DECKHAND_VERSION: JSON.stringify(version) },
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  const files = new Map(
    result.outputFiles.map((f) => [
      basename(f.path),
      f.text.includes('Dynamic require of') ? REQUIRE + f.text : f.text,
    ]),
  );
  return { files, metafile: result.metafile };
}

/** Every output file that loading this one loads, itself included: static imports only. */
export function loads(outputs: Metafile['outputs'], entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  for (const i of outputs[entry]?.imports ?? [])
    if (i.kind === 'import-statement' && !i.external) loads(outputs, i.path, seen);
  return seen;
}

/** The output that a source file is the entry of. */
export function outputOf(outputs: Metafile['outputs'], source: string): string {
  const found = Object.entries(outputs).find(([, o]) => o.entryPoint === source);
  if (!found) throw new Error(`${source} is no entry of the bundle`);
  return found[0];
}

/** Packages (or folders of our own) in these outputs, with their bytes, the largest first. */
export function inside(outputs: Metafile['outputs'], paths: Iterable<string>): Map<string, number> {
  const found = new Map<string, number>();
  for (const path of paths)
    for (const [input, { bytesInOutput }] of Object.entries(outputs[path]?.inputs ?? {})) {
      const name = packageOf(input)?.replace(/^.*node_modules\//, '') ?? input.split('/').slice(0, 2).join('/');
      found.set(name, (found.get(name) ?? 0) + bytesInOutput);
    }
  return new Map([...found].sort((a, b) => b[1] - a[1]));
}

/** The folder of the package that a file belongs to. */
export const packageOf = (input: string): string | undefined => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0];
