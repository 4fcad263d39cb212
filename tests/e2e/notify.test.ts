/**
 * Approvals elsewhere through the product as it is started: a client of MCP asks for a change, a phone (ntfy over https with its own
 * authority) hears of it, the page behind its link shows it, and only an admin who is not the one that asked lets it run.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { type Receiver, receiver } from '../host/notify/servers.ts';
import { type Certificates, certificates } from '../net/certificates.ts';
import { type AnyClient, launcher, overHttp, overStdio, type Place, place, run, serve } from './product.ts';

if (!existsSync(join(launcher, '../../dist')))
  throw new Error('dist/ is missing: run `npm run build` (npm test does).');

// Several processes are started in each, and other tests run beside them.
const PATIENT_MS = 90_000;

let dir: string;
let tls: Certificates;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-e2e-notify-'));
  tls = certificates(dir, 'localhost');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((ok) => server.once('listening', ok));
  const { port } = server.address() as { port: number };
  await new Promise((ok) => server.close(ok));
  return port;
}

async function house() {
  const phone = await receiver({ tls: tls.good });
  const at = place({ DECKHAND_TOOLSETS: 'files,triage' });
  onTestFinished(() => at[Symbol.dispose]());
  const root = join(realpathSync(at.dir), 'root');
  mkdirSync(root);
  const port = await freePort();
  const token = join(at.dir, 'ntfy.token');
  writeFileSync(token, 'tk_of_the_phone\n', { mode: 0o600 });
  const config = join(at.dir, 'deckhand.yaml');
  const channel = (name: string, about: string) =>
    `{name: ${name}, kind: ntfy, url: "${phone.origin}/${name}", secretFile: ${token}, caFile: ${tls.ca}, about: [${about}]}`;
  const channels = [channel('phone', 'approvals'), channel('watch', 'security')].join('\n    - ');
  writeFileSync(
    config,
    `files:\n  roots: [{path: ${root}, access: write}]\nhttp:\n  url: http://127.0.0.1:${port}\nnotify:\n  channels:\n    - ${channels}\n`,
    { mode: 0o600 },
  );
  at.env.DECKHAND_CONFIG = config;
  const tokenOf = async (name: string, role: string) => {
    const { out, err } = await run(at, ['token', 'add', name, '--role', role]);
    expect(err).not.toMatch(/error/i);
    return /dh_\S+/.exec(out)?.[0] ?? '';
  };
  const served = await serve(at, ['--http-port', String(port)]);
  onTestFinished(async () => void (await served.stop()));
  return { at, root, phone, served, tokenOf, file: (name: string) => join(root, name) };
}

interface Told {
  topic: string;
  title: string;
  message: string;
  click: string;
}
const all = (far: Receiver, topic: string) =>
  far.got.map((g) => JSON.parse(g.body) as Told).filter((t) => t.topic === topic);
const told = async (far: Receiver, n: number, topic = 'phone'): Promise<Told> => {
  await vi.waitFor(() => expect(all(far, topic).length).toBeGreaterThanOrEqual(n), { timeout: 20_000 });
  return all(far, topic)[n - 1] as Told;
};

const writing = (client: AnyClient) => async (path: string, content: string) => {
  const result = await client.callTool({ name: 'file_write', arguments: { path, content } });
  const data = (result.structuredContent ?? {}) as { state?: string; handle?: string };
  return { state: data.state ?? 'failed', handle: data.handle ?? '', text: JSON.stringify(result.content) };
};

/** As a browser does it. */
async function press(link: string, fields: Record<string, string>): Promise<{ status: number; text: string }> {
  const page = await fetch(link);
  const cookie = page.headers.get('set-cookie')?.split(';')[0] ?? '';
  const csrf = /name="csrf" value="([^"]+)"/.exec(await page.text())?.[1] ?? '';
  const response = await fetch(link, {
    method: 'POST',
    headers: { cookie, origin: new URL(link).origin, 'sec-fetch-site': 'same-origin' },
    body: new URLSearchParams({ csrf, because: '', ...fields }),
  });
  return { status: response.status, text: await response.text() };
}

const records = (at: Place) => {
  const audit = join(at.env.DECKHAND_STATE_DIR ?? '', 'audit');
  return readdirSync(audit)
    .filter((f) => f.endsWith('.jsonl') && f !== 'index.jsonl')
    .map((f) => readFileSync(join(audit, f), 'utf8'))
    .join('');
};

test(
  'asked over MCP, told to the phone, looked at, approved by another: the same call runs',
  async () => {
    const { at, phone, served, tokenOf, file } = await house();
    const [asker, admin] = [await tokenOf('asker', 'admin'), await tokenOf('me', 'admin')];
    const client = await overHttp('2026-07-28', served.url, asker);
    onTestFinished(() => client.close());
    const write = writing(client);
    const target = file('motd');

    const first = await write(target, 'hello <b>host</b>\n');
    expect(first.state, first.text).toBe('pending');
    const notice = await told(phone, 1);
    expect(phone.got[0]?.headers.authorization).toBe('Bearer tk_of_the_phone');
    expect(notice.title).toMatch(/: file_write waits for a decision \(change\)$/);
    expect(notice.message).toContain(`On: path:${target}`);
    expect(notice.message).toContain('Asked by: token:asker over mcp-http');
    expect(notice.message).toContain(`deckhand approve ${first.handle}`);
    // What would be written is on the page and not on its way through somebody else's server.
    expect(JSON.stringify(notice)).not.toContain('hello');
    expect(first.text).not.toContain('approvals/l_');

    // Whoever follows it sees it, and nothing is decided by that.
    for (const method of ['GET', 'HEAD', 'GET']) expect((await fetch(notice.click, { method })).status).toBe(200);
    expect(await (await fetch(notice.click)).text()).toContain('hello &lt;b&gt;host&lt;/b&gt;');
    expect((await write(target, 'hello <b>host</b>\n')).state).toBe('pending');
    expect(all(phone, 'phone')).toHaveLength(1);
    // Who hears of security has heard that somebody new is here, and nothing of the question.
    expect((await told(phone, 1, 'watch')).title).toContain('token:asker');
    expect(JSON.stringify(all(phone, 'watch'))).not.toContain('approvals/l_');

    // Not by the one who asked, though an admin; not by a wrong token.
    expect(await press(notice.click, { decision: 'approve', token: asker })).toMatchObject({ status: 403 });
    expect(await press(notice.click, { decision: 'approve', token: `dh_${'x'.repeat(43)}` })).toMatchObject({
      status: 401,
    });
    expect((await write(target, 'hello <b>host</b>\n')).state).toBe('pending');
    expect(existsSync(target)).toBe(false);

    expect(await press(notice.click, { decision: 'approve', token: admin, because: 'fine' })).toMatchObject({
      status: 200,
    });
    // Used: now and for good.
    expect(await press(notice.click, { decision: 'deny', token: admin })).toMatchObject({ status: 404 });
    expect((await fetch(notice.click)).status).toBe(404);
    // Exactly this call.
    expect((await write(target, 'something else')).state).toBe('pending');
    expect((await write(target, 'hello <b>host</b>\n')).state).toBe('done');
    expect(readFileSync(target, 'utf8')).toBe('hello <b>host</b>\n');

    const audit = records(at);
    const granted = audit.split('\n').find((l) => l.includes('"state":"granted"')) ?? '{}';
    expect(JSON.parse(granted)).toMatchObject({
      event: 'approval',
      approver: 'token:me',
      via: 'link',
      channel: 'phone',
    });
    for (const secret of [asker, admin, notice.click.split('/').pop() ?? '', 'tk_of_the_phone'])
      expect(audit + served.errors()).not.toContain(secret);
    expect((await run(at, ['audit', 'verify'])).code).toBe(0);
  },
  PATIENT_MS,
);

test(
  'asked by a client that launched its own process: the link leads to the server, and a no is a no',
  async () => {
    const { at, phone, tokenOf, file } = await house();
    const admin = await tokenOf('me', 'admin');
    const client = await overStdio('2026-07-28', at);
    onTestFinished(() => client.close());
    const write = writing(client);
    expect((await write(file('a'), 'x')).state).toBe('pending');
    const notice = await told(phone, 1);
    expect(notice.message).toMatch(/Asked by: stdio:\d+ over mcp-stdio/);
    expect(await press(notice.click, { decision: 'deny', token: admin, because: 'no' })).toMatchObject({ status: 200 });
    const after = await write(file('a'), 'x');
    expect(after.state).toBe('failed');
    expect(after.text).toContain('token:me said no');
    expect(existsSync(file('a'))).toBe(false);
    // Decided on the host: the link is dead, too.
    expect((await write(file('b'), 'x')).state).toBe('pending');
    const second = await told(phone, 2);
    await run(at, [
      'approve',
      '--yes',
      (await run(at, ['approvals', '--json'])).out.match(/a_[a-z2-7]{26}/)?.[0] ?? '',
    ]);
    expect((await fetch(second.click)).status).toBe(404);
  },
  PATIENT_MS,
);

test(
  'what is asked at the terminal is told to nobody else; a channel is tried and examined there',
  async () => {
    const { at, phone, file } = await house();
    const asked = await run(at, ['call', 'file_write', '--path', file('a'), '--content', 'x']);
    expect(asked.code).toBe(9);
    const tried = await run(at, ['notify', 'test', 'phone']);
    expect([tried.code, tried.out]).toEqual([0, expect.stringMatching(/^sent {4}phone \(ntfy\): HTTP 200, \d+ ms$/m)]);
    expect(all(phone, 'phone').map((t) => t.title)).toEqual([expect.stringMatching(/a test of this channel$/)]);
    const wrong = await run(at, ['notify', 'test', 'fone']);
    expect(wrong).toMatchObject({ code: 4, err: expect.stringContaining('Channels are phone, watch') });
    writeFileSync(join(at.dir, 'ntfy.token'), 'two words');
    const failed = await run(at, ['notify', 'test', '--json']);
    expect([failed.code, JSON.parse(failed.out)]).toMatchObject([7, [{ ok: false }, { ok: false }]]);
    const checked = JSON.parse((await run(at, ['doctor', '--json'])).out) as { code: string; text: string }[];
    expect(checked.filter((c) => c.code === 'notify.channel').map((c) => c.text)).toEqual([
      expect.stringMatching(/^phone: .*holds no token/),
      expect.stringMatching(/^watch: .*holds no token/),
    ]);
  },
  PATIENT_MS,
);
