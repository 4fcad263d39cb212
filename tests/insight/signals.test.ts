import { describe, expect, test } from 'vitest';
import { type Home, SIGNALS, type SignalMasks, type Standing } from '../../src/core/signal.ts';
import {
  belonging,
  comesBack,
  effect,
  ended,
  ends,
  type Handling,
  handling,
  verdictOf,
  whyStill,
} from '../../src/insight/signals.ts';

const none: SignalMasks = { blocked: 0, ignored: 0, caught: 0, pending: 0 };
const TERM = 1 << 14;
const at = (state: string, threads = 1): Standing => ({ state, threads, masks: none });

test('how a process takes a signal is read from its masks; KILL and STOP cannot be refused; unknown stays unknown', () => {
  expect(handling('TERM', none)).toBe('default');
  expect(handling('TERM', { ...none, caught: TERM })).toBe('handles');
  expect(handling('TERM', { ...none, ignored: TERM, blocked: TERM })).toBe('ignores');
  expect(handling('TERM', { ...none, blocked: TERM })).toBe('holds back');
  expect(handling('TERM', { ...none, blocked: TERM, caught: TERM })).toBe('handles');
  expect(handling('TERM', { ...none, blocked: TERM, caught: TERM, pending: TERM })).toBe('holds back');
  expect(handling('HUP', { ...none, caught: TERM })).toBe('default');
  expect(handling('KILL', { ...none, ignored: -1 })).toBe('cannot refuse');
  expect(handling('STOP', null)).toBe('cannot refuse');
  expect(handling('TERM', null)).toBeNull();
});

test('HUP and USR1 end whoever has no handler for them: that is waited for, and said before', () => {
  expect([ends('HUP', 'default'), ends('HUP', 'handles'), ends('HUP', null)]).toEqual([true, false, false]);
  expect(SIGNALS.filter((s) => ends(s, 'handles'))).toEqual(['TERM', 'INT', 'QUIT', 'KILL']);
  expect([ends('STOP', 'cannot refuse'), ends('CONT', 'default')]).toEqual([false, false]);
  expect(effect('USR1', 'default', at('S'), false)).toBe('It has no handler for USR1, so the kernel ends it.');
  expect(effect('HUP', 'handles', at('S'), false)).toContain('read their configuration again');
});

test('an end is an end: gone, dead, or a zombie without threads', () => {
  expect([null, at('Z'), at('X'), at('x')].map(ended)).toEqual([true, true, true, true]);
  expect([at('Z', 3), at('S'), at('T'), at('D')].map(ended)).toEqual([false, false, false, false]);
  expect([null, at('X'), at('Z'), at('Z', 2), at('T'), at('t'), at('D'), at('I')].map(verdictOf)).toEqual([
    'ended',
    'ended',
    'zombie',
    'running',
    'stopped',
    'stopped',
    'stuck',
    'running',
  ]);
});

describe('what it will do', () => {
  test.each<[Parameters<typeof effect>, string]>([
    [['KILL', 'cannot refuse', at('S'), false], 'cannot save or clean up'],
    [['STOP', 'cannot refuse', at('S'), false], 'until CONT'],
    [['STOP', 'cannot refuse', at('T'), false], 'stopped already'],
    [['CONT', 'default', at('T'), false], 'goes on from where'],
    [['CONT', 'handles', at('S'), false], 'not stopped'],
    [['TERM', 'ignores', at('S'), false], 'nothing will happen'],
    [['TERM', 'holds back', at('S'), false], 'holds TERM back'],
    [['TERM', 'handles', at('T'), false], 'only after CONT'],
    [['TERM', null, at('S'), false], 'not known'],
    [['TERM', 'default', at('S'), true], 'first process of its container'],
    [['QUIT', 'default', at('S'), false], 'core dump'],
  ])('%s', (args, words) => expect(effect(...args)).toContain(words));

  test('each signal has words for a process that handles it', () => {
    for (const s of SIGNALS) expect(effect(s, 'handles', at('S'), false)).toMatch(/\w\.$/);
  });
});

describe('where it belongs', () => {
  const unit = (restart: string, mainPid = 5): Home => ({
    kind: 'unit',
    name: 'web.service',
    service: { restart, mainPid },
  });
  const say = (
    home: Home | null,
    o: { signal?: 'TERM' | 'KILL' | 'HUP'; ends?: boolean; first?: boolean; how?: Handling } = {},
  ) => belonging(home, 5, o.signal ?? 'TERM', o.ends ?? true, o.first ?? false, o.how ?? 'default');

  test('a unit, and whether systemd will start it again', () => {
    expect(say(unit('always'))).toContain('(Restart=always): systemd will probably start it again');
    expect(say(unit('on-failure'))).toContain('probably not start it again');
    expect(say(unit('on-failure'), { signal: 'KILL' })).toContain('probably start it again');
    expect(say(unit('always'), { ends: false })).toBe('It is the main process of web.service.');
    expect(say(unit('always', 4))).toContain('not its main process');
    expect(say({ kind: 'unit', name: 'app.service', service: null })).toContain('is not known');
  });

  test.each([
    ['always', 'TERM', 'default', true],
    ['no', 'KILL', 'cannot refuse', false],
    ['on-success', 'TERM', 'default', true],
    ['on-success', 'KILL', 'cannot refuse', false],
    ['on-failure', 'USR1', 'default', true],
    ['on-failure', 'QUIT', 'handles', false],
    ['on-abort', 'QUIT', 'default', true],
    ['on-watchdog', 'KILL', 'cannot refuse', false],
  ] as const)('Restart=%s after %s (%s): %s, as the table of systemd.service(5) has it', (restart, signal, how, back) =>
    expect(comesBack(restart, signal, how)).toBe(back),
  );

  test('containers, their first process, virtual machines and sessions', () => {
    expect(say({ kind: 'container', name: 'abc' }, { first: true })).toBe(
      'It runs in the container abc. It is the first process of a container: when it ends, all in the container do.',
    );
    expect(say({ kind: 'container', name: 'abc' })).toBe('It runs in the container abc.');
    expect(say(null, { first: true })).toContain('all in the container');
    expect(say({ kind: 'machine', name: '100' })).toContain('the power going off');
    expect(say({ kind: 'machine', name: '100' }, { ends: false })).toBe('It belongs to the virtual machine 100.');
    expect(say({ kind: 'session', name: 'session-3.scope' })).toContain('login session');
    expect(say(null)).toBeNull();
  });
});

test.each<[Parameters<typeof whyStill>, string]>([
  [['KILL', at('D'), 'cannot refuse', false], 'state D'],
  [['KILL', at('R'), 'cannot refuse', false], 'not ended it yet'],
  [['TERM', at('T'), 'default', false], 'only after CONT'],
  [['TERM', at('t'), 'default', false], 'debugger'],
  [['TERM', at('S'), 'ignores', false], 'ignores TERM'],
  [['TERM', at('S'), 'holds back', false], 'holds TERM back'],
  [['TERM', at('S'), 'handles', false], 'handles TERM itself'],
  [['TERM', at('S'), null, false], 'not known'],
  [['TERM', at('S'), 'default', true], 'first process of a container'],
  [['TERM', at('S'), 'default', false], 'has not reached it'],
])('why it still runs: %s', (args, words) => expect(whyStill(...args)).toContain(words));
