/**
 * This machine's tailscaled, as others of the house ask it. Decides which status of the LocalAPI means what; nothing is known here of
 * who may do what.
 */
import { OpsError, toOpsError } from '../../core/errors.ts';
import { isVersion, type TailnetAsk, type TailnetHost, type TailnetNetwork } from '../../core/tailnet.ts';
import { ShapeError } from './json.ts';
import { type Answer, away, type LocalApi, localApi } from './local_api.ts';
import { pairOf, serveConfigOf, statusOf, whoIs } from './parse.ts';
import { networkOf } from './parse_network.ts';

const DOMAIN = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/i;
/** A certificate that has to be made first takes a round with its authority. */
const CERTIFICATE_MS = 120_000;
/** Since then grants can be asked for as they are for a service. */
const BY_SERVICE = [1, 100] as const;

/** Some thousands of machines: tailscaled writes about 1.7 KiB for each. */
const MOST_NETWORK_BYTES = 8 * 1024 * 1024;
const NETWORK_MS = 4_000;

/** For who shows the tailnet; what decides who somebody is never asks for all of it. */
export async function networkAt(socket: string, o: TailnetAsk & { peers: boolean }): Promise<TailnetNetwork> {
  const ask = (peers: boolean) => {
    const api = localApi({ socket, patienceMs: NETWORK_MS, mostBytes: MOST_NETWORK_BYTES });
    const query: Record<string, string> = peers ? {} : { peers: 'false' };
    return asked(api, { what: 'status', query, signal: o.signal }, (text) => networkOf(text, { peers }));
  };
  if (!o.peers) return ask(false);
  try {
    return await ask(true);
  } catch (thrown) {
    o.signal?.throwIfAborted();
    // A tailnet that is too large, or takes too long to be told: what this machine is can be known all the same.
    const without = await ask(false);
    return { ...without, whyNoPeers: toOpsError(thrown).message };
  }
}

export function createTailnet(o: { socket: string; patienceMs?: number; mostBytes?: number }): TailnetHost {
  const api = localApi(o);
  return {
    version: api.version,
    async whois(address, { signal, service, tcpPort } = {}) {
      const addr =
        tcpPort === undefined ? address : address.includes(':') ? `[${address}]:${tcpPort}` : `${address}:${tcpPort}`;
      const query = {
        addr,
        ...(tcpPort === undefined ? {} : { proto: 'tcp' }),
        ...(service ? { svc_name: service } : {}),
      };
      const answer = await api.ask({ what: 'whois', query, signal });
      if (answer.status === 404) return null;
      const found = read(answer, whoIs);
      // An older one ignores the question's second half and gives the grants of the whole host.
      if (service && isVersion(api.version(), BY_SERVICE) !== true) return { ...found, grants: new Map() };
      return found;
    },
    status: ({ signal } = {}) => asked(api, { what: 'status', query: { peers: 'false' }, signal }, statusOf),
    serveConfig: ({ signal } = {}) => asked(api, { what: 'serve-config', signal }, serveConfigOf),
    async certificate(domain, { signal } = {}) {
      if (!DOMAIN.test(domain))
        throw new OpsError('validation', 'That is no name of a host.', { hint: 'As `tailscale status` shows it.' });
      const question = { what: `cert/${domain}`, query: { type: 'pair' }, signal, patienceMs: CERTIFICATE_MS };
      const answer = await api.ask(question);
      if (answer.status === 403)
        throw new OpsError('permission', 'tailscaled gives this user no certificate.', {
          hint: 'On the host: TS_PERMIT_CERT_UID=USER in /etc/default/tailscaled, then restart tailscaled.',
        });
      return read(answer, pairOf);
    },
  };
}

async function asked<T>(
  api: LocalApi,
  question: Parameters<LocalApi['ask']>[0],
  parse: (text: string) => T,
): Promise<T> {
  return read(await api.ask(question), parse);
}

function read<T>({ status, text }: Answer, parse: (text: string) => T): T {
  if (status !== 200)
    throw away(`says no (${status})`, 'On the host, `deckhand doctor` looks at it.', text.slice(0, 200));
  try {
    return parse(text);
  } catch (thrown) {
    if (!(thrown instanceof ShapeError)) throw thrown;
    throw away(
      'gives an answer that is not understood',
      `On the host: \`tailscale version\`; ${thrown.message}.`,
      thrown,
    );
  }
}
