/** The audit through the whole house: who may search it, that a search is on record itself, and that a flood is counted. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type App, auditOf, createApp } from '../src/app.ts';
import { loadConfig } from '../src/config/load.ts';
import { OpsError } from '../src/core/errors.ts';
import { ROLES, type Scope, scopesOf } from '../src/core/scopes.ts';
import type { AuditAnswer } from '../src/tools/audit_search.ts';
import { callOf, quiet, who } from './fakes/policy.ts';

let dir: string;
let app: App;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-audit-'));
  const loaded = await loadConfig({
    env: { HOME: dir, DECKHAND_STATE_DIR: join(dir, 'state'), DECKHAND_TOOLSETS: 'all', DECKHAND_AUDIT_HEADS: 'off' },
    defaultFile: join(dir, 'none.yaml'),
  });
  app = await createApp({ loaded, log: quiet, role: 'cli', version: 'test' });
});
afterEach(async () => {
  await app.close();
  rmSync(dir, { recursive: true, force: true });
});
const of = (name: string, scopes: readonly Scope[]) => who(`token:${name}`, [...scopes]);
const search = (args: object, scopes: readonly Scope[] = ['audit:read']) =>
  app.door.run(callOf('audit_search', args, { principal: of('auditor', scopes) }));
const records = async (args: object) => {
  const outcome = await search(args);
  if (outcome.status !== 'done') throw new Error(JSON.stringify(outcome));
  return outcome.data as unknown as AuditAnswer;
};

test.each(ROLES)('role %s', async (role) => {
  const outcome = await search({}, scopesOf(role));
  const tools = app.door.visible(of('x', scopesOf(role)), undefined).map((t) => t.name);
  expect(tools.includes('audit_search')).toBe(role === 'admin');
  if (role === 'admin') expect(outcome.status).toBe('done');
  else
    expect(outcome).toMatchObject({
      status: 'failed',
      error: { code: 'permission', message: expect.stringContaining('audit:read') },
    });
});

test('a search is on record like any other call, and finds those before it', async () => {
  await app.door.run(
    callOf(
      'process_lst',
      { secret: `dh_${'A'.repeat(43)}` },
      { client: 'odd\u001b[2J', principal: of('a', ['system:read']) },
    ),
  );
  const { records: first } = await records({});
  expect(first).toMatchObject([
    { event: 'call', who: 'token:a', tool: 'process_lst', outcome: 'not_found', client: 'odd' },
  ]);
  expect(JSON.stringify(first)).not.toContain('AAAA');
  const { records: second } = await records({ tool: 'audit_search' });
  expect(second).toMatchObject([{ who: 'token:auditor', risk: 'sensitive', outcome: 'done' }]);
  const outcome = await search({});
  expect(outcome.status === 'done' && outcome.text).toMatch(/⟦untrusted [0-9a-f]{8} audit⟧[\s\S]*process_lst/);
});

test('many records are cut like any long list, and paged to the end', async () => {
  for (let i = 0; i < 150; i++) await app.door.run(callOf('nothing', { i }, { principal: of('a', ['system:read']) }));
  const whole = await search({ limit: 200, tool: 'nothing' });
  if (whole.status !== 'done') throw new Error('failed');
  expect((whole.data as { more?: { handle: string } }).more?.handle).toMatch(/^r_/);
  const seen = new Set<string>();
  let from: string | null | undefined;
  do {
    const page: AuditAnswer = await records({ tool: 'nothing', limit: 20, ...(from ? { from } : {}) });
    for (const r of page.records) seen.add(`${r.segment} ${r.seq}`);
    from = page.next;
  } while (from);
  expect(seen.size).toBe(150);
});

test('a flood of refusals is two records, the second at the close at the latest', async () => {
  const reason = new OpsError('permission', 'No token.');
  for (let i = 0; i < 700; i++)
    app.door.refused({ id: `r${i}`, face: 'mcp-http', reason, address: '10.0.0.1', what: 'POST /mcp' });
  await app.close();
  const files = auditOf(join(dir, 'state'));
  const { entries } = await files.search(
    { event: 'refused', limit: 10, order: 'oldest' },
    new AbortController().signal,
  );
  expect(entries.map((e) => e.record)).toMatchObject([
    { call: 'r0', address: '10.0.0.1', outcome: 'permission' },
    { count: 699, from: expect.any(String), to: expect.any(String) },
  ]);
  expect(files.verify()).toMatchObject({ ok: true });
});

const REAL = process.env.DECKHAND_REAL === '1' && !existsSync('/dev/log');
if (!REAL)
  process.stderr.write('SKIPPED: heads to a real /dev/log; needs DECKHAND_REAL=1, root, and a machine without one.\n');
test.runIf(REAL)('heads go to the system’s log, the last one before the process ends', async () => {
  const listen = `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind('/dev/log'); print('ready',flush=True)
while True: print(s.recv(8192).decode(),flush=True)`;
  const child = spawn('python3', ['-c', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
  let heard = '';
  child.stdout.on('data', (d) => {
    heard += d;
  });
  try {
    await expect.poll(() => heard, { timeout: 10_000 }).toContain('ready');
    const env = { HOME: dir, DECKHAND_STATE_DIR: join(dir, 'told'), DECKHAND_AUDIT_HEADS: 'auto' };
    const loaded = await loadConfig({ env, defaultFile: join(dir, 'none.yaml') });
    const other = await createApp({ loaded, log: quiet, role: 'cli', version: 'test' });
    await other.door.run(callOf('nothing', {}, { principal: of('a', ['system:read']) }));
    await other.close();
    await expect.poll(() => heard, { timeout: 5_000 }).toContain('audit head segment=');
    const files = auditOf(join(dir, 'told'));
    expect(heard).toContain('deckhand');
    expect(files.verify(heard)).toMatchObject({ ok: true, heads: { matched: 1 } });
    rmSync(files.dir, { recursive: true });
    const again = await createApp({ loaded, log: quiet, role: 'cli', version: 'test' });
    await again.door.run(callOf('nothing', {}, { principal: of('a', ['system:read']) }));
    await again.close();
    expect(files.verify()).toMatchObject({ ok: true });
    expect(files.verify(heard)).toMatchObject({ ok: false });
  } finally {
    child.kill();
    rmSync('/dev/log', { force: true });
  }
});
