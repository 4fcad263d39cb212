/** Two products on loopback: one measures the way to the other, as its owner named it. What is off, refused or open to others is said. */
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { overStdio, type Place, place, run, serve } from './product.ts';

const MiB = 1024 * 1024;

const records = (at: Place) => {
  const audit = join(at.env.DECKHAND_STATE_DIR ?? '', 'audit');
  return readdirSync(audit)
    .filter((f) => f.endsWith('.jsonl') && f !== 'index.jsonl')
    .flatMap((f) => readFileSync(join(audit, f), 'utf8').trim().split('\n'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
};

test('down, up and latency to a peer; its token stays in its file; both sides have it on record', async () => {
  using far = place({ DECKHAND_NET_MEASURE: 'true' });
  using shut = place();
  using near = place({ DECKHAND_TOOLSETS: 'net' });
  const [there, closed] = await Promise.all([serve(far), serve(shut)]);
  try {
    const added = await run(far, ['token', 'add', 'near', '--role', 'viewer']);
    const token = /dh_\S+/.exec(added.out)?.[0] ?? '';
    const other = await run(shut, ['token', 'add', 'near', '--role', 'viewer']);
    const file = (name: string, text: string) => {
      writeFileSync(join(near.dir, name), text, { mode: 0o600 });
      return join(near.dir, name);
    };
    const peer = (name: string, url: string, tokenFile: string) => ({
      name,
      url: url.replace(/\/mcp$/, ''),
      plain: true,
      tokenFile,
    });
    const peers = [
      peer('far', there.url, file('far', `${token}\n`)),
      peer('shut', closed.url, file('shut', /dh_\S+/.exec(other.out)?.[0] ?? '')),
      peer('wrong', there.url, file('wrong', 'dh_not-a-token')),
      peer('open', there.url, file('open', token)),
    ];
    chmodSync(join(near.dir, 'open'), 0o644);
    near.env.DECKHAND_CONFIG = file('deckhand.yaml', JSON.stringify({ peers }));
    const client = await overStdio('2026-07-28', near);
    try {
      const ask = async (name: string) => {
        const r = await client.callTool({
          name: 'net_bandwidth',
          arguments: { peer: name, mib: 8, seconds: 2, wait_s: 30 },
        });
        return { text: JSON.stringify(r), failed: r.isError === true, data: r.structuredContent as never };
      };
      const found = await ask('far');
      expect(found.failed, found.text).toBe(false);
      expect(found.data).toMatchObject({
        test: {
          peer: 'far',
          address: '127.0.0.1',
          encrypted: false,
          idleRttMs: { requests: expect.any(Number), median: expect.any(Number) },
          down: { bytes: 8 * MiB, ended: 'bytes', mbitPerSecond: expect.any(Number) },
          up: { bytes: 8 * MiB, ended: 'bytes', mbitPerSecond: expect.any(Number) },
        },
      });
      const no = { shut: 'net.measure', wrong: 'does not take the token', open: 'may be read by others' };
      for (const [name, words] of Object.entries(no)) {
        const refused = await ask(name);
        expect(refused.failed).toBe(true);
        expect(refused.text).toContain(words);
        expect(refused.text).not.toContain(token);
      }
      expect(found.text).not.toContain(token);
    } finally {
      await client.close();
    }
    const measured = records(far).filter((r) => r.event === 'measure');
    expect(measured).toMatchObject([
      { state: 'begin', way: 'down', who: 'token:near' },
      { state: 'end', way: 'down', outcome: 'done', bytes: 8 * MiB },
      { state: 'begin', way: 'up' },
      { state: 'end', way: 'up', outcome: 'done', bytes: 8 * MiB },
    ]);
    expect(records(shut).filter((r) => r.event === 'measure')).toEqual([]);
    for (const at of [far, near]) expect(JSON.stringify(records(at))).not.toContain(token);
    expect(JSON.stringify(records(near))).toContain('peer:far');
  } finally {
    expect(await Promise.all([there.stop(), closed.stop()])).toEqual([0, 0]);
  }
  expect((await run(far, ['audit', 'verify'])).code).toBe(0);
}, 60_000);
