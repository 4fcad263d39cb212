/** How the tailnet reaches this server: through `tailscale serve`, over a Unix socket that nobody else can open. */
import * as z from 'zod';
import { set } from './setting.ts';

const socket = z
  .string()
  .max(107)
  .regex(/^\/[^\p{Cc}]*$/u);

export const TailnetSettings = z.strictObject({
  socket: set(
    socket.nullable().default(null),
    'Unix socket to listen on for `tailscale serve`; made with mode 0660. Who comes through it is asked of tailscaled at every request.',
    { expects: 'an absolute path of at most 107 bytes, e.g. /run/deckhand/mcp.sock', defaultText: 'none' },
  ),
  localApi: set(
    socket.default('/var/run/tailscale/tailscaled.sock'),
    'Socket of tailscaled, which says who somebody is.',
    {
      expects: 'an absolute path of at most 107 bytes',
    },
  ),
  capability: set(
    z
      .string()
      .max(200)
      .regex(/^[a-z0-9.-]+\/[A-Za-z0-9/_.-]+$/)
      .nullable()
      .default(null),
    'App capability whose grants name roles of this server, as {"role": "operator"}.',
    {
      expects: 'a domain and a name, e.g. example.com/cap/deckhand',
      defaultText: 'none: roles come from `principals` alone',
    },
  ),
  service: set(
    z
      .string()
      .max(70)
      .regex(/^svc:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
      .nullable()
      .default(null),
    'Tailscale service under which this server is offered: grants to it count then, in place of those to the host. Needs Tailscale 1.100.',
    { expects: 'svc: and a name, e.g. svc:deckhand', defaultText: 'none: grants to the host count' },
  ),
  funnel: set(
    z.enum(['deny', 'allow']).default('deny'),
    'Whether requests from the open Internet (Tailscale Funnel) are let in; then by an OAuth token alone, never by tailnet identity.',
  ),
  shared: set(
    z.boolean().default(false),
    'Whether people of other tailnets, with whom a machine was shared, may be principals at all.',
  ),
});
