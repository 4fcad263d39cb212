/** A folder of its own for each test, and the loader with nothing of this machine in it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type LoadInput, loadConfig } from '../../src/config/load.ts';
import { OpsError } from '../../src/core/errors.ts';

/** Whoever runs the tests: the files they make are theirs. */
const runner = { uid: process.geteuid?.() ?? 1000, gid: process.getegid?.() ?? 1000 };

export function place() {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-config-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const write = (text: string | Uint8Array, name = 'config.yaml', mode = 0o600) => {
    writeFileSync(join(dir, name), text, { mode });
    return join(dir, name);
  };
  const load = (input: LoadInput = {}, yaml?: string) =>
    loadConfig({
      env: {},
      cwd: dir,
      runner,
      defaultFile: join(dir, 'none.yaml'),
      ...(yaml === undefined ? {} : { configFile: write(yaml) }),
      ...input,
      ...(input.env ? {} : { env: { HOME: '/home/x' } }),
    });
  return { dir, write, load, runner };
}

/** The error of a load that must fail. */
export async function refusal(loading: Promise<unknown>): Promise<OpsError> {
  try {
    await loading;
  } catch (thrown) {
    if (thrown instanceof OpsError) return thrown;
    throw thrown;
  }
  throw new Error('was accepted');
}
