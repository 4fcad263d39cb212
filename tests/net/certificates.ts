/** An authority of a test's own, and certificates of it that are well, out of date, for another name, or signed by themselves. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Pair {
  cert: string;
  key: string;
}

export interface Certificates {
  /** For SSL_CERT_FILE. */
  ca: string;
  good: Pair;
  expired: Pair;
  otherName: Pair;
  selfSigned: Pair;
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export function certificates(dir: string, name: string): Certificates {
  const run = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });
  const at = (file: string) => join(dir, file);
  run(
    'req',
    '-x509',
    ...EC,
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-subj',
    '/CN=Deckhand test authority',
    '-days',
    '30',
  );
  writeFileSync(at('index.txt'), '');
  writeFileSync(at('serial'), '1000\n');
  writeFileSync(
    at('ca.cnf'),
    `[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ncertificate=ca.crt\nprivate_key=ca.key\ndefault_md=sha256\npolicy=p\nunique_subject=no\ncopy_extensions=copy\n[p]\ncommonName=supplied\n`,
  );
  const made = (what: string, host: string, from: string, to: string): Pair => {
    run(
      'req',
      '-new',
      ...EC,
      '-keyout',
      `${what}.key`,
      '-out',
      `${what}.csr`,
      '-subj',
      `/CN=${host}`,
      '-addext',
      `subjectAltName=DNS:${host}`,
    );
    run(
      'ca',
      '-batch',
      '-config',
      'ca.cnf',
      '-in',
      `${what}.csr`,
      '-out',
      `${what}.crt`,
      '-startdate',
      from,
      '-enddate',
      to,
      '-notext',
    );
    return { cert: at(`${what}.crt`), key: at(`${what}.key`) };
  };
  const stamp = (days: number) =>
    `${new Date(Date.now() + days * 86_400_000)
      .toISOString()
      .replace(/[-:T]|\.\d+/g, '')
      .replace('Z', '')}Z`;
  run(
    'req',
    '-x509',
    ...EC,
    '-keyout',
    'self.key',
    '-out',
    'self.crt',
    '-subj',
    `/CN=${name}`,
    '-addext',
    `subjectAltName=DNS:${name}`,
    '-days',
    '90',
  );
  return {
    ca: at('ca.crt'),
    good: made('good', name, stamp(-10), stamp(90)),
    expired: made('expired', name, stamp(-100), stamp(-3)),
    otherName: made('other', 'elsewhere.test', stamp(-10), stamp(90)),
    selfSigned: { cert: at('self.crt'), key: at('self.key') },
  };
}
