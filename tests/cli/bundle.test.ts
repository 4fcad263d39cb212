/** What each command drags in, by the bundle's own list of modules: a start is slow by what it loads, not by what it says. */
import { beforeAll, describe, expect, test } from 'vitest';
import { builtinsByNeed, bundle, inside, loads, outputOf } from '../../scripts/bundle.ts';

type Bundle = Awaited<ReturnType<typeof bundle>>;
let made: Bundle;
beforeAll(async () => {
  made = await bundle();
});

/** Packages and folders of ours that loading this source file loads; with the entry, as every command begins there. */
function loaded(...sources: string[]): string[] {
  const { outputs } = made.metafile;
  const paths = ['src/main.ts', ...sources].flatMap((s) => [...loads(outputs, outputOf(outputs, s))]);
  return [...inside(outputs, new Set(paths)).keys()].sort();
}

const HEAVY = ['pino', 'yaml', 'hono', '@hono/node-server'];

test('help and version load neither settings nor the product', () => {
  const names = loaded();
  expect(names).toEqual(['src/cli', 'src/config', 'src/core', 'src/main.ts']);
  const paths = [...loads(made.metafile.outputs, outputOf(made.metafile.outputs, 'src/main.ts'))];
  const own = paths.flatMap((p) => Object.keys(made.metafile.outputs[p]?.inputs ?? {}));
  expect(own.filter((f) => f.startsWith('src/config/'))).toEqual(['src/config/env.ts']);
});

test('a call at the terminal loads no protocol', () => {
  const names = loaded('src/cli/run.ts');
  for (const name of [...HEAVY, '@modelcontextprotocol/server']) expect(names).not.toContain(name);
});

test('stdio loads nothing of HTTP, and of pino and yaml only when a line or a file needs them', () => {
  const names = loaded('src/cli/run.ts', 'src/cli/stdio.ts');
  expect(names).toContain('@modelcontextprotocol/server');
  for (const name of HEAVY) expect(names).not.toContain(name);
});

test('no command loads Ajv, or the words of zod in other languages', () => {
  const inputs = Object.values(made.metafile.outputs).flatMap((o) => Object.entries(o.inputs));
  const bytes = (part: RegExp) =>
    inputs.reduce((n, [f, { bytesInOutput }]) => n + (part.test(f) ? bytesInOutput : 0), 0);
  expect(bytes(/ajvProvider|cfWorker/)).toBe(0);
  expect(bytes(/zod\/v4\/locales\/(?!en\.js)/)).toBe(0);
  expect(bytes(/systeminformation|dockerode/)).toBe(0);
});

test('none of Node’s own modules is imported in a way that loads all of it', () => {
  for (const [name, text] of made.files)
    expect(
      text.match(/import[^"']*from\s*["']node:[^"']*["']/g)?.filter((i) => !i.includes('createRequire')) ?? [],
      name,
    ).toEqual([]);
});

describe('builtinsByNeed', () => {
  test.each([
    [
      'import{readFileSync as a,statSync}from"node:fs";x(a)',
      'const{readFileSync:a,statSync}=process.getBuiltinModule("node:fs");x(a)',
    ],
    ['import*as a from"node:path";x', 'const a=process.getBuiltinModule("node:path");x'],
    ['import a from"crypto";x', 'const a=process.getBuiltinModule("crypto");x'],
    [
      'import a,{b as c}from"node:fs";x',
      'const a=process.getBuiltinModule("node:fs");const{b:c}=process.getBuiltinModule("node:fs");x',
    ],
    ['import{a}from"./chunk-X.mjs";import"./b.mjs";x', 'import{a}from"./chunk-X.mjs";import"./b.mjs";x'],
    ['import{a}from"pino";x', 'import{a}from"pino";x'],
    [
      'let y=1;import{a as $b}from"node:fs/promises";x',
      'const{a:$b}=process.getBuiltinModule("node:fs/promises");let y=1;x',
    ],
  ])('%s', (text, expected) => {
    expect(builtinsByNeed(text)).toBe(expected);
  });
});
