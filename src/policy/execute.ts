/**
 * Runs what the door has let through: reads (shared, retried once, stopped with their caller) and changes (change.ts). Long
 * work goes on under a handle. Who may do it was decided before; what leaves is shaped after.
 */
import type { Ask, Progress } from '../core/call.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import type { ChangeAnswer } from '../core/schema.ts';
import type { Scope } from '../core/scopes.ts';
import type { CatalogRead, Preview, Tool } from '../core/tool.ts';
import type { Turn } from '../core/transfer.ts';
import { type Granted, runChange, withReceipt } from './change.ts';
import { type Deadline, deadline, pause, raced } from './deadline.ts';
import { boundsKey, context, type Engine, type Job } from './job.ts';
import type { Policy } from './ports.ts';
import { wasStopped } from './under_way.ts';

const STANDARD_TIMEOUT_MS = 10_000;
const RETRY_AFTER_MS = 100;
const CANCEL_POLL_MS = 500;

/** `raw` for the shaping; or the work goes on and this is its handle. */
export type Executed =
  | { raw: Record<string, unknown>; status: 'done' | 'pending' }
  /** `turn`: it waits for its caller. */
  | { running: string; turn: Turn | null };

/** What may run now: a read, or a change with what was said of it and who let it through. */
export type Approved = { read: CatalogRead } | Granted;

/** Step 6: what a change would do, and whether it may. Reads are let through as they are. */
export async function approve(
  job: Job,
  d: Deadline,
  e: Engine,
  p: Policy,
  decidedBy: (by: string) => void,
): Promise<
  { answer: ChangeAnswer; status: 'done' } | { answer: ChangeAnswer; status: 'pending'; ask?: Ask } | Approved
> {
  const { tool } = job;
  if (!tool.change) return { read: tool };
  const { change } = tool;
  const preview = await raced(change.preview(job.input, context(job, d.signal, e, p)), d.signal);
  if ((job.input as { dry_run?: boolean }).dry_run)
    return { status: 'done', answer: { state: 'dry_run', ...shown(preview) } };
  const { id, face, client, address, answer } = job.call;
  const verdict = p.approvals.decide(
    {
      principal: job.who.id,
      scopes: job.scopes,
      tool: tool.name,
      undoes: job.undoes,
      risk: job.risk,
      targets: job.targets,
      from: { id, face, ...(client ? { client } : {}), ...(address ? { address } : {}) },
      input: job.canonical,
      preview,
    },
    answer,
  );
  decidedBy(verdict.by);
  if (verdict.verdict === 'refused') throw new OpsError('permission', verdict.why, { hint: verdict.hint });
  if (verdict.verdict === 'pending') {
    const { handle, next, ask } = verdict;
    return {
      status: 'pending',
      answer: {
        state: 'pending',
        targets: job.targets.map((t) => `${t.kind}:${t.name}`),
        ...shown(preview),
        handle,
        next,
      },
      ...(ask === undefined ? {} : { ask: { handle, message: ask } }),
    };
  }
  return { change, preview, by: verdict.by, ...(verdict.use ? { use: verdict.use } : {}) };
}

/** Step 7. `finish` shapes and keeps the answer of work that ends after its caller was told `running`. */
export async function execute(
  job: Job,
  approved: Approved,
  d: Deadline,
  e: Engine,
  p: Policy,
  finish: (raw: Record<string, unknown>) => string | null,
  onEnd: () => void,
): Promise<Executed> {
  let latest = null as Progress | null;
  let progress: (p: Progress) => void = (x) => job.call.progress?.(x);
  const report = (x: Progress) => {
    latest = x;
    progress(x);
  };
  // The commonest. It ends with its caller's wait for it, so that nothing more has to be waited for, or told, afterwards.
  if ('read' in approved && sharesRun(job))
    return { raw: await shareRead(job, approved.read, d, e, p, report).finally(onEnd), status: 'done' };

  const asked = Promise.withResolvers<Turn>();
  job.turn = asked;
  const run =
    'read' in approved
      ? runRead(job, approved.read, d.signal, e, p, report)
      : runChange(job, approved, d, e, p, report);
  const work = run.finally(onEnd);
  work.then(
    () => job.ended?.({}),
    (thrown) => job.ended?.({ thrown }),
  );
  // A change that outlives its deadline still ends some time, and the audit says how.
  e.underWay.hold(
    work
      .then(
        () => 'done',
        (thrown) => toOpsError(thrown).code,
      )
      .then((outcome) => {
        if (d.committed() && d.signal.aborted)
          p.audit.append('late', { call: job.call.id, tool: job.tool.name, receipt: job.receipt, outcome });
      }),
  );
  // A command's process ends with its answer: a handle would name work that has just been stopped.
  if (!job.tool.long || job.call.face === 'cli') return { raw: await raced(work, d.signal), status: 'done' };

  const waitS = (job.input as { wait_s?: number }).wait_s;
  const waitMs = waitS === undefined ? p.waitMs : waitS * 1_000;
  let turn = null as Turn | null;
  // What its caller has to do first is said at once, and not when it is long enough.
  const asks = asked.promise.then((t): 'still running' => {
    turn = t;
    return 'still running';
  });
  const first = await soonest(Promise.race([raced(work, d.signal), asks]), waitMs, p);
  if (first !== 'still running') return { raw: first, status: 'done' };

  const room = e.underWay.lasts(work);
  const handle = room
    ? p.work.begin({ principal: job.who.id, scopes: job.scopes, targets: job.targets, tool: job.tool.name })
    : null;
  if (handle === null) {
    // What has had its first effect is not torn: its caller waits for the verdict.
    if (!d.committed())
      d.abort(
        new OpsError('limit', 'Too much is running already.', { hint: 'Wait for it or cancel it with result_query.' }),
      );
    return { raw: await raced(work, d.signal), status: 'done' };
  }
  d.detach();
  progress = (x) => p.work.progress(handle, x);
  if (latest) progress(latest);
  const unwatch = watchCancel(handle, d, p);
  const told = raced(work, d.signal)
    .then(
      (raw) => {
        p.work.finish(handle, { state: 'done', kept: finish(raw) });
        return raw.state === 'rolled_back' || raw.state === 'failed' ? raw.state : 'done';
      },
      (thrown) => {
        const error = withReceipt(toOpsError(thrown), job);
        // A wish that came after the first effect was not what ended it.
        const cancelled = !d.committed() && (p.work.cancelRequested(handle) || wasStopped(thrown));
        const { hint } = error.details;
        const message = p.redactor.text(error.message);
        p.work.finish(handle, {
          state: cancelled ? 'cancelled' : 'failed',
          error: { code: error.code, message, ...(hint ? { hint: p.redactor.text(hint) } : {}) },
        });
        return cancelled ? 'cancelled' : error.code;
      },
    )
    .then((outcome) =>
      p.audit.append('work', {
        call: job.call.id,
        handle,
        tool: job.tool.name,
        receipt: job.receipt,
        outcome,
        // Then `late` is its end, as with a call.
        goesOn: d.committed() && d.signal.aborted ? true : undefined,
      }),
    )
    .catch((thrown) => p.log.error({ call: job.call.id, err: thrown }, 'work ended and could not be recorded'))
    .finally(() => {
      unwatch();
      d[Symbol.dispose]();
    });
  e.underWay.hold(told);
  return { running: handle, turn };
}

/** One more try where the other side was only busy. A change gets none. */
async function runRead(
  job: Job,
  tool: CatalogRead,
  signal: AbortSignal,
  e: Engine,
  p: Policy,
  report: (x: Progress) => void,
): Promise<Record<string, unknown>> {
  const once = () => tool.handler(job.input, context(job, signal, e, p, report));
  try {
    return await once();
  } catch (thrown) {
    if (!worthARetry(thrown) || signal.aborted) throw thrown;
    await pause(RETRY_AFTER_MS, signal, p.clock);
    return once();
  }
}

const sharesRun = ({ tool, call }: Job) => !tool.perPrincipal && !tool.long && !call.progress;

/** Equal reads share one run. */
async function shareRead(
  job: Job,
  tool: CatalogRead,
  d: Deadline,
  e: Engine,
  p: Policy,
  report: (x: Progress) => void,
): Promise<Record<string, unknown>> {
  const run = await e.coalescer.share(
    `${tool.name} ${rightsOf(job.who.scopes)} ${boundsKey(job, p)} ${job.canonical}`,
    d.signal,
    (signal) => {
      // The group outlives the caller that began it, so it has a deadline of its own.
      const own = deadline(signal, timeoutOf(tool), p.clock);
      return raced(runRead(job, tool, own.signal, e, p, report), own.signal)
        .then((raw) => ({ raw }))
        .finally(() => own[Symbol.dispose]());
    },
  );
  job.run = run;
  return run.raw;
}

const rights = new WeakMap<ReadonlySet<Scope>, string>();
function rightsOf(scopes: ReadonlySet<Scope>): string {
  let text = rights.get(scopes);
  if (text === undefined) {
    text = [...scopes].sort().join(' ');
    rights.set(scopes, text);
  }
  return text;
}

const shown = ({ digest: _, ...rest }: Preview) => rest;

export const timeoutOf = (tool: Tool): number => tool.limits?.timeoutMs ?? STANDARD_TIMEOUT_MS;

function worthARetry(thrown: unknown): boolean {
  const { errno } = toOpsError(thrown).details;
  return errno === 'ECONNRESET' || errno === 'EAGAIN' || errno === 'HTTP_503';
}

async function soonest<T>(work: Promise<T>, ms: number, p: Policy): Promise<T | 'still running'> {
  const { promise, resolve } = Promise.withResolvers<'still running'>();
  const cancel = p.clock.after(ms, () => resolve('still running'));
  return Promise.race([work, promise]).finally(cancel);
}

/** The one who cancels may sit in another process: the wish lies in the store. A committed change is not stopped. */
function watchCancel(handle: string, d: Deadline, p: Policy): () => void {
  const look = () => {
    if (p.work.cancelRequested(handle) && !d.committed())
      d.abort(new DOMException('Cancelled on request.', 'AbortError'));
    else cancel = p.clock.after(CANCEL_POLL_MS, look);
  };
  let cancel = p.clock.after(CANCEL_POLL_MS, look);
  return () => cancel();
}
