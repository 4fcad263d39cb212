/** Every spelling and wrapping of an address that must not be reached is judged as what it leads to; what may be reached is let through. */
import { lookup } from 'node:dns/promises';
import ipaddr from 'ipaddr.js';
import { expect, test } from 'vitest';
import { type Prefix, parsePrefix } from '../../src/core/ip.ts';
import { judge, judgeAll, judgeName, type ProbeRules } from '../../src/insight/probe_rules.ts';

const of = (...texts: string[]): Prefix[] => texts.map((t) => parsePrefix(t) as Prefix);
const rules: ProbeRules = { allow: [], deny: [], own: of('192.168.7.0/24', 'fd12:3456::/64') };
const open: ProbeRules = { allow: of('0.0.0.0/0', '::/0'), deny: [], own: [] };

const wrappings = (v4: string): string[] => {
  const [a = 0, b = 0, c = 0, d = 0] = v4.split('.').map(Number);
  const high = ((a << 8) | b).toString(16);
  const low = ((c << 8) | d).toString(16);
  const flipped = [~((a << 8) | b) & 0xffff, ~((c << 8) | d) & 0xffff].map((n) => n.toString(16)).join(':');
  return [
    ...[v4, `::ffff:${v4}`, `::ffff:${high}:${low}`, `0:0:0:0:0:ffff:${high}:${low}`, `::${high}:${low}`],
    ...[`::ffff:0:${high}:${low}`, `64:ff9b::${high}:${low}`, `64:ff9b::${v4}`, `2002:${high}:${low}::1`],
    ...[`64:ff9b:1::${high}:${low}`, `64:ff9b:1:${high}:${c.toString(16)}:${(d << 8).toString(16)}::`],
    ...[`2001:0:4136:e378:8000:63bf:${flipped}`, `2001:470::5efe:${high}:${low}`, `fe80::5efe:${v4}`],
  ];
};

test.each([
  '169.254.169.254',
  '168.63.129.16',
  '100.100.100.200',
  '192.0.0.192',
  '0.0.0.0',
  '224.0.0.1',
  '255.255.255.255',
  '169.254.1.1',
  '100.100.100.100',
])('%s is never reached, whatever it is wrapped in and whatever the owner allows', (v4) => {
  // In a NAT64 of one's own nobody knows where the address stands: one of zeros is not to be seen.
  for (const text of wrappings(v4).filter((t) => v4 !== '0.0.0.0' || !t.startsWith('64:ff9b:1:'))) {
    expect([text, judge(text, rules).ok, judge(text, open).ok]).toEqual([text, false, false]);
  }
});

test.each(['127.0.0.1', '127.9.9.9', '10.1.2.3', '172.31.0.1', '192.168.8.1', '100.64.0.1'])(
  '%s is the owner’s to open',
  (v4) => {
    for (const text of wrappings(v4).filter((t) => !t.startsWith('fe80'))) {
      expect([text, judge(text, rules).ok]).toEqual([text, false]);
      expect([text, judge(text, open).ok]).toEqual([text, true]);
    }
  },
);

test.each(['::1', 'fc00::1', 'fd99::5'])('%s is the owner’s to open', (v6) => {
  expect(judge(v6, rules).ok).toBe(false);
  expect(judge(v6, open).ok).toBe(true);
});

test.each(['::', 'fe80::1', 'fe80::1%eth0', 'ff02::1', 'fd00:ec2::254', 'fec0::1', '100::1'])(
  '%s is never reached',
  (v6) => {
    expect([judge(v6, rules).ok, judge(v6, open).ok]).toEqual([false, false]);
  },
);

test.each([
  '1.1.1.1',
  '::ffff:1.1.1.1',
  '64:ff9b::101:101',
  '2002:101:101::1',
  '2606:4700::1111',
  '192.168.7.20',
  'fd12:3456::9',
  '8.8.4.4',
])('%s may be probed', (address) => {
  expect(judge(address, rules)).toMatchObject({ ok: true });
});

test('what the owner closes is closed, also when it is allowed and wrapped', () => {
  const closed: ProbeRules = { ...open, deny: of('1.1.1.0/24') };
  for (const text of wrappings('1.1.1.1')) expect([text, judge(text, closed).ok]).toEqual([text, false]);
});

test('one address of a name that may not be reached closes the name', () => {
  expect(judgeAll(['1.1.1.1', '127.0.0.1'], rules)).toMatchObject({ ok: false, address: '127.0.0.1' });
  expect(judgeAll(['1.1.1.1', '2606:4700::1111'], rules)).toBeNull();
});

test.each([
  'metadata.google.internal',
  'METADATA.GOOGLE.INTERNAL.',
  'metadata',
  'instance-data',
  'x.metadata.google.internal',
])('%s is a name that is never probed', (name) => {
  expect(judgeName(name)?.ok).toBe(false);
});
test.each(['example.org', 'metadata.example.org', 'mymetadata'])('%s is a name like others', (name) => {
  expect(judgeName(name)).toBeNull();
});

test('an odd spelling is what the system connects to: its own resolver reads it, and that is judged', async () => {
  // Control: to who looks at the text alone none of these is an address.
  for (const spelling of ['2130706433', '0x7f.1', '0177.0.0.1', '127.1', '0x7f000001', '①②⑦.⓪.⓪.①', '127。0。0。1']) {
    expect([spelling, judge(spelling, rules).ok]).toEqual([spelling, false]);
    const found = await lookup(spelling, { all: true });
    expect([spelling, found.map((f) => f.address)]).toEqual([spelling, ['127.0.0.1']]);
    expect(
      judgeAll(
        found.map((f) => f.address),
        rules,
      ),
    ).toMatchObject({ ok: false, why: expect.stringContaining('loopback') });
  }
  expect((await lookup('0', { all: true }))[0]?.address).toBe('0.0.0.0');
  const metadata = await lookup('0xa9fea9fe', { all: true });
  expect(
    judgeAll(
      metadata.map((f) => f.address),
      open,
    ),
  ).toMatchObject({ ok: false, address: '169.254.169.254' });
});

test('an independent reader of addresses sees the same ranges', () => {
  // Special ranges of ipaddr.js that none of ours may let through.
  const special = new Set([
    'unspecified',
    'broadcast',
    'multicast',
    'linkLocal',
    'loopback',
    'private',
    'carrierGradeNat',
    'uniqueLocal',
  ]);
  let state = 12345;
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state;
  };
  const judged = { special: 0, let: 0 };
  for (let i = 0; i < 20_000; i++) {
    const bytes = [random() >>> 24, random() >>> 24, random() >>> 24, random() >>> 24];
    if (i % 3 === 0) bytes[0] = [10, 127, 169, 172, 192, 100, 0, 224, 255][i % 9] as number;
    if (i % 7 === 0) bytes[1] = [254, 168, 16, 31, 64, 0][i % 6] as number;
    const v4 = bytes.join('.');
    const theirs = ipaddr.parse(v4).range();
    const ours = judge(v4, { ...rules, own: [] });
    if (special.has(theirs)) {
      judged.special++;
      expect([v4, theirs, ours.ok]).toEqual([v4, theirs, false]);
    } else if (theirs === 'unicast') {
      judged.let++;
      // What only we know: metadata of clouds.
      if (!ours.ok)
        expect(
          ['168.63.129.16', '192.0.0.192'].includes(v4) || v4.startsWith('198.1') || v4.startsWith('192.0.0.'),
        ).toBe(true);
    }
  }
  expect(judged.special).toBeGreaterThan(1_000);
  expect(judged.let).toBeGreaterThan(1_000);
});
