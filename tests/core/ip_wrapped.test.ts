/** An address in an address: each way to write `10.0.0.5` as IPv6 is found out, and what only looks like one is not. */
import { describe, expect, test } from 'vitest';
import { holdsIp, type Ip, ipText, type Prefix, parseIp, parsePrefix } from '../../src/core/ip.ts';
import { carries, wrapped } from '../../src/core/ip_wrapped.ts';

const ip = (text: string) => parseIp(text) as Ip;
const inside = (text: string) => wrapped(ip(text)).map(ipText);
const PRIVATE = parsePrefix('10.0.0.0/8') as Prefix;

const WAYS: [what: string, text: string][] = [
  ['mapped', '::ffff:10.0.0.5'],
  ['compatible', '::10.0.0.5'],
  ['translated', '::ffff:0:10.0.0.5'],
  ['NAT64', '64:ff9b::10.0.0.5'],
  ['6to4', '2002:a00:5::1'],
  ['Teredo, whose bits are turned over', '2001:0:1:2:3:4:f5ff:fffa'],
];

describe('what is by definition a way to an IPv4 address', () => {
  test.each(WAYS)('%s: %s', (_, text) => {
    expect(inside(text)).toEqual(['10.0.0.5']);
    expect(carries(ip(text))).toBe(true);
    // Control: the address as it stands is in no network of IPv4, and a rule about 10.0.0.0/8 would not hear of it.
    expect(holdsIp(PRIVATE, ip(text))).toBe(false);
    expect(wrapped(ip(text)).some((one) => holdsIp(PRIVATE, one))).toBe(true);
  });
});

test('what may be one: ISATAP under any prefix, and a NAT64 of one’s own with a short prefix or a long one', () => {
  expect(inside('2001:db8::5efe:10.0.0.5')).toEqual(['10.0.0.5']);
  expect(inside('2001:db8::200:5efe:10.0.0.5')).toEqual(['10.0.0.5']);
  expect(inside('64:ff9b:1::10.0.0.5')).toEqual(['10.0.0.5']);
  // RFC 6052, section 2.2: behind 48, 56 and 64 bits, around the eight from the 65th on.
  expect(inside('64:ff9b:1:a00:0:500::')).toEqual(['10.0.0.5']);
  expect(inside('64:ff9b:1:a:0:5::')).toEqual(['10.0.0.5']);
  // Read behind 96 bits it says another one, and both are asked about.
  expect(inside('64:ff9b:1:0:a:0:500:0')).toEqual(['5.0.0.0', '10.0.0.5']);
  for (const text of ['2001:db8::5efe:10.0.0.5', '64:ff9b:1::10.0.0.5']) expect(carries(ip(text))).toBe(false);
});

test('no address in it: IPv4 itself, this host, nobody, and IPv6 of its own', () => {
  for (const text of ['10.0.0.5', '::', '::1', '2001:db8::10.0.0.5', '64:ff9b:1::', 'fe80::1'])
    expect(inside(text)).toEqual([]);
  for (const text of ['10.0.0.5', '2001:db8::1', 'fe80::1']) expect(carries(ip(text))).toBe(false);
});
