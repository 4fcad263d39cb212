/**
 * Plays the Tailscale image for deploy/docker/tailscale.yaml, inside a container of that name: takes what it takes from its environment, answers as
 * tailscaled on TS_SOCKET, and serves what TS_SERVE_CONFIG says as `tailscale serve` does. Its one peer is Alice's laptop. What is set
 * wrong it does not start with, as the real one.
 */
import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { fixture, serve, tailscaled } from '../fakes/tailscaled.ts';

const { env } = process;
const need = (name: string): string => {
  const value = env[name];
  if (!value) throw new Error(`${name} is missing`);
  return value;
};
const key = need('TS_AUTHKEY').replace(/^file:/, '');
if (!readFileSync(key, 'utf8').startsWith('tskey-')) throw new Error('That is no auth key');
if (need('TS_USERSPACE') !== 'false') throw new Error('Userspace mode');
if (!existsSync('/dev/net/tun')) throw new Error('No /dev/net/tun');
// CAP_NET_ADMIN.
const caps = BigInt(`0x${/^CapEff:\s+(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]}`);
if (!(caps & (1n << 12n))) throw new Error('No NET_ADMIN');

const status = JSON.parse(fixture('status-running.json')) as { CertDomains: string[] };
const domain = status.CertDomains[0] ?? 'deckhand.tail-fake.ts.net';
const config = readFileSync(need('TS_SERVE_CONFIG'), 'utf8').replaceAll('$' + '{TS_CERT_DOMAIN}', domain);
const { TCP, Web } = JSON.parse(config) as {
  TCP: Record<string, { HTTPS?: boolean }>;
  Web: Record<string, { Handlers: Record<string, { Proxy: string }> }>;
};

// One that was killed leaves it.
rmSync(need('TS_SOCKET'), { force: true });
const fake = await tailscaled(need('TS_SOCKET'));
chmodSync(fake.socket, 0o666);
fake.serve = config;
const alice = JSON.parse(fixture('whois-user.json')) as { CapMap: Record<string, unknown[]> };
alice.CapMap = { 'example.com/cap/deckhand': [{ role: 'viewer' }] };
fake.whois.set('100.64.0.20', JSON.stringify(alice));

const target = Web[`${domain}:443`]?.Handlers['/']?.Proxy ?? '';
if (!TCP['443']?.HTTPS || !target.startsWith('unix:/')) throw new Error(`Not to be served: ${config}`);
await serve(
  target.slice('unix:'.length),
  { address: '100.64.0.20', login: 'alice@example.com' },
  { host: '0.0.0.0', port: 443 },
);

const [host, port] = need('TS_LOCAL_ADDR_PORT').split(':');
if (env.TS_ENABLE_HEALTH_CHECK === 'true')
  createServer((incoming, outgoing) => outgoing.writeHead(incoming.url === '/healthz' ? 200 : 404).end()).listen(
    Number(port),
    host,
  );
process.on('SIGTERM', () => process.exit(0));
