/** The log stream of an engine: frames and lines, however the connection cuts them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LogLine } from '../../src/core/docker.ts';
import { demultiplexer } from '../../src/host/docker/frames.ts';
import { lineReader, stampIn } from '../../src/host/docker/log_lines.ts';

const T = '2026-11-20T12:00:00.123456789Z ';
const AT = Date.UTC(2026, 10, 20, 12, 0, 0, 123);

function frame(type: number, text: string | Buffer): Buffer {
  const body = Buffer.from(text as string);
  const header = Buffer.from([type, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}

/** All lines of a stream that comes in pieces of these lengths. */
function read(bytes: Buffer, cuts: number[], o: { tty?: boolean; maxLineBytes?: number } = {}): LogLine[] {
  const take = demultiplexer(o.tty ?? false);
  const options = { maxLineBytes: o.maxLineBytes ?? 100_000, tty: o.tty ?? false };
  const readers = { stdout: lineReader('stdout', options), stderr: lineReader('stderr', options) };
  const lines: LogLine[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = cuts.length > 0 ? (cuts[i % cuts.length] ?? 1) : bytes.length;
    for (const p of take.push(bytes.subarray(at, at + size))) lines.push(...readers[p.stream].push(p.bytes, p.first));
    at += size;
  }
  return [...lines, ...readers.stdout.end(), ...readers.stderr.end()];
}

const stdout = (text: string, more: Partial<LogLine> = {}): LogLine => ({
  stream: 'stdout',
  atMs: AT,
  nanos: 456_789,
  text,
  cut: false,
  ...more,
});

test('a line has the time of the engine, to the nanosecond', () => {
  expect(read(frame(1, `${T}hello\n`), [])).toEqual([stdout('hello')]);
  expect(stampIn('2026-11-20T13:00:00.1+01:00 x')).toEqual({ atMs: AT - 23, nanos: 0, length: 28 });
  expect(stampIn('2026-11-20T13:00:00 x')).toBeNull();
  expect(stampIn('2026-99-99T99:99:99Z x')).toBeNull();
});

test('several lines in a frame, one line in several frames, empty lines, both streams', () => {
  const bytes = Buffer.concat([
    frame(1, `${T}one\n${T}two\n`),
    frame(2, `${T}bad\n`),
    frame(1, `${T}thr`),
    frame(1, 'ee\n'),
    frame(1, `${T}\n`),
    frame(1, `${T}no end`),
  ]);
  const expected = [
    stdout('one'),
    stdout('two'),
    stdout('bad', { stream: 'stderr' }),
    stdout('three'),
    stdout(''),
    stdout('no end'),
  ];
  for (let size = 1; size <= bytes.length; size++) expect(read(bytes, [size])).toEqual(expected);
});

test('a long line comes as entries of 16 KiB, each with a stamp: one line, without those in its middle', () => {
  const long = 'é'.repeat(20_000);
  const raw = Buffer.from(`${long}\n`);
  const entries: Buffer[] = [];
  for (let at = 0; at < raw.length; at += 16_384)
    entries.push(frame(1, Buffer.concat([Buffer.from(T), raw.subarray(at, at + 16_384)])));
  expect(read(Buffer.concat(entries), [1_000])).toEqual([stdout(long)]);
  // The same of a TTY: no frames, and carriage returns.
  const plain = Buffer.concat(entries.map((e) => e.subarray(8)));
  expect(read(plain, [777], { tty: true })).toEqual([stdout(long)]);
  expect(read(Buffer.from(`${T}a\r\n${T}b\r\n`), [3], { tty: true })).toEqual([stdout('a'), stdout('b')]);
});

test('last words without a line end before a restart are a line of their own', () => {
  const bytes = Buffer.concat([frame(1, `${T}gone`), frame(1, `${T}back\n`)]);
  expect(read(bytes, [5])).toEqual([stdout('gone'), stdout('back')]);
});

test('a line longer than asked for is cut at a character, and the next one is whole', () => {
  const bytes = frame(1, `${T}${'é'.repeat(50)}\n${T}next\n`);
  expect(read(bytes, [7], { maxLineBytes: 21 })).toEqual([stdout('é'.repeat(10), { cut: true }), stdout('next')]);
});

test('bytes that are no UTF-8 become the replacement character', () => {
  expect(read(frame(1, Buffer.concat([Buffer.from(T), Buffer.from([0x61, 0xff, 0x62, 10])])), [])).toEqual([
    stdout('a\ufffdb'),
  ]);
});

test('a header that is none, and the engine’s own failure, are said', () => {
  expect(() => read(Buffer.from('2026 plain text, not a frame'), [])).toThrow(/cannot be understood/);
  expect(() => read(frame(3, 'disk on fire'), [4])).toThrow('The engine could not read the log on: disk on fire');
  const take = demultiplexer(false);
  take.push(frame(1, 'abc').subarray(0, 9));
  expect(take.unfinished()).toBe(true);
});

test('a frame that claims four gigabytes costs what has come of it', () => {
  const take = demultiplexer(false);
  const head = Buffer.from([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
  expect(take.push(head)).toEqual([]);
  expect(take.push(Buffer.from('abc'))).toEqual([{ stream: 'stdout', bytes: Buffer.from('abc'), first: true }]);
});

describe('property', () => {
  const line = fc.record({
    type: fc.constantFrom(1, 2),
    text: fc.string({ unit: 'grapheme', maxLength: 60 }).map((t) => t.replace(/[\r\n]/g, '')),
  });
  test('any lines, cut anywhere, come out as they went in', () => {
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
        (lines, cuts) => {
          const bytes = Buffer.concat(lines.map((l) => frame(l.type, `${T}${l.text}\n`)));
          expect(read(bytes, cuts).map((l) => [l.stream, l.text])).toEqual(
            lines.map((l) => [l.type === 1 ? 'stdout' : 'stderr', Buffer.from(l.text).toString()]),
          );
        },
      ),
    );
  });

  test('garbage never crashes it, and never holds more than a line', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, tty) => {
        try {
          for (const l of read(Buffer.from(bytes), [3], { tty, maxLineBytes: 10 }))
            expect(Buffer.byteLength(l.text)).toBeLessThanOrEqual(30);
        } catch (thrown) {
          expect((thrown as Error).name).toBe('OpsError');
        }
      }),
    );
  });
});
