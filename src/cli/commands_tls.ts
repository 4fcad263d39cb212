/** The words of `deckhand tls …`: a part of the table in commands.ts, with its rule that nothing is loaded for it. */
import type { Command, Option } from './commands.ts';

const OUT: Option = { name: 'out', kind: 'value', value: 'FOLDER', text: 'Where cert.pem and key.pem are written.' };
const FORCE: Option = { name: 'force', kind: 'boolean', text: 'Replace files that are there.' };
const JSON_TOO: Option = {
  name: 'json',
  kind: 'boolean',
  text: 'As JSON: files, names, issuer, fingerprint, notBefore, notAfter.',
};

export const TLS_COMMANDS: readonly Command[] = [
  {
    name: 'tls self-signed',
    usage: '',
    summary:
      'Make a certificate that signs itself, and its key, for `http.tls`. Prints what to set, and how clients trust it.',
    details:
      'Good for this host’s name and addresses, those of http.url and http.host, and each --name. ECDSA P-256; the key is for\n' +
      'its owner alone: the user of the state folder when root runs this. Written to tls/ in the state folder unless --out\n' +
      'says otherwise.',
    options: [
      { name: 'name', kind: 'list', value: 'NAME', text: 'One more name or address; may be repeated.' },
      {
        name: 'days',
        kind: 'value',
        value: 'N',
        text: 'How long it holds; 397 by default, the most that all clients take.',
      },
      OUT,
      FORCE,
      JSON_TOO,
    ],
    examples: [
      'sudo deckhand tls self-signed',
      'deckhand tls self-signed --name nas.lan --name 192.168.1.10 --days 90',
    ],
  },
  {
    name: 'tls tailscale',
    usage: '',
    summary: 'Fetch this host’s certificate of its tailnet from tailscaled, for `http.tls`. Run again, it renews it.',
    details:
      'Needs MagicDNS and HTTPS certificates in the admin console, and root, or TS_PERMIT_CERT_UID. Where `tailscale serve`\n' +
      'stands in front no pair is needed here. The first one takes up to two minutes.',
    options: [
      {
        name: 'name',
        kind: 'value',
        value: 'NAME',
        text: 'HOST.TAILNET.ts.net; by default the one that tailscaled says.',
      },
      OUT,
      FORCE,
      JSON_TOO,
    ],
    examples: ['sudo deckhand tls tailscale'],
  },
  {
    name: 'tls show',
    usage: '',
    summary:
      'Show names, issuer, time and fingerprint of the configured certificate. Exit code above 0 when it cannot be served.',
    options: [JSON_TOO],
  },
];
