/** What lies outside the roots cannot be told from what does not exist: not by the words, and not by the clock. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { OpsError } from '../../src/core/errors.ts';
import { filesIn } from '../fakes/files.ts';

const ROUNDS = 400;
const median = (all: number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0;
const BOUNDS = { depth: 9, limit: 9, maxEntries: 99, maxBytes: 99, maxMs: 99 };

test('the same words, details and time for what is there and what is not; a naive reader differs', async () => {
  const top = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'deckhand-outside-')));
  fs.mkdirSync(join(top, 'root'));
  const deep = join(top, ...Array.from({ length: 30 }, (_, i) => `d${i}`));
  fs.mkdirSync(deep, { recursive: true });
  fs.writeFileSync(join(deep, 'there'), 'x'.repeat(200_000));
  const open = filesIn(join(top, 'root'), { access: 'write' });
  const paths = [join(deep, 'there'), join(top, 'n0', ...deep.split('/').slice(-29), 'nope')] as const;
  const took: [number[], number[]] = [[], []];
  const naive: [number[], number[]] = [[], []];
  try {
    const asks = [
      (p: string) => open.reader.read(p, { length: 9 }),
      (p: string) => open.reader.list(p, { limit: 9 }),
      (p: string) => open.reader.hash(p, { maxBytes: 9 }),
      (p: string) => open.find(p, {}, BOUNDS),
      (p: string) => open.changer.now(p, { maxBytes: 9 }),
      (p: string) => open.changer.write(p, Buffer.from('x'), { expected: { missing: true }, keepOwner: true }),
      (p: string) => open.changer.trash(p, { id: '1:1' }),
      (p: string) => open.changer.move(join(top, 'root/x'), p, { id: '1:1' }),
    ];
    for (const ask of asks) {
      const said = await Promise.all(
        paths.map((p) => ask(p).then(String, (e: OpsError) => [e.code, e.message, e.details])),
      );
      expect(said[0]).toEqual(said[1]);
      expect(said[0]?.slice(0, 2)).toEqual(['permission', expect.stringContaining('outside')]);
      expect(JSON.stringify(said[0])).not.toContain(top);
    }
    for (let n = 0; n < ROUNDS; n++)
      for (const i of n & 1 ? ([0, 1] as const) : ([1, 0] as const)) {
        const path = paths[i];
        let began = performance.now();
        await open.reader.read(path, { length: 9 }).catch(() => {});
        took[i].push(performance.now() - began);
        began = performance.now();
        // Control: what a check by realpath costs tells the two apart.
        await fs.promises.realpath(path).catch(() => {});
        naive[i].push(performance.now() - began);
      }
  } finally {
    open.close();
    fs.rmSync(top, { recursive: true, force: true });
  }
  const ratio = ([a, b]: [number[], number[]]) => Math.max(median(a) / median(b), median(b) / median(a));
  expect(ratio(took)).toBeLessThan(1.2);
  expect(ratio(naive)).toBeGreaterThan(1.2);
});
