/** Each thing the doctor finds, with the command that mends it; where it can be run here, it is run, and the finding is gone. */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Check, print } from '../../src/cli/doctor.ts';
import { hostChecks } from '../../src/cli/doctor_host.ts';
import { portChecks, stateChecks, storeChecks } from '../../src/cli/doctor_state.ts';
import { OpsError } from '../../src/core/errors.ts';
import { fakeHealth, fakeHost, fakeIdentity, fakeSnapshot } from '../fakes/host.ts';
import { screen } from './screen.ts';

const me = process.geteuid?.() ?? 0;
/** Blanks and quotes: the commands are there to be pasted. */
let above: string;
let dir: string;
beforeEach(() => {
  above = mkdtempSync(join(tmpdir(), "deckhand-it's a-"));
  dir = join(above, 'state');
});
afterEach(() => rmSync(above, { recursive: true, force: true }));

const brief = (checks: readonly Check[]) => checks.map((c) => [c.severity, c.code]);
function pasted(check: Check | undefined): void {
  const { status, stderr } = spawnSync('sh', ['-c', check?.fix ?? 'false'], { encoding: 'utf8' });
  expect([check?.fix, status, stderr]).toEqual([check?.fix, 0, '']);
}

describe('the state folder', () => {
  beforeEach(() => mkdirSync(dir, { mode: 0o700 }));

  test('in order, with its mode', () => {
    writeFileSync(join(dir, 'tokens.json'), '[]', { mode: 0o600 });
    expect(stateChecks(dir)).toMatchObject({ usable: true, checks: [{ severity: 'ok', code: 'state' }] });
  });

  test('that is not there yet is no fault: where it will be is said, and it is not made', () => {
    const missing = join(dir, 'a/b');
    const { checks, usable } = stateChecks(missing);
    expect([brief(checks), usable]).toEqual([[['info', 'state.missing']], false]);
    expect(checks[0]?.text).toContain(`under ${dir}.`);
    expect(existsSync(join(dir, 'a'))).toBe(false);
  });

  test.each([0o750, 0o705, 0o777])('open to others (mode %o) is mended by what is said', (mode) => {
    chmodSync(dir, mode);
    const found = stateChecks(dir);
    expect([brief(found.checks), found.usable]).toEqual([[['broken', 'state.mode']], false]);
    pasted(found.checks[0]);
    expect(stateChecks(dir).usable).toBe(true);
  });

  test.each(['tokens.json', 'audit.key', 'deckhand.db'])('with a %s that others may read, likewise', (name) => {
    writeFileSync(join(dir, name), '');
    chmodSync(join(dir, name), 0o644);
    const found = stateChecks(dir);
    expect([brief(found.checks), found.usable]).toEqual([[['broken', 'state.file_mode']], false]);
    pasted(found.checks[0]);
    expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
    expect(stateChecks(dir).usable).toBe(true);
  });

  test('that is a file is moved away by what is said', () => {
    const file = join(above, 'a file');
    writeFileSync(file, 'mine');
    const found = stateChecks(file);
    expect([brief(found.checks), found.usable]).toEqual([[['broken', 'state.kind']], false]);
    spawnSync('sh', ['-c', found.checks[0]?.fix?.split(', or: ')[1] ?? 'false']);
    expect([existsSync(file), existsSync(`${file}.old`)]).toEqual([false, true]);
  });

  test('of another user cannot be used, but by root, who becomes that user', () => {
    if (me === 0) chownSync(dir, 12_345, 12_345);
    const owner = statSync(dir).uid;
    const stranger = stateChecks(dir, owner + 1);
    expect([brief(stranger.checks), stranger.usable]).toEqual([[['broken', 'state.owner']], false]);
    expect(stranger.checks[0]?.fix).toContain(`chown -R ${owner + 1} `);
    const root = stateChecks(dir, 0);
    expect([root.usable, root.checks.map((c) => c.code)]).toEqual([true, ['state.owner', 'state']]);
  });
});

describe('the store', () => {
  type StoreApp = Parameters<typeof storeChecks>[0];
  const HOUR = 3_600_000;
  const app = (o: { trouble?: string; problem?: OpsError; expiries?: (number | null)[] }) =>
    ({
      storeTrouble: () => o.trouble ?? null,
      config: { state: { dir } },
      tokens: {
        problem: () => o.problem ?? null,
        list: () => (o.expiries ?? []).map((expiresAtMs, i) => ({ name: `t${i}`, expiresAtMs })),
      },
    }) as unknown as StoreApp;

  test('that answers, with tokens that hold', () => {
    expect(brief(storeChecks(app({ expiries: [null, Date.now() + HOUR] })))).toEqual([
      ['ok', 'store'],
      ['ok', 'tokens'],
    ]);
  });
  test('that does not, and tokens that cannot be read, with the way out each gives', () => {
    const problem = new OpsError('conflict', 'tokens.json is broken.', { hint: 'Mend line 3.' });
    const checks = storeChecks(app({ trouble: 'database disk image is malformed', problem }));
    expect(brief(checks)).toEqual([
      ['broken', 'store'],
      ['broken', 'tokens'],
    ]);
    expect(checks[1]).toMatchObject({ text: 'tokens.json is broken.', fix: 'Mend line 3.' });
  });
  test('without a token, or with expired ones, is no fault, and names the command', () => {
    expect(storeChecks(app({}))[1]).toMatchObject({ severity: 'info', fix: expect.stringContaining('token add') });
    expect(storeChecks(app({ expiries: [null, Date.now() - HOUR, 0] }))[1]).toMatchObject({
      severity: 'info',
      text: 'Expired: t1, t2.',
      fix: 'deckhand token revoke t1; deckhand token revoke t2',
    });
  });
});

describe('the port', () => {
  const listening = async (server: Server) => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  const closed = (server: Server | HttpServer) => {
    const done = new Promise((resolve) => server.close(resolve));
    if ('closeAllConnections' in server) server.closeAllConnections();
    return done;
  };
  let server: Server | undefined;
  afterEach(async () => {
    if (server) await closed(server);
    server = undefined;
  });

  test('that is free is free afterwards too', async () => {
    server = createServer();
    const port = await listening(server);
    await closed(server);
    expect(await portChecks({ host: '127.0.0.1', port })).toMatchObject([{ severity: 'ok', code: 'http.port' }]);
    server = createServer();
    await new Promise<void>((resolve) => server?.listen(port, '127.0.0.1', resolve));
  });
  test('that a Deckhand holds is in order', async () => {
    server = createHttpServer((q, a) => {
      a.writeHead(q.url === '/healthz' ? 200 : 404, { 'content-type': 'application/json' }).end('{}');
    });
    const port = await listening(server);
    expect(await portChecks({ host: '127.0.0.1', port })).toMatchObject([
      { severity: 'ok', text: expect.stringContaining('already') },
    ]);
  });
  test('that another program holds is said, with who to ask and where to go', async () => {
    // One that speaks another language, and one that speaks HTTP and is not ours.
    for (const other of [
      createServer((s) => s.resume().end('220 hello\r\n')),
      createHttpServer((_q, a) => a.end('<html>')),
    ]) {
      server = other;
      const port = await listening(other);
      expect(await portChecks({ host: '127.0.0.1', port })).toMatchObject([
        { severity: 'warning', fix: `ss -ltnp 'sport = :${port}', or choose another: --http-port ${port + 1}` },
      ]);
      await closed(other);
    }
    server = undefined;
  });
  test('one that is not of this host cannot be listened on', async () => {
    const [elsewhere] = await portChecks({ host: '203.0.113.7', port: 0 });
    expect(elsewhere).toMatchObject({ severity: 'warning', text: expect.stringContaining('EADDRNOTAVAIL') });
  });
});

describe('the machine', () => {
  const checksOf = (over: Parameters<typeof fakeHost>[0]) => hostChecks(fakeHost(over).system);
  const codes = (checks: readonly Check[]) => checks.filter((c) => c.severity !== 'ok').map((c) => c.code);

  test('that hides nothing has nothing to mend', async () => {
    const checks = await checksOf({ health: async () => ({ ...fakeHealth, blind: [] }) });
    expect(codes(checks)).toEqual([]);
    expect(checks[0]?.text).toBe('fake, Debian GNU/Linux 13 (trixie), kvm (DMI product_name "KVM").');
  });

  test('each thing it hides, with what would show it', async () => {
    const snapshot = fakeSnapshot();
    const checks = await checksOf({
      identity: () =>
        ({
          ...fakeIdentity,
          virtualisation: { kind: 'lxc', container: true, foundBy: 'its cgroup' },
          cgroup: { version: null, path: '' },
        }) as typeof fakeIdentity,
      snapshot: () => ({
        ...snapshot,
        pressure: { ...snapshot.pressure, cpu: { value: null, why: 'The kernel counts none.' } },
      }),
      processes: async () => ({ ...(await fakeHost().system.processes()), hidden: '/proc has hidepid=2.' }),
      health: async () => ({
        ...fakeHealth,
        clock: { value: { synchronised: false, source: 'kernel' } } as never,
        blind: [
          { what: 'Journal', why: 'No right to read it.', fix: 'usermod -aG systemd-journal deckhand' },
          { what: 'Pressure figures', why: 'Said twice.', fix: null },
        ] as never,
      }),
    });
    expect(codes(checks)).toEqual([
      'host.cgroup',
      'host.psi',
      'host.lxcfs',
      'host.hidepid',
      'host.clock',
      'blind.journal',
    ]);
    for (const c of checks.filter((x) => x.severity !== 'ok')) expect(c.fix, c.code).toBeTruthy();
    expect(checks.find((c) => c.code === 'host.hidepid')?.text).toBe('/proc has hidepid=2.');
  });
});

test('a report is as wide as the terminal, but a command to paste is never broken', () => {
  const fix = `chmod 700 ${'/very/long/path'.repeat(10)}`;
  const check = (severity: Check['severity'], mend: string | null): Check => ({
    code: severity,
    severity,
    title: 'Title',
    text: 'some words of it '.repeat(20).trim(),
    fix: mend,
  });
  const report = print([check('broken', fix), check('info', null), check('ok', 'not said')], screen({ width: 60 }));
  const lines = report.split('\n');
  expect(lines.filter((l) => l.includes(fix))).toHaveLength(1);
  for (const line of lines.slice(0, -1)) if (!line.includes(fix)) expect(line.length).toBeLessThanOrEqual(60);
  expect(report).not.toContain('not said');
  expect(lines.at(-1)).toBe('1 broken, 0 to look at, 1 for information, 1 in order.');
});
