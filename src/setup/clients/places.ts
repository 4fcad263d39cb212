/** Templates of the table to paths of one machine, on each system by its own rules. Reads nothing but whether a file is there. */
import { existsSync } from 'node:fs';
import { posix, win32 } from 'node:path';
import type { Homes } from '../../config/env.ts';
import { OpsError } from '../../core/errors.ts';
import type { ClientSpec, Platform, Scope } from './spec.ts';

export interface Machine {
  platform: Platform;
  homes: Homes;
  cwd: string;
}

export const pathOf = (platform: Platform) => (platform === 'win32' ? win32 : posix);

export const isPlatform = (word: string): word is Platform => /^(?:linux|darwin|win32)$/.test(word);

/** `{name}` of a template: a folder, and what stands for it in words for people. */
const BASES: Record<string, { of: (m: Machine) => string | null; said: string; setting: string }> = {
  home: { of: (m) => m.homes.home, said: '~', setting: 'HOME' },
  config: { of: (m) => m.homes.configHome ?? under(m, '.config'), said: '~/.config', setting: 'HOME' },
  support: {
    of: (m) => under(m, 'Library', 'Application Support'),
    said: '~/Library/Application Support',
    setting: 'HOME',
  },
  appdata: { of: (m) => m.homes.appData ?? under(m, 'AppData', 'Roaming'), said: '%APPDATA%', setting: 'APPDATA' },
  localappdata: {
    of: (m) => m.homes.localAppData ?? under(m, 'AppData', 'Local'),
    said: '%LOCALAPPDATA%',
    setting: 'LOCALAPPDATA',
  },
  claude: { of: (m) => m.homes.claudeConfigDir ?? m.homes.home, said: '~', setting: 'HOME' },
  claudedir: { of: (m) => m.homes.claudeConfigDir ?? under(m, '.claude'), said: '~/.claude', setting: 'HOME' },
  codex: { of: (m) => m.homes.codexHome ?? under(m, '.codex'), said: '~/.codex', setting: 'HOME' },
};

const under = (m: Machine, ...parts: string[]) =>
  m.homes.home === null ? null : pathOf(m.platform).join(m.homes.home, ...parts);

function filled(template: string, m: Machine): string {
  const [, name = '', rest = ''] = /^\{(\w+)\}(.*)$/.exec(template) ?? [];
  const base = BASES[name];
  const dir = base?.of(m);
  if (!dir) {
    const windows = m.platform === 'win32' && base?.setting === 'HOME';
    throw new OpsError('unavailable', `${windows ? 'USERPROFILE' : base?.setting} is not set, or no absolute path.`, {
      hint: 'Name the file of the client’s settings with --config FILE.',
    });
  }
  return rest === '' ? dir : pathOf(m.platform).join(dir, ...rest.split('/').filter(Boolean));
}

/** The file of the client, whether it is there or not. */
export function placeOf(
  spec: ClientSpec,
  scope: Scope,
  m: Machine,
  there: (file: string) => boolean = existsSync,
): string {
  if (scope === 'project') {
    if (spec.project) return pathOf(m.platform).join(m.cwd, ...spec.project.split('/'));
    throw new OpsError('validation', `${spec.title} has no settings of a project.`, { hint: 'Leave --scope out.' });
  }
  const files = spec.user?.[m.platform]?.map((t) => filled(t, m)) ?? [];
  const file = files.find(there) ?? files[0];
  if (file !== undefined) return file;
  throw new OpsError('validation', `${spec.title} has no file of its own that is known here.`, {
    hint: '`deckhand client print` says what belongs into it; --config FILE names it.',
  });
}

/** Whether the client is on this machine, as far as folders tell. */
export function isThere(spec: ClientSpec, m: Machine, there: (file: string) => boolean = existsSync): boolean {
  try {
    const file = placeOf(spec, 'user', m, there);
    return there(file) || there(spec.marker ? filled(spec.marker, m) : pathOf(m.platform).dirname(file));
  } catch {
    return false;
  }
}

/** For people and for docs: `~/.cursor/mcp.json`, `%APPDATA%\Zed\settings.json`. */
export function said(template: string, platform: Platform): string {
  const text = template.replace(/^\{(\w+)\}/, (_, name: string) => BASES[name]?.said ?? '');
  return platform === 'win32' ? text.replace(/^~/, '%USERPROFILE%').replaceAll('/', '\\') : text;
}

/** What we keep of our own about clients: their settings are a person's, so this is too, also on a host with a state folder. */
export function keptIn(m: Machine): string {
  const path = pathOf(m.platform);
  const base =
    m.platform === 'win32'
      ? filled('{localappdata}', m)
      : m.platform === 'darwin'
        ? filled('{support}', m)
        : (m.homes.stateHome ?? path.join(filled('{home}', m), '.local', 'state'));
  return path.join(base, m.platform === 'linux' ? 'deckhand' : 'Deckhand', 'clients');
}
