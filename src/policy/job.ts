/** One call as the steps hand it on, and what its tool is given. Who may do what is decided before; nothing is run here. */
import type { Call, Principal, Progress, ToolContext } from '../core/call.ts';
import type { Host } from '../core/host.ts';
import type { Risk, Scope } from '../core/scopes.ts';
import type { Target, Tool } from '../core/tool.ts';
import type { Turn } from '../core/transfer.ts';
import { auditFor } from './audit_search.ts';
import { boundedHost } from './bounded.ts';
import type { Coalescer } from './coalesce.ts';
import type { Policy, ResultsFor } from './ports.ts';
import type { UnderWay } from './under_way.ts';
import { receiptsFor } from './undo.ts';

const PROGRESS_EVERY_MS = 500;

export interface Job {
  call: Call;
  who: Principal;
  tool: Tool;
  input: unknown;
  /** Canonical JSON of the input. */
  canonical: string;
  scopes: Scope[];
  risk: Risk;
  targets: Target[];
  /** The receipt that this call takes back, and the tool that made it. */
  undoOf?: string | undefined;
  undoes?: string | undefined;
  /** As this call may use it. */
  host?: Host;
  /** Set by the change, as soon as its receipt is on the disk: records and errors name it. */
  receipt?: string;
  /** Of long work: what its caller has to do before it can end. */
  turn?: PromiseWithResolvers<Turn>;
  /** Of a read: the run whose answer it has, perhaps with equal reads. Their answers are cleaned once. */
  run?: object;
  /** Told how it ended, by whoever waits for that beside the caller. */
  ended?: (end: { thrown?: unknown }) => void;
}

export interface Engine {
  coalescer: Coalescer;
  results: ResultsFor;
  underWay: UnderWay;
}

/** Its own view of the host. Equal reads of callers with equal bounds may share one: `boundsKey` tells them apart. */
export function hostOf(job: Job, p: Pick<Policy, 'access'> & { context: Pick<Policy['context'], 'host'> }): Host {
  job.host ??= boundedHost(p.context.host, boundsOf(job, p), job.targets);
  return job.host;
}
export const boundsKey = (job: Job, p: Pick<Policy, 'access'>): string => boundsOf(job, p)?.key ?? '';

const boundsOf = (job: Job, p: Pick<Policy, 'access'>) => p.access.bounds(job.who, job.tool, job);

/** At most two reports a second; the first and nothing else is certain to arrive. */
export function context(
  job: Job,
  signal: AbortSignal,
  e: Engine,
  p: Policy,
  report?: (x: Progress) => void,
): ToolContext {
  let last = Number.NEGATIVE_INFINITY;
  return {
    ...p.context,
    host: hostOf(job, p),
    waitMs: p.waitMs,
    signal,
    now: p.clock.now,
    progress(done, total, text) {
      const at = p.clock.elapsed();
      if (!report || at - last < PROGRESS_EVERY_MS) return;
      last = at;
      report({
        done,
        ...(total === undefined ? {} : { total }),
        ...(text === undefined ? {} : { text: p.redactor.text(text) }),
      });
    },
    results: e.results(job.who),
    audit: auditFor(job.who, p),
    receipts: receiptsFor(job.who, p, job.call.id),
    probing: p.probing(job.who.id),
    ...(p.transfers ? { transfers: p.transfers.forCall(job) } : {}),
  };
}
