/** What the owner is told elsewhere, and over which channel. Types only: who is told what is policy's, sending is host/notify's. */

export type About = 'approvals' | 'security';

export interface Channel {
  readonly name: string;
  readonly kind: 'ntfy' | 'webhook' | 'smtp';
  readonly url: string;
  /** The owner's word that an unencrypted way is meant. */
  readonly plain: boolean;
  readonly about: readonly About[];
  readonly secretFile?: string | undefined;
  readonly user?: string | undefined;
  readonly from?: string | undefined;
  readonly to: readonly string[];
  readonly caFile?: string | undefined;
}

/** Clean, redacted and short when it is made: a channel only carries it. */
export interface Notice {
  /** For who must tell one from another. */
  id: string;
  about: About | 'test';
  /** One line, in our own words and names of ours. */
  title: string;
  /** One fact each; no line of it can look like two. */
  lines: readonly string[];
  urgent: boolean;
  atMs: number;
  /** Where to look and decide. Whoever has it sees what was asked; it decides nothing by itself. */
  link?: string;
  /** What to run on the host. */
  command?: string;
  /** Later it would mislead, and is not sent. */
  untilMs?: number;
  /** The same for programs; what a webhook gets beside the words. */
  facts: Readonly<Record<string, unknown>>;
}

/** Never throws, never waits: what cannot be sent is said in the log. */
export interface Sending {
  send(channel: string, notice: Notice): void;
}

/** How one try ended. `why` names neither secret nor address. */
export type Trial = { ok: true; ms: number; said: string } | { ok: false; ms: number; why: string; hint: string };
