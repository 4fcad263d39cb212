/** Every generated page is as the code makes it: `npm run gen` was run and committed. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { differences, errorsPage, pages } from '../scripts/gen.ts';
import { CODES } from '../src/core/errors.ts';

const made = pages();

test.each(made.map((p) => [p.path, p] as const))('%s is in step', async (_, page) => {
  expect(await differences([page]).then((d) => d.filter((x) => x.path === page.path)), 'run `npm run gen`').toEqual([]);
});

test('nothing generated is left over', async () => {
  expect((await differences(made)).filter((d) => d.should === null)).toEqual([]);
});

test('the check sees a line that differs, a missing file and a stray one', async () => {
  const root = mkdtempSync(join(tmpdir(), 'deckhand-gen-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, 'tests/golden/tools'), { recursive: true });
  writeFileSync(join(root, 'a.md'), 'one\ntwo\nthree\n');
  writeFileSync(join(root, 'tests/golden/tools/gone.json'), '{}');
  const found = await differences(
    [
      { path: 'a.md', make: () => 'one\n2\nthree\n' },
      { path: 'b.md', make: () => 'x\n' },
    ],
    root,
  );
  expect(found).toEqual([
    { path: 'a.md', line: 2, is: 'two', should: '2' },
    { path: 'b.md', line: 1, is: null, should: 'x' },
    { path: 'tests/golden/tools/gone.json', line: 1, is: 'a file that nothing makes any more', should: null },
  ]);
});

test('the page of errors has every code with its figures', () => {
  for (const [code, { http, exit }] of Object.entries(CODES))
    expect(errorsPage()).toContain(`| \`${code}\` | ${http} | ${exit} |`);
});
