import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// The runner keeps a file of its own in the user's data folder; a test run must leave nothing there.
process.env.XDG_DATA_HOME = fileURLToPath(new URL('node_modules/.cache', import.meta.url));

// A test that needs longer than this is stuck: a removed time-out in the product would otherwise hang the run.
export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    pool: 'forks',
  },
});
