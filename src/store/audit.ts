/**
 * The audit of this process: one segment, append only, each line bound to the one before it. It decides when a record is
 * written, kept waiting or lost, and says so; what stands in a record is policy's, how segments hang together the index's.
 * `durable` is for changes: on the disk or an error, so that nothing is changed without a record. The rest never throws:
 * a full disk stops changes, not reads.
 */
import { closeSync, fdatasync, fdatasyncSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../core/call.ts';
import { OpsError } from '../core/errors.ts';
import { createDigests, type Mac, macOf } from './audit_chain.ts';
import { compact, openSegment, prune, RETENTION, type Retention, withIndex } from './audit_index.ts';
import { trackIntents } from './audit_intents.ts';
import { haveKey } from './audit_key.ts';
import { put, type Segment, takeOver } from './audit_segment.ts';
import { refused, whyOf } from './audit_trouble.ts';
import { newOwner, type Owner } from './owner.ts';
import type { StateDir } from './state.ts';

export interface Audit {
  append(event: string, fields: Record<string, unknown>, o?: { durable?: boolean }): void;
  /** Keyed, so that short arguments cannot be guessed from it. */
  digest(text: string): string;
  /** Tries to write what waits. True when nothing waits any more. */
  flush(): boolean;
  /** Why records wait, or null. */
  trouble(): string | null;
  /** This process's segment and its last record, for a second place (the log). */
  head(): Head | null;
  close(): void;
}

export interface Head {
  segment: string;
  seq: number;
  hash: string;
}

export interface AuditOptions {
  segmentBytes: number;
  checkpoint: number;
  retention: Partial<Retention>;
  waitingCount: number;
  waitingBytes: number;
  now: () => number;
  mono: () => number;
  self: Owner;
  /** Takes a head to a second place, where who can write here cannot: at each checkpoint, closing, and so often if it moved. */
  tell: (head: Head) => void;
  tellMs: number;
}
const OPTIONS = {
  segmentBytes: 8 * 1024 * 1024,
  checkpoint: 1_000,
  waitingCount: 1_000,
  waitingBytes: 1024 * 1024,
  now: Date.now,
  mono: () => Math.round(performance.now() * 1_000) / 1_000,
  tell: () => {},
  tellMs: 10 * 60_000,
};

/** While the disk refuses, it is asked again at this distance; a durable record asks at once. */
const RETRY_MS = 1_000;
const FLUSH_MS = 2_000;

type Waiting = { ts: string; bytes: number; record: Record<string, unknown> };

export function openAudit(state: StateDir, log: Log, over: Partial<AuditOptions> = {}): Audit {
  const o = { ...OPTIONS, retention: {}, self: newOwner(), ...over };
  const retention = { ...RETENTION, ...o.retention };
  const clock = { now: o.now, mono: o.mono };

  let mac: Mac | null = null;
  let segment: Segment | null = null;
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let dropped = 0;
  let gapFrom = '';
  let failed: { why: string; atMs: number } | null = null;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let opened = 0;
  let told: Head | null = null;
  let telling: NodeJS.Timeout | undefined;
  /** A disk slower than the timer would have the same head told twice. */
  let syncing = false;
  const intents = trackIntents();
  const digests = createDigests();

  function keyed(): Mac {
    if (mac) return mac;
    state.ensure();
    const { key, lost } = haveKey(state);
    if (lost)
      log.error(
        { path: state.auditKey },
        'the audit had no key any more: a new one was made, and what was written before cannot be verified',
      );
    mac = macOf(key);
    return mac;
  }

  function begin(): Segment {
    const m = keyed();
    state.ensure();
    mkdirSync(join(state.audit, 'running'), { recursive: true, mode: 0o700 });
    const made = withIndex(state, m, clock, false, (index) => {
      const next = { ...openSegment(state, index, o.self, o.now()), size: 0, rotateAt: o.segmentBytes, seq: 0 };
      const begun: Segment = { ...next, hash: next.genesis };
      try {
        const to = { state, index, mac: m, self: o.self, now: o.now(), mine: intents, stamp, log };
        for (const { name, note } of takeOver(begun, to)) if (note?.last.seq) tell({ segment: name, ...note.last });
      } catch (error) {
        // Not noted as found, so that the next one looks again. A segment without these is better than none.
        log.warn({ error: String(error) }, 'what processes that died left in the audit could not be noted');
      }
      // Also at each rotation: a server that runs for a year begins few segments.
      if (opened++ > 0 || index.seq() % retention.every < 3) prune(state, index, retention);
      return begun;
    });
    compact(state, m, clock, retention);
    telling ??= setInterval(() => {
      if (segment && segment.seq > 0 && !syncing && (told?.segment !== segment.name || told.seq !== segment.seq))
        checkpoint(segment);
    }, o.tellMs).unref();
    log.debug({ segment: made.name }, 'audit segment begun');
    return made;
  }

  function tell(head: Head): void {
    told = head;
    log.info({ ...head }, 'audit head');
    try {
      o.tell(head);
    } catch (error) {
      log.debug({ error: String(error) }, 'audit head was not told');
    }
  }

  function write(record: Record<string, unknown>): void {
    segment ??= begin();
    const s = segment;
    put(s, record, keyed());
    // The outcome of a change outlives a power cut as its intent does. That it is written is certain; that it is synced, tried.
    if (intents.see(record, s.name)) fdatasync(s.fd, () => {});
    if (s.size >= s.rotateAt) rotate(s);
    else if (s.seq % o.checkpoint === 0) checkpoint(s);
  }

  /** The segment reaches the disk first: an index ahead of it would, after a power cut, look like a truncation. */
  function checkpoint(s: Segment): void {
    const last = { seq: s.seq, hash: s.hash };
    syncing = true;
    fdatasync(s.fd, (error) => {
      syncing = false;
      if (error || segment !== s) return;
      try {
        withIndex(state, keyed(), clock, false, (index) => index.add('checkpoint', { segment: s.name, last }));
        tell({ segment: s.name, ...last });
      } catch (cause) {
        log.debug({ cause: String(cause) }, 'audit checkpoint left out; the next one covers it');
      }
    });
  }

  function finish(s: Segment): void {
    fdatasyncSync(s.fd);
    const last = { seq: s.seq, hash: s.hash };
    let noted = false;
    try {
      withIndex(state, keyed(), clock, true, (index) => {
        index.add('close', { segment: s.name, last });
        noted = true;
      });
    } finally {
      // Once the index says that it is closed, no line may follow.
      if (noted) {
        segment = null;
        closeSync(s.fd);
        rmSync(s.marker, { force: true });
      }
    }
    tell({ segment: s.name, ...last });
  }

  function rotate(s: Segment): void {
    try {
      finish(s);
    } catch (error) {
      // Longer than planned is better than a record less.
      s.rotateAt = s.size + o.segmentBytes / 8;
      log.warn({ error: String(error) }, 'audit segment could not be closed; going on in it');
    }
  }

  function drain(): void {
    if (waiting.length === 0 && dropped === 0) return;
    const to = waiting.at(-1)?.ts ?? gapFrom;
    write({ ...stamp('gap'), waited: waiting.length, dropped, from: gapFrom, to, why: failed?.why ?? '' });
    // From here the loss is on record: told once.
    dropped = 0;
    while (waiting[0]) {
      gapFrom = waiting[0].ts;
      write(waiting[0].record);
      waitingBytes -= waiting[0].bytes;
      waiting.shift();
    }
    log.info({}, 'audit is written again');
  }

  /** What is still under way when we end: nobody will ever write its end. */
  function leaveOpen(): void {
    for (const intent of intents.left())
      try {
        write({ ...intent, ...stamp('unfinished'), why: 'the process was stopped' });
        intents.forget(intent.call);
        log.warn({ ...intent }, 'a change was still under way when the process was stopped');
      } catch (error) {
        log.warn({ ...intent, error: String(error) }, 'a change was still under way, and that could not be recorded');
      }
  }

  let stamped = { ms: Number.NaN, ts: '' };
  const stamp = (event: string) => {
    const ms = o.now();
    if (stamped.ms !== ms) stamped = { ms, ts: new Date(ms).toISOString() };
    return { v: 1, ts: stamped.ts, mono: o.mono(), event };
  };

  function hold(record: Record<string, unknown> & { ts: string }): void {
    const bytes = sizeOf(record);
    if (waiting.length === 0 && dropped === 0) gapFrom = record.ts;
    // The first ones stay: who fills the disk to hide something did it before the flood. All are on stderr.
    if (waiting.length >= o.waitingCount || waitingBytes + bytes > o.waitingBytes) dropped++;
    else {
      waiting.push({ ts: record.ts, bytes, record });
      waitingBytes += bytes;
    }
    log.warn({ why: failed?.why, audit: record }, 'audit record waits');
    timer ??= setInterval(flush, FLUSH_MS).unref();
  }

  function flush(): boolean {
    if (closed) return waiting.length === 0;
    try {
      drain();
      failed = null;
      clearInterval(timer);
      timer = undefined;
      return true;
    } catch (error) {
      failed = { why: whyOf(error), atMs: o.mono() };
      return false;
    }
  }

  /** What is wrong with the folder or the key stops the start; a full disk does not. */
  try {
    keyed();
  } catch (error) {
    if (error instanceof OpsError) throw error;
    failed = { why: whyOf(error), atMs: o.mono() };
    log.warn({ why: failed.why }, 'audit cannot be written yet');
  }

  return {
    append(event, fields, options) {
      const record = { ...fields, ...stamp(event) };
      if (options?.durable) {
        if (closed) throw refused('it was closed');
        try {
          drain();
          write(record);
          // A rotation has synced it already.
          if (segment) fdatasyncSync(segment.fd);
          failed = null;
        } catch (error) {
          failed = { why: whyOf(error), atMs: o.mono() };
          throw refused(failed.why, error);
        }
        return;
      }
      if (closed) return log.warn({ why: 'closed', audit: record }, 'audit record lost');
      if (failed && o.mono() - failed.atMs < RETRY_MS) return hold(record);
      try {
        drain();
        write(record);
        failed = null;
      } catch (error) {
        failed = { why: whyOf(error), atMs: o.mono() };
        hold(record);
      }
    },

    digest: (text) => {
      try {
        return digests(text, keyed());
      } catch {
        return 'no-key';
      }
    },
    flush,
    trouble: () => (waiting.length || dropped ? (failed?.why ?? 'records wait') : null),
    head: () => segment && { segment: segment.name, seq: segment.seq, hash: segment.hash },

    close() {
      if (closed) return;
      flush();
      leaveOpen();
      closed = true;
      clearInterval(timer);
      clearInterval(telling);
      if (waiting.length || dropped)
        log.error(
          { waiting: waiting.length, dropped },
          'audit records were never written; they stand in this log only',
        );
      waiting = [];
      if (!segment) return;
      const last = segment;
      try {
        finish(last);
      } catch (error) {
        // The next process finds it and notes how far it goes.
        log.warn({ error: String(error) }, 'audit segment could not be closed');
        if (segment) closeSync(last.fd);
      }
      segment = null;
    },
  };
}

function sizeOf(record: unknown): number {
  try {
    return JSON.stringify(record).length;
  } catch {
    return 1_024;
  }
}
