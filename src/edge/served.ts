/** The server of the SDK on a stdio connection: loaded after the first answers, because SDK and zod are most of a whole start. */
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import type { LineTransport } from './lines.ts';
import { createMcpFactory, type McpOptions } from './mcp.ts';

export function connect(wire: LineTransport, o: McpOptions): { close(): Promise<void> } {
  return serveStdio(createMcpFactory(o), {
    transport: wire,
    maxSubscriptions: 16,
    onerror: (err) => o.log.debug({ err }, 'stdio'),
  });
}
