/** What is near, for who probes: the networks of this host, its name servers and the owner's settings. Gathered for each call; what follows is insight/probe_rules.ts's. */
import type { ToolContext } from '../core/call.ts';
import { ipText, type Prefix, parseIp, parsePrefix, reachOf } from '../core/ip.ts';
import type { ProbeRules } from '../insight/probe_rules.ts';
import type { Ground } from './net_probe_kinds.ts';

/** Networks and name servers of this host, which decide what is near. */
export async function groundOf(ctx: ToolContext, unknown: { what: string; why: string }[]): Promise<Ground> {
  const { net, probes } = ctx.host;
  const [links, dns] = await Promise.all([net.links({ signal: ctx.signal }), net.dns({ signal: ctx.signal })]);
  if (links.value === null)
    unknown.push({ what: 'the networks of this host, so none of them is probed', why: links.why });
  const own = (links.value?.links ?? []).flatMap((l) =>
    l.addresses.flatMap((a): Prefix[] => {
      const reach = reachOf(a.address);
      if (a.prefix === null || reach === 'loopback' || reach === 'link') return [];
      return [parsePrefix(`${a.address.split('%')[0]}/${a.prefix}`)].filter((p) => p !== null);
    }),
  );
  const of = (texts: readonly string[]) => texts.flatMap((t) => parsePrefix(t) ?? []);
  const rules: ProbeRules = { own, allow: of(probes.settings.allow), deny: of(probes.settings.deny) };
  const configured = new Set(
    [...(dns.file.value?.servers ?? []), ...(dns.resolved.value?.servers ?? [])].map(canonical),
  );
  return { rules, configured, ctx };
}

export const canonical = (address: string): string => {
  const [bare = '', zone] = address.split('%');
  const ip = parseIp(bare);
  return ip === null ? address : ipText(ip) + (zone === undefined ? '' : `%${zone}`);
};
