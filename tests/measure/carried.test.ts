/** What a container's own network namespace has carried, from a /proc of the test's own and from this very process. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { carriedReader } from '../../src/host/net/counters.ts';
import { rootAt } from '../../src/host/system/files.ts';

const dir = mkdtempSync(join(tmpdir(), 'deckhand-carried-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const HEAD = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`;
const line = (name: string, rx: number, tx: number) => `${name}: ${rx} 1 0 0 0 0 0 0 ${tx} 1 0 0 0 0 0 0\n`;

test('all of its interfaces but loopback; what is not there, or no such table, is said', async () => {
  const carried = carriedReader(rootAt(dir), () => 77);
  for (const pid of [42, 43]) mkdirSync(join(dir, `proc/${pid}/net`), { recursive: true });
  writeFileSync(join(dir, 'proc/42/net/dev'), HEAD + line('lo', 900, 900) + line('eth0', 10, 20) + line('eth1', 1, 2));
  writeFileSync(join(dir, 'proc/43/net/dev'), 'nothing of the kind');
  expect(await carried(42)).toEqual({ value: { atMs: 77, rxBytes: 11, txBytes: 22 } });
  expect(await carried(43)).toMatchObject({ value: null, why: expect.stringContaining('/proc/43/net/dev') });
  expect(await carried(44)).toEqual({ value: null, why: '/proc/44/net/dev is not there.' });
  expect((await carriedReader(rootAt('/'), () => 1)(process.pid)).value?.rxBytes).toBeGreaterThanOrEqual(0);
});
