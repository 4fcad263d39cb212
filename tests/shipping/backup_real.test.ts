/** The timer and its service under a real systemd: a backup of the running service by its user in its sandbox, a failure that shows, and a restore. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../docker/engine.ts';
import { bootSystemd, lacking, type Systemd } from '../services/systemd.ts';
import { lackingForLayout, layOut } from './layout.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? [...lacking(), ...lackingForLayout()] : [];
if (!real)
  process.stderr.write(
    'SKIPPED tests/shipping/backup_real: needs DECKHAND_REAL=1, root, systemd-nspawn and a build.\n',
  );
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

const INSTALL = `set -e
cp -a /share/root/opt/deckhand /opt/deckhand
ln -sf /opt/deckhand/current/bin/deckhand /usr/local/bin/deckhand
cd /opt/deckhand/current/deploy/systemd
install -m 644 deckhand.service deckhand.socket deckhand-backup.service deckhand-backup.timer /etc/systemd/system/
install -m 644 -D deckhand.sysusers /etc/sysusers.d/deckhand.conf
install -m 644 -D deckhand.tmpfiles /etc/tmpfiles.d/deckhand.conf
systemd-sysusers
systemd-tmpfiles --create deckhand.conf
systemctl stop docker.socket docker.service 2>/dev/null || true
systemctl daemon-reload
systemctl enable --now deckhand.socket deckhand.service deckhand-backup.timer
`;
const STATE = '/var/lib/deckhand';

describe.skipIf(!real)('deckhand-backup.timer', () => {
  let lab: Systemd;
  const deckhand = async (...args: string[]) =>
    lab.run(['env', `DECKHAND_STATE_DIR=${STATE}`, '/usr/local/bin/deckhand', ...args], { mayFail: true, ms: 60_000 });
  const show = async (unit: string, property: string) =>
    (await lab.run(['systemctl', 'show', '-P', property, unit])).out.trim();
  const backups = async () =>
    JSON.parse((await deckhand('backup', 'list', '--json')).out).backups as { name: string; path: string }[];

  beforeAll(async () => {
    lab = await bootSystemd();
    layOut(join(lab.share, 'root'));
    await lab.script(INSTALL, { ms: 60_000 });
    await until('it is active', async () => (await show('deckhand.service', 'ActiveState')) === 'active', 30_000);
  }, 400_000);

  afterAll(async () => {
    await lab?.close();
    expect(lab?.left() ?? []).toEqual([]);
  }, 30_000);

  test('is set for the next day, and makes good what was slept through', async () => {
    expect(await show('deckhand-backup.timer', 'ActiveState')).toBe('active');
    expect(await show('deckhand-backup.timer', 'Persistent')).toBe('yes');
    expect(await show('deckhand-backup.timer', 'NextElapseUSecRealtime')).not.toBe('');
    const score = await lab.run(['systemd-analyze', 'security', '--no-pager', 'deckhand-backup.service'], {
      mayFail: true,
    });
    expect(Number(/exposure level[^:]*: ([\d.]+)/.exec(score.out)?.[1])).toBeLessThanOrEqual(2);
  });

  test('the service makes a good one beside the running server, as its user; a config it cannot read does not keep it from that', async () => {
    await deckhand('token', 'add', 'then', '--role', 'operator');
    await lab.run(['systemctl', 'start', 'deckhand-backup.service'], { ms: 60_000 });
    expect(await show('deckhand-backup.service', 'Result')).toBe('success');
    const [made] = await backups();
    const owner = await lab.run([
      'stat',
      '-c',
      '%U %a',
      `${STATE}/backups`,
      made?.path ?? '',
      `${made?.path}/tokens.json`,
    ]);
    expect(owner.out.trim().split('\n')).toEqual(['deckhand 700', 'deckhand 700', 'deckhand 600']);
    expect(await deckhand('backup', 'verify')).toMatchObject({ code: 0, out: expect.stringMatching(/^good/) });
    await lab.script('echo "auth: {nonsense: 1}" >/etc/deckhand/config.yaml');
    await lab.run(['systemctl', 'start', 'deckhand-backup.service'], { ms: 60_000 });
    expect((await backups()).length).toBe(2);
    await lab.script('rm /etc/deckhand/config.yaml');
  });

  test('a failure shows: the unit has failed, and the doctor warns', async () => {
    await lab.script(`mv ${STATE}/backups ${STATE}/kept; install -d -m 755 -o deckhand -g deckhand ${STATE}/backups`);
    await lab.run(['systemctl', 'start', 'deckhand-backup.service'], { mayFail: true, ms: 60_000 });
    expect(await show('deckhand-backup.service', 'ActiveState')).toBe('failed');
    const journal = await lab.run([
      'journalctl',
      '-u',
      'deckhand-backup.service',
      '-o',
      'cat',
      '-n',
      '5',
      '--no-pager',
    ]);
    expect(journal.out).toContain('is open to others');
    const doctor = JSON.parse((await deckhand('doctor', '--json')).out) as { code: string; severity: string }[];
    expect(doctor.filter((c) => c.code === 'backup')).toMatchObject([{ severity: 'warning' }]);
    await lab.script(
      `rmdir ${STATE}/backups; mv ${STATE}/kept ${STATE}/backups; systemctl reset-failed deckhand-backup`,
    );
  });

  test('root restores it for the service: refused while that runs, then the tokens of then hold', async () => {
    const [made] = await backups();
    await deckhand('token', 'revoke', 'then');
    const refused = await deckhand('backup', 'restore', made?.name ?? '', '--yes');
    expect(refused.code).toBe(5);
    expect(refused.err).toContain('systemctl stop');
    await lab.run(['systemctl', 'stop', 'deckhand.socket', 'deckhand.service'], { ms: 60_000 });
    const done = await deckhand('backup', 'restore', made?.name ?? '', '--yes');
    expect(done, done.err).toMatchObject({ code: 0 });
    await lab.run(['systemctl', 'start', 'deckhand.socket', 'deckhand.service'], { ms: 60_000 });
    const tokens = JSON.parse((await deckhand('token', 'list', '--json')).out) as { name: string }[];
    expect(tokens.map((t) => t.name)).toContain('then');
    expect((await deckhand('audit', 'verify')).code).toBe(0);
    const others = await lab.script(`find ${STATE} ! -user deckhand; find ${STATE} -perm /077 ! -type l`);
    expect(others.out).toBe('');
  });
});
