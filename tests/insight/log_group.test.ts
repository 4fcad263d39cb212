import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createGrouper, type Entry, MOST_CHARS, MOST_LINES, type RawLine } from '../../src/insight/log_group.ts';
import { cpuMs } from '../fakes/cpu_time.ts';
import { JAVA, SINGLE, TRACES } from './log_traces.ts';

const line = (text: string, over: Partial<RawLine> = {}): RawLine => ({
  stream: 'stderr',
  atMs: 1_000,
  nanos: 0,
  text,
  cut: false,
  ...over,
});

function grouped(lines: RawLine[], group = true): Entry[] {
  const out: Entry[] = [];
  const grouper = createGrouper({ group }, (e) => out.push(e));
  for (const l of lines) grouper.push(l);
  grouper.end();
  return out;
}
const texts = (lines: string[], group = true) =>
  grouped(
    lines.map((t) => line(t)),
    group,
  ).map((e) => e.text);

describe.each(Object.entries(TRACES))('%s', (name, trace) => {
  test('is one entry', () => {
    expect(texts(trace)).toEqual([trace.join('\n')]);
  });

  test.each(SINGLE)('stands apart from "%s" on both sides', (single) => {
    expect(texts([single, ...trace, single])).toEqual([single, trace.join('\n'), single]);
  });

  test('is told apart line by line when nobody wants it grouped, unless it is a key', () => {
    const secret = name.includes('private key');
    expect(texts(trace, false)).toHaveLength(secret ? 1 : trace.length);
  });
});

test('thirty lines of Java are an error of thirty lines', () => {
  const [entry, ...more] = grouped(JAVA.map((t) => line(t)));
  expect(more).toEqual([]);
  expect(entry).toMatchObject({ level: 'error', lines: 30 });
});

test('single lines stay single', () => {
  expect(texts([...SINGLE, ...SINGLE])).toEqual([...SINGLE, ...SINGLE]);
});

test('a level found on a later line of a trace counts', () => {
  expect(grouped(['/app/i.js:1', '  x', '  ^', '', 'TypeError: no'].map((t) => line(t)))[0]?.level).toBe('error');
});

test('stdout in the middle of a trace on stderr does not tear it', () => {
  const mixed = JAVA.flatMap((t, i) => [line(t, { nanos: i }), line(`out ${i}`, { stream: 'stdout', nanos: i })]);
  const out = grouped(mixed);
  expect(out[0]?.text).toBe(JAVA.join('\n'));
  expect(out.slice(1).map((e) => e.text)).toEqual(JAVA.map((_, i) => `out ${i}`));
});

test('what comes more than two seconds later is no part of it, and an open entry holds nothing up', () => {
  expect(grouped([line('a'), line('  b', { atMs: 4_000 })]).map((e) => e.text)).toEqual(['a', '  b']);
  const out: Entry[] = [];
  const grouper = createGrouper({ group: true }, (e) => out.push(e));
  grouper.push(line('err'));
  grouper.push(line('one', { stream: 'stdout' }));
  grouper.push(line('two', { stream: 'stdout' }));
  expect(out).toEqual([]);
  grouper.push(line('three', { stream: 'stdout', atMs: 4_000 }));
  expect(out.map((e) => e.text)).toEqual(['err', 'one', 'two']);
});

test('many entries of one stream do not wait for ever for the other', () => {
  const out: Entry[] = [];
  const grouper = createGrouper({ group: true }, (e) => out.push(e));
  grouper.push(line('err'));
  for (let i = 0; i < 1_000; i++) grouper.push(line(`out ${i}`, { stream: 'stdout' }));
  expect(out.length).toBeGreaterThan(900);
  expect(out[0]?.text).toBe('err');
});

test('an entry has bounds: a flood of indented lines is many', () => {
  const many = grouped(Array.from({ length: 2 * MOST_LINES + 1 }, () => line(' x')));
  expect(many.map((e) => e.lines)).toEqual([MOST_LINES, MOST_LINES, 1]);
  const long = grouped(Array.from({ length: 9 }, () => line(` ${'x'.repeat(16_000)}`)));
  expect(Math.max(...long.map((e) => e.text.length))).toBeLessThanOrEqual(MOST_CHARS + 16_000);
  expect(long.length).toBeGreaterThan(1);
});

test('nothing is lost, invented or reordered, whatever comes', () => {
  const pool = [...SINGLE, ...Object.values(TRACES).flat(), '', ' ', '\t', '}', '-----BEGIN PRIVATE KEY-----'];
  const any = fc.record({
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    text: fc.oneof(fc.constantFrom(...pool), fc.string()),
    step: fc.constantFrom(0, 1, 3_000),
  });
  fc.assert(
    fc.property(fc.array(any, { maxLength: 300 }), fc.boolean(), (raw, group) => {
      let atMs = 0;
      const input = raw.map(({ stream, text, step }, nanos) => {
        atMs += step;
        return line(text, { stream, atMs, nanos });
      });
      const out = grouped(input, group);
      expect(out.reduce((n, e) => n + e.lines, 0)).toBe(input.length);
      for (const stream of ['stdout', 'stderr'] as const) {
        const had = input.filter((l) => l.stream === stream).map((l) => l.text);
        const has = out.filter((e) => e.stream === stream).flatMap((e) => e.text.split('\n'));
        // Empty lines at the end of an entry are counted, not kept.
        expect(has.filter((t) => t !== '')).toEqual(had.filter((t) => t !== ''));
      }
      // In the order in which they began.
      const began = out.map((e) => e.nanos);
      expect(began).toEqual([...began].sort((a, b) => a - b));
    }),
    { numRuns: 300 },
  );
});

test('no line costs more than its length, whatever it follows', () => {
  const begin = Object.values(TRACES).map((t) => t[0] as string);
  const parts = [
    '(',
    ' ',
    '\t',
    ')',
    'a.',
    'a:',
    '[',
    'A',
    '0',
    '-----BEGIN ',
    ':  ',
    '{"',
    '/',
    'Error',
    'at ',
    '=',
    '2024-01-01 ',
    '\\\\',
    '_',
  ];
  for (const first of begin)
    for (const part of parts) {
      const text = `${part.repeat(Math.ceil(16_384 / part.length))}!`;
      const once = () =>
        cpuMs(() => void grouped([line(first), line(text), line(text.slice(0, -1)), line(`x${text}`)]));
      // A busy machine is slow once; a square is slow each time.
      let ms = once();
      for (let again = 0; ms > 60 && again < 3; again++) ms = once();
      expect(ms, `${JSON.stringify(part)} behind ${first}`).toBeLessThan(60);
    }
});
