import { encode } from 'gpt-tokenizer';
import { describe, expect, it } from 'vitest';
import type { Unit } from '../../src/core/services.ts';
import { shownUnitFile } from '../../src/tools/service_parts.ts';
import { who } from '../fakes/policy.ts';
import { about, data, failure, fastTimers, house, said, text } from './service_house.ts';

fastTimers();
const NOW = 1_800_000_000_000;
const service = (lines: string, unit = '') =>
  `[Unit]\n${unit}\n[Service]\n${lines}\n[Install]\nWantedBy=multi-user.target\n`;
const RUNS = service('ExecStart=/bin/sleep 1000');
const start = async (h: ReturnType<typeof house>, ...units: string[]) => {
  for (const u of units) await h.services.control(u, 'start', { timeoutMs: 1 });
};

describe('service_list', () => {
  it('failed ones first, with why; running services with what they use; nothing else by default', async () => {
    const h = house({
      files: {
        'web.service': RUNS,
        'app.service': RUNS,
        'idle.service': RUNS,
        'stays.service': service('Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true'),
        'bad.service': service('ExecStart=/bin/sh -c "exit 3"'),
        'bad.socket': '[Socket]\n',
      },
      more: [{ name: 'home.mount', type: 'mount', active: 'failed', sub: 'failed', result: 'exit-code' }],
    });
    await start(h, 'web.service', 'app.service', 'bad.service', 'stays.service');
    const out = await h.call('service_list');
    const answer = data(out);
    expect(answer.units.map((u: { name: string }) => u.name)).toEqual([
      'bad.service',
      'home.mount',
      'app.service',
      'web.service',
    ]);
    expect(answer.units[0]).toMatchObject({ state: 'failed/failed', attention: 'failed', problem: 'exit 3' });
    expect(answer.units[3]).toMatchObject({
      state: 'active/running',
      attention: null,
      memoryBytes: expect.any(Number),
      cpuSeconds: 0,
    });
    expect(answer).toMatchObject({ total: 7, matched: 4, byState: { failed: 2, active: 3, inactive: 2 } });
    expect(answer.notes[0]).toEqual({
      unit: 'bad.service',
      sentence: 'Its program ended with code 3.',
      next: 'diagnose {"problem":"down","target":"unit:bad.service"}',
    });
    expect(text(out)).toMatch(/^7 units \(3 active, 2 failed, 2 inactive\); 4 listed here\nnext: diagnose/);
    expect(text(out)).toMatch(/bad\.service +failed\/failed .*Its program ended with code 3\./);
  });

  it('by state, type, name, use; what is left out can be paged', async () => {
    const h = house({
      files: {
        'web.service': RUNS,
        'app.service': RUNS,
        'job.timer': '[Timer]\n',
        'job.service': service('Type=oneshot\nExecStart=/bin/false'),
      },
      masked: ['m.service'],
    });
    await start(h, 'app.service', 'web.service', 'job.timer', 'job.service');
    h.services.unit('web.service').memoryBytes = { value: 9e9 };
    const names = async (args: object) =>
      data(await h.call('service_list', args)).units.map((u: { name: string }) => u.name);
    expect(await names({ sort: 'memory' })).toEqual(['web.service', 'app.service', 'job.service']);
    expect(await names({ state: 'failed' })).toEqual(['job.service']);
    expect(await names({ state: 'all', name: 'WEB' })).toEqual(['web.service']);
    expect(await names({ name: 'm.ser' })).toEqual(['m.service']);
    expect(await names({ state: 'inactive', type: 'service' })).toEqual(['m.service']);
    expect(await names({ state: 'disabled', type: 'service' })).toEqual(['job.service', 'app.service', 'web.service']);
    const cut = data(await h.call('service_list', { limit: 1 }));
    expect(cut.units).toHaveLength(1);
    expect(cut.more).toMatchObject({ shown: 1, total: 3 });
  });

  it('timers with their next and last run and how it ended', async () => {
    const h = house({
      files: {
        'bad.timer': '[Timer]\n',
        'bad.service': service('Type=oneshot\nExecStart=/bin/sh -c "exit 7"'),
        'good.timer': '[Timer]\n',
        'good.service': service('Type=oneshot\nExecStart=/bin/true'),
        'dead.timer': '[Timer]\n',
      },
    });
    await start(h, 'bad.timer', 'good.timer', 'bad.service', 'good.service');
    const out = await h.call('service_list', { type: 'timer' });
    expect(data(out).units).toMatchObject([
      {
        name: 'bad.timer',
        attention: 'failed',
        activates: 'bad.service',
        result: 'exit 7',
        last: '2027-01-15T08:00:00Z',
        next: '2027-01-15T09:00:00Z',
      },
      { name: 'good.timer', attention: null, result: 'success' },
      { name: 'dead.timer', state: 'inactive/dead', next: null, last: null, result: null },
    ]);
    expect(data(out).notes).toEqual([
      {
        unit: 'bad.timer',
        sentence: 'The last run of what it starts failed.',
        next: 'diagnose {"problem":"down","target":"unit:bad.service"}',
      },
    ]);
    expect(text(out)).toMatch(/good\.timer.*in 1 h +\d+ ms ago +success +good\.service/);
  });

  it('fits 1,000 tokens on a machine with 200 units', async () => {
    const more: Partial<Unit>[] = Array.from({ length: 200 }, (_, n) => {
      const runs = n < 35;
      const failed = n >= 197;
      return {
        name: `${['postgresql@16-main', 'systemd-journald', 'docker', 'nginx', 'prometheus-node-exporter'][n % 5]}-${n}.service`,
        type: 'service',
        active: failed ? 'failed' : runs ? 'active' : 'inactive',
        sub: failed ? 'failed' : runs ? 'running' : 'dead',
        result: failed ? 'exit-code' : 'success',
        exit: failed ? { how: 'exited' as const, status: 1, atMs: NOW } : null,
        cgroup: runs ? '/x' : null,
        memoryBytes: runs ? { value: 12_345_678 * (n + 1) } : { value: null, why: 'It has no processes now.' },
        cpuMs: runs ? { value: 98_765 * (n + 1) } : { value: null, why: 'It has no processes now.' },
        sinceMs: { value: NOW - 86_400_000 * n },
      };
    });
    const h = house({ more });
    const out = await h.call('service_list');
    expect(data(out)).toMatchObject({ total: 200, matched: 38, more: { shown: 30, total: 38 } });
    expect(encode(text(out)).length).toBeLessThanOrEqual(1_000);
  });

  it('without systemd it says what works instead', async () => {
    expect(failure(await house(undefined).call('service_list'))).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('process_list'),
    });
  });
});

describe('service_status', () => {
  const files = {
    'bad.service': service(
      'ExecStart=/bin/sh -c "exit 3"\nEnvironment=DB_PASSWORD=hunter2 TZ=UTC "GREETING=hello you"',
      'Description=Bad one ⟦/untrusted⟧',
    ),
    'bad.timer': '[Timer]\n',
  };
  it('why it failed, its timer, its own last lines, its file without secrets, its score', async () => {
    const h = house(
      { files },
      {
        log: [
          said('bad.service', 'cannot open /srv/x: token=abcdefghij0123456789'),
          about('bad.service', 'bad.service: Failed with result.'),
        ],
      },
    );
    await start(h, 'bad.service', 'bad.timer');
    h.services.unit('bad.service').needsReload = true;
    const out = await h.call('service_status', { unit: 'bad', files: true, exposure: true });
    const answer = data(out);
    expect(answer).toMatchObject({
      unit: 'bad.service',
      state: 'failed/failed',
      problem: { cause: 'exit_code', short: 'exit 3', sentence: 'Its program ended with code 3.' },
      exit: { how: 'exited', status: 3 },
      triggeredBy: [{ unit: 'bad.timer', active: 'active', next: '2027-01-15T09:00:00Z' }],
      needsDaemonReload: true,
      mayChange: 'yes (services.allow: *)',
      memoryBytes: null,
      exposure: { score: 9.6 },
      unknown: [],
    });
    expect(answer.log.map((l: { text: string }) => l.text)).toEqual([
      expect.stringMatching(/^cannot open \/srv\/x: token=⟦redacted/),
    ]);
    expect(answer.files[0].text).toContain('Environment=DB_PASSWORD=⟦redacted:env⟧ TZ=UTC "GREETING=⟦redacted:env⟧"');
    expect(JSON.stringify(answer)).not.toContain('hunter2');
    expect(text(out)).toMatch(/^⟦untrusted|^bad\.service: failed\/failed since/);
    expect(text(out)).not.toMatch(/⟦\/untrusted⟧/);
    expect(encode(text(out)).length).toBeLessThan(600);
  });

  it('says of what it cannot have why; needs logs:read only for the log', async () => {
    const h = house({ files });
    const reader = who('token:r', ['services:read']);
    expect(failure(await h.call('service_status', { unit: 'bad' }, { principal: reader }))).toMatchObject({
      code: 'permission',
    });
    const answer = data(await h.call('service_status', { unit: 'bad', lines: 0 }, { principal: reader }));
    expect(answer).toMatchObject({ log: [], files: [], problem: null, unknown: [] });
    expect(data(await h.call('service_status', { unit: 'bad' })).unknown).toEqual([
      { what: 'log', why: expect.stringContaining('No systemd journal') },
    ]);
    expect(failure(await h.call('service_status', { unit: 'bda' }))).toMatchObject({
      code: 'not_found',
      candidates: ['bad.service'],
    });
    expect(failure(await h.call('service_status', { unit: '--all' }))).toMatchObject({ code: 'validation' });
    expect(failure(await h.call('service_status', { unit: 'x@.service' }))).toMatchObject({ code: 'validation' });
  });

  it('who may not be changed reads why', async () => {
    const h = house({ files: { 'ssh.service': RUNS, 'web.service': RUNS }, rules: { allow: [] } });
    await start(h, 'ssh.service', 'web.service');
    expect(data(await h.call('service_status', { unit: 'ssh' })).mayChange).toMatch(
      /^no: ssh.service is protected from restart/,
    );
    expect(data(await h.call('service_status', { unit: 'web' })).mayChange).toMatch(/services.allow/);
    expect(text(await h.call('service_status', { unit: 'web' }))).toMatch(/runs: \/bin\/sleep \(pid \d+\) as root/);
  });
});

it('unit files: environment and credentials only where they are harmless, over continued lines, too', () => {
  expect(
    shownUnitFile(
      'Environment="A=b c" \\\n  LANG=C\nSetCredential=db:secret \\\nmore\n[Service]\nEnvironmentFile=/etc/x\nExecStart=/x ⟦',
    ),
  ).toBe(
    'Environment="A=⟦redacted:env⟧" \\\n  LANG=C\nSetCredential=db:⟦redacted:credential⟧\n[Service]\nEnvironmentFile=/etc/x\nExecStart=/x [',
  );
});
