/** A host without systemd: what looks after its services instead, and which of Deckhand's tools see them all the same. */

import type { Root } from '../system/files.ts';
import { isThere } from '../system/health.ts';

const INSTEAD = 'process_list shows what runs, log_query reads file:/PATH and containers.';

/** How each is known to be the one that runs, not only installed. */
const OTHERS = [
  { is: 'OpenRC', runs: ['/run/openrc/softlevel'], by: '`rc-status --all` lists its services at a terminal' },
  { is: 'runit', runs: ['/run/runit', '/etc/runit/stopit'], by: '`sv status /var/service/*` lists its services' },
  { is: 's6', runs: ['/run/s6', '/run/s6-rc'], by: '`s6-rc -a list` lists its services' },
  { is: 'dinit', runs: ['/run/dinitctl'], by: '`dinitctl list` lists its services' },
];

export function withoutSystemd(root: Root): string {
  const other = OTHERS.find((o) => o.runs.some((path) => isThere(root.of(path))));
  if (other) return `systemd does not run here: ${other.is} looks after the services, and ${other.by}. ${INSTEAD}`;
  if (isThere(root.of('/.dockerenv')) || isThere(root.of('/run/.containerenv')))
    return `systemd does not run in this container: its units are those of the host around it, where Deckhand would have to run to see them. ${INSTEAD}`;
  return `systemd does not run here. ${INSTEAD}`;
}
