/** Sending, loaded with the first notice: most hosts have no channel, and no start waits for this. */
import type { Log } from '../core/call.ts';
import type { Channel, Notice, Sending, Trial } from '../core/notice.ts';
import type { ChannelTrouble } from './notify/check.ts';
import type { Notify } from './notify/index.ts';

export interface NotifyLater extends Sending {
  trial(channel: string, notice: Notice): Promise<Trial>;
  troubles(): Promise<ChannelTrouble[]>;
  close(): Promise<void>;
}

export function notifyLater(channels: readonly Channel[], log: Log): NotifyLater {
  let loading: Promise<Notify> | null = null;
  const load = () => {
    loading ??= import('./notify/index.ts').then((m) => m.openNotify({ channels, log }));
    return loading;
  };
  return {
    send(channel, notice) {
      load().then(
        (notify) => notify.send(channel, notice),
        (err) => log.warn({ err, channel }, 'notices cannot be sent'),
      );
    },
    trial: async (channel, notice) => (await load()).trial(channel, notice),
    troubles: async () => (await import('./notify/check.ts')).troubles(channels),
    close: async () => (await loading?.catch(() => null))?.close(),
  };
}
