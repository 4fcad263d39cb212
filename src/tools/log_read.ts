/**
 * Reads one log, whatever keeps it, within bounds: how far back, how much, how long. The seam for sources: an opener gives a LogReader,
 * and nothing else of it is known here. What is wanted of the lines is the selector's (insight/log_select.ts).
 */
import type { LogEnd, LogLine } from '../core/docker.ts';
import { toOpsError } from '../core/errors.ts';
import { strip } from '../core/foreign.ts';
import type { Source } from '../core/source.ts';
import { bytes as inBytes } from '../core/text.ts';
import { createGrouper, PAUSE_MS, type RawLine } from '../insight/log_group.ts';
import type { Level } from '../insight/log_level.ts';
import type { Position } from '../insight/log_page.ts';
import type { Selection, Selector } from '../insight/log_select.ts';

/** One log that can be read. */
export interface LogReader {
  source: Source;
  /** When what writes it was last started; null: not known. */
  startedAtMs: number | null;
  /** `tail` counts back from `untilMs`, not from the end of the log. */
  tailBefore?: boolean;
  /** What was before that moment is gone, and why. */
  begins?: { atMs: number; why: string };
  /** What must be known to read its lines rightly. */
  note?: string;
  /** Whole lines in order. With `tail` only the last ones, which are found from the end. */
  read(window: ReadWindow): AsyncGenerator<ReadLine, LogEnd, undefined>;
}

export interface ReadLine extends LogLine {
  /** Line ends in it are part of it: whoever kept it says that it is one entry. */
  whole?: boolean;
  /** Which of several writers of this log it is from; their lines are no parts of one another's. */
  writer?: string;
  /** Name of the writer, where it is worth saying. Others choose it. */
  by?: string;
  /** What whoever kept it says of it, for a text that says none. */
  level?: Level;
}

export interface ReadWindow {
  sinceMs?: number;
  untilMs?: number;
  tail?: number;
  maxBytes: number;
  maxLineBytes: number;
  signal: AbortSignal;
}

export interface Plan {
  sinceMs: number | undefined;
  untilMs: number | undefined;
  /** Exactly so many last lines. */
  tail: number | undefined;
  /** A page goes on from here, towards what is newer when `forward`. The selector leaves out what lies before. */
  beyond: Position | undefined;
  /** From the window's beginning on, and no further than needed. */
  forward: boolean;
  /** Matches that are enough when the caller named no window. */
  enough: number;
  group: boolean;
  maxBytes: number;
  deadlineMs: number;
}

export interface Looked<S = Selection> {
  selection: S;
  /** From whoever keeps the log, over all rounds. */
  bytesRead: number;
  lines: number;
  fromMs: number | null;
  toMs: number | null;
  /** Which end of the window was not looked at; null: all of it was. */
  missing: 'older' | 'newer' | null;
  /** The bound that stopped the reading; null where it read all, or all that was needed. */
  stopped: string | null;
  /** Lines that were longer than what is read of one. */
  cutLines: number;
}

/** Longer lines are cut by the reader: a log without line ends must not fill the memory. */
const MOST_LINE_BYTES = 16 * 1024;
/** Docker itself splits lines at this length, and counts each part as one of its `tail`. */
const SPLIT_BYTES = 16_000;
const FIRST_TAIL = 400;
const FIRST_TAIL_SINCE = 4_000;
const FASTER = 10;
/** Another round costs the last one again: it must bring much more. */
const WORTH = 1.5;
/** Characters between two looks at the clock: a few thousand are a millisecond's work, unless an expression is dear. */
const LOOK_EVERY = 16 * 1024;

export interface ReadContext {
  signal: AbortSignal;
  now(): number;
}

/** `newSelector` for each round: a shorter look back is thrown away when a longer one follows. */
export async function lookAt<S extends { matched: number } = Selection>(
  reader: LogReader,
  plan: Plan,
  newSelector: () => Selector<S>,
  ctx: ReadContext,
): Promise<Looked<S>> {
  // Where `tail` counts from the log's end, it cannot find what is newest before an `until`. A page is near its end in most cases.
  const blind = plan.untilMs !== undefined && !reader.tailBefore && !plan.beyond;
  if (plan.tail !== undefined || plan.forward || blind)
    return round(reader, plan, plan.tail, plan.maxBytes, newSelector(), ctx);

  let tail = plan.sinceMs === undefined ? Math.max(FIRST_TAIL, plan.enough * 4) : FIRST_TAIL_SINCE;
  let spent = 0;
  let last: Looked<S> | null = null;
  for (;;) {
    // A first look at lines that turn out to be huge must leave enough for a shorter one.
    const most = (last ? plan.maxBytes : plan.maxBytes / 4) - spent;
    const looked: Looked<S> = await round(reader, plan, tail, most, newSelector(), ctx);
    spent += looked.bytesRead;
    if (looked.stopped !== null) {
      // It has the older part of its lines; the newest are what was asked for.
      if (last) return { ...last, bytesRead: spent, stopped: looked.stopped, missing: 'older' };
      const fewer = Math.floor(looked.lines * 0.8);
      if (fewer < 1 || ctx.now() >= plan.deadlineMs) return { ...looked, bytesRead: spent };
      const newest = await round(reader, plan, fewer, plan.maxBytes - spent, newSelector(), ctx);
      const missing = newest.missing ?? 'older';
      return { ...newest, bytesRead: spent + newest.bytesRead, stopped: newest.stopped ?? looked.stopped, missing };
    }
    const all: Looked<S> = { ...looked, bytesRead: spent };
    if (looked.missing === null || (last && last.fromMs === looked.fromMs && last.lines === looked.lines))
      return { ...all, missing: null };
    if ((plan.sinceMs === undefined || plan.beyond) && looked.selection.matched >= plan.enough) return all;
    const perLine = Math.max(1, looked.bytesRead / Math.max(1, looked.lines));
    const room = Math.floor(((plan.maxBytes - spent) * 0.9) / perLine);
    // Where it ends at `since` by itself, no step has to feel its way: the next one is the last.
    const next = plan.sinceMs !== undefined && reader.tailBefore && !plan.beyond ? room : Math.min(tail * FASTER, room);
    if (ctx.now() >= plan.deadlineMs) return { ...all, stopped: TIME_UP };
    if (next < tail * WORTH) return { ...all, stopped: enoughRead(plan) };
    last = looked;
    tail = next;
  }
}

/** A page needs the lines around the place where it begins: what they belong to may begin before it, or go on behind it. */
function windowOf({ sinceMs, untilMs, beyond, forward }: Plan): { sinceMs?: number; untilMs?: number } {
  const from = beyond && forward ? Math.max(beyond.atMs - PAUSE_MS, sinceMs ?? 0) : sinceMs;
  const to = beyond && !forward ? Math.min(beyond.atMs + PAUSE_MS, untilMs ?? Number.POSITIVE_INFINITY) : untilMs;
  return { ...(from === undefined ? {} : { sinceMs: from }), ...(to === undefined ? {} : { untilMs: to }) };
}

const TIME_UP = 'the time for reading was up';
const enoughRead = (plan: Plan): string => `${inBytes(plan.maxBytes)} are read at most`;

async function round<S>(
  reader: LogReader,
  plan: Plan,
  tail: number | undefined,
  maxBytes: number,
  selector: Selector<S>,
  ctx: ReadContext,
): Promise<Looked<S>> {
  const grouper = createGrouper({ group: plan.group }, (entry) => selector.push(entry));
  let [lines, chars, looked, cutLines, split] = [0, 0, 0, 0, false];
  let fromMs: number | null = null;
  let toMs: number | null = null;
  let end: LogEnd | null = null;
  let why: string | null = null;

  const left = Math.max(1, plan.deadlineMs - ctx.now());
  const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(left)]);
  const { sinceMs, untilMs } = windowOf(plan);
  const stream = reader.read({
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(untilMs === undefined || (tail !== undefined && !reader.tailBefore) ? {} : { untilMs }),
    ...(tail === undefined ? {} : { tail }),
    maxBytes: Math.max(1, maxBytes),
    maxLineBytes: MOST_LINE_BYTES,
    signal,
  });
  try {
    for (;;) {
      const step = await stream.next();
      if (step.done) {
        end = step.value;
        break;
      }
      const line = step.value;
      lines++;
      chars += line.text.length + 1;
      if (line.text.length >= SPLIT_BYTES) split = true;
      if (line.cut) cutLines++;
      fromMs ??= line.atMs;
      toMs = line.atMs;
      grouper.push(shown(line));
      if (plan.forward && selector.full()) break;
      if (chars - looked < LOOK_EVERY) continue;
      looked = chars;
      if (ctx.now() < plan.deadlineMs) continue;
      why = TIME_UP;
      break;
    }
  } catch (thrown) {
    // Our own time-out is a bound like the others; the caller's leaving, or a broken engine, is not.
    if (ctx.signal.aborted || !signal.aborted) throw lines > 0 && !ctx.signal.aborted ? broken(thrown, lines) : thrown;
    why = TIME_UP;
  }
  // Closes the connection: what the engine still has to say must not be waited for.
  if (end === null) await stream.return?.({ bytesRead: chars, lines, stopped: true }).catch(() => {});
  grouper.end();
  if (end?.stopped) why = enoughRead(plan);
  const unread = end === null || end.stopped;
  return {
    selection: selector.end(),
    bytesRead: end?.bytesRead ?? chars,
    lines,
    fromMs,
    toMs,
    missing: unread ? 'newer' : tail !== undefined && (lines >= tail || split) ? 'older' : null,
    stopped: why,
    cutLines,
  };
}

function broken(thrown: unknown, lines: number): unknown {
  const error = toOpsError(thrown);
  if (error.code === 'unavailable' || error.code === 'timeout')
    error.message = `${error.message} (after ${lines} lines)`;
  return error;
}

/** A line as it is grouped and searched: without what cannot be seen, on one line, and whole words only where it was cut. */
function shown(line: ReadLine): RawLine {
  let { text } = line;
  if (line.cut) text = wholeWords(text);
  text = strip(text.includes('\r') ? text.replace(/\r+/g, ' ') : text);
  if (!line.whole && text.includes('\n')) text = text.replace(/\n+/g, ' ');
  const raw: RawLine = { stream: line.stream, atMs: line.atMs, nanos: line.nanos, text: text.trimEnd(), cut: line.cut };
  if (line.writer !== undefined) raw.writer = line.writer;
  if (line.by !== undefined) raw.by = line.by;
  if (line.level !== undefined) raw.level = line.level;
  return raw;
}

/** Half a secret would be one that redaction no longer knows: what the cut may have split goes. */
const LONGEST_WORD = 2_048;
function wholeWords(text: string): string {
  const key = text.lastIndexOf('-----BEGIN');
  const whole = key >= 0 && text.indexOf('-----END', key) < 0 ? text.slice(0, key) : text;
  const least = Math.max(0, whole.length - LONGEST_WORD);
  for (let at = whole.length - 1; at >= least; at--)
    if (BETWEEN.includes(whole.charAt(at))) return whole.slice(0, at + 1);
  return whole.slice(0, least);
}
const BETWEEN = ' \t\n\r,;"\'&|<>()[]{}';
