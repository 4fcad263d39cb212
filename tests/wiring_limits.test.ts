/** Where the limits that instances share get their store and its password from. The store itself: tests/edge/limits_shared.test.ts. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { askSharedLimits, openSharedLimits } from '../src/wiring_limits.ts';
import { quiet } from './fakes/policy.ts';

let dir: string;
/** Commands that arrived at the store, each with its arguments. */
let asked: string[][];
let url: string;
let stop: () => Promise<void>;

/** As much of Redis as says its name: https://redis.io/docs/latest/develop/reference/protocol-spec/ */
function answer(socket: Socket) {
  let rest = '';
  socket.on('data', (bytes) => {
    rest += bytes.toString();
    for (;;) {
      const head = /^\*(\d+)\r\n((?:\$\d+\r\n[^\r\n]*\r\n)*)/.exec(rest);
      const words = [...(head?.[2] ?? '').matchAll(/\$\d+\r\n([^\r\n]*)\r\n/g)].map((m) => m[1] as string);
      if (!head || words.length < Number(head[1])) return;
      const command = words.slice(0, Number(head[1]));
      rest = rest.slice(`*${head[1]}\r\n${command.map((w) => `$${Buffer.byteLength(w)}\r\n${w}\r\n`).join('')}`.length);
      asked.push(command);
      const info = 'redis_version:7.9.1\r\nloading:0\r\n';
      socket.write(command[0]?.toUpperCase() === 'INFO' ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n');
    }
  });
  socket.on('error', () => {});
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'deckhand-'));
  asked = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    answer(socket);
  });
  await new Promise<void>((listening) => server.listen(join(dir, 'store.sock'), listening));
  url = `unix:${join(dir, 'store.sock')}`;
  stop = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((closed) => server.close(closed));
    rmSync(dir, { recursive: true });
  };
});
afterEach(() => stop());

const file = (text: string, mode = 0o600) => {
  const path = join(dir, 'password');
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};

test('without an address there is no store, and a password is not looked at', async () => {
  const settings = { url: null, passwordFile: join(dir, 'not there') };
  expect(await openSharedLimits(settings, quiet)).toBeNull();
  expect(await askSharedLimits(settings)).toBeNull();
});

test('the store is told the password of the file, or none', async () => {
  expect(await askSharedLimits({ url, passwordFile: file('s3cret-of-the-store\n') })).toMatchObject({
    server: 'redis 7.9.1',
  });
  expect(asked[0]).toEqual(['hello', '3', 'AUTH', 'default', 's3cret-of-the-store']);
  asked = [];
  await askSharedLimits({ url, passwordFile: null });
  expect(asked[0]).toEqual(['hello', '3']);
  expect(asked.flat()).not.toContain('AUTH');
});

test.each([
  ['that others may read', () => file('s3cret', 0o640), 'may be read by others'],
  ['that holds two words', () => file('two words'), 'holds no password'],
  ['that is not there', () => join(dir, 'nothing'), 'is not there'],
])('a file %s stops the start, before anything is asked', async (_, make, why) => {
  const settings = { url, passwordFile: make() };
  for (const start of [() => openSharedLimits(settings, quiet), () => askSharedLimits(settings)])
    await expect(start()).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining(why) });
  expect(asked).toEqual([]);
});

test('a server counts in the store', async () => {
  const shared = await openSharedLimits({ url, passwordFile: file('s3cret') }, quiet);
  await expect.poll(() => asked[0]).toEqual(['hello', '3', 'AUTH', 'default', 's3cret']);
  await shared?.close();
});
