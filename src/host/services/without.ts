/**
 * Whether there is a systemd to ask, by a look of microseconds; and of a host without one, what looks after its services instead and
 * which of Deckhand's tools see them all the same. Loaded at the start: it must stay small.
 */
import { existsSync } from 'node:fs';
import type { Reading } from '../../core/host.ts';
import { known, type Root, textOrNull, unknown } from '../system/files.ts';

const INSTEAD = 'process_list shows what runs, log_query reads file:/PATH and containers.';

/** How each is known to be the one that runs: packages leave folders of those that are only installed. */
const OTHERS = [
  { is: 'OpenRC', path: '/run/openrc/softlevel', first: /^openrc-init$/, by: '`rc-status --all` lists its services' },
  { is: 'runit', path: null, first: /^runit/, by: '`sv status /var/service/*` lists its services' },
  { is: 's6', path: null, first: /^s6-(?:svscan|linux-init)/, by: '`s6-rc -a list` lists its services' },
  { is: 'dinit', path: null, first: /^dinit$/, by: '`dinitctl list` lists its services' },
];

export function systemd(root: Root, has: (binary: 'systemctl') => boolean): Reading<{ manager: 'systemd' }> {
  // As sd_booted(3) does it.
  if (!existsSync(root.of('/run/systemd/system'))) return unknown(withoutSystemd(root));
  if (root.foreign)
    return unknown('Commands cannot be run on a mounted host: run Deckhand on the host itself to see its units.');
  if (!has('systemctl')) return unknown('systemd runs here, but systemctl is not to be found.');
  return known({ manager: 'systemd' });
}

/** For the list of what this host lacks. */
export function servicesMissing(root: Root): { why: string; fix: string } | null {
  // That systemctl is there where systemd runs is not worth a look at each start: the tools say so where it is not.
  const is = systemd(root, () => true);
  if (is.value !== null) return null;
  const [why = '', fix = ''] = is.why.split(/(?<=\.) (?=process_list )|: (?=run Deckhand )/);
  return { why, fix: fix || INSTEAD };
}

export function withoutSystemd(root: Root): string {
  const first = textOrNull(root.of('/proc/1/comm')) ?? '';
  const other = OTHERS.find((o) => o.first.test(first) || (o.path !== null && existsSync(root.of(o.path))));
  if (other) return `systemd does not run here: ${other.is} looks after the services, and ${other.by}. ${INSTEAD}`;
  if (existsSync(root.of('/.dockerenv')) || existsSync(root.of('/run/.containerenv')))
    return `systemd does not run in this container: its units are those of the host around it, where Deckhand would have to run to see them. ${INSTEAD}`;
  return `systemd does not run here. ${INSTEAD}`;
}
