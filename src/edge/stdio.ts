/**
 * MCP over standard input and output, for one client that launched us. Standard output belongs to the protocol: while this
 * face runs, whatever else writes there is sent to standard error. When the input ends or `close` is called, what is in
 * flight is answered (five seconds at most), then the connection ends. Signals are the caller's to turn into `close`.
 */
import type { Readable, Writable } from 'node:stream';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import type { Log, Principal } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import type { Door } from '../policy/ports.ts';
import { behind, claimed, REVISION } from './behind.ts';
import { newCallId } from './ids.ts';
import { LineTransport, type Request } from './lines.ts';
import type { ServerFacts } from './listing.ts';
import { type Caller, createMcpFactory } from './mcp.ts';
import { rpcError } from './results.ts';

const DRAIN_MS = 5_000;
const FACE = 'mcp-stdio';

export interface StdioFace {
  /** Resolves when the connection has ended, for whatever reason. */
  done: Promise<void>;
  close(): Promise<void>;
}

export function serveStdioFace(o: {
  door: Door;
  principal: Principal;
  info: ServerFacts;
  log: Log;
  newId?: () => string;
  stdin?: Readable;
  stdout?: Writable;
  /** For tests. */
  drainMs?: number;
}): StdioFace {
  const { door, principal, info, log, newId = newCallId, drainMs = DRAIN_MS } = o;
  const { promise: done, resolve: ended } = Promise.withResolvers<void>();
  const out = o.stdout ?? process.stdout;
  const guard = out === process.stdout ? guardStdout() : null;
  /** Requests under way that have no record yet, by what they asked for. */
  const open = new Map<RequestId, string>();

  const caller: Caller = { face: FACE, principal, recorded: (id) => void open.delete(id) };
  const refused = (what: string, reason: OpsError): string => {
    const id = newId();
    door.refused({ id, face: FACE, principal, what, reason });
    return id;
  };

  const wire = new LineTransport(o.stdin ?? process.stdin, out, guard?.print ?? ((line) => out.write(line)), {
    refuse(error, code) {
      return rpcError(null, error, refused('a line of input', error), code) as unknown as JSONRPCMessage;
    },
    intercept({ id, method, params }: Request) {
      const revision = claimed(params);
      const target = behind(method, params, door.catalog, revision !== undefined);
      // Of another revision the SDK says that it is not ours (-32022), before anybody looks at what is asked.
      if (target.kind === 'bad' && (revision === undefined || revision === REVISION))
        return rpcError(
          id,
          target.error,
          refused(target.what, target.error),
          target.code,
          target.uri,
        ) as JSONRPCMessage;
      open.set(id, target.what);
      return null;
    },
    answered(id, failed) {
      const what = open.get(id);
      open.delete(id);
      // The SDK refused it (an unknown method, a missing envelope): nobody else has put that on record.
      if (what !== undefined && failed) refused(what, new OpsError('validation', 'Refused by the protocol.'));
    },
    gone: () => void close(),
  });

  const handle = serveStdio(createMcpFactory({ door, caller, info, log, newId }), {
    transport: wire,
    maxSubscriptions: 16,
    onerror: (err) => log.debug({ err }, 'stdio'),
  });

  let closing: Promise<void> | null = null;
  function close(): Promise<void> {
    closing ??= (async () => {
      wire.stopReading();
      await wire.drained(drainMs);
      await handle.close();
      guard?.release();
      ended();
    })();
    return closing;
  }
  return { done, close };
}

/** A stray print in a dependency would be a broken frame for the client: it becomes a line on stderr instead. */
function guardStdout(): { print: (line: string) => boolean; release(): void } {
  const { stdout, stderr } = process;
  const write = stdout.write;
  stdout.write = stderr.write.bind(stderr) as typeof write;
  return {
    print: write.bind(stdout) as (line: string) => boolean,
    release() {
      stdout.write = write;
    },
  };
}
