/**
 * What the bundle is made of: the one call of esbuild, and which files and packages a command loads. Decides what lies in one chunk;
 * where the files go is build.ts's business. Tests ask here what a command drags in.
 */
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { type Faces, groups, type Made, merged } from './merge.ts';
import { instead } from './prepare.ts';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

// CommonJS packages (pino, yaml) ask for Node's own modules by `require`, which a module does not have. Only the chunk
// that asks pays for making one.
export const REQUIRE =
  "import{createRequire as deckhandRequire}from'node:module';const require=deckhandRequire(import.meta.url);\n";

const common = {
  absWorkingDir: root,
  outdir: 'dist',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  minify: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  // In ASCII V8 holds a text in half of the memory.
  charset: 'ascii',
  legalComments: 'none',
  metafile: true,
  write: false,
  logLevel: 'warning',
  // Its other form asks for its parts in a way that no bundler sees.
  alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
} satisfies BuildOptions;

/** What is loaded together, in one file (merge.ts). */
const FACES: Faces = {
  first: ['src/main.ts', 'src/cli/run.ts', 'src/cli/stdio.ts'],
  others: ['at_terminal', 'administration', 'product', 'serve', 'stdio', 'notify', 'tls']
    .map((name) => `src/cli/${name}.ts`)
    .concat('src/edge/served.ts', 'src/config/schema.ts'),
  // The listings that the build made are for the faces of MCP, and as large as all else that stdio begins with.
  apart: /^src\/edge\/prepared\.ts$/,
};

/**
 * The program, the child processes that read hardware and parse files, and the program of the threads that touch files: apart, so that
 * none shares a chunk with another, nor loads it. Another entry: of the single executable (release/executable.ts).
 */
export async function bundle({
  entry = 'src/main.ts',
} = {}): Promise<{ files: Map<string, string>; metafile: Metafile }> {
  const made = await Promise.all([
    build({
      ...common,
      entryPoints: { main: entry },
      chunkNames: '[name]-[hash]',
      splitting: true,
      define: { DECKHAND_VERSION: JSON.stringify(version) },
      plugins: [slimSdk, leanDockerode, readyMade],
    }),
    build({
      ...common,
      entryPoints: { hardware: 'src/host/hardware/child.ts' },
      chunkNames: 'hardware-[hash]',
      splitting: true,
      // What systeminformation does elsewhere falls away.
      define: { 'process.platform': '"linux"' },
    }),
    build({
      ...common,
      entryPoints: { files: 'src/host/files/thread.ts', disk: 'src/host/disk/thread.ts' },
      chunkNames: 'thread-[hash]',
      splitting: true,
    }),
    build({
      ...common,
      entryPoints: { validate: 'src/host/validate/child.ts' },
      chunkNames: 'validate-[hash]',
      splitting: true,
    }),
  ]);
  const [program, ...others] = made.map(({ outputFiles, metafile: { outputs } }) => ({
    files: new Map(outputFiles.map((f) => [basename(f.path), f.text])),
    outputs,
  })) as [Made, ...Made[]];
  // In the executable nothing is looked up on a disk.
  const whole = entry === 'src/main.ts' ? await together(program) : program;
  const all = [whole, ...others];
  const files = new Map(
    all
      .flatMap((m) => [...m.files])
      .map(([name, made]) => {
        const text = inAscii(builtinsByNeed(made));
        return [name, made.includes('Dynamic require of') ? REQUIRE + text : text];
      }),
  );
  const metafile = {
    inputs: Object.assign({}, ...made.map((m) => m.metafile.inputs)),
    outputs: Object.assign({}, ...all.map((m) => m.outputs)),
  } as Metafile;
  return { files, metafile };
}

const together = (program: Made): Promise<Made> =>
  merged(
    program,
    groups(program.outputs, FACES, (outputs, source) => loads(outputs, outputOf(outputs, source))),
    common,
  );

const BUILTIN =
  /\bimport\s*(?:(?<all>\*as [\w$]+)|(?<standard>[\w$]+)?,?(?:\{(?<names>[^}]*)\})?)\s*from"(?<from>(?:node:)?[a-z0-9_/]+)";/g;

/**
 * `import … from 'node:crypto'` makes Node look at everything the module exports, and so load Web Crypto, which nobody here asks for.
 * Taken as plain objects, Node's own modules cost only what is used of them. In minified output an import statement has one
 * form; should esbuild ever write another, it stays what it was.
 */
export function builtinsByNeed(text: string): string {
  let taken = '';
  const rest = text.replace(BUILTIN, (statement, ...groups) => {
    const { all, standard, names, from } = groups.at(-1) as Record<string, string | undefined>;
    if (!from || !isBuiltin(from)) return statement;
    const object = `process.getBuiltinModule("${from}")`;
    const whole = all?.replace('*as ', '') ?? standard;
    if (whole) taken += `const ${whole}=${object};`;
    if (names) taken += `const{${names.replaceAll(' as ', ':')}}=${object};`;
    return '';
  });
  return taken + rest;
}

/** What esbuild leaves as it is even so: characters in regular expressions. One of them would make the whole text take twice the memory. */
export const inAscii = (text: string): string =>
  text.replace(/[^\0-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** A schema that is made and never used is left out; without the mark esbuild must take every call for one with an effect. */
const CALLS = /(?<![.\w$"'`])((?:z|[A-Za-z]\w*Schema)\.(?!shape\b)[a-zA-Z]+\()/g;
const REGISTRY = /^for \(const (?:key of SPEC_SCHEMA_KEYS|\[key, schema\] of Object\.entries\(authSchemas\))\).*$/gm;

/**
 * The SDK makes a zod schema of every type of the protocol when it is imported, for `specTypeSchemas` and `isSpecType`, which
 * neither we nor its server use: a thousand schemas, ten milliseconds of each start. The same for Ajv, which only checks
 * answers to questions that we never ask (edge/mcp.ts brings a validator of its own). The SDK's version is pinned; where its text is
 * no longer what it was, the build stops.
 */
const slimSdk: Plugin = {
  name: 'slim SDK',
  setup(build) {
    const edited = (path: string, edit: (text: string) => string) => {
      const text = readFileSync(path, 'utf8');
      const contents = edit(text);
      if (contents === text) throw new Error(`${path} has changed: look at scripts/bundle.ts anew`);
      return { contents, loader: 'js' as const };
    };
    build.onLoad({ filter: /\/@modelcontextprotocol\/core\/dist\/(schemas|auth)-[^/]*\.mjs$/ }, ({ path }) =>
      edited(path, (text) => text.replace(CALLS, '/* @__PURE__ */ $1')),
    );
    build.onLoad({ filter: /\/@modelcontextprotocol\/server\/dist\/src-[^/]*\.mjs$/ }, ({ path }) =>
      edited(path, (text) => {
        if (text.match(REGISTRY)?.length !== 2) return text;
        return text.replace(REGISTRY, '');
      }),
    );
    build.onLoad({ filter: /\/@modelcontextprotocol\/server\/dist\/shimsNode\.mjs$/ }, ({ path }) =>
      edited(path, (text) =>
        text.replace(
          /^import \{ n as AjvJsonSchemaValidator \} from "\.\/ajvProvider-[^"]*";/m,
          "class AjvJsonSchemaValidator { constructor() { throw new Error('Ajv is not in this bundle'); } }",
        ),
      ),
    );
  },
};

/** What dockerode asks for and we never use: its own HTTP (ours refuses what is not allowed), builds, sessions of BuildKit, archives. */
const BAGGAGE = /^(?:docker-modem|@grpc\/grpc-js|@grpc\/proto-loader|protobufjs|tar-fs|@balena\/dockerignore)$/;

/** Two megabytes of gRPC, SSH and tar stay out. Whoever uses one of them all the same is told at once. */
const leanDockerode: Plugin = {
  name: 'lean dockerode',
  setup(build) {
    build.onResolve({ filter: BAGGAGE }, ({ path, importer }) =>
      /\/node_modules\/dockerode\//.test(importer) ? { path, namespace: 'left-out' } : null,
    );
    build.onLoad({ filter: /.*/, namespace: 'left-out' }, ({ path }) => ({
      contents: `module.exports = function leftOut() { throw new Error('${path} is not in this bundle'); };`,
      loader: 'js',
    }));
  },
};

/** Files whose work is done here once instead of at each start. */
const readyMade: Plugin = {
  name: 'ready-made',
  setup(build) {
    const replaced = new Set<string>();
    build.onLoad({ filter: /\/src\/(?:config\/known|edge\/prepared)\.ts$/ }, ({ path }) => {
      const file = relative(root, path);
      const contents = instead[file]?.();
      if (!contents) return null;
      replaced.add(file);
      return { contents, loader: 'js', resolveDir: dirname(join(root, file)) };
    });
    build.onEnd(() => {
      const missed = Object.keys(instead).filter((file) => !replaced.has(file));
      if (missed.length > 0)
        throw new Error(`${missed.join(', ')}: not in the bundle any more; see scripts/prepare.ts`);
    });
  },
};

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
