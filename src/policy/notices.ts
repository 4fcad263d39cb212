/**
 * Who is told what, elsewhere than on this host: questions that wait, and what looks like an attack. Decides the words of a notice, that
 * no secret and no argument is in it (a channel is somebody else's machine: the page behind the link, and the terminal, show exactly what
 * was asked), and that nobody gets more than so many a minute, the rest as a number. How it is sent is host/notify's.
 */
import type { Log } from '../core/call.ts';
import { reveal, strip } from '../core/foreign.ts';
import type { About, Channel, Notice, Sending } from '../core/notice.ts';
import { clip, duration, rfc3339 } from '../core/text.ts';
import type { Approval } from '../store/approvals.ts';
import type { Links } from './links.ts';
import type { Clock, Redactor } from './ports.ts';
import { oneLine } from './shown.ts';

/** What looks like an attack, once for a burst of it. */
export interface SecurityNotice {
  /** In our own words, one line: `31 requests were refused within a minute`. */
  what: string;
  /** Facts, one each; what others wrote may stand in them. */
  lines: readonly string[];
  /** What to run on the host to see more. */
  command?: string;
  facts?: Readonly<Record<string, unknown>>;
}

export interface Notices {
  /** Never throws: a call goes on whatever becomes of its notice. */
  asked(approval: Approval): void;
  security(event: SecurityNotice): void;
  /** Whether anybody is told of this at all. */
  tells(about: About): boolean;
  /** For `deckhand notify test`. */
  trial(): Notice;
  /** What was only counted so far is told now. */
  close(): void;
}

export interface NoticeOptions {
  channels: readonly Pick<Channel, 'name' | 'about'>[];
  sending: Sending;
  links: Pick<Links, 'make'>;
  hostname: string;
  redactor: Redactor;
  newId(): string;
  clock: Clock;
  log: Log;
  perMinute?: number;
}

/** For each channel, of approvals and of security events each: a flood of the one must not drown the other. */
const PER_MINUTE = 10;
const MINUTE_MS = 60_000;
const LINE = 300;
const MOST_LINES = 12;

interface Window {
  sent: number;
  more: number;
  cancel(): void;
}

export function createNotices(o: NoticeOptions): Notices {
  const perMinute = o.perMinute ?? PER_MINUTE;
  const { clock, redactor } = o;
  /** Bounded by channels and what there is to tell. */
  const windows = new Map<string, Window>();
  const host = named(o.hostname);
  const line = (text: string) => defused(clip(oneLine(reveal(redactor.text(strip(text)))), LINE));
  const of = (about: About) => o.channels.filter((c) => c.about.includes(about));

  function tell(about: About, make: (channel: string) => Notice): void {
    for (const { name } of of(about))
      try {
        if (counted(name, about)) o.sending.send(name, make(name));
      } catch (thrown) {
        o.log.warn({ err: thrown, channel: name }, 'a notice could not be made');
      }
  }

  /** False: this minute has had its share. */
  function counted(channel: string, about: About): boolean {
    const key = `${about} ${channel}`;
    const open = windows.get(key);
    if (!open) {
      windows.set(key, { sent: 1, more: 0, cancel: clock.after(MINUTE_MS, () => ended(key, channel, about)) });
      return true;
    }
    if (open.sent < perMinute) {
      open.sent++;
      return true;
    }
    open.more++;
    return false;
  }

  function ended(key: string, channel: string, about: About): void {
    const { more } = windows.get(key) as Window;
    windows.delete(key);
    if (more > 0) o.sending.send(channel, rest(about, more));
  }

  const rest = (about: About, more: number): Notice => ({
    ...basic(about),
    title: about === 'approvals' ? `${host}: and ${more} more changes wait` : `${host}: and ${more} more events`,
    lines: [`No more than ${perMinute} a minute are told one by one.`],
    command: about === 'approvals' ? 'deckhand approvals' : 'deckhand audit search --event security',
    urgent: false,
    facts: { more },
  });

  const basic = (about: Notice['about']) => ({ id: o.newId(), about, atMs: clock.now() });

  return {
    asked(a) {
      tell('approvals', (channel) => {
        const link = o.links.make(a, channel);
        const targets = a.targets.map((t) => `${t.kind}:${t.name}`).join(', ');
        const { face, address } = a.origin;
        const from = [face && `over ${face}`, address && `from ${address}`].filter(Boolean).join(' ');
        return {
          ...basic('approvals'),
          title: `${host}: ${a.tool} waits for a decision (${a.risk})`,
          lines: [
            `Effect: ${line(a.summary)}`,
            `On: ${line(targets || 'no single thing')}`,
            `Asked by: ${line(`${a.principal}${from ? ` ${from}` : ''}`)}`,
            `Until: ${rfc3339(a.expiresAtMs)} (${duration(a.expiresAtMs - clock.now())})`,
          ],
          urgent: true,
          ...(link === null ? {} : { link }),
          command: `deckhand approve ${a.id}`,
          untilMs: a.expiresAtMs,
          facts: {
            approval: a.id,
            tool: a.tool,
            risk: a.risk,
            principal: line(a.principal),
            summary: line(a.summary),
            targets: a.targets.slice(0, MOST_LINES).map((t) => line(`${t.kind}:${t.name}`)),
            expiresAt: rfc3339(a.expiresAtMs),
          },
        };
      });
    },
    security({ what, lines, command, facts = {} }) {
      tell('security', () => ({
        ...basic('security'),
        title: `${host}: ${line(what)}`,
        lines: lines.slice(0, MOST_LINES).map(line),
        urgent: true,
        ...(command === undefined ? {} : { command }),
        facts: mapped(facts, line) as Record<string, unknown>,
      }));
    },
    tells: (about) => of(about).length > 0,
    trial: () => ({
      ...basic('test'),
      title: `${host}: a test of this channel`,
      lines: ['Somebody ran `deckhand notify test` there. Nothing waits and nothing is wrong.'],
      urgent: false,
      facts: {},
    }),
    close() {
      for (const [key, window] of windows) {
        window.cancel();
        const [about, channel] = key.split(' ') as [About, string];
        ended(key, channel, about);
      }
    },
  };
}

const named = (hostname: string) => clip(oneLine(strip(hostname)), 64) || 'deckhand';

/** Programs that show notices make links of what looks like one: text of others must not become something to press. */
export const defused = (text: string): string => text.replace(/:\/\//g, '[:]//').replace(/\bwww\./gi, 'www[.]');

function mapped(value: unknown, each: (text: string) => string): unknown {
  if (typeof value === 'string') return each(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.slice(0, MOST_LINES).map((part) => mapped(part, each));
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, mapped(part, each)]));
}
