/**
 * Which entries hold what a caller looks for. Two decisions: the text is searched as it would be answered, with secrets already gone
 * (a search that sees them lets a caller guess them letter by letter); and a caller's expression runs in linear time, by RE2, which is
 * loaded when it is first asked for. Pure but for that.
 */
import { OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';

/** From raw text to what may leave: stripped and redacted. */
export type Clean = (text: string) => string;

/** A mark is our word, not the log's: `redacted` or `password` must not be found in it. */
const MARKS = /⟦[^⟦⟧]{0,80}⟧/g;
const without = (clean: string): string => (clean.includes('⟦') ? clean.replace(MARKS, '\u0000') : clean);

/** Literal, any case. */
export function literal(part: string, clean: Clean): (text: string) => boolean {
  const found = new RegExp(part.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'), 'iu');
  // What is not in the raw text is not in what is left of it either: only what is gets cleaned, and asked again.
  return (text) => found.test(text) && found.test(without(clean(text)));
}

/** Steps of the compiled expression: each character of a log may cost as many, and nothing else runs meanwhile. */
const MOST_STEPS = 150;

export async function expression(pattern: string, clean: Clean): Promise<(text: string) => boolean> {
  const compiled = await compiledOf(pattern);
  return (text) => compiled.test(without(clean(text)));
}

/** Where the first match begins and ends in a text that is clean already; null: none, or only in a mark. */
export async function placeOf(grep: string, regex: boolean): Promise<(text: string) => [number, number] | null> {
  if (!regex) {
    const found = new RegExp(grep.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'), 'iu');
    return (text) => {
      const m = found.exec(blanked(text));
      return m ? [m.index, m.index + m[0].length] : null;
    };
  }
  const compiled = await compiledOf(grep);
  return (text) => {
    const m = compiled.matcher(blanked(text));
    return m.find() ? [m.start(), m.end()] : null;
  };
}

/** Nothing is found in a mark, and all else keeps its place. */
const blanked = (text: string): string =>
  text.includes('⟦') ? text.replace(MARKS, (mark) => '\u0000'.repeat(mark.length)) : text;

async function compiledOf(pattern: string) {
  const { RE2JS } = await import('re2js');
  let compiled: InstanceType<typeof RE2JS>;
  try {
    compiled = RE2JS.compile(pattern, RE2JS.CASE_INSENSITIVE | RE2JS.MULTILINE);
  } catch (e) {
    const why = e instanceof Error ? e.message.replace(/^error parsing regexp: /, '') : 'it cannot be read';
    throw new OpsError('validation', `grep is no RE2 expression: ${why.slice(0, 200)}.`, {
      hint: /\(\?[=!<]|\\\d/.test(pattern)
        ? 'RE2 has no look-around and no back-references: search for less, then read what is found.'
        : 'Leave `regex` out to search for the text as it stands.',
    });
  }
  if (compiled.programSize() > MOST_STEPS)
    throw new OpsError('validation', 'grep is too large an expression.', {
      hint: 'Use smaller counts in {…}, or search for a plain part of it.',
    });
  return compiled;
}

/** Names that may have been meant: near ones, and those that hold the word. */
export function nearNames(name: string, names: readonly string[], most: number): string[] {
  const part = name.toLowerCase();
  const holding = names.filter(
    (n) => part.length >= 2 && (n.toLowerCase().includes(part) || part.includes(n.toLowerCase())),
  );
  return [...new Set([...nearest(name, names, most), ...holding.sort()])].slice(0, most);
}
