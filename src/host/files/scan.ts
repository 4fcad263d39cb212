/**
 * The way to a line of a large file without its bytes leaving the thread: so many line ends on, or to the next line that may hold a text.
 * Gives places and numbers, never content: what stands there is asked for by read.ts, with its rules. A buffer is all the memory it takes.
 */
import fs from 'node:fs';
import { OpsError } from '../../core/errors.ts';
import type { FileScan, ScanFor } from '../../core/files.ts';
import type { Task } from './task.ts';
import { componentsOf, failed, type Ground, reopen, shown, statOf, walk } from './walk.ts';

/** Text of this size lies where it costs no pages to make and to forget: of 256 KiB it took twice the time. */
const WINDOW = 64 * 1024;
/** Of a text: a match over the border of two windows is found in the second. */
const MOST_TEXT = 1_024;
const LF = 10;
let space: Buffer | undefined;

export function scanBytes(ground: Ground, path: Uint8Array, o: ScanFor, task: Task): FileScan {
  using place = walk(ground, componentsOf(path), { access: 'read' });
  const name = shown(place.components);
  if (!place.stat.isFile()) throw new OpsError('validation', `That is no file: ${name}.`);
  if (o.text !== undefined && (o.text === '' || o.text.length > MOST_TEXT))
    throw new OpsError('validation', 'The text is empty, or too long to look for.');
  let fd: number | undefined;
  try {
    fd = reopen(place, ground.descriptors);
    return { path: name, stat: statOf(place.stat), ...scan(fd, o, task) };
  } catch (error) {
    throw failed(error, name);
  } finally {
    if (fd !== undefined) (ground.descriptors?.close ?? fs.closeSync)(fd);
  }
}

function scan(fd: number, o: ScanFor, task: Task): Omit<FileScan, 'path' | 'stat'> {
  space ??= Buffer.allocUnsafeSlow(WINDOW);
  const pattern = o.text === undefined ? null : anyCase(o.text);
  const overlap = Buffer.byteLength(o.text ?? '') * 3;
  const least = Math.max(0, Math.trunc(o.offset));
  let lines = 0;
  /** The last line's beginning, as far as it was looked at. */
  let begin = least;
  let kept = 0;
  for (let at = least; ; ) {
    task.tick();
    const want = Math.min(space.length - kept, o.length - (at - least));
    const got = want <= 0 ? 0 : fs.readSync(fd, space, kept, want, at);
    const base = at - kept;
    const window = space.subarray(0, kept + got);
    at += got;
    const found = pattern && search(pattern, window);
    // What was kept of the window before has been counted.
    let from = kept;
    for (let end = window.indexOf(LF, from); end >= 0; end = window.indexOf(LF, end + 1)) {
      if (found !== null && end >= found) break;
      lines++;
      begin = base + end + 1;
      from = end + 1;
      if (o.lines !== undefined && lines >= o.lines) return { lines, at: begin, hit: null, to: begin, end: false };
    }
    if (found !== null) return { lines, at: begin, hit: base + found, to: base + found, end: false };
    if (got === 0) return { lines, at: null, hit: null, to: at, end: want > 0 };
    // Half a match may stand at its end.
    kept = pattern ? Math.min(overlap, window.length) : 0;
    if (kept > 0) space.copy(space, 0, window.length - kept, window.length);
  }
}

function search(pattern: RegExp, window: Buffer): number | null {
  pattern.lastIndex = 0;
  return pattern.exec(window.toString('latin1'))?.index ?? null;
}

/** Over the bytes, one to the character. A class of two is quicker than the flag for any case. */
function anyCase(text: string): RegExp {
  const coded = (s: string) => Array.from(Buffer.from(s), (b) => `\\x${b.toString(16).padStart(2, '0')}`).join('');
  const each = Array.from(text, (c) => {
    const forms = [...new Set([c, c.toLowerCase(), c.toUpperCase()])].map(coded);
    return forms.every((f) => f.length === 4) ? `[${forms.join('')}]` : `(?:${forms.join('|')})`;
  });
  return new RegExp(each.join(''), 'g');
}
