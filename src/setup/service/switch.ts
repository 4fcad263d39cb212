/**
 * From one version to another, with the way back: a copy of the store, a word in the record, then the steps; and when the new version does
 * not come up, the same steps for the old one. Decides what happens when anything of it fails or was killed. Which version is meant was
 * decided before.
 */
import { rmSync } from 'node:fs';
import { OpsError } from '../../core/errors.ts';
import { openExclusive } from '../../store/db.ts';
import { addressOf } from './health.ts';
import { type Machine, must } from './machine.ts';
import { SERVICE, SOCKET } from './place.ts';
import {
  byVersion,
  currentVersion,
  folderOf,
  type Installed,
  installedVersions,
  readInstalled,
  sweepHalfMade,
  type Wanted,
  writeInstalled,
} from './record.ts';
import { applySteps, planFor, type Step, type Target } from './steps.ts';
import { copiesThere, copyBefore, putBack } from './store_copy.ts';
import { OWN_ADDRESS } from './units.ts';
import { isUp } from './up.ts';

export interface Say {
  step(step: Pick<Step, 'name' | 'text'>): void;
  line(text: string): void;
}

/** Versions kept: the current one, the one before, and one more. */
const MOST_VERSIONS = 3;

export function guard(m: Machine, words: string): void {
  if (!m.systemd())
    throw new OpsError(
      'unavailable',
      'systemd does not run here as the first process, so there is nothing to be a service of.',
      {
        hint: 'In a container use the image (deploy/docker/README.md); elsewhere run it by hand: deckhand serve.',
      },
    );
  if (m.uid !== 0)
    throw new OpsError('permission', 'Only root may do this.', { hint: `Run: sudo deckhand service ${words}` });
}

/** At most one at a time, however the other one ended: the lock dies with its process. */
export async function locked<T>(m: Machine, work: () => Promise<T>): Promise<T> {
  using held = openExclusive(m.place.lock, 500);
  if (!held)
    throw new OpsError('conflict', 'Another `deckhand service` command is at work on this host.', {
      hint: 'Wait for its end: deckhand service status.',
      retryAfterMs: 5_000,
    });
  sweepHalfMade(m.place, m.now());
  return await work();
}

export const targetOf = (wanted: Wanted, config: string): Target => ({
  ...wanted,
  address: addressOf(wanted.listen ?? config),
});

export interface Switch {
  from: Installed;
  to: Wanted;
  /** `host:port` by the config. */
  config: string;
  say: Say;
  /** Put back with the service stopped. */
  restore?: Installed['copies'][number];
}

/** Throws when the service is on the old version again, or could not be brought back. */
export async function switchVersion(m: Machine, o: Switch): Promise<Installed> {
  const { from, to, say } = o;
  const { place } = m;
  say.step({ name: 'copy', text: `the store, as ${from.version} has it` });
  m.before('copy the store');
  const copy = await copyBefore(m, from.version, to.version);
  const at = new Date(m.now()).toISOString();
  const copies = [...copiesThere(m, from.copies), ...(copy ? [copy] : [])];
  const begun: Installed = { ...from, copies, pending: { from: from.version, to: to.version, at } };
  m.before('record that it begins');
  writeInstalled(place, begun);
  try {
    if (o.restore) await restoring(m, o.restore, say);
    await applySteps(m, await planFor(m, targetOf(to, o.config), { start: true }), say.step);
  } catch (thrown) {
    throw await back(m, { ...o, from: begun, failed: thrown, copy });
  }
  m.before('record that it is done');
  const done: Installed = { ...to, previous: from.version, at: new Date(m.now()).toISOString(), pending: null, copies };
  writeInstalled(place, done);
  prune(m, done);
  return done;
}

async function restoring(m: Machine, copy: Installed['copies'][number], say: Say): Promise<void> {
  say.step({ name: 'store', text: `as it was at ${copy.at}` });
  // The socket, too: a call would start the service again.
  await must(m, 'systemctl', ['stop', SOCKET, SERVICE], 90_000);
  const aside = await putBack(m, copy);
  say.line(`  The database that was there is kept: ${aside}`);
}

/** The new version has served nobody: what it did to the store may be given up where the old one cannot read it. */
async function back(
  m: Machine,
  o: Switch & { failed: unknown; copy: Installed['copies'][number] | null },
): Promise<OpsError> {
  const { from, to, say, failed } = o;
  const why =
    failed instanceof OpsError
      ? failed
      : new OpsError('internal', String((failed as Error)?.message ?? failed), { cause: failed });
  say.line(`${why.message}`);
  say.line(`Back to ${from.version}.`);
  const home = targetOf(from, o.config);
  const apply = async () => applySteps(m, await planFor(m, home, { start: true }), say.step);
  try {
    try {
      await apply();
    } catch (thrown) {
      if (!o.copy || (await readable(m, folderOf(m.place, from.version)))) throw thrown;
      await restoring(m, o.copy, say);
      await apply();
    }
    writeInstalled(m.place, { ...from, pending: null });
    return new OpsError('unavailable', `Version ${to.version} did not come up; ${from.version} runs again.`, {
      hint: why.details.hint ?? `journalctl -u ${SERVICE}`,
      cause: why,
    });
  } catch (thrown) {
    return new OpsError(
      'unavailable',
      `Version ${to.version} did not come up, and ${from.version} does not either: ${(thrown as Error).message}`,
      {
        hint: `journalctl -u ${SERVICE}; the same command again tries to bring ${from.version} up.`,
        cause: thrown,
      },
    );
  }
}

/** Whether a version can use the store as it is: it opens it, changes nothing and says so. Null: yes. */
export async function unreadable(m: Machine, folder: string): Promise<{ why: string; newer: boolean } | null> {
  const { code, stderr } = await m
    .program(folder, ['token', 'list', '--json'])
    .catch((error: Error) => ({ code: 1, stderr: error.message }));
  if (code === 0) return null;
  return { why: stderr.trim().split('\n')[0]?.slice(0, 400) ?? '', newer: /written by a newer Deckhand/.test(stderr) };
}

const readable = async (m: Machine, folder: string): Promise<boolean> => (await unreadable(m, folder))?.newer !== true;

/** A switch that was killed in its middle: to its end where the new version answers, else back. */
export async function recover(m: Machine, config: string, say: Say): Promise<Installed | null> {
  const found = readInstalled(m.place);
  if (!found?.pending) return found;
  const { from, to } = found.pending;
  const forward: Wanted = { version: to, powers: found.powers, listen: found.listen };
  say.line(`The change from ${from ?? 'nothing'} to ${to} was interrupted.`);
  if (currentVersion(m.place) === to && (await isUp(m, to, targetOf(forward, config).address))) {
    const done: Installed = { ...found, ...forward, previous: from, pending: null };
    writeInstalled(m.place, done);
    say.line(`Version ${to} runs and answers: nothing is left to do of it.`);
    return done;
  }
  say.line(`Back to ${found.version}.`);
  await applySteps(m, await planFor(m, targetOf(found, config), { start: true }), say.step);
  const home: Installed = { ...found, pending: null };
  writeInstalled(m.place, home);
  return home;
}

export function prune(m: Machine, record: Pick<Installed, 'version' | 'previous'>): void {
  const all = installedVersions(m.place).sort(byVersion).reverse();
  const first = [record.version, record.previous].filter((v): v is string => v !== null && all.includes(v));
  const keep = [...new Set([...first, ...all])].slice(0, MOST_VERSIONS);
  for (const version of all.filter((v) => !keep.includes(v)))
    rmSync(folderOf(m.place, version), { recursive: true, force: true });
}

/** Where the config says that the service listens. */
export const addressText = (config: { host: string; port: number } | null): string =>
  config === null
    ? OWN_ADDRESS
    : config.host.includes(':')
      ? `[${config.host.replace(/^\[|\]$/g, '')}]:${config.port}`
      : `${config.host}:${config.port}`;
