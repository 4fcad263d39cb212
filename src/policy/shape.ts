/**
 * What leaves: output parsed (undeclared keys drop), foreign text stripped, secrets redacted, then cut to its budget,
 * then rendered. In this order, because a cut must never split a secret and a rendering must never see one. What is cut
 * is kept under a handle. The list that may be shortened is the tool's to name; how far is decided here.
 */
import type { Call, Outcome } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { type CompiledForeign, compileForeign, fence, newNonce, OPEN, plain, shape } from '../core/foreign.ts';
import type { More } from '../core/schema.ts';
import type { Tool, View } from '../core/tool.ts';
import type { Policy } from './ports.ts';

/** Structured result and text together. More than the first only when a tool's own limit says so, never more than the second. */
const STANDARD_BYTES = 16 * 1024;
const HARD_BYTES = 64 * 1024;

const compiled = new WeakMap<Tool, CompiledForeign>();
function foreignOf(tool: Tool): CompiledForeign {
  let c = compiled.get(tool);
  if (!c) {
    c = compileForeign(tool.output);
    compiled.set(tool, c);
  }
  return c;
}

export type Answer = Omit<Extract<Outcome, { status: 'done' }>, 'status'>;
type Data = Record<string, unknown>;

interface Whole {
  data: Data;
  marked: Data;
  paths: string[];
  /** For models, where nothing was cut of it: whoever shares the run is answered with it, too. */
  said?: Answer;
}

const cleaned = new WeakMap<object, Whole>();

/** As `clean`, and once for all who share the run: what is handed on is read, and written by nobody. */
export function cleanOf(run: object | undefined, tool: Tool, raw: unknown, p: Policy): Whole {
  const known = run && cleaned.get(run);
  if (known) return known;
  const whole = clean(tool, raw, p);
  if (run) cleaned.set(run, whole);
  return whole;
}

/** Parses and cleans: the whole answer, nothing cut yet. A failed parse is our bug, not the caller's. */
export function clean(tool: Tool, raw: unknown, p: Policy): Whole {
  const parsed = tool.output.safeParse(raw);
  if (!parsed.success)
    throw new OpsError('internal', `${tool.name} gave an answer that its own schema refuses.`, {
      hint: 'This is a bug of deckhand; the server log has the place.',
      cause: parsed.error,
    });
  return shape(parsed.data as Data, foreignOf(tool), p.redactor) as Whole;
}

export function answer(
  tool: Tool,
  input: unknown,
  whole: Whole,
  call: Call,
  keep: (lists: string[]) => string | null,
  p: Policy,
): Answer {
  if (whole.said && call.view === undefined) return whole.said;
  const view = call.view ?? modelView(p.clock.now());
  const max = Math.min(tool.limits?.maxBytes ?? STANDARD_BYTES, HARD_BYTES);
  const asked = tool.cut?.show?.(input) ?? Number.POSITIVE_INFINITY;
  const lists = (tool.cut?.lists ?? []).flatMap((name) => {
    const list = whole.data[name];
    return Array.isArray(list) ? [{ name, total: list.length, shown: Math.min(list.length, asked) }] : [];
  });
  let handle: string | null | undefined;

  for (;;) {
    const cutLists = lists.filter((l) => l.shown < l.total);
    let { data, marked } = whole;
    let more: More | undefined;
    if (cutLists.length > 0) {
      const names = cutLists.map((l) => l.name);
      if (handle === undefined) handle = keep(names);
      const total = sum(cutLists.map((l) => l.total));
      const shown = sum(cutLists.map((l) => l.shown));
      more = { handle, shown, total, hint: hint(handle, names) };
      data = { ...shorten(data, lists), more };
      marked = { ...shorten(marked, lists), more };
    }
    const text = render(tool, marked, view, more, call.view !== undefined);
    const bytes = Buffer.byteLength(JSON.stringify(data)) + Buffer.byteLength(text);
    if (bytes <= max) {
      const made = { data, text, foreignPaths: whole.paths };
      // What was kept under a handle is its caller's own.
      if (more === undefined && call.view === undefined) whole.said = made;
      return made;
    }
    // A person's terminal has no context window to protect: only the hard cap holds there.
    if (call.view !== undefined && bytes <= HARD_BYTES) return { data, text, foreignPaths: whole.paths };
    const next = lists.find((l) => l.shown > 0);
    if (!next)
      throw new OpsError('limit', `The answer is ${bytes} bytes, and ${max} is the most.`, {
        hint: 'Ask for less: a filter, a smaller limit or fewer groups.',
      });
    next.shown = Math.min(Math.floor((next.shown * max * 0.95) / bytes), next.shown - 1);
  }
}

function render(tool: Tool, marked: Data, view: View, more: More | undefined, person: boolean): string {
  let text = tool.text(marked as never, view);
  if (more) text += `\n⟦${more.total - more.shown} of ${more.total} left out⟧ ${more.hint}`;
  if (!text.includes(OPEN)) return text;
  return person ? plain(text) : fence(text, newNonce(), foreignOf(tool).sources);
}

function shorten(data: Data, lists: readonly { name: string; shown: number }[]): Data {
  const out = { ...data };
  for (const { name, shown } of lists) out[name] = (out[name] as unknown[]).slice(0, shown);
  return out;
}

const hint = (handle: string | null, lists: string[]): string =>
  handle
    ? `result_query {"handle":"${handle}"} pages, greps and selects ${lists.join(', ')}.`
    : 'The rest could not be kept: ask again with a filter or a smaller limit.';

const sum = (ns: number[]): number => ns.reduce((a, b) => a + b, 0);

/** No colour, no terminal: columns may be wide, because a model pays for tokens and not for columns. */
export const modelView = (now: number): View => ({ paint: (_kind, text) => text, width: 200, now });
