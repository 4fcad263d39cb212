/** `service status`: what is installed, what runs, and every difference between the two and the files that came with the version. */
import { lstatSync } from 'node:fs';
import { readlinkOr, textOf } from './files.ts';
import { textOf as addressText } from './health.ts';
import type { Machine } from './machine.ts';
import { LAUNCHER_TARGET, shown } from './place.ts';
import { currentVersion, folderOf, type Installed, installedVersions, readInstalled } from './record.ts';
import { verifyFolder } from './release.ts';
import { copiesThere } from './store_copy.ts';
import { targetOf } from './switch.ts';
import { enabledOf, filesWanted } from './units.ts';
import { running } from './up.ts';

export interface Status {
  installed: boolean;
  version: string | null;
  previous: string | null;
  versions: string[];
  powers: string[];
  address: string | null;
  running: { active: string; version: string | null; pid: number | null; healthy: boolean; since: string | null };
  interrupted: Installed['pending'];
  copies: Installed['copies'];
  /** A sentence each; empty: all is as it was installed. */
  differs: string[];
}

export async function status(m: Machine, config: string): Promise<Status> {
  const { place } = m;
  const record = readInstalled(place);
  const version = currentVersion(place);
  const differs: string[] = [];
  const now = m.systemd() ? await running(m) : null;
  let address: string | null = null;
  let answers = false;
  if (version !== null && m.systemd()) {
    const folder = folderOf(place, version);
    try {
      const target = targetOf({ version, powers: record?.powers ?? [], listen: record?.listen ?? null }, config);
      address = addressText(target.address);
      answers = await m.healthy(target.address);
      const files = filesWanted(place, folder, target.powers, target.address);
      for (const path of files.write.keys())
        differs.push(`${shown(place, path)} is ${textOf(path) === null ? 'missing' : 'not as it was installed'}`);
      for (const path of files.remove)
        differs.push(`${shown(place, path)} does not belong to this version and its powers`);
      for (const path of files.masked) differs.push(`${shown(place, path)} is masked`);
      for (const unit of enabledOf(folder))
        if ((await m.run('systemctl', ['is-enabled', unit])).stdout.trim() !== 'enabled')
          differs.push(`${unit} does not start at boot`);
    } catch (error) {
      differs.push((error as Error).message);
    }
    if (readlinkOr(place.launcher) !== LAUNCHER_TARGET)
      differs.push(`${shown(place, place.launcher)} does not lead to ${LAUNCHER_TARGET}`);
    // Root's alone can be read by others: who may not look says nothing.
    if (m.uid === 0)
      differs.push(
        ...verifyFolder(folder)
          .slice(0, 5)
          .map((p) => `version ${version}: ${p}`),
      );
    if (now?.active === 'active' && now.version !== null && now.version !== version)
      differs.push(`what runs is ${now.version}: restart the service`);
    const state = lstatSync(place.state, { throwIfNoEntry: false });
    const ids = m.user();
    if (ids === null) differs.push('the service’s user is missing');
    else if (state?.isDirectory() && (state.uid !== ids.uid || (state.mode & 0o077) !== 0))
      differs.push(`${shown(place, place.state)} is not the service’s alone`);
    if (!record) differs.push(`${shown(place, place.record)} is missing: an installation was not finished`);
  }
  return {
    installed: version !== null,
    version,
    previous: record?.previous ?? null,
    versions: installedVersions(place),
    powers: record?.powers ?? [],
    address,
    running: {
      active: now?.active ?? 'unknown',
      version: now?.version ?? null,
      pid: now?.pid || null,
      healthy: answers,
      since: now?.sinceMs ? new Date(now.sinceMs).toISOString() : null,
    },
    interrupted: record?.pending ?? null,
    copies: copiesThere(m, record?.copies ?? []),
    differs,
  };
}
