/** What systemctl says when it cannot or may not: its own words, where they are known to mean something. Pure. */
import { OpsError } from '../../core/errors.ts';
import type { UnitJob, UnitVerb } from '../../core/services.ts';

export const notJson = () =>
  new OpsError('unavailable', 'systemctl did not answer in JSON.', {
    hint: 'systemd 246 or later is needed: `systemctl --version` tells which this is.',
  });

const firstLine = (stderr: string, code: number | null): string =>
  stderr.trim().split('\n')[0]?.slice(0, 200) || `code ${code}`;

export function refusal(stderr: string, code: number | null): OpsError {
  const said = firstLine(stderr, code);
  if (/not been booted with systemd|Host is down|Failed to connect to (?:system )?(?:scope )?bus/i.test(stderr))
    return new OpsError('unavailable', `systemd does not answer: ${said}`, {
      hint: 'In a container the socket /run/systemd/private or /run/dbus/system_bus_socket has to be reachable.',
    });
  if (/access denied|permission denied|not permitted|authentication required/i.test(stderr))
    return new OpsError('permission', `systemd refused: ${said}`);
  if (/invalid value|timestamp|unrecognized option|unknown option/i.test(stderr))
    return new OpsError('unavailable', `This systemctl is too old: ${said}`, {
      hint: 'systemd 247 or later is needed: `systemctl --version` tells which this is.',
    });
  return new OpsError('unavailable', `systemctl could not tell: ${said}`);
}

/** Of a changing verb: a job that failed is an answer, whatever kept it from being made is an error. */
export function jobOf(unit: string, verb: UnitVerb, code: number | null, stderr: string): UnitJob {
  const said = stderr.trim().slice(0, 1_000);
  if (code === 0) return { end: 'done', said };
  if (/^(?:Job for |A dependency job for )/m.test(stderr)) return { end: 'failed', said };
  if (/access denied|permission denied|not permitted|authentication (?:is )?required/i.test(stderr))
    throw new OpsError('permission', `systemd does not let this user ${verb} ${unit}.`, {
      hint: '`deckhand doctor --polkit` prints the rule that lets it, for exactly the units of `services.allow`.',
    });
  if (/\bmasked\b/.test(stderr))
    throw new OpsError('conflict', `${unit} is masked: nothing can ${verb} it.`, {
      hint: `\`systemctl unmask ${unit}\` on the host allows it again.`,
    });
  if (/not found|does not exist|not loaded/i.test(stderr))
    throw new OpsError('not_found', `systemd has no unit ${unit} to ${verb}.`, {
      hint: 'service_list shows the units.',
    });
  if (/not applicable|refused|configured to refuse|not supported/i.test(stderr))
    throw new OpsError('conflict', `${unit} cannot do that: systemd has no ${verb} for it.`);
  throw refusal(stderr, code);
}
