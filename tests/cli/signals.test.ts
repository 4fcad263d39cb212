/** The first signal asks, the second insists; one that reaches us twice at the same moment asks once. */
import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { exitOf, onSignals } from '../../src/cli/signals.ts';

function rig(hangup = true) {
  const source = new EventEmitter();
  const exits: number[] = [];
  let at = 1_000_000;
  const { signal, release } = onSignals({ source, hangup, now: () => at, exit: (code) => exits.push(code) });
  return {
    source,
    exits,
    signal,
    release,
    later(ms: number) {
      at += ms;
    },
  };
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s asks to stop', (name, code) => {
  const { source, signal, exits } = rig();
  source.emit(name);
  expect(signal.aborted).toBe(true);
  expect(signal.reason).toBe(name);
  expect(exitOf(signal)).toBe(code);
  expect(exits).toEqual([]);
});

test('npm and the terminal both send Ctrl-C: that is one', () => {
  const { source, exits, later } = rig();
  source.emit('SIGINT');
  later(50);
  source.emit('SIGINT');
  source.emit('SIGTERM');
  expect(exits).toEqual([]);
  later(1000);
  source.emit('SIGINT');
  expect(exits).toEqual([130]);
});

test('a hang-up away from a terminal is not for us', () => {
  const { source, signal, exits, later } = rig(false);
  source.emit('SIGHUP');
  later(5000);
  source.emit('SIGHUP');
  expect(signal.aborted).toBe(false);
  expect(exits).toEqual([]);
  source.emit('SIGTERM');
  expect(signal.aborted).toBe(true);
});

test('release leaves nothing behind', () => {
  const { source, release } = rig();
  release();
  expect(source.eventNames()).toEqual([]);
});
