/** Sending holds nobody up: a server that hangs, fails or is slow costs its own channel a while, and nothing else. */
import { connect, createServer } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Log } from '../../../src/core/call.ts';
import { OpsError } from '../../../src/core/errors.ts';
import type { Channel, Notice } from '../../../src/core/notice.ts';
import { type NotifyOptions, openNotify, type Send } from '../../../src/host/notify/index.ts';
import { receiver } from './servers.ts';

const channel = (name: string, url = 'https://localhost/t'): Channel => ({
  name,
  kind: 'ntfy',
  url,
  plain: true,
  about: ['approvals'],
  to: [],
});
const notice = (id: string, over: Partial<Notice> = {}): Notice => ({
  id,
  about: 'approvals',
  title: id,
  lines: [],
  urgent: true,
  atMs: 0,
  facts: {},
  ...over,
});
const hanging: Send = () => new Promise(() => {});

function opened(over: Partial<NotifyOptions> = {}) {
  const said: { message: string; fields: Record<string, unknown> }[] = [];
  const keep = (fields: object, message: string) => void said.push({ fields: fields as never, message });
  const log: Log = { debug() {}, info: keep, warn: keep, error: keep };
  const sent: string[] = [];
  const send: Send = async (c, n) => {
    sent.push(`${c.name} ${n.id}`);
    return 'ok';
  };
  const channels = [channel('one'), channel('two')];
  const notify = openNotify({ channels, log, send, againMs: 5, leaveMs: 50, ...over });
  onTestFinished(() => notify.close());
  const lines = (part: string) => said.filter((s) => s.message.includes(part));
  return { notify, sent, said, lines };
}

test('in order, on each channel, and to no channel that is not there', async () => {
  const { notify, sent } = opened();
  for (const id of ['a', 'b']) for (const name of ['one', 'two', 'three']) notify.send(name, notice(id));
  await vi.waitFor(() => expect(sent).toHaveLength(4));
  expect(sent.filter((s) => s.startsWith('one'))).toEqual(['one a', 'one b']);
});

describe('a server that hangs', () => {
  test('is left behind in time, tried once more, and named without what was to be said', async () => {
    let tries = 0;
    const { notify, lines, said } = opened({
      send: (...a) => {
        tries++;
        return hanging(...a);
      },
      tryMs: 10,
    });
    notify.send('one', notice('a', { title: 'words', link: 'https://box/approvals/l_secret' }));
    await vi.waitFor(() => expect(lines('could not be sent')).toHaveLength(2));
    expect(tries).toBe(2);
    expect(said[1]?.fields).toEqual({
      channel: 'one',
      notice: 'a',
      about: 'approvals',
      code: 'timeout',
      why: expect.stringContaining('longer than'),
    });
    expect(JSON.stringify(said)).not.toMatch(/words|l_secret|localhost/);
  });

  test('does not keep the other channel', async () => {
    const sent: string[] = [];
    const { notify } = opened({
      send: (c, n, s) => (c.name === 'one' ? hanging(c, n, s) : Promise.resolve(String(sent.push(n.id)))),
    });
    notify.send('one', notice('a'));
    notify.send('two', notice('b'));
    await vi.waitFor(() => expect(sent).toEqual(['b']));
  });

  test('makes the oldest of too many go, and says so', async () => {
    const { notify, lines } = opened({ send: hanging, mostWaiting: 3 });
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) notify.send('one', notice(id));
    // The first is on its way; three wait.
    expect(lines('oldest was dropped').map((l) => l.fields.notice)).toEqual(['b', 'c']);
  });

  test('does not hold up the stop', async () => {
    const { notify, lines } = opened({ send: hanging, tryMs: 60_000, leaveMs: 10 });
    for (const id of ['a', 'b', 'c']) notify.send('one', notice(id));
    await notify.close();
    expect(lines('stopped with notices')[0]?.fields).toEqual({ left: 2 });
    notify.send('one', notice('d'));
    expect(lines('oldest was dropped')).toEqual([]);
  });

  test('over a real socket: it is closed, and a stop does not wait for it', async () => {
    const open = new Set<object>();
    const server = createServer((socket) => {
      open.add(socket);
      socket.resume().on('error', () => {});
      socket.once('close', () => open.delete(socket));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    // The control: what never gives up stays there.
    const naive = connect(port, '127.0.0.1');
    onTestFinished(() => void naive.destroy());
    await vi.waitFor(() => expect(open.size).toBe(1));
    const mails = channel('mails', `smtp://127.0.0.1:${port}`);
    const { notify } = opened({
      channels: [
        channel('web', `http://127.0.0.1:${port}/t`),
        { ...mails, kind: 'smtp', from: 'a@b.c', to: ['a@b.c'] },
      ],
      send: undefined as never,
      tryMs: 60_000,
    });
    notify.send('web', notice('a'));
    notify.send('mails', notice('a'));
    await vi.waitFor(() => expect(open.size).toBe(3), { timeout: 10_000 });
    await notify.close();
    await vi.waitFor(() => expect(open.size).toBe(1));
  });
});

describe('one that fails', () => {
  test('is tried once more, and then it arrives', async () => {
    let tries = 0;
    const far = await receiver({ answer: (_, r) => void r.writeHead(tries++ === 0 ? 503 : 200).end() });
    const { notify, lines } = opened({ channels: [channel('one', `${far.origin}/t`)], send: undefined as never });
    notify.send('one', notice('a'));
    await vi.waitFor(() => expect(far.got).toHaveLength(2));
    expect(lines('could not be sent')).toHaveLength(1);
  });

  test('for good is not tried again, and the next one is', async () => {
    const tried: string[] = [];
    const { notify } = opened({
      send: async (_c, n) => {
        tried.push(n.id);
        throw new OpsError('permission', 'no');
      },
    });
    notify.send('one', notice('a'));
    notify.send('one', notice('b'));
    await vi.waitFor(() => expect(tried).toEqual(['a', 'b']));
  });

  test('for so long that the question has run out is not told of it any more', async () => {
    let now = 0;
    const tried: string[] = [];
    const { notify, lines } = opened({
      now: () => now,
      send: async (_c, n) => {
        tried.push(n.id);
        now = 1_000;
        throw new OpsError('unavailable', 'away');
      },
    });
    notify.send('one', notice('a', { untilMs: 500 }));
    notify.send('one', notice('b', { untilMs: 500 }));
    await vi.waitFor(() => expect(lines('too late')).toHaveLength(2));
    expect(tried).toEqual(['a']);
  });

  test('by a fault of ours, too, is only a line in the log', async () => {
    const { notify, lines } = opened({
      send: () => {
        throw new TypeError('ours, with a secret');
      },
    });
    notify.send('one', notice('a'));
    await vi.waitFor(() => expect(lines('could not be sent')).toHaveLength(1));
    expect(JSON.stringify(lines('could not'))).not.toContain('secret');
  });
});

test('a stop lets what waits leave for a moment', async () => {
  const { notify, sent } = opened();
  notify.send('one', notice('a'));
  notify.send('one', notice('b'));
  await notify.close();
  expect(sent).toEqual(['one a', 'one b']);
});

test('a trial of what is not there, and one that is given up with the stop', async () => {
  const { notify } = opened({ send: hanging, tryMs: 60_000, leaveMs: 5 });
  expect(await notify.trial('none', notice('a'))).toMatchObject({ ok: false, why: 'There is no channel none.' });
  notify.send('one', notice('b'));
  const trial = notify.trial('one', notice('a'));
  await notify.close();
  expect(await trial).toMatchObject({ ok: false, why: 'Deckhand is stopping.' });
});
