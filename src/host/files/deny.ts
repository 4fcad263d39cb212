/**
 * What is never opened, whatever the roots say: by name (resolved components, so that no link hides one) and by content.
 * Decides nothing about roots. A name is matched without regard to case, as some file systems do.
 *
 * Weak by nature: a secret under an ordinary name in an ordinary format is caught by neither. Redaction comes after.
 */
import fs from 'node:fs';

/** Anywhere: one component, or several that follow one another. `*` stands for any characters within a component. */
const ANYWHERE = [
  // Ours: temporary files and the trash.
  '.deckhand-*',
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
  /** The last of its components, as written; the others lead to it. */
  last: Glob;
  before: Glob[];
  anchored: boolean;
}
interface Glob {
  pattern: string;
  fits(name: string): boolean;
}

/** One character for each byte: the case of ASCII letters is all that is let go, and nothing else is lost. */
const lower = (latin: string) =>
  /[A-Z]/.test(latin) ? latin.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : latin;
const latinOf = (name: Uint8Array) => Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1');

/** One `*` never meets another in a run, and matching goes left to right: linear, whatever the name. */
function glob(written: string): Glob {
  const pattern = lower(latinOf(Buffer.from(written)));
  const [first = '', ...rest] = pattern.split(/\*+/);
  if (rest.length === 0) return exact(pattern);
  const last = rest.pop() as string;
  return {
    pattern,
    fits(name) {
      if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
      let at = first.length;
      for (const piece of rest) {
        const found = name.indexOf(piece, at);
        if (found < 0 || found + piece.length > name.length - last.length) return false;
        at = found + piece.length;
      }
      return true;
    },
  };
}
const exact = (pattern: string): Glob => ({ pattern, fits: (name) => name === pattern });

function rule(path: string, part: (written: string) => Glob = glob): Rule {
  const parts = path.split('/').filter(Boolean).map(part);
  return { last: parts.pop() as Glob, before: parts, anchored: path.startsWith('/') };
}

/** Says whether what these components lead to, or a folder on the way to it, is denied. */
export interface DeniedName {
  (components: readonly Uint8Array[]): boolean;
  /** The same of one more name below components that are not, both with one character for each byte: quick, for whole trees. */
  entry(above: readonly string[], name: string): boolean;
}

/** Two characters as a number, whatever the case of letters. What a name of one character lacks counts as 0. */
const twoOf = (name: string, at: number) => (small(name.charCodeAt(at)) << 8) | small(name.charCodeAt(at + 1));
const small = (code: number) => (code >= 65 && code <= 90 ? code + 32 : code);

const BUILT_IN: readonly Rule[] = [...ANYWHERE, ...ABSOLUTE].map((path) => rule(path));

/**
 * `ours`: absolute paths of our own state, settings and keys. The walk also knows them by device and inode: a bind mount gives them
 * another name. `more`: what the owner adds, written like the lists above.
 */
export function denyNames(ours: readonly string[] = [], more: readonly string[] = []): DeniedName {
  // A path of our own is no pattern: a `*` in it is a star.
  const own = ours
    .filter((path) => /[^/]/.test(path))
    .map((path) => rule(path, (p) => exact(lower(latinOf(Buffer.from(p))))));
  // Two letters at the beginning or the end of a name rule nearly every name out, before any pattern is asked.
  const byFirst = new Map<number, Rule[]>();
  const byLast = new Map<number, Rule[]>();
  const others: Rule[] = [];
  const add = (map: Map<number, Rule[]>, key: number, r: Rule) => map.set(key, [...(map.get(key) ?? []), r]);
  for (const r of [...BUILT_IN, ...more.map((path) => rule(path)), ...own]) {
    const { pattern } = r.last;
    const first = own.includes(r) ? pattern.length : pattern.indexOf('*');
    if (pattern.length < 2) others.push(r);
    else if (first < 0 || first >= 2) add(byFirst, twoOf(pattern, 0), r);
    else if (!pattern.slice(-2).includes('*')) add(byLast, twoOf(pattern, pattern.length - 2), r);
    else others.push(r);
  }
  const leads = ({ before, anchored }: Rule, above: readonly string[]) => {
    const from = above.length - before.length;
    if (from < 0 || (anchored && from > 0)) return false;
    return before.every((part, i) => part.fits(lower(above[from + i] as string)));
  };
  const some = (rules: readonly Rule[], above: readonly string[], name: string) => {
    for (const r of rules) if (r.last.fits(name) && leads(r, above)) return true;
    return false;
  };
  const entry = (above: readonly string[], written: string) => {
    const first = byFirst.get(twoOf(written, 0));
    const last = byLast.get(twoOf(written, written.length - 2));
    if (!first && !last && others.length === 0) return false;
    const name = lower(written);
    return (
      (first !== undefined && some(first, above, name)) ||
      (last !== undefined && some(last, above, name)) ||
      some(others, above, name)
    );
  };
  const all = (components: readonly Uint8Array[]) => {
    const names = components.map(latinOf);
    return names.some((name, i) => entry(names.slice(0, i), name));
  };
  return Object.assign(all, { entry });
}

const MARKS = [
  /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY/,
  /---- BEGIN SSH2 [A-Z ]{0,20}PRIVATE KEY/,
  /PuTTY-User-Key-File-\d/,
  /AGE-SECRET-KEY-1[A-Z0-9]{20}/,
];

/** How far before a range its key's header can stand: an RSA key of 16,384 bits is some 13 KB in PEM. */
export const KEY_REACH = 64 * 1024;

/** A word of each mark, in one byte to the character and in two of either order: nearly all bytes hold none, and are not read as text. */
const WORDS = ['PRIVATE KEY', 'PuTTY-User-Key-File', 'AGE-SECRET-KEY-1'].flatMap((word) => [
  Buffer.from(word),
  Buffer.from(word, 'utf16le').subarray(0, -1),
]);

/** A private key's header among these bytes, in an encoding of one or two bytes to the character. */
export function secretContent(bytes: Uint8Array): boolean {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!WORDS.some((word) => all.includes(word))) return false;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  if (MARKS.some((mark) => mark.test(text))) return true;
  if (!text.includes('\0')) return false;
  const narrow = text.replaceAll('\0', '');
  return MARKS.some((mark) => mark.test(narrow));
}

/** Longer than any mark, in two bytes to the character: what is carried from one piece to the next. */
export const MARK_BYTES = 256;
/** So much of a file is looked through when lines of it are to be shown. */
export const MOST_LOOKED = 64 * 1024 * 1024;

/** The same of a file that is open for reading. */
export function holdsKey(fd: number, tick: () => void): boolean {
  const buffer = Buffer.allocUnsafe(MARK_BYTES + 1024 * 1024);
  let carried = 0;
  for (let at = 0; at < MOST_LOOKED; ) {
    tick();
    const n = fs.readSync(fd, buffer, carried, buffer.length - carried, at);
    if (n === 0) return false;
    at += n;
    const all = buffer.subarray(0, carried + n);
    if (secretContent(all)) return true;
    carried = Math.min(MARK_BYTES, all.length);
    all.copy(buffer, 0, all.length - carried);
  }
  return false;
}
