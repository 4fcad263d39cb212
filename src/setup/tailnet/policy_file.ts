/**
 * What only the tailnet's own admin can set, in the words of Tailscale: the file that defines the offer of a service, and the parts of
 * the policy file (HuJSON). `deckhand tailnet setup` prints them and `tailscale/` holds them: both are made here.
 */

export interface Offer {
  socket: string;
  https: number;
  /** `svc:…`; null: the host's own name. */
  service: string | null;
  /** App capability whose grants give roles. */
  capability: string | null;
  /** Of this host. */
  tag: string;
}

/** The files of `tailscale/`. */
export const EXAMPLE: Offer = {
  socket: '/run/deckhand/mcp.sock',
  https: 443,
  service: 'svc:deckhand',
  capability: 'example.com/cap/deckhand',
  tag: 'tag:deckhand',
};

/**
 * For `tailscale serve set-config --all FILE`. `https://unix:` is TLS in front and plain HTTP on the socket; `http://` would be plain
 * HTTP on that port, whatever its number.
 */
export function serviceFile({ service, https, socket }: Offer & { service: string }): string {
  return `// What this host offers as ${service}: the same as \`tailscale serve --service=${service} --https=${https} unix:${socket}\`.
// Unix sockets can stand here since Tailscale 1.102; the command takes them since 1.94.
// Replaces ALL services of the host: sudo tailscale serve set-config --all service.hujson
{
  "version": "0.0.1",
  "services": {
    ${quoted(service)}: {
      "endpoints": {
        // https: TLS ends in tailscaled. "http://…" would serve plain HTTP on this port.
        "tcp:${https}": ${quoted(`https://unix:${socket}`)},
      },
      "advertised": true,
    },
  },
}
`;
}

/** Who may reach it, and with which role. Grants only add: nothing here takes away what another grant gives. */
export function policyParts({ service, https, capability, tag }: Offer): string {
  // Of a service the host has to be named beside it: capabilities are handed out by host (Tailscale's issue 19618).
  const dst = [...(service === null ? [] : [service]), tag].map(quoted).join(', ');
  const approvers =
    service === null
      ? ''
      : `
  // Hosts with this tag offer the service without somebody’s approval each time.
  "autoApprovers": {
    "services": {${quoted(service)}: [${quoted(tag)}]},
  },
`;
  const roles =
    capability === null
      ? `    {"src": ["autogroup:member"], "dst": [${dst}], "ip": ["tcp:${https}"]},`
      : [
          ['group:watch', 'viewer'],
          ['group:ops', 'operator'],
          ['autogroup:admin', 'admin'],
        ]
          .map(
            ([src, role]) =>
              `    {"src": [${quoted(src as string)}], "dst": [${dst}], "ip": ["tcp:${https}"],\n     "app": {${quoted(capability)}: [{"role": ${quoted(role as string)}}]}},`,
          )
          .join('\n');
  const groups =
    capability === null
      ? ''
      : '  "groups": {"group:watch": ["bob@example.com"], "group:ops": ["alice@example.com"]},\n';
  const note =
    capability === null
      ? '  // Who comes so is recognised, and may do what `principals` of Deckhand’s config says.\n'
      : '  // {"role": NAME} and nothing more: a grant with more members gives no role. The domain of the capability is one of yours.\n';
  return `// Parts for the policy file of your tailnet (admin console, Access controls). Merge them into what stands there.
{
  "tagOwners": {${quoted(tag)}: ["autogroup:admin"]},
${groups}${approvers}
${note}  "grants": [
${roles}
  ],
}
`;
}

const quoted = (text: string): string => JSON.stringify(text);
