/**
 * `deckhand approvals | approve | deny`: the owner's side of a question. Decides nothing itself: it asks the running server over its
 * control socket, or the shared state where none answers, and shows what it is that one says yes to.
 */
import { join } from 'node:path';
import type { App } from '../app.ts';
import { OpsError } from '../core/errors.ts';
import { table } from '../core/table.ts';
import { clip, duration } from '../core/text.ts';
import type { Approval } from '../policy/deciding.ts';
import { detailsOf, recordOf, STATES } from './approval_text.ts';
import type { Run } from './commands.ts';
import { type Terminal, viewOf } from './terminal.ts';

const CONTROL_SOCKET = 'control.sock';

interface Desk {
  recent(): Promise<Approval[]>;
  get(id: string): Promise<Approval | null>;
  decide(id: string, answer: { granted: boolean; because?: string }): Promise<Approval>;
}

/** The server first: its record then holds the decision. What lies in the state is the same either way. */
async function deskOf(app: App): Promise<Desk> {
  // Not for those who only call a tool at the terminal: it loads node:http.
  const { askServer } = await import('../edge/control_client.ts');
  const socket = join(app.state.dir, CONTROL_SOCKET);
  return {
    recent: async () => (await askServer(socket, '/approvals'))?.approvals ?? app.deciding.recent(),
    async get(id) {
      const answer = /^a_[a-z2-7]{16,40}$/.test(id) ? await askServer(socket, `/approvals/${id}`) : { approval: null };
      return answer ? (answer.approval ?? null) : app.deciding.get(id);
    },
    decide: async (id, answer) =>
      (await askServer(socket, `/approvals/${id}`, answer))?.approval ??
      app.deciding.decide(id, { ...answer, approver: app.principals.cli().id }),
  };
}

export async function list({ own, positionals, io, open }: Run): Promise<number> {
  const app = await open('cli');
  try {
    const desk = await deskOf(app);
    const now = Date.now();
    const id = positionals[0];
    if (id !== undefined) {
      const found = await known(desk, id);
      io.out(own.json ? JSON.stringify(recordOf(found), null, io.outTty ? 2 : 0) : detailsOf(found, viewOf(io, now)));
      return 0;
    }
    const all = await desk.recent();
    const shown = own.all ? all : all.filter((a) => a.state === 'waiting' || a.state === 'granted');
    if (own.json) io.out(JSON.stringify(shown.map(recordOf), null, io.outTty ? 2 : 0));
    else if (shown.length === 0) io.err(own.all ? 'Nothing was asked lately.' : 'Nothing waits for a decision.');
    else io.out(listed(shown, io, now));
    return 0;
  } finally {
    await app.close();
  }
}

export const approve = (r: Run) => decided(r, true);
export const deny = (r: Run) => decided(r, false);

async function decided({ own, positionals, io, signal, open }: Run, granted: boolean): Promise<number> {
  const id = positionals[0] as string;
  const app = await open('cli');
  try {
    const desk = await deskOf(app);
    const found = await known(desk, id);
    // The words that led here may be the caller's own: whoever says yes at a terminal sees first what it is to.
    if (granted && found.state === 'waiting' && !own.yes && io.inTty && io.errTty) {
      io.err(detailsOf(found, { ...viewOf(io, Date.now()), paint: (kind, text) => io.paint(kind, text, 'err') }));
      if (!isYes(await io.ask('Allow it, once? [y/N] ', signal))) {
        io.err('Nothing is decided: it still waits.');
        return 0;
      }
    }
    const because = typeof own.because === 'string' && own.because !== '' ? { because: own.because } : {};
    const after = await desk.decide(id, { granted, ...because });
    const left = duration(Math.max(0, after.expiresAtMs - Date.now()));
    io.err(
      granted
        ? `Approved for ${after.principal}, once, within ${left}: ${after.summary}`
        : `Refused; ${after.principal} cannot ask for the same again within ${left}: ${after.summary}`,
    );
    return 0;
  } finally {
    await app.close();
  }
}

export const isYes = (answer: string | null): boolean => answer !== null && /^\s*(y|yes)\s*$/i.test(answer);

async function known(desk: Desk, id: string): Promise<Approval> {
  const found = await desk.get(id);
  if (found) return found;
  const waiting = (await desk.recent()).filter((a) => a.state === 'waiting').map((a) => a.id);
  throw new OpsError('not_found', `There is no approval ${clip(JSON.stringify(id), 60)}.`, {
    hint: 'Run: deckhand approvals',
    ...(waiting.length ? { candidates: waiting.slice(0, 5) } : {}),
  });
}

function listed(shown: Approval[], io: Terminal, now: number): string {
  const heads = [
    { head: 'ID' },
    { head: 'STATE' },
    { head: 'LEFT', align: 'right' as const },
    { head: 'WHO', max: 32 },
    { head: 'TOOL', max: 32 },
    { head: 'RISK' },
    { head: 'WHAT' },
  ];
  const rows = shown.map((a) => [
    a.id,
    io.paint(a.state === 'waiting' ? 'warn' : 'dim', STATES[a.state]),
    a.state === 'waiting' || a.state === 'granted' ? duration(Math.max(0, a.expiresAtMs - now)) : '-',
    a.principal,
    a.tool,
    a.risk === 'destroy' ? io.paint('bad', a.risk) : a.risk,
    a.summary,
  ]);
  return table(heads, rows, viewOf(io, now));
}
