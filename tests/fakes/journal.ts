/** A journal in memory, held to what journalctl does by the contract suite (tests/host/journal_contract.ts). None by default. */
import { OpsError } from '../../src/core/errors.ts';
import type { JournalHost, JournalLine, Priority } from '../../src/core/journal.ts';
import { isUnitName } from '../../src/core/unit_refs.ts';

/** An entry as its writer gives it; boot 0 is the current one. */
export interface Written {
  atMs: number;
  message: string | Buffer;
  unit?: string;
  identifier?: string;
  pid?: number;
  priority?: Priority;
  kernel?: boolean;
  boot?: number;
  /** Of a message of the manager (pid 1) about a unit. */
  about?: string;
}

export interface FakeJournal extends JournalHost {
  /** What was asked of it. */
  asked: unknown[];
  written: Written[];
}

const NONE = 'No systemd journal is kept here. Read container:NAME or file:/var/log/… instead.';
/** What an entry takes beside its text, in the format that journalctl prints. */
const OVERHEAD = 300;

export function fakeJournal(o: { written?: Written[]; missing?: string; volatile?: boolean } = {}): FakeJournal {
  const { written = [] } = o;
  const missing = o.missing ?? (o.written ? null : NONE);
  const asked: unknown[] = [];
  return {
    asked,
    written,
    available: () =>
      missing === null
        ? { value: { manager: 'journald', volatile: o.volatile ?? false } }
        : { value: null, why: missing },
    async *read(w) {
      const { signal, ...said } = w;
      asked.push(said);
      if (missing !== null) throw new OpsError('unavailable', missing);
      const wrong = [
        ...(w.units ?? []).filter((u) => !isUnitName(u)),
        ...(w.identifiers ?? []).filter((i) => !/^[\w.@-]{1,128}$/.test(i)),
      ];
      if (wrong.length > 0) throw new OpsError('validation', `${wrong[0]} is no name in the journal.`);
      if (w.afterCursor !== undefined && (w.tail !== undefined || !/^i=\d+$/.test(w.afterCursor)))
        throw new OpsError('validation', 'That is no cursor of the journal.');
      if (w.boot !== undefined && !written.some((e) => (e.boot ?? 0) === w.boot))
        throw new OpsError('not_found', 'The journal has nothing of that boot.');
      const after = w.afterCursor === undefined ? -1 : Number(w.afterCursor.slice(2));
      let found = written.flatMap((e, i) => {
        const is =
          i > after &&
          (!w.units?.length || [e.unit, e.about].some((u) => u !== undefined && w.units?.includes(u))) &&
          (!w.identifiers?.length || w.identifiers.includes(e.identifier ?? '')) &&
          (w.priority === undefined || (e.priority !== undefined && e.priority <= w.priority)) &&
          (!w.kernel || e.kernel === true) &&
          (w.boot === undefined || (e.boot ?? 0) === w.boot) &&
          (w.untilMs === undefined || Math.floor(e.atMs) <= w.untilMs);
        return is ? [lineOf(e, i, w.maxLineBytes)] : [];
      });
      if (w.tail !== undefined) found = found.slice(-w.tail);
      let bytesRead = 0;
      let lines = 0;
      for (const line of found) {
        if (w.sinceMs !== undefined && line.atMs < w.sinceMs) continue;
        signal?.throwIfAborted();
        const bytes = Buffer.byteLength(line.text) + OVERHEAD;
        if (bytesRead + bytes > w.maxBytes) return { bytesRead: w.maxBytes, lines, stopped: true };
        bytesRead += bytes;
        lines++;
        yield line;
      }
      return { bytesRead, lines, stopped: false };
    },
    usage: async () =>
      missing === null ? { value: 8 * 1024 * 1024 } : { value: null, why: 'No systemd journal is kept here.' },
  };
}

function lineOf(e: Written, i: number, most: number): JournalLine {
  const bytes = Buffer.from(e.message as string);
  const micros = Math.round((e.atMs % 1) * 1_000);
  return {
    stream: 'stdout',
    atMs: Math.floor(e.atMs),
    nanos: micros * 1_000,
    text: bytes.subarray(0, most).toString('utf8'),
    cut: bytes.length > most,
    unit: e.about ?? e.unit ?? null,
    identifier: e.identifier ?? null,
    pid: e.pid ?? null,
    priority: e.priority ?? null,
    cursor: `i=${i}`,
  };
}
