/** The known names that someone who wrote a wrong one most likely meant. Pure; the caller decides how to say it. */

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
function distance(a: string, b: string): number {
  const width = b.length + 1;
  const cells = new Uint16Array((a.length + 1) * width);
  // Every cell that is read was written before: i and j never leave the table.
  const at = (i: number, j: number): number => cells[i * width + j] as number;
  for (let i = 0; i <= a.length; i++)
    for (let j = 0; j <= b.length; j++) {
      let best = i + j;
      if (i > 0 && j > 0) {
        const same = a[i - 1] === b[j - 1];
        best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1));
        if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
          best = Math.min(best, at(i - 2, j - 2) + 1);
      }
      cells[i * width + j] = best;
    }
  return at(a.length, b.length);
}

/** Longer than any name of ours: such a word is not a slip, and measuring it would cost time. */
const LONGEST = 64;

/**
 * At most `most` names, the nearest first; none that differs in more than a third of its letters. A name whose last part (after
 * a dot, dash or underscore) is the word itself counts as near: `port` means `http.port`.
 */
export function nearest(word: string, names: Iterable<string>, most = 1): string[] {
  if (word === '' || word.length > LONGEST) return [];
  const wanted = word.toLowerCase();
  const found: { name: string; away: number }[] = [];
  for (const name of names) {
    const known = name.toLowerCase();
    const tail = /[.\-_]/.test(known.at(-wanted.length - 1) ?? '') && known.endsWith(wanted);
    const away = tail ? 1 : distance(wanted, known);
    if (away <= Math.max(1, Math.floor(Math.min(known.length, 24) / 3))) found.push({ name, away });
  }
  found.sort((a, b) => a.away - b.away || a.name.localeCompare(b.name, 'en'));
  return found.slice(0, most).map((f) => f.name);
}
