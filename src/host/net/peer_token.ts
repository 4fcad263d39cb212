/** The token for another Deckhand, read when it is used and kept nowhere. A file that others could read is refused: what is in it is lost already. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { OpsError } from '../../core/errors.ts';

const LONGEST = 4_096;
const TOKEN = /^[A-Za-z0-9._~+/=-]{1,1024}$/;

export function peerToken(path: string): string {
  let fd: number;
  try {
    // Not of a pipe: that would wait for its writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    throw wrong(path, code === 'ENOENT' ? 'is not there' : `cannot be opened (${code})`, 'Write the token into it.');
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw wrong(path, 'is no file', 'Name a file that holds the token.');
    if (stat.mode & 0o077) throw wrong(path, 'may be read by others', `\`chmod 600 ${path}\`, and make a new token.`);
    const buffer = Buffer.alloc(LONGEST);
    const token = buffer.toString('latin1', 0, readSync(fd, buffer, 0, LONGEST, 0)).trim();
    if (!TOKEN.test(token)) throw wrong(path, 'holds no token', 'It is one line, as `deckhand token add` printed it.');
    return token;
  } finally {
    closeSync(fd);
  }
}

const wrong = (path: string, what: string, hint: string) =>
  new OpsError('unavailable', `The token file ${path} ${what}.`, { hint });
