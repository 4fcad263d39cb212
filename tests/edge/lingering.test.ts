/** An answer before the whole request was read gets to its sender, who is not reset; what he sends for ever is bounded. */
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type Bounds, createLingering } from '../../src/edge/lingering.ts';

const BOUNDS: Bounds = { ms: 20_000, idleMs: 10_000, bytes: 64 * 1024 * 1024 };

/** Of each server, the connections that came and those that are there still. */
const open = new Map<number, { came: number; there: number }>();

async function refusing(bounds: Bounds | null): Promise<number> {
  const lingering = bounds && createLingering(bounds);
  const server = createServer((incoming, outgoing) => {
    lingering?.watch(incoming);
    outgoing.writeHead(413, { connection: 'close' });
    outgoing.end('too long');
  });
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
    lingering?.end();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const count = { came: 0, there: 0 };
  open.set(port, count);
  server.on('connection', (socket) => {
    count.came++;
    count.there++;
    socket.once('close', () => count.there--);
  });
  return port;
}

interface Sent {
  answer: string;
  error: string | null;
  bytes: number;
}

/** Sends a request of this size, piece by piece, whatever is answered meanwhile. */
function send(port: number, o: { bytes: number; head: string; stop?: number; trickle?: boolean }): Promise<Sent> {
  return new Promise((resolve) => {
    // Half open: our own end is for us to send, as with a proxy that passes on what its client sends.
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const piece = Buffer.alloc(64 * 1024);
    const sent: Sent = { answer: '', error: null, bytes: 0 };
    let trickle: NodeJS.Timeout | undefined;
    const more = () => {
      while (sent.bytes < Math.min(o.bytes, o.stop ?? o.bytes)) {
        sent.bytes += piece.length;
        if (socket.write(piece)) continue;
        socket.once('drain', more);
        return;
      }
      if (o.stop === undefined) socket.end();
      else if (o.trickle) trickle = setInterval(() => socket.write('x'), 5);
    };
    socket.on('data', (d) => {
      sent.answer += d;
    });
    socket.on('error', (e: NodeJS.ErrnoException) => {
      sent.error = e.code ?? e.message;
    });
    socket.on('close', () => {
      clearInterval(trickle);
      resolve(sent);
    });
    socket.write(`POST / HTTP/1.1\r\nhost: x\r\n${o.head}\r\n\r\n`);
    more();
  });
}

const MiB = 1024 * 1024;

test('a sender in the middle of his body gets the answer and no reset', async () => {
  const port = await refusing(BOUNDS);
  const { answer, error } = await send(port, { bytes: 8 * MiB, head: `content-length: ${8 * MiB}` });
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(error).toBeNull();
});

test('the control: closed at once, his connection is reset', async () => {
  const port = await refusing(null);
  const { error } = await send(port, { bytes: 8 * MiB, head: `content-length: ${8 * MiB}` });
  expect(error).toMatch(/^(?:EPIPE|ECONNRESET)$/);
});

test('who sends more than is waited for is cut off', async () => {
  const port = await refusing({ ...BOUNDS, bytes: 2 * MiB });
  const { error, bytes } = await send(port, { bytes: 256 * MiB, head: `content-length: ${256 * MiB}` });
  expect(error).toMatch(/^(?:EPIPE|ECONNRESET)$/);
  expect(bytes).toBeLessThan(64 * MiB);
});

test('who stops sending and stays is not waited for', async () => {
  const port = await refusing({ ...BOUNDS, idleMs: 50 });
  // All of what came was read, so that the sender, who says nothing more, is told nothing more: only our side shows it.
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket.resume();
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${8 * MiB}\r\n\r\n`);
  await expect.poll(() => open.get(port)).toEqual({ came: 1, there: 0 });
});

test('nor longer than the time for all, however he trickles', async () => {
  const port = await refusing({ ...BOUNDS, ms: 50 });
  const { answer } = await send(port, { bytes: 8 * MiB, stop: MiB, trickle: true, head: `content-length: ${8 * MiB}` });
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
});
