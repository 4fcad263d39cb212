/** Who somebody is behind `tailscale serve`: every header that serve sets, every answer of tailscaled, and everything that a forger could write. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Log, Principal } from '../../src/core/call.ts';
import { OpsError } from '../../src/core/errors.ts';
import type { WhoIs } from '../../src/core/tailnet.ts';
import { serveConfigOf, statusOf, whoIs } from '../../src/host/tailnet/parse.ts';
import { leadsToSocket } from '../../src/host/tailnet/targets.ts';
import type { Recognised, Shown } from '../../src/policy/credentials.ts';
import { createTailnetAuthenticate, type TailnetParts, type TailnetRules } from '../../src/policy/tailnet.ts';
import { createGuard, exposure } from '../../src/policy/tailnet_guard.ts';
import { decoded, oneAddress } from '../../src/policy/tailnet_headers.ts';
import { fixture } from '../fakes/tailscaled.ts';

const CAP = 'example.com/cap/opsmcp';
const RULES: TailnetRules = { capability: CAP, funnel: 'deny', shared: false, service: null };
const NOW = Date.UTC(2026, 10, 21);
/** The tailnet of the fixtures. */
const TAILNET: Record<string, string> = {
  '100.64.0.20': 'whois-user.json',
  'fd7a:115c:a1e0::14': 'whois-user.json',
  '100.64.0.30': 'whois-tagged.json',
  '100.64.0.90': 'whois-sharee.json',
};

interface Rig {
  ask(headers: Record<string, string>, bearer?: string | null): Promise<Recognised>;
  forged: string[];
  lines: { level: string; fields: Record<string, unknown>; message: string }[];
  asked: unknown[];
}

const jwt: Principal = {
  id: 'jwt:home:alice',
  kind: 'jwt',
  scopes: new Set(['system:read']),
  expiresAtMs: null,
  valid: () => true,
};
const tokens: Record<string, Principal> = { jwt, token: { ...jwt, id: 'token:laptop', kind: 'token' } };

function rig(
  over: Partial<TailnetRules> & {
    whois?: (address: string) => WhoIs | null;
    guard?: Partial<TailnetParts['guard']>;
    issuers?: boolean;
  } = {},
): Rig {
  const { whois, guard, issuers = false, ...rules } = over;
  const forged: string[] = [];
  const lines: Rig['lines'] = [];
  const asked: unknown[] = [];
  const line = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields: fields as Record<string, unknown>, message });
  const log: Log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  const authenticate = createTailnetAuthenticate({
    rules: { ...RULES, ...rules },
    tailnet: {
      async whois(address, o) {
        asked.push([address, o?.service]);
        if (whois) return whois(address);
        const name = TAILNET[address];
        return name === undefined ? null : whoIs(fixture(name));
      },
    },
    guard: { trouble: () => null, standing: () => true, isSelf: () => false, ...guard },
    roleExists: (name) => ['viewer', 'operator', 'admin', 'deploy'].includes(name),
    bearer({ bearer }) {
      const principal = tokens[bearer ?? ''];
      if (principal) return { principal };
      return { refused: new OpsError('permission', 'The token is unknown.'), status: 401, sent: true };
    },
    issuers,
    forged: (_, what) => void forged.push(what),
    log,
    now: () => NOW,
  });
  return {
    forged,
    lines,
    asked,
    ask: async (headers, bearer) => authenticate(shown(headers, bearer)),
  };
}

const shown = (headers: Record<string, string>, bearer?: string | null): Shown => ({
  listener: 'tailnet',
  address: undefined,
  bearer,
  header: (name) => headers[name],
});
const alice = (over: Record<string, string> = {}) => ({
  'x-forwarded-for': '100.64.0.20',
  'tailscale-user-login': 'alice@example.com',
  ...over,
});
const principalOf = (found: Recognised): Principal => {
  if ('principal' in found) return found.principal;
  throw new Error(`refused: ${found.refused.message}`);
};
const statusOfRefusal = (found: Recognised) => ('refused' in found ? found.status : 200);
const as = (name: string) => () => whoIs(fixture(name));
const node = (over: Partial<WhoIs>): WhoIs => ({ ...whoIs(fixture('whois-user.json')), ...over });

/** What a server would do that believes headers because they look like serve's. */
const naive = (headers: Record<string, string>): string | null => headers['tailscale-user-login'] ?? null;

describe('headers as serve sends them, and as it never does', () => {
  const cases = JSON.parse(fixture('serve-headers.json')) as {
    name: string;
    expect: string;
    headers: Record<string, string>;
  }[];
  const by = (name: string) => cases.find((c) => c.name === name)?.headers as Record<string, string>;

  test('each case of the fixture is one of these', () => {
    expect(cases.map((c) => [c.name, c.expect])).toEqual([
      ['user', 'identity'],
      ['user-with-caps', 'identity+caps'],
      ['tagged', 'no user; whois tags or deny'],
      ['cgnat-but-not-in-tailnet', 'deny'],
      ['funnel', 'deny'],
      ['forged-on-tcp-listener', 'headers ignored / 400'],
      ['xff-list', 'deny (Serve sends exactly one address)'],
      ['header-vs-whois-mismatch', 'deny+audit'],
      ['caps-not-json', 'no caps'],
    ]);
  });

  test.each(['user', 'user-with-caps', 'caps-not-json'])(
    '%s: a person, with the roles of tailscaled’s word',
    async (name) => {
      const r = rig();
      const who = principalOf(await r.ask(by(name)));
      expect(who).toMatchObject({
        id: 'tailnet:alice@example.com',
        kind: 'tailnet',
        roles: ['viewer'],
        credential: { login: 'alice@example.com', node: 'nLAPTOP2CNTRL', via: 'tailscale serve' },
        expiresAtMs: Date.UTC(2027, 2, 1, 10),
      });
      expect([who.scopes.size, who.aliases, who.valid()]).toEqual([0, undefined, true]);
      expect([r.forged, r.asked]).toEqual([[], [['100.64.0.20', null]]]);
    },
  );
  test('the header of capabilities gives nothing that tailscaled does not give, and that is said once', async () => {
    const r = rig({ whois: as('whois-user-nocaps.json') });
    const claim = alice({ 'tailscale-app-capabilities': JSON.stringify({ [CAP]: [{ role: 'admin' }, 'x'] }) });
    for (const _ of [1, 2]) expect(principalOf(await r.ask(claim)).roles).toEqual([]);
    expect(r.lines.map((l) => [l.fields.what, l.message])).toEqual([
      ['it claims admin', 'a header of capabilities is not believed'],
    ]);
    for (const odd of ['null', '7', '{}', `{"${CAP}":null}`, `{"${CAP}":[{"role":"viewer"}]}`]) {
      const quiet = rig();
      await quiet.ask(alice({ 'tailscale-app-capabilities': odd }));
      expect(quiet.lines.map((l) => l.message)).toEqual(['a grant of the tailnet gives no role here']);
    }
  });
  test('tagged: the tags, sorted, each an alias; nobody’s login', async () => {
    const who = principalOf(await rig().ask(by('tagged')));
    expect(who).toMatchObject({
      id: 'tailnet:tag:ci',
      aliases: ['tailnet:tag:ci'],
      roles: ['viewer'],
      credential: { tags: ['tag:ci'], node: 'nCI3CNTRL' },
      expiresAtMs: null,
    });
    const many = rig({ whois: () => node({ tags: ['tag:web', 'tag:ci', 'tag:web'], login: 'tagged-devices' }) });
    expect(principalOf(await many.ask({ 'x-forwarded-for': '100.64.0.30' }))).toMatchObject({
      id: 'tailnet:tag:ci,tag:web',
      aliases: ['tailnet:tag:ci', 'tailnet:tag:web'],
    });
  });
  test.each([
    ['cgnat-but-not-in-tailnet', 0],
    ['funnel', 0],
    ['xff-list', 1],
    ['header-vs-whois-mismatch', 1],
    ['forged-on-tcp-listener', 1],
  ])('%s: refused', async (name, forgeries) => {
    const r = rig();
    const found = await r.ask(by(name));
    expect(found).toMatchObject({ status: 403, sent: false, refused: { code: 'permission' } });
    expect(r.forged).toHaveLength(forgeries);
    if (forgeries) expect(naive(by(name)), 'the control').toMatch(/@/);
  });
});

describe('whoever is known is not always wanted', () => {
  test.each([
    ['another tailnet’s', () => as('whois-sharee.json')(), { 'tailscale-user-login': 'bob@elsewhere.test' }],
    ['an expired machine', () => as('whois-user-expired.json')(), {}],
    ['one that has by tailscaled’s word alone', () => node({ expired: true }), {}],
    ['a key that has run out by its own date', () => node({ keyExpiresAtMs: NOW }), {}],
    ['a login that looks like a tag', () => node({ login: 'tag:ci' }), { 'tailscale-user-login': 'tag:ci' }],
    [
      'a login that looks like another tailnet’s',
      () => node({ login: 'shared:a' }),
      { 'tailscale-user-login': 'shared:a' },
    ],
    ['a login with a line break', () => node({ login: 'a\nb' }), { 'tailscale-user-login': '=?utf-8?q?a=0Ab?=' }],
    [
      'the login of all tagged machines without a tag',
      () => node({ login: 'tagged-devices' }),
      { 'tailscale-user-login': 'tagged-devices' },
    ],
    ['a tag that is none', () => node({ tags: ['tag:a,tag:admin'] }), { 'tailscale-user-login': undefined }],
  ])('%s is refused', async (_, whois, headers) => {
    const sent = Object.fromEntries(Object.entries({ ...alice(), ...headers }).filter(([, v]) => v !== undefined));
    const r = rig({ whois });
    expect(await r.ask(sent as Record<string, string>)).toMatchObject({ status: 403, sent: false });
    expect(r.forged, 'it is who it says').toEqual([]);
  });
  test('people of another tailnet only where the owner says so, and never under a name of this one', async () => {
    const r = rig({ shared: true, whois: as('whois-sharee.json') });
    const sent = { 'x-forwarded-for': '100.64.0.90', 'tailscale-user-login': 'bob@elsewhere.test' };
    expect(principalOf(await r.ask(sent))).toMatchObject({ id: 'tailnet:shared:bob@elsewhere.test' });
    const tagged = rig({ shared: true, whois: () => node({ shared: true, tags: ['tag:ci'] }) });
    expect(principalOf(await tagged.ask({ 'x-forwarded-for': '100.64.0.90' }))).toMatchObject({
      id: 'tailnet:shared:tag:ci',
      aliases: ['tailnet:shared:tag:ci'],
    });
  });
  test('this host itself: a process here is not the one whose machine it is', async () => {
    const r = rig({ guard: { isSelf: (n) => n === 'nLAPTOP2CNTRL' } });
    expect(await r.ask(alice())).toMatchObject({
      status: 403,
      refused: { details: { hint: expect.stringContaining('stdio') } },
    });
    expect(principalOf(await r.ask(alice(), 'token')).id, 'a token says who').toBe('token:laptop');
  });
  test('login and header must be the same text', async () => {
    const login = 'Ångström@example.com';
    const r = rig({ whois: () => node({ login }) });
    const ask = (header: string) => r.ask(alice({ 'tailscale-user-login': header })).then(statusOfRefusal);
    expect(await ask('=?utf-8?q?=C3=85ngstr=C3=B6m@example.com?=')).toBe(200);
    expect(await ask('=?utf-8?q?=C3=85ngstr?= =?utf-8?q?=C3=B6m@example.com?=')).toBe(200);
    for (const other of ['alice@example.com', '=?utf-8?q?=C3=85?=', 'Ångström@example.com '.normalize('NFD'), ''])
      expect(await ask(other)).toBe(403);
    expect(await r.ask({ 'x-forwarded-for': '100.64.0.20' }).then(statusOfRefusal), 'none at all').toBe(403);
    // As Go leaves it: ASCII that looks encoded stays as it is.
    const odd = rig({ whois: () => node({ login: '=?utf-8?q?root?=' }) });
    expect(principalOf(await odd.ask(alice({ 'tailscale-user-login': '=?utf-8?q?root?=' }))).id).toBe(
      'tailnet:=?utf-8?q?root?=',
    );
    const root = rig({ whois: () => node({ login: 'mallory@example.com' }) });
    expect(statusOfRefusal(await root.ask(alice({ 'tailscale-user-login': '=?utf-8?q?alice=40example.com?=' })))).toBe(
      403,
    );
  });
});

describe('grants', () => {
  const roles = async (whois: () => WhoIs, capability: string | null = CAP) => {
    const r = rig({ whois, capability });
    const { roles: found } = principalOf(await r.ask(alice()));
    return [found, r.lines.filter((l) => l.message.includes('gives no role')).map((l) => l.fields.what)];
  };
  test.each(['whois-user-nocaps.json', 'whois-user-capmapnull.json', 'whois-user-capvaluenull.json'])(
    '%s: none',
    async (name) => {
      expect(await roles(as(name))).toEqual([[], []]);
    },
  );
  test('of wrong shapes: none, and each is said', async () => {
    expect(await roles(as('whois-user-badcap.json'))).toEqual([
      [],
      ['"admin"', '7', 'null', '{"role":["admin"]}', '{"role":"ADMIN"}', '{"__proto__x":1}'],
    ]);
  });
  test('one that says more than a role was meant narrower: none', async () => {
    expect(await roles(as('whois-user.json'))).toEqual([
      ['viewer'],
      ['{"role":"operator","tools":["service_restart"]}'],
    ]);
  });
  test('only of the capability that the owner names, roles that exist, each once', async () => {
    const grants = new Map<string, unknown[]>([
      [CAP, [{ role: 'deploy' }, { role: 'deploy' }, { role: 'viewer' }, { role: 'root' }, [], {}]],
      ['example.com/cap/other', [{ role: 'admin' }]],
    ]);
    expect(await roles(() => node({ grants }))).toEqual([
      ['deploy', 'viewer'],
      ['{"role":"root"}', '[]', '{}'],
    ]);
    expect(await roles(() => node({ grants }), null)).toEqual([[], []]);
    expect(await roles(() => node({ grants: new Map([[CAP, [...Array(64).fill(7), { role: 'admin' }]]]) }))).toEqual([
      [],
      ['7'],
    ]);
  });
  test('are said once; a tailnet with very many does not fill the log’s memory', async () => {
    const r = rig({
      whois: (address) => node({ node: address, grants: new Map([[CAP, [{ role: 'root' }]]]) }),
    });
    for (let i = 0; i < 502; i++) await r.ask(alice({ 'x-forwarded-for': `100.64.${i >> 8}.${i & 255}` }));
    await r.ask(alice({ 'x-forwarded-for': '100.64.1.245' }));
    expect(r.lines).toHaveLength(502);
    await r.ask(alice({ 'x-forwarded-for': '100.64.0.0' }));
    expect(r.lines, 'forgotten when there were 500').toHaveLength(503);
  });
});

describe('a token that is sent there', () => {
  test('decides who it is; a bad one is never made good by the machine it came from', async () => {
    const r = rig();
    expect(principalOf(await r.ask(alice(), 'token')).id).toBe('token:laptop');
    for (const bad of ['revoked', null]) expect(await r.ask(alice(), bad)).toMatchObject({ status: 401, sent: true });
  });
  test('does not open the way for who may not come in by it', async () => {
    for (const [headers, whois] of [
      [alice(), as('whois-user-expired.json')],
      [alice(), () => null],
      [alice({ 'tailscale-user-login': 'root@example.com' }), as('whois-user.json')],
      [{}, as('whois-user.json')],
    ] as const)
      expect(statusOfRefusal(await rig({ whois }).ask(headers as Record<string, string>, 'token'))).toBe(403);
  });
});

describe('from the Internet', () => {
  const funnel = { 'x-forwarded-for': '203.0.113.50', 'tailscale-funnel-request': '?1' };
  test('nothing is served unless the owner allows it and names an issuer; the hint says which', async () => {
    const hint = async (r: Rig, bearer?: string) => {
      const found = await r.ask(funnel, bearer);
      expect(found).toMatchObject({ status: 403, sent: false });
      return 'refused' in found ? found.refused.details.hint : '';
    };
    expect(await hint(rig(), 'jwt')).toContain('tailnet.funnel: allow');
    expect(await hint(rig({ issuers: true }), 'jwt')).toContain('tailnet.funnel: allow');
    expect(await hint(rig({ funnel: 'allow' }), 'jwt')).toContain('auth.issuers');
  });
  test('an issuer’s token alone decides: no identity of the tailnet, no token of this host', async () => {
    const r = rig({ funnel: 'allow', issuers: true });
    expect(principalOf(await r.ask(funnel, 'jwt')).id).toBe('jwt:home:alice');
    expect(await r.ask(funnel, 'token')).toMatchObject({ status: 401, sent: true });
    expect(await r.ask(funnel, 'revoked')).toMatchObject({ status: 401, sent: true });
    expect(await r.ask(funnel)).toMatchObject({ status: 401 });
    const asAlice = alice({ 'tailscale-funnel-request': '?0' });
    expect(statusOfRefusal(await r.ask(asAlice)), 'whatever else it says').toBe(401);
    expect(r.asked, 'tailscaled is not asked').toEqual([]);
  });
});

describe('what cannot be told', () => {
  test('is 503 with a time to wait, and says nothing of the host', async () => {
    const r = rig({
      whois() {
        throw new OpsError('unavailable', 'tailscaled may not be asked', { hint: 'ls -l /run/secret.sock' });
      },
    });
    for (const _ of [1, 2])
      expect(await r.ask(alice(), 'token')).toMatchObject({
        status: 503,
        sent: false,
        refused: { code: 'unavailable', details: { retryAfterMs: 2_000, hint: expect.not.stringContaining('secret') } },
      });
    expect(r.lines).toHaveLength(1);
  });
  test('a guard that is in doubt, or has found a hole, lets nobody in', async () => {
    const away = rig({ guard: { trouble: async () => new OpsError('unavailable', 'x', { retryAfterMs: 1 }) } });
    expect(await away.ask(alice(), 'token')).toMatchObject({ status: 503 });
    const open = rig({ guard: { trouble: () => new OpsError('permission', 'x') } });
    expect(await open.ask(alice(), 'token')).toMatchObject({ status: 403 });
    expect([...away.asked, ...open.asked]).toEqual([]);
  });
  test('what was granted ends when the guard falls', async () => {
    let standing = true;
    const who = principalOf(await rig({ guard: { standing: () => standing } }).ask(alice()));
    expect(who.valid()).toBe(true);
    standing = false;
    expect(who.valid()).toBe(false);
  });
});

describe('the guard', () => {
  const socket = '/run/opsmcp/mcp.sock';
  const ours = leadsToSocket(socket);
  const look = (text: string, funnel: 'deny' | 'allow' = 'deny') =>
    exposure(serveConfigOf(text), { funnel, socket, ours });
  const here = (name: string) => fixture(name).replaceAll('http://127.0.0.1:8080', `unix:${socket}`);

  test.each(['serve-config-ok.json', 'serve-config-service.json'])('%s: as it should be', (name) => {
    expect(look(fixture(name))).toBeNull();
  });
  test.each(['serve-config-funnel.json', 'serve-config-foreground-funnel.json'])(
    '%s: the Internet, where it leads here',
    (name) => {
      expect(look(fixture(name)), 'elsewhere').toBeNull();
      expect(look(here(name))).toMatchObject({
        kind: 'funnel',
        at: 'ops.tail-fake.ts.net:443',
        fix: expect.stringContaining(`tailscale serve --bg --https=443 unix:${socket}`),
      });
      expect(look(here(name), 'allow')).toBeNull();
    },
  );
  test('one path of a host that Funnel opens is as open as the others', () => {
    const web = { Handlers: { '/': { Proxy: 'http://127.0.0.1:8080' }, '/mcp': { Proxy: `unix:${socket}` } } };
    expect(look(JSON.stringify({ Web: { 'a:443': web }, AllowFunnel: { 'a:443': true } }))).toMatchObject({
      kind: 'funnel',
    });
    expect(look(JSON.stringify({ Web: { 'a:443': web }, AllowFunnel: { 'a:8443': true } }))).toBeNull();
  });
  test('plain TCP hands on whatever a peer writes: never, also where Funnel may be', () => {
    const tcp = JSON.stringify({ TCP: { 443: { TCPForward: `unix:${socket}`, TerminateTLS: 'a' } } });
    for (const funnel of ['deny', 'allow'] as const)
      expect(look(tcp, funnel)).toMatchObject({
        kind: 'tcp',
        at: '*:443',
        fix: expect.stringContaining('--tcp=443 off'),
      });
    expect(look(JSON.stringify({ TCP: { 22: { TCPForward: '127.0.0.1:22' } } }))).toBeNull();
  });

  function guarded(texts: { serve: string }) {
    let elapsed = 0;
    let asked = 0;
    const lines: string[] = [];
    const line = (level: string) => (_: object, message: string) => void lines.push(`${level} ${message}`);
    const guard = createGuard({
      tailnet: {
        async serveConfig() {
          asked++;
          if (texts.serve === 'away') throw new OpsError('unavailable', 'tailscaled is not running here');
          return serveConfigOf(texts.serve);
        },
        status: async () => statusOf(fixture('status-running.json')),
      },
      look: (config) => exposure(config, { funnel: 'deny', socket, ours }),
      log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
      elapsed: () => elapsed,
    });
    const after = (ms: number) => {
      elapsed += ms;
    };
    return { guard, lines, asked: () => asked, after };
  }

  test('asks once a minute, whoever comes; says each change once', async () => {
    const texts = { serve: fixture('serve-config-ok.json') };
    const g = guarded(texts);
    expect([g.guard.standing(), g.guard.isSelf('nSERVER1CNTRL')]).toEqual([false, false]);
    expect(await Promise.all([g.guard.trouble(), g.guard.trouble()])).toEqual([null, null]);
    expect([g.guard.standing(), g.guard.isSelf('nSERVER1CNTRL'), g.guard.isSelf('x')]).toEqual([true, true, false]);
    // Funnel is switched on.
    texts.serve = here('serve-config-funnel.json');
    g.after(59_999);
    expect(g.guard.trouble(), 'at once').toBeNull();
    g.after(1);
    expect(await g.guard.trouble()).toMatchObject({
      code: 'permission',
      details: { hint: expect.stringContaining('Funnel') },
    });
    expect(g.guard.standing()).toBe(false);
    expect(g.guard.trouble()).toMatchObject({ code: 'permission' });
    g.after(60_000);
    await g.guard.trouble();
    texts.serve = JSON.stringify({ TCP: { 443: { TCPForward: `unix:${socket}` } } });
    g.after(60_000);
    expect(await g.guard.trouble()).toMatchObject({ details: { hint: expect.stringContaining('TCP') } });
    texts.serve = fixture('serve-config-ok.json');
    g.after(60_000);
    expect(await g.guard.trouble()).toBeNull();
    expect(g.asked()).toBe(5);
    expect(g.lines.map((l) => l.split(' ')[0])).toEqual(['error', 'error', 'info']);
  });
  test('without an answer nobody is let in, and the next request asks again', async () => {
    const texts = { serve: 'away' };
    const g = guarded(texts);
    for (const _ of [1, 2])
      expect(await g.guard.trouble()).toMatchObject({ code: 'unavailable', details: { retryAfterMs: 2_000 } });
    expect([g.asked(), g.guard.standing(), g.lines.length]).toEqual([2, false, 1]);
    texts.serve = fixture('serve-config-ok.json');
    expect(await g.guard.trouble()).toBeNull();
    texts.serve = 'away';
    g.after(60_000);
    expect(await g.guard.trouble()).toMatchObject({ code: 'unavailable' });
    expect(g.guard.standing(), 'an old answer is none').toBe(false);
  });
});

describe('headers', () => {
  test('one address', () => {
    expect(['100.64.0.20', 'FD7A:115C:A1E0::14', '::ffff:100.64.0.20'].map(oneAddress)).toEqual([
      '100.64.0.20',
      'fd7a:115c:a1e0::14',
      '100.64.0.20',
    ]);
    for (const odd of [
      '',
      '100.64.0.20, 1.2.3.4',
      '100.64.0.20,',
      '100.64.0.20:80',
      '[fd7a::1]',
      'fe80::1%eth0',
      '0100.64.0.20',
      '100.64.0',
      'localhost',
      '2130706433',
      ' 100.64.0.20',
      'unknown',
      undefined,
    ])
      expect(oneAddress(odd), String(odd)).toBeNull();
  });
  test('text of RFC 2047, and what is none', () => {
    expect(decoded('=?utf-8?q?Alice_=C3=85ngstr=C3=B6m?=')).toBe('Alice Ångström');
    expect(decoded('=?UTF-8?Q?a?= =?utf-8?q?b?=')).toBe('ab');
    expect(decoded('alice@example.com')).toBe('alice@example.com');
    for (const odd of ['=?utf-8?q?=C3?=', '=?utf-8?q?=FF?=', 'Ã…', 'a\u0000']) expect(decoded(odd), odd).toBeNull();
    // Not Go's: stays as it is, and fits no login.
    expect(decoded('=?utf-8?b?YQ==?=')).toBe('=?utf-8?b?YQ==?=');
    expect(decoded('x=?utf-8?q?a?=')).toBe('x=?utf-8?q?a?=');
    expect(decoded('=?utf-8?q?a=ZZ?=')).toBe('a=ZZ');
  });
});

describe('forging, at random', () => {
  const address = fc.constantFrom(
    '100.64.0.20',
    '100.64.0.30',
    '100.64.0.90',
    '100.64.0.99',
    '127.0.0.1',
    '100.160.1.1',
    '203.0.113.7',
  );
  const forwarded = fc.oneof(
    address,
    fc.array(address, { minLength: 2, maxLength: 3 }).map((a) => a.join(', ')),
    fc.string(),
    fc.constant(undefined),
  );
  const login = fc.oneof(
    fc.constantFrom(
      'alice@example.com',
      'root@example.com',
      'bob@elsewhere.test',
      'tagged-devices',
      'tag:ci',
      'ALICE@example.com',
      '=?utf-8?q?alice=40example.com?=',
    ),
    fc.string(),
    fc.constant(undefined),
  );
  const caps = fc.oneof(
    fc.constantFrom(JSON.stringify({ [CAP]: [{ role: 'admin' }] }), '{', '[]'),
    fc.json(),
    fc.constant(undefined),
  );
  const funnel = fc.constantFrom(undefined, undefined, undefined, '?1', '');
  const bearer = fc.constantFrom(undefined, undefined, 'token', 'revoked', null);

  test('whoever is let in is whom tailscaled knows at that one address, with the roles that it gives; believing headers lets others in', async () => {
    let believed = 0;
    await fc.assert(
      fc.asyncProperty(forwarded, login, caps, funnel, bearer, async (xff, user, cap, fun, token) => {
        const headers = Object.fromEntries(
          Object.entries({
            'x-forwarded-for': xff,
            'tailscale-user-login': user,
            'tailscale-app-capabilities': cap,
            'tailscale-funnel-request': fun,
          }).filter(([, v]) => v !== undefined),
        ) as Record<string, string>;
        const found = await rig().ask(headers, token);
        const claimed = naive(headers);
        if (!('principal' in found)) {
          if (claimed !== null) believed++;
          return;
        }
        const { principal } = found;
        const known = TAILNET[xff ?? ''];
        expect(fun).toBeUndefined();
        expect(known).toBeDefined();
        const truth = whoIs(fixture(known as string));
        if (token !== undefined) expect([token, principal.id]).toEqual(['token', 'token:laptop']);
        else {
          expect(principal.roles).toEqual(['viewer']);
          expect(principal.id).toBe(truth.tags.length > 0 ? 'tailnet:tag:ci' : 'tailnet:alice@example.com');
        }
        if (truth.tags.length > 0) expect(user).toBeUndefined();
        else expect(['alice@example.com', '=?utf-8?q?alice=40example.com?=']).toContain(user);
      }),
      { numRuns: 2_000 },
    );
    expect(believed, 'the control').toBeGreaterThan(100);
  });
});
