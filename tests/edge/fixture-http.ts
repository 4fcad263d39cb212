/** The HTTP face over the fixture door, with three tokens. */

import type { Principal } from '../../src/core/call.ts';
import { createHttp, type HttpFace, type HttpOptions } from '../../src/edge/http.ts';
import { byToken } from '../../src/policy/authenticate.ts';
import { type FixtureDoor, fixtureDoor, quiet, who } from './fixture-door.ts';

export const TOKENS: { [secret: string]: Principal } = {
  full: who('token:full', ['system:read', 'logs:read', 'docker:write']),
  small: who('token:small', ['system:read']),
  other: who('token:other', ['system:read', 'logs:read', 'docker:write']),
};

export const info = { hostname: 'box', kind: 'lxc', version: '0.1.0' };

export interface Web extends FixtureDoor {
  face: HttpFace;
  live: { now: boolean };
  ready: { reasons: string[] };
  /** POSTs to the app without a socket. */
  post(body: unknown, headers?: { [name: string]: string }, path?: string): Promise<Response>;
}

type Over = Partial<Omit<HttpOptions, 'http'>> & { http?: Partial<HttpOptions['http']> };

export function web(over: Over = {}, door = fixtureDoor()): Web {
  const live = { now: true };
  const ready = { reasons: [] as string[] };
  const face = createHttp({
    door: door.door,
    authenticate: byToken((secret) => TOKENS[secret] ?? null),
    info,
    live: () => live.now,
    ready: () => ({ ready: ready.reasons.length === 0, reasons: ready.reasons }),
    log: quiet,
    // Clients of the tests keep connections open, and nobody calls on them any more.
    graceMs: 0,
    ...over,
    http: {
      host: '127.0.0.1',
      port: 0,
      allowedHosts: [],
      allowedOrigins: [],
      maxBodyBytes: 4096,
      sessions: { enabled: true, max: 4, idleMinutes: 30 },
      connectionsPerAddress: 64,
      requestsPerMinutePerAddress: 10_000,
      ...over.http,
    },
  });
  return {
    ...door,
    face,
    live,
    ready,
    async post(body, headers = {}, path = '/mcp') {
      return face.app.request(path, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          authorization: 'Bearer full',
          ...headers,
        },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
    },
  };
}

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'fixture', version: '1' },
};

/** A request of the 2026 revision, with the headers it must carry. */
export function modern(
  method: string,
  params: { [k: string]: unknown } = {},
  id: number | string = 1,
  meta: object = {},
) {
  const name = params.name ?? params.uri;
  const headers: { [name: string]: string } = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method };
  if (typeof name === 'string') headers['mcp-name'] = name;
  return { body: { jsonrpc: '2.0', id, method, params: { ...params, _meta: { ...META, ...meta } } }, headers };
}

/** A request of the 2025 revisions. */
export const legacy = (method: string, params: object = {}, id: number | string = 1) => ({
  jsonrpc: '2.0',
  id,
  method,
  params,
});
