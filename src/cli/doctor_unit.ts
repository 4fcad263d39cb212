/**
 * The doctor's look at deckhand.service as systemd runs it: whether somebody has taken back what the shipped unit forbids (templates of
 * unprivileged LXC do, for every service), which powers are given, and whether a hung server would be noticed. Changes nothing.
 */
import type { Check } from './doctor.ts';
import { note, ok, warning } from './doctor_state.ts';
import { shell } from './welcome.ts';

export type Show = (
  unit: string,
  properties: readonly string[],
) => Promise<{ value: Readonly<Record<string, string>> } | { value: null; why: string }>;

const UNIT = 'deckhand.service';
const TITLE = 'Service';
const FOLDER = `/etc/systemd/system/${UNIT}.d`;
const LXC = 'zzz-lxc-service.conf';

/** What the shipped unit says, as systemd prints it; the tests hold it to the file. */
export const SHIPPED: Readonly<Record<string, string>> = {
  NoNewPrivileges: 'yes',
  ProtectSystem: 'strict',
  ProtectHome: 'yes',
  PrivateTmp: 'yes',
  PrivateDevices: 'yes',
  ProtectKernelTunables: 'yes',
  ProtectKernelModules: 'yes',
  ProtectKernelLogs: 'yes',
  ProtectControlGroups: 'yes',
  ProtectClock: 'yes',
  ProtectHostname: 'yes',
  RestrictRealtime: 'yes',
  RestrictSUIDSGID: 'yes',
  LockPersonality: 'yes',
};

const POWERS: Readonly<Record<string, string>> = {
  cap_net_raw: 'ping',
  cap_kill: 'signals',
  cap_sys_ptrace: 'all-processes',
  cap_dac_read_search: 'all-processes',
};

const ASKED = [
  ...Object.keys(SHIPPED),
  ...['LoadState', 'ActiveState', 'User', 'DropInPaths', 'NeedDaemonReload', 'WatchdogUSec', 'CapabilityBoundingSet'],
  ...['SupplementaryGroups', 'ReadWritePaths', 'LoadCredential', 'MemoryMax', 'ProtectProc', 'SystemCallFilter'],
];

/** `settings`: to see which credentials they name. */
export async function unitChecks(settings: object, show: Show): Promise<Check[]> {
  const asked = await show(UNIT, ASKED);
  // No systemd, or nobody to ask it: then no unit of ours runs here, or this is not the place to see it.
  if (asked.value === null || asked.value.LoadState !== 'loaded') return [];
  const unit = asked.value;
  const checks = [...resets(unit), ...powers(unit), ...watchdog(unit), ...credentials(unit, settings)];
  if (unit.NeedDaemonReload === 'yes')
    checks.push(
      warning(
        'unit.reload',
        TITLE,
        'its files were changed, and systemd goes by the old ones.',
        `sudo systemctl daemon-reload && sudo systemctl restart ${UNIT}`,
      ),
    );
  if (!checks.some((c) => c.severity === 'warning'))
    checks.push(ok('unit', TITLE, `${UNIT}, ${unit.ActiveState}, hardened as it was shipped; watchdog on.`));
  return checks;
}

type Unit = Readonly<Record<string, string>>;

const dropIn = (name: string, lines: readonly string[]): string =>
  `printf '%s\\n' '[Service]' ${lines.map(shell).join(' ')} | sudo install -D -m 644 /dev/stdin ${FOLDER}/${name} && sudo systemctl daemon-reload && sudo systemctl restart ${UNIT}`;

function resets(unit: Unit): Check[] {
  // A property that this systemd does not know is not printed, and was not taken back.
  const lost = Object.entries(SHIPPED).filter(([name, said]) => unit[name] !== undefined && unit[name] !== said);
  const lines = lost.map(([name, said]) => `${name}=${said}`);
  const told = lost.map(([name]) => `${name}=${unit[name]}`);
  if (unit.User !== undefined && (unit.User === '' || unit.User === 'root')) {
    told.push('User=root');
    lines.push('User=deckhand');
  }
  if (unit.SystemCallFilter === '') {
    told.push('SystemCallFilter=');
    lines.push('SystemCallFilter=@system-service', 'SystemCallFilter=~@privileged @resources');
  }
  if (unit.MemoryMax === 'infinity') {
    told.push('MemoryMax=infinity');
    lines.push('MemoryMax=512M');
  }
  if (lines.length === 0) return [];
  const lxc = (unit.DropInPaths ?? '').split(' ').find((path) => path.endsWith(`/${LXC}`));
  const by =
    lxc === undefined
      ? `one of ${unit.DropInPaths || 'its files'}`
      : `${lxc}, with which this container's template takes it from every service (without nesting they would not start)`;
  const nesting = lxc === undefined ? '' : 'on the Proxmox node: pct set CTID --features nesting=1; then here: ';
  // Drop-ins count by their names, wherever they lie: this one comes after the template's.
  return [
    warning(
      'unit.reset',
      TITLE,
      `less is forbidden than ${UNIT} was shipped with: ${told.join(', ')}. By ${by}.`,
      `${nesting}${dropIn('zzzz-hardening.conf', lines)}`,
    ),
  ];
}

function powers(unit: Unit): Check[] {
  const caps = (unit.CapabilityBoundingSet ?? '').split(' ').filter((c) => c !== '');
  const groups = (unit.SupplementaryGroups ?? '').split(' ');
  const paths = (unit.ReadWritePaths ?? '').split(' ').filter((p) => p !== '');
  const given = new Set(caps.flatMap((c) => POWERS[c] ?? []));
  if (groups.includes('docker')) given.add('docker');
  for (const path of paths) given.add(`write=${path.replace(/^[-+]+/, '')}`);
  const other = caps.filter((c) => POWERS[c] === undefined);
  const checks: Check[] = [];
  if (other.length > 0)
    checks.push(
      warning(
        'unit.powers',
        TITLE,
        `it may have ${other.length > 5 ? `${other.length} capabilities` : other.join(', ')} that no power of ours needs.`,
        `systemctl cat ${UNIT}: take CapabilityBoundingSet= out of the drop-in that gives them`,
      ),
    );
  const docker = given.has('docker') ? ' The group docker is root.' : '';
  const list = [...given].join(', ') || 'none';
  checks.push(
    note(
      'unit.given',
      'Powers',
      `${list}.${docker}`,
      given.size > 0 ? `to take one back: sudo rm ${FOLDER}/50-NAME.conf, daemon-reload, restart ${UNIT}` : null,
    ),
  );
  return checks;
}

function watchdog(unit: Unit): Check[] {
  if (unit.WatchdogUSec !== '0' && unit.WatchdogUSec !== 'infinity') return [];
  return [
    warning(
      'unit.watchdog',
      TITLE,
      'its watchdog is off: a Deckhand that hangs stays as it is until a person sees it.',
      dropIn('60-watchdog.conf', ['WatchdogSec=30']),
    ),
  ];
}

const NAMED = /\/run\/credentials\/deckhand\.service\/([\w.@-]+)/g;

function credentials(unit: Unit, settings: object): Check[] {
  const named = new Set([...JSON.stringify(settings).matchAll(NAMED)].map((m) => m[1] as string));
  const passed = (unit.LoadCredential ?? '').split(/[ \n]/).map((entry) => entry.split(':')[0]);
  const missing = [...named].filter((name) => !passed.includes(name));
  if (missing.length === 0) return [];
  const lxc = (unit.DropInPaths ?? '').includes(LXC);
  return [
    warning(
      'unit.credentials',
      TITLE,
      `the settings name credentials that it is not given: ${missing.join(', ')}.${lxc ? ` ${LXC} of this container's template takes them from every service: a file of mode 0600 is the way out.` : ''}`,
      lxc
        ? `sudo install -m 600 -o deckhand /etc/deckhand/${missing[0]} /var/lib/deckhand/${missing[0]}, and name that path in config.yaml`
        : dropIn(
            '50-credentials.conf',
            missing.map((name) => `LoadCredential=${name}:/etc/deckhand/${name}`),
          ),
    ),
  ];
}
