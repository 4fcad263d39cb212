/** The words of `deckhand audit …`: a part of the table in commands.ts, with its rule that nothing is loaded for it. */
import type { Command, Option } from './commands.ts';

const json = (text: string): Option => ({ name: 'json', kind: 'boolean', text });

const SINCE: Option = {
  name: 'since',
  kind: 'value',
  value: 'TIME',
  text: 'From 2h, 3d … ago, 2026-11-21, or RFC 3339.',
};
const UNTIL: Option = { name: 'until', kind: 'value', value: 'TIME', text: 'Up to then; written as --since.' };
const filter = (name: string, text: string): Option => ({ name, kind: 'value', value: name.toUpperCase(), text });

export const AUDIT_COMMANDS: readonly Command[] = [
  {
    name: 'audit tail',
    usage: '',
    summary: 'Print the last records of the audit.',
    options: [
      { name: 'lines', short: 'n', kind: 'value', value: 'N', text: 'So many; 10 by default.' },
      { name: 'follow', short: 'f', kind: 'boolean', text: 'Go on with what is written from now on.' },
      json('One record a line, as JSON with the file it stands in.'),
    ],
    examples: ['deckhand audit tail -n 50', 'sudo deckhand audit tail --follow --state-dir /var/lib/deckhand'],
  },
  {
    name: 'audit search',
    usage: '',
    summary: 'Search the audit: who did what, and how it ended. Newest first.',
    details: 'Works beside running servers and without any, and changes nothing; so do tail, verify and export.',
    options: [
      SINCE,
      UNTIL,
      filter('who', 'Principal, whole: stdio:0, cli:0, token:laptop.'),
      filter('tool', 'Tool, whole.'),
      filter('event', 'call, intent, late, work, refused, security, token, approval, unfinished, start, stop, gap.'),
      filter('outcome', 'done, pending, running or an error code.'),
      filter('risk', 'read, sensitive, change or destroy.'),
      filter('target', 'Part of a target, e.g. unit:nginx.'),
      filter('call', 'Correlation id, as errors and logs name it.'),
      filter('text', 'Part of any value, in any case.'),
      { name: 'limit', kind: 'value', value: 'N', text: 'So many at most; 50 by default.' },
      { name: 'oldest', kind: 'boolean', text: 'Oldest first.' },
      { name: 'from', kind: 'value', value: 'PLACE', text: 'Go on where an earlier search stopped: what it printed.' },
      json('One record a line, as JSON with the file it stands in.'),
    ],
    examples: [
      'deckhand audit search --since 2d --risk change',
      'deckhand audit search --event unfinished',
      'deckhand audit search --event security --since 7d',
      'deckhand audit search --call 3f2a9c01b7de',
    ],
  },
  {
    name: 'audit verify',
    usage: '',
    summary: 'Check that nothing in the audit was changed, removed or reordered. Exit code 1 when it was.',
    details:
      'Names file, line and record number of each place. Who can write in the state folder can also write a whole new audit;\n' +
      'heads that were told to the system’s log show that: --heads takes them. docs/audit.md says what it can and cannot show.',
    options: [
      {
        name: 'heads',
        kind: 'value',
        value: 'FILE',
        text: 'Lines with heads, from a syslog file or the journal; - is standard input.',
      },
      json('As JSON.'),
    ],
    examples: ['deckhand audit verify', 'journalctl -t deckhand -o cat | deckhand audit verify --heads -'],
  },
  {
    name: 'audit export',
    usage: '',
    summary: 'Print all records as JSON lines, oldest first, with their hashes; the heads in the last line.',
    options: [SINCE, UNTIL],
    examples: ['deckhand audit export --since 30d | gzip > audit.jsonl.gz'],
  },
];
