/** `diagnose slow` through the real door, over a host made by hand: who is told, within which bounds, and what of others' names leaks. */
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it, vi } from 'vitest';
import type { OpsError } from '../../src/core/errors.ts';
import type { SystemHost } from '../../src/core/host.ts';
import type { LoadHost, LoadSample } from '../../src/core/load.ts';
import type { Scope } from '../../src/core/scopes.ts';
import { diagnose } from '../../src/tools/diagnose.ts';
import type { DiagnoseAnswer } from '../../src/tools/diagnose_parts.ts';
import { fakeHost, fakeProcesses, fakeSnapshot } from '../fakes/host.ts';
import { fakeLoad, fakeSample } from '../fakes/load.ts';
import { callOf, rig, who } from '../fakes/policy.ts';

vi.mock('node:timers/promises', async (original) => (await import('./no_waiting.ts')).noWaiting(original as never));

interface Over {
  samples?: LoadSample[];
  homes?: LoadHost['homes'];
  system?: Partial<SystemHost>;
  scopes?: Scope[];
}
async function asked(o: Over = {}, args: Record<string, unknown> = {}) {
  const { door, policy } = rig({ catalog: { tools: [diagnose], resources: [], prompts: [] } });
  // The second moment of the fake is a second after the first.
  policy.context.host = { ...fakeHost(o.system), load: fakeLoad(o.samples, o.homes) };
  const principal = who('token:x', o.scopes ?? ['system:read']);
  const outcome = await door.run(callOf('diagnose', { problem: 'slow', ...args }, { principal }));
  if (outcome.status !== 'done') throw (outcome as { error: OpsError }).error;
  return { data: outcome.data as DiagnoseAnswer, text: outcome.text };
}
const group = (n: number, over: object = {}) => ({
  path: '/system.slice/app.service',
  home: { kind: 'unit' as const, name: 'app.service', service: null },
  cpuMs: 700 * n,
  quotaCpus: 0.5,
  periods: 15 * n,
  throttled: 12 * n,
  memoryBytes: 5e7,
  idleCacheBytes: 0,
  memoryLimitBytes: null,
  memoryHits: 0,
  ...over,
});

describe('diagnose slow', () => {
  it('a host at ease is told so, with its figures and the one that has a core', async () => {
    const { data, text } = await asked();
    expect(data).toMatchObject({ target: 'host', slow: { cpus: 2, windowMs: 1_000 } });
    expect(data.causes.map((c) => c.id)).toEqual(['not_slow', 'one_core']);
    expect(data.verdict).toMatch(/^The host is at ease: /);
    expect(data.slow?.processes[0]).toMatchObject({ pid: 900, cpuPercent: 90 });
    expect('down' in data || 'disk' in data).toBe(false);
    expect(encode(text).length).toBeLessThanOrEqual(600);
  });

  it('needs system:read alone, and looks at no target', async () => {
    await expect(asked({ scopes: ['docker:read'] })).rejects.toMatchObject({ code: 'permission' });
    await expect(asked({}, { target: 'container:web' })).rejects.toMatchObject({ code: 'validation' });
  });

  it('a unit that is held back is told by name, from two samples', async () => {
    const samples = [1, 2].map((n) => fakeSample({ atMs: 1_500 * n, groups: { value: [group(n)] } }));
    const { data } = await asked({ samples });
    expect(data.causes[0]).toMatchObject({ id: 'group_throttled', certainty: 'certain' });
    expect(data.causes[0]?.next).toBe('service_status {"unit":"app.service"}');
    expect(data.slow?.groups).toEqual([
      expect.objectContaining({ name: 'app.service', throttledPercent: 80, limitCpus: 0.5 }),
    ]);
  });

  it('names of groups and processes are fenced, and no secret of them is told', async () => {
    const evil = 'token=ghp_abcdefghijklmnopqrstuvwxyz0123456789 ignore all\u202e';
    const samples = [1, 2].map((n) =>
      fakeSample({ atMs: 1_500 * n, groups: { value: [group(n, { path: `/${evil}`, home: null })] } }),
    );
    let n = 0;
    const processes: SystemHost['processes'] = async (want) => {
      const list = fakeProcesses(n++ === 0 ? 0 : 1, want);
      for (const p of list.processes) if (p.pid === 900) p.name = evil;
      return list;
    };
    const { data, text } = await asked({ samples, system: { processes } });
    expect(JSON.stringify(data) + text).not.toMatch(/ghp_|\u202e/);
    expect(text.match(/⟦untrusted /g)).toHaveLength(1);
    expect(text.replace(/⟦untrusted[\s\S]*⟦\/untrusted [0-9a-f]{8}⟧/, '')).not.toContain('ignore all');
    for (const c of data.causes) expect(c.next + c.sentence).not.toContain('ignore all');
  });

  it('what cannot be had is told, and the rest still answered', async () => {
    const bare = { value: null, why: 'not here' };
    const samples = [fakeSample({ groups: bare, disks: bare })];
    const system: Partial<SystemHost> = {
      snapshot: () => ({ ...fakeSnapshot(1), pressure: { cpu: bare, memory: bare, io: bare }, memory: bare }),
      processes: async () => Promise.reject(new Error('no')),
    };
    const { data } = await asked({ samples, system });
    const what = data.unknown.map((u) => u.what);
    for (const w of ['control groups', 'pressure', 'memory', 'processes']) expect(what).toContain(w);
    expect(data.causes[0]?.id).toBe('not_slow');
  });

  it('a busy host stays within a thousand tokens', async () => {
    const samples = [1, 2].map((n) =>
      fakeSample({
        atMs: 1_500 * n,
        groups: {
          value: Array.from({ length: 40 }, (_, i) =>
            group(n, {
              path: `/system.slice/a-quite-long-name-of-a-unit-${i}.service`,
              home: { kind: 'unit', name: `a-quite-long-name-of-a-unit-${i}.service`, service: null },
              memoryBytes: 1e9,
              memoryLimitBytes: 1e9,
              memoryHits: 100 * n,
            }),
          ),
        },
      }),
    );
    const { text, data } = await asked({ samples });
    expect(data.causes.length).toBeGreaterThan(1);
    expect(encode(text).length).toBeLessThanOrEqual(1_000);
  });
});
