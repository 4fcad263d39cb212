/**
 * The files below /etc that a version wants, and what of ours lies there and is wanted no more. Unit files are copied as they come with the
 * version; only drop-ins are made. Decides names and contents; when they are written, steps.ts.
 */
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { OpsError } from '../../core/errors.ts';
import { textOf } from './files.ts';
import { type Address, textOf as addressText } from './health.ts';
import { type Place, SERVICE, SOCKET, TIMER } from './place.ts';
import { dropInsOf } from './powers.ts';
import { folderOf, installedVersions } from './record.ts';

/** What deckhand.socket itself says. */
export const OWN_ADDRESS = '127.0.0.1:7070';

const TAILNET_SOCKET = 'deckhand-tailnet.socket';
const UNIT = /^deckhand(?:-[a-z]+)?\.(?:service|socket|timer)$/;

export interface Files {
  /** Path → content. */
  write: Map<string, string>;
  remove: string[];
  /** Pointed at /dev/null by the owner: theirs. */
  masked: string[];
}

export function unitsOf(folder: string): string[] {
  try {
    return readdirSync(join(folder, 'deploy/systemd'))
      .filter((n) => UNIT.test(n))
      .sort();
  } catch {
    return [];
  }
}

export function filesWanted(place: Place, folder: string, powers: readonly string[], address: Address): Files {
  const source = (name: string) => textOf(join(folder, 'deploy/systemd', name));
  const units = unitsOf(folder);
  if (!units.includes(SERVICE) || !units.includes(SOCKET))
    throw new OpsError('not_found', `There are no unit files in ${join(folder, 'deploy/systemd')}.`);
  const wanted = new Map<string, string>();
  const masked: string[] = [];
  const want = (path: string, content: string | null) => {
    if (content === null) return;
    if (isMasked(path)) masked.push(path);
    else wanted.set(path, content);
  };
  want(place.sysusers, source('deckhand.sysusers'));
  want(place.tmpfiles, source('deckhand.tmpfiles'));
  for (const name of units) {
    const path = join(place.units, name);
    // Of use only beside `tailscale serve`: brought by the owner, kept in step by us.
    if (name !== TAILNET_SOCKET || textOf(path) !== null) want(path, source(name));
  }
  const dropIns = dropInsOf(powers, folder);
  for (const [name, content] of dropIns) want(join(place.units, `${SERVICE}.d`, name), content);
  const text = addressText(address);
  if (text !== OWN_ADDRESS)
    want(
      join(place.units, `${SOCKET}.d`, '50-address.conf'),
      `# By \`deckhand service install\`.\n[Socket]\nListenStream=\nListenStream=${text}\n`,
    );
  const write = new Map([...wanted].filter(([path, content]) => textOf(path) !== content));
  return { write, remove: unwanted(place, wanted), masked };
}

/** Units of a version that is not wanted any more are known by their content: what somebody else wrote stays. */
function unwanted(place: Place, wanted: ReadonlyMap<string, string>): string[] {
  const stays = (path: string) => wanted.has(path) || isMasked(path);
  const drops = [`${SERVICE}.d`, `${SOCKET}.d`].flatMap((folder) =>
    list(join(place.units, folder))
      .filter((n) => /^50-[a-z-]+\.conf$/.test(n))
      .map((n) => join(place.units, folder, n)),
  );
  const ours = new Set(
    installedVersions(place).flatMap((v) =>
      unitsOf(folderOf(place, v)).map((n) => `${n}\n${textOf(join(folderOf(place, v), 'deploy/systemd', n))}`),
    ),
  );
  const units = list(place.units)
    .filter((n) => UNIT.test(n) && !isMasked(join(place.units, n)) && ours.has(`${n}\n${textOf(join(place.units, n))}`))
    .map((n) => join(place.units, n));
  return [...drops, ...units].filter((path) => !stays(path));
}

/** All that an uninstall takes away: ours by name, whatever is in it. */
export function filesInstalled(place: Place): { units: string[]; files: string[] } {
  const units = list(place.units).filter((n) => UNIT.test(n));
  const drops = [`${SERVICE}.d`, `${SOCKET}.d`].flatMap((folder) =>
    list(join(place.units, folder))
      .filter((n) => /^50-[a-z-]+\.conf$/.test(n))
      .map((n) => join(place.units, folder, n)),
  );
  const more = [place.sysusers, place.tmpfiles].filter((path) => lstatSync(path, { throwIfNoEntry: false }));
  return { units, files: [...units.map((n) => join(place.units, n)), ...drops, ...more] };
}

/** Which of a version's units are to run by themselves. */
export const enabledOf = (folder: string): string[] =>
  unitsOf(folder).filter((n) => n === SERVICE || n === SOCKET || n === TIMER);

function isMasked(path: string): boolean {
  try {
    return readlinkSync(path) === '/dev/null';
  } catch {
    return false;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
