/** Reading the audit: order over segments, filters, bounds, and that it holds nobody up. */
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AuditEntry, AuditQuery } from '../../src/core/audit.ts';
import { type AuditOptions, openAudit } from '../../src/store/audit.ts';
import { type ReadBounds, searchAudit } from '../../src/store/audit_read.ts';
import type { StateDir } from '../../src/store/state.ts';
import { clock, memoryLog, newState } from './bench.ts';

let state: StateDir;
beforeEach(() => {
  state = newState();
});
const START = Date.UTC(2026, 10, 21);
const iso = (s: number) => new Date(START + s * 1_000).toISOString();
const segments = () =>
  readdirSync(state.audit)
    .filter((n) => /^\d/.test(n))
    .sort();
const never = new AbortController().signal;
const search = (q: Partial<AuditQuery> = {}, bounds: Partial<ReadBounds> = {}, signal = never) =>
  searchAudit(state.audit, { limit: 1_000, order: 'newest', ...q }, signal, bounds);
const seen = async (q: Partial<AuditQuery> = {}, bounds: Partial<ReadBounds> = {}) =>
  (await search(q, bounds)).entries.map((e) => e.record.i);

/** Three processes that take turns: record i is at second i, in segment i % 3. */
function three(count: number, o: Partial<AuditOptions> = {}): void {
  const time = clock();
  const open = () => openAudit(state, memoryLog(), { now: time.now, ...o });
  const audits = [open(), open(), open()];
  for (let i = 0; i < count; i++) {
    audits[i % 3]?.append('call', { i, tool: i % 2 ? 'odd' : 'even', who: `token:${i % 4}`, text: 'x'.repeat(50) });
    time.move(1_000);
  }
  for (const a of audits) a.close();
  // Written in this second, whatever their clock said: a search must not depend on it.
  for (const n of segments()) utimesSync(join(state.audit, n), START / 1_000 + count, START / 1_000 + count);
}
const down = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, k) => from - k);

describe('order', () => {
  it('is that of time over all segments, both ways', async () => {
    three(300);
    expect(segments()).toHaveLength(3);
    expect(await seen()).toEqual(down(299, 0));
    expect(await seen({ order: 'oldest' })).toEqual(down(299, 0).reverse());
    expect(await search()).toMatchObject({ corrupt: 0, stopped: null, next: null });
    const { bytes } = await search();
    expect(bytes.looked).toBe(bytes.total);
  });

  it('also over many small segments, of which only the newest are read', async () => {
    three(600, { segmentBytes: 3_000 });
    expect(segments().length).toBeGreaterThan(30);
    expect(await seen()).toEqual(down(599, 0));
    const few = await search({ limit: 5 });
    expect(few.entries.map((e) => e.record.i)).toEqual(down(599, 595));
    expect(few.stopped).toBe('limit');
    expect(few.bytes.looked).toBeLessThan(few.bytes.total / 4);
  });

  it('pages to the end without a gap or a record twice, whichever way', async () => {
    // Many records share a millisecond, and their segments end differently.
    const audits = [1, 2, 3].map(() => openAudit(state, memoryLog(), { now: () => START, segmentBytes: 4_000 }));
    for (let i = 0; i < 90; i++) audits[(i * i) % 3]?.append('call', { i });
    for (const a of audits) a.close();
    for (const order of ['newest', 'oldest'] as const) {
      const got: unknown[] = [];
      let cursor: string | undefined;
      for (let pages = 0; ; pages++) {
        expect(pages).toBeLessThan(20);
        const page = await search({ order, limit: 7, ...(cursor === undefined ? {} : { cursor }) });
        got.push(...page.entries.map((e) => e.record.i));
        if (page.next === null) break;
        cursor = page.next;
      }
      expect(got).toHaveLength(90);
      expect(new Set(got).size).toBe(90);
    }
  });

  it('pages by bytes and by time as well: what was looked at is said, and nothing is lost', async () => {
    three(3_000, { segmentBytes: 64_000 });
    const got: unknown[] = [];
    let cursor: string | undefined;
    let pages = 0;
    for (; ; pages++) {
      expect(pages).toBeLessThan(100);
      const page = await search({ limit: 10_000, tool: 'odd', ...(cursor ? { cursor } : {}) }, { bytes: 40_000 });
      got.push(...page.entries.map((e) => e.record.i));
      if (page.next === null) break;
      expect(page.stopped).toBe('bytes');
      expect(page.bytes.looked).toBeLessThan(page.bytes.total);
      cursor = page.next;
    }
    expect(pages).toBeGreaterThan(3);
    expect(got).toEqual(down(2_999, 0).filter((i) => i % 2));
    let t = 0;
    const page = await search({}, { ms: 30, clock: () => t++ });
    expect(page.stopped).toBe('time');
    expect(page.next).toMatch(/~$/);
  });
});

describe('filters', () => {
  const at = (q: Partial<AuditQuery>) => search(q).then((p) => p.entries.map((e) => e.record.call));
  beforeEach(() => {
    const time = clock();
    const audit = openAudit(state, memoryLog(), { now: time.now });
    const write = (event: string, fields: object) => {
      audit.append(event, { ...fields });
      time.move(60_000);
    };
    write('call', {
      call: 'c1',
      who: 'stdio:0',
      tool: 'process_list',
      outcome: 'done',
      risk: 'read',
      args: { q: 'Ünï' },
    });
    const targets = [{ kind: 'unit', name: 'Nginx.service' }, null, { name: 7 }, { name: 'bare' }];
    write('intent', { call: 'c2', who: 'token:a', tool: 'service_restart', risk: 'change', targets });
    write('call', { call: 'c2', who: 'token:a', tool: 'service_restart', outcome: 'timeout', risk: 'change', targets });
    write('call', {
      call: 'c3',
      who: 'token:a',
      tool: 'x',
      outcome: 'permission',
      why: 'It says "no"\n.',
      targets: 'odd',
    });
    audit.close();
  });

  it.each<[Partial<AuditQuery>, string[]]>([
    [{}, ['c3', 'c2', 'c2', 'c1']],
    [{ who: 'token:a' }, ['c3', 'c2', 'c2']],
    [{ who: 'token' }, []],
    [{ tool: 'process_list' }, ['c1']],
    [{ event: 'intent' }, ['c2']],
    [{ outcome: 'timeout' }, ['c2']],
    [{ risk: 'change' }, ['c2', 'c2']],
    [{ call: 'c2', event: 'call' }, ['c2']],
    [{ target: 'nginx' }, ['c2', 'c2']],
    [{ target: 'unit:NGINX' }, ['c2', 'c2']],
    [{ target: '?:bare' }, ['c2', 'c2']],
    [{ target: 'odd' }, []],
    [{ text: 'ÜNÏ' }, ['c1']],
    [{ text: 'says "no"\n' }, ['c3']],
    [{ text: 'args' }, []],
    [{ sinceMs: START + 60_000 }, ['c3', 'c2', 'c2']],
    [{ untilMs: START + 60_000 }, ['c2', 'c1']],
    [{ sinceMs: START + 1, untilMs: START + 60_000 }, ['c2']],
    [{ sinceMs: START + 86_400_000 * 365 * 20 }, []],
    [{ untilMs: START - 1 }, []],
  ])('%j', async (q, calls) => {
    expect(await at(q)).toEqual(calls);
    expect(await at({ ...q, order: 'oldest' })).toEqual(calls.toReversed());
  });

  it('text is not looked for in hashes', async () => {
    const { entries } = await search({ limit: 1 });
    const { hash, prev } = (entries[0] as AuditEntry).record as unknown as { hash: string; prev: string };
    expect(await at({ text: hash.slice(0, 12) })).toEqual([]);
    expect(await at({ text: prev })).toEqual([]);
  });

  it('a cursor that is none is refused', async () => {
    await expect(search({ cursor: 'yesterday' })).rejects.toMatchObject({ code: 'validation' });
  });
});

describe('a long segment', () => {
  const LINES = 30_000;
  let name: string;
  beforeEach(() => {
    // As a process would have written it, without its hashing.
    name = '20261121T000000000Z-7-abcdef12.jsonl';
    mkdirSync(state.audit, { recursive: true });
    const line = (i: number) =>
      `{"call":"c${i}","event":"call","i":${i},"prev":"","seq":${i + 1},"tool":"t${i % 100}","ts":"${iso(i)}","v":1,"why":"${'y'.repeat(200)}","hash":""}\n`;
    let text = '';
    for (let i = 0; i < LINES; i++) text += line(i);
    writeFileSync(join(state.audit, name), text);
  });

  it('is read from its end, or from a time within, not whole', async () => {
    const size = readFileSync(join(state.audit, name)).length;
    expect(size).toBeGreaterThan(8e6);
    const last = await search({ limit: 10 });
    expect(last.entries.map((e) => e.record.i)).toEqual(down(LINES - 1, LINES - 10));
    expect(last.bytes.looked).toBeLessThan(100_000);
    for (const order of ['newest', 'oldest'] as const) {
      const middle = await search({ sinceMs: START + 15_000_000, untilMs: START + 15_009_000, order });
      expect(middle.entries.map((e) => e.record.i as number).sort((a, b) => a - b)).toEqual(
        down(15_009, 15_000).reverse(),
      );
      expect(middle.bytes.looked).toBeLessThan(size / 2);
      expect(middle.next).toBeNull();
    }
  });

  it('does not hold the loop: other work gets its turn every few milliseconds', async () => {
    const turns: number[] = [];
    let on = true;
    let last = performance.now();
    const turn = () => {
      const now = performance.now();
      turns.push(now - last);
      last = now;
      if (on) setImmediate(turn);
    };
    setImmediate(turn);
    await search({ text: 'not there' });
    on = false;
    turns.sort((a, b) => a - b);
    // The machine may take a turn from us; it does not take nineteen of twenty.
    expect(turns[Math.floor(turns.length * 0.95)]).toBeLessThan(15);
    expect(turns.length).toBeGreaterThan(20);
  });

  it('is left in the middle when the caller leaves', async () => {
    const leave = new AbortController();
    const asked = search({ text: 'not there' }, {}, leave.signal);
    leave.abort(new Error('gone'));
    await expect(asked).rejects.toThrow('gone');
  });

  it('a line put between the others with an old or a wild time does not end the search', async () => {
    const path = join(state.audit, name);
    const text = readFileSync(path, 'utf8').split('\n');
    text.splice(
      LINES - 5,
      0,
      `{"event":"call","i":-1,"seq":0,"ts":"${iso(-9e6)}"}`,
      '{"event":"call","i":-2,"seq":0,"ts":"9999"}',
    );
    writeFileSync(path, text.join('\n'));
    const { entries } = await search({ limit: 10, sinceMs: START });
    expect(entries.map((e) => e.record.i)).toEqual(expect.arrayContaining(down(LINES - 1, LINES - 5)));
    expect(entries.map((e) => e.record.i)).toContain(LINES - 8);
  });
});

describe('what is broken', () => {
  it('is counted, never thrown: lines, a torn end, bytes, an endless line, an empty file', async () => {
    three(30);
    const [a, b, c] = segments() as [string, string, string];
    const path = (n: string) => join(state.audit, n);
    writeFileSync(path(a), readFileSync(path(a), 'utf8').replace('\n', '\nnot a record\n{"seq":"x"}\n[]\n\n'));
    writeFileSync(path(b), Buffer.concat([readFileSync(path(b)), Buffer.from([0xff, 0xfe, 10])]));
    appendFileSync(path(c), '{"half":');
    writeFileSync(path('20261121T000000000Z-9-emptyyyy.jsonl'), '');
    for (const order of ['newest', 'oldest'] as const)
      expect(await search({ order })).toMatchObject({ corrupt: 5, stopped: null, next: null });
    expect(await seen()).toEqual(down(29, 0));
    writeFileSync(path('20261121T000000000Z-9-endlesss.jsonl'), 'x'.repeat(5_000_000));
    const { corrupt } = await search();
    expect(corrupt).toBeGreaterThan(5);
    expect(await seen()).toEqual(down(29, 0));
  });

  it('nothing at all is an empty answer', async () => {
    expect(await search()).toEqual({
      entries: [],
      corrupt: 0,
      bytes: { looked: 0, total: 0 },
      stopped: null,
      next: null,
    });
    rmSync(state.audit, { recursive: true });
    expect(await search()).toMatchObject({ entries: [] });
  });

  it('a file cut or removed while it is read ends there', async () => {
    three(3_000, { segmentBytes: 1e9 });
    const [a, b] = segments() as [string, string];
    let looks = 0;
    const clockThatCuts = () => {
      if (++looks === 200) {
        writeFileSync(join(state.audit, a), '');
        rmSync(join(state.audit, b));
      }
      return 0;
    };
    const page = await search({ limit: 10_000 }, { clock: clockThatCuts });
    expect(page.entries.length).toBeGreaterThan(900);
    expect(page.stopped).toBeNull();
  });

  it('records that waited for a full disk are found at their own time', async () => {
    const time = clock();
    const mono = clock(0);
    rmSync(state.audit, { recursive: true });
    writeFileSync(state.audit, '');
    const audit = openAudit(state, memoryLog(), { now: time.now, mono: mono.now });
    audit.append('call', { i: 1 });
    time.move(3_600_000);
    mono.move(3_600_000);
    rmSync(state.audit);
    mkdirSync(state.audit, { mode: 0o700 });
    audit.append('call', { i: 2 });
    audit.close();
    expect((await search({ untilMs: START + 1_000 })).entries.map((e) => e.record.i)).toEqual([1]);
    expect((await search({ sinceMs: START + 1_000, event: 'call' })).entries.map((e) => e.record.i)).toEqual([2]);
  });
});

it('reads while four write: no line is taken for broken, and what was there before is all there', async () => {
  three(300);
  const audits = [1, 2, 3, 4].map(() => openAudit(state, memoryLog(), { segmentBytes: 50_000 }));
  let on = true;
  let n = 0;
  const writing = (async () => {
    while (on && n < 4_000) {
      for (const a of audits) a.append('call', { n: n++ });
      await new Promise((r) => setImmediate(r));
    }
  })();
  for (let round = 0; round < 10; round++) {
    const page = await search({ untilMs: START + 301_000, limit: 10_000 });
    expect(page).toMatchObject({ corrupt: 0, stopped: null });
    expect(page.entries.map((e) => e.record.i)).toEqual(down(299, 0));
    expect((await search({ limit: 200 })).corrupt).toBe(0);
  }
  on = false;
  await writing;
  for (const a of audits) a.close();
  expect(n).toBeGreaterThan(100);
});
