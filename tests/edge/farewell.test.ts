/** A stop beside clients on kept-alive connections: none of them has an error for it. The control is node:http's own close. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createNodeServer } from '../../src/edge/node_server.ts';

let undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.reverse()) await step();
  undo = [];
});

const ASK = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** One connection, by hand: what came, and how it ended. */
function client(port: number) {
  const socket = connect({ port, host: '127.0.0.1' });
  const seen = { text: '', ended: false };
  socket.setEncoding('latin1');
  socket.on('data', (part) => {
    seen.text += part;
  });
  socket.on('error', () => {});
  socket.on('end', () => {
    seen.ended = true;
  });
  undo.push(() => socket.destroy());
  const answers = () => seen.text.split('HTTP/1.1 200').length - 1;
  const answered = (count: number) => expect.poll(answers).toBe(count);
  return { socket, seen, answers, answered };
}

async function house(graceMs: number, answer: () => Promise<Response> = async () => new Response('fine')) {
  const node = createNodeServer({
    fetch: answer,
    fast: () => false,
    connections: { perAddress: 64, inAll: 64 },
    refusals: { record: () => 'id', answer: () => new Response(null) },
    newId: () => 'id',
    graceMs,
  });
  const { port } = await node.listen({ host: '127.0.0.1', port: 0 });
  undo.push(() => node.close(0, async () => {}));
  return { node, port };
}

test('who is connected asks once more, is answered, and is told that this was the last', async () => {
  const { node, port } = await house(20_000);
  const one = client(port);
  one.socket.write(ASK);
  await one.answered(1);
  expect(one.seen.text).not.toMatch(/connection: close/i);
  let refused = false;
  const closed = node.close(
    0,
    async () => {},
    () => {
      refused = true;
    },
  );
  await new Promise((resolve) => setImmediate(resolve));
  expect([one.seen.ended, refused]).toEqual([false, false]);
  one.socket.write(ASK);
  await one.answered(2);
  expect(one.seen.text).toMatch(/connection: close/i);
  // Nobody is left to wait for: the while is not waited out.
  await closed;
  expect(refused).toBe(true);
});

test('the control: closed as node:http closes, the same client is cut off', async () => {
  const server: Server = createServer((_, outgoing) => void outgoing.end('fine'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.push(() => server.closeAllConnections());
  const one = client((server.address() as AddressInfo).port);
  one.socket.write(ASK);
  await one.answered(1);
  server.close();
  one.socket.write(ASK);
  await expect.poll(() => one.socket.destroyed).toBe(true);
  expect(one.answers()).toBe(1);
});

test('an answer under way is given, and is the last one on its connection', async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  const { node, port } = await house(20_000, () => promise);
  const one = client(port);
  one.socket.write(ASK);
  await expect.poll(() => one.socket.bytesWritten).toBeGreaterThan(0);
  await new Promise((done) => setTimeout(done, 50));
  const closed = node.close(20_000, async () => {});
  resolve(new Response('late'));
  await one.answered(1);
  expect(one.seen.text).toMatch(/connection: close/i);
  await closed;
});

test('who does not come by is waited for no longer than the grace, and its end is said before', async () => {
  const { node, port } = await house(30);
  const [idle, fresh] = [client(port), client(port)];
  idle.socket.write(ASK);
  await idle.answered(1);
  await new Promise<void>((resolve) => fresh.socket.on('connect', resolve) && !fresh.socket.connecting && resolve());
  await node.close(0, async () => {});
  await expect.poll(() => [idle.seen.ended, fresh.seen.ended]).toEqual([true, true]);
});

test('nobody new is taken, and with nobody there a stop waits for nothing', async () => {
  const { node, port } = await house(60_000);
  await node.close(60_000, async () => {});
  const late = client(port);
  await expect.poll(() => late.socket.destroyed).toBe(true);
  expect(late.seen.text).toBe('');
});
