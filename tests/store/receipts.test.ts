/** Receipts as rows and blobs: on the disk when they say so, bounded, undone once, whoever dies in between. */
import { createHash } from 'node:crypto';
import { readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Db, openDb } from '../../src/store/db.ts';
import { MIGRATIONS } from '../../src/store/migrations.ts';
import { newOwner } from '../../src/store/owner.ts';
import { openReceipts, type PreparedInput } from '../../src/store/receipts.ts';
import type { StateDir } from '../../src/store/state.ts';
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
const random = (seed: number, bytes = 12_000) =>
  createHash('shake256', { outputLength: bytes }).update(`${seed}`).digest();
const about = (blobs?: Record<string, Uint8Array>): PreparedInput => ({
  principal: 'p',
  scopes: ['files:write'],
  tool: 'file_edit',
  risk: 'change',
  call: 'call-1',
  input: { path: '/etc/x', text: 'secret' },
  targets: [{ kind: 'path', name: '/etc/x' }],
  summary: 'Change /etc/x',
  before: { size: 1 },
  revert: { data: { mode: 420 }, ...(blobs ? { blobs } : {}) },
});
const made = (blobs?: Record<string, Uint8Array>) => ({ ...about(blobs), after: { size: 2 } });
const files = () => readdirSync(state.blobs, { recursive: true, withFileTypes: true }).filter((f) => f.isFile());
const paths = () => files().map((f) => join(f.parentPath, f.name));

describe('receipts', () => {
  it('give back what was put, with their blobs, each content once, private', () => {
    const receipts = openReceipts(state, db, { now: time.now });
    const content = random(1);
    const id = receipts.put(made({ old: content, same: content }));
    expect(id).toMatch(/^t_[a-z2-7]{26}$/);
    const got = receipts.get(id);
    expect(got).toMatchObject({
      id,
      input: { text: 'secret' },
      state: 'done',
      risk: 'change',
      call: 'call-1',
      data: { mode: 420 },
      before: { size: 1 },
      after: { size: 2 },
      undone: null,
      expiresAtMs: time.now() + 30 * 86_400_000,
    });
    expect(Buffer.from(got?.blob('old') ?? []).equals(content)).toBe(true);
    expect(got?.blob('none')).toBeNull();
    expect(files()).toHaveLength(1);
    expect(statSync(paths()[0] as string).mode & 0o777).toBe(0o600);
    expect(receipts.list({ limit: 5 })).toMatchObject([{ id, summary: 'Change /etc/x' }]);
    expect(receipts.list({ limit: 5, principal: 'q' })).toEqual([]);
    expect(receipts.get('t_none')).toBeNull();
  });

  it('know a blob that was damaged, and put it anew', () => {
    const receipts = openReceipts(state, db, { now: time.now });
    const id = receipts.put(made({ old: random(1) }));
    writeFileSync(paths()[0] as string, 'x');
    expect(receipts.get(id)?.blob('old')).toBeNull();
    receipts.put(made({ old: random(1) }));
    expect(receipts.get(id)?.blob('old')).not.toBeNull();
  });

  it('are there before the change, and finished after it', () => {
    const receipts = openReceipts(state, db, { now: time.now });
    const id = receipts.prepare(about({ old: random(1) }));
    const other = openReceipts(state, db, { now: time.now });
    expect(other.get(id)).toMatchObject({ state: 'prepared', after: null, before: { size: 1 }, data: { mode: 420 } });
    receipts.finish(id, { summary: 'Changed', before: { size: 1 }, after: { size: 3 } });
    expect(other.get(id)).toMatchObject({ state: 'done', summary: 'Changed', after: { size: 3 }, data: { mode: 420 } });
    expect(other.get(id)?.blob('old')).not.toBeNull();
  });

  it('take what the change knew better afterwards, blobs and all', () => {
    const receipts = openReceipts(state, db, { now: time.now });
    const id = receipts.prepare(about({ old: random(1), gone: random(2) }));
    const revert = { data: { mode: 384 }, blobs: { old: random(3) } };
    receipts.finish(id, { summary: 'Changed', before: null, after: null, revert });
    const got = receipts.get(id);
    expect(got).toMatchObject({ data: { mode: 384 }, before: null });
    expect([got?.blob('gone'), Buffer.from(got?.blob('old') ?? []).equals(random(3))]).toEqual([null, true]);
    expect(thrownBy(() => receipts.finish('t_none', { summary: '', before: null, after: null }))).toMatchObject({
      code: 'not_found',
    });
  });

  it('are undone once, by whom and when is known, and a failure is', () => {
    const receipts = openReceipts(state, db, { now: time.now });
    const id = receipts.put(made());
    const by = { principal: 'q', call: 'call-2' };
    expect([receipts.claimUndo(id, by), receipts.claimUndo(id, by)]).toEqual([true, false]);
    const begun = { state: 'begun', by: 'q', call: 'call-2', atMs: time.now() };
    expect(receipts.get(id)?.undone).toEqual(begun);
    receipts.endUndo(id, 'failed');
    expect(receipts.list({ limit: 1 })[0]?.undone).toEqual({ ...begun, state: 'failed' });
    expect(receipts.claimUndo(id, by)).toBe(false);
    receipts.endUndo(id, 'done');
    expect(receipts.claimUndo(id, by)).toBe(false);
    expect(receipts.claimUndo('t_none', by)).toBe(false);
  });

  it('whose undo died at it may be taken again, by one', () => {
    const dead = openReceipts(state, db, { now: time.now, self: deadOwner() });
    const id = dead.put(made());
    expect(dead.claimUndo(id, { principal: 'p', call: 'a' })).toBe(true);
    const receipts = openReceipts(state, db, { now: time.now });
    expect([1, 2].map(() => receipts.claimUndo(id, { principal: 'p', call: 'b' }))).toEqual([true, false]);
    expect(receipts.get(id)?.undone).toMatchObject({ state: 'begun', call: 'b' });
    const other = dead.put(made());
    dead.claimUndo(other, { principal: 'p', call: 'a' });
    dead.endUndo(other, 'done');
    expect(receipts.claimUndo(other, { principal: 'p', call: 'b' })).toBe(false);
  });

  it('are bounded in bytes and age, and their blobs go with them', () => {
    const bounds = { now: time.now, totalBytes: 30_000, oneBytes: 20_000, lifeMs: 1_000_000 };
    const receipts = openReceipts(state, db, bounds);
    for (const many of [made({ a: random(9, 20_000) }), { ...made(), input: 'x'.repeat(20_000) }])
      for (const store of [receipts.put, receipts.prepare])
        expect(thrownBy(() => store(many))).toMatchObject({ code: 'limit' });
    const ids = [1, 3, 5].map((seed) => {
      time.move(1);
      return receipts.put(made({ a: random(seed) }));
    });
    expect(ids.map((id) => receipts.get(id) !== null)).toContain(false);
    expect(receipts.get(ids[2] as string)?.blob('a')).not.toBeNull();
    for (const path of paths()) utimesSync(path, 0, 0);
    receipts.prune();
    const left = ids.filter((id) => receipts.get(id) !== null).length;
    expect(files()).toHaveLength(left);
    time.move(1_000_001);
    expect(receipts.get(ids[2] as string)).toBeNull();
    receipts.prune();
    expect(files()).toHaveLength(0);
  });

  it('that cannot be stored leave nothing behind that looks like one', () => {
    const receipts = openReceipts(state, db, { now: time.now });
    const full = openDb({ ...state, full: () => 'no space' }, memoryLog());
    expect(thrownBy(() => openReceipts(state, full).prepare(about()))).toMatchObject({ code: 'unavailable' });
    full.close();
    rmSync(state.blobs, { recursive: true });
    writeFileSync(state.blobs, 'not a folder');
    expect(thrownBy(() => receipts.prepare(about({ a: random(1) })))).toBeTruthy();
    expect(receipts.list({ limit: 9 })).toEqual([]);
  });

  it('of an older version are done, need an approval, and are taken back by nobody known', () => {
    const path = join(state.dir, 'old.db');
    const old = new DatabaseSync(path);
    old.exec(MIGRATIONS.slice(0, 2).join('\n'));
    for (const id of ['t_a', 't_b'])
      old
        .prepare(
          "INSERT INTO receipts VALUES (?, 'p', '[]', 'x', ?, '{}', '{}', '[]', 's', 'null', 'null', '{}', ?, 9)",
        )
        .run(id, time.now(), id === 't_b' ? time.now() : null);
    old.exec('PRAGMA user_version = 2');
    old.close();
    const newer = openDb({ ...state, db: path }, memoryLog());
    const receipts = openReceipts(state, newer, { now: time.now });
    expect(receipts.get('t_a')).toMatchObject({ state: 'done', risk: 'destroy', call: '', undone: null, data: {} });
    expect(receipts.get('t_b')?.undone).toEqual({ state: 'done', by: 'unknown', call: '', atMs: time.now() });
    expect(['t_b', 't_a'].map((id) => receipts.claimUndo(id, { principal: 'p', call: 'c' }))).toEqual([false, true]);
    newer.close();
  });
});
