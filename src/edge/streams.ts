/**
 * Whether an answer is one JSON body or a stream of events. It is JSON, unless the client sent a progress token or the call outlasts
 * two seconds: then a stream with keep-alive comments, so that no proxy between takes the silence for a dead connection.
 * The SDK streams only when something precedes the result (and its 2025 transport always); what it gives is reshaped here.
 */

export const STREAM_AFTER_MS = 2_000;
export const KEEP_ALIVE_MS = 15_000;

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

export const isStream = (r: Response): boolean =>
  r.headers.get('content-type')?.startsWith('text/event-stream') === true;

/** The answer as it is when it comes in time, else a stream that brings it. */
export async function streamWhenSlow(
  work: Promise<Response>,
  afterMs = STREAM_AFTER_MS,
  keepAliveMs = KEEP_ALIVE_MS,
): Promise<Response> {
  const { promise: slow, resolve } = Promise.withResolvers<'slow'>();
  const timer = setTimeout(resolve, afterMs, 'slow');
  const first = await Promise.race([work, slow]).finally(() => clearTimeout(timer));
  if (first !== 'slow') return first;

  let source: ReadableStreamDefaultReader<Uint8Array> | undefined;
  let left = false;
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const say = (text: string) => controller.enqueue(encoder.encode(text));
      say(': working\n\n');
      const alive = setInterval(() => say(': keepalive\n\n'), keepAliveMs);
      const pass = async () => {
        const response = await work;
        if (left) {
          await response.body?.cancel();
          return;
        }
        if (!isStream(response) || !response.body) {
          const text = await response.text();
          if (text && !left) say(`event: message\ndata: ${text}\n\n`);
          return;
        }
        source = response.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
        for (;;) {
          const { done, value } = await source.read();
          if (done || left) return;
          controller.enqueue(value);
        }
      };
      pass()
        .finally(() => clearInterval(alive))
        .then(
          () => left || controller.close(),
          (thrown) => left || controller.error(thrown),
        );
    },
    cancel(reason) {
      left = true;
      return source?.cancel(reason);
    },
  });
  return new Response(body, { status: 200, headers: STREAM_HEADERS });
}

/** A stream whose first event is already the answer becomes one JSON body. */
export async function jsonWhenSingle(response: Response): Promise<Response> {
  if (!isStream(response) || !response.body) return response;
  const session = response.headers.get('mcp-session-id');
  const reader = response.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Response.json(CLOSED, { status: 503 });
    const frame = decoder.decode(value);
    const data = /^data: (.*)$/m.exec(frame)?.[1];
    if (data === undefined) continue; // a comment
    const headers = { 'content-type': 'application/json', ...(session ? { 'mcp-session-id': session } : {}) };
    if (isAnswer(data)) {
      await reader.cancel();
      return new Response(data, { status: response.status, headers });
    }
    return new Response(resumed(value, reader), { status: response.status, headers: response.headers });
  }
}

const CLOSED = {
  jsonrpc: '2.0',
  id: null,
  error: { code: -32_000, message: 'The connection was closed before there was an answer. Call again.' },
};

function isAnswer(data: string): boolean {
  const message = JSON.parse(data) as object;
  return 'result' in message || 'error' in message;
}

function resumed(first: Uint8Array, reader: ReadableStreamDefaultReader<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => controller.enqueue(first),
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
