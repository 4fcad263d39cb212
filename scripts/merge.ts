/**
 * After esbuild: chunks that are always loaded together become one file. esbuild makes one of each set of entries that share code, here
 * more than a hundred; and each file costs a start its imports, its lookups, its place in the compile cache, and, because Node's resolver
 * then gets hot, five megabytes of V8's last compiler. Decides which chunks that are, never what is in them; what a command loads
 * stays what it was, but for small words of ours.
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { type BuildOptions, build, type Metafile } from 'esbuild';

export interface Made {
  /** Text by file name. */
  files: Map<string, string>;
  outputs: Metafile['outputs'];
}

/** Source files that commands begin with. */
export interface Faces {
  /** Each is loaded after the one before it: all that it loads beyond that is one file. */
  first: readonly string[];
  /** What is left goes together when the same ones of these load it. */
  others: readonly string[];
  /** A chunk that holds any of these stays apart. */
  apart: RegExp;
}

const DIST = 'dist/';
const IMPORT = /\bimport(?:\{(?<names>[^}]*)\}from)?"\.\/(?<file>[\w.-]+\.mjs)";/g;
const EXPORT = /\bexport\{(?<names>[^}]*)\};\s*$/;

type Outputs = Metafile['outputs'];
type LoadsOf = (outputs: Outputs, source: string) => Set<string>;

/** Chunks by the group they go into; entries stay what they are. */
export function groups(outputs: Outputs, faces: Faces, loadsOf: LoadsOf): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const placed = new Set<string>();
  const place = (path: string, group: string) => {
    placed.add(path);
    found.set(group, [...(found.get(group) ?? []), path]);
  };
  const chunks = Object.entries(outputs).flatMap(([path, { entryPoint, inputs }]) =>
    entryPoint || Object.keys(inputs).some((input) => faces.apart.test(input)) ? [] : [path],
  );
  for (const source of faces.first) {
    const loaded = loadsOf(outputs, source);
    for (const path of chunks) if (loaded.has(path) && !placed.has(path)) place(path, source);
  }
  const others = faces.others.map((source) => loadsOf(outputs, source));
  for (const path of chunks) {
    if (placed.has(path)) continue;
    const by = others.flatMap((loaded, i) => (loaded.has(path) ? [i] : [])).join();
    // What no command begins with is loaded in its own time.
    if (by !== '') place(path, by);
  }
  return found;
}

/** Puts each group into one file, and names all files by the content of all: none of two builds is ever mixed with the other's. */
export async function merged(made: Made, found: Map<string, string[]>, options: BuildOptions): Promise<Made> {
  const tag = createHash('sha256')
    .update([...made.files.values()].join('\0'))
    .digest('hex')
    .slice(0, 8);
  const groupOf = new Map<string, string>();
  for (const [i, paths] of [...found.values()].entries())
    for (const path of paths) groupOf.set(basename(path), `part${i}-${tag}.mjs`);
  const outputOf = (file: string) => made.outputs[`${DIST}${file}`];
  const nameOf = (file: string) =>
    groupOf.get(file) ?? (outputOf(file)?.entryPoint === 'src/main.ts' ? file : file.replace(/\.mjs$/, `-${tag}.mjs`));
  const placeOf = new Map([...groupOf.keys()].map((file, i) => [file, i]));
  const outer = (file: string, name: string) => (groupOf.has(file) ? `p${placeOf.get(file)}_${name}` : name);

  /** The text with what it takes from other files under their new names, as far as those are not in `within`. */
  function renamed(file: string, within: string | null): string {
    let seen = 0;
    const text = (made.files.get(file) as string).replace(IMPORT, (...found) => {
      seen++;
      const { names, file: from } = found.at(-1) as { names?: string; file: string };
      if (within !== null && groupOf.get(from) === within) return found[0] as string;
      if (names === undefined) return `import"./${nameOf(from)}";`;
      const taken = names.split(',').map((n) => {
        const [theirs = '', ours = theirs] = n.split(' as ');
        return `${outer(from, theirs)} as ${ours}`;
      });
      return `import{${taken.join()}}from"./${nameOf(from)}";`;
    });
    const imports = outputOf(file)?.imports.filter((i) => i.kind === 'import-statement' && !i.external) ?? [];
    if (seen !== imports.length)
      throw new Error(`${file}: ${seen} of ${imports.length} imports found: see scripts/merge.ts`);
    return text.replace(/\bimport\("\.\/([\w.-]+\.mjs)"\)/g, (_, from: string) => `import("./${nameOf(from)}")`);
  }

  const files = new Map<string, string>();
  for (const file of made.files.keys()) if (!groupOf.has(file)) files.set(nameOf(file), renamed(file, null));
  for (const group of new Set(groupOf.values())) {
    const inside = [...groupOf].filter(([, g]) => g === group).map(([file]) => file);
    const contents = inside.map((file) => {
      const names = EXPORT.exec(made.files.get(file) as string)?.groups?.names ?? '';
      const given = names.split(',').flatMap((n) => (n === '' ? [] : [n.split(' as ').at(-1) as string]));
      const passed = given.map((n) => `${n} as ${outer(file, n)}`).join();
      return `import"./${file}";${passed ? `export{${passed}}from"./${file}";` : ''}`;
    });
    const { outputFiles } = await build({
      ...options,
      metafile: false,
      stdin: { contents: contents.join('\n'), loader: 'js' },
      plugins: [
        {
          name: 'chunks of one file',
          setup(b) {
            b.onResolve({ filter: /^\.\// }, ({ path }) => {
              const file = path.slice(2);
              return groupOf.get(file) === group ? { path: file, namespace: 'chunk' } : { path, external: true };
            });
            b.onLoad({ filter: /.*/, namespace: 'chunk' }, ({ path }) => ({
              contents: renamed(path, group),
              loader: 'js',
            }));
          },
        },
      ],
    });
    files.set(group, outputFiles?.[0]?.text as string);
  }
  return { files, outputs: described(made.outputs, (file) => nameOf(file)) };
}

/** What esbuild says of its outputs, said of ours. */
function described(outputs: Outputs, nameOf: (file: string) => string): Outputs {
  const all: Outputs = {};
  const renamed = (path: string) => `${DIST}${nameOf(basename(path))}`;
  for (const [path, output] of Object.entries(outputs)) {
    const to = renamed(path);
    const { inputs, imports, bytes } = all[to] ?? { inputs: {}, imports: [], bytes: 0 };
    const more = output.imports
      .map((i) => (i.external ? i : { ...i, path: renamed(i.path) }))
      .filter((i) => i.path !== to && !imports.some((j) => j.path === i.path && j.kind === i.kind));
    const taken = more.filter((i, at) => more.findIndex((j) => j.path === i.path && j.kind === i.kind) === at);
    all[to] = {
      ...output,
      exports: [],
      bytes: bytes + output.bytes,
      inputs: { ...inputs, ...output.inputs },
      imports: [...imports, ...taken],
    };
  }
  noCircle(all);
  return all;
}

/** Two files that wait for each other would find what they take from the other not made yet. */
function noCircle(outputs: Outputs): void {
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]) => {
    if (way.includes(path))
      throw new Error(`files import each other: ${[...way, path].join(' → ')}; see scripts/merge.ts`);
    if (done.has(path)) return;
    for (const i of outputs[path]?.imports ?? [])
      if (i.kind === 'import-statement' && !i.external) visit(i.path, [...way, path]);
    done.add(path);
  };
  for (const path of Object.keys(outputs)) visit(path, []);
}
