/** The doctor names changes without an end, with what to do. */
import { expect, test } from 'vitest';
import { auditChecks } from '../../src/cli/doctor_audit.ts';
import type { AuditPage, AuditQuery } from '../../src/core/audit.ts';

const NOW = Date.UTC(2026, 10, 21);
function files(records: object[], over: Partial<AuditPage> = {}) {
  const asked: AuditQuery[] = [];
  return {
    asked,
    async search(query: AuditQuery): Promise<AuditPage> {
      asked.push(query);
      const entries = records.map((r, i) => ({
        segment: 's',
        record: { seq: i, ts: '2026-11-20T00:00:00.000Z', event: 'unfinished', ...r },
      }));
      return { entries, corrupt: 0, bytes: { looked: 5, total: 9 }, stopped: null, next: null, ...over };
    },
  };
}

test('what it was, on what, by whom, when, and the next command', async () => {
  const from = files([
    {
      call: 'c1',
      who: 'token:a',
      tool: 'process_signal',
      targets: [{ kind: 'process', name: '7 nginx\u001b[2J' }],
      summary: 'Send TERM.',
      at: '2026-11-19T00:00:00.000Z',
    },
    { call: 'c2', receipt: 't_x' },
    { call: '$(reboot)', receipt: ';reboot' },
  ]);
  const checks = await auditChecks(from, NOW);
  expect(from.asked).toEqual([{ event: 'unfinished', sinceMs: NOW - 7 * 86_400_000, limit: 20, order: 'newest' }]);
  expect(checks).toEqual([
    {
      code: 'audit.unfinished',
      severity: 'warning',
      title: 'Unfinished change',
      text: 'process_signal on process:7 nginx, by token:a, begun 2026-11-19T00:00:00.000Z: its process ended before it did, so how far it came is not known. It was to: Send TERM.',
      fix: 'look at the target, then: deckhand audit search --call c1',
    },
    expect.objectContaining({
      text: expect.stringContaining('A change, by ?, begun 2026-11-20'),
      fix: 'look at the target, then: deckhand undo show t_x',
    }),
    expect.objectContaining({ fix: 'look at the target, then: deckhand audit search --event unfinished' }),
  ]);
});

test('none is said, and so is a look that did not reach all', async () => {
  expect(await auditChecks(files([]), NOW)).toMatchObject([{ severity: 'ok', code: 'audit.unfinished' }]);
  expect(await auditChecks(files([], { stopped: 'time' }), NOW)).toMatchObject([
    { severity: 'info', text: expect.stringContaining('5 of 9 bytes') },
  ]);
});
