/**
 * Whether what tailscaled serves still makes the headers on our socket its own. Two ways would not: Funnel, which lets the Internet knock
 * where only the tailnet should, and a plain TCP forward, through which a peer writes every header itself. Asked at the start and, as
 * requests come, once a minute; while the answer is bad or cannot be had, nobody is recognised by the tailnet.
 */
import type { Log } from '../core/call.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import type { ServeConfig, TailnetHost } from '../core/tailnet.ts';

const FRESH_MS = 60_000;

export interface Exposure {
  kind: 'funnel' | 'tcp';
  at: string;
  why: string;
  fix: string;
}

/** `ours`: whether a target leads to one of our listeners. */
export function exposure(
  config: ServeConfig,
  o: { funnel: 'deny' | 'allow'; socket: string; ours(target: string): boolean },
): Exposure | null {
  const ways = config.served.filter(({ target }) => o.ours(target));
  for (const { at, kind } of ways)
    if (kind === 'tcp')
      return {
        kind,
        at,
        why: `tailscaled forwards TCP at ${at} to this socket as it comes, so that every peer could write the headers that say who it is`,
        fix: `tailscale serve --tcp=${portOf(at)} off; tailscale serve --bg --https=443 unix:${o.socket}`,
      };
  if (o.funnel === 'allow') return null;
  for (const { at, funnel } of ways)
    if (funnel)
      return {
        kind: 'funnel',
        at,
        why: `Tailscale Funnel opens ${at} to the Internet, and it leads here, while tailnet.funnel is deny`,
        fix: `tailscale serve --bg --https=${portOf(at)} unix:${o.socket}   (serves the tailnet alone; or set tailnet.funnel: allow)`,
      };
  return null;
}

const portOf = (at: string) => at.slice(at.lastIndexOf(':') + 1);

export interface Guard {
  /** Null: go on. */
  trouble(): OpsError | null | Promise<OpsError | null>;
  /** As it was found last, for what was granted a while ago. */
  standing(): boolean;
  /** Whether that node is this machine. */
  isSelf(node: string): boolean;
}

export function createGuard(o: {
  tailnet: Pick<TailnetHost, 'serveConfig' | 'status'>;
  look(config: ServeConfig): Exposure | null;
  log: Log;
  /** Monotonic. */
  elapsed(): number;
}): Guard {
  let found: { atMs: number; exposed: Exposure | null; self: string } | null = null;
  let asking: Promise<OpsError | null> | null = null;
  let said = '';

  function say(key: string, write: () => void): void {
    if (key !== said) write();
    said = key;
  }

  async function ask(): Promise<OpsError | null> {
    try {
      const [config, { node: self }] = await Promise.all([o.tailnet.serveConfig(), o.tailnet.status()]);
      // Whoever runs here could otherwise not be told from the machine's owner.
      if (self === null) throw new OpsError('unavailable', 'tailscaled does not say which machine this is.');
      const exposed = o.look(config);
      found = { atMs: o.elapsed(), exposed, self };
      if (exposed === null) {
        say('', () => o.log.info({}, 'What tailscaled serves is in order again: the tailnet is recognised.'));
        return null;
      }
      const { why, fix } = exposed;
      say(why, () => o.log.error({ why, fix }, 'Nobody is recognised by the tailnet until this is mended.'));
      return refused(exposed);
    } catch (thrown) {
      const error = toOpsError(thrown);
      found = null;
      const fields = { err: error.message, hint: error.details.hint };
      say('away', () =>
        o.log.warn(fields, 'tailscaled does not say what it serves: nobody is recognised by the tailnet.'),
      );
      return notNow();
    } finally {
      asking = null;
    }
  }

  return {
    trouble() {
      if (found && o.elapsed() - found.atMs < FRESH_MS) return found.exposed === null ? null : refused(found.exposed);
      asking ??= ask();
      return asking;
    },
    standing: () => found !== null && found.exposed === null,
    isSelf: (node) => found?.self === node,
  };
}

/** What strangers may know of it: the owner's log and doctor say the rest. */
const refused = ({ kind }: Exposure) =>
  new OpsError('permission', 'Nobody is recognised by the tailnet here: what tailscaled serves does not allow it.', {
    hint:
      kind === 'funnel'
        ? 'Funnel is on, and `tailnet.funnel` is deny. On the host, `deckhand doctor` names the command.'
        : 'It forwards plain TCP. On the host, `deckhand doctor` names the command.',
  });

export const notNow = () =>
  new OpsError('unavailable', 'tailscaled cannot be asked now, so nobody of the tailnet is recognised.', {
    hint: 'Try again in a moment; on the host, `deckhand doctor` looks at it.',
    retryAfterMs: 2_000,
  });
