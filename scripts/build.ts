/**
 * Writes the bundle into dist/. Decides that a process which starts while this runs finds either the old program or the new
 * one: chunks are named by their content, main.mjs is put in its place last and at once, and the chunks of the program
 * before it are kept until the next build. It is run by Node's type stripping, so by Node 24: npm puts
 * node_modules/.bin first on PATH, and the `node` there is the bundled one, also where the machine's own is 20.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { bundle, inside, loads, root, version } from './bundle.ts';
import { licences } from './licences.ts';

const dist = join(root, 'dist');
const MANIFEST = 'manifest.json';
const CACHE = '.compile-cache';

const { files, metafile } = await bundle();
files.set('THIRD_PARTY_LICENSES.txt', licences(metafile));

mkdirSync(dist, { recursive: true });
const before = previous();
let changed = false;
for (const [name, text] of files) if (name !== 'main.mjs') put(name, text);
put('main.mjs', files.get('main.mjs') ?? '');
if (changed) put(MANIFEST, `${JSON.stringify([...files.keys()].sort())}\n`);
prune(before);
report(process.argv.includes('--sizes'));

function put(name: string, text: string): void {
  const path = join(dist, name);
  if (current(path) === text) return;
  changed = true;
  const made = `${path}.${process.pid}.tmp`;
  writeFileSync(made, text, { mode: 0o644 });
  renameSync(made, path);
}

function current(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function previous(): string[] {
  try {
    return JSON.parse(current(join(dist, MANIFEST)) ?? '[]') as string[];
  } catch {
    return [];
  }
}

/** What neither this program nor the one before it needs. An unfinished file of another build is left for an hour. */
function prune(before: readonly string[]): void {
  const keep = new Set([...files.keys(), ...(changed ? before : previous()), MANIFEST]);
  if (!changed) keep.add(CACHE);
  for (const name of readdirSync(dist)) {
    if (keep.has(name)) continue;
    const path = join(dist, name);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    if (!name.endsWith('.tmp') || age > 3_600_000) rmSync(path, { recursive: true, force: true });
  }
}

/** One line; with --sizes what each command loads, and the largest packages in it. */
function report(details: boolean): void {
  const code = [...files].filter(([name]) => name.endsWith('.mjs'));
  const bytes = (names: Iterable<string>) =>
    [...names].reduce((n, name) => n + Buffer.byteLength(files.get(name) ?? ''), 0);
  const kib = (n: number) => `${Math.round(n / 1024)} KiB`;
  const say = (text: string) => process.stdout.write(`${text}\n`);
  say(
    `dist/: ${code.length} files, ${kib(bytes(files.keys()))} (${changed ? 'built' : 'unchanged'}), version ${version}`,
  );
  if (!details) return;
  const { outputs } = metafile;
  for (const [path, output] of Object.entries(outputs)) {
    if (!output.entryPoint) continue;
    const paths = loads(outputs, path);
    const names = [...paths].map((p) => basename(p));
    const text = names.map((n) => files.get(n)).join('');
    say(`  ${output.entryPoint}: ${names.length} files, ${kib(bytes(names))} (gzip ${kib(gzipSync(text).length)})`);
    const largest = [...inside(outputs, paths)].slice(0, 6);
    say(`    ${largest.map(([name, n]) => `${name} ${kib(n)}`).join(', ')}`);
  }
}
