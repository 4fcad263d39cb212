/**
 * `npm run release [-- --out DIR] [--arch x64|arm64] [--only tarball|executable]`: the files of a release, and their checksums.
 * Decides what may be released (a clean checkout) and of which date it is; the same commit gives the same bytes. What is in the files
 * is decided in release/.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { changes, git, nameOf, releaseTarball } from './release/contents.ts';
import { releaseExecutable } from './release/executable.ts';
import { ARCHES, type Arch } from './release/node.ts';
import { sha256, sums } from './release/tar.ts';

const HELP = `npm run release -- [--out DIR] [--arch x64|arm64] [--only tarball|executable] [--allow-dirty]

Writes deckhand-VERSION-linux-ARCH.tar.gz, the single executable deckhand-VERSION-linux-ARCH, and SHA256SUMS over all of them.
The date in them is SOURCE_DATE_EPOCH, or the commit's. --allow-dirty: also from a checkout with changes that are in no commit.
`;

try {
  await main();
} catch (error) {
  process.stderr.write(`release: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: 'release' },
      arch: { type: 'string', default: process.arch },
      only: { type: 'string' },
      'allow-dirty': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  const arch = ARCHES.find((a) => a === values.arch);
  if (!arch) throw new Error(`--arch is ${ARCHES.join(' or ')}, not ${values.arch}`);
  const { only } = values;
  if (only !== undefined && only !== 'tarball' && only !== 'executable')
    throw new Error(`--only is tarball or executable, not ${only}`);
  refuseDirty(values['allow-dirty']);
  const epochS = dateOf();
  const out = resolve(values.out);
  mkdirSync(out, { recursive: true });
  if (only !== 'executable') put(out, `${nameOf(arch)}.tar.gz`, await releaseTarball(arch, epochS), 0o644);
  if (only !== 'tarball') await executable(out, arch, epochS);
  writeSums(out);
}

async function executable(out: string, arch: Arch, epochS: number): Promise<void> {
  const { program, sbom } = await releaseExecutable(arch, epochS);
  put(out, nameOf(arch), program, 0o755);
  put(out, `${nameOf(arch)}.cdx.json`, Buffer.from(sbom), 0o644);
}

/** What nobody can make again from the commit is no release. */
function refuseDirty(allowed: boolean): void {
  const changed = changes(git(['status', '--porcelain']));
  if (changed.length === 0) return;
  const list = changed.slice(0, 5).join('\n  ') + (changed.length > 5 ? `\n  … and ${changed.length - 5} more` : '');
  if (!allowed)
    throw new Error(
      `the checkout has changes that are in no commit:\n  ${list}\nCommit them, or say --allow-dirty for a trial.`,
    );
  process.stderr.write(`release: a trial, not a release: ${changed.length} files differ from the commit\n`);
}

function dateOf(): number {
  const said = process.env.SOURCE_DATE_EPOCH ?? git(['log', '-1', '--format=%ct']).trim();
  const epochS = Number(said);
  if (!Number.isSafeInteger(epochS) || epochS < 0 || epochS > 0o77777777777)
    throw new Error(`SOURCE_DATE_EPOCH is no number of seconds: ${said}`);
  return epochS;
}

/** Whole or not at all. */
function put(out: string, name: string, data: Buffer, mode: number): void {
  const part = join(out, `.${name}.${process.pid}`);
  writeFileSync(part, data, { mode });
  renameSync(part, join(out, name));
  process.stdout.write(`${join(out, name)}  ${Math.round(data.length / 1e6)} MB  ${sha256(data)}\n`);
}

/** Of all that lies there of any version or architecture: each run may make a part of them. */
function writeSums(out: string): void {
  const files = readdirSync(out).filter((name) => name.startsWith('deckhand-'));
  const text = sums(files.map((path) => ({ path, data: readFileSync(join(out, path)) })));
  writeFileSync(join(out, 'SHA256SUMS'), text);
}
