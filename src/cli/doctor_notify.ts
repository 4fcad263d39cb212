/**
 * The doctor's look at the channels that the owner is told over: whether the files they need are there and for their owner alone, and
 * whether a link can be sent at all. Sends nothing: that is `deckhand notify test`.
 */
import type { App } from '../app.ts';
import type { Check } from './doctor.ts';
import { broken, note, ok, warning } from './doctor_state.ts';

const TITLE = 'Notices';

export async function notifyChecks(app: Pick<App, 'channels' | 'config'>): Promise<Check[]> {
  const { all, troubles } = app.channels;
  if (all.length === 0) return [];
  const found = await troubles();
  const checks = found.map(({ channel, why, fix }) => broken('notify.channel', TITLE, `${channel}: ${why}`, fix));
  const approvals = all.some((c) => c.about.includes('approvals'));
  if (approvals && app.config.http.url === null)
    checks.push(
      note(
        'notify.links',
        TITLE,
        'Notices of approvals carry no link: it is not known under which URL people reach this server.',
        'set http.url to it, e.g. the name that `tailscale serve` shows',
      ),
    );
  else if (approvals && app.config.http.url?.startsWith('http:'))
    checks.push(
      warning(
        'notify.links',
        TITLE,
        'Links in notices lead to http, so the token that decides crosses the network for all to read.',
        'set http.url to an https URL: docs/tls.md',
      ),
    );
  for (const { name, plain } of all)
    if (plain)
      checks.push(note('notify.plain', TITLE, `${name}: what is told there is not encrypted on its way (plain).`, ''));
  const well = all.map((c) => c.name).filter((name) => !found.some((f) => f.channel === name));
  if (well.length > 0)
    checks.push(ok('notify', TITLE, `${well.join(', ')}: files are in order; \`deckhand notify test\` sends one.`));
  return checks;
}
