/**
 * A client that calls again and again on kept-alive connections, run where the server is: `node caller.mjs URL TOKEN PER_SECOND CONNECTIONS`.
 * Nothing is tried twice. At SIGTERM it lets the last calls end and prints one line of JSON: calls, errors by kind, the slowest in ms.
 */
import { Agent, request } from 'node:http';

const [url, token, perSecond = '20', connections = '4'] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections), scheduling: 'fifo' });
const body = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: {
    name: 'system_overview',
    arguments: {},
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': { name: 'caller', version: '1' },
    },
  },
});
const headers = {
  'content-type': 'application/json',
  'content-length': Buffer.byteLength(body),
  accept: 'application/json, text/event-stream',
  authorization: `Bearer ${token}`,
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': 'system_overview',
};

const seen = { calls: 0, answered: 0, reused: 0, slowestMs: 0, errors: {} };
let open = 0;
const fail = (why) => {
  seen.errors[why] = (seen.errors[why] ?? 0) + 1;
};

function call() {
  const from = performance.now();
  seen.calls++;
  open++;
  let over = false;
  const end = (why) => {
    if (over) return;
    over = true;
    open--;
    seen.slowestMs = Math.max(seen.slowestMs, Math.round(performance.now() - from));
    if (why === null) seen.answered++;
    else fail(why);
  };
  const asked = request(url, { method: 'POST', agent, headers }, (answer) => {
    let text = '';
    answer.setEncoding('utf8');
    answer.on('data', (part) => {
      text += part;
    });
    answer.on('error', (error) => end(`while read: ${error.code}`));
    answer.on('end', () => {
      if (asked.reusedSocket) seen.reused++;
      end(answer.statusCode === 200 && text.includes('"result"') ? null : `${answer.statusCode} ${text.slice(0, 120)}`);
    });
  });
  asked.on('error', (error) => end(error.code ?? String(error)));
  asked.end(body);
}

const timer = setInterval(call, 1_000 / Number(perSecond));
process.once('SIGTERM', () => {
  clearInterval(timer);
  const until = Date.now() + 20_000;
  setInterval(() => {
    if (open > 0 && Date.now() < until) return;
    if (open > 0) seen.errors.unanswered = open;
    process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
  }, 10);
});
