/**
 * `deckhand audit …`: the record of what was done, for a person on the host. Reads the state folder, with or without a server
 * on it; makes and changes nothing. What a record means and whether it is genuine is the store's; here are words, exit codes
 * and which stream.
 */
import { readFileSync } from 'node:fs';
import type { auditOf } from '../app.ts';
import type { Flags } from '../config/flags.ts';
import type { AuditEntry, AuditQuery } from '../core/audit.ts';
import { recordTable, rowOf } from '../core/audit_row.ts';
import { OpsError } from '../core/errors.ts';
import { strip } from '../core/foreign.ts';
import { RISKS } from '../core/scopes.ts';
import { pastTime, type Zone } from '../core/when.ts';
import type { Run } from './commands.ts';
import { exitOf } from './signals.ts';
import { type Terminal, viewOf } from './terminal.ts';

type Files = ReturnType<typeof auditOf>;

/** Loaded only here: the product is large, and most of it is not needed to read files. */
async function openFiles(load: Run['load']): Promise<{ files: Files; line: (value: unknown) => string }> {
  const { config } = await load();
  const { auditOf, auditLine } = await import('../app.ts');
  const files = auditOf(config.state.dir);
  if (!files.exists())
    throw new OpsError('not_found', `Nothing has been recorded in ${config.state.dir} yet.`, {
      hint: 'Another state folder is named with --state-dir; a service’s is often /var/lib/deckhand.',
    });
  return { files, line: auditLine };
}

export async function tail({ own, io, load, signal }: Run): Promise<number> {
  const count = numberOf(own.lines, 'lines', 10);
  const { files, line } = await openFiles(load);
  // Begun before the last ones are read, so that nothing falls between the two; what is in both is told apart.
  const follow = own.follow ? files.follow(signal) : null;
  await follow?.next();
  const page = await files.search({ limit: count, order: 'newest' }, signal);
  const entries = page.entries.reverse();
  const seen = new Set(entries.map((e) => `${e.segment} ${e.record.seq}`));
  let heads = true;
  const print = (list: readonly AuditEntry[]) => {
    if (own.json) for (const e of list) io.out(line(e));
    else if (list.length > 0) {
      const text = tableOf(list, io);
      io.out(heads ? text : text.slice(text.indexOf('\n') + 1));
      heads = false;
    }
  };
  print(entries);
  tellCorrupt(page.corrupt, io);
  if (!follow) return 0;
  let fresh: AuditEntry[] = [];
  for await (const e of follow) {
    if (e !== 'looked') {
      if (!seen.has(`${e.segment} ${e.record.seq}`)) fresh.push(e);
      continue;
    }
    print(fresh);
    fresh = [];
    await io.flushed();
    if (io.gone?.()) return 0;
  }
  return exitOf(signal);
}

export async function search({ own, io, load, signal }: Run): Promise<number> {
  const query = queryOf(own, Date.now());
  const { files, line } = await openFiles(load);
  const page = await files.search(query, signal);
  if (own.json) for (const e of page.entries) io.out(line(e));
  else if (page.entries.length === 0) io.err('No record fits.');
  else io.out(tableOf(page.entries, io));
  if (page.next) io.err(`There is more: --from '${page.next}', with the same filters, or a larger --limit.`);
  tellCorrupt(page.corrupt, io);
  return 0;
}

export async function verify({ own, io, load }: Run): Promise<number> {
  // Before we become the owner of the folder, who may not read what root was given.
  const text = own.heads === undefined ? undefined : headsOf(String(own.heads));
  const { files } = await openFiles(load);
  const v = files.verify(text);
  if (own.json) {
    const { told, ...rest } = v;
    io.out(JSON.stringify({ ...rest, headsGiven: told?.heads.length ?? null }, null, io.outTty ? 2 : 0));
    return v.ok ? 0 : 1;
  }
  for (const p of v.problems) {
    const where = [p.segment, p.line === null ? null : `line ${p.line}`, p.seq === null ? null : `number ${p.seq}`];
    io.out(`${io.paint('bad', 'problem')}  ${where.filter(Boolean).join(', ')}: ${strip(p.what)}`);
  }
  const count = `${v.records} records in ${v.segments} ${v.segments === 1 ? 'file' : 'files'}`;
  io.out(`${count}${v.first ? `, ${v.first} to ${v.last}` : ''}.`);
  if (v.open.length) io.out(`Not closed (being written, or its process died): ${v.open.join(', ')}.`);
  if (v.told && v.heads) {
    const { matched, pruned, unsure } = v.heads;
    const rest = [pruned && `${pruned} of pruned files`, unsure && `${unsure} of files pruned long ago`].filter(
      Boolean,
    );
    const others = v.told.others ? ` ${v.told.others} of other state folders were passed over.` : '';
    io.out(`${v.told.heads.length} heads: ${matched} match${rest.length ? `, ${rest.join(', ')}` : ''}.${others}`);
  }
  io.out(v.ok ? io.paint('good', 'Nothing was changed.') : io.paint('bad', `${v.problems.length} problems.`));
  return v.ok ? 0 : 1;
}

export async function exportAll({ own, io, load, signal }: Run): Promise<number> {
  const { sinceMs, untilMs } = queryOf({ since: own.since as string, until: own.until as string }, Date.now());
  const { files, line } = await openFiles(load);
  const scan = { corrupt: 0, total: 0, looked: 0, stopped: null, frontier: null };
  const times = { ...(sinceMs === undefined ? {} : { sinceMs }), ...(untilMs === undefined ? {} : { untilMs }) };
  const heads = await files.heads();
  let count = 0;
  for await (const { entry } of files.all(times, scan, signal)) {
    io.out(line(entry));
    // A pipe takes what it takes: the rest must not wait in memory.
    if (++count % 500 === 0) await io.flushed();
    if (io.gone?.()) return 0;
  }
  io.out(line({ heads, records: count, corrupt: scan.corrupt }));
  tellCorrupt(scan.corrupt, io);
  return 0;
}

function tableOf(entries: readonly AuditEntry[], io: Terminal): string {
  const clean = (value: unknown): unknown => {
    if (typeof value === 'string') return strip(value);
    if (Array.isArray(value)) return value.map(clean);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [strip(k), clean(v)]));
  };
  const rows = entries.map((e) => clean(rowOf(e)) as ReturnType<typeof rowOf>);
  return recordTable(rows, viewOf(io, Date.now()));
}

function tellCorrupt(corrupt: number, io: Terminal): void {
  if (corrupt) io.err(`${corrupt} lines are no record; \`deckhand audit verify\` names them.`);
}

/** A file, or standard input: `journalctl -t deckhand -o cat | deckhand audit verify --heads -`. */
function headsOf(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    throw new OpsError('validation', `--heads ${path} cannot be read: ${(error as Error).message}`, {
      hint: 'Give a file, or - for standard input.',
    });
  }
}

/** This process's zone, which is the host's unless TZ says otherwise. */
const here = (now: number): Zone => ({
  name: Intl.DateTimeFormat().resolvedOptions().timeZone,
  offsetMinutes: -new Date(now).getTimezoneOffset(),
});

const WORDS = ['who', 'tool', 'event', 'outcome', 'target', 'call', 'text'] as const;

function queryOf(own: Flags, now: number): AuditQuery {
  const word = (name: string) => (own[name] === undefined ? undefined : String(own[name]));
  const time = (name: string) => {
    const text = word(name);
    return text === undefined ? undefined : pastTime(text, now, `--${name}`, here(now));
  };
  const risk = word('risk');
  if (risk !== undefined && !RISKS.some((r) => r === risk))
    throw new OpsError('validation', `--risk: "${risk}" is no risk.`, {
      candidates: [...RISKS],
      hint: 'Give one of them.',
    });
  const given = {
    ...Object.fromEntries(WORDS.map((name) => [name, word(name)])),
    risk,
    sinceMs: time('since'),
    untilMs: time('until'),
    cursor: word('from'),
    limit: numberOf(own.limit, 'limit', 50),
    order: own.oldest === true ? 'oldest' : 'newest',
  };
  return Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined)) as unknown as AuditQuery;
}

const MOST = 100_000;
function numberOf(given: Flags[string] | undefined, name: string, standard: number): number {
  if (given === undefined) return standard;
  const n = Number(given);
  if (Number.isInteger(n) && n >= 1 && n <= MOST) return n;
  throw new OpsError('validation', `--${name}: ${JSON.stringify(given)} is no number from 1 to ${MOST}.`, {
    hint: `For example --${name} ${standard}; \`deckhand audit export\` gives all.`,
  });
}
