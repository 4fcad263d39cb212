/**
 * What a caller names as the target of a probe: a host, `host:port` or a URL, by kind. Decides what is well formed, and answers what is not
 * with the call that was probably meant. Ranges are refused here: a probe is of one place. Pure; no name is looked up.
 */
import { isIPv6 } from 'node:net';
import { OpsError } from '../core/errors.ts';

export const PROBE_KINDS = ['dns', 'tcp', 'tls', 'http', 'ping', 'trace'] as const;
export type ProbeKind = (typeof PROBE_KINDS)[number];

export interface ProbeTarget {
  /** As the caller wrote it. */
  text: string;
  /** Name or address, without brackets. */
  host: string;
  /** 0 where the kind has none. */
  port: number;
  url: URL | null;
}

const STANDARD: Partial<Record<ProbeKind, number>> = { tls: 443, http: 443 };
/** Labels as the DNS has them, underscores for SRV and the like; odd spellings of addresses are names to us. */
const NAME =
  /^(?=.{1,253}\.?$)[\p{L}\p{N}_](?:[\p{L}\p{N}_-]{0,61}[\p{L}\p{N}_])?(?:[.。][\p{L}\p{N}_](?:[\p{L}\p{N}_-]{0,61}[\p{L}\p{N}_])?)*\.?$/u;
const RANGE = /\/\d{1,3}$|[*,\s]|\d-\d+$|\.\d+-\d+|:\d+-\d+$|\[\d+-\d+\]/;

export function probeTarget(kind: ProbeKind, text: string, port: number | undefined): ProbeTarget {
  const say = (message: string, hint: string) => new OpsError('validation', `${quoted(text)}: ${message}`, { hint });
  const call = (k: ProbeKind, target: string) => `net_probe {"kind":"${k}","targets":["${target}"]}`;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    const url = URL.canParse(text) ? new URL(text) : null;
    if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password)
      throw say('a URL here is http or https, without a password.', 'Write https://host/path.');
    if (kind !== 'http')
      throw say(
        `kind ${kind} takes a host, not a URL.`,
        `${call('http', text)} or ${call(kind, kind === 'tcp' || kind === 'tls' ? url.host : url.hostname)}`,
      );
    if (port !== undefined) throw say('the port of a URL stands in it.', 'Leave `port` out.');
    const given = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
    return { text, host: bare(url.hostname), port: given, url };
  }
  if (RANGE.test(text))
    throw say('that is a range or a list; a probe is of one place.', 'Name each target; net_probe takes up to 20.');
  const { host, own } = split(text);
  if (!isIPv6(host.split('%')[0] ?? '') && !NAME.test(host))
    throw say('that is no host.', 'Write a name, an address, or host:port.');
  if (own !== null && port !== undefined && own !== port) throw say('there are two ports.', 'Leave `port` out.');
  const at = own ?? port ?? STANDARD[kind] ?? null;
  if (kind === 'dns') {
    if (own !== null || port !== undefined)
      throw say('kind dns takes a name alone.', `${call('dns', host)}; for a port: ${call('tcp', text)}`);
    return { text, host, port: 0, url: null };
  }
  if (kind === 'trace' && own !== null)
    throw say('kind trace takes a host alone.', `${call('trace', host)} or ${call('tcp', text)}`);
  if (kind === 'tcp' && at === null)
    throw say('kind tcp needs a port.', `${call('tcp', `${shown(host)}:443`)} or ${call('ping', host)}`);
  if (at !== null && (at < 1 || at > 65_535)) throw say('that is no port.', 'Ports are 1 to 65535.');
  if (kind === 'http') {
    const url = new URL(`${at === 80 ? 'http' : 'https'}://${shown(host)}${at === 80 || at === 443 ? '' : `:${at}`}/`);
    return { text, host: bare(url.hostname), port: at ?? 443, url };
  }
  return { text, host, port: kind === 'trace' ? 0 : (at ?? 0), url: null };
}

/** `host`, `host:port`, `[v6]:port`, or an IPv6 address as it is. */
function split(text: string): { host: string; own: number | null } {
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text);
  if (bracketed) return { host: bracketed[1] as string, own: bracketed[2] ? Number(bracketed[2]) : null };
  if (isIPv6(text.split('%')[0] ?? '')) return { host: text, own: null };
  const m = /^(.*):(\d{1,5})$/.exec(text);
  return m ? { host: m[1] as string, own: Number(m[2]) } : { host: text, own: null };
}

const bare = (host: string) => host.replace(/^\[|\]$/g, '');
const shown = (host: string) => (host.includes(':') ? `[${host}]` : host);
const quoted = (text: string) => JSON.stringify(text.slice(0, 100));
