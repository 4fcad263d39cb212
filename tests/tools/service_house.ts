/** A door over the tools of units, on a systemd in memory; pauses take no time. */
import { afterEach, beforeEach, vi } from 'vitest';
import type { Call, Outcome } from '../../src/core/call.ts';
import { serviceControl } from '../../src/tools/service_control.ts';
import { serviceList } from '../../src/tools/service_list.ts';
import { serviceStatus } from '../../src/tools/service_status.ts';
import { undo } from '../../src/tools/undo.ts';
import { fakeHost } from '../fakes/host.ts';
import { fakeJournal, type Written } from '../fakes/journal.ts';
import { callOf, rig, who } from '../fakes/policy.ts';
import { type FakeSystemd, fakeServices } from '../fakes/services.ts';

export const keeper = who('token:keeper', ['services:write', 'logs:read']);

export function fastTimers(): void {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: 1_800_000_000_000 }));
  afterEach(() => void vi.useRealTimers());
}

async function fast<T>(work: Promise<T>): Promise<T> {
  let over = false;
  const end = work.finally(() => {
    over = true;
  });
  end.catch(() => {});
  while (!over) await vi.advanceTimersByTimeAsync(500);
  return end;
}

export function house(systemd: FakeSystemd | undefined, o: { log?: Written[]; over?: Parameters<typeof rig>[0] } = {}) {
  const services = fakeServices(systemd && { rules: { allow: ['*'] }, ...systemd });
  const journal = fakeJournal(o.log ? { written: o.log } : {});
  const r = rig({
    catalog: { tools: [serviceList, serviceStatus, serviceControl, undo], resources: [], prompts: [] },
    context: {
      host: { ...fakeHost(), services, journal },
      recent: () => [],
      recentProcesses: () => null,
      absent: () => [],
    },
    ...o.over,
  } as Parameters<typeof rig>[0]);
  Object.assign(r.policy.clock, { now: () => Date.now() });
  const call = (tool: string, args: object = {}, more: Partial<Call> = {}) =>
    fast(r.door.run(callOf(tool, args, { principal: keeper, ...more })));
  return { ...r, services, journal, call };
}

export const failure = (o: Outcome) =>
  o.status === 'failed' ? { code: o.error.code, message: o.error.message, ...o.error.details } : o;
// biome-ignore lint/suspicious/noExplicitAny: answers of several tools, looked at by their tests
export const data = (o: Outcome): any => (o.status === 'failed' ? { failed: o.error } : o.data);
export const text = (o: Outcome): string => (o.status === 'failed' ? o.error.message : o.text);

/** As systemd or the program itself would have written it. */
export const said = (unit: string, message: string, atMs = 1_800_000_000_500): Written => ({
  atMs,
  message,
  unit,
  identifier: unit.replace('.service', ''),
  pid: 77,
  priority: 6,
});
export const about = (unit: string, message: string, atMs = 1_800_000_000_600): Written => ({
  atMs,
  message,
  about: unit,
  identifier: 'systemd',
  pid: 1,
  priority: 4,
});
