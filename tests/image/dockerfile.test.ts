/** What has to agree between the image's files and the rest of the project; needs no engine. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bundle } from '../../scripts/bundle.ts';
import { root } from '../e2e/product.ts';
import { composed } from './container.ts';
import { BASE, dockerfile } from './engine.ts';

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const about = JSON.parse(read('package.json')) as { version: string; optionalDependencies: Record<string, string> };
const readme = read('deploy/docker/README.md');

test('one version, one Node', () => {
  expect([...dockerfile.matchAll(/^ARG VERSION=(.*)$/gm)].map((m) => m[1])).toEqual([about.version, about.version]);
  expect(read('deploy/docker/compose.yaml')).toContain(`image: deckhand:${about.version}`);
  const node = new Set(Object.values(about.optionalDependencies));
  expect([...node]).toHaveLength(1);
  expect(BASE).toMatch(new RegExp(`^node:${[...node][0]}-[a-z]+-slim$`));
  expect(dockerfile).toContain(`base.name="docker.io/library/${BASE}"`);
});

test('both builders understand it: nothing that only BuildKit has', () => {
  expect(dockerfile).not.toMatch(/^# *syntax=|--mount=|--chmod|<<|--link/m);
});

test('the bundle needs no node_modules: it imports nothing but Node’s own modules and itself', async () => {
  const { metafile } = await bundle();
  const outside = Object.values(metafile.outputs).flatMap((o) => o.imports.filter((i) => i.external));
  // systeminformation asks for the first two on a Mac only, ioredis' debug for the last one to colour its lines; both go on without.
  const elsewhere = /^(?:(?:osx|macos)-temperature-sensor|supports-color)$/;
  expect(outside.map((i) => i.path).filter((path) => !isBuiltin(path) && !elsewhere.test(path))).toEqual([]);
});

test('what the README says to paste is what compose.yaml says', () => {
  const words = (/docker run -d ([\s\S]*?)\n {2}deckhand:/.exec(readme)?.[1] ?? '').split(/[\s\\]+/).filter(Boolean);
  const flags: string[] = [];
  for (const word of words)
    if (word.startsWith('-')) flags.push(word);
    else flags.push(`${flags.pop()}=${word}`);
  const plain = (list: string[]) =>
    list
      .filter((f) => !/^(-p|--name)=/.test(f))
      .map((f) => f.replace('--read-only=true', '--read-only').replace(':true', ''))
      .map((f) => f.replace(/^-v=\w+:\/var/, '-v=VOLUME:/var'))
      .sort();
  expect(plain(flags)).toEqual(plain(composed()));
  expect(flags).toContain('-p=127.0.0.1:7070:7070');
});

test.skipIf(spawnSync('shellcheck', ['--version']).status !== 0)('root.sh passes shellcheck', () => {
  const { status, stdout } = spawnSync('shellcheck', [join(root, 'deploy/docker/root.sh')], { encoding: 'utf8' });
  expect(`${status}${stdout}`).toBe('0');
});
