/** The doctor's look at the machine: what Deckhand cannot see here, and what would show it. The facts are the host's own. */
import type { SystemHost } from '../core/host.ts';
import type { Check } from './doctor.ts';
import { note, ok, warning } from './doctor_state.ts';

export async function hostChecks(system: SystemHost): Promise<Check[]> {
  const identity = system.identity();
  const snapshot = system.snapshot();
  const [health, processes] = await Promise.all([system.health(), system.processes()]);
  const { kind, container, foundBy } = identity.virtualisation;
  const checks: Check[] = [
    ok('host.kind', 'Host', `${identity.hostname}, ${identity.os.value ?? 'unknown system'}, ${kind} (${foundBy}).`),
  ];

  const { version, path } = identity.cgroup;
  checks.push(
    version === null
      ? warning(
          'host.cgroup',
          'Control groups',
          'None are mounted: limits and pressure of services are not seen.',
          'mount -t cgroup2 none /sys/fs/cgroup',
        )
      : ok('host.cgroup', 'Control groups', `version ${version}, here ${path || '/'}.`),
  );
  const pressure = snapshot.pressure.cpu;
  if (pressure.value === null)
    checks.push(note('host.psi', 'Pressure figures', pressure.why, 'boot with psi=1 on the kernel command line'));
  if (container && kind === 'lxc' && identity.lxcfs.length === 0)
    checks.push(
      note(
        'host.lxcfs',
        'lxcfs',
        'Not mounted: /proc shows the machine’s memory and CPUs, not this container’s.',
        'on the machine: apt-get install lxcfs, then start the container anew',
      ),
    );
  if (processes.hidden)
    checks.push(
      note(
        'host.hidepid',
        'Processes of others',
        processes.hidden,
        'mount -o remount,hidepid=0 /proc, or run as a member of the group that gid= names',
      ),
    );
  const clock = health.clock;
  if (clock.value && !clock.value.synchronised)
    checks.push(
      warning(
        'host.clock',
        'Clock',
        'Not synchronised: the times of logs and of tokens cannot be relied on.',
        'timedatectl set-ntp true',
      ),
    );

  // The host's own list; what has been said above is not said twice.
  const said = new Set(checks.map((c) => c.title.toLowerCase()));
  for (const b of health.blind)
    if (!said.has(b.what.toLowerCase())) checks.push(note(`blind.${slug(b.what)}`, b.what, b.why, b.fix));
  return checks;
}

const slug = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '');
