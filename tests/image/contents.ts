/** What lies in the image, read from the tar that the engine gives of a container of it. */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Engine, IMAGE } from './engine.ts';

export interface Entry {
  mode: string;
  owner: string;
  bytes: number;
  /** Without slashes at either end. */
  path: string;
}

/** Made by the engine for every container. */
const ENGINES = /^(dev|proc|sys|\.dockerenv|etc\/(hosts|hostname|resolv\.conf|mtab))(\/|$)/;

export async function tree(engine: Engine): Promise<Entry[]> {
  const id = (await engine.docker(['create', IMAGE])).out.trim();
  const tar = join(engine.dir, 'image.tar');
  await engine.docker(['export', '-o', tar, id]);
  const { stdout } = spawnSync('tar', ['--numeric-owner', '-tvf', tar], { encoding: 'utf8' });
  rmSync(tar);
  await engine.docker(['rm', '-v', id]);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [mode = '', owner = '', bytes = '', , , ...name] = line.split(/\s+/);
      const path = name
        .join(' ')
        .replace(/ -> .*/, '')
        .replace(/\/$/, '');
      return { mode, owner, bytes: Number(bytes), path };
    })
    .filter((entry) => !ENGINES.test(entry.path));
}

const PARTS: [string, RegExp][] = [
  ['Node', /^usr\/local\/bin\/node$/],
  ['C and C++ libraries', /^usr\/lib/],
  ['tini and env', /^usr\/bin\//],
  ['Deckhand, compile cache', /^opt\/deckhand\/dist\/\.compile-cache\//],
  ['licences', /LICEN[CS]E|^usr\/share\/doc\//],
  ['Deckhand', /^opt\/deckhand\//],
  ['the rest', /./],
];

/** Bytes of each part, and of all. */
export function parts(files: readonly Entry[]): [string, number][] {
  const sums = new Map<string, number>();
  for (const file of files) {
    const part = PARTS.find(([, is]) => is.test(file.path))?.[0] ?? 'the rest';
    sums.set(part, (sums.get(part) ?? 0) + file.bytes);
  }
  return [...sums, ['all', files.reduce((sum, file) => sum + file.bytes, 0)]];
}
