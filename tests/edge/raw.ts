/** Bytes on a socket to the started HTTP face, and the answers that come back: for what no client would send. */
import { connect } from 'node:net';

export interface Answer {
  status: number;
  /** By lower-case name; twice the same is joined. */
  headers: Record<string, string>;
  text: string;
  /** Of a JSON-RPC error. */
  code: number | undefined;
}

/** Sends `bytes` and reads until the other side ends, or until it has said nothing for `quietMs`. No answer at all is an empty list. */
export async function raw(
  port: number,
  bytes: string | Buffer,
  o: { from?: string; quietMs?: number } = {},
): Promise<Answer[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const parts: Buffer[] = [];
  const how = { port, host: '127.0.0.1', ...(o.from === undefined ? {} : { localAddress: o.from }) };
  const socket = connect(how, () => socket.write(bytes));
  socket.setTimeout(o.quietMs ?? 15_000, () => socket.destroy());
  socket.on('data', (part) => void parts.push(part));
  socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNREFUSED' ? reject(error) : undefined));
  socket.on('close', () => resolve(Buffer.concat(parts)));
  return answersOf(await promise);
}

function answersOf(bytes: Buffer): Answer[] {
  const answers: Answer[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) throw new Error(`no whole head: ${rest.toString('latin1').slice(0, 200)}`);
    const [first = '', ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n');
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
    }
    rest = rest.subarray(end + 4);
    const length = headers['content-length'];
    const text = rest.subarray(0, length === undefined ? rest.length : Number(length)).toString();
    rest = length === undefined ? Buffer.alloc(0) : rest.subarray(Number(length));
    answers.push({ status: Number(first.split(' ')[1]), headers, text, code: codeOf(text) });
  }
  return answers;
}

function codeOf(text: string): number | undefined {
  try {
    return (JSON.parse(text) as { error?: { code?: number } }).error?.code;
  } catch {
    return undefined;
  }
}
