/** What each command drags in, by the bundle's own list of modules: a start is slow by what it loads, not by what it says. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { builtinsByNeed, bundle, inAscii, inside, loads, outputOf, root } from '../../scripts/bundle.ts';
import { groups } from '../../scripts/merge.ts';
import { instead } from '../../scripts/prepare.ts';
import { listed } from '../../src/edge/listing.ts';
import type { Prepared } from '../../src/edge/prepared.ts';
import { catalog } from '../../src/tools/index.ts';

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
  const names = loaded('src/cli/run.ts', 'src/cli/at_terminal.ts', 'src/cli/product.ts');
  for (const name of [...HEAVY, '@modelcontextprotocol/server']) expect(names).not.toContain(name);
});

test('stdio loads for its first answers no package at all, no tool, no database and no log', () => {
  const { outputs } = made.metafile;
  const paths = ['src/main.ts', 'src/cli/run.ts', 'src/cli/stdio.ts'].flatMap((s) => [
    ...loads(outputs, outputOf(outputs, s)),
  ]);
  const files = [...new Set(paths.flatMap((p) => Object.keys(outputs[p]?.inputs ?? {})))];
  expect(files.filter((f) => f.includes('node_modules'))).toEqual([]);
  expect(files.filter((f) => /^src\/(app|log|sampler|tools|insight)\b/.test(f))).toEqual([]);
  expect(files.filter((f) => f.startsWith('src/store/'))).toEqual(['src/store/state.ts']);
  const text = [...new Set(paths)].map((p) => made.files.get(basename(p))).join('');
  expect(text).not.toMatch(/node:(sqlite|worker_threads|child_process|http)/);
});

test('stdio loads nothing of HTTP, and of pino and yaml only when a line or a file needs them', () => {
  const names = loaded('src/cli/run.ts', 'src/cli/stdio.ts', 'src/cli/product.ts', 'src/edge/served.ts');
  expect(names).toContain('@modelcontextprotocol/server');
  for (const name of HEAVY) expect(names).not.toContain(name);
});

test('what edits the settings of clients is loaded by the commands for that alone', () => {
  const { outputs } = made.metafile;
  const own = (...sources: string[]) =>
    ['src/main.ts', ...sources].flatMap((s) =>
      [...loads(outputs, outputOf(outputs, s))].flatMap((p) => Object.keys(outputs[p]?.inputs ?? {})),
    );
  const clients = (files: string[]) => files.filter((f) => /^src\/setup\/clients\/|jsonc-parser/.test(f));
  for (const sources of [
    ['src/cli/stdio.ts', 'src/cli/product.ts'],
    ['src/cli/serve.ts'],
    ['src/cli/administration.ts'],
  ])
    expect(clients(own('src/cli/run.ts', ...sources)), sources.join()).toEqual([]);
  expect(clients(own('src/setup/clients/index.ts')).length).toBeGreaterThan(5);
});

test('no command loads Ajv, or the words of zod in other languages', () => {
  const inputs = Object.values(made.metafile.outputs).flatMap((o) => Object.entries(o.inputs));
  const bytes = (part: RegExp) =>
    inputs.reduce((n, [f, { bytesInOutput }]) => n + (part.test(f) ? bytesInOutput : 0), 0);
  expect(bytes(/ajvProvider|cfWorker/)).toBe(0);
  expect(bytes(/zod\/v4\/locales\/(?!en\.js)/)).toBe(0);
});

test('systeminformation is in the child’s program alone, and no start loads the readers of hardware', () => {
  const { outputs } = made.metafile;
  const child = outputOf(outputs, 'src/host/hardware/child.ts');
  expect(child).toBe('dist/hardware.mjs');
  // Whatever the program can come to load, also later.
  const reach = (from: string, seen = new Set<string>()): Set<string> => {
    if (seen.has(from)) return seen;
    seen.add(from);
    for (const i of outputs[from]?.imports ?? []) if (!i.external) reach(i.path, seen);
    return seen;
  };
  const program = reach(outputOf(outputs, 'src/main.ts'));
  const childs = reach(child);
  expect([...inside(outputs, program).keys()]).not.toContain('systeminformation');
  expect([...inside(outputs, childs).keys()]).toContain('systeminformation');
  expect([...childs].filter((path) => program.has(path))).toEqual([]);
  // Guests are read without it.
  expect([...inside(outputs, loads(outputs, child)).keys()]).toEqual(['src/host']);

  for (const face of ['src/cli/run.ts', 'src/cli/stdio.ts', 'src/cli/serve.ts', 'src/cli/doctor.ts']) {
    const paths = ['src/main.ts', 'src/cli/run.ts', face].flatMap((s) => [...loads(outputs, outputOf(outputs, s))]);
    const own = paths.flatMap((p) => Object.keys(outputs[p]?.inputs ?? {}));
    expect(
      own.filter((f) => f.startsWith('src/host/hardware/')),
      face,
    ).toEqual([]);
  }
});

test('the threads that touch files have a program of their own, and no start loads walk, pool or threads', () => {
  const { outputs } = made.metafile;
  const thread = outputOf(outputs, 'src/host/files/thread.ts');
  expect(thread).toBe('dist/files.mjs');
  expect(outputOf(outputs, 'src/host/disk/thread.ts')).toBe('dist/disk.mjs');
  expect([...inside(outputs, loads(outputs, thread)).keys()].sort()).toEqual(['src/core', 'src/host']);
  for (const face of ['src/cli/run.ts', 'src/cli/stdio.ts', 'src/cli/serve.ts', 'src/cli/product.ts']) {
    const paths = ['src/main.ts', 'src/cli/run.ts', face].flatMap((s) => [...loads(outputs, outputOf(outputs, s))]);
    const own = paths.flatMap((p) => Object.keys(outputs[p]?.inputs ?? {}));
    expect(
      own.filter((f) => /^src\/host\/(?:files|disk)\//.test(f)),
      face,
    ).toEqual([]);
  }
});

test('nothing of the tailnet is loaded where no socket is set for it', () => {
  const { outputs } = made.metafile;
  for (const face of ['src/cli/run.ts', 'src/cli/stdio.ts', 'src/cli/serve.ts', 'src/cli/product.ts']) {
    const paths = ['src/main.ts', 'src/cli/run.ts', face].flatMap((s) => [...loads(outputs, outputOf(outputs, s))]);
    const own = paths.flatMap((p) => Object.keys(outputs[p]?.inputs ?? {}));
    expect(
      own.filter((f) => /^src\/(?:host\/tailnet\/|wiring_tailnet\.ts|policy\/tailnet(?:_guard)?\.ts)/.test(f)),
      face,
    ).toEqual([]);
  }
});

test('nothing of systemd is loaded where it did not start us', () => {
  const { outputs } = made.metafile;
  for (const face of ['src/cli/run.ts', 'src/cli/stdio.ts', 'src/cli/serve.ts', 'src/cli/product.ts']) {
    const paths = ['src/main.ts', 'src/cli/run.ts', face].flatMap((s) => [...loads(outputs, outputOf(outputs, s))]);
    const own = paths.flatMap((p) => Object.keys(outputs[p]?.inputs ?? {}));
    expect(
      own.filter((f) => /^src\/(?:host\/systemd_\w+|edge\/activation|cli\/doctor_unit)\.ts$/.test(f)),
      face,
    ).toEqual([]);
  }
});

test('what parses files before they are written has a program of its own, and no start loads what asks it', () => {
  const { outputs } = made.metafile;
  const child = outputOf(outputs, 'src/host/validate/child.ts');
  expect(child).toBe('dist/validate.mjs');
  // JSON is parsed without either.
  expect([...inside(outputs, loads(outputs, child)).keys()]).toEqual(['src/host']);
  const later = Object.values(outputs).filter((o) => Object.keys(o.inputs).some((f) => f.includes('smol-toml')));
  expect(later.length).toBeGreaterThan(0);
  for (const face of ['src/cli/run.ts', 'src/cli/stdio.ts', 'src/cli/serve.ts', 'src/cli/product.ts']) {
    const paths = ['src/main.ts', 'src/cli/run.ts', face].flatMap((s) => [...loads(outputs, outputOf(outputs, s))]);
    const own = paths.flatMap((p) => Object.keys(outputs[p]?.inputs ?? {}));
    expect(
      own.filter((f) => f.startsWith('src/host/validate/') || f.includes('smol-toml')),
      face,
    ).toEqual([]);
  }
});

test('the program that parses files does so from the bundle, too', () => {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-bundle-'));
  try {
    for (const [name, text] of made.files) if (name.startsWith('validate')) writeFileSync(join(dir, name), text);
    for (const [kind, good, bad] of [
      ['json', '{"a": 1}', '{'],
      ['yaml', 'a: 1', 'a: ['],
      ['toml', 'a = 1', 'a = '],
    ] as const)
      for (const [text, result] of [
        [good, 'ok'],
        [bad, 'failed'],
      ] as const) {
        writeFileSync(join(dir, 'file'), text);
        const { stdout, stderr } = spawnSync(process.execPath, [join(dir, 'validate.mjs'), kind, join(dir, 'file')], {
          encoding: 'utf8',
        });
        expect(JSON.parse(stdout || '{}'), `${kind} ${stderr.slice(-300)}`).toMatchObject({ result });
      }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('dockerode lies in a chunk of its own, loaded by nothing at a start, and without its baggage', () => {
  const { outputs } = made.metafile;
  const adapter = outputOf(outputs, 'src/host/docker/index.ts');
  expect([...inside(outputs, [adapter]).keys()]).toContain('dockerode');
  const faces = ['src/cli/run.ts', 'src/cli/stdio.ts', 'src/cli/serve.ts', 'src/cli/doctor.ts', 'src/cli/product.ts'];
  for (const face of faces) {
    const names = loaded('src/cli/run.ts', face);
    expect(names, face).not.toContain('dockerode');
  }
  const inputs = Object.values(outputs).flatMap((o) => Object.keys(o.inputs));
  expect(inputs.filter((f) => /node_modules\/(ssh2|@grpc|protobufjs|tar-|docker-modem|cpu-features)/.test(f))).toEqual(
    [],
  );
  expect(outputs[adapter]?.bytes).toBeLessThan(150_000);
});

test('what judges tokens of issuers lies in a chunk of its own, with jose, and no start loads it', () => {
  const { outputs } = made.metafile;
  const oauth = loads(outputs, outputOf(outputs, 'src/policy/oauth/index.ts'));
  expect([...inside(outputs, oauth).keys()]).toContain('jose');
  // Whose tokens nobody named costs nothing, whatever the face.
  for (const face of ['src/cli/stdio.ts', 'src/cli/serve.ts', 'src/cli/doctor.ts', 'src/cli/product.ts']) {
    const paths = ['src/main.ts', 'src/cli/run.ts', face].flatMap((s) => [...loads(outputs, outputOf(outputs, s))]);
    const files = paths.flatMap((p) => Object.keys(outputs[p]?.inputs ?? {}));
    expect(
      files.filter((f) => /node_modules\/jose\/|src\/policy\/oauth\/|src\/host\/net\/https_json/.test(f)),
      face,
    ).toEqual([]);
  }
});

test('TLS is loaded where a pair is set, and what makes certificates by one command alone', () => {
  const { outputs } = made.metafile;
  const inputsOf = (...sources: string[]) =>
    ['src/main.ts', ...sources]
      .flatMap((s) => [...loads(outputs, outputOf(outputs, s))])
      .flatMap((p) => Object.keys(outputs[p]?.inputs ?? {}));
  const makers = /node_modules\/(@peculiar|tsyringe|pvtsutils|asn1js)\//;
  for (const face of [
    'src/cli/run.ts',
    'src/cli/stdio.ts',
    'src/cli/serve.ts',
    'src/cli/doctor.ts',
    'src/cli/product.ts',
    'src/cli/tls.ts',
  ])
    expect(
      inputsOf('src/cli/run.ts', face).filter((f) => makers.test(f) || f === 'src/edge/tls.ts'),
      face,
    ).toEqual([]);
  expect(inputsOf('src/cli/self_signed.ts').some((f) => makers.test(f))).toBe(true);
});

test('none of Node’s own modules is imported in a way that loads all of it', () => {
  for (const [name, text] of made.files)
    expect(
      text.match(/import[^"']*from\s*["']node:[^"']*["']/g)?.filter((i) => !i.includes('createRequire')) ?? [],
      name,
    ).toEqual([]);
});

test('what is loaded together is one file: a window of a client loads few, and each finds what it takes from the others', () => {
  const { outputs } = made.metafile;
  const faces = ['src/main.ts', 'src/cli/run.ts', 'src/cli/stdio.ts', 'src/cli/product.ts', 'src/edge/served.ts'];
  const paths = new Set(faces.flatMap((s) => [...loads(outputs, outputOf(outputs, s))]));
  // Each of fifty was looked up by each that takes from it, until V8 found that worth its last compiler and 5 MB.
  expect(paths.size).toBeLessThan(20);
  const given = (file: string) =>
    (/\bexport\{([^}]*)\};\s*$/.exec(made.files.get(file) ?? '')?.[1] ?? '')
      .split(',')
      .map((n) => n.split(' as ').at(-1));
  for (const [name, text] of made.files) {
    for (const [, names, from = ''] of text.matchAll(/\bimport(?:\{([^}]*)\}from)?"\.\/([\w.-]+\.mjs)";/g)) {
      const taken = names?.split(',').map((n) => n.split(' as ')[0]) ?? [];
      expect(made.files.has(from), `${from}, that ${name} imports`).toBe(true);
      expect(given(from), `${from}, as ${name} takes it`).toEqual(expect.arrayContaining(taken));
    }
    for (const [, from = ''] of text.matchAll(/\bimport\("\.\/([\w.-]+\.mjs)"\)/g))
      expect([...made.files.keys()]).toContain(from);
  }
});

test('a text is ASCII, or V8 would hold two bytes for each character of it', () => {
  const other = [...made.files].filter(([, text]) => /[^\0-\x7f]/.test(text)).map(([name]) => name);
  expect(other).toEqual([]);
  expect(inAscii('/[⟦\u{1f600}]/u')).toBe('/[\\u27e6\\ud83d\\ude00]/u');
  expect(/^[\u27e6\ud83d\ude00]$/u.test('\u{1f600}')).toBe(true);
});

test('groups: in turn by the first faces, then by who loads it; entries, and what lies apart, stay', () => {
  const loadedBy: Record<string, string[]> = { m: ['x'], s: ['x', 'y', 'big'], p: ['z', 'y', 'w'], q: ['w'] };
  const output = { bytes: 1, inputs: {}, imports: [], exports: [] };
  const outputs = Object.fromEntries(
    ['x', 'y', 'z', 'w', 'lazy', 'big', 'entry'].map((path) => [
      path,
      {
        ...output,
        ...(path === 'big' ? { inputs: { 'src/big.ts': { bytesInOutput: 1 } } } : {}),
        ...(path === 'entry' ? { entryPoint: 'm' } : {}),
      },
    ]),
  );
  const found = groups(
    outputs,
    { first: ['m', 's'], others: ['p', 'q'], apart: /^src\/big/ },
    (_, source) => new Set(loadedBy[source]),
  );
  expect([...found.values()]).toEqual([['x'], ['y'], ['z'], ['w']]);
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

test('the listings in the bundle are those of the sources, and of the goldens', async () => {
  const text = instead['src/edge/prepared.ts']?.() ?? '';
  const { prepared } = (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as { prepared(): Prepared };
  const { tools, resources, prompts } = prepared();
  expect(tools.map((t) => t.json)).toEqual(catalog.tools.map((t) => JSON.stringify(listed(t))));
  for (const { name, json } of tools)
    expect(JSON.parse(json)).toEqual(
      JSON.parse(readFileSync(join(root, 'tests/golden/tools', `${name}.json`), 'utf8')),
    );
  expect({ resources, prompts }).toEqual({ resources: catalog.resources, prompts: catalog.prompts });
  // No source of a tool is in what stdio loads first (see above): its words are there because the listing is.
  const { outputs } = made.metafile;
  const first = [...loads(outputs, outputOf(outputs, 'src/cli/stdio.ts'))].map((p) => made.files.get(basename(p)));
  for (const tool of catalog.tools) expect(first.join('')).toContain(tool.title);
});

test('what sends notices is loaded with the first one, and nodemailer with the first mail', () => {
  const { outputs } = made.metafile;
  const sources = (...faces: string[]) =>
    ['src/main.ts', 'src/cli/run.ts', ...faces]
      .flatMap((s) => [...loads(outputs, outputOf(outputs, s))])
      .flatMap((p) => Object.keys(outputs[p]?.inputs ?? {}));
  const ours = (f: string) => /^src\/host\/notify\/|node_modules\/nodemailer\//.test(f);
  for (const face of ['stdio', 'serve', 'doctor', 'product', 'notify'])
    expect(sources(`src/cli/${face}.ts`).filter(ours), face).toEqual([]);
  expect(sources('src/host/notify/index.ts', 'src/host/notify/post.ts').join()).not.toContain('nodemailer');
  expect(sources('src/host/notify/smtp.ts').join()).toContain('nodemailer');
});

test('what counts with other instances is loaded where limits.shared.url is set, and of its packages only what is asked', () => {
  const { outputs } = made.metafile;
  const sources = (...faces: string[]) =>
    ['src/main.ts', 'src/cli/run.ts', ...faces]
      .flatMap((s) => [...loads(outputs, outputOf(outputs, s))])
      .flatMap((p) => Object.keys(outputs[p]?.inputs ?? {}));
  const packages = (f: string) => /node_modules\/(?:ioredis|rate-limiter-flexible)\//.test(f);
  for (const face of ['stdio', 'serve', 'doctor', 'product'])
    expect(sources(`src/cli/${face}.ts`).filter(packages), face).toEqual([]);
  const shared = sources('src/edge/limits_redis.ts').filter(packages);
  expect(shared.join()).toContain('RateLimiterRedis.js');
  expect(shared.join()).not.toMatch(/RateLimiter(Mongo|Prisma|Drizzle|Memory|Valkey)/);
});
