/** What other programs print about hardware, as they print it. Serial numbers in it never come out. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseNvidia } from '../../src/host/hardware/adapters.ts';
import { parseZpoolList } from '../../src/host/hardware/arrays.ts';
import { parseSmart } from '../../src/host/hardware/disks.ts';
import { parseGuest } from '../../src/host/hardware/guests.ts';
import { parseApc, parseNut } from '../../src/host/hardware/power.ts';
import { count, named } from '../../src/host/hardware/words.ts';

const fixture = (name: string) => readFileSync(new URL(`../fixtures/hardware/${name}`, import.meta.url), 'utf8');

test('smartctl of an ATA disk that fails', () => {
  expect(parseSmart(fixture('smart-ata-failing.json')).value).toEqual({
    passed: false,
    celsius: 52,
    poweredOnHours: 41_211,
    wearPercent: null,
    sparePercent: null,
    reallocated: 184,
    pending: 16,
    uncorrectable: 8,
    mediaErrors: null,
  });
});

test('smartctl of SSDs: wear is what is used, whatever the attribute counts', () => {
  expect(parseSmart(fixture('smart-ata-ssd.json')).value).toMatchObject({
    passed: true,
    wearPercent: 7,
    reallocated: 0,
  });
  expect(parseSmart(fixture('smart-nvme.json')).value).toMatchObject({
    ...{ passed: true, celsius: 41, poweredOnHours: 12_034, wearPercent: 7, sparePercent: 100, mediaErrors: 0 },
    ...{ reallocated: null, pending: null },
  });
});

test('smartctl of a SAS disk', () => {
  expect(parseSmart(fixture('smart-sas.json')).value).toMatchObject({
    ...{ passed: true, celsius: 34, reallocated: 3, uncorrectable: 2, poweredOnHours: 51_022 },
  });
});

test('smartctl that could not look says why, and garbage is no health', () => {
  expect(parseSmart(fixture('smart-standby.json'))).toEqual({
    value: null,
    why: 'The disk sleeps, and was left asleep.',
  });
  expect(parseSmart(fixture('smart-denied.json')).why).toMatch(/Permission denied; it needs .*CAP_SYS_RAWIO/);
  for (const bad of [
    '',
    'null',
    '[]',
    '{}',
    '{"smartctl":{"messages":"x"}}',
    'Segmentation fault',
    '{"smart_status":7}',
  ])
    expect(parseSmart(bad), bad).toMatchObject({ value: null, why: expect.stringMatching(/.{10}/) });
  expect(
    parseSmart(
      '{"smart_status":{"passed":true},"ata_smart_attributes":{"table":[null,{"id":5,"raw":{"value":"many"}}]}}',
    ).value,
  ).toMatchObject({ passed: true, reallocated: null });
});

test('zpool list', () => {
  expect([...parseZpoolList(fixture('zpool-list.txt'))]).toEqual([
    ['rpool', { sizeBytes: 1_992_864_825_344, allocatedBytes: 421_001_123_840, fragmentedPercent: 23 }],
    ['tank', { sizeBytes: 31_989_077_180_416, allocatedBytes: 28_790_169_462_374, fragmentedPercent: 41 }],
  ]);
});

test('a UPS by NUT and by apcupsd', () => {
  expect(parseNut('eaton', fixture('upsc.txt'))).toEqual({
    ...{ name: 'eaton', source: 'NUT', model: 'EATON Ellipse ECO 1200', status: 'OB DISCHRG' },
    ...{ onBattery: true, batteryLow: false, replaceBattery: false },
    ...{ chargePercent: 87, loadPercent: 23, runtimeSeconds: 1140 },
  });
  expect(parseNut('x', 'garbage')).toMatchObject({ status: null, onBattery: null, chargePercent: null });
  expect(parseApc(fixture('apcaccess.txt'))).toEqual({
    ...{ name: 'smart', source: 'apcupsd', model: 'Back-UPS ES 700G', status: 'ONLINE REPLACEBATT' },
    ...{ onBattery: false, batteryLow: false, replaceBattery: true },
    ...{ chargePercent: 100, loadPercent: 12, runtimeSeconds: 2610 },
  });
  expect(parseApc('STATUS   : COMMLOST\n')).toMatchObject({ onBattery: null });
  expect(parseApc('Error contacting apcupsd')).toBeNull();
});

test('nvidia-smi; what a card has not is null', () => {
  const [first, second] = parseNvidia(fixture('nvidia-smi.csv'));
  expect(first).toMatchObject({
    ...{ address: '0000:01:00.0', model: 'NVIDIA GeForce RTX 3060', driverVersion: '550.163.01' },
    ...{ memoryBytes: 12 * 1024 ** 3, memoryUsedBytes: 1024 ** 3, busyPercent: 7, celsius: 43, watts: 17.05 },
  });
  expect(second).toMatchObject({ address: '0000:82:00.0', busyPercent: null, watts: null, memoryUsedBytes: 0 });
  expect(parseNvidia('No devices were found\n')).toEqual([]);
});

test('guests: the state before the first snapshot, and nothing that is secret', () => {
  const lxc = parseGuest('lxc', 101, fixture('lxc.conf'));
  expect(lxc).toEqual({
    ...{
      id: 101,
      kind: 'lxc',
      name: 'dns',
      template: false,
      cores: 2,
      memoryBytes: 1024 ** 3,
      onBoot: true,
      lock: null,
    },
  });
  const vm = parseGuest('vm', 100, fixture('qemu.conf'));
  expect(vm).toMatchObject({ name: 'build', cores: 8, memoryBytes: 16 * 1024 ** 3, lock: 'backup' });
  expect(JSON.stringify([lxc, vm])).not.toMatch(/hunter2|saltsalt|AAAA|abc|BC:24/);
  // A file that may not be read, or is empty, tells nothing; defaults are Proxmox's, not the file's.
  expect(parseGuest('vm', 1, '')).toMatchObject({ name: null, cores: null, memoryBytes: null });
  expect(parseGuest('vm', 1, 'name: x')).toMatchObject({ cores: 1, memoryBytes: 512 * 1024 ** 2 });
  expect(parseGuest('lxc', 1, 'hostname: x\nmemory: lots\nlock: rm -rf')).toMatchObject({ cores: null, lock: null });
});

test.each([
  '',
  '  ',
  'To Be Filled By O.E.M.',
  'Default string',
  'Not Specified',
  'None',
  '-',
  '0000',
  null,
  undefined,
  7,
])('no name: %s', (text) => expect(named(text)).toBeNull());

test('names are bounded and on one line; numbers are numbers', () => {
  expect(named(`  Samsung\0 SSD\n 980 ${'x'.repeat(500)}`)).toMatch(/^Samsung SSD 980 x{104}$/);
  expect([count('12'), count('12.5'), count('-1'), count('0x10'), count(''), count(Number.NaN), count('1e3')]).toEqual([
    ...[12, 12.5, null, null, null, null, null],
  ]);
});
