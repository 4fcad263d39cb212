/** What every ServiceHost keeps to: the fake of the tests and the adapter in front of a real systemd, over the same unit files. */
import { describe, expect, test } from 'vitest';
import type { ServiceHost, Unit } from '../../src/core/services.ts';

const service = (lines: string, unitLines = '', install = '') =>
  `[Unit]\n${unitLines}\n[Service]\n${lines}\n${install === '' ? '' : `[Install]\n${install}\n`}`;
const BOOT = 'WantedBy=multi-user.target';

/** Names of their own, so that no unit of the machine is touched. */
export const CONTRACT_FILES: Record<string, string> = {
  'k-run.service': service('ExecStart=/bin/sleep 1000\nExecReload=/bin/true', 'Description=Runs', BOOT),
  'k-plain.service': service('ExecStart=/bin/sleep 1000'),
  'k-fails.service': service('ExecStart=/bin/sh -c "exit 3"'),
  'k-job.service': service('Type=oneshot\nExecStart=/bin/true'),
  'k-badjob.service': service('Type=oneshot\nExecStart=/bin/sh -c "exit 4"'),
  'k-stays.service': service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true'),
  'k-noreload.service': service('ExecStart=/bin/sleep 1000\nExecReload=/bin/false'),
  'k-base.service': service('ExecStart=/bin/sleep 1000'),
  'k-needs.service': service('ExecStart=/bin/sleep 1000', 'Requires=k-base.service\nAfter=k-base.service'),
  'k-part.service': service('ExecStart=/bin/sleep 1000', 'PartOf=k-base.service'),
  'k-lost.service': service('ExecStart=/bin/sleep 1000', 'Requires=k-badjob.service\nAfter=k-badjob.service'),
  'k-rival.service': service('ExecStart=/bin/sleep 1000', 'Conflicts=k-plain.service'),
  'k-skip.service': service('ExecStart=/bin/sleep 1000', 'ConditionPathExists=/not/there'),
  'k-missing.service': service('ExecStart=/usr/bin/not-there'),
  'k-with.service': service('ExecStart=/bin/sleep 1000', '', `${BOOT}\nAlso=k-also.service`),
  'k-also.service': service('ExecStart=/bin/sleep 1000', '', BOOT),
  'k-job.timer': '[Timer]\nOnCalendar=*-*-* 03:00:00\n[Install]\nWantedBy=timers.target\n',
  'k-tmpl@.service': service('ExecStart=/bin/sleep 1000'),
};
export const CONTRACT_MASKED = ['k-masked.service'];

const WITHIN = { timeoutMs: 20_000 };

export function contract(name: string, open: () => ServiceHost): void {
  describe(`${name} keeps the contract`, () => {
    const one = async (unit: string): Promise<Unit> => (await open().show([unit]))[0] as Unit;
    const until = async (unit: string, is: (u: Unit) => boolean): Promise<Unit> => {
      for (const end = Date.now() + 10_000; ; await new Promise((r) => setTimeout(r, 50))) {
        const u = await one(unit);
        if (is(u)) return u;
        if (Date.now() > end) throw new Error(`${unit} is ${u.active} (${u.sub})`);
      }
    };
    const code = (c: string) => expect.objectContaining({ code: c });

    test('start, stop, start again: another run each time', async () => {
      const host = open();
      expect(await host.control('k-run.service', 'start', WITHIN)).toMatchObject({ end: 'done' });
      const first = await one('k-run.service');
      expect(first).toMatchObject({
        active: 'active',
        sub: 'running',
        load: 'loaded',
        result: 'success',
        restarts: 0,
        can: { reload: true },
      });
      expect(first.mainPid).toBeGreaterThan(0);
      expect(first.invocation).toBeTruthy();
      expect(await host.control('k-run.service', 'start', WITHIN)).toMatchObject({ end: 'done' });
      expect((await one('k-run.service')).invocation).toBe(first.invocation);
      expect(await host.control('k-run.service', 'reload', WITHIN)).toMatchObject({ end: 'done' });
      await host.control('k-run.service', 'restart', WITHIN);
      const second = await one('k-run.service');
      expect(second.invocation).not.toBe(first.invocation);
      expect(second.mainPid).not.toBe(first.mainPid);
      await host.control('k-run.service', 'stop', WITHIN);
      expect(await one('k-run.service')).toMatchObject({
        active: 'inactive',
        mainPid: null,
        memoryBytes: { value: null },
      });
    });

    test('a simple one that ends at once has started; systemd tells only later that it failed', async () => {
      expect(await open().control('k-fails.service', 'start', WITHIN)).toMatchObject({ end: 'done' });
      const u = await until('k-fails.service', (x) => x.active === 'failed');
      expect(u).toMatchObject({ result: 'exit-code', exit: { how: 'exited', status: 3 } });
      await open().control('k-fails.service', 'reset-failed', WITHIN);
      expect((await one('k-fails.service')).active).toBe('inactive');
    });

    test('a program that is not there', async () => {
      await open().control('k-missing.service', 'start', WITHIN);
      expect((await until('k-missing.service', (x) => x.active === 'failed')).exit).toMatchObject({ status: 203 });
    });

    test('jobs: one that ends well, one that does not, one that stays', async () => {
      const host = open();
      expect(await host.control('k-job.service', 'start', WITHIN)).toMatchObject({ end: 'done' });
      expect(await one('k-job.service')).toMatchObject({
        active: 'inactive',
        result: 'success',
        serviceType: 'oneshot',
      });
      expect(await host.control('k-badjob.service', 'start', WITHIN)).toMatchObject({ end: 'failed' });
      expect(await one('k-badjob.service')).toMatchObject({ active: 'failed', exit: { status: 4 } });
      await host.control('k-stays.service', 'start', WITHIN);
      expect(await one('k-stays.service')).toMatchObject({ active: 'active', sub: 'exited', mainPid: null });
    });

    test('a stop takes along who needs it; what is said of it beforehand names them', async () => {
      const host = open();
      await host.control('k-needs.service', 'start', WITHIN);
      await host.control('k-part.service', 'start', WITHIN);
      expect((await one('k-needs.service')).pulls).toContain('k-base.service');
      expect((await one('k-base.service')).active).toBe('active');
      expect((await one('k-base.service')).stopsToo.toSorted()).toEqual(['k-needs.service', 'k-part.service']);
      await host.control('k-base.service', 'stop', WITHIN);
      const after = await host.show(['k-base.service', 'k-needs.service', 'k-part.service']);
      expect(after.map((u) => u.active)).toEqual(['inactive', 'inactive', 'inactive']);
    });

    test('a dependency that fails keeps it from starting, and is named', async () => {
      expect(await open().control('k-lost.service', 'start', WITHIN)).toMatchObject({ end: 'failed' });
      expect(await one('k-lost.service')).toMatchObject({
        active: 'inactive',
        failedDependencies: [{ name: 'k-badjob.service', by: 'Requires', active: 'failed' }],
      });
    });

    test('a rival is stopped, and both say so', async () => {
      const host = open();
      await host.control('k-plain.service', 'start', WITHIN);
      expect((await one('k-rival.service')).conflicts).toContain('k-plain.service');
      await host.control('k-rival.service', 'start', WITHIN);
      // From the other side it is known of what is in memory only.
      expect((await one('k-plain.service')).conflicts).toContain('k-rival.service');
      expect((await until('k-plain.service', (u) => u.active !== 'active')).active).toBe('inactive');
      await host.control('k-rival.service', 'stop', WITHIN);
    });

    test('a condition that is not met is no failure', async () => {
      expect(await open().control('k-skip.service', 'start', WITHIN)).toMatchObject({ end: 'done' });
      // A unit that nothing needs is forgotten at once, and with it that it was skipped.
      expect(await one('k-skip.service')).toMatchObject({
        active: 'inactive',
        result: 'success',
        exit: null,
        failedDependencies: [],
      });
    });

    test('reload: not for who has none, and told where it fails', async () => {
      const host = open();
      await host.control('k-base.service', 'start', WITHIN);
      await host.control('k-noreload.service', 'start', WITHIN);
      await expect(host.control('k-base.service', 'reload', WITHIN)).rejects.toEqual(code('conflict'));
      expect(await host.control('k-noreload.service', 'reload', WITHIN)).toMatchObject({ end: 'failed' });
      expect((await one('k-noreload.service')).active).toBe('active');
      for (const u of ['k-base.service', 'k-noreload.service']) await host.control(u, 'stop', WITHIN);
    });

    test('enable and disable, with those that its file names', async () => {
      const host = open();
      expect((await one('k-with.service')).fileState).toBe('disabled');
      await host.control('k-with.service', 'enable', WITHIN);
      expect((await host.show(['k-with.service', 'k-also.service'])).map((u) => u.fileState)).toEqual([
        'enabled',
        'enabled',
      ]);
      expect((await one('k-with.service')).active).toBe('inactive');
      await host.control('k-with.service', 'disable', WITHIN);
      expect((await host.show(['k-with.service', 'k-also.service'])).map((u) => u.fileState)).toEqual([
        'disabled',
        'disabled',
      ]);
      expect((await one('k-plain.service')).fileState).toBe('static');
    });

    test('masked, missing, a template, and what is no name', async () => {
      const host = open();
      expect((await host.show(['k-masked.service', 'k-nope.service'])).map((u) => u.load)).toEqual([
        'masked',
        'not-found',
      ]);
      await expect(host.control('k-masked.service', 'start', WITHIN)).rejects.toEqual(code('conflict'));
      await expect(host.control('k-nope.service', 'start', WITHIN)).rejects.toEqual(code('not_found'));
      for (const bad of [
        'k-tmpl@.service',
        '--all',
        'k-run',
        'k-*.service',
        '',
        'a b.service',
        '-x.service',
        'k-run.service\n',
      ]) {
        await expect(host.control(bad, 'stop', WITHIN), bad).rejects.toEqual(code('validation'));
        await expect(host.show([bad]), bad).rejects.toEqual(code('validation'));
        await expect(host.exposure(bad), bad).rejects.toEqual(code('validation'));
        await expect(host.files(bad), bad).rejects.toEqual(code('validation'));
      }
      expect((await one('k-tmpl@7.service')).name).toBe('k-tmpl@7.service');
    });

    test('files and exposure', async () => {
      const host = open();
      const files = await host.files('k-run.service');
      expect(files.value?.[0]).toMatchObject({
        path: '/etc/systemd/system/k-run.service',
        text: expect.stringContaining('ExecReload'),
      });
      expect((await host.changed('k-run.service')).value?.map((f) => f.path)).toContain(
        '/etc/systemd/system/k-run.service',
      );
      expect((await host.changed('k-nope.service')).value).toBeNull();
      expect(await host.files('k-nope.service')).toMatchObject({ value: null, why: expect.stringContaining('k-nope') });
      const e = await host.exposure('k-run.service');
      expect(e.value?.score, e.why).toBeGreaterThan(5);
      expect(e.value?.score).toBeLessThanOrEqual(10);
      expect(e.value?.worst[0]).toMatchObject({
        name: expect.stringContaining('='),
        weight: expect.any(Number),
        why: expect.any(String),
      });
      expect(await host.exposure('k-job.timer')).toMatchObject({ value: null });
      expect(await host.exposure('k-nope.service')).toMatchObject({ value: null });
    });

    test('a timer: when it comes next, and what it starts', async () => {
      const host = open();
      await host.control('k-job.timer', 'start', WITHIN);
      const t = (await host.timers()).find((x) => x.name === 'k-job.timer');
      expect(t).toMatchObject({ activates: 'k-job.service', active: 'active' });
      expect(t?.nextMs.value).toBeGreaterThan(Date.now());
      expect((await one('k-job.service')).triggeredBy).toEqual(['k-job.timer']);
      await host.control('k-job.timer', 'stop', WITHIN);
    });

    test('the list has them, by type too', async () => {
      const { units } = await open().list();
      for (const n of ['k-base.service', 'k-masked.service', 'k-tmpl@.service', 'k-job.timer'])
        expect(units.map((u) => u.name)).toContain(n);
      expect(units.map((u) => u.name)).toEqual(units.map((u) => u.name).toSorted());
      expect((await open().list({ types: ['timer'] })).units.every((u) => u.type === 'timer')).toBe(true);
    });
  });
}
