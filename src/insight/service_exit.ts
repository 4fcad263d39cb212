/**
 * Why a unit does not run, in words: from systemd's Result, its main process's end, how often it was restarted and what it needs. Pure.
 * What the program itself said of it stands in its log, which is others' to read: most sentences end there.
 */
import type { Unit } from '../core/services.ts';
import { signalOf } from './container_exit.ts';
import { SYSTEMD_CODES } from './systemd_codes.ts';

export type ServiceCause =
  | 'masked'
  | 'missing'
  | 'bad_file'
  | 'skipped'
  | 'dependency'
  | 'start_limit'
  | 'oom'
  | 'timeout'
  | 'watchdog'
  | 'killed'
  | 'signal'
  | 'core_dump'
  | 'not_started'
  | 'resources'
  | 'protocol'
  | 'exit_code'
  | 'unknown';

export interface ServiceExit {
  cause: ServiceCause;
  /** For a table: `203/EXEC`, `exit 3`, `SIGSEGV`, `OOM-killed`. */
  short: string;
  /** What happened, in a sentence. */
  reason: string;
  next: string;
}

const log = (unit: string) => `Read its log: log_query unit:${unit}.`;
const signal = (n: number) => signalOf(128 + n) ?? `signal ${n}`;

/** Null where nothing is wrong: it runs, or it was ended well, or nobody has started it. */
export function serviceExit(u: Unit): ServiceExit | null {
  if (u.active === 'active' || u.active === 'reloading') return null;
  const unloaded = notLoaded(u);
  if (unloaded) return unloaded;
  // A unit whose start was refused for another's sake is not failed: it never began.
  const [needed] = u.failedDependencies;
  if (needed && u.active === 'inactive')
    return {
      cause: 'dependency',
      short: `needs ${needed.name}`,
      reason: `It cannot start without ${needed.name} (${needed.by}=), which ${standing(needed)}.`,
      next:
        needed.load === 'loaded'
          ? `Look at that one: service_status ${needed.name}.`
          : `Install or unmask ${needed.name}, or take it out of ${u.fragmentPath ?? 'the unit file'}.`,
    };
  if (u.skipped)
    return {
      cause: 'skipped',
      short: 'condition not met',
      reason: 'It was skipped, which is no failure: a Condition…= line of its file was not met.',
      next: `The line is in ${u.fragmentPath ?? 'its unit file'}, or in a drop-in.`,
    };
  const ended = endOf(u);
  const gaveUp = (u.result === 'start-limit-hit' || loopEnded(u)) && u.active === 'failed';
  if (gaveUp) {
    const limit = u.startLimit ? ` (${u.startLimit.burst} within ${u.startLimit.intervalMs / 1000} s)` : '';
    const each = ended && u.result !== 'start-limit-hit' ? ` Each time: ${ended.reason}` : '';
    return {
      cause: 'start_limit',
      short: ended ? `gave up: ${ended.short}` : 'started too often',
      reason: `systemd gave up after too many starts${limit}.${each}`,
      next: `${ended && u.result !== 'start-limit-hit' ? ended.next : log(u.name)} Then \`systemctl reset-failed ${u.name}\` and start it.`,
    };
  }
  if (ended && u.sub === 'auto-restart')
    return {
      ...ended,
      reason: `${ended.reason} systemd starts it again (${u.restarts ?? 'unknown'} restarts so far).`,
    };
  if (u.active === 'failed' || u.sub === 'auto-restart')
    return (
      ended ?? {
        cause: 'unknown',
        short: 'failed',
        reason: `systemd says only that it failed (${u.result ?? 'no result'}).`,
        next: log(u.name),
      }
    );
  return null;
}

function notLoaded(u: Unit): ServiceExit | null {
  if (u.load === 'masked')
    return {
      cause: 'masked',
      short: 'masked',
      reason: 'Somebody has masked it, so that nothing can start it.',
      next: `\`systemctl unmask ${u.name}\` allows it again.`,
    };
  if (u.load === 'not-found')
    return {
      cause: 'missing',
      short: 'no such unit',
      reason: 'systemd knows no unit of this name.',
      next: 'service_list shows the names there are.',
    };
  if (u.load === 'bad-setting' || u.load === 'error')
    return {
      cause: 'bad_file',
      short: u.load,
      reason: `Its file cannot be used${u.loadError ? `: ${u.loadError}` : '.'}`,
      next: `\`systemd-analyze verify ${u.fragmentPath ?? u.name}\` names the line; after mending it \`systemctl daemon-reload\`.`,
    };
  return null;
}

function standing(d: { load: string; active: string; result: string | null }): string {
  if (d.load === 'not-found') return 'does not exist';
  if (d.load === 'masked') return 'is masked';
  if (d.load !== 'loaded') return `cannot be loaded (${d.load})`;
  return d.active === 'failed' ? `failed (${d.result ?? 'no result'})` : `is ${d.active}`;
}

/** What systemd.service(5) says of Restart=: after which results it starts a service again. */
const RESTARTED: Readonly<Record<string, readonly string[]>> = {
  always: ['exit-code', 'signal', 'core-dump', 'timeout', 'watchdog', 'oom-kill', 'protocol', 'resources'],
  'on-failure': ['exit-code', 'signal', 'core-dump', 'timeout', 'watchdog', 'oom-kill', 'protocol', 'resources'],
  'on-abnormal': ['signal', 'core-dump', 'timeout', 'watchdog', 'oom-kill'],
  'on-abort': ['signal', 'core-dump', 'oom-kill'],
  'on-watchdog': ['watchdog'],
};

/**
 * systemd keeps the first result of a loop, and says start-limit-hit only where the unit had not failed before. So it has given up when
 * such an end is one after which it would start again, it did so as often as it may, and it does not now.
 */
const loopEnded = (u: Unit): boolean =>
  u.startLimit !== null &&
  u.restarts !== null &&
  u.restarts >= u.startLimit.burst &&
  (RESTARTED[u.restart ?? ''] ?? []).includes(u.result ?? '');

function endOf(u: Unit): ServiceExit | null {
  const how = u.exit;
  const name = how && how.how !== 'exited' ? signal(how.status) : null;
  switch (u.result) {
    case null:
    case 'success':
    case 'start-limit-hit':
      return null;
    case 'oom-kill':
      return {
        cause: 'oom',
        short: 'OOM-killed',
        reason: `The kernel killed it for want of memory${u.memoryLimitBytes === null ? '' : `; its own limit is ${Math.round(u.memoryLimitBytes / 1048576)} MiB`}.`,
        next:
          u.memoryLimitBytes === null
            ? 'See what takes the memory: process_list sort memory.'
            : 'Raise MemoryMax= in its unit file, or find what it holds.',
      };
    case 'timeout':
      return {
        cause: 'timeout',
        short: 'timed out',
        reason: `It did not come up, or did not stop, within its time, and systemd ended it${name ? ` by ${name}` : ''}.`,
        next: `${log(u.name)} ${u.serviceType === 'notify' ? 'As Type=notify it must report that it is ready. ' : ''}TimeoutStartSec= and TimeoutStopSec= are its times.`,
      };
    case 'watchdog':
      return {
        cause: 'watchdog',
        short: 'watchdog',
        reason: 'It ran, but gave no sign of life within WatchdogSec=, and systemd ended it.',
        next: `It hung or was starved: diagnose slow tells what held it up. ${log(u.name)}`,
      };
    case 'protocol':
      return {
        cause: 'protocol',
        short: 'protocol',
        reason: `It did not do what its Type=${u.serviceType ?? ''} promises: report ready, write its PID file, or stay in the foreground.`,
        next: `Compare Type= with how the program runs. ${log(u.name)}`,
      };
    case 'resources':
      return {
        cause: 'resources',
        short: 'resources',
        reason: 'systemd lacked something to start it: memory, a process, a file of EnvironmentFile=, a user.',
        next: `The journal names it. ${log(u.name)}`,
      };
    case 'core-dump':
    case 'signal':
      return bySignal(u, name);
    case 'exit-code':
      return byCode(u);
    default:
      return {
        cause: 'unknown',
        short: u.result,
        reason: `systemd ended it with the result ${u.result}.`,
        next: log(u.name),
      };
  }
}

function bySignal(u: Unit, name: string | null): ServiceExit {
  if (u.result === 'core-dump' || u.exit?.how === 'dumped')
    return {
      cause: 'core_dump',
      short: `${name ?? 'crash'} (core)`,
      reason: `It crashed${name ? ` (${name})` : ''} and left a core dump.`,
      next: `\`coredumpctl info ${u.name}\` shows where. ${log(u.name)}`,
    };
  if (name === 'SIGKILL')
    return {
      cause: 'killed',
      short: 'SIGKILL',
      reason: `It was killed by SIGKILL: somebody did that, or the kernel for want of memory${u.memoryLimitBytes === null ? '' : ` (its limit is ${Math.round(u.memoryLimitBytes / 1048576)} MiB)`}, which systemd cannot tell apart on cgroup v1.`,
      next: 'Look for "Out of memory" in the log of the kernel: log_query journal:kernel.',
    };
  return {
    cause: 'signal',
    short: name ?? 'signal',
    reason: `It was ended by ${name ?? 'a signal'}${name !== null && CRASH.has(name) ? ', as a crash of the program does' : ''}.`,
    next: log(u.name),
  };
}

const CRASH = new Set(['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGABRT', 'SIGSYS', 'SIGTRAP']);

function byCode(u: Unit): ServiceExit {
  // Result tells of the whole unit: an ExecStartPre that failed leaves no end of a main process.
  if (u.exit?.how !== 'exited' || u.exit.status === 0)
    return {
      cause: 'exit_code',
      short: 'a command failed',
      reason: 'One of its commands beside the main one failed (ExecStartPre=, ExecStartPost=, ExecStop=, ExecReload=).',
      next: log(u.name),
    };
  const { status } = u.exit;
  const code = SYSTEMD_CODES[status];
  if (code)
    return {
      cause: 'not_started',
      short: `${status}/${code.name}`,
      reason: `systemd could not ${code.could}${code.name === 'EXEC' && u.program ? ` ${u.program}` : code.name === 'USER' && u.user ? ` ${u.user}` : ''} (${status}/${code.name}).`,
      next: code.next,
    };
  const inner = signalOf(status);
  const meaning =
    status === 127
      ? ': its script called a command that does not exist'
      : status === 126
        ? ': its script called a file that may not be executed'
        : inner
          ? `: that is ${inner}, as shells tell it`
          : '';
  return {
    cause: 'exit_code',
    short: `exit ${status}`,
    reason: `Its program ended with code ${status}${meaning}.`,
    next: log(u.name),
  };
}
