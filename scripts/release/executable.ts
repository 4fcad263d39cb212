/**
 * The single executable: Node with Deckhand in it, by Node's own way for such (`node:sea`). Decides what is in it and how it is started:
 * the modules of dist/ as they are, but as CommonJS (in an executable `import()` reaches no assets), each an asset, loaded by loader.js.
 * No flag of Node can be given to it, neither by NODE_OPTIONS nor on its command line: what it runs is what is in it.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { transform } from 'esbuild';
import { bundle, REQUIRE } from '../bundle.ts';
import { licences } from '../licences.ts';
import { injected, stripped } from './elf.ts';
import { type Arch, nodeOf } from './node.ts';
import { sbom } from './sbom.ts';

export async function releaseExecutable(arch: Arch, epochS: number): Promise<{ program: Buffer; sbom: string }> {
  const node = nodeOf(arch);
  const builder = arch === process.arch ? node : nodeOf(process.arch as Arch);
  const work = mkdtempSync(join(tmpdir(), 'deckhand-executable-'));
  try {
    writeFileSync(join(work, 'builder'), builder.program, { mode: 0o755 });
    const { files, metafile } = await bundle({ entry: 'src/executable.ts' });
    const modules = join(work, 'modules');
    mkdirSync(modules);
    for (const [name, text] of files) writeFileSync(join(modules, name), await wrapped(name, text));
    // Another architecture's V8 would have to be asked: without code it compiles what it needs when it needs it.
    if (arch === process.arch) run(work, ['--hash-seed=42', join(import.meta.dirname, 'code.cjs'), modules]);
    writeFileSync(join(work, 'licences'), `${node.licence}\n\n${licences(metafile)}`);
    const list = sbom({ metafile, node, epochS, parts: partsOf(work) });
    writeFileSync(join(work, 'sbom'), list);
    const blob = blobOf(work, [...files.keys()], arch === process.arch);
    return { program: injected(stripped(node.program), blob), sbom: list };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** As loader.js takes it. ASCII, so that V8 holds it with one byte for each character. */
async function wrapped(name: string, text: string): Promise<string> {
  const { code, warnings } = await transform(text.replace(REQUIRE, ''), {
    format: 'cjs',
    platform: 'node',
    target: 'node24',
    minify: true,
    charset: 'ascii',
    legalComments: 'none',
    supported: { 'dynamic-import': false },
    // Only program.ts asks, and not in here.
    logOverride: { 'empty-import-meta': 'silent' },
  });
  if (warnings.length > 0) throw new Error(`${name}: ${warnings.map((w) => w.text).join('; ')}`);
  // As a module it is strict, and so are the CommonJS packages in it.
  return `(function(exports,require,module){"use strict";${code}\n})`;
}

/** Relative paths, because they are kept in the executable. */
function blobOf(work: string, names: readonly string[], code: boolean): Buffer {
  const loader = readFileSync(join(import.meta.dirname, 'loader.js'), 'latin1').replace(/^\/\*[\s\S]*?\*\/\n/, '');
  writeFileSync(join(work, 'loader.js'), loader);
  writeFileSync(join(work, 'main.js'), `${loader.replace(/;\s*$/, '')}('main.mjs').start(process.argv.slice(2));\n`);
  const assets = names.flatMap((name) => (code ? [name, `${name}.code`] : [name]));
  const config = {
    main: 'main.js',
    output: 'blob',
    disableExperimentalSEAWarning: true,
    // As bin/deckhand of the tarball does it.
    execArgv: ['--max-semi-space-size=2'],
    execArgvExtension: 'none',
    assets: {
      'loader.js': 'loader.js',
      licences: 'licences',
      sbom: 'sbom',
      ...Object.fromEntries(assets.sort().map((name) => [basename(name), `modules/${name}`])),
    },
  };
  writeFileSync(join(work, 'config.json'), JSON.stringify(config));
  run(work, ['--experimental-sea-config', 'config.json']);
  return readFileSync(join(work, 'blob'));
}

function run(work: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(join(work, 'builder'), args, {
    cwd: work,
    env: { PATH: process.env.PATH, HOME: work },
    encoding: 'utf8',
    timeout: 180_000,
  });
  if (status !== 0) throw new Error(`node ${args[0]}: ${error?.message ?? stderr.trim().slice(-2_000)}`);
  return stdout;
}

/** The same version's parts are the same for another architecture. */
function partsOf(work: string): NodeJS.ProcessVersions {
  return JSON.parse(run(work, ['-p', 'JSON.stringify(process.versions)'])) as NodeJS.ProcessVersions;
}
