/**
 * What a tool is: one definition, from which the door, MCP, the CLI, the docs and the goldens are made. A handler
 * knows nothing of MCP, users, scopes, SQL or time limits. Declared here: rights, risk, targets, how it may be cut.
 */
import type * as z from 'zod';
import type { ToolContext } from './call.ts';
import { type Risk, readsOnly, type Scope, type Toolset } from './scopes.ts';

export type TargetKind = 'process' | 'container' | 'image' | 'stack' | 'unit' | 'path' | 'address';

/** The thing acted on: shown in approvals, written in the audit, locked while it changes. */
export interface Target {
  kind: TargetKind;
  /** `*`: all of the kind. */
  name: string;
  /** Of a container: the engine that the call names, where it stands apart from the name. */
  engine?: string;
}

/** A person's or a model's rendering. Colour is a function, so that one text serves both. */
export interface View {
  paint(kind: 'bad' | 'warn' | 'good' | 'dim' | 'bold', text: string): string;
  /** Columns of the terminal; what is wider is clipped with a mark. */
  width: number;
  /** Wall clock in ms, for ages. */
  now: number;
}

export interface Preview {
  /** The effect, in plain words. */
  summary: string;
  before?: Record<string, unknown>;
  diff?: string;
  /** Digest of the state before: an approval binds it, and execution refuses when it has moved. */
  digest: string;
}

export interface Changed {
  /**
   * `rolled_back`: it was made, was no good, and the state before was put back. `failed`: it was made, did not come to what it
   * promised, and stands so.
   */
  state?: 'rolled_back' | 'failed';
  summary: string;
  before?: Record<string, unknown>;
  after?: Record<string, unknown>;
  diff?: string;
  /** For a tool that knows only now what undoing needs, or knows better than at its commit; otherwise give it there. */
  revert?: Revert;
}

/** What undoing needs, kept on this host and never shown. Blobs are content-addressed by the store. */
export interface Revert {
  data: Record<string, unknown>;
  blobs?: Record<string, Uint8Array>;
}

export interface ChangeContext extends ToolContext {
  /**
   * Called once, just before the first effect. From then on the change runs to its verdict, whoever has left.
   * With `revert` a `prepared` receipt is on the disk when this returns, so that a crash a moment later leaves a way back;
   * when it cannot be stored this throws, and then nothing may be changed.
   */
  commit(revert?: Revert): void;
}

/** A receipt as the tool gets it that made the change; an older version of that tool may have written it. */
export interface Undoable<In> {
  /** With its secrets, as it ran. */
  input: In;
  /** `prepared`: the change never told its end (a crash, a failure after its commit). It may be done, not done, or half done. */
  state: 'prepared' | 'done';
  /** As the preview or the answer of the change had it. */
  before: Record<string, unknown> | null;
  /** As the answer had it; null while `prepared`. */
  after: Record<string, unknown> | null;
  data: Record<string, unknown>;
  /** Null when it is lost or damaged: then refuse. */
  blob(name: string): Uint8Array | null;
}

export type Undo<In> =
  | {
      kind: 'revert';
      /**
       * What undoing would do to the target as it is now. Compares it with `after`, and throws `conflict` when it has moved on:
       * what stands there instead, since when or by whom if that can be known, so that a person can decide. For a `prepared`
       * receipt the state that the change was to make (from `input` and `data`) and `before` are both proper: with the latter
       * the summary says that there is nothing to take back. The digest is of the state now: the door calls this again under
       * the lock, just before `revert`, and refuses when it differs.
       */
      preview(receipt: Undoable<In>, ctx: ToolContext): Promise<Preview>;
      /** Puts the state before back, as far as it is not there yet. Calls `ctx.commit()` just before its first effect. */
      revert(receipt: Undoable<In>, ctx: ChangeContext): Promise<Changed>;
    }
  | { kind: 'none' | 'manual'; why: string };

/** Rights, risk and targets of a call that takes those of another one: `undo` needs what the change needed. */
export interface ActsAs {
  /** The receipt it takes back, and the tool that made it. */
  undoOf: string;
  tool: string;
  scopes: Scope[];
  risk: Risk;
  targets: Target[];
}

export interface Limits {
  /** Milliseconds; 10,000 by default. Longer than `wait_s` needs `long`. */
  timeoutMs?: number;
  /** Bytes of structured result and text together; 16 KiB by default, 64 KiB at most. */
  maxBytes?: number;
  /** Points this call takes from its principal's bucket; 1 by default. */
  cost?: number;
}

interface Common<I extends z.ZodObject, O extends z.ZodObject> {
  name: string;
  title: string;
  /** First sentence: when to use it. Last: what to use instead for the neighbour's job. At most 600 characters. */
  description: string;
  toolset: Toolset;
  /** In the default toolset `core`. */
  core: boolean;
  /** Each a function, so that no start makes the schemas of tools that nobody calls (core/schema.ts `once`). */
  input: () => I;
  output: () => O;
  /**
   * The least scope that any call of it needs, and what these arguments need beyond it. Null only where a handle decides:
   * whoever may hold it needs the scopes of the call that made it; or with `any`, where the arguments decide and no scope is common to
   * all calls: at least one of these, or nobody sees the tool.
   */
  scopes: { least: Scope | null; any?: readonly [Scope, ...Scope[]]; of?(input: z.output<I>): Scope[] };
  targets?(input: z.output<I>): Target[];
  /** The two MCP hints that risk cannot tell. */
  annotations: { idempotent: boolean; openWorld: boolean };
  limits?: Limits;
  /** May outlast `wait_s`, then goes on and answers `running` with a handle. Its input then has `wait_s`. */
  long?: boolean;
  /** The answer depends on who asks (handles): equal calls of others never share its execution. */
  perPrincipal?: boolean;
  /** Lists of the output that may be shortened, the most expendable first; `show`: how many this call asked for. */
  cut?: { lists: string[]; show?(input: z.output<I>): number };
  text(output: z.output<O>, view: View): string;
}

export interface ReadTool<I extends z.ZodObject, O extends z.ZodObject> extends Common<I, O> {
  risk: 'read' | 'sensitive' | { least: 'read'; worst: 'sensitive'; of(input: z.output<I>): 'read' | 'sensitive' };
  handler(input: z.output<I>, ctx: ToolContext): Promise<z.input<O>>;
}

export interface ChangeTool<I extends z.ZodObject> extends Omit<Common<I, z.ZodObject>, 'output' | 'text'> {
  /** Fields of its answer beside those that all changes share; all of them optional. */
  also?: () => z.ZodRawShape;
  risk: 'change' | 'destroy' | { least: 'change'; worst: 'destroy'; of(input: z.output<I>): 'change' | 'destroy' };
  preview(input: z.output<I>, ctx: ToolContext): Promise<Preview>;
  apply(input: z.output<I>, ctx: ChangeContext): Promise<Changed>;
  undo: Undo<z.output<I>>;
  /** Asked by the door right after validation, instead of scopes, risk and targets. Throws where there is no such thing. */
  actsAs?(input: z.output<I>, ctx: Pick<ToolContext, 'receipts'>): ActsAs;
}

interface AnyTool {
  name: string;
  title: string;
  description: string;
  toolset: Toolset;
  core: boolean;
  input: z.ZodObject;
  output: z.ZodObject;
  scopes: { least: Scope | null; any?: readonly [Scope, ...Scope[]]; of?(input: unknown): Scope[] };
  targets?(input: unknown): Target[];
  annotations: { idempotent: boolean; openWorld: boolean };
  limits?: Limits;
  long?: boolean;
  perPrincipal?: boolean;
  cut?: { lists: string[]; show?(input: unknown): number };
  text(output: never, view: View): string;
  risk: Risk | { least: Risk; worst: Risk; of(input: unknown): Risk };
}

export interface CatalogRead extends AnyTool {
  handler(input: unknown, ctx: ToolContext): Promise<Record<string, unknown>>;
  change?: undefined;
}

export interface CatalogChange extends AnyTool {
  handler?: undefined;
  change: {
    preview(input: unknown, ctx: ToolContext): Promise<Preview>;
    apply(input: unknown, ctx: ChangeContext): Promise<Changed>;
    undo: Undo<unknown>;
    actsAs?(input: unknown, ctx: Pick<ToolContext, 'receipts'>): ActsAs;
  };
}

/** A tool whose types were checked at its definition and then forgotten, so that one catalog can hold them all. */
export type Tool = CatalogRead | CatalogChange;

/** All that a call with these (valid) arguments needs. */
export function scopesOfCall(tool: Pick<Tool, 'scopes'>, input: unknown): Scope[] {
  return [...new Set([...leastScopes(tool), ...(tool.scopes.of?.(input) ?? [])])];
}
export const leastScopes = (tool: { scopes: Pick<Tool['scopes'], 'least'> }): Scope[] =>
  tool.scopes.least === null ? [] : [tool.scopes.least];

/** The one that a holder of none would have to ask for. */
export const entryScope = (
  tool: { scopes: Pick<Tool['scopes'], 'any'> },
  held: (scope: Scope) => boolean,
): Scope | null => (tool.scopes.any?.some(held) === false ? tool.scopes.any[0] : null);

export const worstRisk = (tool: Pick<Tool, 'risk'>): Risk =>
  typeof tool.risk === 'string' ? tool.risk : tool.risk.worst;
export const riskOf = (tool: Pick<Tool, 'risk'>, input: unknown): Risk =>
  typeof tool.risk === 'string' ? tool.risk : tool.risk.of(input);

/** MCP's hints come from the worst risk, never from the name. They are hints: nothing of ours decides by them. */
export function hintsOf(tool: Tool) {
  const worst = worstRisk(tool);
  return {
    title: tool.title,
    readOnlyHint: readsOnly(worst),
    destructiveHint: worst === 'destroy',
    idempotentHint: tool.annotations.idempotent,
    openWorldHint: tool.annotations.openWorld,
  };
}

/** A resource or a prompt is a call of the tool behind it: the same door, the same rights, the same record. */
export interface ResourceDef {
  /** `deckhand://<toolset>/…`; a template has {names} that become arguments, or stand in strings of `args` as {name}. */
  uri: string;
  name: string;
  title: string;
  description: string;
  tool: string;
  args: Record<string, unknown>;
}

export interface PromptDef {
  name: string;
  title: string;
  description: string;
  tool: string;
  args: Record<string, unknown>;
  /** What stands before the tool's answer. */
  lead: string;
}

export interface Catalog {
  /** In the order clients see them. */
  tools: readonly Tool[];
  resources: readonly ResourceDef[];
  prompts: readonly PromptDef[];
}
