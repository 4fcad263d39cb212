/**
 * A backup or restore that ends in the middle: at the nth call that changes something on the disk. `kill`: the process kills itself there.
 * `dead`: from there on no such call works, which leaves the disk as a kill does, without a process for each. `full`: from there on nothing
 * new is written, and removing and renaming still work. Also the naive restore, which copies file by file. `top` has `state` and
 * `backups`; each run is on copies of them, `<how>-<n>/`. Prints how many such calls there are, and how each run ended.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';

const [, , action = '', how = '', top = '', given = '', numbers = ''] = process.argv;
let calls = 0;
let end = Number.POSITIVE_INFINITY;
let counting = false;

function point(): void {
  if (!counting || ++calls < end) return;
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

async function once(n: number | string): Promise<{ n: number | string; calls: number; error: string | null }> {
  const place = join(top, `${how}-${n}`);
  fs.mkdirSync(place, { mode: 0o700 });
  execFileSync('cp', ['-a', join(top, 'state'), join(top, 'backups'), place]);
  const stateDir = join(place, 'state');
  const folder = join(place, 'backups');
  calls = 0;
  end = typeof n === 'number' ? n : Number.POSITIVE_INFINITY;
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
    return { n, calls, error: null };
  } catch (error) {
    return { n, calls, error: String((error as Error).message) };
  } finally {
    counting = false;
  }
}

const step = numbers === 'third' ? 3 : 1;
const whole = Number.isNaN(Number(numbers)) ? (await once('whole')).calls : 0;
const all = whole ? Array.from({ length: whole }, (_, i) => i + 1).filter((n) => n % step === 0) : [Number(numbers)];
const runs: object[] = [];
for (const n of all) runs.push(await once(n));
process.stdout.write(JSON.stringify({ calls: whole, runs }));
