/**
 * Reads one log, whatever keeps it, within bounds: how far back, how much, how long. The seam for sources: an opener gives a LogReader,
 * and nothing else of it is known here. What is wanted of the lines is the selector's (insight/log_select.ts).
 */
import type { LogEnd, LogLine } from '../core/docker.ts';
import { toOpsError } from '../core/errors.ts';
import { strip } from '../core/foreign.ts';
import type { Source } from '../core/source.ts';
import { bytes as inBytes } from '../core/text.ts';
import { createGrouper, type RawLine } from '../insight/log_group.ts';
import type { Selection, Selector } from '../insight/log_select.ts';

/** One log that can be read: a container's now; a unit's journal and a file are to come as further openers. */
export interface LogReader {
  source: Source;
  /** When what writes it was last started; null: not known. */
  startedAtMs: number | null;
  /** Whole lines in order. With `tail` only the last ones, which are found from the end. */
  read(window: ReadWindow): AsyncGenerator<LogLine, LogEnd, undefined>;
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
  /** From the window's beginning on, and no further than needed. */
  forward: boolean;
  /** Matches that are enough when the caller named no window. */
  enough: number;
  group: boolean;
  maxBytes: number;
  deadlineMs: number;
}

export interface Looked {
  selection: Selection;
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
export async function lookAt(
  reader: LogReader,
  plan: Plan,
  newSelector: () => Selector,
  ctx: ReadContext,
): Promise<Looked> {
  // `tail` counts from the log's end, so it cannot find what is newest before an `until`.
  if (plan.tail !== undefined || plan.forward || plan.untilMs !== undefined)
    return round(reader, plan, plan.tail, plan.maxBytes, newSelector(), ctx);

  let tail = plan.sinceMs === undefined ? Math.max(FIRST_TAIL, plan.enough * 4) : FIRST_TAIL_SINCE;
  let spent = 0;
  let last: Looked | null = null;
  for (;;) {
    // A first look at lines that turn out to be huge must leave enough for a shorter one.
    const most = (last ? plan.maxBytes : plan.maxBytes / 4) - spent;
    const looked: Looked = await round(reader, plan, tail, most, newSelector(), ctx);
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
    const all: Looked = { ...looked, bytesRead: spent };
    if (looked.missing === null || (last && last.fromMs === looked.fromMs && last.lines === looked.lines))
      return { ...all, missing: null };
    if (plan.sinceMs === undefined && looked.selection.matched >= plan.enough) return all;
    const perLine = Math.max(1, looked.bytesRead / Math.max(1, looked.lines));
    const next = Math.min(tail * FASTER, Math.floor(((plan.maxBytes - spent) * 0.9) / perLine));
    if (ctx.now() >= plan.deadlineMs) return { ...all, stopped: TIME_UP };
    if (next < tail * WORTH) return { ...all, stopped: enoughRead(plan) };
    last = looked;
    tail = next;
  }
}

const TIME_UP = 'the time for reading was up';
const enoughRead = (plan: Plan): string => `${inBytes(plan.maxBytes)} are read at most`;

async function round(
  reader: LogReader,
  plan: Plan,
  tail: number | undefined,
  maxBytes: number,
  selector: Selector,
  ctx: ReadContext,
): Promise<Looked> {
  const grouper = createGrouper({ group: plan.group }, (entry) => selector.push(entry));
  let [lines, chars, looked, cutLines, split] = [0, 0, 0, 0, false];
  let fromMs: number | null = null;
  let toMs: number | null = null;
  let end: LogEnd | null = null;
  let why: string | null = null;

  const left = Math.max(1, plan.deadlineMs - ctx.now());
  const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(left)]);
  const stream = reader.read({
    ...(plan.sinceMs === undefined ? {} : { sinceMs: plan.sinceMs }),
    ...(plan.untilMs === undefined ? {} : { untilMs: plan.untilMs }),
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
function shown(line: LogLine): RawLine {
  let { text } = line;
  if (line.cut) text = wholeWords(text);
  text = strip(text.includes('\r') ? text.replace(/\r+/g, ' ') : text);
  if (text.includes('\n')) text = text.replace(/\n+/g, ' ');
  return { stream: line.stream, atMs: line.atMs, nanos: line.nanos, text: text.trimEnd(), cut: line.cut };
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
