/** The unit as systemd tells of it, beside the unit that is shipped; and that the drop-ins say of themselves what they are. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SHIPPED, unitChecks } from '../../src/cli/doctor_unit.ts';

const at = (name: string) => readFileSync(new URL(`../../deploy/systemd/${name}`, import.meta.url), 'utf8');
const FINE = {
  ...SHIPPED,
  ...{ LoadState: 'loaded', ActiveState: 'active', User: 'deckhand', DropInPaths: '', NeedDaemonReload: 'no' },
  ...{ WatchdogUSec: '30s', CapabilityBoundingSet: '', SupplementaryGroups: 'systemd-journal', ReadWritePaths: '' },
  ...{ LoadCredential: '', MemoryMax: '536870912', ProtectProc: 'default', SystemCallFilter: 'accept read write' },
};
const checks = (over: Record<string, string> = {}, settings: object = {}) =>
  unitChecks(settings, async () => ({ value: { ...FINE, ...over } }));
const one = async (code: string, over: Record<string, string>, settings: object = {}) =>
  (await checks(over, settings)).find((c) => c.code === code);

test('what is compared is what the file says', () => {
  const unit = at('deckhand.service');
  for (const [name, said] of Object.entries(SHIPPED)) expect(unit, name).toContain(`\n${name}=${said}\n`);
});

test('as shipped: in order, with no powers', async () => {
  expect((await checks()).map((c) => [c.code, c.severity])).toEqual([
    ['unit.given', 'info'],
    ['unit', 'ok'],
  ]);
});

test('no systemd, or no such unit: nothing to say', async () => {
  expect(await unitChecks({}, async () => ({ value: null, why: 'not installed' }))).toEqual([]);
  expect(await checks({ LoadState: 'not-found' })).toEqual([]);
});

test('what an LXC template took back is named, with the drop-in that comes after it', async () => {
  const check = await one('unit.reset', {
    ...{ NoNewPrivileges: 'no', ProtectKernelTunables: 'no', ProtectControlGroups: 'no' },
    DropInPaths: '/run/systemd/system/service.d/zzz-lxc-service.conf',
  });
  expect(check).toMatchObject({ severity: 'warning' });
  expect(check?.text).toMatch(
    /NoNewPrivileges=no, ProtectKernelTunables=no, ProtectControlGroups=no.*zzz-lxc-service.conf/,
  );
  expect(check?.fix).toMatch(/nesting=1.*NoNewPrivileges=yes.*zzzz-hardening.conf/);
  expect('zzzz-hardening.conf' > 'zzz-lxc-service.conf').toBe(true);
});

test('root, no filter of calls, no bound of memory', async () => {
  const check = await one('unit.reset', { User: '', SystemCallFilter: '', MemoryMax: 'infinity' });
  for (const line of ['User=deckhand', 'SystemCallFilter=@system-service', 'MemoryMax=512M'])
    expect(check?.fix).toContain(line);
  // An older systemd does not print what it does not know.
  const rest = Object.fromEntries(Object.entries(FINE).filter(([name]) => name !== 'ProtectClock'));
  expect((await unitChecks({}, async () => ({ value: rest }))).map((c) => c.code)).toEqual(['unit.given', 'unit']);
});

test('powers are listed, and what is none of ours is a warning', async () => {
  const given = await one('unit.given', {
    ...{ CapabilityBoundingSet: 'cap_kill cap_net_raw', SupplementaryGroups: 'systemd-journal docker' },
    ReadWritePaths: '-/srv/www',
  });
  expect(given?.text).toBe('signals, ping, docker, write=/srv/www. The group docker is root.');
  expect((await one('unit.powers', { CapabilityBoundingSet: 'cap_sys_admin' }))?.text).toContain('cap_sys_admin');
});

test('a watchdog that is off, files that were changed, credentials that are not given', async () => {
  expect((await one('unit.watchdog', { WatchdogUSec: '0' }))?.fix).toContain('WatchdogSec=30');
  expect((await one('unit.watchdog', { WatchdogUSec: 'infinity' }))?.severity).toBe('warning');
  expect((await one('unit.reload', { NeedDaemonReload: 'yes' }))?.fix).toContain('daemon-reload');
  const settings = { http: { tls: { keyFile: '/run/credentials/deckhand.service/tls.key' } } };
  expect((await one('unit.credentials', {}, settings))?.fix).toContain('LoadCredential=tls.key:/etc/deckhand/tls.key');
  expect(await one('unit.credentials', { LoadCredential: 'tls.key:/etc/deckhand/tls.key' }, settings)).toBeUndefined();
  const lxc = { DropInPaths: '/run/systemd/system/service.d/zzz-lxc-service.conf' };
  expect((await one('unit.credentials', lxc, settings))?.fix).toContain('-m 600');
});

test('each power says what it gives, what it costs and what it scores', () => {
  const names = readdirSync(new URL('../../deploy/systemd/powers/', import.meta.url)).sort();
  expect(names).toEqual(['all-processes.conf', 'docker.conf', 'ping.conf', 'signals.conf', 'write.conf']);
  for (const name of names) {
    const text = at(`powers/${name}`);
    expect(text, name).toMatch(new RegExp(`^# ${name.replace('.conf', '')}: `));
    expect(text, name).toMatch(/^# Gives: .*^# Costs: .*^# Exposure: \d\.\d \(the unit alone: \d\.\d\)/ms);
    expect(text, name).toContain('\n[Service]\n');
  }
});
