import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holdsIp, ipText, overlap, parseIp, parsePrefix, reachOf } from '../../src/core/ip.ts';

describe('addresses', () => {
  test.each([
    ['0.0.0.0', '0.0.0.0'],
    ['192.168.1.254', '192.168.1.254'],
    ['::', '::'],
    ['::1', '::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1::', '1::'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['::10.0.0.1', '::a00:1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ])('%s is %s', (text, canonical) => {
    const ip = parseIp(text);
    expect(ip && ipText(ip)).toBe(canonical);
  });

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.4a',
    '0x7f.1',
    '2130706433',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8:9',
    '12345::',
    'g::',
    '::1.2.3',
    '::1.2.3.4:5',
    '1:2:3:4:5:6:7:8::',
    'example.org',
    'x:y',
  ])('%j is none', (text) => {
    expect(parseIp(text)).toBeNull();
  });

  test('agree with Node, back and forth', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const ip = parseIp(text);
        expect(ip?.family).toBe(isIP(text));
        const again = ip && ipText(ip);
        expect(isIP(again ?? '')).toBe(ip?.family);
        expect(parseIp(again ?? '')).toEqual(ip);
      }),
    );
  });
});

describe('prefixes', () => {
  test.each([
    ['10.0.0.0/8', '10.255.1.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.1.2.3/8', '10.9.9.9', true],
    ['192.0.2.7', '192.0.2.7', true],
    ['0.0.0.0/0', '8.8.8.8', true],
    ['0.0.0.0/0', '::1', false],
    ['fe80::/10', 'febf::1', true],
    ['fe80::/10', 'fec0::1', false],
  ])('%s and %s: %s', (prefix, address, holds) => {
    expect(holdsIp(parsePrefix(prefix) as never, parseIp(address) as never)).toBe(holds);
  });

  test.each(['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/x', '::/129', 'default', '/8'])(
    '%j is none',
    (text) => {
      expect(parsePrefix(text)).toBeNull();
    },
  );

  test('overlap when one holds the other, and only within a family', () => {
    const of = (text: string) => parsePrefix(text) as never;
    expect(overlap(of('10.0.0.0/8'), of('10.2.0.0/16'))).toBe(true);
    expect(overlap(of('10.2.0.0/16'), of('10.0.0.0/8'))).toBe(true);
    expect(overlap(of('10.2.0.0/16'), of('10.3.0.0/16'))).toBe(false);
    expect(overlap(of('::/0'), of('0.0.0.0/0'))).toBe(false);
  });

  test('hold what a BlockList of Node holds', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.ipV4(), (net, length, address) => {
        const list = new BlockList();
        list.addSubnet(net, length);
        expect(holdsIp(parsePrefix(`${net}/${length}`) as never, parseIp(address) as never)).toBe(list.check(address));
      }),
    );
  });
});

test.each([
  ['0.0.0.0', 'any'],
  ['::', 'any'],
  ['127.9.9.9', 'loopback'],
  ['::1', 'loopback'],
  ['::ffff:127.0.0.1', 'loopback'],
  ['169.254.1.1', 'link'],
  ['fe80::1', 'link'],
  ['10.1.1.1', 'private'],
  ['100.100.1.1', 'private'],
  ['fd00::1', 'private'],
  ['2001:db8::1', 'private'],
  ['224.0.0.251', 'multicast'],
  ['ff02::1', 'multicast'],
  ['8.8.8.8', 'public'],
  ['2a00:1450::1', 'public'],
  ['::ffff:8.8.8.8', 'public'],
  ['nonsense', null],
])('%s reaches %s', (address, reach) => {
  expect(reachOf(address)).toBe(reach);
});
