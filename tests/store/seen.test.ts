/** Who was here: what is new, how much is kept, how seldom it is written, and what a database that is out of order means. */
import { describe, expect, test } from 'vitest';
import type { Db } from '../../src/store/db.ts';
import { openPolicyDigests } from '../../src/store/policy_digests.ts';
import { openSeen } from '../../src/store/seen.ts';
import { fakeClock } from '../fakes/clock.ts';
import { memoryDb } from '../fakes/memory_db.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function setUp() {
  const real = memoryDb();
  let down: string | null = null;
  let writes = 0;
  const db: Db = {
    ...real,
    attempt(kind, work) {
      if (down !== null) return null;
      if (kind === 'tx') writes++;
      return real.attempt(kind, work);
    },
    degraded: () => down,
  };
  const clock = fakeClock();
  return {
    clock,
    db,
    seen: openSeen(db, clock, { principals: 100, addresses: 32, remembered: 400 }),
    writes: () => writes,
    fail(why: string | null) {
      down = why;
    },
    rows: (sql = 'SELECT count(*) AS n FROM seen') => real.read((s) => Number(s.get(sql)?.n)),
  };
}
const a = { principal: 'token:a', address: '10.0.0.1' };

describe('what is new', () => {
  test('somebody, then each further address, and nothing twice', () => {
    const { seen } = setUp();
    expect(seen.note(a)).toBe('principal');
    expect(seen.note(a)).toBeNull();
    expect(seen.note({ ...a, address: '10.0.0.2' })).toBe('address');
    expect(seen.note({ ...a, address: '10.0.0.2' })).toBeNull();
    expect(seen.note({ principal: 'token:b', address: '10.0.0.2' })).toBe('principal');
    expect(seen.note({ ...a, address: undefined })).toBeNull();
  });

  test('another process on the same state, and a later one, know it', () => {
    const { seen, db, clock } = setUp();
    seen.note(a);
    const other = openSeen(db, clock);
    expect(other.note(a)).toBeNull();
    expect(other.note({ ...a, address: '::/64' })).toBe('address');
    expect(seen.note({ ...a, address: '::/64' })).toBeNull();
  });

  test('a token made anew under the old name is somebody new, with addresses of its own', () => {
    const { seen } = setUp();
    expect(seen.note({ ...a, mark: 'one' })).toBe('principal');
    seen.note({ ...a, mark: 'one', address: '10.0.0.9' });
    expect(seen.note({ ...a, mark: 'two' })).toBe('principal');
    expect(seen.note({ ...a, mark: 'two', address: '10.0.0.9' })).toBe('address');
    expect(seen.of('token:a', 'one').known).toBeNull();
    expect(seen.of('token:a', 'two').known).not.toBeNull();
  });
});

describe('last use', () => {
  test('without an address there is none', () => {
    const { seen } = setUp();
    seen.note({ principal: 'token:a', address: undefined });
    expect(seen.of('token:a').known?.lastAddress).toBeNull();
  });

  test('never, then first, last, whence, how often and on how many days', async () => {
    const { seen, clock } = setUp();
    expect(seen.of('token:a')).toEqual({ known: null, why: null });
    const start = clock.now();
    seen.note(a);
    await clock.advance(25 * HOUR);
    seen.note(a);
    await clock.advance(MINUTE);
    seen.note({ ...a, address: '10.0.0.2' });
    expect(seen.of('token:a')).toEqual({
      known: { firstMs: start, lastMs: start + 25 * HOUR + MINUTE, lastAddress: '10.0.0.2', uses: 3, days: 2 },
      why: null,
    });
  });

  test('a use costs no write, but one a minute for all that is due', async () => {
    const { seen, clock, writes } = setUp();
    seen.note(a);
    seen.note({ ...a, address: '10.0.0.2' });
    const begun = writes();
    for (let i = 0; i < 5_000; i++) {
      seen.note(a);
      seen.note({ ...a, address: '10.0.0.2' });
    }
    expect(writes()).toBe(begun);
    await clock.advance(MINUTE - 1);
    seen.note(a);
    expect(writes()).toBe(begun);
    await clock.advance(1);
    seen.note(a);
    expect(writes()).toBe(begun + 1);
    expect(seen.of('token:a').known?.uses).toBe(2 + 10_000 + 2);
    seen.note(a);
    seen.flush();
    seen.flush();
    expect(writes()).toBe(begun + 2);
    expect(seen.of('token:a').known?.uses).toBe(10_005);
  });

  test('the control: written at each use, the same calls are as many writes', () => {
    const { seen, writes } = setUp();
    for (let i = 0; i < 100; i++) {
      seen.note(a);
      seen.flush();
    }
    expect(writes()).toBeGreaterThanOrEqual(100);
  });

  test('a clock that was set back moves no last use back', async () => {
    const { db } = setUp();
    let now = 10_000_000;
    let elapsed = 0;
    const seen = openSeen(db, { now: () => now, elapsed: () => elapsed });
    seen.note(a);
    now -= 5_000_000;
    elapsed += MINUTE;
    seen.note(a);
    expect(seen.of('token:a').known).toMatchObject({ firstMs: 10_000_000, lastMs: 10_000_000, uses: 2 });
  });
});

describe('bounds', () => {
  test('without other bounds there are some', () => {
    const seen = openSeen(memoryDb(), fakeClock());
    for (let i = 0; i < 40; i++) seen.note({ principal: 'token:a', address: `10.0.0.${i}` });
    expect(seen.of('token:a').known?.uses).toBe(40);
  });

  test('of many principals those that were here last stay, with their addresses', async () => {
    const { seen, clock, rows } = setUp();
    for (let i = 0; i < 120; i++) {
      seen.note({ principal: `jwt:x:${i}`, address: '10.0.0.1' });
      if (i % 10 === 0) await clock.advance(1_000);
    }
    expect(rows("SELECT count(*) AS n FROM seen WHERE address = ''")).toBe(100);
    expect(rows()).toBe(200);
    expect(seen.of('jwt:x:119').known).not.toBeNull();
    expect(seen.of('jwt:x:0').known).toBeNull();
  });

  test('of one principal the last addresses stay', async () => {
    const { seen, clock, rows } = setUp();
    for (let i = 0; i < 100; i++) {
      seen.note({ principal: 'token:a', address: `10.0.1.${i}` });
      await clock.advance(1_000);
    }
    expect(rows()).toBe(33);
    expect(seen.of('token:a').known?.uses).toBe(100);
  });

  test('what is remembered is bounded, and forgetting it loses no use', () => {
    const { seen, rows } = setUp();
    seen.note(a);
    seen.note(a);
    for (let i = 0; i < 420; i++) seen.note({ principal: 'token:b', address: `10.1.${i >> 8}.${i & 255}` });
    expect(seen.of('token:a').known?.uses).toBe(2);
    expect(rows()).toBeLessThan(50);
    expect(seen.note(a)).toBeNull();
  });
});

describe('the database is out of order', () => {
  test('nothing is called new, nobody is forgotten, and it is asked again', async () => {
    const { seen, clock, fail } = setUp();
    fail('disk full');
    expect(seen.note(a)).toBeNull();
    expect(seen.note(a)).toBeNull();
    expect(seen.of('token:a')).toEqual({ known: null, why: 'disk full' });
    fail(null);
    // It rests for two seconds.
    expect(seen.note(a)).toBeNull();
    await clock.advance(2_000);
    expect(seen.note(a)).toBe('principal');
    expect(seen.of('token:a').known?.uses).toBe(4);
    fail('gone');
    await clock.advance(MINUTE);
    seen.note(a);
    fail(null);
    await clock.advance(MINUTE);
    seen.note(a);
    expect(seen.of('token:a').known?.uses).toBe(6);
  });

  test('without a word of the database there is one of ours', () => {
    const { db } = setUp();
    const seen = openSeen({ ...db, attempt: () => null, degraded: () => null }, fakeClock());
    expect(seen.of('token:a').why).toContain('cannot be read');
  });
});

describe('digests of the rules', () => {
  const of = (o: object) => new Map(Object.entries(o));

  test('the first time nothing is known, then each difference is named once, for each role alone', () => {
    const p = openPolicyDigests(memoryDb());
    expect(p.changed('serve', of({ mode: '1', roles: '1' }), 1)).toBeNull();
    expect(p.changed('serve', of({ mode: '1', roles: '1' }), 2)).toEqual([]);
    expect(p.changed('serve', of({ mode: '2', roles: '1' }), 3)).toEqual(['mode']);
    expect(p.changed('serve', of({ mode: '2', roles: '1' }), 4)).toEqual([]);
    expect(p.changed('stdio', of({ mode: '9' }), 5)).toBeNull();
    expect(p.changed('serve', of({ mode: '2', roles: '1' }), 6)).toEqual([]);
  });

  test('a setting that a newer version brings is no change, and from then on one', () => {
    const p = openPolicyDigests(memoryDb());
    p.changed('serve', of({ mode: '1' }), 1);
    expect(p.changed('serve', of({ mode: '1', fresh: '1' }), 2)).toEqual([]);
    expect(p.changed('serve', of({ mode: '1', fresh: '2' }), 3)).toEqual(['fresh']);
  });

  test('a change that has its own record is none at the next start; one before it is not hidden by it', () => {
    const p = openPolicyDigests(memoryDb());
    p.changed('serve', of({ tokens: '1' }), 1);
    p.follow('tokens', '1', '2');
    expect(p.changed('serve', of({ tokens: '2' }), 2)).toEqual([]);
    // Somebody edited the file (3), then a token was added (4).
    p.follow('tokens', '3', '4');
    expect(p.changed('serve', of({ tokens: '4' }), 3)).toEqual(['tokens']);
  });

  test('out of order it tells nothing', () => {
    const db = memoryDb();
    const p = openPolicyDigests({ ...db, attempt: () => null });
    expect(p.changed('serve', of({ mode: '1' }), 1)).toBeNull();
    const half = openPolicyDigests({ ...db, attempt: (kind, work) => (kind === 'tx' ? null : db.attempt(kind, work)) });
    expect(half.changed('serve', of({ mode: '1' }), 1)).toBeNull();
  });
});
