/** Causes of a unit that lie in how it stands with systemd: before any word of its program. */
import { ago, bytes, duration } from '../core/text.ts';
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
import type { ServiceCause } from './service_exit.ts';
import { deniedIn, oomVictim, skippedIn } from './unit_said.ts';

const is = (f: UnitSeen, ...causes: ServiceCause[]): boolean => f.exit !== null && causes.includes(f.exit.cause);
/** A loop, too, ends for a reason: that of its last end. */
const short = (f: UnitSeen): string => f.exit?.short ?? '';
const manager = (f: UnitSeen, words: RegExp): string[] =>
  (f.log ?? [])
    .filter((s) => s.manager && words.test(s.text))
    .slice(-1)
    .map(line);

export const UNIT_STANDING: readonly UnitCauseRow[] = [
  {
    id: 'unit_masked',
    when: 'it is masked',
    sentence: 'Somebody has masked it, so that nothing can start it.',
    next: 'systemctl unmask {UNIT}',
    test: (f) =>
      f.u.load === 'masked' ? { certainty: 'certain', evidence: [`file ${f.u.fileState ?? 'masked'}`] } : null,
  },
  {
    id: 'unit_file_broken',
    when: 'systemd could not load its file',
    sentence: 'Its unit file cannot be used: systemd says what is wrong in it.',
    next: 'systemd-analyze verify {PATH}',
    test: (f) =>
      f.u.load === 'bad-setting' || f.u.load === 'error'
        ? {
            certainty: 'certain',
            evidence: [f.u.loadError ?? f.u.load, ...manager(f, /unknown|ignoring|failed to parse|lacks|invalid/i)],
            words: { PATH: f.u.fragmentPath ?? f.u.name },
          }
        : null,
  },
  {
    id: 'unit_dependency_failed',
    when: 'a unit that it requires failed, or is not there',
    sentence: 'A unit that it cannot do without is down.',
    next: 'diagnose {"problem":"down","target":"unit:{OTHER}"}',
    test: (f) => {
      const [first, ...more] = f.u.failedDependencies;
      if (!f.down || !first) return null;
      const evidence = [first, ...more]
        .slice(0, 4)
        .map(
          (d) =>
            `${d.name} (${d.by}=): ${d.load === 'loaded' ? d.active : d.load}${d.result && d.result !== 'success' ? `, ${d.result}` : ''}`,
        );
      const gone = first.load !== 'loaded';
      return { certainty: 'certain', evidence, words: { OTHER: first.name }, ...(gone ? { next: STATUS } : {}) };
    },
  },
  {
    id: 'condition_not_met',
    when: 'systemd skipped its start for a Condition…= line of its file',
    sentence: 'A condition of its file is not met, so systemd skips its start; that is no failure.',
    next: 'service_status {"unit":"{UNIT}","files":true}',
    test: (f) => {
      const said = (f.log ?? []).filter((s) => s.manager && skippedIn(s.text)).at(-1);
      const newest = (f.log ?? []).filter((s) => s.manager && /\b(?:Starting|Started)\b/.test(s.text)).at(-1);
      const stands = f.u.skipped !== null || (said !== undefined && said.atMs >= (newest?.atMs ?? 0));
      return f.u.active === 'inactive' && stands
        ? { certainty: 'certain', evidence: said ? [line(said)] : ['ConditionResult=no'] }
        : null;
    },
  },
  {
    id: 'unit_restart_loop',
    when: 'systemd starts it again and again, or has given up doing so',
    sentence: 'It ends soon after each start, and systemd starts it again.',
    next: LOG_CALL,
    test: (f) => {
      if (!f.loop) return null;
      const limit = f.u.startLimit ? ` (limit ${f.u.startLimit.burst} in ${duration(f.u.startLimit.intervalMs)})` : '';
      const gave = is(f, 'start_limit');
      return {
        certainty: 'certain',
        evidence: [
          `${f.u.restarts ?? 'unknown'} restarts, Restart=${f.u.restart ?? '?'}${limit}`,
          ...ended(f),
          ...telling(f),
        ],
        ...(gave
          ? {
              sentence:
                'It ended soon after each start, and systemd has given up: it does not start it again by itself.',
            }
          : {}),
      };
    },
  },
  {
    id: 'unit_oom_killed',
    when: 'systemd or the kernel says so; likely where it got SIGKILL and has a memory limit',
    sentence: 'It was killed for want of memory.',
    next: 'service_list {"sort":"memory"}',
    test: (f) => {
      if (!f.down) return null;
      const limit = f.u.memoryLimitBytes;
      const of = limit === null ? 'no memory limit of its own' : `MemoryMax ${bytes(limit)}`;
      const kernel = (f.kernel ?? [])
        .filter((k) => oomVictim(k.text, { unit: f.u.name, pid: null }))
        .slice(-1)
        .map(line);
      if (f.u.result === 'oom-kill' || kernel.length > 0)
        return { certainty: 'certain', evidence: [of, ...ended(f), ...kernel] };
      const killed = f.u.exit?.how === 'killed' && f.u.exit.status === 9 && f.u.result !== 'timeout';
      // A shell tells the signal of its child as its own code.
      const inner = f.u.exit?.how === 'exited' && f.u.exit.status === 137;
      if (!killed && !inner) return null;
      const sentence = 'It may have been killed for want of memory: it got SIGKILL, and nobody says who sent it.';
      return { certainty: limit === null ? 'possible' : 'likely', evidence: [of, ...ended(f)], sentence };
    },
  },
  {
    id: 'unit_watchdog',
    when: 'it gave no sign of life within WatchdogSec=',
    sentence:
      'It ran, but gave no sign of life within its WatchdogSec=, and systemd ended it: it hung, or was starved.',
    next: 'diagnose {"problem":"slow"}',
    test: (f) =>
      f.down && (is(f, 'watchdog') || f.u.result === 'watchdog')
        ? { certainty: 'certain', evidence: [...ended(f), ...manager(f, /watchdog/i), ...telling(f)] }
        : null,
  },
  {
    id: 'unit_timed_out',
    when: 'it did not start, or stop, within its time',
    sentence: 'It did not come up, or did not stop, within its time, and systemd ended it.',
    next: LOG_CALL,
    test: (f) => {
      if (!f.down || f.u.result !== 'timeout') return null;
      const notify = f.u.serviceType?.startsWith('notify')
        ? { sentence: 'It never told systemd that it is ready (Type=notify), and was ended when its time was over.' }
        : {};
      return {
        certainty: 'certain',
        evidence: [...ended(f), ...manager(f, /timed out|timeout/i), ...telling(f)],
        ...notify,
      };
    },
  },
  {
    id: 'program_missing',
    when: 'systemd could not execute its program (203/EXEC): not there, or its interpreter',
    sentence: 'Its program, or the interpreter that its script names, is not there or cannot be executed.',
    next: 'service_status {"unit":"{UNIT}","files":true}',
    test: (f) => {
      if (!f.down || f.u.exit?.status !== 203 || f.u.exit.how !== 'exited') return null;
      const there = programThere(f);
      if ((f.log ?? []).some((s) => s.manager && deniedIn(s.text)) || there?.executable === false) return null;
      const evidence = [`program ${f.u.program ?? '?'}`, ...ended(f), ...manager(f, /exec|locate/i)];
      const sentence =
        'Its program is there and may be executed, so it is the interpreter in its first line that is missing, or it was built for another machine.';
      return there ? { certainty: 'likely', evidence, sentence } : { certainty: 'certain', evidence };
    },
  },
  {
    id: 'unit_user_missing',
    when: 'systemd could not take its user or group (216, 217)',
    sentence: 'The user or group that it is to run as does not exist.',
    next: 'service_status {"unit":"{UNIT}","files":true}',
    test: (f) =>
      f.down && /^21[67]\//.test(lastShort(f))
        ? {
            certainty: 'certain',
            evidence: [`user ${f.u.user ?? 'root'}`, ...ended(f), ...manager(f, /user|group|credentials/i)],
          }
        : null,
  },
  {
    id: 'unit_not_set_up',
    when: 'systemd could not set up what its file asks for (200 to 245): its folder, namespace, limits',
    sentence: 'systemd could not set up what its file asks for, before its program was reached.',
    next: 'service_status {"unit":"{UNIT}","files":true}',
    test: (f) => {
      if (!f.down || !is(f, 'not_started', 'resources', 'start_limit')) return null;
      const code = lastShort(f);
      if (is(f, 'start_limit') && !/^2\d\d\//.test(code)) return null;
      if (/^(?:203|216|217)\//.test(code)) return null;
      return {
        certainty: 'certain',
        evidence: [...ended(f), ...manager(f, /failed/i)],
        ...(f.exit ? { sentence: f.exit.reason } : {}),
      };
    },
  },
];

/** `gave up: 203/EXEC` ends as `203/EXEC`. */
const lastShort = (f: UnitSeen): string => short(f).replace(/^gave up: /, '');

/** What starts it, or does not. */
export const UNIT_STARTERS: readonly UnitCauseRow[] = [
  {
    id: 'timer_dead',
    when: 'a timer that is enabled does not wait: it, or what it starts, is asked about',
    sentence: 'The timer that is to start it does not wait: it is down itself.',
    next: 'service_control {"unit":"{TIMER}","action":"start"}',
    test: (f) => {
      const self =
        f.u.type === 'timer' && f.u.active === 'inactive' && f.u.fileState === 'enabled' && !f.u.skipped ? f.u : null;
      const dead =
        self ??
        (f.down
          ? (f.starters ?? []).find((s) => s.type === 'timer' && s.active === 'inactive' && !s.skipped)
          : undefined);
      if (!dead) return null;
      const evidence = [`${dead.name}: ${dead.active}, file ${dead.fileState ?? 'none'}`];
      const sentence = self
        ? 'It is enabled, and does not wait: what it is to start will not run until it is started.'
        : undefined;
      return {
        certainty: self ? 'certain' : 'likely',
        evidence,
        words: { TIMER: dead.name },
        ...(sentence ? { sentence } : {}),
      };
    },
  },
  {
    id: 'timer_job_failed',
    when: 'a timer waits, and the last run of what it starts failed',
    sentence: 'The timer itself is well; the last run of what it starts failed.',
    next: 'diagnose {"problem":"down","target":"unit:{OTHER}"}',
    test: (f) => {
      const { job } = f;
      if (f.u.type !== 'timer' || !job || job.active !== 'failed') return null;
      return {
        certainty: 'certain',
        evidence: [
          `${job.name}: ${job.result ?? 'failed'}${job.exit ? ` (${job.exit.how} ${job.exit.status}, ${ago(job.exit.atMs, f.nowMs)})` : ''}`,
        ],
        words: { OTHER: job.name },
      };
    },
  },
  {
    id: 'not_enabled',
    when: 'it was not started since the boot, and its file is disabled',
    sentence: 'Nobody has started it since the boot, and it is not enabled: nothing will.',
    next: 'service_control {"unit":"{UNIT}","action":"enable"}',
    last: true,
    test: (f) =>
      f.u.active === 'inactive' && f.u.fileState === 'disabled' && f.u.startedAtMs.value === null && !spoke(f)
        ? { certainty: 'likely', evidence: ['file disabled, never active since the boot'] }
        : null,
  },
];

const spoke = (f: UnitSeen): boolean => (f.log ?? []).length > 0;

export { START };
