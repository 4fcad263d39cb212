/**
 * `deckhand undo …`: what changes left to undo them, and undoing one. Decides only how receipts read at a terminal: whose they are is
 * policy's, and undoing is a call of the tool `undo`, through the door like any other, with the same question at a terminal.
 */
import type { App } from '../app.ts';
import { OpsError } from '../core/errors.ts';
import type { ReceiptLine, ShownReceipt } from '../core/receipt.ts';
import { table } from '../core/table.ts';
import { ago, rfc3339 } from '../core/text.ts';
import { callAndTell } from './call.ts';
import type { Run } from './commands.ts';
import { pairs } from './table.ts';
import { type Terminal, viewOf } from './terminal.ts';

const STANDARD = 20;
const MOST = 1_000;

export async function list({ own, io, open }: Run): Promise<number> {
  const most = own.limit === undefined ? STANDARD : Number(own.limit);
  if (!Number.isInteger(most) || most < 1 || most > MOST)
    throw new OpsError('validation', `--limit takes a number from 1 to ${MOST}.`, {
      hint: `It is ${STANDARD} by default.`,
    });
  return withApp(open, async (app) => {
    const all = app.receipts(app.principals.cli()).list(most);
    if (own.json) io.out(JSON.stringify(all.map(record), null, io.outTty ? 2 : 0));
    else if (all.length === 0) io.err('No change of the last 30 days has left a receipt.');
    else io.out(listed(all, io, Date.now()));
    return 0;
  });
}

export const show = ({ own, positionals, io, open }: Run): Promise<number> =>
  withApp(open, async (app) => {
    const id = positionals[0] as string;
    const found = app.receipts(app.principals.cli()).get(id);
    if (!found) throw new OpsError('not_found', `There is no receipt ${id}.`, { hint: 'Run: deckhand undo list' });
    io.out(own.json ? JSON.stringify(record(found), null, io.outTty ? 2 : 0) : detailed(found, io));
    return 0;
  });

export const run = ({ own, positionals, io, signal, open }: Run): Promise<number> =>
  withApp(open, (app) => {
    const args = { receipt: positionals[0] as string, dry_run: own['dry-run'] === true };
    return callAndTell(app, io, { tool: 'undo', args, signal }, own.json === true);
  });

async function withApp(open: Run['open'], work: (app: App) => Promise<number>): Promise<number> {
  const app = await open('cli');
  try {
    return await work(app);
  } finally {
    await app.close();
  }
}

function listed(all: readonly ReceiptLine[], io: Terminal, now: number): string {
  const state = (r: ReceiptLine) => {
    if (r.undone) return r.undone.state === 'done' ? 'undone' : io.paint('bad', `undo ${r.undone.state}`);
    return r.state === 'done' ? 'done' : io.paint('warn', r.state);
  };
  const heads = ['RECEIPT', 'AGE', 'TOOL', 'STATE', 'BY', 'WHAT'].map((head) => ({ head }));
  return table(
    heads,
    all.map((r) => [r.receipt, ago(r.atMs, now), r.tool, state(r), r.by, r.summary.replace(/\s+/g, ' ')]),
    viewOf(io, now),
  );
}

function detailed(r: ShownReceipt, io: Terminal): string {
  const json = (part: unknown) => (part === null ? '-' : JSON.stringify(part));
  const { undone } = r;
  const rows: [string, string][] = [
    ['tool', r.tool],
    ['targets', r.targets],
    ['made', `${rfc3339(r.atMs)} by ${r.by}, call ${r.call}`],
    ['state', r.state === 'done' ? 'done' : 'unfinished: it never told its end, look at the target'],
    ['undone', undone ? `${undone.state}, ${rfc3339(undone.atMs)} by ${undone.by}, call ${undone.call}` : 'no'],
    ['kept until', rfc3339(r.expiresAtMs)],
    ['input', json(r.input)],
    ['before', json(r.before)],
    ['after', json(r.after)],
  ];
  const next = undone ? [] : ['', `Undo it: deckhand undo run ${r.receipt}`];
  return [`${io.paint('bold', r.receipt)}  ${r.summary.replace(/\s+/g, ' ')}`, pairs(rows, io.width), ...next].join(
    '\n',
  );
}

function record({ atMs, expiresAtMs, undone, ...rest }: ReceiptLine | ShownReceipt) {
  const times = { at: rfc3339(atMs), expiresAt: rfc3339(expiresAtMs) };
  return { ...rest, ...times, undone: undone && { ...undone, atMs: undefined, at: rfc3339(undone.atMs) } };
}
