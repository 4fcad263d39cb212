/**
 * Edits of a file's bytes, all or none of them: each is an exact text or a range of lines, found in the file as it is, and only the bytes
 * between what stays the same are replaced. Decides what an edit means and when it means nothing; reads and writes nothing.
 */
import { OpsError } from '../core/errors.ts';
import { type Lines, linesOf } from './edit_lines.ts';
import { nearestTo } from './edit_near.ts';
import { sniffText } from './text_encoding.ts';

export interface Edit {
  /** Exact text; or a range of lines. */
  find?: string | undefined;
  all?: boolean | undefined;
  /** From 1, as the file is before any edit. */
  fromLine?: number | undefined;
  /** One less than `fromLine`: inserts before it. */
  toLine?: number | undefined;
  replace: string;
}

export interface Edited {
  bytes: Buffer;
  /** Places that were replaced. */
  places: number;
}

type Encode = (text: string) => Buffer;

interface Span {
  from: number;
  to: number;
  text: Buffer;
  edit: number;
}

const bad = (message: string, hint: string) => new OpsError('validation', message, { hint });
const unix = (text: string) => text.replaceAll('\r\n', '\n');

/** `show`: how line n may be shown to the caller, who has not seen its secrets. */
export function applyEdits(bytes: Uint8Array, edits: readonly Edit[], show: (line: number) => string): Edited {
  const encode = encoderOf(bytes);
  const lines = linesOf(bytes);
  const spans = edits.flatMap((edit, i) =>
    (edit.find === undefined ? byLines(edit, i, lines, encode) : byText(edit, i, lines, encode, show)).map((s) =>
      narrowed(s, lines),
    ),
  );
  // Insertions before what is replaced at the same place; else in the order they were given.
  spans.sort((a, b) => a.from - b.from || a.to - b.to);
  for (const [n, b] of spans.entries()) {
    const a = spans[n - 1];
    if (a && b.from < a.to)
      throw bad(
        `Edits ${a.edit + 1} and ${b.edit + 1} change the same place (line ${lines.lineAt(b.from)}).`,
        'All edits are found in the file as it is now: make one of the two.',
      );
  }
  const parts: Uint8Array[] = [];
  let done = 0;
  for (const { from, to, text } of spans) {
    parts.push(bytes.subarray(done, lines.onDisk(from)), withEnds(text, lines.eol));
    done = lines.onDisk(to);
  }
  parts.push(bytes.subarray(done));
  return { bytes: Buffer.concat(parts), places: spans.length };
}

/** New text is written as the old one is: a file of two encodings is damaged for every reader. */
function encoderOf(bytes: Uint8Array): Encode {
  const found = sniffText(bytes, true)?.encoding;
  if (found === 'utf-16le' || found === 'utf-16be' || bytes.includes(0))
    throw bad(
      bytes.includes(0) && !found
        ? 'The file is binary: it holds NUL bytes.'
        : 'The file is UTF-16: it cannot be edited here.',
      'Write it whole with file_write and `base64`.',
    );
  if (found !== 'latin1') return (text) => Buffer.from(text, 'utf8');
  return (text) => {
    if (/[^\0-\xff]/.test(text))
      throw bad('The file is Latin-1, which has no such characters as the edit.', 'Write them another way.');
    return Buffer.from(text, 'latin1');
  };
}

function byText(edit: Edit, i: number, lines: Lines, encode: Encode, show: (line: number) => string): Span[] {
  const find = encode(unix(edit.find as string));
  const text = encode(unix(edit.replace));
  const spans: Span[] = [];
  for (let at = lines.flat.indexOf(find); at >= 0; at = lines.flat.indexOf(find, at + find.length))
    spans.push({ from: at, to: at + find.length, text, edit: i });
  if (spans.length === 0) throw missed(edit, i, lines, show);
  if (spans.length > 1 && edit.all !== true) {
    const at = spans.slice(0, 8).map((s) => lines.lineAt(s.from));
    throw bad(
      `Edit ${i + 1}: its text is there ${spans.length} times, in lines ${at.join(', ')}${spans.length > 8 ? ' …' : ''}.`,
      'Give more of the lines around it, so that it is there once; or `all: true`.',
    );
  }
  return spans;
}

function missed(edit: Edit, i: number, lines: Lines, show: (line: number) => string): OpsError {
  const texts: string[] = [];
  for (let n = 1; n <= lines.count; n++) texts.push(lines.flat.toString('utf8', lines.start(n), lines.end(n)));
  const near = nearestTo(unix(edit.find as string), texts);
  const what = `Edit ${i + 1}: its text is not in the file.`;
  const hint = 'Read those lines again with file_read, and give them exactly as they are.';
  if (!near) return new OpsError('not_found', `${what} No line is like it.`, { hint });
  const how = { 'white space': ' and differs only in white space', case: ' and differs only in case', text: '' }[
    near.how
  ];
  return new OpsError('not_found', `${what} The nearest is line ${near.line}${how}: ${quoted(show(near.line))}`, {
    hint,
  });
}

/** On one line, so that no text of a file can look like a sentence of ours. */
const quoted = (line: string) => JSON.stringify(line.length > 160 ? `${line.slice(0, 160)}…` : line);

function byLines(edit: Edit, i: number, lines: Lines, encode: Encode): Span[] {
  const from = edit.fromLine as number;
  const to = edit.toLine ?? from;
  const text = unix(edit.replace);
  if (from < 1 || from > lines.count + 1 || to > lines.count || to < from - 1)
    throw bad(
      `Edit ${i + 1}: a file with ${lines.count} lines has no lines ${to < from ? `behind ${to}` : `${from} to ${to}`}.`,
      `Lines are counted from 1; ${lines.count}+ is behind the last one.`,
    );
  // One line end at the end of the text ends its last line, and is not another line.
  const body = text.endsWith('\n') ? text.slice(0, -1) : text;
  const span = (a: number, b: number, t: string): Span[] => [{ from: a, to: b, text: encode(t), edit: i }];
  if (to < from) {
    if (text === '') return [];
    const at = lines.start(from);
    return lines.ended || from <= lines.count ? span(at, at, `${body}\n`) : span(at, at, `\n${body}`);
  }
  if (text === '') return span(lines.start(from), lines.start(to + 1), '');
  return span(lines.start(from), lines.end(to), body);
}

/** Without what is the same at both ends: those bytes stay as they are on the disk, whatever their line ends. */
function narrowed(s: Span, { flat }: Lines): Span {
  let { from, to } = s;
  let a = 0;
  let b = s.text.length;
  while (from < to && a < b && flat[from] === s.text[a]) {
    from++;
    a++;
  }
  while (to > from && b > a && flat[to - 1] === s.text[b - 1]) {
    to--;
    b--;
  }
  return { ...s, from, to, text: s.text.subarray(a, b) };
}

const withEnds = (text: Buffer, eol: Lines['eol']): Buffer =>
  eol === '\n' ? text : Buffer.from(text.toString('latin1').replaceAll('\n', '\r\n'), 'latin1');

export function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
