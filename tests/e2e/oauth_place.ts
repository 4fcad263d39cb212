/**
 * A real authorization server (oidc-provider) over https, a real Deckhand over https that accepts its tokens, and a person who signs in.
 * The authority is the test's own; Deckhand knows it by `caFile`, the clients because this process is told to trust it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import Provider, { type Configuration, errors } from 'oidc-provider';
import { vi } from 'vitest';
import { type App, createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/load.ts';
import { SCOPES } from '../../src/core/scopes.ts';
import { createHttp, type HttpFace } from '../../src/edge/http.ts';
import { openTls } from '../../src/edge/tls.ts';
import { quiet } from '../fakes/policy.ts';

export const REDIRECT = 'https://client.example.test/callback';

/** Whatever an issuer does, it does by its own clock. */
const clocks = new AsyncLocalStorage<{ skewMs: number }>();
const really = Date.now;
Date.now = () => really() + (clocks.getStore()?.skewMs ?? 0);

export interface Issuer {
  url: string;
  clock: { skewMs: number };
  /** Paths that were asked for. */
  asked: string[];
  down(): Promise<void>;
  up(): Promise<void>;
  /** From now on it signs with another key, and has forgotten the one of before. */
  rotate(): void;
}

export interface Place {
  dir: string;
  ca: string;
  issuer: Issuer;
  /** Deckhand's own URI, ending in /mcp. */
  url: string;
  app: App;
  close(): Promise<void>;
}

export interface Certificate {
  ca: string;
  cert: string;
  key: string;
}

/** An authority and one certificate of it, for localhost. */
export function certificate(dir: string): Certificate {
  const run = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'];
  run('req', '-x509', ...ec, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Authority of a test');
  const names = [
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-addext',
    'basicConstraints=critical,CA:FALSE',
  ];
  run(
    'req',
    '-x509',
    ...ec,
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-keyout',
    'key.pem',
    '-out',
    'cert.pem',
    '-subj',
    '/CN=localhost',
    ...names,
  );
  chmodSync(join(dir, 'key.pem'), 0o600);
  return { ca: join(dir, 'ca.pem'), cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') };
}

const ecKey = (kid: string) => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
  kid,
  use: 'sig',
  alg: 'ES256',
});
const rsaKey = {
  ...generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey.export({ format: 'jwk' }),
  kid: 'r',
  use: 'sig',
  alg: 'RS256',
};

/** `opaque`: its access tokens say nothing by themselves. */
async function openIssuer(at: Certificate, o: { resource(): string; opaque: boolean }): Promise<Issuer> {
  const clock = { skewMs: 0 };
  const asked: string[] = [];
  let handle: (...a: Parameters<ReturnType<Provider['callback']>>) => unknown;
  const serve = (port: number) =>
    new Promise<Server>((resolve) => {
      const server = createServer({ cert: readFileSync(at.cert), key: readFileSync(at.key) }, (req, res) => {
        asked.push(req.url ?? '');
        void clocks.run(clock, () => handle(req, res));
      });
      server.listen(port, 'localhost', () => resolve(server));
    });
  let server = await serve(0);
  const { port } = server.address() as AddressInfo;
  const url = `https://localhost:${port}`;
  let key = 0;
  const configuration = (): Configuration => ({
    jwks: { keys: [ecKey(`k${key++}`), rsaKey] as never },
    scopes: ['openid', 'offline_access', ...SCOPES],
    clients: [
      {
        client_id: 'mcp-client',
        redirect_uris: [REDIRECT],
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
      },
      {
        client_id: 'deckhand',
        client_secret: 'a-secret:with+signs',
        redirect_uris: [],
        response_types: [],
        grant_types: [],
      },
    ],
    cookies: { keys: ['a'] },
    pkce: { required: () => true },
    ttl: { AccessToken: 600, Grant: 600, Interaction: 600, Session: 600 },
    features: {
      devInteractions: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async (_, client) => client.clientId === 'deckhand' },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo(_, resource) {
          if (resource !== o.resource() && !resource.startsWith('https://other.')) throw new errors.InvalidTarget();
          const common = { scope: SCOPES.join(' '), audience: resource, accessTokenTTL: 600 };
          return o.opaque
            ? { ...common, accessTokenFormat: 'opaque' }
            : { ...common, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } };
        },
      },
    },
  });
  const make = () => {
    const provider = new Provider(url, configuration());
    handle = provider.callback();
  };
  make();
  return {
    url,
    clock,
    asked,
    rotate: make,
    async down() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
    async up() {
      server = await serve(port);
    },
  };
}

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createTcp().listen(0, 'localhost', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

export async function place(o: { opaque?: boolean; settings?: object; entry?: object } = {}): Promise<Place> {
  // It says on the console that its pages are for development.
  for (const method of ['info', 'warn'] as const) vi.spyOn(console, method).mockImplementation(() => {});
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-oauth-'));
  const pair = certificate(dir);
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(pair.ca, 'utf8')]);
  const port = await freePort();
  const base = `https://localhost:${port}`;
  const url = `${base}/mcp`;
  const issuer = await openIssuer(pair, { resource: () => url, opaque: o.opaque === true });
  const secret = join(dir, 'secret');
  writeFileSync(secret, 'a-secret:with+signs\n', { mode: 0o600 });
  const introspection = { kind: 'introspection', clientId: 'deckhand', clientSecretFile: secret };
  const entry = { name: 'home', issuer: issuer.url, caFile: pair.ca, ...(o.opaque ? introspection : {}), ...o.entry };
  const file = join(dir, 'config.yaml');
  const settings = {
    state: { dir: join(dir, 'state') },
    http: {
      host: 'localhost',
      port,
      url: base,
      tls: { certFile: pair.cert, keyFile: pair.key },
      requestsPerMinutePerAddress: 10_000,
    },
    auth: { issuers: [entry], scopes: ['system:read'] },
    audit: { heads: 'off' },
    files: { roots: [{ path: dir, access: 'read' }] },
    ...o.settings,
  };
  writeFileSync(file, JSON.stringify(settings), { mode: 0o600 });
  const loaded = await loadConfig({ env: { HOME: dir }, configFile: file });
  const app = await createApp({ loaded, log: quiet, role: 'serve', version: 'test' });
  let face: HttpFace | null = null;
  try {
    const { config, door, info, log, live, ready } = app;
    const { authenticate, resource } = await app.auth();
    const tls = await openTls({ files: { certFile: pair.cert, keyFile: pair.key }, log });
    const http = { ...config.http, allowedHosts: [], allowedOrigins: [], trustedProxies: [] };
    face = createHttp({ door, info, log, http, live, ready, authenticate, resource, tls });
    await face.listen();
  } catch (thrown) {
    await app.close();
    throw thrown;
  }
  return {
    dir,
    ca: pair.ca,
    issuer,
    url,
    app,
    async close() {
      await face?.close();
      await app.close();
      await issuer.down().catch(() => {});
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A person with a browser: signs in, agrees, and ends where the client waits. */
export async function signIn(start: URL, login = 'alice'): Promise<URLSearchParams> {
  const jar = new Map<string, string>();
  let url = start;
  let form: URLSearchParams | null = null;
  for (let steps = 0; steps < 20; steps++) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const res: Response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie },
      ...(form ? { method: 'POST', body: form } : {}),
    });
    for (const line of res.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      jar.set(name, value);
    }
    const text = await res.text();
    const location = res.headers.get('location');
    if (location) {
      url = new URL(location, url);
      form = null;
      if (url.href.startsWith(REDIRECT)) return url.searchParams;
      continue;
    }
    const [, action] = /<form[^>]* action="([^"]+)"/.exec(text) ?? [];
    const [, prompt = ''] = /name="prompt" value="([^"]+)"/.exec(text) ?? [];
    if (!action) throw new Error(`no form: ${res.status} ${text.slice(0, 500)}`);
    url = new URL(action, url);
    form = new URLSearchParams(prompt === 'login' ? { prompt, login, password: 'x' } : { prompt });
  }
  throw new Error('it never ended');
}

/** What an MCP client keeps of its sign-in, in memory; for the clients of both SDKs. */
export class Keeper {
  readonly redirectUrl = REDIRECT;
  readonly clientMetadata = { redirect_uris: [REDIRECT], client_name: 'a test' };
  /** Where the person is to be sent; each time. */
  readonly sent: URL[] = [];
  kept: { access_token: string; scope?: string; refresh_token?: string } | undefined;
  private verifier = '';
  private discovered: unknown;
  clientInformation = () => ({ client_id: 'mcp-client' });
  tokens = () => this.kept;
  saveTokens(tokens: unknown) {
    this.kept = tokens as Keeper['kept'];
  }
  redirectToAuthorization(url: URL) {
    this.sent.push(url);
  }
  saveCodeVerifier(verifier: string) {
    this.verifier = verifier;
  }
  codeVerifier = () => this.verifier;
  discoveryState = () => this.discovered;
  saveDiscoveryState(state: unknown) {
    this.discovered = state;
  }
}
