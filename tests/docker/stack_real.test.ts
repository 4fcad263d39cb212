/**
 * stack_apply through the door against a real Docker with its compose plugin: that an engine's record and compose's config use the same
 * words for what a container may do, so that nothing is refused that is there already, and all that is more. Loud when it is skipped.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DockerHost } from '../../src/core/docker.ts';
import { dockerAt, type OpenDocker } from '../../src/host/docker/index.ts';
import { stackApply } from '../../src/tools/stack_apply.ts';
import { fakeControl } from '../fakes/control.ts';
import { fakeHost } from '../fakes/host.ts';
import { callOf, rig } from '../fakes/policy.ts';
import { data, failure, keeper } from '../tools/docker_changes.ts';
import { IMAGE, importImage, type LabEngine, labSettings, lacking, realClock, startLab } from './engine.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write('SKIPPED tests/docker/stack_real: needs DECKHAND_REAL=1, root, debootstrap and docker.\n');
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

describe.runIf(real)('stack_apply on Docker 26', { timeout: 120_000 }, () => {
  let lab: LabEngine;
  let open: OpenDocker;
  beforeAll(async () => {
    lab = await startLab('docker');
    await importImage(lab, 'local/other:1', ['CMD ["sleep","1000"]'], 'other');
    mkdirSync(join(lab.share, 'shop'));
    // The plugin lives inside, where the shared folder has another name.
    open = dockerAt({
      settings: labSettings(lab.endpoint),
      clock: realClock,
      exec: async (o) => {
        const args = o.args.map((a) => a.replaceAll(lab.share, '/share'));
        const { code, out, err } = await lab.inside(['docker', ...args], { mayFail: true });
        return { code, stdout: out, stderr: err };
      },
    });
  }, 400_000);
  afterAll(async () => {
    open.close();
    await lab.close();
    expect(lab.left()).toEqual([]);
  }, 60_000);

  function house() {
    const outside = (path: string) => path.replace(/^\/share/, lab.share);
    const docker: DockerHost = {
      ...open,
      stacks: {
        ...open.stacks,
        list: async (o) =>
          (await open.stacks.list(o)).map((s) => ({
            ...s,
            configFiles: s.configFiles.map(outside),
            workingDir: s.workingDir && outside(s.workingDir),
          })),
      },
    };
    const r = rig({
      catalog: { tools: [stackApply], resources: [], prompts: [] },
      context: {
        host: { ...fakeHost(), docker, control: fakeControl({ allow: ['shop-*'] }) },
        recent: () => [],
        recentProcesses: () => null,
        absent: () => [],
      },
    });
    Object.assign(r.policy.clock, { now: Date.now });
    r.policy.approvals.decide = () => ({ verdict: 'granted', by: 'test' });
    return (verb: string, args = {}) =>
      r.door.run(callOf('stack_apply', { stack: 'shop', verb, within_s: 20, ...args }, { principal: keeper }));
  }
  const write = (app: string, db = '') =>
    writeFileSync(
      join(lab.share, 'shop/compose.yml'),
      `services:
  app:
    image: ${IMAGE}
    command: [sleep, "1000"]
    stop_grace_period: 1s
    cap_add: [NET_ADMIN]
    devices: ["/dev/null:/dev/x"]
    security_opt: ["seccomp:unconfined", "no-new-privileges:true"]
    sysctls: {net.ipv4.ip_forward: 0}
    ipc: host
    pid: host
    secrets: [token]
    volumes: ["/share/shop:/shop", "data:/data", {type: tmpfs, target: /t}]
    labels: {deckhand.allow: "update"}
${app}
  db:
    image: ${IMAGE}
    command: [sleep, "1000"]
    stop_grace_period: 1s
${db}
volumes: {data: {}}
secrets: {token: {file: /share/shop/compose.yml}}
`,
    );

  test('as it is: nothing is called more; with another image: made anew; with more of the host: refused; down', async () => {
    write('');
    await lab.inside(['docker', 'compose', '-f', '/share/shop/compose.yml', 'up', '-d']);
    const apply = house();
    const same = await apply('up');
    expect(data(same), JSON.stringify(failure(same))).toMatchObject({
      state: 'done',
      summary: 'shop is up: 2 of 2 containers are well. No container was made anew.',
    });

    write('', '    environment: {NEW: "1"}');
    const anew = await apply('up');
    expect(data(anew).summary, JSON.stringify(failure(anew))).toContain('Made anew: shop-db-1.');

    for (const more of [
      'privileged: true',
      'network_mode: host',
      'cap_add: [SYS_ADMIN]',
      'volumes: ["/etc:/e:ro"]',
      'pid: host',
      'devices: ["/dev/zero"]',
    ]) {
      write('', `    ${more}`);
      expect(failure(await apply('up')), more).toMatchObject({
        code: 'permission',
        message: expect.stringContaining('db: '),
      });
    }
    write('', '    nonsense: true');
    expect(failure(await apply('up'))).toMatchObject({
      code: 'validation',
      message: expect.stringContaining('nonsense'),
    });
    expect((await lab.docker(['ps', '--format', '{{.Names}}'])).out.trim().split('\n').sort()).toEqual([
      'shop-app-1',
      'shop-db-1',
    ]);

    write('');
    expect(data(await apply('down'))).toMatchObject({
      state: 'done',
      summary: expect.stringContaining('shop is down'),
    });
    expect((await lab.docker(['ps', '-aq'])).out).toBe('');
    expect((await lab.docker(['volume', 'ls', '-q'])).out).toContain('shop_data');
  });
});
