/**
 * What the release tarball holds: the bundle as esbuild makes it now (never what happens to lie in dist/), the Node for it, and of
 * this checkout's folders what git knows, so that nobody's notes or backups go along. Decides names and modes; no file in it says
 * where it was made.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, root, version } from '../bundle.ts';
import { licences } from '../licences.ts';
import { type Arch, nodeOf } from './node.ts';
import { sbom } from './sbom.ts';
import { type Entry, sums, tarball } from './tar.ts';

const FOLDERS = ['deploy', 'lxc', 'tailscale', 'docs'];
const FILES = ['bin/deckhand.mjs', 'README.md', 'CHANGELOG.md', 'LICENSE', 'SECURITY.md', 'package.json'];

export const nameOf = (arch: Arch): string => `deckhand-${version}-linux-${arch}`;

export async function releaseTarball(arch: Arch, epochS: number): Promise<Buffer> {
  const entries = await releaseEntries(arch, epochS);
  return tarball(
    entries.map((e) => ({ ...e, path: `${nameOf(arch)}/${e.path}` })),
    epochS,
  );
}

/** Paths below the tarball's folder. */
export async function releaseEntries(arch: Arch, epochS: number): Promise<Entry[]> {
  const { files, metafile } = await bundle();
  const node = nodeOf(arch);
  const text = (path: string, data: string): Entry => ({ path, data: Buffer.from(data) });
  const parts = node.version === process.versions.node ? process.versions : null;
  const entries: Entry[] = [
    ...[...files].map(([name, data]) => text(`dist/${name}`, data)),
    text('dist/THIRD_PARTY_LICENSES.txt', licences(metafile)),
    ...[...FILES, ...known(FOLDERS)].map((path) => ({
      path,
      data: readFileSync(join(root, path)),
      executable: (statSync(join(root, path)).mode & 0o111) !== 0,
    })),
    { path: 'install.sh', data: readFileSync(join(root, 'deploy/install.sh')), executable: true },
    { path: 'bin/deckhand', data: readFileSync(join(root, 'scripts/release/deckhand.sh')), executable: true },
    { path: 'node/bin/node', data: node.program, executable: true },
    { path: 'node/LICENSE', data: node.licence },
    text('sbom.cdx.json', sbom({ metafile, node, epochS, parts })),
  ];
  return [...entries, text('SHA256SUMS', sums(entries))];
}

/** Tracked, or new and not ignored: the latter only while somebody works on it, for a release wants a clean checkout. */
function known(folders: readonly string[]): string[] {
  const paths = git(['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', ...folders]).split('\0');
  return [...new Set(paths)].filter((path) => path !== '' && existsSync(join(root, path))).sort();
}

/** Of `git status --porcelain`. What is ignored (dist/, node_modules) plays no part: nothing of it is taken. */
export const changes = (status: string): string[] => status.split('\n').filter(Boolean);

export function git(args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`A release is made from a git checkout: ${error?.message ?? stderr.trim()}`);
  return stdout;
}
