/** The journal, units and several kinds of sources in one answer; and pages through logs that grow meanwhile. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { OpsError } from '../../src/core/errors.ts';
import { scopesOfCall } from '../../src/core/tool.ts';
import { cursorOf, cursorText } from '../../src/insight/log_page.ts';
import { type LogAnswer, logQuery } from '../../src/tools/log_query.ts';
import { fakeDocker } from '../fakes/docker.ts';
import { FAKE_NOW_MS, fakeContainer } from '../fakes/docker_parts.ts';
import { fakeHost } from '../fakes/host.ts';
import { fakeJournal, type Written } from '../fakes/journal.ts';
import { callOf, rig, who } from '../fakes/policy.ts';
import { fakeServices } from '../fakes/services.ts';
import { JAVA } from '../insight/log_traces.ts';
import { ask, context } from './context.ts';

const START = FAKE_NOW_MS - 3_600_000;
const said = (message: string, seconds: number, over: Partial<Written> = {}): Written => ({
  ...{ atMs: START + seconds * 1_000, message, unit: 'web.service', identifier: 'web', pid: 100, priority: 6 },
  ...over,
});
const hostOf = (journal = fakeJournal(), over: object = {}) => ({ ...fakeHost(), journal, ...over });
const query = (written: Written[], args: Record<string, unknown>, over: object = {}) =>
  ask<LogAnswer>(
    logQuery,
    { source: ['journal:'], ...args },
    context({}, { host: hostOf(fakeJournal({ written }), over), now: () => FAKE_NOW_MS }),
  );
const texts = (a: { data: LogAnswer }) => a.data.lines.map((l) => l.text);
const failed = (made: Promise<unknown>): Promise<OpsError> =>
  made.then(
    () => expect.unreachable() as never,
    (e: OpsError) => e,
  );

describe('rights', () => {
  test('the journal needs logs:read, a unit services:read beside it, and is a target', async () => {
    const input = logQuery.input.parse({ source: ['journal:', 'unit:web', 'journal:sshd'] });
    expect(scopesOfCall(logQuery, input)).toEqual(['logs:read', 'services:read']);
    expect(logQuery.targets?.(input)).toEqual([
      { kind: 'unit', name: '*' },
      { kind: 'unit', name: 'web.service' },
      { kind: 'unit', name: '*' },
    ]);
    const r = rig({ catalog: { tools: [logQuery], resources: [], prompts: [] } });
    const principal = who('token:logs', ['logs:read']);
    expect(await r.door.run(callOf('log_query', { source: ['unit:web'] }, { principal }))).toMatchObject({
      error: { code: 'permission', message: expect.stringContaining('services:read') },
    });
  });
});

describe('the journal', () => {
  const mixed = [
    said('Linux version 6.12', 0, { kernel: true, identifier: 'kernel', unit: undefined as never, priority: 5 }),
    said('Started web.service.', 1, { identifier: 'systemd', pid: 1, unit: 'init.scope', about: 'web.service' }),
    said('GET / 200', 2),
    said('checkpoint complete', 3, { unit: 'db.service', identifier: 'postgres', pid: 200 }),
    said('old boot', -4_000, { boot: -1 }),
  ].toSorted((a, b) => a.atMs - b.atMs);

  test('all of it says whose each line is; of a unit only what its manager said', async () => {
    expect(texts(await query(mixed, {}))).toEqual([
      'postgres: checkpoint complete',
      'web: GET / 200',
      'systemd: Started web.service.',
      'kernel: Linux version 6.12',
      'web: old boot',
    ]);
    expect(texts(await query(mixed, { source: ['unit:web'], since: '3h' }))).toEqual([
      'GET / 200',
      'systemd: Started web.service.',
      'old boot',
    ]);
  });

  test('the kernel’s, an identifier’s, of a boot, since the boot', async () => {
    expect(texts(await query(mixed, { source: ['journal:kernel'] }))).toEqual(['Linux version 6.12']);
    expect(texts(await query(mixed, { source: ['journal:postgres'] }))).toEqual(['checkpoint complete']);
    expect(texts(await query(mixed, { source: ['journal:@-1'] }))).toEqual(['web: old boot']);
    expect(texts(await query(mixed, { source: ['journal:web@0'] }))).toEqual(['GET / 200']);
    expect(await failed(query(mixed, { source: ['journal:@-5'] }))).toMatchObject({ code: 'not_found' });
    expect(texts(await query(mixed, { since: 'boot' }))).toHaveLength(5);
    expect(texts(await query(mixed, { source: ['journal:web'], grep: 'postgres' }))).toEqual([]);
    expect(texts(await query(mixed, { grep: 'postgres: check' }))).toHaveLength(1);
  });

  test('a level is the text’s; where that says none, the priority’s', async () => {
    const written = [
      said('ERROR in the text', 1),
      said('plain words', 2, { priority: 3 }),
      said('level=info quite well', 3, { priority: 3 }),
      said('nothing', 4),
    ];
    const { data } = await query(written, { level: 'error' });
    expect(texts({ data })).toEqual(['web: plain words', 'web: ERROR in the text']);
    expect(data.levels).toEqual({ error: 2, info: 2 });
  });

  test('lines of one writer are a trace, also between those of others; an entry of several lines is one', async () => {
    const written = [
      ...JAVA.flatMap((t, i) => [
        said(t, 1 + i / 100, { priority: 3 }),
        said(`access ${i}`, 1.005 + i / 100, { pid: 7, identifier: 'proxy' }),
      ]),
      said('one\n  two\n\nthree', 30, { pid: 8, identifier: 'app' }),
    ];
    const { data, text } = await query(written, { limit: 100 });
    expect(data.entries).toBe(1 + JAVA.length + 1);
    expect(data.lines.find((l) => l.lines === JAVA.length)?.text).toBe(`web: ${JAVA.join('\n')}`);
    expect(data.lines[0]).toMatchObject({ text: 'app: one\n  two\n\nthree', lines: 4 });
    expect(text).toContain('\n      two');
  });

  test('what it lacks is said: no journal at all, one in memory, one of several sources', async () => {
    const none = context({}, { host: hostOf(), now: () => FAKE_NOW_MS });
    expect(await failed(ask(logQuery, { source: ['journal:'] }, none))).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('No systemd journal'),
      details: { hint: expect.stringContaining('container:NAME') },
    });
    const docker = fakeDocker({ containers: [fakeContainer('web', { logs: [], startedAtMs: START })] });
    const both = context({}, { host: hostOf(undefined, { docker }), now: () => FAKE_NOW_MS });
    const { data } = await ask<LogAnswer>(logQuery, { source: ['journal:', 'container:web'] }, both);
    expect(data.sources[0]?.failed).toContain('No systemd journal');
    const memory = hostOf(fakeJournal({ written: mixed, volatile: true }));
    const inMemory = (args: object) =>
      ask<LogAnswer>(
        logQuery,
        { source: ['journal:'], ...args },
        context({}, { host: memory, now: () => FAKE_NOW_MS }),
      );
    expect((await inMemory({ since: '30d' })).data.notes[0]).toContain('in memory only');
    expect((await inMemory({})).data.notes).toEqual([]);
  });

  test('containers and the journal are one log by time', async () => {
    const docker = fakeDocker({
      containers: [
        fakeContainer('api', {
          logs: [{ stream: 'stdout', atMs: START + 2_500, nanos: 0, text: 'from the container', cut: false }],
          startedAtMs: START,
        }),
      ],
    });
    const { data } = await query(
      mixed,
      { source: ['unit:db', 'unit:web', 'container:api'], order: 'oldest' },
      { docker },
    );
    expect(data.lines.map((l) => [l.source, l.text])).toEqual([
      ['unit:web.service', 'old boot'],
      ['unit:web.service', 'systemd: Started web.service.'],
      ['unit:web.service', 'GET / 200'],
      ['container:api', 'from the container'],
      ['unit:db.service', 'checkpoint complete'],
    ]);
  });

  test('a unit that is not there says so, with those that may have been meant', async () => {
    const services = {
      ...fakeServices(),
      available: () => ({ value: { manager: 'systemd' as const } }),
      show: async () => [{ load: 'not-found', startedAtMs: { value: null, why: '' } }],
      list: async () => ({ units: [{ name: 'nginx.service', template: false }], notRead: 0 }),
    };
    expect(await failed(query([], { source: ['unit:ngnix'] }, { services }))).toMatchObject({
      code: 'not_found',
      details: { candidates: ['unit:nginx.service'] },
    });
    // It is gone from the disk, and what it said is not.
    expect(texts(await query(mixed, { source: ['unit:web'] }, { services }))).toHaveLength(3);
    expect(await failed(query([], { source: ['unit:getty@.service'] }))).toMatchObject({ code: 'validation' });
  });

  test('names that could be options or patterns reach nobody', async () => {
    for (const source of ['journal:--follow x', 'journal:*', 'unit:*', 'unit:--all'])
      expect(await failed(query([], { source: [source] })), source).toMatchObject({ code: 'validation' });
  });
});

describe('pages', () => {
  const many = (n: number) => Array.from({ length: n }, (_, i) => said(`line ${i}`, i, { pid: 100 + (i % 3) }));

  test('one after the other, back to the beginning, while new lines come', async () => {
    const written = many(50);
    const seen: string[] = [];
    let cursor: string | null | undefined;
    for (let page = 0; cursor !== null; page++) {
      const { data } = await query(written, { limit: 8, ...(cursor ? { cursor } : {}) });
      seen.push(...texts({ data }));
      cursor = data.next;
      written.push(said(`new ${page}`, 100 + page));
    }
    expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => `web: line ${49 - i}`));
  });

  test('forward, and on as the log grows', async () => {
    const written = many(10);
    const first = await query(written, { limit: 7, order: 'oldest' });
    const second = await query(written, { limit: 7, cursor: first.data.next });
    expect(texts(second)).toEqual(['web: line 7', 'web: line 8', 'web: line 9']);
    const third = await query(written, { limit: 7, cursor: second.data.next });
    expect(third.data).toMatchObject({ lines: [], next: second.data.next, order: 'oldest' });
    written.push(said('later', 9.0005));
    expect(texts(await query(written, { limit: 7, cursor: third.data.next }))).toEqual(['web: later']);
    expect(second.text).toContain(`newer ones: cursor ${second.data.next}`);
  });

  test('a cursor of something else is refused', async () => {
    const { data } = await query(many(100), { limit: 5 });
    for (const args of [
      { cursor: 'x' },
      { cursor: data.next, source: ['journal:', 'journal:web'] },
      { cursor: data.next, tail: 5 },
    ])
      expect(await failed(query(many(3), args))).toMatchObject({ code: 'validation' });
    expect(data.next?.length).toBeLessThan(30);
  });

  test('property: any logs, any page, filtered or not, in both directions: each match once, while all of them grow', async () => {
    const log = fc.array(
      fc.record({ gap: fc.constantFrom(0, 0, 1, 400, 3_000), hit: fc.boolean(), same: fc.boolean() }),
      {
        maxLength: 40,
      },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(log, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom('newest', 'oldest'),
        fc.boolean(),
        async (logs, limit, order, filtered) => {
          let n = 0;
          const logsOf = logs.map((lines, l) => {
            let at = START + l;
            return lines.map(({ gap, hit, same }) => {
              at += gap;
              const text = same ? `${hit ? 'needle' : 'hay'} again` : `${hit ? 'needle' : 'hay'} ${l}.${n++}`;
              return { stream: 'stdout' as const, atMs: at, nanos: 0, text, cut: false };
            });
          });
          const containers = logsOf.map((l, i) => fakeContainer(`c${i}`, { logs: l, startedAtMs: START }));
          const docker = fakeDocker({ containers });
          const source = logs.map((_, i) => `container:c${i}`);
          const expected = logsOf.map((l) => l.map((x) => x.text).filter((t) => !filtered || t.startsWith('needle')));
          const got = logs.map((): string[] => []);
          let cursor: string | null = null;
          for (let page = 0; page < 500; page++) {
            const answer: { data: LogAnswer } = await query(
              [],
              { source, limit, order, ...(filtered ? { grep: 'needle' } : {}), ...(cursor ? { cursor } : {}) },
              { docker },
            );
            const lines = answer.data.lines.slice(0, limit);
            for (const l of lines)
              for (let k = 0; k < (l.repeats ?? 1); k++) got[l.source ? Number(l.source.slice(11)) : 0]?.push(l.text);
            if (answer.data.next === null || (order === 'oldest' && lines.length === 0)) break;
            cursor = answer.data.next;
            if (order === 'newest')
              for (const [i, c] of containers.entries())
                c.logs.push({
                  ...{ stream: 'stdout' as const, nanos: 0, cut: false, text: `needle new ${i}.${page}` },
                  atMs: FAKE_NOW_MS + page,
                });
          }
          expect(got.map((l) => l.toSorted())).toEqual(expected.map((l) => l.toSorted()));
        },
      ),
      { numRuns: 150 },
    );
  }, 60_000);

  test('property: a cursor reads back as it was written; other text is none', () => {
    const place = fc.record({
      atMs: fc.integer({ min: 0, max: 2 ** 46 }),
      seen: fc.integer({ min: 0, max: 50_000_000 }),
    });
    fc.assert(
      fc.property(fc.boolean(), fc.array(place, { minLength: 1, maxLength: 10 }), (newer, at) => {
        expect(cursorOf(cursorText({ newer, at }), at.length)).toEqual({ newer, at });
        expect(cursorText({ newer, at }).length).toBeLessThanOrEqual(200);
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => void cursorOf(text, 1)));
  });
});
