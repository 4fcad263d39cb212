/** Whether channels could be used, by what lies on this host: nothing is sent and nobody is asked. For the doctor. */
import { toOpsError } from '../../core/errors.ts';
import type { Channel } from '../../core/notice.ts';
import { authorityOf, secretOf } from './way.ts';

export interface ChannelTrouble {
  channel: string;
  why: string;
  fix: string;
}

export function troubles(channels: readonly Channel[]): ChannelTrouble[] {
  return channels.flatMap((channel) =>
    [secretOf, authorityOf].flatMap((read) => {
      try {
        read(channel);
        return [];
      } catch (thrown) {
        const { message, details } = toOpsError(thrown);
        return [{ channel: channel.name, why: message, fix: details.hint ?? '' }];
      }
    }),
  );
}
