/**
 * Fourteen ways not to be reached, each made for real in namespaces of their own beside a twin that is well: `diagnose unreachable` names the
 * cause, and says of the twin that it can be reached. Only with DECKHAND_REAL=1, as root.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DiagnoseAnswer } from '../../src/tools/diagnose_parts.ts';
import { type Certificates, certificates } from './certificates.ts';
import type { Far } from './far.ts';
import { inNamespace, lacking } from './namespace.ts';

const tools = ['ping', 'openssl'].filter((t) => !['/usr/bin', '/bin'].some((dir) => existsSync(`${dir}/${t}`)));
const missing = process.env.DECKHAND_REAL === '1' ? [...lacking(), ...tools] : ['DECKHAND_REAL=1'];
if (missing.length > 0)
  process.stderr.write(
    `\nSKIPPED: what cannot be reached in a real network (tests/net/unreachable_real.test.ts), lacking ${missing.join(', ')}.\n`,
  );

const ROUTER = '10.9.0.254';
const NAME = 'web.test';
let at: string;
let certs: Certificates;
beforeAll(() => {
  if (missing.length > 0) return;
  at = mkdtempSync(join(tmpdir(), 'deckhand-far-'));
  certs = certificates(at, NAME);
});
afterAll(() => at && rmSync(at, { recursive: true, force: true }));

const far = (what: Far) => `far '${JSON.stringify(what)}'`;
const dns = (names: Record<string, string[]>, address = ROUTER) => ({ address, names });
const named = dns({ [NAME]: [ROUTER] });
const http = { address: ROUTER, port: 8080, bytes: 5 };
const secure = (pair: () => { cert: string; key: string }) => () =>
  far({ dns: [named], tls: [{ address: ROUTER, port: 8443, ...pair() }] });
const web = () => far({ dns: [named], http: [http] });
const drops = (...rules: string[]) =>
  [
    'nft add table inet r',
    "nft add chain inet r i '{ type filter hook input priority 0; }'",
    "nft add chain inet r o '{ type filter hook output priority 0; }'",
    ...rules.map((r) => `nft add rule inet r ${r}`),
  ]
    .map((c) => `router ${c}`)
    .join('\n');

interface Row {
  what: string;
  cause: string;
  target: string;
  fault(): string;
  twin(): string;
}

const ROWS: Row[] = [
  { what: 'closed', cause: 'port_closed', target: `${NAME}:8080`, fault: () => far({ dns: [named] }), twin: web },
  {
    what: 'dropped',
    cause: 'port_filtered',
    target: `${NAME}:8080`,
    fault: () => `${web()}\n${drops('i tcp dport 8080 drop')}`,
    twin: web,
  },
  {
    what: 'lossy',
    cause: 'lossy',
    target: `${NAME}:8080`,
    fault: () => `${web()}\n${drops('i icmp type echo-request numgen inc mod 3 == 0 drop')}`,
    twin: web,
  },
  {
    what: 'a dead name server beside a live one',
    cause: 'dns_server_silent',
    target: `http://${NAME}:8080/`,
    fault: () =>
      `router ip addr add 10.9.0.253/24 dev up0\n${far({ dns: [{ address: '10.9.0.253', names: null }, named], http: [http] })}\nprintf 'nameserver 10.9.0.253\\nnameserver ${ROUTER}\\noptions timeout:1\\n' > /etc/resolv.conf`,
    twin: () =>
      `router ip addr add 10.9.0.253/24 dev up0\n${far({ dns: [dns({ [NAME]: [ROUTER] }, '10.9.0.253'), named], http: [http] })}\nprintf 'nameserver 10.9.0.253\\nnameserver ${ROUTER}\\noptions timeout:1\\n' > /etc/resolv.conf`,
  },
  {
    what: 'a wrong answer',
    cause: 'dns_differ',
    target: `${NAME}:8080`,
    fault: () =>
      `router ip addr add 10.9.0.253/24 dev up0\n${far({ dns: [dns({ [NAME]: ['10.9.0.99'] }, '10.9.0.253'), named], http: [http] })}\nprintf 'nameserver 10.9.0.253\\nnameserver ${ROUTER}\\n' > /etc/resolv.conf`,
    twin: () =>
      `router ip addr add 10.9.0.253/24 dev up0\n${far({ dns: [dns({ [NAME]: [ROUTER] }, '10.9.0.253'), named], http: [http] })}\nprintf 'nameserver 10.9.0.253\\nnameserver ${ROUTER}\\n' > /etc/resolv.conf`,
  },
  {
    what: 'IPv6 only',
    cause: 'ipv6_only',
    target: `${NAME}:8080`,
    fault: () => far({ dns: [dns({ [NAME]: ['2001:db8::5'] })] }),
    twin: () =>
      `router ip addr add 2001:db8::5/64 dev up0 nodad\nip addr add 2001:db8::1/64 dev eth0 nodad\n${far({ dns: [dns({ [NAME]: ['2001:db8::5'] })], http: [{ ...http, address: '2001:db8::5' }] })}`,
  },
  {
    what: 'an MTU black hole',
    cause: 'mtu_black_hole',
    target: `http://${NAME}:8080/`,
    fault: () =>
      `${far({ dns: [named], http: [{ ...http, bytes: 100_000 }] })}\n${drops('i meta length gt 1300 drop', 'o meta length gt 1300 drop')}`,
    twin: () => far({ dns: [named], http: [{ ...http, bytes: 60_000 }] }),
  },
  {
    what: 'an expired certificate',
    cause: 'certificate_expired',
    target: `${NAME}:8443`,
    fault: secure(() => certs.expired),
    twin: secure(() => certs.good),
  },
  {
    what: 'a certificate signed by itself',
    cause: 'certificate_self_signed',
    target: `${NAME}:8443`,
    fault: secure(() => certs.selfSigned),
    twin: secure(() => certs.good),
  },
  {
    what: 'a certificate for another name',
    cause: 'certificate_name',
    target: `${NAME}:8443`,
    fault: secure(() => certs.otherName),
    twin: secure(() => certs.good),
  },
  {
    what: 'a server that never answers',
    cause: 'server_silent',
    target: `http://${NAME}:8080/`,
    fault: () => far({ dns: [named], mute: [{ address: ROUTER, port: 8080 }] }),
    twin: web,
  },
  {
    what: 'no route',
    cause: 'no_route',
    target: '203.0.113.5:8080',
    fault: () => 'ip route del default',
    twin: () => `router ip addr add 203.0.113.5/32 dev lo\n${far({ http: [{ ...http, address: '203.0.113.5' }] })}`,
  },
  {
    what: 'a duplicate address',
    cause: 'address_duplicate',
    target: '[fd00:9::fe]:8080',
    fault: () =>
      `router ip addr add fd00:9::fe/64 dev up0 nodad\nrouter ip addr add fd00:9::1/64 dev up0 nodad\n${far({ http: [{ ...http, address: 'fd00:9::fe' }] })}\n${drops('i ip6 saddr fe80::/10 tcp dport 8080 drop')}\nip addr add fd00:9::1/64 dev eth0\nuntil ip -6 addr show dev eth0 | grep -q dadfailed; do sleep 0.1; done`,
    twin: () =>
      `router ip addr add fd00:9::fe/64 dev up0 nodad\n${far({ http: [{ ...http, address: 'fd00:9::fe' }] })}\nip addr add fd00:9::1/64 dev eth0 nodad`,
  },
  {
    what: 'a listener on the wrong address',
    cause: 'listener_wrong_address',
    target: '10.9.0.1:8080',
    fault: () => 'allow 8080; listens 127.0.0.1 8080',
    twin: () => 'allow 8080; listens 0.0.0.0 8080',
  },
];

describe.skipIf(missing.length > 0)('what cannot be reached', () => {
  const ask = (script: string, target: string) =>
    inNamespace<DiagnoseAnswer>(script, 'diagnose', { problem: 'unreachable', target }, { SSL_CERT_FILE: certs.ca });
  // Most of it is waiting.
  test.concurrent.each(ROWS)('$what: $cause', { timeout: 90_000 }, async ({ cause, target, fault, twin }) => {
    const bad = await ask(fault(), target);
    const sure = bad.answer.causes.filter((c) => c.certainty !== 'possible').map((c) => c.id);
    expect([sure.includes(cause), bad.text]).toEqual([true, bad.text]);
    expect(sure).not.toContain('not_unreachable');
    const good = await ask(twin(), target);
    expect([good.answer.causes.map((c) => c.id), good.text]).toEqual([['not_unreachable'], good.text]);
  });
});
