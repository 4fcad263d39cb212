/**
 * What we tell systemd of ourselves: ready, what we do, stopping, and that we live. Node has no datagrams over Unix sockets, so each word
 * is a short child, `systemd-notify` (NotifyAccess=all). Decides when the watchdog is fed: at a third of its period, and only while `live`
 * says so, which is what /healthz says. A loop that is blocked feeds nothing, because it does not come here. Loaded only under systemd.
 */
import type { Log } from '../core/call.ts';
import { toOpsError } from '../core/errors.ts';
import { type Exec, exec as realExec } from './exec.ts';

export interface Notify {
  /** Listening: who waited for us may come. From here on the watchdog is fed. */
  ready(status: string): Promise<void>;
  /** Nothing is fed any more: systemd has its own bound on a stop. */
  stopping(status: string): Promise<void>;
}

export interface NotifyOptions {
  /** NOTIFY_SOCKET. */
  socket: string;
  /** Null: this unit has no watchdog. */
  watchdogMs: number | null;
  /** The loop turned and the sampler ticked. */
  live(): boolean;
  log: Log;
  exec?: Exec;
  /** Repeats, and gives what stops it. */
  every?: (ms: number, work: () => void) => () => void;
}

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 4_096;

export function openNotify(o: NotifyOptions): Notify {
  const { socket, watchdogMs, live, log, exec = realExec, every = interval } = o;
  let sending = false;
  let silent = false;
  let stop = () => {};

  async function send(...words: string[]): Promise<void> {
    sending = true;
    try {
      const { code, stderr } = await exec({
        binary: 'systemd-notify',
        args: words,
        env: { NOTIFY_SOCKET: socket },
        timeoutMs: Math.min(TIMEOUT_MS, watchdogMs === null ? TIMEOUT_MS : Math.max(500, watchdogMs / 3)),
        maxBytes: MAX_BYTES,
      });
      if (code !== 0) throw new Error(`it ended with ${code}: ${stderr.trim().slice(0, 200)}`);
    } catch (thrown) {
      const { message, cause } = toOpsError(thrown);
      const why = cause instanceof Error ? cause.message : message;
      log.error({ words: words[0], why }, 'systemd was not told: it may end this service as one that hangs');
    } finally {
      sending = false;
    }
  }

  function feed(): void {
    if (live()) {
      silent = false;
      // One that takes longer than this is a fault of the machine; a second one would not mend it.
      if (!sending) void send('WATCHDOG=1');
      return;
    }
    if (silent) return;
    silent = true;
    log.error({}, 'not live (see /healthz): the watchdog is not fed, and systemd will start this service anew');
    void send('STATUS=Not live: the sampler has not ticked. The watchdog is not fed.');
  }

  return {
    async ready(status) {
      await send('READY=1', `STATUS=${line(status)}`);
      if (watchdogMs !== null) stop = every(watchdogMs / 3, feed);
    },
    async stopping(status) {
      stop();
      await send('STOPPING=1', `STATUS=${line(status)}`);
    },
  };
}

/** The message is lines of NAME=VALUE: a second line would be another word. */
const line = (text: string) => text.replace(/\s+/g, ' ').slice(0, 200);

function interval(ms: number, work: () => void): () => void {
  const timer = setInterval(work, ms).unref();
  return () => clearInterval(timer);
}
