/**
 * Which of the owner's rules decides on a change: a deny that fits goes before all others, of those the first that fits counts, for
 * several targets the strictest, and where none fits the mode. What a rule may say is checked where config is read; that no rule
 * lets through what destroys holds here too, whatever was written. Pure.
 */
import { like } from '../core/like.ts';
import type { Mode, Risk } from '../core/scopes.ts';
import type { Target } from '../core/tool.ts';

type Decide = 'allow' | 'ask' | 'deny';

/** Each part is a text with `*` for any characters; one that is left out fits all. `target` is `kind:name`. */
export interface Rule {
  readonly principal?: string | undefined;
  readonly tool?: string | undefined;
  readonly risk?: 'change' | 'destroy' | undefined;
  readonly target?: string | undefined;
  readonly decide: Decide;
}

export interface Asked {
  principal: string;
  tool: string;
  /** The tool whose change it takes back: what forbids that tool, or asks, holds for its undo too. */
  undoes?: string | undefined;
  risk: Risk;
  targets: readonly Target[];
}

/** `by`: what decided, for the record: `rule 2: deny`, `mode: ask`. */
export interface Decision {
  decide: Decide;
  by: string;
}

const STRICT: Record<Decide, number> = { allow: 0, ask: 1, deny: 2 };

export function decisionOf(mode: Mode, rules: readonly Rule[], asked: Asked): Decision {
  const targets = asked.targets.length > 0 ? asked.targets.map((t) => `${t.kind}:${t.name}`) : [null];
  return targets
    .map((target) => forTarget(mode, rules, asked, target))
    .reduce((a, b) => (STRICT[b.decide] > STRICT[a.decide] ? b : a));
}

function forTarget(mode: Mode, rules: readonly Rule[], asked: Asked, target: string | null): Decision {
  if (mode === 'read-only') return { decide: 'deny', by: 'mode: read-only' };
  const fitting = rules.map((rule, n) => ({ rule, n })).filter(({ rule }) => fits(rule, asked, target));
  const found = fitting.find(({ rule }) => rule.decide === 'deny') ?? fitting[0];
  if (found) return { decide: found.rule.decide, by: `rule ${found.n + 1}: ${found.rule.decide}` };
  return { decide: mode === 'full' && asked.risk === 'change' ? 'allow' : 'ask', by: `mode: ${mode}` };
}

function fits(rule: Rule, asked: Asked, target: string | null): boolean {
  if (rule.risk !== undefined && rule.risk !== asked.risk) return false;
  if (rule.decide === 'allow' && asked.risk !== 'change') return false;
  if (rule.target !== undefined && (target === null || !like(rule.target, target))) return false;
  const tools = asked.undoes !== undefined && rule.decide !== 'allow' ? [asked.tool, asked.undoes] : [asked.tool];
  return like(rule.principal ?? '*', asked.principal) && tools.some((tool) => like(rule.tool ?? '*', tool));
}
