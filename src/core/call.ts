/** A call, who makes it, what comes of it, and what a tool is given to work with. Types only. */
import type { AuditSearch } from './audit.ts';
import type { OpsError } from './errors.ts';
import type { Blind, Host, ProcessList, Snapshot } from './host.ts';
import type { Probing } from './probe.ts';
import type { Receipts } from './receipt.ts';
import type { Redactor } from './redact.ts';
import type { Scope, Toolset } from './scopes.ts';
import type { View } from './tool.ts';
import type { Transfers } from './transfer.ts';

/** `stdio` (launched by a client) and `cli` (a person at a terminal) are never the same principal. */
export interface Principal {
  /** `stdio:<uid>`, `cli:<uid>`, `token:<name>`, `jwt:<issuer's name>:<subject>`, `tailnet:<login>` or `tailnet:tag:<name>,tag:…`. */
  id: string;
  kind: 'stdio' | 'cli' | 'token' | 'jwt' | 'tailnet';
  /** Other names that the owner's `principals` may know it by: each of its tags. */
  aliases?: readonly string[];
  /** What its credential holds by itself; roles of the owner's config add to it (policy/access.ts). */
  scopes: ReadonlySet<Scope>;
  /** Of one that policy knows: what its credential holds, where `scopes` has those of its roles, too. */
  own?: ReadonlySet<Scope>;
  /** Names of roles that its credential gives; those of `principals` come on top. */
  roles?: readonly string[];
  /** What tells this credential from others of the same principal, for the record: fingerprint, `jti`, issuer, node. Never secret. */
  credential?: Readonly<Record<string, string | readonly string[]>>;
  /** Null: does not expire by itself. */
  expiresAtMs: number | null;
  /** Asked at every door step that grants something: a revoked token stops at once, also for kept handles. */
  valid(): boolean;
}

export type Face = 'mcp-stdio' | 'mcp-http' | 'cli';

export interface Call {
  /** Correlation id: the same in log, audit and error answers. */
  id: string;
  face: Face;
  tool: string;
  args: unknown;
  principal: Principal | undefined;
  /** Aborted when the caller leaves or cancels. */
  signal: AbortSignal;
  /** Self-reported name and version of the client; display only, never a right. */
  client?: string;
  /** Socket address of an HTTP caller. */
  address?: string;
  /** Of an HTTP caller: for the record. */
  listener?: 'tcp' | 'tailnet';
  /** Scheme, host and port by which this very caller reached us, where that is not how others do: for URLs in its answer alone. */
  reachedAt?: string;
  progress?: (p: Progress) => void;
  /** What this connection asked to be narrowed to (`?toolsets=…&readonly`); config stays the upper bound. */
  narrow?: Narrow;
  /** How the text is rendered: a person's terminal, or (absent) a model's fenced view. */
  view?: View;
  /** What the MCP client's user answered to the question that this very call was asked: a claim of the client, judged by policy. */
  answer?: ClientAnswer;
}

export interface ClientAnswer {
  /** Of the approval that the question was about. */
  handle: string;
  accepted: boolean;
}

export interface Narrow {
  toolsets?: ReadonlySet<string>;
  readOnly?: boolean;
}

export interface Progress {
  done: number;
  total?: number;
  text?: string;
}

export type Outcome =
  | { status: 'done'; data: Record<string, unknown>; text: string; foreignPaths: string[] }
  | {
      status: 'pending';
      data: Record<string, unknown>;
      text: string;
      foreignPaths: string[];
      /** Present only where the owner lets the client ask its user. `message` is clean of control characters and secrets. */
      ask?: Ask;
    }
  | { status: 'running'; data: Record<string, unknown>; text: string; foreignPaths: string[] }
  | { status: 'failed'; error: OpsError };

export interface Ask {
  handle: string;
  message: string;
}

export interface ToolContext {
  host: Host;
  signal: AbortSignal;
  /** Wall clock in ms. */
  now(): number;
  progress(done: number, total?: number, text?: string): void;
  /** Recent snapshots, newest last; empty when nothing sampled lately. */
  recent(): readonly Snapshot[];
  /** The sampler's last process list, null when nothing sampled lately. */
  recentProcesses(): ProcessList | null;
  /** How long this caller would rather wait than go without a slow fact: a person more than a model that can ask again. */
  patienceMs?: number;
  /** How long a call waits for work unless it says so itself (`limits.waitSeconds`). */
  waitMs: number;
  /** As the door takes secrets out: for a tool that must search or shorten text before the door sees it. Absent in tests: by shape only. */
  redactor?: Redactor;
  /** Whether any tool of it is offered here: not switched off, and its part of the host is there. Absent in tests: none is. */
  offers?(toolset: Toolset): boolean;
  /** What toolsets are left out on this host, and why. */
  absent(): readonly Blind[];
  /** Results kept for this principal. */
  results: Results;
  /** The audit, as far as this principal may read it. */
  audit: AuditSearch;
  /** What changes left to undo them, as far as this principal may. */
  receipts: Receipts;
  /** How much of the network this principal may still probe. */
  probing: Probing;
  /** Files that are too large for an answer. Absent in tests: the caller is on this host. */
  transfers?: Transfers;
}

/** Of an approval: asked for, decided, used up, run out. */
export type ApprovalState = 'waiting' | 'granted' | 'refused' | 'used' | 'expired';
export type WorkState = 'running' | 'done' | 'failed' | 'cancelled' | 'lost';

export interface KeptResult {
  handle: string;
  tool: string;
  state: WorkState | ApprovalState;
  /** RFC 3339 is made at the edge of text; here it is ms. */
  createdAtMs: number;
  expiresAtMs: number;
  /** The whole answer, redacted; null while it runs or when it failed. */
  data: Record<string, unknown> | null;
  foreignPaths: string[];
  /** Lists in `data` that were cut, longest first. */
  lists: string[];
  error: { code: string; message: string; hint?: string } | null;
  progress: Progress | null;
}

export interface Results {
  /** Null when there is none, it expired, or it is not this principal's: the three look the same to a caller. */
  get(handle: string): KeptResult | null;
  /** Resolves when the work has ended or the decision has been made, `ms` have passed or the signal fires. */
  wait(handle: string, ms: number, signal: AbortSignal): Promise<KeptResult | null>;
  /** Asks running work to stop. False when there is nothing to stop. */
  cancel(handle: string): boolean;
}

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
