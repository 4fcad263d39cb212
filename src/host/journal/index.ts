/**
 * The journal, asked through `journalctl`: fixed options, its export format, never a pager, and what is asked for checked against its
 * grammar, so that no word of a caller is an option or a pattern. Decides how entries are found fast (by time, from the end, behind a
 * cursor) and when reading stops; what lines mean is insight's.
 */
import { readdir, stat } from 'node:fs/promises';
import { OpsError } from '../../core/errors.ts';
import type { Bounded, Reading } from '../../core/host.ts';
import type { JournalHost, JournalLine, JournalThere, JournalWindow, Priority } from '../../core/journal.ts';
import { isUnitName } from '../../core/unit_refs.ts';
import { type Exec, type ExecStream, execStream, findBinary, exec as realExec } from '../exec.ts';
import { known, type Root, rootAt, unknown } from '../system/files.ts';
import { exportParser, type RawEntry } from './export.ts';
import { findJournal, type Journal } from './where.ts';

export interface JournalOptions {
  exec?: Exec;
  stream?: ExecStream;
  has?: (binary: 'journalctl') => boolean;
  /** Of journal files elsewhere; absent: the host's. */
  directory?: string;
}

const FIELDS = [
  'MESSAGE',
  'PRIORITY',
  'SYSLOG_IDENTIFIER',
  '_COMM',
  '_PID',
  'SYSLOG_PID',
  '_SYSTEMD_UNIT',
  'UNIT',
] as const;
const WANTED = new Set<string>([...FIELDS, '__CURSOR', '__REALTIME_TIMESTAMP']);
const PLAIN = ['--quiet', '--no-pager'];

/** A reader brings a shorter time of its own; this ends what nobody waits for any more. */
const READ_MS = 120_000;
const FIND_MS = 15_000;
/** As core/source.ts has it; anything else would be found under another name. */
const IDENTIFIER = /^[\w.@-]{1,128}$/;
const CURSOR = /^[a-z]=[0-9a-f]{1,40}(?:;[a-z]=[0-9a-f]{1,40}){0,9}$/;
const MOST_NAMES = 20;
const MOST_FILES = 5_000;

export function journalHost(root: Root = rootAt('/'), o: JournalOptions = {}): JournalHost {
  const exec = o.exec ?? realExec;
  const stream = o.stream ?? execStream;
  const has = o.has ?? ((binary) => findBinary(binary) !== null);
  const look = () => findJournal(root, { has, directory: o.directory });

  const there = (): Journal => {
    const found = look();
    if (found.journal) return found.journal;
    throw new OpsError('unavailable', found.missing.why, { hint: found.missing.fix });
  };

  async function* read(w: JournalWindow) {
    const journal = there();
    const from = [...PLAIN, ...(journal.folder ? [`--directory=${journal.folder}`] : []), ...matches(w)];
    const starts = await beginning(w, from);
    if (starts === null) return { bytesRead: 0, lines: 0, stopped: false };
    const args = [...from, '--output=export', `--output-fields=${FIELDS.join(',')}`, ...starts];
    const parser = exportParser({ wanted: WANTED, maxValueBytes: w.maxLineBytes });
    const chunks = stream({ binary: 'journalctl', args, timeoutMs: READ_MS, ...signalOf(w) });
    let bytesRead = 0;
    let lines = 0;
    try {
      for (;;) {
        const step = await chunks.next();
        if (step.done) {
          if (step.value.code !== 0) refused(step.value.stderr, lines);
          return { bytesRead, lines, stopped: false };
        }
        const room = w.maxBytes - bytesRead;
        const chunk = step.value.length > room ? step.value.subarray(0, room) : step.value;
        bytesRead += chunk.length;
        for (const entry of parser.push(chunk)) {
          const line = lineOf(entry);
          // Behind a cursor it may begin before what was asked for.
          if (w.sinceMs !== undefined && line.atMs < w.sinceMs) continue;
          if (line.cursor === w.afterCursor) continue;
          lines++;
          yield line;
        }
        if (chunk.length < step.value.length) return { bytesRead, lines, stopped: true };
      }
    } finally {
      await chunks.return({ code: null, stderr: '' });
    }
  }

  /** Where it begins and ends, as options; null: there is nothing. */
  async function beginning(w: JournalWindow, from: readonly string[]): Promise<string[] | null> {
    const since = w.sinceMs === undefined ? [] : [`--since=${seconds(w.sinceMs, 0)}`];
    const until = w.untilMs === undefined ? [] : [`--until=${seconds(w.untilMs, 999)}`];
    if (w.afterCursor !== undefined) {
      if (!CURSOR.test(w.afterCursor) || w.tail !== undefined)
        throw new OpsError('validation', 'That is no cursor of the journal.', { hint: 'Leave it out to begin anew.' });
      // --after-cursor would skip the first that matches where the cursor's own entry does not: that one is left out here.
      return [`--cursor=${w.afterCursor}`, ...until];
    }
    if (w.tail === undefined) return [...since, ...until];
    const last = String(Math.max(1, Math.floor(w.tail)));
    if (w.sinceMs === undefined && w.untilMs === undefined) return [`--lines=${last}`];
    // With --since, systemd 252 takes the first ones; with --until it finds nothing. Backwards it is right with both: to the entry where
    // the window begins, without its text.
    const back = ['--reverse', `--lines=${last}`, '--output=cat', '--output-fields=NONE', '--show-cursor'];
    const { code, stdout, stderr } = await exec({
      binary: 'journalctl',
      args: [...from, ...back, ...since, ...until],
      timeoutMs: FIND_MS,
      maxBytes: 4 * 1024 * 1024,
      ...signalOf(w),
    });
    const cursor = /^-- cursor: (\S+)$/m.exec(stdout)?.[1];
    if (cursor !== undefined && CURSOR.test(cursor)) return [`--cursor=${cursor}`, ...until];
    if (code !== 0) refused(stderr, 0);
    return null;
  }

  return {
    available(): Reading<JournalThere> {
      const { journal, missing } = look();
      return journal
        ? known({ manager: 'journald', volatile: journal.volatile })
        : unknown(`${missing.why} ${missing.fix}`);
    },
    read,
    usage: (b) => usage(o.directory ? [o.directory] : [root.of('/var/log/journal'), root.of('/run/log/journal')], b),
  };
}

const signalOf = (w: Bounded) => (w.signal ? { signal: w.signal } : {});

/** `@1763700000.123000`: no zone, no locale. */
const seconds = (ms: number, micros: number): string => {
  const whole = Math.floor(ms);
  return `@${Math.floor(whole / 1_000)}.${String(whole % 1_000).padStart(3, '0')}${String(micros).padStart(3, '0')}`;
};

function matches(w: JournalWindow): string[] {
  const { units = [], identifiers = [] } = w;
  if (units.length + identifiers.length > MOST_NAMES)
    throw new OpsError('limit', `More than ${MOST_NAMES} names at once.`, { hint: 'Ask for fewer.' });
  const wrong = units.find((u) => !isUnitName(u)) ?? identifiers.find((i) => !IDENTIFIER.test(i));
  if (wrong !== undefined)
    throw new OpsError('validation', `${JSON.stringify(wrong.slice(0, 80))} is no name in the journal.`, {
      hint: 'Write a unit with its suffix (nginx.service), or a syslog identifier.',
    });
  return [
    ...units.map((u) => `--unit=${u}`),
    ...identifiers.map((i) => `--identifier=${i}`),
    ...(w.priority === undefined ? [] : [`--priority=${w.priority}`]),
    ...(w.boot === undefined ? [] : [`--boot=${Math.trunc(w.boot)}`]),
    // --dmesg would mean this boot only.
    ...(w.kernel ? ['_TRANSPORT=kernel'] : []),
  ];
}

function refused(stderr: string, lines: number): void {
  if (/No such boot|specified boot/i.test(stderr))
    throw new OpsError('not_found', 'The journal has nothing of that boot.', {
      hint: 'Boots count back from this one: 0, -1, -2 … A journal in memory has only this one.',
    });
  if (/cursor/i.test(stderr))
    throw new OpsError('not_found', 'The journal no longer has what that cursor points to.', {
      hint: 'Leave it out to begin anew.',
    });
  // Where nothing was found some versions end with 1, and say nothing.
  const said = stderr.split('\n').find((l) => l.trim() !== '');
  if (said !== undefined && lines === 0)
    throw new OpsError('unavailable', `journalctl failed: ${said.slice(0, 200)}`, {
      hint: '`journalctl --verify` at the host says more.',
    });
}

function lineOf({ fields, cut }: RawEntry): JournalLine {
  const text = (name: string): string | null => fields.get(name)?.toString('utf8') ?? null;
  const number = (name: string): number | null => {
    const value = fields.get(name)?.toString('latin1') ?? '';
    return /^\d{1,16}$/.test(value) ? Number(value) : null;
  };
  const micros = number('__REALTIME_TIMESTAMP') ?? 0;
  const priority = number('PRIORITY');
  const pid = number('_PID') ?? number('SYSLOG_PID');
  return {
    stream: 'stdout',
    atMs: Math.floor(micros / 1_000),
    nanos: (micros % 1_000) * 1_000,
    text: text('MESSAGE') ?? '',
    cut: cut.has('MESSAGE'),
    // What the manager says of a unit is that unit's.
    unit: (pid === 1 ? text('UNIT') : null) ?? text('_SYSTEMD_UNIT'),
    identifier: text('SYSLOG_IDENTIFIER') ?? text('_COMM'),
    pid,
    priority: priority !== null && priority <= 7 ? (priority as Priority) : null,
    cursor: text('__CURSOR') ?? '',
  };
}

async function usage(folders: readonly string[], { signal }: Bounded = {}): Promise<Reading<number>> {
  let bytes = 0;
  let seen = 0;
  let why: string | null = null;
  for (const folder of folders) {
    let names: string[];
    try {
      names = await readdir(folder, { recursive: true });
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT')
        why = 'This user may not look into the journal’s folder.';
      continue;
    }
    for (const name of names) {
      if (!/\.journal~?$/.test(name)) continue;
      signal?.throwIfAborted();
      if (++seen > MOST_FILES) return unknown(`The journal has more than ${MOST_FILES} files.`);
      bytes += await stat(`${folder}/${name}`).then(
        (s) => s.blocks * 512,
        () => 0,
      );
    }
  }
  if (why !== null) return unknown(why);
  return seen > 0 ? known(bytes) : unknown('No systemd journal is kept here.');
}
