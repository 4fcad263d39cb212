/** Notices on their way, to real servers: what arrives, what is refused before anything is said, and what becomes of secrets. */
import { createHmac } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Channel, Notice } from '../../../src/core/notice.ts';
import { openNotify } from '../../../src/host/notify/index.ts';
import { quiet } from '../../fakes/policy.ts';
import { type Certificates, certificates } from '../../net/certificates.ts';
import { type Got, post, receiver } from './servers.ts';

let dir: string;
let tls: Certificates;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-notify-'));
  tls = certificates(dir, 'localhost');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let files = 0;
const secret = (text: string, mode = 0o600): string => {
  const path = join(dir, `secret-${files++}`);
  writeFileSync(path, `${text}\n`);
  chmodSync(path, mode);
  return path;
};
const KEY = 'k'.repeat(32);
const TOKEN = 'tk_secretsecretsecret';
const PASSWORD = 'pässword-of-the-post';

const LINK = 'https://box.example.org/approvals/l_aaaaaaaaaaaaaaaaaaaaaaaaaa';
const notice = (over: Partial<Notice> = {}): Notice => ({
  id: 'n1',
  about: 'approvals',
  title: 'box: container_control waits for a decision (change)',
  lines: ['Effect: Restart web.', 'On: container:web'],
  urgent: true,
  atMs: Date.UTC(2026, 10, 21),
  link: LINK,
  command: 'deckhand approve a_x',
  facts: { approval: 'a_x', tool: 'container_control' },
  ...over,
});
const channel = (over: Partial<Channel> & Pick<Channel, 'kind' | 'url'>): Channel => ({
  name: 'one',
  plain: false,
  about: ['approvals', 'security'],
  to: [],
  ...over,
});
const tried = async (c: Channel, n = notice()) => {
  const notify = openNotify({ channels: [c], log: quiet });
  onTestFinished(() => notify.close());
  return notify.trial(c.name, n);
};

describe('ntfy', () => {
  test('gets topic, words, and a button that opens the page and nothing more', async () => {
    const far = await receiver({ tls: tls.good });
    const said = await tried(
      channel({ kind: 'ntfy', url: `${far.origin}/box-a8Kz`, secretFile: secret(TOKEN), caFile: tls.ca }),
    );
    expect(said).toMatchObject({ ok: true, said: 'HTTP 200' });
    const { method, url, headers, body } = far.got[0] as Got;
    expect([method, url]).toEqual(['POST', '/']);
    expect(headers).toMatchObject({ authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' });
    expect(JSON.parse(body)).toEqual({
      topic: 'box-a8Kz',
      title: 'box: container_control waits for a decision (change)',
      message: 'Effect: Restart web.\nOn: container:web\n\nOr on the host: deckhand approve a_x',
      priority: 4,
      tags: ['raised_hand'],
      click: LINK,
      actions: [{ action: 'view', label: 'Look and decide', url: LINK, clear: true }],
    });
  });

  test('in a folder, without link and token', async () => {
    const far = await receiver({});
    const { link: _, ...plain } = notice({ about: 'security', urgent: false });
    await tried(channel({ kind: 'ntfy', url: `${far.origin}/ntfy/t`, plain: true }), plain);
    expect(far.got[0]).toMatchObject({ url: '/ntfy', headers: { 'user-agent': 'deckhand' } });
    expect(far.got[0]?.headers.authorization).toBeUndefined();
    expect(JSON.parse(far.got[0]?.body ?? '')).toMatchObject({ topic: 't', priority: 3, tags: ['rotating_light'] });
    expect(far.got[0]?.body).not.toContain('click');
  });
});

describe('a webhook', () => {
  test('gets JSON with a signature that its receiver can check, and that covers time and body', async () => {
    const far = await receiver({ tls: tls.good });
    const said = await tried(
      channel({ kind: 'webhook', url: `${far.origin}/in?team=1`, secretFile: secret(KEY), caFile: tls.ca }),
    );
    expect(said.ok).toBe(true);
    const { url, headers, body } = far.got[0] as Got;
    expect(url).toBe('/in?team=1');
    const [, t = '', v1 = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-deckhand-signature'])) ?? [];
    expect(Math.abs(Number(t) * 1_000 - Date.now())).toBeLessThan(60_000);
    const mac = (time: string, text: string) => createHmac('sha256', KEY).update(`${time}.${text}`).digest('hex');
    expect(v1).toBe(mac(t, body));
    expect(v1).not.toBe(mac(String(Number(t) + 1), body));
    expect(JSON.parse(body)).toEqual({
      v: 1,
      id: 'n1',
      about: 'approvals',
      at: '2026-11-21T00:00:00.000Z',
      title: notice().title,
      lines: notice().lines,
      link: LINK,
      command: 'deckhand approve a_x',
      facts: { approval: 'a_x', tool: 'container_control' },
    });
  });
});

describe('over HTTP', () => {
  const at = async (over: Parameters<typeof receiver>[0], c: Partial<Channel> = {}) => {
    const far = await receiver(over);
    return { far, said: await tried(channel({ kind: 'ntfy', url: `${far.origin}/t`, ...c })) };
  };

  test.each<[string, () => { tls: Certificates['good'] }]>([
    ['of nobody we know', () => ({ tls: tls.selfSigned })],
    ['for another name', () => ({ tls: tls.otherName })],
    ['that ran out', () => ({ tls: tls.expired })],
  ])('a certificate %s is not spoken to', async (_, over) => {
    const { far, said } = await at(over(), { caFile: tls.ca, secretFile: secret(TOKEN) });
    expect(said).toMatchObject({ ok: false, why: expect.stringContaining('certificate') });
    expect(far.got).toEqual([]);
  });

  test('an authority that only the owner knows is not known without caFile, and caFile is the only one', async () => {
    expect((await at({ tls: tls.good })).said.ok).toBe(false);
    expect((await at({ tls: tls.good }, { caFile: tls.selfSigned.cert })).said.ok).toBe(false);
    expect((await at({ tls: tls.good }, { caFile: tls.ca })).said.ok).toBe(true);
  });

  test('unencrypted only where the owner says so, whatever config let through', async () => {
    const without = await at({});
    expect(without.said).toMatchObject({ ok: false, why: expect.stringContaining('not https') });
    expect(without.far.got).toEqual([]);
    expect((await at({}, { plain: true })).said.ok).toBe(true);
  });

  test('TLS is not expected of what does not speak it', async () => {
    const far = await receiver({});
    const said = await tried(channel({ kind: 'ntfy', url: `https://localhost:${far.port}/t` }));
    expect(said).toMatchObject({ ok: false, why: expect.stringContaining('TLS') });
  });

  test('a redirect is not followed: the token stays here', async () => {
    const thief = await receiver({});
    const { far, said } = await at(
      { answer: (_, response) => void response.writeHead(307, { location: `${thief.origin}/t` }).end() },
      { plain: true, secretFile: secret(TOKEN) },
    );
    expect(said).toMatchObject({ ok: false, why: expect.stringContaining('redirect') });
    expect([far.got.length, thief.got.length]).toEqual([1, 0]);
    // The control: what follows redirects brings the words there.
    await fetch(`${far.origin}/t`, { method: 'POST', body: 'words' });
    expect(thief.got).toHaveLength(1);
  });

  test.each([
    [401, 'let us in'],
    [429, 'too much'],
    [503, 'fails'],
    [404, 'does not take'],
  ])('HTTP %i', async (answer, why) => {
    expect((await at({ answer }, { plain: true })).said).toMatchObject({
      ok: false,
      why: expect.stringContaining(why),
    });
  });

  test('an answer without end costs nothing', async () => {
    const { said } = await at(
      {
        answer: (_, response) => {
          response.writeHead(200);
          const more = () => {
            if (!response.destroyed) response.write('x'.repeat(65_536), more);
          };
          more();
        },
      },
      { plain: true },
    );
    expect(said.ok).toBe(true);
  });

  test('nobody there', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const said = await tried(channel({ kind: 'ntfy', url: `https://127.0.0.1:${port}/t` }));
    expect(said).toMatchObject({ ok: false, why: expect.stringContaining('ECONNREFUSED') });
  });
});

describe('the files it is told of', () => {
  const far = () => receiver({});
  test.each<[string, () => Partial<Channel>, string]>([
    ['a secret that others may read', () => ({ secretFile: secret(TOKEN, 0o640) }), 'may be read by others'],
    ['a secret that is not there', () => ({ secretFile: join(dir, 'none') }), 'is not there'],
    ['a token with a space in it', () => ({ secretFile: secret('two words') }), 'holds no token'],
    ['a folder', () => ({ secretFile: dir }), 'no file'],
    ['an authority that is none', () => ({ caFile: secret('text') }), 'holds no certificate'],
    ['an authority that is not there', () => ({ caFile: join(dir, 'none') }), 'ENOENT'],
    ['an authority that is a folder', () => ({ caFile: dir }), 'no file of certificates'],
  ])('%s', async (_, over, why) => {
    const { origin, got } = await far();
    const said = await tried(channel({ kind: 'ntfy', url: `${origin}/t`, plain: true, ...over() }));
    expect(said).toMatchObject({ ok: false, why: expect.stringContaining(why) });
    expect(got).toEqual([]);
  });

  test.each<[string, Partial<Channel>, string]>([
    ['a webhook without a key', {}, 'cannot be signed'],
    ['a key that can be guessed', { secretFile: 'short' }, 'holds no key'],
  ])('%s', async (_, over, why) => {
    const { origin, got } = await far();
    const file = over.secretFile === undefined ? {} : { secretFile: secret(over.secretFile) };
    const said = await tried(channel({ kind: 'webhook', url: `${origin}/t`, plain: true, ...file }));
    expect(said).toMatchObject({ ok: false, why: expect.stringContaining(why) });
    expect(got).toEqual([]);
  });
});

describe('mail', () => {
  const mail = (port: number, over: Partial<Channel> = {}) =>
    channel({
      kind: 'smtp',
      url: `smtp://localhost:${port}`,
      from: 'deckhand@example.org',
      to: ['me@example.org', 'you@example.org'],
      caFile: tls.ca,
      ...over,
    });
  const account = () => ({ user: 'deckhand', secretFile: secret(PASSWORD) });

  test('by STARTTLS, signed in, in plain text', async () => {
    const far = await post({ pair: tls.good, password: PASSWORD });
    expect(await tried(mail(far.port, account()))).toMatchObject({ ok: true });
    expect(far.mails).toHaveLength(1);
    const { text, ...about } = far.mails[0] as { text: string };
    expect(about).toEqual({
      from: 'deckhand@example.org',
      to: ['me@example.org', 'you@example.org'],
      secure: true,
      user: 'deckhand',
    });
    expect(text).toMatch(/^Content-Type: text\/plain; charset=utf-8\r$/m);
    expect(text).not.toMatch(/multipart|text\/html/i);
    expect(text).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(text).toMatch(/^Subject: box: container_control waits for a decision \(change\)\r$/m);
    expect(text).toContain(LINK);
    expect(text).toContain('Or on the host: deckhand approve a_x');
  });

  test('by TLS from the start', async () => {
    const far = await post({ pair: tls.good, secure: true });
    expect(await tried(mail(far.port, { url: `smtps://localhost:${far.port}` }))).toMatchObject({ ok: true });
    expect(far.mails).toMatchObject([{ secure: true }]);
  });

  test('not to a server without encryption, unless the owner says so', async () => {
    const far = await post({ disabledCommands: ['STARTTLS', 'AUTH'] });
    expect(await tried(mail(far.port))).toMatchObject({ ok: false, why: expect.stringContaining('no encryption') });
    expect(far.mails).toEqual([]);
    expect(await tried(mail(far.port, { plain: true }))).toMatchObject({ ok: true });
    expect(far.mails).toMatchObject([{ secure: false }]);
  });

  test('the password is never said before encryption', async () => {
    // A server (or somebody in between) that offers AUTH and no STARTTLS.
    const said: string[] = [];
    const server = createServer((socket) => {
      socket.write('220 here\r\n');
      socket.on('data', (d) => {
        said.push(d.toString());
        socket.write(/^EHLO/i.test(d.toString()) ? '250-here\r\n250 AUTH PLAIN LOGIN\r\n' : '502 no\r\n');
      });
      socket.on('error', () => {});
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const login = account();
    expect(await tried(mail(port, login))).toMatchObject({ ok: false });
    expect(said.join('')).not.toMatch(/AUTH/i);
    // The control: with `plain` it is said at once.
    await tried(mail(port, { ...login, plain: true }));
    expect(said.join('')).toMatch(/AUTH PLAIN/i);
  });

  test.each<[string, () => Certificates['good']]>([
    ['of nobody we know', () => tls.selfSigned],
    ['for another name', () => tls.otherName],
  ])('a certificate %s is not spoken to', async (_, pair) => {
    const far = await post({ pair: pair() });
    expect(await tried(mail(far.port))).toMatchObject({
      ok: false,
      why: expect.stringMatching(/certificate|encryption/),
    });
    expect(far.mails).toEqual([]);
  });

  test('a wrong password is told without it', async () => {
    const far = await post({ pair: tls.good, password: 'another' });
    const said = await tried(mail(far.port, account()));
    expect(said).toMatchObject({ ok: false, why: expect.stringContaining('user and password') });
    expect(JSON.stringify(said)).not.toContain(PASSWORD);
  });

  test('what the server does not take, and what it cannot take now', async () => {
    const not = (code: number) => ({
      pair: tls.good,
      onMailFrom: (_a: unknown, _s: unknown, done: (e: Error) => void) =>
        done(Object.assign(new Error('no'), { responseCode: code })),
    });
    const never = await post(not(550) as never);
    expect(await tried(mail(never.port))).toMatchObject({
      ok: false,
      why: expect.stringContaining('does not take this mail'),
    });
    const later = await post(not(451) as never);
    expect(await tried(mail(later.port))).toMatchObject({ ok: false });
  });

  test('no header can be brought in by a name', async () => {
    const far = await post({ pair: tls.good });
    await tried(mail(far.port), notice({ title: 'box\r\nBcc: thief@example.org\r\n\r\n<b>' }));
    const [head = ''] = (far.mails[0]?.text ?? '').split('\r\n\r\n');
    expect(far.mails[0]?.to).toEqual(['me@example.org', 'you@example.org']);
    expect(head).not.toMatch(/^Bcc/im);
  });
});
