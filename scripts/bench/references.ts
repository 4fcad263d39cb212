/**
 * The servers that ours is measured against, each its own process: JSON-RPC written by hand on node:http (the least that
 * could be the same service, without rights, limits or a record), the same with a token and a record, and a bare Hono route. All parse the
 * body and check the arguments with the very schema of the tool, and make their answer of an object for each call, as ours does.
 *   node references.ts hand|recorded|hono ANSWER.json
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Hono } from 'hono/tiny';
import { canonical } from '../../src/core/canonical.ts';
import { macOf } from '../../src/store/audit_chain.ts';
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

/**
 * What may not be left out of a call whose caller is known and which is on record, as few lines as it takes: the token's hash compared, a
 * look whether the file of tokens has changed, a count of the address, and a line that is bound to the one before it, in the file before
 * the answer is out. No rights, no rules, no deadline, no redaction, nothing shared between calls.
 */
function duties(): (incoming: IncomingMessage, message: Message) => boolean {
  const mac = macOf(Buffer.alloc(32, 7));
  const record = openSync(`${file}.record`, 'a', 0o600);
  const counts = new Map<string, number>();
  let prev = mac('begin');
  let known: Buffer | null = null;
  let seq = 0;
  return (incoming, message) => {
    const address = incoming.socket.remoteAddress ?? '';
    counts.set(address, (counts.get(address) ?? 0) + 1);
    const asked = hash('sha256', incoming.headers.authorization ?? '', 'buffer');
    // The first one who comes is the one who may.
    known ??= asked;
    if (!timingSafeEqual(known, asked) || !statSync(file, { bigint: true }).isFile()) return false;
    const { name: tool, arguments: args } = message.params ?? {};
    const ts = new Date().toISOString();
    const fields = {
      v: 1,
      seq: ++seq,
      ts,
      event: 'call',
      address,
      who: 'token:first',
      tool,
      args,
      outcome: 'done',
      prev,
    };
    const text = canonical(fields);
    prev = mac(prev + text);
    writeSync(record, `${text.slice(0, -1)},"hash":"${prev}"}\n`);
    return true;
  };
}

const ready = (port: number) => process.send?.({ port });

if (kind === 'hand' || kind === 'recorded') {
  const done = kind === 'recorded' ? duties() : () => true;
  const server = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const message = JSON.parse(Buffer.concat(parts).toString()) as Message;
      const { status, body } = done(incoming, message) ? handled(message) : { status: 401, body: {} };
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
