/** Installing, upgrading, going back and uninstalling on a machine below a folder; the real ones are tests/shipping/install_real.test.ts. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../scripts/release/tar.ts';
import { install, upgrade } from '../../src/setup/service/install.ts';
import { verifyFolder } from '../../src/setup/service/release.ts';
import { rollback } from '../../src/setup/service/rollback.ts';
import { status } from '../../src/setup/service/status.ts';
import { uninstall } from '../../src/setup/service/uninstall.ts';
import { startFailure } from '../../src/setup/service/up.ts';
import { openExclusive } from '../../src/store/db.ts';
import { type Bench, bench, tarballOf, unpackedRelease } from './service_bench.ts';

const CHILD = fileURLToPath(new URL('service_child.ts', import.meta.url));
const CONFIG = '127.0.0.1:7070';
const say = { step() {}, line() {} };
const config = async () => ({ text: CONFIG, set: false });

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-service-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const root = () => join(dir, 'root');
const release = (version: string) => unpackedRelease(dir, version);
function tarball(version: string): string {
  const folder = release(version);
  const file = join(dir, `deckhand-${version}-linux-${process.arch}.tar.gz`);
  writeFileSync(file, tarballOf(folder));
  const sums = join(dir, 'SHA256SUMS');
  writeFileSync(
    sums,
    `${existsSync(sums) ? readFileSync(sums, 'utf8') : ''}${sha256(readFileSync(file))}  ${file.slice(dir.length + 1)}\n`,
  );
  return file;
}
const put = (b: Bench, own: string, more: Partial<Parameters<typeof install>[1]> = {}) =>
  install(b.m, { own, allow: null, listen: null, config, dry: false, start: true, say, ...more });
const up = (b: Bench, from: string, more: Partial<Parameters<typeof upgrade>[1]> = {}) =>
  upgrade(b.m, { from, sha256: undefined, downgrade: false, dry: false, config, say, ...more });
const back = (b: Bench, more: Partial<Parameters<typeof rollback>[1]> = {}) =>
  rollback(b.m, { to: undefined, restoreStore: false, config, say, ...more });
const link = (b: Bench) => readlinkSync(b.m.place.current);
/** Everything of the machine, as text: two that are alike are equal. */
function all(): string[] {
  return readdirSync(root(), { recursive: true, withFileTypes: true })
    .map((e) => join(e.parentPath, e.name))
    .filter((p) => !/systemd\.json|\.lock|installed\.json|before-upgrade/.test(p))
    .sort()
    .map((p) => {
      const s = lstatSync(p);
      return `${p.slice(root().length)} ${s.isSymbolicLink() ? readlinkSync(p) : s.isFile() ? sha256(readFileSync(p)) : 'folder'}`;
    });
}

describe('service install', () => {
  it('says what it would do and changes nothing; does it; and finds nothing to do the second time', async () => {
    const own = release('1.0.0');
    const b = bench(root());
    const planned = await put(b, own, { dry: true, allow: ['ping'] });
    expect(planned.changed).toBeGreaterThan(8);
    expect(existsSync(b.m.place.opt)).toBe(false);
    expect(readdirSync(b.m.place.units)).toEqual([]);
    expect(b.ran.filter((r) => !/systemctl (show|is-)/.test(r))).toEqual([]);

    const done = await put(b, own, { allow: ['ping'] });
    expect(done).toMatchObject({
      first: true,
      address: CONFIG,
      record: { version: '1.0.0', powers: ['ping'], previous: null },
    });
    expect(link(b)).toBe('versions/1.0.0');
    expect(readlinkSync(b.m.place.launcher)).toBe('/opt/deckhand/current/bin/deckhand');
    expect(readFileSync(join(b.m.place.units, 'deckhand.service.d/50-ping.conf'), 'utf8')).toContain('CAP_NET_RAW');
    expect(b.systemd()).toMatchObject({ version: '1.0.0', user: true, listen: CONFIG });
    expect(b.systemd().enabled).toEqual(expect.arrayContaining(['deckhand.service', 'deckhand.socket']));
    expect(await status(b.m, CONFIG)).toMatchObject({
      installed: true,
      differs: [],
      running: { version: '1.0.0', healthy: true },
    });

    const before = all();
    const starts = b.systemd().starts;
    expect(await put(b, own)).toMatchObject({ changed: 0, first: false });
    expect(await put(b, join(b.m.place.versions, '1.0.0'), { allow: ['ping'] })).toMatchObject({ changed: 0 });
    expect(all()).toEqual(before);
    expect(b.systemd().starts).toBe(starts);
  });

  it('takes away powers that are allowed no more, keeps the owner’s own files, and puts right what was changed', async () => {
    const own = release('1.0.0');
    const b = bench(root());
    mkdirSync(b.m.place.etc, { recursive: true });
    writeFileSync(b.m.place.config, '# mine\n');
    await put(b, own, { allow: ['ping', 'write=/srv/data', 'write=/srv/more'] });
    const drop = (name: string) => join(b.m.place.units, 'deckhand.service.d', name);
    expect(readFileSync(drop('50-write.conf'), 'utf8')).toMatch(
      /ReadWritePaths=-\/srv\/data[\s\S]*ReadWritePaths=-\/srv\/more/,
    );
    writeFileSync(drop('90-mine.conf'), '[Service]\n');
    writeFileSync(join(b.m.place.units, 'deckhand.service'), 'changed\n');
    expect((await status(b.m, CONFIG)).differs).toEqual([
      expect.stringContaining('deckhand.service is not as it was installed'),
    ]);
    await put(b, own, { allow: ['none'] });
    expect(readdirSync(join(b.m.place.units, 'deckhand.service.d'))).toEqual(['90-mine.conf']);
    expect(readFileSync(b.m.place.config, 'utf8')).toBe('# mine\n');
    expect((await status(b.m, CONFIG)).differs).toEqual([]);
  });

  it('brings another address to the socket, with the service stopped for that moment', async () => {
    const own = release('1.0.0');
    const b = bench(root());
    await put(b, own);
    b.ran.length = 0;
    await put(b, own, { listen: '127.0.0.1:7171' });
    expect(b.systemd().listen).toBe('127.0.0.1:7171');
    const changing = b.ran.filter((r) => /systemctl (stop|start|restart|daemon-reload)/.test(r));
    expect(changing.slice(0, 4)).toEqual([
      'systemctl daemon-reload',
      'systemctl stop deckhand.socket deckhand.service',
      'systemctl start deckhand.socket',
      'systemctl restart --no-block deckhand.service',
    ]);
    // Kept, until somebody says otherwise.
    expect(await put(b, own)).toMatchObject({ changed: 0, address: '127.0.0.1:7171' });
    await put(b, own, { listen: 'config' });
    expect(b.systemd().listen).toBe(CONFIG);
    const set = async () => ({ text: '127.0.0.1:8080', set: true });
    await expect(put(b, own, { listen: '127.0.0.1:7171', config: set })).rejects.toMatchObject({ code: 'conflict' });
  });

  it('refuses what cannot be: other users, no release, damaged files, wrong powers and addresses', async () => {
    const own = release('1.0.0');
    const b = bench(root());
    await expect(put(bench(root(), { uid: 1000 }), own)).rejects.toMatchObject({
      code: 'permission',
      details: { hint: expect.stringContaining('sudo deckhand service install') },
    });
    await expect(put({ ...b, m: { ...b.m, systemd: () => false } }, own)).rejects.toMatchObject({
      code: 'unavailable',
      details: { hint: expect.stringContaining('image') },
    });
    await expect(put(b, dir)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('no release'),
    });
    for (const allow of [
      'pong',
      'write',
      'write=srv',
      'write=/',
      'write=/etc',
      'write=/opt/deckhand/x',
      'write=/srv/../etc',
      'write=/a b',
      'write=/a%b',
      'ping=1',
      'write=/srv\n[Service]',
    ])
      await expect(put(b, own, { allow: [allow] }), allow).rejects.toMatchObject({ code: 'validation' });
    for (const listen of [
      '7070',
      'host:7070',
      '127.0.0.1',
      '127.0.0.1:0',
      '127.0.0.1:70700',
      '999.0.0.1:70',
      '127.0.0.1:7070\nExecStart=x',
    ])
      await expect(put(b, own, { listen }), listen).rejects.toMatchObject({ code: 'validation' });
    writeFileSync(join(own, 'dist/main.mjs'), 'else\n');
    await expect(put(b, own)).rejects.toMatchObject({
      message: expect.stringContaining('dist/main.mjs is not what was released'),
    });
    writeFileSync(join(own, 'dist/more.mjs'), 'more\n');
    expect(existsSync(b.m.place.current)).toBe(false);
  });

  it('says what is missing where the service cannot start', async () => {
    const own = release('1.0.0');
    const b = bench(root(), { bad: ['1.0.0'], container: 'lxc' });
    await expect(put(b, own)).rejects.toMatchObject({
      message: expect.stringContaining('226/NAMESPACE'),
      details: { hint: expect.stringContaining('pct set VMID --features nesting=1') },
    });
    expect(startFailure(243, 'lxc')?.why).toContain('243/CREDENTIALS');
    expect(startFailure(226, null)?.mend).not.toContain('pct');
    expect(startFailure(1, 'lxc')).toBeNull();
  });

  it('leaves a masked socket and a program of another alone', async () => {
    const own = release('1.0.0');
    const b = bench(root());
    symlinkSync('/dev/null', join(b.m.place.units, 'deckhand.socket'));
    await put(b, own);
    expect(readlinkSync(join(b.m.place.units, 'deckhand.socket'))).toBe('/dev/null');
    expect(b.systemd().enabled).not.toContain('deckhand.socket');
    const other = bench(join(dir, 'other'));
    writeFileSync(other.m.place.launcher, 'somebody’s\n');
    await expect(put(other, own)).rejects.toMatchObject({ code: 'conflict' });
    expect(readFileSync(other.m.place.launcher, 'utf8')).toBe('somebody’s\n');
  });
});

describe('service upgrade and rollback', () => {
  it('moves on and back, keeps three versions, and knows what there is nothing to do for', async () => {
    const b = bench(root());
    await put(b, release('1.0.0'));
    for (const v of ['1.0.1', '1.0.2', '1.1.0'])
      expect(await up(b, tarball(v))).toMatchObject({ changed: true, version: v });
    expect(readdirSync(b.m.place.versions).sort()).toEqual(['1.0.1', '1.0.2', '1.1.0']);
    expect(b.systemd().version).toBe('1.1.0');
    expect(readFileSync(join(b.m.place.units, 'deckhand.service'), 'utf8')).toMatch(/^# of 1\.1\.0/);
    expect(await up(b, join(dir, `deckhand-1.1.0-linux-${process.arch}.tar.gz`))).toMatchObject({ changed: false });
    await expect(up(b, join(dir, `deckhand-1.0.1-linux-${process.arch}.tar.gz`))).rejects.toMatchObject({
      code: 'conflict',
      details: { hint: expect.stringContaining('rollback') },
    });
    expect(await back(b)).toEqual({ from: '1.1.0', version: '1.0.2' });
    expect(link(b)).toBe('versions/1.0.2');
    expect(readFileSync(join(b.m.place.units, 'deckhand.service'), 'utf8')).toMatch(/^# of 1\.0\.2/);
    expect(await back(b)).toEqual({ from: '1.0.2', version: '1.1.0' });
    expect(await back(b, { to: '1.0.1' })).toEqual({ from: '1.1.0', version: '1.0.1' });
    await expect(back(b, { to: '9.9.9' })).rejects.toMatchObject({ code: 'not_found' });
    expect((await status(b.m, CONFIG)).differs).toEqual([]);
  });

  it('goes back by itself where the new version does not come up', async () => {
    const b = bench(root(), { bad: ['1.0.1'] });
    await put(b, release('1.0.0'), { allow: ['ping'] });
    const before = all().filter((l) => !l.includes('/versions/'));
    await expect(up(b, tarball('1.0.1'))).rejects.toMatchObject({
      message: expect.stringContaining('1.0.0 runs again'),
    });
    expect(b.systemd().version).toBe('1.0.0');
    expect(all().filter((l) => !l.includes('/versions/'))).toEqual(before);
    expect(await status(b.m, CONFIG)).toMatchObject({ version: '1.0.0', interrupted: null, differs: [] });
  });

  it('touches nothing for a tarball that is not what was published', async () => {
    const b = bench(root());
    await put(b, release('1.0.0'));
    const before = all();
    const from = tarball('1.0.1');
    await expect(up(b, from, { sha256: 'a'.repeat(64) })).rejects.toMatchObject({
      message: expect.stringContaining('SHA-256'),
    });
    rmSync(join(dir, 'SHA256SUMS'));
    await expect(up(b, from)).rejects.toMatchObject({
      message: expect.stringContaining('Nothing says what the SHA-256'),
    });
    expect(await up(b, from, { sha256: sha256(readFileSync(from)).toUpperCase(), dry: true })).toMatchObject({
      changed: true,
    });
    writeFileSync(from, readFileSync(from).subarray(0, 5_000));
    await expect(up(b, from, { sha256: sha256(readFileSync(from)) })).rejects.toMatchObject({ code: 'validation' });
    expect(all()).toEqual(before);
    expect(b.systemd().starts).toBe(1);
  });

  it('asks before a store is put back that the older version cannot read', async () => {
    const b = bench(root());
    await put(b, release('1.0.0'));
    await up(b, tarball('1.0.1'));
    const cannot = bench(root(), { unreadable: ['1.0.0'] });
    await expect(back(cannot)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('no copy from before'),
    });
    expect(b.systemd().version).toBe('1.0.1');
  });

  it('is done by one at a time', async () => {
    const b = bench(root());
    const own = release('1.0.0');
    const held = openExclusive(b.m.place.lock, 0);
    await expect(put(b, own)).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('at work') });
    held?.release();
    await put(b, own);
  });
});

describe('killed before each of its steps', () => {
  const child = (at: number, verb: string, word: string) =>
    spawnSync(process.execPath, [CHILD, root(), String(at), verb, word], { encoding: 'utf8' });

  it('an installation goes on, and ends where one that was not killed ends', () => {
    const own = release('1.0.0');
    const steps = Number(child(0, 'install', own).stdout);
    expect(steps).toBeGreaterThan(12);
    const want = all();
    // Each third here; all of them in `npm run soak install`.
    for (let at = 2; at <= steps; at += 3) {
      rmSync(root(), { recursive: true });
      expect(child(at, 'install', own).signal).toBe('SIGKILL');
      const done = child(0, 'install', own);
      expect(done.status, done.stdout).toBe(0);
      expect(all(), `killed before step ${at}`).toEqual(want);
    }
  });

  it('an upgrade leaves a version that is whole and runs, and the next command ends it', async () => {
    child(0, 'install', release('1.0.0'));
    const from = tarball('1.0.1');
    cpSync(root(), join(dir, 'installed'), { recursive: true, verbatimSymlinks: true });
    let killed = 0;
    for (let at = 1; ; at++) {
      rmSync(root(), { recursive: true, force: true });
      cpSync(join(dir, 'installed'), root(), { recursive: true, verbatimSymlinks: true });
      if (child(at, 'upgrade', from).signal === null) break;
      killed++;
      const b = bench(root());
      expect(b.systemd().version, `killed before step ${at}`).toMatch(/^1\.0\.[01]$/);
      // A reboot now: what the link names is whole, and starts.
      await b.m.run('systemctl', ['restart', 'deckhand.service']);
      expect(b.systemd().version).toBe(link(b).slice('versions/'.length));
      expect(verifyFolder(b.m.place.current)).toEqual([]);
      expect(await up(b, from)).toMatchObject({ version: '1.0.1' });
      expect(await status(b.m, CONFIG)).toMatchObject({
        version: '1.0.1',
        previous: '1.0.0',
        differs: [],
        interrupted: null,
        running: { version: '1.0.1' },
      });
      expect(readdirSync(b.m.place.versions).sort()).toEqual(['1.0.0', '1.0.1']);
    }
    expect(killed).toBeGreaterThan(5);
  });
});

describe('service uninstall', () => {
  it('leaves state and settings and says so; with purge nothing', async () => {
    const own = release('1.0.0');
    const b = bench(root());
    const before = all();
    await put(b, own, { allow: ['ping'] });
    writeFileSync(join(b.m.place.state, 'tokens.json'), '{}');
    const left = await uninstall(b.m, { purge: false, say });
    expect(left.stays.map((s) => s.path)).toEqual(['/var/lib/deckhand', '/etc/deckhand', 'the user deckhand']);
    const more = all().filter((l) => !before.includes(l));
    expect(more.map((l) => l.split(' ')[0])).toEqual([
      '/etc/deckhand',
      '/etc/deckhand/config.yaml',
      '/var/lib/deckhand',
      '/var/lib/deckhand/tokens.json',
    ]);
    expect(b.systemd()).toMatchObject({ version: null, enabled: [] });
    expect(await uninstall(b.m, { purge: false, say })).toMatchObject({ changed: 0 });
    expect((await uninstall(b.m, { purge: true, say })).stays).toEqual([]);
    expect(all()).toEqual(before);
  });
});
