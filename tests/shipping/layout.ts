/**
 * /opt/deckhand as the release lays it out, made from the built checkout and the Node of node_modules: for a file system of a test that
 * has no Node and no npm. What `service install` does (units, user, drop-ins) is not done here.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VERSION } from '../../src/cli/version.ts';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const node = join(checkout, `node_modules/node-linux-${process.arch}/bin/node`);

const LAUNCHER = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here/../node/bin/node" --max-semi-space-size=2 "$here/deckhand.mjs" "$@"
`;

/** What is missing for it here; empty: it can be made. */
export function lackingForLayout(): string[] {
  return [
    ...(existsSync(join(checkout, 'dist/main.mjs')) ? [] : ['dist/ (npm run build)']),
    ...(existsSync(node) ? [] : [`${node} (npm ci)`]),
  ];
}

/** The folder of one version, as it lies in the release tarball: in `to`, which must not be there. */
export function layVersion(to: string, version: string = VERSION): void {
  mkdirSync(join(to, 'bin'), { recursive: true, mode: 0o755 });
  mkdirSync(join(to, 'node/bin'), { recursive: true, mode: 0o755 });
  const copy = (path: string) => cpSync(join(checkout, path), join(to, path), { recursive: true, filter: wanted });
  for (const path of ['dist', 'deploy', 'docs', 'README.md', 'CHANGELOG.md', 'LICENSE', 'bin/deckhand.mjs']) copy(path);
  for (const path of ['lxc', 'tailscale']) if (existsSync(join(checkout, path))) copy(path);
  cpSync(node, join(to, 'node/bin/node'), { dereference: true });
  writeFileSync(join(to, 'bin/deckhand'), LAUNCHER);
  for (const path of ['bin/deckhand', 'bin/deckhand.mjs', 'node/bin/node']) chmodSync(join(to, path), 0o755);
  writeFileSync(join(to, 'package.json'), `${JSON.stringify({ name: 'deckhand', version, type: 'module' })}\n`);
}

/** `root`/opt/deckhand with one version, which is the current one, and the command in `root`/usr/local/bin. */
export function layOut(root: string, version: string = VERSION): string {
  const opt = join(root, 'opt/deckhand');
  layVersion(join(opt, 'versions', version), version);
  switchTo(opt, version);
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
  symlinkSync('/opt/deckhand/current/bin/deckhand', join(root, 'usr/local/bin/deckhand'));
  return opt;
}

export function switchTo(opt: string, version: string): void {
  const next = join(opt, '.current.next');
  symlinkSync(`versions/${version}`, next);
  renameSync(next, join(opt, 'current'));
}

/** The compile cache is of the user who made it. */
const wanted = (path: string) => !path.includes('.compile-cache');
