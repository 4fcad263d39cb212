/** The question at a terminal: what counts as its answer, and what was typed before it never does. */
import { EventEmitter } from 'node:events';
import { expect, test, vi } from 'vitest';
import { terminal } from '../../src/cli/terminal.ts';

function sitting() {
  const keys = Object.assign(new EventEmitter(), {
    isTTY: true,
    raw: [] as boolean[],
    setRawMode: (on: boolean) => void keys.raw.push(on),
    resume: vi.fn(),
    pause: vi.fn(),
  });
  let shown = '';
  const stream = {
    isTTY: true,
    columns: 80,
    on: () => stream,
    write(text: string, done: () => void) {
      shown += text;
      done();
      return true;
    },
  };
  const io = terminal(stream as never, stream as never, { noColor: true, columns: null, stdin: keys as never });
  const stop = new AbortController();
  const answer = io.ask('Do it? [y/N] ', stop.signal);
  const asked = () => vi.waitFor(() => expect(shown).toContain('[y/N]'));
  return { io, keys, stop, answer, asked };
}

test.each([
  [['y\n'], 'y'],
  [['y', 'es\nmore'], 'yes'],
  [['\n'], ''],
])('%j is %j', async (parts, line) => {
  const { keys, answer, asked, io } = sitting();
  expect(io.inTty).toBe(true);
  await asked();
  for (const part of parts) keys.emit('data', Buffer.from(part));
  expect(await answer).toBe(line);
  expect(keys.raw).toEqual([true, false, false]);
  expect(keys.pause).toHaveBeenCalledOnce();
  expect(keys.listenerCount('data') + keys.listenerCount('end')).toBe(0);
});

test('what was typed before the question is no answer to it', async () => {
  const { keys, answer, asked } = sitting();
  keys.emit('data', Buffer.from('y\ny'));
  await asked();
  keys.emit('data', Buffer.from('\n'));
  expect(await answer).toBe('');
});

test('nothing is an answer at the end of input, on a signal, on Ctrl-C before the question, or without an end', async () => {
  const end = sitting();
  end.keys.emit('end');
  expect(await end.answer).toBeNull();
  const stopped = sitting();
  await stopped.asked();
  stopped.stop.abort('SIGINT');
  expect(await stopped.answer).toBeNull();
  const early = sitting();
  early.keys.emit('data', Buffer.from('\x03'));
  expect(await early.answer).toBeNull();
  const long = sitting();
  await long.asked();
  long.keys.emit('data', Buffer.from('y'.repeat(2_000)));
  expect(await long.answer).toBeNull();
});

test('nobody is asked where there is no input, and no question is put after a signal', async () => {
  const stream = { isTTY: true, columns: 80, on: () => {}, write: vi.fn() };
  const io = terminal(stream as never, stream as never, { noColor: true, columns: null });
  expect(io.inTty).toBe(false);
  expect(await io.ask('?', new AbortController().signal)).toBeNull();
  const { keys } = sitting();
  const aborted = terminal(stream as never, stream as never, { noColor: true, columns: null, stdin: keys as never });
  expect(await aborted.ask('?', AbortSignal.abort())).toBeNull();
  expect(stream.write).not.toHaveBeenCalled();
});
