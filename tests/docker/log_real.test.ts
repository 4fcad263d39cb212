/** log_query in front of a real engine: demultiplexing, a TTY, windows of time, a stack trace, and two hundred megabytes. Loud when skipped. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LogAnswer, logQuery } from '../../src/tools/log_query.ts';
import { fakeHost } from '../fakes/host.ts';
import { JAVA } from '../insight/log_traces.ts';
import { ask, context } from '../tools/context.ts';
import { IMAGE, type LabEngine, lacking, startLab, until } from './engine.ts';
import { naive } from './log_reader.ts';
import { logSoak } from './log_soak.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write('SKIPPED tests/docker/log_real: needs DECKHAND_REAL=1, root, debootstrap and docker.\n');
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

describe.runIf(real)('log_query on Docker 26', { timeout: 180_000 }, () => {
  let lab: LabEngine;
  const query = async (args: Record<string, unknown>) =>
    ask<LogAnswer>(logQuery, args, context({}, { host: { ...fakeHost(), docker: lab.host }, now: Date.now }));
  const run = async (name: string, args: string[], command: string) => {
    await lab.docker(['run', '-d', '--name', name, '--network', 'none', ...args, IMAGE, 'sh', '-c', command]);
    await until(
      `${name} has ended`,
      async () => {
        const { out } = await lab.docker(['inspect', '-f', '{{.State.Status}}', name]);
        return out.trim() === 'exited';
      },
      120_000,
    );
  };
  const texts = (a: { data: LogAnswer }) => a.data.lines.map((l) => l.text);

  beforeAll(async () => {
    lab = await startLab('docker');
  }, 400_000);
  afterAll(async () => {
    await lab.close();
    expect(lab.left()).toEqual([]);
  }, 60_000);

  test('stdout and stderr are told apart, in order; naively read, frames mix with text (control)', async () => {
    await run('both', [], 'for i in 1 2 3; do echo out $i; sleep 0.05; echo err $i >&2; sleep 0.05; done');
    const answer = await query({ source: ['container:both'], order: 'oldest' });
    expect(texts(answer)).toEqual(['out 1', 'err 1', 'out 2', 'err 2', 'out 3', 'err 3']);
    expect(answer.data.lines.map((l) => l.stderr === true)).toEqual([false, true, false, true, false, true]);
    const { text } = await naive(lab.socket, 'both');
    expect(text.split('\n')[0]).toMatch(/^\u0001\u0000\u0000\u0000/);
  });

  test('a TTY has one stream, without frames and without carriage returns', async () => {
    await run('tty', ['-t'], 'echo one; echo two >&2; echo three');
    expect(texts(await query({ source: ['container:tty'], order: 'oldest' }))).toEqual(['one', 'two', 'three']);
  });

  test('thirty lines of a stack trace are one entry, amid lines of the other stream', async () => {
    const trace = JAVA.map((l) => `echo '${l.replaceAll("'", '"').replaceAll('\t', '    ')}' >&2`);
    const mixed = trace.flatMap((t, i) => (i % 5 === 4 ? [t, `echo access ${i}`] : [t]));
    await run('trace', [], `echo INFO start; ${mixed.join('; ')}; echo INFO end`);
    const { data } = await query({ source: ['container:trace'], level: 'error' });
    expect(data.lines).toMatchObject([{ level: 'error', lines: 30, stderr: true }]);
    expect(
      (await query({ source: ['container:trace'], first_error: true })).data.lines.some((l) => l.lines === 30),
    ).toBe(true);
  });

  test('tail, since and until are the engine’s, to the millisecond', async () => {
    await run('slow', [], 'for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.3; done');
    const all = (await query({ source: ['container:slow'], order: 'oldest' })).data.lines;
    expect(all).toHaveLength(8);
    expect(texts(await query({ source: ['container:slow'], tail: 3, order: 'oldest' }))).toEqual([
      'line 6',
      'line 7',
      'line 8',
    ]);
    const at = (i: number) => all[i]?.at as string;
    expect(texts(await query({ source: ['container:slow'], since: at(5), order: 'oldest' }))).toEqual([
      'line 6',
      'line 7',
      'line 8',
    ]);
    const between = await query({ source: ['container:slow'], since: at(2), until: at(4), order: 'oldest' });
    expect(texts(between).slice(0, 2)).toEqual(['line 3', 'line 4']);
    expect(texts(between)).not.toContain('line 6');
  });

  test('several containers are one log by time', async () => {
    const { data } = await query({ source: ['container:slow', 'container:both'], order: 'oldest', limit: 100 });
    const times = data.lines.map((l) => l.at);
    expect(times).toEqual([...times].sort());
    expect(new Set(data.lines.map((l) => l.source))).toEqual(new Set(['container:slow', 'container:both']));
  });

  test('lines of a mebibyte, and bytes that are no text, stay within bounds', async () => {
    await run(
      'long',
      [],
      "head -c 1048576 /dev/zero | busybox tr '\\0' x; echo; printf 'bad \\377\\376 bytes\\n'; echo last",
    );
    const { data, text } = await query({ source: ['container:long'] });
    expect(texts({ data }).slice(0, 2)).toEqual(['last', 'bad \ufffd\ufffd bytes']);
    expect(data.lines[2]).toMatchObject({ cut: true, text: expect.stringMatching(/^x{1000}/) });
    expect(data.notes.join()).toContain('longer than 16 KiB');
    expect(Buffer.byteLength(text)).toBeLessThan(16 * 1024);
  });

  test('a driver that keeps nothing says so, and a name that is nearly right is found', async () => {
    await run('none', ['--log-driver', 'none'], 'echo lost');
    await expect(query({ source: ['container:none'] })).rejects.toMatchObject({ code: 'unavailable' });
    await expect(query({ source: ['container:tracee'] })).rejects.toMatchObject({
      code: 'not_found',
      details: { candidates: ['container:trace'] },
    });
  });

  test('fifty megabytes: memory stays flat, the answer small, bytes are counted; naively read it is all in memory (control)', async () => {
    const soak = await logSoak(lab, 300_000);
    process.stderr.write(`log_query on 300,000 lines: ${JSON.stringify(soak)}\n`);
    expect(soak.newest).toMatchObject({ matched: 1 });
    expect(soak.newest.bytesRead).toBeLessThan(1024 * 1024);
    expect(soak.bounded).toMatchObject({ missing: 'newer' });
    expect(soak.bounded.bytesRead).toBeLessThanOrEqual(33 * 1024 * 1024);
    expect(soak.whole).toMatchObject({ lines: 300_000, matched: 1, missing: null });
    for (const one of [soak.newest, soak.bounded, soak.whole]) {
      expect(one.growthMiB).toBeLessThan(20);
      expect(one.answerBytes).toBeLessThan(16 * 1024);
    }
    expect(soak.naive.growthMiB).toBeGreaterThan(40);
    expect(soak.naive.bytesRead).toBe(soak.whole.bytesRead);
  });
});
