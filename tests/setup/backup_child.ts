/**
 * One backup or restore in a process that ends in the middle: before the nth call that changes something on the disk it kills itself, or
 * that call fails as on a full disk. Also the naive restore, which copies file by file. Prints how many such calls there were.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';

const [, , action = '', how = '', nth = '0', stateDir = '', folder = '', given = ''] = process.argv;
let calls = 0;
let counting = false;

function point(): void {
  if (!counting || ++calls !== Number(nth)) return;
  if (how === 'kill') process.kill(process.pid, 'SIGKILL');
  throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC', syscall: 'write' });
}

/** On a full disk nothing new is written; removing and renaming still work. */
const FULL = new Set(['writeSync', 'mkdirSync', 'fsyncSync', 'writeFileSync', 'cpSync']);
const changing = ['renameSync', 'rmSync', 'rmdirSync', 'ftruncateSync', 'copyFileSync', ...FULL] as const;
for (const name of changing) {
  if (how === 'full' && !FULL.has(name)) continue;
  const was = fs[name as 'rmSync'] as (...a: unknown[]) => unknown;
  (fs as unknown as Record<string, unknown>)[name] = (...args: unknown[]) => {
    point();
    return was.apply(fs, args);
  };
}
const wasOpen = fs.promises.open;
fs.promises.open = async (...args: Parameters<typeof wasOpen>) => {
  if (typeof args[1] === 'number' && args[1] & fs.constants.O_CREAT) point();
  const file = await wasOpen(...args);
  const write = file.write.bind(file) as (...a: unknown[]) => unknown;
  file.write = ((...a: unknown[]) => {
    point();
    return write(...a);
  }) as typeof file.write;
  return file;
};
syncBuiltinESMExports();

const quiet = () => {};
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
const { signal } = new AbortController();
const setup = await import('../../src/setup/backup/index.ts');
counting = true;
try {
  if (action === 'create')
    await setup.createBackup({ stateDir, folder, keep: 2, version: '1', signal, log, extra: [] });
  else if (action === 'restore') {
    const o = { stateDir, folder, given, signal, log };
    await setup.restore(o, await setup.planRestore(o));
  } else
    for (const name of ['audit', 'audit.key', 'blobs', 'deckhand.db', 'tokens.json']) {
      fs.rmSync(join(stateDir, name), { recursive: true, force: true });
      fs.cpSync(join(folder, given, name), join(stateDir, name), { recursive: true });
    }
  counting = false;
  process.stdout.write(JSON.stringify({ calls, error: null }));
} catch (error) {
  counting = false;
  const { code, message } = error as Error & { code?: string };
  process.stdout.write(JSON.stringify({ calls, error: { code, message } }));
}
