import { beforeEach, describe, expect, it } from 'vitest';
import { type Db, openDb } from '../../src/store/db.ts';
import { openKept } from '../../src/store/kept.ts';
import { openLocks } from '../../src/store/locks.ts';
import { newOwner } from '../../src/store/owner.ts';
import { openQuotas } from '../../src/store/quotas.ts';
import type { StateDir } from '../../src/store/state.ts';
import { openWork } from '../../src/store/work.ts';
import { clock, memoryLog, newState, thrownBy } from './bench.ts';

let state: StateDir;
let db: Db;
let time: ReturnType<typeof clock>;
beforeEach(() => {
  state = newState();
  db = openDb(state, memoryLog());
  time = clock();
  return () => db.close();
});

const deadOwner = () => [2 ** 22 + 1, ...newOwner().split('.').slice(1)].join('.');

describe('kept results', () => {
  const row = (data: Record<string, unknown>, principal = 'p') => ({
    principal,
    scopes: ['system:read' as const],
    targets: [{ kind: 'path' as const, name: '/srv' }],
    tool: 'process_list',
    data,
    foreignPaths: ['rows[].command'],
    lists: ['rows'],
  });

  it('serve their principal only, small and packed, until they expire', () => {
    const kept = openKept(db, { now: time.now });
    for (const data of [{ rows: [1] }, { rows: Array.from({ length: 5_000 }, (_, i) => ({ i, name: 'ä' })) }]) {
      const handle = kept.put(row(data)) as string;
      expect(handle).toMatch(/^r_[a-z2-7]{26}$/);
      expect(openKept(db, { now: time.now }).get(handle, 'p')).toEqual({
        handle,
        ...row(data),
        createdAtMs: time.now(),
        expiresAtMs: time.now() + 30 * 60_000,
      });
      expect(kept.get(handle, 'q')).toBeNull();
      time.move(30 * 60_000);
      expect(kept.get(handle, 'p')).toBeNull();
    }
    expect(kept.get('r_none', 'p')).toBeNull();
  });

  it('take the handle of the work they came from', () => {
    const kept = openKept(db);
    expect(kept.put({ ...row({ a: 1 }), handle: 'w_abc' })).toBe('w_abc');
  });

  it('are bounded: one, all of them, and their number; the oldest goes first', () => {
    const kept = openKept(db, { now: time.now, oneBytes: 3_000, totalBytes: 5_000, count: 3 });
    expect(kept.put(row({ text: 'x'.repeat(3_000) }))).toBeNull();
    const put = (n: number) => {
      time.move(1);
      return kept.put(row({ text: 'x'.repeat(n) })) as string;
    };
    const [a, b, c] = [put(2_000), put(2_000), put(2_000)];
    expect([a, b, c].map((h) => kept.get(h, 'p') !== null)).toEqual([false, true, true]);
    const small = [put(1), put(1), put(1)];
    expect([b, c, ...small].map((h) => kept.get(h, 'p') !== null)).toEqual([false, false, true, true, true]);
  });

  it('in memory are bounded too', () => {
    const full = openDb({ ...state, full: () => 'no space' }, memoryLog());
    const kept = openKept(full, { memoryBytes: 4_000 });
    const handles = [1, 2, 3].map(() => kept.put(row({ text: 'x'.repeat(1_000) })) as string);
    expect(handles.map((h) => kept.get(h, 'p') !== null)).toEqual([false, true, true]);
    expect(kept.put(row({ text: 'x'.repeat(4_000) }))).toBeNull();
    full.close();
  });
});

describe('running work', () => {
  const begin = { principal: 'p', scopes: ['docker:read' as const], tool: 't' };
  const stores = () => {
    const o = { now: time.now };
    return { owner: openWork(db, newOwner(), o), other: openWork(db, newOwner(), o) };
  };

  it('is seen, stopped and read from another process', () => {
    const { owner, other } = stores();
    const handle = owner.begin(begin) as string;
    expect(handle).toMatch(/^w_[a-z2-7]{26}$/);
    expect(other.get(handle, 'q')).toBeNull();
    time.move(1_000);
    owner.progress(handle, { done: 1, total: 2 });
    expect(other.get(handle, 'p')).toMatchObject({ state: 'running', progress: { done: 1, total: 2 }, tool: 't' });
    expect(other.requestCancel(handle, 'q')).toBe(false);
    expect(owner.cancelRequested(handle)).toBe(false);
    expect(other.requestCancel(handle, 'p')).toBe(true);
    time.move(250);
    expect(owner.cancelRequested(handle)).toBe(true);
    owner.finish(handle, { state: 'cancelled' });
    for (const w of [owner, other])
      expect(w.get(handle, 'p')).toMatchObject({ state: 'cancelled', kept: null, error: null });
    expect(other.requestCancel(handle, 'p')).toBe(false);
    time.move(30 * 60_000);
    expect(other.get(handle, 'p')).toBeNull();
  });

  it('ends with a result or an error', () => {
    const { owner, other } = stores();
    const [a, b] = [owner.begin(begin) as string, owner.begin(begin) as string];
    owner.finish(a, { state: 'done', kept: 'r_x' });
    owner.finish(a, { state: 'failed' });
    owner.finish(b, { state: 'failed', error: { code: 'timeout', message: 'm', hint: 'h' } });
    expect(other.get(a, 'p')).toMatchObject({ state: 'done', kept: 'r_x' });
    expect(other.get(b, 'p')).toMatchObject({ state: 'failed', error: { code: 'timeout', message: 'm', hint: 'h' } });
  });

  it('is bounded for one principal and for all, over all processes', () => {
    const o = { now: time.now, perPrincipal: 2, all: 3 };
    const [one, two] = [openWork(db, newOwner(), o), openWork(db, newOwner(), o)];
    const first = one.begin(begin) as string;
    two.begin(begin);
    expect(one.begin(begin)).toBeNull();
    expect(one.begin({ ...begin, principal: 'q' })).not.toBeNull();
    expect(two.begin({ ...begin, principal: 'r' })).toBeNull();
    one.finish(first, { state: 'done' });
    expect(two.begin(begin)).not.toBeNull();
  });

  it('of a dead process is lost, and counts no more', () => {
    const dead = openWork(db, deadOwner(), { now: time.now, all: 1 });
    const handle = dead.begin(begin) as string;
    const other = openWork(db, newOwner(), { now: time.now, all: 1 });
    expect(other.get(handle, 'p')).toMatchObject({ state: 'lost' });
    expect(other.requestCancel(handle, 'p')).toBe(false);
    expect(other.begin(begin)).not.toBeNull();
    expect(db.read((sql) => sql.get('SELECT state FROM work WHERE handle = ?', handle))).toEqual({ state: 'lost' });
  });

  it('goes on in memory while the database is out of order', () => {
    const full = openDb({ ...state, full: () => 'no space' }, memoryLog());
    const work = openWork(full, newOwner());
    const handle = work.begin(begin) as string;
    work.finish(handle, { state: 'done', kept: 'r_x' });
    expect(work.get(handle, 'p')).toMatchObject({ state: 'done', kept: 'r_x' });
    full.close();
  });
});

describe('target locks', () => {
  it('exclude, say who holds them, and pass on', () => {
    const [one, two] = [openLocks(db, newOwner(), time.now), openLocks(db, newOwner(), time.now)];
    const held = one.acquire('unit:nginx', 'call-1');
    expect(held).not.toBeNull();
    expect(one.acquire('unit:nginx')).toBeNull();
    expect(two.acquire('unit:nginx')).toBeNull();
    expect(two.holder('unit:nginx')).toEqual({ label: 'call-1', sinceMs: time.now() });
    expect(two.acquire('unit:other')).not.toBeNull();
    held?.[Symbol.dispose]();
    expect(two.holder('unit:nginx')).toBeNull();
    const next = two.acquire('unit:nginx');
    held?.[Symbol.dispose]();
    expect(one.acquire('unit:nginx')).toBeNull();
    next?.[Symbol.dispose]();
  });

  it('of a dead process are taken over', () => {
    openLocks(db, deadOwner(), time.now).acquire('k');
    expect(openLocks(db, newOwner(), time.now).acquire('k')).not.toBeNull();
  });

  it('that could not be given back are ours again', () => {
    let full: string | null = null;
    const small = openDb({ ...state, full: () => full }, memoryLog(), () => time.now());
    const locks = openLocks(small, newOwner(), time.now);
    const held = locks.acquire('k');
    full = 'no space';
    held?.[Symbol.dispose]();
    expect(thrownBy(() => locks.acquire('other'))).toMatchObject({ code: 'unavailable' });
    full = null;
    time.move(2_001);
    expect(locks.acquire('k')).not.toBeNull();
    small.close();
  });
});

it('quotas are granted in blocks, shared, and begin anew with the window', () => {
  const [one, two] = [openQuotas(db), openQuotas(db)];
  expect(one.reserve('p', 10, 60_000, 25, 60_000)).toBe(10);
  expect(two.reserve('p', 10, 60_000, 25, 60_001)).toBe(10);
  expect(one.reserve('p', 10, 60_000, 25, 119_999)).toBe(5);
  expect(two.reserve('p', 10, 60_000, 25, 119_999)).toBe(0);
  expect(two.reserve('q', 10, 60_000, 25, 119_999)).toBe(10);
  expect(two.reserve('p', 10, 60_000, 25, 120_000)).toBe(10);
  // The clock was set back: no window of the future holds.
  expect(one.reserve('p', 10, 60_000, 25, 1)).toBe(10);
  expect(one.reserve('r', 1, 60_000, 25, 500_000)).toBe(1);
  expect(db.read((sql) => sql.all('SELECT key FROM quotas'))).toEqual([{ key: 'r' }]);
});
