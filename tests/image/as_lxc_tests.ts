/** What has to hold of the image as an LXC; part of image.test.ts, which has built it. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { overHttp } from '../e2e/product.ts';
import { asLxc, type Lxc, lackingLxc, URL_THERE } from './as_lxc.ts';
import { childOf, zombiesOf } from './container.ts';
import type { Engine } from './engine.ts';

export { lackingLxc };

/** As deploy/docker/README.md has it; with `pct` in place of `lxc-attach`. */
const CLI = ['/usr/bin/env', 'PATH=/usr/local/bin:/usr/bin', 'DECKHAND_STATE_DIR=/var/lib/deckhand/state', 'deckhand'];

export function lxcTests(engine: () => Engine): void {
  let lxc: Lxc;
  let token = '';
  const overview = async () => {
    const client = await overHttp('2026-07-28', `${URL_THERE}/mcp`, token);
    const answer = await client.callTool({ name: 'system_overview', arguments: {} });
    await client.close();
    expect(answer.isError ?? false).toBe(false);
    return answer.structuredContent as never as { host: { container: boolean; virtualisation: string } };
  };

  beforeAll(async () => {
    lxc = await asLxc(engine(), { DECKHAND_HTTP_BEHIND_PROXY: 'true', DECKHAND_HTTP_URL: URL_THERE });
    await lxc.start();
  }, 120_000);
  afterAll(async () => {
    await lxc?.close();
    expect(lxc?.left()).toEqual([]);
  }, 60_000);

  test('unprivileged, under the image’s user, without a capability: a token is made, a call answered', async () => {
    const made = await lxc.attach([...CLI, 'token', 'add', 'laptop', '--role', 'viewer']);
    expect(made.code, made.err).toBe(0);
    token = made.out.trim();
    expect((await overview()).host).toMatchObject({ container: true, virtualisation: 'lxc' });
    for (const pid of [lxc.pid(), childOf(lxc.pid())]) {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      expect(status).toMatch(/^Uid:\s+110001\s+110001/m);
      expect(status).toMatch(/^CapEff:\s+0{16}$/m);
    }
  }, 60_000);

  test('100 orphans leave no zombie: tini is PID 1 in there', async () => {
    const script = `for (let i = 0; i < 100; i++)
      child_process.spawn('/usr/bin/env', { detached: true, stdio: 'ignore' }).unref();
      process.kill(process.pid, 'SIGKILL')`;
    await lxc.attach(['/usr/local/bin/node', '-e', script]);
    await expect.poll(() => zombiesOf(lxc.pid()), { timeout: 10_000 }).toBe(0);
    expect(readFileSync(`/proc/${lxc.pid()}/comm`, 'utf8').trim()).toBe('tini-static');
  }, 60_000);

  test('stopped, it ends in good order and well before the time that it is given; started again, it has its state', async () => {
    const ms = await lxc.stop();
    expect(ms).toBeLessThan(30_000);
    await lxc.start();
    // The token is from before, and so is the record of the call.
    expect((await overview()).host.container).toBe(true);
    const verified = await lxc.attach([...CLI, 'audit', 'verify']);
    expect(`${verified.code} ${verified.err}`, 'the record was closed').toMatch(/^0 /);
    const kept = await lxc.attach([...CLI, 'token', 'list', '--json']);
    expect(kept.out).toContain('laptop');
  }, 90_000);
}
