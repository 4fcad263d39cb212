/**
 * A backup put in the place of the state. Decides when that may not be (somebody runs on it, the backup is not in order or within
 * others' reach) and what comes with it: the record in the audit, and which tokens hold afterwards. How the switch survives being
 * killed is store/restore.ts's.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import type { Log } from '../../core/call.ts';
import { OpsError } from '../../core/errors.ts';
import { openAudit } from '../../store/audit.ts';
import { readKey } from '../../store/audit_key.ts';
import { copyFile, syncAll } from '../../store/backup_file.ts';
import { openLeases } from '../../store/leases.ts';
import { ASIDE, finishRestore, restoreBegun, STAGED, switchState, writersOf } from '../../store/restore.ts';
import { errnoOf, isNoRoom, openState, type StateDir } from '../../store/state.ts';
import { readTokens } from '../../store/tokens.ts';
import { asides, type Backup, findBackup, openTo, stampOf } from './place.ts';
import { verifyBackup } from './verify.ts';

export interface Restore {
  stateDir: string;
  folder: string;
  /** Name or path of a backup, or of a state that was put aside. */
  given: string;
  signal: AbortSignal;
  log: Log;
  /** Where systemd put credentials: the audit's key may be one. */
  credentials?: string | null;
  now?: () => number;
}

export interface Plan {
  /** Null: it goes back to a state that was put aside. */
  backup: Backup | null;
  /** In the state folder. */
  aside: string;
  notes: string[];
  /** Names of tokens that hold after it and not before, and the other way round. */
  tokens: { come: string[]; go: string[] };
}

const MARGIN_BYTES = 16 * 1024 * 1024;
const KNOCK_MS = 1_000;

/** What would be done; throws where it may not be. Changes nothing. */
export async function planRestore(o: Restore): Promise<Plan> {
  const state = openState(o.stateDir);
  finishRestore(state);
  await nobodyRuns(state, o.log);
  const aside = asideName(state, (o.now ?? Date.now)());
  const back = asideGiven(state, o.given);
  if (back !== null) return { backup: null, aside, notes: [], tokens: tokensOf(state, join(state.dir, back)) };
  const backup = findBackup(o.folder, o.stateDir, o.given);
  const open = openTo(backup.path);
  // Tokens and the audit's key come out of it: who can write there would be every principal.
  if (open) throw new OpsError('permission', `The backup ${backup.path} ${open.what}.`, { hint: `Run: ${open.mend}` });
  const { ok, problems, notes } = await verifyBackup(backup, o.signal, o.credentials);
  if (!ok)
    throw new OpsError('conflict', `The backup ${backup.name} is not in order: ${problems.slice(0, 3).join('; ')}.`, {
      hint: 'Nothing was changed. Another one: deckhand backup list; all of what is wrong: deckhand backup verify.',
    });
  const fs = statfsSync(state.dir);
  const free = (process.geteuid?.() === 0 ? fs.bfree : fs.bavail) * fs.bsize;
  if (fs.blocks > 0 && free < backup.bytes + MARGIN_BYTES)
    throw new OpsError(
      'unavailable',
      `The backup takes ${mib(backup.bytes)} MiB, and ${state.dir} has ${mib(free)} MiB left.`,
      {
        hint: 'The present state stays beside it. Make room first: nothing was changed.',
      },
    );
  return { backup, aside, notes, tokens: tokensOf(state, backup.path) };
}

/** Carries out what was planned. Either the old state is there afterwards or the new one. */
export async function restore(o: Restore, plan: Plan): Promise<void> {
  const state = openState(o.stateDir);
  using lease = openLeases(state, o.log).tryLease('backup');
  if (!lease)
    throw new OpsError('conflict', 'A backup or another restore of this state is under way.', { hint: 'Wait for it.' });
  clearStaged(state);
  const from = plan.backup ? `restoring-${randomBytes(4).toString('hex')}` : (asideGiven(state, o.given) as string);
  try {
    if (plan.backup) await stage(state, from, plan.backup, o.signal);
    record(join(state.dir, from), plan, o);
    await syncAll(join(state.dir, from), o.signal);
    await nobodyRuns(state, o.log);
    o.signal.throwIfAborted();
    switchState(state, from, plan.aside);
  } catch (error) {
    if (restoreBegun(state))
      throw new OpsError('unavailable', `The restore is certain and not finished: ${(error as Error).message}.`, {
        hint: 'The next start of Deckhand finishes it; make room on that disk if it is full.',
        cause: error,
      });
    if (plan.backup) rmSync(join(state.dir, from), { recursive: true, force: true });
    throw isNoRoom(error) ? noRoom(state.dir, error) : error;
  }
  const late = writersOf(join(state.dir, plan.aside));
  if (late.length) o.log.warn({ pids: late }, 'a process opened the old state while it was put aside: restart it');
}

async function stage(state: StateDir, from: string, { path, manifest }: Backup, signal: AbortSignal): Promise<void> {
  const to = join(state.dir, from);
  mkdirSync(to, { mode: 0o700 });
  for (const f of manifest?.files ?? []) {
    if (f.path.startsWith('config/')) continue;
    const copied = await copyFile(to, f.path, path, signal, f.bytes);
    if (copied?.sha256 !== f.sha256)
      throw new OpsError('unavailable', `${f.path} changed while it was copied.`, {
        hint: 'Nothing was changed. Verify the backup anew.',
      });
  }
}

/** In the audit that will go on, before it is the live one: what was open in it is closed, and the chain holds. */
function record(folder: string, { backup, aside }: Plan, o: Restore): void {
  const m = backup?.manifest;
  const who = `cli:${process.getuid?.() ?? 0}`;
  const from = m ? { backup: backup?.name, made: m.at, sha256: m.sha256 } : { backup: basename(o.given) };
  const what = `The state was restored from ${from.backup}; what was there before is in ${aside}.`;
  const staged = openState(folder, o.credentials);
  try {
    const audit = openAudit(staged, o.log);
    audit.append('restore', { who, what, ...from, aside }, { durable: true });
    audit.close();
  } catch (error) {
    // A key that is a credential is there while the service runs, which it does not now.
    if (!(error instanceof OpsError) || isKeyHere(folder, o)) throw error;
    o.log.warn(
      { error: error.message },
      'the restore is not on record in the audit: its key is a credential of the service',
    );
  }
}

function isKeyHere(folder: string, o: Restore): boolean {
  try {
    readKey(join(folder, 'audit.key'), o.credentials);
    return true;
  } catch {
    return false;
  }
}

/** Of an earlier one that was killed before it was certain. */
function clearStaged(state: StateDir): void {
  for (const name of readdirSync(state.dir))
    if (STAGED.test(name)) rmSync(join(state.dir, name), { recursive: true, force: true });
}

function asideName(state: StateDir, nowMs: number): string {
  const name = `before-restore-${stampOf(nowMs)}`;
  return existsSync(join(state.dir, name)) ? `${name}-${randomBytes(2).toString('hex')}` : name;
}

function asideGiven(state: StateDir, given: string): string | null {
  const name = basename(given);
  const inside = given === name || resolve(dirname(given)) === state.dir;
  return inside && ASIDE.test(name) && asides(state.dir).includes(name) ? name : null;
}

async function nobodyRuns(state: StateDir, log: Log): Promise<void> {
  const pids = writersOf(state.dir);
  const who = pids.length ? `process ${pids.slice(0, 5).join(', ')}` : null;
  // In another container, or with an audit that cannot be written: one of them samples, and a server can be asked.
  using sampler = openLeases(state, log).tryLease('sampler');
  const running = who ?? (sampler === null || (await answers(join(state.dir, 'control.sock'))) ? 'a process' : null);
  if (running === null) return;
  throw new OpsError('conflict', `Deckhand runs on ${state.dir} (${running}).`, {
    hint: 'Stop it first: sudo systemctl stop deckhand.socket deckhand.service (in a container: stop that); quit clients that launched one.',
  });
}

const answers = (path: string): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect({ path });
    const end = (answer: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      done(answer);
    };
    // Somebody listens and is too busy to say so.
    const timer = setTimeout(end, KNOCK_MS, true);
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });

function tokensOf(state: StateDir, folder: string): Plan['tokens'] {
  const read = (path: string) => (existsSync(path) ? readTokens(readFileSync(path, 'utf8')).tokens : []);
  const now = read(state.tokens);
  const then = read(join(folder, 'tokens.json'));
  const missing = (from: typeof now, of: typeof now) =>
    of.filter((t) => !from.some((f) => f.fingerprint === t.fingerprint)).map((t) => t.name);
  return { come: missing(now, then), go: missing(then, now) };
}

const noRoom = (folder: string, cause: unknown): OpsError =>
  new OpsError('unavailable', `The backup could not be written to ${folder} (${errnoOf(cause)}).`, {
    hint: `Nothing was changed. Run: df -h ${folder}`,
    cause,
  });

const mib = (bytes: number): number => Math.ceil(bytes / 1024 / 1024);
