/** What the two tools say: bytes in the answer and what was taken out of them, paths for a caller on this host, copies, and the way back. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { dataOf, type House, house } from './house.ts';

let h: House;
afterEach(() => h.close());
const sha = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');
const here = { face: 'mcp-stdio' } as const;
const file = (name: string, bytes: Uint8Array | string) => {
  writeFileSync(join(h.dir, name), bytes);
  return join(h.dir, name);
};
const shown = () => readdirSync(h.dir).filter((n) => !n.startsWith('.deckhand'));

test('text comes in the answer; what is secret or unseen is taken out, and said; the SHA-256 is of the file as it is', async () => {
  h = await house();
  const plain = file('a.txt', 'one\ntwo – three\n');
  const first = await h.call('file_download', { path: plain });
  expect(dataOf(first)).toMatchObject({ encoding: 'utf-8', content: 'one\ntwo – three\n', altered: null });
  expect(first).toMatchObject({ text: expect.stringContaining('one\ntwo – three') });
  const secret = 'password=hunter2hunter2\n\u202Ereversed\n';
  const out = dataOf(await h.call('file_download', { path: file('b.txt', secret) }));
  expect(out).toMatchObject({ altered: { redacted: true, stripped: true }, sha256: sha(secret) });
  expect(out.content).not.toMatch(/hunter2|\u202E/);
  expect(JSON.stringify(h.audit())).not.toContain('hunter2');
  const raw = await fetch(out.url as string, { headers: { authorization: `Bearer ${h.one}` } });
  expect(await raw.text(), 'the file as it is').toBe(secret);
});

test('what is no text comes as base64, up to 48 KiB; more, or when not wanted, by the URL alone', async () => {
  h = await house();
  const bytes = Uint8Array.from({ length: 40_000 }, (_, i) => (i * 7) & 255);
  const small = await h.call('file_download', { path: file('small', bytes) });
  expect(dataOf(small)).toMatchObject({
    encoding: 'base64',
    content: Buffer.from(bytes).toString('base64'),
    altered: null,
  });
  expect(small).toMatchObject({ text: expect.stringContaining('in `content` of the structured result') });
  expect(dataOf(await h.call('file_download', { path: file('tiny', Uint8Array.of(0, 255)) }))).toMatchObject({
    encoding: 'base64',
    content: 'AP8=',
  });
  const none = { encoding: null, content: null, url: expect.stringContaining('/transfers/d_') };
  expect(
    dataOf(await h.call('file_download', { path: file('large', Buffer.alloc(48 * 1024 + 1, 'x')) })),
  ).toMatchObject(none);
  expect(dataOf(await h.call('file_download', { path: join(h.dir, 'tiny'), inline: false }))).toMatchObject(none);
  // As JSON twice as long: it would not fit.
  expect(dataOf(await h.call('file_download', { path: file('quotes', '"'.repeat(40_000)) }))).toMatchObject(none);
  expect(dataOf(await h.call('file_download', { path: file('empty', '') }))).toMatchObject({
    encoding: 'utf-8',
    content: '',
  });
});

test('for a caller on this host: the path, and no URL', async () => {
  h = await house();
  const path = file('big', Buffer.alloc(100_000, 'x'));
  const out = await h.call('file_download', { path }, here);
  expect(dataOf(out)).toMatchObject({ local: path, url: null, sizeBytes: 100_000, content: null });
  expect(out).toMatchObject({ text: expect.stringContaining('on this host') });
});

test('an upload on this host is a copy of a file in a root, with all its bytes known before; never of one outside', async () => {
  h = await house();
  const bytes = Buffer.alloc(2_500_000, 'abc');
  const from = file('from', bytes);
  const args = { path: join(h.dir, 'to'), from, mode: '0600' };
  const dry = dataOf(await h.call('file_upload', { ...args, dry_run: true }, here));
  expect(dry.summary).toContain(sha(bytes));
  const out = dataOf(await h.call('file_upload', args, here));
  expect(out).toMatchObject({ state: 'done', after: { sha256: sha(bytes), mode: '0600' } });
  expect(readFileSync(join(h.dir, 'to')).equals(bytes)).toBe(true);
  expect(dataOf(await h.call('undo', { receipt: out.receipt, dry_run: true }, here)).summary).toContain('Remove');
  dataOf(await h.call('undo', { receipt: out.receipt }, here));
  expect(shown()).toEqual(['from']);
  symlinkSync('/etc/hostname', join(h.dir, 'link'));
  for (const [wrong, code] of [
    [{ ...args, from: '/etc/hostname' }, 'permission'],
    [{ ...args, from: join(h.dir, 'link') }, 'permission'],
    [{ ...args, from: `${h.dir}/../state/tokens.json` }, 'validation'],
    [{ ...args, sha256: 'a'.repeat(64) }, 'validation'],
    [{ ...args, size_bytes: 1 }, 'validation'],
    [{ ...args, from: join(h.dir, 'none') }, 'not_found'],
    [{ path: args.path, size_bytes: 3, sha256: sha('abc') }, 'validation'],
  ] as const)
    expect(await h.call('file_upload', wrong, here), JSON.stringify(wrong)).toMatchObject({ error: { code } });
  expect(await h.call('file_upload', { path: args.path, sha256: sha('abc') })).toMatchObject({
    error: { code: 'validation' },
  });
  expect(shown()).toEqual(['from', 'link']);
});

test('a replaced file keeps its mode; undo brings it back as long as it has not moved on', async () => {
  h = await house();
  const from = file('from', 'new');
  const path = file('to', 'old');
  const mode = statSync(path).mode;
  expect(await h.call('file_upload', { path, from }, here)).toMatchObject({ error: { code: 'conflict' } });
  expect(await h.call('file_upload', { path, from, expect_sha256: sha('x') }, here)).toMatchObject({
    error: { code: 'conflict' },
  });
  const args = { path, from, expect_sha256: sha('old') };
  expect(await h.call('file_upload', { ...args, mode: '0600' }, here)).toMatchObject({ error: { code: 'validation' } });
  const out = dataOf(await h.call('file_upload', args, here));
  expect([readFileSync(path, 'utf8'), statSync(path).mode]).toEqual(['new', mode]);
  writeFileSync(path, 'moved on');
  expect(await h.call('undo', { receipt: out.receipt }, here)).toMatchObject({ error: { code: 'conflict' } });
  writeFileSync(path, 'new');
  dataOf(await h.call('undo', { receipt: out.receipt }, here));
  expect([readFileSync(path, 'utf8'), statSync(path).mode]).toEqual(['old', mode]);
});

test('undo of a file that is gone, that is as before, and of one on which a folder stands', async () => {
  h = await house();
  const from = file('from', 'new');
  const path = join(h.dir, 'to');
  const made = async () => dataOf(await h.call('file_upload', { path, from }, here)).receipt;
  const first = await made();
  const { rmSync } = await import('node:fs');
  rmSync(path);
  expect(dataOf(await h.call('undo', { receipt: first }, here)).summary).toContain('as it was before');
  const second = await made();
  rmSync(path);
  mkdirSync(path);
  expect(await h.call('undo', { receipt: second }, here)).toMatchObject({ status: 'failed' });
});
