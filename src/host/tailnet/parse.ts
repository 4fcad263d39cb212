/**
 * Answers of the LocalAPI as records. Pure. A shape that is not understood is an error where it says who somebody is, and nothing (no
 * grant, no name) where it only adds. Numeric ids are not read: they may exceed 2^53. `AuthURL` of a status is a secret of sorts and
 * is left behind here.
 */
import type { ServeConfig, Served, TailnetStatus, WhoIs } from '../../core/tailnet.ts';

type Json = { readonly [key: string]: unknown };

const isRecord = (v: unknown): v is Json => typeof v === 'object' && v !== null && !Array.isArray(v);
const recordOf = (v: unknown): Json => (isRecord(v) ? v : {});
const textOf = (v: unknown): string | null => (typeof v === 'string' && v !== '' ? v : null);
const textsOf = (v: unknown): string[] => (Array.isArray(v) ? v.filter((x) => typeof x === 'string') : []);
const isSet = (v: unknown): boolean => v !== undefined && v !== null && v !== 0 && v !== '' && v !== false;

/** Throws what is missing. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

function json(text: string): Json {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new ShapeError('it is no JSON');
  }
  if (!isRecord(body)) throw new ShapeError('it is no object');
  return body;
}

/** Go writes the year 1 where it means never. */
function timeOf(v: unknown): number | null {
  const ms = typeof v === 'string' ? Date.parse(v) : Number.NaN;
  return Number.isNaN(ms) || ms <= 0 ? null : ms;
}

const withoutDot = (name: string | null) => name?.replace(/\.$/, '') ?? null;

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

export function statusOf(text: string): TailnetStatus {
  const body = json(text);
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
    health: textsOf(body.Health),
  };
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
  for (const { config, service } of scopes) {
    for (const [at, web] of Object.entries(recordOf(config.Web)))
      for (const [path, handler] of Object.entries(recordOf(recordOf(web).Handlers))) {
        const target = textOf(recordOf(handler).Proxy);
        const capabilities = textsOf(recordOf(handler).AcceptAppCaps);
        if (target !== null)
          served.push({ at, kind: 'proxy', path, target, service, funnel: funnels.has(at), capabilities });
      }
    for (const [port, tcp] of Object.entries(recordOf(config.TCP))) {
      const target = textOf(recordOf(tcp).TCPForward);
      if (target !== null)
        served.push({
          at: `*:${port}`,
          kind: 'tcp',
          path: '',
          target,
          service,
          funnel: funnelled(port),
          capabilities: [],
        });
    }
  }
  return { served, funnels: [...funnels] };
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]+?-----END \1-----\n?/g;

/** The key first, then the certificate and what it hangs on. */
export function pairOf(text: string): { cert: string; key: string } {
  const blocks = [...text.matchAll(BLOCK)].map(([block, kind]) => ({ block, kind: kind as string }));
  const of = (wanted: RegExp) => blocks.filter(({ kind }) => wanted.test(kind)).map(({ block }) => block.trim());
  const [keys, certs] = [of(/PRIVATE KEY$/), of(/^CERTIFICATE$/)];
  if (keys.length !== 1 || certs.length === 0) throw new ShapeError('it is not one key and its certificates');
  return { key: `${keys[0]}\n`, cert: `${certs.join('\n')}\n` };
}
