/**
 * `deckhand tls …`: a pair for TLS in this process (`http.tls`), made here or fetched from tailscaled, and what the configured one is.
 * Decides names, places and words; making is self_signed.ts's, writing tls_files.ts's, judging and serving the face's.
 */
import { hostname, networkInterfaces } from 'node:os';
import type { Loaded } from '../config/load.ts';
import { OpsError } from '../core/errors.ts';
import { ipText, parseIp, reachOf } from '../core/ip.ts';
import { pairFiles } from '../edge/binding.ts';
import { type CertFacts, readCertificate, readPair, soonOver } from '../edge/tls_pair.ts';
import type { Run } from './commands.ts';
import { type Place, placeOf, refuseToOverwrite, writePair } from './tls_files.ts';
import { shell } from './welcome.ts';

const DAY_MS = 86_400_000;
/** Browsers of one large maker take no longer one, whoever signed it. */
const DAYS = 397;
const MOST_DAYS = 3_650;
const MOST_NAMES = 64;

export async function make({ own, io, load }: Run): Promise<number> {
  const days = daysOf(own.days);
  const given = namesGiven(own.name);
  const { config } = await load();
  const place = placeOf(typeof own.out === 'string' ? own.out : undefined, config.state.dir);
  if (own.force !== true) refuseToOverwrite(place);
  const now = Date.now();
  const names = [...new Set([...given, ...ownNames(config.http)])].slice(0, MOST_NAMES);
  const { selfSigned } = await import('./self_signed.ts');
  await asOwner(own.out, config.state.dir);
  writePair(place, await selfSigned({ names, now, notAfterMs: now + days * DAY_MS }));
  const { facts } = await readPair(place, now);
  if (own.json) io.out(json(place, facts, io.outTty));
  else io.out([...said(place, facts), '', ...configLines(place, config.http, facts), '', ...trust(place)].join('\n'));
  return 0;
}

export async function tailscale({ own, io, load, signal }: Run): Promise<number> {
  const { config } = await load();
  const place = placeOf(typeof own.out === 'string' ? own.out : undefined, config.state.dir);
  const { askTailnet } = await import('../app.ts');
  const tailnet = await askTailnet(config);
  const name =
    typeof own.name === 'string' ? own.name.toLowerCase().replace(/\.$/, '') : await ownDomain(tailnet, signal);
  if (own.force !== true) await refuseOther(place, name);
  const pair = await tailnet.certificate(name, { signal });
  // Asked as root, who may; written as the state folder's owner.
  await asOwner(own.out, config.state.dir);
  const before = await readCertificate(place.certFile).catch(() => null);
  writePair(place, { cert: pair.cert, key: pair.key });
  const { facts } = await readPair(place, Date.now());
  const same = before?.fingerprint === facts.fingerprint;
  if (own.json) io.out(json(place, facts, io.outTty));
  else if (same) io.out(`The certificate is still the same, and good until ${day(facts.notAfterMs)}.`);
  else
    io.out(
      [
        ...said(place, facts),
        '',
        ...configLines(place, { ...config.http, url: config.http.url ?? `https://${name}:${config.http.port}` }, facts),
        '',
        'Clients trust it already. It holds for 90 days: run this again once a day, for example from /etc/cron.d/deckhand-tls:',
        `  17 4 * * * root deckhand tls tailscale --name ${name}${typeof own.out === 'string' ? ` --out ${shell(place.dir)}` : ''}`,
        'A server that runs takes the new pair within half a minute, without a restart.',
      ].join('\n'),
    );
  return 0;
}

export async function show({ own, io, load }: Run): Promise<number> {
  const { config } = await load();
  const files = pairFiles(config.http.tls);
  if (!files)
    throw new OpsError('not_found', 'No pair is configured: `http.tls` is not set, and `serve` speaks plain HTTP.', {
      hint: '`deckhand tls self-signed` makes one, `deckhand tls tailscale` fetches one.',
    });
  const facts = await readCertificate(files.certFile);
  io.out(own.json ? json(files, facts, io.outTty) : said(files, facts).join('\n'));
  const soon = soonOver(facts, Date.now());
  if (soon && !own.json) io.err(io.paint('warn', `The certificate ${soon}.`, 'err'));
  // Whatever keeps it from being served is the command's failure.
  await readPair(files, Date.now());
  return 0;
}

/**
 * In the state folder its owner could lead root anywhere by a link: what is written there is written as that user. A folder that root
 * names is root's own business; there the files are given to that user.
 */
async function asOwner(out: Run['own'][string] | undefined, stateDir: string): Promise<void> {
  if (out === undefined) (await import('../app.ts')).becomeOwner(stateDir);
}

type Http = Pick<Loaded['config']['http'], 'host' | 'port' | 'url'>;

/** By which this host is asked for: its own name, the URL's, its addresses, and loopback. */
export function ownNames({ host, url }: Http): string[] {
  const own = hostname().toLowerCase();
  const names = NAME.test(own) ? [own] : [];
  if (url) names.push(new URL(url).hostname.replace(/^\[|\]$/g, '').toLowerCase());
  const reach = reachOf(host);
  if (reach === 'any' || reach === 'loopback' || host === 'localhost') names.push(...addressesHere());
  else names.push(plain(host));
  return [...new Set([...names, 'localhost', '127.0.0.1', '::1'])];
}

/** Bridges of an engine are reached by nobody from elsewhere. */
const INNER = /^(?:docker|br-|veth|virbr|cni|podman|lxc)/;
function addressesHere(): string[] {
  return Object.entries(networkInterfaces())
    .filter(([name]) => !INNER.test(name))
    .flatMap(([, addresses]) => addresses ?? [])
    .filter((a) => !a.internal && reachOf(a.address) !== 'link')
    .map((a) => plain(a.address));
}

const plain = (name: string) => {
  const ip = parseIp(name);
  return ip ? ipText(ip) : name.toLowerCase();
};

/** A name of DNS; the star only for all names of one domain. */
const NAME =
  /^(?=.{1,253}$)(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

function namesGiven(given: Run['own'][string] | undefined): string[] {
  const words = (Array.isArray(given) ? given : [])
    .flatMap((w) => w.split(','))
    .map((w) => plain(w.trim().replace(/\.$/, '')));
  const wrong = words.find((w) => !NAME.test(w) && parseIp(w) === null);
  if (wrong !== undefined || words.length > MOST_NAMES)
    throw new OpsError(
      'validation',
      wrong === undefined ? 'Too many names.' : `"${wrong.slice(0, 100)}" is no name of a host.`,
      {
        hint: 'Write --name nas.lan, --name 192.168.1.10 or --name "*.home.arpa"; it may be repeated.',
      },
    );
  return words;
}

function daysOf(given: Run['own'][string] | undefined): number {
  const days = given === undefined ? DAYS : /^[1-9]\d{0,3}$/.test(String(given)) ? Number(given) : 0;
  if (days >= 1 && days <= MOST_DAYS) return days;
  throw new OpsError('validation', `"${String(given).slice(0, 40)}" is no number of days.`, {
    hint: `--days takes 1 to ${MOST_DAYS}; without it ${DAYS}, the most that all clients take.`,
  });
}

type Tailnet = Awaited<ReturnType<typeof import('../app.ts')['askTailnet']>>;

async function ownDomain(tailnet: Tailnet, signal: AbortSignal): Promise<string> {
  const { certDomains } = await tailnet.status({ signal });
  if (certDomains[0] !== undefined) return certDomains[0];
  throw new OpsError('unavailable', 'This tailnet gives out no certificates.', {
    hint: 'In the admin console under DNS, switch on MagicDNS and HTTPS certificates; then run this again.',
  });
}

/** A pair of the same name is renewed; anything else that lies there is not ours to replace. */
async function refuseOther(place: Place, name: string): Promise<void> {
  const there = await readCertificate(place.certFile).catch(() => null);
  if (!there?.names.includes(name) || there.selfSigned) refuseToOverwrite(place);
}

const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);

function said({ certFile, keyFile }: { certFile: string; keyFile: string }, facts: CertFacts): string[] {
  return [
    `certificate  ${certFile}${facts.chain > 1 ? ` (and ${facts.chain - 1} of its chain)` : ''}`,
    `key          ${keyFile}`,
    `names        ${facts.names.join(', ') || 'none'}`,
    `issuer       ${facts.selfSigned ? 'itself' : facts.issuer}`,
    `holds        ${day(facts.notBeforeMs)} to ${day(facts.notAfterMs)}`,
    `SHA-256      ${facts.fingerprint}`,
  ];
}

function json(files: { certFile: string; keyFile: string }, facts: CertFacts, pretty: boolean): string {
  const { certFile, keyFile } = files;
  const { notBeforeMs, notAfterMs, ...rest } = facts;
  const at = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
  const all = { certFile, keyFile, ...rest, notBefore: at(notBeforeMs), notAfter: at(notAfterMs) };
  return JSON.stringify(all, null, pretty ? 2 : 0);
}

/** What stands in the file afterwards; loopback is opened, because that is what TLS is made for. */
function configLines({ certFile, keyFile }: Place, { host, url }: Http, facts: CertFacts): string[] {
  const alone = reachOf(host) === 'loopback' || host === 'localhost';
  return [
    'In the config file:',
    '  http:',
    ...(alone ? ['    host: 0.0.0.0   # or one address of this host'] : []),
    ...(url && facts.names.includes(new URL(url).hostname) ? [`    url: ${url}`] : []),
    '    tls:',
    `      certFile: ${JSON.stringify(certFile)}`,
    `      keyFile: ${JSON.stringify(keyFile)}`,
  ];
}

const trust = ({ certFile }: Place): string[] => [
  'Clients must be handed the certificate (never the key), and compare its SHA-256. Those that are Node programs:',
  `  NODE_EXTRA_CA_CERTS=${shell(certFile)} claude`,
];
