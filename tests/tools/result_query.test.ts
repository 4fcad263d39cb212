import { describe, expect, it } from 'vitest';
import type { KeptResult } from '../../src/core/call.ts';
import { compileForeign, shape } from '../../src/core/foreign.ts';
import { type ResultAnswer, resultQuery } from '../../src/tools/result_query.ts';
import { ask, context, resultsOf } from './context.ts';

const HANDLE = 'r_abcdefghijklmnopqrst';
const rows = Array.from({ length: 120 }, (_, i) => ({
  pid: i,
  name: i % 10 === 0 ? `Worker-${i}` : `task${i}`,
  user: i % 2 ? 'ana' : null,
  rss: (i * 37) % 100,
}));
const kept = (over: Partial<KeptResult> = {}): KeptResult => ({
  handle: HANDLE,
  tool: 'process_list',
  state: 'done',
  createdAtMs: Date.UTC(2026, 10, 20, 12),
  expiresAtMs: Date.UTC(2026, 10, 20, 12, 30),
  data: { processes: rows, lines: ['one', 'two', 'ONE more'], total: 120 },
  foreignPaths: ['processes[].name'],
  lists: ['processes'],
  error: null,
  progress: null,
  ...over,
});
const query = (args: object, k: KeptResult | null = kept(), over = {}) =>
  ask<ResultAnswer>(
    resultQuery,
    { handle: HANDLE, ...args },
    context({}, { results: resultsOf(k ? { [HANDLE]: k } : {}, over) }),
  );
const pids = (a: ResultAnswer) => (a.items as { pid: number }[]).map((r) => r.pid);

describe('result_query', () => {
  it('gives the first page of the list that was cut, and where the next begins', async () => {
    const { data, text } = await query({});
    expect(data).toMatchObject({
      state: 'done',
      tool: 'process_list',
      createdAt: '2026-11-20T12:00:00Z',
      expiresAt: '2026-11-20T12:30:00Z',
      list: 'processes',
      lists: ['processes', 'lines'],
      total: 120,
      matched: 120,
      offset: 0,
      nextOffset: 50,
      note: null,
    });
    expect(data.items).toEqual(rows.slice(0, 50));
    expect(text.split('\n')[0]).toBe(`${HANDLE}: process_list, done; processes: 120 in all, shown 1 to 50`);
    expect(text).toContain('next page: offset 50');
  });

  it('reaches every item once by following nextOffset', async () => {
    const seen: number[] = [];
    for (let offset: number | null = 0; offset !== null; ) {
      const { data }: { data: ResultAnswer } = await query({ offset, limit: 7 });
      seen.push(...pids(data));
      offset = data.nextOffset;
    }
    expect(seen).toEqual(rows.map((r) => r.pid));
  });

  it('greps literally and in any case, in values and not in the names of fields', async () => {
    expect(pids((await query({ grep: 'WORKER-' })).data)).toHaveLength(12);
    expect((await query({ grep: 'user' })).data).toMatchObject({ total: 120, matched: 0, items: [], nextOffset: null });
    expect((await query({ grep: '.*' })).data.matched).toBe(0);
    expect((await query({ list: 'lines', grep: 'one' })).data.items).toEqual(['one', 'ONE more']);
  });

  it('selects fields and sorts, unknown values last in both directions', async () => {
    const { data } = await query({ select: ['pid', 'rss'], sort: '-rss', limit: 2 });
    expect(data.items).toEqual([
      { pid: 27, rss: 99 },
      { pid: 54, rss: 98 },
    ]);
    for (const sort of ['user', '-user'])
      expect((await query({ sort, limit: 1 })).data.items[0]).toMatchObject({ user: 'ana' });
  });

  it('names the candidates for a list or a field that is not there', async () => {
    await expect(query({ list: 'process' })).rejects.toMatchObject({
      code: 'validation',
      details: { candidates: ['processes', 'lines'] },
    });
    await expect(query({ list: 'total' })).rejects.toMatchObject({ code: 'validation' });
    for (const args of [
      { select: ['pid', 'size'] },
      { sort: 'size' },
      { sort: '-__proto__' },
      { select: ['toString'] },
    ])
      await expect(query(args)).rejects.toMatchObject({
        code: 'validation',
        details: { candidates: ['pid', 'name', 'user', 'rss'] },
      });
    await expect(query({ list: 'lines', sort: 'x' })).rejects.toThrow('plain values');
  });

  it('keeps a page small, but never so small that it cannot be passed', async () => {
    const lines = Array.from({ length: 40 }, (_, i) => `${i} ${'x'.repeat(1_000)}`);
    const page = (await query({}, kept({ data: { lines }, lists: ['lines'] }))).data;
    expect(page.items.length).toBeLessThan(7);
    expect(page.nextOffset).toBe(page.items.length);
    const more = (await query({ limit: 200 }, kept({ data: { lines }, lists: ['lines'] }))).data;
    expect(more.items.length).toBeGreaterThan(15);
    const huge = (await query({ offset: 1 }, kept({ data: { lines: ['a', 'y'.repeat(50_000), 'b'] }, lists: [] })))
      .data;
    expect(huge).toMatchObject({ nextOffset: 2 });
    expect(huge.items).toHaveLength(1);
  });

  it('gives an answer without lists whole', async () => {
    const { data, text } = await query({}, kept({ data: { state: 'done', summary: 'moved' }, lists: [] }));
    expect(data).toMatchObject({ list: null, items: [], whole: { summary: 'moved' } });
    expect(text).toContain('moved');
  });

  it('looks the same for what is unknown, expired or of another: not found, and what to do', async () => {
    const asked = query({}, null);
    await expect(asked).rejects.toMatchObject({
      code: 'not_found',
      details: { hint: expect.stringContaining('again') },
    });
    expect(resultQuery.input.safeParse({ handle: '../etc/passwd' }).success).toBe(false);
    expect(resultQuery.perPrincipal).toBe(true);
  });

  it('waits for running work no longer than asked, and then gives its answer', async () => {
    const waited: number[] = [];
    const running = kept({ state: 'running', data: null, progress: { done: 3, total: 9, text: 'reading' } });
    const wait = async (_handle: string, ms: number) => {
      waited.push(ms);
      return ms >= 5_000 ? kept() : running;
    };
    const short = await query({ wait_s: 1 }, running, { wait });
    expect(short.data).toMatchObject({ state: 'running', total: null, items: [], progress: { done: 3, total: 9 } });
    expect(short.data.note).toMatch(/Still running/);
    expect(short.text).toContain('progress 3 of 9: reading');
    expect((await query({ wait_s: 5 }, running, { wait })).data).toMatchObject({ state: 'done', total: 120 });
    await query({ wait_s: 0 }, running, { wait });
    await query({ wait_s: 5 }, kept(), { wait });
    expect(waited).toEqual([1_000, 5_000]);
  });

  it('is not found when it vanishes while one waits', async () => {
    const running = kept({ state: 'running', data: null });
    await expect(query({}, running, { wait: async () => null })).rejects.toMatchObject({ code: 'not_found' });
  });

  it('cancels running work, and says so when there is nothing to stop', async () => {
    const running = kept({ state: 'running', data: null });
    const stopped = kept({ state: 'cancelled', data: null, error: { code: 'timeout', message: 'Cancelled.' } });
    const { data } = await query({ cancel: true }, running, { wait: async () => stopped });
    expect(data).toMatchObject({ state: 'cancelled', error: { code: 'timeout' } });
    expect(data.note).toMatch(/^Asked to stop/);
    expect((await query({ cancel: true })).data.note).toBe('There is nothing to stop: it is done.');
  });

  it('speaks honestly of what failed, was lost or could not be kept', async () => {
    const failed = await query(
      {},
      kept({ state: 'failed', data: null, error: { code: 'unavailable', message: 'No engine.', hint: 'Start it.' } }),
    );
    expect(failed.text).toContain('unavailable: No engine. Start it.');
    expect((await query({}, kept({ state: 'lost', data: null }))).data.note).toMatch(/restarted.*not known/);
    expect((await query({}, kept({ data: null }))).data.note).toMatch(/could not be kept/);
  });

  it('keeps our marks in what was kept, and still counts it as foreign', async () => {
    const compiled = compileForeign(resultQuery.output);
    const { data } = await query({}, kept({ data: { lines: ['key ⟦redacted:password⟧'] }, lists: ['lines'] }));
    const shaped = shape(data, compiled, { text: (s) => s, deep: (v) => v });
    expect((shaped.data as ResultAnswer).items).toEqual(['key ⟦redacted:password⟧']);
    expect(shaped.paths).toEqual(['items[]']);
  });
});
