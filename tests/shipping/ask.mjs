/** One call over HTTP, run where the server is: `node ask.mjs TOKEN TOOL ARGUMENTS`. Prints the structured answer, or what was said instead. */
const [token, name, text = '{}'] = process.argv.slice(2);
const _meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'ask', version: '1' },
};
const answer = await fetch('http://127.0.0.1:7070/mcp', {
  method: 'POST',
  headers: {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    authorization: `Bearer ${token}`,
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': name,
  },
  body: JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name, arguments: JSON.parse(text), _meta },
  }),
});
const body = await answer.text();
const line = body.startsWith('{') ? body : (body.match(/^data: (\{.*)$/gm) ?? ['']).at(-1)?.replace(/^data: /, '');
const { result, error } = JSON.parse(line || '{}');
process.stdout.write(
  `${JSON.stringify(result?.structuredContent ?? result ?? error ?? { http: answer.status, body })}\n`,
);
