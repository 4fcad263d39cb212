/** A process for the soak: the house on a port (`house`), or what it is held against, a bare node:http stream from and to a file (`bare`). */
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import { house } from './house.ts';

const [kind, at = ''] = process.argv.slice(2);
if (kind === 'house') {
  const h = await house({ at });
  process.stdout.write(`${JSON.stringify({ url: h.url, token: h.one, dir: h.dir })}\n`);
  process.once('SIGTERM', () => void h.close().then(() => process.exit(0)));
} else {
  const server = createServer({ requestTimeout: 0 }, (req, res) => {
    const file = decodeURIComponent(req.url as string);
    if (req.method === 'GET') {
      res.writeHead(200, { 'content-length': statSync(file).size });
      pipeline(createReadStream(file), res, () => {});
    } else pipeline(req, createWriteStream(file, { flush: true }), () => res.end('done'));
  }).listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}`, token: '', dir: at })}\n`);
  });
  process.once('SIGTERM', () => process.exit(0));
}
