/** The stdio face as a process: the official clients of both eras, and everything that a pipe can do to it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MOST_FRAME_BYTES } from '../../src/edge/lines.ts';
import { serveStdioFace } from '../../src/edge/stdio.ts';
import { fixtureDoor, quiet, who } from './fixture-door.ts';
import { info, legacy, modern } from './fixture-http.ts';
import { stage } from './fixture-tools.ts';

const SCRIPT = fileURLToPath(new URL('fixture-stdio-server.ts', import.meta.url));

/** A busy machine takes its time to start a process. */
const SOON = { timeout: 15_000 };
let open: (() => unknown)[] = [];
beforeEach(() => Object.assign(stage, { aborted: 0, started: () => {}, finish: Promise.resolve() }));
afterEach(async () => {
  for (const close of open.reverse()) await close();
  open = [];
});

describe.each(['2.x modern', '2.x legacy', '1.x'])('client %s', (kind) => {
  test('lists, calls, reads and is told of progress', async () => {
    const command = { command: process.execPath, args: [SCRIPT, '20'], stderr: 'ignore' as const };
    let client: Client;
    if (kind === '1.x') {
      client = new OldClient({ name: 'old', version: '1' }) as unknown as Client;
      await client.connect(new OldTransport(command) as never);
    } else {
      const mode = kind === '2.x modern' ? { pin: '2026-07-28' } : 'legacy';
      client = new Client({ name: 'new', version: '2' }, { versionNegotiation: { mode } } as never);
      await client.connect(new StdioClientTransport(command));
    }
    open.push(() => client.close());
    expect((await client.listTools()).tools.map((t) => t.name)).toContain('system_overview');
    const done = await client.callTool({ name: 'system_overview', arguments: { top: 2 } });
    expect(done.structuredContent).toEqual({ host: 'fixture', top: 2, lines: ['one'] });
    await expect(client.callTool({ name: 'nope', arguments: {} })).rejects.toMatchObject({ code: -32_602 });
    const wrong = await client.callTool({ name: 'system_overview', arguments: { tpo: 2 } });
    expect(wrong.isError).toBe(true);
    expect((await client.readResource({ uri: 'deckhand://system/overview' })).contents.length).toBe(1);
    const seen: number[] = [];
    const options = { onprogress: (p: { progress: number }) => seen.push(p.progress) };
    const slow = { name: 'fixture_slow', arguments: {} };
    await client.callTool(slow, ...((kind === '1.x' ? [undefined, options] : [options]) as [never]));
    expect(seen).toEqual([1, 2, 3]);
  });
});

/** A process at the other end of three pipes. */
function run(ms = 0) {
  const child: ChildProcess = spawn(process.execPath, [SCRIPT, String(ms)], { stdio: 'pipe' });
  let out = '';
  let err = '';
  child.stdout?.on('data', (d) => {
    out += d;
  });
  child.stderr?.on('data', (d) => {
    err += d;
  });
  child.stdin?.on('error', () => {});
  const exit = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  open.push(() => child.kill('SIGKILL'));
  return {
    child,
    exit,
    say: (...messages: unknown[]) =>
      child.stdin?.write(messages.map((m) => `${typeof m === 'string' ? m : JSON.stringify(m)}\n`).join('')),
    out: () =>
      out
        .split('\n')
        .filter(Boolean)
        .map((l) => JSON.parse(l)),
    err: () => err,
    told: () =>
      err
        .split('\n')
        .filter((l) => l.startsWith('{"event"'))
        .map((l) => JSON.parse(l) as { event: string; what: string; code: string })
        .map((r) => `${r.event} ${r.what} ${r.code}`),
  };
}

const slowCall = modern('tools/call', { name: 'fixture_slow', arguments: {} }).body;

describe('a process', () => {
  test('prints nothing but the protocol, whatever else prints', async () => {
    const p = run();
    p.say(slowCall);
    await expect.poll(() => p.out().length, SOON).toBe(1);
    expect(p.out()[0]).toMatchObject({ id: 1, result: { structuredContent: { steps: 3 } } });
    expect(p.err()).toContain('a stray print');
  });

  test('answers what is in flight when the input ends, then exits', async () => {
    const p = run(300);
    p.say(slowCall);
    p.child.stdin?.end();
    expect(await p.exit).toBe(0);
    expect(p.out()[0]).toMatchObject({ result: { structuredContent: { steps: 3 } } });
    expect(p.err()).toContain('{"done":true}');
    expect(p.told()).toEqual(['call fixture_slow done']);
  });

  test('answers what is in flight on SIGTERM, then exits', async () => {
    const p = run(600);
    p.say(slowCall);
    await expect.poll(p.err, SOON).toContain('"started"');
    p.child.kill('SIGTERM');
    await expect.poll(() => p.out().length, SOON).toBe(1);
    expect(p.out()[0]).toMatchObject({ result: { structuredContent: { steps: 3 } } });
    expect(await p.exit).toBe(0);
  });

  test('reads a last line without its end', async () => {
    const p = run();
    p.child.stdin?.end(JSON.stringify(legacy('tools/list')));
    expect(await p.exit).toBe(0);
    expect(p.out()[0].result.tools.length).toBe(4);
  });

  test('ends quietly when nobody reads', async () => {
    const p = run();
    p.child.stdout?.destroy();
    p.say(legacy('tools/list'), legacy('tools/list', {}, 2));
    expect(await p.exit).toBe(0);
    expect(p.err().replace('{"done":true}\n', '')).toBe('');
  });
});

/** The face in this process, at the other end of two streams. */
function here(drainMs = 5_000) {
  const d = fixtureDoor();
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const face = serveStdioFace({
    whole: async () => ({ door: d.door, log: quiet }),
    principal: who('stdio:1000', ['system:read'], { kind: 'stdio' }),
    info,
    stdin,
    stdout,
    drainMs,
  });
  let out = '';
  stdout.on('data', (chunk) => {
    out += chunk;
  });
  open.push(() => face.close());
  return {
    ...d,
    face,
    stdin,
    stdout,
    out: () =>
      out
        .split('\n')
        .filter(Boolean)
        .map((l) => JSON.parse(l)),
    told: () => d.records.map((r) => `${r.event} ${r.what} ${r.code}`),
  };
}

describe('bad input', () => {
  test.each([
    ['malformed JSON', '{"jsonrpc":', -32_700, null, 'refused a line of input validation'],
    ['no message', '7', -32_600, null, 'refused a line of input validation'],
    [
      'a member that no message has',
      '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"system_overview","arguments":{}},"extra":1}',
      -32_600,
      5,
      'refused a line of input validation',
    ],
    ['an array', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32_600, null, 'refused a line of input validation'],
    ['an unknown method', legacy('tools/lust'), -32_601, 1, 'refused tools/lust not_found'],
    ['a method that is gone', modern('ping').body, -32_601, 1, 'refused ping not_found'],
    ['no tool name', legacy('tools/call'), -32_602, 1, 'refused tools/call validation'],
    [
      'arguments of a wrong type',
      legacy('tools/call', { name: 'system_overview', arguments: 'x' }),
      -32_602,
      1,
      'refused tools/call system_overview validation',
    ],
    ['an unknown tool', modern('tools/call', { name: 'nope' }).body, -32_602, 1, 'call nope not_found'],
    [
      'a tool out of reach',
      modern('resources/read', { uri: 'deckhand://system/thing/x' }).body,
      -32_000,
      1,
      'call fixture_missing permission',
    ],
    [
      'a version nobody has',
      modern('tools/list', {}, 1, { 'io.modelcontextprotocol/protocolVersion': '2031-01-01' }).body,
      -32_022,
      1,
      'refused tools/list validation',
    ],
    [
      'a method of a version nobody has',
      modern('tasks/get', {}, 1, { 'io.modelcontextprotocol/protocolVersion': '2031-01-01' }).body,
      -32_022,
      1,
      'refused tasks/get validation',
    ],
  ])('%s', async (_name, line, code, id, record) => {
    const h = here();
    h.stdin.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`);
    await expect.poll(() => h.out().length).toBe(1);
    expect(h.out()[0]).toMatchObject({ id, error: { code } });
    expect(h.out()[0].error.message.length).toBeGreaterThan(10);
    expect(h.told()).toEqual([record]);
    h.stdin.write(`${JSON.stringify(legacy('tools/list', {}, 99))}\n`);
    const modernNow = JSON.stringify(modern('tools/list', {}, 98).body);
    h.stdin.write(`${modernNow}\n`);
    await expect.poll(() => h.out().some((m) => m.id === 99 || m.id === 98)).toBe(true);
  });

  test('an id that is under way is not used again', async () => {
    const h = here();
    stage.finish = new Promise(() => {});
    const line = `${JSON.stringify(legacy('tools/call', { name: 'fixture_slow', arguments: {} }, 7))}\n`;
    h.stdin.write(line + line);
    await expect.poll(() => h.out().length).toBe(1);
    expect(h.out()[0]).toMatchObject({
      id: null,
      error: { code: -32_600, message: expect.stringContaining('its own id') },
    });
    expect(h.told()).toEqual(['refused a line of input conflict']);
    h.stdin.write('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}\n');
    await expect.poll(() => stage.aborted).toBe(1);
  });

  test('empty lines are nothing', async () => {
    const h = here();
    h.stdin.write(`\n\r\n  \n${JSON.stringify(legacy('tools/list'))}\r\n`);
    await expect.poll(() => h.out().length).toBe(1);
    expect(h.told()).toEqual([]);
  });

  test('a frame over the limit is skipped in bounded memory, and the next one is served', async () => {
    const h = here();
    const chunk = Buffer.alloc(64 * 1024, 120);
    const before = process.memoryUsage().arrayBuffers;
    h.stdin.write('{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"x":"');
    for (let sent = 0; sent < 64 * MOST_FRAME_BYTES; sent += chunk.length)
      if (!h.stdin.write(chunk)) await new Promise((resolve) => h.stdin.once('drain', resolve));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * MOST_FRAME_BYTES);
    h.stdin.write(`"}}\n${JSON.stringify(legacy('tools/list', {}, 2))}\n`);
    await expect.poll(() => h.out().length).toBe(2);
    expect(h.out()[0]).toMatchObject({
      id: null,
      error: { code: -32_600, message: expect.stringContaining('1048576 bytes') },
    });
    expect(h.out()[1]).toMatchObject({ id: 2, result: { tools: expect.anything() } });
    expect(h.told()).toEqual(['refused a line of input limit']);
  });

  test('a frame just below the limit is served', async () => {
    const h = here();
    const frame = JSON.stringify(legacy('tools/list', { _meta: { pad: 'x'.repeat(MOST_FRAME_BYTES - 200) } }));
    for (let i = 0; i < frame.length; i += 10_000) h.stdin.write(frame.slice(i, i + 10_000));
    h.stdin.write('\n');
    await expect.poll(() => h.out().length).toBe(1);
    expect(h.out()[0].result).toBeDefined();
  });

  test('a client that does not read is not read from either', async () => {
    const h = here();
    h.stdout.removeAllListeners('data');
    h.stdout.pause();
    let before = -1;
    for (let i = 0; i < 5_000; i++) h.stdin.write(`${JSON.stringify(legacy('tools/list', {}, i))}\n`);
    await expect
      .poll(() => {
        const same = h.stdin.readableLength === before;
        before = h.stdin.readableLength;
        return same;
      })
      .toBe(true);
    expect(h.stdin.readableLength + h.stdin.writableLength, 'the rest waits in the pipe').toBeGreaterThan(100_000);
    expect(h.stdout.writableLength + h.stdout.readableLength).toBeLessThan(1024 * 1024);
  });
});

test('cancelling aborts the signal, and a stop does not wait for what was cancelled', async () => {
  const h = here();
  stage.finish = new Promise(() => {});
  const started = new Promise<void>((resolve) => {
    stage.started = resolve;
  });
  h.stdin.write(`${JSON.stringify(legacy('tools/call', { name: 'fixture_slow', arguments: {} }, 'a'))}\n`);
  await started;
  const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'a', reason: 'enough' } };
  h.stdin.write(`${JSON.stringify(cancel)}\n`);
  await expect.poll(() => stage.aborted).toBe(1);
  const began = performance.now();
  await h.face.close();
  expect(performance.now() - began).toBeLessThan(2_000);
  expect(h.told()).toEqual(['call fixture_slow timeout']);
});

test('a stop does not wait for ever for what is in flight', async () => {
  const h = here(50);
  stage.finish = new Promise(() => {});
  const started = new Promise<void>((resolve) => {
    stage.started = resolve;
  });
  h.stdin.write(`${JSON.stringify(slowCall)}\n`);
  await started;
  h.stdin.end();
  await h.face.done;
  await expect.poll(h.told).toEqual(['call fixture_slow timeout']);
});

test('loads nothing of HTTP; and nothing of the SDK before its server is wanted', () => {
  const seen = new Set<string>();
  const walk = (file: URL) => {
    if (seen.has(file.href)) return;
    seen.add(file.href);
    for (const [, whole, part] of readFileSync(file, 'utf8').matchAll(
      /^import (?!type ).*?from '([^']+)';$|^} from '([^']+)';$/gm,
    )) {
      const spec = whole ?? part;
      if (spec?.startsWith('.')) walk(new URL(spec, file));
      else if (spec) seen.add(spec);
    }
  };
  walk(new URL('../../src/edge/stdio.ts', import.meta.url));
  expect([...seen].filter((s) => /modelcontextprotocol|zod|mcp\.ts/.test(s))).toEqual([]);
  walk(new URL('../../src/edge/served.ts', import.meta.url));
  expect([...seen].join(' ')).toContain('@modelcontextprotocol/server/stdio');
  expect([...seen].filter((s) => /hono|node:http|node_server|http\.ts|sessions/.test(s))).toEqual([]);
});
