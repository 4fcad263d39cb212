/**
 * The wiring of approvals: questions in the store, who decides, links and notices to the owner elsewhere. Beside app.ts because that is long
 * enough. Decides only that what is asked at a terminal is told to nobody else: whoever typed it is asked there.
 */
import { randomUUID } from 'node:crypto';
import type { Config } from './config/schema.ts';
import type { Log } from './core/call.ts';
import type { Channel, Trial } from './core/notice.ts';
import type { ChannelTrouble } from './host/notify/check.ts';
import { notifyLater } from './host/notify_later.ts';
import { createApprovals } from './policy/approve.ts';
import { createDeciding, type Deciding } from './policy/deciding.ts';
import { createLinks, type Links } from './policy/links.ts';
import { createNotices, type Notices } from './policy/notices.ts';
import type { Approvals, Audit, Clock, Redactor } from './policy/ports.ts';
import { openApprovalLinks } from './store/approval_links.ts';
import { openApprovals, type Approvals as Questions } from './store/approvals.ts';
import type { Db } from './store/db.ts';

/** What commands ask of the channels. */
export interface Channels {
  all: readonly Channel[];
  /** Sends a test, and says what came of it. */
  trial(name: string): Promise<Trial>;
  /** What stands in the way of sending, as far as this host knows. */
  troubles(): Promise<ChannelTrouble[]>;
}

export interface ApprovalsWiring {
  questions: Questions;
  approvals: Approvals;
  deciding: Deciding;
  /** Null: no link is ever sent, so none is served. */
  links: Links | null;
  notices: Notices;
  channels: Channels;
  close(): Promise<void>;
}

const EXPIRY_MS = 30_000;

export function openApproving(o: {
  config: Config;
  role: 'serve' | 'stdio' | 'cli';
  db: Db;
  audit: Audit;
  redactor: Redactor;
  hostname: string;
  clock: Clock;
  log: Log;
}): ApprovalsWiring {
  const { config, db, audit, redactor, hostname, clock, log } = o;
  const { channels } = config.notify;
  const questions = openApprovals(db, { lifeMs: config.approvals.minutes * 60_000 });
  const deciding = createDeciding({ store: questions, audit, log });
  const sending = notifyLater(channels, log);
  const base = config.http.url;
  const links = createLinks({ store: openApprovalLinks(db), deciding, base, now: clock.now, log });
  const notices = createNotices({ channels, sending, links, hostname, redactor, newId: randomUUID, clock, log });
  const tells = notices.tells('approvals');
  const told = tells && o.role !== 'cli' ? { told: notices.asked } : {};
  // What runs out is on record also when nobody asks again.
  const expiry = setInterval(() => {
    try {
      deciding.expire();
    } catch (thrown) {
      log.debug({ err: thrown }, 'the state is out of order: what has run out is put on record later');
    }
  }, EXPIRY_MS).unref();
  return {
    questions,
    approvals: createApprovals({
      ...config.approvals,
      mode: config.mode,
      store: questions,
      audit,
      redactor,
      log,
      ...told,
    }),
    deciding,
    links: tells && base !== null ? links : null,
    notices,
    channels: {
      all: channels,
      trial: (name) => sending.trial(name, notices.trial()),
      troubles: sending.troubles,
    },
    async close() {
      clearInterval(expiry);
      notices.close();
      await sending.close();
    },
  };
}
