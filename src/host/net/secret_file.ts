/** A secret in a file of the owner's, read when it is used and kept nowhere. A file that others could read is refused: what is in it is lost already. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { OpsError } from '../../core/errors.ts';

const LONGEST = 4_096;
/**
 * Root's folder, in which systemd lays what it passes to services. A file there may be root's, with an entry for the service's user beside
 * its mode: the group's bits are then the bound of such entries, and no group's right.
 */
const CREDENTIALS = '/run/credentials/';

export interface SecretFile {
  /** What it is called in errors, e.g. `token`. */
  what: string;
  /** What it must look like, without the space around it. */
  shape: RegExp;
  /** How one comes by it. */
  hint: string;
}

export function secretFile(path: string, { what, shape, hint }: SecretFile): string {
  const wrong = (why: string, next: string) =>
    new OpsError('unavailable', `The ${what} file ${path} ${why}.`, { hint: next });
  let fd: number;
  try {
    // Not of a pipe: that would wait for its writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    const next = path.startsWith(CREDENTIALS)
      ? 'It is a credential of deckhand.service (LoadCredential=), there for that service alone and while it runs; or name a file of mode 0600 instead.'
      : `Write the ${what} into it.`;
    throw wrong(code === 'ENOENT' ? 'is not there' : `cannot be opened (${code})`, next);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw wrong('is no file', `Name a file that holds the ${what}.`);
    if (stat.mode & (path.startsWith(CREDENTIALS) ? 0o037 : 0o077))
      throw wrong('may be read by others', `\`chmod 600 ${path}\`, and make a new ${what}.`);
    const buffer = Buffer.alloc(LONGEST);
    const secret = buffer.toString('latin1', 0, readSync(fd, buffer, 0, LONGEST, 0)).trim();
    if (!shape.test(secret)) throw wrong(`holds no ${what}`, hint);
    return secret;
  } finally {
    closeSync(fd);
  }
}
