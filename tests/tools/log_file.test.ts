import fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { scopesOfCall } from '../../src/core/tool.ts';
import { rotatedOf, stampReader } from '../../src/insight/log_times.ts';
import { type LogAnswer, logQuery } from '../../src/tools/log_query.ts';
import { FAKE_WALL_MS } from '../fakes/host.ts';
import { callOf, rig, who } from '../fakes/policy.ts';
import { ask } from './context.ts';
import { type Folder, folder } from './files_in.ts';

let f: Folder;
const NOW = FAKE_WALL_MS;
beforeAll(() => {
  f = folder({}, { now: () => NOW });
});
afterAll(() => f.end());

/** The fake host's zone is Berlin, an hour east in November. */
const local = (ms: number) => new Date(ms + 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
const utc = (ms: number) => new Date(ms).toISOString();
const query = (path: string, args: Record<string, unknown> = {}) =>
  ask<LogAnswer>(logQuery, { source: [`file:${path}`], ...args }, f.ctx);
const texts = (a: LogAnswer) => a.lines.map((l) => l.text);
const failed = async (made: Promise<unknown>): Promise<OpsError> => {
  const thrown = await made.then(
    () => null,
    (e: unknown) => e,
  );
  expect(thrown).toBeInstanceOf(OpsError);
  return thrown as OpsError;
};

describe('rights', () => {
  test('a file needs files:read beside logs:read, and is named as a target', async () => {
    const input = logQuery.input.parse({ source: ['file:/var/log/syslog'] });
    expect(scopesOfCall(logQuery, input)).toEqual(['logs:read', 'files:read']);
    expect(logQuery.targets?.(input)).toEqual([{ kind: 'path', name: '/var/log/syslog' }]);
    const r = rig({ catalog: { tools: [logQuery], resources: [], prompts: [] } });
    const outcome = await r.door.run(
      callOf('log_query', { source: ['file:/var/log/syslog'] }, { principal: who('token:logs', ['logs:read']) }),
    );
    expect(outcome).toMatchObject({ status: 'failed', error: { code: 'permission' } });
  });
});

describe('times', () => {
  test('are those that the lines tell, in the host’s zone where they name none; what has none belongs above', async () => {
    const at = NOW - 60_000;
    const path = f.put(
      'app.log',
      `${local(at)} INFO started\n${local(at + 1_000)} ERROR failed\n  at somewhere\n${local(at + 2_000)} INFO went on\n`,
    );
    const { data } = await query(path, { order: 'oldest' });
    expect(data.lines.map((l) => [l.at, l.level, l.text.split('\n').length])).toEqual([
      [utc(at), 'info', 1],
      [utc(at + 1_000), 'error', 2],
      [utc(at + 2_000), 'info', 1],
    ]);
    expect((await query(path, { level: 'error' })).data.matched).toBe(1);
    const read = stampReader({ zone: { name: 'Europe/Berlin', offsetMinutes: 60 }, nowMs: NOW });
    // In summer it was two hours.
    expect(read('2026-07-01 12:00:00 x')).toBe(Date.UTC(2026, 6, 1, 10));
    expect(read('10.0.0.1 - bob [20/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200')).toBe(Date.UTC(2026, 10, 20, 12));
    expect(read('no time at all')).toBeNull();
  });

  test('since and until in a large log are found by halving, and the answer is that of reading it all', async () => {
    const lines = 120_000;
    const begin = NOW - lines * 1_000;
    const body = Array.from({ length: lines }, (_, n) => `${utc(begin + n * 1_000)} INFO request ${n} served in 12 ms`);
    const path = f.put('large.log', `${body.join('\n')}\n`);
    expect(fs.statSync(path).size).toBeGreaterThan(5e6);
    const from = begin + 60_000_000;
    for (const args of [
      { since: utc(from), until: utc(from + 9_000), order: 'oldest' },
      { since: utc(from), until: utc(from + 9_000) },
    ]) {
      const { data } = await query(path, args);
      expect(
        texts(data)
          .map((t) => / request (\d+) /.exec(t)?.[1])
          .sort(),
      ).toEqual(Array.from({ length: 10 }, (_, n) => String(60_000 + n)));
      expect(data.sources[0]).toMatchObject({ missing: null, why: null });
      expect(data.sources[0]?.bytesRead).toBeLessThan(1e6);
    }
    const newest = (await query(path, { limit: 3 })).data;
    expect(texts(newest)[0]).toContain(`request ${lines - 1} `);
    expect(newest.sources[0]?.bytesRead).toBeLessThan(1e6);
    const before = (await query(path, { until: utc(from), limit: 2 })).data;
    expect(texts(before)[0]).toContain('request 60000 ');
    const tail = (await query(path, { tail: 5 })).data;
    expect(tail.entries).toBe(5);
  });

  test('a log that is not in order of time is read through, and what was not looked at is said', async () => {
    const body = Array.from(
      { length: 40_000 },
      (_, n) => `${utc(NOW - ((n * 7_919) % 40_000) * 1_000)} INFO ${n} and some text to fill the line`,
    );
    const path = f.put('mixed.log', `${body.join('\n')}\n`);
    const { data } = await query(path, { since: '10s', limit: 100, order: 'oldest' });
    expect(data.matched).toBe(11);
    expect((await query(path, { since: '10s', order: 'oldest', read_mb: 1 })).data.sources[0]).toMatchObject({
      missing: 'newer',
    });
  });

  test('where lines tell none, that is said, and none is chosen by time', async () => {
    const path = f.put('plain.log', 'one\ntwo\nthree\n');
    fs.utimesSync(path, new Date(NOW), new Date(NOW - 5_000));
    const { data } = await query(path, { tail: 2, group: false });
    expect(texts(data)).toEqual(['three', 'two']);
    expect(data.notes.join()).toMatch(/tell no time/);
    expect(await failed(query(path, { since: '1h' }))).toMatchObject({ code: 'unavailable' });
    expect((await query(f.put('empty.log', ''), { since: '1h' })).data).toMatchObject({ entries: 0, lines: [] });
  });
});

describe('what is beside and behind', () => {
  test('older parts are named where the question reaches behind the first line', async () => {
    const at = NOW - 3_600_000;
    for (const name of ['rot.log.1', 'rot.log.2.gz', 'rot.log.10.gz', 'rot.log.old', 'rot.logs'])
      f.put(`rot/${name}`, 'x\n');
    const path = f.put('rot/rot.log', `${utc(at)} INFO first\n`);
    const { data } = await query(path, { since: '2h' });
    expect(data.notes).toEqual([`Older lines of file:${path} are in file:${path}.1, and 2 more.`]);
    expect((await query(path, { since: '10m' })).data.notes).toEqual([]);
    expect(rotatedOf('a.log', ['a.log', 'a.log-20261101', 'a.log-20261120.gz', 'a.log.bak', 'b.log.1'])).toEqual([
      'a.log-20261120.gz',
      'a.log-20261101',
    ]);
  });

  test('a file that is no log is refused with what to read instead; one that is not there with its neighbours', async () => {
    const packed = f.put('x.gz', Buffer.from('1f8b08000000000000030000', 'hex'));
    expect(await failed(query(packed))).toMatchObject({ code: 'validation', message: expect.stringContaining('gzip') });
    const journal = f.put('system.journal', Buffer.from('LPKSHHRH\0\0\0\0'));
    expect((await failed(query(journal))).details.hint).toContain('journal:');
    f.put('syslog', 'x\n');
    expect((await failed(query(join(f.dir, 'sylog')))).details.candidates).toContain(join(f.dir, 'syslog'));
    expect(await failed(query('/nowhere/at/all'))).toMatchObject({ code: 'permission' });
  });

  test('several files are merged by time', async () => {
    const a = f.put('merge/a.log', `${utc(NOW - 3_000)} a1\n${utc(NOW - 1_000)} a2\n`);
    const b = f.put('merge/b.log', `${utc(NOW - 2_000)} b1\n`);
    const { data } = await ask<LogAnswer>(logQuery, { source: [`file:${a}`, `file:${b}`], order: 'oldest' }, f.ctx);
    expect(texts(data).map((t) => t.slice(-2))).toEqual(['a1', 'b1', 'a2']);
  });

  test('secrets go, and the end of one endless line is not read from its middle', async () => {
    const path = f.put('secret.log', `${utc(NOW)} login password=hunter2hunter2 ok\n`);
    expect(texts((await query(path)).data)[0]).toContain('⟦redacted:password⟧');
    expect((await query(path, { grep: 'hunter2' })).data.matched).toBe(0);
    const endless = f.put('endless.log', `${utc(NOW)} token=${'s3cr3tS3cr3t'.repeat(8_000_000)} end`);
    const { data } = await query(endless, { tail: 1 });
    expect(JSON.stringify(data.lines)).not.toContain('s3cr3t');
  }, 30_000);

  test('a log that grows is read as far as it is now', async () => {
    const path = f.put('grow.log', `${utc(NOW - 2_000)} one\n`);
    expect((await query(path)).data.entries).toBe(1);
    fs.appendFileSync(path, `${utc(NOW - 1_000)} two\n`);
    expect((await query(path)).data.entries).toBe(2);
  });
});
