/**
 * `credential:NAME` where a setting names a secret's file: what systemd passed to the service by LoadCredential=, and what lies in no
 * folder that the service could read by itself. Decides which settings may say so and where the file then is. The command line has no
 * credentials of its own: it names the service's, which root may read while that runs.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Surroundings } from './env.ts';

const PREFIX = 'credential:';
/** As systemd takes them: a file's name. */
const NAME = /^(?!\.{1,2}$)[A-Za-z0-9_.@-]{1,255}$/;
/** Where systemd lays those of a system service. */
const SERVICE_CREDENTIALS = '/run/credentials/deckhand.service';

/** In an unprivileged LXC a template's drop-in takes credentials from every service. */
const WAY_OUT =
  'Name it in a drop-in of deckhand.service (LoadCredential=NAME:/etc/deckhand/NAME, see deploy/systemd/credentials.conf); where an LXC template resets LoadCredential (`systemctl cat deckhand.service` shows zzz-lxc-service.conf), put the secret into a file of mode 0600 that belongs to the user deckhand, and name its path.';

type Around = Pick<Surroundings, 'credentialsDirectory' | 'notifySocket'>;
/** Deeper than any setting goes: what is nested further is no setting, and is told as that. */
const DEEPEST = 4;

/** Gives a value with each `credential:NAME` in it replaced by its path. `wrong` is told what cannot be had. */
export function credentialsFor(around: Around, wrong: (where: string, text: string) => void) {
  const within = (path: string, value: unknown, where: string, depth = 0): unknown => {
    if (typeof value === 'string')
      return value.startsWith(PREFIX) && /file$/i.test(path)
        ? fileOf(path, value, around, (text) => wrong(where, text))
        : value;
    if (depth >= DEEPEST || typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((part, i) => within(`${path}[${i}]`, part, where, depth + 1));
    const parts = Object.entries(value).map(([k, part]) => [k, within(`${path}.${k}`, part, where, depth + 1)]);
    return Object.fromEntries(parts);
  };
  return within;
}

function fileOf(
  path: string,
  value: string,
  { credentialsDirectory, notifySocket }: Around,
  wrong: (text: string) => void,
): string {
  const name = value.slice(PREFIX.length);
  if (!NAME.test(name)) {
    wrong(`${path} names no credential: expected credential:NAME, of letters, digits and . _ @ -`);
    return value;
  }
  const file = join(credentialsDirectory ?? SERVICE_CREDENTIALS, name);
  // Not started by systemd: a person's command, which shall not fail for a secret that it does not use.
  if (credentialsDirectory === null && notifySocket === null) return file;
  if (credentialsDirectory === null || !existsSync(file))
    wrong(`${path}: no credential ${name} was passed to this service (${passed(credentialsDirectory)}). ${WAY_OUT}`);
  return file;
}

function passed(folder: string | null): string {
  if (folder === null) return 'it got none';
  try {
    const names = readdirSync(folder);
    return names.length > 0 ? `it got ${names.slice(0, 10).join(', ')}` : 'it got none';
  } catch {
    return 'what it got cannot be looked at';
  }
}
