/**
 * The table of findings, and the one place that turns facts into them. Order, thresholds and words are in the rules;
 * what a caller sees, and docs/findings.md, are made from the same rows.
 */

import { type Facts, type Finding, type Rule, SEVERITIES } from './facts.ts';
import type { NetFacts } from './net_facts.ts';
import { CONTAINERS } from './rules_containers.ts';
import { CPU } from './rules_cpu.ts';
import { MEMORY } from './rules_memory.ts';
import { NET_RULES } from './rules_net.ts';
import { NETWORK } from './rules_network.ts';
import { STORAGE } from './rules_storage.ts';
import { SYSTEM } from './rules_system.ts';

export const RULES: readonly Rule[] = [...STORAGE, ...MEMORY, ...CPU, ...NETWORK, ...CONTAINERS, ...SYSTEM];

const rank = (f: { severity: Finding['severity'] }) => SEVERITIES.indexOf(f.severity);

/** Worst first; equals in the order of the table. */
export const findingsOf = (facts: Facts): Finding[] => found(RULES, facts);

/** Of the network alone: its own rules, and those on interfaces that the overview has too. */
export const netFindingsOf = (facts: NetFacts): Finding[] => found([...NET_RULES, ...NETWORK], facts);

function found<F>(rules: readonly Rule<F>[], facts: F): Finding[] {
  return rules
    .flatMap((r) => {
      const hit = r.test(facts);
      if (!hit) return [];
      const next = r.next.replace(/\{([A-Z]+)\}/g, (_, word: string) => plain(hit.subject) ?? word);
      return [{ id: r.id, severity: r.severity, evidence: hit.evidence, sentence: r.sentence, next }];
    })
    .toSorted((a, b) => rank(a) - rank(b));
}

/** A name goes into a command only if no shell and no option parser can read anything else in it. */
function plain(subject: string | undefined): string | null {
  return subject !== undefined && /^[A-Za-z0-9/_.@:][A-Za-z0-9/_.@:+-]{0,99}$/.test(subject) ? subject : null;
}

/** docs/findings.md, whole. */
export function findingsDoc(): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const table = (rules: readonly Omit<Rule, 'test'>[]) => [
    '| id | severity | when | what it means | next step |',
    '|---|---|---|---|---|',
    ...rules
      .toSorted((a, b) => rank(a) - rank(b))
      .map((r) => `| \`${r.id}\` | ${r.severity} | ${cell(r.when)} | ${cell(r.sentence)} | \`${cell(r.next)}\` |`),
  ];
  return [
    '# Findings',
    '',
    `The ${RULES.length} remarks that \`system_overview\` can make on a host, worst first. Generated from \`src/insight/\`; do not edit.`,
    'A condition whose figures are unknown on a host gives no finding there; what is unknown is listed in the answer.',
    'A word in capitals in the next step stands for what the finding names.',
    '',
    ...table(RULES),
    '',
    '## Network',
    '',
    `The ${NET_RULES.length} remarks that \`net_overview\` can make besides, together with ${NETWORK.map((r) => `\`${r.id}\``).join(', ')} of the table above.`,
    '',
    ...table(NET_RULES),
    '',
  ].join('\n');
}
