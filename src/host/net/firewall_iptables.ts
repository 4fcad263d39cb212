/**
 * `iptables-save` and `ip6tables-save` as chains of rules. Pure. The same few conditions are understood as of nftables; every other
 * match is marked.
 */
import type { FirewallChain, FirewallRule, Match } from '../../core/net.ts';

/** Where a built-in chain of a table is hooked in, and before what. */
const HOOKS: Record<string, string> = {
  PREROUTING: 'prerouting',
  INPUT: 'input',
  FORWARD: 'forward',
  OUTPUT: 'output',
  POSTROUTING: 'postrouting',
};
const PRIORITIES: Record<string, number> = { raw: -300, mangle: -150, nat: -100, filter: 0, security: 50 };

export function parseIptables(text: string, family: 'ip' | 'ip6', most: number): FirewallChain[] {
  const chains: FirewallChain[] = [];
  const byName = new Map<string, FirewallChain>();
  let table = '';
  let rules = 0;
  for (const line of text.split('\n', 200_000)) {
    if (line.startsWith('*')) {
      table = line.slice(1).trim();
      byName.clear();
    } else if (line.startsWith(':')) {
      const [name = '', policy = ''] = line.slice(1).split(' ');
      const hook = policy === '-' ? null : (HOOKS[name] ?? null);
      const chain: FirewallChain = {
        family,
        table,
        name,
        hook,
        type: table === 'nat' ? 'nat' : 'filter',
        priority: PRIORITIES[table] ?? 0,
        policy: hook === null ? null : policy === 'DROP' ? 'drop' : 'accept',
        rules: [],
      };
      chains.push(chain);
      byName.set(name, chain);
    } else if (line.startsWith('-A ')) {
      const words = split(line);
      const chain = byName.get(words[1] ?? '');
      if (chain && ++rules <= most) chain.rules.push(ruleOf(words.slice(2)));
    }
  }
  return chains;
}

/** Words, with what stands in quotes as one. */
const split = (line: string): string[] =>
  (line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? []).map((w) => (w.startsWith('"') ? w.slice(1, -1) : w));

/** Options that tell nothing of what matches, with as many words behind them. */
const SILENT: Record<string, number> = { '--comment': 1, '--log-prefix': 1, '--log-level': 1, '--reject-with': 1 };
/** Modules whose conditions are those below. */
const MODULES = new Set(['tcp', 'udp', 'multiport', 'conntrack', 'state', 'comment', 'addrtype']);

function ruleOf(words: string[]): FirewallRule {
  const rule: FirewallRule = { other: false, verdict: { kind: 'continue' } };
  let not = false;
  const take = { at: 0 };
  const next = () => words[++take.at] ?? '';
  const list = (): Match<string> => ({ not, of: next().split(',') });
  for (; take.at < words.length; take.at++) {
    const word = words[take.at] as string;
    if (word === '!') {
      not = true;
      continue;
    }
    if (word === '-p' || word === '--protocol') rule.protocols = list();
    else if (word === '--dport' || word === '--dports' || word === '--destination-port') {
      const of = next().split(',').map(rangeOf);
      if (of.some((r) => r === null)) rule.other = true;
      else rule.ports = { not, of: of as [number, number][] };
    } else if (word === '-i') {
      // "eth+" is any name that begins so, as nftables writes it with a star.
      const { of } = list();
      rule.devices = { not, of: of.map((name) => name.replace(/\+$/, '*')) };
    } else if (word === '--ctstate' || word === '--state') {
      const { of } = list();
      rule.states = { not, of: of.map((s) => s.toLowerCase()) };
    } else if (word === '-s') rule.sources = list();
    else if (word === '-d') rule.destinations = list();
    else if (word === '--dst-type') {
      if (next() !== 'LOCAL' || not) rule.other = true;
    } else if (word === '-m') {
      if (!MODULES.has(next())) rule.other = true;
    } else if (word === '-j' || word === '-g') verdict(rule, word, next(), words.slice(take.at + 1));
    else if (SILENT[word] !== undefined) take.at += SILENT[word];
    // What belongs to the target stands behind it, and was looked at with it.
    else if (!/^--(?:to-|on-|set-|random|persistent)/.test(word) && word.startsWith('-')) rule.other = true;
    not = false;
  }
  return rule;
}

function verdict(rule: FirewallRule, how: string, target: string, rest: string[]): void {
  if (target === 'ACCEPT') rule.verdict = { kind: 'accept' };
  else if (target === 'DROP' || target === 'REJECT' || target === 'QUEUE' || target === 'NFQUEUE')
    rule.verdict = { kind: 'drop' };
  else if (target === 'RETURN') rule.verdict = { kind: 'return' };
  else if (target === 'DNAT' || target === 'REDIRECT') {
    const to = rest[rest.findIndex((w) => w === '--to-destination' || w === '--to-ports') + 1] ?? '';
    const port = /(?::|^)(\d+)$/.exec(to)?.[1];
    const address = /^\[?([^\]]+?)\]?(?::\d+)?$/.exec(to)?.[1];
    rule.verdict = {
      kind: 'translate',
      address: target === 'DNAT' && address ? address : null,
      port: port === undefined ? null : Number(port),
    };
  } else if (target === 'MASQUERADE' || target === 'SNAT') rule.verdict = { kind: 'accept' };
  // LOG, MARK, TCPMSS and the like let it pass on; any other word is a chain.
  else if (
    !/^(?:LOG|NFLOG|ULOG|MARK|CONNMARK|TCPMSS|CT|NOTRACK|TRACE|CLASSIFY|DSCP|TOS|TTL|HL|CHECKSUM|SET)$/.test(target)
  )
    rule.verdict = { kind: how === '-g' ? 'goto' : 'jump', chain: target };
}

function rangeOf(text: string): [number, number] | null {
  const [from, to = from] = text.split(':');
  const range = [Number(from), Number(to)] as [number, number];
  return range.every((n) => Number.isInteger(n) && n >= 0 && n <= 65_535) ? range : null;
}
