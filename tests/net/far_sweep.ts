/** The other machine of the sweep: redirects in a circle, a name that changes its address between two look-ups, and nobody on any other port. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';
import { decode, encode } from 'dns-packet';

const ROUTER = '10.9.0.254';
let turn = 0;
const udp = createSocket('udp4');
udp.on('message', (bytes, from) => {
  const q = decode(bytes);
  const asked = q.questions?.[0];
  if (!asked) return;
  const mine = asked.type === 'A' && asked.name === 'rebind.test' ? turn++ : turn;
  // Now a place that may be reached, now one that may not: who looks up twice is had.
  const data =
    asked.name === 'rebind.test'
      ? mine % 2 === 0
        ? ROUTER
        : '127.0.0.1'
      : /^n\d+\.test$/.test(asked.name)
        ? ROUTER
        : null;
  const answers = data !== null && asked.type === 'A' ? [{ type: 'A', name: asked.name, ttl: 0, data }] : [];
  udp.send(
    encode({
      type: 'response',
      id: q.id ?? 0,
      flags: 0x0180 | (data === null ? 3 : 0),
      questions: q.questions ?? [],
      answers,
    } as never),
    from.port,
    from.address,
  );
});
await new Promise<void>((up) => udp.bind(53, ROUTER, up));
await new Promise<void>((up) =>
  createServer((req, res) => {
    const hop = Number(/\/hop\/(\d+)/.exec(req.url ?? '')?.[1] ?? 0);
    // One of them leads to a place of the host itself.
    res
      .writeHead(302, { location: hop === 3 ? 'http://127.0.0.1:8090/' : `http://${ROUTER}:8080/hop/${hop + 1}` })
      .end();
  }).listen(8080, ROUTER, up),
);
process.stdout.write('up\n');
