/** The contract on the fake; journalctl over real files of a journal, where those can be made; and what is said where there is none. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exportParser } from '../../src/host/journal/export.ts';
import { journalHost } from '../../src/host/journal/index.ts';
import { findJournal } from '../../src/host/journal/where.ts';
import { rootAt } from '../../src/host/system/files.ts';
import { fakeJournal } from '../fakes/journal.ts';
import { ENTRIES, journalContract, readAll } from './journal_contract.ts';
import { exported, lackingForJournal, writeJournal } from './journal_lab.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lackingForJournal() : [];
if (!real)
  process.stderr.write(
    'SKIPPED tests/host/journal (real files): needs DECKHAND_REAL=1 and the lab’s root file system.\n',
  );
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

const dir = mkdtempSync(join(tmpdir(), 'deckhand-journal-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

journalContract('fake', () => fakeJournal({ written: ENTRIES }));

describe.runIf(real)('journalctl', () => {
  const files = join(dir, 'real');
  beforeAll(async () => {
    mkdirSync(files);
    await writeJournal(files, ENTRIES);
  }, 60_000);
  journalContract('journalctl', () => journalHost(rootAt('/'), { directory: files }));
});

describe('the export format', () => {
  const wanted = new Set(['MESSAGE', '__CURSOR']);
  const parse = (bytes: Buffer, cuts: number[], most = 1_000) => {
    const parser = exportParser({ wanted, maxValueBytes: most });
    const out: { text: string; cut: boolean }[] = [];
    let at = 0;
    for (let i = 0; at < bytes.length; i++) {
      const size = cuts.length ? (cuts[i % cuts.length] as number) : bytes.length;
      for (const e of parser.push(bytes.subarray(at, at + size)))
        out.push({ text: e.fields.get('MESSAGE')?.toString() ?? '', cut: e.cut.has('MESSAGE') });
      at += size;
    }
    return { out, unfinished: parser.unfinished() };
  };

  test('any messages, cut anywhere, come out as they went in', () => {
    const message = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 30 }), fc.constant('a\nb\n\nc'));
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 9 }),
        (messages, cuts) => {
          const bytes = Buffer.concat(messages.map((m) => exported({ atMs: 1, message: m }, 'b')));
          const { out, unfinished } = parse(bytes, cuts);
          expect(out.map((e) => e.text)).toEqual(messages.map((m) => Buffer.from(m).toString()));
          expect(unfinished).toBe(false);
        },
      ),
    );
  });

  test('a value that claims much costs what is kept of it', () => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(2n ** 40n);
    const parser = exportParser({ wanted, maxValueBytes: 10 });
    parser.push(Buffer.concat([Buffer.from('MESSAGE\n'), length]));
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 1_000; i++) parser.push(Buffer.alloc(65_536));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
    expect(parser.unfinished()).toBe(true);
  });

  test('long values are cut in either form, and garbage is no crash', () => {
    for (const message of ['x'.repeat(5_000), `x\n${'x'.repeat(5_000)}`])
      for (const cuts of [[], [7], [100]]) {
        const { out } = parse(exported({ atMs: 1, message }, 'b'), cuts, 100);
        expect(out).toEqual([{ text: message.slice(0, 100), cut: true }]);
      }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 40 }), (bytes, cut) => {
        parse(Buffer.from(bytes), [cut], 5);
      }),
    );
  });
});

describe('where there is none, or none to be read', () => {
  const place = (files: Record<string, number>) => {
    const root = mkdtempSync(join(dir, 'root-'));
    for (const [path, mode] of Object.entries(files)) {
      const full = join(root, path);
      mkdirSync(join(full, '..'), { recursive: true });
      writeFileSync(full, '');
      chmodSync(full, mode);
    }
    return rootAt(root);
  };
  const id = '0123456789abcdef0123456789abcdef';
  const has = () => true;

  test('is said, with what to do', async () => {
    const none = place({});
    expect(findJournal(none, { has }).missing).toMatchObject({ why: 'No systemd journal is kept here.' });
    expect((await journalHost(none, { has }).usage()).value).toBeNull();
    expect(findJournal(place({ 'var/log/journal/README': 0o644 }), { has }).missing?.why).toContain(
      'No systemd journal',
    );
    const there = place({ [`var/log/journal/${id}/system.journal`]: 0o644 });
    expect(findJournal(there, { has: () => false }).missing?.fix).toContain('Install');
    await expect(readAll(journalHost(none, { has }))).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('one in memory only is one; another root’s is named to journalctl', () => {
    const memory = place({ [`run/log/journal/${id}/system.journal`]: 0o644 });
    expect(findJournal(memory, { has }).journal).toEqual({ folder: memory.of('/run/log/journal'), volatile: true });
    const kept = place({ [`var/log/journal/${id}/system@1-2.journal`]: 0o644 });
    expect(journalHost(kept, { has }).available()).toEqual({ value: { manager: 'journald', volatile: false } });
  });

  test.skipIf(process.getuid?.() === 0)('who may read only their own is told of the group', () => {
    const other = place({
      [`var/log/journal/${id}/system.journal`]: 0o000,
      [`var/log/journal/${id}/user-1000.journal`]: 0o644,
    });
    expect(findJournal(other, { has }).missing?.fix).toContain('systemd-journal');
  });

  test('one’s own entries alone are not the journal', () => {
    const own = place({ [`var/log/journal/${id}/user-1000.journal`]: 0o644 });
    expect(findJournal(own, { has }).journal).toBeNull();
  });
});
