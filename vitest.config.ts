import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// The runner keeps a file of its own in the user's data folder; a test run must leave nothing there.
process.env.XDG_DATA_HOME = fileURLToPath(new URL('node_modules/.cache', import.meta.url));
// Nor a line in the log of the machine.
process.env.DECKHAND_AUDIT_HEADS = 'off';
// Many tests start the product from its sources: what one process or thread (tests/compiled.ts) has compiled serves the next. Not for
// coverage, which is less exact on code that comes out of a cache.
if (!process.argv.some((a) => a.startsWith('--coverage')))
  process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('node_modules/.cache/compile', import.meta.url));

const SHARED = ['core', 'config', 'insight', 'policy'].map((room) => `tests/${room}/**/*.test.ts`);

// A test that needs longer than this is stuck: a removed time-out in the product would otherwise hang the run. It is no
// measure of anything: a machine that does other things besides may take several times as long.
export default defineConfig({
  test: {
    // A process for each file costs it half a second of a processor. Files of these rooms decide and parse, hold nothing open and leave
    // nothing in a module (`--sequence.shuffle.files` shows it), so they share some processes; all others have one each.
    projects: [
      { extends: true, test: { name: 'rooms', include: SHARED, isolate: false } },
      { extends: true, test: { name: 'house', include: ['tests/**/*.test.ts'], exclude: SHARED } },
    ],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Likewise: what is waited for either comes or does not.
    expect: { poll: { timeout: 30_000 } },
    setupFiles: ['./tests/patience.ts', './tests/threads_counted.ts', './tests/compiled.ts'],
    // Engines, networks and browsers beside each other on two processors: one more try for what they were too late for, and the
    // report says for which (tests/no_skips.ts). Nothing else gets one.
    retry: process.env.DECKHAND_REAL === '1' ? 1 : 0,
    pool: 'forks',
    reporters:
      process.env.CI === 'true' && process.env.DECKHAND_REAL === '1' ? ['default', './tests/no_skips.ts'] : ['default'],
    // Much of the suite waits for processes it has started: one worker fewer than processors would leave those idle.
    maxWorkers: Math.max(3, availableParallelism() - 1),
    // `npm run coverage`. What decides who may do what is covered whole; the floor of the rest is what catches a forgotten file;
    // rooms that need a real systemd, engine or journal for their 90 % of branches have none of their own.
    // Our threads and the programs that host/ starts from src count (tests/threads_counted.ts). What runs in the built command (serve,
    // stdio and doctor) counts as never run here, though tests/e2e and tests/cli/product.test.ts run it from outside. Nothing is left
    // out for that: the figure is a lower bound, and a file that no test touches still shows.
    coverage: {
      provider: 'custom',
      customProviderModule: fileURLToPath(new URL('tests/coverage_provider.ts', import.meta.url)),
      include: ['src/**'],
      autoAttachSubprocess: true,
      reporter: ['text-summary', 'json-summary'],
      reportsDirectory: fileURLToPath(new URL('node_modules/.cache/coverage', import.meta.url)),
      thresholds: {
        lines: 90,
        branches: 80,
        'src/core/**': { lines: 100, branches: 100 },
        'src/policy/**': { lines: 100, branches: 100 },
        'src/config/**': { lines: 90, branches: 90 },
        'src/edge/**': { lines: 90, branches: 90 },
        'src/insight/**': { lines: 90, branches: 90 },
        'src/store/**': { lines: 90, branches: 89 },
      },
    },
  },
});
