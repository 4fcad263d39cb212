/**
 * The wiring of limits that several instances share: nothing of it is loaded unless `limits.shared.url` is set. Decides only where the
 * password comes from.
 */
import type { Loaded } from './config/load.ts';
import type { Log } from './core/call.ts';
import type { Shared } from './edge/limits_shared.ts';

type Settings = Loaded['config']['limits']['shared'];

async function withPassword({ url, passwordFile }: Settings) {
  if (url === null) return null;
  if (passwordFile === null) return { url, password: null };
  const { secretFile } = await import('./host/net/secret_file.ts');
  const hint = 'One line: the password of `requirepass`.';
  return { url, password: secretFile(passwordFile, { what: 'password', shape: /^\S{1,512}$/, hint }) };
}

export async function openSharedLimits(settings: Settings, log: Log): Promise<Shared | null> {
  const found = await withPassword(settings);
  if (!found) return null;
  const [{ openRedis }, { createShared }] = await Promise.all([
    import('./edge/limits_redis.ts'),
    import('./edge/limits_shared.ts'),
  ]);
  return createShared({ store: openRedis(found), log, now: () => performance.now() });
}

/** For the doctor. Null: none is set. */
export async function askSharedLimits(settings: Settings): Promise<{ ms: number; server: string } | null> {
  const found = await withPassword(settings);
  return found && (await import('./edge/limits_redis.ts')).askShared(found);
}
