/** What findings are made from, and what a rule and a finding are. Types and the few words that all rules share. */
import type { ContainerSummary } from '../core/docker.ts';
import type { Filesystem, Health, Identity, ProcessList, Reading, Snapshot } from '../core/host.ts';
import type { ProcessWindow } from './processes.ts';
import type { Rates } from './rates.ts';

/** Worst first. */
export const SEVERITIES = ['critical', 'high', 'medium', 'low', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Facts {
  /** Wall clock. */
  nowMs: number;
  identity: Identity;
  snapshot: Snapshot;
  rates: Rates;
  filesystems: Reading<Filesystem[]>;
  processes: Reading<ProcessList>;
  use: ProcessWindow;
  health: Reading<Health>;
  /** Absent where there is no engine to ask. */
  containers?: Reading<ContainerSummary[]>;
}

/** What the rules on interfaces need of them. */
export type RateFacts = Pick<Facts, 'snapshot' | 'rates'>;

export interface Finding {
  id: string;
  severity: Severity;
  /** The figures and names it rests on. Names can be chosen by others. */
  evidence: string;
  sentence: string;
  next: string;
}

/** What a rule saw. `subject` takes the place of the word in braces in `next`. */
export interface Hit {
  evidence: string;
  subject?: string;
}

export interface Rule<F = Facts> {
  id: string;
  severity: Severity;
  title: string;
  /** The condition in words, made from the thresholds, for docs/findings.md. */
  when: string;
  limits: Readonly<Record<string, number>>;
  sentence: string;
  /** A tool of ours or an exact command; `{MOUNT}` and the like stand for the subject. */
  next: string;
  test(facts: F): Hit | null;
}

/** Ties condition, words and test to the same thresholds, then forgets their type. */
export function rule<L extends Record<string, number>, F = Facts>(
  r: Omit<Rule<F>, 'when' | 'limits' | 'test'> & {
    limits: L;
    when(l: L): string;
    test(facts: F, l: L): Hit | null;
  },
): Rule<F> {
  return { ...r, when: r.when(r.limits), test: (facts) => r.test(facts, r.limits) };
}

const NAMED = 3;

/** One finding for all subjects of a kind: a host with forty full mounts must not give forty. */
export function hitOf(seen: readonly { evidence: string; subject?: string }[]): Hit | null {
  const first = seen[0];
  if (!first) return null;
  const more = seen.length > NAMED ? ` and ${seen.length - NAMED} more` : '';
  const evidence = seen
    .slice(0, NAMED)
    .map((s) => s.evidence)
    .join('; ');
  return { ...first, evidence: evidence + more };
}

/** A window this short proves nothing about a rate: one busy tick of 10 ms is a tenth of it. */
export const STEADY_MS = 1000;

export const MiB = 2 ** 20;
export const GiB = 2 ** 30;
