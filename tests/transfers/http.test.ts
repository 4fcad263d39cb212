/** Files over HTTP through the whole house: who may, what comes, what is left after each way to fail, and what is on record of it. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { bearer, dataOf, type House, house } from './house.ts';

let h: House;
afterEach(() => h.close());

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const BIG = randomBytes(2_500_001);

async function offered(name = 'big', bytes: Uint8Array = BIG): Promise<string> {
  writeFileSync(join(h.dir, name), bytes);
  return dataOf(await h.call('file_download', { path: join(h.dir, name), inline: false })).url as string;
}
async function wanted(name = 'up', bytes: Uint8Array = BIG, more: object = {}): Promise<Record<string, string>> {
  const args = { path: join(h.dir, name), size_bytes: bytes.length, sha256: sha(bytes), ...more };
  return dataOf(await h.call('file_upload', args)) as Record<string, string>;
}
const get = (url: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(url, { method, headers: { ...bearer(h.one), ...headers } });
const put = (url: string, body: Uint8Array, headers: Record<string, string> = {}, method = 'PUT') =>
  fetch(url, { method, headers: { ...bearer(h.one), ...headers }, body: Buffer.from(body) });
const bodyOf = async (r: Response) => Buffer.from(await r.arrayBuffer());
const ends = () => h.audit('transfer').filter((r) => r.state === 'end');
const left = () => readdirSync(h.dir).filter((n) => n.startsWith('.deckhand-') && !n.includes('trash'));
const ended = async (handle: string) =>
  dataOf(await h.call('result_query', { handle, wait_s: 10 })) as { state: string; error: { code: string } | null };

/** Sends that much of it, then breaks the connection off. */
function broken(url: string, bytes: Uint8Array, headers: Record<string, string>, method = 'PATCH'): Promise<void> {
  return new Promise((resolve) => {
    const out = request(url, { method, headers: { ...bearer(h.one), ...headers } });
    out.on('error', () => {});
    out.on('close', () => resolve());
    out.write(bytes, () => setImmediate(() => out.destroy()));
  });
}
const offset = async (url: string) => Number((await get(url, {}, 'HEAD')).headers.get('upload-offset'));

describe('down', () => {
  test('the file as it is, with what it takes to check it, go on with it, and not fetch it twice', async () => {
    h = await house();
    const url = await offered('grüße (1).bin');
    const whole = await get(url);
    expect(whole.status).toBe(200);
    expect((await bodyOf(whole)).equals(BIG)).toBe(true);
    const digest = `sha-256=:${createHash('sha256').update(BIG).digest('base64')}:`;
    const etag = `"${sha(BIG)}"`;
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      etag,
      'repr-digest': digest,
      'content-digest': digest,
      'content-length': String(BIG.length),
      'accept-ranges': 'bytes',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-disposition': "attachment; filename*=UTF-8''gr%C3%BC%C3%9Fe%20%281%29.bin",
    });
    const head = await get(url, {}, 'HEAD');
    expect([head.status, head.headers.get('content-length'), (await bodyOf(head)).length]).toEqual([
      200,
      String(BIG.length),
      0,
    ]);
    for (const [range, from, to] of [
      ['bytes=0-0', 0, 1],
      ['bytes=1000000-1999999', 1_000_000, 2_000_000],
      ['bytes=2500000-', 2_500_000, BIG.length],
      ['bytes=-10', BIG.length - 10, BIG.length],
      ['bytes=5-999999999', 5, BIG.length],
    ] as const) {
      const part = await get(url, { range, 'if-range': etag });
      expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes ${from}-${to - 1}/${BIG.length}`]);
      expect((await bodyOf(part)).equals(BIG.subarray(from, to)), range).toBe(true);
    }
    for (const [headers, status] of [
      [{ range: 'bytes=2500001-' }, 416],
      [{ range: 'bytes=-0' }, 416],
      [{ range: 'bytes=5-1' }, 200],
      [{ range: 'bytes=0-1,5-6' }, 200],
      [{ range: 'bytes=0-1', 'if-range': '"other"' }, 200],
      [{ 'if-none-match': `"x", ${etag}` }, 304],
      [{ 'if-match': '"other"' }, 412],
      [{ 'if-match': '*' }, 200],
    ] as const) {
      const r = await get(url, headers);
      expect(r.status, JSON.stringify(headers)).toBe(status);
      await bodyOf(r);
    }
    expect((await get(url, {}, 'POST')).status).toBe(405);
    const records = h.audit('transfer');
    expect(records[0]).toMatchObject({ who: 'token:one', by: 'token', direction: 'down', state: 'begin' });
    expect(records[1]).toMatchObject({ state: 'end', outcome: 'done', bytes: BIG.length, address: '127.0.0.1' });
    const handle = url.split('/').at(-1) as string;
    expect(JSON.stringify(h.audit()), 'no record can be used').not.toContain(handle);
  });

  test('an empty file', async () => {
    h = await house();
    const r = await get(await offered('nothing', new Uint8Array()));
    expect([r.status, r.headers.get('content-length'), (await bodyOf(r)).length]).toEqual([200, '0', 0]);
  });

  test('another token, no such handle and one that expired are one answer; no token and a revoked one are none', async () => {
    h = await house();
    const url = await offered();
    const other = await fetch(url, { headers: bearer(h.two) });
    const none = await fetch(url.replace(/d_.*/, `d_${'a'.repeat(26)}`), { headers: bearer(h.two) });
    const words = async (r: Response) => (await r.text()).replace(/"call":"[0-9a-f]+"/, '');
    const shape = (r: Response) => [...r.headers].filter(([k]) => k !== 'date');
    expect([other.status, none.status]).toEqual([404, 404]);
    expect(shape(other)).toEqual(shape(none));
    expect(await words(other)).toBe(await words(none));
    const anonymous = await fetch(url);
    expect([anonymous.status, anonymous.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="deckhand"']);
    expect((await fetch(url, { headers: bearer('dh_wrong') })).status).toBe(401);
    expect((await fetch(`${url}?token=${h.one}`)).status, 'a token in a URL is none').toBe(404);
    h.app.tokens.revoke('one');
    expect((await get(url)).status).toBe(401);
    expect(h.audit('refused').length).toBeGreaterThan(1);
    expect(JSON.stringify(h.audit('refused'))).not.toContain(url.split('/').at(-1));
  });

  test('a foreign Host or Origin is stopped before anything is looked at', async () => {
    h = await house();
    const { port, pathname } = new URL(await offered());
    const said = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => {
        socket.end(
          `GET ${pathname} HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer ${h.one}\r\nConnection: close\r\n\r\n`,
        );
      });
      let text = '';
      socket.on('data', (d) => {
        text += d;
      });
      socket.on('close', () => resolve(text));
    });
    expect(said).toMatch(/^HTTP\/1.1 403/);
    expect(h.audit('transfer')).toEqual([]);
    expect(JSON.stringify(h.audit('refused'))).not.toContain(pathname);
  });

  test.each([
    ['changed', (path: string) => writeFileSync(path, 'other'), 409],
    ['touched', (path: string) => utimesSync(path, 1, 1), 409],
    ['gone', (path: string) => renameSync(path, `${path}.old`), 404],
    [
      'a link to what lies outside',
      (path: string) => {
        renameSync(path, `${path}.old`);
        symlinkSync('/etc/hostname', path);
      },
      403,
    ],
  ])('a file that is %s meanwhile is refused, in words', async (_, change, status) => {
    h = await house();
    const url = await offered();
    change(join(h.dir, 'big'));
    const r = await get(url);
    expect(r.status).toBe(status);
    expect(await r.json()).toMatchObject({ error: { data: { call: expect.any(String) } } });
    expect(ends()).toMatchObject([{ outcome: { 403: 'permission', 404: 'not_found', 409: 'conflict' }[status] }]);
  });

  test('a file that changes while it goes: the connection breaks, and nothing wrong is taken for whole', async () => {
    h = await house();
    const bytes = randomBytes(24_000_000);
    const url = await offered('big', bytes);
    const r = await get(url);
    writeFileSync(join(h.dir, 'big'), 'x');
    await expect(bodyOf(r)).rejects.toThrow();
    await vi.waitFor(() => expect(ends()).toMatchObject([{ outcome: 'conflict' }]));
  });

  test.each([
    ['a client that takes no bytes is let go', 150, 'timeout'],
    ['a client that leaves is noted', 30_000, 'left'],
  ])('%s', async (_, idleMs, outcome) => {
    h = await house({ idleMs });
    const { port, pathname } = new URL(await offered('big', randomBytes(24_000_000)));
    const socket = connect(Number(port), '127.0.0.1', () =>
      socket.write(`GET ${pathname} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${h.one}\r\n\r\n`),
    );
    socket.on('error', () => {});
    if (outcome === 'left') socket.once('data', () => socket.destroy());
    else socket.pause();
    await vi.waitFor(() => expect(ends()).toMatchObject([{ outcome }]), { timeout: 8_000 });
    socket.destroy();
  });
});

describe('up', () => {
  test('in one PUT: the file is there with its mode, the receipt takes it back, and nothing else is left', async () => {
    h = await house();
    const up = await wanted('up', BIG, { mode: '0600' });
    expect(up).toMatchObject({ state: 'running', handle: expect.stringMatching(/^w_/) });
    const r = await put(up.url as string, BIG);
    const said = (await r.json()) as { receipt: string };
    expect(said).toMatchObject({ state: 'done', offset: BIG.length, sizeBytes: BIG.length });
    expect([r.status, r.headers.get('upload-complete')]).toEqual([200, '?1']);
    expect(readFileSync(join(h.dir, 'up')).equals(BIG)).toBe(true);
    expect(left()).toEqual([]);
    // What the door says of it is the same, and it cannot be sent twice.
    expect(await ended(up.handle as string)).toMatchObject({ state: 'done', whole: { receipt: said.receipt } });
    expect((await put(up.url as string, BIG)).status).toBe(409);
    expect(await (await get(up.url as string)).json()).toMatchObject({ state: 'done', receipt: said.receipt });
    expect((await get(up.url as string, {}, 'DELETE')).status).toBe(405);
    expect(h.audit('transfer').slice(0, 2)).toMatchObject([
      { direction: 'up', state: 'begin', offset: 0, ofCall: expect.any(String) },
      { direction: 'up', state: 'end', outcome: 'done', bytes: BIG.length, receipt: said.receipt },
    ]);
    const intent = h.audit('intent')[0] as { seq: number };
    expect(intent.seq, 'the intent is on record first').toBeLessThan((h.audit('transfer')[0] as { seq: number }).seq);
    await h.call('undo', { receipt: said.receipt });
    expect(readdirSync(h.dir).filter((n) => !n.startsWith('.'))).toEqual([]);
  });

  test('goes on after a dropped connection, by Content-Range and by Upload-Offset, as often as it takes', async () => {
    h = await house();
    const { url = '' } = await wanted();
    await broken(url, BIG.subarray(0, 1_300_000), { 'content-length': String(BIG.length) }, 'PUT');
    let at = 0;
    await vi.waitFor(async () => {
      at = await offset(url);
      expect(at).toBeGreaterThan(0);
      expect(ends()).toHaveLength(1);
    });
    expect(ends()).toMatchObject([{ outcome: 'left', bytes: at }]);
    expect(readdirSync(h.dir), 'nothing stands there yet').not.toContain('up');
    const range = `bytes ${at}-${at + 99_999}/${BIG.length}`;
    const part = await put(url, BIG.subarray(at, at + 100_000), { 'content-range': range });
    expect(await part.json()).toMatchObject({ state: 'waiting', offset: at + 100_000 });
    await broken(url, BIG.subarray(at + 100_000, at + 200_000), { 'upload-offset': String(at + 100_000) });
    await vi.waitFor(() => expect(ends()).toHaveLength(3));
    at = await offset(url);
    const rest = await put(url, BIG.subarray(at), { 'upload-offset': String(at) }, 'PATCH');
    expect(await rest.json()).toMatchObject({ state: 'done' });
    expect(readFileSync(join(h.dir, 'up')).equals(BIG)).toBe(true);
  });

  test('begins anew from 0 when told to', async () => {
    h = await house();
    const { url = '' } = await wanted();
    await put(url, randomBytes(1_200_000), { 'content-range': `bytes 0-1199999/${BIG.length}` });
    expect(await (await put(url, BIG)).json()).toMatchObject({ state: 'done' });
    expect(readFileSync(join(h.dir, 'up')).equals(BIG)).toBe(true);
  });

  test('a connection that hangs is taken over by the next', async () => {
    h = await house();
    const { url = '' } = await wanted();
    const first = request(url, { method: 'PUT', headers: { ...bearer(h.one), 'content-length': BIG.length } });
    const cut = new Promise<void>((resolve) => first.on('close', () => resolve()));
    first.on('error', () => {});
    first.write(BIG.subarray(0, 1_100_000));
    await vi.waitFor(() => expect(h.audit('transfer')).toHaveLength(1));
    // It knows what has come only when the other has ended: a wrong offset says where to go on.
    const wrong = await put(url, BIG.subarray(7), { 'upload-offset': '7' }, 'PATCH');
    await cut;
    expect(wrong.status).toBe(409);
    const at = Number(wrong.headers.get('upload-offset'));
    expect(at).toBeLessThanOrEqual(1_100_000);
    const rest = await put(url, BIG.subarray(at), { 'upload-offset': String(at) }, 'PATCH');
    expect(await rest.json()).toMatchObject({ state: 'done' });
    expect(readFileSync(join(h.dir, 'up')).equals(BIG)).toBe(true);
  });

  test('bytes of another hash: refused, said, and nothing left behind', async () => {
    h = await house();
    const { url = '', handle = '' } = await wanted();
    const wrong = Buffer.from(BIG);
    wrong[1_000_000] = (wrong[1_000_000] as number) ^ 1;
    const r = await put(url, wrong);
    expect(r.status).toBe(400);
    expect(await r.json()).toMatchObject({ error: { message: expect.stringContaining('not the one declared') } });
    expect(readdirSync(h.dir)).toEqual([]);
    expect(await ended(handle)).toMatchObject({ state: 'failed', error: { code: 'validation' } });
    expect(await (await get(url)).json()).toMatchObject({ state: 'failed', error: { code: 'validation' } });
    expect(h.audit('work')).toMatchObject([{ outcome: 'validation' }]);
  });

  test('a replaced file: only with its hash, which must hold to the end; undo brings the old bytes back', async () => {
    h = await house();
    const path = join(h.dir, 'up');
    writeFileSync(path, 'old', { mode: 0o640 });
    await expect(wanted()).rejects.toMatchObject({ code: 'conflict' });
    const expect_sha256 = sha(Buffer.from('old'));
    const first = await wanted('up', BIG, { expect_sha256 });
    writeFileSync(path, 'moved on');
    expect((await put(first.url as string, BIG)).status).toBe(409);
    expect(readFileSync(path, 'utf8')).toBe('moved on');
    expect(left()).toEqual([]);
    writeFileSync(path, 'old');
    const second = await wanted('up', BIG, { expect_sha256 });
    const { receipt } = (await (await put(second.url as string, BIG)).json()) as { receipt: string };
    expect(readFileSync(path).equals(BIG)).toBe(true);
    dataOf(await h.call('undo', { receipt }));
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(left()).toEqual([]);
  });

  test.each([
    ['PATCH without an offset', 'PATCH', {}, 400],
    ['a range of another file', 'PUT', { 'content-range': 'bytes 0-9/10' }, 400],
    ['a range that is none', 'PUT', { 'content-range': 'bytes x' }, 400],
    ['a compressed body', 'PUT', { 'content-encoding': 'gzip' }, 400],
    ['an offset that is not there yet', 'PATCH', { 'upload-offset': '5' }, 409],
    ['more than declared', 'PATCH', { 'upload-offset': String(BIG.length) }, 400],
  ])('%s is refused, and the upload goes on', async (_, method, headers, status) => {
    h = await house();
    const { url = '' } = await wanted();
    expect((await put(url, BIG.subarray(0, 10), headers as Record<string, string>, method)).status).toBe(status);
    expect(await (await put(url, BIG)).json()).toMatchObject({ state: 'done' });
  });

  test('more bytes than declared, without a length ahead: refused when they come', async () => {
    h = await house();
    const { url = '' } = await wanted('up', BIG.subarray(0, 1_000));
    const status = await new Promise((resolve, reject) => {
      const out = request(url, { method: 'PUT', headers: bearer(h.one) }, (r) => resolve(r.statusCode));
      out.on('error', reject);
      out.end(BIG.subarray(0, 5_000));
    });
    expect(status).toBe(400);
  });

  test('a silent client is let go; what it brought counts, and the call waits on', async () => {
    h = await house({ idleMs: 150 });
    const { url = '' } = await wanted();
    const out = request(url, { method: 'PUT', headers: { ...bearer(h.one), 'content-length': BIG.length } });
    out.on('error', () => {});
    out.write(BIG.subarray(0, 10));
    await vi.waitFor(() => expect(ends()).toMatchObject([{ outcome: 'timeout', bytes: 10 }]), { timeout: 5_000 });
    expect(await offset(url)).toBe(10);
  });

  test('what waits is cancelled like any work, and a stop of the server leaves nothing behind', async () => {
    h = await house();
    const one = await wanted('a');
    await h.call('result_query', { handle: one.handle, cancel: true });
    await vi.waitFor(() => expect(left()).toEqual([]), { timeout: 5_000 });
    expect(await ended(one.handle as string)).toMatchObject({ state: 'cancelled' });
    expect((await put(one.url as string, BIG)).status).toBe(409);

    const two = await wanted('b');
    const out = request(two.url as string, {
      method: 'PUT',
      headers: { ...bearer(h.one), 'content-length': BIG.length },
    });
    out.on('error', () => {});
    const cut = new Promise<void>((resolve) => out.on('close', () => resolve()));
    out.write(BIG.subarray(0, 1_200_000));
    await vi.waitFor(() => expect(h.audit('transfer').at(-1)).toMatchObject({ state: 'begin' }));
    await h.face.close();
    await cut;
    await h.app.close();
    expect(readdirSync(h.dir)).toEqual([]);
    expect(h.audit('work').at(-1)).toMatchObject({ outcome: 'cancelled' });
  });

  test('of 0 bytes', async () => {
    h = await house();
    const { url = '' } = await wanted('empty', new Uint8Array());
    expect(await (await put(url, new Uint8Array())).json()).toMatchObject({ state: 'done' });
    expect(readFileSync(join(h.dir, 'empty')).length).toBe(0);
  });

  test('a yes is a yes to these bytes there', async () => {
    h = await house({ mode: 'ask' });
    const args = { path: join(h.dir, 'up'), size_bytes: BIG.length, sha256: sha(BIG) };
    const asked = await h.call('file_upload', args);
    expect(asked.status).toBe('pending');
    const { handle } = dataOf(asked) as { handle: string };
    expect(h.audit('intent')).toEqual([]);
    h.app.deciding.decide(handle, { approver: 'cli:0', granted: true });
    expect((await h.call('file_upload', { ...args, sha256: 'a'.repeat(64) })).status).toBe('pending');
    const { url } = dataOf(await h.call('file_upload', args)) as { url: string };
    expect(await (await put(url, BIG)).json()).toMatchObject({ state: 'done' });
    expect((await h.call('file_upload', args)).status).toBe('failed');
  });
});

describe('limits', () => {
  test('uploads of one principal, and of all, while they wait', async () => {
    h = await house({ files: 'principalBytes: 3000000, allBytes: 5000000' });
    const first = await wanted('a');
    await expect(wanted('b')).rejects.toMatchObject({ code: 'limit' });
    const args = { path: join(h.dir, 'c'), size_bytes: BIG.length, sha256: sha(BIG) };
    expect(await h.call('file_upload', args, { secret: h.two })).toMatchObject({
      status: 'failed',
      error: { details: { hint: expect.stringContaining('files.transfers.allBytes') } },
    });
    expect(await (await put(first.url as string, BIG)).json()).toMatchObject({ state: 'done' });
    await wanted('b');
    expect(left()).toHaveLength(1);
  });

  test('files on their way at once: 429, and a place again when one has ended', async () => {
    h = await house({ files: 'perPrincipal: 1' });
    const url = await offered('big', randomBytes(24_000_000));
    const first = await get(url);
    const second = await get(url);
    expect([second.status, second.headers.get('retry-after')]).toEqual([429, '5']);
    await bodyOf(first);
    await vi.waitFor(async () => {
      const third = await get(url, { range: 'bytes=0-0' });
      await bodyOf(third);
      expect(third.status).toBe(206);
    });
  });

  test('each request is a call of its principal’s', async () => {
    h = await house({ env: { DECKHAND_LIMITS_CALLS_PER_MINUTE: '3' } });
    const url = await offered();
    const seen: number[] = [];
    for (let i = 0; i < 4; i++) {
      const r = await get(url);
      await bodyOf(r);
      seen.push(r.status);
    }
    expect(seen).toEqual([200, 200, 429, 429]);
  });

  test('a file larger than allowed, either way', async () => {
    h = await house({ files: 'maxBytes: 2048' });
    await expect(offered()).rejects.toMatchObject({ code: 'limit' });
    await expect(wanted()).rejects.toMatchObject({ code: 'limit' });
  });
});

describe('links', () => {
  test('the URL alone serves once, down and up, and is on record as such; HEAD needs the token', async () => {
    h = await house({ files: 'links: true' });
    const url = await offered();
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(401);
    expect((await bodyOf(await fetch(url))).equals(BIG)).toBe(true);
    const again = await fetch(url);
    const unknown = await fetch(url.replace(/d_.*/, `d_${'a'.repeat(26)}`));
    expect([again.status, unknown.status]).toEqual([401, 401]);
    expect((await get(url)).status, 'its principal may go on').toBe(200);
    expect(h.audit('transfer')[0]).toMatchObject({ by: 'link', who: 'token:one', address: '127.0.0.1' });
    const up = await wanted();
    const r = await fetch(up.url as string, { method: 'PUT', body: BIG });
    expect(await r.json()).toMatchObject({ state: 'done' });
    const gone = await offered('other');
    h.app.tokens.revoke('one');
    expect((await fetch(gone)).status, 'with its principal it ends').toBe(401);
  });

  test('off by default', async () => {
    h = await house();
    expect((await fetch(await offered())).status).toBe(401);
  });
});

test('a folder, a denied name and what lies outside are refused at the call', async () => {
  h = await house();
  mkdirSync(join(h.dir, 'folder'));
  writeFileSync(join(h.dir, 'id_rsa'), 'x');
  writeFileSync(join(h.dir, 'notes'), `${'x'.repeat(2_000_000)}-----BEGIN OPENSSH PRIVATE KEY-----`);
  for (const [path, code] of [
    ['folder', 'validation'],
    ['id_rsa', 'permission'],
    ['notes', 'permission'],
    ['../state/tokens.json', 'validation'],
    ['nothing', 'not_found'],
  ] as const)
    expect(await h.call('file_download', { path: `${h.dir}/${path}` }), path).toMatchObject({ error: { code } });
  const coming = { size_bytes: 1, sha256: 'a'.repeat(64) };
  for (const path of ['id_rsa', 'folder', 'none/x', 'new.pem'])
    expect(await h.call('file_upload', { path: `${h.dir}/${path}`, ...coming }), path).toMatchObject({
      status: 'failed',
    });
});
