/** Two tokens with different policies over HTTP, the real tools behind it, and what `policy explain` says of the same calls. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type App, createApp } from '../../src/app.ts';
import { explain, show } from '../../src/cli/policy.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createHttp, type HttpFace } from '../../src/edge/http.ts';
import { runOf, screen } from '../cli/screen.ts';
import { quiet } from '../fakes/policy.ts';

let home: string;
let app: App;
let face: HttpFace;
let url: string;
const secrets: Record<string, string> = {};
const at = (path: string) => join(home, 'root', path);

beforeAll(async () => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'deckhand-policy-')));
  for (const folder of ['root', 'root/web', 'root/private']) mkdirSync(join(home, folder));
  writeFileSync(at('web/a.txt'), 'needle in the open\n');
  writeFileSync(at('private/key.txt'), 'needle of the owner\n');
  symlinkSync('../private/key.txt', at('web/link'));
  writeFileSync(
    join(home, 'c.yaml'),
    `files:
  roots:
    - {path: ${join(home, 'root')}, access: write, symlinks: inside}
roles:
  - {name: web, scopes: ["files:write", "logs:read"], allow: ["tool:file_*", "tool:log_query", "path:${at('web')}"], changesPerDay: 1}
principals:
  - {who: "token:reader", deny: ["path:${at('private')}", "tool:net_probe"]}
  - {who: "token:writer", roles: [web], callsPerMinute: 50}
`,
    { mode: 0o600 },
  );
  const loaded = await loadConfig({
    env: {
      HOME: home,
      DECKHAND_CONFIG: join(home, 'c.yaml'),
      DECKHAND_STATE_DIR: join(home, 'state'),
      DECKHAND_MODE: 'full',
      DECKHAND_TOOLSETS: 'all',
      DECKHAND_AUDIT_HEADS: 'off',
      DECKHAND_HTTP_PORT: '0',
    },
  });
  app = await createApp({ loaded, log: quiet, role: 'serve', version: 'test' });
  const { http } = app.config;
  const { authenticate, tier, resource } = await app.auth();
  face = createHttp({
    door: app.door,
    info: app.info,
    log: quiet,
    http: { ...http, allowedHosts: [...http.allowedHosts], allowedOrigins: [...http.allowedOrigins] },
    live: () => true,
    ready: app.ready,
    transfers: app.transfers,
    authenticate,
    resource,
    tier,
    drainMs: 2_000,
  });
  ({ url } = await face.listen());
  for (const [name, role] of [
    ['reader', 'viewer'],
    ['writer', 'ghost'],
    ['owner', 'admin'],
    ['named', 'web'],
  ] as const)
    secrets[name] = app.tokens.add({ name, role }).secret;
});
afterAll(async () => {
  await face.close();
  await app.close();
  rmSync(home, { recursive: true, force: true });
});

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
async function rpc(who: string, method: string, params: Record<string, unknown> = {}) {
  const name = typeof params.name === 'string' ? { 'mcp-name': params.name } : {};
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${secrets[who]}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...name,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: META } }),
  });
  const text = await response.text();
  const body = text.startsWith('{') ? text : (/^data: (.*)$/m.exec(text)?.[1] ?? '{}');
  return {
    status: response.status,
    body: JSON.parse(body) as { result?: { isError?: boolean; tools?: { name: string }[] }; error?: object },
    text,
  };
}
const call = async (who: string, tool: string, args: object) => {
  const { status, body, text } = await rpc(who, 'tools/call', { name: tool, arguments: args });
  return { ok: status === 200 && body.result !== undefined && body.result.isError !== true, text, status };
};
const toolsOf = async (who: string) => (await rpc(who, 'tools/list')).body.result?.tools?.map((t) => t.name) ?? [];
const explained = async (who: string, tool: string, args: object, own: Record<string, unknown> = {}) => {
  const io = screen();
  const rest = Object.entries(args).flatMap(([k, v]) => [`--${k}`, String(v)]);
  const kept = { ...app, close: async () => {} };
  const exit = await explain(runOf(io, kept, { own: { as: who, ...own } as never, positionals: ['call', tool], rest }));
  return { exit, said: io.stdout };
};

test('each sees its tools: by scopes, roles and denies', async () => {
  const [reader, writer, owner] = await Promise.all(['reader', 'writer', 'owner'].map(toolsOf));
  expect(reader).toContain('file_read');
  expect(reader).not.toContain('net_probe');
  expect(writer?.filter((n) => !/^file_|^log_query$|^result_query$/.test(n))).toEqual([]);
  expect(writer).toContain('file_write');
  expect(owner).toContain('net_probe');
});

test('one path, three answers, and the same from explain', async () => {
  const key = { path: at('private/key.txt') };
  expect((await call('owner', 'file_read', key)).text).toContain('needle of the owner');
  for (const who of ['reader', 'writer', 'named']) {
    const no = await call(who, 'file_read', key);
    expect(no.ok, who).toBe(false);
    expect(no.text).toContain('policy');
    expect(no.text).not.toMatch(/principals\[|roles\.|needle/);
    const why = await explained(`token:${who}`, 'file_read', key);
    expect([who, why.exit]).toEqual([who, 3]);
    expect(why.said).toMatch(
      who === 'reader' ? /^no: principals\[0\]\.deny\[0\] \(.*c\.yaml:7\)/ : /^no: roles\.web\.allow/,
    );
    expect((await call(who, 'file_read', { path: at('web/a.txt') })).ok, who).toBe(true);
    expect((await explained(`token:${who}`, 'file_read', { path: at('web/a.txt') })).exit).toBe(0);
  }
});

test('neither a link, a search nor another spelling leads around it; for the owner they do (control)', async () => {
  expect((await call('owner', 'file_read', { path: at('web/link') })).text).toContain('needle of the owner');
  for (const who of ['reader', 'writer']) {
    for (const path of [
      at('web/link'),
      `file://${at('private/key.txt')}`,
      at('private/./key.txt'),
      at('web/../private/key.txt'),
    ]) {
      const got = await call(who, 'file_read', { path });
      expect([path, got.ok], who).toEqual([path, false]);
      expect(got.text).not.toContain('needle of');
    }
  }
  const all = await call('owner', 'file_search', { path: join(home, 'root'), grep: 'needle' });
  const some = await call('reader', 'file_search', { path: join(home, 'root'), grep: 'needle' });
  expect([all.text.includes('key.txt'), some.text.includes('key.txt'), some.text.includes('a.txt')]).toEqual([
    true,
    false,
    true,
  ]);
});

test('a role’s changes a day are its own; a role that nobody defined gives nothing', async () => {
  const write = (n: number) => call('named', 'file_write', { path: at(`web/new${n}.txt`), content: 'x' });
  expect((await write(1)).ok).toBe(true);
  const second = await write(2);
  expect([second.ok, second.text.includes('Too many calls')]).toEqual([false, true]);
  expect(
    app.explain.show({
      id: 'token:x',
      kind: 'token',
      scopes: new Set(),
      roles: ['ghost'],
      expiresAtMs: null,
      valid: () => true,
    }),
  ).toMatchObject({
    roles: [],
    scopes: [],
  });
});

test('the line is on record', () => {
  const folder = join(home, 'state', 'audit');
  const lines = readdirSync(folder)
    .filter((name) => /^\d{8}T/.test(name))
    .map((name) => readFileSync(join(folder, name), 'utf8'));
  expect(lines.join('')).toMatch(/"rule":"principals\[0\]\.deny\[0\]/);
});

test('explain goes through each step, and show tells what one has', async () => {
  const path = { path: at('web/a.txt') };
  expect((await explained('token:reader', 'file_raed', {})).said).toContain('nearest: file_read');
  expect((await explained('token:reader', 'net_probe', {})).said).toContain('never lets this tool through');
  expect((await explained('token:reader', 'file_write', { ...path, content: 'x' })).said).toContain(
    'lacks files:write',
  );
  expect((await explained('token:owner', 'file_read', {}, {})).said).toContain('arguments are not valid');
  expect((await explained('token:owner', 'undo', { receipt: `t_${'a'.repeat(26)}` })).said).toContain('no receipt');
  expect((await explained('token:owner', 'file_delete', { ...path, permanent: true })).said).toMatch(
    /^yes, once a person says so/,
  );
  const json = JSON.parse((await explained('jwt:home:x', 'file_read', path, { role: ['web'], json: true })).said);
  expect(json).toMatchObject({
    yes: true,
    who: 'jwt:home:x',
    targets: [`path:${at('web/a.txt')}`],
    limits: { changesPerDay: 1 },
  });
  const io = screen();
  const kept = { ...app, close: async () => {} };
  expect(await show(runOf(io, kept, { own: { as: 'token:writer' } }))).toBe(0);
  expect(io.stdout).toMatch(/token:writer, web[\s\S]*files:write, logs:read[\s\S]*file_write[\s\S]*callsPerMinute 50/);
  for (const [as, code] of [
    ['', 'validation'],
    ['laptop', 'validation'],
    ['token:raeder', 'not_found'],
  ] as const)
    await expect(explained(as, 'file_read', path)).rejects.toMatchObject({ code });
  await expect(explained('tailnet:a@b', 'file_read', path, { scope: ['file:read'] })).rejects.toMatchObject({
    code: 'validation',
  });
  const bad = runOf(io, kept, { own: { as: 'cli:0' }, positionals: ['make', 'file_read'] });
  await expect(explain(bad)).rejects.toMatchObject({ code: 'validation' });
  for (const as of ['stdio:1000', 'cli:0', 'tailnet:tag:a,tag:b'])
    expect([0, 3]).toContain((await explained(as, 'file_read', path)).exit);
});
