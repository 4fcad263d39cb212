/**
 * The head of a request, kept with its connection: a client sends the same one with each call, but for the tool's name and the length of
 * its body. What follows from the head and the connection alone (whether it is addressed to us, from where, how ordinary it is, under which
 * name its credential is counted) hangs on a `Head` and is found out once. Decides only when two heads are the same: character by
 * character. What is counted, looked up or can be revoked is asked of each request.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

export interface Head {
  readonly line: string;
  readonly raw: readonly string[];
  /** Where in `raw` the two values stand that may differ from request to request; -1: nowhere. */
  readonly lengthAt: number;
  readonly nameAt: number;
}

export type HeadOf = (incoming: IncomingMessage) => Head;

/** Of each connection one is kept: all of them together are a few MB at the most. */
const LONGEST = 4_096;

const HEAD = Symbol('head');
type Headed = IncomingMessage & { [HEAD]?: Head };

export function createHeads(): HeadOf {
  const kept = new WeakMap<Socket, Head>();

  function find({ socket, rawHeaders: raw, method, url, httpVersion }: IncomingMessage): Head {
    const line = `${method} ${url} ${httpVersion}`;
    const known = kept.get(socket);
    if (known && known.line === line && same(known, raw)) return known;
    const head = { line, raw, lengthAt: valueAt(raw, 'content-length'), nameAt: valueAt(raw, 'mcp-name') };
    let long = line.length;
    for (const text of raw) long += text.length;
    if (long <= LONGEST) kept.set(socket, head);
    return head;
  }

  return (incoming: Headed) => {
    incoming[HEAD] ??= find(incoming);
    return incoming[HEAD];
  };
}

function same({ raw: before, lengthAt, nameAt }: Head, raw: readonly string[]): boolean {
  if (raw.length !== before.length) return false;
  for (let i = 0; i < raw.length; i++) if (raw[i] !== before[i] && i !== lengthAt && i !== nameAt) return false;
  return true;
}

function valueAt(raw: readonly string[], name: string): number {
  for (let i = 0; i < raw.length; i += 2)
    if (raw[i]?.length === name.length && raw[i]?.toLowerCase() === name) return i + 1;
  return -1;
}

/** What one reader makes of a head, made once. */
export function perHead<T>(
  make: (incoming: IncomingMessage, head: Head) => T,
): (incoming: IncomingMessage, head: Head) => T {
  const made = new WeakMap<Head, { is: T }>();
  return (incoming, head) => {
    let known = made.get(head);
    if (!known) {
      known = { is: make(incoming, head) };
      made.set(head, known);
    }
    return known.is;
  };
}
