/** What is asked of the audit, and what it answers. Types only: how it is read is the store's, who may read it policy's. */

export interface AuditQuery {
  sinceMs?: number;
  untilMs?: number;
  /** Where an earlier answer stopped: its `next`. Goes on behind that record, in the same order. */
  cursor?: string;
  /** Principal, tool, event, outcome, risk and call: whole. */
  who?: string;
  tool?: string;
  event?: string;
  outcome?: string;
  risk?: string;
  call?: string;
  /** Part of a target's name, or of `kind:name`. */
  target?: string;
  /** Part of any value of the record, in any case. */
  text?: string;
  limit: number;
  order: 'newest' | 'oldest';
}

/** One record and where it stands. */
export interface AuditEntry {
  segment: string;
  record: Record<string, unknown> & { seq: number; ts: string; event: string };
}

export interface AuditPage {
  entries: AuditEntry[];
  /** Lines that are no record: `audit verify` names them. */
  corrupt: number;
  bytes: { looked: number; total: number };
  /** Why it ended before the end of the audit, or null. */
  stopped: 'limit' | 'bytes' | 'time' | null;
  /** For `cursor`; null: there is nothing more. */
  next: string | null;
}

export interface AuditSearch {
  search(query: AuditQuery, signal: AbortSignal): Promise<AuditPage>;
}
