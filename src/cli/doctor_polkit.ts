/**
 * `deckhand doctor --polkit`: the rule on standard output, so that it can be put where it belongs, and what to know of it on standard
 * error. Decides whom it is for, and that a rule which would allow nothing is not printed as if it did. The rule is insight/polkit_rule.ts.
 */
import { existsSync } from 'node:fs';
import { POLKIT_PATH, polkitRule } from '../app.ts';
import { OpsError } from '../core/errors.ts';
import type { Run } from './commands.ts';

/** Of the service that deploy/systemd/ installs. */
const USER = 'deckhand';
/** As useradd takes them; anything else would be no user, and might end the rule's own text. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$/;
const DAEMONS = ['/usr/lib/polkit-1/polkitd', '/usr/libexec/polkitd', '/usr/libexec/polkit-1/polkitd'];

export async function printPolkit({ own, io, load }: Pick<Run, 'own' | 'io' | 'load'>): Promise<number> {
  const user = typeof own.user === 'string' ? own.user : USER;
  if (!NAME.test(user))
    throw new OpsError('validation', '--user is no name of a user.', {
      hint: 'deckhand doctor --polkit --user deckhand',
    });
  if (user === 'root')
    throw new OpsError('validation', 'root needs no rule: systemd obeys it.', {
      hint: 'Run Deckhand as a user of its own.',
    });
  const { services } = (await load()).config;
  if (services.allow.length === 0)
    throw new OpsError('validation', '`services.allow` is empty: the rule would allow nothing.', {
      hint: 'Name the units there first, e.g. services: { allow: [nginx.service] }',
    });
  io.out(polkitRule({ user, rules: services }).trimEnd());
  io.err(`For ${POLKIT_PATH} (root, mode 0644). Make it anew when services.allow or services.protect change.`);
  if (!DAEMONS.some((path) => existsSync(path)))
    io.err(
      'polkit is not installed here: without it systemd lets only root change units (Debian: apt-get install polkitd).',
    );
  return 0;
}
