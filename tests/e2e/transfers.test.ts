/** Files through the product as users start it: a client of MCP asks, curl's kind of requests move the bytes, another token gets nothing. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { overHttp, overStdio, place, run, serve } from './product.ts';

const bytes = randomBytes(3_000_000);
const sha256 = createHash('sha256').update(bytes).digest('hex');

function withRoot() {
  const at = place({ DECKHAND_MODE: 'full', DECKHAND_TOOLSETS: 'files,triage' });
  const root = join(realpathSync(at.dir), 'root');
  mkdirSync(root);
  const config = join(at.dir, 'deckhand.yaml');
  writeFileSync(config, `files:\n  roots: [{path: ${root}, access: write}]\n`, { mode: 0o600 });
  at.env.DECKHAND_CONFIG = config;
  return { at, root };
}

test('over HTTP: down and up by URLs that need the token; another token is told what everybody is told', async () => {
  const { at, root } = withRoot();
  using _ = at;
  const served = await serve(at);
  try {
    const added = await run(at, ['token', 'add', 'other', '--role', 'operator']);
    const other = /dh_\S+/.exec(added.out)?.[0] ?? '';
    const adds = await run(at, ['token', 'add', 'mine', '--role', 'operator']);
    const mine = /dh_\S+/.exec(adds.out)?.[0] ?? '';
    const auth = (token: string) => ({ authorization: `Bearer ${token}` });
    const client = await overHttp('2026-07-28', served.url, mine);
    const call = async (name: string, args: Record<string, unknown>) => {
      const r = await client.callTool({ name, arguments: args });
      expect(r.isError, JSON.stringify(r.content)).toBeFalsy();
      return r.structuredContent as Record<string, string>;
    };
    writeFileSync(join(root, 'big'), bytes);
    const { url = '', sha256: said } = await call('file_download', { path: join(root, 'big') });
    expect(said).toBe(sha256);
    const got = await fetch(url, { headers: auth(mine) });
    expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true);
    const words = async (r: Response) => `${r.status} ${(await r.text()).replace(/"call":"[0-9a-f]+"/, '')}`;
    const theirs = await words(await fetch(url, { headers: auth(other) }));
    expect(theirs).toMatch(/^404 /);
    const missing = url.replace(/d_.*/, `d_${'a'.repeat(26)}`);
    expect(await words(await fetch(missing, { headers: auth(other) }))).toBe(theirs);
    expect((await fetch(url)).status).toBe(401);

    const up = await call('file_upload', { path: join(root, 'up'), size_bytes: bytes.length, sha256 });
    expect(up.state).toBe('running');
    const done = await fetch(up.url as string, { method: 'PUT', headers: auth(mine), body: bytes });
    expect(await done.json()).toMatchObject({ state: 'done', receipt: expect.stringMatching(/^t_/) });
    expect(readFileSync(join(root, 'up')).equals(bytes)).toBe(true);
    const asked = await call('result_query', { handle: up.handle, wait_s: 5 });
    expect(asked).toMatchObject({ state: 'done', whole: { after: { sha256 } } });

    // A stop with an upload that waits: it is gone, and nothing of it is left.
    await call('file_upload', { path: join(root, 'never'), size_bytes: bytes.length, sha256 });
    await client.close();
  } finally {
    expect(await served.stop()).toBe(0);
  }
  expect(readdirSync(root).sort()).toEqual(['big', 'up']);
  expect((await run(at, ['audit', 'verify'])).code).toBe(0);
});

test('over stdio: paths of this host, and a copy', async () => {
  const { at, root } = withRoot();
  using _ = at;
  writeFileSync(join(root, 'big'), bytes);
  const client = await overStdio('2026-07-28', at);
  try {
    const down = await client.callTool({ name: 'file_download', arguments: { path: join(root, 'big') } });
    expect(down.structuredContent).toMatchObject({ local: join(root, 'big'), url: null, sha256 });
    const up = await client.callTool({
      name: 'file_upload',
      arguments: { path: join(root, 'copy'), from: join(root, 'big') },
    });
    expect(up.structuredContent).toMatchObject({ state: 'done', after: { sha256 } });
    expect(readFileSync(join(root, 'copy')).equals(bytes)).toBe(true);
  } finally {
    await client.close();
  }
});
