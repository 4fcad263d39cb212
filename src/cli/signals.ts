/**
 * Signals as one abort: the first asks to stop, a second one stops at once. Decides that the two must be a second apart,
 * because Ctrl-C reaches this process twice at the same moment when npm or an old Node's launcher passes it on; and that a
 * hang-up only counts on a terminal: elsewhere it was meant for another (`nohup`, a reload that we do not have).
 */
const APART_MS = 1000;
const NUMBERS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
export type Stop = keyof typeof NUMBERS;

export interface Signals {
  /** Its reason is the signal's name. */
  signal: AbortSignal;
  release(): void;
}

export function onSignals(
  o: { hangup?: boolean; now?: () => number; exit?: (code: number) => void; source?: NodeJS.EventEmitter } = {},
): Signals {
  const { hangup = true, now = Date.now, exit = (code: number) => process.exit(code), source = process } = o;
  const controller = new AbortController();
  let first = 0;
  const stop = (name: Stop) => () => {
    if (name === 'SIGHUP' && !hangup) return;
    if (!controller.signal.aborted) {
      first = now();
      controller.abort(name);
    } else if (now() - first >= APART_MS) exit(128 + NUMBERS[name]);
  };
  const listeners = (Object.keys(NUMBERS) as Stop[]).map((name) => [name, stop(name)] as const);
  for (const [name, listener] of listeners) source.on(name, listener);
  return {
    signal: controller.signal,
    release() {
      for (const [name, listener] of listeners) source.off(name, listener);
    },
  };
}

/** The exit code of a command that a signal ended, as shells count it. */
export function exitOf(signal: AbortSignal): number {
  const name = signal.reason as Stop;
  return name in NUMBERS ? 128 + NUMBERS[name] : 1;
}
