/** A folder with a state and a target, as the killed process and its judge both open it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type App, createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import { undo } from '../../src/tools/undo.ts';
import { quiet } from '../fakes/policy.ts';
import { fileTool } from './file_tool.ts';

export type Kind = 'change' | 'undo';
/** The killed call's id in all records. */
export const CALL = 'call-that-is-killed';

/** Text that does not pack well, so that its blob takes more than one page. */
const bytes = (seed: string, n: number) => {
  const hex = createHash('shake256', { outputLength: n / 2 })
    .update(seed)
    .digest('hex');
  return Buffer.from(hex);
};
export const OLD = bytes('old', 24_000);
export const NEW = bytes('new', 20_000);

/** `undo` takes back the receipt whose id lies beside the target. */
export const argsOf = (kind: Kind, dir: string): object =>
  kind === 'change'
    ? { name: 'target', text: NEW.toString() }
    : { receipt: readFileSync(join(dir, 'receipt'), 'utf8') };

export async function openAt(dir: string, mode: 'ask' | 'full', role: 'stdio' | 'cli' = 'cli'): Promise<App> {
  const env = { HOME: dir, DECKHAND_STATE_DIR: join(dir, 'state'), DECKHAND_MODE: mode };
  const loaded = await loadConfig({ env, defaultFile: join(dir, 'none.yaml') });
  const catalog = { tools: [fileTool(dir), undo], resources: [], prompts: [] };
  return createApp({ loaded, log: quiet, role, version: 'test', catalog });
}
