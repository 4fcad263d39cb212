/**
 * A loopback relay that adds the bearer token, because the conformance suite cannot send one. Everything else, the Host and the Origin
 * above all, passes through as it came: what is tested is the server behind it, not the relay. It can also give a request the name of
 * a tool, resource or prompt that the server has, in place of one that the suite expects of its fixture.
 */
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Relay extends AsyncDisposable {
  url: string;
  /** By the suite's name: how often it was asked for, under another. */
  renamed: Map<string, number>;
}

/** `arguments`: those to send in place of the suite's. */
export type Names = Record<string, { name: string; arguments?: object }>;

export async function relay(target: string, token: string, names: Names = {}): Promise<Relay> {
  const { hostname, port, pathname } = new URL(target);
  const renamed = new Map<string, number>();

  function translate(body: Buffer, headers: IncomingHttpHeaders): Buffer {
    const key = headers['mcp-name'] === undefined ? nameIn(body) : headers['mcp-name'];
    const to = names[String(key)];
    if (!to) return body;
    renamed.set(String(key), (renamed.get(String(key)) ?? 0) + 1);
    const message = JSON.parse(body.toString()) as { params: Record<string, unknown> };
    message.params['uri' in message.params ? 'uri' : 'name'] = to.name;
    if (to.arguments) message.params.arguments = to.arguments;
    if (headers['mcp-name'] !== undefined) headers['mcp-name'] = to.name;
    return Buffer.from(JSON.stringify(message));
  }

  const server = createServer((incoming, outgoing) => {
    const headers: IncomingHttpHeaders = { ...incoming.headers, authorization: `Bearer ${token}` };
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      const body = translate(Buffer.concat(parts), headers);
      if (headers['content-length'] !== undefined) headers['content-length'] = String(body.length);
      const onward = request({ hostname, port, path: incoming.url, method: incoming.method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode as number, answer.rawHeaders);
        outgoing.flushHeaders();
        answer.pipe(outgoing);
      });
      onward.on('error', () => outgoing.destroy());
      // A client that leaves its stream has cancelled the call: the server must hear of it.
      outgoing.on('close', () => onward.destroy());
      onward.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    renamed,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Of a request of 2025, which has no header that says it. */
function nameIn(body: Buffer): unknown {
  try {
    const { params } = JSON.parse(body.toString()) as { params?: { name?: unknown; uri?: unknown } };
    return params?.uri ?? params?.name;
  } catch {
    return undefined;
  }
}
