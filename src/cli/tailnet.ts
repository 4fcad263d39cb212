/** `deckhand tailnet …`: words and exit codes; what is asked and set is setup/tailnet's, and the doctor's checks say what is in the way. */
import type { Config } from '../config/schema.ts';
import { OpsError } from '../core/errors.ts';
import { ROLES } from '../core/scopes.ts';
import type { SetupWish } from '../setup/tailnet/index.ts';
import type { Run } from './commands.ts';
import type { Check } from './doctor.ts';
import { broken, ok, warning } from './doctor_state.ts';
import type { Facts } from './doctor_tailnet.ts';

const SOCKET = '/run/deckhand/mcp.sock';
const TITLE = 'Tailnet';
const TAG = 'tag:deckhand';
/** Before the server listens for the first time. */
const NOT_YET = new Set(['tailnet.socket', 'tailnet.folder', 'tailnet.serve']);
/** Warnings of the doctor that keep everybody out all the same. */
const KEEPS_OUT = new Set(['tailnet.https', 'tailnet.serve', 'tailnet.roles', 'tailnet.socket', 'tailnet.service']);

export async function setup({ own, io, load, signal }: Run): Promise<number> {
  const loaded = await load();
  const wish = wishOf(own, loaded.config);
  const house = await import('../setup/tailnet/index.ts');
  const { DEFAULT_FILE } = await import('../config/load.ts');
  const facts = await factsOf(loaded.config, wish);
  const plan = await house.planSetup(loaded.file ?? DEFAULT_FILE, wish, facts);
  const { factChecks } = await import('./doctor_tailnet.ts');
  const checks = factChecks(settingsOf(loaded.config, wish), facts, Date.now()).filter((c) => !NOT_YET.has(c.code));
  const problems = [
    ...checks
      .filter((c) => c.severity === 'broken' || KEEPS_OUT.has(c.code))
      .map((c) => ({ what: c.text, fix: c.fix ?? 'deckhand doctor' })),
    ...(plan.serve?.obstacles ?? []).map(({ what, fix }) => ({ what, fix })),
    ...plan.config.inTheWay.map((what) => ({ what, fix: 'change that line by hand, then run this again' })),
  ];
  const dryRun = own['dry-run'] === true;
  const { config, serve } = plan;
  const changes = config.text !== null || serve?.needed === true;
  let backup: string | null = null;
  if (problems.length === 0 && serve && changes && !dryRun)
    ({ backup } = await house.applySetup({ config, serve }, wish, { now: Date.now(), signal }));
  const offer = { ...wish, tag: facts.status?.tags[0] ?? TAG };
  const said = {
    ok: problems.length === 0,
    dryRun,
    changed: problems.length === 0 && changes && !dryRun,
    problems,
    notes: checks
      .filter((c) => c.severity === 'warning' && !KEEPS_OUT.has(c.code))
      .map(({ text, fix }) => ({ text, fix })),
    config: { file: config.file, added: config.lines, backup },
    serve: { command: serve && `tailscale ${serve.args.join(' ')}`, needed: serve?.needed ?? null },
    url: serve?.url ?? null,
    next: problems.length > 0 ? [] : nextSteps(config.text !== null, facts, offer),
    console: {
      service: offer.service === null ? null : house.serviceFile({ ...offer, service: offer.service }),
      policy: house.policyParts(offer),
    },
  };
  if (own.json === true) io.out(JSON.stringify(said, null, io.outTty ? 2 : 0));
  else io.out(setupText(said, io));
  return problems.length === 0 ? 0 : 1;
}

interface Said {
  ok: boolean;
  dryRun: boolean;
  changed: boolean;
  problems: { what: string; fix: string }[];
  notes: { text: string; fix: string | null }[];
  config: { file: string; added: string[]; backup: string | null };
  serve: { command: string | null; needed: boolean | null };
  url: string | null;
  next: string[];
  console: { service: string | null; policy: string };
}

function setupText(said: Said, io: Run['io']): string {
  if (!said.ok)
    return [
      io.paint('bad', 'Nothing was changed. In the way:'),
      ...said.problems.flatMap(({ what, fix }) => [`  ${what}`, `    ${io.paint('dim', 'fix:')} ${fix}`]),
    ].join('\n');
  const { config, serve } = said;
  const lines: string[] = [];
  if (config.added.length > 0) {
    lines.push(`${said.dryRun ? 'Would add' : 'Added'} to ${config.file}:`, ...config.added.map((l) => `  ${l}`));
    if (config.backup) lines.push(`The file as it was: ${config.backup}`);
  } else lines.push(`${config.file} holds all of it already.`);
  if (serve.needed) lines.push(`${said.dryRun ? 'Would run' : 'Ran'}: ${serve.command}`);
  else lines.push('tailscaled serves it already.');
  for (const { text, fix } of said.notes)
    lines.push(`${io.paint('warn', 'Note:')} ${text}${fix ? ` Fix: ${fix}` : ''}`);
  lines.push('', io.paint('bold', said.dryRun ? 'Then' : 'Now'));
  for (const [i, step] of said.next.entries()) lines.push(`  ${i + 1}. ${step}`);
  if (said.console.service)
    lines.push('', io.paint('bold', 'The same offer as a file (Tailscale 1.102)'), said.console.service.trimEnd());
  lines.push('', io.paint('bold', 'For the policy file of the tailnet'), said.console.policy.trimEnd());
  if (said.url)
    lines.push('', `${io.paint('bold', 'URL')}  ${said.url}`, `claude mcp add --transport http deckhand ${said.url}`);
  return lines.join('\n');
}

function nextSteps(restart: boolean, { status }: Facts, wish: SetupWish): string[] {
  const { service } = wish;
  const steps = restart ? ['Restart the server: systemctl restart deckhand'] : [];
  if (service !== null && !status?.services?.includes(service))
    steps.push(
      `In the admin console, under Services: define ${service} with the endpoint tcp:${wish.https}, and approve this host (or autoApprovers below).`,
    );
  steps.push(
    wish.capability === null && wish.allow.length === 0
      ? 'Say who may do what: deckhand tailnet setup --allow you@example.com=operator'
      : 'Merge the parts below into the policy file, under Access controls, where the tailnet does not open that port yet.',
    'See whether all stands: deckhand tailnet status',
  );
  return steps;
}

export async function status({ own, io, load }: Run): Promise<number> {
  const { config } = await load();
  const { socket } = config.tailnet;
  const checks: Check[] = [];
  let url: string | null = null;
  if (socket === null)
    checks.push(
      broken(
        'tailnet.unset',
        TITLE,
        'No socket for the tailnet is set.',
        'sudo deckhand tailnet setup --allow you@example.com=operator',
      ),
    );
  else {
    const { factChecks, readGroups, socketChecks } = await import('./doctor_tailnet.ts');
    const facts = await factsOf(config, { socket, service: config.tailnet.service });
    checks.push(...socketChecks(socket, readGroups), ...factChecks(config, facts, Date.now()), rolesCheck(config));
    const way = facts.ways.find((w) => w.kind === 'proxy');
    if (way) url = `${way.tls ? 'https' : 'http'}://${way.at.replace(/:443$/, '')}${way.path.replace(/\/$/, '')}/mcp`;
  }
  const missing = checks.filter((c) => c.severity === 'broken' || (c.severity !== 'ok' && KEEPS_OUT.has(c.code)));
  const isWhole = missing.length === 0;
  if (own.json === true) io.out(JSON.stringify({ ok: isWhole, url, checks }, null, io.outTty ? 2 : 0));
  else {
    for (const c of checks) {
      const isMissing = missing.includes(c);
      const word = isMissing ? 'missing' : c.severity === 'ok' ? 'ok' : 'note';
      io.out(`${io.paint(isMissing ? 'bad' : c.severity === 'ok' ? 'good' : 'warn', word.padEnd(8))} ${c.text}`);
      if (c.fix && c.severity !== 'ok') io.out(`${' '.repeat(9)}${io.paint('dim', 'fix:')} ${c.fix}`);
    }
    io.out(
      isWhole ? `Reached at ${url}` : `${missing.length} ${missing.length === 1 ? 'thing is' : 'things are'} missing.`,
    );
  }
  return isWhole ? 0 : 1;
}

/** Whoever comes is recognised, and without a role sees no tool. */
function rolesCheck({ principals, tailnet }: Config): Check {
  const named = principals.filter((p) => p.roles.length > 0 && (p.who === '*' || p.who.startsWith('tailnet:'))).length;
  if (named === 0 && tailnet.capability === null)
    return warning(
      'tailnet.roles',
      TITLE,
      'Nobody of the tailnet has a role: whoever comes sees no tool.',
      'sudo deckhand tailnet setup --allow you@example.com=operator   (or --capability example.com/cap/deckhand, and a grant)',
    );
  const by = [
    ...(named > 0 ? [`${named} ${named === 1 ? 'entry' : 'entries'} of principals`] : []),
    ...(tailnet.capability === null ? [] : [`grants of ${tailnet.capability}`]),
  ];
  return ok('tailnet.roles', TITLE, `Roles come from ${by.join(' and ')}.`);
}

type Place = Pick<SetupWish, 'socket' | 'service'>;

const settingsOf = (config: Config, { socket, service }: Place): Config => ({
  ...config,
  tailnet: { ...config.tailnet, socket, service },
});

async function factsOf(config: Config, place: Place): Promise<Facts> {
  const { openTailnet } = await import('../wiring_tailnet.ts');
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const clock = { now: Date.now, elapsed: () => performance.now() };
  const settings = settingsOf(config, place);
  return openTailnet({ config: settings, socket: place.socket, clock, log: quiet, forged() {} }).facts();
}

function wishOf(own: Run['own'], config: Config): SetupWish {
  const { tailnet } = config;
  const roles = [...ROLES, ...config.roles.map((r) => r.name)];
  return {
    socket: tailnet.socket ?? SOCKET,
    localApi: tailnet.localApi,
    https: portOf(own.https),
    service:
      given(own.service, /^svc:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, '--service svc:deckhand') ?? tailnet.service,
    capability:
      given(own.capability, /^[a-z0-9.-]+\/[A-Za-z0-9/_.-]{1,150}$/, '--capability example.com/cap/deckhand') ??
      tailnet.capability,
    allow: (Array.isArray(own.allow) ? own.allow : []).map((word) => allowed(word, roles)),
  };
}

function given(value: Run['own'][string] | undefined, form: RegExp, like: string): string | null {
  if (value === undefined) return null;
  if (typeof value === 'string' && form.test(value)) return value;
  throw new OpsError('validation', `${JSON.stringify(value)} is not well formed.`, { hint: `As in ${like}` });
}

function portOf(value: Run['own'][string] | undefined): number {
  if (value === undefined) return 443;
  const port = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new OpsError('validation', `--https takes a port, not ${JSON.stringify(value)}.`, { hint: '--https 443' });
}

function allowed(word: string, roles: readonly string[]): { who: string; role: string } {
  const at = word.lastIndexOf('=');
  const [name, role] = [word.slice(0, at).trim(), word.slice(at + 1).trim()];
  const like = { hint: '--allow alice@example.com=operator, or --allow tag:ci=viewer' };
  if (at < 1 || name === '' || /[\p{Cc}\s]/u.test(name) || name.length > 180)
    throw new OpsError('validation', `--allow takes WHO=ROLE, not ${JSON.stringify(word.slice(0, 200))}.`, like);
  if (!roles.includes(role))
    throw new OpsError('validation', `${JSON.stringify(role)} is no role.`, { candidates: [...roles], ...like });
  if (/^(?:group|autogroup):/.test(name))
    throw new OpsError('validation', `Who is in ${name} is known to the tailnet alone.`, {
      hint: '--capability example.com/cap/deckhand, and a grant for that group in the policy file: setup prints it.',
    });
  return { who: name.startsWith('tailnet:') ? name : `tailnet:${name}`, role };
}
