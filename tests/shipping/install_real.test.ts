/**
 * install.sh on a bare Debian, and the whole life after it: 13 booted by nspawn, 12 as an LXC container. The other two pairings, and more
 * rounds, are in `npm run soak install`. Loud when it is skipped.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tarOf } from '../setup/service_bench.ts';
import { bootDebian, type Debian, lacking } from './debian.ts';
import * as lab from './install_lab.ts';
import { VERSION } from './releases.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write(
    'SKIPPED tests/shipping/install_real: needs DECKHAND_REAL=1, root, systemd-nspawn, LXC and debootstrap.\n',
  );
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

describe.skipIf(!real)('an installed service', () => {
  let folder = '';
  let made: Awaited<ReturnType<typeof lab.makeReleases>>;
  const booted: Debian[] = [];
  const boot = async (...[suite, how]: Parameters<typeof bootDebian>) => {
    const debian = await bootDebian(suite, how);
    booted.push(debian);
    lab.share(debian, folder);
    return debian;
  };
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'deckhand-releases-'));
    made = await lab.makeReleases(folder, 1);
  }, 240_000);
  afterAll(async () => {
    for (const debian of booted) {
      await debian.close();
      expect(debian.left()).toEqual([]);
    }
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  const from = (version: string) => `/share/release/${made.names[version]}`;
  const install = (debian: Debian, words: string[] = [], mayFail = false) =>
    debian.run(['sh', '/share/release/install.sh', '--from', from(VERSION), ...words], { ms: 180_000, mayFail });

  test('on Debian 13: install, hang, upgrades and rollbacks under a client, a bad version, uninstall', async () => {
    const debian = await boot('trixie', 'nspawn');
    const before = await lab.paths(debian);

    // What cannot be installed leaves nothing.
    const hostile: [string, Buffer][] = [
      ['a-link', tarOf([{ name: 'deckhand-9.9.9-linux-x64/l', type: '2', link: '/etc' }])],
      ['a-way-out', tarOf([{ name: 'deckhand-9.9.9-linux-x64/../../../../../etc/out', data: 'x' }])],
    ];
    for (const [name, tar] of hostile) {
      writeFileSync(join(debian.share, 'release', `${name}.tar.gz`), gzipSync(tar));
      const ran = await debian.sh(
        `f=/share/release/${name}.tar.gz; sh /share/release/install.sh --from $f --sha256 $(sha256sum $f | cut -d' ' -f1)`,
        { mayFail: true },
      );
      expect(ran.err, name).toMatch(/no release/);
    }
    expect((await install(debian, ['--sha256', 'a'.repeat(64)], true)).err).toContain('Nothing was changed');
    const dry = await install(debian, ['--allow', 'ping', '--dry-run']);
    expect(dry.out).toContain('+ write    /etc/systemd/system/deckhand.service');
    expect((await lab.paths(debian)).filter((p) => !before.includes(p))).toEqual([]);

    const done = await install(debian, ['--allow', 'ping']);
    expect(done.out).toContain(`Deckhand ${VERSION} runs as deckhand.service, at http://127.0.0.1:7070/mcp`);
    expect(done.out).toContain('sudo deckhand token add');
    expect((await install(debian, ['--allow', 'ping'])).out).toContain('Nothing to do');
    expect(await lab.statusOf(debian)).toMatchObject({
      version: VERSION,
      differs: [],
      running: { version: VERSION, healthy: true, active: 'active' },
    });
    expect(await lab.exposure(debian)).toBeLessThanOrEqual(2);
    await lab.allowManyCalls(debian);
    await lab.hangs(debian);

    const later = made.later[0] ?? '';
    const life = await lab.upAndDown(debian, [later, later], made.names);
    process.stderr.write(`install_real: ${JSON.stringify(life)}\n`);
    expect(life).toMatchObject({ upgrades: 2, rollbacks: 2, unreadable: [], statuses: [], seen: { errors: {} } });
    expect(life.seen.calls).toBeGreaterThan(50);
    expect(life.seen.answered).toBe(life.seen.calls);

    // One that ends as a server: the old one runs again, and the exit code says so.
    const bad = await debian.run(['deckhand', 'service', 'upgrade', '--from', from('0.1.90')], {
      mayFail: true,
      ms: 180_000,
    });
    expect(bad.code).toBe(7);
    expect(bad.err).toContain(`${VERSION} runs again`);
    expect(await lab.statusOf(debian)).toMatchObject({ version: VERSION, differs: [], interrupted: null });

    // A store that the older one cannot read goes back only when asked.
    await debian.run(['deckhand', 'service', 'upgrade', '--from', from('0.2.0')], { ms: 180_000 });
    const refused = await debian.run(['deckhand', 'service', 'rollback'], { mayFail: true });
    expect(refused.err).toMatch(/cannot read the store[\s\S]*--restore-store/);
    expect(await lab.statusOf(debian)).toMatchObject({ version: '0.2.0', running: { healthy: true } });
    await debian.run(['deckhand', 'service', 'rollback', '--restore-store'], { ms: 180_000 });
    expect(await lab.readableBy(debian, [VERSION])).toEqual([]);

    // Killed as it switches: what runs goes on, and the next command puts it right.
    expect(await lab.killedAt(debian, ['upgrade', '--from', from(later)], /link +\/opt\/deckhand\/current/)).toBe(true);
    expect((await lab.statusOf(debian)).running).toMatchObject({ active: 'active', healthy: true });
    await debian.run(['deckhand', 'service', 'upgrade', '--from', from(later)], { ms: 180_000 });
    expect(await lab.statusOf(debian)).toMatchObject({ version: later, interrupted: null, differs: [] });

    const gone = await debian.run(['deckhand', 'service', 'uninstall'], { ms: 180_000 });
    expect(gone.out).toMatch(/\/var\/lib\/deckhand +sudo rm -rf \/var\/lib\/deckhand/);
    const left = (await lab.paths(debian)).filter((p) => !before.includes(p));
    expect(
      left.filter((p) => !/^\/(?:var\/lib|etc)\/deckhand(?:\/|$)|^\/etc\/(?:sysusers|tmpfiles)\.d$/.test(p)),
    ).toEqual([]);
    expect((await debian.run(['systemctl', 'list-units', '--all', '--no-legend', 'deckhand*'])).out).toBe('');
  }, 600_000);

  test('on Debian 12 in LXC: install, one upgrade and one rollback under a client, uninstall with all', async () => {
    const debian = await boot('bookworm', 'lxc');
    const before = await lab.paths(debian);
    const passwd = readFileSync(debian.path('/etc/passwd'), 'utf8');
    expect((await install(debian)).out).toContain('runs as deckhand.service');
    await lab.allowManyCalls(debian);
    const life = await lab.upAndDown(debian, made.later, made.names);
    process.stderr.write(`install_real: ${JSON.stringify(life)}\n`);
    expect(life).toMatchObject({ upgrades: 1, rollbacks: 1, unreadable: [], statuses: [], seen: { errors: {} } });

    // Control: without the socket the same restart refuses callers.
    const secret = await lab.token(debian, 'control');
    await debian.sh(
      'systemctl stop deckhand.socket deckhand.service; systemctl mask --runtime --now deckhand.socket; systemctl start deckhand',
    );
    await lab.until('it', 60_000, async () => (await lab.statusOf(debian)).running.healthy);
    const client = lab.caller(debian, secret);
    await debian.sh('sleep 1; systemctl restart deckhand; sleep 1');
    const seen = await client.end();
    process.stderr.write(`install_real, control: ${JSON.stringify(seen)}\n`);
    expect(Object.keys(seen.errors)).toContain('ECONNREFUSED');
    await debian.sh('systemctl unmask --runtime deckhand.socket');

    expect((await debian.run(['deckhand', 'service', 'uninstall', '--purge'], { mayFail: true })).err).toContain(
      '--yes',
    );
    await debian.run(['deckhand', 'service', 'uninstall', '--purge', '--yes'], { ms: 180_000 });
    const left = (await lab.paths(debian)).filter((p) => !before.includes(p));
    expect(
      left.filter((p) => !/^\/etc\/(?:sysusers|tmpfiles)\.d$|^\/etc\/(?:passwd|group|shadow|gshadow)-$/.test(p)),
    ).toEqual([]);
    expect(readFileSync(debian.path('/etc/passwd'), 'utf8')).toBe(passwd);
  }, 400_000);
});
