/**
 * Processes in order. Decides who is listed, in which order, and what is read of each.
 *
 * Every matching process is in the answer; the door shows `limit` of them and keeps the rest. So command lines are read
 * for all: 9 µs each, and cached by the host. Read only for those shown, a later grep in what was kept would say "none" of
 * a process that is there. Open descriptors and I/O counters are dearer and mostly root's to see: only the order that
 * needs them has them.
 */
import * as z from 'zod';
import { defineRead } from '../core/define.ts';
import { OpsError } from '../core/errors.ts';
import type { ProcessList } from '../core/host.ts';
import { foreign, limit, once, Unknown } from '../core/schema.ts';
import { descendants, ORDERS, ordered, type ProcessUse, processUses, totals, treeOf } from '../insight/processes.ts';
import { figure, gaps, one, seenFrom, whole, whose } from './figures.ts';
import { processText } from './process_text.ts';
import { observe } from './sampling.ts';

/** Rows in an answer, shown and kept together. */
const ROWS = 5_000;
/** Characters of a command line, unless so few processes are asked for that each is wanted whole. */
const SHORT = 160;
const WHOLE_UP_TO = 3;

export const ProcessRow = once(() =>
  z.object({
    pid: z.number(),
    start: z.number().describe('Ticks after boot: pid and start name one process for good.'),
    ppid: z.number(),
    depth: z.number().optional().describe('In a tree.'),
    name: foreign(z.string(), 'process table'),
    user: z.string().nullable(),
    state: z.string(),
    cpuPercent: figure(),
    rssBytes: z.number(),
    threads: z.number(),
    ageSeconds: figure(),
    readBytesPerSecond: figure().optional(),
    writtenBytesPerSecond: figure().optional(),
    fds: figure().optional(),
    command: foreign(z.string().nullable(), 'process table').describe(
      'Null for kernel threads. " …": cut; ask for this process alone.',
    ),
  }),
);

export const ProcessAnswer = once(() =>
  z.object({
    by: z.enum(ORDERS),
    windowMs: z.number().describe('Over which CPU and I/O were measured.'),
    whose: whose(),
    total: figure(),
    matched: z.number(),
    threads: figure(),
    byState: z.record(z.string(), z.number()).describe('Of all processes.'),
    processes: z.array(ProcessRow()).describe('cpuPercent: of one core.'),
    unknown: z.array(Unknown()),
  }),
);
export type ProcessAnswer = z.output<ReturnType<typeof ProcessAnswer>>;

const input = once(() =>
  z.strictObject({
    by: z.enum(ORDERS).default('cpu'),
    limit: limit(15, 200),
    user: z.string().max(64).optional().describe('Name or uid.'),
    name: z.string().min(1).max(64).optional().describe('Part of the name or program path, not of the arguments.'),
    state: z.enum(['R', 'S', 'D', 'Z', 'T', 'I']).optional().describe('As ps: D stuck in the kernel, Z zombie.'),
    parent: z.number().int().min(1).max(4_194_304).optional().describe('Only this pid and all below it.'),
    tree: z.boolean().default(false),
  }),
);

export const processList = defineRead({
  name: 'process_list',
  title: 'Processes',
  description:
    'Use this to see which processes use CPU, memory, disk I/O or file descriptors, or to find one. Largest first, with command lines (secrets removed) and totals by state. For the host as a whole use system_overview.',
  toolset: 'system',
  core: true,
  input,
  output: ProcessAnswer,
  scopes: { least: 'system:read' },
  risk: 'read',
  annotations: { idempotent: true, openWorld: false },
  cut: { lists: ['processes'], show: (i) => i.limit },
  text: processText,

  async handler(i, ctx) {
    const { system } = ctx.host;
    const want = { commands: true, io: i.by === 'io', fds: i.by === 'fds' };
    const { lists } = await observe(ctx, { processes: want });
    if (!lists || lists.after.value === null)
      throw new OpsError('unavailable', `The process table cannot be read: ${lists?.after.why ?? 'not read'}`, {
        hint: 'Run `deckhand doctor` on the host: it names what is missing.',
      });
    const list = lists.after.value;
    const { uses, windowMs } = processUses(lists.before, list);
    if (i.parent !== undefined && !uses.some((u) => u.info.pid === i.parent))
      throw new OpsError('not_found', `There is no process ${i.parent}.`, {
        hint: 'Call process_list without `parent` to see the pids there are.',
      });

    const matching = filtered(uses, i);
    const rows = (
      i.tree ? treeOf(matching, i.by) : ordered(matching, i.by).map((use) => ({ use, depth: undefined }))
    ).slice(0, ROWS);
    const cut = rows.length > WHOLE_UP_TO;
    const all = totals(list.processes);

    return {
      by: i.by,
      windowMs: Math.round(windowMs),
      whose: seenFrom(system.identity()),
      total: all.processes + list.notRead,
      matched: matching.length,
      threads: all.threads,
      byState: all.byState,
      processes: rows.map(({ use: { info, ...use }, depth }) => {
        return {
          pid: info.pid,
          start: info.startTicks,
          ppid: info.ppid,
          ...(depth === undefined ? {} : { depth }),
          name: info.name,
          user: info.user ?? (info.uid === null ? null : String(info.uid)),
          state: info.state,
          cpuPercent: one(use.cpuPercent),
          rssBytes: info.rssBytes,
          threads: info.threads,
          ageSeconds: whole(Math.max(0, ctx.now() - info.startedAtMs) / 1000),
          ...(want.io
            ? {
                readBytesPerSecond: whole(use.readBytesPerSecond),
                writtenBytesPerSecond: whole(use.writtenBytesPerSecond),
              }
            : {}),
          ...(want.fds ? { fds: info.fds } : {}),
          command: info.command !== null && cut ? shortened(info.command) : info.command,
        };
      }),
      unknown: unknown(
        list,
        rows.map((r) => r.use),
        i.by,
      ),
    };
  },
});

function filtered(uses: readonly ProcessUse[], i: z.output<ReturnType<typeof input>>): ProcessUse[] {
  const within = i.parent === undefined ? [...uses] : descendants(uses, i.parent);
  const part = i.name?.toLowerCase();
  return within.filter(
    ({ info }) =>
      (i.user === undefined || info.user === i.user || String(info.uid) === i.user) &&
      (i.state === undefined || info.state === i.state) &&
      (part === undefined || [info.name, ...program(info.command)].some((s) => s.toLowerCase().includes(part))),
  );
}

/**
 * The program, and the script that an interpreter runs. Never the arguments: they are redacted only on their way out,
 * and a filter that sees them whole lets a caller guess a password letter by letter.
 */
function program(command: string | null): string[] {
  const [first = '', second = ''] = (command ?? '').split(' ', 2);
  return /^\.{0,2}\//.test(second) ? [first, second] : [first];
}

/** Cut between arguments only, and before a key begins: half a secret would be one that redaction no longer knows. */
function shortened(command: string): string {
  const key = command.indexOf('-----BEGIN');
  const end = key >= 0 ? Math.min(key, SHORT) : SHORT;
  if (command.length <= end) return command;
  const space = command.lastIndexOf(' ', end);
  const next = command.indexOf(' ', end);
  const at = space > 0 ? space : next > 0 ? next : command.length;
  return at === command.length ? command : `${command.slice(0, at)} …`;
}

function unknown(list: ProcessList, rows: readonly ProcessUse[], by: (typeof ORDERS)[number]) {
  const gap = gaps();
  const count = (of: (u: ProcessUse) => unknown) => rows.filter((u) => of(u) === null).length;
  const note = (n: number, what: string, why: string) =>
    n > 0 && gap.list.push({ what: `${what} of ${n} ${n === 1 ? 'process' : 'processes'}`, why });
  if (list.hidden !== null) gap.list.push({ what: 'processes of other users', why: list.hidden });
  if (list.notRead > 0) gap.list.push({ what: `${list.notRead} processes`, why: 'more than one list reads' });
  note(
    count((u) => u.cpuPercent),
    'CPU',
    'no earlier reading of them',
  );
  if (by === 'io')
    note(
      count((u) => u.readBytesPerSecond),
      'I/O',
      "other users' counters need root, or there is no earlier reading",
    );
  if (by === 'fds')
    note(
      count((u) => (u.info.state === 'Z' ? 0 : u.info.fds)),
      'descriptors',
      "other users' descriptors need root",
    );
  return gap.list;
}
