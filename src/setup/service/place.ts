/**
 * Where an installed Deckhand lies on a host. Decides paths and nothing else; all are root's, so that who takes the service over changes
 * neither its program nor its unit. Tests put the whole of it below a folder.
 */
import { join } from 'node:path';

export interface Place {
  /** '' on a host. */
  root: string;
  opt: string;
  versions: string;
  /** A link: `versions/<version>`. */
  current: string;
  record: string;
  launcher: string;
  etc: string;
  config: string;
  state: string;
  units: string;
  sysusers: string;
  tmpfiles: string;
  /** Not below `opt`, which uninstalling removes. */
  lock: string;
}

export const SERVICE = 'deckhand.service';
export const SOCKET = 'deckhand.socket';
export const TIMER = 'deckhand-backup.timer';
export const USER = 'deckhand';
/** What the launcher and `current` point to: as the host sees them, wherever the tests put them. */
export const LAUNCHER_TARGET = '/opt/deckhand/current/bin/deckhand';

export function placeAt(root = ''): Place {
  const at = (path: string) => (root === '' ? path : join(root, path));
  return {
    root,
    opt: at('/opt/deckhand'),
    versions: at('/opt/deckhand/versions'),
    current: at('/opt/deckhand/current'),
    record: at('/opt/deckhand/installed.json'),
    launcher: at('/usr/local/bin/deckhand'),
    etc: at('/etc/deckhand'),
    config: at('/etc/deckhand/config.yaml'),
    state: at('/var/lib/deckhand'),
    units: at('/etc/systemd/system'),
    sysusers: at('/etc/sysusers.d/deckhand.conf'),
    tmpfiles: at('/etc/tmpfiles.d/deckhand.conf'),
    lock: at('/run/deckhand-service.lock'),
  };
}

/** As a person reads it. */
export const shown = (place: Place, path: string): string =>
  place.root !== '' && path.startsWith(place.root) ? path.slice(place.root.length) : path;
