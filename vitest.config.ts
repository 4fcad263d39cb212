import { defineConfig } from 'vitest/config';

// A test that needs longer than this is stuck: a removed time-out in the product would otherwise hang the run.
export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    pool: 'forks',
  },
});
