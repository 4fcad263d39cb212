/** Security events: which there are, what is in their records, who is told, and what is none. */
import { describe, expect, test } from 'vitest';
import type { Principal } from '../../src/core/call.ts';
import { OpsError } from '../../src/core/errors.ts';
import { networkOf } from '../../src/core/ip.ts';
import type { Listener, Recognised, Shown } from '../../src/policy/credentials.ts';
import type { SecurityNotice } from '../../src/policy/notices.ts';
import { createRefusals } from '../../src/policy/refusals.ts';
import { createSecurity, TAILNET_HEADERS } from '../../src/policy/security.ts';
import { createTally } from '../../src/policy/tally.ts';
import { openSeen } from '../../src/store/seen.ts';
import { fakeClock } from '../fakes/clock.ts';
import { memoryDb } from '../fakes/memory_db.ts';
import { callOf, reader, rig, who } from '../fakes/policy.ts';

const HOUR = 3_600_000;

function setUp(notified = true) {
  const clock = fakeClock();
  const records: Record<string, unknown>[] = [];
  const notices: SecurityNotice[] = [];
  const audit = { append: (event: string, fields: Record<string, unknown>) => void records.push({ event, ...fields }) };
  const seen = openSeen(memoryDb(), clock);
  const notify = notified ? (n: SecurityNotice) => void notices.push(n) : undefined;
  const security = createSecurity({ seen, audit, clock, notify });
  return { clock, records, notices, seen, security };
}

const token = (name: string, fingerprint = 'f1'): Principal =>
  who(`token:${name}`, ['system:read'], { credential: { fingerprint } });

const shown = (over: Partial<Shown> = {}, headers: Record<string, string> = {}): Shown => ({
  listener: 'tcp',
  address: '192.0.2.1',
  bearer: 'x',
  header: (name) => headers[name],
  ...over,
});

describe('who is new', () => {
  test('a principal the first time, its further addresses, and nothing twice', () => {
    const { security, records, notices } = setUp();
    const ask = security.watch(() => ({ principal: token('laptop') }));
    for (const address of ['192.0.2.1', '::ffff:192.0.2.1', '2001:db8::1', '2001:db8::2', '2001:db8:0:1::1'])
      ask(shown({ address }));
    expect(records).toMatchObject([
      {
        event: 'security',
        kind: 'new_principal',
        who: 'token:laptop',
        address: '192.0.2.1',
        listener: 'tcp',
        credential: { fingerprint: 'f1' },
      },
      { event: 'security', kind: 'new_address', who: 'token:laptop', address: '2001:db8::1' },
      { event: 'security', kind: 'new_address', who: 'token:laptop', address: '2001:db8:0:1::1' },
    ]);
    expect(notices).toMatchObject([
      { what: 'token:laptop uses this host for the first time', lines: ['From 192.0.2.1.'] },
    ]);
    expect(notices[0]?.command).toContain('new_principal');
  });

  test('the answer passes as it is, at once or later; who is refused is not seen', async () => {
    const { security, records } = setUp();
    const refused: Recognised = { refused: new OpsError('permission', 'no'), status: 401, sent: true };
    expect(security.watch(() => refused)(shown())).toBe(refused);
    expect(records).toEqual([]);
    const later = { principal: token('later') };
    const answer = security.watch(async () => later)(shown());
    expect(answer).toBeInstanceOf(Promise);
    expect(await answer).toBe(later);
    expect(records).toMatchObject([{ kind: 'new_principal', who: 'token:later' }]);
    await expect(
      security.watch(async () => {
        throw new Error('away');
      })(shown()) as Promise<unknown>,
    ).rejects.toThrow('away');
  });

  test('a token made anew under the same name is somebody new; another jti of the same subject is not', () => {
    const { security, records } = setUp();
    let principal = token('laptop', 'one');
    const ask = security.watch(() => ({ principal }));
    ask(shown());
    principal = token('laptop', 'two');
    ask(shown());
    principal = who('jwt:home:alice', ['system:read'], { kind: 'jwt', credential: { jti: '1', fingerprint: 'x' } });
    ask(shown());
    principal = { ...principal, credential: { jti: '2', fingerprint: 'y' } };
    ask(shown());
    expect(records.map((r) => `${r.kind} ${r.who}`)).toEqual([
      'new_principal token:laptop',
      'new_principal token:laptop',
      'new_principal jwt:home:alice',
    ]);
  });

  test('without an address there is no new one, and what is no address is none', () => {
    const { security, records, notices } = setUp();
    const ask = security.watch(() => ({ principal: token('a') }));
    ask(shown({ address: undefined }));
    ask(shown({ address: undefined }));
    ask(shown({ address: 'nonsense' }));
    expect(records).toHaveLength(1);
    expect(notices[0]?.lines).toEqual([]);
  });

  test('who changes addresses all the time is counted, and so is everybody who does', async () => {
    const { security, records, clock } = setUp();
    const ask = security.watch(() => ({ principal: token('roamer') }));
    for (let i = 0; i < 100; i++) ask(shown({ address: `10.0.0.${i}` }));
    expect(records.filter((r) => r.kind === 'new_address')).toHaveLength(20);
    await clock.advance(HOUR);
    expect(records.at(-1)).toMatchObject({ kind: 'new_address', who: 'token:roamer', count: 79 });
  });

  test('notices of new ones are bounded a day; records are not', async () => {
    const { security, records, notices, clock } = setUp();
    let n = 0;
    const ask = security.watch(() => ({ principal: token(`t${n++}`) }));
    for (let i = 0; i < 50; i++) ask(shown());
    expect([records.length, notices.length]).toEqual([50, 20]);
    expect(notices[19]?.lines.at(-1)).toContain('not told');
    await clock.advance(24 * HOUR);
    ask(shown());
    expect(notices).toHaveLength(21);
  });

  test('networks as they are counted', () => {
    expect(
      ['192.0.2.1', '::ffff:192.0.2.1', '2001:db8:1:2:3::1', 'fe80::1%eth0', '::1', 'x'].map((x) => networkOf(x)),
    ).toEqual(['192.0.2.1', '192.0.2.1', '2001:db8:1:2::/64', 'fe80::/64', '::/64', null]);
  });

  test('more addresses than are remembered cost nothing but the parsing', () => {
    const { security, records } = setUp();
    const ask = security.watch(() => ({ principal: token('a') }));
    for (let i = 0; i < 4_200; i++) ask(shown({ address: `2001:db8::${i.toString(16)}` }));
    expect(records).toHaveLength(1);
  });
});

describe('forged headers', () => {
  test.each(TAILNET_HEADERS)('%s on the open listener is on record, and who it is stays who it is', (name) => {
    const { security, records } = setUp();
    const principal = token('real');
    const found = security.watch(() => ({ principal }))(shown({}, { [name]: 'owner@example.com' }));
    expect(found).toEqual({ principal });
    expect(records[0]).toMatchObject({ kind: 'forged', who: 'anonymous', address: '192.0.2.1', headers: [name] });
    expect(JSON.stringify(records)).not.toContain('owner@example.com');
  });

  test('on the listener of tailscaled they are as they should be', () => {
    const { security, records } = setUp();
    const refused: Recognised = { refused: new OpsError('permission', 'no'), status: 401, sent: false };
    security.watch(() => refused)(shown({ listener: 'tailnet' as Listener }, { 'tailscale-user-login': 'a@b' }));
    expect(records).toEqual([]);
    security.forged({ address: undefined, what: 'the login header says another one' });
    expect(records).toMatchObject([{ kind: 'forged', what: 'the login header says another one' }]);
  });

  test('X-Forwarded-For of nobody in particular, and what a client says of itself, are none', () => {
    const { security, records } = setUp();
    const refused: Recognised = { refused: new OpsError('permission', 'no'), status: 401, sent: false };
    security.watch(() => refused)(shown({}, { 'x-forwarded-for': '100.64.0.1', forwarded: 'for=1', 'x-user': 'root' }));
    expect(records).toEqual([]);
  });

  test('a burst is of those who were turned away: `tailscale serve` before the open port sends them with good tokens, too', () => {
    const headers = { 'tailscale-user-login': 'owner@example.com' };
    const refused: Recognised = { refused: new OpsError('permission', 'no'), status: 401, sent: true };
    for (const [found, told] of [
      [{ principal: token('real') }, 0],
      [refused, 1],
    ] as const) {
      const { security, records, notices } = setUp();
      const ask = security.watch(() => found);
      for (let i = 0; i < 50; i++) ask(shown({ address: '192.0.2.9' }, headers));
      expect(records.filter((r) => r.kind === 'forged')).toHaveLength(1);
      expect(notices.filter((n) => n.facts?.kind === 'burst')).toHaveLength(told);
    }
  });

  test('a flood is one record at once, one with the number, and one notice', async () => {
    const { security, records, notices, clock } = setUp();
    for (let i = 0; i < 50; i++) security.forged({ address: '192.0.2.9', what: 'X-Forwarded-For is not one address' });
    await clock.advance(HOUR);
    security.close();
    expect(records.filter((r) => r.kind === 'forged')).toMatchObject([
      { what: 'X-Forwarded-For is not one address', address: '192.0.2.9' },
      { count: 49 },
    ]);
    expect(notices).toMatchObject([{ facts: { kind: 'burst', address: '192.0.2.9', kinds: { forged: 20 } } }]);
  });
});

describe('bursts', () => {
  test('failed authentications of one address: one record at its begin, one at its end, one notice', async () => {
    const { security, records, notices, clock } = setUp();
    for (let i = 0; i < 300; i++)
      security.turnedAway({ code: 'permission', who: undefined, address: `2001:db8::${i.toString(16)}` });
    await clock.advance(HOUR);
    expect(records).toMatchObject([
      { kind: 'burst', state: 'begun', address: '2001:db8::/64', count: 20, kinds: { unauthenticated: 20 } },
      { kind: 'burst', state: 'grown', count: 200 },
      { kind: 'burst', state: 'over', count: 300 },
    ]);
    expect(notices.map((n) => n.what)).toEqual([
      '20 requests of 2001:db8::/64 were turned away',
      '200 requests of 2001:db8::/64 were turned away, and they go on',
    ]);
  });

  test('of somebody known by name, of an unknown address, and of many', () => {
    const { security, notices, records } = setUp();
    for (let i = 0; i < 20; i++) security.turnedAway({ code: 'limit', who: 'token:a', address: '10.0.0.1' });
    for (let i = 0; i < 20; i++) security.turnedAway({ code: 'permission', who: 'token:b', address: '10.0.0.1' });
    for (let i = 0; i < 20; i++) security.turnedAway({ code: 'permission', who: undefined, address: undefined });
    for (let i = 0; i < 200; i++) security.turnedAway({ code: 'limit', who: undefined, address: `10.2.${i}.1` });
    expect(notices.map((n) => n.what)).toEqual([
      '20 requests of token:a were turned away',
      '20 requests of token:b were turned away',
      '20 requests of an unknown address were turned away',
      '100 requests of many were turned away',
    ]);
    expect(notices[3]?.lines[1]).toContain('Most of them: ');
    expect(records.at(-1)).toMatchObject({ who: 'others', kinds: { limited: 100 } });
    expect(notices[1]?.facts).toMatchObject({ kinds: { denied: 20 } });
  });

  test('other errors are none, and with nobody to tell there are records all the same', () => {
    const { security, records } = setUp(false);
    for (let i = 0; i < 50; i++) security.turnedAway({ code: 'validation', who: undefined, address: '10.0.0.1' });
    expect(records).toEqual([]);
    for (let i = 0; i < 20; i++) security.turnedAway({ code: 'limit', who: undefined, address: '10.0.0.1' });
    security.watch(() => ({ principal: token('a') }))(shown());
    expect(records.map((r) => r.kind)).toEqual(['burst', 'new_principal']);
    // A tool whose part of the host is away turns nobody away; who cannot be told apart is.
    for (let i = 0; i < 50; i++) security.turnedAway({ code: 'unavailable', who: 'token:a', address: '10.0.0.2' });
    expect(records).toHaveLength(2);
    for (let i = 0; i < 20; i++) security.turnedAway({ code: 'unavailable', who: undefined, address: '10.0.0.2' });
    expect(records[2]).toMatchObject({ kind: 'burst', address: '10.0.0.2', kinds: { unknown: 20 } });
  });

  test('refused requests and refused calls are both seen, each once', async () => {
    const counted: unknown[] = [];
    const r = rig({ security: { turnedAway: (x) => void counted.push(x) } });
    const refusals = createRefusals(r.policy);
    for (let i = 0; i < 3; i++)
      refusals.note({
        id: `q${i}`,
        face: 'mcp-http',
        reason: new OpsError('permission', 'No.'),
        address: '10.0.0.1',
        what: 'POST /mcp',
      });
    await r.door.run(callOf('fixture_rename', {}, { principal: reader, address: '10.0.0.2' }));
    expect(counted).toEqual([
      ...Array.from({ length: 3 }, () => ({ code: 'permission', who: undefined, address: '10.0.0.1' })),
      { code: 'permission', who: 'token:reader', address: '10.0.0.2' },
    ]);
    refusals.close();
  });
});

test('records of calls and refusals say by which credential and on which listener', async () => {
  const { door, records, policy } = rig();
  const principal = token('laptop');
  await door.run(callOf('fixture_look', {}, { principal, listener: 'tailnet', address: '100.64.0.1' }));
  expect(records.at(-1)?.fields).toMatchObject({ credential: { fingerprint: 'f1' }, listener: 'tailnet' });
  const refusals = createRefusals(policy);
  const at = { id: 'q', face: 'mcp-http' as const, reason: new OpsError('limit', 'x'), what: 'x', address: '1.2.3.4' };
  refusals.note({ ...at, principal, listener: 'tcp' });
  expect(records.at(-1)?.fields).toMatchObject({ credential: { fingerprint: 'f1' }, listener: 'tcp' });
  refusals.close();
});

describe('tally', () => {
  test('sources beyond a thousand are counted together, and after the end each is written', async () => {
    const clock = fakeClock();
    const written: Record<string, unknown>[] = [];
    const tally = createTally({
      clock,
      windowMs: 1_000,
      singly: 1,
      write: (f) => void written.push(f),
      common: { x: 1 },
    });
    for (let i = 0; i < 1_010; i++) tally.note(`s${i}`, { i });
    expect(written).toHaveLength(1_001);
    await clock.advance(500);
    tally.note('s0', { i: 'again' });
    await clock.advance(500);
    expect(written.slice(1_001)).toMatchObject([
      { i: 0, count: 1 },
      { x: 1, count: 9 },
    ]);
    expect(clock.waiting()).toBe(0);
    tally.note('late', {});
    tally.note('late', {});
    tally.close();
    expect(written.at(-1)).toMatchObject({ count: 1 });
    tally.note('after', { i: 'after' });
    expect(written.at(-1)).toEqual({ i: 'after' });
    expect(clock.waiting()).toBe(0);
  });

  test('windows that begin at different times end at theirs', async () => {
    const clock = fakeClock();
    const written: Record<string, unknown>[] = [];
    const tally = createTally({ clock, windowMs: 1_000, singly: 1, write: (f) => void written.push(f), common: {} });
    tally.note('a', { a: 1 });
    await clock.advance(600);
    tally.note('b', { b: 1 });
    tally.note('b', { b: 1 });
    await clock.advance(400);
    expect(written).toHaveLength(2);
    await clock.advance(600);
    expect(written).toHaveLength(3);
  });
});
