/** Call ids of the faces: the same in log, audit and error answers. Short, because people read them aloud; random, not secret. */
import { randomBytes } from 'node:crypto';

export const newCallId = (): string => randomBytes(6).toString('hex');
