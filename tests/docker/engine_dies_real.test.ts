/**
 * Real engines and registries that die: a registry in the middle of a pull, an engine at the steps of an update (all of them: `npm run soak
 * docker-update`), and one that hangs, dies and comes back under a server that runs. Loud when it is skipped.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OpsError } from '../../src/core/errors.ts';
import { imagePull } from '../../src/tools/image_pull.ts';
import { overHttp, place, serve } from '../e2e/product.ts';
import { fakeControl } from '../fakes/control.ts';
import { fakeHost } from '../fakes/host.ts';
import { callOf, rig } from '../fakes/policy.ts';
import { failure, keeper } from '../tools/docker_changes.ts';
import { IMAGE, importImage, type LabEngine, lacking, startLab, until } from './engine.ts';
import { killedUpdate } from './update_killed.ts';

const real = process.env.DECKHAND_REAL === '1';
const missing = real ? lacking() : [];
if (!real)
  process.stderr.write('SKIPPED tests/docker/engine_dies_real: needs DECKHAND_REAL=1, root, debootstrap and docker.\n');
if (missing.length > 0) throw new Error(`DECKHAND_REAL=1, but this machine lacks: ${missing.join(', ')}`);

describe.runIf(real)('Docker 26 and its registry die', { timeout: 120_000 }, () => {
  let lab: LabEngine;
  let killRegistry: () => Promise<void>;
  beforeAll(async () => {
    lab = await startLab('docker');
    killRegistry = await lab.registry();
  }, 400_000);
  afterAll(async () => {
    await killRegistry();
    await lab.close();
    expect(lab.left()).toEqual([]);
  }, 60_000);

  test('a registry that dies in the middle of a pull: a clear error, and nothing half done', async () => {
    const big = '127.0.0.1:5000/big:1';
    await lab.docker(['run', '--name', 'maker', IMAGE, 'dd', 'if=/dev/urandom', 'of=/data/big', 'bs=1M', 'count=150']);
    await lab.docker(['commit', 'maker', big], { ms: 120_000 });
    await lab.docker(['push', big], { ms: 120_000 });
    await lab.docker(['rm', '-v', 'maker']);
    await lab.docker(['rmi', big]);
    const before = await lab.host.images.list();
    let killed = false;
    const images: typeof lab.host.images = {
      ...lab.host.images,
      pull: (ref, o) =>
        lab.host.images.pull(ref, {
          ...o,
          onProgress(p) {
            o.onProgress?.(p);
            if (killed || p.doneBytes === 0 || p.doneBytes === p.totalBytes) return;
            killed = true;
            void killRegistry();
          },
        }),
    };
    const { door } = rig({
      catalog: { tools: [imagePull], resources: [], prompts: [] },
      context: {
        host: { ...fakeHost(), docker: { ...lab.host, images }, control: fakeControl({ allow: ['*'] }) },
        recent: () => [],
        recentProcesses: () => null,
        absent: () => [],
      },
    });
    const out = await door.run(callOf('image_pull', { image: big }, { principal: keeper }));
    expect(killed).toBe(true);
    expect(failure(out)).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/^The image could not be pulled: /),
      hint: expect.stringContaining('nothing was changed'),
    });
    const after = await lab.host.images.list();
    expect(after.map((i) => [i.id, i.tags])).toEqual(before.map((i) => [i.id, i.tags]));
    await expect(lab.host.images.inspect(big)).rejects.toBeInstanceOf(OpsError);
    killRegistry = await lab.registry();
    expect(await lab.host.images.pull(big, {})).toMatchObject({ upToDate: false });
  });

  test.each([
    ['POST /images/create', 'during', 'late'],
    ['POST /containers/create', 'after', 'late'],
    ['POST /containers/ID/stop', 'during', 'late'],
    ['POST /containers/ID/start', 'after', 'late'],
  ] as const)('killed at %s (%s), back %s: never lost', async (step, when, back) => {
    const k = await killedUpdate(lab, `${step} ${when}`, { at: step, when, back });
    expect(k.step).toBe(step);
    expect(k.wrong).toEqual([]);
    expect(['old', 'named']).toContain(k.end);
    expect(k.told).not.toBe('done');
  });

  test('an engine that hangs, dies and comes back under a running server: it alone is waited for, and not for long', async () => {
    await importImage(lab, 'serve/web:1', ['CMD ["sleep","1000"]']);
    await lab.docker(['run', '-d', '--name', 'served', '--restart', 'always', 'serve/web:1']);
    using at = place({ DECKHAND_DOCKER_ENDPOINT: lab.endpoint });
    const served = await serve(at);
    const client = await overHttp('2026-07-28', served.url, served.token);
    const timed = async (name: string, args: Record<string, unknown> = {}) => {
      const t = performance.now();
      const answer = await client.callTool({ name, arguments: args });
      return { ms: performance.now() - t, error: answer.isError === true, text: JSON.stringify(answer) };
    };
    // Equal reads within a quarter of a second share one answer: each of these is another.
    let n = 0;
    const list = () => timed('container_list', { limit: 10 + (n++ % 100) });
    try {
      const first = await list();
      expect(first.error, first.text).toBe(false);
      expect(first.text).toContain('served');

      lab.signal('SIGSTOP');
      const hung = list();
      let over = false;
      void hung.finally(() => {
        over = true;
      });
      // While that one waits, the others are answered.
      let slowest = 0;
      while (!over) slowest = Math.max(slowest, (await timed('system_overview')).ms);
      const waited = await hung;
      expect(slowest).toBeLessThan(waited.ms / 2);
      expect(waited.error, waited.text).toBe(true);
      expect(waited.ms).toBeLessThan(5_000);
      const next = await list();
      expect(next.error, next.text).toBe(true);
      expect(next.ms).toBeLessThan(waited.ms / 3);
      expect((await timed('system_overview')).ms).toBeLessThan(waited.ms / 2);
      lab.signal('SIGCONT');
      await until('it is found well again', async () => !(await list()).error);

      await lab.kill();
      const dead = await list();
      expect(dead.error, dead.text).toBe(true);
      expect(dead.ms).toBeLessThan(waited.ms / 2);
      expect((await timed('system_overview')).ms).toBeLessThan(waited.ms / 2);
      await lab.start();
      const again = await until('it is used again', async () => {
        const answer = await list();
        return answer.error ? null : answer;
      });
      expect(again.text).toContain('served');
    } finally {
      await client.close();
      expect(await served.stop()).toBe(0);
    }
  });
});
