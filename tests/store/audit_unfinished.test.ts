/** A change whose process died between its intent and its end is reported at the next start, once. */
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type AuditOptions, openAudit } from '../../src/store/audit.ts';
import { readKey } from '../../src/store/audit_key.ts';
import { searchAudit } from '../../src/store/audit_read.ts';
import { auditTail, verifyAudit } from '../../src/store/audit_verify.ts';
import { newOwner } from '../../src/store/owner.ts';
import type { StateDir } from '../../src/store/state.ts';
import { segmentsOf } from './audit_tamper.ts';
import { memoryLog, newState } from './bench.ts';

let state: StateDir;
let log: ReturnType<typeof memoryLog>;
beforeEach(() => {
  state = newState();
  log = memoryLog();
});
const open = (o: Partial<AuditOptions> = {}) => openAudit(state, log, o);
let pid = 2 ** 22;
/** A process that is no more: its audit is never closed. */
function dying(o: Partial<AuditOptions> = {}) {
  const [, start, boot, namespace, instance] = newOwner().split('.');
  return open({ ...o, self: [++pid, start, boot, namespace, instance].join('.') });
}
const INTENT = {
  who: 'token:a',
  tool: 'process_signal',
  risk: 'change',
  targets: [{ kind: 'process', name: '7 nginx' }],
  approval: 'cli:0',
  summary: 'Send TERM to nginx.',
};
const intent = (call: string, more = {}) => ['intent', { ...INTENT, call, ...more }, { durable: true }] as const;
const unfinished = async () => {
  const query = { event: 'unfinished', limit: 1_000, order: 'oldest' as const };
  const { entries } = await searchAudit(state.audit, query, new AbortController().signal);
  return entries.map((e) => e.record);
};
const calls = async () => (await unfinished()).map((r) => r.call);
const next = () => {
  const audit = open();
  audit.append('start', {});
  audit.close();
};

describe('an intent without an end', () => {
  it('is on record at the next start, with what it was to do, where it stands, and in the log', async () => {
    dying().append(...intent('c1', { receipt: 't_x' }));
    const [name] = segmentsOf(state);
    const at = auditTail(state.audit, 1)[0]?.ts;
    next();
    expect(await unfinished()).toMatchObject([
      { ...INTENT, event: 'unfinished', call: 'c1', receipt: 't_x', segment: name, at, seq: 1 },
    ]);
    expect(log.lines).toContainEqual({
      level: 'warn',
      message: expect.stringContaining('its process died'),
      fields: expect.objectContaining({ call: 'c1', tool: 'process_signal', segment: name }),
    });
    expect(verifyAudit(state.audit, readKey(state.auditKey))).toMatchObject({ ok: true, open: [] });
  });

  it('is reported once, however many start', async () => {
    dying().append(...intent('c1'));
    for (let i = 0; i < 4; i++) next();
    expect(await calls()).toEqual(['c1']);
  });

  it('also when the one who reported it was killed before it could note so', async () => {
    dying().append(...intent('c1'));
    const running = join(state.audit, 'running');
    const [marker] = readdirSync(running) as [string];
    dying().append('start', {});
    expect(await calls()).toEqual(['c1']);
    // Back to the moment between the report and its note.
    const index = join(state.audit, 'index.jsonl');
    const lines = readFileSync(index, 'utf8').split('\n').slice(0, -1);
    expect(lines.at(-1)).toContain('"event":"found"');
    writeFileSync(index, `${lines.slice(0, -1).join('\n')}\n`);
    writeFileSync(join(running, marker), '');
    next();
    expect(await calls()).toEqual(['c1']);
    expect(verifyAudit(state.audit, readKey(state.auditKey))).toMatchObject({ ok: true, open: [] });
  });

  it.each<[string, [string, object][], boolean]>([
    ['a call that ended', [['call', { outcome: 'done' }]], true],
    ['a call that failed', [['call', { outcome: 'timeout' }]], true],
    ['a call that only answered running', [['call', { outcome: 'running' }]], false],
    [
      'work that ended',
      [
        ['call', { outcome: 'running' }],
        ['work', { outcome: 'done' }],
      ],
      true,
    ],
    ['a call that timed out while its effect went on', [['call', { outcome: 'timeout', goesOn: true }]], false],
    [
      'and then ended late',
      [
        ['call', { outcome: 'timeout', goesOn: true }],
        ['late', { outcome: 'done' }],
      ],
      true,
    ],
    ['work that timed out and goes on', [['work', { outcome: 'timeout', goesOn: true }]], false],
    [
      'records of other calls',
      [
        ['call', { call: 'other', outcome: 'done' }],
        ['late', { call: 7 }],
      ],
      false,
    ],
  ])('%s', async (_, records, ended) => {
    const audit = dying();
    audit.append(...intent('c1'));
    for (const [event, fields] of records) audit.append(event, { call: 'c1', ...fields });
    next();
    expect(await calls()).toEqual(ended ? [] : ['c1']);
  });

  it('of several processes, each is named; of hundreds a bounded number, and how many more', async () => {
    for (const c of ['a', 'b']) dying().append(...intent(c));
    const many = dying();
    for (let i = 0; i < 230; i++) many.append(...intent(`m${i}`));
    next();
    const all = await unfinished();
    expect(all).toHaveLength(203);
    expect(all.at(-1)).toMatchObject({ more: 30 });
    expect(all.slice(0, 2).map((r) => r.call)).toEqual(['a', 'b']);
  });

  it('in a torn segment is found as well', async () => {
    const audit = dying();
    audit.append(...intent('c1'));
    const [name] = segmentsOf(state) as [string];
    appendFileSync(join(state.audit, name), '{"half":');
    next();
    expect(await calls()).toEqual(['c1']);
  });
});

describe('a change under way when the segment is left for the next one', () => {
  it('goes with it: whoever finds the next one finds the change', async () => {
    const audit = dying({ segmentBytes: 1_500 });
    audit.append(...intent('c1'));
    const [first] = segmentsOf(state);
    for (let i = 0; segmentsOf(state).length < 3; i++) audit.append('call', { call: `r${i}`, outcome: 'done' });
    next();
    expect(await unfinished()).toMatchObject([{ call: 'c1', segment: first, ...INTENT }]);
  });

  it('and ends there: nothing is reported', async () => {
    const audit = dying({ segmentBytes: 1_500 });
    audit.append(...intent('c1'));
    for (let i = 0; segmentsOf(state).length < 3; i++) audit.append('call', { call: `r${i}`, outcome: 'done' });
    audit.append('call', { call: 'c1', outcome: 'done' });
    for (let i = 0; segmentsOf(state).length < 5; i++) audit.append('call', { call: `s${i}`, outcome: 'done' });
    next();
    expect(await calls()).toEqual([]);
  });

  it('when the process is stopped in order, says so itself', async () => {
    const audit = open();
    audit.append(...intent('c1'));
    audit.append(...intent('c2'));
    audit.append('call', { call: 'c2', outcome: 'done' });
    audit.close();
    expect(await unfinished()).toMatchObject([{ call: 'c1', why: 'the process was stopped' }]);
    next();
    expect(await calls()).toEqual(['c1']);
    expect(log.lines.some((l) => l.level === 'warn' && l.message.includes('still under way'))).toBe(true);
  });
});
