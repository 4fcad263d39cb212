/**
 * `npm run mutate` replaces exact text, so that a rewritten line of the door can leave a mutation without its place: it would
 * break nothing and prove nothing. Not in tests/policy: there it would find each mutation by its text and not by what it does.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { MUTATIONS } from '../scripts/mutate.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

test.each(MUTATIONS)('"$what" has its place in $file, once, and changes it', ({ file, find, put }) => {
  expect(readFileSync(`${root}${file}`, 'utf8').split(find)).toHaveLength(2);
  expect(put).not.toBe(find);
});

test('there are as many ways as the architecture page says', () => {
  expect(readFileSync(`${root}docs/architecture.md`, 'utf8')).toContain(`breaks it ${MUTATIONS.length} ways`);
});
