/**
 * The tailnet from end to end: an official client, a stand-in for `tailscale serve`, the socket, the whole house with its real tools, and
 * a tailscaled that answers, refuses, hangs and serves what it should not. The audit is read at the end: what was forged is on record.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type App, createApp } from '../src/app.ts';
import { loadConfig } from '../src/config/load.ts';
import { createHttp, type HttpFace } from '../src/edge/http.ts';
import { tailnetSocket } from '../src/edge/tailnet_socket.ts';
import { quiet } from './fakes/policy.ts';
import { fixture, type Peer, type Serve, serve, type Tailscaled, tailscaled } from './fakes/tailscaled.ts';

const ALICE: Peer = { address: '100.64.0.20', login: 'alice@example.com' };
const BOB: Peer = { address: '100.64.0.21', login: 'bób@example.com' };
const CI: Peer = { address: '100.64.0.30' };
const SHAREE: Peer = { address: '100.64.0.90', login: 'bob@elsewhere.test' };
const CAP = 'example.com/cap/opsmcp';

let dir: string;
let fake: Tailscaled;
let app: App;
let face: HttpFace;
let front: Serve;
let url: string;
let clients: Client[];

const bob = () => {
  const whois = JSON.parse(fixture('whois-user.json'));
  whois.Node.StableID = 'nBOB4CNTRL';
  whois.UserProfile.LoginName = BOB.login;
  whois.CapMap = { [CAP]: [{ role: 'operator' }] };
  return JSON.stringify(whois);
};

async function start(tailnet = '', settings = ''): Promise<void> {
  const file = join(dir, 'config.yaml');
  writeFileSync(
    file,
    `mode: full
http: {port: 0, requestsPerMinutePerAddress: 100000}
tailnet: {socket: ${join(dir, 'mcp.sock')}, localApi: ${fake.socket}, capability: ${CAP}${tailnet}}
files: {roots: [{path: ${dir}, access: write}]}
principals:
  - {who: "tailnet:alice@example.com", roles: [viewer]}
  - {who: "tailnet:tag:ci", deny: ["tool:process_list"]}
${settings}`,
    { mode: 0o600 },
  );
  const loaded = await loadConfig({
    env: { HOME: dir, DECKHAND_STATE_DIR: join(dir, 'state'), DECKHAND_AUDIT_HEADS: 'off', DECKHAND_CONFIG: file },
    defaultFile: join(dir, 'none.yaml'),
  });
  app = await createApp({ loaded, log: quiet, role: 'serve', version: '0' });
  const { authenticate, resource, tailnet: way } = await app.auth();
  if (!way) throw new Error('no tailnet');
  face = createHttp({
    ...app,
    authenticate,
    resource,
    http: { ...app.config.http, allowedHosts: [], allowedOrigins: [] },
  });
  url = (await face.listen()).url;
  await face.beside('tailnet', tailnetSocket({ path: way.socket, lease: () => app.lease('tailnet') }));
  front = await serve(way.socket, ALICE);
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-tn-'));
  fake = await tailscaled(join(dir, 'd.sock'));
  fake.serve = fake.serve.replace('/run/opsmcp/mcp.sock', join(dir, 'mcp.sock'));
  fake.whois
    .set('100.64.0.20', 'whois-user.json')
    .set('100.64.0.21', bob())
    .set('100.64.0.30', 'whois-tagged.json')
    .set('100.64.0.90', 'whois-sharee.json');
  clients = [];
});
afterEach(async () => {
  for (const client of clients) await client.close();
  await front.close();
  await face.close();
  await app.close();
  await fake.close();
  rmSync(dir, { recursive: true, force: true });
});

async function connect(peer: Peer, headers: Record<string, string> = {}): Promise<Client> {
  front.peer = peer;
  const client = new Client({ name: 'e2e', version: '1' }, {
    versionNegotiation: { mode: { pin: '2026-07-28' } },
  } as never);
  clients.push(client);
  await client.connect(new StreamableHTTPClientTransport(new URL(front.url), { requestInit: { headers } }));
  return client;
}
const names = async (client: Client) => (await client.listTools()).tools.map((t) => t.name);
/** As a plain HTTP client: status and what it is told. */
async function ask(peer: Peer, headers: Record<string, string> = {}, at = front.url) {
  front.peer = peer;
  const response = await fetch(at, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'process_list',
      ...headers,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: {
        name: 'process_list',
        arguments: {},
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    }),
  });
  const body = (await response.json()) as { error?: { message: string; data?: { hint?: string } } };
  return { status: response.status, hint: body.error?.data?.hint ?? '', headers: response.headers };
}
const audit = () =>
  readdirSync(join(dir, 'state', 'audit'))
    .filter((f) => f.endsWith('.jsonl') && f !== 'index.jsonl')
    .flatMap((f) =>
      readFileSync(join(dir, 'state', 'audit', f), 'utf8')
        .trim()
        .split('\n'),
    )
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('an official client lists and calls as whom its machine belongs to; each sees what is theirs', async () => {
  await start();
  const alice = await connect(ALICE);
  const hers = await names(alice);
  const overview = await alice.callTool({ name: 'system_overview', arguments: {} });
  expect(overview.isError, JSON.stringify(overview.content)).not.toBe(true);
  // What the client says of itself is deleted on the way, and counts nothing where it is not.
  const his = await names(await connect(BOB, { 'Tailscale-User-Login': 'root@example.com' }));
  expect(hers).toContain('system_overview');
  expect(his).toEqual(expect.arrayContaining([...hers, 'file_edit']));
  expect(hers).not.toContain('file_edit');
  const thing = await names(await connect(CI));
  expect([thing.includes('system_overview'), thing.includes('process_list'), thing.includes('file_edit')]).toEqual([
    true,
    false,
    false,
  ]);

  const who = audit()
    .filter((r) => r.event === 'call')
    .map((r) => [r.who, r.tool, r.outcome, r.address]);
  expect(who).toContainEqual(['tailnet:alice@example.com', 'system_overview', 'done', '100.64.0.20']);
  expect(
    new Set(
      audit()
        .filter((r) => r.event === 'security' && r.kind === 'new_principal')
        .map((r) => r.who),
    ),
  ).toEqual(new Set(['tailnet:alice@example.com', `tailnet:${BOB.login}`, 'tailnet:tag:ci']));
});

test('a viewer changes nothing; an operator by grant does; a grant taken back ends at the next request', async () => {
  await start();
  const path = join(dir, 'note.txt');
  const write = { name: 'file_edit', arguments: { path, edits: [{ find: 'before', replace: 'after' }] } };
  writeFileSync(path, 'before\n');
  front.peer = ALICE;
  const alice = await connect(ALICE);
  const refused = await alice.callTool(write).then(
    (r) => r.isError === true,
    () => true,
  );
  expect([refused, readFileSync(path, 'utf8')]).toEqual([true, 'before\n']);

  const operator = await connect(BOB);
  const done = await operator.callTool(write);
  expect([done.isError ?? false, readFileSync(path, 'utf8')], JSON.stringify(done.content)).toEqual([false, 'after\n']);
  fake.whois.set('100.64.0.21', bob().replace('"operator"', '"viewer"'));
  const again = { ...write, arguments: { path, edits: [{ find: 'after', replace: 'gone' }] } };
  expect(
    await operator.callTool(again).then(
      (r) => r.isError === true,
      () => true,
    ),
  ).toBe(true);
  fake.whois.delete('100.64.0.21');
  await expect(operator.listTools(), 'out of the tailnet').rejects.toThrow();
  expect(readFileSync(path, 'utf8')).toBe('after\n');
  const ends = audit().filter((r) => r.event === 'call' && r.tool === 'file_edit');
  expect(ends.map((r) => [r.who, r.outcome])).toEqual([
    ['tailnet:alice@example.com', 'permission'],
    [`tailnet:${BOB.login}`, 'done'],
    [`tailnet:${BOB.login}`, 'permission'],
  ]);
});

test('the URL of a file is where its caller came to, and serves there', async () => {
  await start('', 'toolsets: [all]\n');
  writeFileSync(join(dir, 'big.txt'), 'x'.repeat(10));
  const client = await connect(BOB);
  const result = await client.callTool({ name: 'file_download', arguments: { path: join(dir, 'big.txt') } });
  const { url: at } = result.structuredContent as { url: string };
  // The stand-in speaks plain HTTP, and says that it does not.
  expect(at.replace('https:', 'http:')).toMatch(new RegExp(`^${front.url.replace('/mcp', '/transfers/')}`));
  expect(await (await fetch(at.replace('https:', 'http:'))).text()).toBe('x'.repeat(10));
  front.peer = ALICE;
  expect((await fetch(at.replace('https:', 'http:'))).status, 'another’s').toBe(404);
});

describe('who is refused, with what', () => {
  test('strangers, people of other tailnets, expired machines, and this host itself', async () => {
    await start();
    expect((await ask(ALICE)).status).toBe(200);
    expect(
      (await ask({ address: '100.160.161.162', login: 'alice@example.com' })).status,
      'an address of the range proves nothing',
    ).toBe(403);
    expect(await ask(SHAREE)).toMatchObject({ status: 403, hint: expect.stringContaining('tailnet.shared') });
    fake.whois.set('100.64.0.20', 'whois-user-expired.json');
    expect((await ask(ALICE)).status).toBe(403);
    fake.whois.set('100.64.0.10', fixture('whois-user.json').replace('nLAPTOP2CNTRL', 'nSERVER1CNTRL'));
    expect(await ask({ ...ALICE, address: '100.64.0.10' })).toMatchObject({
      status: 403,
      hint: expect.stringContaining('stdio'),
    });
  });

  test('who writes the headers themselves: on the socket they are compared, elsewhere ignored; both are on record', async () => {
    await start();
    const socketPath = join(dir, 'mcp.sock');
    const direct = (headers: Record<string, string>) =>
      new Promise<number | undefined>((ok) =>
        request(
          { socketPath, method: 'POST', path: '/mcp', agent: false, headers: { host: 'localhost', ...headers } },
          (r) => {
            r.resume();
            ok(r.statusCode);
          },
        ).end(),
      );
    const login = { 'tailscale-user-login': 'alice@example.com' };
    expect(await direct(login), 'no address').toBe(403);
    expect(await direct({ ...login, 'x-forwarded-for': '100.64.0.30' }), 'another’s address').toBe(403);
    expect(await direct({ ...login, 'x-forwarded-for': '100.64.0.20, 100.64.0.99' })).toBe(403);
    expect(await direct({ 'x-forwarded-for': '100.64.0.20' }), 'no login').toBe(403);
    const root = {
      'tailscale-user-login': 'alice@example.com',
      'x-forwarded-for': '100.64.0.20',
      'tailscale-app-capabilities': `{"${CAP}":[{"role":"admin"}]}`,
    };
    expect((await ask(ALICE, root, url)).status, 'on TCP').toBe(401);
    const { secret } = app.tokens.add({ name: 'laptop', role: 'viewer' } as never);
    expect(
      (await ask(ALICE, { ...root, authorization: `Bearer ${secret}` }, url)).status,
      'a token alone counts there',
    ).toBe(200);
    await face.close();
    await app.close();
    const records = audit();
    expect(records.filter((r) => r.event === 'call').map((r) => r.who)).toEqual(['token:laptop']);
    const forged = records.filter((r) => r.event === 'security' && r.kind === 'forged');
    expect(forged.length).toBeGreaterThanOrEqual(2);
    expect(JSON.stringify(forged)).toContain('tailscale-user-login');
    expect(JSON.stringify(forged)).toMatch(/not one address|not the one of its address|no login/);
  });

  test('a token decides for whoever sends one, and a revoked one is not made good by the machine', async () => {
    await start();
    const { secret } = app.tokens.add({ name: 'small', role: 'viewer' } as never);
    const client = await connect(BOB, { authorization: `Bearer ${secret}` });
    expect(await names(client)).not.toContain('file_edit');
    app.tokens.revoke('small');
    expect((await ask(BOB, { authorization: `Bearer ${secret}` })).status).toBe(401);
    expect((await ask(BOB)).status, 'without it').toBe(200);
  });
});

describe('a tailscaled that', () => {
  test('hangs: 503 and when to come again, and others are served meanwhile', async () => {
    await start();
    expect((await ask(ALICE)).status).toBe(200);
    fake.instead = () => {};
    const { secret } = app.tokens.add({ name: 'local', role: 'viewer' } as never);
    const [away, local] = await Promise.all([ask(ALICE), ask(ALICE, { authorization: `Bearer ${secret}` }, url)]);
    expect([away.status, away.headers.get('retry-after'), local.status]).toEqual([503, '2', 200]);
    fake.instead = null;
    expect((await ask(ALICE)).status).toBe(200);
  });
  test('is not there at the start: nobody is let in until it is', async () => {
    const { socket } = fake;
    await fake.close();
    await start();
    expect((await ask(ALICE)).status).toBe(503);
    const whois = fake.whois;
    fake = await tailscaled(socket);
    fake.whois = whois;
    expect((await ask(ALICE)).status).toBe(200);
  });
  test('opens the socket to the Internet: nobody is recognised, and the hint says why', async () => {
    fake.serve = fixture('serve-config-foreground-funnel.json').replace(
      'http://127.0.0.1:8080',
      `unix:${join(dir, 'mcp.sock')}`,
    );
    await start();
    expect(await ask(ALICE)).toMatchObject({ status: 403, hint: expect.stringContaining('tailnet.funnel') });
  });
  test('hands on plain TCP to it: nobody is recognised', async () => {
    fake.serve = JSON.stringify({ TCP: { 443: { TCPForward: `unix:${join(dir, 'mcp.sock')}` } } });
    await start();
    expect(await ask(ALICE)).toMatchObject({ status: 403, hint: expect.stringContaining('TCP') });
  });
  test('brings somebody from the Internet: 403 and the setting that would let them in by OAuth', async () => {
    await start();
    expect(await ask({ address: '203.0.113.50', funnel: true })).toMatchObject({
      status: 403,
      hint: expect.stringContaining('tailnet.funnel: allow'),
    });
    expect((await ask({ address: '100.64.0.20', funnel: true })).status, 'whatever address it has').toBe(403);
  });
  test('brings them where the owner allows it, and there is no issuer', async () => {
    await start(', funnel: allow');
    expect(await ask({ address: '203.0.113.50', funnel: true })).toMatchObject({
      status: 403,
      hint: expect.stringContaining('auth.issuers'),
    });
    expect((await ask(ALICE)).status, 'the tailnet is served').toBe(200);
  });
});
