/**
 * The firewall's rules, read only: nftables' own, and those that iptables made, which nft may not be able to read. Both are root's to
 * see. Decides whom to ask and which of two accounts of one table is believed.
 */
import { toOpsError } from '../../core/errors.ts';
import type { Bounded, Reading } from '../../core/host.ts';
import type { Firewall } from '../../core/net.ts';
import type { ExecResult } from '../exec.ts';
import { known, type Root, unknown } from '../system/files.ts';
import { parseIptables } from './firewall_iptables.ts';
import { parseNft } from './firewall_nft.ts';
import { type Commands, MOUNTED } from './ip.ts';

const TIMEOUT_MS = 5_000;
/** A blocklist of a hundred thousand addresses is a set of that many elements. */
const MAX_BYTES = 16 * 1024 * 1024;
const MAX_RULES = 20_000;

type Tool = 'nft' | 'iptables-save' | 'ip6tables-save';

export function firewallReader(root: Root, commands: Commands) {
  const run = async (binary: Tool, args: readonly string[], o: Bounded): Promise<Reading<ExecResult>> => {
    if (!commands.has(binary)) return unknown(`${binary} is not installed`);
    try {
      const result = await commands.exec({
        binary,
        args,
        timeoutMs: TIMEOUT_MS,
        maxBytes: MAX_BYTES,
        ...(o.signal ? { signal: o.signal } : {}),
      });
      if (result.code === 0) return known(result);
      const said = result.stderr.trim().split('\n')[0] ?? '';
      return unknown(
        /permitted|permission|must be root/i.test(result.stderr)
          ? 'the rules of the firewall are root’s to see (or of CAP_NET_ADMIN)'
          : `${binary} says: ${said || `exit code ${result.code}`}`,
      );
    } catch (error) {
      o.signal?.throwIfAborted();
      return unknown(toOpsError(error).message);
    }
  };

  return async (o: Bounded = {}): Promise<Reading<Firewall>> => {
    if (root.foreign) return unknown(MOUNTED);
    const nft = async () => {
      const whole = await run('nft', ['-j', 'list', 'ruleset'], o);
      // Without the elements of sets: what they hold is then unknown, and said to be.
      return whole.value === null && /more than/.test(whole.why)
        ? run('nft', ['-j', '-t', 'list', 'ruleset'], o)
        : whole;
    };
    const [native, four, six] = await Promise.all([nft(), run('iptables-save', [], o), run('ip6tables-save', [], o)]);
    const ruleset = native.value === null ? null : parseNft(native.value.stdout, MAX_RULES);
    if (ruleset === null && four.value === null)
      return unknown(native.why ?? four.why ?? 'neither nft nor iptables tells its rules');

    const firewall: Firewall = { sources: [], chains: [], unread: [] };
    if (ruleset) firewall.sources.push('nftables');
    else firewall.unread.push(`nftables: ${native.why ?? 'its answer is no JSON'}`);
    const read = new Set<string>();
    for (const [result, family] of [
      [four, 'ip'],
      [six, 'ip6'],
    ] as const) {
      if (result.value === null) continue;
      const chains = parseIptables(result.value.stdout, family, MAX_RULES);
      const legacy = !/\(nf_tables\)/.test(result.value.stdout);
      for (const chain of chains) {
        const table = `${chain.family} ${chain.table}`;
        // What nft can read whole it tells better; what iptables-nft made in matches of its own only iptables-save can.
        if (!legacy && ruleset && !ruleset.opaque.has(table)) continue;
        read.add(legacy ? '' : table);
        firewall.chains.push(chain);
      }
      const source = legacy ? 'iptables-legacy' : 'iptables';
      if (chains.length > 0 && !firewall.sources.includes(source)) firewall.sources.push(source);
    }
    for (const chain of ruleset?.chains ?? [])
      if (!read.has(`${chain.family} ${chain.table}`)) firewall.chains.push(chain);
    for (const table of ruleset?.opaque ?? [])
      if (!read.has(table)) firewall.unread.push(`${table}: made by iptables, which is not here to tell it`);
    return known(firewall);
  };
}
