/**
 * What the door needs from the rest of the house, each as wide as its callers, and what the faces get of the door.
 * app.ts fills these from store and host; tests fill them with fakes. Types only.
 */
import type { AuditSearch } from '../core/audit.ts';
import type {
  Call,
  ClientAnswer,
  Log,
  Outcome,
  Principal,
  Progress,
  Results,
  ToolContext,
  WorkState,
} from '../core/call.ts';
import type { OpsError } from '../core/errors.ts';
import type { Probing } from '../core/probe.ts';
import type { Mode, Risk, Scope } from '../core/scopes.ts';
import type { Catalog, Preview, Target, Tool } from '../core/tool.ts';
import type { Receipts as ReceiptStore } from '../store/receipts.ts';
import type { Access } from './access.ts';
import type { Refusals } from './refusals.ts';
import type { Security } from './security.ts';
import type { TransferDesk } from './transfers.ts';

/** What a face may do. Nothing else reaches a tool. */
export interface Door {
  readonly catalog: Catalog;
  run(call: Call): Promise<Outcome>;
  /** The refusal that `run` would give before it looks at arguments, or null. Takes nothing, records nothing. */
  check(call: Call): OpsError | null;
  /** Tools this principal would see, in catalog order. */
  visible(principal: Principal | undefined, narrow: Call['narrow']): readonly Tool[];
  /** One audit record for a request that was refused before it was a call (bad token, foreign host, flood …). */
  refused(request: Refused): void;
}

export interface Refused {
  id: string;
  face: Call['face'];
  reason: OpsError;
  principal?: Principal | undefined;
  address?: string | undefined;
  listener?: Call['listener'] | undefined;
  /** The address as limits count it: equal refusals of one such are counted together. */
  source?: string | undefined;
  /** Method or path, already bounded by the face. */
  what: string;
}

export interface Policy {
  catalog: Catalog;
  /** Why a tool is off on this host or by config, null when it is on. */
  off(tool: Tool): { why: string; hint: string } | null;
  mode: Mode;
  access: Access;
  context: Pick<ToolContext, 'host' | 'recent' | 'recentProcesses' | 'absent' | 'offers' | 'patienceMs' | 'redactor'>;
  clock: Clock;
  rate: Rate;
  slots: Slots;
  approvals: Approvals;
  locks: Locks;
  receipts: Receipts;
  audit: Audit;
  /** What the audit holds, for whoever may read it. */
  records: AuditSearch;
  refusals: Refusals;
  /** Absent in tests: nobody counts what is turned away. */
  security?: Pick<Security, 'turnedAway'>;
  kept: Kept;
  work: Work;
  metrics: Metrics;
  /** Absent in tests: no call moves whole files. */
  transfers?: Pick<TransferDesk, 'forCall'>;
  probing: (principal: string) => Probing;
  redactor: Redactor;
  log: Log;
  waitMs: number;
}

export interface Clock {
  /** Wall clock, ms. */
  now(): number;
  /** Monotonic, ms with fractions. */
  elapsed(): number;
  /** Calls back after ms; the result cancels. */
  after(ms: number, fire: () => void): () => void;
  /** The same, up to a tenth of a second late: cheap for what is nearly always cancelled. Absent: `after`. */
  roughly?(ms: number, fire: () => void): () => void;
}

export interface Rate {
  /** Milliseconds to wait, or null when the points were taken. `perMinute`: this principal's own limit. */
  take(principal: string, points: number, perMinute?: number): number | null;
  /** The same question, and nothing is taken. */
  peek(principal: string, points: number, perMinute?: number): number | null;
  /** One change of the hour's and the day's; the same answers. Dry runs are free. `perDay`: this principal's own limit. */
  takeChange(principal: string, perDay?: number): number | null;
}

/** `heavy` calls (dear, long, or changing) never take all places, so that cheap reads do not wait behind them. */
export type Lane = 'light' | 'heavy';

export interface Slots {
  /** Null when this principal or the process has too many calls under way. `most`: this principal's own limit. */
  enter(principal: string, o?: { lane?: Lane; most?: number }): Disposable | null;
}

export interface ApprovalRequest {
  principal: string;
  /** What the call needs: whoever asks for the approval's state later must hold it still. */
  scopes: Scope[];
  tool: string;
  /** The tool whose change it takes back. */
  undoes?: string | undefined;
  risk: Risk;
  targets: Target[];
  /** Who asks, for the approver's eyes: `client` is what the client calls itself. */
  from: Pick<Call, 'id' | 'face' | 'client' | 'address'>;
  /** Canonical JSON of the validated input. */
  input: string;
  preview: Preview;
}
/** `by` is what decided, for the record: a rule, the mode, or an approval and who gave it. */
export type Verdict =
  | {
      verdict: 'granted';
      by: string;
      /** Uses the approval up, durably; called just before the intent. False: another call was first, or it is too late. */
      use?(): boolean;
    }
  /** `ask`: the words of a question that the client may put to its user. */
  | { verdict: 'pending'; by: string; handle: string; next: string; ask?: string }
  | { verdict: 'refused'; by: string; why: string; hint: string };
export interface Approvals {
  /** `answer` counts only where the owner allows it, for this very binding, and never for `destroy`. */
  decide(request: ApprovalRequest, answer?: ClientAnswer): Verdict;
}

export interface Locks {
  acquire(key: string): Disposable | null;
}

export type Receipts = Omit<ReceiptStore, 'prune'>;

export interface Audit {
  /** With `durable` the record is on the disk when this returns, or it throws; without, it never throws. */
  append(event: string, fields: Record<string, unknown>, o?: { durable?: boolean }): void;
  /** Keyed digest, so that short arguments cannot be guessed from it. */
  digest(text: string): string;
}

export interface Kept {
  put(result: {
    principal: string;
    scopes: Scope[];
    targets: Target[];
    tool: string;
    data: Record<string, unknown>;
    foreignPaths: string[];
    lists: string[];
  }): string | null;
}

export interface Work {
  /** Null when too much is running already. */
  begin(work: { principal: string; scopes: Scope[]; targets: Target[]; tool: string }): string | null;
  progress(handle: string, p: Progress): void;
  finish(
    handle: string,
    end: {
      state: Exclude<WorkState, 'running' | 'lost'>;
      kept?: string | null;
      error?: { code: string; message: string; hint?: string };
    },
  ): void;
  cancelRequested(handle: string): boolean;
}

export interface Metrics {
  observe(tool: string, outcome: string, ms: number): void;
}

export interface Redactor {
  text(value: string): string;
  deep<T>(value: T): T;
}

export type ResultsFor = (principal: Principal) => Results;
