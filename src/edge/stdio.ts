/**
 * MCP over standard input and output, for one client that launched us. Standard output belongs to the protocol: while this
 * face runs, whatever else writes there is sent to standard error. The first answers can be given by an opening, while what stands behind
 * the door is not even loaded; then the server of the SDK takes over. When the input ends or `close` is called, what is in
 * flight is answered (five seconds at most), then the connection ends; at once when both have come, because then nobody waits for an
 * answer, and whoever launched us is about to kill us. Signals are the caller's to turn into `close`.
 */
import type { Readable, Writable } from 'node:stream';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/server';
import type { Log, Principal } from '../core/call.ts';
import { OpsError, toOpsError } from '../core/errors.ts';
import type { Door } from '../policy/ports.ts';
import { behind, claimed, REVISION } from './behind.ts';
import { newCallId } from './ids.ts';
import type { ServerFacts } from './introduction.ts';
import { LineTransport, type Request } from './lines.ts';
import type { Caller } from './mcp.ts';
import type { Opening } from './opening.ts';
import { rpcError } from './rpc_error.ts';

const DRAIN_MS = 5_000;
const FACE = 'mcp-stdio';
/** A client that says nothing, or never asks for the tools, is not the reason to do without the rest. */
const OPENING_MS = 1_000;

export interface StdioFace {
  /** Resolves when the connection has ended, for whatever reason; rejects with what kept the whole from being opened. */
  done: Promise<void>;
  close(): Promise<void>;
}

export interface Whole {
  door: Door;
  log: Log;
}

export function serveStdioFace(o: {
  principal: Principal;
  info: ServerFacts;
  /** Gives the first answers. */
  opening?: Opening;
  /** What the rest needs: loaded when the opening has given its list, or leaves a message. */
  whole(): Promise<Whole>;
  newId?: () => string;
  stdin?: Readable;
  stdout?: Writable;
  /** For tests. */
  drainMs?: number;
}): StdioFace {
  const { principal, info, opening, newId = newCallId, drainMs = DRAIN_MS } = o;
  const { promise: done, resolve: ended, reject: failed } = Promise.withResolvers<void>();
  const out = o.stdout ?? process.stdout;
  const guard = out === process.stdout ? guardStdout() : null;
  /** Requests under way that have no record yet, by what they asked for. */
  const open = new Map<RequestId, string>();
  let whole: Whole | null = null;
  let server: { close(): Promise<void> } | null = null;
  let failure: OpsError | null = null;
  let beginning: Promise<void> | null = null;
  let closing: Promise<void> | null = null;
  let inputEnded = false;
  let asked = false;

  const caller: Caller = { face: FACE, principal, recorded: (id) => void open.delete(id) };
  const refused = (what: string, reason: OpsError): string => {
    const id = newId();
    whole?.door.refused({ id, face: FACE, principal, what, reason });
    return id;
  };

  const wire = new LineTransport(o.stdin ?? process.stdin, out, guard?.print ?? ((line) => out.write(line)), {
    early(line) {
      const answer = opening?.hear(line) ?? null;
      // After this answer has been handed to the system.
      if (opening?.listed()) setImmediate(() => void begin());
      return answer;
    },
    wanted: () => void begin(),
    refuse(error, code, id) {
      return rpcError(id, error, refused('a line of input', error), code) as unknown as JSONRPCMessage;
    },
    intercept({ id, method, params }: Request) {
      if (!whole) return null;
      const revision = claimed(params);
      const target = behind(method, params, whole.door.catalog, revision !== undefined);
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
    gone() {
      inputEnded = true;
      void end();
    },
  });
  wire.listen();
  const late = opening ? setTimeout(() => void begin(), OPENING_MS) : null;
  if (!opening) void begin();

  function begin(): Promise<void> {
    beginning ??= loaded().catch((thrown: unknown) => {
      // The same error that a start without an opening ends with; whoever waits for an answer hears it, too.
      const error = toOpsError(thrown);
      failure = error;
      wire.giveUp((id) => rpcError(id, error, newId()) as unknown as JSONRPCMessage);
      void end();
    });
    return beginning;
  }

  async function loaded(): Promise<void> {
    if (late) clearTimeout(late);
    const [got, { connect }] = await Promise.all([o.whole(), import('./served.ts')]);
    whole = got;
    server = connect(wire, { ...got, caller, info, newId });
    wire.wait();
    const differ = await wire.replay(opening?.said ?? []);
    // Tests hold both to the same bytes; if an odd message gets past them, this is how it is found.
    if (differ.length > 0) got.log.warn({ methods: differ }, 'first answers differ from those of the server');
    wire.proceed();
  }

  function end(): Promise<void> {
    if (inputEnded && asked) wire.answerNobody();
    closing ??= (async () => {
      // A message may wait for the rest; and without it there would be no record that this process ever ran.
      await within(drainMs, begin());
      wire.stopReading();
      await wire.drained(drainMs);
      await (server ?? wire).close();
      guard?.release();
      if (failure) failed(failure);
      else ended();
    })();
    return closing;
  }
  return {
    done,
    close() {
      asked = true;
      return end();
    },
  };
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, late]);
  clearTimeout(timer);
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
