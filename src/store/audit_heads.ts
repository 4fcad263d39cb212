/**
 * Heads of the audit in a second place: how a head reads as one line of a system's log, and how such lines are read back.
 * Who can write in the state folder, and has its key, can write a whole new audit that is true in itself; he cannot take
 * back what was told elsewhere. How a line gets there is host/syslog.ts's, what is compared audit_verify.ts's.
 */
import type { Head } from './audit.ts';
import { SEGMENT } from './audit_index.ts';

/** `audit head segment=… seq=… hash=… state=…`; the folder, because one journal may hold the heads of several. */
export const headLine = ({ segment, seq, hash }: Head, stateDir: string): string =>
  `audit head segment=${segment} seq=${seq} hash=${hash} state=${JSON.stringify(stateDir)}`;

const LINE = /\baudit head segment=(\S+) seq=(\d{1,15}) hash=([0-9a-f]{64})(?: state=("(?:[^"\\]|\\.)*"))?/;

export interface ReadHeads {
  heads: Head[];
  /** Heads of other state folders, and which. */
  others: number;
  folders: string[];
}

/** Takes lines of any log that hold a head: journalctl's, a syslog file's, or our own log as JSON. The rest is passed over. */
export function readHeads(text: string, stateDir: string): ReadHeads {
  const heads = new Map<string, Head>();
  const folders = new Set<string>();
  let others = 0;
  for (const line of text.split('\n')) {
    const found = ofLog(line) ?? ofJson(line);
    if (!found || !SEGMENT.test(found.segment)) continue;
    const { state, ...head } = found;
    if (state !== null && state !== stateDir) {
      others++;
      folders.add(state);
    } else heads.set(`${head.segment} ${head.seq} ${head.hash}`, head);
  }
  return { heads: [...heads.values()], others, folders: [...folders] };
}

function ofLog(line: string): (Head & { state: string | null }) | null {
  const m = LINE.exec(line);
  if (!m) return null;
  return { segment: m[1] as string, seq: Number(m[2]), hash: m[3] as string, state: m[4] ? unquoted(m[4]) : null };
}

/** Somebody's own line may look like ours up to a broken escape. */
function unquoted(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}

/** Our own log on stderr, as it is kept by whoever keeps it. */
function ofJson(line: string): (Head & { state: string | null }) | null {
  if (!line.includes('"audit head"')) return null;
  try {
    const { segment, seq, hash, msg } = JSON.parse(line.slice(line.indexOf('{'))) as Record<string, unknown>;
    if (msg !== 'audit head' || typeof segment !== 'string' || typeof seq !== 'number' || typeof hash !== 'string')
      return null;
    return { segment, seq, hash, state: null };
  } catch {
    return null;
  }
}
