/** Which pair is taken, and with which words one is not. No error may hold a byte of a key. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { readCertificate, readPair, soonOver } from '../../src/edge/tls_pair.ts';
import { DAY_MS, folder, freshPair } from './fixture-tls.ts';

async function fault(at: { certFile: string; keyFile: string }, now = Date.now()): Promise<OpsError> {
  const thrown = await readPair(at, now).then(
    () => null,
    (e: unknown) => e,
  );
  expect(thrown).toBeInstanceOf(OpsError);
  return thrown as OpsError;
}

test('a pair, and all that may be told of it', async () => {
  using at = folder();
  const now = Date.now();
  at.put(await freshPair(['nas.lan', '*.home.arpa', '192.168.1.10', '2001:db8:0:0::1'], 30, now));
  const { facts } = await readPair(at, now);
  expect(facts).toMatchObject({
    names: ['nas.lan', '*.home.arpa', '192.168.1.10', '2001:db8::1'],
    subject: 'CN=nas.lan',
    selfSigned: true,
    chain: 1,
  });
  expect(Math.abs(facts.notAfterMs - now - 30 * DAY_MS)).toBeLessThan(1_001);
  expect(facts.fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  const openssl = execFileSync('openssl', ['x509', '-in', at.certFile, '-noout', '-fingerprint', '-sha256'], {
    encoding: 'utf8',
  });
  expect(openssl).toContain(facts.fingerprint);
  expect(await readCertificate(at.certFile)).toEqual(facts);
});

test('links are followed: certbot and Kubernetes keep pairs so', async () => {
  using at = folder();
  at.put(await freshPair());
  symlinkSync(at.certFile, join(at.dir, 'c'));
  symlinkSync(at.keyFile, join(at.dir, 'k'));
  expect((await readPair({ certFile: join(at.dir, 'c'), keyFile: join(at.dir, 'k') }, Date.now())).facts.chain).toBe(1);
});

test.each([
  [0o600, null],
  [0o400, null],
  // Debian's group ssl-cert, and the credentials of systemd.
  [0o640, null],
  [0o440, null],
  [0o660, '0660'],
  [0o604, '0604'],
  [0o644, '0644'],
  [0o606, '0606'],
])('a key with mode %o', async (mode, said) => {
  using at = folder();
  at.put(await freshPair());
  execFileSync('chmod', [mode.toString(8), at.keyFile]);
  if (said === null) await readPair(at, Date.now());
  else {
    const error = await fault(at);
    expect(error.message).toContain(`is open to others (mode ${said})`);
    expect(error.details.hint).toContain(`chmod 600 ${at.keyFile}`);
  }
});

test('what is no pair is refused in words that mend it', async () => {
  using at = folder();
  const [one, other] = await Promise.all([freshPair(), freshPair()]);
  const words: string[] = [];
  const says = async (what: { cert?: string; key?: string }, part: string | RegExp, now?: number) => {
    at.put({ ...one, ...what });
    const error = await fault(at, now);
    expect(error.message).toMatch(part);
    expect(error.details.hint).toBeTruthy();
    words.push(error.message, error.details.hint ?? '');
  };
  await says({ key: other.key }, /do not belong together/);
  await says({ cert: other.cert }, /do not belong together/);
  // The key's own certificate must be the first.
  await says({ cert: other.cert + one.cert }, /do not belong together/);
  await says({ cert: one.key }, /holds no PEM certificates/);
  await says({ cert: '' }, /holds no PEM certificates/);
  await says({ cert: one.cert.repeat(11) }, /holds too many PEM certificates/);
  await says({ cert: one.cert.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA') }, /is damaged/);
  await says({ key: one.cert }, /holds no private key/);
  await says({ key: one.key.slice(0, 100) }, /holds no private key/);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const locked = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' });
  await says({ key: String(locked) }, /is encrypted/);
  await says({}, /expired on/, Date.now() + 31 * DAY_MS);
  await says({}, /holds only from/, Date.now() - DAY_MS);
  const secret = one.key.split('\n')[1] as string;
  for (const text of words) expect(text).not.toContain(secret.slice(0, 16));
});

test('what OpenSSL does not take is told in its words', async () => {
  using at = folder();
  const made = ['req', '-x509', '-newkey', 'rsa:1024', '-nodes', '-keyout', at.keyFile, '-out', at.certFile];
  execFileSync('openssl', [...made, '-days', '30', '-subj', '/CN=old'], { stdio: 'ignore' });
  expect((await fault(at)).message).toMatch(/OpenSSL does not take .*key too small/);
});

test('files that are none, are not there or have no end', async () => {
  using at = folder();
  expect((await fault(at)).message).toMatch(/cert\.pem does not exist/);
  at.put(await freshPair());
  expect((await fault({ ...at, keyFile: join(at.dir, 'no') })).message).toMatch(/private key .*no does not exist/);
  mkdirSync(join(at.dir, 'd'));
  expect((await fault({ ...at, keyFile: join(at.dir, 'd') })).message).toMatch(/is no file with a private key/);
  execFileSync('mkfifo', [join(at.dir, 'fifo')]);
  expect((await fault({ ...at, certFile: join(at.dir, 'fifo') })).message).toMatch(/is no file with a certificate/);
  writeFileSync(join(at.dir, 'big'), Buffer.alloc(300_000));
  expect((await fault({ ...at, certFile: join(at.dir, 'big') })).message).toMatch(/is no file with a certificate/);
  expect((await fault({ ...at, certFile: '/dev/zero' })).message).toMatch(/is no file with a certificate/);
});

test('two weeks ahead it is told that time runs out', async () => {
  using at = folder();
  const now = Date.now();
  at.put(await freshPair(['a'], 20, now));
  const { facts } = await readPair(at, now);
  expect(soonOver(facts, now)).toBeNull();
  expect(soonOver(facts, facts.notAfterMs - 14 * DAY_MS - 1)).toBeNull();
  expect(soonOver(facts, facts.notAfterMs - 14 * DAY_MS)).toMatch(/^expires on \d{4}-\d\d-\d\d, in 14 days$/);
  expect(soonOver(facts, facts.notAfterMs - 1)).toMatch(/less than a day$/);
  expect(soonOver(facts, facts.notAfterMs)).toMatch(/^expired on /);
});
