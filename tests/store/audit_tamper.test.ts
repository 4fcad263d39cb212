/** Issue: whatever is done to the files of the audit, `audit verify` names the place. Each case says which file, line and number. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { macOf, seal } from '../../src/store/audit_chain.ts';
import { readKey } from '../../src/store/audit_key.ts';
import type { AuditProblem } from '../../src/store/audit_verify.ts';
import type { StateDir } from '../../src/store/state.ts';
import { copied, naive, segmentsOf, verified, written } from './audit_tamper.ts';
import { folder } from './bench.ts';

const INDEX = 'index.jsonl';
let origin: StateDir | undefined;
let state: StateDir;
let a: string;
let b: string;
let c: string;
const RECORDS = 16; // 12 calls, of which each third has an intent too
beforeEach(() => {
  // Made anew for each test: folders are removed behind each. A dozen milliseconds.
  origin = written(join(folder(), 'origin'), 3, 12);
  state = copied(origin, join(folder(), 'state'));
  [a, b, c] = segmentsOf(state) as [string, string, string];
});

const path = (name: string) => join(state.audit, name);
const text = (name: string) => readFileSync(path(name), 'utf8');
const lines = (name: string) => text(name).split('\n').slice(0, -1);
const write = (name: string, list: readonly string[]) => writeFileSync(path(name), list.map((l) => `${l}\n`).join(''));
const edit = (name: string, how: (l: string[]) => string[]) => write(name, how(lines(name)));
/** One bit of the byte at the first place of `find` in that line (from 1), or of the one behind it by `plus`. */
function flip(name: string, line: number, find: string, plus = 0, bit = 1): void {
  const bytes = readFileSync(path(name));
  let from = 0;
  for (let n = 1; n < line; n++) from = bytes.indexOf(10, from) + 1;
  const at = bytes.indexOf(find, from) + plus;
  expect(at).toBeGreaterThanOrEqual(from);
  bytes[at] = (bytes[at] as number) ^ bit;
  writeFileSync(path(name), bytes);
}
function flipNewline(name: string, line: number): void {
  const bytes = readFileSync(path(name));
  let at = -1;
  for (let n = 0; n < line; n++) at = bytes.indexOf(10, at + 1);
  bytes[at] = 11;
  writeFileSync(path(name), bytes);
}

const at = (segment: () => string, line: number | null, seq: number | null, what: string) => () => ({
  segment: segment(),
  line,
  seq,
  what: expect.stringContaining(what),
});
type Place = () => { segment: string; line: number | null; seq: number | null; what: unknown };

/** `hidden`: control, the checker without a chain sees nothing. */
const CASES: [what: string, how: () => void, places: Place[], hidden: boolean][] = [
  ['a byte of a value', () => flip(b, 5, 'process_list', 3), [at(() => b, 5, 5, 'was changed')], true],
  ['a byte of a text with umlauts', () => flip(b, 5, 'Grüße', 3, 1), [at(() => b, 5, 5, 'was changed')], true],
  ['a byte of a key', () => flip(b, 5, '"tool"', 2), [at(() => b, 5, 5, 'was changed')], true],
  ['a byte of a number', () => flip(b, 6, '"limit":4', 8), [at(() => b, 6, 6, 'was changed')], true],
  ['a byte of a time', () => flip(b, 5, '"ts":"2026', 8), [at(() => b, 5, 5, 'was changed')], true],
  ['a byte of its hash', () => flip(b, 5, '"hash":"', 20, 1), [at(() => b, 5, 5, 'was changed')], true],
  ['a byte of the hash before it', () => flip(b, 5, '"prev":"', 20, 1), [at(() => b, 5, 5, 'was changed')], true],
  ['a byte of its number', () => flip(b, 5, '"seq":5', 6), [at(() => b, 5, 4, 'out of order')], true],
  ['a byte that is no UTF-8 then', () => flip(b, 5, 'process_list', 3, 128), [at(() => b, 5, 5, 'was changed')], true],
  ['a brace', () => flip(b, 5, '{"args"', 0), [at(() => b, 5, null, 'is no record')], false],
  ['a newline in the middle', () => flipNewline(b, 5), [at(() => b, 5, null, 'is no record')], false],
  ['the first newline', () => flipNewline(b, 1), [at(() => b, 1, null, 'is no record')], false],
  ['the last newline', () => flipNewline(b, RECORDS), [at(() => b, RECORDS, 15, 'middle of a line')], false],
  ['the first byte', () => flip(b, 1, '{', 0), [at(() => b, 1, null, 'is no record')], false],
  [
    'white space put in',
    () => edit(b, (l) => l.with(4, l[4]?.replace('":', '": ') as string)),
    [at(() => b, 5, 5, 'was changed')],
    true,
  ],
  [
    'a key given twice',
    () => edit(b, (l) => l.with(4, l[4]?.replace('{', '{"tool":"x",') as string)),
    [at(() => b, 5, 5, 'was changed')],
    true,
  ],
  ['the first line deleted', () => edit(b, (l) => l.slice(1)), [at(() => b, 1, 2, '1 missing before it')], true],
  [
    'a line in the middle deleted',
    () => edit(b, (l) => l.toSpliced(6, 1)),
    [at(() => b, 7, 8, '1 missing before it (after number 6)')],
    true,
  ],
  [
    'the last line of a closed file deleted',
    () => edit(b, (l) => l.slice(0, -1)),
    [at(() => b, null, 15, 'was shortened: ends at number 15, and the index saw 16')],
    true,
  ],
  ['all lines deleted', () => write(b, []), [at(() => b, null, 0, 'was shortened')], true],
  ['cut at the end of a line', () => write(b, lines(b).slice(0, 9)), [at(() => b, null, 9, 'was shortened')], true],
  [
    'cut in the middle of a line',
    () => writeFileSync(path(b), text(b).slice(0, lines(b).slice(0, 9).join('\n').length + 40)),
    [at(() => b, 10, 9, 'middle of a line'), at(() => b, null, 9, 'was shortened')],
    false,
  ],
  [
    'two lines exchanged',
    () => edit(b, (l) => l.with(3, l[4] as string).with(4, l[3] as string)),
    [at(() => b, 4, 5, '1 missing before it'), at(() => b, 5, 4, 'out of order')],
    true,
  ],
  ['all lines in reverse', () => edit(b, (l) => l.toReversed()), [at(() => b, 1, 16, '15 missing before it')], true],
  [
    'a line put elsewhere',
    () => edit(b, (l) => [...l.toSpliced(2, 1), l[2] as string]),
    [at(() => b, 3, 4, '1 missing before it'), at(() => b, 16, 3, 'out of order')],
    true,
  ],
  [
    'a record replaced by a copy of an older one',
    () => edit(b, (l) => l.with(9, l[3] as string)),
    [at(() => b, 10, 4, 'out of order: number 4 after 9')],
    true,
  ],
  [
    'a record replaced by one of another file',
    () => edit(b, (l) => l.with(9, lines(c)[9] as string)),
    [at(() => b, 10, 10, 'does not follow')],
    true,
  ],
  [
    'a line added at the end',
    () => edit(b, (l) => [...l, l[15] as string]),
    [at(() => b, 17, 16, 'out of order')],
    true,
  ],
  [
    'the contents of two files exchanged',
    () => {
      const was = text(a);
      writeFileSync(path(a), text(b));
      writeFileSync(path(b), was);
    },
    [
      at(() => a, 1, 1, 'does not begin where the index says'),
      at(() => b, 1, 1, 'does not begin where the index says'),
    ],
    true,
  ],
  [
    'the names of two files exchanged',
    () => {
      renameSync(path(a), path('x'));
      renameSync(path(c), path(a));
      renameSync(path('x'), path(c));
    },
    [
      at(() => a, 1, 1, 'does not begin where the index says'),
      at(() => c, 1, 1, 'does not begin where the index says'),
    ],
    true,
  ],
  [
    'the ends of two files exchanged',
    () => {
      const [x, y] = [lines(a), lines(b)];
      write(a, [...x.slice(0, 8), ...y.slice(8)]);
      write(b, [...y.slice(0, 8), ...x.slice(8)]);
    },
    [at(() => a, 9, 9, 'does not follow'), at(() => b, 9, 9, 'does not follow')],
    true,
  ],
  ['a file removed', () => rmSync(path(b)), [at(() => b, null, null, 'was removed')], true],
  ['the last file removed', () => rmSync(path(c)), [at(() => c, null, null, 'was removed')], true],
  [
    'a file renamed',
    () => renameSync(path(b), path(b.replace(/-[0-9a-f]{8}/, '-00000000'))),
    [
      at(() => b, null, null, 'was removed'),
      at(() => b.replace(/-[0-9a-f]{8}/, '-00000000'), null, null, 'is not in the index'),
    ],
    true,
  ],
  // The index: lines 1 and 2 are open and close of a, 3 and 4 of b, 5 and 6 of c.
  ['a byte of the index', () => flip(INDEX, 3, '"open"', 2), [at(() => INDEX, 3, 3, 'was changed')], true],
  [
    'a byte of a genesis in the index',
    () => flip(INDEX, 3, '"genesis":"', 15),
    [at(() => INDEX, 3, 3, 'was changed'), at(() => b, 1, 1, 'does not begin where')],
    true,
  ],
  [
    'the first line of the index removed',
    () => edit(INDEX, (l) => l.slice(1)),
    [at(() => INDEX, 1, 2, '1 missing before it')],
    true,
  ],
  [
    'a line of the index removed',
    () => edit(INDEX, (l) => l.toSpliced(2, 1)),
    [at(() => INDEX, 3, 4, '1 missing before it')],
    true,
  ],
  [
    'the last line of the index removed',
    () => edit(INDEX, (l) => l.slice(0, -1)),
    [at(() => c, null, null, 'the index lost its end')],
    true,
  ],
  [
    'the index cut',
    () => edit(INDEX, (l) => l.slice(0, 3)),
    [at(() => b, null, null, 'the index lost its end'), at(() => c, null, null, 'is not in the index')],
    true,
  ],
  [
    'the index cut in the middle of a line',
    () => writeFileSync(path(INDEX), text(INDEX).slice(0, -30)),
    [at(() => INDEX, 6, 5, 'middle of a line')],
    false,
  ],
  [
    'the index emptied',
    () => write(INDEX, []),
    [at(() => a, null, null, 'is not in the index'), at(() => c, null, null, 'is not in the index')],
    true,
  ],
  ['the index removed', () => rmSync(path(INDEX)), [at(() => b, null, null, 'is not in the index')], true],
  [
    'lines of the index exchanged',
    () => edit(INDEX, (l) => l.with(2, l[3] as string).with(3, l[2] as string)),
    [at(() => INDEX, 3, 4, '1 missing before it')],
    true,
  ],
  [
    'an older state of a file put back',
    () => write(b, lines(b).slice(0, 4)),
    [at(() => b, null, 4, 'the index saw 16')],
    true,
  ],
  [
    'a file and its lines of the index removed',
    () => {
      rmSync(path(b));
      edit(INDEX, (l) => l.toSpliced(2, 2));
    },
    [at(() => INDEX, 3, 5, '2 missing before it (after number 2)')],
    true,
  ],
  [
    'a record forged with another key',
    () => {
      const forged = seal({ ...JSON.parse(lines(b)[4] as string), tool: 'harmless' }, macOf(Buffer.alloc(32, 7)));
      edit(b, (l) => l.with(4, forged.line.trimEnd()));
    },
    [at(() => b, 5, 5, 'was changed')],
    true,
  ],
];

describe('tampering', () => {
  it('control: the untouched audit is green, and so is its copy', () => {
    for (const s of [origin as StateDir, state])
      expect(verified(s)).toMatchObject({ ok: true, problems: [], open: [], segments: 3, records: 3 * RECORDS });
    expect(naive(state)).toEqual([]);
  });

  it.each(CASES)('%s', (_, how, places, hidden) => {
    how();
    const { ok, problems } = verified(state);
    expect(ok).toBe(false);
    for (const place of places) expect(problems).toContainEqual(place());
    // The place, and not everything behind it.
    const touched = new Set(places.map((p) => p().segment));
    const elsewhere = problems.filter((p: AuditProblem) => !touched.has(p.segment) && p.segment !== INDEX);
    expect(elsewhere.filter((p) => p.line !== null)).toEqual([]);
    // Control: without the chain this would not have been noticed.
    expect(naive(state).length === 0).toBe(hidden);
  });

  it('of one place is said once: a flipped byte is one problem, wherever it is', () => {
    for (const find of ['process_list', '"hash":"', '"prev":"', '"tool"']) {
      const fresh = copied(origin as StateDir, join(folder(), 'again'));
      state = fresh;
      flip(b, 5, find, find.includes('tool') ? 2 : find.startsWith('"') ? 12 : 3);
      expect(verified(fresh).problems, find).toHaveLength(1);
    }
  });

  it('a thousand changed lines are named by the first twenty of each file', () => {
    edit(b, (l) => l.map((x) => x.replace('stdio:0', 'stdio:9')));
    edit(c, (l) => [...Array(200)].flatMap(() => l.map((x) => x.replace('stdio:0', 'stdio:9'))));
    const { problems } = verified(state);
    expect(problems.filter((p) => p.segment === c)).toHaveLength(20);
    expect(problems[0]).toMatchObject({ segment: b, line: 1, seq: 1 });
  });

  it('who has the key can write a true line in its place: the next one then says so', () => {
    const mac = macOf(readKey(state.auditKey));
    const forged = seal({ ...JSON.parse(lines(b)[4] as string), tool: 'harmless' }, mac);
    edit(b, (l) => l.with(4, forged.line.trimEnd()));
    expect(verified(state).problems).toEqual([
      { segment: b, line: 6, seq: 6, what: expect.stringContaining('does not follow the line before it') },
    ]);
  });

  it('who has the key and writes a segment anew is named by the index: its last record is another', () => {
    const mac = macOf(readKey(state.auditKey));
    let prev: string | undefined;
    edit(b, (l) =>
      l.map((line, i) => {
        if (i < 4) return line;
        const { hash: _, ...r } = JSON.parse(line);
        const one = seal({ ...r, tool: 'harmless', prev: prev ?? r.prev }, mac);
        prev = one.hash;
        return one.line.trimEnd();
      }),
    );
    expect(verified(state).problems).toEqual([
      { segment: b, line: null, seq: RECORDS, what: `has another record at number ${RECORDS} than the index saw` },
    ]);
    // Control: the chain of that file alone is whole again.
    expect(naive(state)).toEqual([]);
  });

  it('who has the key and writes on in a closed segment is named by the index', () => {
    const { hash, ...last } = JSON.parse(lines(b).at(-1) as string);
    const more = seal({ ...last, seq: RECORDS + 1, prev: hash }, macOf(readKey(state.auditKey)));
    edit(b, (l) => [...l, more.line.trimEnd()]);
    expect(verified(state).problems).toEqual([
      { segment: b, line: null, seq: RECORDS + 1, what: `goes on after it was closed at number ${RECORDS}` },
    ]);
    expect(naive(state)).toEqual([]);
  });

  it.each([
    ['no number', '{"prev":"","hash":"x"}'],
    ['no line before it', '{"seq":5,"hash":"x"}'],
    ['no hash', '{"seq":5,"prev":""}'],
    ['no object', '5'],
    ['nothing', 'null'],
  ])('JSON that is no record, in the place of one: %s', (_, line) => {
    edit(b, (l) => l.with(4, line));
    expect(verified(state).problems).toContainEqual(
      expect.objectContaining({ segment: b, line: 5, what: expect.stringContaining('no record') }),
    );
  });
});
