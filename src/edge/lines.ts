/**
 * One JSON-RPC message a line, in and out: the transport under the stdio face. Ours, because the SDK's drops a malformed line
 * without an answer, ends the connection at an oversized one, aborts what is in flight when the input ends, and goes on
 * reading from a client that has stopped reading. What messages mean is decided above.
 */
import type { Readable, Writable } from 'node:stream';
import type { JSONRPCMessage, RequestId, Transport } from '@modelcontextprotocol/server';
import { OpsError } from '../core/errors.ts';
import { faultOf, isRecord } from './behind.ts';

/** A request is arguments, never a payload. */
export const MOST_FRAME_BYTES = 1024 * 1024;
/** Far more than the door lets run at once. One pipe's worth of requests, all answered at once, would be tens of megabytes. */
const MOST_UNDER_WAY = 64;

export interface LineHooks {
  /** Answers the first lines itself ('' is nothing to say); null: this line waits for `proceed`, as do all after it. */
  early?(line: string): string | null;
  /** A line waits for `proceed`. */
  wanted?(): void;
  /** A line that is no message: what to answer, and to which request, where that can be told. */
  refuse(error: OpsError, code: number, id?: unknown): JSONRPCMessage;
  /** Asked before a request is delivered; an answer means that it is not. */
  intercept(message: Request): JSONRPCMessage | null;
  /** What is about to be answered. */
  answered(id: RequestId, failed: boolean): void;
  /** Nothing can be read or written any more. */
  gone(): void;
}

export type Request = { id: RequestId; method: string; params?: unknown };

export class LineTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #in: Readable;
  readonly #out: Writable;
  readonly #hooks: LineHooks;
  #parts: Buffer[] = [];
  #bytes = 0;
  /** Inside a line that is too long: skipped to its end without being kept. */
  #skipping = false;
  /** Read, and not yet looked at. */
  #held: Buffer | null = null;
  /** Standard output takes no more for now. */
  #blocked = false;
  #stopped = false;
  #closed = false;
  readonly #unanswered = new Set<RequestId>();
  #drained: (() => void)[] = [];

  /** Lines are for the early hook; then, from the first that it leaves, until `proceed`, they wait. */
  #stage: 'early' | 'waiting' | 'served';
  /** The line that waits, already taken from the input. */
  #first: (() => void) | null = null;
  #replaying: { id: RequestId; heard(answer: string): void } | null = null;
  /** The id of the request among them, when it is one. */
  #waits: RequestId | undefined;
  #reading = false;

  readonly #print: (line: string) => boolean;

  /** `print` writes to `stdout`, and is apart from it because `stdout.write` may by then lead elsewhere. */
  constructor(stdin: Readable, stdout: Writable, print: (line: string) => boolean, hooks: LineHooks) {
    this.#in = stdin;
    this.#out = stdout;
    this.#print = print;
    this.#hooks = hooks;
    this.#stage = hooks.early ? 'early' : 'served';
  }

  async start(): Promise<void> {
    this.listen();
  }

  /** Begins to read, once: before the server of the SDK is there when the early hook answers for it. */
  listen(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.#in.on('data', this.#onData);
    this.#in.once('end', this.#onEnd);
    this.#in.once('close', this.#onGone);
    this.#in.on('error', this.#onGone);
    this.#out.on('error', this.#onWriteError);
    if (this.#in.readableEnded || this.#in.destroyed) setImmediate(this.#onGone);
  }

  /** From here on lines wait for `proceed`. */
  wait(): void {
    if (this.#stage === 'early') this.#stage = 'waiting';
  }

  /** Says to the server what the early hook has answered in its place; its answers go nowhere. Gives those that differ. */
  async replay(said: readonly { message: { id?: RequestId }; answer: string | null }[]): Promise<string[]> {
    const differ: string[] = [];
    for (const { message, answer } of said) {
      const { promise, resolve: heard } = Promise.withResolvers<string>();
      if (message.id !== undefined) this.#replaying = { id: message.id, heard };
      this.onmessage?.(message as JSONRPCMessage);
      if (message.id !== undefined && (await promise) !== answer) differ.push((message as Request).method);
    }
    return differ;
  }

  /** The server is there: what waited goes to it, and everything after. */
  proceed(): void {
    this.#stage = 'served';
    const first = this.#first;
    this.#first = null;
    first?.();
    this.#work();
  }

  /** There will be no server: the request that waits is told why. */
  giveUp(refusal: (id: RequestId) => JSONRPCMessage): void {
    if (this.#waits !== undefined) this.#write(refusal(this.#waits));
    this.#first = null;
  }

  /** No more messages come in; what is under way may still be answered. */
  stopReading(): void {
    this.#stopped = true;
    this.#held = null;
    this.#in.off('data', this.#onData);
    this.#in.pause();
  }

  /** Resolves when every request has its answer, or after `ms`. */
  async drained(ms: number): Promise<void> {
    if (this.#unanswered.size === 0 || this.#closed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#drained.push(resolve);
    await promise;
    clearTimeout(timer);
  }

  /** Nothing waits for what is still unanswered. */
  answerNobody(): void {
    this.#unanswered.clear();
    this.#release();
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#closed) return;
    // A result, or an error: the answer to a request. Ours to questions (never asked) and notifications have no such key.
    if (isAnswer(message)) {
      if (this.#replaying?.id === message.id) {
        const { heard } = this.#replaying;
        this.#replaying = null;
        return heard(JSON.stringify(message));
      }
      this.#hooks.answered(message.id, 'error' in message);
      this.#settle(message.id);
    }
    this.#write(message);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.stopReading();
    this.#in.off('end', this.#onEnd);
    this.#in.off('close', this.#onGone);
    this.#parts = [];
    this.#unanswered.clear();
    this.#release();
    this.#replaying?.heard('');
    // The error listeners stay: a write that fails after the end must not become an uncaught exception.
    if (this.#out.writableLength > 0 && !this.#out.destroyed) await this.#flushed();
    this.onclose?.();
  }

  /** Waits until the last answer has left, but not for a client that no longer reads. */
  #flushed(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, 1_000);
    this.#out.once('drain', resolve);
    this.#out.once('close', resolve);
    return promise.finally(() => clearTimeout(timer));
  }

  #write(message: JSONRPCMessage): void {
    this.#say(JSON.stringify(message));
  }

  #say(line: string): void {
    if (this.#closed || this.#out.destroyed) return;
    if (this.#print(`${line}\n`) || this.#blocked) return;
    // A client that does not read gets nothing more to answer: otherwise its answers would pile up here.
    this.#blocked = true;
    this.#out.once('drain', () => {
      this.#blocked = false;
      this.#work();
    });
  }

  readonly #onEnd = () => {
    // `printf '{…}' | deckhand stdio` sends no last newline, and means it.
    if (this.#bytes > 0) this.#endLine();
    this.#hooks.gone();
  };
  readonly #onGone = () => this.#hooks.gone();
  readonly #onWriteError = () => {
    // EPIPE and its kin: nobody is there to be told.
    this.answerNobody();
    this.#hooks.gone();
  };

  readonly #onData = (chunk: Buffer | string) => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    this.#held = this.#held ? Buffer.concat([this.#held, bytes]) : bytes;
    this.#work();
  };

  /** Takes line by line, as long as there is room for another answer; the rest waits, here and then in the pipe. */
  #work(): void {
    while (this.#held && !this.#blocked && this.#stage !== 'waiting' && this.#unanswered.size < MOST_UNDER_WAY) {
      const rest: Buffer = this.#held;
      const end = rest.indexOf(10);
      this.#held = end === -1 || end === rest.length - 1 ? null : rest.subarray(end + 1);
      this.#take(end === -1 ? rest : rest.subarray(0, end));
      if (end !== -1) this.#endLine();
    }
    if (this.#stopped) return;
    if (this.#held || this.#blocked || this.#stage === 'waiting') this.#in.pause();
    else if (this.#in.isPaused()) this.#in.resume();
  }

  #take(bytes: Buffer): void {
    if (this.#skipping) return;
    this.#bytes += bytes.length;
    if (this.#bytes > MOST_FRAME_BYTES) {
      this.#skipping = true;
      this.#parts = [];
    } else this.#parts.push(bytes);
  }

  #endLine(): void {
    const tooLong = this.#skipping;
    const line = this.#parts.length === 1 ? this.#parts[0]?.toString() : Buffer.concat(this.#parts).toString();
    this.#parts = [];
    this.#bytes = 0;
    this.#skipping = false;
    if (tooLong) this.#turn(() => this.#tooLong());
    else if (line?.trim()) this.#line(line);
  }

  #line(line: string): void {
    if (this.#stage === 'early') {
      const answer = this.#hooks.early?.(line) ?? null;
      if (answer !== null) {
        if (answer) this.#say(answer);
        return;
      }
    }
    this.#turn(() => this.#message(line));
    if (this.#stage === 'waiting') this.#waits = idOf(line);
  }

  /** Now, or once there is a server. */
  #turn(take: () => void): void {
    if (this.#stage === 'served') take();
    else {
      this.#stage = 'waiting';
      this.#first = take;
      this.#hooks.wanted?.();
    }
  }

  #tooLong(): void {
    const error = new OpsError('limit', `A message is longer than ${MOST_FRAME_BYTES} bytes.`, {
      hint: 'Send less at once.',
    });
    this.#write(this.#hooks.refuse(error, -32_600));
  }

  #message(line: string): void {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      const error = new OpsError('validation', 'Not JSON.', { hint: 'Each line is one JSON-RPC 2.0 message.' });
      this.#write(this.#hooks.refuse(error, -32_700));
      return;
    }
    const fault = faultOf(message);
    if (fault) {
      const { id, method } = isRecord(message) ? message : {};
      // Answered to no id where the line is no request, or the answer would be taken for that of another one.
      const own = method !== undefined && !this.#unanswered.has(id as never) ? id : null;
      this.#write(this.#hooks.refuse(fault, -32_600, own));
      return;
    }
    const m = message as JSONRPCMessage & Partial<Request>;
    if (typeof m.method === 'string' && m.id !== undefined) {
      // Answered to no id: an answer to this one would be taken for the answer to the first.
      if (this.#unanswered.has(m.id)) {
        const error = new OpsError('conflict', `The id ${JSON.stringify(m.id).slice(0, 80)} is still under way.`, {
          hint: 'Give each request its own id.',
        });
        this.#write(this.#hooks.refuse(error, -32_600));
        return;
      }
      const answer = this.#hooks.intercept(m as Request);
      if (answer) {
        this.#write(answer);
        return;
      }
      // A subscription is answered when it ends: nobody waits for that.
      if (m.method !== 'subscriptions/listen') this.#unanswered.add(m.id);
    } else if (m.method === 'notifications/cancelled' && isRecord(m.params)) {
      // The SDK answers nothing to what was cancelled.
      this.#settle(m.params.requestId as RequestId);
    }
    try {
      this.onmessage?.(m);
    } catch (thrown) {
      this.onerror?.(thrown as Error);
    }
  }

  #settle(id: RequestId): void {
    if (!this.#unanswered.delete(id)) return;
    if (this.#unanswered.size === 0) this.#release();
    if (this.#held) this.#work();
  }

  #release(): void {
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}

function idOf(line: string): RequestId | undefined {
  try {
    const { id, method } = JSON.parse(line) as Partial<Request>;
    return method !== undefined && (typeof id === 'string' || typeof id === 'number') ? id : undefined;
  } catch {
    return undefined;
  }
}

function isAnswer(message: JSONRPCMessage): message is JSONRPCMessage & { id: RequestId } {
  return ('result' in message || 'error' in message) && message.id !== undefined;
}
