/** `service rollback`: back to a version that is kept. Decides which one, and that a store it cannot read is put back only when asked. */
import { OpsError } from '../../core/errors.ts';
import type { Machine } from './machine.ts';
import { byVersion, currentVersion, folderOf, type Installed, installedVersions, type Wanted } from './record.ts';
import { verifyFolder } from './release.ts';
import { copiesThere, lostWith } from './store_copy.ts';
import { guard, locked, recover, type Say, switchVersion, unreadable } from './switch.ts';

export interface RollbackOptions {
  to: string | undefined;
  restoreStore: boolean;
  config(): Promise<{ text: string; set: boolean }>;
  say: Say;
}

export async function rollback(m: Machine, o: RollbackOptions): Promise<{ from: string; version: string }> {
  guard(m, 'rollback');
  return locked(m, async () => {
    const config = await o.config();
    const there = await recover(m, config.text, o.say);
    const current = currentVersion(m.place);
    if (!there || current === null)
      throw new OpsError('not_found', 'Nothing is installed here.', { hint: 'Run install.sh of a release.' });
    const version = chosen(m, o.to, there, current);
    const wrong = verifyFolder(folderOf(m.place, version));
    if (wrong.length > 0)
      throw new OpsError('conflict', `Version ${version} is not whole any more: ${wrong[0]}.`, {
        hint: `Bring it again: sudo deckhand service upgrade --from deckhand-${version}-….tar.gz --downgrade`,
      });
    const copy = copiesThere(m, there.copies)
      .filter((c) => c.version === version)
      .at(-1);
    const cannot = await unreadable(m, folderOf(m.place, version));
    const restore = cannot?.newer === true;
    if (cannot && !restore)
      throw new OpsError('unavailable', `Version ${version} would not start on this host: ${cannot.why}`, {
        hint: 'Mend that first. The service was not touched.',
      });
    if (restore && !copy)
      throw new OpsError(
        'conflict',
        `Version ${version} cannot read the store any more, and there is no copy from before the upgrade.`,
        { hint: 'A backup may have one: deckhand backup list.' },
      );
    if (restore && copy && !o.restoreStore)
      throw new OpsError(
        'conflict',
        `Version ${version} cannot read the store as ${current} has made it. ${await lostWith(m, copy)}`,
        {
          hint: 'To do that: sudo deckhand service rollback --restore-store. Nothing was changed.',
        },
      );
    if (restore && copy) o.say.line(await lostWith(m, copy));
    const to: Wanted = { version, powers: there.powers, listen: there.listen };
    await switchVersion(m, {
      from: { ...there, version: current },
      to,
      config: config.text,
      say: o.say,
      ...(restore && copy ? { restore: copy } : {}),
    });
    return { from: current, version };
  });
}

function chosen(m: Machine, asked: string | undefined, there: Installed, current: string): string {
  const kept = installedVersions(m.place).filter((v) => v !== current);
  const before = [...kept].filter((v) => byVersion(v, current) < 0).at(-1);
  const version = asked ?? (there.previous !== null && kept.includes(there.previous) ? there.previous : before);
  if (version !== undefined && kept.includes(version)) return version;
  throw new OpsError(
    'not_found',
    asked === undefined
      ? 'There is no version to go back to.'
      : asked === current
        ? `Version ${asked} runs already.`
        : `Version ${asked} is not kept here.`,
    {
      hint: kept.length
        ? `Kept are: ${kept.join(', ')}.`
        : 'An older one is brought by: sudo deckhand service upgrade --from FILE --downgrade',
      candidates: kept,
    },
  );
}
