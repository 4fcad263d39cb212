/**
 * Whether what a file is to hold is well formed, as the program would say that reads it. Types only: which program looks at which file,
 * and how it is kept from reading others, is host/validate's; what a verdict stops, the tools'.
 */
import type { Bounded } from './host.ts';

export interface Verdict {
  /** Who looked: `JSON`, `visudo`, `nginx -t` … */
  by: string;
  /** `unknown`: it could not look (not installed, too slow, needs rights, asks for other files). Never said to be `ok`. */
  result: 'ok' | 'failed' | 'unknown';
  /** One line of at most 300 characters, in the words of who looked: of others' making. Null only where it is `ok`. */
  why: string | null;
  /** From 1, of the file itself. */
  line: number | null;
}

export interface ValidateHost {
  /**
   * Only parses what a file of that path would hold, in a copy that nobody else sees: nothing of it takes effect, and no other file is
   * named by it to any purpose. Null: nobody here knows such files.
   */
  proposed(path: string, bytes: Uint8Array, o?: Bounded): Promise<Verdict | null>;
  /** Who can tell only from the file in its place, because it loads code or reads other files. Null: nobody. */
  inPlaceBy(path: string): Promise<string | null>;
  /** Asks that one, for the file as it is now. */
  inPlace(path: string, o?: Bounded): Promise<Verdict>;
  /** One after the other for all files that the same one looks at, so that nobody's verdict is of another's half-made change. */
  alone<T>(path: string, work: () => Promise<T>): Promise<T>;
}
