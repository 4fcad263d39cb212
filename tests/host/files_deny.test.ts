/** The deny list, name by name and mark by mark: what is on it, what stands beside it, and that no root, link or case opens it. */
import { expect, test } from 'vitest';
import { denyNames, secretContent } from '../../src/host/files/deny.ts';

const denied = denyNames(['/srv/state', '/srv/odd*name'], ['*.bak', '/srv/private', 'conf/secret-*']);
const parts = (path: string) =>
  path
    .split('/')
    .filter(Boolean)
    .map((p) => Buffer.from(p));
const says = (path: string) => denied(parts(path));

test.each([
  '/home/u/.env',
  '/srv/app/.env.production',
  '/srv/app/.ENV',
  '/a/server.pem',
  '/a/server.KEY',
  '/a/x.p12',
  '/a/x.pfx',
  '/a/x.jks',
  '/a/x.keytab',
  '/a/x.age',
  '/a/x.kdbx',
  '/a/x.ovpn',
  '/home/u/.ssh',
  '/home/u/.ssh/known_hosts',
  '/backup/id_rsa',
  '/backup/id_ed25519',
  '/etc/ssh/ssh_host_rsa_key',
  '/etc/shadow',
  '/mnt/old/etc/shadow-',
  '/etc/gshadow',
  '/etc/security/opasswd',
  '/home/u/.gnupg/pubring.kbx',
  '/home/u/.netrc',
  '/home/u/.git-credentials',
  '/home/u/.npmrc',
  '/home/u/.pypirc',
  '/home/u/.vault-token',
  '/home/u/.docker/config.json',
  '/home/u/.kube/config',
  '/srv/kubeconfig',
  '/srv/prod.kubeconfig',
  '/home/u/.aws/credentials',
  '/home/u/.azure/x',
  '/home/u/.config/gcloud/x',
  '/home/u/.config/rclone/rclone.conf',
  '/home/u/.pgpass',
  '/home/u/.my.cnf',
  '/home/u/.mylogin.cnf',
  '/etc/mysql/debian.cnf',
  '/var/lib/tailscale/tailscaled.state',
  '/etc/rclone.conf',
  '/etc/restic.env',
  '/etc/ssl/private',
  '/etc/ssl/private/a/b',
  '/etc/pki/tls/private/x',
  '/etc/wireguard/wg0.conf',
  '/etc/NetworkManager/system-connections/home.nmconnection',
  '/etc/letsencrypt/live/a/fullchain',
  '/etc/letsencrypt/archive/x',
  '/etc/letsencrypt/accounts/x',
  '/etc/ppp/chap-secrets',
  '/etc/openvpn/x',
  '/etc/ipsec.secrets',
  '/etc/ipsec.d/x',
  '/etc/swanctl/x',
  '/etc/krb5.keytab',
  '/etc/apt/auth.conf',
  '/etc/apt/auth.conf.d/x',
  '/etc/msmtprc',
  '/etc/exim4/passwd.client',
  '/etc/samba/private/x',
  '/var/lib/samba/private/x',
  '/etc/pve/priv/x',
  '/etc/cloudflared/x',
  '/etc/credstore/x',
  '/etc/credstore.encrypted/x',
  '/etc/kubernetes/admin.conf',
  '/etc/rancher/k3s/x',
  '/var/lib/systemd/credential.secret',
  '/run/credentials/x',
  '/run/credstore/x',
  '/run/secrets/x',
  '/proc/1/environ',
  '/proc/self/mem',
  '/sys/kernel',
  '/srv/.deckhand-trash-0',
  '/srv/.deckhand-0a1b/item',
  '/srv/state',
  '/srv/state/audit.key',
  '/srv/odd*name/x',
  '/a/b.bak',
  '/srv/private/x',
  '/x/conf/secret-1/y',
])('denied: %s', (path) => {
  expect(says(path)).toBe(true);
  const names = path.split('/').filter(Boolean);
  // The way of a search: each name below names that are not denied.
  const first = names.findIndex((name, i) => denied.entry(names.slice(0, i), name));
  expect(first).toBeGreaterThanOrEqual(0);
});

test.each([
  '/',
  '/etc',
  '/etc/hosts',
  '/etc/ssl/certs/ca.crt',
  '/etc/ssl/openssl.cnf',
  '/srv/etc/ssl/private-notes',
  '/srv/app/env',
  '/srv/app/environment',
  '/srv/keyboard',
  '/srv/monkey',
  '/srv/private2',
  '/srv/stateful',
  '/srv/oddXname',
  '/srv/secret-1',
  '/x/conf/sub/secret-1',
  '/home/u/.docker/daemon.json',
  '/home/u/.config/other',
  '/a/valid_id',
  '/mnt/proc/x',
  '/srv/wireguard/x',
  '/var/log/syslog',
])('not denied: %s', (path) => {
  expect(says(path)).toBe(false);
});

test('a name that is no text, and one in another case', () => {
  expect(denied([Buffer.from('home'), Buffer.from([0xff, 0x2e, 0x70, 0x65, 0x6d])])).toBe(true);
  expect(says('/ETC/Shadow')).toBe(true);
  expect(denyNames([], ['/srv/É'])(parts('/srv/É'))).toBe(true);
});

const wide = (text: string, swap: boolean) => {
  const bytes = Buffer.from(text, 'utf16le');
  return swap ? bytes.swap16() : bytes;
};
test.each([
  '-----BEGIN PRIVATE KEY-----',
  '-----BEGIN RSA PRIVATE KEY-----',
  '-----BEGIN OPENSSH PRIVATE KEY-----',
  '-----BEGIN EC PRIVATE KEY-----',
  '-----BEGIN ENCRYPTED PRIVATE KEY-----',
  '-----BEGIN PGP PRIVATE KEY BLOCK-----',
  '---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----',
  'PuTTY-User-Key-File-3: ssh-ed25519',
  'AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQ',
])('by content: %s', (mark) => {
  const around = `# notes\n${mark}\nAAAA\n`;
  expect(secretContent(Buffer.from(around))).toBe(true);
  expect(secretContent(wide(around, false))).toBe(true);
  expect(secretContent(wide(around, true))).toBe(true);
});

test.each(['-----BEGIN CERTIFICATE-----', 'the PRIVATE KEY is elsewhere', 'PuTTY-User-Key-File', 'AGE-SECRET-KEY-1x'])(
  'no key: %s',
  (text) => {
    expect(secretContent(Buffer.from(text))).toBe(false);
  },
);
