/**
 * The door. Every call from every face walks these steps, in this order, and leaves exactly one closing record. It is
 * one flat function because the order is the security property: read it from top to bottom. What a step does in detail
 * lies in the file it names; whether it is done at all, and when, is decided here.
 */
import type { Call, Outcome } from '../core/call.ts';
import { canonical } from '../core/canonical.ts';
import { OpsError, toOpsError, type WireError } from '../core/errors.ts';
import { strip } from '../core/foreign.ts';
import { hasMark } from '../core/redact.ts';
import { readsOnly, type Scope } from '../core/scopes.ts';
import { riskOf, scopesOfCall, worstRisk } from '../core/tool.ts';
import type { Turn } from '../core/transfer.ts';
import { admit, mayCall, need, visible } from './authorize.ts';
import { withReceipt } from './change.ts';
import { complaint } from './complaint.ts';
import { approve, execute, timeoutOf } from './execute.ts';
import type { Engine, Job } from './job.ts';
import type { Door, Policy } from './ports.ts';
import { type Answer, answer, clean, cleanOf } from './shape.ts';
import { laneOf } from './slots.ts';
import { receiptsFor } from './undo.ts';

export function createDoor(p: Policy, e: Engine): Door {
  return {
    catalog: p.catalog,
    run: (call) => e.underWay.hold(run(call, p, e)),
    check: (call) => check(call, p),
    visible: (principal, narrow) => visible(principal, narrow, p),
    refused: (request) => p.refusals.note(request),
  };
}

export async function run(call: Call, p: Policy, e: Engine): Promise<Outcome> {
  const started = p.clock.elapsed();
  const facts: Facts = { risk: 'unknown' };
  let outcome: Outcome;
  try {
    outcome = await walk();
  } catch (thrown) {
    outcome = { status: 'failed', error: presentable(withReceipt(toOpsError(thrown), facts.job ?? {}), call, p) };
  }
  // 9. audit and 10. metrics stand here, so that no path through the door escapes them.
  const ms = p.clock.elapsed() - started;
  p.audit.append('call', closing(call, facts, outcome, ms, p));
  p.security?.turnedAway({ code: label(outcome), who: call.principal?.id, address: call.address });
  p.metrics.observe(facts.tool ?? 'unknown', label(outcome), ms);
  p.log.debug({ call: call.id, tool: facts.tool, outcome: label(outcome), ms }, 'call');
  return outcome;

  async function walk(): Promise<Outcome> {
    // 1. authenticate, 2. authorize (the least scope, before anything is said about arguments)
    const { who, tool } = admit(call, p);
    facts.tool = tool.name;
    facts.risk = worstRisk(tool);

    // 3. rate: points for this principal, and a place among the calls under way
    const own = p.access.limits(who);
    const waitMs = p.rate.take(who.id, tool.limits?.cost ?? 1, own.callsPerMinute);
    if (waitMs !== null) throw tooMany(waitMs);
    const slot = p.slots.enter(who.id, {
      lane: laneOf(tool),
      ...(own.concurrentCalls === undefined ? {} : { most: own.concurrentCalls }),
    });
    if (!slot)
      throw new OpsError('limit', 'Too many calls are under way.', {
        hint: 'Wait for one to end.',
        retryAfterMs: 1_000,
      });

    let going = false; // the work goes on after this call has been answered, and keeps its deadline
    const d = e.underWay.deadline(call.signal, timeoutOf(tool));
    try {
      // 4. validate
      const parsed = tool.input.safeParse(call.args ?? {});
      if (!parsed.success) throw complaint(tool, parsed.error);
      const input = parsed.data;
      // What takes back a change needs what that change needed, and locks what it locked.
      const as = tool.change?.actsAs?.(input, { receipts: receiptsFor(who, p) });
      const risk = as?.risk ?? riskOf(tool, input);
      const targets = as?.targets ?? tool.targets?.(input) ?? [];
      facts.risk = risk;
      facts.targets = targets;

      // 5. authorize these arguments: what they need beyond the least scope, and no redacted text written back
      const scopes = as?.scopes ?? scopesOfCall(tool, input);
      facts.scopes = scopes;
      need(who, scopes, tool);
      mayCall(who, tool, { scopes, targets, undoes: as?.tool }, p);
      if (!readsOnly(risk) && hasMark(input))
        throw new OpsError('validation', 'An argument holds a ⟦…⟧ mark: text that deckhand took out of an answer.', {
          hint: 'Write the real text, or leave that part of the target as it is.',
        });
      const job: Job = {
        call,
        who,
        tool,
        input,
        canonical: canonical(input),
        scopes,
        risk,
        targets,
        undoOf: as?.undoOf,
        undoes: as?.tool,
      };
      facts.job = job;

      // 6. approve: the preview is what the approver sees and what the approval binds
      const approved = await approve(job, d, e, p, (by) => {
        facts.approval = by;
      });
      if ('answer' in approved) {
        const { answer, ...status } = approved;
        return { ...status, ...leave(job, answer) };
      }
      if ('by' in approved) {
        const changeWaitMs = p.rate.takeChange(who.id, own.changesPerDay);
        if (changeWaitMs !== null) throw tooMany(changeWaitMs);
      }

      // 7. execute
      let place: Disposable | null = slot;
      const release = () => {
        place?.[Symbol.dispose]();
        place = null;
      };
      going = true;
      const done = await execute(job, approved, d, e, p, (raw) => keepWhole(job, raw), release);
      if ('running' in done) {
        facts.handle = done.running;
        // Running work has bounds of its own; with its place here it could keep those out who come to wait for it, or to stop it.
        release();
        return { status: 'running', ...running(job, done.running, done.turn) };
      }

      // 8. redact and shape
      return { status: done.status, ...leave(job, done.raw) };
    } finally {
      // Its deadline has passed and its effect has begun: this answer is not its end.
      if (d.committed() && d.signal.aborted) facts.goesOn = true;
      if (!going) slot[Symbol.dispose]();
      if (!facts.handle) d[Symbol.dispose]();
    }
  }

  function leave(job: Job, raw: unknown): Answer {
    const whole = cleanOf(job.run, job.tool, raw, p);
    return answer(job.tool, job.input, whole, call, (lists) => keep(job, whole, lists), p);
  }

  function keep(job: Job, whole: ReturnType<typeof clean>, lists: string[]): string | null {
    const { data, paths } = whole;
    return p.kept.put({
      principal: job.who.id,
      scopes: job.scopes,
      targets: job.targets,
      tool: job.tool.name,
      data,
      foreignPaths: paths,
      lists,
    });
  }

  function keepWhole(job: Job, raw: Record<string, unknown>): string | null {
    return keep(job, clean(job.tool, raw, p), job.tool.cut?.lists ?? []);
  }
}

/** Steps 1 to 3, asked ahead by the HTTP face for its 401, 403 and 429. Takes no points and records nothing. */
export function check(call: Call, p: Policy): OpsError | null {
  try {
    const { who, tool } = admit(call, p);
    const { callsPerMinute } = p.access.limits(who);
    const waitMs = p.rate.peek(who.id, tool.limits?.cost ?? 1, callsPerMinute);
    return waitMs === null ? null : tooMany(waitMs);
  } catch (thrown) {
    return presentable(toOpsError(thrown), call, p);
  }
}

interface Facts {
  tool?: string;
  risk: string;
  scopes?: Scope[];
  targets?: unknown;
  approval?: string;
  handle?: string;
  job?: Job;
  goesOn?: true;
}

const tooMany = (waitMs: number) =>
  new OpsError('limit', 'Too many calls.', { hint: 'Wait, then call again.', retryAfterMs: Math.ceil(waitMs) });

function running(job: Job, handle: string, turn: Turn | null): Answer {
  if (turn) {
    const { fields, summary, next } = turn;
    const data = { ...fields, state: 'running', handle, summary, next };
    return { data, text: `running: ${summary}\n${next}\nhandle ${handle}`, foreignPaths: [] };
  }
  const next = `result_query {"handle":"${handle}","wait_s":20} waits for it; with "cancel":true it asks it to stop.`;
  const data = { state: 'running', handle, next, ...(job.tool.change ? { summary: `${job.tool.name} goes on.` } : {}) };
  return { data, text: `running: ${job.tool.name} goes on in the server.\n${next}`, foreignPaths: [] };
}

/** Errors quote what others wrote (paths, unit names, arguments): they lose control characters and secrets too. */
function presentable(error: OpsError, call: Call, p: Policy): OpsError {
  if (error.code === 'internal')
    p.log.error({ call: call.id, tool: call.tool, err: error.cause ?? error }, 'call failed inside');
  const say = (text: string) => p.redactor.text(strip(text)).slice(0, 2_000);
  const { hint, candidates, ...rest } = error.details;
  return new OpsError(error.code, say(error.message), {
    ...rest,
    ...(hint ? { hint: say(hint) } : {}),
    ...(candidates ? { candidates: candidates.slice(0, 30).map(say) } : {}),
    cause: error.cause,
  });
}

const label = (o: Outcome): WireError['code'] | Outcome['status'] => (o.status === 'failed' ? o.error.code : o.status);

/** Arguments of a refused call are on record as they came, but bounded, and never with a secret in them. */
const ARGS_BYTES = 2_048;

function closing(call: Call, facts: Facts, outcome: Outcome, ms: number, p: Policy): Record<string, unknown> {
  const args = safeJson(call.args);
  const { tool, risk, scopes, targets, approval, handle, goesOn, job } = facts;
  return {
    call: call.id,
    face: call.face,
    who: call.principal?.id ?? 'anonymous',
    credential: call.principal?.credential,
    listener: call.listener,
    client: call.client === undefined ? undefined : strip(call.client).slice(0, 100),
    address: call.address,
    tool: tool ?? strip(call.tool).slice(0, 64),
    risk,
    scopes,
    // What was needed is of use beside what was there; of calls that went through it would say nothing.
    had: call.principal && label(outcome) === 'permission' ? [...p.access.known(call.principal).scopes] : undefined,
    targets: targets === undefined ? undefined : p.redactor.deep(targets),
    args: args.length <= ARGS_BYTES ? p.redactor.deep(call.args ?? {}) : `⟦${args.length} characters left out⟧`,
    argsDigest: p.audit.digest(args),
    mode: p.mode,
    rule: outcome.status === 'failed' ? outcome.error.details.rule : undefined,
    approval,
    handle,
    receipt: job?.receipt,
    undoOf: job?.undoOf,
    goesOn,
    outcome: label(outcome),
    why:
      outcome.status === 'failed'
        ? outcome.error.message.slice(0, 300)
        : outcome.data.state === 'rolled_back'
          ? 'rolled back'
          : outcome.data.state === 'failed'
            ? 'made, and not as promised'
            : undefined,
    ms: Math.round(ms * 100) / 100,
  };
}

function safeJson(args: unknown): string {
  try {
    return canonical(args ?? {});
  } catch {
    return '"not JSON"';
  }
}
