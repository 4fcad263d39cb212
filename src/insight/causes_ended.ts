/** Causes that are the container's own: how it ended, how often, and what is wrong with it although it runs. */
import { ago, bytes, clip, duration } from '../core/text.ts';
import { COMMAND, endedAt, INSPECT, LOG_CALL, LONG, type Row, START, telling, up, words } from './causes_seen.ts';
import { checkFault } from './container_said.ts';
import { LOOP } from './containers.ts';
import type { Certainty } from './diagnose.ts';

/** How it stands, before any other cause. */
export const STANDING: readonly Row[] = [
  {
    id: 'paused',
    when: 'state paused',
    sentence: 'It is paused: its processes stand still, keep their memory and answer nobody.',
    next: 'container_control {"container":"{CONTAINER}","action":"unpause"{ENGINE}}',
    test: ({ c, events }) => {
      const at = events?.findLast((e) => e.what === 'pause')?.atMs;
      const since = at === undefined ? [] : [`paused at ${new Date(at).toISOString()}`];
      return c.state === 'paused' ? { certainty: 'certain', evidence: since } : null;
    },
  },
  {
    id: 'being_removed',
    when: 'state removing or dead',
    sentence: 'The engine is removing it, or could not do so wholly, mostly because something still uses its files.',
    next: INSPECT,
    test: (f) =>
      f.c.state === 'removing' || f.c.state === 'dead'
        ? { certainty: 'certain', evidence: [`state ${f.c.state}`, ...words(f)] }
        : null,
  },
  {
    id: 'restart_loop',
    when: `state restarting, or ${LOOP.restarts} or more restarts and up for less than ${LOOP.upMs / 60_000} minutes`,
    sentence: 'It ends soon after each start, and its restart policy starts it again.',
    next: LOG_CALL,
    test: (f) => {
      if (!f.loop) return null;
      const died = (f.events ?? []).filter((e) => e.what === 'die').slice(-6);
      const [first, last] = [died[0], died.at(-1)];
      const every =
        first && last && died.length > 1
          ? `, about every ${duration((last.atMs - first.atMs) / (died.length - 1))} of late`
          : '';
      const count = `${f.c.restarts} restarts${every} (policy ${f.c.restartPolicy.name})`;
      return { certainty: 'certain', evidence: [count, ...(f.end ? [`last: ${endedAt(f)}`] : []), ...telling(f)] };
    },
  },
  {
    id: 'oom_killed',
    when: 'the engine flags its end as OOM, or told of one; likely where it got SIGKILL from nobody the engine knows',
    sentence: 'It was killed for want of memory.',
    next: 'container_list {"sort":"memory"{ENGINE}}',
    test: (f) => {
      const exit = f.end?.exit;
      if (!f.down || !exit) return null;
      const limit = f.c.limits.memoryBytes;
      const of = limit === null ? 'no memory limit of its own' : `memory limit ${bytes(limit)}`;
      if (exit.kind === 'oom')
        return { certainty: 'certain', evidence: [of, endedAt(f), ...telling(f).slice(-1)], sentence: exit.reason };
      const unknownKill = exit.kind === 'signal' && exit.code === 137;
      if (!unknownKill) return null;
      const certainty = limit === null || f.events === null ? 'possible' : 'likely';
      const sentence =
        'It may have been killed for want of memory: it got SIGKILL, and the engine knows of nobody who sent it.';
      return { certainty, evidence: [of, endedAt(f)], sentence };
    },
  },
];

/** How it ended, and what is wrong with one that runs. */
export const ENDED: readonly Row[] = [
  {
    id: 'stopped_by_user',
    when: 'the engine was told to stop or kill it, or it ended by SIGTERM',
    sentence: 'It was stopped on request: that is no fault.',
    next: START,
    test: (f) => {
      const exit = f.end?.exit;
      if (!f.down || exit?.kind !== 'stopped' || f.refusal !== null) return null;
      const asked = (f.events ?? []).filter((e) => e.what === 'stop' || e.what === 'kill').slice(-2);
      const seen = asked.map(
        (e) =>
          `${e.what}${/^\w{1,12}$/.test(e.detail.signal ?? '') ? ` ${e.detail.signal}` : ''}, ${ago(e.atMs, f.nowMs)}`,
      );
      const certainty: Certainty = asked.length > 0 ? 'certain' : 'likely';
      return { certainty, evidence: [endedAt(f), ...seen], sentence: `${exit.reason} That is no fault.` };
    },
  },
  {
    id: 'finished',
    when: 'exit code 0, and nobody stopped it',
    sentence: 'It ended by itself, successfully: right for a job, wrong for a service.',
    next: LOG_CALL,
    test: (f) =>
      f.down && f.end?.exit.kind === 'ok' && f.refusal === null
        ? { certainty: 'certain', evidence: [endedAt(f), ...telling(f).slice(-1)] }
        : null,
  },
  {
    id: 'killed_by_signal',
    when: 'exit code above 128, and nobody stopped it',
    sentence: 'A signal ended it.',
    next: LOG_CALL,
    test: (f) => {
      const exit = f.end?.exit;
      if (!f.down || exit?.kind !== 'signal') return null;
      return { certainty: 'likely', evidence: [endedAt(f), ...telling(f)], sentence: exit.reason };
    },
  },
  {
    id: 'exit_error',
    when: 'any other exit code but 0',
    sentence: 'Its own program ended with an error: its log says which.',
    next: LOG_CALL,
    test: (f) =>
      f.down && f.end?.exit.kind === 'error' ? { certainty: 'likely', evidence: [endedAt(f), ...telling(f)] } : null,
  },
  {
    id: 'engine_refused',
    when: 'the engine could not start it, in words that fit nothing above',
    sentence: 'The engine could not start it; its own words say why.',
    next: INSPECT,
    test: (f) => {
      const ended = f.end?.exit.kind === 'not_started' && f.end.exit.code === 125;
      const said = f.c.error !== '' && f.refusal === null && f.down;
      return said || ended ? { certainty: said ? 'certain' : 'likely', evidence: words(f) } : null;
    },
  },
  {
    id: 'unhealthy',
    when: 'it runs and its healthcheck fails',
    sentence: 'It runs, but its own healthcheck fails.',
    next: LOG_CALL,
    test: (f) => {
      if (f.c.state !== 'running' || f.c.health !== 'unhealthy') return null;
      const last = f.c.healthLog.toSorted((a, b) => a.atMs - b.atMs).at(-1);
      const streak = f.c.failingStreak === null ? '' : `${f.c.failingStreak} checks in a row failed; `;
      const said = last ? `check: exit ${last.exitCode}: ${clip(last.output.trim(), LONG) || '(no output)'}` : '';
      const test = `${streak}it runs ${clip((f.c.healthcheck?.test ?? []).slice(1).join(' '), COMMAND) || 'a check'}`;
      const fault = last && checkFault(last);
      return {
        certainty: 'certain',
        evidence: [test, said, ...telling(f)].filter((e) => e !== ''),
        ...(fault ? { sentence: `It runs, but ${fault}` } : {}),
      };
    },
  },
  {
    id: 'port_not_listening',
    when: 'it runs, and nobody answers behind a published port: likely where the engine’s proxy found nobody inside',
    sentence: 'It runs, but its program does not listen on a port that is published.',
    next: LOG_CALL,
    test: (f) => {
      const deaf = f.c.state === 'running' && !f.loop ? (f.doors ?? []).filter((d) => d.knock !== 'open') : [];
      if (deaf.length === 0) return null;
      const certainty = deaf.some((d) => d.knock === 'closed') ? 'likely' : 'possible';
      return { certainty, evidence: deaf.map((d) => `port ${d.port}: ${d.knock}`) };
    },
  },
  {
    id: 'starting',
    when: 'it runs, and its healthcheck has not passed yet',
    sentence: 'It runs, and is not ready yet: its healthcheck has not passed.',
    next: 'container_list {"health":"starting"{ENGINE}}',
    test: (f) =>
      f.c.state === 'running' && f.c.health === 'starting' ? { certainty: 'certain', evidence: [up(f)] } : null,
  },
  {
    id: 'never_started',
    last: true,
    when: 'it was made and never ran, and the engine kept no reason',
    sentence: 'It was made, but never started.',
    next: START,
    test: ({ c, nowMs }) =>
      c.state === 'created' && c.error === ''
        ? { certainty: 'certain', evidence: [`made ${ago(c.createdAtMs, nowMs)}`] }
        : null,
  },
  {
    id: 'not_down',
    last: true,
    when: 'it runs, and nothing above is at least likely',
    sentence: 'It runs, and the engine sees nothing wrong with it.',
    next: 'log_query {"source":["container:{AT}{CONTAINER}"],"since":"1h","level":"error"}',
    test: (f) => {
      if (f.c.state !== 'running' || f.loop) return null;
      const healthy = f.c.health === 'healthy' ? 'its healthcheck passes' : 'it has no healthcheck';
      return { certainty: 'certain', evidence: [up(f), healthy] };
    },
  },
  {
    id: 'unknown',
    last: true,
    when: 'it is down, and nothing above fits',
    sentence: 'It is down, and nothing that the engine still knows says why.',
    next: LOG_CALL,
    test: (f) => (f.down && f.c.state !== 'created' ? { certainty: 'possible', evidence: telling(f) } : null),
  },
];
