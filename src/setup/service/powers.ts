/**
 * What a unit may do beyond its own: names as given to --allow, and the drop-in that each becomes. What a power gives and costs stands in
 * its template (deploy/systemd/powers/); here is decided which names there are and which folders may be opened for writing.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { OpsError } from '../../core/errors.ts';
import { textOf } from './files.ts';

/** In a unit a path is split at blanks, and `%` begins a specifier. */
const PLAIN_PATH = /^\/[\w.@+/-]+$/;
/** Who writes there is root by the next start of something. */
const NEVER = [
  '/etc/deckhand',
  '/etc/systemd',
  '/opt/deckhand',
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib64',
  '/boot',
  '/proc',
  '/sys',
  '/dev',
  '/run',
  '/var/lib/deckhand',
];
const NOT_WHOLE = ['/', '/etc', '/var', '/var/lib', '/opt', '/home', '/root'];

export function powersThere(folder: string): string[] {
  try {
    return readdirSync(join(folder, 'deploy/systemd/powers'))
      .filter((n) => /^[a-z][a-z-]*\.conf$/.test(n))
      .map((n) => n.slice(0, -5))
      .sort();
  } catch {
    return [];
  }
}

/** `--allow ping,docker --allow write=/srv` as a sorted list; `none` alone is the empty one. */
export function powersGiven(words: readonly string[], folder: string): string[] {
  const names = words
    .flatMap((w) => w.split(','))
    .map((w) => w.trim())
    .filter((w) => w !== '');
  if (names.length === 1 && names[0] === 'none') return [];
  const there = powersThere(folder);
  const known = there.map((n) => (n === 'write' ? 'write=/PATH' : n));
  for (const name of names) {
    const [power = '', path] = [name.split('=')[0], name.includes('=') ? name.slice(name.indexOf('=') + 1) : undefined];
    if (!there.includes(power) || (power === 'write') !== (path !== undefined))
      throw new OpsError('validation', `"${name.slice(0, 80)}" is no power.`, {
        hint: `--allow takes: ${known.join(', ')}; none takes all away.`,
        candidates: known,
      });
    if (path !== undefined) checkPath(path);
  }
  return [...new Set(names.map((n) => n.replace(/(?<=.)\/+$/, '')))].sort();
}

function checkPath(path: string): void {
  const bare = path.replace(/(?<=.)\/+$/, '');
  const below = NEVER.find((n) => bare === n || bare.startsWith(`${n}/`));
  if (PLAIN_PATH.test(path) && normalize(bare) === bare && below === undefined && !NOT_WHOLE.includes(bare)) return;
  throw new OpsError('validation', `write=${path.slice(0, 200)} cannot be allowed.`, {
    hint:
      below !== undefined || NOT_WHOLE.includes(bare)
        ? 'Name the folder that is meant, outside of what the system itself runs from.'
        : 'Write an absolute path of letters, digits and . _ - + @ only; for another make a link to it, or a drop-in by hand.',
  });
}

/** File name → content, of all drop-ins that these powers need. */
export function dropInsOf(powers: readonly string[], folder: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const power of powers) {
    const [name = '', path = ''] = [power.split('=')[0], power.slice(power.indexOf('=') + 1)];
    const template = textOf(join(folder, 'deploy/systemd/powers', `${name}.conf`));
    if (template === null)
      throw new OpsError('not_found', `This version knows no power "${name}".`, {
        hint: `It knows: ${powersThere(folder).join(', ')}.`,
      });
    const file = `50-${name}.conf`;
    found.set(file, (found.get(file) ?? '') + (name === 'write' ? template.replaceAll('@PATH@', path) : template));
  }
  return found;
}

/** What a person is told of each: its own words. */
export function costsOf(powers: readonly string[], folder: string): { power: string; words: string[] }[] {
  return powers.map((power) => {
    const [name = '', path = ''] = [power.split('=')[0], power.slice(power.indexOf('=') + 1)];
    const text = (textOf(join(folder, 'deploy/systemd/powers', `${name}.conf`)) ?? '').replaceAll('@PATH@', path);
    const words = text
      .split('\n')
      .filter((l) => l.startsWith('#'))
      .map((l) => l.slice(2));
    return { power, words };
  });
}

/** Where the group is missing the unit does not start at all. */
export function missingFor(powers: readonly string[], groupThere: (name: string) => boolean): string[] {
  const wrong: string[] = [];
  if (powers.includes('docker') && !groupThere('docker'))
    wrong.push('docker: there is no group `docker` on this host; install the engine first');
  for (const power of powers.filter((p) => p.startsWith('write=')))
    if (!lstatSync(power.slice(6), { throwIfNoEntry: false })?.isDirectory())
      wrong.push(`${power}: there is no such folder yet`);
  return wrong;
}
