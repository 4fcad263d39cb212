/**
 * What of a file goes into an answer, as it is picked: parts of neighbouring lines, within a number of characters. Decides when it is
 * enough, and counts what was changed or cut. Which lines, the callers decide.
 */
import { cut, type Pick } from '../insight/text_pick.ts';

export interface Part {
  line: number | null;
  byte: number;
  matches?: number[];
  lines: string[];
}

export interface Shown {
  parts: Part[];
  redacted: number;
  stripped: number;
  invalid: number;
  cutLines: number;
  /** The first line that was cut: to say how to see the rest of it. */
  firstCut: { line: number | null; byte: number } | null;
}

export interface ShownLine {
  pick: Pick;
  line: number | null;
  byte: number;
  place?: readonly [number, number];
  match?: boolean;
}

export function createShown(o: { chars: number; lineChars: number; grep: boolean }) {
  const shown: Shown = { parts: [], redacted: 0, stripped: 0, invalid: 0, cutLines: 0, firstCut: null };
  let used = 0;
  let lines = 0;
  /** Of the last part, where each of its lines begins in the file. */
  let begins: number[] = [];

  return {
    shown,
    lines: () => lines,
    /** One that is shown as a neighbour is a match, too. */
    matchAt(byte: number): void {
      const at = begins.indexOf(byte);
      if (at >= 0) shown.parts.at(-1)?.matches?.push(at);
    },
    /** False: there is no room for it any more. The first one always has. */
    add(one: ShownLine, follows: boolean): boolean {
      const { text, cut: isCut } = cut(one.pick, o.lineChars, one.place);
      // As JSON: quotes and backslashes are two bytes, most of the rest as many as it has in UTF-8.
      const cost = Buffer.byteLength(JSON.stringify(text)) + 8;
      if (lines > 0 && used + cost > o.chars) return false;
      used += cost;
      lines++;
      const last = follows ? shown.parts.at(-1) : undefined;
      const part: Part = last ?? { line: one.line, byte: one.byte, ...(o.grep ? { matches: [] } : {}), lines: [] };
      if (!last) {
        shown.parts.push(part);
        begins = [];
      }
      begins.push(one.byte);
      if (one.match) part.matches?.push(part.lines.length);
      part.lines.push(text);
      shown.redacted += one.pick.redacted;
      shown.stripped += one.pick.stripped;
      shown.invalid += one.pick.invalid;
      if (isCut) {
        shown.cutLines++;
        shown.firstCut ??= { line: one.line, byte: one.byte };
      }
      return true;
    },
  };
}
export type Builder = ReturnType<typeof createShown>;
