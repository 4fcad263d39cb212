/**
 * Whether a call would be let through, step by step and by which line, without making it: for the owner, who asks at a terminal. It asks
 * the same functions as the door, in the door's order; what only the moment tells (rates, locks, what stands behind a name) is not asked.
 */
import type { Principal } from '../core/call.ts';
import { toOpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { holds, readsOnly, type Scope } from '../core/scopes.ts';
import { entryScope, leastScopes, riskOf, scopesOfCall, type Target, type Tool, worstRisk } from '../core/tool.ts';
import type { Limits, Step } from './access.ts';
import { visible } from './authorize.ts';
import { complaint } from './complaint.ts';
import type { Policy } from './ports.ts';
import { decisionOf, type Rule } from './rules.ts';
import { receiptsFor } from './undo.ts';

export interface Explained {
  yes: boolean;
  /** What decided against it; null where nothing did. */
  line: string | null;
  steps: Step[];
  targets: string[];
  /** Of a change that is let through: it runs, or waits for a person. */
  approval: string | null;
  limits: Limits;
}

export interface Standing {
  id: string;
  roles: readonly string[];
  scopes: Scope[];
  tools: string[];
  limits: Limits;
}

export interface Explain {
  call(raw: Principal, tool: string, args: unknown): Explained;
  show(raw: Principal): Standing;
}

type Parts = Pick<Policy, 'access' | 'catalog' | 'off' | 'mode' | 'clock' | 'receipts' | 'redactor' | 'log'>;

export function createExplain(p: Parts, rules: readonly Rule[]): Explain {
  return {
    show(raw) {
      const who = p.access.known(raw);
      const tools = visible(who, undefined, p).map((t) => t.name);
      const roles = p.access.roles(who);
      return { id: who.id, roles, scopes: [...who.scopes].sort(), tools, limits: p.access.limits(who) };
    },
    call(raw, name, args) {
      const who = p.access.known(raw);
      const steps: Step[] = [];
      const step = (what: string, ok: boolean, line = ''): boolean => {
        steps.push({ what, ok, line });
        return ok;
      };
      let targets: Target[] = [];
      let approval: string | null = null;
      const end = (): Explained => {
        const no = steps.find((s) => !s.ok && !s.oneOf);
        const line = no ? no.line || no.what : null;
        const shown = targets.map((t) => `${t.kind}:${t.name}`);
        return { yes: !no, line, steps, targets: shown, approval, limits: p.access.limits(who) };
      };
      const tool = p.catalog.tools.find((t) => t.name === name);
      if (!tool) {
        const near = nearest(
          name,
          p.catalog.tools.map((t) => t.name),
        )[0];
        step(`no tool is named ${name}${near ? ` (nearest: ${near})` : ''}`, false);
        return end();
      }
      const off = p.off(tool);
      // What the owner's lines say holds also while the tool is away: an engine may come back.
      if (off) step(`${name} is off here: ${off.why} ${off.hint}`, false);
      const changes = !readsOnly(worstRisk(tool));
      if (!step(`mode is ${p.mode}`, !(changes && p.mode === 'read-only'), 'mode')) return end();
      const entry = entryScope(tool, (s) => holds(who.scopes, s));
      if (!scoped([...leastScopes(tool), ...(entry ? [entry] : [])])) return end();
      const seen = p.access.tool(who, tool);
      if (!step(seen ? 'its policy never lets this tool through' : 'the tool is listed', seen === null, seen?.line))
        return end();
      const parsed = tool.input.safeParse(args);
      if (!parsed.success) {
        step(`the arguments are not valid: ${complaint(tool, parsed.error).message}`, false);
        return end();
      }
      const facts = factsOf(tool, parsed.data);
      if (!facts) return end();
      targets = facts.targets;
      if (!scoped(facts.scopes)) return end();
      steps.push(...p.access.steps(who, tool, facts));
      const denial = p.access.call(who, tool, facts);
      if (!step(denial ? 'policy denies the call' : 'policy lets the call through', denial === null, denial?.line))
        return end();
      if (changes) approved(tool, facts);
      return end();

      function scoped(needed: readonly Scope[]): boolean {
        const missing = needed.filter((s) => !holds(who.scopes, s));
        if (needed.length === 0) return true;
        return step(
          `needs ${needed.join(', ')}${missing.length > 0 ? `; lacks ${missing.join(', ')}` : ''}`,
          missing.length === 0,
          'scopes',
        );
      }

      function factsOf(t: Tool, input: unknown) {
        try {
          const as = t.change?.actsAs?.(input, { receipts: receiptsFor(who, p) });
          return {
            scopes: as?.scopes ?? scopesOfCall(t, input),
            targets: as?.targets ?? t.targets?.(input) ?? [],
            risk: as?.risk ?? riskOf(t, input),
            undoes: as?.tool,
          };
        } catch (thrown) {
          step(toOpsError(thrown).message, false);
          return null;
        }
      }

      function approved(t: Tool, f: NonNullable<ReturnType<typeof factsOf>>): void {
        const asked = { principal: who.id, tool: t.name, undoes: f.undoes, risk: f.risk, targets: f.targets };
        const { decide, by } = decisionOf(p.mode, rules, asked);
        approval = decide === 'allow' ? 'runs' : decide === 'ask' ? 'waits for a yes' : 'refused';
        step(`approvals: ${decide}`, decide !== 'deny', by);
      }
    },
  };
}
