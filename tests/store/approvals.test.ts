/** Questions to a person, as rows: bound, decided by another, used once, bounded, told of once when they run out. */
import { beforeEach, describe, expect, it } from 'vitest';
import { openApprovals } from '../../src/store/approvals.ts';
import { type Db, openDb } from '../../src/store/db.ts';
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

const ask = {
  principal: 'token:bot',
  tool: 'service_control',
  risk: 'change' as const,
  origin: { face: 'mcp-http', client: 'Claude 1', address: '127.0.0.1' },
  inputHash: 'h1',
  digest: 'd1',
  scopes: ['services:write' as const],
  shown: { unit: 'nginx.service' },
  targets: [{ kind: 'unit' as const, name: 'nginx.service' }],
  summary: 'Restart nginx.service',
};
const yes = { approver: 'cli:0', granted: true };
const no = { ...yes, granted: false };
const boom = () => {
  throw new Error('no record');
};

describe('approvals', () => {
  it('bind what was asked, and are used once', () => {
    const approvals = openApprovals(db, { now: time.now });
    const { approval, fresh } = approvals.create(ask);
    expect(fresh).toBe(true);
    expect(approvals.create(ask)).toMatchObject({ fresh: false, approval: { id: approval.id } });
    expect(approvals.use(ask)).toBeNull();
    expect(approvals.waiting()).toMatchObject([
      { id: approval.id, shown: { unit: 'nginx.service' }, state: 'waiting', diff: null, origin: ask.origin },
    ]);
    approvals.decide(approval.id, yes);
    expect(approvals.current(ask)).toMatchObject({ state: 'granted' });
    for (const other of [{ principal: 'token:x' }, { tool: 'x' }, { inputHash: 'x' }, { digest: 'x' }]) {
      expect(approvals.use({ ...ask, ...other })).toBeNull();
      expect(approvals.current({ ...ask, ...other })).toBeNull();
    }
    expect(approvals.use(ask)).toMatchObject({ id: approval.id, state: 'used', approver: 'cli:0' });
    expect(approvals.use(ask)).toBeNull();
    expect(approvals.current(ask)).toBeNull();
    expect(approvals.create(ask).approval.id).not.toBe(approval.id);
  });

  it('are never decided by who asked, nor twice, nor too late', () => {
    const approvals = openApprovals(db, { now: time.now });
    const { id } = approvals.create(ask).approval;
    expect(thrownBy(() => approvals.decide(id, { ...yes, approver: 'token:bot' }))).toMatchObject({
      code: 'permission',
    });
    expect(thrownBy(() => approvals.decide('a_none', yes))).toMatchObject({ code: 'not_found' });
    expect(approvals.decide(id, { ...no, because: 'not now' })).toMatchObject({ because: 'not now', state: 'refused' });
    expect(approvals.current(ask)).toMatchObject({ state: 'refused' });
    expect(thrownBy(() => approvals.decide(id, yes))).toMatchObject({ code: 'conflict' });
    const late = approvals.create({ ...ask, inputHash: 'h2' }).approval;
    const unused = approvals.create({ ...ask, inputHash: 'h3' }).approval;
    approvals.decide(unused.id, yes);
    time.move(10 * 60_000);
    expect(thrownBy(() => approvals.decide(late.id, yes))).toMatchObject({ code: 'conflict' });
    expect(approvals.use(unused)).toBeNull();
    expect(approvals.get(late.id)?.state).toBe('expired');
    expect(approvals.waiting()).toEqual([]);
    expect(approvals.recent(2).map((a) => a.id)).toEqual([unused.id, late.id]);
  });

  it('are neither decided nor used when that cannot be put on record', () => {
    const approvals = openApprovals(db, { now: time.now });
    const { id } = approvals.create(ask).approval;
    expect(() => approvals.decide(id, yes, boom)).toThrow('no record');
    expect(approvals.get(id)?.state).toBe('waiting');
    approvals.decide(id, yes, (a) => expect(a).toMatchObject({ state: 'granted', approver: 'cli:0' }));
    expect(() => approvals.use(ask, boom)).toThrow('no record');
    expect(approvals.get(id)?.state).toBe('granted');
    expect(approvals.use(ask, (a) => expect(a.state).toBe('used'))).not.toBeNull();
  });

  it('are used by one of two processes, and outlive both', () => {
    const approvals = openApprovals(db, { now: time.now });
    const other = openDb(state, memoryLog());
    const elsewhere = openApprovals(other, { now: time.now });
    const { id } = approvals.create(ask).approval;
    expect(elsewhere.create(ask)).toMatchObject({ fresh: false, approval: { id } });
    elsewhere.decide(id, yes);
    other.close();
    const third = openDb(state, memoryLog());
    const both = [approvals.use(ask), openApprovals(third, { now: time.now }).use(ask)];
    expect(both.map((a) => a?.id ?? null)).toEqual([id, null]);
    third.close();
  });

  it('run out once for all processes, waiting or granted', () => {
    const approvals = openApprovals(db, { now: time.now, lifeMs: 60_000 });
    const other = openDb(state, memoryLog());
    const elsewhere = openApprovals(other, { now: time.now });
    const a = approvals.create(ask).approval;
    const b = approvals.create({ ...ask, digest: 'd2' }).approval;
    const c = approvals.create({ ...ask, digest: 'd3' }).approval;
    approvals.decide(b.id, yes);
    approvals.decide(c.id, no);
    expect(approvals.expire()).toEqual([]);
    time.move(60_000);
    expect(elsewhere.expire().map((x) => x.id)).toEqual([a.id, b.id]);
    expect(approvals.expire()).toEqual([]);
    expect(approvals.get(b.id)).toMatchObject({ state: 'expired', approver: 'cli:0' });
    expect(approvals.get(c.id)?.state).toBe('refused');
    other.close();
  });

  it('are bounded for one and for all, and forgotten after a day', () => {
    const approvals = openApprovals(db, { now: time.now, perPrincipal: 1, all: 2 });
    const { id } = approvals.create(ask).approval;
    expect(thrownBy(() => approvals.create({ ...ask, digest: 'd2' }))).toMatchObject({ code: 'limit' });
    approvals.create({ ...ask, principal: 'b' });
    expect(thrownBy(() => approvals.create({ ...ask, principal: 'c' }))).toMatchObject({ code: 'limit' });
    time.move(25 * 60 * 60_000);
    approvals.create({ ...ask, principal: 'c' });
    expect(approvals.get(id)).toBeNull();
  });
});
