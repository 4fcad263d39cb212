/** Random, unguessable names: 26 letters of base32 are 130 bits. What a prefix stands for is decided by who asks. */
import { randomBytes } from 'node:crypto';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';

/** `r` result, `w` work, `t` receipt, `a` approval, `d` file on its way, `l` link to decide by. */
export function newHandle(prefix: 'r' | 'w' | 't' | 'a' | 'd' | 'l'): string {
  let text = `${prefix}_`;
  // 256 is eight times 32: taking the low five bits favours no letter.
  for (const byte of randomBytes(26)) text += LETTERS[byte & 31];
  return text;
}
