/**
 * Which engines there are and why: configuration, then DOCKER_HOST, then the sockets that engines leave in known places. Decides the
 * addresses only; whether somebody answers there is seen by asking (engine.ts).
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineStatus } from '../../core/docker.ts';
import { OpsError } from '../../core/errors.ts';
import type { Way } from './transport.ts';

export interface EngineSettings {
  name: string;
  endpoint: string;
  /** A folder with ca.pem, cert.pem and key.pem. */
  certPath?: string | null;
}

export interface DockerSettings {
  engines: readonly EngineSettings[];
  /** Short for one engine. */
  endpoint: string | null;
  certPath: string | null;
  /** DOCKER_HOST and its companions, as config/ read them. */
  env: { host: string | null; certPath: string | null; tlsVerify: boolean };
}

export interface Found {
  name: string;
  endpoint: string;
  foundBy: EngineStatus['foundBy'];
  certPath: string | null;
  /** DOCKER_TLS_VERIFY: TLS where the port does not say so. */
  tls: boolean;
}

export interface Machine {
  uid: number;
  exists(path: string): boolean;
}

export const thisMachine: Machine = {
  uid: process.getuid?.() ?? 0,
  exists(path) {
    try {
      accessSync(path, constants.F_OK);
      return true;
    } catch {
      return false;
    }
  },
};

/** The places of sockets, best first. */
const places = (uid: number): { path: string; foundBy: EngineStatus['foundBy'] }[] => [
  { path: `/run/user/${uid}/docker.sock`, foundBy: 'rootless' },
  ...(uid === 0 ? [] : [{ path: `/run/user/${uid}/podman/podman.sock`, foundBy: 'podman' as const }]),
  { path: '/run/podman/podman.sock', foundBy: 'podman' },
  { path: '/var/run/docker.sock', foundBy: 'default' },
];

/** The first is the one that is asked when none is named. Empty: see `whyNone`. */
export function findEngines(o: DockerSettings, machine: Machine = thisMachine): Found[] {
  const set = o.engines.map(({ name, endpoint, certPath }) => ({
    name,
    endpoint,
    foundBy: 'config' as const,
    certPath: certPath ?? o.certPath,
    tls: false,
  }));
  if (o.endpoint !== null)
    set.unshift({ name: 'default', endpoint: o.endpoint, foundBy: 'config', certPath: o.certPath, tls: false });
  if (set.length > 0) return set;
  const { host, certPath, tlsVerify } = o.env;
  if (host !== null) return [{ name: 'default', endpoint: host, foundBy: 'DOCKER_HOST', certPath, tls: tlsVerify }];
  const place = places(machine.uid).find(({ path }) => machine.exists(path));
  if (!place) return [];
  return [{ name: 'default', endpoint: `unix://${place.path}`, foundBy: place.foundBy, certPath: null, tls: false }];
}

export const whyNone = (machine: Machine = thisMachine): string =>
  `No engine is configured, DOCKER_HOST is not set, and there is no socket at ${places(machine.uid)
    .map((p) => p.path)
    .join(', ')}. Install Docker or Podman, or set docker.endpoint.`;

/** An address without a password, for people. */
export function shownEndpoint(endpoint: string): string {
  return endpoint.replace(/^([a-z]+:\/\/[^/@]*?):[^/@]*@/, '$1@');
}

export type Address =
  | { kind: 'unix'; path: string }
  | { kind: 'tcp'; host: string; port: number; tls: boolean }
  | { kind: 'ssh'; user: string | null; host: string; port: number | null };

const HOST = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)$/;
const USER = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;

/** As Docker's own client reads it: `unix://`, `tcp://` (also http, https), `ssh://`, or a plain path. */
export function parseEndpoint(endpoint: string, tlsAsked = false): Address {
  const bad = (why: string) =>
    new OpsError('validation', `The engine's address ${JSON.stringify(shownEndpoint(endpoint).slice(0, 80))} ${why}.`, {
      hint: 'Use unix:///var/run/docker.sock, tcp://host:2376 or ssh://user@host.',
    });
  if (endpoint.startsWith('/')) return { kind: 'unix', path: endpoint };
  if (endpoint.startsWith('unix://')) {
    const path = endpoint.slice('unix://'.length);
    // sun_path has 108 bytes: what is longer is cut by some and refused by others.
    if (!path.startsWith('/') || path.includes('\0') || Buffer.byteLength(path) > 107)
      throw bad('names no absolute path of a socket');
    return { kind: 'unix', path };
  }
  const parts = /^(tcp|http|https|ssh):\/\/(?:([^@/]*)@)?(\[[^\]]*\]|[^:/@]+)(?::(\d{1,5}))?\/?$/.exec(endpoint);
  if (!parts) throw bad('cannot be understood');
  const [, scheme, user, host = '', digits] = parts;
  const port = digits === undefined ? null : Number(digits);
  if (!HOST.test(host) || (port !== null && (port < 1 || port > 65_535))) throw bad('names no host and port');
  const bare = host.replace(/^\[|\]$/g, '');
  if (scheme === 'ssh') {
    const name = user?.split(':')[0] || null;
    if (name !== null && !USER.test(name)) throw bad('names no user');
    return { kind: 'ssh', user: name, host: bare, port };
  }
  if (user !== undefined) throw bad('has a user, which only ssh knows');
  const tls = scheme === 'https' || tlsAsked || port === 2376;
  return { kind: 'tcp', host: bare, port: port ?? (tls ? 2376 : 2375), tls };
}

/** Reads the certificates where there are any; `open` makes the connection of an ssh address. */
export function wayTo(
  address: Address,
  certPath: string | null,
  open: (address: Extract<Address, { kind: 'ssh' }>) => Way,
): Way {
  if (address.kind === 'unix') return address;
  if (address.kind === 'ssh') return open(address);
  const { host, port } = address;
  if (!address.tls && certPath === null) return { kind: 'tcp', host, port, tls: null };
  if (certPath === null)
    throw new OpsError('unavailable', 'The engine is to be asked over TLS, and no certificates are set.', {
      hint: 'Set docker.certPath to the folder that holds ca.pem, cert.pem and key.pem.',
    });
  const file = (name: string) => {
    try {
      return readFileSync(join(certPath, name));
    } catch (cause) {
      throw new OpsError('unavailable', `${name} of the engine's certificates cannot be read.`, {
        hint: `${certPath} must hold ca.pem, cert.pem and key.pem, readable for this process.`,
        cause,
      });
    }
  };
  return { kind: 'tcp', host, port, tls: { ca: file('ca.pem'), cert: file('cert.pem'), key: file('key.pem') } };
}
