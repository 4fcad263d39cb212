/**
 * The segment that is being written: a record put behind the others, and the first ones of all, which tell what became of
 * changes whose process is no more. When a segment begins and ends is audit.ts's, how segments hang together the index's.
 */
import { fdatasyncSync } from 'node:fs';
import type { Log } from '../core/call.ts';
import { type Mac, seal } from './audit_chain.ts';
import { appendWhole, type Dead, findDead, type Index, noteDead } from './audit_index.ts';
import { type Intents, trackIntents } from './audit_intents.ts';
import type { Owner } from './owner.ts';
import type { StateDir } from './state.ts';

export interface Segment {
  name: string;
  fd: number;
  marker: string;
  size: number;
  rotateAt: number;
  seq: number;
  hash: string;
}

/** Reports of one start: a bound, not a number that is ever met. */
const MOST_UNFINISHED = 200;

export function put(s: Segment, record: Record<string, unknown>, mac: Mac): void {
  const sealed = seal({ ...record, seq: s.seq + 1, prev: s.hash } as Parameters<typeof seal>[0], mac);
  const line = Buffer.from(sealed.line);
  appendWhole(s.fd, line, s.size);
  s.size += line.length;
  s.seq++;
  s.hash = sealed.hash;
}

/**
 * Inside withIndex, at a segment's begin: changes of dead processes of which nobody knows the end, and our own that are
 * under way since the segment before. They are on the disk before the dead segments are noted, and so never lost between.
 */
export function takeOver(
  s: Segment,
  o: {
    state: StateDir;
    index: Index;
    mac: Mac;
    self: Owner;
    now: number;
    mine: Intents;
    stamp(event: string): Record<string, unknown>;
    log: Log;
  },
): Dead[] {
  const theirs = trackIntents();
  const dead = findDead(o.state, o.mac, o.self, o.now, (r, name) => theirs.see(r, name));
  const left = theirs.left();
  for (const intent of left.slice(0, MOST_UNFINISHED)) {
    put(s, { ...intent, ...o.stamp('unfinished') }, o.mac);
    o.log.warn({ ...intent }, 'a change was begun and its end is not on record: its process died');
  }
  if (left.length > MOST_UNFINISHED) put(s, { ...o.stamp('unfinished'), more: left.length - MOST_UNFINISHED }, o.mac);
  for (const intent of o.mine.left()) put(s, { ...intent, ...o.stamp('under_way') }, o.mac);
  if (s.seq > 0) fdatasyncSync(s.fd);
  noteDead(o.state, o.index, dead, o.log);
  return dead;
}
