/**
 * Whether a change may run now: the owner's rules and mode first, then a person's yes for exactly this call, then a question to one.
 * The same call repeated is how a caller comes back: it finds the yes, the no, or the question that still waits. Decides also what a
 * client's own answer is worth: nothing, unless the owner said so, never for what destroys, and never where a rule wants the owner asked.
 */
import type { ClientAnswer, Log } from '../core/call.ts';
import type { Mode } from '../core/scopes.ts';
import { rfc3339 } from '../core/text.ts';
import type { Approval, Binding, Approvals as Store } from '../store/approvals.ts';
import { createDeciding, type Life, lifeOf } from './deciding.ts';
import type { ApprovalRequest, Approvals, Audit, Redactor, Verdict } from './ports.ts';
import { type Decision, decisionOf, type Rule } from './rules.ts';
import { questionOf, type Shown, shownOf } from './shown.ts';

export interface Approving {
  mode: Mode;
  rules: readonly Rule[];
  /** What a client may answer for its user. */
  client: 'never' | 'change';
  minutes: number;
  store: Store;
  audit: Pick<Audit, 'append' | 'digest'>;
  redactor: Redactor;
  log: Log;
  /** Who else hears of a new question; it never throws, and nothing waits for it. */
  told?: (approval: Approval) => void;
}

export function createApprovals(o: Approving): Approvals {
  const { store } = o;
  const life = lifeOf(o);
  const { expire } = createDeciding(o);
  return {
    decide(request, answer) {
      const decision = decisionOf(o.mode, o.rules, request);
      if (decision.decide === 'deny') return denied(request, decision);
      if (decision.decide === 'allow') return { verdict: 'granted', by: decision.by };
      expire();
      const binding: Binding = {
        principal: request.principal,
        tool: request.tool,
        inputHash: o.audit.digest(request.input),
        digest: request.preview.digest,
      };
      const shown = shownOf(request, o.redactor);
      const approval = standing(request, binding, shown);
      const mayAsk = o.client === 'change' && request.risk === 'change' && decision.by.startsWith('mode:');
      const judged = answer ? judge(approval, answer, mayAsk) : approval;
      const by = `${decision.by}; ${judged.id}${judged.approver ? ` by ${judged.approver}` : ''}`;
      if (judged.state === 'refused') return refused(judged, by);
      if (judged.state === 'granted') {
        const use = () => store.use(binding, (a) => life('used', a, { call: request.from.id })) !== null;
        // Whoever is asked and says no is not overruled by a yes that came from elsewhere meanwhile.
        if (answer && !answer.accepted && answer.handle === judged.id) return declined(by);
        return { verdict: 'granted', by, use };
      }
      const ask = mayAsk ? { ask: questionOf(request, shown, o.minutes) } : {};
      return { verdict: 'pending', by, handle: judged.id, next: next(judged, o.told !== undefined), ...ask };
    },
  };

  /** What this very call has come to so far, or a new question. */
  function standing(request: ApprovalRequest, binding: Binding, shown: Shown): Approval {
    const found = store.current(binding);
    // Who said no at the terminal may call again there and be asked again: that nags nobody else.
    if (found && !(found.state === 'refused' && found.approver?.startsWith('tty:'))) return found;
    const { approval, fresh } = store.create({ ...binding, ...shown, scopes: request.scopes, risk: request.risk });
    if (fresh) {
      life('asked', approval, { call: request.from.id });
      o.told?.(approval);
    }
    return approval;
  }

  function judge(approval: Approval, answer: ClientAnswer, mayAsk: boolean): Approval {
    if (approval.state !== 'waiting') return approval;
    const why = !mayAsk
      ? 'the owner does not let clients answer this'
      : answer.handle !== approval.id
        ? 'it is the answer to another question'
        : null;
    if (why !== null) {
      life('ignored', approval, { why });
      return approval;
    }
    return store.decide(
      approval.id,
      { approver: `client:${approval.principal}`, granted: answer.accepted },
      (a: Parameters<Life>[1]) => life(answer.accepted ? 'granted' : 'refused', a),
    );
  }
}

const next = (a: Approval, told: boolean): string =>
  `Nothing has changed. The owner of this host ${told ? 'was told and ' : ''}decides, with \`deckhand approve ${a.id}\` there, until ${rfc3339(a.expiresAtMs)}. ` +
  `Tell your user, then repeat this very call; result_query {"handle":"${a.id}","wait_s":20} waits for the decision.`;

function denied({ tool, risk }: ApprovalRequest, { by }: Decision): Verdict {
  return {
    verdict: 'refused',
    by,
    why: `${tool} may not ${risk === 'destroy' ? 'destroy' : 'change'} this here (${by}).`,
    hint: 'The owner of this host decides so in its config, in `approvals.rules` and `mode`; `dry_run: true` shows what it would do.',
  };
}

function refused(a: Approval, by: string): Verdict {
  return {
    verdict: 'refused',
    by,
    why: `${a.approver} said no at ${rfc3339(a.decidedAtMs)}${a.because ? `: ${a.because}` : '.'}`,
    hint: `Do not repeat this call: it can be asked again after ${rfc3339(a.expiresAtMs)}. Ask your user what to do instead.`,
  };
}

const declined = (by: string): Verdict => ({
  verdict: 'refused',
  by,
  why: 'The user of this client said no.',
  hint: 'Ask your user what to do instead.',
});
