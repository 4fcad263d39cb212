/**
 * The doctor's look at backups: whether there is a good one that is young enough, where a timer is to make them. Only the newest is read
 * in full; all of them are `deckhand backup verify --all`'s.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../config/schema.ts';
import { toOpsError } from '../core/errors.ts';
import { backupsIn, folderOf, verifyBackup } from '../setup/backup/index.ts';
import type { Check } from './doctor.ts';
import { note, ok, warning } from './doctor_state.ts';

const TIMERS = [
  '/etc/systemd/system/timers.target.wants/deckhand-backup.timer',
  '/etc/systemd/system/deckhand-backup.timer',
];
const DAY_MS = 86_400_000;
const OLD_MS = 3 * DAY_MS;
/** So many of the newest are looked at for a good one. */
const LOOKED_AT = 3;
const LOOK_MS = 20_000;
const CODE = 'backup';
const TITLE = 'Backups';

export async function backupChecks(
  { state, backup }: Pick<Config, 'state' | 'backup'>,
  now: number,
  timers: readonly string[] = TIMERS,
): Promise<Check[]> {
  const timer = timers.some((path) => existsSync(path));
  const stateDir = resolve(state.dir);
  const folder = folderOf(stateDir, backup.dir);
  const log = 'journalctl -u deckhand-backup.service -n 20; sudo systemctl start deckhand-backup.service';
  try {
    const ours = backupsIn(folder, stateDir).filter((b) => b.ours);
    if (ours.length === 0) {
      if (timer) return [warning(CODE, TITLE, `The timer is installed, and there is no backup in ${folder}.`, log)];
      return [note(CODE, TITLE, `There is no backup of Deckhand’s own state in ${folder}.`, 'deckhand backup create')];
    }
    const checks: Check[] = [];
    for (const b of ours.slice(0, LOOKED_AT)) {
      const { ok: good, problems } = await verifyBackup(b, AbortSignal.timeout(LOOK_MS));
      if (!good) {
        checks.push(
          warning(
            'backup.bad',
            TITLE,
            `${b.name} is not in order: ${problems[0]}.`,
            `deckhand backup verify ${b.name}`,
          ),
        );
        continue;
      }
      const age = now - Date.parse(b.manifest?.at ?? '');
      const days = Math.floor(age / DAY_MS);
      const said = `The newest good one of ${ours.length} in ${folder} is ${days < 1 ? 'of today' : days === 1 ? 'a day old' : `${days} days old`}.`;
      const old = timer && age > OLD_MS;
      return [
        ...checks,
        old ? warning('backup.old', TITLE, `${said} The timer is to make one each day.`, log) : ok(CODE, TITLE, said),
      ];
    }
    return [
      ...checks,
      warning(
        'backup.none',
        TITLE,
        `None of the newest ${checks.length} in ${folder} is in order.`,
        'deckhand backup create',
      ),
    ];
  } catch (thrown) {
    return [
      warning(
        CODE,
        TITLE,
        `Backups in ${folder} cannot be looked at: ${toOpsError(thrown).message}`,
        'deckhand backup list',
      ),
    ];
  }
}
