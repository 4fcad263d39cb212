/** What fails a run in CI: a test that was skipped there; not one that stands in the list, nor those that a name leaves out. */
import { afterEach, expect, test, vi } from 'vitest';
import type { TestModule, Vitest } from 'vitest/node';
import NoSkips from './no_skips.ts';

const before = process.exitCode;
afterEach(() => {
  process.exitCode = before;
  vi.restoreAllMocks();
});

const THE_FIRST_TIME = {
  message: 'expected 1 to be 2',
  stack: 'Error\n at /x/src/a.ts:1:1\n at /x/tests/b.test.ts:9:9\n',
};

function ended(
  file: string,
  skipped: string[],
  pattern?: RegExp,
  flaky: string[] = [],
): { failed: boolean; said: string } {
  let said = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
  process.exitCode = 0;
  const reporter = new NoSkips();
  reporter.onInit({ config: { testNamePattern: pattern } } as unknown as Vitest);
  const children = {
    allTests: (state: string) =>
      (state === 'skipped' ? skipped : [...flaky, 'a good one']).map((fullName) => ({
        fullName,
        diagnostic: () => ({ flaky: flaky.includes(fullName) }),
        result: () => ({ state: 'passed', errors: flaky.includes(fullName) ? [THE_FIRST_TIME] : undefined }),
      })),
  };
  reporter.onTestRunEnd([{ moduleId: `/x/${file}`, relativeModuleId: file, children } as unknown as TestModule]);
  const failed = process.exitCode === 1;
  process.exitCode = before;
  return { failed, said };
}

test('a skipped test is named and fails the run', () => {
  const { failed, said } = ended('tests/docker/real.test.ts', ['Docker 20.10 > usage']);
  expect(failed).toBe(true);
  expect(said).toContain('tests/docker/real.test.ts: Docker 20.10 > usage');
});

test('none, one with a reason, and those that a name leaves out do not', () => {
  expect(ended('tests/a.test.ts', []).failed).toBe(false);
  expect(ended('tests/config/broken.test.ts', ['one that this user may not read (root may read all)']).failed).toBe(
    false,
  );
  expect(ended('tests/a.test.ts', ['x'], /y/).failed).toBe(false);
});

test('one that passed only at its second try is named, and does not fail the run', () => {
  const { failed, said } = ended('tests/docker/real.test.ts', [], undefined, ['Docker 26 > logs']);
  expect(failed).toBe(false);
  expect(said).toContain(
    '1 tests passed only at the second try, which is a FAULT of theirs:\ntests/docker/real.test.ts: Docker 26 > logs\n',
  );
  // With what the first try said, and where.
  expect(said).toContain('    expected 1 to be 2\n     at /x/tests/b.test.ts:9:9\n');
  expect(said).not.toContain('a good one');
});
