/** Which of SQLite's errors mean what for us. What is done about them is decided in db.ts. Primary codes: sqlite.org/rescode.html */

const BUSY = 5;
const LOCKED = 6;
const CORRUPT = 11;
const FULL = 13;
const NOT_A_DATABASE = 26;
/** PERM, NOMEM, READONLY, IOERR, CANTOPEN, PROTOCOL, NOLFS, AUTH: the disk or the system says no; the statement is right. */
const OUTAGES = new Set([3, 7, 8, 10, CORRUPT, FULL, 14, 15, 22, 23, NOT_A_DATABASE]);

function codeOf(error: unknown): number {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : 0;
  return typeof code === 'number' ? code & 0xff : 0;
}

export const isBusy = (error: unknown): boolean => codeOf(error) === BUSY || codeOf(error) === LOCKED;
export const isCorrupt = (error: unknown): boolean => codeOf(error) === CORRUPT || codeOf(error) === NOT_A_DATABASE;
export const isFull = (error: unknown): boolean => codeOf(error) === FULL;
export const isOutage = (error: unknown): boolean => OUTAGES.has(codeOf(error));
