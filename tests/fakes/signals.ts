/** Processes of the fake host that can be sent signals: what was sent is kept, and how each takes it is for the test to say. */
import { OpsError } from '../../src/core/errors.ts';
import type { Signal, SignalHost, Standing, Subject } from '../../src/core/signal.ts';

/** nginx's master (310), a well-behaved daemon: it handles TERM, QUIT, HUP and USR1. */
export const nginx: Subject = {
  pid: 310,
  startTicks: 3_100,
  name: 'nginx',
  uid: 0,
  user: 'root',
  startedAtMs: Date.UTC(2026, 10, 10, 12, 0, 31),
  ppid: 1,
  parent: 'systemd',
  children: 1,
  command: 'nginx: master process /usr/sbin/nginx',
  home: { kind: 'unit', name: 'nginx.service', service: { restart: 'on-failure', mainPid: 310 } },
  first: false,
  protected: null,
  boot: 'b007',
  state: 'S',
  threads: 1,
  masks: { blocked: 0, ignored: 0, caught: 0b100_0010_0000_0111, pending: 0 },
};

export interface FakeSignals extends SignalHost {
  sent: { pid: number; signal: Signal }[];
  /** The process as it is now; null: it has gone. Replaced by tests and by `react`. */
  is: Subject | null;
  /** How long `settle` had waited in the end; it never waits in truth. */
  waitedMs: number;
}

/** `react`: how it stands `ms` after the signal. By default it ends after 300 ms. */
export function fakeSignals(
  is: Subject | null = nginx,
  react: (signal: Signal, ms: number) => Standing | null = (_, ms) => (ms < 300 ? (is as Standing) : null),
): FakeSignals {
  const fake: FakeSignals = {
    sent: [],
    is,
    waitedMs: 0,
    subject: async (pid) => (fake.is?.pid === pid ? fake.is : null),
    send(to, signal) {
      if (fake.is?.pid !== to.pid || fake.is.startTicks !== to.startTicks) throw new OpsError('not_found', 'gone');
      fake.sent.push({ pid: to.pid, signal });
    },
    async settle(_, { withinMs, done, tick }) {
      const signal = fake.sent.at(-1)?.signal as Signal;
      for (let ms = 0; ; ms += 100) {
        const standing = react(signal, ms);
        fake.waitedMs = Math.min(ms, withinMs);
        if (done(standing) || ms >= withinMs) return { standing, waitedMs: fake.waitedMs };
        tick?.(ms);
      }
    },
  };
  return fake;
}
