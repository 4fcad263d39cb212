/** Differences: shortest, true (what is shown can be applied), without secrets and in one piece with them taken out, and bounded. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { compileForeign, shape } from '../../src/core/foreign.ts';
import { createRedactor } from '../../src/core/redact.ts';
import { ChangeAnswer } from '../../src/core/schema.ts';
import { diffLines } from '../../src/insight/diff.ts';
import { difference } from '../../src/insight/diff_text.ts';
import { secrets } from '../core/redact_corpus.ts';
import { upTo } from '../counts.ts';
import { cpuNowMs } from '../fakes/cpu_time.ts';
import { dice, madeFile } from './made_files.ts';

const open = { text: (s: string) => s };
const redactor = createRedactor({});
const diff = (a: string | Buffer | null, b: string | Buffer | null, r: { text(s: string): string } = open) =>
  difference('/f', a === null ? null : Buffer.from(a), b === null ? null : Buffer.from(b), r);
const body = (a: string | null, b: string | null) => diff(a, b)?.text.split('\n').slice(2);

describe('lines', () => {
  const words = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 14 });
  test('property: the hunks make the one of the other, and no script is shorter', () => {
    fc.assert(
      fc.property(words, words, fc.boolean(), (a, b, hurried) => {
        const hunks = diffLines(a, b, hurried ? 2 : undefined);
        const out: string[] = [];
        let at = 0;
        let cost = 0;
        for (const h of hunks) {
          out.push(...a.slice(at, h.aFrom), ...b.slice(h.bFrom, h.bTo));
          expect(h.aTo - h.aFrom + h.bTo - h.bFrom).toBeGreaterThan(0);
          cost += h.aTo - h.aFrom + h.bTo - h.bFrom;
          at = h.aTo;
        }
        expect([...out, ...a.slice(at)]).toEqual(b);
        if (!hurried) expect(cost).toBe(a.length + b.length - 2 * common(a, b));
      }),
      { numRuns: upTo(2_000, 400) },
    );
  });

  test('that differ altogether cost no time', () => {
    const a = Array.from({ length: 100_000 }, (_, i) => `a${i}`);
    const b = a.map((l) => `b${l}`);
    const began = cpuNowMs();
    expect(diffLines(a, b)).toEqual([{ aFrom: 0, aTo: 100_000, bFrom: 0, bTo: 100_000 }]);
    expect(cpuNowMs() - began).toBeLessThan(2_000);
  });
});

function common(a: readonly string[], b: readonly string[]): number {
  const rows = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const cell = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++)
      (rows[i] as number[])[j] =
        a[i - 1] === b[j - 1] ? cell(i - 1, j - 1) + 1 : Math.max(cell(i - 1, j), cell(i, j - 1));
  return cell(a.length, b.length);
}

describe('a difference', () => {
  test('is unified, with three lines around and heads for what is new or gone', () => {
    const f = Array.from({ length: 20 }, (_, i) => `l${i + 1}\n`).join('');
    expect(diff(f, f.replace('l10\n', 'x\ny\n'))?.text).toBe(
      '--- /f\n+++ /f\n@@ -7,7 +7,8 @@\n l7\n l8\n l9\n-l10\n+x\n+y\n l11\n l12\n l13',
    );
    expect(diff(f, f.replace('l2\n', '').replace('l20\n', 'z\n'))).toMatchObject({ added: 1, removed: 2, alike: 0 });
    expect(diff(null, 'a\n')?.text).toBe('--- /dev/null\n+++ /f\n@@ -0,0 +1 @@\n+a');
    expect(diff('a\n', null)?.text).toBe('--- /f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a');
    expect(diff(null, '')?.text).toBe('--- /dev/null\n+++ /f');
    expect(diff(f, f)).toBeNull();
  });

  test('shows line ends where they are what differs, or are mixed, and never lets them break a line', () => {
    expect(body('a\nb\n', 'a\nb')).toEqual(['@@ -1,2 +1,2 @@', ' a', '-b', '+b', '\\ No newline at end of file']);
    expect(body('a\r\nb\r\n', 'a\r\nc\r\n')).toEqual(['@@ -1,2 +1,2 @@', ' a', '-b', '+c']);
    expect(body('a\r\n', 'a\n')).toEqual(['@@ -1 +1 @@', '-a␍', '+a']);
    expect(body('a\n', 'a\rb +evil\n')).toEqual(['@@ -1 +1 @@', '-a', '+a␍b +evil']);
  });

  test('of bytes that are no text tells how much there is', () => {
    expect(diff(Buffer.from([0, 1]), 'abc')?.text).toBe('--- /f\n+++ /f\nbinary: 2 B → 3 B');
    expect(diff(Buffer.from('gr\xfc\xdfe\n', 'latin1'), 'grüße\n')?.text).toContain('-grüße\n+grüße');
  });

  test('is bounded, and says how much it leaves out', () => {
    const many = (mark: string) => Array.from({ length: 5_000 }, (_, i) => `${mark} line ${i}\n`).join('');
    const long = diff(many('a'), many('b'));
    expect(long?.text).toMatch(/\n⟦\d+ lines left out⟧$/);
    expect(long).toMatchObject({ added: 5_000, removed: 5_000 });
    const left = Number(/⟦(\d+) lines/.exec(long?.text ?? '')?.[1]);
    expect(left + (long?.text.split('\n').length ?? 0) - 1).toBe(10_000 + 3);
    expect(Buffer.byteLength(JSON.stringify(long?.text))).toBeLessThan(3_400);
    const wide = diff(null, `${'"'.repeat(100_000)}\n`)?.text ?? '';
    expect(wide).toContain('⟦99600 characters left out⟧');
    const scattered = Array.from({ length: 400 }, (_, i) => (i % 10 ? 'same\n' : `x${i}\n`)).join('');
    expect(Buffer.byteLength(diff(scattered, scattered.replaceAll('x', 'y'))?.text ?? '')).toBeLessThan(3_400);
  });

  test('property: what is shown of any file can be applied to it', () => {
    for (let seed = 0; seed < 400; seed++) {
      const { bytes, lines, what } = madeFile(seed);
      const roll = dice(seed + 7);
      let next = bytes;
      for (const l of lines.filter(() => roll(6) === 0).toReversed())
        next = Buffer.concat([next.subarray(0, l.from), Buffer.from(`new ${seed}`), next.subarray(l.end)]);
      const d = diff(bytes, next);
      if (!d || d.text.includes('left out') || d.text.includes('␍') || /[^\0-\x7f]/.test(bytes.toString('latin1')))
        continue;
      const norm = (b: Buffer) => b.toString('latin1').replaceAll('\r\n', '\n');
      expect(patched(norm(bytes), d.text), what).toBe(norm(next));
    }
  });
});

/** As patch(1) does it. */
function patched(text: string, diffText: string): string {
  const lines = text.split(/(?<=\n)/);
  const out: string[] = [];
  let at = 0;
  const rows = diffText.split('\n').slice(2);
  for (const [i, row] of rows.entries()) {
    const end = rows[i + 1]?.startsWith('\\') ? '' : '\n';
    const [, from, count] = /^@@ -(\d+)(?:,(\d+))? /.exec(row) ?? [];
    if (from !== undefined) {
      const start = count === '0' ? Number(from) : Number(from) - 1;
      out.push(...lines.slice(at, start));
      at = start;
    } else if (row.startsWith('+')) out.push(row.slice(1) + end);
    else if (row.startsWith('-') || row.startsWith(' ')) {
      expect(lines[at]).toBe(row.slice(1) + end);
      if (row.startsWith(' ')) out.push(lines[at] as string);
      at++;
    }
  }
  return [...out, ...lines.slice(at)].join('');
}

describe('secrets', () => {
  const compiled = compileForeign(z.object({ diff: ChangeAnswer().shape.diff }));
  /** As the door lets it out. */
  const leaves = (text: string) => (shape({ diff: text }, compiled, redactor).data as { diff: string }).diff;

  test('of every kind are out of the difference, whether they stand still, come, go or change, and its lines stay lines', () => {
    for (const { text, secrets: planted } of secrets()) {
      // What an answer as a whole hides: where the text alone is not hidden, a difference of it cannot be.
      const whole = redactor.text(`first\n${text}\nlast\n`);
      const hidden = planted.filter((s) => !whole.includes(s));
      for (const [before, after] of [
        [`first\n${text}\nlast\n`, `FIRST\n${text}\nlast\n`],
        [`first\n${text}\nlast\n`, `first\n${text}\nLAST\n`],
        [`first\nlast\n`, `first\n${text}\nlast\n`],
        [`first\n${text}\nlast\n`, `first\nlast\n`],
      ] as const) {
        const plain = diff(before, after)?.text.split('\n') ?? [];
        const shown = leaves(diff(before, after, redactor)?.text ?? '');
        for (const s of hidden) expect(shown).not.toContain(s);
        if (plain.length < 60) {
          expect(
            shown.split('\n').map((l) => l[0]),
            text,
          ).toEqual(plain.map((l) => l[0]));
        }
      }
    }
  });

  test('are taken out with what stands above them, not line by line (control: line by line a key is shown)', () => {
    const key = Array.from({ length: 30 }, (_, i) => `${'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ'}${i}`);
    const file = ['a', '-----BEGIN PRIVATE KEY-----', ...key, '-----END PRIVATE KEY-----', 'z', ''].join('\n');
    const near = file.replace('AQ15', 'AQXX');
    const naive = diff(file, near)?.text ?? '';
    expect(redactor.text(naive)).toContain('MIIEvQIBADAN');
    const shown = leaves(diff(file, near, redactor)?.text ?? '');
    expect(shown).not.toContain('MIIEvQIBADAN');
  });

  test('that differ look alike, and are counted', () => {
    const d = diff('password = hunter2hunter2\nx\n', 'password = other-secret-1\nx\n', redactor);
    expect(d).toMatchObject({ alike: 1, added: 1, removed: 1 });
    expect(d?.text).not.toMatch(/hunter2|other-secret/);
  });

  test('leave a mark that a change refuses, and a file’s own marks are none', () => {
    const shown = leaves(
      diff('a ⟦redacted:fake⟧\npassword = hunter2hunter2\n', 'b\npassword = hunter2hunter2\n', redactor)?.text ?? '',
    );
    expect(shown).toContain('-a [redacted:fake]');
    expect(shown).toMatch(/ password = ⟦redacted:[a-z]+⟧/);
  });

  test('a hidden character stays for who decides, and leaves the caller’s answer', () => {
    const d = diff('a\n', 'a\u202eb\n', redactor)?.text ?? '';
    expect(d).toContain('\u202e');
    expect(leaves(d)).toContain('+ab');
  });
});
