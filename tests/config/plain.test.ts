/** Rules read off the schema: they say yes only where it does, and they do say yes to what is ordinary. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { instead } from '../../scripts/prepare.ts';
import { settings } from '../../src/config/known.ts';
import { plainOf, surelyFits } from '../../src/config/plain.ts';
import type { Setting } from '../../src/config/settings.ts';

const all = settings();

test('most settings have one; what only the schema can tell has none', () => {
  expect(all.filter((s) => !s.plain).map((s) => s.path)).toEqual([
    'http.url',
    'http.allowedOrigins',
    'http.trustedProxies',
    'http.tls.certFile',
    'http.tls.keyFile',
    'auth.resource',
    'auth.issuers',
    'tailnet.socket',
    'tailnet.capability',
    'tailnet.service',
    'roles',
    'principals',
    'limits.shared.url',
    'limits.shared.passwordFile',
    'docker.endpoint',
    'docker.certPath',
    'docker.engines',
    'docker.mountRoots',
    'files.roots',
    'net.allow',
    'net.deny',
    'peers',
    'notify.channels',
    'approvals.rules',
    'backup.dir',
  ]);
});

describe.each(all.map((s) => [s.path, s] as const))('%s', (_path, s) => {
  const odd = fc.oneof(
    fc.anything(),
    fc.integer(),
    fc.double(),
    fc.string({ maxLength: 300 }),
    fc.array(fc.string({ maxLength: 30 }), { maxLength: 30 }),
    fc.constantFrom<unknown>(...s.choices, [...s.choices], '127.0.0.1', 'a_tool', ['a_tool'], -0, 'a\nb', '\u0085', ''),
  );
  test('never says yes where the schema says no or another value', async () => {
    const schema = await s.schema();
    fc.assert(
      fc.property(odd, (value) => {
        if (!s.plain || !surelyFits(s.plain, value)) return;
        const checked = schema.safeParse(value);
        expect(checked.success).toBe(true);
        expect(checked.data).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });
  test('says yes to its default', () => {
    if (s.plain && s.standard !== undefined) expect(surelyFits(s.plain, s.standard)).toBe(true);
  });
  test('bounds are the schema’s', async () => {
    const schema = await s.schema();
    if (s.plain?.is !== 'integer') return;
    const { least, most } = s.plain;
    for (const n of [least - 1, least, most, most + 1, least + 0.5])
      expect(surelyFits(s.plain, n), String(n)).toBe(schema.safeParse(n).success);
  });
});

test.each([
  ['a transformation', z.string().trim()],
  ['an own rule', z.string().refine(() => false)],
  ['a coercion', z.coerce.number().int()],
  ['a fraction', z.number()],
  ['an open bound', z.number().int().gt(5)],
  ['a multiple', z.number().int().multipleOf(5)],
  ['a format', z.email()],
  ['another format', z.string().startsWith('x')],
  ['a regex with a memory', z.string().regex(/x/g)],
  ['a list with an own rule', z.array(z.string()).refine(() => false)],
  ['a list of what has none', z.array(z.string().trim())],
  ['a record', z.record(z.string(), z.string())],
  ['a pipe', z.string().transform((s) => s.length)],
])('no rule is read off %s', (_name, schema) => {
  expect(plainOf(schema as z.ZodType)).toBe(null);
});

test('the bundle’s list of settings is this one, and its schemas come when they are asked for', async () => {
  const text = instead['src/config/known.ts']?.() ?? '';
  const made = (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as { settings(): Setting[] };
  const bare = ({ schema: _, ...rest }: Setting) => rest;
  expect(made.settings().map(bare)).toEqual(all.map(bare));
  expect(made.settings()).toBe(made.settings());
  expect(text).toContain("import('./schema.ts')");
});
