/**
 * Sends notices over the owner's channels; the only code that does. Decides that sending never holds anybody up: one notice at a time for
 * each channel, so many waiting and the oldest dropped, ten seconds for a try, one more try after a while, nothing told that has run out
 * meanwhile, and a stop that waits a moment and no longer. What is told is policy/notices.ts's; ways to send are http.ts and smtp.ts,
 * loaded with the first notice.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Log } from '../../core/call.ts';
import { OpsError, toOpsError } from '../../core/errors.ts';
import type { Channel, Notice, Sending, Trial } from '../../core/notice.ts';

export interface Notify extends Sending {
  /** One notice, now, and how that ended: for a person who tries a channel. */
  trial(channel: string, notice: Notice): Promise<Trial>;
  /** Lets what waits leave for a moment, and gives up the rest. */
  close(): Promise<void>;
}

/** Throws OpsError; one whose code says that it may pass (`unavailable`, `timeout`, `limit`) is tried once more. Gives what the far end said. */
export type Send = (channel: Channel, notice: Notice, signal: AbortSignal) => Promise<string>;

export interface NotifyOptions {
  channels: readonly Channel[];
  log: Log;
  now?: () => number;
  /** For tests. */
  send?: Send;
  tryMs?: number;
  againMs?: number;
  leaveMs?: number;
  mostWaiting?: number;
}

const TRY_MS = 10_000;
const AGAIN_MS = 20_000;
const LEAVE_MS = 1_000;
const MOST_WAITING = 64;

interface Line {
  channel: Channel;
  waiting: Notice[];
  running: Promise<void> | null;
}

export function openNotify(o: NotifyOptions): Notify {
  const { log, now = Date.now, send = sent, tryMs = TRY_MS, againMs = AGAIN_MS, leaveMs = LEAVE_MS } = o;
  const most = o.mostWaiting ?? MOST_WAITING;
  const lines = new Map<string, Line>(o.channels.map((c) => [c.name, { channel: c, waiting: [], running: null }]));
  const closing = new AbortController();
  const over = new AbortController();

  async function tried(channel: Channel, notice: Notice): Promise<string> {
    const late = AbortSignal.timeout(tryMs);
    const signal = AbortSignal.any([late, over.signal]);
    try {
      return await raced(send(channel, notice, signal), signal);
    } catch (thrown) {
      if (late.aborted)
        throw new OpsError('timeout', `It took longer than ${tryMs / 1_000} s.`, {
          hint: 'Is the server reachable from this host, and does it answer?',
        });
      throw toOpsError(thrown);
    }
  }

  async function work(line: Line): Promise<void> {
    for (let notice = line.waiting.shift(); notice && !over.signal.aborted; notice = line.waiting.shift())
      await one(line.channel, notice);
    line.running = null;
  }

  async function one(channel: Channel, notice: Notice): Promise<void> {
    for (let again = false; ; again = true) {
      if (notice.untilMs !== undefined && notice.untilMs <= now()) {
        log.info({ channel: channel.name, notice: notice.id }, 'a notice is too late and was not sent');
        return;
      }
      try {
        await tried(channel, notice);
        log.debug({ channel: channel.name, notice: notice.id, about: notice.about }, 'notice sent');
        return;
      } catch (thrown) {
        const { code, message } = thrown as OpsError;
        const passing = code === 'unavailable' || code === 'timeout' || code === 'limit';
        const last = again || !passing || closing.signal.aborted;
        const fields = { channel: channel.name, notice: notice.id, about: notice.about, code, why: message };
        log.warn(
          fields,
          last ? 'a notice could not be sent' : 'a notice could not be sent; tried once more in a while',
        );
        if (last) return;
        await pause(againMs, undefined, { signal: closing.signal, ref: false }).catch(() => {});
      }
    }
  }

  return {
    send(name, notice) {
      const line = lines.get(name);
      if (!line || closing.signal.aborted) return;
      line.waiting.push(notice);
      if (line.waiting.length > most) {
        const dropped = line.waiting.shift() as Notice;
        log.warn(
          { channel: name, notice: dropped.id, about: dropped.about, waiting: most },
          'too many notices wait for this channel: the oldest was dropped',
        );
      }
      line.running ??= work(line);
    },
    async trial(name, notice) {
      const line = lines.get(name);
      const started = performance.now();
      const ms = () => Math.round(performance.now() - started);
      if (!line) return { ok: false, ms: 0, why: `There is no channel ${name}.`, hint: 'See `notify.channels`.' };
      try {
        return { ok: true, said: await tried(line.channel, notice), ms: ms() };
      } catch (thrown) {
        const { message, details } = toOpsError(thrown);
        return {
          ok: false,
          ms: ms(),
          why: message,
          hint: details.hint ?? 'docs/notify.md says how a channel is set up.',
        };
      }
    },
    async close() {
      closing.abort();
      const running = [...lines.values()].map((l) => l.running).filter((r) => r !== null);
      const moment = new AbortController();
      await Promise.race([Promise.all(running), pause(leaveMs, undefined, { signal: moment.signal }).catch(() => {})]);
      moment.abort();
      over.abort(new OpsError('unavailable', 'Deckhand is stopping.'));
      const left = [...lines.values()].reduce((n, l) => n + l.waiting.length, 0);
      if (left > 0) log.warn({ left }, 'stopped with notices that were not sent');
    },
  };
}

/** A way that does not hear its signal is left behind all the same. */
function raced<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const leave = () => reject(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', leave));
}

const sent: Send = async (channel, notice, signal) => {
  if (channel.kind === 'smtp') return (await import('./smtp.ts')).mail(channel, notice, signal);
  return (await import('./post.ts')).post(channel, notice, signal);
};
