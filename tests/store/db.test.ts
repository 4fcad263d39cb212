import { closeSync, existsSync, openSync, readdirSync, renameSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { openDb } from '../../src/store/db.ts';
import { openKept } from '../../src/store/kept.ts';
import { openLeases } from '../../src/store/leases.ts';
import { MIGRATIONS } from '../../src/store/migrations.ts';
import { openQuotas } from '../../src/store/quotas.ts';
import type { StateDir } from '../../src/store/state.ts';
import { clock, memoryLog, newState, thrownBy } from './bench.ts';

const probe = 'INSERT INTO probe VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at';

/** A disk that is full when we say so. */
function fillable(state: StateDir) {
  const disk = { full: null as string | null };
  return { disk, state: { ...state, full: () => disk.full } };
}

describe('database', () => {
  it('is private, in WAL, and at the newest schema', () => {
    const state = newState();
    const db = openDb(state, memoryLog());
    db.tx((sql) => sql.run(probe, 1));
    for (const name of readdirSync(state.dir).filter((n) => n.startsWith('deckhand.db')))
      expect(statSync(join(state.dir, name)).mode & 0o777, name).toBe(0o600);
    const other = new DatabaseSync(state.db);
    expect(other.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    expect(other.prepare('PRAGMA user_version').get()).toEqual({ user_version: MIGRATIONS.length });
    other.close();
    db.close();
  });

  it('of a newer Deckhand is refused clearly', () => {
    const state = newState();
    openDb(state, memoryLog()).close();
    const other = new DatabaseSync(state.db);
    other.exec('UPDATE readable SET since = 99; PRAGMA user_version = 99');
    other.close();
    expect(thrownBy(() => openDb(state, memoryLog()))).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('schema 99'),
    });
  });

  it('rolls back what throws, passes the error on, and forbids a transaction in a transaction', () => {
    const db = openDb(newState(), memoryLog());
    const boom = () =>
      db.tx((sql) => {
        sql.run(probe, 1);
        throw new Error('boom');
      });
    expect(boom).toThrow('boom');
    expect(db.read((sql) => sql.get('SELECT at FROM probe'))).toBeUndefined();
    expect(() => db.tx(() => db.tx(() => 1))).toThrow('inside a transaction');
    expect(db.tx((sql) => sql.run(probe, 2), { durable: true })).toBe(1);
    db.close();
  });

  it('that is corrupt at the start is moved aside, with a line in the log', () => {
    const state = newState();
    writeFileSync(state.db, 'not a database, but longer than a hundred bytes '.repeat(10), { mode: 0o600 });
    const log = memoryLog();
    const db = openDb(state, log);
    expect(db.tx((sql) => sql.run(probe, 1))).toBe(1);
    expect(readdirSync(state.dir).some((n) => n.startsWith('deckhand.db.corrupt-'))).toBe(true);
    expect(log.lines.find((l) => l.level === 'error')?.message).toContain('moved aside');
    db.close();
  });

  it('that turns corrupt while it runs is replaced, and a second process follows to the new file', () => {
    const state = newState();
    const time = clock(0);
    const one = openDb(state, memoryLog(), time.now);
    const two = openDb(state, memoryLog(), time.now);
    one.close();
    two.close();
    const raw = new DatabaseSync(state.db);
    const page = Number(raw.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'kept'").get()?.rootpage);
    raw.close();
    const fd = openSync(state.db, 'r+');
    writeSync(fd, Buffer.alloc(4096, 0xff), 0, 4096, (page - 1) * 4096);
    closeSync(fd);
    const log = memoryLog();
    const again = openDb(state, log, time.now);
    const follower = openDb(state, memoryLog(), time.now);
    expect(
      openKept(again).put({ principal: 'p', scopes: [], tool: 't', data: { a: 1 }, foreignPaths: [], lists: [] }),
    ).toMatch(/^r_/);
    expect(log.lines.some((l) => l.message.includes('moved aside'))).toBe(true);
    time.move(1_000);
    expect(follower.read((sql) => sql.get('SELECT count(*) AS n FROM kept'))).toEqual({ n: 1 });
    again.close();
    follower.close();
  });

  it('that was removed or replaced is opened anew', () => {
    const state = newState();
    const time = clock(0);
    const db = openDb(state, memoryLog(), time.now);
    db.tx((sql) => sql.run(probe, 1));
    for (const part of ['', '-wal', '-shm'])
      if (existsSync(state.db + part)) renameSync(state.db + part, `${state.db}.old${part}`);
    time.move(1_000);
    expect(db.tx((sql) => sql.run(probe, 2))).toBe(1);
    expect(existsSync(state.db)).toBe(true);
    db.close();
  });
});

describe('a full disk', () => {
  it('gives a reason, leaves convenience to memory, and is over two seconds after room is made', () => {
    const { disk, state } = fillable(newState());
    const time = clock(0);
    const log = memoryLog();
    const db = openDb(state, log, time.now);
    const kept = openKept(db);
    const quotas = openQuotas(db);
    const row = { principal: 'p', scopes: [], tool: 't', data: { a: 1 }, foreignPaths: [], lists: [] };
    const before = kept.put(row) as string;

    disk.full = 'no space left';
    const during = kept.put(row) as string;
    expect(during).toMatch(/^r_/);
    expect(kept.get(during, 'p')?.data).toEqual({ a: 1 });
    expect(kept.get(during, 'q')).toBeNull();
    expect(kept.get(before, 'p')?.data).toEqual({ a: 1 });
    expect(quotas.reserve('k', 5, 1_000, 8, 0)).toBe(5);
    expect(quotas.reserve('k', 5, 1_000, 8, 0)).toBe(3);
    expect(db.degraded()).toBe('no space left');
    expect(thrownBy(() => db.tx((sql) => sql.run(probe, 1)))).toMatchObject({
      code: 'unavailable',
      hint: expect.stringContaining('Make room'),
    });
    expect(log.lines.filter((l) => l.level === 'warn')).toHaveLength(1);

    disk.full = null;
    expect(db.degraded()).toBe('no space left');
    time.move(2_001);
    expect(db.degraded()).toBeNull();
    expect(kept.get(kept.put(row) as string, 'p')).not.toBeNull();
    expect(kept.get(during, 'p')?.data).toEqual({ a: 1 });
    expect(log.lines.at(-1)?.message).toContain('in order again');
    db.close();
  });

  it('at the start does not stop it', () => {
    const { disk, state } = fillable(newState());
    disk.full = 'no space left';
    const time = clock(0);
    const db = openDb(state, memoryLog(), time.now);
    expect(db.degraded()).toBe('no space left');
    disk.full = null;
    time.move(2_001);
    expect(db.degraded()).toBeNull();
    db.close();
  });
});

describe('lease', () => {
  it('has one holder, also within one process, and passes on', () => {
    const state = newState();
    const one = openLeases(state, memoryLog());
    const two = openLeases(state, memoryLog());
    const held = one.tryLease('sampler');
    expect(held?.sure).toBe(true);
    expect(two.tryLease('sampler')).toBeNull();
    expect(two.tryLease('other')).not.toBeNull();
    held?.[Symbol.dispose]();
    held?.[Symbol.dispose]();
    expect(two.tryLease('sampler')).not.toBeNull();
    expect(readdirSync(state.leases).sort()).toEqual(['other', 'sampler']);
    expect(statSync(join(state.leases, 'sampler'))).toMatchObject({ size: 0 });
  });

  it('that cannot be written is given, and says that it is not sure', () => {
    const state = newState();
    const broken = openLeases({ ...state, leases: join(state.dir, 'missing') }, memoryLog());
    expect(broken.tryLease('sampler')).toMatchObject({ sure: false });
  });
});
