/** A unit as systemd tells of one that was never started, for the tests to change. */
import type { Unit } from '../../src/core/services.ts';

const never = { value: null, why: 'not asked' };

export const unit = (part: Partial<Unit> = {}): Unit => ({
  ...{ name: 'web.service', aliases: [], type: 'service', description: null, load: 'loaded', loadError: null },
  ...{
    active: 'inactive',
    sub: 'dead',
    fileState: 'enabled',
    serviceType: 'simple',
    sinceMs: never,
    startedAtMs: never,
  },
  ...{
    mainPid: null,
    result: 'success',
    exit: null,
    restarts: 0,
    restart: 'no',
    status: null,
    tasks: null,
    user: null,
  },
  ...{
    startLimit: { burst: 5, intervalMs: 10_000 },
    memoryBytes: never,
    cpuMs: never,
    memoryLimitBytes: null,
    cgroup: null,
  },
  ...{ program: '/usr/sbin/web', fragmentPath: '/etc/systemd/system/web.service', dropIns: [], needsReload: false },
  ...{ triggers: [], triggeredBy: [], skipped: null, failedDependencies: [], pulls: [], stopsToo: [], conflicts: [] },
  ...{ can: { start: true, stop: true, reload: false }, invocation: null },
  ...part,
});
