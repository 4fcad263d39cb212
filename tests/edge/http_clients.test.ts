/** The HTTP face from outside: real sockets, the official clients of both protocol eras. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Web, web } from './fixture-http.ts';
import { stage } from './fixture-tools.ts';

type Kind = '2.x modern' | '2.x legacy' | '1.x';
const KINDS: Kind[] = ['2.x modern', '2.x legacy', '1.x'];
const SESSIONS = { enabled: true, max: 4, idleMinutes: 30 };

let open: (() => Promise<unknown>)[] = [];
beforeEach(() => {
  stage.aborted = 0;
  stage.started = () => {};
  stage.finish = Promise.resolve();
});
afterEach(async () => {
  for (const close of open.reverse()) await close();
  open = [];
});

async function connect(kind: Kind, url: string, token = 'full') {
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  if (kind === '1.x') {
    const client = new OldClient({ name: 'old', version: '1' });
    await client.connect(new OldTransport(new URL(url), { requestInit }) as never);
    open.push(() => client.close());
    return client as unknown as Client;
  }
  const mode = kind === '2.x modern' ? { pin: '2026-07-28' } : 'legacy';
  const client = new Client({ name: 'new', version: '2' }, { versionNegotiation: { mode } } as never);
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
  open.push(() => client.close());
  return client;
}

async function start(over: Parameters<typeof web>[0] = {}): Promise<Web & { url: string }> {
  const w = web(over);
  const { url } = await w.face.listen();
  open.push(() => w.face.close());
  return { ...w, url };
}

describe.each(KINDS)('client %s', (kind) => {
  test.each([true, false])('lists and calls (sessions %s)', async (enabled) => {
    const w = await start({ http: { sessions: { ...SESSIONS, enabled } } });
    const client = await connect(kind, w.url);
    expect(client.getServerVersion()?.name).toBe('deckhand-box');
    expect(client.getInstructions()).toContain('system_overview');
    const { tools } = await client.listTools();
    expect(tools.map((t) => t.name)).toEqual(w.door.catalog.tools.map((t) => t.name));

    const done = await client.callTool({ name: 'system_overview', arguments: { top: 2 } });
    expect(done.structuredContent).toEqual({ host: 'fixture', top: 2, lines: ['one'] });
    expect(done.content).toEqual([{ type: 'text', text: 'fixture 2' }]);
    expect(done._meta).toMatchObject({ 'deckhand/foreign': ['lines[]'] });

    const wrong = await client.callTool({ name: 'system_overview', arguments: { top: 'x' } });
    expect(wrong.isError).toBe(true);
    expect((wrong.content as { text: string }[])[0]?.text).toMatch(/^validation: .*\n.*takes: detail, top, secret/);

    const pending = await client.callTool({ name: 'fixture_rename', arguments: { to: 'x' } });
    expect(pending.structuredContent).toMatchObject({ state: 'pending' });

    await expect(client.callTool({ name: 'nope', arguments: {} })).rejects.toMatchObject({ code: -32_602 });
    expect(w.records.map((r) => `${r.event} ${r.what} ${r.code}`)).toEqual([
      'call system_overview done',
      'call system_overview validation',
      'call fixture_rename pending',
      'call nope not_found',
    ]);
    expect(w.records[0]).toMatchObject({ who: 'token:full', address: '127.0.0.1' });
    // A client that keeps no session says who it is only while it opens: nothing of it is left for later requests.
    if (enabled || kind === '2.x modern') expect(w.records[0]?.client).toBe(kind === '1.x' ? 'old/1' : 'new/2');
  });

  test('reads resources and prompts as calls of the tool behind them', async () => {
    const w = await start();
    const client = await connect(kind, w.url);
    expect((await client.listResources()).resources.map((r) => r.uri)).toEqual(['deckhand://system/overview']);
    expect((await client.listResourceTemplates()).resourceTemplates.map((r) => r.uriTemplate)).toEqual([
      'deckhand://system/thing/{id}',
    ]);
    const read = await client.readResource({ uri: 'deckhand://system/overview' });
    expect(read.contents).toEqual([{ uri: 'deckhand://system/overview', mimeType: 'text/plain', text: 'fixture 3' }]);
    const one = await client.readResource({ uri: 'deckhand://system/thing/known' });
    expect(one.contents[0]).toMatchObject({ text: 'it is known' });
    await expect(client.readResource({ uri: 'deckhand://system/thing/gone' })).rejects.toMatchObject({ code: -32_602 });
    await expect(client.readResource({ uri: 'deckhand://nowhere' })).rejects.toMatchObject({ code: -32_602 });
    expect((await client.listPrompts()).prompts.map((p) => p.name)).toEqual(['checkup']);
    const prompt = await client.getPrompt({ name: 'checkup' });
    expect(prompt.messages).toEqual([
      { role: 'user', content: { type: 'text', text: 'Look at this host:\n\nfixture 5' } },
    ]);
    expect(w.records.map((r) => `${r.event} ${r.what} ${r.code}`)).toEqual([
      'call system_overview done',
      'call fixture_missing done',
      'call fixture_missing not_found',
      'refused resources/read deckhand://nowhere not_found',
      'call system_overview done',
    ]);
  });

  test('shows what the token may see, and no more', async () => {
    const w = await start();
    const client = await connect(kind, `${w.url}?toolsets=core&readonly`, 'small');
    expect((await client.listTools()).tools.map((t) => t.name)).toEqual(['system_overview', 'fixture_slow']);
    expect((await client.listResourceTemplates()).resourceTemplates).toEqual([]);
    await expect(client.callTool({ name: 'fixture_missing', arguments: { id: 'x' } })).rejects.toThrow();
    expect(w.records.map((r) => `${r.event} ${r.what} ${r.code}`)).toEqual(['call fixture_missing permission']);
  });

  test('progress arrives as the door passes it', async () => {
    const w = await start();
    const client = await connect(kind, w.url);
    const seen: unknown[] = [];
    const done = await client.callTool(
      { name: 'fixture_slow', arguments: {} },
      ...((kind === '1.x'
        ? [undefined, { onprogress: (p: unknown) => seen.push(p) }]
        : [{ onprogress: (p: unknown) => seen.push(p) }]) as [never]),
    );
    expect(done.structuredContent).toEqual({ steps: 3 });
    expect(seen).toEqual([1, 2, 3].map((n) => ({ progress: n, total: 3, message: `step ${n}` })));
    expect(w.records[0]?.call?.progress).toBeDefined();
    await client.callTool({ name: 'fixture_slow', arguments: {} });
    expect(w.records[1]?.call?.progress, 'no token, nobody to tell').toBeUndefined();
  });

  test('cancelling aborts the signal of the call', async () => {
    const w = await start();
    const client = await connect(kind, w.url);
    const started = new Promise<void>((resolve) => {
      stage.started = resolve;
    });
    stage.finish = new Promise(() => {});
    const stop = new AbortController();
    const options = { signal: stop.signal };
    const call = client.callTool(
      { name: 'fixture_slow', arguments: {} },
      ...((kind === '1.x' ? [undefined, options] : [options]) as [never]),
    );
    await started;
    stop.abort('enough');
    await expect(call).rejects.toThrow();
    await expect.poll(() => stage.aborted).toBe(1);
    await expect.poll(() => w.records.length).toBe(1);
  });

  test('a stop answers what is in flight, then ends', async () => {
    const w = await start();
    const client = await connect(kind, w.url);
    const started = new Promise<void>((resolve) => {
      stage.started = resolve;
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    stage.finish = promise;
    const call = client.callTool({ name: 'fixture_slow', arguments: {} });
    await started;
    const closed = w.face.close();
    const late = await fetch(w.url, { method: 'POST' }).catch(() => null);
    // On a connection that is open still it is answered, and is the last one there.
    expect(late === null ? 'close' : late.headers.get('connection')).toBe('close');
    resolve();
    expect((await call).structuredContent).toEqual({ steps: 3 });
    await closed;
    await expect(fetch(w.url)).rejects.toThrow();
  });

  test('an answer that outlasts the wait becomes a stream, and the client never notices', async () => {
    const w = await start({ streamAfterMs: 20 });
    const client = await connect(kind, w.url);
    stage.finish = new Promise((resolve) => setTimeout(resolve, 120));
    const done = await client.callTool({ name: 'fixture_slow', arguments: {} });
    expect(done.structuredContent).toEqual({ steps: 3 });
  });
});
