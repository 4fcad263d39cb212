/** Backups one after the other beside writers that die and are started anew, each looked at with all of verify; and restored, each into a state of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBackup, planRestore, restore } from '../../src/setup/backup/index.ts';
import { auditFiles } from '../../src/store/audit_files.ts';
import { openState } from '../../src/store/state.ts';

export async function backupSoak(o: { writers: number; backups: number }) {
  const top = mkdtempSync(join(tmpdir(), 'deckhand-backup-soak-'));
  const stateDir = join(top, 'state');
  const { signal } = new AbortController();
  const quiet = () => {};
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const running: ChildProcess[] = [];
  const start = async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'backup_child.ts'), stateDir, 'few', '100'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    running.push(child);
    await once(child.stdout, 'data');
  };
  const stop = async (child: ChildProcess | undefined) => {
    child?.kill('SIGKILL');
    if (child && child.signalCode === null) await once(child, 'exit');
  };
  const wrong: string[] = [];
  const tookMs: number[] = [];
  let bytes = 0;
  try {
    openState(stateDir);
    for (let i = 0; i < o.writers; i++) await start();
    for (let n = 0; n < o.backups; n++) {
      const began = performance.now();
      const made = await createBackup({
        stateDir,
        folder: join(top, 'backups'),
        keep: 3,
        version: '1',
        signal,
        log,
        extra: [],
      }).catch(String);
      tookMs.push(performance.now() - began);
      if (typeof made === 'string') wrong.push(made);
      else {
        bytes = made.backup.bytes;
        if (made.verdict.notes.length) wrong.push(...made.verdict.notes);
        const fresh = { stateDir: join(top, `fresh-${n}`), folder: '', given: made.backup.path, signal, log };
        await restore(fresh, await planRestore(fresh));
        wrong.push(
          ...auditFiles(fresh.stateDir)
            .verify()
            .problems.map((p) => `${p.segment}: ${p.what}`),
        );
        rmSync(fresh.stateDir, { recursive: true });
      }
      if (n % 3 === 2) {
        await stop(running.shift());
        await start();
      }
    }
  } finally {
    for (const child of running) await stop(child);
    rmSync(top, { recursive: true, force: true });
  }
  tookMs.sort((a, b) => a - b);
  return { wrong, bytes, middleMs: tookMs[tookMs.length >> 1] ?? 0, worstMs: tookMs.at(-1) ?? 0 };
}
