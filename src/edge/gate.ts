/**
 * What a request must show before its body is read: a Host and an Origin that are ours (a web page that points its own name at
 * this address is stopped here), a bearer token, and a narrowing that makes sense. Pure; the answers are made in http.ts.
 */
import type { Narrow } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { TOOLSETS } from '../core/scopes.ts';

const HOST = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::(\d{1,5}))?$/;
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];
const WILDCARDS = new Set(['0.0.0.0', '::', '']);

export interface Gate {
  /** Null: let it in. */
  host(host: string | null | undefined): OpsError | null;
  origin(origin: string | null | undefined, host: string | null | undefined): OpsError | null;
  /** What a request begins with; `host`: its header. */
  line(line: Line, host: string | null | undefined): OpsError | null;
}

interface Line {
  url?: string | undefined;
  httpVersionMajor: number;
  rawHeaders: readonly string[];
}

/** Those that decide. node:http passes over the second one of a name, others over the first: whoever stood in front may have judged by it. */
const ONCE: readonly string[] = ['host', 'origin', 'content-type', 'authorization'];

function isTwice(raw: readonly string[]): boolean {
  let seen = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    // Cheap for the many that are none.
    const at = name.length < 4 || name.length > 13 ? -1 : ONCE.indexOf(name.toLowerCase());
    if (at < 0) continue;
    if (seen & (1 << at)) return true;
    seen |= 1 << at;
  }
  return false;
}

/** What our paths are made of. No `%`, no `//`, no dots alone: a path has one spelling, for us, for a proxy in front and for the record. */
const PATH = /^(?:\/(?!\.{1,2}(?:\/|$))[\w.~-]+)*\/?$/;
/** A whole URL, as proxies are asked (RFC 9112 3.2.2). */
const WHOLE = /^https?:\/\/([^/?#]*)(.*)$/i;

/** Names without a port are accepted with any: behind `ssh -L` and proxies the port is not ours, and a name is what rebinding needs. */
export function createGate(o: {
  host: string;
  url?: string | null;
  allowedHosts: string[];
  allowedOrigins: string[];
}): Gate {
  const hosts = new Set([...LOOPBACK, ...o.allowedHosts.map((h) => h.toLowerCase())]);
  if (!WILDCARDS.has(o.host)) hosts.add(bracketed(o.host.toLowerCase()));
  const origins = new Set(o.allowedOrigins.map((x) => x.toLowerCase()));
  if (o.url) {
    const { hostname, host, origin } = new URL(o.url);
    hosts.add(hostname).add(host);
    origins.add(origin);
  }
  return {
    line({ url: target = '', httpVersionMajor, rawHeaders }, host) {
      // node:http takes any version for 1.1.
      if (httpVersionMajor > 1 || httpVersionMajor < 1)
        return new OpsError('validation', 'This is not HTTP as it is spoken here.', { hint: 'Send plain HTTP/1.1.' });
      if (isTwice(rawHeaders))
        return new OpsError('validation', 'A header that decides is there twice.', {
          hint: 'Send Host, Origin, Content-Type and Authorization once each.',
        });
      const [, named, rest = target] = WHOLE.exec(target) ?? [];
      // Both are the client's words, and who stands in front may have judged by the other one.
      if (named !== undefined && named.toLowerCase() !== (host ?? '').toLowerCase())
        return new OpsError('validation', 'The request names one server in its first line and another one in Host.', {
          hint: 'Send the path alone.',
        });
      const query = rest.indexOf('?');
      const path = query < 0 ? rest : rest.slice(0, query);
      if (PATH.test(path) && !rest.includes('#')) return null;
      return new OpsError('validation', 'The path is not spelled as it is here.', {
        hint: 'Send it without percent signs, dots as a folder, double slashes and fragments: MCP is at /mcp.',
      });
    },
    host(host) {
      const parts = HOST.exec((host ?? '').toLowerCase());
      if (parts && (hosts.has(parts[1] as string) || hosts.has(parts[0]))) return null;
      return new OpsError('permission', `This server does not answer to the host name ${quoted(host)}.`, {
        hint: 'Use its own address, or add the name to `http.allowedHosts`.',
      });
    },
    origin(origin, host) {
      if (origin === null || origin === undefined) return null;
      const said = origin.toLowerCase();
      if (origins.has(said)) return null;
      // The very server that the page came from; `host` has passed the check above.
      const own = (host ?? '').toLowerCase();
      if (own !== '' && (said === `http://${own}` || said === `https://${own}`)) return null;
      return new OpsError('permission', `Web pages of ${quoted(origin)} may not use this server.`, {
        hint: 'If this page is yours, add its origin to `http.allowedOrigins` in the config file.',
      });
    },
  };
}

const bracketed = (host: string) => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host);
const quoted = (text: string | null | undefined) => JSON.stringify((text ?? '').slice(0, 100));

/** A JWT with the groups of its holder has some thousand characters; all headers together have 16 KiB (limits.ts). */
const BEARER = /^bearer +([A-Za-z0-9._~+/=-]{1,12288})$/i;

/** Only the header counts: a token in a URL ends up in logs and histories. `undefined`: none was sent. */
export function bearerOf(authorization: string | null | undefined): string | null | undefined {
  if (authorization === null || authorization === undefined || !/^bearer\b/i.test(authorization)) return undefined;
  return BEARER.exec(authorization)?.[1] ?? null;
}

const NAMES: readonly string[] = ['core', 'all', ...TOOLSETS];

/** `?toolsets=core,docker&readonly`: a connection may ask to see less. Config stays the upper bound. */
export function narrowOf(url: string): Narrow | undefined | OpsError {
  const at = url.indexOf('?');
  if (at === -1) return undefined;
  const query = new URLSearchParams(url.slice(at + 1));
  const asked = query
    .getAll('toolsets')
    .flatMap((t) => t.split(','))
    .map((t) => t.trim())
    .filter(Boolean);
  const wrong = asked.find((t) => !NAMES.includes(t));
  if (wrong !== undefined)
    return new OpsError('validation', `No toolset ${quoted(wrong)}.`, {
      hint: `Toolsets are ${NAMES.join(', ')}.`,
      candidates: nearest(wrong, NAMES, 3),
    });
  const readOnly = query.get('readonly');
  if (readOnly !== null && !['', '1', 'true', '0', 'false'].includes(readOnly))
    return new OpsError('validation', '`readonly` is a switch.', { hint: 'Write ?readonly or ?readonly=true.' });
  const narrow: Narrow = {
    ...(asked.length > 0 ? { toolsets: new Set(asked) } : {}),
    ...(readOnly !== null && readOnly !== '0' && readOnly !== 'false' ? { readOnly: true } : {}),
  };
  return Object.keys(narrow).length > 0 ? narrow : undefined;
}
