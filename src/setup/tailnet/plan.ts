/**
 * What `tailscale serve` has to be told, and what of it stands already. Pure. Refuses whatever would take something away that is
 * served now: `tailscale serve` replaces without a word what leads elsewhere, and closes a Funnel on the same port.
 */
import type { ServeConfig, Served, TailnetStatus } from '../../core/tailnet.ts';

export const LOCAL_API = '/var/run/tailscale/tailscaled.sock';

export interface Wish {
  socket: string;
  https: number;
  service: string | null;
  localApi: string;
}

export interface Obstacle {
  what: string;
  fix: string;
}

export interface ServePlan {
  /** Behind `tailscale`. */
  args: string[];
  /** False: it stands already. */
  needed: boolean;
  obstacles: Obstacle[];
  /** By which it is reached; null: not known yet. */
  url: string | null;
}

export function servePlan(
  wish: Wish,
  { status, serve, leadsHere }: { status: TailnetStatus; serve: ServeConfig; leadsHere(target: string): boolean },
): ServePlan {
  const host = hostOf(wish, status);
  const at = (host ?? '') + (wish.https === 443 ? '' : `:${wish.https}`);
  return {
    args: serveArgs(wish),
    needed: standing(wish, serve, leadsHere) === null,
    obstacles: obstaclesTo(wish, serve, leadsHere),
    url: host === null ? null : `https://${at}/mcp`,
  };
}

export function serveArgs({ socket, https, service, localApi }: Wish): string[] {
  const where = localApi === LOCAL_API ? [] : [`--socket=${localApi}`];
  // A service is always in the background.
  return [...where, 'serve', service === null ? '--bg' : `--service=${service}`, `--https=${https}`, `unix:${socket}`];
}

function hostOf({ service }: Wish, { name, suffix }: TailnetStatus): string | null {
  if (service === null) return name;
  return suffix === null ? null : `${service.slice('svc:'.length)}.${suffix}`;
}

const isOn = (at: string, port: number): boolean => at.endsWith(`:${port}`);

/** The way that this wish makes. */
export function standing(wish: Wish, serve: ServeConfig, leadsHere: (target: string) => boolean): Served | null {
  const found = serve.served.find(
    (w) =>
      w.kind === 'proxy' &&
      w.tls &&
      w.path === '/' &&
      w.service === wish.service &&
      isOn(w.at, wish.https) &&
      leadsHere(w.target),
  );
  return found ?? null;
}

function obstaclesTo(wish: Wish, serve: ServeConfig, leadsHere: (target: string) => boolean): Obstacle[] {
  const found: Obstacle[] = [];
  const [name, off] =
    wish.service === null
      ? ['this machine', `sudo tailscale serve --https=${wish.https} off`]
      : [wish.service, `sudo tailscale serve clear ${wish.service}`];
  const other = `or take another port: --https ${wish.https === 443 ? 8443 : wish.https + 1}`;
  for (const w of [...serve.served, ...serve.answered]) {
    if (w.service !== wish.service) continue;
    const to = 'target' in w ? w.target : w.kind;
    if (w.kind === 'tun' || (w.kind === 'tcp' && isOn(w.at, wish.https)))
      found.push({ what: `Port ${wish.https} of ${name} is handed on as it comes (${to}).`, fix: `${off}; ${other}` });
    else if (w.path === '/' && isOn(w.at, wish.https) && !('target' in w && leadsHere(w.target)))
      found.push({ what: `https://${w.at}/ leads to ${to} already, and would no longer.`, fix: `${off}; ${other}` });
  }
  if (wish.service === null)
    for (const at of serve.funnels.filter((f) => isOn(f, wish.https)))
      found.push({
        what: `Tailscale Funnel opens ${at} to the Internet.`,
        fix: `sudo tailscale funnel --https=${wish.https} off; ${other}`,
      });
  return found;
}
