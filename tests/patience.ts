/** How long a test waits for a condition: as long as one that is met may take on a busy machine, where the runner would give up after a second. */
import { vi } from 'vitest';

const PATIENCE_MS = 30_000;
const waitFor = vi.waitFor.bind(vi);

vi.waitFor = (callback, options) =>
  waitFor(callback, typeof options === 'number' ? options : { timeout: PATIENCE_MS, ...options });
