/** The control socket: who can open it, what it takes, how it is taken over, and that the TCP listener knows nothing of it. */
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Log } from '../../src/core/call.ts';
import { type Control, LONGEST_PATH, openControl } from '../../src/edge/control.ts';
import { askServer } from '../../src/edge/control_client.ts';
import { callOf, rig } from '../fakes/policy.ts';
import { stage } from '../fakes/tools.ts';

beforeEach(() => stage.reset());

function place() {
  const dir = mkdtempSync(join(tmpdir(), 'dh-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return { dir, path: join(dir, 'control.sock') };
}

async function opened(over: Partial<Parameters<typeof openControl>[0]> = {}) {
  const made = rig({ mode: 'ask' });
  const { deciding } = made;
  const said: string[] = [];
  const log = { debug() {}, info() {}, warn: (_: object, m: string) => said.push(m), error() {} } as unknown as Log;
  const { path } = place();
  let held = 0;
  const lease = () => {
    held++;
    return { sure: true, [Symbol.dispose]: () => void held-- };
  };
  const control = await openControl({ path, deciding, approver: 'cli:7', lease, log, ...over });
  if (control) onTestFinished(() => control.close().catch(() => {}));
  const out = await made.door.run(callOf('fixture_rename', { to: 'new' }));
  const id = out.status === 'pending' ? String(out.data.handle) : '';
  return { ...made, deciding, path: over.path ?? path, control: control as Control, said, id, held: () => held };
}

/** A request as it is, and the status and text of what comes back. */
function raw(path: string, o: { method?: string; url: string; body?: string; headers?: Record<string, string> }) {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const { method = 'GET', url, body, headers = {} } = o;
  const sent = request({ socketPath: path, path: url, method, headers }, (response) => {
    let text = '';
    response.on('data', (d) => {
      text += d;
    });
    response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
  });
  sent.on('error', reject);
  sent.end(body);
  return promise;
}

describe('a decision through it', () => {
  test('is by who owns it, whatever is sent', async () => {
    const { path, id, deciding, door } = await opened();
    expect((await askServer(path, '/approvals'))?.approvals).toMatchObject([{ id, state: 'waiting' }]);
    expect((await askServer(path, `/approvals/${id}`))?.approval).toMatchObject({ id, shown: { to: 'new' } });
    expect((await askServer(path, `/approvals/${id}`, { granted: true }))?.approval).toMatchObject({
      state: 'granted',
      approver: 'cli:7',
    });
    await expect(askServer(path, `/approvals/${id}`, { granted: true })).rejects.toMatchObject({ code: 'conflict' });
    expect(deciding.get(id)?.approver).toBe('cli:7');
    expect((await door.run(callOf('fixture_rename', { to: 'new' }))).status).toBe('done');
  });

  test('can be a no, with its reason', async () => {
    const { path, id, deciding } = await opened();
    await askServer(path, `/approvals/${id}`, { granted: false, because: 'later' });
    expect(deciding.get(id)).toMatchObject({ state: 'refused', because: 'later' });
  });

  test.each<[string, Parameters<typeof raw>[1], number]>([
    ['no id', { method: 'POST', url: '/approvals/x', body: '{"granted":true}' }, 404],
    ['another path', { url: '/mcp' }, 404],
    ['another method', { method: 'DELETE', url: '/approvals' }, 404],
    ['no JSON', { method: 'POST', url: '/approvals/ID', body: 'yes' }, 400],
    ['nothing', { method: 'POST', url: '/approvals/ID', body: 'null' }, 400],
    ['a word for yes', { method: 'POST', url: '/approvals/ID', body: '{"granted":"true"}' }, 400],
    [
      'an approver of its own',
      { method: 'POST', url: '/approvals/ID', body: '{"granted":true,"approver":"cli:0"}' },
      400,
    ],
    ['a reason that is no text', { method: 'POST', url: '/approvals/ID', body: '{"granted":true,"because":1}' }, 400],
    [
      'too much',
      { method: 'POST', url: '/approvals/ID', body: `{"granted":true,"because":"${'x'.repeat(5000)}"}` },
      429,
    ],
  ])('with %s is none', async (_, o, status) => {
    const { path, id, deciding } = await opened();
    expect((await raw(path, { ...o, url: o.url.replace('ID', id) })).status).toBe(status);
    expect(deciding.get(id)?.state).toBe('waiting');
  });

  test('that fails inside says nothing of the cause', async () => {
    const { path, id } = await opened({
      deciding: {
        decide: () => {
          throw new Error('secret cause');
        },
      } as never,
    });
    const { status, text } = await raw(path, { method: 'POST', url: `/approvals/${id}`, body: '{"granted":true}' });
    expect([status, text.includes('secret')]).toEqual([500, false]);
  });
});

describe('the socket', () => {
  test('is for its owner alone from the first moment, and gone when closed', async () => {
    const before = process.umask();
    const { path, control, held } = await opened();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(process.umask()).toBe(before);
    expect(held()).toBe(1);
    await control.close();
    expect(existsSync(path)).toBe(false);
    expect(held()).toBe(0);
    expect(await askServer(path, '/approvals')).toBeNull();
  });

  test('that a dead server left is taken over; one that is no socket is not', async () => {
    const { path } = place();
    const dead = createServer().listen(path);
    await new Promise((resolve) => dead.once('listening', resolve));
    // As after a SIGKILL: the file stays, nobody listens.
    (dead as unknown as { _handle: { unref(): void } })._handle.unref();
    const { control } = await opened({ path });
    expect(control).not.toBeNull();
    expect((await raw(path, { url: '/approvals' })).status).toBe(200);

    for (const make of [(p: string) => writeFileSync(p, 'mine'), (p: string) => symlinkSync('/etc/passwd', p)]) {
      const other = place();
      make(other.path);
      const { control: none, said, held } = await opened({ path: other.path });
      expect(none).toBeNull();
      expect(said.join()).toContain('is no socket');
      expect(existsSync(other.path)).toBe(true);
      expect(held()).toBe(0);
    }
  });

  test.each<[string, Partial<Parameters<typeof openControl>[0]>, string]>([
    ['a path that is too long', { path: `/tmp/${'x'.repeat(LONGEST_PATH)}` }, 'longer than 107 bytes'],
    ['another server', { lease: () => null }, 'another server of this state folder has it'],
    ['no lease', { lease: () => ({ sure: false, [Symbol.dispose]: () => {} }) }, 'no lease could be taken'],
    ['no folder', { path: '/nonexistent/control.sock' }, 'no control socket'],
  ])('is not there with %s, and the log says so', async (_, over, why) => {
    const { control, said } = await opened(over);
    expect(control).toBeNull();
    expect(said.join()).toContain(why);
    expect(said.join()).toContain('works through the state folder');
  });

  test('the longest path works', async () => {
    const { dir } = place();
    const path = join(dir, 'x'.repeat(LONGEST_PATH - Buffer.byteLength(dir) - 1));
    expect(Buffer.byteLength(path)).toBe(LONGEST_PATH);
    const { control } = await opened({ path });
    expect((await askServer(path, '/approvals'))?.approvals).toHaveLength(1);
    await control.close();
  });

  test('drops what is no HTTP, and closes with a client that never ends', async () => {
    const { path, control } = await opened();
    const noise = connect(path);
    const gone = new Promise((resolve) => noise.once('close', resolve));
    noise.on('error', () => {});
    noise.write('\u0000\u0001 not http\r\n\r\n');
    await gone;
    const idle = connect(path);
    await new Promise((resolve) => idle.once('connect', resolve));
    idle.on('error', () => {});
    await control.close();
  });
});

describe('the other end', () => {
  test.each([
    ['no JSON', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{{'],
    ['half an answer', 'HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{'],
    ['nothing', ''],
  ])('takes %s for no server', async (_, text) => {
    const { path } = place();
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(text));
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    onTestFinished(() => void server.close());
    expect(await askServer(path, '/approvals')).toBeNull();
  });

  test('knows only our codes', async () => {
    const { path } = place();
    const body = '{"error":{"code":"toString","message":"odd"}}';
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(`HTTP/1.1 500 X\r\ncontent-length: ${body.length}\r\n\r\n${body}`));
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    onTestFinished(() => void server.close());
    await expect(askServer(path, '/approvals')).rejects.toMatchObject({ code: 'internal', message: 'odd' });
  });
});

test('a file that others may write is no better protected by its folder alone: control for the mode', () => {
  // What listen() makes under the usual umask, without ours: open to the whole group and world where the folder is.
  const { dir } = place();
  chmodSync(dir, 0o755);
  const before = process.umask(0o000);
  const path = join(dir, 's');
  const server = createServer().listen(path);
  process.umask(before);
  expect(statSync(path).mode & 0o777).toBe(0o777);
  server.close();
});
