/**
 * The index of the audit: a chain of its own that says which segments there are, how each begins, and how far it went, so
 * that a segment removed, shortened or put in another's place shows. All of it happens under one lock of the system. What
 * stands in a segment is audit.ts's.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../core/call.ts';
import { type AuditRecord, type Mac, seal, walk } from './audit_chain.ts';
import { exclusively } from './leases.ts';
import { isAlive, type Owner } from './owner.ts';
import type { StateDir } from './state.ts';
import { writeWhole } from './write_whole.ts';

export const INDEX = 'index.jsonl';
export const SEGMENT = /^\d{8}T\d{9}Z-\d+-[a-z0-9]{6,12}\.jsonl$/;
/** What the first record of the index follows. */
export const BEGIN = { seq: 0, hash: '0'.repeat(64) };
const WAIT_MS = 1_000;
/** A line of the index that says that a segment was pruned. */
const PRUNED_BYTES = 400;
/** More than any line of the index. */
const TAIL = 16 * 1024;

export interface Retention {
  segments: number;
  bytes: number;
  /** How many records of the index go by between two looks at the folder. */
  every: number;
  /** The index is written anew, with what is still there, when it is longer. */
  indexBytes: number;
}
export const RETENTION: Retention = {
  segments: 10_000,
  bytes: 256 * 1024 * 1024,
  every: 64,
  indexBytes: 16 * 1024 * 1024,
};

export interface Index {
  /** Number of the last record. */
  seq(): number;
  /** Throws when it cannot be written, and then nothing of it is there. */
  add(event: string, fields: Record<string, unknown>): void;
}

/** Markers of segments that are being written: `<segment>~<owner>`, empty. A hint that saves reading the index; trust comes from the chain. */
const running = (state: StateDir) => join(state.audit, 'running');

/**
 * Everything or nothing: a short write (a full disk) is taken back, so that no torn line stays. `size` is the file's before it.
 */
export function appendWhole(fd: number, line: Buffer, size: number): void {
  let written = 0;
  try {
    written = writeSync(fd, line);
    if (written === line.length) return;
  } catch (error) {
    ftruncateSync(fd, size);
    throw error;
  }
  ftruncateSync(fd, size);
  throw Object.assign(new Error(`no space left on device, ${written} of ${line.length} bytes written`), {
    code: 'ENOSPC',
  });
}

/** `sync`: the index is on the disk when this returns; otherwise soon after. */
export function withIndex<T>(
  state: StateDir,
  mac: Mac,
  clock: { now(): number; mono(): number },
  sync: boolean,
  work: (index: Index) => T,
): T {
  return exclusively(join(state.leases, 'audit'), WAIT_MS, () => {
    const path = join(state.audit, INDEX);
    const fd = openSync(path, 'a+', 0o600);
    let wrote = false;
    try {
      let size = fstatSync(fd).size;
      const { last, torn } = readTail(fd, size);
      let { seq, hash } = last;
      const add: Index['add'] = (event, fields) => {
        const sealed = seal(
          {
            ...fields,
            v: 1,
            seq: seq + 1,
            ts: new Date(clock.now()).toISOString(),
            mono: clock.mono(),
            event,
            prev: hash,
          },
          mac,
        );
        const line = Buffer.from(sealed.line);
        appendWhole(fd, line, size);
        size += line.length;
        seq++;
        hash = sealed.hash;
        wrote = true;
      };
      if (torn > 0) {
        // A power cut left half a line: it never counted.
        ftruncateSync(fd, size - torn);
        size -= torn;
        add('mended', { torn });
      }
      return work({ add, seq: () => seq });
    } finally {
      if (!wrote) closeSync(fd);
      else if (sync) {
        try {
          fdatasyncSync(fd);
        } finally {
          closeSync(fd);
        }
      } else fdatasync(fd, () => closeSync(fd));
    }
  });
}

function readTail(fd: number, size: number): { last: { seq: number; hash: string }; torn: number } {
  const buffer = Buffer.alloc(Math.min(size, TAIL));
  readSync(fd, buffer, 0, buffer.length, size - buffer.length);
  const end = buffer.lastIndexOf(10) + 1;
  const torn = buffer.length - end;
  if (end === 0) return { last: BEGIN, torn };
  const line = buffer.subarray(buffer.lastIndexOf(10, end - 2) + 1, end).toString();
  try {
    const { seq, hash } = JSON.parse(line) as AuditRecord;
    if (Number.isSafeInteger(seq) && typeof hash === 'string') return { last: { seq, hash }, torn };
  } catch {
    // Somebody wrote in it: the chain begins anew behind that, and verification names the place.
  }
  return { last: BEGIN, torn };
}

export interface OpenedSegment {
  name: string;
  fd: number;
  genesis: string;
  marker: string;
}

/** Inside withIndex. The file comes first: an index that named a file which never was would look like a removal. */
export function openSegment(state: StateDir, index: Index, self: Owner, nowMs: number): OpenedSegment {
  const stamp = new Date(nowMs).toISOString().replace(/[-:.]/g, '');
  const name = `${stamp}-${process.pid}-${randomBytes(4).toString('hex')}.jsonl`;
  const path = join(state.audit, name);
  const marker = join(running(state), `${name}~${self}`);
  const genesis = randomBytes(32).toString('hex');
  const fd = notStandard(() => openSync(path, 'ax', 0o600));
  try {
    closeSync(openSync(marker, 'wx', 0o600));
    index.add('open', { segment: name, genesis, owner: self });
  } catch (error) {
    closeSync(fd);
    rmSync(path, { force: true });
    rmSync(marker, { force: true });
    throw error;
  }
  return { name, fd, genesis, marker };
}

/** Were 0, 1 or 2 closed, the file would become what others take for a standard stream, and their output our audit. */
function notStandard(open: () => number): number {
  const low: number[] = [];
  try {
    const fd = open();
    if (fd > 2) return fd;
    low.push(fd);
    for (;;) {
      const next = openSync(`/proc/self/fd/${fd}`, 'a');
      if (next > 2) return next;
      low.push(next);
    }
  } finally {
    for (const fd of low) closeSync(fd);
  }
}

/** A segment whose process died without closing it, as it was found. */
export interface Dead {
  name: string;
  marker: string;
  /** Null: nothing was written in it, its process died before it was in the index. */
  note: (Record<string, unknown> & { last: { seq: number; hash: string } }) | null;
}

/** Inside withIndex: looks for them, oldest first, and reads what is in them. Changes nothing. */
export function findDead(
  state: StateDir,
  mac: Mac,
  self: Owner,
  nowMs: number,
  each: (record: AuditRecord, segment: string) => void,
): Dead[] {
  const dead: Dead[] = [];
  let lines: string[] | undefined;
  for (const marker of readdirSync(running(state)).sort()) {
    const [name = '', owner = ''] = marker.split('~');
    if (owner === self || !SEGMENT.test(name)) continue;
    const path = join(state.audit, name);
    let text: string | null = null;
    try {
      if (isAlive(owner, nowMs - statSync(path).mtimeMs)) continue;
      text = readFileSync(path, 'utf8');
    } catch {
      // Noted as missing: whoever removed it also left the marker.
    }
    lines ??= readFileSync(join(state.audit, INDEX), 'utf8').split('\n');
    const opened = lines.find((l) => l.includes(`"${name}"`) && l.includes('"event":"open"'));
    let note: Dead['note'] = null;
    if (opened) {
      const { genesis } = JSON.parse(opened) as { genesis: string };
      const found = text === null ? null : walk(text, { seq: 0, hash: genesis }, mac, (r) => each(r, name));
      const torn = found?.tail ?? 0;
      note = {
        last: found?.last ?? { seq: 0, hash: genesis },
        ...(torn ? { torn } : {}),
        ...(found ? {} : { missing: true }),
        ...(found?.faults.length ? { faults: found.faults.length } : {}),
      };
    }
    dead.push({ name, marker, note });
  }
  return dead;
}

/** Inside withIndex: from now on they are closed. */
export function noteDead(state: StateDir, index: Index, dead: readonly Dead[], log: Log): void {
  for (const { name, marker, note } of dead) {
    if (note) {
      index.add('found', { ...note, segment: name });
      const { last, ...rest } = note;
      log.warn({ segment: name, seq: last.seq, ...rest }, 'audit segment of a process that died was closed');
    }
    rmSync(join(running(state), marker), { force: true });
  }
}

/** Inside withIndex: the oldest segments beyond the bounds go. Noted first, so that a removal without a note is somebody's else. */
export function prune(state: StateDir, index: Index, bounds: Retention): void {
  const busy = new Set(readdirSync(running(state)).map((m) => m.split('~')[0]));
  const found = readdirSync(state.audit)
    .filter((n) => SEGMENT.test(n))
    .sort()
    .map((name) => ({ name, bytes: statSync(join(state.audit, name)).size }));
  let count = found.length;
  let bytes = found.reduce((sum, f) => sum + f.bytes, 0);
  for (const f of found) {
    if (count <= bounds.segments && bytes <= bounds.bytes) return;
    if (busy.has(f.name)) continue;
    index.add('pruned', { segment: f.name, bytes: f.bytes });
    rmSync(join(state.audit, f.name), { force: true });
    count--;
    bytes -= f.bytes;
  }
}

/**
 * Under the same lock, not inside withIndex: the file is replaced. Of segments that are gone it is kept that they were
 * pruned, so that a head told elsewhere can be explained; of the oldest ones only up to where that is so.
 */
export function compact(state: StateDir, mac: Mac, clock: { now(): number; mono(): number }, bounds: Retention): void {
  const path = join(state.audit, INDEX);
  if (statSync(path).size <= bounds.indexBytes) return;
  exclusively(join(state.leases, 'audit'), WAIT_MS, () => {
    if (statSync(path).size <= bounds.indexBytes) return;
    const here = new Set(readdirSync(state.audit));
    const kept = new Map<string, { open?: AuditRecord; last?: AuditRecord }>();
    let pruned: AuditRecord[] = [];
    let prunedBefore = '';
    const old = walk(readFileSync(path, 'utf8'), BEGIN, mac, (r) => {
      const name = String(r.segment);
      if (r.event === 'carried') prunedBefore = String(r.prunedBefore ?? '');
      if (r.event === 'pruned') pruned.push(r);
      if (!here.has(name) || r.event === 'pruned') return;
      const entry = kept.get(name) ?? {};
      if (r.event === 'open') entry.open = r;
      else entry.last = r;
      kept.set(name, entry);
    });
    // A chain with faults is evidence: it is not written anew, however long it is.
    if (old.faults.length) return;
    const most = Math.floor(bounds.indexBytes / 4 / PRUNED_BYTES);
    pruned.sort((a, b) => (String(a.segment) < String(b.segment) ? -1 : 1));
    if (pruned.length > most) {
      prunedBefore = String(pruned[pruned.length - most - 1]?.segment);
      pruned = pruned.slice(pruned.length - most);
    }
    let { seq, hash } = BEGIN;
    let text = '';
    const add = (record: Record<string, unknown>) => {
      const sealed = seal({ ...(record as AuditRecord), seq: ++seq, prev: hash }, mac);
      text += sealed.line;
      hash = sealed.hash;
    };
    add({
      v: 1,
      ts: new Date(clock.now()).toISOString(),
      mono: clock.mono(),
      event: 'carried',
      records: old.records,
      head: old.last,
      ...(prunedBefore ? { prunedBefore } : {}),
    });
    for (const { open, last } of [...pruned.map((last) => ({ open: undefined, last })), ...kept.values()])
      for (const record of [open, last])
        if (record) {
          const { hash: _, ...rest } = record;
          add(rest);
        }
    writeWhole(path, text);
  });
}
