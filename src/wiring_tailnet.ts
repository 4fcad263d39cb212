/**
 * The tailnet's part of the wiring: settings become a client of tailscaled, a guard over what it serves, and the question who somebody
 * is. Nothing is decided here. Loaded where `tailnet.socket` is set, and not otherwise.
 */
import type { Loaded } from './config/load.ts';
import type { Log } from './core/call.ts';
import { toOpsError } from './core/errors.ts';
import { ROLES } from './core/scopes.ts';
import { createTailnet } from './host/tailnet/index.ts';
import { leadsToSocket } from './host/tailnet/targets.ts';
import type { Authenticate } from './policy/credentials.ts';
import type { Clock } from './policy/ports.ts';
import { createTailnetAuthenticate } from './policy/tailnet.ts';
import { createGuard, exposure } from './policy/tailnet_guard.ts';

export interface Tailnet {
  socket: string;
  /** For requests of the tailnet's listener. `bearer`: what a token is worth. */
  authenticate(bearer: Authenticate): Authenticate;
  /** Said once at the start, so that the owner need not wait for the first request. Never throws. */
  look(): Promise<void>;
}

export function openTailnet(o: {
  config: Pick<Loaded['config'], 'tailnet' | 'http' | 'auth' | 'roles'>;
  socket: string;
  /** Something said who it is and is not: for the record. */
  forged(request: { address: string | undefined; what: string }): void;
  clock: Pick<Clock, 'now' | 'elapsed'>;
  log: Log;
}): Tailnet {
  const { config, socket, clock, log } = o;
  const { funnel, localApi } = config.tailnet;
  const tailnet = createTailnet({ socket: localApi });
  const ours = leadsToSocket(socket);
  const guard = createGuard({
    tailnet,
    look: (served) => exposure(served, { funnel, socket, ours }),
    log,
    elapsed: clock.elapsed,
  });
  const roles = new Set<string>([...ROLES, ...config.roles.map((role) => role.name)]);
  return {
    socket,
    authenticate: (bearer) =>
      createTailnetAuthenticate({
        rules: config.tailnet,
        tailnet,
        guard,
        roleExists: (name) => roles.has(name),
        bearer,
        issuers: config.auth.issuers.length > 0,
        forged: ({ address }, what) => o.forged({ address, what }),
        log,
        now: clock.now,
      }),
    async look() {
      await guard.trouble();
      try {
        const { tun } = await tailnet.status();
        // Not asked at each request: on that listener no header counts and a token is needed, so that there is nothing to decide, and
        // tailscaled takes up to 180 ms to say of a truly local caller that it is nobody.
        if (tun === false)
          log.warn(
            { host: config.http.host, port: config.http.port },
            'tailscaled runs in userspace mode: every peer of the tailnet reaches this port of 127.0.0.1, too. A token is needed there; the grants of the tailnet should not open that port.',
          );
      } catch (thrown) {
        log.debug({ err: toOpsError(thrown).message }, 'tailscaled does not say how it runs');
      }
    },
  };
}
