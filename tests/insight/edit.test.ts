/** Edits of bytes: one line changes and no other byte, whatever the file is made of; what an edit means, and when it means nothing. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toOpsError } from '../../src/core/errors.ts';
import { applyEdits, type Edit } from '../../src/insight/edit.ts';
import { linesOf } from '../../src/insight/edit_lines.ts';
import { nearestTo } from '../../src/insight/edit_near.ts';
import { upTo } from '../counts.ts';
import { cpuNowMs } from '../fakes/cpu_time.ts';
import { dice, madeFile } from './made_files.ts';

const apply = (bytes: Uint8Array | string, ...edits: Edit[]) => applyEdits(Buffer.from(bytes), edits, () => 'shown');
const text = (bytes: string, ...edits: Edit[]) => apply(bytes, ...edits).bytes.toString();
const refusal = (bytes: Uint8Array | string, ...edits: Edit[]) => {
  try {
    apply(bytes, ...edits);
  } catch (thrown) {
    const { code, message, details } = toOpsError(thrown);
    return `${code}: ${message} ${details.hint}`;
  }
  throw new Error('was done');
};

describe('of 1,000 generated files, one line is edited and every other byte is equal', () => {
  test.each(['lines', 'find'] as const)('by %s', (how) => {
    let [edited, mixed, unended, marked] = [0, 0, 0, 0];
    for (let seed = 0; seed < 1_000; seed++) {
      const { bytes, lines, what } = madeFile(seed);
      if (lines.length === 0) continue;
      const roll = dice(seed + 1e6);
      const n = roll(lines.length);
      const { from, end } = lines[n] as (typeof lines)[number];
      const was = bytes.subarray(from, end);
      const replace = ['new', '', 'größer', 'x\ty', `${was.toString('utf8').slice(0, 5)}!`][roll(5)] as string;
      let edit: Edit;
      if (how === 'lines') edit = { fromLine: n + 1, toLine: n + 1, replace: replace === '' ? '\n' : replace };
      else {
        const valid = Buffer.from(was.toString('utf8')).equals(was) && was.length > 0;
        const first = bytes.indexOf(was);
        // Once, and counted as the edit counts: a text may be in itself.
        if (!valid || bytes.indexOf(was, first + 1) >= 0) continue;
        edit = { find: was.toString('utf8'), replace };
      }
      const { bytes: now } = apply(bytes, edit);
      const want = Buffer.concat([bytes.subarray(0, from), Buffer.from(replace), bytes.subarray(end)]);
      expect(now.equals(want), what).toBe(true);
      edited++;
      if (/r\\n.*,"\\n"|"\\n".*r\\n/.test(what)) mixed++;
      if (what.includes('no final')) unended++;
      if (what.includes('mark')) marked++;
    }
    expect(edited).toBeGreaterThan(how === 'lines' ? 800 : 300);
    for (const kind of [mixed, unended, marked]) expect(kind).toBeGreaterThan(50);
  });

  test('line by line they are counted as they were made', () => {
    for (let seed = 0; seed < 1_000; seed++) {
      const { bytes, lines, what } = madeFile(seed);
      const seen = linesOf(bytes);
      expect(seen.count, what).toBe(lines.length);
      for (const [n, l] of lines.entries())
        expect([seen.onDisk(seen.start(n + 1)), seen.onDisk(seen.end(n + 1))], what).toEqual([l.from, l.end]);
    }
  });

  test('as text would do it: the naive way changes other bytes in hundreds of them (control)', () => {
    let harmed = 0;
    for (let seed = 0; seed < 1_000; seed++) {
      const { bytes, lines } = madeFile(seed);
      if (lines.length === 0) continue;
      const naive = bytes.toString('utf8').split(/\r?\n/);
      naive[0] = 'new';
      const { end } = lines[0] as (typeof lines)[number];
      if (!Buffer.from(naive.join('\n')).subarray(3).equals(bytes.subarray(end))) harmed++;
    }
    expect(harmed).toBeGreaterThan(300);
  });
});

describe('texts', () => {
  test('are found across line ends of either kind, and take the file’s own', () => {
    expect(text('a\r\nb\r\nc\r\n', { find: 'a\nb', replace: 'x\ny\nz' })).toBe('x\r\ny\r\nz\r\nc\r\n');
    expect(text('a\nb\nc\n', { find: 'a\r\nb', replace: 'x\r\ny' })).toBe('x\ny\nc\n');
    expect(text('a\r\nb', { find: 'b', replace: 'b\nc' })).toBe('a\r\nb\r\nc');
  });

  test('leave what is the same at both ends as it is on the disk, also where line ends are mixed', () => {
    expect(text('a\nb\r\nc\nd\n', { find: 'a\nb\nc\nd', replace: 'a\nB\nc\nd' })).toBe('a\nB\r\nc\nd\n');
  });

  test('must be there once, or everywhere is said', () => {
    expect(refusal('x\ny\nx\n', { find: 'x', replace: 'z' })).toMatch(
      /^validation: .*2 times, in lines 1, 3\..*all: true/,
    );
    expect(text('x\ny\nx\n', { find: 'x', replace: 'z', all: true })).toBe('z\ny\nz\n');
    expect(refusal('x\n'.repeat(20), { find: 'x', replace: '' })).toMatch(
      /20 times, in lines 1, 2, 3, 4, 5, 6, 7, 8 …/,
    );
    expect(text('aaaa', { find: 'aa', replace: 'b', all: true })).toBe('bb');
  });

  test('of a Latin-1 file stay Latin-1; of UTF-16 and binary files none is changed', () => {
    const latin = Buffer.from('gr\xfc\xdfe aus K\xf6ln\n', 'latin1');
    expect(apply(latin, { find: 'Köln', replace: 'Münster' }).bytes).toEqual(
      Buffer.from('gr\xfc\xdfe aus M\xfcnster\n', 'latin1'),
    );
    expect(refusal(latin, { find: 'aus', replace: '日本' })).toMatch(/Latin-1, which has no such/);
    expect(refusal(Buffer.from('\ufeffabc', 'utf16le'), { find: 'a', replace: 'b' })).toMatch(/UTF-16.*base64/);
    expect(refusal(Buffer.from('a\0b\0\x01\x02'), { find: 'a', replace: 'b' })).toMatch(/binary.*base64/);
  });
});

describe('lines', () => {
  test('are replaced, removed, put before and behind', () => {
    const f = 'a\nb\nc\n';
    expect(text(f, { fromLine: 2, toLine: 3, replace: 'x' })).toBe('a\nx\n');
    expect(text(f, { fromLine: 2, toLine: 2, replace: 'x\n' })).toBe('a\nx\nc\n');
    expect(text(f, { fromLine: 2, toLine: 2, replace: '' })).toBe('a\nc\n');
    expect(text(f, { fromLine: 2, toLine: 2, replace: '\n' })).toBe('a\n\nc\n');
    expect(text(f, { fromLine: 1, toLine: 0, replace: 'x\ny' })).toBe('x\ny\na\nb\nc\n');
    expect(text(f, { fromLine: 4, toLine: 3, replace: 'x' })).toBe('a\nb\nc\nx\n');
    expect(text(f, { fromLine: 1, toLine: 0, replace: '' })).toBe(f);
    expect(text('', { fromLine: 1, toLine: 0, replace: 'x' })).toBe('x\n');
    expect(text('\ufeffa\r\n', { fromLine: 1, toLine: 1, replace: 'x' })).toBe('\ufeffx\r\n');
  });

  test('of a file without a final line end do not get one', () => {
    expect(text('a\nb', { fromLine: 2, toLine: 2, replace: 'x' })).toBe('a\nx');
    expect(text('a\nb', { fromLine: 3, toLine: 2, replace: 'x' })).toBe('a\nb\nx');
    expect(text('a\nb', { fromLine: 2, toLine: 2, replace: '' })).toBe('a\n');
  });

  test('that are not there are refused', () => {
    for (const [fromLine, toLine] of [
      [4, 4],
      [2, 4],
      [5, 4],
      [0, 0],
      [3, 1],
    ])
      expect(refusal('a\nb\nc\n', { fromLine, toLine, replace: 'x' })).toMatch(
        /^validation: .*a file with 3 lines has no lines/,
      );
  });
});

describe('several edits', () => {
  test('are all found in the file as it is, in any order, and do not see one another', () => {
    const f = 'one\ntwo\nthree\n';
    expect(
      text(
        f,
        { find: 'three', replace: 'one' },
        { find: 'one', replace: 'three' },
        { fromLine: 2, toLine: 2, replace: '2\n2' },
      ),
    ).toBe('three\n2\n2\none\n');
    expect(text(f, { fromLine: 1, toLine: 0, replace: 'zero' }, { fromLine: 1, toLine: 1, replace: '1' })).toBe(
      'zero\n1\ntwo\nthree\n',
    );
  });

  test('may show the same lines around what they change, and not change the same', () => {
    expect(text('a\nb\nc\n', { find: 'a\nb', replace: 'A\nb' }, { find: 'b\nc', replace: 'b\nC' })).toBe('A\nb\nC\n');
    expect(refusal('a\nb\n', { find: 'a', replace: 'x' }, { fromLine: 1, toLine: 1, replace: 'y' })).toMatch(
      /^validation: Edits 1 and 2 change the same place \(line 1\)/,
    );
  });

  test('of which one fails change nothing, and it is named', () => {
    expect(refusal('a\n', { find: 'a', replace: 'b' }, { find: 'nowhere to be seen', replace: '' })).toMatch(
      /^not_found: Edit 2/,
    );
  });

  test('property: they are the same as one after the other from the end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e6 }),
        fc.uniqueArray(fc.nat(39), { minLength: 1, maxLength: 6 }),
        (seed, picks) => {
          const { bytes, lines } = madeFile(seed);
          const at = picks.filter((n) => n < lines.length);
          const edits = at.map((n) => ({ fromLine: n + 1, toLine: n + 1, replace: `line ${n}` }));
          const inOne = applyEdits(bytes, edits, () => '').bytes;
          const oneByOne = edits
            .toSorted((a, b) => b.fromLine - a.fromLine)
            .reduce((b, e) => applyEdits(b, [e], () => '').bytes, bytes as Buffer);
          expect(inOne.equals(oneByOne)).toBe(true);
        },
      ),
      { numRuns: upTo(300, 60) },
    );
  });
});

describe('what is not there', () => {
  const lines = ['server {', '  listen 80;', '  server_name example.org;', '', '  root /srv/www;', '}'];
  test('is told by the line where it begins to differ', () => {
    expect(nearestTo('  listen 80;\n  server_name example.com;', lines)).toEqual({
      line: 3,
      wanted: '  server_name example.com;',
      how: 'text',
    });
    expect(nearestTo('listen  80;', lines)).toEqual({ line: 2, wanted: 'listen  80;', how: 'white space' });
    expect(nearestTo('ROOT /srv/www;', lines)).toMatchObject({ line: 5, how: 'case' });
    expect(nearestTo('\n\n  root /srv/ww;\n', lines)).toMatchObject({ line: 5, how: 'text' });
    expect(nearestTo('listen 80;\n  server_name example.org;\n  gone', lines)).toMatchObject({ line: 2 });
    expect(nearestTo('quite another thing', lines)).toBeNull();
    expect(nearestTo('x', [])).toBeNull();
  });

  test('is looked for within bounds', () => {
    const began = cpuNowMs();
    expect(nearestTo('y'.repeat(48_000), Array<string>(100_000).fill('x'.repeat(300)))).toBeNull();
    nearestTo('x\n'.repeat(20_000), Array<string>(20_000).fill('x'));
    expect(cpuNowMs() - began).toBeLessThan(5_000);
  });
});
