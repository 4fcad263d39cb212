/**
 * A text that every match of an expression holds, so that a quick search for it can go before the expression. Pure, and careful: where the
 * expression is not plainly one piece behind the other, there is none.
 */

const LEAST = 3;

/** The longest such text of ASCII; null: none is known. */
export function requiredText(pattern: string): string | null {
  if (/\\Q|\(\?(?!:|P?<)|\n/.test(pattern)) return null;
  let best = '';
  let run = '';
  const end = () => {
    if (run.length > best.length) best = run;
    run = '';
  };
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i] as string;
    if (c === '|') return null; // at this level either side will do
    if (c === '(' || c === '[') {
      end();
      const close = c === '(' ? groupEnd(pattern, i) : setEnd(pattern, i);
      if (close < 0) return null;
      i = close;
    } else if (c === '?' || c === '*' || c === '{') {
      // What stands before it may be missing.
      run = run.slice(0, -1);
      end();
      if (c === '{') {
        const close = pattern.indexOf('}', i);
        if (close < 0) return null;
        i = close;
      }
    } else if (c === '+' || c === '.' || c === '^' || c === '$') {
      end();
    } else if (c === '\\') {
      const next = pattern[++i];
      if (next === undefined) return null;
      if (/[a-zA-Z0-9]/.test(next)) {
        end();
        // \pL, \p{Greek}, \x41, \x{41}: their arguments are no text.
        if (/[pPx]/.test(next)) return best.length >= LEAST ? best : null;
      } else run += next;
    } else if (c > '~' || c < ' ') end();
    else run += c;
  }
  end();
  return best.length >= LEAST ? best : null;
}

function setEnd(pattern: string, open: number): number {
  let at = open + 1;
  if (pattern[at] === '^') at++;
  if (pattern[at] === ']') at++;
  for (; at < pattern.length; at++) {
    if (pattern[at] === '\\') at++;
    else if (pattern.startsWith('[:', at)) at = pattern.indexOf(':]', at) + 1 || pattern.length;
    else if (pattern[at] === ']') return at;
  }
  return -1;
}

function groupEnd(pattern: string, open: number): number {
  let depth = 0;
  for (let at = open; at < pattern.length; at++) {
    if (pattern[at] === '\\') at++;
    else if (pattern[at] === '[') {
      at = setEnd(pattern, at);
      if (at < 0) return -1;
    } else if (pattern[at] === '(') depth++;
    else if (pattern[at] === ')' && --depth === 0) return at;
  }
  return -1;
}
