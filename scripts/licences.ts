/** Licences of what is in a bundle: their texts must go with the copies. Says which packages these are by esbuild's own list. */
import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { packageOf, root } from './bundle.ts';

export function licences({ inputs }: Metafile): string {
  const packages = new Map<string, string>();
  for (const input of Object.keys(inputs)) {
    const dir = packageOf(input);
    if (!dir || packages.has(dir)) continue;
    const about = JSON.parse(readFileSync(join(root, dir, 'package.json'), 'utf8')) as Record<string, string>;
    const texts = globSync('{LICENSE,LICENCE,License,license,COPYING,NOTICE}*', { cwd: join(root, dir) })
      .filter((f) => statSync(join(root, dir, f)).isFile())
      .sort()
      .map((f) => readFileSync(join(root, dir, f), 'utf8').trim());
    const body = texts.length ? texts.join('\n\n') : `License: ${about.license} (the package brings no text of it)`;
    packages.set(dir, `${about.name} ${about.version} (${about.license})\n\n${body}\n`);
  }
  const line = `\n${'-'.repeat(78)}\n\n`;
  return `dist/ contains code of these packages.\n${line}${[...packages.values()].sort().join(line)}`;
}
