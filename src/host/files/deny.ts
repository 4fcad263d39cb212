/**
 * What is never opened, whatever the roots say: by name (resolved components, so that no link hides one) and by content.
 * Pure. Decides nothing about roots. A name is matched without regard to case, as some file systems do.
 *
 * Weak by nature: a secret under an ordinary name in an ordinary format is caught by neither. Redaction comes after.
 */

/** Anywhere: one component, or several that follow one another. `*` stands for any characters within a component. */
const ANYWHERE = [
  '.env*',
  '*.pem',
  '*.key',
  '*.p12',
  '*.pfx',
  '*.jks',
  '*.keytab',
  '*.age',
  '*.kdbx',
  '*.ovpn',
  'id_*',
  'ssh_host_*_key',
  'shadow',
  'shadow-',
  'gshadow',
  'gshadow-',
  'opasswd',
  '.ssh',
  '.gnupg',
  '.netrc',
  '.git-credentials',
  '.npmrc',
  '.pypirc',
  '.vault-token',
  '.docker/config.json',
  '.kube',
  'kubeconfig',
  '*.kubeconfig',
  '.aws',
  '.azure',
  '.config/gcloud',
  '.config/rclone',
  '.pgpass',
  '.my.cnf',
  '.mylogin.cnf',
  'debian.cnf',
  'tailscaled.state',
  'rclone*',
  'restic*',
];

/** From the root of the file system. */
const ABSOLUTE = [
  '/etc/ssl/private',
  '/etc/pki/tls/private',
  '/etc/wireguard',
  '/etc/NetworkManager/system-connections',
  '/etc/letsencrypt/live',
  '/etc/letsencrypt/archive',
  '/etc/letsencrypt/accounts',
  '/etc/ppp',
  '/etc/openvpn',
  '/etc/ipsec.*',
  '/etc/swanctl',
  '/etc/krb5.keytab',
  '/etc/apt/auth.conf*',
  '/etc/msmtprc',
  '/etc/exim4/passwd*',
  '/etc/samba/private',
  '/var/lib/samba/private',
  '/etc/pve/priv',
  '/etc/cloudflared',
  '/etc/credstore*',
  '/etc/security/opasswd',
  '/etc/kubernetes',
  '/etc/rancher',
  '/var/lib/systemd/credential.secret',
  '/run/credentials',
  '/run/credstore*',
  '/run/secrets',
  '/proc',
  '/sys',
];

interface Rule {
  parts: ((name: string) => boolean)[];
  anchored: boolean;
}

/** One `*` never meets another in a run, and matching goes left to right: linear, whatever the name. */
function glob(pattern: string): (name: string) => boolean {
  const [first = '', ...rest] = pattern.toLowerCase().split('*');
  if (rest.length === 0) return (name) => name === first;
  const last = rest.pop() as string;
  return (name) => {
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
    let at = first.length;
    for (const piece of rest) {
      const found = name.indexOf(piece, at);
      if (found < 0 || found + piece.length > name.length - last.length) return false;
      at = found + piece.length;
    }
    return true;
  };
}

const rule = (path: string): Rule => ({
  parts: path.split('/').filter(Boolean).map(glob),
  anchored: path.startsWith('/'),
});

const BUILT_IN: readonly Rule[] = [...ANYWHERE, ...ABSOLUTE].map(rule);

/** One character for each byte: enough to compare with patterns of ASCII, and nothing is lost. */
const lower = (name: Uint8Array) =>
  Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1').toLowerCase();

/** Says whether what these components lead to, or a folder on the way to it, is denied. */
export type DeniedName = (components: readonly Uint8Array[]) => boolean;

/**
 * `ours`: absolute paths of our own state, settings and keys, and what the owner adds. The walk also knows them by device and inode:
 * a bind mount gives them another name.
 */
export function denyNames(ours: readonly string[] = []): DeniedName {
  const rules = [...BUILT_IN, ...ours.map(exactly)];
  return (components) => {
    const names = components.map(lower);
    return rules.some(({ parts, anchored }) => {
      for (let at = 0; at + parts.length <= names.length; at++) {
        if (parts.every((matches, i) => matches(names[at + i] as string))) return true;
        if (anchored) return false;
      }
      return false;
    });
  };
}

/** A path of our own is no pattern: a `*` in it is a star. */
function exactly(path: string): Rule {
  const parts = path.split('/').filter(Boolean);
  return { anchored: true, parts: parts.map((part) => (name: string) => name === lower(Buffer.from(part))) };
}

const MARKS = [
  /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY/,
  /---- BEGIN SSH2 [A-Z ]{0,20}PRIVATE KEY/,
  /PuTTY-User-Key-File-\d/,
  /AGE-SECRET-KEY-1[A-Z0-9]{20}/,
];

/** How far before a range its key's header can stand: an RSA key of 16,384 bits is some 13 KB in PEM. */
export const KEY_REACH = 64 * 1024;

/** A private key's header among these bytes, in an encoding of one or two bytes to the character. */
export function secretContent(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  if (MARKS.some((mark) => mark.test(text))) return true;
  if (!text.includes('\0')) return false;
  const narrow = text.replaceAll('\0', '');
  return MARKS.some((mark) => mark.test(narrow));
}
