/**
 * `deckhand notify test`: sends a notice over the owner's channels and says what came of each. Decides which are tried, the words and the
 * exit code; how a notice is sent is the host's.
 */
import { CODES, OpsError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Run } from './commands.ts';

export async function test({ own, positionals, io, open }: Run): Promise<number> {
  const app = await open('cli');
  try {
    const { all, trial } = app.channels;
    const [wanted] = positionals;
    const names = all.map((c) => c.name);
    if (wanted !== undefined && !names.includes(wanted))
      throw new OpsError('not_found', `There is no channel ${JSON.stringify(wanted.slice(0, 64))}.`, {
        hint: names.length > 0 ? `Channels are ${names.join(', ')}.` : 'Name one in `notify.channels`: docs/notify.md.',
        candidates: nearest(wanted, names, 3),
      });
    if (names.length === 0)
      throw new OpsError('not_found', 'There is no channel to try.', {
        hint: 'Name one in `notify.channels`: docs/notify.md says how.',
      });
    const chosen = all.filter((c) => wanted === undefined || c.name === wanted);
    const ends = await Promise.all(
      chosen.map(async ({ name, kind }) => ({ channel: name, kind, ...(await trial(name)) })),
    );
    if (own.json) io.out(JSON.stringify(ends, null, io.outTty ? 2 : 0));
    else
      for (const end of ends)
        if (end.ok) io.out(`${io.paint('good', 'sent  ')}  ${end.channel} (${end.kind}): ${end.said}, ${end.ms} ms`);
        else io.out(`${io.paint('bad', 'failed')}  ${end.channel} (${end.kind}): ${end.why}\n        fix: ${end.hint}`);
    return ends.every((e) => e.ok) ? 0 : CODES.unavailable.exit;
  } finally {
    await app.close();
  }
}
