/**
 * The tailnet's part of the wiring: settings become a client of tailscaled, a guard over what it serves, and the question who somebody
 * is. Nothing is decided here. Loaded where `tailnet.socket` is set, and not otherwise.
 */
import type { Loaded } from './config/load.ts';
import type { Log } from './core/call.ts';
import { type OpsError, toOpsError } from './core/errors.ts';
import { ROLES } from './core/scopes.ts';
import type { ServeConfig, Served, TailnetStatus } from './core/tailnet.ts';
import { createTailnet } from './host/tailnet/index.ts';
import { leadsToPort, leadsToSocket } from './host/tailnet/targets.ts';
import type { Authenticate } from './policy/credentials.ts';
import type { Clock } from './policy/ports.ts';
import { createTailnetAuthenticate } from './policy/tailnet.ts';
import { createGuard, type Exposure, exposure } from './policy/tailnet_guard.ts';

export interface Tailnet {
  socket: string;
  /** For requests of the tailnet's listener. `bearer`: what a token is worth. */
  authenticate(bearer: Authenticate): Authenticate;
  /** Said once at the start, so that the owner need not wait for the first request. Never throws. */
  look(): Promise<void>;
  /** For the doctor. */
  facts(): Promise<TailnetFacts>;
}

export interface TailnetFacts {
  socket: string;
  version: string | null;
  /** Null: `trouble` says why. */
  status: TailnetStatus | null;
  serve: ServeConfig | null;
  trouble: OpsError | null;
  /** What leads to our socket, and which of it must not. */
  ways: readonly Served[];
  exposed: Exposure | null;
  /** Opened to the Internet, and leading to our TCP port. */
  port: Served | null;
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
    async facts() {
      const asked = await Promise.allSettled([tailnet.status(), tailnet.serveConfig()]);
      const [status, serve] = asked.map((a) => (a.status === 'fulfilled' ? a.value : null)) as [
        TailnetStatus | null,
        ServeConfig | null,
      ];
      const failed = asked.find((a) => a.status === 'rejected');
      const served = serve?.served ?? [];
      return {
        socket,
        version: tailnet.version(),
        status,
        serve,
        trouble: failed ? toOpsError(failed.reason) : null,
        ways: served.filter(({ target }) => ours(target)),
        exposed: serve && exposure(serve, { funnel, socket, ours }),
        port: served.find((s) => s.funnel && leadsToPort(config.http.port)(s.target)) ?? null,
      };
    },
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
