/**
 * Whether this server may listen where its owner wants it to: beyond loopback only with TLS, here or in front. Decides what loopback
 * is. That everybody who knocks must show who they are is not asked here, because no setting can turn that off: with no token and no
 * issuer nobody is let in at all.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { OpsError } from '../core/errors.ts';
import { parsePrefix, reachOf } from '../core/ip.ts';

export interface Binding {
  host: string;
  port: number;
  behindProxy: boolean;
  trustedProxies: readonly string[];
  tls: { certFile: string | null; keyFile: string | null };
}

/** All addresses that a name stands for. */
export type Resolve = (name: string) => Promise<string[]>;

const LOOKUP_MS = 5_000;

const byResolver: Resolve = async (name) => (await lookup(name, { all: true })).map((a) => a.address);

/** What `http.tls` says: the files of a pair, or none. Half a pair is a slip, and not plain HTTP. */
export function pairFiles({ certFile, keyFile }: Binding['tls']): { certFile: string; keyFile: string } | null {
  if (certFile !== null && keyFile !== null) return { certFile, keyFile };
  if (certFile === null && keyFile === null) return null;
  const missing = certFile === null ? 'http.tls.certFile' : 'http.tls.keyFile';
  throw new OpsError('validation', `TLS needs both files, and \`${missing}\` is not set.`, {
    hint: 'Set `http.tls.certFile` and `http.tls.keyFile`, or neither; `deckhand tls self-signed` makes a pair.',
  });
}

/** The address to listen on. Throws when it may not be, with all the ways out. */
export async function addressToListen(o: Binding, resolve: Resolve = byResolver): Promise<string> {
  const everybody = o.trustedProxies.find((text) => parsePrefix(text)?.length === 0);
  if (everybody !== undefined)
    throw new OpsError('validation', `\`http.trustedProxies\` holds ${everybody}: anybody could forge any address.`, {
      hint: 'Name your proxies alone, e.g. 127.0.0.1 or 172.18.0.0/16.',
    });
  // Not the name: it could mean something else a moment later.
  const address = await addressOf(o.host, resolve);
  if (pairFiles(o.tls) !== null || o.behindProxy || reachOf(address) === 'loopback') return address;
  throw new OpsError(
    'permission',
    `Will not listen on ${o.host} in plain HTTP: whoever is on the way could read tokens.`,
    {
      hint: waysOut(o.port || 7070),
    },
  );
}

const waysOut = (port: number) =>
  [
    'one of these:',
    '    - TLS here: `deckhand tls self-signed` makes a pair, then set `http.tls.certFile` and `http.tls.keyFile`.',
    '    - TLS in front: `http.behindProxy: true`, your word that a proxy ends TLS and that nobody else reaches this port.',
    '      In a container it is your word that the port is published on loopback, or to a proxy, alone:',
    `      -p 127.0.0.1:${port}:${port} -e DECKHAND_HTTP_BEHIND_PROXY=true`,
    `    - Loopback: \`http.host: 127.0.0.1\`; from elsewhere \`ssh -L ${port}:127.0.0.1:${port} HOST\`, or \`tailscale serve\`.`,
  ].join('\n');

/** As node:net would take it: the first one of a name. What C reads as an address (0, 127.1) is a name here, and is resolved as well. */
async function addressOf(host: string, resolve: Resolve): Promise<string> {
  if (isIP(host.split('%')[0] as string)) return host;
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('late')), LOOKUP_MS);
  try {
    const [first] = await Promise.race([resolve(host), late]);
    if (first !== undefined) return first;
  } catch (thrown) {
    if (!NO_SUCH_NAME.has(String((thrown as NodeJS.ErrnoException).code)))
      throw new OpsError('unavailable', `Cannot listen on ${host}: names do not resolve now.`, {
        hint: 'Set `http.host` to an address (127.0.0.1), or mend the resolver.',
        cause: thrown,
      });
  } finally {
    clearTimeout(timer);
  }
  throw new OpsError('validation', `Cannot listen on ${host}: there is no such name.`, {
    hint: 'Set `http.host` to an address that `ip addr` shows, or to 127.0.0.1.',
  });
}

const NO_SUCH_NAME = new Set(['ENOTFOUND', 'ENODATA']);

/** By which name clients on this host are told to come. `certified`: over TLS one of these, where there is any, or they would not trust us. */
export function nameToTell(host: string, certified: readonly string[] | null): string {
  const here = reachOf(host) === 'any' ? '127.0.0.1' : host;
  const told =
    certified === null || certified.includes(here) ? here : (certified.find((name) => !name.startsWith('*')) ?? here);
  return told.includes(':') ? `[${told}]` : told;
}

/** What is allowed, and yet the owner should hear of. */
export function bindingRemarks({ behindProxy, trustedProxies }: Binding): string[] {
  if (!behindProxy || trustedProxies.length > 0) return [];
  return [
    'http.behindProxy without http.trustedProxies: all clients of the proxy share one address, in limits and in the audit; name the proxy there',
  ];
}
