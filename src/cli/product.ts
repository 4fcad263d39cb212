/** The product for one command: its log, and the app. One place, loaded by whoever opens it, so that a start over stdio need not. */
import { type App, createApp } from '../app.ts';
import type { Loaded } from '../config/load.ts';
import { createRedactor } from '../core/redact.ts';
import { createLog } from '../log.ts';
import { VERSION } from './version.ts';

export function openProduct(loaded: Loaded, role: 'serve' | 'stdio' | 'cli'): Promise<App> {
  // A person who asked for an answer is not told how the house is run, unless the log was set so.
  const level =
    role === 'cli' && loaded.origins.get('log.level')?.from === 'default' ? 'warn' : loaded.config.log.level;
  const { text } = createRedactor({ values: loaded.config.redact.values });
  const log = createLog({ ...loaded.config.log, level, redact: text });
  return createApp({ loaded, log, role, version: VERSION });
}
