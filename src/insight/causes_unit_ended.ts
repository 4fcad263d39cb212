/** Causes of a unit that its program's own words or end tell, and how it stands where nothing is wrong. */
import { ago, duration } from '../core/text.ts';
import {
  ended,
  LOG_CALL,
  line,
  programThere,
  START,
  STATUS,
  telling,
  type UnitCauseRow,
  type UnitSeen,
} from './causes_unit_seen.ts';
import { UNIT_STARTERS } from './causes_unit_standing.ts';
import type { CauseHit } from './diagnose.ts';
import { deniedIn, portNamed, type UnitTrouble } from './unit_said.ts';

const MOST_LINES = 2;
/** So long before its end a change may be why. */
const RECENT_MS = 3_600_000;

/** Its own log tells of it: the very lines. */
function told(f: UnitSeen, trouble: UnitTrouble): CauseHit | null {
  if (!f.down && f.u.active !== 'reloading') return null;
  const lines = f.troubles.filter((t) => t.trouble === trouble).map((t) => t.said);
  if (lines.length === 0) return null;
  return { certainty: 'likely', evidence: [...lines.slice(-MOST_LINES).map(line), ...ended(f)] };
}

const said = (id: string, trouble: UnitTrouble, when: string, sentence: string, next: string): UnitCauseRow => ({
  id,
  when: `it is down, and its log tells of ${when}`,
  sentence,
  next,
  test: (f) => told(f, trouble),
});

export const UNIT_SAID: readonly UnitCauseRow[] = [
  {
    ...said(
      'unit_port_taken',
      'port_in_use',
      'an address in use',
      'A port that it wants is taken by another process.',
      'ss -ltnp | grep :{PORT}',
    ),
    test: (f) => {
      const hit = told(f, 'port_in_use');
      const port = f.troubles
        .filter((t) => t.trouble === 'port_in_use')
        .map((t) => portNamed(t.said.text))
        .find((p) => p !== null);
      if (!hit) return null;
      return port === undefined
        ? { ...hit, next: 'ss -ltnp' }
        : {
            ...hit,
            sentence: `Port ${port}, which it wants, is taken by another process.`,
            words: { PORT: String(port) },
          };
    },
  },
  said(
    'config_error',
    'config_error',
    'a syntax error or a setting that it does not know',
    'Its configuration is wrong: its own line says where.',
    LOG_CALL,
  ),
  {
    ...said(
      'unit_disk_full',
      'disk_full',
      'no space left',
      'It could not write: a disk is full.',
      'diagnose {"problem":"disk_full"}',
    ),
    test: (f) => {
      const hit = told(f, 'disk_full');
      return (
        hit && {
          ...hit,
          evidence: [...hit.evidence, ...(f.full ?? []).slice(0, 2)],
          certainty: f.full?.length ? 'certain' : 'likely',
        }
      );
    },
  },
  {
    ...said(
      'unit_permission_denied',
      'permission_denied',
      'a permission denied or a read-only file system',
      'It may not use something that it wants: a file of another owner, a port below 1024, or what its sandbox forbids.',
      'service_status {"unit":"{UNIT}","files":true}',
    ),
    test: (f) => {
      const exec = f.down && (f.log ?? []).filter((s) => s.manager && deniedIn(s.text)).slice(-1);
      const mode =
        f.down && f.u.exit?.status === 203 && programThere(f)?.executable === false
          ? [`${f.u.program} is not executable`]
          : [];
      if (exec && exec.length + mode.length > 0 && f.u.exit?.how === 'exited' && f.u.exit.status >= 200)
        return {
          certainty: 'certain',
          evidence: [...exec.map(line), ...mode, ...ended(f)],
          sentence:
            'systemd may not execute its program, or not enter its folder: its permissions, or those of a folder above it, forbid that.',
        };
      return told(f, 'permission_denied');
    },
  },
  said(
    'file_missing',
    'file_missing',
    'a file or a library that is not there',
    'Something that it needs is not there: a file, a folder, a library.',
    LOG_CALL,
  ),
  said(
    'unit_out_of_memory_inside',
    'out_of_memory',
    'no more memory',
    'Its program ran out of memory by its own count.',
    'service_status {"unit":"{UNIT}"}',
  ),
  said(
    'cannot_connect',
    'cannot_connect',
    'refused connections or names that are not known',
    'It could not reach something that it needs: a database, a server, a name.',
    LOG_CALL,
  ),
  {
    id: 'unit_crashed',
    when: 'a signal of a crash ended it (SIGSEGV, SIGABRT …), or it left a core dump',
    sentence: 'Its program crashed.',
    next: 'coredumpctl info {UNIT}',
    test: (f) => {
      if (!f.down || f.u.result === 'watchdog' || f.u.result === 'timeout' || f.u.result === 'oom-kill') return null;
      const { exit } = f.u;
      const crash =
        exit !== null &&
        (exit.how === 'dumped' || (exit.how === 'killed' && [3, 4, 5, 6, 7, 8, 11, 31].includes(exit.status)));
      const sentence = f.exit?.cause === 'start_limit' ? undefined : f.exit?.reason;
      return crash
        ? { certainty: 'certain', evidence: [...ended(f), ...telling(f)], ...(sentence ? { sentence } : {}) }
        : null;
    },
  },
  {
    id: 'unit_killed',
    when: 'another signal ended it, and systemd counts that as a failure',
    sentence: 'A signal ended it.',
    next: LOG_CALL,
    test: (f) =>
      f.down &&
      f.u.result === 'signal' &&
      f.u.exit?.how === 'killed' &&
      ![3, 4, 5, 6, 7, 8, 11, 31].includes(f.u.exit.status)
        ? {
            certainty: 'likely',
            evidence: [...ended(f), ...telling(f)],
            ...(f.exit && f.exit.cause !== 'start_limit' ? { sentence: f.exit.reason } : {}),
          }
        : null,
  },
  {
    id: 'recently_changed',
    when: 'its file or its program was changed in the hour before it failed, or its file since systemd read it',
    sentence: 'Its file or its program was changed shortly before it failed.',
    next: 'service_status {"unit":"{UNIT}","files":true}',
    test: (f) => {
      if (!f.down) return null;
      const at = f.u.exit?.atMs ?? f.u.sinceMs.value;
      const near =
        at === null || at === undefined || f.u.active !== 'failed'
          ? []
          : (f.changed ?? []).filter((c) => c.atMs <= at + 1_000 && at - c.atMs <= RECENT_MS);
      const [first] = near;
      if (!first && !f.u.needsReload) return null;
      const stale = f.u.needsReload
        ? ['its file changed on the disk, and systemd still has the old one (systemctl daemon-reload)']
        : [];
      return {
        certainty: 'possible',
        evidence: [
          ...stale,
          ...near
            .slice(0, 2)
            .map(
              (c) =>
                `${c.path} changed ${ago(c.atMs, f.nowMs)}${at ? `, ${duration(Math.max(0, at - c.atMs))} before` : ''}`,
            ),
        ],
      };
    },
  },
  {
    id: 'unit_protocol',
    when: 'it did not do what its Type= promises (ready, PID file)',
    sentence: 'It did not do what its Type= promises: report that it is ready, or write its PID file.',
    next: 'service_status {"unit":"{UNIT}","files":true}',
    test: (f) =>
      f.down && f.u.result === 'protocol' ? { certainty: 'certain', evidence: [...ended(f), ...telling(f)] } : null,
  },
  {
    id: 'unit_exit_error',
    when: 'its program, or a command beside it, ended with any other code but 0',
    sentence: 'Its own program ended with an error: its log says which.',
    next: LOG_CALL,
    test: (f) => {
      if (
        !f.down ||
        f.u.result !== 'exit-code' ||
        (f.u.exit?.how === 'exited' && f.u.exit.status >= 200 && f.exit?.cause === 'not_started')
      )
        return null;
      if (f.u.exit?.status === 203) return null;
      const sentence = f.exit?.cause === 'exit_code' ? f.exit.reason : undefined;
      return { certainty: 'likely', evidence: [...ended(f), ...telling(f)], ...(sentence ? { sentence } : {}) };
    },
  },
];

/** Asked where nothing above is at least likely. */
export const UNIT_LAST: readonly UnitCauseRow[] = [
  {
    id: 'waits_for_its_trigger',
    last: true,
    when: 'a timer, socket or path unit waits for it, and its last run was no failure',
    sentence: 'It is not to run now: what starts it waits.',
    next: STATUS,
    test: (f) => {
      const waits = (f.starters ?? []).filter((s) => s.active === 'active').map((s) => s.name);
      return !f.down && f.u.active === 'inactive' && waits.length > 0
        ? { certainty: 'certain', evidence: waits.map((w) => `${w} waits`) }
        : null;
    },
  },
  {
    id: 'unit_stopped',
    last: true,
    when: 'it is down without a failure, and ran before',
    sentence: 'It was stopped, or ended by itself without a failure.',
    next: START,
    test: (f) => {
      if (!f.down || f.u.active !== 'inactive' || f.u.load !== 'loaded') return null;
      const stop = (f.log ?? []).filter((s) => s.manager && /\bStopp(?:ing|ed)\b/.test(s.text)).at(-1);
      const ran =
        stop ?? (f.log ?? []).filter((s) => s.manager && /Deactivated successfully|Finished/.test(s.text)).at(-1);
      if (!ran && f.u.exit === null) return null;
      return {
        certainty: ran ? 'likely' : 'possible',
        evidence: [...(ran ? [line(ran)] : []), ...ended(f)],
        ...(stop ? { sentence: 'It was stopped on request: that is no fault.' } : {}),
      };
    },
  },
  {
    id: 'starting',
    last: true,
    when: 'it is just starting',
    sentence: 'It is just starting, and has not said yet that it is ready.',
    next: STATUS,
    test: (f) =>
      f.u.active === 'activating' && !f.loop ? { certainty: 'certain', evidence: [`activating (${f.u.sub})`] } : null,
  },
  {
    id: 'not_down',
    last: true,
    when: 'it runs, and nothing above is at least likely',
    sentence: 'It runs, and systemd sees nothing wrong with it.',
    next: 'log_query {"source":["unit:{UNIT}"],"since":"1h","level":"error"}',
    test: (f) => {
      if (f.u.active !== 'active' && f.u.active !== 'reloading') return null;
      const at = f.u.startedAtMs.value;
      return {
        certainty: 'certain',
        evidence: [`${f.u.active} (${f.u.sub})${at === null ? '' : `, up for ${duration(f.nowMs - at)}`}`],
      };
    },
  },
  {
    id: 'unknown',
    last: true,
    when: 'it is down, and nothing above fits',
    sentence: 'It is down, and nothing that systemd still knows says why.',
    next: LOG_CALL,
    test: (f) => {
      const known = [...UNIT_STARTERS, ...UNIT_LAST].some(
        (row) => row.last && row.id !== 'unknown' && row.test(f) !== null,
      );
      return f.down && !known ? { certainty: 'possible', evidence: [...ended(f), ...telling(f)] } : null;
    },
  },
];
