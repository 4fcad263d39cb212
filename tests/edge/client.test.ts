/** Whose address counts: forged hops are not believed, and the naive readings that would believe them are shown to. */
import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createAddressOf, createTrusts } from '../../src/edge/client.ts';

const incoming = (peer: string | undefined, xff?: string, more: Record<string, string> = {}) =>
  ({
    socket: { remoteAddress: peer },
    headers: { ...more, ...(xff === undefined ? {} : { 'x-forwarded-for': xff }) },
  }) as unknown as IncomingMessage;
const PROXIES = ['10.0.0.0/24', '127.0.0.1', 'fd00:1::/64'];

test.each([
  // trusted proxies, peer, X-Forwarded-For, what counts
  ['nobody is trusted: the header is nothing', [], '127.0.0.1', '9.9.9.9', '127.0.0.1'],
  ['no header', PROXIES, '127.0.0.1', undefined, '127.0.0.1'],
  ['a client that comes by itself and forges it', PROXIES, '8.8.8.8', '9.9.9.9', '8.8.8.8'],
  ['one beside the proxies', PROXIES, '10.0.1.7', '9.9.9.9', '10.0.1.7'],
  ['one proxy', PROXIES, '127.0.0.1', '8.8.8.8', '8.8.8.8'],
  ['the client forged hops, the proxy added the last', PROXIES, '127.0.0.1', '9.9.9.9, 7.7.7.7, 8.8.8.8', '8.8.8.8'],
  ['the client forged a hop that looks like a proxy', PROXIES, '127.0.0.1', '9.9.9.9,10.0.0.3,8.8.8.8', '8.8.8.8'],
  ['two proxies in a row', PROXIES, '127.0.0.1', '9.9.9.9, 8.8.8.8, 10.0.0.3', '8.8.8.8'],
  ['all hops are proxies: the first of them asks for itself', PROXIES, '127.0.0.1', '10.0.0.9, 10.0.0.3', '10.0.0.9'],
  ['forged garbage stands left of what is read', PROXIES, '127.0.0.1', '<script>, ;, 8.8.8.8', '8.8.8.8'],
  ['garbage where the proxy writes', PROXIES, '127.0.0.1', '8.8.8.8, unknown', '127.0.0.1'],
  ['garbage behind a trusted hop', PROXIES, '127.0.0.1', '8.8.8.8 , _hidden, 10.0.0.3', '127.0.0.1'],
  ['an empty hop', PROXIES, '127.0.0.1', '8.8.8.8,', '127.0.0.1'],
  ['an empty header', PROXIES, '127.0.0.1', '', '127.0.0.1'],
  ['octal, hexadecimal and short forms are none', PROXIES, '127.0.0.1', '0177.0.0.1', '127.0.0.1'],
  ['a name', PROXIES, '127.0.0.1', 'localhost', '127.0.0.1'],
  ['with a port', PROXIES, '127.0.0.1', '8.8.8.8:4711', '8.8.8.8'],
  ['IPv6', PROXIES, '127.0.0.1', '2001:DB8:0::1', '2001:db8::1'],
  ['IPv6 in brackets, with a port', PROXIES, '127.0.0.1', '[2001:db8::1]:4711', '2001:db8::1'],
  ['IPv4 in the dress of IPv6, as the hop', PROXIES, '127.0.0.1', '::ffff:8.8.8.8', '8.8.8.8'],
  ['… as a trusted hop', PROXIES, '127.0.0.1', '8.8.8.8, ::ffff:10.0.0.3', '8.8.8.8'],
  ['… as the peer', PROXIES, '::ffff:127.0.0.1', '8.8.8.8', '8.8.8.8'],
  ['… as a peer that nobody trusts', PROXIES, '::ffff:8.8.8.8', '9.9.9.9', '8.8.8.8'],
  ['a proxy over IPv6', PROXIES, 'fd00:1::5', '8.8.8.8', '8.8.8.8'],
  ['another /64', PROXIES, 'fd00:1:0:1::5', '8.8.8.8', 'fd00:1:0:1::5'],
  ['no socket any more', PROXIES, undefined, '8.8.8.8', undefined],
  ['more proxies than anybody has', PROXIES, '127.0.0.1', `8.8.8.8${', 10.0.0.3'.repeat(16)}`, '127.0.0.1'],
  [
    'as many as that, forged, left of the true one',
    PROXIES,
    '127.0.0.1',
    `${'10.0.0.3, '.repeat(900)}8.8.8.8`,
    '8.8.8.8',
  ],
  ['a hop of any length', PROXIES, '127.0.0.1', `${'1'.repeat(7000)}`, '127.0.0.1'],
] as [string, string[], string | undefined, string | undefined, string | undefined][])(
  '%s',
  (_, trusted, peer, xff, expected) => {
    expect(createAddressOf(trusted)(incoming(peer, xff))).toBe(expected);
  },
);

test('other headers that proxies and clients send are not read', () => {
  const of = createAddressOf(PROXIES);
  const others = {
    forwarded: 'for=9.9.9.9',
    'x-real-ip': '9.9.9.9',
    'x-client-ip': '9.9.9.9',
    'cf-connecting-ip': '9.9.9.9',
  };
  expect(of(incoming('127.0.0.1', undefined, others))).toBe('127.0.0.1');
  expect(of(incoming('127.0.0.1', '8.8.8.8', others))).toBe('8.8.8.8');
  expect(of(undefined)).toBeUndefined();
});

test('whatever a client writes itself, it is counted as who it is, through any number of proxies up to the bound', () => {
  const trusts = createTrusts(PROXIES);
  const proxies = ['10.0.0.1', '10.0.0.2', 'fd00:1::5', '::ffff:10.0.0.9', '127.0.0.1'];
  fc.assert(
    fc.property(
      fc.string({ maxLength: 200 }).map((s) => s.replace(/[\r\n]/g, '')),
      fc.array(fc.constantFrom(...proxies, '8.8.4.4', 'junk', ''), { maxLength: 30 }),
      fc.oneof(fc.ipV4(), fc.ipV6()),
      fc.array(fc.constantFrom(...proxies), { maxLength: 15 }),
      (text, forged, real, chain) => {
        fc.pre(!trusts(real));
        const xff = [text, ...forged, real, ...chain].join(', ');
        const counted = createAddressOf(PROXIES)(incoming('127.0.0.1', xff));
        expect(counted).toBe(createAddressOf(PROXIES)(incoming('127.0.0.1', real)));
        expect(counted).not.toBe('127.0.0.1');
      },
    ),
  );
});

test('control: who takes the left-most hop, or believes anybody, takes what a client forged', () => {
  const leftMost = (i: IncomingMessage) =>
    String(i.headers['x-forwarded-for'] ?? i.socket.remoteAddress).split(/, */)[0];
  const forgedThroughProxy = incoming('127.0.0.1', '9.9.9.9, 8.8.8.8');
  const forgedDirectly = incoming('8.8.8.8', '9.9.9.9');
  for (const attack of [forgedThroughProxy, forgedDirectly]) {
    expect(leftMost(attack)).toBe('9.9.9.9');
    expect(createAddressOf(PROXIES)(attack)).toBe('8.8.8.8');
  }
});
