/**
 * The doctor's look at the folders that the settings open for writing: whether the user that Deckhand runs as may write there, and whether the
 * sandbox of its systemd unit lets it. Says the two commands that would, and only where they are missing. Changes nothing.
 */
import { accessSync, constants, readdirSync, readFileSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import type { Check } from './doctor.ts';
import { broken, ok, warning } from './doctor_state.ts';
import { shell } from './welcome.ts';

export interface Asked {
  roots: readonly { path: string; access: 'read' | 'write' }[];
  /** Whom it runs as, when this is asked: as root on a service's state the doctor has become that user. */
  user: string;
  /** Throws what `access(2)` throws. */
  access(path: string): void;
  /** Whether it may pass through this folder. */
  passes(path: string): boolean;
  /** Text of the unit and its drop-ins, in systemd's order; empty: not installed as a service. */
  unit: string;
}

const TITLE = 'Write root';
const UNIT = 'deckhand.service';
const DROP_IN = `/etc/systemd/system/${UNIT}.d/write-roots.conf`;

export function rootChecks(o: Asked): Check[] {
  const write = o.roots.filter((r) => r.access === 'write').map((r) => r.path);
  const checks: Check[] = [];
  const denied = write.filter((path) => {
    const why = trouble(path, o.access);
    if (why === null) return false;
    if (why === 'EACCES' || why === 'EPERM') return true;
    checks.push(other(path, why));
    return false;
  });
  for (const path of denied)
    checks.push(
      broken(
        'files.write_root',
        TITLE,
        `${path} is not writable for ${o.user}: file_write, file_edit and their like are refused there.`,
        acl(path, o),
      ),
    );
  const closed = sandboxed(write, o.unit);
  if (closed.length > 0)
    checks.push(
      broken(
        'files.sandbox',
        TITLE,
        `${closed.join(', ')} is read-only inside the sandbox of ${UNIT}: only a drop-in opens it.`,
        dropIn(closed),
      ),
    );
  if (write.length > 0 && checks.length === 0)
    checks.push(ok('files.write_root', TITLE, `writable: ${write.join(', ')}.`));
  return checks;
}

function trouble(path: string, access: Asked['access']): string | null {
  try {
    access(path);
    return null;
  } catch (thrown) {
    return String((thrown as NodeJS.ErrnoException).code ?? 'EIO');
  }
}

function other(path: string, why: string): Check {
  if (why === 'EROFS')
    return broken(
      'files.read_only',
      TITLE,
      `${path} lies on a file system that is mounted read-only.`,
      `findmnt -T ${shell(path)}`,
    );
  const missing = why === 'ENOENT' || why === 'ENOTDIR';
  return warning(
    'files.missing',
    TITLE,
    missing ? `${path} is no folder that exists.` : `${path} cannot be looked at (${why}).`,
    missing ? `sudo mkdir ${shell(path)}, or take it out of files.roots` : `ls -ld ${shell(path)}`,
  );
}

/** What is there, what is made there later, and the way down to it. */
function acl(path: string, { user, passes }: Asked): string {
  const who = `u:${user}`;
  const above = parents(path).filter((p) => !passes(p));
  const way = above.length > 0 ? `sudo setfacl -m ${who}:x ${above.map(shell).join(' ')} && ` : '';
  return `${way}sudo setfacl -R -m ${who}:rwX -m d:${who}:rwX ${shell(path)}`;
}

function parents(path: string): string[] {
  const all: string[] = [];
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) all.unshift(at);
  return all;
}

const dropIn = (paths: readonly string[]): string =>
  `printf '[Service]\\nReadWritePaths=%s\\n' ${shell(paths.map(unitPath).join(' '))} | sudo install -D -m 644 /dev/stdin ${DROP_IN} && sudo systemctl daemon-reload && sudo systemctl restart ${UNIT}`;
/** As systemd reads a path in a list: quoted where it has a space, with its own `%` doubled; `-` lets a missing one be. */
const unitPath = (path: string): string => {
  const plain = `-${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')}`;
  return /[\s"]/.test(path) ? `"${plain}"` : plain;
};

const TRUE = /^(?:true|yes|on|1)$/;

/** Of these paths, those that the unit's sandbox keeps read-only. Only plain values are understood: what is not is left alone. */
export function sandboxed(paths: readonly string[], unit: string): string[] {
  let system = '';
  let home = '';
  let open: string[] = [];
  for (const line of unit.split('\n')) {
    const [, key, value = ''] =
      /^(ProtectSystem|ProtectHome|ReadWritePaths|StateDirectory)\s*=\s*(.*)$/.exec(line.trim()) ?? [];
    if (key === 'ProtectSystem') system = value;
    if (key === 'ProtectHome') home = value;
    if (key === 'StateDirectory') open.push(...value.split(/\s+/).map((d) => `/var/lib/${d}`));
    // An empty one takes back those before it.
    if (key === 'ReadWritePaths') open = value === '' ? [] : [...open, ...words(value)];
  }
  const below = (path: string, tops: readonly string[]) =>
    tops.some((t) => path === t || path.startsWith(t === '/' ? '/' : `${t}/`));
  return paths.filter((path) => {
    if (below(path, open)) return false;
    if ((TRUE.test(home) || home === 'read-only' || home === 'tmpfs') && below(path, ['/home', '/root', '/run/user']))
      return true;
    if (system === 'strict') return !below(path, ['/dev', '/proc', '/sys', '/tmp', '/var/tmp']);
    if (system === 'full') return below(path, ['/usr', '/boot', '/efi', '/etc']);
    return TRUE.test(system) && below(path, ['/usr', '/boot', '/efi']);
  });
}

const words = (value: string): string[] =>
  [...value.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map((m) =>
    (m[1] ?? m[2] ?? '').replace(/^[-+]+/, '').replaceAll('%%', '%'),
  );

const PLACES = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];

/** As systemd would put it together; empty where it is no service here. */
export function installedUnit(root = ''): string {
  const text = (path: string) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return null;
    }
  };
  const unit = PLACES.map((p) => text(`${root}${p}/${UNIT}`)).find((t) => t !== null);
  if (unit == null) return '';
  const dropIns = new Map<string, string>();
  for (const place of PLACES.toReversed()) {
    const folder = `${root}${place}/${UNIT}.d`;
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) continue;
    for (const name of readdirSync(folder))
      if (name.endsWith('.conf')) dropIns.set(name, text(`${folder}/${name}`) ?? '');
  }
  const inOrder = [...dropIns].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, t]) => t);
  return [unit, ...inOrder].join('\n');
}

/** Of this host, as the user that this process is now. */
export function fileChecks(roots: Asked['roots']): Check[] {
  const access = (path: string) => {
    if (!statSync(path).isDirectory()) throw Object.assign(new Error('no folder'), { code: 'ENOTDIR' });
    accessSync(path, constants.W_OK | constants.X_OK);
  };
  let user = String(process.geteuid?.() ?? 0);
  try {
    user = userInfo().username;
  } catch {
    // A user without a name: setfacl takes its number as well.
  }
  const passes = (path: string) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  return rootChecks({ roots, user, access, passes, unit: installedUnit() });
}
