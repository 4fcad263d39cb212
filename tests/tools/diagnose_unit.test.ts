/** What `diagnose` asks about a unit, and what it makes of what it cannot have. What follows from the facts: tests/insight/diagnose_unit.test.ts. */
import { expect, test } from 'vitest';
import type { Unit } from '../../src/core/services.ts';
import { diagnose } from '../../src/tools/diagnose.ts';
import { fakeFilesystems, fakeHost } from '../fakes/host.ts';
import { fakeJournal, type Written } from '../fakes/journal.ts';
import { callOf, rig, who } from '../fakes/policy.ts';
import { fakeServices } from '../fakes/services.ts';

const NOW = 1_800_000_000_000;
const ENDED = NOW - 3_600_000;
const SERVICE = '[Service]\nExecStart=/usr/bin/app\n';

async function asked(
  bent: Partial<Unit>,
  o: { log?: Written[]; args?: object; full?: boolean; files?: Record<string, string>; unit?: string } = {},
) {
  const name = o.unit ?? 'app.service';
  const services = fakeServices({ files: { 'app.service': SERVICE, ...o.files } });
  Object.assign(services.unit(name), bent);
  const journal = fakeJournal(o.log ? { written: o.log } : {});
  const host = fakeHost();
  const filesystems = async () =>
    fakeFilesystems.map((fs) => ({
      ...fs,
      readOnly: false,
      size:
        fs.size.value === null ? fs.size : { value: { ...fs.size.value, ...(o.full ? { availableBytes: 0 } : {}) } },
    }));
  const r = rig({
    catalog: { tools: [diagnose], resources: [], prompts: [] },
    context: {
      host: { ...host, services, journal, system: { ...host.system, filesystems: filesystems as never } },
      recent: () => [],
      recentProcesses: () => null,
      absent: () => [],
    },
  });
  r.clock.now = () => NOW;
  const principal = who('token:viewer', ['services:read', 'logs:read']);
  const out = await r.door.run(
    callOf('diagnose', { problem: 'down', target: `unit:${name}`, ...o.args }, { principal }),
  );
  if (out.status !== 'done') throw (out as { error: Error }).error;
  const data = out.data as {
    down: boolean;
    causes: { id: string; certainty: string; evidence: unknown[] }[];
    checked: string[];
    unknown: { what: string; why: string }[];
  };
  return { ...data, journal: journal.asked as { kernel?: true; sinceMs: number; untilMs: number }[], text: out.text };
}

const failed = (result: string, exit: object): Partial<Unit> => ({
  active: 'failed',
  sub: 'failed',
  result,
  exit: { code: 1, atMs: ENDED, ...exit } as never,
});
const KILLED = failed('signal', { how: 'killed', status: 9 });
const kernel = (message: string): Written => ({ atMs: ENDED - 20, message, kernel: true, identifier: 'kernel' });

test('one that was killed: the kernel is asked about the seconds around its end, and says whether memory was the reason', async () => {
  const log = [
    kernel('oom-kill:constraint=CONSTRAINT_MEMCG,task_memcg=/system.slice/app.service,task=app,pid=77,uid=0'),
  ];
  const found = await asked(KILLED, { log });
  expect(found.causes[0]).toMatchObject({ id: 'unit_oom_killed', certainty: 'certain' });
  expect(found.journal.find((w) => w.kernel)).toMatchObject({ sinceMs: ENDED - 10_000, untilMs: ENDED + 5_000 });
  expect(found.checked).toContain('kernel log');
  // Control: of another unit the same line is no reason.
  const other = await asked(KILLED, { log: [kernel('oom-kill:task_memcg=/system.slice/else.service,task=x,pid=9')] });
  expect(other.causes.find((c) => c.id === 'unit_oom_killed')?.certainty).not.toBe('certain');
});

test('one that ended by itself: the kernel is not asked', async () => {
  const found = await asked(failed('exit-code', { how: 'exited', status: 3 }), { log: [] });
  expect(found.journal).toHaveLength(1);
  expect(found.checked).not.toContain('kernel log');
});

test('without logs no journal is read, and the answer says so', async () => {
  const found = await asked(KILLED, { log: [kernel('Out of memory')], args: { logs: false } });
  expect(found.journal).toEqual([]);
  expect(found.unknown).toContainEqual({ what: 'log', why: 'logs: false' });
});

test('a host without a journal: what it would have said is unknown, and the rest is answered', async () => {
  const found = await asked(KILLED);
  expect(found.unknown.map((u) => u.what)).toEqual(expect.arrayContaining(['log', 'kernel log']));
  expect(found).toMatchObject({ down: true, checked: expect.arrayContaining(['state', 'file systems']) });
});

test('a program that found no space, on a file system that is full, is told for certain; on one with room it is likely', async () => {
  const log: Written[] = [
    {
      atMs: ENDED,
      message: 'write /var/lib/app/x: no space left on device',
      unit: 'app.service',
      priority: 3,
      pid: 77,
    },
  ];
  const exit = failed('exit-code', { how: 'exited', status: 1 });
  const full = await asked(exit, { log, full: true });
  expect(full.causes[0]).toMatchObject({ certainty: 'certain' });
  expect(JSON.stringify(full.causes[0]?.evidence)).toMatch(/\/[^"]* is full/);
  expect((await asked(exit, { log })).causes[0]).toMatchObject({ id: full.causes[0]?.id, certainty: 'likely' });
});

test('a timer is asked about with the job that it starts, and a job with its timer', async () => {
  const files = { 'app.timer': '[Timer]\nOnCalendar=daily\n' };
  const job = await asked({ active: 'inactive', sub: 'dead' }, { files, log: [] });
  expect(job.checked).toContain('what starts it');
  const timer = await asked({ active: 'active', sub: 'waiting' }, { files, log: [], unit: 'app.timer' });
  expect(timer).toMatchObject({ down: false, checked: expect.arrayContaining(['what starts it']) });
});
