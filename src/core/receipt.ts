/** Receipts as those may see them who may undo them. Types only: who that is, and how an undo runs, is policy's. */
import type { ToolContext } from './call.ts';
import type { ActsAs, ChangeContext, Changed, Preview } from './tool.ts';

/** What is shown of a receipt: redacted, without what undoing needs. */
export interface ShownReceipt {
  receipt: string;
  tool: string;
  summary: string;
  /** `kind:name`, all of them. */
  targets: string;
  by: string;
  /** Audit records of that change have it. */
  call: string;
  atMs: number;
  expiresAtMs: number;
  /** `unfinished`: it never told its end. */
  state: 'done' | 'unfinished';
  input: unknown;
  before: unknown;
  after: unknown;
  undone: { state: 'done' | 'begun' | 'failed'; atMs: number; by: string; call: string } | null;
}
export type ReceiptLine = Omit<ShownReceipt, 'input' | 'before' | 'after' | 'targets'>;

/** The receipts that one principal made, or all of them for `admin`; never one whose scopes it does not hold (any more). */
export interface Receipts {
  /** Newest first. */
  list(limit: number): ReceiptLine[];
  /** Null when there is none, it expired, or it is not this principal's: the three look the same. */
  get(id: string): ShownReceipt | null;
  /** These throw `not_found` in the same three cases. */
  actsAs(id: string): ActsAs;
  preview(id: string, ctx: ToolContext): Promise<Preview>;
  /** Once for each receipt, over all processes. */
  revert(id: string, ctx: ChangeContext): Promise<Changed>;
}
