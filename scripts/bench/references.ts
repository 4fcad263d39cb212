/**
 * The two servers that ours is measured against, each its own process: JSON-RPC written by hand on node:http (the least that
 * could be the same service, without rights, limits or a record), and a bare Hono route. Both parse the body and check the
 * arguments with the very schema of the tool, and make their answer of an object for each call, as ours does.
 *   node references.ts hand|hono ANSWER.json
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Hono } from 'hono/tiny';
import { systemMetrics } from '../../src/tools/system_metrics.ts';

const [kind, file = ''] = process.argv.slice(2);
const answer = JSON.parse(readFileSync(file, 'utf8')) as object;

interface Message {
  jsonrpc?: string;
  id?: number;
  method?: string;
  params?: { name?: string; arguments?: unknown };
}

function handled({ jsonrpc, id, method, params }: Message): { status: number; body: unknown } {
  if (jsonrpc !== '2.0' || method !== 'tools/call' || params?.name !== 'system_metrics')
    return { status: 404, body: { jsonrpc: '2.0', id, error: { code: -32_601, message: 'Method not found' } } };
  const parsed = systemMetrics.input.safeParse(params.arguments ?? {});
  if (!parsed.success)
    return { status: 400, body: { jsonrpc: '2.0', id, error: { code: -32_602, message: parsed.error.message } } };
  return { status: 200, body: { jsonrpc: '2.0', id, result: { ...answer } } };
}

const ready = (port: number) => process.send?.({ port });

if (kind === 'hand') {
  const server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const { status, body } = handled(JSON.parse(Buffer.concat(parts).toString()) as Message);
      const text = JSON.stringify(body);
      outgoing.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
      outgoing.end(text);
    });
  });
  server.listen(0, '127.0.0.1', () => ready((server.address() as AddressInfo).port));
} else {
  const app = new Hono();
  app.post('/mcp', async (c) => {
    const { status, body } = handled(await c.req.json());
    return c.json(body as object, status as 200);
  });
  serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => ready(port));
}

process.on('disconnect', () => process.exit());
