/**
 * JSON of a token, where two readers must not see two things: what JSON.parse takes, but no name twice in one object (RFC 7515 4, RFC
 * 7519 4), however it is spelled, and nothing deep. Pure.
 */

const DEEPEST = 16;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Null for anything but such an object. */
export function strictObject(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const text = UTF8.decode(bytes);
    const value: unknown = JSON.parse(text);
    const plain = typeof value === 'object' && value !== null && !Array.isArray(value) && eachNameOnce(text);
    return plain ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g;

/** The text has been parsed: its grammar is beyond doubt, and only its names are looked at. */
function eachNameOnce(text: string): boolean {
  /** One for each open object, null for each open list. */
  const open: (Set<string> | null)[] = [];
  let last = '';
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === '{' || token === '[') {
      open.push(token === '{' ? new Set() : null);
      if (open.length > DEEPEST) return false;
    } else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const names = open.at(-1) as Set<string>;
      const name = JSON.parse(last) as string;
      if (names.has(name)) return false;
      names.add(name);
    } else last = token;
  }
  return true;
}
