/**
 * Answers of the LocalAPI as records. Pure. A shape that is not understood is an error where it says who somebody is, and nothing (no
 * grant, no name) where it only adds. Numeric ids are not read: they may exceed 2^53. `AuthURL` of a status is a secret of sorts and
 * is left behind here.
 */
import type { Answered, ServeConfig, Served, TailnetStatus, WhoIs } from '../../core/tailnet.ts';
import { isRecord, isSet, type Json, json, recordOf, ShapeError, textOf, textsOf, timeOf, withoutDot } from './json.ts';

export function whoIs(text: string): WhoIs {
  const { Node: node, UserProfile: user, CapMap: grants } = json(text);
  if (!isRecord(node)) throw new ShapeError('Node is missing');
  const stable = textOf(node.StableID);
  if (stable === null) throw new ShapeError('Node.StableID is missing');
  // Tags that are not a list of texts would make a thing look like a person.
  if (isSet(node.Tags) && (!Array.isArray(node.Tags) || textsOf(node.Tags).length !== node.Tags.length))
    throw new ShapeError('Node.Tags is no list of texts');
  if (isSet(node.KeyExpiry) && (typeof node.KeyExpiry !== 'string' || Number.isNaN(Date.parse(node.KeyExpiry))))
    throw new ShapeError('Node.KeyExpiry is no time');
  const login = textOf(recordOf(user).LoginName);
  if (login === null) throw new ShapeError('UserProfile.LoginName is missing');
  return {
    node: stable,
    nodeName: withoutDot(textOf(node.Name)),
    tags: textsOf(node.Tags),
    login,
    expired: isSet(node.Expired),
    keyExpiresAtMs: timeOf(node.KeyExpiry),
    shared: isSet(node.Sharer) || isSet(recordOf(node.Hostinfo).ShareeNode),
    grants: new Map(
      Object.entries(recordOf(grants)).flatMap(([name, values]) => (Array.isArray(values) ? [[name, values]] : [])),
    ),
  };
}

export const statusOf = (text: string): TailnetStatus => statusIn(json(text));

export function statusIn(body: Json): TailnetStatus {
  const self = recordOf(body.Self);
  const state = textOf(body.BackendState);
  if (state === null) throw new ShapeError('BackendState is missing');
  return {
    state,
    node: textOf(self.ID),
    tun: typeof body.TUN === 'boolean' ? body.TUN : null,
    name: withoutDot(textOf(self.DNSName)),
    addresses: textsOf(body.TailscaleIPs),
    tags: textsOf(self.Tags),
    keyExpiresAtMs: timeOf(self.KeyExpiry),
    certDomains: textsOf(body.CertDomains),
    health: textsOf(body.Health).map(withoutSignIn),
    magicDns: switched(recordOf(body.CurrentTailnet).MagicDNSEnabled),
    suffix: textOf(recordOf(body.CurrentTailnet).MagicDNSSuffix) ?? textOf(body.MagicDNSSuffix),
    services: isRecord(self.CapMap) ? servicesIn(self.CapMap['service-host']) : null,
  };
}

const switched = (v: unknown): boolean | null => (typeof v === 'boolean' ? v : null);

/** Whoever opens such an address decides whose machine this is. */
const withoutSignIn = (text: string): string =>
  text.replace(/https?:\/\/\S+/g, (url) => (/\/a\/\S/.test(url) ? '(address to sign in left out)' : url));

/** `[{"svc:web": ["100.…"]}]`: the addresses that control has given to the services of this host. */
function servicesIn(said: unknown): string[] {
  const names = (Array.isArray(said) ? said : []).flatMap((mapping) => Object.keys(recordOf(mapping)));
  return [...new Set(names)].filter((name) => name.startsWith('svc:'));
}

/** The node's own config, each of a foreground session, and each of a service: what is open in one is open. */
export function serveConfigOf(text: string): ServeConfig {
  // The answer where nothing was ever served.
  const body = text.trim() === 'null' ? {} : json(text);
  const scopes: { config: Json; service: string | null }[] = [{ config: body, service: null }];
  for (const config of Object.values(recordOf(body.Foreground)))
    scopes.push({ config: recordOf(config), service: null });
  for (const [service, config] of Object.entries(recordOf(body.Services)))
    scopes.push({ config: recordOf(config), service });

  const funnels = new Set<string>();
  for (const { config } of scopes)
    for (const [at, on] of Object.entries(recordOf(config.AllowFunnel))) if (isSet(on)) funnels.add(at);
  const funnelled = (port: string) => [...funnels].some((at) => at.endsWith(`:${port}`));

  const served: Served[] = [];
  const answered: Answered[] = [];
  for (const { config, service } of scopes) {
    const ports = recordOf(config.TCP);
    for (const [at, web] of Object.entries(recordOf(config.Web)))
      for (const [path, said] of Object.entries(recordOf(recordOf(web).Handlers))) {
        const handler = recordOf(said);
        const tls = !isSet(recordOf(ports[at.slice(at.lastIndexOf(':') + 1)]).HTTP);
        const way = { at, path, service, funnel: funnels.has(at), tls };
        const target = textOf(handler.Proxy);
        const kind = ANSWERS.find(([key]) => isSet(handler[key]))?.[1];
        if (target !== null)
          served.push({ ...way, kind: 'proxy', target, capabilities: textsOf(handler.AcceptAppCaps) });
        else if (kind !== undefined) answered.push({ ...way, kind });
      }
    for (const [port, said] of Object.entries(ports)) {
      const target = textOf(recordOf(said).TCPForward);
      const way = { at: `*:${port}`, path: '', service, funnel: funnelled(port) };
      const tls = isSet(recordOf(said).TerminateTLS);
      if (target !== null) served.push({ ...way, kind: 'tcp', target, tls, capabilities: [] });
    }
    if (isSet(config.Tun)) answered.push({ at: '*', path: '', service, funnel: false, tls: false, kind: 'tun' });
  }
  return { served, answered, funnels: [...funnels] };
}

const ANSWERS = [
  ['Path', 'files'],
  ['Text', 'text'],
  ['Redirect', 'redirect'],
] as const;

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]+?-----END \1-----\n?/g;

/** The key first, then the certificate and what it hangs on. */
export function pairOf(text: string): { cert: string; key: string } {
  const blocks = [...text.matchAll(BLOCK)].map(([block, kind]) => ({ block, kind: kind as string }));
  const of = (wanted: RegExp) => blocks.filter(({ kind }) => wanted.test(kind)).map(({ block }) => block.trim());
  const [keys, certs] = [of(/PRIVATE KEY$/), of(/^CERTIFICATE$/)];
  if (keys.length !== 1 || certs.length === 0) throw new ShapeError('it is not one key and its certificates');
  return { key: `${keys[0]}\n`, cert: `${certs.join('\n')}\n` };
}
