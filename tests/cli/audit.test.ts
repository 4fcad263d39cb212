/** `deckhand audit …` on real files: what is printed where, exit codes, and that nothing in the state folder is touched. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exportAll, search, tail, verify } from '../../src/cli/audit.ts';
import type { Run } from '../../src/cli/commands.ts';
import type { Flags } from '../../src/config/flags.ts';
import { type Audit, type Head, openAudit } from '../../src/store/audit.ts';
import { headLine } from '../../src/store/audit_heads.ts';
import { openState, type StateDir } from '../../src/store/state.ts';
import { quiet } from '../fakes/policy.ts';
import { runOf, type Screen, screen } from './screen.ts';

let dir: string;
let state: StateDir;
let told: Head[];
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'deckhand-audit-')), 'state');
  state = openState(dir);
  told = [];
});
afterEach(() => rmSync(join(dir, '..'), { recursive: true, force: true }));

const START = Date.UTC(2026, 10, 21, 12);
function writing(at = START): Audit & { move(ms: number): void } {
  let now = at;
  const audit = openAudit(state, quiet, { now: () => now, tell: (h) => void told.push(h) });
  return {
    ...audit,
    move(ms) {
      now += ms;
    },
  };
}
function filled(): void {
  const [one, two] = [writing(), writing(START + 500)];
  for (let i = 0; i < 6; i++) {
    const audit = i % 2 ? two : one;
    audit.append('call', {
      call: `c${i}`,
      who: i < 3 ? 'cli:0' : 'token:laptop',
      tool: 'process_list',
      risk: 'read',
      outcome: i === 4 ? 'permission' : 'done',
      args: { limit: i },
      client: 'evil\u001b[2J\u202e',
    });
    one.move(1_000);
    two.move(1_000);
  }
  one.close();
  two.close();
}
const segments = () =>
  readdirSync(state.audit)
    .filter((n) => /^\d/.test(n))
    .sort();

async function typed(
  command: (r: Run) => Promise<number>,
  own: Flags = {},
  over: Partial<Run> & { io?: Screen } = {},
): Promise<{ code: number; out: string; err: string }> {
  const io = over.io ?? screen({ width: 200 });
  const load = (async () => ({ config: { state: { dir } } })) as unknown as Run['load'];
  const code = await command(runOf(io, {}, { own, load, ...over }));
  return { code, out: io.stdout, err: io.stderr };
}
const wrong = (command: (r: Run) => Promise<number>, own: Flags) =>
  expect(typed(command, own)).rejects.toMatchObject({ code: 'validation', details: { hint: expect.any(String) } });

/** Every file with its bytes and its time of change. */
function snapshot(at = dir): string[] {
  return readdirSync(at, { recursive: true, withFileTypes: true })
    .map((e) => join(e.parentPath, e.name))
    .sort()
    .map(
      (p) => `${p} ${statSync(p).isFile() ? readFileSync(p, 'latin1') : ''} ${statSync(p).mtimeMs} ${statSync(p).mode}`,
    );
}

test('nothing is made or touched, by none of them', async () => {
  filled();
  const before = snapshot();
  await typed(tail);
  await typed(search, { since: '2026-11-21', text: 'x' });
  await typed(verify);
  await typed(exportAll);
  expect(snapshot()).toEqual(before);
  // Also where there is nothing at all.
  rmSync(dir, { recursive: true });
  for (const command of [tail, search, verify, exportAll])
    await expect(typed(command)).rejects.toMatchObject({
      code: 'not_found',
      details: { hint: expect.stringContaining('--state-dir') },
    });
  expect(() => statSync(dir)).toThrow();
});

describe('tail', () => {
  test('the last ones, oldest of them first, safe for a terminal', async () => {
    filled();
    const { code, out } = await typed(tail, { lines: '3' });
    expect(code).toBe(0);
    const lines = out.trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^AT +WHO +EVENT +TOOL +OUTCOME +CALL +WHAT$/);
    expect(lines.slice(1).map((l) => / (c\d) /.exec(l)?.[1])).toEqual(['c3', 'c4', 'c5']);
    expect(out).toContain('permission');
    expect(out).not.toMatch(/[\u001b\u202e]/);
    const json = (await typed(tail, { lines: '2', json: true })).out
      .trimEnd()
      .split('\n')
      .map((l) => JSON.parse(l));
    expect(json).toMatchObject([
      { segment: segments()[0], record: { call: 'c4', hash: expect.any(String) } },
      { record: { call: 'c5' } },
    ]);
    await wrong(tail, { lines: '0' });
    await wrong(tail, { lines: 'all' });
  });

  test('--follow prints what comes, from new files too, until it is ended', async () => {
    filled();
    const stop = new AbortController();
    const io = screen({ width: 200 });
    const ended = typed(tail, { lines: '1', follow: true, json: true }, { io, signal: stop.signal });
    const calls = () => [...io.stdout.matchAll(/"call":"(\w+)"/g)].map((m) => m[1]);
    await expect.poll(calls).toEqual(['c5']);
    const audit = writing(START + 60_000);
    audit.append('call', { call: 'n1' });
    audit.append('call', { call: 'n2' });
    await expect.poll(calls, { timeout: 5_000 }).toEqual(['c5', 'n1', 'n2']);
    audit.append('call', { call: 'n3' });
    await expect.poll(calls, { timeout: 5_000 }).toEqual(['c5', 'n1', 'n2', 'n3']);
    audit.close();
    stop.abort('SIGINT');
    expect((await ended).code).toBe(130);
  });

  test('--follow as a table has one heading; and it ends when nobody reads', async () => {
    filled();
    let gone = false;
    const io = screen({ width: 200, gone: () => gone });
    const ended = typed(tail, { lines: '1', follow: true }, { io });
    await expect.poll(() => io.stdout).toContain('c5');
    const audit = writing(START + 60_000);
    audit.append('call', { call: 'n1' });
    await expect.poll(() => io.stdout, { timeout: 5_000 }).toContain('n1');
    audit.close();
    gone = true;
    expect((await ended).code).toBe(0);
    expect(io.stdout.match(/AT +WHO/g)).toHaveLength(1);
  });
});

describe('search', () => {
  test('filters, newest first or oldest, as a table or JSON', async () => {
    filled();
    const found = async (own: Flags) =>
      (await typed(search, { ...own, json: true })).out
        .split('\n')
        .filter(Boolean)
        .map((l) => JSON.parse(l).record.call);
    expect(await found({})).toEqual(['c5', 'c4', 'c3', 'c2', 'c1', 'c0']);
    expect(await found({ oldest: true, limit: '2' })).toEqual(['c0', 'c1']);
    expect(await found({ who: 'token:laptop', outcome: 'permission' })).toEqual(['c4']);
    expect(await found({ risk: 'read', call: 'c1' })).toEqual(['c1']);
    expect(await found({ since: '2026-11-21T12:00:03Z' })).toEqual(['c5', 'c4', 'c3']);
    expect(await found({ since: '2026-11-22' })).toEqual([]);
    expect((await typed(search, { tool: 'none' })).err).toBe('No record fits.\n');
    const page = await typed(search, { limit: '4' });
    const from = /--from '([^']+)'/.exec(page.err)?.[1] as string;
    expect(await found({ from })).toEqual(['c1', 'c0']);
  });

  test('words that mean nothing are refused before anything is read', async () => {
    for (const own of [{ since: 'never' }, { risk: 'huge' }, { limit: '1e9' }, { limit: '-1' }] as Flags[])
      await wrong(search, own);
    filled();
    await wrong(search, { from: 'there' });
  });

  test('lines that are no record are said', async () => {
    filled();
    const file = join(state.audit, segments()[0] as string);
    writeFileSync(file, `${readFileSync(file, 'utf8')}no record\n`);
    expect((await typed(search)).err).toContain('1 lines are no record');
  });
});

describe('verify', () => {
  test('fine is 0, with what was seen', async () => {
    filled();
    expect(await typed(verify)).toEqual({
      code: 0,
      out: '6 records in 2 files, 2026-11-21T12:00:00.000Z to 2026-11-21T12:00:05.500Z.\nNothing was changed.\n',
      err: '',
    });
    const json = JSON.parse((await typed(verify, { json: true })).out);
    expect(json).toMatchObject({
      ok: true,
      segments: 2,
      records: 6,
      problems: [],
      open: [],
      heads: null,
      headsGiven: null,
    });
  });

  test('open files are named, beside a writer', async () => {
    const audit = writing();
    audit.append('call', {});
    expect(await typed(verify)).toMatchObject({
      code: 0,
      out: expect.stringContaining(`Not closed (being written, or its process died): ${segments()[0]}`),
    });
    audit.close();
  });

  test('a problem is 1, with file, line, number and what', async () => {
    filled();
    const [name] = segments() as [string];
    const file = join(state.audit, name);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"limit":2', '"limit":9'));
    const { code, out } = await typed(verify);
    expect(code).toBe(1);
    expect(out).toContain(`problem  ${name}, line 2, number 2: was changed: its hash does not fit\n`);
    expect(out).toContain('1 problems.');
    const json = await typed(verify, { json: true });
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out).problems).toEqual([{ segment: name, line: 2, seq: 2, what: expect.any(String) }]);
  });

  test.each<[string, () => void, string]>([
    ['missing', () => rmSync(state.auditKey), 'is missing: nothing can be verified'],
    ['damaged', () => writeFileSync(state.auditKey, 'x', { mode: 0o600 }), 'is damaged'],
    [
      'a folder',
      () => {
        rmSync(state.auditKey);
        mkdirSync(state.auditKey, { mode: 0o700 });
      },
      'EISDIR',
    ],
  ])('its key %s', async (_, how, what) => {
    filled();
    how();
    const { code, out } = await typed(verify);
    expect(code).toBe(1);
    expect(out).toContain('problem  audit.key');
    expect(out).toContain(what);
  });

  test('a key open to others is a problem, and still checks', async () => {
    filled();
    writeFileSync(state.auditKey, readFileSync(state.auditKey), { mode: 0o644 });
    chmodSync(state.auditKey, 0o644);
    const { code, out } = await typed(verify);
    expect(code).toBe(1);
    expect(out).toContain('open to others');
    expect(out).toContain('6 records in 2 files');
    expect(out).toContain('1 problems.');
  });

  test('--heads from a file: matching, of other folders, none, unreadable', async () => {
    filled();
    const file = join(dir, '..', 'journal');
    const other = headLine(told[0] as Head, '/elsewhere');
    writeFileSync(file, [...told.map((h) => headLine(h, dir)), other].join('\n'));
    const fine = await typed(verify, { heads: file });
    expect(fine.code).toBe(0);
    expect(fine.out).toContain('2 heads: 2 match. 1 of other state folders were passed over.');
    writeFileSync(file, 'nothing here\n');
    expect(await typed(verify, { heads: file })).toMatchObject({
      code: 1,
      out: expect.stringContaining('problem  heads: no line'),
    });
    await wrong(verify, { heads: join(dir, 'none') });
    writeFileSync(file, headLine({ ...(told[0] as Head), segment: '20261121T000000000Z-7-abcdef12.jsonl' }, dir));
    expect(await typed(verify, { heads: file })).toMatchObject({ code: 1, out: expect.stringContaining('vanished') });
  });
});

describe('export', () => {
  test('every record once, in order of time, with its hashes; the heads in the last line', async () => {
    filled();
    const { code, out } = await typed(exportAll);
    expect(code).toBe(0);
    const lines = out
      .trimEnd()
      .split('\n')
      .map((l) => JSON.parse(l));
    const last = lines.pop();
    expect(lines.map((l) => l.record.call)).toEqual(['c0', 'c1', 'c2', 'c3', 'c4', 'c5']);
    expect(last).toEqual({ heads: told.sort((a, b) => (a.segment < b.segment ? -1 : 1)), records: 6, corrupt: 0 });
    expect(out).not.toMatch(/[\u001b\u202e]/);
    const some = (await typed(exportAll, { since: '2026-11-21T12:00:02Z', until: '2026-11-21T12:00:04Z' })).out;
    expect([...some.matchAll(/"call":"(\w+)"/g)].map((m) => m[1])).toEqual(['c2', 'c3', 'c4']);
    // Each line is the record as it stands in its file.
    const first = lines[0];
    const stands = readFileSync(join(state.audit, first.segment), 'utf8').split('\n')[first.record.seq - 1];
    expect(out.split('\n')[0]).toBe(`{"segment":"${first.segment}","record":${stands}}`);
  });

  test('waits for its reader, and ends when there is none', async () => {
    const audit = writing();
    for (let i = 0; i < 1_200; i++) audit.append('call', { i });
    audit.close();
    let flushed = 0;
    let gone = false;
    const io = screen({
      gone: () => gone,
      async flushed() {
        gone = ++flushed === 2;
      },
    });
    expect((await typed(exportAll, {}, { io })).code).toBe(0);
    expect(io.stdout.trimEnd().split('\n')).toHaveLength(1_000);
  });
});
