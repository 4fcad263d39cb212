/** Who uses how much of the state folder. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { usageChecks, usageOf } from '../../src/cli/doctor_usage.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-usage-'));
  for (const d of ['audit/running', 'blobs/ab', 'leases']) mkdirSync(join(dir, d), { recursive: true });
  writeFileSync(join(dir, 'audit/a.jsonl'), Buffer.alloc(100_000, 1));
  writeFileSync(join(dir, 'deckhand.db'), Buffer.alloc(20_000, 1));
  writeFileSync(join(dir, 'deckhand.db-wal'), Buffer.alloc(20_000, 1));
  writeFileSync(join(dir, 'blobs/ab/x'), Buffer.alloc(5_000, 1));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const audit = { segmentBytes: 65_536, keepBytes: 1_048_576 };

test('each part is counted, links are not followed', () => {
  symlinkSync('/usr', join(dir, 'elsewhere'));
  const { parts, files } = usageOf(dir);
  expect(files).toBe(5);
  expect(parts.get('audit')).toBeGreaterThanOrEqual(100_000);
  expect(parts.get('database')).toBeGreaterThanOrEqual(40_000);
  expect(parts.get('receipts')).toBeGreaterThanOrEqual(5_000);
  expect(parts.get('other') ?? 0).toBeLessThan(8_192);
  expect(usageChecks(dir, { audit })).toMatchObject([
    { severity: 'ok', code: 'state.usage', text: expect.stringMatching(/^\S+ KiB in 5 files: audit /) },
  ]);
});

test('an audit beyond its bound, too many files and foreign files are said with the command that shows them', () => {
  writeFileSync(join(dir, 'audit/b.jsonl'), Buffer.alloc(2_000_000, 1));
  expect(usageChecks(dir, { audit })).toMatchObject([
    {
      severity: 'warning',
      text: expect.stringContaining('larger than its bound'),
      fix: expect.stringContaining('du -ah'),
    },
  ]);
  expect(usageChecks(dir, { audit }, 3)).toMatchObject([
    { severity: 'warning', text: expect.stringContaining('over') },
  ]);
  expect(usageChecks(join(dir, 'gone'), { audit })).toMatchObject([
    { severity: 'ok', text: expect.stringContaining('nothing yet') },
  ]);
});
