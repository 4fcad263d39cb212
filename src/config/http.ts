/** Where the HTTP face listens, and what it lets knock. Decides only what may be written; edge/ does what it says. */
import * as z from 'zod';
import { int, KiB, MiB, plain } from './bounds.ts';
import { PREFIX_EXPECTS, PrefixText } from './net.ts';
import { set } from './setting.ts';

const ADDRESS = /^[0-9A-Za-z.:%_-]+$/;
const HOST = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)(:\d{1,5})?$/;
/** An http or https origin and nothing more: what a browser sends, and what a canonical URL starts with. */
function isOrigin(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && new URL(text).origin === text;
}

function isPublicUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return (
    /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash && !text.endsWith('/')
  );
}

export const HttpSettings = z.strictObject({
  host: set(
    z.string().max(255).regex(ADDRESS).default('127.0.0.1'),
    'Address to listen on. Anything but loopback lets other machines knock, and needs `http.tls` or `http.behindProxy`.',
    { expects: 'an IP address or a host name' },
  ),
  port: set(int(0, 65_535, 7070), 'TCP port; 0 takes any free one.'),
  url: set(
    z.string().max(2048).refine(isPublicUrl).nullable().default(null),
    'URL under which clients reach this server, where a proxy stands in front.',
    {
      expects: 'an http or https URL without user, query, fragment or final slash',
      defaultText: 'made from host and port',
    },
  ),
  allowedHosts: set(
    z.array(z.string().regex(HOST)).max(64).default([]),
    'Host headers accepted besides the own address and that of `http.url`. An empty list adds none.',
    { expects: 'host names, each with or without a port' },
  ),
  allowedOrigins: set(
    z.array(z.string().max(2048).refine(isOrigin)).max(64).default([]),
    'Origin headers accepted besides the own one. An empty list adds none.',
    { expects: 'origins, e.g. https://app.example.org' },
  ),
  behindProxy: set(
    z.boolean().default(false),
    'The owner’s word that a proxy in front ends TLS and nobody else reaches the port (of a container: that it is published on loopback, or to a proxy, alone). Without it, and without `http.tls`, only loopback is listened on.',
  ),
  trustedProxies: set(
    z.array(PrefixText).max(64).default([]),
    'Proxies whose `X-Forwarded-For` is believed, where limits and the audit ask for an address: its right-most hop that is none of them.',
    { expects: PREFIX_EXPECTS },
  ),
  tls: z.strictObject({
    certFile: set(
      plain(4096).nullable().default(null),
      'PEM file with the certificate and those that lead to its issuer, for TLS in this process; read again when it changes.',
      { folder: true, expects: 'the path of a file', defaultText: 'none: plain HTTP' },
    ),
    keyFile: set(
      plain(4096).nullable().default(null),
      'PEM file with its private key; nobody but its owner and group may read it.',
      {
        folder: true,
        expects: 'the path of a file',
        defaultText: 'none: plain HTTP',
      },
    ),
  }),
  maxBodyBytes: set(int(KiB, 64 * MiB, MiB), 'Longest request body; a longer one is refused with 413.', {
    unit: 'bytes',
  }),
  connections: set(
    int(8, 100_000, 1_024),
    'Connections open at once in all; the last quarter is for addresses that hold few, so that no crowd keeps a newcomer out.',
  ),
  connectionsPerAddress: set(
    int(1, 10_000, 64),
    'Connections open at once from one address (IPv6: one /64). Those of `http.trustedProxies` count only in all.',
  ),
  requestsPerMinutePerAddress: set(
    int(1, 10_000_000, 100),
    'HTTP requests in any minute from one address (IPv6: one /64), counted before any token is looked at; `principals` may give a principal a limit of its own.',
  ),
  sessions: z.strictObject({
    enabled: set(
      z.boolean().default(true),
      'Sessions for clients of the 2025 revisions of MCP. Without them such clients are served request by request.',
    ),
    max: set(
      int(1, 10_000, 256),
      'Sessions open at once; when one more comes, the one that was idle longest is closed.',
    ),
    idleMinutes: set(int(1, 1440, 30), 'A session unused for so long is closed.', { unit: 'minutes' }),
  }),
});
