/** The desk with a clock that is moved by hand and files in memory: who is served, for how long, how much, and what ends it. */
import { beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { Principal } from '../../src/core/call.ts';
import { defineChange } from '../../src/core/define.ts';
import { OpsError } from '../../src/core/errors.ts';
import type { FileSource, FileStage, FileStat, SharedBytes } from '../../src/core/files.ts';
import type { Job } from '../../src/policy/job.ts';
import { createTransfers, type Down, type TransferRules, type Upload } from '../../src/policy/transfers.ts';
import { type FakeClock, fakeClock } from '../fakes/clock.ts';
import { callOf, openAccess, quiet, rig, who } from '../fakes/policy.ts';

const RULES: TransferRules = {
  links: false,
  minutes: 10,
  maxBytes: 1e9,
  principalBytes: 1_000,
  allBytes: 1_500,
  atOnce: 4,
  perPrincipal: 2,
};
const stat = { id: '1:2', sizeBytes: 3, modifiedMs: 1, changedMs: 2 } as FileStat;
const knock = { id: 'k', link: false };

let clock: FakeClock;
let records: { event: string; fields: Record<string, unknown> }[];
let now: FileStat;
let closed: number;
let waitMs: number | null;
let valid: boolean;
beforeEach(() => {
  clock = fakeClock();
  records = [];
  now = stat;
  closed = 0;
  waitMs = null;
  valid = true;
});

const alice = (over: Partial<Principal> = {}) => who('token:alice', ['files:write'], { valid: () => valid, ...over });

function desk(rules: Partial<TransferRules> = {}) {
  const source: FileSource = {
    path: '/f',
    stat: now,
    read: async (into) => {
      into.set([1, 2, 3]);
      return 3;
    },
    digest: async () => '',
    close: async () => void closed++,
  };
  const made = createTransfers(
    { ...RULES, ...rules },
    {
      access: openAccess,
      clock,
      log: quiet,
      rate: { take: () => waitMs, peek: () => null, takeChange: () => null },
      audit: { append: (event, fields) => void records.push({ event, fields }), digest: (t) => `digest:${t.length}` },
      redactor: { text: (t: string) => t, deep: (v: unknown) => v } as never,
      context: {
        host: {
          files: { transfers: { open: async () => ({ ...source, stat: now }), stage: async () => ({}) as never } },
        },
      } as never,
    },
  );
  made.servedAt('http://x/transfers');
  return made;
}

const job = (principal = alice(), face: 'mcp-http' | 'mcp-stdio' = 'mcp-http'): Job =>
  ({
    call: callOf('file_download', {}, { principal, face }),
    who: principal,
    scopes: ['files:read'],
    targets: [{ kind: 'path', name: '/f' }],
    tool: { name: 'file_download' },
    turn: Promise.withResolvers(),
  }) as unknown as Job;

const handleOf = (url: string) => url.split('/').at(-1) as string;
const offer = (d: ReturnType<typeof desk>, j = job()) =>
  handleOf(d.forCall(j).offer({ path: '/f', stat, sha256: 'ab' }).url);

/** A stage in memory; `failing`: its next append does. */
function stageOf(failing: { now: boolean } = { now: false }): FileStage & { bytes: Buffer } {
  const stage = {
    path: '/up',
    bytes: Buffer.alloc(0),
    size: () => stage.bytes.length,
    async append(bytes: SharedBytes, length: number) {
      if (failing.now) throw new OpsError('limit', 'No space is left.');
      stage.bytes = Buffer.concat([stage.bytes, Buffer.from(bytes.subarray(0, length))]);
    },
    async truncate() {
      stage.bytes = Buffer.alloc(0);
    },
    ready: async () => ({ unkept: null }),
    commit: async () => ({ path: '/up', stat }),
    discard: async () => {},
  };
  return stage;
}

async function upload(d: ReturnType<typeof desk>, o: { size?: number; stage?: FileStage; j?: Job } = {}) {
  const j = o.j ?? job();
  const stop = new AbortController();
  const whole = d.forCall(j).receive({ path: '/up', sizeBytes: o.size ?? 6 }, o.stage ?? stageOf(), stop.signal);
  const outcome = whole.then(
    (value) => ({ value, thrown: undefined }),
    (thrown: OpsError) => ({ value: undefined, thrown }),
  );
  // As the door does: whatever came of the tool's waiting is the end of the call.
  void outcome.then(({ thrown }) => j.ended?.(thrown ? { thrown } : {}));
  const { fields } = (await Promise.race([j.turn?.promise, outcome])) as { fields?: { url: string } };
  const handle = fields ? handleOf(fields.url) : '';
  const t = d.find(handle, j.who) as Upload;
  return { j, t, handle, outcome, stop };
}

describe('who', () => {
  test('its principal, as long as token, right and time stand', async () => {
    const d = desk();
    const handle = offer(d);
    expect(d.find(handle, alice())).toMatchObject({ kind: 'down', path: '/f' });
    expect(d.find(handle, who('token:bob', ['admin']))).toBeNull();
    expect(d.find('d_none', alice())).toBeNull();
    expect(d.find(handle, who('token:alice', ['logs:read']))).toBeNull();
    expect(d.find(handle, alice({ expiresAtMs: clock.now() }))).toBeNull();
    expect(d.find(handle, null)).toBeNull();
    valid = false;
    expect(d.find(handle, alice())).toBeNull();
    valid = true;
    await clock.advance(10 * 60_000);
    expect(d.find(handle, alice())).toBeNull();
    // What has expired is forgotten when the next one comes.
    expect(d.find(offer(d), alice())).not.toBeNull();
  });

  test('the URL alone where links are on: once, and for ten minutes', async () => {
    const d = desk({ links: true, minutes: 30 });
    const [first, second] = [offer(d), offer(d)];
    const t = d.find(first, null) as Down;
    await (await d.down(t, { ...knock, link: true })).end('done', 3);
    expect(d.find(first, null)).toBeNull();
    expect(d.find(first, alice())).not.toBeNull();
    await clock.advance(10 * 60_000);
    expect(d.find(second, null)).toBeNull();
    expect(records[0]?.fields).toMatchObject({ by: 'link', state: 'begin', transfer: 'digest:28' });
  });

  test('a caller who is no HTTP client, or before there is an address, is on this host', () => {
    expect(desk().forCall(job(alice(), 'mcp-stdio')).way).toBe('here');
    expect(desk().forCall(job()).way).toBe('url');
  });

  test('who reached us by another name is sent back there, and nobody else is', () => {
    const d = desk();
    const there = job();
    there.call.reachedAt = 'https://box.tail1.ts.net:8443';
    const urlOf = (j: Job) => d.forCall(j).offer({ path: '/f', stat, sha256: 'ab' }).url;
    expect(urlOf(there)).toMatch(/^https:\/\/box\.tail1\.ts\.net:8443\/transfers\/d_[a-z2-7]+$/);
    expect(urlOf(job())).toMatch(/^http:\/\/x\/transfers\/d_/);
  });

  test('of many offers of one principal the oldest are forgotten, and no one else’s', () => {
    const d = desk();
    const bob = who('token:bob', ['files:read']);
    const others = offer(d, job(bob));
    const handles = Array.from({ length: 201 }, () => offer(d));
    expect(d.find(handles[0] as string, alice())).toBeNull();
    expect(d.find(handles[1] as string, alice())).not.toBeNull();
    expect(d.find(others, bob)).not.toBeNull();
  });
});

describe('down', () => {
  const found = (d: ReturnType<typeof desk>) => d.find(offer(d), alice()) as Down;

  test('costs a call and holds a place; both are said when there is none', async () => {
    const d = desk();
    const t = found(d);
    waitMs = 1_500.5;
    await expect(d.down(t, knock)).rejects.toMatchObject({ code: 'limit', details: { retryAfterMs: 1_501 } });
    waitMs = null;
    const [a] = [await d.down(t, knock), await d.down(t, knock)];
    await expect(d.down(t, knock)).rejects.toMatchObject({
      code: 'limit',
      message: expect.stringContaining('on their way'),
    });
    await a.end('done', 3);
    await d.down(t, knock);
    expect(closed).toBe(1);
  });

  test('another file than was offered is refused and closed', async () => {
    const d = desk();
    const t = found(d);
    for (const other of [{ id: '1:3' }, { sizeBytes: 4 }, { modifiedMs: 9 }, { changedMs: 9 }]) {
      now = { ...stat, ...other };
      await expect(d.down(t, knock)).rejects.toMatchObject({ code: 'conflict' });
    }
    expect(closed).toBe(4);
    expect(records.at(-1)?.fields).toMatchObject({ state: 'end', outcome: 'conflict', bytes: 0 });
  });

  test('a right that goes ends it within a second', async () => {
    const run = await desk().down(found(desk()), knock);
    const into = new Uint8Array(new SharedArrayBuffer(3));
    expect(await run.read(into, 0)).toBe(3);
    valid = false;
    expect(await run.read(into, 0), 'not asked again at each piece').toBe(3);
    await clock.advance(1_000);
    await expect(run.read(into, 0)).rejects.toMatchObject({ code: 'permission' });
    valid = true;
    expect(await run.read(into, 0)).toBe(3);
    await clock.advance(1_000);
    expect(await run.read(into, 0)).toBe(3);
  });
});

describe('up', () => {
  const text = (t: string) => Buffer.from(t);

  test('all bytes: the call goes on with their digest, and its end is the answer', async () => {
    const d = desk();
    const stage = stageOf();
    const { t, outcome, j, handle } = await upload(d, { stage });
    const one = await d.up(t, knock, 0);
    await one.write(text('abc'));
    expect(await one.end('left')).toBeNull();
    expect(t.offset()).toBe(3);
    j.receipt = 't_x';
    const two = await d.up(t, knock, 3);
    await two.write(text('def'));
    expect(await two.end('done')).toEqual({ error: null, receipt: 't_x' });
    expect((await outcome).value?.sha256).toMatch(/^bef57ec7f53a6d40/);
    expect(stage.bytes.toString()).toBe('abcdef');
    expect(d.find(handle, alice()), 'its answer can be asked for').toMatchObject({ end: { receipt: 't_x' } });
    await expect(d.up(t, knock, 6)).rejects.toMatchObject({ code: 'conflict', message: 'This upload has ended.' });
    expect(records.filter((r) => r.fields.state === 'end').map((r) => [r.fields.outcome, r.fields.bytes])).toEqual([
      ['left', 3],
      ['done', 3],
      ['conflict', 0],
    ]);
  });

  test('more than a piece passes through two of them, in order', async () => {
    const d = desk({ principalBytes: 1e9, allBytes: 1e9 });
    const bytes = Buffer.from(Array.from({ length: 9_500_000 }, (_, i) => i % 251));
    const stage = stageOf();
    const { t, outcome } = await upload(d, { size: bytes.length, stage });
    const run = await d.up(t, knock, 0);
    for (let at = 0; at < bytes.length; at += 65_536) await run.write(bytes.subarray(at, at + 65_536));
    await run.end('done');
    await outcome;
    expect(stage.bytes.equals(bytes)).toBe(true);
  });

  test('from where it is, or anew from 0; nowhere else; and never more than declared', async () => {
    const d = desk();
    const stage = stageOf();
    const { t, outcome } = await upload(d, { stage });
    const one = await d.up(t, knock, 0);
    await one.write(text('xx'));
    await one.end('left');
    await expect(d.up(t, knock, 1)).rejects.toMatchObject({ message: expect.stringContaining('2 bytes have come') });
    const two = await d.up(t, knock, 0);
    await expect(two.write(text('1234567'))).rejects.toMatchObject({ code: 'validation' });
    await two.write(text('123456'));
    await two.end('done');
    expect([stage.bytes.toString(), (await outcome).value?.sha256.slice(0, 8)]).toEqual(['123456', '8d969eef']);
  });

  test('who comes later goes on, once the other has left', async () => {
    const d = desk();
    const { t } = await upload(d);
    const first = await d.up(t, knock, 0);
    await first.write(text('abc'));
    const second = d.up(t, knock, 3);
    await clock.advance(0);
    expect(first.left.aborted).toBe(true);
    await expect(first.write(text('x'))).rejects.toMatchObject({ code: 'conflict' });
    await first.end('conflict');
    await (await second).write(text('def'));
    // Two at the same moment: one of them.
    expect(t.offset()).toBe(3);
    await expect(t.begin(3, () => {})).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('Another'),
    });
  });

  test('a stage that cannot take it ends the call, and the request says why', async () => {
    const d = desk({ principalBytes: 1e9, allBytes: 1e9 });
    const failing = { now: true };
    const { t, outcome } = await upload(d, { size: 9_000_000, stage: stageOf(failing) });
    const run = await d.up(t, knock, 0);
    const piece = Buffer.alloc(4 * 1024 * 1024);
    await run.write(piece);
    await expect(run.write(piece)).rejects.toMatchObject({ code: 'limit' });
    expect((await outcome).thrown).toMatchObject({ code: 'limit' });
    await clock.advance(0);
    await expect(run.write(piece)).rejects.toMatchObject({ message: 'This upload has ended.' });
    expect(await run.end('limit')).toMatchObject({ error: { code: 'limit' } });
  });

  test('nothing comes for too long, or the call is stopped: it ends', async () => {
    const d = desk();
    const late = await upload(d);
    const run = await d.up(late.t, knock, 0);
    await clock.advance(11 * 60_000);
    await run.write(text('a'));
    await run.end('left');
    await clock.advance(10 * 60_000);
    expect((await late.outcome).thrown).toMatchObject({ code: 'timeout' });
    const stopped = await upload(d);
    stopped.stop.abort(new OpsError('unavailable', 'stop'));
    expect((await stopped.outcome).thrown).toMatchObject({ code: 'unavailable' });
    const before = AbortSignal.abort(new OpsError('unavailable', 'before'));
    await expect(d.forCall(job()).receive({ path: '/', sizeBytes: 1 }, stageOf(), before)).rejects.toMatchObject({
      message: 'before',
    });
  });

  test('bytes that are on their way are counted, for one and for all', async () => {
    const d = desk();
    await upload(d, { size: 900 });
    expect((await upload(d, { size: 101 })).outcome).toBeDefined();
    expect((await (await upload(d, { size: 101 })).outcome).thrown).toMatchObject({ code: 'limit' });
    const bob = job(who('token:bob', ['files:write']));
    expect((await (await upload(d, { size: 601, j: bob })).outcome).thrown).toMatchObject({
      details: { hint: expect.stringContaining('allBytes') },
    });
    expect((await upload(d, { size: 600, j: job(who('token:bob', ['files:write'])) })).t).not.toBeNull();
  });

  test('with links on, the words need no token', async () => {
    const j = job();
    await upload(desk({ links: true }), { j });
    expect((await j.turn?.promise)?.next).toMatch(/curl -T FILE http:\/\/x/);
  });
});

test('through the door: a call that waits for its caller answers at once, and its end is kept as of any long work', async () => {
  const take = defineChange({
    name: 'fixture_take',
    title: 'Take',
    description: 'Takes.',
    toolset: 'files',
    core: false,
    input: () => z.strictObject({ wait_s: z.number().optional() }),
    also: () => ({ url: z.string().optional(), expiresAt: z.string().optional() }),
    scopes: { least: 'files:write' },
    risk: 'change',
    targets: () => [{ kind: 'path', name: '/up' }],
    annotations: { idempotent: false, openWorld: false },
    limits: { timeoutMs: 3_600_000 },
    long: true,
    undo: { kind: 'none', why: 'it is a fixture.' },
    preview: async () => ({ summary: 'Take it.', digest: '' }),
    async apply(_, ctx) {
      const came = await ctx.transfers?.receive({ path: '/up', sizeBytes: 3 }, stageOf(), ctx.signal);
      ctx.commit();
      return { summary: 'Taken.', after: { ...came } };
    },
  });
  const d = desk();
  const r = rig({ catalog: { tools: [take], resources: [], prompts: [] }, transfers: d });
  clock = r.clock;
  const principal = alice();
  const out = await r.door.run(callOf('fixture_take', {}, { principal, face: 'mcp-http' }));
  expect(out).toMatchObject({
    status: 'running',
    data: {
      state: 'running',
      handle: expect.stringMatching(/^w_/),
      url: expect.stringMatching(/^http:\/\/x\/transfers\/d_/),
    },
    text: expect.stringContaining('curl'),
  });
  const { data } = out as unknown as { data: { url: string; handle: string } };
  const run = await d.up(d.find(handleOf(data.url), principal) as Upload, knock, 0);
  await run.write(Buffer.from('abc'));
  expect(await run.end('done')).toEqual({ error: null, receipt: null });
  await r.clock.advance(0);
  expect(r.work.get(data.handle)).toMatchObject({ state: 'done' });
  expect(r.held.size).toBe(0);
});
