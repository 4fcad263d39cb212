/**
 * In CI nothing is skipped in silence, and nothing passes at its second try in silence: a test that did not run there fails the whole run,
 * unless it stands here with its reason. A laptop may lack what it lacks; the tests say so on standard error.
 */
import type { Reporter, TestModule, Vitest } from 'vitest/node';

const FINE: { file: string; name: RegExp; why: string }[] = [
  {
    file: 'tests/config/broken.test.ts',
    name: /that this user may not read/,
    why: 'root may read all, and CI is root',
  },
  {
    file: 'tests/host/journal.test.ts',
    name: /may read only their own/,
    why: 'root may read all, and CI is root',
  },
  { file: 'tests/cli/launcher.test.ts', name: /old Node/, why: 'only where the system has an old Node beside ours' },
  { file: 'tests/host/truth.test.ts', name: /memory and swap/, why: 'a container of its own has other figures' },
];

export default class NoSkips implements Reporter {
  private all = true;

  onInit(vitest: Vitest): void {
    // By name some were chosen: the others are not skipped but not asked for.
    this.all = vitest.config.testNamePattern === undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    told(modules);
    if (!this.all) return;
    const skipped = modules.flatMap((m) =>
      [...m.children.allTests('skipped')]
        .filter((t) => !FINE.some((f) => m.moduleId.endsWith(`/${f.file}`) && f.name.test(t.fullName)))
        .map((t) => `${m.relativeModuleId}: ${t.fullName}`),
    );
    if (skipped.length === 0) return;
    process.stderr.write(
      `\n${skipped.length} tests were SKIPPED in CI, where nothing may be:\n${skipped.join('\n')}\n`,
    );
    process.exitCode = 1;
  }
}

/** The real parts get a second try (vitest.config.ts). Whoever needed it is named: that is a fault of the test, to be mended. */
function told(modules: readonly TestModule[]): void {
  const twice = modules.flatMap((m) =>
    [...m.children.allTests('passed')]
      .filter((t) => t.diagnostic()?.flaky)
      .map((t) => `${m.relativeModuleId}: ${t.fullName}${why(t.result())}`),
  );
  if (twice.length > 0)
    process.stderr.write(
      `\n${twice.length} tests passed only at the second try, which is a FAULT of theirs:\n${twice.join('\n')}\n`,
    );
}

/** What it said the first time: it may be a month until it says it again. */
function why({ errors = [] }: { errors?: readonly { message: string; stack?: string }[] | undefined }): string {
  const [first] = errors;
  if (!first) return '';
  const at = first.stack?.split('\n').find((line) => line.includes('/tests/'));
  return `\n${`${first.message}\n${at ?? ''}`.slice(0, 2_000).replaceAll(/^/gm, '    ')}`;
}
