import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Audit, type AuditOptions, openAudit } from '../../src/store/audit.ts';
import { readKey } from '../../src/store/audit_key.ts';
import { auditTail, verifyAudit } from '../../src/store/audit_verify.ts';
import { newOwner } from '../../src/store/owner.ts';
import type { StateDir } from '../../src/store/state.ts';
import { clock, memoryLog, newState, thrownBy } from './bench.ts';

let state: StateDir;
let log: ReturnType<typeof memoryLog>;
beforeEach(() => {
  state = newState();
  log = memoryLog();
});

const open = (o: Partial<AuditOptions> = {}): Audit => openAudit(state, log, o);
const verify = () => verifyAudit(state.audit, readKey(state.auditKey));
const segments = () =>
  readdirSync(state.audit)
    .filter((n) => /^\d/.test(n))
    .sort();
const path = (name = segments()[0] as string) => join(state.audit, name);
const lines = (name?: string) => readFileSync(path(name), 'utf8').split('\n').slice(0, -1);

function filled(count: number, o: Partial<AuditOptions> = {}): string {
  const before = new Set(existsSync(state.audit) ? segments() : []);
  const audit = open(o);
  for (let i = 0; i < count; i++) audit.append('call', { tool: 'system_overview', i });
  audit.close();
  return segments().find((n) => !before.has(n)) as string;
}

describe('a segment', () => {
  it('is private, one record a line, and verifies while it is written and after', () => {
    const audit = open();
    expect(segments()).toEqual([]);
    audit.append('call', { tool: 'a', targets: [{ kind: 'unit', name: 'x' }], gone: undefined });
    audit.append('change', { tool: 'b' }, { durable: true });
    expect(verify()).toMatchObject({ ok: true, segments: 1, records: 2, open: segments() });
    for (const p of [path(), state.auditKey, join(state.audit, 'index.jsonl')])
      expect(statSync(p).mode & 0o777).toBe(0o600);
    expect(segments()[0]).toMatch(/^\d{8}T\d{9}Z-\d+-[0-9a-f]{8}\.jsonl$/);
    expect(auditTail(state.audit, 1)).toMatchObject([{ v: 1, seq: 2, event: 'change', tool: 'b' }]);
    audit.close();
    audit.close();
    expect(verify()).toEqual({
      ok: true,
      segments: 1,
      records: 2,
      problems: [],
      open: [],
      first: expect.stringMatching(/^20.*Z$/),
      last: expect.stringMatching(/^20.*Z$/),
      heads: null,
    });
    expect(readdirSync(join(state.audit, 'running'))).toEqual([]);
  });

  it('cannot be written to by its fields: ours win', () => {
    const audit = open();
    audit.append('call', { seq: 99, prev: 'x', hash: 'y', event: 'z', ts: 'w', v: 7 });
    expect(auditTail(state.audit, 1)).toMatchObject([{ v: 1, seq: 1, event: 'call' }]);
    audit.close();
    expect(verify().ok).toBe(true);
  });

  it('holds no control character that moves a terminal, no token, no endless record, and what is not JSON is said', () => {
    const audit = open();
    const token = `dh_${'A'.repeat(43)}`;
    audit.append('call', {
      text: 'a\u001b[2J\u009b1m\u202e\u{e0041}\ud800\r\n',
      [`k ${token}`]: token,
      url: `x?${token}`,
    });
    audit.append('call', { tool: 'big', args: { text: 'x'.repeat(200_000) } });
    audit.append('call', { tool: 'odd', n: Number.NaN, at: new Date(0), list: [undefined] });
    audit.close();
    const text = readFileSync(path(), 'utf8');
    expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    expect(text).not.toContain(token);
    expect(text.length).toBeLessThan(5_000);
    const [first, big, odd] = auditTail(state.audit, 3);
    expect(first?.text).toBe('a\u001b[2J\u009b1m\u202e\u{e0041}\ud800\r\n');
    expect(big).toMatchObject({ tool: 'big', cut: expect.any(Number) });
    expect(odd).toMatchObject({ event: 'call', unwritable: expect.stringContaining('NaN') });
    expect(verify()).toMatchObject({ ok: true, problems: [] });
  });

  it('is left for the next one at its size; checkpoints bind it meanwhile', async () => {
    const audit = open({ segmentBytes: 2_000, checkpoint: 2 });
    for (let i = 0; i < 30; i++) audit.append('call', { i });
    await expect.poll(() => readFileSync(join(state.audit, 'index.jsonl'), 'utf8')).toContain('"checkpoint"');
    audit.close();
    expect(segments().length).toBeGreaterThan(2);
    expect(verify()).toMatchObject({ ok: true, records: 30 });
  });

  it('beyond the bounds goes, the oldest first, on record; the index stays short', () => {
    const time = clock();
    const o = { now: time.now, retention: { segments: 3, every: 1, indexBytes: 3_000 } };
    for (let i = 0; i < 12; i++) {
      time.move(1_000);
      filled(3, o);
    }
    expect(segments().length).toBe(3);
    expect(verify()).toMatchObject({ ok: true, records: 9 });
    const index = readFileSync(join(state.audit, 'index.jsonl'), 'utf8');
    expect(index).toContain('"carried"');
    expect(index.length).toBeLessThan(6_000);
  });

  it('takes its digest with the key', () => {
    const audit = open();
    expect(audit.digest('a')).toMatch(/^[0-9a-f]{64}$/);
    expect(audit.digest('a')).toBe(open().digest('a'));
    expect(audit.digest('a')).not.toBe(audit.digest('b'));
    // Some are remembered: each stays what it was, however many came between, and however long it is.
    const texts = Array.from({ length: 200 }, (_, n) => String(n).repeat(n));
    const first = texts.map((text) => audit.digest(text));
    expect(new Set(first).size).toBe(200);
    expect(texts.map((text) => audit.digest(text))).toEqual(first);
  });
});

describe('tampering is named', () => {
  const change = (edit: (l: string[]) => string[], name?: string) =>
    writeFileSync(
      path(name),
      edit(lines(name))
        .map((l) => `${l}\n`)
        .join(''),
    );

  it.each<[string, (l: string[]) => string[], object]>([
    [
      'a flipped byte',
      (l) => l.with(4, (l[4] as string).replace('overview', 'overviex')),
      { line: 5, seq: 5, what: expect.stringContaining('was changed') },
    ],
    [
      'a deleted line',
      (l) => l.toSpliced(4, 1),
      { line: 5, seq: 6, what: expect.stringContaining('1 missing before it') },
    ],
    [
      'a line put elsewhere',
      (l) => l.toSpliced(4, 1).toSpliced(7, 0, l[4] as string),
      { line: 8, seq: 5, what: expect.stringContaining('out of order') },
    ],
    [
      'a line twice',
      (l) => l.toSpliced(5, 0, l[4] as string),
      { line: 6, seq: 5, what: expect.stringContaining('out of order') },
    ],
    ['a cut end', (l) => l.slice(0, 7), { line: null, seq: 7, what: expect.stringContaining('shortened') }],
    ['an emptied file', () => [], { line: null, seq: 0, what: expect.stringContaining('shortened') }],
    ['a first line gone', (l) => l.slice(1), { line: 1, seq: 2, what: expect.stringContaining('1 missing before it') }],
    ['a line that is no record', (l) => l.with(3, '{"tool":'), { line: 4, what: expect.stringContaining('no record') }],
    [
      'a key given twice',
      (l) => l.with(2, (l[2] as string).replace('{', '{"tool":"harmless",')),
      { line: 3, seq: 3, what: expect.stringContaining('was changed') },
    ],
    ['a line of its own', (l) => [...l, l[9] as string], { line: 11, what: expect.stringContaining('out of order') }],
  ])('%s', (_, edit, problem) => {
    const name = filled(10);
    expect(verify().ok).toBe(true);
    change(edit);
    const { ok, problems } = verify();
    expect(ok).toBe(false);
    expect(problems).toContainEqual(expect.objectContaining({ segment: name, ...problem }));
    expect(problems.length).toBeLessThan(4);
  });

  it('control: a chain without an index does not see a cut end', () => {
    const name = filled(10);
    change((l) => l.slice(0, 7));
    const index = join(state.audit, 'index.jsonl');
    // The index of before the closing: all that a bare chain would know.
    writeFileSync(index, `${readFileSync(index, 'utf8').split('\n')[0]}\n`);
    expect(verify().problems).toEqual([
      { segment: name, line: null, seq: null, what: expect.stringContaining('no process writes it') },
    ]);
    // And of its process: as if it still ran, or had died.
    writeFileSync(join(state.audit, 'running', `${name}~1.1.1.1.1`), '');
    expect(verify()).toMatchObject({ ok: true, records: 7, open: [name] });
  });

  it('two segments swapped: both', () => {
    const [a, b] = [filled(3), filled(3)];
    renameSync(path(a), path('x'));
    renameSync(path(b), path(a));
    renameSync(path('x'), path(b));
    const { problems } = verify();
    for (const segment of [a, b])
      expect(problems).toContainEqual(
        expect.objectContaining({ segment, line: 1, what: expect.stringContaining('index says') }),
      );
  });

  it('a segment removed, and one that nobody opened', () => {
    const [a, b] = [filled(3), filled(3)];
    renameSync(path(a), path(b.replace(/-[0-9a-f]{8}/, '-00000000')));
    expect(verify().problems.map((p) => [p.segment, p.what])).toEqual([
      [b.replace(/-[0-9a-f]{8}/, '-00000000'), 'is not in the index'],
      [a, 'was removed'],
    ]);
  });

  it('the index changed, or shortened', () => {
    const a = filled(3);
    const index = join(state.audit, 'index.jsonl');
    const whole = readFileSync(index, 'utf8');
    writeFileSync(index, whole.replace('"close"', '"cloze"'));
    expect(verify().problems).toContainEqual(
      expect.objectContaining({ segment: 'index.jsonl', line: 2, what: expect.stringContaining('was changed') }),
    );
    writeFileSync(index, '');
    expect(verify().problems).toContainEqual(expect.objectContaining({ segment: a, what: 'is not in the index' }));
  });

  it('with another key nothing holds', () => {
    filled(3);
    expect(verifyAudit(state.audit, Buffer.alloc(32)).ok).toBe(false);
  });
});

describe('a process that died', () => {
  /** A segment whose marker names a process that is no more. */
  function died(count: number): string {
    const [, start, boot, namespace, instance] = newOwner().split('.');
    const audit = open({ self: [2 ** 22 + 1, start, boot, namespace, instance].join('.') });
    for (let i = 0; i < count; i++) audit.append('call', { i });
    return segments().at(-1) as string;
  }

  it('is noted by the next one, which then sees a cut', () => {
    const name = died(5);
    expect(verify()).toMatchObject({ ok: true, open: [name] });
    filled(1);
    expect(readFileSync(join(state.audit, 'index.jsonl'), 'utf8')).toContain('"event":"found"');
    expect(verify()).toMatchObject({ ok: true, records: 6, open: [] });
    writeFileSync(
      path(name),
      lines(name)
        .slice(0, 4)
        .map((l) => `${l}\n`)
        .join(''),
    );
    expect(verify().problems).toEqual([
      { segment: name, line: null, seq: 4, what: expect.stringContaining('shortened') },
    ]);
  });

  it('and left half a line, or no file at all', () => {
    const torn = died(3);
    appendFileSync(path(torn), '{"half":');
    filled(1);
    expect(verify()).toMatchObject({ ok: true });
    const gone = died(3);
    rmSync(path(gone));
    filled(1);
    expect(verify().problems).toEqual([
      { segment: gone, line: null, seq: null, what: 'was missing when its process was found dead' },
    ]);
  });

  it('and left half a line: whoever takes that away later, or writes on in it, is named', () => {
    const torn = died(3);
    appendFileSync(path(torn), '{"half":');
    filled(1);
    expect(verify().ok).toBe(true);
    for (const end of ['', '{"half":1']) {
      writeFileSync(path(torn), `${lines(torn).slice(0, 3).join('\n')}\n${end}`);
      expect(verify().problems).toEqual([
        { segment: torn, line: 4, seq: 3, what: 'has another end than when it was found' },
      ]);
    }
  });

  it('and whose file was changed before it was found: the log and the index say so from the start', () => {
    const name = died(3);
    writeFileSync(path(name), readFileSync(path(name), 'utf8').replace('"i":1', '"i":7'));
    filled(1);
    expect(log.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ segment: name, faults: 1 }) }),
    );
    expect(readFileSync(join(state.audit, 'index.jsonl'), 'utf8')).toMatch(/"event":"found","faults":1,/);
    expect(verify().problems).toEqual([
      { segment: name, line: 2, seq: 2, what: expect.stringContaining('was changed') },
    ]);
  });

  it('in the middle of an index line: that half is taken back, on record', () => {
    filled(2);
    appendFileSync(join(state.audit, 'index.jsonl'), '{"half":');
    filled(2);
    expect(readFileSync(join(state.audit, 'index.jsonl'), 'utf8')).toContain('"mended"');
    expect(verify()).toMatchObject({ ok: true, records: 4 });
  });
});

describe('when it cannot be written', () => {
  /** The folder is a file: whoever tests, root too, cannot write in it. */
  function broken(): { mend(): void } {
    rmSync(state.audit, { recursive: true });
    writeFileSync(state.audit, '');
    return {
      mend() {
        rmSync(state.audit);
        mkdirSync(state.audit, { mode: 0o700 });
      },
    };
  }

  it('reads wait, changes fail, and what waited is written later behind a record of the gap', () => {
    const time = clock();
    const mono = clock(0);
    const disk = broken();
    const audit = open({ now: time.now, mono: mono.now });
    audit.append('call', { i: 1 });
    time.move(5_000);
    audit.append('call', { i: 2 });
    expect(thrownBy(() => audit.append('change', {}, { durable: true }))).toMatchObject({
      code: expect.stringMatching(/limit|unavailable/),
      message: expect.stringContaining('nothing was changed'),
    });
    expect(audit.trouble()).not.toBeNull();
    expect(
      log.lines.filter((l) => l.message === 'audit record waits').map((l) => (l.fields.audit as { i: number }).i),
    ).toEqual([1, 2]);
    disk.mend();
    mono.move(1_001);
    audit.append('call', { i: 3 });
    expect(audit.trouble()).toBeNull();
    audit.close();
    expect(verify()).toMatchObject({ ok: true, records: 4 });
    const [gap, ...rest] = auditTail(state.audit, 4).sort((a, b) => a.seq - b.seq);
    expect(gap).toMatchObject({
      event: 'gap',
      waited: 2,
      dropped: 0,
      from: '2026-11-21T00:00:00.000Z',
      to: '2026-11-21T00:00:05.000Z',
    });
    expect(rest.map((r) => r.i)).toEqual([1, 2, 3]);
  });

  it('no more waits than is bounded, and the gap says how much was dropped', () => {
    const disk = broken();
    const audit = open({ waitingCount: 3 });
    for (let i = 0; i < 10; i++) audit.append('call', { i });
    disk.mend();
    expect(audit.flush()).toBe(true);
    audit.close();
    expect(auditTail(state.audit, 1)).toHaveLength(1);
    expect(lines().map((l) => JSON.parse(l))).toMatchObject([
      { event: 'gap', waited: 3, dropped: 7 },
      { i: 0 },
      { i: 1 },
      { i: 2 },
    ]);
    expect(verify().ok).toBe(true);
  });

  it('a key open to others, or damaged, stops the start with the command', () => {
    open().close();
    chmodSync(state.auditKey, 0o640);
    expect(thrownBy(() => open())).toMatchObject({ code: 'unavailable', hint: expect.stringContaining('chmod 600') });
    chmodSync(state.auditKey, 0o600);
    truncateSync(state.auditKey, 10);
    expect(thrownBy(() => open())).toMatchObject({ message: expect.stringContaining('damaged') });
  });

  it('a lost key begins anew, loudly, and the old records are named', () => {
    const old = filled(2);
    rmSync(state.auditKey);
    filled(2);
    expect(log.lines.some((l) => l.level === 'error' && l.message.includes('no key any more'))).toBe(true);
    expect(verify().problems.some((p) => p.segment === old)).toBe(true);
  });
});
