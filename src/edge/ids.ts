/** Call ids of the faces: the same in log, audit and error answers. Short, because people read them aloud; random, not secret. */
import { randomUUID } from 'node:crypto';

/** 48 random bits. A UUID's, because Node draws those in batches: `randomBytes` was a tenth of a small HTTP call. */
export function newCallId(): string {
  const uuid = randomUUID();
  return uuid.slice(0, 8) + uuid.slice(9, 13);
}
