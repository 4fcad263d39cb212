/**
 * `service uninstall`: takes away what installing made, in the order in which nothing is left running without its files. Decides that state
 * and settings stay unless `purge` says otherwise.
 */
import { lstatSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readlinkOr } from './files.ts';
import { type Machine, must } from './machine.ts';
import { LAUNCHER_TARGET, SERVICE, SOCKET, shown, USER } from './place.ts';
import type { Step } from './steps.ts';
import { applySteps } from './steps.ts';
import { guard, locked, type Say } from './switch.ts';
import { filesInstalled } from './units.ts';

export interface Left {
  changed: number;
  /** What stays, and the command that removes it. */
  stays: { path: string; command: string }[];
}

export async function uninstall(m: Machine, o: { purge: boolean; say: Say }): Promise<Left> {
  guard(m, 'uninstall');
  return locked(m, async () => {
    const changed = await applySteps(m, stepsOf(m, o.purge), o.say.step);
    const { etc, state } = m.place;
    const there = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
    const stays = [state, etc]
      .filter(there)
      .map((path) => ({ path: shown(m.place, path), command: `rm -rf ${shown(m.place, path)}` }));
    if (m.user() !== null) stays.push({ path: `the user ${USER}`, command: `userdel ${USER}` });
    return { changed, stays };
  });
}

function stepsOf(m: Machine, purge: boolean): Step[] {
  const { place } = m;
  const steps: Step[] = [];
  const add = (name: string, text: string, needed: boolean, run: Step['run']) =>
    steps.push({ name, text, needed, run });
  const there = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  const { units, files } = filesInstalled(place);
  // The sockets first: a call would start the service again.
  const order = [...units].sort((a, b) => Number(b.endsWith('.socket')) - Number(a.endsWith('.socket')));
  add('stop', order.join(', '), units.length > 0, async () => {
    // One that was never enabled is no fault; that nothing runs afterwards is asked of systemd.
    await m.run('systemctl', ['disable', '--quiet', ...order], 30_000);
    await must(m, 'systemctl', ['stop', ...order], 100_000);
  });
  for (const path of files) add('remove', shown(place, path), true, () => rmSync(path, { force: true }));
  for (const folder of [`${SERVICE}.d`, `${SOCKET}.d`].map((n) => join(place.units, n)))
    add('remove', `${shown(place, folder)}, when nothing else is in it`, there(folder), () => removeEmpty(folder));
  add('systemd', 'reads the unit files again', files.length > 0, async () => {
    await must(m, 'systemctl', ['daemon-reload']);
    await m.run('systemctl', ['reset-failed', ...units]);
  });
  add('remove', `${shown(place, place.launcher)} (a link)`, readlinkOr(place.launcher) === LAUNCHER_TARGET, () =>
    rmSync(place.launcher, { force: true }),
  );
  add('remove', `${shown(place, place.opt)} (all versions)`, there(place.opt), () =>
    rmSync(place.opt, { recursive: true, force: true }),
  );
  if (!purge) return steps;
  for (const path of [place.state, place.etc]) add('remove', shown(place, path), there(path), () => empty(path));
  add('remove', `the user ${USER}`, m.user() !== null, async () => {
    if (m.has('userdel')) await must(m, 'userdel', [USER]);
    // Made by sysusers, its group has its name alone and goes along; else it is removed here.
    if (m.groupThere(USER) && m.has('groupdel')) await m.run('groupdel', [USER]);
  });
  return steps;
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Somebody's own drop-in is in it.
  }
}

/** A folder that is a mount of its own is emptied; it cannot go itself. */
function empty(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true });
  }
}
