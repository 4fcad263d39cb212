/** Where a target of `tailscale serve` leads: to one of our listeners or elsewhere. Reads links; decides nothing else. */
import { realpathSync } from 'node:fs';
import { basename, resolve } from 'node:path';

const UNIX = /(?:^|\/\/)unix:\/*(\/.*)$/;

/** A path that is not here may be ours as tailscaled's own container sees it: then its last part decides, rather once too often. */
export function leadsToSocket(socket: string): (target: string) => boolean {
  const own = new Set([resolve(socket), real(socket) ?? resolve(socket)]);
  return (target) => {
    const path = UNIX.exec(target)?.[1];
    if (path === undefined) return false;
    if (own.has(resolve(path))) return true;
    const there = real(path);
    return there === null ? basename(path) === basename(socket) : there === (real(socket) ?? resolve(socket));
  };
}

const LOCAL = /^(?:https?(?:\+insecure)?:\/\/)?(?:localhost|127(?:\.\d{1,3}){3}|\[::1\]):(\d{1,5})(?:\/|$)/i;

/** Of our listener on loopback. */
export function leadsToPort(port: number): (target: string) => boolean {
  return (target) => (/^\d+$/.test(target) ? Number(target) === port : Number(LOCAL.exec(target)?.[1]) === port);
}

function real(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}
