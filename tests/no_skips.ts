/**
 * In CI nothing is skipped in silence: a test that did not run there fails the whole run, unless it stands here with its reason. A laptop
 * may lack what it lacks; the tests say so on standard error.
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
