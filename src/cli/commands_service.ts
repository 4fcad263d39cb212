/** The words of `deckhand service …`: a part of the table in commands.ts, with its rule that nothing is loaded for it. */
import type { Command, Option } from './commands.ts';

export type ServiceCommand =
  | 'service install'
  | 'service status'
  | 'service upgrade'
  | 'service rollback'
  | 'service uninstall';

const json = (text: string): Option => ({ name: 'json', kind: 'boolean', text });
const dry: Option = { name: 'dry-run', kind: 'boolean', text: 'Say what would be done, and change nothing.' };

export const SERVICE_COMMANDS: readonly Command[] = [
  {
    name: 'service install',
    usage: '',
    summary: 'Make Deckhand a systemd service on this host.',
    details:
      'Run by root from an unpacked release (its install.sh does that). Puts the version below /opt/deckhand, units below\n' +
      '/etc/systemd/system, makes the user deckhand, and waits until the service answers. Run again it changes nothing, or what\n' +
      'differs; with a newer release it is an upgrade.',
    options: [
      {
        name: 'allow',
        kind: 'list',
        value: 'POWER',
        text: 'ping, docker, signals, all-processes, write=/PATH; repeatable. Without it as before; none takes all away.',
      },
      {
        name: 'listen',
        kind: 'value',
        value: 'ADDRESS:PORT',
        text: 'For systemd’s socket; by default http.host and http.port of the config. `config` goes back to those.',
      },
      { name: 'no-start', kind: 'boolean', text: 'Enable it for the next boot only.' },
      dry,
      json('As JSON: version, address, powers, steps.'),
    ],
    examples: ['sudo deckhand service install --allow ping', 'sudo deckhand service install --dry-run'],
  },
  {
    name: 'service status',
    usage: '',
    summary: 'Say what is installed, whether it runs, and what differs from how it was installed.',
    details:
      'Exit code 1 when it does not answer or something differs. As root it also checks every file of the version.',
    options: [json('As JSON, one object.')],
  },
  {
    name: 'service upgrade',
    usage: '',
    summary: 'Move the service to another version, and back where it does not come up.',
    details:
      'The tarball is checked whole, and the new version tried, before anything is stopped. The store is copied first. Calls\n' +
      'that come during the restart wait in systemd’s socket. The version before, and one more, are kept.',
    options: [
      { name: 'from', kind: 'value', value: 'FILE', text: 'The release tarball: deckhand-VERSION-linux-ARCH.tar.gz.' },
      {
        name: 'sha256',
        kind: 'value',
        value: 'HEX',
        text: 'What was published for it; by default read from SHA256SUMS beside the file.',
      },
      { name: 'downgrade', kind: 'boolean', text: 'Also to an older version.' },
      dry,
      json('As JSON: from, version, changed.'),
    ],
    examples: ['sudo deckhand service upgrade --from deckhand-0.2.0-linux-x64.tar.gz'],
  },
  {
    name: 'service rollback',
    usage: '',
    summary: 'Move the service back to the version before.',
    options: [
      { name: 'to', kind: 'value', value: 'VERSION', text: 'Another one that is kept (service status).' },
      {
        name: 'restore-store',
        kind: 'boolean',
        text: 'Where the older version cannot read the store: put back the copy from before the upgrade.',
      },
      json('As JSON: from, version.'),
    ],
  },
  {
    name: 'service uninstall',
    usage: '',
    summary: 'Remove the service and all its versions; the state stays unless --purge.',
    options: [
      {
        name: 'purge',
        kind: 'boolean',
        text: 'Also /var/lib/deckhand, /etc/deckhand and the user. Nothing of them is kept.',
      },
      { name: 'yes', kind: 'boolean', text: 'Do not ask.' },
      json('As JSON: what stays.'),
    ],
  },
];
