/**
 * `nft -j list ruleset` as chains of rules. Pure. Decides which conditions are understood (protocol, port, interface, connection state,
 * addresses); every other one is marked, so that nobody takes such a rule for one that always or never matches.
 */
import type { FirewallChain, FirewallRule, FirewallVerdict, Match } from '../../core/net.ts';

type Json = Record<string, unknown>;
const record = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

const FAMILIES = ['ip', 'ip6', 'inet', 'arp', 'bridge', 'netdev'] as const;
type TableFamily = (typeof FAMILIES)[number];

export interface NftRuleset {
  chains: FirewallChain[];
  /** Tables with rules in a language that nft only passes through (made by iptables-nft): `ip filter`. */
  opaque: Set<string>;
}

/** Null: no JSON of nft's. */
export function parseNft(stdout: string, most: number): NftRuleset | null {
  let items: unknown;
  try {
    items = record(JSON.parse(stdout)).nftables;
  } catch {
    return null;
  }
  if (!Array.isArray(items)) return null;
  const chains = new Map<string, FirewallChain>();
  const sets = new Map<string, unknown[]>();
  const opaque = new Set<string>();
  const key = (o: Json, name: unknown) => `${o.family} ${o.table} ${name}`;
  for (const item of items.map(record)) {
    const set = record(item.set);
    if (text(set.name)) sets.set(key(set, set.name), Array.isArray(set.elem) ? set.elem : []);
    const chain = record(item.chain);
    const family = FAMILIES.find((f) => f === chain.family);
    if (!family || !text(chain.name) || !text(chain.table)) continue;
    chains.set(key(chain, chain.name), {
      family,
      table: chain.table as string,
      name: chain.name as string,
      hook: text(chain.hook),
      type: (['filter', 'nat', 'route'] as const).find((t) => t === chain.type) ?? null,
      priority: typeof chain.prio === 'number' ? chain.prio : 0,
      policy: chain.policy === 'drop' ? 'drop' : chain.hook ? 'accept' : null,
      rules: [],
    });
  }
  let rules = 0;
  for (const item of items.map(record)) {
    const row = record(item.rule);
    const chain = chains.get(key(row, row.chain));
    if (!chain || ++rules > most) continue;
    const expressions = Array.isArray(row.expr) ? row.expr.map(record) : [];
    if (expressions.some((e) => 'xt' in e)) opaque.add(`${chain.family} ${chain.table}`);
    chain.rules.push(...ruleOf(expressions, (name) => sets.get(key({ ...row }, name)) ?? null, chain.family));
  }
  return { chains: [...chains.values()], opaque };
}

/** Mostly one rule; a verdict map becomes one for each of its entries. */
function ruleOf(expressions: Json[], set: (name: string) => unknown[] | null, family: TableFamily): FirewallRule[] {
  const rule: FirewallRule = { other: false, verdict: { kind: 'continue' } };
  const maps: FirewallRule[] = [];
  for (const e of expressions) {
    const [word, value] = Object.entries(e)[0] ?? ['', null];
    const body = record(value);
    if (word === 'match') condition(rule, body, set);
    else if (word === 'accept' || word === 'drop' || word === 'return' || word === 'continue')
      rule.verdict = { kind: word };
    else if (word === 'reject' || word === 'queue') rule.verdict = { kind: 'drop' };
    else if ((word === 'jump' || word === 'goto') && text(body.target))
      rule.verdict = { kind: word, chain: body.target as string };
    else if (word === 'dnat' || word === 'redirect') rule.verdict = translation(body);
    else if (word === 'tproxy') rule.verdict = { kind: 'translate', address: null, port: null };
    else if (word === 'masquerade' || word === 'snat') rule.verdict = { kind: 'accept' };
    else if (word === 'vmap') maps.push(...verdictMap(rule, body, set));
    else if (word === 'limit' || word === 'ct count' || word === 'xt' || word === 'quota') rule.other = true;
    // counter, log, comment, mangle, meta set …: they change nothing of whether it passes.
  }
  void family;
  return maps.length > 0 ? maps : [rule];
}

function translation(body: Json): FirewallVerdict {
  const port = typeof body.port === 'number' ? body.port : null;
  return { kind: 'translate', address: text(body.addr), port };
}

function verdictMap(rule: FirewallRule, body: Json, set: (name: string) => unknown[] | null): FirewallRule[] {
  const data = body.data;
  const entries = typeof data === 'string' ? set(data.replace(/^@/, '')) : (record(data).set as unknown);
  if (!Array.isArray(entries)) return [{ ...rule, other: true, verdict: { kind: 'continue' } }];
  return entries.slice(0, 500).flatMap((entry) => {
    if (!Array.isArray(entry)) return [];
    const one: FirewallRule = { ...rule };
    condition(one, { op: '==', left: body.key, right: entry[0] }, set);
    const [word, value] = Object.entries(record(entry[1]))[0] ?? ['', null];
    if (word === 'accept' || word === 'drop' || word === 'return' || word === 'continue') one.verdict = { kind: word };
    else if (word === 'jump' || word === 'goto') one.verdict = { kind: word, chain: text(record(value).target) ?? '' };
    else one.other = true;
    return [one];
  });
}

function condition(rule: FirewallRule, body: Json, set: (name: string) => unknown[] | null): void {
  const left = record(body.left);
  const values = elements(body.right, set);
  const not = body.op === '!=';
  const meta = text(record(left.meta).key);
  const ct = text(record(left.ct).key);
  const payload = record(left.payload);
  const field = text(payload.field);
  const protocol = text(payload.protocol);
  if (values === null || !(body.op === '==' || body.op === '!=' || body.op === 'in')) {
    rule.other = true;
    return;
  }
  const strings = (): Match<string> => ({ not, of: values.map(plain) });
  // Twice the same: the second would replace the first, and both must hold.
  const twice = (k: keyof FirewallRule) => rule[k] !== undefined;
  if (meta === 'iifname' || meta === 'iif') {
    if (twice('devices')) rule.other = true;
    else rule.devices = strings();
  } else if (meta === 'l4proto' || (field === 'protocol' && protocol === 'ip') || field === 'nexthdr') {
    rule.protocols = { not, of: values.map((v) => PROTOCOLS[plain(v)] ?? plain(v)) };
  } else if (meta === 'nfproto' || meta === 'protocol') {
    rule.families = { not, of: values.map((v) => (/6/.test(plain(v)) ? 6 : 4)) };
  } else if (ct === 'state') {
    if (twice('states')) rule.other = true;
    else rule.states = strings();
  } else if (
    field === 'dport' &&
    (protocol === 'tcp' || protocol === 'udp' || protocol === 'th' || protocol === 'sctp')
  ) {
    if (protocol !== 'th') rule.protocols = { not: false, of: [protocol] };
    const ranges = values.map(rangeOf);
    if (ranges.some((r) => r === null) || twice('ports')) rule.other = true;
    else rule.ports = { not, of: ranges as [number, number][] };
  } else if ((field === 'saddr' || field === 'daddr') && (protocol === 'ip' || protocol === 'ip6')) {
    rule.families = { not: false, of: [protocol === 'ip' ? 4 : 6] };
    rule[field === 'saddr' ? 'sources' : 'destinations'] = strings();
  } else if (record(left.fib).result === 'type') {
    // "fib daddr type local": an address of ours, as every listener's is.
    if (not || !values.some((v) => plain(v) === 'local')) rule.other = true;
  } else rule.other = true;
}

const PROTOCOLS: Record<string, string> = { '6': 'tcp', '17': 'udp', '1': 'icmp', '58': 'ipv6-icmp', '132': 'sctp' };

/** A value, the elements of a set, or null for what is not understood. */
function elements(right: unknown, set: (name: string) => unknown[] | null): unknown[] | null {
  if (typeof right === 'string' && right.startsWith('@')) {
    const named = set(right.slice(1));
    // A set that is filled while running, or was left out as too large.
    return named === null || named.length === 0 ? null : named.map(element);
  }
  if (Array.isArray(right)) return right.map(element);
  const inline = record(right).set;
  if (Array.isArray(inline)) return inline.map(element);
  if (typeof right === 'object' && right !== null && !('prefix' in right) && !('range' in right)) return null;
  return [right];
}

/** An element with a time-out or a comment stands in `elem`. */
const element = (value: unknown): unknown => {
  const inner = record(value).elem;
  return inner === undefined ? value : (record(inner).val ?? inner);
};

function plain(value: unknown): string {
  const prefix = record(record(value).prefix);
  if (prefix.addr !== undefined) return `${prefix.addr}/${prefix.len}`;
  const range = record(value).range;
  if (Array.isArray(range)) return `${range[0]}-${range[1]}`;
  return String(value);
}

function rangeOf(value: unknown): [number, number] | null {
  if (typeof value === 'number') return [value, value];
  const range = record(value).range;
  return Array.isArray(range) && typeof range[0] === 'number' && typeof range[1] === 'number'
    ? [range[0], range[1]]
    : null;
}
