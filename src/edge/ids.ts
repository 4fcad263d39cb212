/** Call ids of the faces: the same in log, audit and error answers. Short, because people read them aloud; random, not secret. */

/** Taken when the first id is made: loading it is 5 ms of a client's start, which makes none. */
let crypto: typeof import('node:crypto') | undefined;

/** 48 random bits. A UUID's, because Node draws those in batches: `randomBytes` was a tenth of a small HTTP call. */
export function newCallId(): string {
  crypto ??= process.getBuiltinModule('node:crypto');
  const uuid = crypto.randomUUID();
  return uuid.slice(0, 8) + uuid.slice(9, 13);
}
