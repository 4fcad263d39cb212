/** The units that this very process runs in, from the path of its own cgroup: its service, or the session of who launched it. */
import { isUnitName } from '../../core/unit_refs.ts';
import { parseMembership } from '../system/cgroup.ts';
import { textOrNull } from '../system/files.ts';

/** Of this process, never of a host whose /proc is mounted elsewhere: it is ours that must not be stopped. */
export function ownUnits(path = '/proc/self/cgroup'): string[] {
  const { paths } = parseMembership(textOrNull(path) ?? '');
  // systemd's own tree where there is one: on v1 the controllers may have others.
  const own = paths.get('name=systemd') ?? paths.get('') ?? '';
  return own.split('/').filter(isUnitName);
}
