/**
 * A program of a user: an MCP client in a process of its own, because Node reads NODE_EXTRA_CA_CERTS when it starts. Prints one line of
 * JSON: the tools that are listed, and what a call answered, or why there was none.
 */
import { type Era, overHttp } from './product.ts';

const [url = '', token = '', era = '2026-07-28'] = process.argv.slice(2);
try {
  const client = await overHttp(era as Era, url, token);
  const { tools } = await client.listTools();
  const answer = await client.callTool({ name: 'system_overview', arguments: {} });
  await client.close();
  process.stdout.write(JSON.stringify({ tools: tools.length, failed: answer.isError === true }));
} catch (thrown) {
  const codes: string[] = [];
  for (let at: unknown = thrown; at instanceof Error; at = at.cause)
    codes.push(String((at as NodeJS.ErrnoException).code ?? at.message));
  process.stdout.write(JSON.stringify({ error: codes.join(' < ') }));
}
