/** Heads told elsewhere: what they show that the chain alone cannot, because who has the key can write a whole new one. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type AuditOptions, type Head, openAudit } from '../../src/store/audit.ts';
import { macOf, seal } from '../../src/store/audit_chain.ts';
import { auditFiles } from '../../src/store/audit_files.ts';
import { headLine, readHeads } from '../../src/store/audit_heads.ts';
import { readKey } from '../../src/store/audit_key.ts';
import { newOwner } from '../../src/store/owner.ts';
import type { StateDir } from '../../src/store/state.ts';
import { segmentsOf } from './audit_tamper.ts';
import { clock, memoryLog, newState } from './bench.ts';

let state: StateDir;
let told: Head[];
beforeEach(() => {
  state = newState();
  told = [];
});
const open = (o: Partial<AuditOptions> = {}) => openAudit(state, memoryLog(), { tell: (h) => void told.push(h), ...o });
const journal = () => told.map((h) => `Nov 21 host deckhand[7]: ${headLine(h, state.dir)}`).join('\n');
const verify = (text?: string) => auditFiles(state.dir).verify(text);
const path = (name: string) => join(state.audit, name);
const filled = (count: number, o: Partial<AuditOptions> = {}) => {
  const audit = open(o);
  for (let i = 0; i < count; i++) audit.append('call', { tool: 'x', i });
  audit.close();
};

describe('a head is told', () => {
  it('at each checkpoint, at rotation and at the end', async () => {
    const audit = open({ segmentBytes: 3_000, checkpoint: 5 });
    for (let i = 0; i < 7; i++) audit.append('call', { i });
    await expect.poll(() => told.length).toBe(1);
    expect(told[0]).toMatchObject({
      segment: segmentsOf(state)[0],
      seq: 5,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    for (let i = 0; segmentsOf(state).length < 2; i++) audit.append('call', { i });
    expect(told.map((h) => h.segment)).toContain(segmentsOf(state)[0]);
    audit.close();
    expect(told.at(-1)).toMatchObject({ segment: segmentsOf(state)[1] });
    expect(verify(journal())).toMatchObject({ ok: true, heads: { pruned: 0, unsure: 0 } });
  });

  it('now and then, if it moved since', async () => {
    const audit = open({ tellMs: 5 });
    audit.append('call', { i: 1 });
    await expect.poll(() => told.length).toBe(1);
    await new Promise((r) => setTimeout(r, 30));
    expect(told).toHaveLength(1);
    audit.append('call', { i: 2 });
    await expect.poll(() => told.length).toBe(2);
    expect(told.map((h) => h.seq)).toEqual([1, 2]);
    audit.close();
  });

  it('of a process that died, by the next one', () => {
    const [, start, boot, namespace, instance] = newOwner().split('.');
    const dead = open({ self: [2 ** 22 + 1, start, boot, namespace, instance].join('.') });
    for (let i = 0; i < 3; i++) dead.append('call', { i });
    const name = segmentsOf(state)[0];
    filled(1);
    expect(told[0]).toMatchObject({ segment: name, seq: 3 });
  });

  it('and who cannot take it stops nothing', () => {
    const audit = open({
      tell() {
        throw new Error('no log here');
      },
    });
    audit.append('call', {});
    audit.close();
    expect(verify()).toMatchObject({ ok: true, records: 1, heads: null });
  });
});

describe('with heads', () => {
  it('an untouched audit is green, and what was pruned is known', () => {
    const time = clock();
    const o = { now: time.now, retention: { segments: 3, every: 1 } };
    for (let i = 0; i < 8; i++) {
      time.move(1_000);
      filled(3, o);
    }
    const v = verify(journal());
    expect(v).toMatchObject({ ok: true, segments: 3, heads: { matched: 3, pruned: 5, unsure: 0 } });
    expect(v.told?.heads).toHaveLength(8);
  });

  it('also when the index was written anew, and no longer names each that was pruned', () => {
    const time = clock();
    const o = { now: time.now, retention: { segments: 3, every: 1, indexBytes: 3_000 } };
    for (let i = 0; i < 30; i++) {
      time.move(1_000);
      filled(3, o);
    }
    const v = verify(journal());
    expect(v.problems).toEqual([]);
    expect(v.heads?.matched).toBe(3);
    expect(v.heads?.pruned).toBeGreaterThan(0);
    expect(v.heads?.unsure).toBeGreaterThan(10);
    expect((v.heads?.pruned ?? 0) + (v.heads?.unsure ?? 0)).toBe(27);
    expect(readFileSync(path('index.jsonl')).length).toBeLessThan(6_000);
  });

  it('whoever has the key, removes an audit and writes a new one that is true in itself, is named', () => {
    filled(5);
    const [gone] = segmentsOf(state);
    const lines = journal();
    rmSync(state.audit, { recursive: true });
    told = [];
    filled(3);
    // Control: nothing is wrong with it by itself.
    expect(verify()).toMatchObject({ ok: true, records: 3 });
    expect(verify(lines).problems).toEqual([
      { segment: gone, line: null, seq: 5, what: expect.stringContaining('vanished: its number 5 was told elsewhere') },
    ]);
    // And with the key taken away as well.
    rmSync(state.auditKey);
    rmSync(state.audit, { recursive: true });
    filled(3);
    expect(verify()).toMatchObject({ ok: true });
    expect(verify(lines)).toMatchObject({ ok: false });
  });

  it('so is who writes one segment and its index anew from a place on', () => {
    filled(6);
    const [name] = segmentsOf(state) as [string];
    const mac = macOf(readKey(state.auditKey));
    const anew = (file: string, from: number, how: (r: Record<string, unknown>) => object) => {
      let prev: string | undefined;
      const list = readFileSync(path(file), 'utf8').split('\n').slice(0, -1);
      const out = list.map((l, i) => {
        if (i < from) return `${l}\n`;
        const { hash: _, ...r } = JSON.parse(l);
        const sealed = seal({ ...how(r), prev: prev ?? r.prev } as never, mac);
        prev = sealed.hash;
        return sealed.line;
      });
      writeFileSync(path(file), out.join(''));
      return prev as string;
    };
    const head = anew(name, 3, (r) => ({ ...r, tool: 'harmless' }));
    anew('index.jsonl', 1, (r) => ({ ...r, last: { seq: 6, hash: head } }));
    expect(verify()).toMatchObject({ ok: true, records: 6 });
    expect(verify(journal()).problems).toEqual([
      { segment: name, line: 6, seq: 6, what: expect.stringContaining('another record than the head') },
    ]);
  });

  it('so is who cuts an open file and says that its process died', () => {
    const audit = open({ checkpoint: 1_000 });
    for (let i = 0; i < 6; i++) audit.append('call', { i });
    const [name] = segmentsOf(state) as [string];
    told.push(audit.head() as Head);
    const keep = readFileSync(path(name), 'utf8').split('\n').slice(0, 4).join('\n');
    writeFileSync(path(name), `${keep}\n`);
    expect(verify()).toMatchObject({ ok: true, open: [name] });
    expect(verify(journal()).problems).toEqual([
      { segment: name, line: null, seq: 4, what: expect.stringContaining('the head that was told elsewhere is 6') },
    ]);
  });
});

describe('lines with heads', () => {
  const head = { segment: '20261121T120000000Z-7-abcdef12.jsonl', seq: 9, hash: 'a'.repeat(64) };

  it('are read from a journal, a syslog file and our own log; the rest is passed over', () => {
    const own = headLine(head, '/s');
    const text = [
      own,
      `2026-11-21T12:00:00Z host deckhand: ${own}`,
      own.replace(' state="/s"', '').replace('seq=9', 'seq=10'),
      `{"level":"info","time":"x","pid":1,"segment":"${head.segment}","seq":11,"hash":"${head.hash}","msg":"audit head"}`,
      `{"msg":"audit head","segment":7,"seq":1,"hash":""}`,
      `{"msg":"audit head"`,
      `{"text":"audit head","msg":"audit head of another"}`,
      `audit head segment=../../etc/passwd seq=1 hash=${head.hash}`,
      `audit head segment=${head.segment} seq=x hash=${head.hash}`,
      'audit head',
      '',
    ].join('\n');
    const read = readHeads(text, '/s');
    expect(read.heads.map((h) => h.seq)).toEqual([9, 10, 11]);
    expect(read).toMatchObject({ others: 0, folders: [] });
  });

  it('of other folders are counted, and do not count', () => {
    const text = [
      headLine(head, '/other "x"'),
      headLine({ ...head, seq: 10 }, '/s'),
      `${headLine(head, '/s').slice(0, -4)}"\\x"`,
    ].join('\n');
    expect(readHeads(text, '/s')).toEqual({
      heads: [{ ...head, seq: 10 }],
      others: 2,
      folders: ['/other "x"', '"\\x"'],
    });
  });

  it('none at all is a problem: heads that are not there show nothing', () => {
    filled(1);
    expect(verify('')).toMatchObject({
      ok: false,
      problems: [{ segment: 'heads', what: expect.stringContaining('no line') }],
    });
    expect(verify(headLine(head, '/other')).problems).toMatchObject([{ what: expect.stringContaining('of /other') }]);
  });
});
