/**
 * The doctor's look into the audit: changes that were begun and whose end nobody knows. Reads as much as a person waits for;
 * whether the audit is genuine is `deckhand audit verify`'s.
 */
import type { AuditFiles } from '../app.ts';
import { rowOf } from '../core/audit_row.ts';
import { strip } from '../core/foreign.ts';
import type { Check } from './doctor.ts';
import { note, ok, warning } from './doctor_state.ts';

const WEEK_MS = 7 * 86_400_000;
const MOST = 20;
const BOUNDS = { bytes: 256 * 1024 * 1024, ms: 3_000 };

/** What is printed to be copied holds nothing that a shell reads. */
const PLAIN = /^\w{1,64}$/;
const searchFor = (call: string | null) =>
  `deckhand audit search ${call !== null && PLAIN.test(call) ? `--call ${call}` : '--event unfinished'}`;

export async function auditChecks(files: Pick<AuditFiles, 'search'>, now: number): Promise<Check[]> {
  const query = { event: 'unfinished', sinceMs: now - WEEK_MS, limit: MOST, order: 'newest' as const };
  const { entries, stopped, bytes } = await files.search(query, new AbortController().signal, BOUNDS);
  const checks = entries.map((e) => {
    const { at, call, who, tool, targets, what, more, receipt } = rowOf(e);
    const on = targets.length ? ` on ${targets.join(', ')}` : '';
    const begun = typeof more.at === 'string' ? more.at : at;
    const text = `${tool ?? 'A change'}${on}, by ${who ?? '?'}, begun ${begun}: its process ended before it did, so how far it came is not known.${what ? ` It was to: ${what}` : ''}`;
    const fix = receipt && PLAIN.test(receipt) ? `deckhand undo show ${receipt}` : searchFor(call);
    return warning('audit.unfinished', 'Unfinished change', strip(text), `look at the target, then: ${fix}`);
  });
  if (stopped === 'bytes' || stopped === 'time')
    checks.push(
      note(
        'audit.partly',
        'Audit',
        `Only ${bytes.looked} of ${bytes.total} bytes of the last 7 days were looked at for unfinished changes.`,
        'deckhand audit search --event unfinished --since 7d',
      ),
    );
  return checks.length ? checks : [ok('audit.unfinished', 'Audit', 'No change of the last 7 days is without an end.')];
}
